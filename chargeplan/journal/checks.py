"""Whether the record and the tables are what they say: everything that is wrong with them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, MetaData, Select, Table, create_engine, func, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from chargeplan.journal import recorder, replay, schema
from chargeplan.journal.events import Event, chain_problems

Cells = tuple[Any, ...]
_CHUNK: Final = replay.CHUNK
# What an event that somebody made up may end in.
_FAULTS: Final = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    SQLAlchemyError,
)


def problems_of(connection: Connection) -> list[str]:
    """What is wrong with the identity, the chain of events, and the rows that follow from them."""
    return [
        *_identity_problems(connection),
        *chain_problems(recorder.every(connection), recorder.head(connection)),
        *_row_problems(connection),
    ]


def _identity_problems(connection: Connection) -> Iterator[str]:
    query = select(schema.meta.c.value).where(schema.meta.c.key == "identity")
    first = next(recorder.every(connection), None)
    if first is not None and first.kind == "created":
        with suppress(ValueError):
            if first.facts.get("identity") == connection.execute(query).scalar_one():
                return
    yield "meta: the identity is not the one that the first event gave"


def _row_problems(connection: Connection) -> Iterator[str]:
    """Where the tables differ from what the events say, row by row.

    The events are written once more, into tables beside: of a portfolio's years they do not fit into memory.
    """
    with _beside() as (beside, tables):
        for event in recorder.every(connection):
            if fault := _fault_of(beside, event, tables):
                yield f"events: what they say does not follow from each other ({fault}), so rows were not compared"
                return
        for name, table in tables.items():
            yield from _differences(connection, replay.TABLES[name], beside, table, replay.KEYS[name])


@contextmanager
def _beside() -> Iterator[tuple[Connection, Mapping[str, Table]]]:
    """Tables with the same columns and no rule at all, in a file that SQLite deletes."""
    metadata = MetaData()
    tables = {
        name: Table(
            name,
            metadata,
            *(Column(each.name, each.type, primary_key=each.primary_key) for each in table.columns),
        )
        for name, table in replay.TABLES.items()
    }
    # An empty name: SQLite's own temporary file, which goes when it is closed.
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(""))
    try:
        with engine.begin() as connection:
            metadata.create_all(connection)
            yield connection, tables
    finally:
        engine.dispose()


def _fault_of(beside: Connection, event: Event, tables: Mapping[str, Table]) -> str:
    try:
        missing = replay.write(beside, event, tables)
    except OperationalError:
        raise  # A full disk is no fault of the event's.
    except _FAULTS as error:
        return f"event {event.seq}: {type(error).__name__}"
    return f"event {event.seq} speaks of a row that no event made" if missing else ""


def _differences(
    connection: Connection, actual: Table, beside: Connection, said: Table, key: str
) -> Iterator[str]:
    names = [column.name for column in actual.columns]
    at, known = names.index(key), 0
    for rows in _chunks(connection, select(actual)):
        expected = {
            row[at]: row for row in _rows_of(beside, select(said), said.c[key], [r[at] for r in rows])
        }
        known += len(expected)
        for row in rows:
            if row[at] not in expected:
                yield f"{actual.name} {row[at]}: no event made this row"
            elif row != expected[row[at]]:
                yield from _cell_problems(f"{actual.name} {row[at]}", names, row, expected[row[at]])
    if known == beside.execute(select(func.count()).select_from(said)).scalar_one():
        return
    for rows in _chunks(beside, select(said.c[key])):
        there = set(_rows_of(connection, select(actual.c[key]), actual.c[key], [row[0] for row in rows]))
        for (gone,) in [row for row in rows if row not in there]:
            yield f"{actual.name} {gone}: the events made this row, and it is gone"


def _chunks(connection: Connection, query: Select[*Cells]) -> Iterator[list[Cells]]:
    result = connection.execute(query.execution_options(yield_per=_CHUNK))
    return ([tuple(row) for row in rows] for rows in result.partitions())


def _rows_of(
    connection: Connection, query: Select[*Cells], key: ColumnElement[Any], keys: Sequence[Any]
) -> list[Cells]:
    return [tuple(row) for row in connection.execute(query.where(key.in_(keys)))]


def _cell_problems(where: str, names: Sequence[str], found: Cells, said: Cells) -> Iterator[str]:
    for name, value, wanted in zip(names, found, said, strict=True):
        if value != wanted:
            yield f"{where}: {name} is {json.dumps(value)}, the events say {json.dumps(wanted)}"
