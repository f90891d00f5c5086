"""Several files together: names, moves, digests, order; and what a good plan means as values."""

import datetime as dt
import hashlib
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from chargeplan.core.amounts import Fixed, Measure, Rate, Spread
from chargeplan.core.amounts import Path as Source
from chargeplan.core.dates import RelativeDate
from chargeplan.core.plan import AfterLeaseEnd, Change, Once, Proration, Schedule, Selector, Split, Step
from chargeplan.loading.project import load_project
from chargeplan.propexo.vendors import vendor
from tests.loading.helpers import CONFIG, HEAD, RENT, charge, load, told

GOOD = Path(__file__).parent / "good"
PLAN = HEAD + RENT + "    amount: 35.00\n"
SETTINGS = (
    CONFIG.replace("id: integration-1", "id: resman-integration-98765")
    .replace("main", "resman-main")
    .replace("oak:", "oak-street:")
)


def test_names_are_unique(tmp_path):
    loaded = load(tmp_path, PLAN, q__yaml=PLAN)
    assert told(loaded.diagnostics) == [
        "plans/q.yaml:2:7 error: `p` is already the name of the plan in plans/plan.yaml. Give each plan a name of its own."
    ]


SECOND = PLAN.replace("plan: p", "plan: q")


@pytest.mark.parametrize(
    "properties", ["[oak]", "[p9, p1]", "all"], ids=["by alias", "by id", "by the word all"]
)
def test_a_code_of_a_property_has_one_owner(tmp_path, properties):
    loaded = load(tmp_path, PLAN, q__yaml=SECOND.replace("[oak]", properties))
    name = "p1" if "p1" in properties else "oak"
    problem = f"plans/q.yaml:2:7 error: `p` in plans/plan.yaml owns the charge code `Rent` in `{name}` too. "
    assert told(loaded.diagnostics) == [
        problem + "Give the code to one of them, or take it from a plan with `owns:`."
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [("[oak]", "[p9]"), ("integration: main\nproperties: [oak]", "integration: other\nproperties: [p1]"), ("code: Rent", "code: Parking"),
     ("charges:", "owns: [Parking]\ncharges:")],
    ids=["another property", "another integration", "another code", "a code that is given away"],
)  # fmt: skip
def test_plans_with_nothing_in_common_own_what_they_like(tmp_path, old, new):
    assert told(load(tmp_path, PLAN, q__yaml=SECOND.replace(old, new)).diagnostics) == []


def test_problems_of_all_files_are_told_in_order(tmp_path):
    loaded = load(
        tmp_path,
        PLAN.replace("35.00", "35"),
        a__yaml="x: [",
        b__yaml=PLAN.replace("plan: p", "plan: b") + "    x: 1\n",
    )
    assert [str(each.place) for each in loaded.diagnostics] == [
        "plans/a.yaml:1:4",
        "plans/b.yaml:10:5",
        "plans/plan.yaml:9:13",
    ]
    assert loaded.config is not None
    assert loaded.project is None


def test_a_checkout_with_the_line_ends_of_windows_is_the_same_plan(tmp_path):
    there, here = tmp_path / "windows", tmp_path / "linux"
    there.mkdir(), here.mkdir()
    windows = load(there, PLAN.replace("\n", "\r\n"), r__csv="unit\r\n1\r\n")
    assert windows.project.digests == load(here, PLAN, r__csv="unit\n1\n").project.digests


def test_every_input_file_is_digested(tmp_path):
    loaded = load(tmp_path, PLAN + "    roster: r.csv\n", r__csv="unit\n1\n", unused__csv="unit\n")
    assert list(loaded.project.digests) == ["chargeplan.yaml", "plans/plan.yaml", "plans/r.csv"]
    assert loaded.project.digests["plans/r.csv"] == hashlib.sha256(b"unit\n1\n").hexdigest()


def test_tests_of_plans_are_no_plans(tmp_path):
    (tmp_path / "plans" / "tests").mkdir(parents=True)
    (tmp_path / "plans" / "tests" / "t.yaml").write_text("version: 1\n")
    assert len(load(tmp_path, PLAN, CONFIG + "plans: ['plans/**/*.yaml']\n").project.plans) == 1


def test_a_pattern_that_fits_nothing_is_an_error(tmp_path):
    loaded = load(tmp_path, PLAN, CONFIG + "plans: [plan/*.yaml]\n")
    assert told(loaded.diagnostics) == [
        "chargeplan.yaml:1:1 error: No file fits `plan/*.yaml`. Write a plan, or correct `plans` in the configuration."
    ]


def test_some_files_only(tmp_path):
    load(tmp_path, PLAN, bad__yaml="x")
    loaded = load_project(tmp_path / "chargeplan.yaml", vendor, [tmp_path / "plans" / "plan.yaml"])
    assert told(loaded.diagnostics) == []
    missing = load_project(tmp_path / "chargeplan.yaml", vendor, [tmp_path / "plans" / "paln.yaml"])
    assert told(missing.diagnostics) == [
        "plans/paln.yaml:1:1 error: There is no file `plans/paln.yaml`. Did you mean `plan.yaml`?"
    ]


def test_a_plan_that_is_a_link_out_of_the_project_is_refused(tmp_path):
    outside = tmp_path / "outside.yaml"
    outside.write_text(PLAN.replace("plan: p", "plan: q"))
    project = tmp_path / "project"
    (project / "plans").mkdir(parents=True)
    (project / "plans" / "q.yaml").symlink_to(outside)
    assert [each.summary for each in load(project, PLAN).diagnostics] == [
        "`plans/q.yaml` lies outside the project."
    ]


# --- moves -------------------------------------------------------------------------------------------------------


def keys(loaded):
    return [(each.id, each.key_plan, each.key_charge) for each in loaded.project.plans[0].charges]


def test_a_charge_is_known_by_its_own_name(tmp_path):
    assert keys(load(tmp_path, PLAN)) == [("rent", "p", "rent")]


@pytest.mark.parametrize(("moves", "key"), [
    ("[{from: old, to: rent}]", ("p", "old")),
    ("[{from: p/old, to: rent}]", ("p", "old")),
    ("[{from: q/old, to: rent}]", ("q", "old")),
    ("[{from: older, to: old}, {from: old, to: rent}]", ("p", "older")),
    ("[{from: old, to: rent}, {from: q/rent, to: old}]", ("q", "rent")),
    ("[]", ("p", "rent")),
])  # fmt: skip
def test_a_moved_charge_keeps_its_key(tmp_path, moves, key):
    assert keys(load(tmp_path, PLAN + f"moved: {moves}\n")) == [("rent", *key)]


def test_moves_between_plans(tmp_path):
    other = SECOND.replace("code: Rent", "code: Old Rent")
    loaded = load(tmp_path, PLAN + "moved: [{from: q/rent, to: rent}]\n", q__yaml=other)
    assert told(loaded.diagnostics) == [
        "plans/plan.yaml:10:16 error: `rent` is still a charge in plans/q.yaml, so it was not moved. Delete it there, or delete the move."
    ]
    loaded = load(
        tmp_path,
        PLAN + "moved: [{from: z/rent, to: rent}]\n",
        q__yaml=other + "moved: [{from: z/rent, to: rent}]\n",
    )
    assert told(loaded.diagnostics) == [
        "plans/q.yaml:10:16 error: `z/rent` was already moved to `p/rent`. A charge has one future: delete one of the moves."
    ]


# --- what a plan means -------------------------------------------------------------------------------------------


def whole_language(tmp_path):
    tables = {each.name.replace(".", "__"): each.read_bytes() for each in GOOD.glob("*.csv")}
    loaded = load(tmp_path, (GOOD / "whole-language.yaml").read_bytes(), SETTINGS, **tables)
    assert told(loaded.diagnostics) == []
    plan = loaded.project.plans[0]
    return {each.id: each for each in plan.charges}, plan


def test_amounts(tmp_path):
    charges, _ = whole_language(tmp_path)
    assert charges["pet-rent"].amount == Rate(Fraction(3500), Measure(Source("resident", "pets")))
    assert charges["parking"].amount == Fixed(7500)
    assert charges["concession"].amount == Spread(-100000, 12)
    assert charges["deposit"].amount == Fixed(50000)
    assert charges["month-to-month"].amount == Fixed(125000)
    assert charges["fee"].amount.path == Source("fee", "Trash Removal")
    assert charges["admin"].amount.of == ("rent",)
    water = charges["water"].amount
    assert (water.bill, water.common_area, water.vacant) == (Source("table", "amount", "bills"), 15, "owner")
    assert water.weights == ((Source("table", "occupants", "units"), 50), (Source("unit", "square_feet"), 50))
    assert water.occupant_factors == ((1, 1), (2, Fraction(8, 5)), (3, Fraction(11, 5)), (4, Fraction(13, 5)))


def test_when(tmp_path):
    charges, _ = whole_language(tmp_path)
    assert charges["rent"].schedule == Schedule(unit="month", count=1, day=1)
    assert charges["fee"].schedule == Schedule(unit="month", count=3, day="last")
    assert charges["deposit"].once == Once(RelativeDate("move_in", 2, "weeks", "move_in + 2 weeks"))
    assert charges["water"].once == Once(dt.date(2027, 7, 1), (dt.date(2027, 6, 1), dt.date(2027, 6, 30)))
    assert charges["month-to-month"].schedule == Schedule(
        unit="week",
        count=2,
        day=None,
        weekday=4,
        first=RelativeDate("lease.end", 1, "days", "lease.end + 1 day"),
        through=dt.date(2030, 1, 1),
        times=6,
        arrears=True,
        anchor=dt.date(2027, 1, 1),
    )
    assert charges["fee"].prorate == Proration("actual", True, False, "first")
    assert charges["rent"].steps == (
        Step(
            RelativeDate("lease.start", 12, "months", "lease.start + 12 months"),
            Change("percent", Fraction(7, 2)),
            (12, "months"),
        ),
        Step(dt.date(2028, 1, 1), Change("set", Fraction(190000))),
        Step(dt.date(2028, 6, 1), Change("flat", Fraction(5000), 100)),
    )
    assert charges["month-to-month"].after_lease_end == AfterLeaseEnd(
        "change", Change("percent", Fraction(5)), "day_after"
    )


def test_who(tmp_path):
    charges, plan = whole_language(tmp_path)
    assert charges["month-to-month"].who == Selector(
        lease_status=("ACTIVE", "EVICTED"),
        resident="primary",
        units=("1*", "204", "305"),
        buildings=("North*",),
        floor_plans=("2BR*",),
        has=("pets",),
        except_units=(),
        except_residents=("r-9",),
        lists_statuses=True,
    )
    assert charges["deposit"].split == Split()
    assert [override.units for override in charges["rent"].overrides] == [("204",), ("010",)]
    first, second = charges["fee"].overrides
    assert first.changes == {
        "schedule": Schedule(unit="month", count=1, day=5),
        "enabled": False,
        "adjusts_drift": False,
    }
    assert set(second.changes) == {"code", "prorate", "description", "notes", "split_mid_period"}
    assert plan.owns == (
        "Rent",
        "Pet Rent",
        "Parking",
        "Water",
        "Admin",
        "Late Fee",
        "Deposit",
        "MTM",
        "0815",
        "Other",
    )


def test_settings(tmp_path):
    loaded = load(
        tmp_path,
        (GOOD / "settings.yaml").read_bytes(),
        SETTINGS + "closed_through: 2027-04-30\ntimezone: America/Chicago\n",
    )
    plan = loaded.project.plans[0]
    assert (plan.integration_id, plan.properties, plan.timezone) == (
        "resman-integration-98765",
        None,
        "America/New_York",
    )
    assert (plan.effective.first, plan.closed_through, plan.closed_period) == (
        dt.date(2027, 1, 1),
        dt.date(2027, 5, 31),
        "shift",
    )
    assert plan.owns == ("Rent", "0815")
    rent, trash = plan.charges
    assert (rent.prorate.method, rent.adjusts_drift, rent.who.resident) == ("thirty", True, "all")
    assert (rent.schedule, trash.schedule) == (Schedule(unit="month", count=1, day=1), None)
    assert trash.once == Once(dt.date(2027, 1, 1))


def test_a_charges_own_timing_shuts_out_the_defaults(tmp_path):
    plan = (
        HEAD
        + "defaults: {amount: 5.00, once: 2027-01-01, service: {from: 2027-01-01, through: 2027-01-31}}\ncharges:\n"
    )
    plan += "  a: {code: A}\n  b: {code: B, schedule: {every: month}}\n  c: {code: C, late_fee: {codes: [A], grace_days: 1, initial: 5.00}}\n"
    loaded = load(tmp_path, plan)
    a, b, c = (charge(loaded, index) for index in range(3))
    assert [each.once is None for each in (a, b, c)] == [False, True, True]
    assert (c.amount, c.schedule) == (None, None)


def test_the_later_closing_holds(tmp_path):
    loaded = load(tmp_path, PLAN + "closed_through: 2027-01-31\n", CONFIG + "closed_through: 2027-04-30\n")
    assert loaded.project.plans[0].closed_through == dt.date(2027, 4, 30)


def test_texts_are_what_was_written(tmp_path):
    plan = (
        PLAN.replace("code: Rent", "code: 0101").replace("[oak]", "[010, 2027-01-01, true]")
        + "    description: 2027\n"
    )
    loaded = load(tmp_path, plan)
    assert charge(loaded).code.name == "0101"
    assert loaded.project.plans[0].properties.keys() == {"010", "2027-01-01", "true"}
    assert charge(loaded).description.render({}) == "2027"


@pytest.mark.parametrize(("written", "cents"), [
    ("35.00", 3500), ('"$1,250.00"', 125000), ("$1,250.00", 125000), ("-100.00", -10000), ('"-$100.00"', -10000), ("{cents: 3500}", 3500), ("0.00", 0),
])  # fmt: skip
def test_money(tmp_path, written, cents):
    assert charge(load(tmp_path, HEAD + RENT + f"    amount: {written}\n")).amount == Fixed(cents)


def test_values_can_be_compared(tmp_path):
    first, second = load(tmp_path, PLAN).project, load(tmp_path, PLAN).project
    assert first == second
    assert msgspec.structs.replace(first, plans=()) != second


@pytest.mark.parametrize(("written", "base", "count", "unit"), [
    ("move_in", "move_in", 0, "days"),
    ("lease.start + 12 months", "lease.start", 12, "months"),
    ("lease.end - 1 day", "lease.end", -1, "days"),
    ("move_out+2 weeks", "move_out", 2, "weeks"),
    ("roster.signed", "roster.signed", 0, "days"),
    ("roster.signed-on + 1 year", "roster.signed-on", 1, "years"),
    ("roster.signed on - 3 days", "roster.signed on", -3, "days"),
])  # fmt: skip
def test_relative_dates(tmp_path, written, base, count, unit):
    plan = PLAN.replace("    schedule: {every: month}\n", "") + f"    once: {written}\n    roster: r.csv\n"
    loaded = load(tmp_path, plan, r__csv="unit,signed,signed-on,signed on\n1,2027-01-01,,\n")
    assert charge(loaded).once.on == RelativeDate(base, count, unit, written)
