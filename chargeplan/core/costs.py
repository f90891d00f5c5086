"""What the segments of one service period cost, and which periods count (plan-language.md, *Proration* and *Schedule*)."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import msgspec

from chargeplan.core.dates import Days
from chargeplan.core.money import round_half_away
from chargeplan.core.plan import Charge, Spread
from chargeplan.core.proration import Method, prorated
from chargeplan.core.timeline import Segment


class Period(msgspec.Struct, frozen=True):
    """A service period to be billed: its key text, its number for ``spread`` and the period before it."""

    days: Days
    text: str
    number: int
    before: Days | None
    dated: date | None = None


class Portion(msgspec.Struct, frozen=True):
    """Days and whole cents of one line; ``None`` cents where the amount is missing."""

    days: Days
    cents: int | None


def counts(charge: Charge, number: int) -> bool:
    """Whether the occurrence of that number is one of those that ``times`` and ``spread`` ask for."""
    times = charge.schedule.times if charge.schedule is not None else None
    over = charge.amount.over if isinstance(charge.amount, Spread) else None
    limits = [each for each in (times, over) if each is not None]
    return not limits or 0 <= number < min(limits)


def is_stub(billable: Days, period: Days) -> bool:
    """Whether billing begins inside the period."""
    return period.first < billable.first <= period.last


def exact_cost(charge: Charge, period: Days, parts: list[Segment]) -> int | Fraction | None:
    """What the segments cost together, unrounded; where the amount did not change, as one."""
    if len({part.amount for part in parts}) == 1:
        parts = [Segment(Days(parts[0].days.first, parts[-1].days.last), parts[0].amount)]
    total: int | Fraction = 0
    for part in parts:
        if part.amount is None:
            return None
        total += prorated(part.amount, _method(charge, parts), period, part.days)
    return total


def costed(charge: Charge, period: Days, billed: Days, parts: list[Segment]) -> list[Portion]:
    """Each segment's cents; where the amount did not change, the last is the whole less the others."""
    method = _method(charge, parts)
    portions = [
        Portion(
            part.days,
            None
            if part.amount is None
            else round_half_away(prorated(part.amount, method, period, part.days)),
        )
        for part in parts
    ]
    amounts = {part.amount for part in parts}
    if len(parts) > 1 and len(amounts) == 1 and parts[0].amount is not None:
        whole = round_half_away(prorated(parts[0].amount, charge.prorate.method, period, billed))
        others = sum(each.cents for each in portions[:-1] if each.cents is not None)
        portions[-1] = Portion(parts[-1].days, whole - others)
    return portions


def _method(charge: Charge, parts: list[Segment]) -> Method:
    if len(parts) > 1 and charge.prorate.method in {"none", "skip"}:
        return "actual"
    return charge.prorate.method
