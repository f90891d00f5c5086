"""What holds for every amount, every calendar and every history."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chargeplan.core.allocation import share_bill
from chargeplan.core.dates import Days, Mark
from chargeplan.core.household import households
from chargeplan.core.money import round_half_away, share_out, spread_part
from chargeplan.core.observed import Lease, LeaseResident
from chargeplan.core.plan import AfterLeaseEnd, Proration, Selector, Split, Step
from chargeplan.core.plan import Change as AmountChange
from chargeplan.core.proration import prorated
from chargeplan.core.recurrence import grid_of, occurrences
from tests.core.builders import World, charge, d, lease, lines, once, plan, rent_plan, schedule, usd

quick = settings(max_examples=50, deadline=None)

AMOUNTS = st.integers(-10_000_000, 10_000_000)
WEIGHTS = st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any)
DAYS = st.dates(date(2026, 1, 1), date(2029, 12, 31))
METHODS = st.sampled_from(["none", "actual", "thirty", "banker", "annual"])


# --- division ----------------------------------------------------------------------------------------------------


@quick
@given(AMOUNTS, WEIGHTS)
def test_parts_sum_to_the_whole_and_each_is_within_a_cent(total: int, weights: list[int]) -> None:
    parts = share_out(total, weights)
    assert sum(parts) == total
    assert all(
        abs(part - Fraction(total * weight, sum(weights))) < 1
        for part, weight in zip(parts, weights, strict=True)
    )
    assert parts == [-part for part in share_out(-total, weights)]


@quick
@given(st.integers(0, 10_000_000), WEIGHTS, WEIGHTS, st.integers(0, 100), st.integers(0, 100))
def test_a_shared_bill_sums_to_the_cent(
    bill: int, one: list[int], two: list[int], common: int, share: int
) -> None:
    size = min(len(one), len(two))
    assume(any(one[:size]) and any(two[:size]))
    rows = [[Fraction(a), Fraction(b)] for a, b in zip(one[:size], two[:size], strict=True)]
    found = share_bill(bill, Fraction(common), rows, [Fraction(share), Fraction(100 - share)])
    assert found is not None
    assert found.common_area + sum(found.shares) == bill
    assert abs(found.common_area - Fraction(bill * common, 100)) <= Fraction(1, 2)


@quick
@given(AMOUNTS, st.integers(1, 60))
def test_a_spread_sums_to_the_whole_and_never_grows(total: int, over: int) -> None:
    parts = [spread_part(total, over, n) for n in range(over)]
    assert sum(parts) == total
    assert sorted(parts, key=abs, reverse=True) == parts
    assert abs(parts[0]) - abs(parts[-1]) <= 1


# --- proration ---------------------------------------------------------------------------------------------------


def month_of(day: date, grid_day: int) -> Days:
    grid = grid_of(schedule(day=grid_day), None)
    assert grid is not None
    k = grid.index_of(day)
    return Days(grid.start(k), grid.start(k + 1) - timedelta(days=1))


@quick
@given(AMOUNTS, METHODS, DAYS, st.integers(1, 31))
def test_a_full_period_costs_the_full_amount(amount: int, method: Any, day: date, grid_day: int) -> None:
    period = month_of(day, grid_day)
    assert prorated(amount, method, period, period) == amount


@quick
@given(st.integers(0, 10_000_000), METHODS, DAYS, st.integers(1, 31))
def test_more_days_never_cost_less_nor_more_than_the_whole(
    amount: int, method: Any, day: date, grid_day: int
) -> None:
    period = month_of(day, grid_day)
    for step in (
        [Days(period.first, period.first + timedelta(days=n)) for n in range(period.count)],
        [Days(period.last - timedelta(days=n), period.last) for n in range(period.count)],
    ):
        costs = [round_half_away(prorated(amount, method, period, part)) for part in step]
        assert costs == sorted(costs)
        assert 0 <= costs[0] <= costs[-1] == amount


# --- the calendar ------------------------------------------------------------------------------------------------

EVERY = st.sampled_from(["month", "2 months", "quarter", "5 months", "year", "week", "3 weeks"])


@quick
@given(EVERY, DAYS, DAYS, st.integers(0, 400))
def test_an_occurrence_depends_on_the_anchor_alone(
    every: str, anchor: date, first: date, length: int
) -> None:
    grid = grid_of(schedule(every), Mark(anchor, anchor.day))
    assert grid is not None
    zero = grid.index_of(anchor)
    assert grid.start(zero) == anchor
    for each in occurrences(grid, zero, first, first + timedelta(days=length)):
        assert each.days == Days(
            grid.start(zero + each.number), grid.start(zero + each.number + 1) - timedelta(days=1)
        )
        assert grid.index_of(each.days.first) == grid.index_of(each.days.last) == zero + each.number


# --- plans and histories -----------------------------------------------------------------------------------------

MOVES = st.dates(date(2027, 6, 20), date(2027, 11, 10))
PRORATIONS = st.builds(
    Proration,
    st.sampled_from(["none", "skip", "actual", "thirty", "banker", "annual"]),
    st.booleans(),
    st.booleans(),
)
RISE = Step(d("2027-08-16"), AmountChange("percent", Fraction(7, 2)))


@st.composite
def charges(draw: st.DrawFn, **rest: Any) -> Any:
    arrears = draw(st.booleans())
    return charge(
        prorate=draw(PRORATIONS),
        schedule=schedule(day=draw(st.sampled_from([1, 15, 31])), arrears=arrears),
        steps=draw(st.sampled_from([(), (RISE,)])),
        split_mid_period=draw(st.booleans()),
        split=draw(st.sampled_from([None, None, Split()])),
        after_lease_end=AfterLeaseEnd(draw(st.sampled_from(["continue", "stop"]))),
        **rest,
    )


@st.composite
def lived(draw: st.DrawFn) -> Lease:
    begins, ends, out = draw(MOVES), draw(MOVES), draw(st.none() | MOVES)
    assume(out is None or out >= begins)
    return msgspec.structs.replace(
        lease("ann", "bob", start="2027-06-01", end=str(max(ends, date(2027, 6, 2)))),
        realized_move_in=begins,
        realized_move_out=out,
    )


@quick
@given(charges(), lived(), st.dates(date(2027, 7, 1), date(2027, 10, 30)))
def test_a_window_planned_in_two_halves_is_the_window(one: Any, home: Lease, cut: date) -> None:
    of = plan(one)
    whole = lines(of, home, window=("2027-07-01", "2027-10-31"))
    halves = lines(of, home, window=("2027-07-01", str(cut))) + lines(
        of, home, window=(str(cut + timedelta(days=1)), "2027-10-31")
    )
    assert {each.reference: each for each in halves} == {each.reference: each for each in whole}
    assert len(halves) == len(whole)


WHOLE = ("2027-06-01", "2027-12-31")


@quick
@given(charges(adjusts_drift=True), st.lists(lived(), min_size=2, max_size=4))
def test_posted_plus_corrections_is_perfect_foresight(one: Any, history: list[Lease]) -> None:
    world = World(plan(one))
    for home in history:
        world.live(home)
        world.post(WHOLE)
    assert {action for action, _, _ in world.changes(WHOLE)} <= {"unchanged"}
    assert world.ledger() == sum(each.amount or 0 for each in lines(plan(one), history[-1], window=WHOLE))
    references = [each.reference for each in world.seen.charges]
    assert len(references) == len(set(references))


SEPTEMBER = ("2027-09-01", "2027-09-30")


@quick
@given(PRORATIONS, st.integers(1, 31), st.integers(1, 31))
def test_a_move_out_that_becomes_known_a_month_later_ends_as_if_it_had_been_known(
    proration: Proration, first: int, later: int
) -> None:
    one = charge(prorate=proration, adjusts_drift=True)
    world = World(plan(one))
    world.post()
    for day in (first, later):
        home = lease(moved_out=f"2027-08-{day:02d}")
        world.live(home)
        world.post(SEPTEMBER)
        assert world.ledger() == sum(each.amount or 0 for each in lines(plan(one), home))


@quick
@given(charges(adjusts_drift=True), lived(), lived(), st.sampled_from(["error", "shift", "skip"]), MOVES)
def test_nothing_is_posted_into_a_closed_period(
    one: Any, before: Lease, home: Lease, policy: Any, closed: date
) -> None:
    world = World(plan(one), before)
    world.post(WHOLE)
    world.live(home)
    world.plans = [plan(one, closed_through=closed, closed_period=policy)]
    found = world.compare(WHOLE)
    assert all(
        each.transaction_date > closed for each in found.changes if each.action in {"create", "correct"}
    )


STATUSES = st.sampled_from(["ACTIVE", "INACTIVE", "PENDING", "EVICTED", "OTHER"])


@st.composite
def anyones(draw: st.DrawFn, n: int) -> Lease:
    begins = draw(MOVES)
    people = tuple(
        LeaseResident(
            f"{name}-{n % 2}",
            draw(st.sampled_from(["PRIMARY", "SECONDARY", "GUARANTOR", None])),
            draw(st.none() | MOVES),
            draw(st.none() | MOVES),
        )
        for name in draw(st.lists(st.sampled_from(["ann", "bob", "cem"]), unique=True, max_size=3))
    )
    made = lease(
        name=f"lease-{n}",
        unit=draw(st.sampled_from(["101", "102"])),
        start=str(begins),
        end=str(draw(MOVES)),
        status=draw(STATUSES),
    )
    return msgspec.structs.replace(
        made,
        residents=people,
        rent=draw(st.sampled_from([100000, None, 0])),
        realized_move_in=draw(st.none() | MOVES),
        realized_move_out=draw(st.none() | MOVES),
        start=draw(st.sampled_from([begins, begins, None])),
    )


@settings(max_examples=100, deadline=None)
@given(st.tuples(*(anyones(n) for n in range(4))), charges(), st.sampled_from(["primary", "all"]))
def test_every_household_has_lines_or_holds_or_exactly_one_skip(
    homes: tuple[Lease, ...], one: Any, whom: Any
) -> None:
    one = msgspec.structs.replace(
        one, who=Selector(resident=whom), split=None if whom == "all" else one.split
    )
    fee = charge("fee", usd("5.00"), once=once("move_in + 3 days"))
    world = World(plan(one, fee), *homes)
    found = world.compare()
    references = [each.reference for each in found.changes]
    assert len(references) == len(set(references)), "two changes under one key"
    for name in ("rent", "fee"):
        told = [each.lease_id for each in found.skips if each.charge == name]
        assert len(told) == len(set(told))
        billed = {each.lease_id for each in found.changes if each.charge == name}
        for household in households(world.seen):
            of = {each.id for each in household.leases}
            assert (household.leases[-1].id in told) != bool(of & billed)


@quick
@given(
    st.lists(st.tuples(st.sampled_from(["live", "post", "crash", "sync"]), lived()), min_size=1, max_size=8)
)
def test_a_line_is_never_posted_twice(history: list[tuple[str, Lease]]) -> None:
    world = World(rent_plan(prorate=Proration("actual"), adjusts_drift=True))
    sent: list[str] = []
    for event, home in history:
        if event == "live":
            world.live(home)
            continue
        if event == "sync":
            for posting in list(world.postings.values()):
                if posting.state != "visible" and posting.reference not in {
                    each.reference for each in world.seen.charges
                }:
                    world.add(
                        posting.reference,
                        resident_id=posting.resident_id,
                        amount=posting.amount,
                        transaction_date=posting.transaction_date,
                    )
            continue
        for change in world.compare(WHOLE).changes:
            if change.action in {"create", "correct"}:
                sent.append(change.reference)
                world.record(change, state="unknown" if event == "crash" else "accepted")
    assert len(sent) == len(set(sent))
