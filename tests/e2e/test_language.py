"""Each construct of the plan language through the command line, against figures worked out by hand from the contract."""

from __future__ import annotations

import pytest

from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e.house import AS_OF, House, copy_of

HEAD = """\
version: 1
plan: {name}
integration: resman-main
properties: [oak-street]
owns: []
{more}charges:
"""
TABLES = "tables: {units: {file: units.csv, key: unit}}\nmoved: [{from: oak-street/pet-rent, to: renamed}]\n"
FILES = {
    "units.csv": "unit,fee,occupants\n204,12.34,3\n",
    "roster.csv": "unit,amount,day\n204,$75.00,2027-08-17\n203,,\n",
    "spaces.csv": "unit,space,price\n204,A,10.00\n204,B,20.00\n",
    "shares.csv": "resident_id,share\nresident-210a,50\nresident-210b,30\nresident-210c,20\n",
}
M = "schedule: {every: month, day: 1}"
RENT = "amount: {from: lease.rent}, " + M
LATE = "late_fee: {codes: [Rent], grace_days: 5, initial: 75.00, daily: 10.00"
FIRST = "2027-08-01"


def at(cents: int, day: str = FIRST, part: int = 0) -> list[tuple[str, int, int]]:
    """One line."""
    return [(day, cents, part)]


def each(cents: int, *days: str) -> list[tuple[str, int, int]]:
    """Lines of one amount."""
    return [(day, cents, 0) for day in days]


# Plan, charge, what it says, and unit by unit its lines (or why there is none).
# fmt: off
CASES = [
    # amounts
    ("august", "literal", f"amount: 35.00, {M}", {"204": at(3500)}),
    ("august", "cents", f"amount: {{cents: 1}}, {M}", {"204": at(1)}),
    ("august", "commas", f'amount: "$1,250.00", {M}', {"204": at(125000)}),
    ("august", "credit", f'amount: "-$100.00", {M}', {"204": at(-10000)}),
    ("august", "zero", f"amount: 0.00, {M}", {"204": "zero_amount"}),
    ("august", "rent", RENT, {"204": at(157500), "115": at(130500)}),  # 115: the renewal's rent
    ("august", "lease-market", f"amount: {{from: lease.market_rent}}, {M}", {"204": at(156000)}),
    ("august", "unit-market", f"amount: {{from: unit.market_rent}}, {M}", {"203": at(126500)}),
    ("august", "fee", f"amount: {{from: fee.Amenity Fee}}, {M}",
     {"101": at(1000), "112": at(4000), "204": at(2500)}),  # the unit's, the floor plan's, the property's
    ("august", "roster-column", f"amount: {{from: roster.amount}}, roster: roster.csv, {M}",
     {"204": at(7500), "203": "amount_missing", "202": "not_on_roster"}),
    ("august", "of-held", f"amount: {{percent: 10, of: roster-column}}, {M}",
     {"204": at(750), "203": "amount_missing", "202": "not_on_roster"}),
    ("august", "roster-item", f"amount: {{from: roster.price}}, roster: {{file: spaces.csv, item: space}}, {M}",
     {"204": [(FIRST, 1000, 0), (FIRST, 2000, 0)]}),
    ("august", "table", f"amount: {{from: table.units.fee}}, {M}", {"204": at(1234), "203": "amount_missing"}),
    ("august", "rate-table", f"amount: {{rate: 1.005, per: table.units.occupants}}, {M}", {"204": at(302)}),  # 3.015
    ("august", "percent", f"amount: {{percent: 12.5, of: lease.rent}}, {M}", {"204": at(19688)}),  # 196.875
    ("august", "of-charge", f"amount: {{percent: 10, of: actual}}, {M}",
     {"107": at(3813), "118": at(11352, "2027-08-15")}),  # 38.129, 113.516: of what is billed; its own line whole
    ("august", "pets", f"amount: {{rate: 35.00, per: resident.pets}}, {M}",
     {"204": at(3500), "210": at(7000), "212": at(3500), "203": "zero_amount"}),  # 212 has a service animal too
    ("august", "vehicles", f"amount: {{rate: 75.00, per: resident.vehicles}}, {M}", {"210": at(15000)}),
    ("august", "feet", f"amount: {{rate: 0.05, per: unit.square_feet}}, {M}", {"204": at(4960)}),  # 992 x 0.05
    ("august", "six-places", f"amount: {{rate: 0.123456, per: unit.square_feet}}, {M}", {"204": at(12247)}),  # 122.468352
    ("august", "bedrooms", f"amount: {{rate: 10.00, per: unit.bedrooms}}, {M}", {"112": at(3000), "101": "zero_amount"}),
    ("august", "residents", f"amount: {{rate: 5.00, per: lease.residents}}, {M}", {"210": at(1500), "112": at(500)}),
    ("august", "spread-4th", "amount: {spread: -1000.00, over: 12}, schedule: {every: month, from: 2027-05-01}",
     {"204": at(-8334)}),  # 12 x 83.33 = 999.96: four cents over, on the first four
    ("august", "spread-5th", "amount: {spread: -1000.00, over: 12}, schedule: {every: month, from: 2027-04-01}",
     {"204": at(-8333)}),
    ("august", "bill", ("amount: {allocate: 10726.00, weights: {unit.square_feet: 100}}, once: 2027-08-15, "
     "service: {from: 2027-06-01, through: 2027-06-30}"),
     {"204": at(9920, "2027-08-15"), "112": at(13440, "2027-08-15")}),  # 107260 feet: ten cents each
    ("august", "bill-common", ("amount: {allocate: 10726.00, common_area: 15, weights: {unit.square_feet: 100}}, "
     "once: 2027-08-15, service: {from: 2027-06-01, through: 2027-06-30}"),
     {"204": at(8432, "2027-08-15"), "112": at(11424, "2027-08-15")}),  # 8.5 cents a foot
    ("august", "bill-part", ("amount: {allocate: 10726.00, weights: {unit.square_feet: 100}}, once: 2027-08-31, "
     "service: {from: 2027-08-01, through: 2027-08-31}, prorate: actual"),
     {"107": at(1874, "2027-08-31")}),  # 48.40 x 12/31 = 18.7355
    # proration: 107 to the 12th at 985.00, 118 from the 15th at 2070.00, 121 to the 20th at 1265.00
    ("august", "actual", f"{RENT}, prorate: actual",
     {"107": at(38129), "118": at(113516, "2027-08-15"), "121": at(81613), "204": at(157500),
      "127": [(FIRST, 40323, 0), ("2027-08-11", 84677, 0)]}),  # 12/31, 17/31, 20/31; 1250.00 x 10/31 and 21/31
    ("august", "thirty", f"{RENT}, prorate: thirty",
     {"107": at(39400), "118": at(117300, "2027-08-15"), "204": at(157500)}),  # 12/30, 17/30
    ("august", "banker", f"{RENT}, prorate: banker",
     {"107": at(39400), "118": at(110400, "2027-08-15"), "121": at(84333)}),  # 12/30, (30-15+1)/30, 20/30
    ("august", "annual", f"{RENT}, prorate: annual",
     {"107": at(38860), "118": at(115693, "2027-08-15"), "204": at(157500)}),  # 144/365, 204/365
    ("august", "none", f"{RENT}, prorate: none", {"107": at(98500), "118": at(207000, "2027-08-15")}),
    ("august", "skip", f"{RENT}, prorate: skip", {"107": "partial_period", "204": at(157500)}),
    ("august", "edges", f"{RENT}, prorate: {{method: actual, move_in_day: false, move_out_day: false}}",
     {"118": at(106839, "2027-08-16"), "107": at(34952)}),  # 16/31, 11/31
    ("august", "stub", f"{RENT}, prorate: {{method: actual, stub: second}}", {"118": at(207000, "2027-08-15")}),
    # schedules; 2027-08-01 is a Sunday
    ("august", "day-31", "amount: 1.00, schedule: {every: month, day: 31}", {"204": at(100, "2027-08-31")}),
    ("august", "day-last", "amount: 1.00, schedule: {every: month, day: last}", {"204": at(100, "2027-08-31")}),
    ("august", "week", "amount: 1.00, schedule: {every: week, weekday: monday}",
     {"204": each(100, "2027-08-02", "2027-08-09", "2027-08-16", "2027-08-23", "2027-08-30")}),
    ("august", "two-weeks", "amount: 1.00, schedule: {every: 2 weeks, anchor: 2027-08-04}",
     {"204": each(100, "2027-08-04", "2027-08-18")}),
    ("august", "quarter", "amount: 1.00, schedule: {every: quarter}", {"204": "not_in_window"}),
    ("august", "three-months", "amount: 1.00, schedule: {every: 3 months, anchor: 2027-02-15}",
     {"204": at(100, "2027-08-15")}),
    ("august", "year", "amount: 1.00, schedule: {every: year, anchor: 2026-08-20}", {"204": at(100, "2027-08-20")}),
    ("august", "arrears", "amount: {from: lease.rent}, schedule: {every: month, bill: arrears}, prorate: actual",
     {"204": at(157500), "107": [(FIRST, 98500, 0), ("2027-08-13", 38129, 0)], "118": "not_in_window"}),
    ("august", "times-3", "amount: 1.00, schedule: {every: month, from: 2027-06-01, times: 3}", {"204": at(100)}),
    ("august", "times-2", "amount: 1.00, schedule: {every: month, from: 2027-06-01, times: 2}", {"204": "no_billed_days"}),
    ("august", "from", "amount: 31.00, schedule: {every: month, day: 1, from: 2027-08-10}, prorate: actual",
     {"204": at(2200, "2027-08-10")}),
    ("august", "through", "amount: 31.00, schedule: {every: month, through: 2027-08-20}, prorate: actual", {"204": at(2000)}),
    ("august", "ended", "amount: 31.00, schedule: {every: month, through: 2027-07-31}", {"204": "no_billed_days"}),
    ("august", "relative", "amount: 1.00, schedule: {every: month, day: 1, from: move_in + 5 months, times: 1}",
     {"204": at(100), "206": "no_billed_days"}),  # moved in on 1 March and 1 January
    ("august", "month-to-month", ("amount: 150.00, schedule: {every: month, day: 1, from: lease.end + 1 day}, "
     "prorate: actual, after_lease_end: continue"),
     {"130": at(7742, "2027-08-16"), "124": at(15000), "204": "no_billed_days"}),  # 16/31
    ("august", "once-in", "amount: 1.00, once: move_in + 2 weeks", {"118": at(100, "2027-08-29")}),
    ("august", "once-start", "amount: 1.00, once: lease.start + 5 months", {"204": at(100)}),
    ("august", "once-out", "amount: 1.00, once: move_out", {"107": at(100, "2027-08-12"), "204": "date_unknown"}),
    ("august", "once-roster", "amount: 1.00, once: roster.day, roster: roster.csv",
     {"204": at(100, "2027-08-17"), "203": "date_unknown"}),
    ("august", "once-service", "amount: 1.00, once: 2027-08-10, service: {from: 2027-07-01, through: 2027-07-31}",
     {"204": at(100, "2027-08-10"), "118": "no_billed_days"}),
    # steps
    ("august", "step", f'amount: 100.00, {M}, steps: [{{from: 2027-08-01, change: "+3.5%"}}]', {"204": at(10350)}),
    ("august", "step-set", f"amount: 100.00, {M}, mid_period: split, steps: [{{from: 2027-08-16, set: 131.00}}]",
     {"204": [(FIRST, 4839, 0), ("2027-08-16", 6761, 1)]}),  # 100 x 15/31, 131 x 16/31
    ("august", "step-next", f"amount: 100.00, {M}, steps: [{{from: 2027-08-16, set: 131.00}}]", {"204": at(10000)}),
    ("august", "step-round", f'amount: 99.99, {M}, steps: [{{from: 2027-08-01, change: "+3.5%", round_to: 1.00}}]',
     {"204": at(10300)}),  # 103.48965
    ("august", "step-twice", (f'amount: 10.05, {M}, steps: [{{from: 2027-07-01, change: "+5%"}}, '
     '{from: 2027-08-01, change: "+5%"}]'), {"204": at(1108)}),  # 10.5525: 10.55, and 11.0775
    ("august", "step-repeat", f'amount: 100.00, {M}, steps: [{{from: 2027-05-01, change: "+10.00", repeat: 1 month}}]',
     {"204": at(14000)}),  # May, June, July, August
    ("august", "step-old", f'{RENT}, steps: [{{from: 2027-02-01, change: "+100.00"}}]', {"204": at(157500)}),
    ("august", "step-lease", f'{RENT}, steps: [{{from: lease.start + 1 month, change: "+100.00"}}]', {"204": at(167500)}),
    # after the lease: 124 ended in May at 2110.00, 130 ends on the 15th at 2095.00
    ("august", "end-hold", RENT, {"124": "lease_ended", "130": at(209500)}),
    ("august", "end-stop", f"{RENT}, after_lease_end: stop, prorate: actual",
     {"124": "no_billed_days", "130": at(101371)}),  # 15/31
    ("august", "end-continue", f"{RENT}, after_lease_end: continue", {"124": at(211000), "130": at(209500)}),
    ("august", "end-next", f'{RENT}, after_lease_end: {{change: "+5%", start: next_period}}',
     {"124": at(221550), "130": at(209500)}),
    ("august", "end-day", f'{RENT}, after_lease_end: {{change: "+5%", start: day_after}}',
     {"130": [(FIRST, 101371, 0), ("2027-08-16", 113535, 1)]}),  # 2095.00 x 15/31, 2199.75 x 16/31
    # who shares
    ("august", "equal", f"amount: 100.00, {M}, split: equal",
     {"210": [(FIRST, 3333, 0), (FIRST, 3333, 0), (FIRST, 3334, 0)], "112": at(10000)}),
    ("august", "equal-part", f"amount: 31.01, {M}, split: equal, prorate: actual",
     {"118": [("2027-08-15", 850, 0), ("2027-08-15", 851, 0)]}),  # 17.0055: 17.01
    ("august", "equal-credit", f"amount: -100.00, {M}, split: equal",
     {"210": [(FIRST, -3334, 0), (FIRST, -3333, 0), (FIRST, -3333, 0)]}),
    ("august", "shares", f"amount: 100.00, {M}, roster: shares.csv, split: {{by: roster.share}}",
     {"210": [(FIRST, 2000, 0), (FIRST, 3000, 0), (FIRST, 5000, 0)]}),
    ("august", "everyone", f"amount: 10.00, {M}, who: {{resident: all, units: ['210', '112']}}",
     {"210": each(1000, FIRST, FIRST, FIRST), "112": at(1000)}),
    ("august", "has", f"amount: 10.00, {M}, who: {{has: [pets], units: ['203', '204']}}",
     {"203": "not_selected", "204": at(1000)}),
    ("august", "place", f"amount: 10.00, {M}, who: {{buildings: ['Gard*'], floor_plans: ['3BR*'], except: {{units: ['212']}}}}",
     {"112": at(1000), "212": "not_selected", "204": "not_selected", "206": "not_selected"}),
    ("august", "override", (f"amount: 10.00, {M}, overrides: [{{units: ['2*'], amount: 20.00, reason: a}}, "
     "{units: ['204'], amount: 30.00, reason: b}, {residents: [resident-203a], waive: true, reason: c}]"),
     {"101": at(1000), "202": at(2000), "204": at(3000), "203": "waived"}),
    ("august", "override-month", f"amount: 10.00, {M}, overrides: [{{from: 2027-09-01, amount: 20.00, reason: a}}]",
     {"204": at(1000)}),
    ("august", "renamed", f"amount: 35.00, {M}", {"204": at(3500)}),
    ("august", "text", (f"amount: 35.00, {M}, prorate: actual, description: "
     '"{{ charge.title }} {{ unit.number }} {{ period.label }} {{ line.date }} {{ line.days_billed }}/{{ period.days }}"'),
     {"118": at(1919, "2027-08-15")}),  # 35.00 x 17/31 = 19.1935
    ("august", "late-daily", LATE + "}", {"209": [(FIRST, 1000, 25), ("2027-08-02", 1000, 26)], "204": "nothing_late"}),
    # the books are closed
    ("shifted", "rent", RENT, {"204": at(157500, "2027-08-11"), "118": at(207000, "2027-08-15")}),
    ("skipped", "rent", RENT, {"204": "closed_period", "118": at(207000, "2027-08-15")}),
    # late fees of July: 209 owes 1255.00 since the 1st, late from the 7th on
    ("late", "capped", LATE + ", cap: {lesser: [150.00, {percent: 10, of: lease.rent}]}}",
     {"209": [("2027-07-07", 7500, 0), ("2027-07-08", 1000, 1), ("2027-07-09", 1000, 2), ("2027-07-10", 1000, 3),
              ("2027-07-11", 1000, 4), ("2027-07-12", 1000, 5), ("2027-07-13", 50, 6)], "204": "nothing_late"}),  # to 125.50
    ("late", "initial-only", "late_fee: {codes: [Rent], grace_days: 5, initial: {percent: 5, of: lease.rent}}",
     {"209": at(6275, "2027-07-07")}),
    ("late", "minimum", "late_fee: {codes: [Rent], grace_days: 5, initial: 75.00, minimum_balance: 1255.00}",
     {"209": "nothing_late"}),  # not more than the minimum
    # September to May; the lease of 204 ends on 2028-02-29
    ("later", "day-31", "amount: 1.00, schedule: {every: month, day: 31, from: 2027-10-31}",
     {"204": each(100, "2027-10-31", "2027-11-30", "2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31",
                  "2028-04-30", "2028-05-31")}),
    ("later", "day-30", "amount: 1.00, schedule: {every: month, day: 30, from: 2028-01-01}",
     {"204": [("2028-01-01", 100, 0), *each(100, "2028-01-30", "2028-02-29", "2028-03-30", "2028-04-30", "2028-05-30")]}),
    ("later", "day-last", "amount: 1.00, schedule: {every: month, day: last, from: 2028-02-29}",
     {"204": each(100, "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31")}),
    ("later", "quarter", "amount: 1.00, schedule: {every: quarter}",
     {"204": each(100, "2027-10-01", "2028-01-01", "2028-04-01")}),
    ("later", "year", "amount: 1.00, schedule: {every: year}", {"204": at(100, "2028-01-01")}),
    ("later", "two-months", "amount: 1.00, schedule: {every: 2 months, anchor: 2027-09-15}",
     {"204": each(100, "2027-09-15", "2027-11-15", "2028-01-15", "2028-03-15", "2028-05-15")}),
    ("later", "stub", ("amount: {from: lease.rent}, prorate: {method: actual, stub: second}, "
     "schedule: {every: month, through: 2027-10-31}"),
     {"118": [("2027-09-01", 113516, 0), ("2027-10-01", 207000, 0)]}),  # August's 17/31
    ("later", "rise", f'{RENT}, steps: [{{from: lease.start + 12 months, change: "+3.5%", repeat: 12 months}}]',
     {"204": [*each(157500, "2027-09-01", "2027-10-01", "2027-11-01", "2027-12-01", "2028-01-01", "2028-02-01"),
              *each(163013, "2028-03-01", "2028-04-01", "2028-05-01")]}),  # 1630.125
    ("later", "banker", ("amount: 30.00, prorate: banker, "
     "schedule: {every: month, day: 1, from: 2028-02-10, through: 2028-02-29}"), {"204": at(2100, "2028-02-10")}),  # 10..30
    ("later", "times", "amount: 1.00, schedule: {every: month, from: 2027-10-15, times: 2}",
     {"204": each(100, "2027-10-15", "2027-11-15")}),
]
# fmt: on
MORE = {
    "august": TABLES,
    "shifted": "closed_through: 2027-08-10\nclosed_period: shift\n",
    "skipped": "closed_through: 2027-08-10\nclosed_period: skip\n",
    "late": "",
    "later": "defaults: {after_lease_end: continue}\n",
}
RUNS = {
    ("august", "shifted", "skipped"): ("--period", "2027-08"),
    ("late",): ("--period", "2027-07"),
    ("later",): ("--from", "2027-09-01", "--through", "2028-05-31"),
}


def plan_of(name: str) -> str:
    """The file of one plan."""
    text = HEAD.format(name=name, more=MORE[name])
    for plan, charge, body, units in CASES:
        if plan == name:
            who = "" if "who:" in body else f", who: {{units: [{', '.join(repr(each) for each in units)}]}}"
            code = "Late Fee" if "late_fee" in body else "Damage"
            text += f"  {charge}: {{code: {code}, {body}{who}}}\n"
    return text


@pytest.fixture(scope="module")
def documents(seeded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("language")
    with Sandbox.open(copy_of(seeded, folder / "state.db")) as state, serve(state) as served:
        made = House(folder / "project", state, served.url)
        made.config()
        config = made.folder / "chargeplan.yaml"
        config.write_text(config.read_text().replace("vendor: RESMAN", "vendor: RESMAN\n    credits: post"))
        (made.plans / "oak.yaml").unlink()
        for name, text in FILES.items():
            made.write(text, name)
        for name in MORE:
            made.write(plan_of(name), f"{name}.yaml")
        assert made.run("journal", "init").code == 0
        found = {}
        for names, window in RUNS.items():
            chosen = [word for name in names for word in ("--plan", name)]
            result = made.run("plan", "--as-of", AS_OF, *window, *chosen, "--json", "--all")
            assert result.code == 0, result.out + result.err
            found.update(dict.fromkeys(names, result.json))
        yield found


def of_unit(rows, plan: str, charge: str, unit: str) -> list[dict]:
    """The rows of one charge in one unit."""
    return [
        row
        for row in rows
        if (row["plan"], row["charge"].split("/")[0]) == (plan, charge) and row["unit_number"] == unit
    ]


@pytest.mark.parametrize(
    ("plan", "charge", "unit", "expected"),
    [
        pytest.param(plan, charge, unit, expected, id=f"{plan}-{charge}-{unit}")
        for plan, charge, _, units in CASES
        for unit, expected in units.items()
    ],
)
def test_the_language(documents, plan, charge, unit, expected):
    changes = of_unit(documents[plan]["changes"], plan, charge, unit)
    skips = of_unit(documents[plan]["skips"], plan, charge, unit)
    lines = [row for row in changes if row["action"] == "create"]
    if isinstance(expected, str):
        assert not lines
        assert {row["reason"] for row in changes + skips} == {expected}
    else:
        found = [(row["transaction_date"], row["amount_in_cents"], row["part"]) for row in lines]
        assert sorted(found) == sorted(expected)
        assert len(changes) == len(lines)


def test_a_renamed_charge_keeps_its_key(documents):
    (line,) = of_unit(documents["august"]["changes"], "august", "renamed", "204")
    assert line["reference_number"] == "CPTHWVHX5P09VRZ0YS"


def test_texts_are_filled_in(documents):
    (line,) = of_unit(documents["august"]["changes"], "august", "text", "118")
    assert line["description"] == "Text 118 August 2027 2027-08-15 17/31"
