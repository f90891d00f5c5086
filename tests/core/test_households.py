"""Who lives where, from when to when (plan-language.md, *Households*)."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import pytest

from chargeplan.core.household import have_vanished, households, natural
from chargeplan.core.observed import LeaseResident
from chargeplan.core.plan import AfterLeaseEnd, Change, Proration, Selector
from tests.core.builders import (
    World,
    billed,
    d,
    lease,
    lines,
    observed,
    on_lease,
    reasons,
    rent_plan,
    schedule,
    usd,
)

ACTUAL = Proration("actual")


def chains(*leases: object) -> list[list[str]]:
    return [[each.id for each in one.leases] for one in households(observed(*leases))]  # type: ignore[arg-type]


def second(start: str = "2027-08-01", **rest: str) -> object:
    return lease(name="lease-2", start=start, end="2028-07-31", rent="1,200.00", **rest)


# --- renewals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "OTHER"])
@pytest.mark.parametrize("start", ["2027-06-15", "2027-08-01", "2027-09-01", "2029-01-01"])
def test_one_primary_s_leases_are_one_household_however_long_the_time_between(
    start: str, status: str
) -> None:
    first = lease(end="2027-07-31", status=status, moved_in="2027-01-01")
    assert len(chains(first, second(start))) == 1


# Month to month since a lease's end on 30 April; on 10 July they sign again, at 1,200.00.
ENDED = lease(end="2027-04-30", status="INACTIVE", moved_in="2027-01-01")
MONTHS = ("2027-06-01", "2027-08-31")


@pytest.mark.parametrize(
    ("after", "found"),
    [
        ("continue", [("06-01", "$1,000.00"), ("07-01", "$1,000.00"), ("08-01", "$1,200.00")]),
        ("hold", [("06-01", "lease_ended"), ("07-01", "lease_ended"), ("08-01", "$1,200.00")]),
        # 22 of 31 days from the 10th.
        ("stop", [("07-10", "$851.61"), ("08-01", "$1,200.00")]),
    ],
)
def test_days_between_two_leases_are_days_after_the_lease_s_end(
    after: Literal["continue", "hold", "stop"], found: list[tuple[str, str]]
) -> None:
    of = rent_plan(prorate=ACTUAL, after_lease_end=AfterLeaseEnd(after))
    expected = [(f"2027-{day}", amount) for day, amount in found]
    assert billed(of, ENDED, second("2027-07-10"), window=MONTHS) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("moved_in", [{}, {"moved_in": "2027-01-01"}], ids=["new move-in", "the first one's"])
def test_months_that_were_billed_before_the_same_people_signed_again_are_billed_once(
    moved_in: dict[str, str],
) -> None:
    """June and July stand on the ledger; from 10 July the new lease is 1,200.00, which is August's price."""
    world = World(rent_plan(after_lease_end=AfterLeaseEnd("continue")), lease(end="2027-04-30", moved_in="2027-01-01"))  # fmt: skip
    world.post(("2027-06-01", "2027-07-31"))
    world.live(ENDED, second("2027-07-10", **moved_in))
    assert world.changes(MONTHS) == [
        ("unchanged", "2027-06-01", "$1,000.00"),
        ("unchanged", "2027-07-01", "$1,000.00"),
        ("create", "2027-08-01", "$1,200.00"),
    ]


def test_a_change_after_the_lease_s_end_ends_with_the_next_lease() -> None:
    change = AfterLeaseEnd("change", Change("percent", Fraction(10)), "next_period")
    of = rent_plan(amount=usd("100.00"), after_lease_end=change)
    assert billed(
        of, ENDED, second("2027-07-10"), window=("2027-04-01", "2027-08-31"), lookback=d("2027-04-01")
    ) == [  # type: ignore[arg-type]
        ("2027-04-01", "$100.00"),
        ("2027-05-01", "$110.00"),
        ("2027-06-01", "$110.00"),
        ("2027-07-01", "$110.00"),
        ("2027-08-01", "$100.00"),
    ]


def test_in_a_gap_of_at_most_31_days_the_earlier_lease_goes_on() -> None:
    of = rent_plan(prorate=ACTUAL)
    first = lease(end="2027-06-30", status="INACTIVE", moved_in="2027-01-01")
    assert billed(of, first, second("2027-07-31"), window=("2027-07-01", "2027-08-31")) == [  # type: ignore[arg-type]
        ("2027-07-01", "$1,000.00"),
        ("2027-08-01", "$1,200.00"),
    ]


def test_a_gap_inside_a_period_is_not_billed_where_billing_stops() -> None:
    """A quarter of 92 days: 1 to 10 July and 1 to 30 September are lived under a lease, 10 and 30 days."""
    of = rent_plan(
        amount=usd("920.00"),
        prorate=ACTUAL,
        after_lease_end=AfterLeaseEnd("stop"),
        schedule=schedule("quarter"),
    )
    first = lease(end="2027-07-10", status="INACTIVE", moved_in="2027-01-01")
    assert billed(of, first, second("2027-09-01"), window=("2027-07-01", "2027-09-30")) == [  # type: ignore[arg-type]
        ("2027-07-01", "$100.00"),
        ("2027-09-01", "$300.00"),
    ]


@pytest.mark.parametrize(
    ("dates", "one_household"),
    [
        ({"moved_out": "2027-07-31"}, False),
        ({"moves_out": "2027-07-20"}, False),
        ({"moved_out": "2027-08-01"}, True),
        ({}, True),
    ],
)
def test_who_moved_out_before_did_not_renew(dates: dict[str, str], one_household: bool) -> None:
    assert (len(chains(lease(end="2027-07-31", **dates), second())) == 1) is one_household


def test_a_renewal_is_billed_at_its_own_rent_under_the_same_key() -> None:
    old = lease(end="2027-07-31", status="INACTIVE", moved_in="2027-01-01")
    found = lines(rent_plan(), old, second(), window=("2027-07-01", "2027-08-31"))  # type: ignore[arg-type]
    assert [(str(each.transaction_date), each.amount, each.lease_id) for each in found] == [
        ("2027-07-01", 100000, "lease-1"),
        ("2027-08-01", 120000, "lease-2"),
    ]
    assert {each.key.resident_id for each in found} == {"ann"}


def test_occupied_days_run_from_the_first_leases_move_in_to_the_last_ones_move_out() -> None:
    old = lease(end="2027-07-31", moved_in="2027-01-05", moves_in="2027-01-03")
    (one,) = households(observed(old, second(moves_out="2028-07-20", moved_out="2028-07-25")))  # type: ignore[arg-type]
    assert one.occupied is not None
    assert (str(one.occupied.first), str(one.occupied.last)) == ("2027-01-05", "2028-07-25")


def test_a_pending_renewal_is_the_lease_in_force_from_its_start() -> None:
    assert billed(rent_plan(), lease(end="2027-07-31"), second(status="PENDING")) == [
        ("2027-08-01", "$1,200.00")
    ]  # type: ignore[arg-type]


def test_a_cancelled_renewal_ends_nothing() -> None:
    gone = second(status="INACTIVE")
    assert billed(rent_plan(), lease(end="2028-07-31"), gone) == [("2027-08-01", "$1,000.00")]  # type: ignore[arg-type]
    assert reasons(rent_plan(), lease(end="2028-07-31"), gone) == ["never_moved_in"]  # type: ignore[arg-type]


# --- one person, two stays; another primary resident -------------------------------------------------------------


def test_a_stay_that_begins_later_does_not_undo_what_an_earlier_one_was_billed() -> None:
    left = lease(moved_in="2027-01-01", moved_out="2027-07-20", status="INACTIVE")
    back = second("2027-10-01")
    window = ("2027-07-01", "2027-10-31")
    assert billed(rent_plan(prorate=ACTUAL), left, back, window=window) == [  # type: ignore[arg-type]
        ("2027-07-01", "$645.16"),  # 20/31
        ("2027-10-01", "$1,200.00"),
    ]


def test_two_stays_in_one_period_are_two_parts_of_one_bill() -> None:
    left = lease(moved_in="2027-01-01", moved_out="2027-08-10", status="INACTIVE")
    found = lines(rent_plan(prorate=ACTUAL), left, second("2027-08-22"))  # type: ignore[arg-type]
    assert [(str(each.transaction_date), each.amount, each.key.part) for each in found] == [
        ("2027-08-01", 32258, 0),  # 1000 x 10/31 = 322.580…
        ("2027-08-22", 38710, 1),  # 1200 x 10/31 = 387.096…
    ]
    assert len({each.reference for each in found}) == 2


# --- residents ---------------------------------------------------------------------------------------------------


def test_guarantors_are_never_charged() -> None:
    everyone = rent_plan(who=Selector(resident="all"))
    found = lines(everyone, lease("ann", "bob", "cem:GUARANTOR"))
    assert [each.key.resident_id for each in found] == ["ann", "bob"]


def test_the_first_of_two_primary_residents_is_the_primary_one() -> None:
    assert [each.key.resident_id for each in lines(rent_plan(), lease("ann", "bob:PRIMARY"))] == ["ann"]


def test_no_primary_resident_is_held_with_the_amount() -> None:
    (line,) = lines(rent_plan(), lease("ann:SECONDARY", "bob"))
    assert (line.hold, line.amount, line.key.resident_id) == ("no_primary_resident", 100000, "ann")


def test_each_residents_own_dates_come_first_where_all_are_charged() -> None:
    late = LeaseResident("bob", "SECONDARY", move_in=d("2027-08-17"))
    gone = LeaseResident("cem", "SECONDARY", move_out=d("2027-08-10"))
    found = lines(rent_plan(prorate=ACTUAL, who=Selector(resident="all")), lease("ann", late, gone))
    assert [(each.key.resident_id, each.amount) for each in found] == [
        ("ann", 100000),
        ("bob", 48387),  # 15/31
        ("cem", 32258),  # 10/31
    ]


def test_everyone_on_any_lease_is_a_member_once() -> None:
    (one,) = households(observed(lease("ann", "bob", end="2027-07-31"), second()))  # type: ignore[arg-type]
    assert [each.resident_id for each in one.members()] == ["ann", "bob"]
    assert on_lease("ann")[0].kind == "PRIMARY"


# --- statuses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "listed", "outcome"),
    [
        ({"status": "PENDING"}, ("ACTIVE",), "lease_pending"),
        ({"status": "PENDING"}, ("ACTIVE", "PENDING"), "$1,000.00"),
        (
            {"status": "INACTIVE", "moved_in": "2027-01-01", "moved_out": "2027-08-31"},
            ("ACTIVE",),
            "$1,000.00",
        ),
        (
            {"status": "INACTIVE", "moved_in": "2027-01-01", "moved_out": "2027-07-31"},
            ("ACTIVE",),
            "no_billed_days",
        ),
        ({"status": "INACTIVE", "moved_in": "2027-01-01"}, ("ACTIVE",), "move_out_unknown"),
        ({"status": "INACTIVE"}, ("ACTIVE",), "never_moved_in"),
        ({"status": "INACTIVE", "moves_in": "2027-01-01"}, ("ACTIVE",), "never_moved_in"),
        ({"status": "EVICTED"}, ("ACTIVE",), "lease_status_unclear"),
        ({"status": "OTHER"}, ("ACTIVE",), "lease_status_unclear"),
        ({"status": "MONTH_TO_MONTH"}, ("ACTIVE",), "lease_status_unclear"),
        ({"status": "EVICTED"}, ("ACTIVE", "EVICTED"), "$1,000.00"),
        ({"status": "ACTIVE"}, ("EVICTED",), "not_selected"),
    ],
)
def test_what_a_status_means(made: dict[str, str], listed: tuple[str, ...], outcome: str) -> None:
    of = rent_plan(who=Selector(lease_status=listed))
    one = lease(**made)  # type: ignore[arg-type]
    assert [what for _, what in billed(of, one)] + reasons(of, one) == [outcome]


# --- overlaps ----------------------------------------------------------------------------------------------------


def neighbours(out: str | None, into: str, **rest: str) -> tuple[object, object]:
    first = lease("ann", **({"moved_out": out} if out else {}))
    return first, lease("bob", name="lease-2", start=into, rent="1,200.00", **rest)


def test_a_turnover_day_is_billed_to_both() -> None:
    assert billed(rent_plan(prorate=ACTUAL), *neighbours("2027-08-10", "2027-08-10")) == [  # type: ignore[arg-type]
        ("2027-08-01", "$322.58"),
        ("2027-08-10", "$851.61"),  # 1200 x 22/31
    ]


@pytest.mark.parametrize(("out", "into"), [("2027-08-11", "2027-08-10"), (None, "2027-08-10")])
def test_two_households_of_one_unit_are_both_held(out: str | None, into: str) -> None:
    assert [what for _, what in billed(rent_plan(), *neighbours(out, into))] == ["overlapping_households"] * 2  # type: ignore[arg-type]


def test_only_the_periods_in_which_they_meet_are_held() -> None:
    found = billed(
        rent_plan(prorate=ACTUAL),
        *neighbours("2027-08-11", "2027-08-10"),
        window=("2027-07-01", "2027-09-30"),
    )  # type: ignore[arg-type]
    assert found == [
        ("2027-07-01", "$1,000.00"),
        ("2027-08-01", "overlapping_households"),
        ("2027-08-10", "overlapping_households"),
        ("2027-09-01", "$1,200.00"),
    ]


@pytest.mark.parametrize("status", ["PENDING", "EVICTED", "INACTIVE"])
def test_a_household_that_is_not_billed_for_its_own_status_makes_no_overlap(status: str) -> None:
    found = billed(rent_plan(), *neighbours(None, "2027-08-10", status=status))  # type: ignore[arg-type]
    assert found[0] == ("2027-08-01", "$1,000.00")


def test_units_sort_as_people_count() -> None:
    assert sorted(["10", "9", "10A", "A2", "A10", "101"], key=natural) == [
        "9",
        "10",
        "10A",
        "101",
        "A2",
        "A10",
    ]


# --- an empty property --------------------------------------------------------------------------------------------

WHO = frozenset({"ann", "lease-1"})


@pytest.mark.parametrize(
    ("leases", "vanished"),
    [
        ([lease(moved_in="2027-01-01")], False),
        ([lease(moved_in="2027-01-01", moved_out="2027-07-20", status="INACTIVE")], False),
        ([lease(start="2027-09-01", moves_in="2027-09-01", status="PENDING")], False),
        ([], True),
        ([lease("zoe", name="lease-9", moved_in="2020-01-01", moved_out="2021-01-01")], True),
    ],
    ids=["lived in", "moved out", "to come", "no lease", "another's move-out"],
)  # fmt: skip
def test_an_empty_property_is_explained_by_move_outs_and_move_ins_to_come(
    leases: list, vanished: bool
) -> None:
    """Of everybody who was billed: a sync that lost the leases explains nothing."""
    assert have_vanished(households(observed(*leases)) if leases else (), [WHO], d("2027-08-02")) is vanished
