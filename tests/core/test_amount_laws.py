"""What holds of amounts whatever their figures (plan-language.md, *Amount* and *A unit's row*)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from chargeplan.core.amounts import FromPath, Path, PercentOfCharges, Spread, Tier
from chargeplan.core.base import tiered
from chargeplan.core.dates import Days
from chargeplan.core.observed import Lease, LeaseResident
from chargeplan.core.plan import Change, Proration, Selector, Split, Step
from chargeplan.core.terms import Reading, Source
from tests.core.builders import (
    charge,
    expanded,
    lease,
    lines,
    on_lease,
    plan,
    rent_plan,
    roster,
    schedule,
    usd,
)

quick = settings(max_examples=60, deadline=None)
EDGES = st.lists(st.integers(1, 5000), min_size=1, max_size=4, unique=True).map(sorted)
RATES = st.lists(st.fractions(0, 100, max_denominator=1_000_000), min_size=5, max_size=5)
SOURCE = Source(Path("table", "used", "meters"))
AUGUST = Days(date(2027, 8, 1), date(2027, 8, 31))


def cost(edges: list[int], rates: list[Fraction], measure: Fraction | int) -> Fraction:
    tiers = [Tier(Fraction(edge), rate) for edge, rate in zip(edges, rates, strict=False)]
    found = tiered((*tiers, Tier(None, rates[-1])), Reading(SOURCE, Fraction(measure)))
    assert found.exact is not None
    return Fraction(found.exact)


@quick
@given(EDGES, RATES, st.integers(0, 9000), st.integers(0, 9000))
def test_tiers_never_cost_less_for_more(
    edges: list[int], rates: list[Fraction], one: int, other: int
) -> None:
    less, more = sorted((one, other))
    assert cost(edges, rates, less) <= cost(edges, rates, more)


@quick
@given(EDGES, RATES)
def test_tiers_have_no_step_at_their_edges(edges: list[int], rates: list[Fraction]) -> None:
    tiny = Fraction(1, 10**9)
    for edge in edges:
        assert cost(edges, rates, edge + tiny) - cost(edges, rates, edge) <= tiny * 100


class Stay(NamedTuple):
    """Whoever comes so many days after the people before have left, with so many roommates, and how they leave August."""

    gap: int
    length: int
    roommates: tuple[tuple[int, int], ...]
    renewed: bool


STAYS = st.lists(
    st.builds(
        Stay,
        gap=st.integers(0, 3),
        length=st.integers(0, 25),
        roommates=st.lists(st.tuples(st.integers(-3, 20), st.integers(0, 25)), max_size=2).map(tuple),
        renewed=st.booleans(),
    ),
    min_size=1,
    max_size=3,
)


def follow_one_another(stays: list[Stay]) -> Iterator[Lease]:
    """The leases of one unit: each household comes in July's last days or later, the next one after it has left."""
    begins = date(2027, 7, 25)
    for n, stay in enumerate(stays):
        begins += timedelta(days=stay.gap)
        ends = begins + timedelta(days=stay.length)
        people = [LeaseResident(f"p{n}", "PRIMARY")] + [
            LeaseResident(
                f"p{n}-{m}",
                "SECONDARY",
                begins + timedelta(days=after),
                begins + timedelta(days=after + length),
            )
            for m, (after, length) in enumerate(stay.roommates)
        ]
        middle = begins + timedelta(days=stay.length // 2)
        dates: dict[str, str] = {"moved_in": str(begins), "start": str(begins)}
        if stay.renewed and middle > begins:
            yield lease(*people, name=f"l{n}", end=str(middle - timedelta(days=1)), **dates)
            dates = {"start": str(middle)}
        yield lease(*people, name=f"m{n}", end=str(ends), moved_out=str(ends), **dates)
        begins = ends


@settings(max_examples=100, deadline=None)
@given(
    st.integers(-100_000, 100_000),
    STAYS,
    st.sampled_from(["none", "skip", "actual", "thirty", "banker", "annual"]),
    st.sampled_from(["each household", "each resident", "in equal parts"]),
    st.booleans(),
)
def test_a_units_row_is_never_billed_beyond_itself(
    cents: int, stays: list[Stay], method: str, whom: str, is_cut: bool
) -> None:
    """Households follow one another, also out and in on one day; roommates come and go; leases are renewed; periods are cut."""
    written = f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
    of = plan(
        charge(
            "bill",
            FromPath(Path("roster", "amount")),
            roster=roster("unit", {"unit": "101", "amount": written}),
            prorate=Proration(method),  # type: ignore[arg-type]
            who=Selector(resident="all" if whom == "each resident" else "primary"),
            split=Split() if whom == "in equal parts" else None,
            steps=(Step(date(2027, 8, 10), Change("flat", Fraction(0))),) if is_cut else (),
            split_mid_period=is_cut,
        )
    )
    bills = [bill for each in expanded(of, *follow_one_another(stays)).households for bill in each.bills]
    august = [bill for bill in bills if bill.period == AUGUST]
    found = [line.amount or 0 for bill in august for line in bill.lines]
    assert abs(sum(found)) <= abs(cents)
    assert all(amount * cents >= 0 for amount in found)
    lived_in = any(bill.billed for bill in august)
    assert method != "none" or not lived_in or sum(found) == cents


@quick
@given(st.integers(-10_000_00, 10_000_00).filter(bool), st.integers(1, 24))
def test_instalments_sum_to_the_contract(total: int, over: int) -> None:
    of = rent_plan(
        "rent", Spread(total, over), basis="contract", schedule=schedule(first="2027-01-01", day=1)
    )
    home = lease(status="PENDING", start="2027-02-15", end="2027-06-30")
    found = lines(of, home, window=("2027-01-01", "2029-12-31"))
    assert sum(each.amount or 0 for each in found) == total


PEOPLE = st.lists(st.tuples(st.integers(1, 31), st.integers(0, 30)), min_size=1, max_size=3)


@quick
@given(st.integers(1, 500_000), PEOPLE)
def test_equal_parts_sum_and_are_never_more_than_the_whole(cents: int, stays: list[tuple[int, int]]) -> None:
    others = [
        LeaseResident(
            f"r{n}", "SECONDARY", date(2027, 8, first), date(2027, 8, first) + timedelta(days=length)
        )
        for n, (first, length) in enumerate(stays)
    ]
    home = lease(*on_lease("ann"), *others)
    found = lines(rent_plan(amount=usd(f"{cents // 100}.{cents % 100:02d}"), split=Split()), home)
    assert sum(each.amount or 0 for each in found) == cents
    assert all(0 <= (each.amount or 0) <= cents for each in found)


@quick
@given(st.integers(1, 300_000), st.integers(1, 300_000), st.fractions(-100, 100, max_denominator=100))
def test_a_percentage_of_parts_is_the_percentage_of_the_sum_within_a_cent(
    one: int, other: int, percent: Fraction
) -> None:
    def amount(cents: int) -> str:
        return f"{cents // 100}.{cents % 100:02d}"

    of = plan(
        charge("one", usd(amount(one))),
        charge("other", usd(amount(other))),
        charge("both", PercentOfCharges(percent, ("one", "other"))),
        charge("of-one", PercentOfCharges(percent, ("one",))),
        charge("of-other", PercentOfCharges(percent, ("other",))),
    )
    billed = {
        line.charge: line.amount or 0
        for household in expanded(of, lease()).households
        for bill in household.bills
        for line in bill.lines
        if bill.period == AUGUST
    }
    parts = billed.get("of-one", 0) + billed.get("of-other", 0)
    assert abs(parts - billed.get("both", 0)) <= 1
