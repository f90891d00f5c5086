"""Facts in words: what a decision was made from."""

from __future__ import annotations

from datetime import date

from chargeplan.core.dates import LAST_DAY, Days
from chargeplan.core.facts import (
    AsksFor,
    BilledDays,
    DatedAmount,
    FactValue,
    LateCharge,
    Money,
    NoRow,
    Resolved,
    RowAt,
    Takes,
)
from chargeplan.core.money import format_money


def fact_words(value: FactValue) -> str:  # noqa: C901, PLR0911 - a row for each kind of fact
    """What a fact says."""
    match value:
        case str():
            return value
        case Days():
            return span(value)
        case BilledDays(days=days):
            return f"{span(days)} ({days.count} {'day' if days.count == 1 else 'days'})"
        case Takes():
            return f"takes {', '.join(value.wanted)}; theirs is {', '.join(value.theirs) or 'not known'}"
        case AsksFor():
            return f"asks for {value.thing}; they have {value.count}"
        case RowAt():
            return f"{value.file}:{value.line}" + (f": {value.reason}" if value.reason else "")
        case NoRow():
            return f"{value.file} has no {value.key} {', '.join(value.tried)}"
        case Resolved():
            return f"{value.text} is {value.day or 'not known'}"
        case DatedAmount():
            return f"{format_money(value.cents)} dated {value.day}"
        case LateCharge():
            return late_words(value)
        case Money(cents=cents):
            return format_money(cents)


def late_words(late: LateCharge) -> str:
    """A charge that is or may be late, with what is open of it."""
    amount = "an unknown amount" if late.amount is None else format_money(late.amount)
    still = "not known" if late.open_amount is None else format_money(late.open_amount)
    return f"charge {late.charge_id} of {amount}, due {_day(late.due)}, open on {late.as_of}: {still}"


def _day(day: date | None) -> str:
    return "on an unknown day" if day is None else str(day)


def span(days: Days) -> str:
    """Days as a person writes them; the ends of time are words."""
    first = "ever" if days.first.year == 1 else str(days.first)
    return f"{first} through {'open' if days.last == LAST_DAY else days.last}"
