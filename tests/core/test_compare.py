"""What already exists, and what follows: every row of the table (plan-language.md)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chargeplan.core.amounts import FromPath, Path
from chargeplan.core.observed import Lease
from chargeplan.core.plan import Plan, Proration, Selector
from tests.core.builders import (
    AUGUST,
    INTEGRATION,
    World,
    charge,
    d,
    lease,
    lines,
    once,
    plan,
    rent_plan,
    roster,
    schedule,
    usd,
)
from tests.core.test_amounts import step

RENT_DUE = ("create", "2027-08-01", "$1,000.00")
THERE = ("unchanged", "2027-08-01", "$1,000.00")
SYNC_1, SYNC_2, SYNC_3 = "2027-08-02T04:00:00Z", "2027-08-03T04:00:00Z", "2027-08-04T04:00:00Z"


def posted(state: str = "accepted", *, sync: bool = False, of: Any = None) -> World:
    world = World(of or rent_plan())
    world.post(state=state, sync=sync)
    return world


# --- the rows ----------------------------------------------------------------------------------------------------


def test_nothing_is_there() -> None:
    assert World(rent_plan()).changes() == [RENT_DUE]


@pytest.mark.parametrize("state", ["queued", "accepted", "visible", "unknown", "intended", "refused"])
def test_our_reference_with_the_same_amount(state: str) -> None:
    assert posted(state, sync=True).changes() == [THERE]


def test_our_reference_with_another_amount() -> None:
    world = posted(sync=True)
    world.live(lease(rent="1,100.00"))
    assert world.changes() == [("drift", "2027-08-01", "$100.00")]
    world.plans = [rent_plan(adjusts_drift=True)]
    assert world.changes() == [("correct", "2027-08-01", "$100.00")]


def seen_at(world: World, *moments: str, previous: str | None = None) -> None:
    charges = tuple(
        msgspec.structs.replace(each, last_seen=at)
        for each, at in zip(world.seen.charges, moments, strict=True)
    )
    world.seen = msgspec.structs.replace(world.seen, charges=charges, previous_sync=previous)


def test_our_reference_that_the_last_sync_did_not_see_although_its_neighbours_were() -> None:
    world = posted(sync=True)
    world.add("R-9", resident_id="bob", amount=500)
    seen_at(world, SYNC_1, SYNC_2)
    assert world.changes() == [("removed_upstream", "2027-08-01", "$1,000.00")]
    seen_at(world, SYNC_2, SYNC_2)
    assert world.changes() == [THERE]
    seen_at(world, SYNC_2, SYNC_1)
    assert world.changes() == [THERE]


@pytest.mark.parametrize("moment", ["", "yesterday", "2027-13-01T00:00:00Z"])
def test_a_moment_that_is_none_tells_nothing(moment: str) -> None:
    world = posted(sync=True)
    world.add("R-9", resident_id="bob", amount=500)
    seen_at(world, moment, SYNC_2, previous=moment)
    assert world.changes() == [THERE]


def test_a_moment_without_a_zone_is_in_utc() -> None:
    world = posted(sync=True)
    world.add("R-9", resident_id="bob", amount=500)
    seen_at(world, SYNC_1.removesuffix("Z"), SYNC_2)
    assert world.changes() == [("removed_upstream", "2027-08-01", "$1,000.00")]


def test_a_neighbour_far_off_tells_nothing() -> None:
    world = posted(sync=True)
    world.add("R-9", resident_id="bob", transaction_date=d("2027-12-01"))
    seen_at(world, SYNC_1, SYNC_2)
    assert world.changes() == [THERE]


@pytest.mark.parametrize("state", ["unknown", "intended"])
def test_an_unknown_outcome_is_never_sent_again(state: str) -> None:
    assert posted(state).changes() == [("unknown", "2027-08-01", "$1,000.00")]


@pytest.mark.parametrize("state", ["queued", "accepted"])
def test_under_way_and_not_seen_yet(state: str) -> None:
    assert posted(state).changes() == [("in_flight", "2027-08-01", "$1,000.00")]


@pytest.mark.parametrize("state", ["visible", "posted"])
def test_settled_and_out_of_sight(state: str) -> None:
    assert posted(state).changes() == [THERE]


@pytest.mark.parametrize("state", ["withdrawn", "refused", "not_posted"])
def test_what_certainly_was_not_written_is_created(state: str) -> None:
    assert posted(state).changes() == [RENT_DUE]


def test_the_last_refusal_is_shown() -> None:
    world = World(rent_plan())
    (change,) = world.compare().changes
    world.record(change, state="refused", error="ledger is locked")
    (change,) = world.compare().changes
    assert (change.action, change.detail) == ("create", "ledger is locked")


# --- matching by content -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "found", "tolerance", "action"),
    [
        ("accepted", {}, 0, "unchanged"),
        ("queued", {}, 0, "unchanged"),
        ("accepted", {"transaction_date": d("2027-08-31")}, 0, "unchanged"),
        ("accepted", {"transaction_date": d("2027-09-01")}, 0, "in_flight"),
        ("accepted", {"transaction_date": d("2027-09-03")}, 3, "unchanged"),
        ("accepted", {"transaction_date": d("2027-07-28")}, 3, "in_flight"),
        ("accepted", {"amount": 99999}, 0, "in_flight"),
        ("accepted", {"resident_id": "bob"}, 0, "in_flight"),
        ("accepted", {"charge_code_id": "code-pet"}, 0, "in_flight"),
        ("accepted", {"reference": "CPTHWVHX5P09VRZ0YS"}, 0, "in_flight"),  # another line's
        ("accepted", {"reference": "INV-7"}, 0, "unchanged"),
        ("unknown", {}, 0, "unknown"),
    ],
)
def test_systems_that_do_not_keep_the_reference(
    state: str, found: dict[str, Any], tolerance: int, action: str
) -> None:
    world = posted(state, of=rent_plan(code="Rent"))
    world.integration = msgspec.structs.replace(INTEGRATION, date_tolerance=tolerance)
    world.plans = [msgspec.structs.replace(world.plans[0], owns=())]
    world.add(**found)
    assert [each for each, _, _ in world.changes()] == [action]


def twins() -> World:
    return posted(of=plan(charge("rent", usd("50.00")), charge("more", usd("50.00"))))


@pytest.mark.parametrize(
    ("there", "actions"), [(0, ["in_flight"] * 2), (1, ["in_flight", "unchanged"]), (2, ["unchanged"] * 2)]
)
def test_equal_charges_are_counted_and_not_merged(there: int, actions: list[str]) -> None:
    world = twins()
    for _ in range(there):
        world.add(amount=5000)
    assert sorted(each for each, _, _ in world.changes()) == actions


@pytest.mark.parametrize(
    ("state", "status"), [("posted", "unchanged"), ("unknown", "unknown"), ("intended", "unknown")]
)
@pytest.mark.parametrize(("there", "other"), [(0, "in_flight"), (1, "in_flight"), (2, "unchanged")])
@pytest.mark.parametrize("first", [0, 1])
def test_a_charge_that_may_be_a_like_lines_proves_nothing(
    state: str, status: str, there: int, other: str, first: int
) -> None:
    """One of two equal lines was rejected; the other, which a person vouched for or nobody knows of, is on the ledger."""
    world = twins()
    reference = sorted(world.postings)[first]
    world.postings[reference] = msgspec.structs.replace(world.postings[reference], state=state)
    for _ in range(there):
        world.add(amount=5000)
    assert {each.reference: each.action for each in world.compare().changes} == {
        key: status if key == reference else other for key in world.postings
    }


def test_each_month_takes_its_own_charge_whatever_order_they_come_in() -> None:
    both = ("2027-08-01", "2027-09-30")
    world = World(rent_plan())
    world.integration = msgspec.structs.replace(INTEGRATION, date_tolerance=5)
    world.post(both, sync=False)
    world.add(transaction_date=d("2027-09-01"))
    assert [each for each, _, _ in world.changes(both)] == ["in_flight", "unchanged"]
    world.add(transaction_date=d("2027-08-01"))
    assert [each for each, _, _ in world.changes(both)] == ["unchanged", "unchanged"]


# --- charges of others -------------------------------------------------------------------------------------------

OWNER = plan(charge(), owns=("Rent",))


def test_an_owned_code_that_someone_else_posted_holds_the_line() -> None:
    world = World(OWNER)
    other = world.add("R-1", description="August rent", amount=98000)
    (change,) = world.compare().changes
    assert (change.action, change.reason, change.amount) == ("hold", "probable_duplicate", 100000)
    assert change.synced is not None
    assert change.synced.id == other.id
    assert "$980.00" in change.detail
    assert "August rent" in change.detail


@pytest.mark.parametrize(
    "other",
    [
        {"amount": -100000},
        {"resident_id": "bob"},
        {"charge_code_id": "code-pet"},
        {"transaction_date": d("2027-07-31"), "amount": 98000},
        {"transaction_date": d("2027-07-24")},
        {"transaction_date": d("2027-09-01")},
    ],
)
def test_what_is_no_duplicate(other: dict[str, Any]) -> None:
    world = World(OWNER)
    world.add("R-1", **other)
    assert world.changes() == [RENT_DUE]


def test_a_code_that_is_not_owned_has_no_duplicates() -> None:
    world = World(rent_plan())
    world.add("R-1")
    assert world.changes() == [RENT_DUE]


def test_each_such_charge_holds_one_line() -> None:
    world = World(
        plan(charge("a", usd("50.00")), charge("b", usd("50.00")), charge("c", usd("50.00")), owns=("Rent",))
    )
    world.add("R-1")
    world.add("R-2", transaction_date=d("2027-08-20"))
    assert [each for each, _, _ in world.changes()] == ["hold", "hold", "create"]


def test_a_line_that_is_dated_outside_its_period_has_its_duplicates_there() -> None:
    world = World(plan(charge(schedule=schedule(day=1, arrears=True)), owns=("Rent",)))
    world.add("R-1")
    assert [each for each, _, _ in world.changes()] == ["hold"]


def test_what_a_plan_that_is_gone_posted_holds_what_is_due_in_its_place() -> None:
    old = msgspec.structs.replace(OWNER, name="old", charges=(charge(key_plan="old"),))
    world = World(old)
    world.post()
    world.plans = [OWNER]
    assert [each for each, _, _ in world.changes()] == ["hold"]


def test_two_owners_of_one_code_are_an_error() -> None:
    world = World(OWNER)
    world.plans.append(plan(charge("rent-2", key_plan="second"), name="second", owns=("code-rent",)))
    (problem,) = world.compare().diagnostics
    assert "`oak` and `second` both own the charge code `Rent`" in problem.summary


# --- closed periods ----------------------------------------------------------------------------------------------

JULY_CLOSED = {"closed_through": d("2027-08-03")}


def test_closed_error_fails_the_plan_and_lists_the_lines() -> None:
    world = World(plan(**JULY_CLOSED))
    found = world.compare()
    assert found.changes == ()
    assert [each.is_error for each in found.diagnostics] == [True]
    assert "2027-08-03" in found.diagnostics[0].summary + found.diagnostics[0].detail


def test_closed_shift_dates_the_first_open_day_and_keeps_the_key() -> None:
    world = World(plan(closed_period="shift", **JULY_CLOSED))
    (change,) = world.compare().changes
    assert (str(change.transaction_date), change.period_key) == ("2027-08-04", "2027-08-01")
    assert [each.reference for each in lines(rent_plan())] == [change.reference]
    assert World(plan(closed_period="shift", **JULY_CLOSED)).changes(("2027-08-04", "2027-08-31")) == []


def test_closed_skip_lists_a_skip() -> None:
    world = World(plan(closed_period="skip", **JULY_CLOSED))
    assert world.changes() == []
    assert world.skips() == ["closed_period"]


def test_closed_skip_lists_each_line_though_the_household_has_others() -> None:
    """July and August in one window, July closed: July's line is a skip of its own, with its date and amount."""
    world = World(plan(closed_period="skip", closed_through=d("2027-07-31")))
    found = world.compare(("2027-07-01", "2027-08-31"))
    assert [str(each.transaction_date) for each in found.changes] == ["2027-08-01"]
    (left_out,) = found.skips
    assert (left_out.reason, str(left_out.transaction_date), left_out.amount) == (
        "closed_period",
        "2027-07-01",
        100000,
    )


@pytest.mark.parametrize("policy", ["error", "shift", "skip"])
def test_what_is_posted_stays_in_a_closed_period(policy: Any) -> None:
    world = posted(sync=True)
    world.plans = [plan(closed_period=policy, **JULY_CLOSED)]
    found = world.compare()
    assert [each.action for each in found.changes] == ["unchanged"]
    assert found.diagnostics == ()


# --- nothing is silent -------------------------------------------------------------------------------------------


def test_exactly_one_skip_for_each_household_and_charge_without_a_line() -> None:
    of = plan(
        charge("rent", prorate=Proration("actual")),
        charge("fee", usd("10.00"), once=once("2027-08-05")),
        charge("pet", usd("10.00"), who=Selector(resident="all", has=("pets",))),
        charge("year", usd("10.00"), schedule=schedule("year")),
    )
    world = World(
        of,
        lease("ann", "abe"),
        lease("bob", name="lease-2", unit="102", status="PENDING"),
        lease("cem", name="lease-3", unit="103", moved_out="2027-07-31"),
    )
    found = world.compare()
    told = [(each.charge, each.lease_id) for each in found.skips]
    assert len(told) == len(set(told))
    assert {(each.charge, each.lease_id, each.reason) for each in found.skips} == {
        *((name, "lease-2", "lease_pending") for name in ("rent", "fee", "pet", "year")),
        ("pet", "lease-1", "not_selected"),
        ("pet", "lease-3", "not_selected"),
        ("rent", "lease-3", "no_billed_days"),
        ("fee", "lease-3", "no_billed_days"),
        ("year", "lease-1", "not_in_window"),
        ("year", "lease-3", "not_in_window"),
    }
    assert {(each.charge, each.lease_id) for each in found.changes} == {
        ("rent", "lease-1"),
        ("fee", "lease-1"),
    }


def test_changes_come_in_canonical_order() -> None:
    of = plan(charge("b", usd("1.00")), charge("a", usd("2.00")))
    world = World(of, lease("zoe", unit="9", name="lease-9"), lease("ann", unit="10"))
    found = world.compare(("2027-08-01", "2027-09-30")).changes
    assert [(each.charge, each.unit_number, each.transaction_date.month) for each in found] == [
        (name, number, month) for name in ("a", "b") for number in ("9", "10") for month in (8, 9)
    ]


def test_charges_with_our_references_that_the_journal_does_not_know_are_counted() -> None:
    world = posted(sync=True)
    world.postings.clear()
    found = world.compare()
    assert [each.action for each in found.changes] == ["unchanged"]
    assert found.unexplained == 1


def test_the_window_may_begin_in_the_middle_of_a_split_period() -> None:
    of = rent_plan(steps=(step("2027-08-16", "percent", "10"),), split_mid_period=True)
    late_august = ("2027-08-10", "2027-08-31")
    world = World(of)
    world.post(("2027-08-01", "2027-08-09"))
    assert world.changes(late_august) == [("create", "2027-08-16", "$567.74")]
    world.post(late_august)
    assert world.changes(late_august) == [("unchanged", "2027-08-16", "$567.74")]
    assert [each for each, _, _ in world.changes(AUGUST)] == ["unchanged", "unchanged"]


# --- a charge that was renamed without a word ----------------------------------------------------------------------


def renamed(state: str, *, sync: bool) -> World:
    """August's rent was posted as `rent`; then the charge is called `base-rent`."""
    world = World(plan(charge(), owns=("Rent",)), lease())
    world.post(state=state, sync=sync)
    world.plans[:] = [plan(charge("base-rent"), owns=("Rent",))]
    return world


@pytest.mark.parametrize("state", ["queued", "accepted", "unknown", "intended", "posted"])
def test_what_is_under_way_under_the_old_name_holds_the_line(state: str) -> None:
    (change,) = renamed(state, sync=False).compare().changes
    assert (change.action, change.reason, change.synced) == ("hold", "probable_duplicate", None)
    assert "posted for oak/rent" in change.detail
    assert "`moved`" in change.detail


def test_what_stands_under_the_old_name_is_told_as_ours() -> None:
    (change,) = renamed("accepted", sync=True).compare().changes
    assert (change.action, change.reason) == ("hold", "probable_duplicate")
    assert change.synced is not None
    assert "posted for oak/rent" in change.detail


@pytest.mark.parametrize("state", ["refused", "withdrawn", "not_posted"])
def test_what_was_never_written_under_the_old_name_holds_nothing(state: str) -> None:
    assert [each.action for each in renamed(state, sync=False).compare().changes] == ["create"]


def test_one_line_under_way_holds_one_line() -> None:
    world = World(plan(charge(), owns=("Rent",)), lease())
    world.post(state="accepted", sync=False)
    world.plans[:] = [plan(charge("base-rent"), charge("other-rent"), owns=("Rent",))]
    assert sorted(each.action for each in world.compare().changes) == ["create", "hold"]


# --- the same charge under another key -----------------------------------------------------------------------------


def again(
    before: Lease, now: Lease, of: Plan | None = None, then: Plan | None = None
) -> list[tuple[str, str | None]]:
    """August was posted and seen; then the lease (or the plan) is another. What the next plan says of it."""
    world = World(of or plan(charge()), before)
    world.post()
    world.live(now)
    world.plans[:] = [then or of or plan(charge())]
    return [(each.action, each.reason) for each in world.compare().changes]


HELD = [("hold", "probable_duplicate")]


def test_a_unit_that_is_corrected_does_not_bill_the_month_again() -> None:
    assert again(lease(unit="101"), lease(unit="105")) == HELD


def test_nor_does_a_resident_who_became_another_record_on_the_same_lease() -> None:
    assert again(lease("ann"), lease("ann-2")) == HELD


def test_nor_does_a_schedule_that_was_moved_by_some_days() -> None:
    moved = plan(charge(schedule=schedule(day=5)))
    assert again(lease(), lease(), then=moved) == HELD


def test_nor_does_a_roster_that_got_items() -> None:
    by_unit = roster("unit", {"unit": "101", "space": "7", "fee": "75.00"})
    by_space = roster("unit", {"unit": "101", "space": "7", "fee": "75.00"}, item="space")
    amount = FromPath(Path("roster", "fee"))
    before, then = (plan(charge("parking", amount, roster=each)) for each in (by_unit, by_space))
    assert again(lease(), lease(), before, then) == HELD


def test_nor_do_a_record_and_a_lease_that_were_both_replaced() -> None:
    assert again(lease("ann"), lease("ann-2", name="lease-2")) == HELD


def test_another_household_in_the_unit_is_another_matter() -> None:
    world = World(plan(charge(prorate=Proration("actual"))), lease("ann", moved_out="2027-08-10"))
    world.post()
    world.live(
        lease("ann", moved_out="2027-08-10"),
        lease("bo", name="lease-2", start="2027-08-11", moved_in="2027-08-11"),
    )
    # 1,000.00 x 21/31
    assert [(each.action, each.amount) for each in world.compare().changes] == [
        ("unchanged", 32258),
        ("create", 67742),
    ]


def test_people_who_move_within_the_property_are_billed_in_both_units() -> None:
    world = World(plan(charge(prorate=Proration("actual"), adjusts_drift=True)), lease(unit="101"))
    world.post()
    world.live(
        lease(unit="101", moved_out="2027-08-15"),
        lease(name="lease-2", unit="105", start="2027-08-16", moved_in="2027-08-16", rent="2,000.00"),
    )
    # 1,000.00 x 16/31 less back, and 2,000.00 x 16/31 for the new unit.
    assert [(each.action, each.amount) for each in world.compare().changes] == [
        ("correct", -51613),
        ("create", 103226),
    ]


def test_the_fee_of_another_resident_of_the_lease_is_no_duplicate() -> None:
    each = plan(charge(amount=usd("25.00"), who=Selector(resident="all")))
    assert again(lease("ann"), lease("ann", "cy"), each) == [("unchanged", None), ("create", None)]


def test_but_that_of_a_resident_who_is_no_longer_on_the_lease_may_be() -> None:
    """Was bo's record replaced by cy's, or has cy come in bo's place? Nobody knows but a person."""
    each = plan(charge(amount=usd("25.00"), who=Selector(resident="all")))
    assert again(lease("ann", "bo"), lease("ann", "cy"), each) == [("unchanged", None), *HELD]


def test_what_was_taken_off_the_ledger_holds_nothing() -> None:
    world = World(plan(charge()), lease(unit="101"))
    world.post(sync=False, state="not_posted")
    world.live(lease(unit="105"))
    assert [each.action for each in world.compare().changes] == ["create"]
