"""One property from values to its changes: the one way in which plan, apply, explain and test put it together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from chargeplan.core.compare import Comparison, compare
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import Days
from chargeplan.core.due import Expander
from chargeplan.core.eligible import Recorded
from chargeplan.core.evidence import Evidence, posted_by
from chargeplan.core.household import Household
from chargeplan.core.observed import ObservedProperty
from chargeplan.core.plan import Plan
from chargeplan.core.planned import PlannedProperty
from chargeplan.core.select import Names
from chargeplan.core.site import Setting
from chargeplan.core.steady import Steady, steady_lines
from chargeplan.core.unleased import units_without_lease


class PropertyValues(msgspec.Struct, frozen=True):
    """All that a property's plans are worked out from, but what was posted.

    ``everyone`` are its households. ``window`` are the transaction dates asked for; ``lookback`` is the first date for which
    corrections are looked for. ``late_charges`` maps synced charges' ids to the charges of the plans that posted them,
    where that is given and not recorded. ``early_days`` is how early somebody else's charge may be dated.
    """

    plans: tuple[Plan, ...]
    integration: IntegrationConfig
    names: Names
    observed: ObservedProperty
    everyone: tuple[Household, ...]
    as_of: date
    window: Days
    lookback: date
    late_charges: Mapping[str, str] | None = None
    early_days: int = 7


def plan_property(
    values: PropertyValues, evidence: Evidence, *, listing_all: bool
) -> tuple[tuple[PlannedProperty, ...], Comparison]:
    """Every plan expanded and compared; unless all is listed, what is steady is counted without its bills."""
    recorded = None if listing_all else Recorded(evidence)
    planned = tuple(_planned(expander_of(values, plan, evidence), recorded) for plan in values.plans)
    comparison = compare(
        planned,
        values.observed,
        evidence,
        values.integration,
        values.window,
        early_days=values.early_days,
    )
    unleased = units_without_lease(
        values.plans, values.names, values.observed.units, values.everyone, values.as_of
    )
    diagnostics = (*comparison.diagnostics, *unleased)
    return planned, msgspec.structs.replace(comparison, diagnostics=diagnostics)


def _planned(expander: Expander, recorded: Recorded | None) -> PlannedProperty:
    steady = steady_lines(expander, recorded) if recorded is not None else Steady()
    return PlannedProperty(expander.plan, expander.run(unless=steady.told), steady)


def expander_of(values: PropertyValues, plan: Plan, evidence: Evidence) -> Expander:
    """What works out the bills of one of the plans."""
    posters = values.late_charges
    if posters is None:
        posters = posted_by(plan, evidence, values.observed.charges)
    return Expander(setting_of(values, plan, posters))


def setting_of(values: PropertyValues, plan: Plan, late_charges: Mapping[str, str]) -> Setting:
    """What one of the plans is expanded with; ``late_charges`` maps synced charges to the plan's charges that posted them."""
    return Setting(
        plan=plan,
        integration=values.integration,
        names=values.names,
        observed=values.observed,
        as_of=values.as_of,
        window=values.window,
        lookback=values.lookback,
        late_charges=late_charges,
        everyone=values.everyone,
    )
