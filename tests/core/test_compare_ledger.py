"""The shadow run: plans beside ledgers, whoever put a charge there; each charge taken once, and every difference named."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from chargeplan.core.amounts import FromPath, Path
from chargeplan.core.change import Total
from chargeplan.core.compare_ledger import LedgerComparison, compare_ledger
from chargeplan.core.household import households
from chargeplan.core.key import Key
from chargeplan.core.money import format_money
from chargeplan.core.observed import SyncedCharge
from chargeplan.core.plan import Selector
from chargeplan.core.property_plan import PropertyValues
from chargeplan.core.select import Names
from tests.core.builders import (
    AUGUST,
    INTEGRATION,
    cents,
    charge,
    d,
    days,
    lease,
    observed,
    plan,
    roster,
    usd,
)


class Books:
    """A property, its plan and what the office has entered."""

    def __init__(self, of, *leases, **rest):
        self.plan, self.seen = of, observed(*leases, **rest)

    def enter(self, amount, day="2027-08-01", resident="ann", code="rent", **rest):
        made = SyncedCharge(
            id=f"charge-{len(self.seen.charges) + 1}",
            resident_id=resident,
            charge_code_id=f"code-{code}",
            amount=cents(amount),
            transaction_date=d(day),
            **rest,
        )
        self.seen = msgspec.structs.replace(self.seen, charges=(*self.seen.charges, made))
        return self

    def compare(self, window=AUGUST) -> LedgerComparison:
        span = days(*window)
        values = PropertyValues(
            plans=(self.plan,),
            integration=INTEGRATION,
            names=Names("oak-id", "oak", "Oak Street"),
            observed=self.seen,
            everyone=households(self.seen),
            as_of=span.last,
            window=span,
            lookback=span.first,
        )
        return compare_ledger(values, listing_equal=True)

    def told(self, window=AUGUST):
        """Verdict, cause and difference of each line."""
        return [
            (each.verdict, each.cause, format_money(each.difference)) for each in self.compare(window).lines
        ]


RENT = plan(charge("rent"))
EQUAL = ("equal", "", "$0.00")


def test_a_charge_of_the_very_amount_is_the_line():
    assert Books(RENT, lease()).enter("1,000.00").told() == [EQUAL]


def test_another_amount_is_told_as_ledger_less_plan():
    assert Books(RENT, lease()).enter("980.00").told() == [("other_amount", "amount", "-$20.00")]


def test_what_nobody_billed_and_what_no_line_asks_for_are_lines_of_their_own():
    books = (
        Books(RENT, lease("ann"), lease("bob", name="lease-2", unit="102"))
        .enter("1,000.00", resident="bob")
        .enter("40.00", code="pet")
    )
    assert books.told() == [
        ("only_plan", "not_billed", "-$1,000.00"),
        EQUAL,
        ("only_ledger", "code_not_planned", "$40.00"),
    ]


def test_a_household_billed_twice_has_one_charge_too_many():
    books = Books(RENT, lease()).enter("1,000.00").enter("1,000.00")
    assert books.told() == [EQUAL, ("only_ledger", "billed_twice", "$1,000.00")]


def test_equal_amounts_come_before_near_ones():
    """The line does not take the first charge that it meets."""
    assert Books(RENT, lease()).enter("990.00").enter("1,000.00").told() == [
        EQUAL,
        ("only_ledger", "more_than_planned", "$990.00"),
    ]


def test_two_equal_lines_take_two_equal_charges():
    spaces = roster("unit", {"unit": "101", "space": "1"}, {"unit": "101", "space": "2"}, item="space")
    of = plan(charge("parking", usd("75.00"), roster=spaces))
    assert Books(of, lease()).enter("75.00").enter("75.00").told() == [EQUAL, EQUAL]
    assert Books(of, lease()).enter("75.00").told() == [EQUAL, ("only_plan", "not_billed", "-$75.00")]


def test_of_unequal_amounts_the_nearest_are_a_pair():
    spaces = roster(
        "unit",
        {"unit": "101", "space": "1", "price": "75.00"},
        {"unit": "101", "space": "2", "price": "35.00"},
        item="space",
    )
    of = plan(charge("parking", FromPath(Path("roster", "price")), roster=spaces))
    assert Books(of, lease()).enter("30.00").enter("80.00").told() == [
        ("other_amount", "amount", "$5.00"),
        ("other_amount", "amount", "-$5.00"),
    ]


def test_a_credit_is_no_pair_of_a_charge():
    assert Books(RENT, lease()).enter("-50.00").told() == [
        ("only_plan", "not_billed", "-$1,000.00"),
        ("only_ledger", "more_than_planned", "-$50.00"),
    ]


def test_rent_that_was_entered_early_counts_for_its_month():
    books = Books(RENT, lease()).enter("1,000.00", "2027-07-29", post_month="2027-08")
    assert books.told() == [EQUAL]
    assert ("only_plan", "not_billed", "-$1,000.00") in books.told(("2027-07-01", "2027-07-31"))


def test_without_a_month_of_its_own_a_charge_is_of_its_date():
    assert Books(RENT, lease()).enter("1,000.00", "2027-07-31").told() == [
        ("only_plan", "not_billed", "-$1,000.00")
    ]


def test_months_are_compared_one_by_one():
    """August's double charge does not make up for September's missing one."""
    books = Books(RENT, lease()).enter("1,000.00").enter("1,000.00")
    assert books.told(("2027-08-01", "2027-09-30")) == [
        EQUAL,
        ("only_plan", "not_billed", "-$1,000.00"),
        ("only_ledger", "billed_twice", "$1,000.00"),
    ]


def test_a_charge_on_anybody_of_the_household_is_the_households():
    assert Books(RENT, lease("ann", "bob")).enter("1,000.00", resident="bob").told() == [EQUAL]
    assert Books(RENT, lease()).enter("1,000.00", resident=None, lease_id="lease-1").told() == [EQUAL]
    assert Books(RENT, lease()).enter("1,000.00", resident=None, unit_id="unit-101").told() == [EQUAL]


def test_where_each_resident_is_billed_anothers_charge_is_not_theirs():
    of = plan(charge("rent", usd("500.00"), who=Selector(resident="all")))
    books = Books(of, lease("ann", "bob")).enter("500.00").enter("500.00")
    assert books.told() == [
        EQUAL,
        ("only_plan", "not_billed", "-$500.00"),
        ("only_ledger", "billed_twice", "$500.00"),
    ]


def test_a_charge_after_the_move_out_says_so():
    gone = lease(moved_out="2027-06-30", status="INACTIVE", moved_in="2027-01-01")
    assert Books(RENT, gone).enter("1,000.00").told() == [("only_ledger", "moved_out", "$1,000.00")]


def test_a_household_off_the_roster_says_so():
    of = plan(charge("parking", usd("75.00"), roster=roster("unit", {"unit": "102"})))
    assert Books(of, lease()).enter("75.00").told() == [("only_ledger", "not_on_roster", "$75.00")]


def test_a_line_that_would_be_held_is_compared_by_its_amount():
    """`credits: hold` is a rule for posting: the shadow run asks what is due."""
    of = plan(charge("concession", usd("-100.00")))
    books = Books(of, lease()).enter("-100.00")
    assert books.told() == [EQUAL]


def test_what_was_corrected_counts_with_its_corrections():
    """After chargeplan has billed: the line, and an `Adj:` of the same key."""
    due = Books(RENT, lease()).compare().lines[0].change
    names = (due.integration_id, due.key_plan, due.key_charge, due.unit_id, due.resident_id, due.period_key)
    books = Books(RENT, lease()).enter("1,200.00", reference=due.reference)
    assert books.enter("-200.00", reference=Key(*names, 100).reference).told() == [EQUAL]


def test_totals_have_both_sides():
    books = Books(RENT, lease("ann"), lease("bob", name="lease-2", unit="102"))
    books.enter("980.00").enter("40.00", code="pet")
    pet, rent = books.compare().totals
    assert (pet.charge_code, pet.plan, pet.ledger, pet.only_ledger) == (
        "Pet",
        Total(),
        Total(1, 4000),
        Total(1, 4000),
    )
    assert (rent.plan, rent.ledger) == (Total(2, 200000), Total(1, 98000))
    assert (rent.equal, rent.other_amount, rent.only_plan) == (Total(), Total(1, -2000), Total(1, 100000))


# --- law ---------------------------------------------------------------------------------------------------------

ERRORS = st.sampled_from(["none", "none", "none", "forgotten", "twice", "wrong"])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(ERRORS, ERRORS), min_size=1, max_size=8),
    st.integers(1, 400),
    st.integers(-6, 6),
    st.randoms(use_true_random=False),
)
def test_every_planted_error_is_found_and_no_other(errors, pet_rent, early, order):
    """Two codes, every household billed by hand on any day near the first, entered in any order, with errors planted."""
    leases = [
        lease(f"r{n}", name=f"lease-{n}", unit=str(100 + n), rent=f"{900 + n}.00") for n in range(len(errors))
    ]
    of = plan(charge("rent"), charge("pet", usd(f"{pet_rent}.00"), code="Pet"))
    entered, planted = [], []
    for n, kinds in enumerate(errors):
        for code, amount, kind in zip(("rent", "pet"), (900 + n, pet_rent), kinds, strict=True):
            paid = amount + 7 if kind == "wrong" else amount
            copies = {"forgotten": 0, "twice": 2}.get(kind, 1)
            entered += [(f"{paid}.00", f"r{n}", code)] * copies
            if kind != "none":
                planted.append(
                    {
                        "forgotten": ("only_plan", -amount),
                        "twice": ("only_ledger", amount),
                        "wrong": ("other_amount", 7),
                    }[kind]
                )
    order.shuffle(entered)
    day = d("2027-08-01").fromordinal(d("2027-08-01").toordinal() + early)
    books = Books(of, *leases)
    for amount, resident, code in entered:
        books.enter(amount, str(day), resident, code, post_month="2027-08")
    found = [
        (each.verdict, each.difference // 100) for each in books.compare().lines if each.verdict != "equal"
    ]
    assert sorted(found) == sorted(planted)
