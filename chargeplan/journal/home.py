"""Whose record a journal is: one environment's, at one API host. Both stand in it, as its last ``bound`` event.

With another environment's journal every line of a try-out would count as posted in production, and nobody be billed.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, select

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import schema
from chargeplan.journal.database import Database
from chargeplan.journal.events import Event
from chargeplan.journal.failures import NOTHING_SENT
from chargeplan.journal.recorder import Recorder

BOUND = "bound"
# Who may only read binds nothing; the next run that writes does.
_READ_ONLY = frozenset({"journal_denied", "journal_unwritable"})


class Home(msgspec.Struct, frozen=True):
    """An environment's name, and the host of its API."""

    environment: str
    api_host: str

    def __str__(self) -> str:
        return f"the environment `{self.environment}` at {self.api_host}"


def settle_home(database: Database, record: Recorder, home: Home) -> None:
    """See that the journal is the environment's; one that belongs to none yet is bound to it.

    Raises:
        ChargeplanError: ``journal_of_another``.
    """
    bound = database.read(_bound)
    if bound is not None:
        check_home(bound, home, database.where)
        return
    try:
        bind(database, record, home, reason="first use")
    except ChargeplanError as refusal:
        if refusal.code not in _READ_ONLY:
            raise


def bind(database: Database, record: Recorder, home: Home, *, reason: str) -> None:
    """From now on the journal is this environment's."""
    facts = {**msgspec.structs.asdict(home), "reason": reason}
    database.write(lambda connection: record.append(connection, BOUND, facts))


def home_of(events: Iterable[Event]) -> Home | None:
    """Whose record the events are; none, where they were never bound."""
    found = [event for event in events if event.kind == BOUND]
    return msgspec.convert(found[-1].facts, Home) if found else None


def check_home(bound: Home | None, home: Home, where: str) -> None:
    """Do nothing where the record is the environment's, or nobody's yet.

    Raises:
        ChargeplanError: ``journal_of_another``, with the ways on.
    """
    if bound is None or bound == home:
        return
    raise ChargeplanError(
        f"The journal {where} belongs to {bound}, and this is {home}. {NOTHING_SENT}",
        hint=f"Work where it belongs (`--env {bound.environment}`), or give `{home.environment}` a journal of its own: another "
        f"`journal:` in chargeplan.yaml, then `chargeplan journal init --env {home.environment}`. Only where both are the same "
        f"Propexo under another name: `chargeplan journal bind --env {home.environment} --reason TEXT`.",
        code="journal_of_another",
    )


def _bound(connection: Connection) -> Home | None:
    events = schema.events
    query = select(events).where(events.c.kind == BOUND).order_by(events.c.seq.desc()).limit(1)
    return home_of([Event(**row) for row in connection.execute(query).mappings()])
