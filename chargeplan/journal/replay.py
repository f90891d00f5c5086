"""What an event does to the tables: one definition, run on the database as it is written and on a copy to verify it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Table, insert, update

from chargeplan.core.posting import LIVE
from chargeplan.journal import schema
from chargeplan.journal.events import Event, canonical

Row = dict[str, Any]
TABLES: Final[dict[str, Table]] = {
    "plans": schema.plans,
    "batches": schema.batches,
    "postings": schema.postings,
    "decisions": schema.decisions,
}
KEYS: Final[dict[str, str]] = {
    "plans": "plan_id",
    "batches": "batch_id",
    "postings": "id",
    "decisions": "seq",
}
# What changes of a posting whose integration was set up anew.
PLACE: Final = (
    "integration_id", "property_id", "unit_id", "lease_id", "resident_id", "charge_code_id", "charge_id", "period", "action",
)  # fmt: skip
CHUNK: Final = 500  # below what a statement may have parameters on either database


class Insert(msgspec.Struct, frozen=True):
    """New rows of a table."""

    table: str
    rows: Sequence[Row]


class Update(msgspec.Struct, frozen=True):
    """New values in the rows of a table that have these keys."""

    table: str
    keys: Sequence[Any]
    values: Row


Effect = Insert | Update


def _consumed(event: Event, facts: Row) -> Iterator[Effect]:
    row = {"plan_id": facts["plan_id"], "digest": facts["digest"], "facts": canonical(facts["facts"])}
    yield Insert("plans", [{**row, "at": event.at, "actor": event.actor}])


def _intended(event: Event, facts: Row) -> Iterator[Effect]:
    batch = facts["batch"]
    yield Insert("batches", [{**batch, "errors": canonical(batch["errors"])}])
    yield from _inserted(event, facts)


def _inserted(_: Event, facts: Row) -> Iterator[Effect]:
    yield Insert(
        "postings", [{**schema.ADDED, **row, "live": _live(row["state"])} for row in facts["postings"]]
    )


def _recorded(event: Event, facts: Row) -> Iterator[Effect]:
    job = {} if facts["job_id"] is None else {"job_id": facts["job_id"]}
    record = {"record_id": facts["record_id"]} if facts.get("record_id") else {}
    yield Update("postings", facts["ids"], {**_moved(event, facts), **job, **record})
    yield Update("batches", [facts["batch_id"]], {"errors": canonical(facts["batch_errors"]), **job})


def _settled(event: Event, facts: Row) -> Iterator[Effect]:
    charge = {} if facts["charge_id"] is None else {"charge_id": facts["charge_id"]}
    yield Update("postings", [facts["id"]], {**_moved(event, facts), **charge})


def _integration_moved(_: Event, facts: Row) -> Iterator[Effect]:
    for row in facts["postings"]:
        yield Update("postings", [row["id"]], {name: row[name] for name in PLACE})


def _decided(event: Event, facts: Row) -> Iterator[Effect]:
    yield Insert("decisions", [{**facts, "seq": event.seq}])


def _moved(event: Event, facts: Row) -> Row:
    state = facts["state"]
    return {"state": state, "live": _live(state), "since": event.at, "error": facts["error"]}


def _live(state: str) -> int:
    return int(state in LIVE)


_EFFECTS: Final[dict[str, Callable[[Event, Row], Iterator[Effect]]]] = {
    "consumed": _consumed,
    "intended": _intended,
    "recorded": _recorded,
    "settled": _settled,
    "rebuilt": _inserted,
    "adopted": _inserted,
    "decided": _decided,
    "integration_moved": _integration_moved,
}


def effects(event: Event) -> Iterator[Effect]:
    """What the event does to the tables; nothing, where it changes none."""
    rule = _EFFECTS.get(event.kind)
    return iter(()) if rule is None else rule(event, event.facts)


def write(connection: Connection, event: Event, tables: Mapping[str, Table] = TABLES) -> int:
    """Bring the tables up to the event; how many of the rows that it changes there are not."""
    return sum(_write(connection, effect, tables[effect.table]) for effect in effects(event))


def _write(connection: Connection, effect: Effect, table: Table) -> int:
    if isinstance(effect, Insert):
        names = table.c.keys()
        if effect.rows:
            connection.execute(
                insert(table), [{name: row.get(name) for name in names} for row in effect.rows]
            )
        return 0
    key, missing = table.c[KEYS[effect.table]], len(effect.keys)
    for start in range(0, len(effect.keys), CHUNK):
        chunk = effect.keys[start : start + CHUNK]
        missing -= connection.execute(update(table).where(key.in_(chunk)).values(**effect.values)).rowcount
    return missing
