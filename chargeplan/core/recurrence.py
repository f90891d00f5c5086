"""The schedule's grid: every date is computed from the anchor, never from the date before it (plan-language.md, *Schedule*)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Literal

import msgspec

from chargeplan.core.dates import ONE_DAY, Days, Mark, day_in_month, month_number
from chargeplan.core.plan import Schedule

_CALENDAR_BASE = month_number(date(2000, 1, 1))


class MonthGrid(msgspec.Struct, frozen=True):
    """Dates every ``step`` months on ``day`` (31 stands for the last); ``base`` is the month number of date 0."""

    base: int
    step: int
    day: int

    def start(self, k: int) -> date:
        """The k-th date."""
        return day_in_month(self.base + k * self.step, self.day)

    def index_of(self, day: date) -> int:
        """The number of the period that holds ``day``."""
        k = (month_number(day) - self.base) // self.step
        return k if self.start(k) <= day else k - 1


class WeekGrid(msgspec.Struct, frozen=True):
    """Dates every ``step`` days from ``base``."""

    base: date
    step: int

    def start(self, k: int) -> date:
        """The k-th date."""
        return self.base + timedelta(days=k * self.step)

    def index_of(self, day: date) -> int:
        """The number of the period that holds ``day``."""
        return (day - self.base).days // self.step


Grid = MonthGrid | WeekGrid


def grid_of(schedule: Schedule, anchor: Mark | None) -> Grid | None:
    """The grid of a schedule whose anchor (else its ``from``) is ``anchor``.

    An anchor that is no date of the grid stands for the period that holds it. ``None`` where several months or
    weeks have no anchor to fix their phase.
    """
    if schedule.unit == "week":
        return _week_grid(schedule, anchor.day if anchor else None)
    return _month_grid(schedule, anchor)


def _month_grid(schedule: Schedule, anchor: Mark | None) -> MonthGrid | None:
    day = _day_number(schedule.day, anchor)
    if anchor is None:
        follows_calendar = schedule.count in {1, 3, 12}
        return MonthGrid(_CALENDAR_BASE, schedule.count, day) if follows_calendar else None
    grid = MonthGrid(month_number(anchor.day), schedule.count, day)
    if grid.start(0) > anchor.day:
        return MonthGrid(grid.base - 1, schedule.count, day)
    return grid


def _day_number(day: int | Literal["last"] | None, anchor: Mark | None) -> int:
    if day == "last":
        return 31
    if day is None:
        return anchor.of_month if anchor else 1
    return day


def _week_grid(schedule: Schedule, anchor: date | None) -> WeekGrid | None:
    step = 7 * schedule.count
    if anchor is None:
        if schedule.weekday is None or schedule.count != 1:
            return None
        monday = date(2000, 1, 3)
        return WeekGrid(monday + timedelta(days=schedule.weekday), step)
    weekday = anchor.weekday() if schedule.weekday is None else schedule.weekday
    return WeekGrid(anchor - timedelta(days=(anchor.weekday() - weekday) % 7), step)


class Occurrence(msgspec.Struct, frozen=True):
    """One period of a schedule: its days, and its number counted from the period that holds ``from`` (0)."""

    days: Days
    number: int


def occurrences(grid: Grid, zero: int, first: date, last: date) -> Iterator[Occurrence]:
    """The periods that have a day from ``first`` through ``last``; ``zero`` is the grid's number of occurrence 0."""
    for k in range(grid.index_of(first), grid.index_of(last) + 1):
        yield Occurrence(Days(grid.start(k), grid.start(k + 1) - ONE_DAY), k - zero)


def same_rhythm(one: Schedule | None, other: Schedule | None) -> bool:
    """Whether both recur as often, though perhaps on other days."""
    return one is not None and other is not None and (one.unit, one.count) == (other.unit, other.count)


def may_meet(line: Schedule, base: Schedule) -> bool:
    """Whether periods of ``line`` can ever be told in those of ``base`` (plan-language.md, *Percentages of charges*).

    Either both recur as often, or each period of ``line`` is made of whole ones of ``base``. Where the dates are a
    household's own, the household decides.
    """
    if same_rhythm(line, base):
        return True
    if line.unit != base.unit or line.count % base.count:
        return False
    of_line, of_base = (
        None if _is_households(each) else grid_of(each, _fixed_mark(each)) for each in (line, base)
    )
    if of_line is None or of_base is None:
        return True
    starts = [of_line.start(k) for k in range(13)]
    return any(
        all(of_base.start(of_base.index_of(day)) == day for day in pair)
        for pair in itertools.pairwise(starts)
    )


def _is_households(schedule: Schedule) -> bool:
    anchor = schedule.anchor or schedule.first
    return anchor is not None and not isinstance(anchor, date)


def _fixed_mark(schedule: Schedule) -> Mark | None:
    anchor = schedule.anchor or schedule.first
    return Mark(anchor, anchor.day) if isinstance(anchor, date) else None
