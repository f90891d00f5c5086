"""Corrections: one more line, never a change of what is posted (plan-language.md, *Corrections*)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chargeplan.core.change import Change
from chargeplan.core.plan import AfterLeaseEnd, Override, Proration, Selector
from tests.core.builders import (
    INTEGRATION,
    PLACE,
    World,
    charge,
    d,
    days,
    lease,
    plan,
    rent_plan,
    schedule,
    usd,
)
from tests.core.test_amounts import step

ACTUAL = Proration("actual")
SEPTEMBER = ("2027-09-01", "2027-09-30")
NOVEMBER = ("2027-11-01", "2027-11-30")


def adjusting(**rest: Any) -> Any:
    return rent_plan(**({"prorate": ACTUAL, "adjusts_drift": True} | rest))


def after(of: Any, *leases: Any, window: tuple[str, str] = ("2027-08-01", "2027-08-31")) -> World:
    world = World(of, *leases)
    world.post(window)
    return world


def only(world: World, window: tuple[str, str] = ("2027-08-01", "2027-08-31")) -> Change:
    (change,) = world.compare(window).changes
    return change


def test_a_move_out_is_corrected_on_the_last_billed_day() -> None:
    world = after(adjusting())
    world.live(lease(moves_out="2027-08-10"))
    change = only(world)
    assert (change.action, change.reason, str(change.transaction_date), change.amount) == (
        "correct",
        "moved_out",
        "2027-08-10",
        -67742,
    )
    assert (change.part, change.description, change.service) == (
        100,
        "Adj: Rent August 2027",
        days("2027-08-01", "2027-08-10"),
    )
    world.post()
    assert world.ledger() == 32258
    assert [each for each, _, _ in world.changes()] == ["unchanged", "unchanged"]


def test_a_full_reversal_is_dated_as_its_original_for_its_days() -> None:
    world = after(adjusting())
    world.live(lease(moved_out="2027-07-25"))
    change = only(world)
    assert (change.reason, str(change.transaction_date), change.amount) == (
        "moved_out",
        "2027-08-01",
        -100000,
    )
    assert change.service == days("2027-08-01", "2027-08-31")


def test_the_reversal_of_a_split_period_is_for_all_its_days() -> None:
    world = after(adjusting(steps=(step("2027-08-16", "percent", "10"),), split_mid_period=True))
    world.live(lease(moved_out="2027-07-25"))
    change = only(world)
    assert (change.amount, change.service) == (-48387 - 56774, days("2027-08-01", "2027-08-31"))


def test_after_a_step_inside_the_period_it_is_the_steps_day() -> None:
    world = after(adjusting())
    world.plans = [adjusting(steps=(step("2027-08-16", "percent", "10"),), split_mid_period=True)]
    change = only(world)
    assert (str(change.transaction_date), change.reason, change.amount) == (
        "2027-08-16",
        "amount",
        48387 + 56774 - 100000,
    )


def test_after_several_steps_inside_the_period_it_is_the_last_ones_day() -> None:
    """The second rise of a posted period is not dated as the first."""
    first, second = step("2027-08-11", "percent", "10"), step("2027-08-21", "set", "200000")
    world = after(adjusting())
    world.plans = [adjusting(steps=(first,), split_mid_period=True)]
    assert str(only(world).transaction_date) == "2027-08-11"
    world.post()
    world.plans = [adjusting(steps=(first, second), split_mid_period=True)]
    # 1,000.00 for 10 days, 1,100.00 for 10, 2,000.00 for 11; the first correction made it 10 and 21 days
    change = only(world)
    assert (str(change.transaction_date), change.amount) == (
        "2027-08-21",
        32258 + 35484 + 70968 - (32258 + 74516),
    )


def test_otherwise_it_is_dated_as_its_original() -> None:
    world = after(adjusting())
    world.live(lease(moved_in="2027-08-17"))
    change = only(world)
    assert (str(change.transaction_date), change.reason, change.amount) == (
        "2027-08-01",
        "amount",
        48387 - 100000,
    )


def test_a_reversed_line_that_becomes_due_again_is_a_new_correction() -> None:
    world = after(adjusting())
    world.live(lease(moved_out="2027-07-25"))
    world.post()
    world.live(lease())
    change = only_correction(world)
    assert (change.part, change.amount, change.reason) == (101, 100000, "amount")
    world.post()
    assert world.ledger() == 100000
    assert {each for each, _, _ in world.changes()} == {"unchanged"}


def only_correction(world: World, window: tuple[str, str] = ("2027-08-01", "2027-08-31")) -> Change:
    (change,) = [
        each for each in world.compare(window).changes if each.action in {"correct", "drift", "hold"}
    ]
    return change


def test_in_flight_corrections_count() -> None:
    world = after(adjusting())
    world.live(lease(moved_out="2027-08-10"))
    world.post(sync=False)
    assert [each for each, _, _ in world.changes()] == ["unchanged", "in_flight"]
    world.live(lease(moved_out="2027-08-20"))
    change = only_correction(world)
    assert (change.part, change.amount) == (101, 64516 - 32258)


def test_a_refused_correction_gets_the_next_number_and_shows_why() -> None:
    world = after(adjusting())
    world.live(lease(moved_out="2027-08-10"))
    world.record(only(world), state="refused", error="credits need approval")
    change = only(world)
    assert (change.part, change.amount, change.detail) == (101, -67742, "credits need approval")


def test_what_was_posted_counts_as_it_is_observed() -> None:
    world = after(adjusting())
    world.seen = msgspec.structs.replace(
        world.seen, charges=(msgspec.structs.replace(world.seen.charges[0], amount=90000),)
    )
    assert only(world).amount == 10000


@pytest.mark.parametrize(
    ("lived", "reason", "when", "amount"),
    [
        ({"moved_out": "2027-08-10"}, "moved_out", "2027-08-10", -67742),
        ({"moved_out": "2027-07-10"}, "moved_out", "2027-08-01", -100000),
        ({"moved_in": "2027-09-10"}, "not_due", "2027-08-01", -100000),
        ({"rent": "1,100.00"}, "amount", "2027-08-01", 10000),
    ],
)
def test_with_report_one_drift_tells_what_adjust_would_post(
    lived: dict[str, str], reason: str, when: str, amount: int
) -> None:
    world = after(adjusting(adjusts_drift=False))
    world.live(lease(**lived))  # type: ignore[arg-type]
    change = only(world)
    assert (change.action, change.reason, str(change.transaction_date), change.amount) == (
        "drift",
        reason,
        when,
        amount,
    )


def test_a_correction_that_is_a_credit_is_held_where_credits_are() -> None:
    world = after(adjusting())
    world.integration = msgspec.structs.replace(INTEGRATION, posts_credits=False)
    world.live(lease(moved_out="2027-08-10"))
    change = only(world)
    assert (change.action, change.reason, change.amount) == ("hold", "credit_not_allowed", -67742)


def test_nothing_is_corrected_while_something_is_unknown_or_gone() -> None:
    world = after(adjusting())
    world.live(lease(moved_out="2027-08-10"))
    world.post(state="unknown", sync=False)
    world.live(lease(moved_out="2027-08-20"))
    assert [each for each, _, _ in world.changes()] == ["unchanged", "unknown"]


def test_parts_that_agree_stay_and_missing_later_parts_are_created() -> None:
    split = adjusting(steps=(step("2027-08-16", "percent", "10"),), split_mid_period=True)
    world = World(split)
    first, _ = world.compare().changes
    world.record(first)
    world.show(first)
    assert world.changes() == [("unchanged", "2027-08-01", "$483.87"), ("create", "2027-08-16", "$567.74")]


def test_a_period_whose_parts_differ_is_compared_as_a_sum() -> None:
    split = adjusting(steps=(step("2027-08-16", "percent", "10"),), split_mid_period=True)
    world = after(split)
    world.plans = [adjusting(steps=(step("2027-08-16", "percent", "20"),), split_mid_period=True)]
    change = only(world)
    assert (change.part, change.amount, str(change.transaction_date)) == (
        100,
        61935 - 56774,
        "2027-08-16",
    )  # 1200 x 16/31
    world.plans = [adjusting(amount=usd("1,051.61"))]  # the same sum in one line
    assert {each for each, _, _ in world.changes()} == {"unchanged"}


def test_a_third_part_is_not_forgotten() -> None:
    steps = (step("2027-08-11", "flat", "3100"), step("2027-08-21", "flat", "3100"))
    world = after(adjusting(steps=steps, split_mid_period=True))
    assert len(world.seen.charges) == 3
    world.live(lease(moved_out="2027-07-25"))
    assert only(world).amount == -world.ledger()


def test_selection_and_the_plan_itself_correct_nothing() -> None:
    world = after(adjusting())
    for changed in (
        adjusting(who=Selector(units=("9*",))),
        adjusting(enabled=False),
        adjusting(overrides=(Override(changes={}, place=PLACE, waive=True),)),
    ):
        world.plans = [changed]
        assert {each for each, _, _ in world.changes()} <= {"unchanged"}


def test_a_partial_period_that_is_skipped_reverses_what_was_posted() -> None:
    world = after(adjusting(prorate=Proration("skip")))
    world.live(lease(moved_out="2027-08-10"))
    assert only(world).amount == -100000


# --- before the window -------------------------------------------------------------------------------------------


def test_a_move_out_that_becomes_known_late_is_found() -> None:
    world = after(adjusting())
    world.live(lease(moved_out="2027-08-10"))
    change = only(world, SEPTEMBER)
    assert (change.action, str(change.transaction_date), change.amount) == ("correct", "2027-08-10", -67742)
    assert world.skips(SEPTEMBER) == ["no_billed_days"]
    assert world.changes(NOVEMBER) == []  # two months back is 1 September


def test_raising_a_price_reprices_nobodys_past() -> None:
    world = after(adjusting())
    world.live(lease(rent="1,100.00"))
    assert world.changes(SEPTEMBER) == [("create", "2027-09-01", "$1,100.00")]
    world.plans = [adjusting(adjusts_drift=False)]
    assert world.changes(SEPTEMBER) == [("create", "2027-09-01", "$1,100.00")]


def test_before_the_window_other_days_are_reckoned_at_the_price_that_was_posted() -> None:
    world = after(adjusting())
    world.live(lease(rent="1,100.00", moved_out="2027-08-10"))
    assert only(world, SEPTEMBER).amount == 32258 - 100000


def test_lease_dates_are_corrected_there_too() -> None:
    world = after(adjusting(after_lease_end=AfterLeaseEnd("stop")))
    world.live(lease(end="2027-08-10"))
    assert only(world, SEPTEMBER).amount == 32258 - 100000


def test_before_the_window_nothing_is_created_and_nothing_else_listed() -> None:
    world = World(adjusting())
    world.post(SEPTEMBER)
    assert world.changes(("2027-10-01", "2027-10-31")) == [("create", "2027-10-01", "$1,000.00")]


def test_a_move_out_that_is_taken_back_is_billed_again() -> None:
    world = after(adjusting(), lease(moved_out="2027-08-10"))
    world.live(lease())
    change = only_correction(world, SEPTEMBER)
    assert (change.amount, str(change.transaction_date)) == (67742, "2027-08-01")


def test_arrears_are_corrected_like_the_rest() -> None:
    world = after(adjusting(schedule=schedule(day=1, arrears=True)), window=SEPTEMBER)
    world.live(lease(moved_out="2027-08-10"))
    change = only(world, SEPTEMBER)
    assert (str(change.transaction_date), change.amount) == ("2027-08-10", -67742)


def test_a_correction_in_a_closed_period_follows_its_policy() -> None:
    closed = {"closed_through": d("2027-08-31"), "closed_period": "shift"}
    world = after(adjusting())
    world.plans = [plan(charge(prorate=ACTUAL, adjusts_drift=True), **closed)]
    world.live(lease(moved_out="2027-08-10"))
    assert world.changes(SEPTEMBER) == [("correct", "2027-09-01", "-$677.42")]


# --- a lease that came to nothing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("adjusts", "action"), [(True, "correct"), (False, "drift")])
def test_rent_posted_for_people_who_never_moved_in_does_not_stand_in_silence(
    adjusts: bool, action: str
) -> None:
    world = after(adjusting(adjusts_drift=adjusts))
    world.live(lease(status="INACTIVE"))
    change = only(world)
    assert (change.action, change.reason, str(change.transaction_date), change.amount) == (
        action,
        "not_due",
        "2027-08-01",
        -100000,
    )


def test_who_never_moved_in_and_was_never_billed_is_only_skipped() -> None:
    world = World(adjusting(), lease(status="INACTIVE"))
    comparison = world.compare(("2027-08-01", "2027-08-31"))
    assert comparison.changes == ()
    assert [skip.reason for skip in comparison.skips] == ["never_moved_in"]


def test_a_correction_says_what_stands_already() -> None:
    world = World(plan(charge(adjusts_drift=True)), lease(rent="1,000.00"))
    world.post()
    world.live(lease(rent="1,150.00"))
    (change,) = world.compare().changes
    assert (change.action, change.amount, change.stands) == ("correct", 15000, 100000)


def test_a_correction_of_an_earlier_period_has_nothing_in_this_one() -> None:
    world = World(plan(charge(adjusts_drift=True, prorate=Proration("actual"))), lease())
    world.post(("2027-07-01", "2027-07-31"))
    world.live(lease(moved_out="2027-07-10"))
    (change,) = world.compare().changes
    assert (change.action, change.stands) == ("correct", 0)


# --- the office alters what was corrected ------------------------------------------------------------------------


def _altered(world: World, number: int, cents: int | None) -> None:
    """The office edits the charge of that number to so many cents, or voids it, and a person says: rightly."""
    charges = list(world.seen.charges)
    edited = charges.pop(number)
    if cents is not None:
        charges.insert(number, msgspec.structs.replace(edited, amount=cents))
    else:
        posting = world.postings[edited.reference or ""]
        world.postings[posting.reference] = msgspec.structs.replace(posting, state="voided")
    world.seen = msgspec.structs.replace(world.seen, charges=tuple(charges))


@pytest.mark.parametrize("window", [("2027-08-01", "2027-08-31"), SEPTEMBER])
@pytest.mark.parametrize(("voided", "stands"), [(0, 40000), (1, 60000)], ids=["original", "correction"])
def test_what_is_voided_of_a_corrected_period_is_due_again(
    window: tuple[str, str], voided: int, stands: int
) -> None:
    """1,000.00 was edited to 600.00 and put right by +400.00; one of the two is voided, and the other stands alone."""
    world = after(adjusting())
    _altered(world, 0, 60000)
    world.post()
    assert world.ledger() == 100000
    _altered(world, voided, None)
    (change,) = [each for each in world.compare(window).changes if each.action == "correct"]
    assert (change.amount, change.there) == (100000 - stands, stands)


def test_a_move_out_known_late_is_credited_for_a_period_that_was_put_right() -> None:
    """Of 1,000.00 that the office had edited and a correction restored, 10 of 31 days are due: 322.58."""
    world = after(adjusting())
    _altered(world, 0, 60000)
    world.post()
    world.live(lease(moved_out="2027-08-10"))
    (change,) = [each for each in world.compare(SEPTEMBER).changes if each.action == "correct"]
    assert change.amount == 32258 - 100000


def test_another_price_of_the_plans_does_not_reprice_a_period_that_was_put_right() -> None:
    world = after(adjusting())
    _altered(world, 0, 60000)
    world.post()
    _altered(world, 1, 30000)  # the correction of 400.00 is edited too
    world.plans = [adjusting(amount=usd("1050.00"))]
    (change,) = [each for each in world.compare(SEPTEMBER).changes if each.action == "correct"]
    assert change.amount == 10000


def test_what_was_posted_when_the_unit_was_another_propertys_is_corrected_under_the_code_of_this_one() -> (
    None
):
    world = after(adjusting())
    for name, posting in world.postings.items():
        elsewhere = {"property_id": "maple-id", "charge_code_id": "code-rent-of-maple"}
        world.postings[name] = msgspec.structs.replace(posting, **elsewhere)
    world.live(lease(moved_out="2027-08-10"))
    change = only(world)
    assert (change.action, change.amount, change.charge_code_id) == ("correct", -67742, "code-rent")
