"""What holds of amounts whatever their figures (plan-language.md, *Amount* and *A unit's row*)."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from chargeplan.core.amounts import FromPath, Path, PercentOfCharges, Spread, Tier
from chargeplan.core.base import tiered
from chargeplan.core.dates import Days
from chargeplan.core.observed import LeaseResident
from chargeplan.core.plan import Proration, Split
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


@quick
@given(
    st.integers(-100_000, 100_000),
    st.integers(1, 31),
    st.integers(0, 1),
    st.sampled_from(["none", "actual", "thirty", "banker", "annual"]),
)
def test_a_units_row_is_never_billed_beyond_itself(cents: int, out: int, gap: int, method: str) -> None:
    """Two households follow one another, the second on the day of the first one's move-out or the one after."""
    day = date(2027, 8, out)
    bills = roster(
        "unit",
        {
            "unit": "101",
            "amount": f"{cents // 100 if cents >= 0 else -(-cents // 100)}.{abs(cents) % 100:02d}",
        },
    )
    written = int(bills.rows["101"][0].cells["amount"].replace(".", "").replace("-", ""))
    of = plan(charge("bill", FromPath(Path("roster", "amount")), roster=bills, prorate=Proration(method)))  # type: ignore[arg-type, union-attr]
    found = lines(
        of,
        lease("ann", name="l1", end=str(day), moved_out=str(day)),
        lease(
            "bob", name="l2", start=str(day + timedelta(days=gap)), moved_in=str(day + timedelta(days=gap))
        ),
    )
    billed = sum(abs(each.amount or 0) for each in found)
    assert billed <= written
    assert method != "none" or billed == written


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
