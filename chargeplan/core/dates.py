"""Calendar days: inclusive spans, month arithmetic that clamps, dates relative to a household; and moments.

Dates have no time and no zone, moments have both. Spans are inclusive at both ends, as leases and service periods are written.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from typing import Literal, TypeAlias

import msgspec

FIRST_DAY = date(1, 1, 2)
LAST_DAY = date(9999, 12, 30)
ONE_DAY = timedelta(days=1)

DateUnit = Literal["days", "weeks", "months", "years"]


class Days(msgspec.Struct, frozen=True, order=True, gc=False):
    """The days from ``first`` through ``last``, both inclusive. ``FIRST_DAY`` and ``LAST_DAY`` stand for open ends."""

    first: date
    last: date

    @property
    def count(self) -> int:
        """How many days; 0 where the last comes before the first."""
        return max(0, (self.last - self.first).days + 1)

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def common(self, other: Days) -> Days | None:
        """The days that both have, or ``None``."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        return Days(first, last) if first <= last else None


ALWAYS = Days(FIRST_DAY, LAST_DAY)


class DatesByText(dict[str, date]):
    """ISO dates by their text, each read once: of many rows few dates are different.

    Raises:
        ValueError: a text is no date.
    """

    def __missing__(self, text: str) -> date:
        found = self[text] = date.fromisoformat(text)
        return found


def moment(text: str | None) -> datetime | None:
    """A moment as Propexo writes it, ``None`` where it is none; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    if found is None:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def days_in_month(year: int, month: int) -> int:
    """28 to 31."""
    return calendar.monthrange(year, month)[1]


def month_number(day: date) -> int:
    """Months since year 0, so that month arithmetic is integer arithmetic."""
    return day.year * 12 + day.month - 1


def day_in_month(number: int, day: int) -> date:
    """The ``day``-th (1 to 31) of the month with that number, or the month's last where it is shorter."""
    year, month = divmod(number, 12)
    return date(year, month + 1, min(day, days_in_month(year, month + 1)))


def add_months(day: date, months: int) -> date:
    """Month arithmetic clamps: 31 January and one month is the last of February (plan-language.md, *Schedule*)."""
    return day_in_month(month_number(day) + months, day.day)


def month_of(day: date) -> Days:
    """The calendar month that the day is in."""
    first = day.replace(day=1)
    return Days(first, add_months(first, 1) - ONE_DAY)


def add_period(day: date, count: int, unit: DateUnit) -> date:
    """``day`` moved by ``count`` days, weeks, months or years; ``count`` may be negative."""
    match unit:
        case "days":
            return day + timedelta(days=count)
        case "weeks":
            return day + timedelta(weeks=count)
        case "months":
            return add_months(day, count)
        case "years":
            return add_months(day, 12 * count)


class RelativeDate(msgspec.Struct, frozen=True):
    """A date as a plan writes it: ``base`` ± ``count`` ``unit``; ``text`` is as written.

    ``base`` is ``lease.start``, ``lease.end``, ``move_in``, ``move_out`` or ``roster.COLUMN``.
    """

    base: str
    count: int
    unit: DateUnit
    text: str

    @property
    def is_of_roster(self) -> bool:
        """Whether a roster's cell says it."""
        return self.base.startswith("roster.")


class DateChoice(msgspec.Struct, frozen=True):
    """The earliest or the latest of several dates, of those that are known."""

    which: Literal["earliest", "latest"]
    dates: tuple[DateExpression, ...]

    @property
    def text(self) -> str:
        """As a plan writes it in one line."""
        shown = ", ".join(str(each) if isinstance(each, date) else each.text for each in self.dates)
        return f"{{{self.which}: [{shown}]}}"

    @property
    def is_of_roster(self) -> bool:
        """Whether one of the dates is a roster's."""
        return any(not isinstance(each, date) and each.is_of_roster for each in self.dates)


DateExpression: TypeAlias = date | RelativeDate | DateChoice


class Mark(msgspec.Struct, frozen=True, order=True):
    """A day from which something repeats, and the day of the month that it stands for.

    A month after 31 January is the last of February, and stands for the 31st: what repeats from it each month falls on
    31 March and not on the 28th, because nothing that was clamped is clamped again.
    """

    day: date
    of_month: int

    def plus(self, count: int, unit: DateUnit) -> date:
        """The day so many days, weeks, months or years later."""
        if unit in {"days", "weeks"}:
            return add_period(self.day, count, unit)
        return day_in_month(month_number(self.day) + count * (12 if unit == "years" else 1), self.of_month)


def mark_from(base: date, count: int, unit: DateUnit) -> Mark:
    """The day that lies ``count`` days, weeks, months or years after ``base`` (before it, where negative)."""
    day = add_period(base, count, unit)
    return Mark(day, day.day if unit in {"days", "weeks"} else base.day)
