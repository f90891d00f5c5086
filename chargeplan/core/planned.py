"""What a plan asks for in one property, as it is compared."""

from __future__ import annotations

import msgspec

from chargeplan.core.bill import Expansion
from chargeplan.core.plan import Plan
from chargeplan.core.steady import Steady


class PlannedProperty(msgspec.Struct, frozen=True):
    """One plan's expansion in one property, and what was told without it."""

    plan: Plan
    expansion: Expansion
    steady: Steady = msgspec.field(default_factory=Steady)
