"""Who is charged, rosters and overrides (plan-language.md, *Who* and *A charge*)."""

from __future__ import annotations

from typing import Any

import pytest

from chargeplan.core.amounts import FromPath, Measure, Path, Rate
from chargeplan.core.observed import LeaseResident, Resident
from chargeplan.core.plan import Override, Proration, Selector, Split
from chargeplan.core.select import Names
from tests.core.builders import (
    PLACE,
    Fixed,
    billed,
    charge,
    code,
    d,
    expanded,
    lease,
    lines,
    observed,
    once,
    percent,
    plan,
    reasons,
    rent_plan,
    roster,
    schedule,
    unit,
    usd,
    when,
)

FLAT = unit(
    "101",
    building_name="North Tower",
    building_number="7",
    floor_plan_name="2BR Deluxe",
    floor_plan_code="2D",
)


@pytest.mark.parametrize(
    ("who", "selected"),
    [
        (Selector(units=("1*",)), True),
        (Selector(units=("2*", "unit-101")), True),
        (Selector(units=("10",)), False),
        (Selector(buildings=("North*",)), True),
        (Selector(buildings=("7",)), True),
        (Selector(buildings=("north*",)), False),
        (Selector(floor_plans=("2BR*",)), True),
        (Selector(floor_plans=("2D",)), True),
        (Selector(floor_plans=("3*",)), False),
        (Selector(except_units=("10?",)), False),
        (Selector(except_residents=("ann",)), False),
        (Selector(except_residents=("a*",)), False),
        (Selector(has=("pets",)), True),
        (Selector(has=("pets", "vehicles")), False),
    ],
)
def test_selectors(who: Selector, selected: bool) -> None:
    seen = observed(
        lease("ann", "bob"),
        units=(FLAT,),
        residents=(
            Resident(id="ann", property_id="oak-id"),
            Resident(id="bob", property_id="oak-id", pets=2),
        ),
    )
    found = billed(rent_plan(who=who), seen=seen)
    assert found == ([("2027-08-01", "$1,000.00")] if selected else [])
    if not selected:
        assert [each.skip.reason for each in expanded(rent_plan(who=who), seen=seen).households] == [
            "not_selected"
        ]


def test_with_all_residents_each_must_have_it_themselves() -> None:
    seen = observed(
        lease("ann", "bob"),
        residents=(
            Resident(id="ann", property_id="oak-id"),
            Resident(id="bob", property_id="oak-id", pets=2),
        ),
    )
    of = rent_plan(
        "pet",
        Rate(percent("3500"), Measure(Path("resident", "pets"))),
        who=Selector(resident="all", has=("pets",)),
    )
    assert [(each.key.resident_id, each.amount) for each in lines(of, seen=seen)] == [("bob", 7000)]


# --- rosters -----------------------------------------------------------------------------------------------------


def test_only_those_listed_are_charged_and_their_columns_are_values() -> None:
    of = rent_plan(
        "parking", FromPath(Path("roster", "price")), roster=roster("unit", {"unit": "101", "price": "75.00"})
    )
    both = (lease("ann"), lease("bob", name="lease-2", unit="102"))
    assert billed(of, *both) == [("2027-08-01", "$75.00")]
    assert reasons(of, *both) == ["not_on_roster"]


def test_an_empty_cell_holds_the_line() -> None:
    of = rent_plan(
        "parking", FromPath(Path("roster", "price")), roster=roster("unit", {"unit": "101", "price": None})
    )
    assert billed(of) == [("2027-08-01", "amount_missing")]


def test_items_are_lines_of_their_own_with_their_names_in_the_key() -> None:
    spaces = roster(
        "resident_id",
        {"resident_id": "ann", "space": "12", "price": "75.00"},
        {"resident_id": "ann", "space": "14", "price": "80.00"},
        item="space",
    )
    found = lines(rent_plan("parking", FromPath(Path("roster", "price")), roster=spaces))
    assert [(each.key.charge, each.item, each.amount) for each in found] == [
        ("parking/12", "12", 7500),
        ("parking/14", "14", 8000),
    ]


def test_a_row_without_its_date_leaves_the_other_rows_alone() -> None:
    spaces = roster(
        "resident_id",
        {"resident_id": "ann", "space": "12", "begins": "2027-08-05"},
        {"resident_id": "ann", "space": "14", "begins": None},
        item="space",
    )
    of = rent_plan("parking", usd("75.00"), roster=spaces, schedule=schedule(first="roster.begins", day=1))
    assert billed(of) == [("2027-08-05", "$75.00")]
    assert reasons(of) == []


def test_a_roster_by_lease_follows_the_lease_in_force() -> None:
    renewed = (lease(end="2027-08-15"), lease(name="lease-2", start="2027-08-16"))
    of = rent_plan("parking", usd("75.00"), roster=roster("lease_id", {"lease_id": "lease-1"}))
    assert billed(of, *renewed, window=("2027-08-01", "2027-09-30")) == [("2027-08-01", "$75.00")]
    assert reasons(of, *renewed, window=("2027-09-01", "2027-09-30")) == ["not_on_roster"]


def test_rows_are_for_the_property_that_they_name() -> None:
    rows = roster("unit", {"unit": "101", "property": "elm"})
    of = rent_plan("parking", usd("75.00"), roster=rows)
    assert reasons(of) == ["not_on_roster"]
    assert billed(
        rent_plan("parking", usd("75.00"), roster=roster("unit", {"unit": "101", "property": "Oak Street"}))
    ) == [("2027-08-01", "$75.00")]


def test_keys_that_fit_nothing_are_named() -> None:
    of = rent_plan("parking", usd("75.00"), roster=roster("unit", {"unit": "101"}, {"unit": "999"}))
    (warning,) = expanded(of).diagnostics
    assert (warning.severity, warning.place.line if warning.place else 0) == ("warning", 3)
    assert "`999`" in warning.summary


def test_in_a_plan_of_several_properties_a_resident_of_the_other_one_is_no_mistake() -> None:
    of = plan(
        charge(
            "parking",
            usd("75.00"),
            roster=roster("resident_id", {"resident_id": "ann"}, {"resident_id": "zoe"}),
        ),
        properties=("oak", "elm"),
    )
    assert expanded(of).diagnostics == ()


# --- overrides ---------------------------------------------------------------------------------------------------


def override(
    changes: dict[str, object] | None = None,
    *,
    first: str | None = None,
    through: str | None = None,
    **rest: Any,
) -> Override:
    return Override(
        changes=changes or {},
        place=rest.pop("place", PLACE),
        first=when(first),
        through=when(through),
        **rest,
    )


def test_the_later_override_wins_and_leaves_its_reason() -> None:
    of = rent_plan(
        overrides=(
            override({"amount": Fixed(90000)}, units=("1*",), reason="deal"),
            override({"amount": Fixed(80000)}, residents=("ann",), reason="better deal"),
        )
    )
    found = lines(of, lease("ann"), lease("bob", name="lease-2", unit="102"))
    assert [(each.amount, each.override.reason if each.override else None) for each in found] == [
        (80000, "better deal"),
        (90000, "deal"),
    ]


def test_an_override_holds_for_service_periods_that_begin_within_its_dates() -> None:
    of = rent_plan(overrides=(override({"amount": Fixed(90000)}, first="2027-07-02", through="2027-09-01"),))
    found = lines(of, window=("2027-07-01", "2027-10-31"))
    assert [(each.amount, each.override is not None) for each in found] == [
        (100000, False),
        (90000, True),
        (90000, True),
        (100000, False),
    ]


def test_a_waived_month_is_a_skip() -> None:
    of = rent_plan(
        overrides=(override(waive=True, first="2027-08-01", through="2027-08-31", reason="flood"),)
    )
    assert reasons(of) == ["waived"]
    assert billed(of, window=("2027-09-01", "2027-09-30")) == [("2027-09-01", "$1,000.00")]


def test_a_later_override_may_take_a_waiver_back() -> None:
    of = rent_plan(overrides=(override(waive=True, units=("10*",)), override(waive=False, units=("101",))))
    assert billed(of) == [("2027-08-01", "$1,000.00")]


def test_every_list_of_an_override_must_fit() -> None:
    of = rent_plan(
        overrides=(
            override({"amount": Fixed(1)}, properties=("elm",)),
            override({"amount": Fixed(2)}, units=("102",), residents=("ann",)),
        )
    )
    assert billed(of) == [("2027-08-01", "$1,000.00")]


def test_where_each_resident_has_a_line_an_override_is_for_those_it_names() -> None:
    of = rent_plan(
        amount=usd("50.00"),
        who=Selector(resident="all"),
        overrides=(override({"amount": Fixed(2000)}, residents=("bob",)),),
    )
    assert [(each.key.resident_id, each.amount) for each in lines(of, lease("ann", "bob"))] == [
        ("ann", 5000),
        ("bob", 2000),
    ]


def test_an_override_may_move_the_dates() -> None:
    of = rent_plan(overrides=(override({"schedule": schedule(day=5)}, units=("101",)),))
    assert billed(of) == [("2027-08-05", "$1,000.00")]
    of = rent_plan(overrides=(override({"once": once("2027-08-09")}, units=("101",)),))
    assert billed(of) == [("2027-08-09", "$1,000.00")]


def test_a_code_that_only_another_property_has_is_no_problem_here() -> None:
    assert (
        expanded(
            rent_plan(overrides=(override({"code": code("Elm Rent")}, properties=("elm",)),))
        ).diagnostics
        == ()
    )
    (problem,) = expanded(
        rent_plan(overrides=(override({"code": code("Elm Rent")}, properties=("oak",)),))
    ).diagnostics
    assert problem.is_error
    assert "no charge code named `Elm Rent`" in problem.summary


def test_names_of_a_property() -> None:
    names = Names("oak-id", "oak", "Oak Street")
    assert [names.match(each) for each in ("oak", "oak-id", "Oak Street", "Oak")] == [True, True, True, False]
    assert names.match_pattern("Oak*")


# --- split -------------------------------------------------------------------------------------------------------


def test_a_split_gives_the_odd_cent_to_the_resident_listed_first() -> None:
    found = lines(rent_plan(split=Split()), lease("ann", "bob", "cem", "dad:GUARANTOR"))
    assert [(each.key.resident_id, each.amount) for each in found] == [
        ("ann", 33334),
        ("bob", 33333),
        ("cem", 33333),
    ]


def test_the_household_is_prorated_first_and_split_afterwards() -> None:
    found = lines(
        rent_plan(split=Split(), prorate=Proration("actual")), lease("ann", "bob", moved_in="2027-08-17")
    )
    assert [each.amount for each in found] == [24194, 24193]  # 483.87 in two


def test_a_split_by_a_column() -> None:
    shares = roster(
        "resident_id", {"resident_id": "ann", "share": "60"}, {"resident_id": "bob", "share": "40"}
    )
    found = lines(rent_plan(split=Split("share"), roster=shares), lease("ann", "bob"))
    assert [each.amount for each in found] == [60000, 40000]


def test_only_residents_with_an_occupied_day_among_the_lines_days_share() -> None:
    gone = LeaseResident("bob", "SECONDARY", move_out=d("2027-07-31"))
    found = lines(rent_plan(split=Split()), lease("ann", gone, "cem"))
    assert [(each.key.resident_id, each.amount) for each in found] == [("ann", 50000), ("cem", 50000)]


def test_who_joins_with_the_renewal_shares_too() -> None:
    renewed = (lease("ann", end="2027-08-15"), lease("ann", "bob", name="lease-2", start="2027-08-16"))
    found = lines(rent_plan(split=Split()), *renewed)
    # bob lives there on 16 of 31 days, and pays the half of them: 1,000.00 x 8/31
    assert [(each.key.resident_id, each.amount) for each in found] == [("ann", 74194), ("bob", 25806)]
