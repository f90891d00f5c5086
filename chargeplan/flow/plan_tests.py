"""Run a plan's own test: no network and no journal, what is given is all that there is."""

from __future__ import annotations

from chargeplan.core.compare import Comparison
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.evidence import Evidence
from chargeplan.core.household import households
from chargeplan.core.plan import Plan
from chargeplan.core.plan_test import PlanTest, PlanTestResult, judge
from chargeplan.core.property_plan import PropertyValues, plan_property
from chargeplan.core.system import System
from chargeplan.flow.plan_request import lookback


def run_test(test: PlanTest, ordinary: System) -> PlanTestResult:
    """Plan what is given, and compare it with what is expected; an integration that nobody describes is ``ordinary``."""
    return judge(test, _planned(test, ordinary))


def _planned(test: PlanTest, ordinary: System) -> Comparison:
    integration = _integration(test, test.plans[0], ordinary)
    values = PropertyValues(
        plans=test.plans,
        integration=integration,
        names=test.names,
        observed=test.observed,
        everyone=households(test.observed),
        as_of=test.as_of,
        window=test.window,
        lookback=lookback(test.window, test.config),
        late_charges=test.late_charges,
    )
    return plan_property(values, Evidence(test.observed, (), integration), listing_all=True)[1]


def _integration(test: PlanTest, plan: Plan, ordinary: System) -> IntegrationConfig:
    """The plan's integration; one that the configuration does not describe is an ordinary one."""
    found = test.config.integration(plan.integration_id)
    return found or IntegrationConfig(
        alias=plan.integration_id, id=plan.integration_id, place=plan.place, system=ordinary
    )
