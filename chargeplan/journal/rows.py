"""Rows of the postings table as values, without a detour: planning reads every recent posting of a portfolio."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, or_, select

from chargeplan.core.posting import LIVE, OPEN, Posting
from chargeplan.journal import schema

_table: Final = schema.postings
# In the order of the struct's fields, so that a row makes a posting as it comes.
_COLUMNS: Final = tuple(_table.c[name] for name in Posting.__struct_fields__)
_FIRST_DATE: Final = Posting.__struct_fields__.index("period_first")
_AFTER_DATES: Final = Posting.__struct_fields__.index("transaction_date") + 1


def latest_postings(
    connection: Connection, integration_id: str, property_id: str, since: date | None
) -> list[Posting]:
    """Of each reference of a property the live posting, else the newest; oldest first.

    With ``since`` those that may matter from that day on: dated or for periods that last until then, or still open.

    Raises:
        ValueError: a row makes no sense.
    """
    query = select(*_COLUMNS).where(
        _table.c.integration_id == integration_id, _table.c.property_id == property_id
    )
    if since is not None:
        day = since.isoformat()
        recent = or_(_table.c.period_last >= day, _table.c.transaction_date >= day)
        query = query.where(or_(recent, _table.c.state.in_(sorted(OPEN))))
    latest: dict[str, Posting] = {}
    replaced = False
    for posting in sorted(_read(connection.execute(query).all()), key=lambda each: each.id):
        known = latest.get(posting.reference)
        if known is None or known.state not in LIVE:
            replaced = replaced or known is not None
            latest[posting.reference] = posting
    return sorted(latest.values(), key=lambda each: each.id) if replaced else list(latest.values())


def _read(rows: Sequence[Any]) -> Iterator[Posting]:
    days = _Days()
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


class _Days(dict[str, date]):
    """Dates by their text: a property's postings have few."""

    def __missing__(self, text: str) -> date:
        found = self[text] = date.fromisoformat(text)
        return found
