"""A ledger that others write on too: what nothing accounts for, and which line it concerns (plan-language.md)."""

from __future__ import annotations

from itertools import product
from typing import Any

import msgspec
import pytest

from chargeplan.core.amounts import FromPath, Path
from chargeplan.core.change import Change, period_reference
from chargeplan.core.decide import decide
from chargeplan.core.decision import Decision
from chargeplan.core.observed import SyncedCharge
from chargeplan.core.plan import Plan, Proration, Selector, Split
from chargeplan.core.verdicts import acceptance, commands
from tests.core.builders import (
    AUGUST,
    INTEGRATION,
    World,
    charge,
    d,
    days,
    lease,
    once,
    plan,
    roster,
    schedule,
    usd,
)
from tests.core.test_amounts import step
from tests.core.test_selection import override

ACTUAL = Proration("actual")
RENT = plan(charge(prorate=ACTUAL), owns=("Rent",))
ADJUSTING = plan(charge(prorate=ACTUAL, adjusts_drift=True), owns=("Rent",))
SEPTEMBER = ("2027-09-01", "2027-09-30")
MOVED_OUT = {"moved_out": "2027-08-10"}  # 1,000.00 x 10/31 = 322.58 are due, 677.42 too much were posted


def the(world: World, window: tuple[str, str] = AUGUST) -> Change:
    (change,) = [each for each in world.compare(window).changes if each.action != "unchanged"]
    return change


def entered(world: World, amount: str, on: str, **rest: Any) -> SyncedCharge:
    """Somebody else's charge or credit on ann's ledger."""
    return world.add(amount=usd(amount).cents, transaction_date=d(on), **rest)


# --- the table ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("posted", "due", "in_window"),
    list(product(("nothing", "open", "as due", "other"), ("comparable", "fixed"), (True, False))),
)
def test_every_combination_of_the_table(posted: Any, due: Any, in_window: bool) -> None:
    rows = {
        ("nothing", "comparable", True): "new",
        ("nothing", "comparable", False): "missed",
        ("nothing", "fixed", True): "new",
        ("nothing", "fixed", False): "missed",
        ("open", "comparable", True): "wait",
        ("open", "comparable", False): "removed",
        ("open", "fixed", True): "wait",
        ("open", "fixed", False): "removed",
        ("as due", "comparable", True): "stands",
        ("as due", "comparable", False): "gaps",
        ("as due", "fixed", True): "stands",
        ("as due", "fixed", False): "gaps",
        ("other", "comparable", True): "correct",
        ("other", "comparable", False): "correct",
        ("other", "fixed", True): "stands",
        ("other", "fixed", False): "nothing",
    }
    assert decide(posted, due, in_window=in_window) == rows[posted, due, in_window]


# --- author x sign x state x days x amount -----------------------------------------------------------------------

# Where a foreign charge or credit is dated, and whether that concerns August at another amount, and at the very amount.
DAYS = {
    "2027-08-01": (True, True),
    "2027-08-10": (True, True),
    "2027-08-31": (True, True),
    "2027-07-31": (False, True),
    "2027-07-25": (False, True),
    "2027-07-24": (False, False),
    "2027-09-01": (False, False),
}


@pytest.mark.parametrize(("on", "same_amount", "sign"), list(product(DAYS, (False, True), (1, -1))))
def test_a_foreign_entry_concerns_a_line_or_correction_of_its_sign_by_day_and_amount(
    on: str, same_amount: bool, sign: int
) -> None:
    world = World(ADJUSTING)
    if sign < 0:
        world.post()
        world.live(lease(**MOVED_OUT))
    wanted = the(world)
    cents = (wanted.amount or 0) if same_amount else (wanted.amount or 0) - sign * 500
    assert (cents > 0) == (sign > 0)
    other = world.add(amount=cents, transaction_date=d(on))
    found = the(world)
    if DAYS[on][same_amount]:
        assert (found.action, found.reason, found.concerns) == ("hold", "probable_duplicate", (other.id,))
        assert found.amount == wanted.amount
    else:
        assert found == wanted


@pytest.mark.parametrize("sign", [1, -1])
def test_the_other_sign_concerns_nothing(sign: int) -> None:
    world = World(ADJUSTING)
    if sign < 0:
        world.post()
        world.live(lease(**MOVED_OUT))
    wanted = the(world)
    world.add(amount=-(wanted.amount or 0), transaction_date=d("2027-08-10"), resident_id="ann")
    found = [each for each in world.compare().changes if each.reference == wanted.reference]
    assert found == [wanted]


@pytest.mark.parametrize(
    ("state", "sync", "action"),
    [
        ("accepted", True, "hold"),
        ("accepted", False, "hold"),
        ("queued", False, "hold"),
        ("unknown", False, "hold"),
        ("intended", False, "hold"),
        ("posted", False, "hold"),
        ("refused", False, "create"),
        ("withdrawn", False, "create"),
        ("not_posted", False, "create"),
        ("voided", False, "create"),
    ],
)
def test_ours_under_another_key_holds_where_it_is_or_may_be_on_a_ledger(
    state: str, sync: bool, action: str
) -> None:
    world = World(RENT)
    world.post(state=state, sync=sync)
    world.plans = [plan(charge("base-rent", prorate=ACTUAL), owns=("Rent",))]
    assert the(world).action == action


@pytest.mark.parametrize(("moved_to", "action"), [("2027-08-19", "hold"), ("2027-08-20", "create")])
def test_ours_of_a_single_day_is_looked_for_fourteen_days_either_way(moved_to: str, action: str) -> None:
    world = World(plan(charge("fee", usd("50.00"), once=once("2027-08-05"))))
    world.post()
    world.plans = [plan(charge("fee", usd("50.00"), once=once(moved_to)))]
    assert the(world).action == action


def test_a_credit_of_ours_whose_unit_is_corrected_is_not_given_again() -> None:
    of = plan(charge("concession", usd("-200.00")), owns=("Rent",))
    world = World(of)
    world.post()
    world.live(lease(unit="105"))
    assert (the(world).action, the(world).reason) == ("hold", "probable_duplicate")


def test_what_was_reversed_to_nothing_holds_nothing() -> None:
    world = World(ADJUSTING)
    world.post()
    world.live(lease(moved_out="2027-07-25"))
    world.post()
    world.plans = [plan(charge("base-rent", prorate=ACTUAL, adjusts_drift=True), owns=("Rent",))]
    world.live(lease())
    assert the(world).action == "create"


# --- people ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stands_on", "action"),
    [
        ({"resident_id": "ann"}, "hold"),
        ({"resident_id": "bob"}, "hold"),  # he is on the lease
        ({"resident_id": None, "lease_id": "lease-1"}, "hold"),
        ({"resident_id": None, "unit_id": "unit-101"}, "hold"),
        ({"resident_id": "ann-2", "unit_id": "unit-101"}, "hold"),  # a record that no lease has
        ({"resident_id": "cy", "unit_id": "unit-101"}, "create"),  # he lived there until 10 August
        ({"resident_id": "zoe"}, "create"),
    ],
)
def test_whose_charges_concern_a_household(stands_on: dict[str, Any], action: str) -> None:
    world = World(
        RENT,
        lease("ann", "bob", start="2027-08-11", moved_in="2027-08-11"),
        lease("cy", name="lease-0", **MOVED_OUT),
    )
    world.add(transaction_date=d("2027-08-20"), amount=500, **stands_on)
    (line,) = [each for each in world.compare().changes if each.lease_id == "lease-1"]
    assert line.action == action


def test_before_the_household_lives_there_the_unit_is_somebody_elses() -> None:
    world = World(RENT, lease(start="2027-08-11", moved_in="2027-08-11"))
    world.add(resident_id=None, unit_id="unit-101", transaction_date=d("2027-08-02"))
    assert the(world).action == "create"


def test_of_two_residents_each_has_the_charge_of_their_own_held() -> None:
    of = plan(charge(amount=usd("25.00"), who=Selector(resident="all")), owns=("Rent",))
    world = World(of, lease("ann", "bob"))
    entered(world, "25.00", "2027-08-03", resident_id="bob")
    assert [(each.resident_id, each.action) for each in world.compare().changes] == [
        ("ann", "create"),
        ("bob", "hold"),
    ]


# --- when, and which first ---------------------------------------------------------------------------------------


def test_a_post_month_says_for_which_month_a_charge_is() -> None:
    world = World(RENT)
    entered(world, "980.00", "2027-07-20", post_month="2027-08")
    assert the(world).action == "hold"


def test_early_days_are_the_configurations() -> None:
    world = World(RENT)
    entered(world, "1,000.00", "2027-07-30")
    world.early_days = 1
    assert the(world).action == "create"
    world.early_days = 2
    assert the(world).action == "hold"


def test_equal_amounts_come_first_and_each_charge_holds_one_line() -> None:
    of = plan(charge("a", usd("40.00")), charge("b", usd("50.00")), charge("c", usd("60.00")), owns=("Rent",))
    world = World(of)
    entered(world, "60.00", "2027-08-03")
    entered(world, "55.00", "2027-08-03")
    assert [(each.charge, each.action, each.concerns) for each in world.compare().changes] == [
        ("a", "hold", ("charge-2",)),
        ("b", "create", ()),
        ("c", "hold", ("charge-1",)),
    ]


def test_what_was_taken_off_the_ledger_again_holds_nothing() -> None:
    world = World(RENT)
    entered(world, "1,000.00", "2027-08-01", last_seen="2027-08-01T00:00:00Z")
    world.add(resident_id="zoe", last_seen="2027-08-20T00:00:00Z")
    assert the(world).action == "create"


def test_a_hold_names_charge_amount_date_author_and_the_commands() -> None:
    world = World(RENT)
    other = entered(world, "980.00", "2027-08-04", description="rent by hand")
    change = the(world)
    for words in (
        other.id,
        "$980.00",
        "2027-08-04",
        "rent by hand",
        "somebody else entered it",
        f"chargeplan adopt {other.id} --as {change.reference}",
        f"chargeplan resolve {change.reference} --unrelated {other.id}",
    ):
        assert words in change.detail


# --- decisions ---------------------------------------------------------------------------------------------------


def test_what_is_another_matter_never_holds_that_line_again() -> None:
    world = World(RENT)
    other = entered(world, "980.00", "2027-08-04")
    name = period_reference(the(world))
    world.decisions.append(Decision(what="unrelated", reference=name, subject=other.id))
    assert the(world).action == "create"
    world.decisions.append(Decision(what="related", reference=name, subject=other.id))
    assert the(world).action == "hold"


def test_an_accepted_drift_is_unchanged_until_what_is_due_or_there_changes() -> None:
    world = World(RENT)
    world.post()
    world.live(lease(**MOVED_OUT))
    drift = the(world)
    assert (drift.action, drift.amount, drift.there) == ("drift", -67742, 100000)
    accepted = Decision(what="accepted", reference=period_reference(drift), due=32258, there=100000)
    world.decisions.append(accepted)
    assert [each.action for each in world.compare().changes] == ["unchanged"]
    assert world.compare(SEPTEMBER).changes == ()
    world.live(lease(moved_out="2027-08-11"))
    assert the(world).action == "drift"


def test_what_was_rightly_voided_is_created_anew_under_the_next_number() -> None:
    world = World(RENT)
    world.post(sync=False, state="voided")
    anew = the(world)
    assert (anew.action, anew.part, anew.amount) == ("create", 100, 100000)
    world.post()
    assert [each.action for each in world.compare().changes] == ["unchanged"]


def test_what_the_write_log_calls_a_success_is_held_against_a_persons_word() -> None:
    world = World(RENT)
    world.post(sync=False, state="not_posted")
    (reference,) = world.postings
    world.decisions.append(Decision(what="contradicted", reference=reference))
    change = the(world)
    assert (change.action, change.reason) == ("hold", "probable_duplicate")
    assert f"resolve {reference} --posted" in change.detail
    assert f"resolve {reference} --not-posted" in change.detail
    world.decisions.append(Decision(what="confirmed", reference=reference))
    assert the(world).action == "create"


# --- beside a line that stands -----------------------------------------------------------------------------------


def test_a_second_charge_of_the_same_content_is_a_drift_that_names_both() -> None:
    world = World(RENT)
    world.post()
    mine = world.seen.charges[0]
    second = entered(world, "1,000.00", "2027-08-09")
    change = the(world)
    assert (change.action, change.reason, change.amount) == ("drift", "charged_twice", -100000)
    assert mine.id in change.detail
    assert second.id in change.detail
    assert commands(change) == (
        f"chargeplan resolve {change.reference} --unrelated {second.id} --reason TEXT",
        f"chargeplan resolve {change.reference} --accept --reason TEXT",
    )
    assert "adopt" not in change.detail
    accepted = Decision(what="accepted", reference=change.reference, due=100000, there=200000)
    world.decisions.append(accepted)
    assert [each.action for each in world.compare().changes] == ["unchanged"]


def test_next_months_rent_entered_early_is_no_second_charge_of_this_one() -> None:
    world = World(RENT)
    world.post()
    entered(world, "1,000.00", "2027-08-30", post_month="2027-09")
    assert [each.action for each in world.compare().changes] == ["unchanged"]


def test_of_two_lines_that_a_charge_may_be_the_one_of_its_post_month_is_held() -> None:
    world = World(RENT)
    entered(world, "1,000.00", "2027-08-30", post_month="2027-09")
    found = world.compare(("2027-08-01", "2027-09-30")).changes
    assert [each.action for each in found] == ["create", "hold"]
    (only_august,) = world.compare().changes
    assert (
        only_august.action == "hold"
    )  # where September's line is not planned, a person is asked of August's


def test_a_charge_that_appears_after_a_person_said_it_was_not_posted() -> None:
    """It has lost its reference: the line is held; and had it been posted again meanwhile, the two are named."""
    world = World(RENT)
    world.post(sync=False, state="not_posted")
    late = entered(world, "1,000.00", "2027-08-01")
    held = the(world)
    assert (held.action, held.reason, held.concerns) == ("hold", "probable_duplicate", (late.id,))
    world.seen = msgspec.structs.replace(world.seen, charges=())
    world.post()
    late = entered(world, "1,000.00", "2027-08-01")
    assert (the(world).reason, the(world).concerns) == ("charged_twice", (late.id,))


def test_a_charge_of_another_amount_beside_it_is_the_offices_own_matter() -> None:
    world = World(RENT)
    world.post()
    entered(world, "75.00", "2027-08-09")
    assert [each.action for each in world.compare().changes] == ["unchanged"]


def test_the_offices_own_credit_for_a_move_out_is_not_posted_again() -> None:
    """The very thing that was seen: -677.42 entered by hand, dated the move-out."""
    world = World(ADJUSTING)
    world.post()
    world.live(lease(**MOVED_OUT))
    entered(world, "-677.42", "2027-08-10")
    assert (the(world).action, the(world).amount, the(world).reason) == ("hold", -67742, "probable_duplicate")


def test_a_drift_names_the_credit_that_concerns_it() -> None:
    world = World(RENT)
    world.post()
    world.live(lease(**MOVED_OUT))
    credit = entered(world, "-677.42", "2027-08-10")
    change = the(world)
    assert (change.action, change.concerns, change.next_part) == ("drift", (credit.id,), 100)
    assert credit.id in change.detail


# --- whose record a charge stands on now -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "each",
    [{"amount": usd("25.00"), "who": Selector(resident="all")}, {"amount": usd("50.00"), "split": Split()}],
    ids=["one each", "split"],
)
def test_a_posting_counts_for_the_record_that_its_charge_stands_on_now(each: dict[str, Any]) -> None:
    """Two fees, one a resident; bob's record was merged into bob-2's, and so was his charge."""
    of = plan(charge(**each), owns=("Rent",))
    world = World(of, lease("ann", "bob"))
    world.post()
    _stands_on(world, "bob", resident_id="bob-2")
    world.live(lease("ann", "bob-2"))
    assert [(each.action, each.amount) for each in world.compare().changes] == [("unchanged", 2500)] * 2


def test_what_stands_on_another_record_without_a_period_stays_where_its_key_is() -> None:
    world = World(RENT)
    world.post()
    _stands_on(world, "ann", resident_id="somebody")
    assert [each.action for each in world.compare().changes] == ["unchanged"]


def test_a_record_a_lease_and_a_unit_that_were_all_replaced_are_billed_once() -> None:
    world = World(RENT)
    world.post()
    _stands_on(world, "ann", resident_id="ann-2", lease_id="lease-2", unit_id="unit-105")
    world.live(lease("ann-2", name="lease-2", unit="105"))
    assert [(each.action, each.amount) for each in world.compare().changes] == [("unchanged", 100000)]
    world.live(lease("ann-2", name="lease-2", unit="105", **MOVED_OUT))
    assert (the(world).action, the(world).amount) == ("drift", -67742)
    world.decisions.append(acceptance(the(world)))
    assert [each.action for each in world.compare().changes] == ["unchanged"]


def test_two_people_who_became_one_have_paid_twice() -> None:
    of = plan(charge(amount=usd("25.00"), who=Selector(resident="all")), owns=("Rent",))
    world = World(of, lease("ann", "bob"))
    world.post()
    _stands_on(world, "bob", resident_id="ann")
    world.live(lease("ann"))
    assert (the(world).action, the(world).amount) == ("drift", -2500)


@pytest.mark.parametrize("said", [False, True], ids=["not asked yet", "rightly voided"])
def test_what_was_removed_before_its_people_were_merged_goes_with_them(said: bool) -> None:
    """Two charges; one is voided, then ann is merged into ann-2, and so is the other. The voided one shows ann for ever."""
    of = plan(charge("rent"), charge("storage", usd("12.00")), owns=("Rent",))
    world = World(of)
    world.post()
    rent, storage = world.seen.charges
    gone = msgspec.structs.replace(storage, last_seen="2027-08-02T00:00:00Z")
    kept = msgspec.structs.replace(rent, resident_id="ann-2", last_seen="2027-08-20T00:00:00Z")
    world.seen = msgspec.structs.replace(world.seen, charges=(kept, gone))
    world.live(lease("ann-2"))
    assert [each.action for each in world.compare().changes] == ["unchanged", "removed_upstream"]
    if said:
        posting = world.postings[storage.reference or ""]
        world.postings[posting.reference] = msgspec.structs.replace(posting, state="voided")
        assert [(each.action, each.amount) for each in world.compare().changes] == [
            ("unchanged", 100000),
            ("create", 1200),
        ]


def _stands_on(world: World, before: str, **now: Any) -> None:
    charges = [
        msgspec.structs.replace(each, **now) if each.resident_id == before else each
        for each in world.seen.charges
    ]
    world.seen = msgspec.structs.replace(world.seen, charges=tuple(charges))


# --- held with a credit ------------------------------------------------------------------------------------------


def test_half_of_a_transfer_is_not_posted_while_the_other_half_is_held() -> None:
    world = World(plan(charge(prorate=ACTUAL, adjusts_drift=True)), lease(unit="101"))
    world.integration = msgspec.structs.replace(INTEGRATION, posts_credits=False)
    world.post()
    world.live(
        lease(unit="101", moved_out="2027-08-15"),
        lease(name="lease-2", unit="105", start="2027-08-16", moved_in="2027-08-16", rent="2,000.00"),
    )
    credit, line = world.compare().changes
    assert (credit.action, credit.reason) == ("hold", "credit_not_allowed")
    assert (line.action, line.reason) == ("hold", "credit_pending")
    assert credit.reference in line.detail


def test_days_that_are_not_credited_are_billed_as_ever() -> None:
    world = World(plan(charge(prorate=ACTUAL, adjusts_drift=True)), lease(unit="101"))
    world.integration = msgspec.structs.replace(INTEGRATION, posts_credits=False)
    world.post()
    world.live(
        lease(unit="101", moved_out="2027-08-15"),
        lease(name="lease-2", unit="105", start="2027-09-01", moved_in="2027-09-01"),
    )
    found = world.compare(("2027-08-01", "2027-09-30")).changes
    assert [(each.action, each.reason) for each in found] == [
        ("hold", "credit_not_allowed"),
        ("create", None),
    ]


# --- before the window -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("edited", "difference"), [("950.00", 5000), ("1,050.00", -5000)])
def test_what_was_edited_on_the_ledger_is_reported_in_the_look_back(edited: str, difference: int) -> None:
    world = World(RENT)
    world.post()
    charges = tuple(msgspec.structs.replace(each, amount=usd(edited).cents) for each in world.seen.charges)
    world.seen = msgspec.structs.replace(world.seen, charges=charges)
    world.live(lease(rent="1,200.00"))  # another price is no matter of the past
    changes = [each for each in world.compare(SEPTEMBER).changes if each.action != "create"]
    assert [(each.action, each.amount) for each in changes] == [("drift", difference)]


def test_what_was_taken_away_is_reported_in_the_look_back() -> None:
    world = World(RENT)
    world.post()
    gone = msgspec.structs.replace(world.seen.charges[0], last_seen="2027-08-02T00:00:00Z")
    world.seen = msgspec.structs.replace(world.seen, charges=(gone,))
    world.add(resident_id="zoe", last_seen="2027-08-20T00:00:00Z")
    found = [each for each in world.compare(SEPTEMBER).changes if each.action != "create"]
    assert [each.action for each in found] == ["removed_upstream"]


# --- missed ------------------------------------------------------------------------------------------------------


def missed_world(**rest: Any) -> World:
    """August was billed; in September it becomes known that bo has lived there since 10 August."""
    world = World(RENT)
    world.post()
    world.plans = [msgspec.structs.replace(RENT, **rest)]
    world.billed = {("oak", "rent"): [days(*AUGUST)]}
    world.live(lease(), lease("bo", name="lease-2", unit="102", start="2027-08-10", moved_in="2027-08-10"))
    return world


def test_a_line_of_a_month_that_was_billed_is_missed() -> None:
    found = [each for each in missed_world().compare(SEPTEMBER).changes if each.transaction_date.month == 8]
    # 1,000.00 x 22/31
    assert [(each.action, each.lease_id, each.amount) for each in found] == [("missed", "lease-2", 70968)]


def test_missed_lines_are_posted_where_the_plan_says_so() -> None:
    found = [
        each
        for each in missed_world(posts_missed=True).compare(SEPTEMBER).changes
        if each.transaction_date.month == 8
    ]
    assert [(each.action, each.amount, each.part) for each in found] == [("create", 70968, 0)]


def test_beginning_with_chargeplan_bills_nobodys_past() -> None:
    world = missed_world()
    world.billed = {}
    assert {str(each.transaction_date) for each in world.compare(SEPTEMBER).changes} == {"2027-09-01"}


def test_a_missed_line_fails_no_closed_period_and_a_foreign_charge_holds_it() -> None:
    world = missed_world(closed_through=d("2027-08-31"))
    assert world.compare(SEPTEMBER).diagnostics == ()
    entered(world, "709.68", "2027-08-12", resident_id="bo")
    found = [each for each in world.compare(SEPTEMBER).changes if each.transaction_date.month == 8]
    assert [(each.action, each.reason) for each in found] == [("hold", "probable_duplicate")]


def test_a_household_whose_line_was_missed_still_has_its_skip() -> None:
    world = missed_world()
    world.live(
        lease(),
        lease(
            "bo",
            name="lease-2",
            unit="102",
            start="2027-08-10",
            moved_in="2027-08-10",
            moved_out="2027-08-20",
        ),
    )
    found = world.compare(SEPTEMBER)
    assert [(each.action, each.amount) for each in found.changes if each.lease_id == "lease-2"] == [
        ("missed", 35484)
    ]
    assert [(each.lease_id, each.reason) for each in found.skips] == [("lease-2", "no_billed_days")]


# --- what says by its own dates that it is about the past ---------------------------------------------------------


def test_an_override_with_dates_of_its_own_corrects_the_past() -> None:
    world = World(ADJUSTING)
    world.post()
    agreed = override({"amount": usd("900.00")}, first="2027-08-01", through="2027-08-31")
    world.plans = [plan(charge(prorate=ACTUAL, adjusts_drift=True, overrides=(agreed,)), owns=("Rent",))]
    found = [each for each in world.compare(SEPTEMBER).changes if each.action != "create"]
    assert [(each.action, each.amount) for each in found] == [("correct", -10000)]


def test_one_without_dates_is_a_price_and_does_not() -> None:
    world = World(ADJUSTING)
    world.post()
    lower = override({"amount": usd("900.00")})
    world.plans = [plan(charge(prorate=ACTUAL, adjusts_drift=True, overrides=(lower,)), owns=("Rent",))]
    assert [each.action for each in world.compare(SEPTEMBER).changes] == ["create"]


def test_a_step_that_becomes_known_late_corrects_from_its_day() -> None:
    world = World(ADJUSTING)
    world.post()
    late = charge(prorate=ACTUAL, adjusts_drift=True, steps=(step("2027-08-01", "flat", "5000"),))
    world.plans = [plan(late, owns=("Rent",))]
    found = [each for each in world.compare(SEPTEMBER).changes if each.action != "create"]
    assert [(each.action, each.amount) for each in found] == [("correct", 5000)]


def test_a_rosters_row_that_ended_in_the_past_gives_the_days_back_at_the_price_that_was_posted() -> None:
    def parking(through: str | None, fee: str) -> Plan:
        rows = roster("unit", {"unit": "101", "fee": fee, "through": through})
        amount = FromPath(Path("roster", "fee"))
        ends = schedule(through="roster.through")
        return plan(charge("parking", amount, roster=rows, schedule=ends, prorate=ACTUAL, adjusts_drift=True))

    world = World(parking(None, "31.00"))
    world.post()
    world.plans = [parking("2027-08-10", "62.00")]
    found = [each for each in world.compare(SEPTEMBER).changes if each.action != "create"]
    assert [(each.action, each.amount) for each in found] == [("correct", -2100)]  # 21 days at 1.00


def test_after_steps_inside_the_period_a_correction_is_dated_the_last_of_them() -> None:
    world = World(ADJUSTING)
    world.post()
    steps = (step("2027-08-11", "flat", "3100"), step("2027-08-21", "flat", "3100"))
    twice = charge(prorate=ACTUAL, adjusts_drift=True, steps=steps, split_mid_period=True)
    world.plans = [plan(twice, owns=("Rent",))]
    assert str(the(world).transaction_date) == "2027-08-21"
