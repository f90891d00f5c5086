"""What a part of a period costs (plan-language.md, *Proration*). Exact; the caller rounds, once."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Literal

from chargeplan.core.dates import Days, days_in_month

Method = Literal["none", "skip", "actual", "thirty", "banker", "annual"]


def prorated(amount: int | Fraction, method: Method, period: Days, billed: Days) -> int | Fraction:
    """The exact cost of the days ``billed`` of ``period`` at ``amount`` cents a period.

    A fully billed period costs the full amount under every method, and a part never more than it. ``none`` bills a
    part whole; ``skip`` is the caller's to leave out, and costs nothing here.
    """
    if billed == period or method == "none":
        return amount
    if method == "skip":
        return 0
    days, divisor = counted_days(method, period, billed)
    return amount * min(Fraction(days, divisor), Fraction(1))


def counted_days(method: Method, period: Days, billed: Days) -> tuple[int, int]:
    """The days and the divisor by which the method prices a part of a period."""
    match method:
        case "thirty":
            return billed.count, 30
        case "banker":
            return banker_days(billed), 30
        case "annual":
            return billed.count * 12, 365
        case _:
            return billed.count, period.count


def banker_days(span: Days) -> int:
    """30/360 days of an inclusive span, month by month: the 31st counts with the 30th, a month's last day as its 30th."""
    total = 0
    year, month = span.first.year, span.first.month
    while (year, month) <= (span.last.year, span.last.month):
        last_of_month = days_in_month(year, month)
        first = max(span.first, date(year, month, 1)).day
        last = min(span.last, date(year, month, last_of_month)).day
        total += (30 if last == last_of_month else min(last, 30)) - min(first, 30) + 1
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return total
