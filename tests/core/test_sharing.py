"""A bill shared among the units of a property, to the cent (plan-language.md, *Sharing a bill*)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from chargeplan.core.allocation import share_bill
from chargeplan.core.amounts import Allocate, Path
from chargeplan.core.plan import Proration, Selector
from tests.core.builders import (
    billed,
    cents,
    charge,
    days,
    expanded,
    lease,
    lines,
    observed,
    once,
    plan,
    roster,
    unit,
)

FEET = (Path("unit", "square_feet"), Fraction(100))
JUNE = ("2027-06-01", "2027-06-30")
JULY = ("2027-07-01", "2027-07-31")
ACTUAL = Proration("actual")
FLATS = (unit("9", square_feet=500), unit("10", square_feet=1000), unit("11", square_feet=1500))
ANN = lease("ann", unit="9")
BOB = lease("bob", name="lease-2", unit="10")


def water(bill: Any = 30000, weights: Any = (FEET,), **rest: Any) -> Allocate:
    return Allocate(bill, rest.pop("common_area", Fraction(0)), tuple(weights), **rest)


def shared(amount: Allocate, *leases: Any, **rest: Any) -> tuple[list[tuple[str, int | None]], Any]:
    """The lines by unit, and the report."""
    tables = rest.pop("tables", {})
    seen = observed(*leases, units=rest.pop("units", FLATS))
    of = plan(charge("water", amount, code="Water", once=once("2027-07-01", JUNE), **rest), tables=tables)
    expansion = expanded(of, seen=seen, window=JULY)
    (report,) = expansion.allocations or (None,)
    found = lines(of, seen=seen, window=JULY)
    return [(each.unit_number, each.amount) for each in found], report


def test_vacant_units_keep_their_share_or_are_not_counted() -> None:
    found, report = shared(water(), ANN, BOB)
    assert found == [("9", 5000), ("10", 10000)]
    assert (report.bill, report.common_area, report.vacant, report.charged) == (30000, 0, 15000, 15000)
    found, report = shared(water(vacant="exclude"), ANN, BOB)
    assert found == [("9", 10000), ("10", 20000)]
    assert (report.vacant, report.charged) == (0, 30000)


def test_the_common_area_is_rounded_and_taken_first() -> None:
    # 15 % of 4137.89 is 620.6835, so 620.68; 3517.21 is left: 586.20166…, 1172.40333…, 1758.605.
    # One cent is left after the whole cents (586.20, 1172.40, 1758.60): the largest remainder is 0.5 of unit 11.
    found, report = shared(water(cents("4,137.89"), common_area=Fraction(15)), ANN, BOB)
    assert found == [("9", 58620), ("10", 117240)]
    assert (report.common_area, report.vacant, report.charged) == (62068, 175861, 175860)
    assert report.common_area + report.vacant + report.charged == report.bill


def test_weights_are_normalised_and_mixed_by_percentage() -> None:
    # Feet 500 and 1000 of 1500; occupants 3 and 1 of 4: unit 9 gets ½·⅓ + ½·¾ = 13/24 of 240.00.
    people = roster("unit", {"unit": "9", "occupants": "3"}, {"unit": "10", "occupants": "1"})
    weights = ((Path("table", "occupants", "units"), Fraction(50)), (FEET[0], Fraction(50)))
    found, _ = shared(water(24000, weights), ANN, BOB, units=FLATS[:2], tables={"units": people})
    assert found == [("9", 13000), ("10", 11000)]


def test_occupants_weigh_by_their_factors() -> None:
    # Factors 2.2 and 1.0 of 3.2: 220.00 and 100.00 of 320.00.
    people = roster("unit", {"unit": "9", "occupants": "3"}, {"unit": "10", "occupants": "1"})
    factors = tuple((n, Fraction(f)) for n, f in ((1, "1.0"), (2, "1.6"), (3, "2.2"), (4, "2.6")))
    weights = ((Path("table", "occupants", "units"), Fraction(100)),)
    found, _ = shared(
        water(32000, weights, occupant_factors=factors), ANN, BOB, units=FLATS[:2], tables={"units": people}
    )
    assert found == [("9", 22000), ("10", 10000)]


def test_residents_of_the_lease_weigh_nothing_where_vacant() -> None:
    weights = ((Path("lease", "residents"), Fraction(100)),)
    found, report = shared(
        water(30000, weights),
        lease("ann", "bob", "gil:GUARANTOR", unit="9"),
        lease("cem", name="lease-2", unit="10"),
    )
    assert found == [("9", 20000), ("10", 10000)]
    assert report.vacant == 0


def test_ties_go_to_the_lower_unit_number_in_natural_order() -> None:
    flats = (unit("10", square_feet=1), unit("9", square_feet=1), unit("100", square_feet=1))
    found, _ = shared(water(100), ANN, BOB, units=flats)
    assert found == [("9", 34), ("10", 33)]


def test_a_missing_weight_holds_the_whole_allocation() -> None:
    flats = (*FLATS[:2], unit("11"))
    found, report = shared(water(), ANN, BOB, units=flats)
    assert found == [("9", None), ("10", None)]
    assert report is None


def test_the_bill_may_come_from_a_table_by_period() -> None:
    bills = roster("period", {"period": "2027-06", "amount": "300.00"})
    found, _ = shared(water(Path("table", "amount", "bills")), ANN, BOB, tables={"bills": bills})
    assert found == [("9", 5000), ("10", 10000)]
    found, _ = shared(
        water(Path("table", "amount", "bills")),
        ANN,
        BOB,
        tables={"bills": roster("period", {"period": "2027-05", "amount": "1.00"})},
    )
    assert found == [("9", None), ("10", None)]


@pytest.mark.parametrize(
    ("proration", "paid", "vacant"),
    [(ACTUAL, 6667, 23333), (Proration("none"), 10000, 20000), (Proration("thirty"), 6667, 23333)],
)
def test_a_household_of_some_of_the_days_pays_by_the_method(
    proration: Proration, paid: int, vacant: int
) -> None:
    moved = lease("bob", unit="10", moved_in="2027-06-11")  # 20 of 30 days of 100.00
    found, report = shared(water(), moved, prorate=proration)
    assert found == [("10", paid)]
    assert (report.charged, report.vacant) == (paid, vacant)


def test_two_households_of_one_unit_share_by_days_without_proration() -> None:
    out = lease("ann", unit="10", status="INACTIVE", moved_in="2027-01-01", moved_out="2027-06-10")
    moved = lease("bob", name="lease-2", unit="10", moved_in="2027-06-16")  # 10 and 15 days of 25
    found, report = shared(water(), out, moved)
    assert found == [("10", 4000), ("10", 6000)]
    assert report.vacant == 20000


def test_who_is_held_or_not_selected_changes_nobody_elses_share() -> None:
    ended = lease("ann", unit="9", end="2027-05-15")  # nobody knows what holds after the lease's end
    found = billed(
        plan(charge("water", water(), code="Water", once=once("2027-07-01", JUNE))),
        seen=observed(ended, BOB, units=FLATS),
        window=JULY,
    )
    assert found == [("2027-07-01", "lease_ended"), ("2027-07-01", "$100.00")]
    found, _ = shared(water(), ANN, BOB, who=Selector(units=("10",)))  # type: ignore[assignment]
    assert found == [("10", 10000)]


def test_days_outside_the_plan_are_the_owners() -> None:
    of = plan(
        charge("water", water(), code="Water", once=once("2027-07-01", JUNE), prorate=ACTUAL),
        effective=days("2027-06-16", "2027-12-31"),
    )
    assert billed(of, seen=observed(BOB, units=FLATS), window=JULY) == [("2027-07-01", "$50.00")]


def test_bills_of_the_lookback_are_not_reported() -> None:
    of = plan(charge("water", water(), code="Water"))
    assert [
        str(each.service.first) for each in expanded(of, seen=observed(BOB, units=FLATS)).allocations
    ] == ["2027-08-01"]


def test_nothing_can_be_divided_by_weights_that_are_all_zero() -> None:
    assert share_bill(100, Fraction(0), [[Fraction(0)], [Fraction(0)]], [Fraction(100)]) is None
