"""Bills: what one household or resident owes of a charge for one service period. The unit of comparison."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import msgspec

from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.key import Key
from chargeplan.core.line import AllocationReport, Line, Skip
from chargeplan.core.plan import Charge


class Bill(msgspec.Struct, frozen=True):
    """Lines of one period under one key, or the reason why there are none.

    ``key`` is that of part 0. ``billed`` are the days that the plan bills, ``lived`` those of the household in the
    period, whatever the plan's own dates say; ``last_lived`` is the household's last day of all. ``cut`` is the first day inside the period on which the amount changes.
    ``alternates`` are keys under which the same household may be known (the primary resident changed).
    ``cost_of`` tells what other billed days of the period would cost now, in cents; ``None`` where that can't be told.
    ``draft`` is a line to write a reversal from where nothing is due.
    """

    charge: Charge
    key: Key
    period: Days
    lines: tuple[Line, ...]
    draft: Line
    reason: str | None = None
    billed: Days | None = None
    lived: Days | None = None
    last_lived: date | None = None
    cut: date | None = None
    alternates: tuple[Key, ...] = ()
    cost_of: Callable[[Days], int | None] | None = None
    correctable: bool = True

    @property
    def held(self) -> str | None:
        """The reason why its lines are held, where they are."""
        return next((line.hold for line in self.lines if line.hold), None)


class HouseholdBills(msgspec.Struct, frozen=True):
    """All bills of a charge for one household; ``skip`` carries the facts of a skip, should no line come of them."""

    bills: tuple[Bill, ...]
    skip: Skip
    order: int


class Expansion(msgspec.Struct, frozen=True):
    """What a plan asks for in one property."""

    households: tuple[HouseholdBills, ...]
    allocations: tuple[AllocationReport, ...]
    diagnostics: tuple[Diagnostic, ...]
