"""Where the periods of a percentage and those of the charges it is of meet (plan-language.md, *Percentages of charges*)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from chargeplan.core.bill import Bill
from chargeplan.core.dates import Days
from chargeplan.core.line import Line
from chargeplan.core.plan import Charge
from chargeplan.core.recurrence import same_rhythm
from chargeplan.core.terms import Exact


def met_by(charge: Charge, base: Charge, period: Days, bills: Sequence[Bill]) -> Sequence[Bill] | None:
    """The bills of ``base``, of those that share days with the period of ``charge``, that are for its time; ``None`` where none can be.

    Where they lie within it, all: the same period, or whole periods that make it up. Where they do not, that of its
    first day, if only the day of the rhythm differs or the charge is a single one.
    """
    if all(bill.period.first >= period.first and bill.period.last <= period.last for bill in bills):
        return bills
    if base.once is not None:
        return [bill for bill in bills if bill.period.first in period or period.first in bill.period]
    if charge.once is not None or same_rhythm(charge.schedule, base.schedule):
        return [bill for bill in bills if period.first in bill.period]
    return None


def counting(lines: Sequence[Line], days: Days | None) -> Exact:
    """What lines cost for the ``days`` that they share with another charge; ``None`` for all of theirs."""
    counts: Exact = 0
    for line in lines:
        common = line.service if days is None else line.service.common(days)
        counts += Fraction((line.amount or 0) * (common.count if common else 0), line.service.count)
    return counts
