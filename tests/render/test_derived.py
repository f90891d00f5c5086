"""From ledgers to plans and back: what is derived is written, loaded, expanded and laid beside the very ledgers it came from."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargeplan.core.amounts import FromPath, Measure, Rate
from chargeplan.core.amounts import Path as Read
from chargeplan.core.billed_now import BilledNow
from chargeplan.core.compare_ledger import compare_ledger
from chargeplan.core.dates import Days
from chargeplan.core.derive import DerivedCharge, NotDerived, derive
from chargeplan.core.due import expand
from chargeplan.core.household import households
from chargeplan.core.observed import Resident, SyncedCharge
from chargeplan.core.plan import AfterLeaseEnd, Proration, Selector, Split, Step
from chargeplan.core.plan import Change as AmountChange
from chargeplan.core.property_plan import PropertyValues
from chargeplan.core.select import Names
from chargeplan.loading.project import load_project
from chargeplan.propexo.vendors import vendor
from chargeplan.render.derived import plan_files
from tests.core.builders import (
    INTEGRATION,
    cents,
    charge,
    d,
    lease,
    observed,
    percent,
    plan,
    roster,
    setting,
    unit,
    usd,
)

MONTHS = ("2027-05-01", "2027-07-31")
WINDOW = Days(d(MONTHS[0]), d(MONTHS[1]))
CONFIG = """\
version: 1
environments: {sandbox: {api: embedded}}
integrations: {main: {id: int-1, vendor: RESMAN}}
properties: {oak: {id: oak-id, integration: main}}
plans: [plans/*.yaml]
timezone: America/Chicago
"""


class Town:
    """A property whose office bills by hand: by a plan that only the test knows, and with what is entered beside it."""

    def __init__(self, *leases, of=None, **rest):
        self.seen = observed(*leases, **rest)
        if of is not None:
            for household in expand(setting(of, self.seen, MONTHS)).households:
                for line in (
                    line for bill in household.bills for line in bill.lines if line.natural_date in WINDOW
                ):
                    self.enter(line.amount, line.natural_date, line.key.resident_id, line.charge_code_id)

    def enter(self, amount, day, resident, code="code-rent", **rest):
        made = SyncedCharge(
            id=f"charge-{len(self.seen.charges) + 1}", resident_id=resident, charge_code_id=code, amount=amount, transaction_date=day, **rest
        )  # fmt: skip
        self.seen = msgspec.structs.replace(self.seen, charges=(*self.seen.charges, made))
        return self

    def monthly(self, *amounts, resident="ann", code="code-rent", day=1):
        for month, amount in zip((5, 6, 7), amounts, strict=False):
            self.enter(cents(amount), d(f"2027-{month:02d}-{day:02d}"), resident, code)
        return self

    def values(self, plans=()):
        return PropertyValues(
            plans=plans, integration=INTEGRATION, names=Names("oak-id", "oak", "Oak Street"), observed=self.seen,
            everyone=households(self.seen), as_of=d("2027-08-02"), window=WINDOW, lookback=WINDOW.first,
        )  # fmt: skip

    def answers(self):
        return list(derive(BilledNow(self.values())))

    def files(self):
        answers = self.answers()
        return plan_files(
            "oak",
            property_name="Oak Street",
            integration="main",
            charges=[each for each in answers if isinstance(each, DerivedCharge)],
            left=[each for each in answers if isinstance(each, NotDerived)],
            window=WINDOW,
            holds_credits=False,
        ).files

    def lines(self):
        """The derived plan without comments and head."""
        text = self.files()["plans/oak.yaml"].split("charges:\n")[1]
        return [
            line.split("  #")[0].strip() for line in text.splitlines() if not line.strip().startswith("#")
        ]

    def differences(self):
        """What the written plans, loaded again, do not have as the ledgers have it."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for file, text in {**self.files(), "chargeplan.yaml": CONFIG}.items():
                (folder / file).parent.mkdir(exist_ok=True)
                (folder / file).write_text(text)
            loaded = load_project(folder / "chargeplan.yaml", vendor)
        assert loaded.project is not None, loaded.diagnostics
        found = compare_ledger(self.values(loaded.project.plans))
        assert found.diagnostics == ()
        return [(each.verdict, each.cause) for each in found.lines]


def street(count=8, **rest):
    """Households r0, r1, … in units 100, 101, …, each with a rent of its own."""
    return [
        lease(f"r{n}", name=f"lease-{n}", unit=str(100 + n), rent=f"{900 + n}.00", **rest)
        for n in range(count)
    ]


def people(count=8, **of):
    """What is known of the residents: ``pets=(1, 0, 2, …)``."""
    return tuple(
        Resident(f"r{n}", "oak-id", **{name: counts[n] for name, counts in of.items()}) for n in range(count)
    )


# --- amounts and people ----------------------------------------------------------------------------------------


def test_one_amount_for_all():
    town = Town(*street(), of=plan(charge("trash", usd("20.00"))))
    assert town.lines() == ["rent:", "code: Rent", "amount: 20.00", "schedule: {every: month, day: 1}"]
    assert town.differences() == []


def test_rent_follows_the_lease():
    town = Town(*street(), of=plan())
    assert "amount: {from: lease.rent}" in town.lines()
    assert town.differences() == []


def test_a_rate_for_each_pet():
    pets = (1, 0, 2, 1, 0, 3, 1, 2)
    town = Town(
        *street(),
        residents=people(pets=pets),
        of=plan(charge("pet", Rate(percent("3500"), Measure(Read("resident", "pets"))))),
    )
    assert "amount: {rate: 35.00, per: resident.pets}" in town.lines()
    assert town.differences() == []


def test_one_amount_for_whoever_has_a_vehicle():
    cars = (1, 0, 2, 1, 0, 1, 0, 2)
    town = Town(
        *street(),
        residents=people(vehicles=cars),
        of=plan(charge("parking", usd("75.00"), who=Selector(has=("vehicles",)))),
    )
    assert town.lines()[2:] == ["amount: 75.00", "schedule: {every: month, day: 1}", "who: {has: [vehicles]}"]
    assert town.differences() == []


def test_a_building_says_it_in_fewer_words_than_a_roster():
    units = tuple(unit(str(100 + n), building_name="North" if n < 4 else "South: B") for n in range(8))
    town = Town(
        *street(), units=units, of=plan(charge("heat", usd("30.00"), who=Selector(buildings=("South: B",))))
    )
    assert 'who: {buildings: ["South: B"]}' in town.lines()
    assert town.differences() == []


def test_a_few_units_that_never_pay_are_exceptions():
    town = Town(
        *street(16), of=plan(charge("trash", usd("20.00"), who=Selector(except_units=("103", "107"))))
    )
    assert 'who: {except: {units: ["103", "107"]}}' in town.lines()
    assert town.differences() == []


def test_a_few_who_pay_the_same_are_a_roster_of_units():
    town = Town(
        *street(),
        of=plan(charge("parking", usd("75.00"), roster=roster("unit", {"unit": "101"}, {"unit": "106"}))),
    )
    assert town.files()["rosters/oak-rent.csv"].split() == ["unit", "101", "106"]
    assert town.lines()[2:] == [
        "amount: 75.00",
        "schedule: {every: month, day: 1}",
        "roster: ../rosters/oak-rent.csv",
    ]
    assert town.differences() == []


def test_amounts_by_household_are_a_roster_of_amounts():
    prices = [{"unit": str(100 + n), "price": f"{40 + n * n}.50"} for n in range(8)]
    of = plan(charge("internet", FromPath(Read("roster", "price")), roster=roster("unit", *prices)))
    town = Town(*street(rent_from := 8), of=of)
    assert town.files()["rosters/oak-rent.csv"].splitlines()[:3] == ["unit,amount", "100,40.50", "101,41.50"]
    assert rent_from == 8
    assert town.differences() == []


def test_two_rows_of_one_household_are_told_apart():
    town = (
        Town(*street())
        .monthly("75.00", "75.00", "75.00", resident="r2")
        .monthly("95.00", "95.00", "95.00", resident="r2")
    )
    assert town.files()["rosters/oak-rent.csv"].splitlines() == [
        "unit,line,amount",
        "102,1,75.00",
        "102,2,95.00",
    ]
    assert town.differences() == []


def test_where_a_unit_changed_hands_the_roster_names_residents_by_their_ids():
    gone = lease(
        "old",
        name="lease-old",
        unit="102",
        status="INACTIVE",
        moved_in="2026-01-01",
        moved_out="2027-04-30",
        start="2026-01-01",
    )
    came = lease("new", name="lease-new", unit="102", start="2027-05-01")
    early = lease("r0", unit="100")
    town = Town(
        gone,
        came,
        early,
        lease(
            "tmp",
            name="x",
            unit="100",
            status="INACTIVE",
            moved_in="2026-01-01",
            moved_out="2027-05-31",
            start="2026-01-01",
        ),
    )
    town.seen = observed(
        came,
        early,
        lease(
            "third",
            name="lease-3",
            unit="102",
            status="INACTIVE",
            start="2026-01-01",
            moved_in="2026-01-01",
            moved_out="2027-05-31",
        ),
    )
    town.monthly("75.00", "75.00", "75.00", resident="r0").monthly("40.00", "40.00", "40.00", resident="new")
    rosters = [text for name, text in town.files().items() if name.startswith("rosters/")]
    assert rosters[0].splitlines()[0] == "resident_id,unit_number,amount"


def test_a_credit_is_an_amount_like_any_other():
    town = Town(*street()).monthly("-100.00", "-100.00", "-100.00", resident="r3", code="code-pet")
    assert "amount: -100.00" in town.lines()
    assert town.differences() == []


def test_each_resident_or_equal_parts():
    roomies = [
        lease(f"a{n}", f"b{n}", name=f"lease-{n}", unit=str(100 + n), rent=f"{900 + n}.01") for n in range(6)
    ]
    each = Town(*roomies, of=plan(charge("internet", usd("65.00"), who=Selector(resident="all"))))
    assert "who: {resident: all}" in each.lines()
    parts = Town(*roomies, of=plan(charge("rent", split=Split())))
    assert "split: equal" in parts.lines()
    assert each.differences() == parts.differences() == []


# --- time ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["none", "skip", "actual", "thirty", "banker", "annual"])
def test_the_proration_that_explains_the_parts_of_months(method):
    """Moves on the 11th of May, the 20th of June and the 5th of July; one leaves on the 12th of July."""
    moves = [
        lease(f"m{n}", name=f"in-{n}", unit=f"20{n}", start=day, rent="1,234.56")
        for n, day in enumerate(("2027-05-11", "2027-06-20", "2027-07-05"))
    ]
    leaves = lease("out", name="out", unit="210", moves_out="2027-07-12", rent="1,111.11")
    town = Town(*street(), *moves, leaves, of=plan(charge("rent", prorate=Proration(method))))
    assert (f"prorate: {method}" in town.lines()) == (method != "none")
    assert town.differences() == []


def test_without_a_part_of_a_month_it_says_that_nothing_is_known_of_them():
    assert "# No part of a period was seen" in Town(*street(), of=plan()).files()["plans/oak.yaml"]


def test_a_new_amount_for_all_is_a_step():
    of = plan(
        charge("trash", usd("20.00"), steps=(Step(d("2027-07-01"), AmountChange("set", percent("2500"))),))
    )
    town = Town(*street(), of=of)
    assert "- {from: 2027-07-01, set: 25.00}" in town.lines()
    assert town.differences() == []


def test_who_lives_on_after_the_lease_is_billed_or_not_as_was_seen():
    late = [lease(f"l{n}", name=f"late-{n}", unit=f"20{n}", end="2027-04-30") for n in range(2)]
    on = Town(*street(), *late, of=plan(charge("rent", after_lease_end=AfterLeaseEnd("continue"))))
    off = Town(*street(), *late, of=plan(charge("rent", after_lease_end=AfterLeaseEnd("stop"))))
    assert "after_lease_end: continue" in on.lines()
    assert "after_lease_end: stop" in off.lines()
    assert on.differences() == off.differences() == []


def test_the_day_of_the_month_is_the_commonest():
    town = Town(*street(2))
    for resident in ("r0", "r1"):
        town.monthly("20.00", "20.00", "20.00", resident=resident, day=5)
    assert "schedule: {every: month, day: 5}" in town.lines()
    assert town.differences() == []


# --- what is left ------------------------------------------------------------------------------------------------


def test_an_error_does_not_make_a_rule_a_list():
    """One forgotten, one wrong, one twice: everybody still pays what the lease says, and the errors are differences."""
    town = Town(*street(12), of=plan())
    charges = list(town.seen.charges)
    forgotten = charges.pop(0)
    charges[5] = msgspec.structs.replace(charges[5], amount=charges[5].amount + 9)
    charges.append(msgspec.structs.replace(charges[9], id="again"))
    town.seen = msgspec.structs.replace(town.seen, charges=tuple(charges))
    assert "amount: {from: lease.rent}" in town.lines()
    assert sorted(town.differences()) == [
        ("only_ledger", "billed_twice"),
        ("only_plan", "not_billed"),
        ("other_amount", "amount"),
    ]
    assert forgotten.amount == 90000


@pytest.mark.parametrize(
    ("amounts", "why"),
    [
        (("20.00",), "fewer_than_two_months"),
        (("41.17", "38.20", "55.01"), "changes_each_month"),
    ],
)
def test_what_no_rule_explains_is_left_with_a_reason(amounts, why):
    town = Town(*street(4))
    for n in range(4):
        town.monthly(*(f"{amount[:-1]}{n}" for amount in amounts), resident=f"r{n}")
    assert [(each.why, each.lines) for each in town.answers()] == [(why, 4 * len(amounts))]


def test_what_was_billed_once_is_no_rule():
    town = Town(*street(9))
    for n, (month, amount) in enumerate([("05", 7500), ("06", 12000), ("07", 31000)] * 3):
        town.enter(amount + n, d(f"2027-{month}-09"), f"r{n}")
    assert [each.why for each in town.answers()] == ["one_off"]


def test_the_same_ledgers_give_the_same_bytes():
    town = Town(*street(), of=plan())
    other = Town(*street())
    shuffled = list(town.seen.charges)
    random.Random(7).shuffle(shuffled)
    other.seen = msgspec.structs.replace(town.seen, charges=tuple(shuffled))
    assert town.files() == other.files()


# --- law ---------------------------------------------------------------------------------------------------------

AMOUNTS = st.sampled_from(["rent", "fixed", "pets", "roster", "vehicles"])


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["none", "actual", "thirty", "banker", "annual"]),
    AMOUNTS,
    st.integers(500, 20_000),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(1, 28)), min_size=5, max_size=9),
)
def test_what_a_plan_can_say_is_explained(method, kind, amount, homes):
    """Whatever plan the office followed, plans derived from its ledgers say the same to the cent."""
    count = len(homes)
    leases = [
        lease(
            f"r{n}",
            name=f"lease-{n}",
            unit=str(100 + n),
            rent=f"{900 + 7 * n}.00",
            start=f"2027-06-{day:02d}" if n < 2 else "2027-01-01",
        )
        for n, (_, _, day) in enumerate(homes)
    ]
    residents = people(count, pets=[pets for pets, _, _ in homes], vehicles=[cars for _, cars, _ in homes])
    rows = [{"unit": str(100 + n), "price": f"{amount // 100 + n * n}.00"} for n in range(2, count)]
    chosen = {
        "rent": {},
        "fixed": {"amount": usd(f"{amount // 100}.{amount % 100:02d}")},
        "pets": {"amount": Rate(percent(str(amount)), Measure(Read("resident", "pets")))},
        "roster": {"amount": FromPath(Read("roster", "price")), "roster": roster("unit", *rows)},
        "vehicles": {"amount": usd("75.00"), "who": Selector(has=("vehicles",))},
    }[kind]
    town = Town(*leases, residents=residents, of=plan(charge("rent", prorate=Proration(method), **chosen)))
    if [each for each in town.answers() if isinstance(each, DerivedCharge)]:
        assert town.differences() == []
    else:
        assert len(town.seen.charges) < 4
