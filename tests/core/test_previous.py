"""What changed against the period before, by code and household, and the guards that look at it (interface.md, *Guards*)."""

from __future__ import annotations

from typing import Any

import pytest

from chargeplan.core.amounts import FromPath, Path
from chargeplan.core.change import Change, Previous
from chargeplan.core.config import Guards
from chargeplan.core.evidence import Evidence
from chargeplan.core.guard import PropertyFacts, days_from_clock, guard_plan
from chargeplan.core.household import households
from chargeplan.core.planned import PlannedProperty
from chargeplan.core.previous import PropertyLedger
from chargeplan.core.unused import unused_rows
from tests.core.builders import (
    INTEGRATION,
    World,
    charge,
    d,
    days,
    expanded,
    lease,
    once,
    plan,
    rent_plan,
    roster,
    setting,
    usd,
)

JULY, AUGUST = ("2027-07-01", "2027-07-31"), ("2027-08-01", "2027-08-31")
ANN = lease("ann", name="lease-1", unit="101", moved_in="2027-01-01")


def changes_of(world: World) -> tuple[Change, ...]:
    return world.compare(AUGUST).changes


def rent_of(world: World, reasons: dict[tuple[str, str], str] | None = None) -> tuple[Previous, list[Any]]:
    """August's rent against July's, and the households that differ: unit, kind, reason, cents before and now."""
    evidence = Evidence(world.seen, world.postings.values(), INTEGRATION)
    ledger = PropertyLedger(households(world.seen), world.seen, evidence, {"code-rent": "Rent"})
    previous, movements = ledger.previous(days(*JULY), days(*AUGUST), changes_of(world), reasons or {})
    return previous["Rent"], [
        (each.unit_number, each.kind, each.reason, each.before, each.now) for each in movements
    ]


def july(world: World, resident: str, amount: int = 100000, **rest: Any) -> None:
    world.add(resident_id=resident, amount=amount, transaction_date=d("2027-07-01"), **rest)


def test_whoever_put_it_there_counts_and_what_is_to_post_is_added() -> None:
    world = World(rent_plan(), ANN)
    july(world, "ann")
    found, movements = rent_of(world)
    assert (found.count, found.amount, found.now, found.households) == (1, 100000, 100000, 1)
    assert movements == []


@pytest.mark.parametrize(
    ("post_month", "before"),
    [("2027-07", 100000), ("2027-06", 0), (None, 0)],
)
def test_a_charge_belongs_to_its_post_month_and_without_one_to_that_of_its_date(
    post_month: str | None, before: int
) -> None:
    """July's rent that was entered on 28 June is July's."""
    world = World(rent_plan(), ANN)
    world.add(resident_id="ann", transaction_date=d("2027-06-28"), post_month=post_month)
    evidence = Evidence(world.seen, (), INTEGRATION)
    ledger = PropertyLedger(households(world.seen), world.seen, evidence, {"code-rent": "Rent"})
    previous, _ = ledger.previous(days(*JULY), days(*AUGUST), changes_of(world), {})
    assert previous["Rent"].amount == before
    assert ledger.totals([days(*JULY)]) == [{"Rent": before} if before else {}]


@pytest.mark.parametrize(
    ("home", "before", "expected"),
    [
        (lease("bo", name="lease-2", unit="102", start="2027-08-01", moved_in="2027-08-01"), None, ("new", "moved_in", 0, 100000)),
        (lease("bo", name="lease-2", unit="102", moved_in="2027-01-01"), None, ("new", "newly_billed", 0, 100000)),
        (lease("bo", name="lease-2", unit="102", moved_in="2027-01-01"), 90000, ("changed", "amount", 90000, 100000)),
        (
            lease("bo", name="lease-2", unit="102", moved_in="2027-01-01", moved_out="2027-07-31"),
            100000,
            ("gone", "moved_out", 100000, 0),
        ),
    ],
)  # fmt: skip
def test_a_household_is_new_gone_or_changed_for_a_reason(
    home: Any, before: int | None, expected: Any
) -> None:
    world = World(rent_plan(), ANN, home)
    july(world, "ann")
    if before is not None:
        july(world, "bo", before)
    assert rent_of(world)[1] == [("102", *expected)]


def test_who_has_no_line_and_no_reason_is_unexplained() -> None:
    world = World(plan(charge(enabled=False)), ANN, lease("bo", name="lease-2", unit="102"))
    july(world, "ann")
    july(world, "bo")
    july(world, "cy")
    found, movements = rent_of(world, {("Rent", "lease-2"): "waived"})
    assert [each[:3] for each in movements] == [
        ("101", "gone", "not_billed"),
        ("102", "gone", "waived"),
        ("", "gone", "no_lease"),
    ]
    assert (found.households, found.unexplained, found.of("gone")) == (3, 2, 3)


# --- guards ------------------------------------------------------------------------------------------------------------


def refused(guards: Guards, previous: Previous, *, far: int = 0) -> list[tuple[str, str, int | None]]:
    facts = PropertyFacts(
        name="Oak Street",
        before=previous.amount,
        now=previous.now,
        residents_gone=False,
        previous={"Pets": previous},
    )
    posting = changes_of(World(rent_plan(), ANN))
    found = guard_plan(guards, posting, (), properties={"oak-id": facts}, far=far)
    return [(each.guard, each.subject, each.value) for each in found if each.refused]


def test_a_slipped_decimal_of_one_code_is_refused() -> None:
    """35.00 for 36 pets becomes 350.00: ten times as much, though the property's total hardly moves."""
    pets = Previous(count=36, amount=126000, now=1260000, posted=0, households=36, unexplained=0, counts={})
    facts = PropertyFacts(
        name="Oak Street", before=15000000, now=16134000, residents_gone=False, previous={"Pets": pets}
    )
    found = guard_plan(
        Guards(max_change=25), changes_of(World(rent_plan(), ANN)), (), properties={"oak-id": facts}
    )
    assert [(each.subject, each.value) for each in found] == [("Oak Street, Pets", 900)]


def test_what_a_person_billed_by_hand_is_posted_though_our_lines_are_held() -> None:
    """August was entered by hand: it stands there, and nothing is to be posted beside it."""
    world = World(plan(owns=("Rent",)), ANN)
    july(world, "ann")
    world.add(resident_id="ann", amount=100000, transaction_date=d("2027-08-01"))
    assert [each.action for each in changes_of(world)] == ["hold"]
    found, movements = rent_of(world)
    assert (found.amount, found.posted, found.now, movements) == (100000, 100000, 100000, [])


def test_a_code_that_is_new_has_new_households() -> None:
    found, movements = rent_of(World(rent_plan(), ANN))
    assert (found.count, found.amount, found.posted, found.now) == (0, 0, 0, 100000)
    assert movements == [("101", "new", "newly_billed", 0, 100000)]


def test_a_code_that_falls_away_is_refused_too() -> None:
    parking = Previous(count=69, amount=517500, now=25875, posted=0, households=69, unexplained=0, counts={})
    assert ("max_change", "Oak Street, Pets", 95) in refused(Guards(max_change=25), parking)


@pytest.mark.parametrize(("unexplained", "found"), [(5, []), (6, [("max_missing", "Oak Street, Pets", 6)])])
def test_households_without_line_and_reason_are_counted(unexplained: int, found: Any) -> None:
    pets = Previous(
        count=100, amount=350000, now=350000, posted=0, households=100, unexplained=unexplained, counts={}
    )
    assert refused(Guards(max_missing=5), pets) == found


@pytest.mark.parametrize(
    ("as_of", "window", "lead", "far"),
    [
        ("2027-08-02", AUGUST, 0, 0),
        ("2027-08-02", ("2027-09-01", "2027-09-30"), 0, 30),
        ("2027-08-02", ("2027-09-01", "2027-09-30"), 30, 0),
        ("2027-08-02", ("2025-11-01", "2025-11-30"), 0, 610),
        ("2027-09-10", AUGUST, 0, 39),
    ],
)
def test_how_far_the_dates_lie_from_the_clock(as_of: str, window: Any, lead: int, far: int) -> None:
    assert days_from_clock(d("2027-08-02"), d(as_of), days(*window), lead) == far


def test_a_window_far_from_the_clock_is_refused() -> None:
    same = Previous(count=1, amount=100000, now=100000, posted=0, households=1, unexplained=0, counts={})
    assert refused(Guards(far_window=45), same, far=45) == []
    assert refused(Guards(far_window=45), same, far=46) == [("far_window", "", 46)]


# --- rows that led to no line ----------------------------------------------------------------------------------------


def rows(
    of: Any, *leases: Any, posted: bool = False, window: Any = AUGUST
) -> list[tuple[str, int | None, str]]:
    world = World(of, *leases)
    if posted:
        world.post(window)
    evidence = Evidence(world.seen, world.postings.values(), INTEGRATION)
    given = setting(of, world.seen, window)
    one = PlannedProperty(of, expanded(of, seen=world.seen, window=window))
    found = unused_rows(one, households(world.seen), evidence, given.names, given.window)
    return [(each.key, each.amount, each.reason) for each in found]


def bills(*cells: dict[str, str]) -> Any:
    return plan(
        charge(
            "water",
            FromPath(Path("roster", "amount")),
            code="Water",
            roster=roster("unit", *cells),
            once=once("2027-08-01", ("2027-07-01", "2027-07-31")),
        )
    )


def test_a_biller_s_row_for_people_who_have_left_is_named() -> None:
    gone = lease("ann", moved_in="2027-01-01", moved_out="2027-06-20", status="INACTIVE")
    of = bills({"unit": "101", "amount": "54.20"}, {"unit": "1.0", "amount": "12.00"})
    assert rows(of, gone) == [("101", 5420, "no_billed_days"), ("1.0", 1200, "not_known")]


def test_a_row_that_led_to_a_line_is_not() -> None:
    assert rows(bills({"unit": "101", "amount": "54.20"}), ANN) == []
    assert rows(bills({"unit": "101", "amount": "54.20"}), ANN, posted=True, window=AUGUST) == []


def test_a_row_whose_day_is_still_to_come_is_not() -> None:
    spaces = roster("unit", {"unit": "101", "on": "2027-11-05", "fee": "25.00"})
    later = plan(charge("fee", usd("25.00"), code="Rent", roster=spaces, once=once("roster.on")))
    assert rows(later, ANN) == []
    assert rows(later, ANN, window=("2028-03-01", "2028-03-31")) == [("101", None, "not_in_window")]
