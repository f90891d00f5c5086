"""Units that are not vacant and have no lease in force are named, so that nobody lives there for nothing."""

from __future__ import annotations

import pytest

from chargeplan.core.evidence import Evidence
from chargeplan.core.household import households
from chargeplan.core.observed import Lease
from chargeplan.core.plan import Plan, Selector
from chargeplan.core.property_plan import PropertyValues, plan_property
from chargeplan.core.select import Names
from tests.core.builders import AUGUST, INTEGRATION, PLACE, charge, d, days, lease, observed, plan, unit

VACANT, LIVED_IN, UNSAID = True, False, None


def warned(*leases: Lease, vacant: bool | None = LIVED_IN, of: Plan | None = None) -> list[str]:
    """What is said of unit 101 by a plan of August as of its last day."""
    seen = observed(*leases, units=(unit("101", is_vacant=vacant),), residents=())
    values = PropertyValues(
        plans=(of or plan(),),
        integration=INTEGRATION,
        names=Names("oak-id", "oak", "Oak Street"),
        observed=seen,
        everyone=households(seen),
        as_of=d("2027-08-31"),
        window=days(*AUGUST),
        lookback=d("2027-06-01"),
    )
    _, comparison = plan_property(values, Evidence(seen, (), INTEGRATION), listing_all=False)
    assert all(each.severity == "warning" and each.place == PLACE for each in comparison.diagnostics)
    return [each.summary for each in comparison.diagnostics]


NAMED = [
    "unit 101 of Oak Street is not vacant and has no lease in force on 2027-08-31, so nobody is billed for it"
]
LEFT = lease(end="2027-06-30", moved_out="2027-06-30", status="INACTIVE", moved_in="2027-01-01")
# A lease that ended in March and the next one of the same people, from October: five months without one.
GAP = (lease(end="2027-03-31"), lease(name="lease-2", start="2027-10-01"))


@pytest.mark.parametrize(
    ("leases", "named"),
    [
        pytest.param((LEFT,), NAMED, id="whoever lived there has moved out"),
        pytest.param((lease(status="PENDING"),), NAMED, id="the lease is still pending"),
        pytest.param((lease(status="INACTIVE"),), NAMED, id="nobody moved in under the lease"),
        pytest.param((lease(start="2027-09-15"),), NAMED, id="the lease begins later"),
        pytest.param(GAP, NAMED, id="a long gap between two leases"),
        pytest.param((lease(),), [], id="a lease in force"),
        pytest.param((lease(end="2027-03-31"),), [], id="month to month after the lease's end"),
        pytest.param((lease(status="EVICTED"),), [], id="held for its status, which names it already"),
        pytest.param((LEFT, lease("bob", name="l2", start="2027-07-03")), [], id="let anew"),
    ],
)
def test_a_unit_that_is_not_vacant_and_has_no_lease_in_force_is_named(
    leases: tuple[Lease, ...], named: list[str]
) -> None:
    assert warned(*leases) == named


@pytest.mark.parametrize("vacant", [VACANT, UNSAID])
def test_a_vacant_unit_and_one_of_which_nothing_is_said_are_not_named(vacant: bool | None) -> None:
    assert warned(LEFT, vacant=vacant) == []


def test_a_unit_that_no_charge_covers_is_not_named() -> None:
    assert warned(LEFT, of=plan(charge(who=Selector(units=("2*",))))) == []
    assert warned(LEFT, of=plan(charge(who=Selector(units=("1*",))))) == NAMED
