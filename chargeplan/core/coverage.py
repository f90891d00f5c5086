"""What an applied plan covered: noted when it is used, so that later plans know which lines were missed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from chargeplan.core.change import PropertyDigest
from chargeplan.core.dates import ONE_DAY, Days
from chargeplan.core.plan import Plan

Billed = Mapping[str, Mapping[tuple[str, str], Sequence[Days]]]
"""By property, then by the plan and charge of a key: the windows of the plans that covered them."""


class Coverage(msgspec.Struct, frozen=True):
    """By integration and property the plans that cover it; by plan the plan and charge of the keys of what was asked for."""

    covered: dict[str, dict[str, list[str]]]
    keys: dict[str, list[tuple[str, str]]]

    def is_noted(self, window: Days, billed: Mapping[str, Billed]) -> bool:
        """Whether earlier plans covered all of it on every day of the window; ``billed`` is what they covered, by integration."""
        return all(
            _is_full(window, billed[integration_id].get(property_id, {}).get(key, ()))
            for integration_id, properties in self.covered.items()
            for property_id, plans in properties.items()
            for plan in plans
            for key in self.keys[plan]
        )


def _is_full(window: Days, spans: Sequence[Days]) -> bool:
    reached = window.first
    for span in sorted(spans, key=lambda each: each.first):
        if span.first <= reached:
            reached = max(reached, span.last + ONE_DAY)
    return reached > window.last


def coverage(plans: Iterable[Plan], properties: Iterable[PropertyDigest], asked: Collection[str]) -> Coverage:
    """What a plan of these plans and properties covers.

    ``asked`` are the charges that the plan was filtered by; empty: all.
    """
    covered: dict[str, dict[str, list[str]]] = {}
    for each in properties:
        covered.setdefault(each.integration_id, {})[each.property_id] = list(each.plans)
    keys = {
        plan.name: [
            (charge.key_plan, charge.key_charge)
            for charge in plan.charges
            if charge.enabled and (not asked or charge.id in asked)
        ]
        for plan in plans
    }
    return Coverage(covered, keys)
