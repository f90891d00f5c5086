"""Units in which somebody seems to live without a lease, so that nothing is billed for them (plan-language.md, *Households*)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from chargeplan.core.diagnostic import Diagnostic, Place, warning
from chargeplan.core.household import Household, natural, standing
from chargeplan.core.observed import Unit
from chargeplan.core.plan import Plan
from chargeplan.core.select import Names
from chargeplan.core.whom import selects_unit


def units_without_lease(
    plans: Sequence[Plan], names: Names, units: Sequence[Unit], everyone: Sequence[Household], day: date
) -> Iterator[Diagnostic]:
    """A warning for each unit that a plan covers, that is not vacant, and that has no lease in force on the day.

    A system that does not say whether a unit is vacant (``None``) gives no reason to warn.
    """
    leased = {each.unit.id for each in everyone if _is_in_force(each, day)}
    for unit in sorted(units, key=lambda each: natural(each.number)):
        if unit.is_vacant is not False or unit.id in leased:
            continue
        plan = next((each for each in plans if _covers(each, unit)), None)
        if plan is not None:
            yield warning(
                f"unit {unit.number or unit.id} of {names.name or names.id} is not vacant and has no lease in force on {day}, so nobody is billed for it",
                "In the property system, enter the lease or mark the unit vacant.",
                _place_of(plan, names),
            )


def _is_in_force(household: Household, day: date) -> bool:
    """Whether people live there on the day under a lease that is neither pending nor given up; one that has ended may go on."""
    if standing(household, ()).kind == "skip" or household.occupied is None:
        return False
    return day in household.occupied and not any(day in gap for gap in household.gaps)


def _covers(plan: Plan, unit: Unit) -> bool:
    return any(charge.enabled and selects_unit(charge.who, unit) for charge in plan.charges)


def _place_of(plan: Plan, names: Names) -> Place:
    """Where the plan names the property; where it says ``all``, the plan."""
    named = plan.properties or {}
    return next((place for name, place in named.items() if names.match(name)), plan.place)
