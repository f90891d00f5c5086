"""What an applied plan covered: noted when it is used, so that later plans know which lines were missed."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from chargeplan.core.change import PropertyDigest
from chargeplan.core.plan import Plan


def coverage(
    plans: Iterable[Plan], properties: Iterable[PropertyDigest], asked: Collection[str]
) -> dict[str, object]:
    """By integration and property the plans that cover it; by plan the plan and charge of the keys of what was asked for.

    ``asked`` are the charges that the plan was filtered by; empty: all.
    """
    covered: dict[str, dict[str, list[str]]] = {}
    for each in properties:
        covered.setdefault(each.integration_id, {})[each.property_id] = list(each.plans)
    keys = {
        plan.name: [
            [charge.key_plan, charge.key_charge]
            for charge in plan.charges
            if charge.enabled and (not asked or charge.id in asked)
        ]
        for plan in plans
    }
    return {"covered": covered, "keys": keys}
