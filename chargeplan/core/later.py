"""The later months for which two versions of the plans say something else, by the dates that they write.

A raise from next March is in no month that is about to be billed. It names its month itself, so that nobody has to guess how far
to look.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

import msgspec

from chargeplan.core.dates import LAST_DAY, ONE_DAY, Days, month_of
from chargeplan.core.diagnostic import Place
from chargeplan.core.plan import Plan, Row, Table

_DATE: Final = re.compile(r"\d{4}-\d\d(-\d\d)?")
_WHERE: Final = frozenset({"file", "line"})


def later_months(base: Iterable[Plan], here: Iterable[Plan], after: date) -> tuple[Days, ...]:
    """The months after the day in which a dated part that is on one side alone begins, or the day after it ends.

    A part is one override, step, row, or field of a charge, whole: what changes beside a date changes what the date begins.
    """
    sides = [{part: days for plan in plans for part, days in _dated_parts(plan)} for plans in (base, here)]
    both = sides[0] | sides[1]
    months = {
        month_of(moved)
        for part in sides[0].keys() ^ sides[1].keys()
        for day in both[part]
        if day < LAST_DAY
        for moved in (day, day + ONE_DAY)
    }
    return tuple(month for month in sorted(months) if month.first > after)


def _dated_parts(plan: Plan) -> Iterator[tuple[str, list[date]]]:
    """Each part by its text without places, with the dates in it; parts without a date are left out."""
    holders = [(plan.name, plan)] + [(f"{plan.name}/{charge.id}", charge) for charge in plan.charges]
    for name, holder in holders:
        for field in holder.__struct_fields__:
            if field == "charges":
                continue
            for part in _elements(getattr(holder, field)):
                days: list[date] = []
                text = repr(_plain(part, days))
                if days:
                    yield f"{name}.{field}: {text}", days


def _elements(value: object) -> Iterator[object]:
    if isinstance(value, Table):
        yield from value.all_rows()
    elif isinstance(value, dict):
        for each in value.values():
            yield from _elements(each)
    elif isinstance(value, tuple):
        yield from value
    else:
        yield value


def _plain(value: object, days: list[date]) -> object:
    """The value without where it is written; its dates are added to ``days``."""
    if isinstance(value, Place):
        return None
    if isinstance(value, date):
        days.append(value)
    elif isinstance(value, str):
        days.extend(_written(value))
    elif isinstance(value, msgspec.Struct):
        left_out = _WHERE if isinstance(value, Row | Table) else frozenset[str]()
        fields = [name for name in value.__struct_fields__ if name not in left_out]
        return type(value).__name__, [(name, _plain(getattr(value, name), days)) for name in fields]
    elif isinstance(value, dict):
        return [(key, _plain(each, days)) for key, each in value.items()]
    elif isinstance(value, tuple | list):
        return [_plain(each, days) for each in value]
    return value


def _written(text: str) -> list[date]:
    """The day, or the first of the month, that a cell of a table names."""
    if not _DATE.fullmatch(text):
        return []
    try:
        return [date.fromisoformat(text if len(text) > 7 else f"{text}-01")]
    except ValueError:
        return []
