"""The record as JSON Lines: a header, the events, a footer; out of a journal and into an empty one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, update

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import recorder, schema
from chargeplan.journal.events import Event, canonical, chain_problems
from chargeplan.journal.failures import NOTHING_SENT

_FORMAT: Final = 1


def lines(connection: Connection, identity: str) -> Iterator[str]:
    """The export, line by line."""
    yield canonical({"kind": "chargeplan-journal", "format": _FORMAT, "identity": identity})
    for event in recorder.every(connection):
        yield canonical(event)
    seq, last = recorder.head(connection)
    yield canonical({"kind": "end", "events": seq, "hash": last})


def parsed(stream: Iterable[str]) -> tuple[str, list[Event]]:
    """The identity and the events of an export, whole and unaltered.

    Raises:
        ChargeplanError: ``import_invalid`` or ``journal_newer``.
    """
    texts = [line for line in stream if line.strip()]
    try:
        header, footer = json.loads(texts[0]), json.loads(texts[-1])
        events = [msgspec.json.decode(line, type=Event) for line in texts[1:-1]]
        _check_header(header)
        problems = list(chain_problems(events, (footer["events"], footer["hash"])))
        identity = events[0].facts["identity"]
    except (ValueError, LookupError, TypeError) as error:
        raise _invalid(f"it is not a whole export ({type(error).__name__})") from None
    if problems or identity != header["identity"]:
        raise _invalid(problems[0] if problems else "its identity was altered")
    return str(identity), events


def fill(connection: Connection, identity: str, events: Iterable[Event]) -> None:
    """Make the events the record of a journal that has none but of its own creation.

    Raises:
        ChargeplanError: ``journal_not_empty``.
    """
    if not {event.kind for event in recorder.page(connection, 0)} <= {"created", "bound"}:
        raise ChargeplanError(
            f"The journal is not empty, so nothing was imported. {NOTHING_SENT}",
            hint="Import into a new journal: another path or database, `chargeplan journal init` first.",
            code="journal_not_empty",
        )
    connection.execute(delete(schema.events))
    put_all(connection, identity, events)


def put_all(connection: Connection, identity: str, events: Iterable[Event]) -> None:
    """Write the events, the tables that follow from them, and what ``meta`` has of them, into an empty journal."""
    fence = 0
    for event in events:
        recorder.put(connection, event)
        if event.kind == "locks_taken":
            fence = max(fence, event.facts["fence"])
    for key, value in (("identity", identity), ("fence", str(fence))):
        connection.execute(update(schema.meta).where(schema.meta.c.key == key).values(value=value))


def _check_header(header: dict[str, Any]) -> None:
    if header["kind"] != "chargeplan-journal":
        raise _invalid("it does not begin as one")
    if header["format"] > _FORMAT:
        raise ChargeplanError(
            f"The export was written by a newer chargeplan. {NOTHING_SENT}",
            hint="Install the newer chargeplan: `pip install --upgrade chargeplan`.",
            code="journal_newer",
        )


def _invalid(why: str) -> ChargeplanError:
    return ChargeplanError(
        f"This is not an export of a chargeplan journal that can be trusted: {why}. Nothing was imported.",
        hint="Make it with `chargeplan journal export`, and don't edit it.",
        code="import_invalid",
    )
