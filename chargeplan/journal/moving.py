"""A journal moves from one database to another: closed here before it is open there, and equal to the cent."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, insert, select

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import locks, recorder, schema, transfer
from chargeplan.journal.checks import problems_of
from chargeplan.journal.database import MOVED, Database, open_database
from chargeplan.journal.events import GENESIS
from chargeplan.journal.failures import NOTHING_SENT, moved
from chargeplan.journal.recorder import Recorder, default_actor, utc_now

_postings: Final = schema.postings


class MovedJournal(msgspec.Struct, frozen=True):
    """What was moved: how many events and postings, and the postings' cents; ``where`` is the new address."""

    where: str
    events: int
    postings: int
    amount: int


def move_journal(
    source: str, target: str, *, actor: str | None = None, allow_async: bool = False
) -> MovedJournal:
    """Move the journal at ``source`` to ``target``, where none may be yet. What was interrupted goes on when called again.

    First the source is closed: from that commit on it refuses to open and to write, and says where it went. Then the
    target is made and filled in one transaction, which is undone unless it equals the source. So there is no moment in
    which both take postings, and one in which neither does.

    Raises:
        ChargeplanError: ``journal_not_empty`` (there is another journal, or this very one), ``locked`` (a run works),
            ``journal_moved`` (it moved elsewhere), ``import_differs``, or either database failed.
    """
    record = Recorder(actor or default_actor(), utc_now)
    known: dict[str, Any] = {
        "migrated": record.migrated,
        "created": record.created,
        "allow_async": allow_async,
    }
    here = open_database(source, create=False, source=True, **known)
    try:
        _check_target(here, target, known)
        _close(here, record, target)
        there = open_database(
            target,
            create=True,
            created=lambda connection, _: _fill(here, connection, record),
            migrated=record.migrated,
            allow_async=allow_async,
        )
        try:
            return _compared(here, there)
        finally:
            there.close()
    finally:
        here.close()


def _check_target(here: Database, target: str, known: dict[str, Any]) -> None:
    """Before anything is closed: nothing is there, or what an earlier call has moved."""
    try:
        there = open_database(target, create=False, **known)
    except ChargeplanError as missing:
        if missing.code != "journal_missing":
            raise
        return
    try:
        same = there.read(_identity) == here.read(_identity)
        if not same or here.read(_moved_to) != there.where:
            raise ChargeplanError(
                f"There is a journal at {there.where}, {'this very one' if same else 'another one'}. Nothing was moved.",
                hint="Move it to where none is: another path, database or schema.",
                code="journal_not_empty",
            )
    finally:
        there.close()


def _close(here: Database, record: Recorder, target: str) -> None:
    where = Database.named(target)

    def close(connection: Connection) -> None:
        to = _moved_to(connection)
        if to == where:
            return
        if to is not None:
            raise moved(here.where, to)
        now = here.server_time(connection) or record.now()
        for row in locks.held(connection):
            if not locks.is_broken(row, now):
                raise locks.locked(row)
        record.append(connection, "moved", {"to": where})
        connection.execute(insert(schema.meta), {"key": MOVED, "value": where})

    here.write(close)


def _fill(here: Database, connection: Connection, record: Recorder) -> None:
    connection.execute(insert(schema.meta), {"key": "head", "value": f"0 {GENESIS}"})
    transfer.put_all(connection, here.read(_identity), _events(here))
    if _content(connection) != here.read(_content) or problems_of(connection):
        raise ChargeplanError(
            f"What arrived is not what was sent, so it was not kept. {NOTHING_SENT}",
            hint="`chargeplan journal verify` checks the source; the same command tries again.",
            code="import_differs",
        )
    count = recorder.head(connection)[0]
    record.append(
        connection, "imported", {"count": count, "identity": here.read(_identity), "from": here.where}
    )


def _events(here: Database) -> Any:
    after = -1
    while page := here.read(lambda connection: recorder.page(connection, after)):  # noqa: B023 - read at once
        yield from page
        after = page[-1].seq


def _content(connection: Connection) -> tuple[Any, ...]:
    """The end of the chain; how many postings, and how many cents, are in each state."""
    query = (
        select(_postings.c.state, func.count(), func.sum(_postings.c.amount))
        .group_by(_postings.c.state)
        .order_by(_postings.c.state)
    )
    return recorder.head(connection), [(row[0], row[1], int(row[2])) for row in connection.execute(query)]


def _compared(here: Database, there: Database) -> MovedJournal:
    """The account of a move; also of one that an earlier call has finished."""
    last, states = here.read(_content)
    events = schema.events.c
    query = select(events.hash).where(events.seq == last[0])
    if there.read(lambda connection: connection.execute(query).scalar_one_or_none()) != last[1]:
        raise ChargeplanError(
            f"The journal {there.where} does not go on where {here.where} ended. {NOTHING_SENT}",
            hint="Look at both with `chargeplan journal verify`.",
            code="import_differs",
        )
    return MovedJournal(
        there.where, last[0], sum(count for _, count, _ in states), sum(amount for _, _, amount in states)
    )


def _identity(connection: Connection) -> str:
    return str(
        connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == "identity")).scalar_one()
    )


def _moved_to(connection: Connection) -> str | None:
    return connection.execute(
        select(schema.meta.c.value).where(schema.meta.c.key == MOVED)
    ).scalar_one_or_none()
