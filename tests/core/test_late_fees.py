"""Fees for charges that stay open (plan-language.md, *Late fees*)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chargeplan.core.amounts import Fixed, Path, Percent
from chargeplan.core.observed import Allocation, Payment, SyncedCharge
from chargeplan.core.plan import Cap, LateFee, Repeat
from tests.core.builders import World, billed, charge, d, expanded, lease, lines, observed, percent, plan, usd

INITIAL_FEE = Fixed(7500)
FIVE_PERCENT = Percent(percent("5"), Path("lease", "rent"))
TENTH = Percent(percent("10"), Path("lease", "rent"))


def fee(
    initial: Any = INITIAL_FEE, daily: Any = None, cap: Cap | None = None, minimum: int = 0, **rest: Any
) -> LateFee:
    again = Repeat(daily, 1, "days") if daily is not None else rest.pop("repeat", None)
    return LateFee(
        charges=rest.pop("charges", ()),
        codes=rest.pop("codes", ("Rent",)),
        grace_days=5,
        initial=initial,
        repeat=again,
        cap=cap,
        minimum_balance=minimum,
    )


def due(amount: int | None = 100000, **rest: Any) -> SyncedCharge:
    values: dict[str, Any] = {
        "resident_id": "ann", "charge_code_id": "code-rent", "transaction_date": d("2027-08-01"),
        "reference": "R-1", "open_amount": amount,
    }  # fmt: skip
    return SyncedCharge(id="charge-1", amount=amount, **(values | rest))


def late(
    of: LateFee,
    *charges: SyncedCharge,
    as_of: str = "2027-08-09",
    paid: dict[str, str] | None = None,
    **rest: Any,
) -> list[tuple[str, str]]:
    payments = tuple(Payment(name, "oak-id", d(day)) for name, day in (paid or {}).items())
    seen = observed(lease(), charges=charges, payments=payments)
    return billed(the_plan(of), seen=seen, as_of=d(as_of), **rest)


def the_plan(of: LateFee) -> Any:
    return plan(charge("late-fee", None, code="Late", late_fee=of))


INITIAL = ("2027-08-07", "$75.00")


@pytest.mark.parametrize(
    ("of", "found"),
    [
        (fee(), [INITIAL]),
        (fee(FIVE_PERCENT), [("2027-08-07", "$50.00")]),
        (fee(daily=usd("10.00")), [INITIAL, ("2027-08-08", "$10.00"), ("2027-08-09", "$10.00")]),
        (fee(usd("0.00"), usd("10.00")), [("2027-08-08", "$10.00"), ("2027-08-09", "$10.00")]),
        (fee(daily=usd("10.00"), cap=Cap("lesser", (usd("81.00"),))), [INITIAL, ("2027-08-08", "$6.00")]),
        (
            fee(daily=usd("20.00"), cap=Cap("lesser", (usd("150.00"), TENTH))),
            [INITIAL, ("2027-08-08", "$20.00"), ("2027-08-09", "$5.00")],
        ),
        (
            fee(daily=usd("20.00"), cap=Cap("greater", (usd("85.00"), TENTH))),
            [INITIAL, ("2027-08-08", "$20.00"), ("2027-08-09", "$5.00")],
        ),
        (fee(cap=Cap("lesser", (usd("50.00"),))), [("2027-08-07", "$50.00")]),
        (fee(minimum=100000), []),
    ],
)
def test_the_first_day_after_the_grace_then_daily_up_to_the_cap(
    of: LateFee, found: list[tuple[str, str]]
) -> None:
    assert late(of, due()) == found


def test_the_grace_is_over_five_days_after_the_due_date() -> None:
    assert late(fee(), due(), as_of="2027-08-06") == []
    assert late(fee(), due(due_date=d("2027-08-03")), as_of="2027-08-09") == [("2027-08-09", "$75.00")]


DAILY = fee(daily=usd("10.00"))


@pytest.mark.parametrize(
    ("charge_", "paid", "found"),
    [
        # Paid on the 8th: that day's payment counts first.
        (due(open_amount=0, allocations=(Allocation(100000, "p"),)), {"p": "2027-08-08"}, [INITIAL]),
        (due(open_amount=0, allocations=(Allocation(100000, "p"),)), {"p": "2027-08-07"}, []),
        (due(open_amount=None, allocations=(Allocation(100000, "p"),)), {"p": "2027-08-08"}, [INITIAL]),
        (
            due(open_amount=40000, allocations=(Allocation(60000, "p"),)),
            {"p": "2027-08-02"},
            [INITIAL, ("2027-08-08", "$10.00"), ("2027-08-09", "$10.00")],
        ),
        # The allocations do not account for what was paid: what is open now holds for all days.
        (due(open_amount=0, allocations=(Allocation(50000, "p"),)), {"p": "2027-08-08"}, []),
        (
            due(open_amount=50000, allocations=(Allocation(20000, "p"),)),
            {"p": "2027-08-08"},
            [INITIAL, ("2027-08-08", "$10.00"), ("2027-08-09", "$10.00")],
        ),
        (due(open_amount=0, allocations=(Allocation(100000, "unknown"),)), {}, []),
        (due(open_amount=None), {}, [("2027-08-07", "balance_unknown")]),
        (due(None, open_amount=None), {}, [("2027-08-07", "balance_unknown")]),
        (due(None, open_amount=30000), {}, [INITIAL, ("2027-08-08", "$10.00"), ("2027-08-09", "$10.00")]),
        (due(-100000), {}, []),
    ],
)
def test_what_was_open_on_a_day(
    charge_: SyncedCharge, paid: dict[str, str], found: list[tuple[str, str]]
) -> None:
    assert late(DAILY, charge_, paid=paid) == found


def test_a_charge_of_unknown_balance_stays_held_in_later_windows() -> None:
    september = ("2027-09-01", "2027-09-30")
    assert late(DAILY, due(open_amount=None), as_of="2027-09-10", window=september) == [
        ("2027-09-01", "balance_unknown")
    ]


def keys(*charges: SyncedCharge) -> list[tuple[str, int]]:
    found = lines(the_plan(DAILY), seen=observed(lease(), charges=charges), as_of=d("2027-08-08"))
    return [(each.key.period, each.key.part) for each in found]


def test_fees_are_known_by_the_late_charge_alone_and_by_their_number() -> None:
    assert keys(due()) == [("R-1", 0), ("R-1", 1)]
    assert keys(due(reference=None)) == [("charge-1", 0), ("charge-1", 1)]
    # Re-dated by a day: the same late charge, the same first fee.
    assert keys(due(transaction_date=d("2027-08-02"), due_date=d("2027-08-02"))) == [("R-1", 0)]


def test_a_reference_that_several_charges_carry_is_no_name() -> None:
    assert keys(due(), msgspec.structs.replace(due(), id="charge-2")) == [
        ("charge-1", 0),
        ("charge-1", 1),
        ("charge-2", 0),
        ("charge-2", 1),
    ]


def test_a_fee_posted_under_the_record_s_id_counts_when_the_charge_gets_a_reference() -> None:
    world = World(the_plan(fee()), lease(), charges=(due(reference=None),))
    world.post(as_of=d("2027-08-08"), sync=False)
    world.seen = msgspec.structs.replace(world.seen, charges=(due(),))
    assert [each.action for each in world.compare(as_of=d("2027-08-08")).changes] == ["in_flight"]


def test_a_charge_of_the_plan_is_watched_by_its_id() -> None:
    of = fee(charges=("rent",), codes=())
    assert late(of, due(), late_charges={"charge-1": "rent"}) == [INITIAL]
    assert late(of, due(), late_charges={"charge-1": "pet"}) == []


def test_nothing_late_is_a_skip() -> None:
    found = expanded(the_plan(fee()), seen=observed(lease(), charges=(due(0),)), as_of=d("2027-08-20"))
    assert [each.skip.reason for each in found.households] == ["nothing_late"]


def test_a_charge_without_lease_and_unit_is_one_households() -> None:
    moved = (
        lease("ann", moved_out="2027-07-20", status="INACTIVE", moved_in="2027-01-01"),
        lease("ann", name="lease-2", unit="102", start="2027-07-21"),
    )
    found = lines(the_plan(fee()), seen=observed(*moved, charges=(due(),)), as_of=d("2027-08-09"))
    assert [each.unit_number for each in found] == ["102"]


def test_late_fees_are_never_corrected() -> None:
    world = World(the_plan(DAILY))
    world.add("R-1", open_amount=100000)
    world.post(as_of=d("2027-08-08"))
    first, *others = world.seen.charges
    world.seen = msgspec.structs.replace(
        world.seen, charges=(msgspec.structs.replace(first, open_amount=0), *others)
    )
    assert world.changes(as_of=d("2027-08-20")) == []
    world.seen = msgspec.structs.replace(world.seen, charges=(first, *others))
    world.plans = [the_plan(fee(Fixed(5000), usd("10.00")))]
    assert world.changes(as_of=d("2027-08-08")) == [
        ("unchanged", "2027-08-07", "$75.00"),
        ("unchanged", "2027-08-08", "$10.00"),
    ]


def test_every_fee_goes_with_its_late_charge_when_people_are_merged() -> None:
    """Three days late are three fees; all of them, and the charge, stand on another record afterwards."""
    world = World(the_plan(DAILY), lease(), charges=(due(),))
    world.post(as_of=d("2027-08-09"))
    moved = [msgspec.structs.replace(each, resident_id="ann-2") for each in world.seen.charges]
    world.seen = msgspec.structs.replace(world.seen, charges=tuple(moved))
    world.live(lease("ann-2"))
    found = world.compare(as_of=d("2027-08-09")).changes
    assert [(each.action, each.amount) for each in found] == [
        ("unchanged", 7500),
        ("unchanged", 1000),
        ("unchanged", 1000),
    ]


@pytest.mark.parametrize(
    ("now", "actions"),
    [
        ({"transaction_date": d("2027-08-02")}, ["unchanged"] * 2),
        ({"id": "charge-9"}, ["unchanged"] * 3),
        ({"id": "charge-9", "reference": None}, ["hold"] * 3),
    ],
    ids=["re-dated by a day", "entered again under its reference", "entered again without one"],
)
def test_fees_that_were_charged_are_not_charged_again_whatever_becomes_of_the_late_charge(
    now: dict[str, Any], actions: list[str]
) -> None:
    """Three days late by 9 August, two where it is due a day later; of what is another charge by its name a person is asked."""
    world = World(the_plan(DAILY), lease(), charges=(due(),))
    world.post(as_of=d("2027-08-09"))
    first, *fees = world.seen.charges
    world.seen = msgspec.structs.replace(world.seen, charges=(msgspec.structs.replace(first, **now), *fees))
    found = [each.action for each in world.compare(as_of=d("2027-08-09")).changes]
    assert found == actions
