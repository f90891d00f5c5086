"""Rows of the postings table as values, without a detour: planning reads every recent posting of a portfolio.

Briefs come as one JSON text, written by the database and read by msgspec: of a value of Python's for each column of each
row the time is twice as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from operator import attrgetter
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FunctionElement,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    func,
    not_,
    or_,
    select,
)

from chargeplan.core.dates import DatesByText
from chargeplan.core.posting import LIVE, OPEN, Brief, Posting
from chargeplan.journal import replay, schema

_table: Final = schema.postings
# In the order of the structs' fields, so that a row makes a value as it comes.
_WHOLE: Final = tuple(_table.c[name] for name in Posting.__struct_fields__)
_BRIEF: Final = tuple(_table.c[name] for name in Brief.__struct_fields__ if name != "state")
# One parameter for all: SQLAlchemy looks at each value that it is given in a statement.
_UNITS: Final[BindParameter[Any]] = bindparam("units", expanding=True)
_FIRST_DATE: Final = Posting.__struct_fields__.index("period_first")
_AFTER_DATES: Final = Posting.__struct_fields__.index("transaction_date") + 1


def latest_postings(
    connection: Connection, integration_id: str, property_id: str, since: date | None
) -> list[Posting]:
    """The live posting of each reference in the property, or its newest; oldest first.

    With ``since`` those that may matter from that day on: dated or for periods that last until then, or still open.

    Raises:
        ValueError: a row makes no sense.
    """
    query = _of_property(select(*_WHOLE), integration_id, property_id, since)
    return _latest(_postings(_rows(connection, query)))


def latest_briefs(
    connection: Connection, integration_id: str, property_id: str, since: date | None
) -> list[Posting | Brief]:
    """The same, but the brief of those that were seen on the ledger.

    Raises:
        ValueError: a row makes no sense.
    """
    # What was moved to another integration has another reference than its key says: it is looked at whole.
    settled = and_(_table.c.state == "visible", _table.c.action != "moved")
    text = cast(_as_json[connection.dialect.name](_BRIEF).filter(settled), Text)
    query = select(text, func.count().filter(not_(settled))).select_from(_table)
    briefs, count = connection.execute(_of_property(query, integration_id, property_id, since)).one()
    found: list[Posting | Brief] = [*_decode(briefs or "[]")]
    if count:
        others = _of_property(select(*_WHOLE), integration_id, property_id, since).where(not_(settled))
        found += _postings(_rows(connection, others))
    return _latest(found)


def latest_of_units(
    connection: Connection, integration_id: str, property_id: str, unit_ids: Sequence[str], since: date | None
) -> list[Posting]:
    """The latest postings of the units that were recorded under another property than this one.

    Below and above its id, and not beside it: so the index says at once that there are none, as nearly always.

    Raises:
        ValueError: a row makes no sense.
    """
    found: list[Posting] = []
    for others in (_table.c.property_id < property_id, _table.c.property_id > property_id):
        units = and_(_table.c.integration_id == integration_id, _table.c.unit_id.in_(_UNITS), others)
        query = _recent(select(*_WHOLE).where(units), since)
        found += _postings(_rows(connection, query, {"units": unit_ids}))
    return _latest(found)


def latest_where(connection: Connection, condition: ColumnElement[bool]) -> list[Posting]:
    """The live posting of each reference for which the condition is true, or its newest; oldest first.

    Raises:
        ValueError: a row makes no sense.
    """
    return _latest(postings_where(connection, condition))


def postings_where(connection: Connection, condition: ColumnElement[bool]) -> list[Posting]:
    """Every posting of which the condition is true, oldest first.

    Raises:
        ValueError: a row makes no sense.
    """
    query = select(*_WHOLE).where(condition).order_by(_table.c.id)
    return list(_postings(_rows(connection, query)))


# The rows of a group as one JSON text, by dialect.
_as_json: Final[dict[str, Callable[[Sequence[ColumnElement[Any]]], FunctionElement[Any]]]] = {
    "sqlite": lambda columns: func.json_group_array(func.json_array(*columns)),
    "postgresql": lambda columns: func.json_agg(func.json_build_array(*columns)),
}
_decode: Final = msgspec.json.Decoder(list[Brief]).decode


def _rows(
    connection: Connection, query: Select[Any], values: Mapping[str, object] | None = None
) -> Sequence[Any]:
    """The driver's own tuples: SQLAlchemy's rows take half as long again, and the columns need no conversion."""
    cursor = connection.execute(query, values).cursor
    assert cursor is not None
    return cursor.fetchall()


def _of_property(
    query: Select[*tuple[Any, ...]], integration_id: str, property_id: str, since: date | None
) -> Select[*tuple[Any, ...]]:
    query = query.where(_table.c.integration_id == integration_id, _table.c.property_id == property_id)
    return _recent(query, since)


def _recent(query: Select[*tuple[Any, ...]], since: date | None) -> Select[*tuple[Any, ...]]:
    if since is None:
        return query
    day = since.isoformat()
    recent = or_(_table.c.period_last >= day, _table.c.transaction_date >= day)
    return query.where(or_(recent, _table.c.state.in_(sorted(OPEN))))


_P = TypeVar("_P", bound=Posting | Brief)


def _latest(found: Iterable[_P]) -> list[_P]:
    ordered = sorted(found, key=attrgetter("id"))
    # Nearly always every line was sent once.
    if len({posting.reference for posting in ordered}) == len(ordered):
        return ordered
    latest: dict[str, _P] = {}
    for posting in ordered:
        known = latest.get(posting.reference)
        if known is None or known.state not in LIVE:
            latest[posting.reference] = posting
    return sorted(latest.values(), key=attrgetter("id"))


def _postings(rows: Sequence[Any]) -> Iterator[Posting]:
    days = DatesByText()
    make: Callable[..., Posting] = Posting
    for row in rows:
        first, last, service_first, service_last, dated = row[_FIRST_DATE:_AFTER_DATES]
        yield make(
            *row[:_FIRST_DATE],
            days[first],
            days[last],
            days[service_first],
            days[service_last],
            days[dated],
            *row[_AFTER_DATES:],
        )


def chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """The values, as many at a time as a statement takes."""
    return (values[start : start + replay.CHUNK] for start in range(0, len(values), replay.CHUNK))
