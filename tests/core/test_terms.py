"""How an amount arose is kept where it arises: what is shown is what was used (design.md, *One reckoning*)."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargeplan.core.amounts import (
    Adjusted,
    Fixed,
    FromPath,
    Measure,
    Path,
    Percent,
    PercentOfCharges,
    Rate,
    Spread,
    Tier,
    Tiers,
)
from chargeplan.core.line import Line
from chargeplan.core.money import round_half_away
from chargeplan.core.plan import Change, PercentOfOpen, Proration, Selector, Step
from chargeplan.render.facts import fact_words
from chargeplan.render.terms import steps_of
from tests.core.builders import (
    RENT,
    World,
    charge,
    d,
    expanded,
    lease,
    lines,
    observed,
    once,
    plan,
    rel,
    rent_plan,
    roster,
    schedule,
    unit,
    usd,
)
from tests.core.test_late_fees import due, fee, the_plan
from tests.core.test_selection import override
from tests.core.test_sharing import FEET, FLATS, JULY, JUNE, water

AUGUST = ("2027-08-01", "2027-08-31")


def shown(line: Line) -> list[tuple[str, int | None]]:
    assert line.term is not None
    return [(step.what, step.cents) for step in steps_of(line.term)]


def only(found: list[Line]) -> Line:
    (line,) = found
    return line


def facts_of(of: Any, *leases: Any, **rest: Any) -> dict[str, list[str]]:
    (household,) = expanded(of, *leases, **rest).households
    found: dict[str, list[str]] = {}
    for fact in household.facts:
        found.setdefault(fact.what, []).append(fact_words(fact.value))
    return found


# --- a stub pair -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lookback", ["2027-06-01", "2027-08-01"])
def test_the_second_month_of_a_stub_pair_is_explained_whatever_the_lookback(lookback: str) -> None:
    of = rent_plan(amount=usd("300.00"), prorate=Proration("actual", stub="second"))
    line = only(lines(of, lease(start="2027-07-15", moved_in="2027-07-15"), lookback=d(lookback)))
    # 17 of 31 days of July are 164.52, August is 300.00; 300.00 was billed whole for July.
    assert line.amount == 16452
    assert shown(line)[-2:] == [
        ("both periods", 46452),
        ("less the move-in period, $300.00 (stub: second)", 16452),
    ]


@pytest.mark.parametrize(("method", "rest"), [("thirty", 73334), ("annual", 73425)])
def test_a_renewal_at_the_same_rent_inside_a_stub_pair_is_one_stretch(method: Any, rest: int) -> None:
    """14 July to 10 August and on from the 11th, 1,000.00 both: the days of a month are counted once."""
    of = rent_plan(prorate=Proration(method, stub="second"), split_mid_period=True)
    old = lease(start="2027-07-10", moved_in="2027-07-10", end="2027-08-10")
    new = lease(name="lease-2", start="2027-08-11", end="2028-08-10")
    line = only(lines(of, old, new))
    # thirty: 22/30 of July and a whole August; annual: 22 x 12/365 and a whole August; each less 1,000.00.
    expected = {"thirty": Fraction(22, 30), "annual": Fraction(22 * 12, 365)}[method] * 100000
    assert line.amount == round_half_away(expected + 100000) - 100000
    assert shown(line)[-1][1] == line.amount


# --- shared bills ----------------------------------------------------------------------------------------------------


def test_an_overridden_bill_is_the_one_that_is_shown() -> None:
    of = plan(
        charge(
            "water",
            water(400000),
            code="Water",
            once=once("2027-07-01", JUNE),
            overrides=(override({"amount": water(100000)}, units=("10",)),),
        )
    )
    seen = observed(lease("ann", unit="9"), lease("bob", name="lease-2", unit="10"), units=FLATS)
    bills = {line.unit_number: shown(line)[0] for line in lines(of, seen=seen, window=JULY)}
    assert bills == {"9": ("the bill", 400000), "10": ("the bill", 100000)}


def test_two_households_of_a_unit_are_shown_the_weight_that_was_used() -> None:
    by_people = water(30000, ((Path("lease", "residents"), Fraction(100)),))
    of = plan(
        charge("water", by_people, code="Water", once=once("2027-07-01", JUNE), prorate=Proration("none"))
    )
    couple = lease("ann", "abe", unit="9", moved_in="2027-01-01", moved_out="2027-06-15", status="INACTIVE")
    single = lease("bob", name="lease-2", unit="9", start="2027-06-16", moved_in="2027-06-16")
    seen = observed(couple, single, units=FLATS)
    for line in lines(of, seen=seen, window=JULY):
        assert shown(line)[2] == ("weight 100 %: lease.residents is 2", None)


@pytest.mark.parametrize(
    ("method", "said"),
    [("thirty", "21/30, thirty"), ("actual", "21/30, actual"), ("annual", "252/365, annual")],
)
def test_a_part_of_a_share_is_shown_as_the_method_counts_it(method: Any, said: str) -> None:
    of = plan(
        charge("water", water(), code="Water", once=once("2027-07-01", JUNE), prorate=Proration(method))
    )
    seen = observed(lease("ann", unit="9", moved_in="2027-06-10"), units=FLATS)
    assert shown(only(lines(of, seen=seen, window=JULY)))[-1][0] == f"the household's part, {said}"


def test_a_part_by_days_is_of_the_days_that_are_billed() -> None:
    of = plan(charge("water", water(), code="Water", once=once("2027-07-01", JUNE)))
    first = lease("ann", unit="9", moved_in="2027-01-01", moved_out="2027-06-12", status="INACTIVE")
    second = lease("bob", name="lease-2", unit="9", start="2027-06-16", moved_in="2027-06-16")
    seen = observed(first, second, units=FLATS)
    parts = [shown(line)[-1][0] for line in lines(of, seen=seen, window=JULY)]
    assert parts == [
        "the household's part, 12 of the 27 days billed",
        "the household's part, 15 of the 27 days billed",
    ]


# --- facts -----------------------------------------------------------------------------------------------------------


def test_a_date_of_the_row_is_told_as_it_was_read() -> None:
    spaces = roster("unit", {"unit": "101", "starts": "2027-11-01"})
    of = plan(charge("parking", usd("75.00"), roster=spaces, schedule=schedule(first="roster.starts")))
    assert facts_of(of)["from"] == ["roster.starts is 2027-11-01"]


def test_who_was_transferred_is_told_of_the_charges_that_are_watched_for_them_now() -> None:
    old = lease(unit="101", moved_in="2027-01-01", moved_out="2027-07-20", status="INACTIVE")
    new = lease(name="lease-2", unit="102", start="2027-07-21", moved_in="2027-07-21")
    seen = observed(old, new, charges=(due(open_amount=0, lease_id="lease-1", unit_id="unit-101"),))
    households = expanded(
        plan(charge("late", None, late_fee=fee(), code="Late")), seen=seen, as_of=d("2027-08-20")
    ).households
    watched = [[fact.what for fact in each.facts].count("watched charge") for each in households]
    assert watched == [1, 0]


# --- every form, worked out on paper ---------------------------------------------------------------------------------

FEET_OF_101 = Measure(Path("unit", "square_feet"))
LEASE_RENT = Path("lease", "rent")
TIERS = Tiers(
    (Tier(Fraction(500), Fraction(0)), Tier(Fraction(700), Fraction("1.5")), Tier(None, Fraction(2))),
    FEET_OF_101,
)


@pytest.mark.parametrize(
    ("amount", "steps"),
    [
        (Fixed(77777), [("the plan's amount", 77777)]),
        (RENT, [("lease.rent of the lease lease-1", 100000)]),
        (Percent(Fraction("12.5"), LEASE_RENT), [("lease.rent of the lease lease-1", 100000), ("\u00d7 12.5 %", 12500)]),
        (Rate(Fraction(5), FEET_OF_101), [("$0.05 \u00d7 850 (unit.square_feet of 101)", 4250)]),
        (
            TIERS,
            [
                ("850 (unit.square_feet of 101)", None), ("through 500: $0.00 \u00d7 500", 0), ("through 700: $0.015 \u00d7 200", 300),
                ("above 700: $0.02 \u00d7 150", 300), ("all tiers", 600),
            ],
        ),
        (Spread(-100000, 12), [("part 1 of 12 of -$1,000.00", -8334)]),
        (
            # 500.00 / 3 + 10.00 = 176.67
            Adjusted(Percent(Fraction(50), LEASE_RENT), divided_by=Fraction(3), plus=1000, at_most=17000),
            [
                ("lease.rent of the lease lease-1", 100000), ("\u00d7 50 %", 50000), ("divided by 3", None), ("plus $10.00", None),
                ("at most $170.00", 17000),
            ],
        ),
        (
            Adjusted(Rate(Fraction(1), FEET_OF_101), at_least=2500),
            [("$0.01 \u00d7 850 (unit.square_feet of 101)", 850), ("at least $25.00", 2500)],
        ),
    ],
)  # fmt: skip
def test_every_form_is_shown_with_its_figures(amount: Any, steps: list[tuple[str, int | None]]) -> None:
    of = rent_plan(amount=amount, schedule=schedule(first="2027-08-01", day=1))
    seen = observed(lease(rent="1000.00", unit="101"), units=(unit("101", square_feet=850),))
    line = only(lines(of, seen=seen))
    assert shown(line) == [*steps, ("the whole period", steps[-1][1])]
    assert line.amount == steps[-1][1]


def test_a_percentage_of_charges_names_each_with_what_it_bills() -> None:
    tax = PercentOfCharges(Fraction("6.25"), ("rent", "fee"))
    of = plan(charge("rent", RENT), charge("fee", usd("50.00")), charge("tax", tax))
    (line,) = [each for each in lines(of, lease(rent="1000.00")) if each.key.charge == "tax"]
    # 6.25 % of 1,050.00 is 65.625.
    assert line.amount == 6563
    assert shown(line) == [
        ("what `rent` bills for the period", 100000),
        ("what `fee` bills for the period", 5000),
        ("\u00d7 6.25 %", 6563),
    ]


@pytest.mark.parametrize(
    ("rule", "said", "cents"),
    [
        (Percent(Fraction(5), LEASE_RENT), "rule 5 % of lease.rent", 5000),
        (PercentOfOpen(Fraction(10)), "rule 10 % of what was open that day ($400.00)", 4000),
    ],
)
def test_a_late_fee_names_its_rule_with_what_it_is_of(rule: Any, said: str, cents: int) -> None:
    seen = observed(lease(), charges=(due(open_amount=40000),))
    line = only(lines(the_plan(fee(rule)), seen=seen, as_of=d("2027-08-09")))
    assert line.amount == cents
    assert shown(line)[-1] == (said, cents)


# --- the law ---------------------------------------------------------------------------------------------------------

METHODS = ("none", "actual", "thirty", "banker", "annual")
STEPS = (
    Step(rel("lease.start + 2 months"), Change("percent", Fraction("3.5"))),
    Step(d("2027-08-11"), Change("flat", Fraction(5000), 100)),
    Step(rel("move_in + 45 days"), Change("set", Fraction(123456))),
)
AMOUNTS = (
    Fixed(77777),
    RENT,
    Percent(Fraction("12.5"), Path("lease", "rent")),
    FromPath(Path("lease", "market_rent")),
)


@settings(max_examples=150, deadline=None)
@given(
    amount=st.sampled_from(AMOUNTS),
    method=st.sampled_from(METHODS),
    stub=st.sampled_from(["first", "second"]),
    steps=st.sets(st.sampled_from(STEPS)),
    split=st.booleans(),
    begins=st.dates(d("2027-05-20"), d("2027-08-20")),
    leaves=st.one_of(st.none(), st.dates(d("2027-08-01"), d("2027-09-10"))),
    months=st.integers(0, 2),
)
def test_the_rows_shown_can_be_worked_out_on_paper(
    amount: Any, method: Any, stub: Any, steps: Any, split: Any, begins: Any, leaves: Any, months: int
) -> None:
    """Every fraction that is shown, times the amount before it, is the exact amount beside it; the last is billed."""
    of = rent_plan(
        amount=amount,
        prorate=Proration(method, stub=stub),
        steps=tuple(sorted(steps, key=STEPS.index)),
        split_mid_period=split,
        who=Selector(),
    )
    dates = {"moved_out": str(leaves)} if leaves and leaves > begins else {}
    home = lease(start=str(begins), moved_in=str(begins), **dates)
    lookback = d(f"2027-0{8 - months}-01")
    for line in lines(of, home, lookback=lookback):
        assert line.term is not None
        if line.amount is None:
            continue
        rows = steps_of(line.term)
        assert rows[-1].cents == line.amount
        for before, row in pairwise(rows):
            if match := re.match(r"\u00d7 (\d+)/(\d+) \(", row.what):
                amount_before = Fraction(before.exact) if before.cents is None else before.cents
                exact = amount_before * min(Fraction(int(match[1]), int(match[2])), 1)
                assert Fraction(row.exact) == exact
                assert row.cents == round_half_away(exact)


def test_units_without_measure_say_which() -> None:
    of = plan(charge("water", water(weights=(FEET,)), code="Water", once=once("2027-07-01", JUNE)))
    seen = observed(lease("ann", unit="9"), units=(unit("9", square_feet=500), unit("10")))
    assert shown(only(lines(of, seen=seen, window=JULY))) == [
        ("unit.square_feet of unit 10: not known", None)
    ]


# --- what is missing -------------------------------------------------------------------------------------------------


def held(of: Any, *leases: Any, **rest: Any) -> str:
    (change,) = World(of, *leases, **rest).compare().changes
    assert (change.action, change.reason) == ("hold", "amount_missing")
    return change.detail


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (RENT, "lease.rent of lease-1"),
        (Percent(Fraction(10), Path("lease", "market_rent")), "lease.market_rent of lease-1"),
        (Rate(Fraction(5), Measure(Path("unit", "square_feet"))), "unit.square_feet of 101"),
        (FromPath(Path("fee", "Cable")), "fee.Cable"),
        (FromPath(Path("table", "amount", "bills")), "plans/table.csv has no row 2027-08"),
        (FromPath(Path("table", "note", "meters")), "table.meters.note, plans/table.csv:2"),
        (FromPath(Path("table", "amount", "units")), "plans/table.csv has no row 101"),
    ],
)
def test_what_is_missing_is_named(amount: Any, said: str) -> None:
    tables = {
        "bills": roster("period", {"period": "2027-07", "amount": "12.00"}),
        "meters": roster("unit", {"unit": "101", "note": None}),
        "units": roster("unit", {"unit": "102", "amount": "1.00"}),
    }
    assert held(plan(charge(amount=amount), tables=tables), lease(rent=None)) == said


def test_a_bill_that_is_not_there_is_named_for_every_unit() -> None:
    of = plan(
        charge("water", water(Path("table", "amount", "bills")), code="Water"),
        tables={"bills": roster("period", {"period": "2027-07", "amount": "12.00"})},
    )
    assert held(of, lease(unit="9"), units=FLATS) == "plans/table.csv has no row 2027-08"
