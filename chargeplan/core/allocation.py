"""Sharing a bill among the units of a property, to the cent (plan-language.md, *Sharing a bill*)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from chargeplan.core.money import round_half_away, share_out


class Shared(msgspec.Struct, frozen=True):
    """A bill divided: ``common_area`` and ``shares`` (one per unit, in the given order) sum to the bill, in cents."""

    common_area: int
    shares: tuple[int, ...]


def share_bill(
    bill: int, common_area: Fraction, weights: Sequence[Sequence[Fraction]], percents: Sequence[Fraction]
) -> Shared | None:
    """Divide ``bill`` cents among units.

    ``common_area`` percent is taken first and rounded. ``weights[i][j]`` is what unit *i* weighs in the j-th way,
    which counts ``percents[j]`` percent; each way is normalised over the units. Ties go to the earlier unit.
    ``None`` where a way's weights are all zero, so that nothing can be divided by it.
    """
    sums = [sum(column, Fraction(0)) for column in zip(*weights, strict=True)]
    if not weights or any(total == 0 for total in sums):
        return None
    common = round_half_away(Fraction(common_area * bill) / 100)
    mixed = [
        sum((Fraction(p * w) / total for p, w, total in zip(percents, row, sums, strict=True)), Fraction(0))
        for row in weights
    ]
    return Shared(common, tuple(share_out(bill - common, mixed)))


def share_by_days(share: int, days: Sequence[int]) -> list[int]:
    """Divide a unit's share between households that followed one another, by their days."""
    return share_out(share, list(days))
