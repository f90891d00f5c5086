"""Where amounts come from, and how they change during a lease (plan-language.md, *Amount*, *Changes during a lease*)."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from chargeplan.core.amounts import FromPath, Measure, Path, Percent, PercentOfCharges, Rate, Spread
from chargeplan.core.due import expand
from chargeplan.core.observed import Fee, Resident
from chargeplan.core.plan import AfterLeaseEnd, Change, Proration, Selector, Split, Step
from tests.core.builders import (
    INTEGRATION,
    Fixed,
    Text,
    billed,
    charge,
    expanded,
    lease,
    lines,
    observed,
    once,
    percent,
    plan,
    reasons,
    rel,
    rent_plan,
    roster,
    schedule,
    setting,
    unit,
    usd,
    when,
)

ACTUAL = Proration("actual")
FLAT = unit("101", square_feet=850, bedrooms="2", market_rent=130000, floor_plan_id="fp-1")
PEOPLE = (
    Resident(id="ann", property_id="oak-id", pets=1, vehicles=2),
    Resident(id="bob", property_id="oak-id", pets=1),
    Resident(id="gil", property_id="oak-id", pets=5),
)


def world() -> Any:
    one = msgspec.structs.replace(lease("ann", "bob", "gil:GUARANTOR"), market_rent=125000)
    return observed(one, units=(FLAT,), residents=PEOPLE)


def fee(name: str, cents: int, **rest: str) -> Fee:
    return Fee(id=f"fee-{name}-{cents}", property_id="oak-id", name=name, amount=cents, **rest)


# --- paths and rates ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "cents"),
    [
        (usd("35.00"), 3500),
        (FromPath(Path("lease", "rent")), 100000),
        (FromPath(Path("lease", "market_rent")), 125000),
        (FromPath(Path("unit", "market_rent")), 130000),
        (Percent(percent("12.5"), Path("lease", "rent")), 12500),
        (Rate(percent("5"), Measure(Path("unit", "square_feet"))), 4250),  # $0.05 x 850
        (Rate(percent("0.0333"), Measure(Path("unit", "square_feet"))), 28),  # 28.305 cents
        (Rate(percent("3500"), Measure(Path("resident", "pets"))), 7000),  # the guarantor's don't count
        (Rate(percent("1000"), Measure(Path("resident", "vehicles"))), 2000),
        (Rate(percent("1000"), Measure(Path("lease", "residents"))), 2000),
        (Rate(percent("1000"), Measure(Path("unit", "bedrooms"))), 2000),
    ],
)
def test_values_of_the_household_and_the_unit(amount: Any, cents: int) -> None:
    assert [each.amount for each in lines(rent_plan(amount=amount), seen=world())] == [cents]


@pytest.mark.parametrize(
    "path", [Path("lease", "market_rent"), Path("unit", "market_rent"), Path("fee", "Pet Rent")]
)
def test_what_is_missing_is_held(path: Path) -> None:
    assert billed(rent_plan(amount=FromPath(path))) == [("2027-08-01", "amount_missing")]


@pytest.mark.parametrize("gone", [0, 1, 2, 3])
def test_the_units_fee_comes_before_its_floor_plans_and_the_propertys(gone: int) -> None:
    fees = (
        fee("Pet", 300),
        fee("Pet", 100, unit_id="unit-101"),
        fee("Pet", 200, floor_plan_id="fp-1"),
        fee("Pet", 900, unit_id="unit-9"),
    )
    left = tuple(each for each in fees if (each.amount or 0) > gone * 100)
    seen = msgspec.structs.replace(world(), fees=left)
    expected = {0: 100, 1: 200, 2: 300, 3: None}[gone]
    assert [each.amount for each in lines(rent_plan(amount=FromPath(Path("fee", "Pet"))), seen=seen)] == [
        expected
    ]


def test_a_table_by_month_is_read_at_the_service_periods_first_day() -> None:
    bills = roster(
        "period", {"period": "2027-07", "amount": "10.00"}, {"period": "2027-08", "amount": "20.00"}
    )
    of = plan(charge(amount=FromPath(Path("table", "amount", "bills"))), tables={"bills": bills})
    assert billed(of, window=("2027-07-01", "2027-09-30")) == [
        ("2027-07-01", "$10.00"),
        ("2027-08-01", "$20.00"),
        ("2027-09-01", "amount_missing"),
    ]


def test_spread_falls_on_its_occurrences_and_ends() -> None:
    of = rent_plan("concession", Spread(-10000, 3), schedule=schedule(first="2027-08-01", day=1))
    assert billed(of, window=("2027-07-01", "2027-12-31")) == [
        ("2027-08-01", "-$33.34"),
        ("2027-09-01", "-$33.33"),
        ("2027-10-01", "-$33.33"),
    ]


def test_a_credit_is_held_where_credits_may_not_be_posted() -> None:
    held = msgspec.structs.replace(INTEGRATION, posts_credits=False)
    (line,) = lines(rent_plan("concession", usd("-100.00")), integration=held)
    assert (line.hold, line.amount) == ("credit_not_allowed", -10000)


def test_a_zero_line_is_not_posted() -> None:
    assert reasons(rent_plan(amount=usd("0.00"))) == ["zero_amount"]


# --- percent of a charge -----------------------------------------------------------------------------------------


def with_share(rent: Any, **rest: Any) -> Any:
    return plan(rent, charge("trash", PercentOfCharges(percent("10"), ("rent",)), **rest))


def trash(found: Any) -> list[tuple[str, str | None, int | None]]:
    return [(str(each.transaction_date), each.hold, each.amount) for each in found if each.charge == "trash"]


def test_a_percentage_of_a_charge_is_of_what_was_billed_and_not_prorated_again() -> None:
    of = with_share(charge(prorate=ACTUAL), prorate=ACTUAL)
    assert trash(lines(of, lease(moved_in="2027-08-17"))) == [("2027-08-17", None, 4839)]  # 10 % of 483.87


def test_it_is_held_or_skipped_for_the_same_reason() -> None:
    assert trash(lines(with_share(charge()), lease(rent=None))) == [("2027-08-01", "amount_missing", None)]
    assert trash(lines(with_share(charge()), lease(end="2027-07-15"))) == [
        ("2027-08-01", "lease_ended", None)
    ]
    assert reasons(with_share(charge(amount=usd("0.00")))) == ["zero_amount", "zero_amount"]
    assert (
        reasons(with_share(charge(prorate=Proration("skip"))), lease(moved_in="2027-08-17"))
        == ["partial_period"] * 2
    )


def test_a_charge_that_is_off_is_neither_considered_nor_checked() -> None:
    of = with_share(charge(enabled=False, code="No such code"))
    assert [(each.skip.charge, each.skip.reason) for each in expanded(of).households] == [
        ("trash", "not_selected")
    ]
    assert expanded(of).diagnostics == ()


# --- what no ledger can hold -------------------------------------------------------------------------------------

MOST = 999_999_999_999


@pytest.mark.parametrize(("rent", "hold"), [
    (MOST, None), (-MOST, None), (MOST + 1, "amount_missing"), (-MOST - 1, "amount_missing"), (10**400, "amount_missing"),
])  # fmt: skip
def test_an_amount_of_more_than_ten_digits_of_dollars_is_held(rent: int, hold: str | None) -> None:
    found = lines(rent_plan(), msgspec.structs.replace(lease("ann"), rent=rent))
    assert [(line.hold, line.amount) for line in found] == [(hold, None if hold else rent)]


def test_a_rate_or_a_percentage_can_lead_to_no_amount_that_a_ledger_cannot_hold() -> None:
    rated = charge("rated", Rate(percent("900000000"), Measure(Path("unit", "square_feet"))))
    share = charge("share", PercentOfCharges(percent("9000000000"), ("rent",)))
    found = expand(setting(plan(charge(), rated, share), world()))
    held = {
        line.charge: line.hold for bills in found.households for bill in bills.bills for line in bill.lines
    }
    assert held == {"rent": None, "rated": None, "share": "amount_missing"}


def test_what_is_split_among_residents_is_held_for_all_of_them() -> None:
    split = rent_plan(split=Split())
    found = lines(split, msgspec.structs.replace(lease("ann", "bob"), rent=MOST + 1))
    assert [line.hold for line in found] == ["amount_missing", "amount_missing"]


# --- steps -------------------------------------------------------------------------------------------------------


def step(start: str, kind: Any, value: str, *, repeat: Any = None, round_to: int = 1) -> Step:
    return Step(when(start), Change(kind, percent(value), round_to), repeat)


HALF_YEAR = ("2027-06-01", "2027-12-31")


@pytest.mark.parametrize(
    ("steps", "amounts"),
    [
        ([step("2027-09-01", "percent", "3.5")], ["$1,000.00"] * 3 + ["$1,035.00"] * 4),
        ([step("2027-09-02", "percent", "3.5")], ["$1,000.00"] * 4 + ["$1,035.00"] * 3),
        ([step("2027-09-01", "flat", "-5000")], ["$1,000.00"] * 3 + ["$950.00"] * 4),
        ([step("2027-09-01", "set", "190000")], ["$1,000.00"] * 3 + ["$1,900.00"] * 4),
        # 1000 → 1033.30 → 1067.71 (1067.70889) → 1103.26 (1103.264743): each on the rounded one before it.
        (
            [step("2027-07-01", "percent", "3.33", repeat=(2, "months"))],
            ["$1,000.00", "$1,033.30", "$1,033.30", "$1,067.71", "$1,067.71", "$1,103.26", "$1,103.26"],
        ),
        ([step("2027-09-01", "percent", "3.47", round_to=500)], ["$1,000.00"] * 3 + ["$1,035.00"] * 4),
        # In the order of their dates; those of one day as listed.
        (
            [step("2027-10-01", "set", "200000"), step("2027-08-01", "flat", "10000")],
            ["$1,000.00"] * 2 + ["$1,100.00"] * 2 + ["$2,000.00"] * 3,
        ),
        (
            [step("2027-08-01", "flat", "10000"), step("2027-08-01", "percent", "10")],
            ["$1,000.00"] * 2 + ["$1,210.00"] * 5,
        ),
    ],
)
def test_steps(steps: list[Step], amounts: list[str]) -> None:
    found = billed(rent_plan(amount=usd("1,000.00"), steps=tuple(steps)), window=HALF_YEAR)
    assert [what for _, what in found] == amounts


def test_an_amount_is_rounded_to_its_multiple_once() -> None:
    (found,) = lines(
        rent_plan(amount=usd("100.00"), steps=(step("2027-08-01", "percent", "0.4996", round_to=100),))
    )
    assert found.amount == 10000  # 100.4996, not 100.50


def test_a_step_in_the_middle_waits_for_the_next_period_or_splits_it() -> None:
    steps = (step("2027-08-16", "percent", "10"),)
    both = ("2027-08-01", "2027-09-30")
    assert billed(rent_plan(steps=steps), window=both) == [
        ("2027-08-01", "$1,000.00"),
        ("2027-09-01", "$1,100.00"),
    ]
    found = lines(rent_plan(steps=steps, split_mid_period=True), window=both)
    assert [(str(each.transaction_date), each.amount, each.key.part, each.key.period) for each in found] == [
        ("2027-08-01", 48387, 0, "2027-08-01"),  # 1000 x 15/31
        ("2027-08-16", 56774, 1, "2027-08-01"),  # 1100 x 16/31 = 567.741…
        ("2027-09-01", 110000, 0, "2027-09-01"),
    ]


def test_a_change_of_lease_inside_a_period_is_a_step() -> None:
    renewed = (lease(end="2027-08-15"), lease(name="lease-2", start="2027-08-16", rent="1,240.00"))
    assert billed(rent_plan(), *renewed, window=("2027-08-01", "2027-09-30")) == [
        ("2027-08-01", "$1,000.00"),
        ("2027-09-01", "$1,240.00"),
    ]
    found = lines(rent_plan(split_mid_period=True), *renewed)
    assert [(each.amount, each.lease_id) for each in found] == [
        (48387, "lease-1"),
        (64000, "lease-2"),
    ]  # 1240 x 16/31 = 640


def test_where_the_amount_did_not_change_the_last_part_is_the_rest() -> None:
    renewed = (
        lease(end="2027-08-10", rent="100.00"),
        lease(name="lease-2", start="2027-08-11", rent="100.00"),
    )
    found = lines(rent_plan(split_mid_period=True), *renewed)
    assert [each.amount for each in found] == [3226, 6774]  # 100 x 10/31 = 32.258; the rest
    thirty = lines(rent_plan(split_mid_period=True, prorate=Proration("thirty")), *renewed)
    assert [each.amount for each in thirty] == [3333, 6667]


@pytest.mark.parametrize(
    "amount", [usd("25.00"), FromPath(Path("lease", "rent"))], ids=["fixed", "of the lease"]
)
def test_more_changes_than_a_life_has_are_held_in_no_time(amount: Any) -> None:
    daily = Step(when("0001-01-01"), Change("flat", Fraction(1)), (1, "days"))
    began = time.process_time()
    found = lines(rent_plan(amount=amount, steps=(daily,) * 20))
    assert [line.hold for line in found] == ["amount_missing"]
    assert time.process_time() - began < 1


def test_an_amount_that_grows_beyond_all_bounds_is_held() -> None:
    doubled = Step(when("1990-01-01"), Change("percent", percent("100")), (1, "months"))
    found = lines(rent_plan(amount=usd("25.00"), steps=(doubled,), prorate=ACTUAL))
    assert [line.hold for line in found] == ["amount_missing"]


def test_steps_on_the_leases_rent_are_counted_from_the_lease_in_force() -> None:
    steps = (Step(rel("lease.start + 12 months"), Change("percent", percent("10")), (12, "months")),)
    renewed = (
        lease(start="2025-08-01", end="2027-07-31"),
        lease(name="lease-2", start="2027-08-01", end="2029-07-31", rent="1,300.00"),
    )
    window = ("2026-07-01", "2026-08-31")
    assert [what for _, what in billed(rent_plan(steps=steps), *renewed, window=window)] == [
        "$1,000.00",
        "$1,100.00",
    ]
    window = ("2027-07-01", "2027-08-31")
    assert [what for _, what in billed(rent_plan(steps=steps), *renewed, window=window)] == [
        "$1,100.00",
        "$1,300.00",
    ]
    window = ("2028-08-01", "2028-08-31")
    assert [what for _, what in billed(rent_plan(steps=steps), *renewed, window=window)] == ["$1,430.00"]


def test_steps_of_a_fixed_amount_go_on_through_a_renewal() -> None:
    steps = (Step(rel("lease.start + 12 months"), Change("flat", percent("500")), (12, "months")),)
    renewed = (
        lease(start="2025-08-01", end="2027-07-31"),
        lease(name="lease-2", start="2027-08-01", end="2029-07-31"),
    )
    assert billed(rent_plan("pet", usd("35.00"), steps=steps), *renewed) == [("2027-08-01", "$45.00")]


# --- after the lease's end ---------------------------------------------------------------------------------------

ENDS = {"end": "2027-08-15"}
BOTH = ("2027-08-01", "2027-09-30")


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (AfterLeaseEnd(), [("2027-08-01", "$1,000.00"), ("2027-09-01", "lease_ended")]),
        (AfterLeaseEnd("stop"), [("2027-08-01", "$483.87")]),
        (AfterLeaseEnd("continue"), [("2027-08-01", "$1,000.00"), ("2027-09-01", "$1,000.00")]),
        (
            AfterLeaseEnd("change", Change("percent", percent("5"))),
            [("2027-08-01", "$1,000.00"), ("2027-09-01", "$1,050.00")],
        ),
        (
            AfterLeaseEnd("change", Change("percent", percent("5")), "day_after"),
            [
                ("2027-08-01", "$483.87"),
                ("2027-08-16", "$541.94"),
                ("2027-09-01", "$1,050.00"),
            ],  # 1050 x 16/31 = 541.935
        ),
    ],
)
def test_after_the_leases_end(after: AfterLeaseEnd, found: list[tuple[str, str]]) -> None:
    assert billed(rent_plan(prorate=ACTUAL, after_lease_end=after), lease(**ENDS), window=BOTH) == found


def test_a_held_period_carries_its_amount() -> None:
    (_, held) = lines(rent_plan(), lease(**ENDS), window=BOTH)
    assert (held.hold, held.amount) == ("lease_ended", 100000)


def test_the_end_of_a_lease_that_another_follows_is_no_end() -> None:
    renewed = (lease(end="2027-07-31"), lease(name="lease-2", start="2027-08-20", rent="1,200.00"))
    assert billed(rent_plan(), *renewed) == [("2027-08-01", "$1,000.00")]


def test_a_month_to_month_fee_begins_after_the_end() -> None:
    of = rent_plan(
        "mtm",
        usd("100.00"),
        schedule=schedule(first="lease.end + 1 day", day=1),
        prorate=ACTUAL,
        after_lease_end=AfterLeaseEnd("continue"),
    )
    assert billed(of, lease(**ENDS), window=BOTH) == [
        ("2027-08-16", "$51.61"),
        ("2027-09-01", "$100.00"),
    ]  # 100 x 16/31
    assert reasons(of, lease(end=None)) == ["date_unknown"]


# --- texts -------------------------------------------------------------------------------------------------------


def test_texts_name_the_whole_service_period_and_the_days_billed() -> None:
    of = rent_plan(
        prorate=ACTUAL,
        description=Text(
            "{charge.title}|{period.label}|{line.days_billed}|{line.prorated}|{period.days}|{amount}"
        ),
        notes=Text("{plan}/{charge.id}"),
    )
    (line,) = lines(of, lease(moved_in="2027-08-17"))
    assert (line.description, line.notes) == ("Rent|August 2027|15|True|31|48387", "oak/rent")
    (whole,) = lines(of)
    assert whole.description == "Rent|August 2027|31|False|31|100000"
    of = rent_plan(once=once("2027-08-07"), description=Text("{period.label}"))
    assert [each.description for each in lines(of, lease())] == ["2027-08-07"]
    of = rent_plan(schedule=schedule(day=15), description=Text("{period.label}"))
    assert lines(of)[0].description == "2027-08-15 to 2027-09-14"


def test_an_overlong_text_is_an_error_that_shows_it() -> None:
    (line,) = lines(rent_plan(description=Text("x" * 101)))
    (problem,) = line.problems
    assert problem.is_error
    assert "101 characters" in problem.summary


def test_no_line_without_the_selector_that_is_asked_for() -> None:
    assert reasons(rent_plan(amount=Fixed(1), who=Selector(units=("9*",)))) == ["not_selected"]
