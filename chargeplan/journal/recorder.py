"""Writing events: who, where and when, the chain's next link, and what follows for the tables."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from chargeplan.journal import replay, schema
from chargeplan.journal.database import LAST_EVENT
from chargeplan.journal.events import GENESIS, Event, sealed
from chargeplan.journal.failures import problem
from chargeplan.journal.locks import hostname, stamp

Clock = Callable[[], datetime]
# An event may have a whole batch in it.
_PAGE = 50


def utc_now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def default_actor() -> str:
    """Who runs this: the person behind a CI job where it says, else the user."""
    for name in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


class Recorder:
    """Appends events in the name of an actor."""

    def __init__(self, actor: str, clock: Clock) -> None:
        self.actor = actor
        self._clock = clock

    def now(self) -> str:
        """The moment, as the journal writes it."""
        return stamp(self._clock())

    def append(
        self,
        connection: Connection,
        kind: str,
        data: Mapping[str, object],
        *,
        actor: str | None = None,
        at: str | None = None,
    ) -> None:
        """Write the event and what follows from it, in the caller's transaction."""
        event = sealed(
            head(connection),
            at=at or self.now(),
            kind=kind,
            actor=actor or self.actor,
            host=hostname(),
            data=data,
        )
        put(connection, event)

    def created(self, connection: Connection, identity: str) -> None:
        """The first event."""
        connection.execute(insert(schema.meta), {"key": "head", "value": f"0 {GENESIS}"})
        self.append(connection, "created", {"identity": identity, "version": schema.VERSION})

    def migrated(self, connection: Connection, version: str) -> None:
        """The event of a migration."""
        self.append(connection, "migrated", {"version": int(version)})


def put(connection: Connection, event: Event) -> None:
    """Write a sealed event, bring the tables up to it, and remember it as the last."""
    connection.info[LAST_EVENT] = (event.seq, event.hash)
    connection.execute(insert(schema.events), msgspec.structs.asdict(event))
    replay.write(connection, event)
    connection.execute(
        update(schema.meta).where(schema.meta.c.key == "head").values(value=f"{event.seq} {event.hash}")
    )


def head(connection: Connection) -> tuple[int, str]:
    """Number and hash of the last event; kept beside the record, so that an end cut off is noticed.

    Raises:
        ChargeplanError: ``journal_damaged``.
    """
    query = select(schema.meta.c.value).where(schema.meta.c.key == "head")
    seq, _, last = str(connection.execute(query).scalar_one()).partition(" ")
    if not seq.isdecimal():
        raise problem("journal_damaged", "(its note of the last event)", consequence="")
    return int(seq), last


def page(connection: Connection, after: int) -> list[Event]:
    """The events that follow the one with this number: some dozens, or none at the end."""
    table = schema.events
    query = select(table).where(table.c.seq > after).order_by(table.c.seq).limit(_PAGE)
    return [Event(**row) for row in connection.execute(query).mappings()]


def first_since(connection: Connection, moment: str) -> int | None:
    """The number of the first event of that moment or later; clocks differ, so later ones may still be earlier."""
    table = schema.events
    query = select(func.min(table.c.seq)).where(table.c.at >= moment)
    seq: int | None = connection.execute(query).scalar_one()
    return seq


def every(connection: Connection) -> Iterator[Event]:
    """All events in order, a page at a time."""
    after = -1  # an event numbered 0 or less would be forged, and is to be seen
    while events := page(connection, after):
        yield from events
        after = events[-1].seq
