"""An accountant's table: policies as leases, statutes and bills state them, written as plans, with the figures worked out by hand.

Each row names where the policy comes from; its arithmetic stands beside the figures and is none of the program's. A line
reads ``DATE CHARGE AMOUNT``, or the reason for which it is held and what is missing; the whole window is told, so that
what is not there is not billed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from chargeplan.core.observed import ChargeCode, Lease, LeaseResident, Resident, SyncedCharge
from chargeplan.core.terms import what_is_missing
from tests.core.builders import INTEGRATION, d, expanded, lease, observed, unit
from tests.loading.helpers import HEAD, load, told


class Policy(NamedTuple):
    """``plan`` is what follows a plan's head; ``homes`` are leases, ``given`` other facts of the property."""

    source: str
    plan: str
    lines: str
    window: tuple[str, str] = ("2027-08-01", "2027-08-31")
    files: dict[str, str] = {}  # noqa: RUF012 - read, never written
    homes: Sequence[Lease] = (lease(rent="1,500.00"),)
    given: dict[str, Any] = {}  # noqa: RUF012


MONTHLY = "    schedule: {every: month, day: 1}\n"
RENT = "  rent:\n    code: Rent\n    amount: {from: lease.rent}\n" + MONTHLY


def charge(name: str, amount: str, *rest: str, code: str = "Fee", when: str = MONTHLY) -> str:
    more = "".join(f"    {each}\n" for each in rest)
    return f"  {name}:\n    code: {code}\n    amount: {amount}\n{when}{more}"


def meters(used: str) -> dict[str, str]:
    return {"meters.csv": f"unit,period,used\n101,2027-08,{used}\n"}


METERS = "tables: {meters: {file: meters.csv, key: [unit, period]}}\n"
# A city's water: 20.00 a month, 2,000 gallons free, 6.13 a thousand through 10,000, 7.65 a thousand above.
CITY_WATER = (
    METERS
    + "charges:\n"
    + charge(
        "water",
        "{tiers: [{through: 2000, rate: 0}, {through: 10000, rate: 0.00613}, {rate: 0.00765}], per: table.meters.used, plus: 20.00}",
    )
)
PETS = tuple(Resident(id=name, property_id="oak-id", pets=count) for name, count in (("ann", 2), ("bob", 1)))


def once(day: str) -> str:
    return f"    once: {day}\n"


def quarterly(more: str) -> str:
    return f"    schedule: {{every: quarter, {more}}}\n"


AMOUNTS = [
    Policy(
        "a city's water by tiers, within the allowance",
        CITY_WATER,
        "2027-08-01 water 20.00",
        files=meters("2000"),
    ),
    Policy(
        "a city's water by tiers, within the second",
        CITY_WATER,
        "2027-08-01 water 38.39",
        files=meters("5000"),
    ),  # 3,000 x 0.00613 = 18.39
    Policy(
        "a city's water by tiers, at the second's edge",
        CITY_WATER,
        "2027-08-01 water 69.04",
        files=meters("10000"),
    ),  # 8,000 x 0.00613 = 49.04
    Policy(
        "a city's water by tiers, in the third", CITY_WATER, "2027-08-01 water 88.17", files=meters("12500")
    ),  # 49.04 + 2,500 x 0.00765 = 19.125
    Policy(
        "a city's water, a month without a reading",
        CITY_WATER,
        "2027-08-01 water amount_missing: plans/meters.csv has no row 101 2027-08",
        files={"meters.csv": "unit,period,used\n101,2027-07,5000\n"},
    ),
    Policy(
        "tiers that end, and a reading above them",
        METERS
        + "charges:\n"
        + charge("water", "{tiers: [{through: 2000, rate: 0.005}], per: table.meters.used}"),
        "2027-08-01 water amount_missing: a rate for 1 above 2000",
        files=meters("2001"),
    ),
    Policy(
        "electricity by a submeter's two readings",
        "tables: {meters: {file: meters.csv, key: [unit, period]}}\ncharges:\n"
        + charge("electric", "{rate: 0.12, per: {from: table.meters.now, less: table.meters.before}}"),
        "2027-08-01 electric 77.04",  # 14,312 - 13,670 = 642 kWh x 0.12
        files={"meters.csv": "unit,period,before,now\n101,2027-08,13670,14312\n"},
    ),
    Policy(
        "a meter that was exchanged reads less than before",
        METERS.replace("used", "now")
        + "charges:\n"
        + charge("electric", "{rate: 0.12, per: {from: table.meters.now, less: table.meters.before}}"),
        "2027-08-01 electric amount_missing: table.meters.now, plans/meters.csv:2: it reads 12, less than 13670 before",
        files={"meters.csv": "unit,period,before,now\n101,2027-08,13670,12\n"},
    ),
    Policy(
        "first pet free, 35.00 for each other",
        "charges:\n" + charge("pets", "{rate: 35.00, per: resident.pets, plus: -35.00, at_least: 0.00}"),
        "2027-08-01 pets 70.00",
        homes=[lease("ann", "bob")],
        given={"residents": PETS},
    ),  # 3 pets
    Policy(
        "first pet free, and there is one",
        "charges:\n" + charge("pets", "{tiers: [{through: 1, rate: 0}, {rate: 35.00}], per: resident.pets}"),
        "",
        homes=[lease("bob")],
        given={"residents": PETS},
    ),
    Policy(
        "40.00 for the first pet, 25.00 for each other",
        "charges:\n"
        + charge("pets", "{tiers: [{through: 1, rate: 40.00}, {rate: 25.00}], per: resident.pets}"),
        "2027-08-01 pets 90.00",
        homes=[lease("ann", "bob")],
        given={"residents": PETS},
    ),
    Policy(
        "office rent: 10.00 a square foot and year, by the month",
        "charges:\n" + charge("rent", "{rate: 10.00, per: unit.square_feet, divided_by: 12}"),
        "2027-08-01 rent 41,666.67",
        given={"units": (unit("101", square_feet=50_000),)},
    ),
    Policy(
        "common area maintenance: 2.85 a square foot and year, 25.00 a month at least",
        "charges:\n" + charge("cam", "{rate: 2.85, per: unit.square_feet, divided_by: 12, at_least: 25.00}"),
        "2027-08-01 cam 25.00",
        given={"units": (unit("101", square_feet=100),)},
    ),  # 23.75
    Policy(
        "administration: 5 % of the rent, 60.00 at most",
        "charges:\n" + charge("admin", "{percent: 5, of: lease.rent, at_most: 60.00}"),
        "2027-08-01 admin 60.00",
    ),  # 75.00
    Policy(
        "a tariff in the roster: its own rate and base",
        "charges:\n"
        + charge(
            "electric",
            "{rate: {from: roster.rate}, per: roster.kwh, plus: {from: roster.base}}",
            "roster: t.csv",
        ),
        "2027-08-01 electric 92.27",  # 641 x 0.1285 = 82.3685, and 9.90
        files={"t.csv": "unit,rate,kwh,base\n101,0.1285,641,9.9\n"},
    ),
    Policy(
        "a payment plan of the roster: 1,000.00 in three",
        "charges:\n"
        + charge(
            "arrears",
            "{spread: {from: roster.owed}, over: {from: roster.months}}",
            "roster: p.csv",
            when="    schedule: {every: month, day: 1, from: roster.since}\n",
        ),
        "2027-08-01 arrears 333.34\n2027-09-01 arrears 333.33\n2027-10-01 arrears 333.33",
        window=("2027-08-01", "2028-07-31"),
        files={"p.csv": "unit,owed,months,since\n101,1000,3,2027-08-01\n"},
    ),
    Policy(
        "an amount that nobody owes, of a slipped row",
        "charges:\n" + charge("electric", "{rate: {from: roster.rate}, per: roster.kwh}", "roster: t.csv"),
        "2027-08-01 electric amount_missing: an amount of less than ten billion",
        files={"t.csv": "unit,rate,kwh\n101,999999,999999\n"},
    ),
]

PERCENTAGES = [
    Policy(
        "a lodging tax of 13.25 % on stay and cleaning",
        "charges:\n"
        + charge("stay", "1200.00")
        + charge("cleaning", "85.00", when=once("2027-08-20"))
        + charge("tax", "{percent: 13.25, of: [stay, cleaning]}"),
        "2027-08-01 stay 1,200.00\n2027-08-01 tax 170.26\n2027-08-20 cleaning 85.00",
    ),  # 1,285.00 x 0.1325 = 170.2625
    Policy(
        "the same tax in a month without cleaning",
        "charges:\n"
        + charge("stay", "1200.00")
        + charge("cleaning", "85.00", when=once("2027-08-20"))
        + charge("tax", "{percent: 13.25, of: [stay, cleaning]}"),
        "2027-09-01 stay 1,200.00\n2027-09-01 tax 159.00",
        window=("2027-09-01", "2027-09-30"),
    ),
    Policy(
        "an employee discount of 25 % that ends on 15 August",
        "charges:\n"
        + RENT
        + charge(
            "discount",
            "{percent: -25, of: rent}",
            "prorate: actual",
            code="Credit",
            when="    schedule: {every: month, day: 1, through: 2027-08-15}\n",
        ),
        "2027-08-01 discount -181.45\n2027-08-01 rent 1,500.00",
    ),  # 1,500.00 x 15/31 = 725.806…, a quarter of it
    Policy(
        "the same discount in the month of the move-in",
        "charges:\n"
        + RENT
        + "    prorate: actual\n"
        + charge("discount", "{percent: -25, of: rent}", "prorate: actual", code="Credit"),
        "2027-08-18 discount -169.36\n2027-08-18 rent 677.42",  # 1,500.00 x 14/31; 677.42 / 4 = 169.355
        homes=[lease(rent="1,500.00", start="2027-08-18", moved_in="2027-08-18")],
    ),
    Policy(
        "first month free, at the move-in",
        "charges:\n"
        + RENT
        + "    prorate: actual\n"
        + charge("free", "{percent: -100, of: rent}", code="Credit", when=once("move_in")),
        "2027-08-18 free -677.42\n2027-08-18 rent 677.42",
        homes=[lease(rent="1,500.00", start="2027-08-18", moved_in="2027-08-18")],
    ),
    Policy(
        "second month free, from a month after a move-in on the 18th",
        "charges:\n"
        + RENT
        + charge(
            "free",
            "{percent: -100, of: rent}",
            code="Credit",
            when="    schedule: {every: month, from: move_in + 1 month, times: 1}\n",
        ),
        "2027-09-01 rent 1,500.00\n2027-09-18 free -1,500.00",
        window=("2027-09-01", "2027-09-30"),
        homes=[lease(rent="1,500.00", start="2027-08-18", moved_in="2027-08-18")],
    ),
    Policy(
        "rent tax of 10 % billed on the 5th",
        "charges:\n"
        + RENT
        + charge("tax", "{percent: 10, of: rent}", when="    schedule: {every: month, day: 5}\n"),
        "2027-08-01 rent 1,500.00\n2027-08-05 tax 150.00",
    ),
    Policy(
        "a management fee of 3 % of a quarter's rent, in arrears",
        "charges:\n"
        + RENT
        + charge("fee", "{percent: 3, of: rent}", when=quarterly("day: 1, bill: arrears")),
        "2027-10-01 fee 135.00\n2027-10-01 rent 1,500.00",
        window=("2027-10-01", "2027-10-31"),
    ),  # 4,500.00 x 0.03
    Policy(
        "a quarter's fee on a rent that was raised in it",
        "charges:\n"
        + RENT
        + "    steps: [{from: 2027-09-01, set: 1600.00}]\n"
        + charge(
            "fee",
            "{percent: 3, of: rent, at_least: 100.00, at_most: 137.00}",
            when=quarterly("day: 1, bill: arrears"),
        ),
        "2027-10-01 fee 137.00\n2027-10-01 rent 1,600.00",
        window=("2027-10-01", "2027-10-31"),
    ),  # 4,600.00 x 0.03 = 138.00
    Policy(
        "a household's own quarter that cuts the months of the rent",
        "charges:\n"
        + RENT
        + charge("fee", "{percent: 3, of: rent}", when="    schedule: {every: quarter, from: move_in}\n"),
        "2027-08-01 rent 1,500.00\n2027-08-18 fee amount_missing: `rent` for fee's days: their periods do not meet\n",
        homes=[lease(rent="1,500.00", start="2027-02-18", moved_in="2027-02-18")],
    ),
    Policy(
        "a percentage of what is held is held for the same reason",
        "charges:\n" + charge("fee", "{from: lease.market_rent}") + charge("tax", "{percent: 10, of: fee}"),
        "2027-08-01 fee amount_missing: lease.market_rent of lease-1\n2027-08-01 tax amount_missing: what it is a percentage of",
    ),
]

TURNOVER = [
    lease("ann", name="l1", end="2027-08-10", moved_out="2027-08-10"),
    lease("bob", name="l2", start="2027-08-11", moved_in="2027-08-11"),
]
SUBLETTERS = (
    LeaseResident("ann", "PRIMARY"),
    LeaseResident("bob", "SECONDARY", None, d("2027-08-15")),
    LeaseResident("cy", "SECONDARY", d("2027-08-16"), None),
)
BILL = {"bill.csv": "unit,amount,used\n101,83.12,94\n"}


def july_bill(amount: str, *rest: str) -> str:
    return "charges:\n" + charge(
        "bill",
        amount,
        "service: {from: 2027-08-01, through: 2027-08-31}",
        "roster: bill.csv",
        *rest,
        when=once("2027-08-31"),
    )


UNITS = [
    Policy(
        "a unit's bill of 83.12 at a turnover, by days",
        july_bill("{from: roster.amount}"),
        "2027-08-31 bill 26.81 ann\n2027-08-31 bill 56.31 bob",
        files=BILL,
        homes=TURNOVER,
    ),  # 83.12 x 10/31 = 26.8129
    Policy(
        "the same bill, whole to each",
        july_bill("{from: roster.amount}", "turnover: each"),
        "2027-08-31 bill 83.12 ann\n2027-08-31 bill 83.12 bob",
        files=BILL,
        homes=TURNOVER,
    ),
    Policy(
        "a unit's meter of 94 x 0.12 at a turnover",
        july_bill("{rate: 0.12, per: roster.used}"),
        "2027-08-31 bill 3.64 ann\n2027-08-31 bill 7.64 bob",
        files=BILL,
        homes=TURNOVER,
    ),  # 11.28 x 10/31 = 3.6387
    Policy(
        "the same meter, each for their own days",
        july_bill("{rate: 0.12, per: roster.used}", "prorate: actual"),
        "2027-08-31 bill 3.64 ann\n2027-08-31 bill 7.64 bob",
        files=BILL,
        homes=TURNOVER,
    ),
    Policy(
        "out and in on one day: its day is billed to both, the bill once",
        july_bill("{from: roster.amount}", "prorate: actual"),
        "2027-08-31 bill 28.57 ann\n2027-08-31 bill 54.55 bob",  # 11 and 21 days of 32: 28.5725 and 54.5475
        files=BILL,
        homes=[lease("ann", name="l1", end="2027-08-11", moved_out="2027-08-11"), TURNOVER[1]],
    ),
    Policy(
        "a unit's credit at a turnover",
        july_bill("{from: roster.amount}"),
        "2027-08-31 bill -26.81 ann\n2027-08-31 bill -56.31 bob",
        files={"bill.csv": "unit,amount\n101,-83.12\n"},
        homes=TURNOVER,
    ),
    Policy(
        "a unit's bill to each resident: once among three roommates, by days",
        july_bill("{from: roster.amount}", "who: {resident: all}"),
        # 15.5, 7.5 and 8 of 31 days of 83.12: 41.56, 20.1097, 21.4503
        "2027-08-31 bill 41.56 ann\n2027-08-31 bill 20.11 bob\n2027-08-31 bill 21.45 cy",
        files=BILL,
        homes=[lease(*SUBLETTERS)],
    ),
    Policy(
        "a unit's bill to each resident at a turnover",
        july_bill("{from: roster.amount}", "who: {resident: all}"),
        "2027-08-31 bill 13.41 ann\n2027-08-31 bill 13.40 al\n2027-08-31 bill 56.31 bob",  # 26.81 in halves
        files=BILL,
        homes=[
            lease("ann", "al", name="l1", end="2027-08-10", moved_out="2027-08-10"),
            TURNOVER[1],
        ],
    ),
    Policy(
        "a unit's bill to each resident, whole to each",
        july_bill("{from: roster.amount}", "who: {resident: all}", "turnover: each"),
        "2027-08-31 bill 83.12 ann\n2027-08-31 bill 83.12 bob\n2027-08-31 bill 83.12 cy",
        files=BILL,
        homes=[lease(*SUBLETTERS)],
    ),
    Policy(
        "three roommates, one out on the 15th, one in on the 16th",
        "charges:\n" + RENT + "    split: equal\n",
        "2027-08-01 rent 1,000.00 ann\n2027-08-01 rent 483.87 bob\n2027-08-01 rent 516.13 cy",  # 15.5, 7.5 and 8 of 31 days
        homes=[lease(*SUBLETTERS, rent="2,000.00")],
    ),
    Policy(
        "a roommate who comes on the 21st pays for eleven days",
        "charges:\n" + RENT + "    split: equal\n",
        "2027-08-01 rent 822.58 ann\n2027-08-01 rent 177.42 cy",  # 11/2 of 31 days: 177.419
        homes=[lease(SUBLETTERS[0], LeaseResident("cy", "SECONDARY", d("2027-08-21"), None))],
    ),
    Policy(
        "shares of 60 and 40 while both are there",
        "charges:\n" + RENT + "    split: {by: roster.share}\n    roster: s.csv\n",
        "2027-08-01 rent 858.06 ann\n2027-08-01 rent 141.94 cy",  # 11 days x 40/100 = 4.4 of 31: 141.935
        files={"s.csv": "resident_id,share\nann,60\ncy,40\n"},
        homes=[lease(SUBLETTERS[0], LeaseResident("cy", "SECONDARY", d("2027-08-21"), None))],
    ),
]

STUDENT = [
    lease(start="2027-08-20", end="2028-07-31", moves_in="2027-08-20", rent="1,000.00", status="PENDING")
]
NOTICE = [
    lease(end="2027-08-31", moved_in="2027-01-01", moved_out="2027-08-05", rent="1,500.00", status="INACTIVE")
]


def contract(name: str, amount: str, when: str, *rest: str) -> str:
    return "charges:\n" + charge(name, amount, "basis: contract", *rest, when=when)


CONTRACTS = [
    Policy(
        "a student's contract: twelve instalments from 1 August of a lease from the 20th",
        contract(
            "rent", "{spread: 12000.00, over: 12}", "    schedule: {every: month, day: 1, from: 2027-08-01}\n"
        ),
        "2027-08-01 rent 1,000.00",
        homes=STUDENT,
    ),
    Policy(
        "ten instalments from June, before the lease begins",
        contract(
            "rent", "{spread: 10000.01, over: 10}", "    schedule: {every: month, day: 1, from: 2027-06-01}\n"
        ),
        "\n".join(
            f"{day}-01 rent 1,000.0{day == '2027-06':d}"
            for day in (
                "2027-06",
                "2027-07",
                "2027-08",
                "2027-09",
                "2027-10",
                "2027-11",
                "2027-12",
                "2028-01",
                "2028-02",
                "2028-03",
            )
        ),
        window=("2027-05-01", "2028-12-31"),
        homes=STUDENT,
    ),
    Policy(
        "an admin fee two weeks before the lease",
        contract("admin", "150.00", once("lease.start - 14 days")),
        "2027-08-06 admin 150.00",
        homes=STUDENT,
    ),
    Policy(
        "pending leases, where the plan lists the active ones only",
        contract("admin", "150.00", once("lease.start - 14 days"), "who: {lease_status: [ACTIVE]}"),
        "",
        homes=STUDENT,
    ),
    Policy(
        "damages a month after the move-out",
        contract("damages", "{from: roster.amount}", once("move_out + 1 month"), "roster: d.csv"),
        "2027-09-05 damages 312.40",
        window=("2027-09-01", "2027-09-30"),
        files={"d.csv": "unit,amount\n101,312.4\n"},
        homes=NOTICE,
    ),
    Policy(
        "rent through a notice: who moved out on the 5th owes through the 31st",
        contract("rent", "{from: lease.rent}", MONTHLY, "prorate: actual"),
        "2027-08-01 rent 1,500.00",
        homes=NOTICE,
    ),
    Policy(
        "rent through the notice that the roster says, or the move-out if that is later",
        contract(
            "rent",
            "{from: lease.rent}",
            "    schedule: {every: month, day: 1, through: {latest: [move_out, roster.notice]}}\n",
            "prorate: actual",
            "roster: n.csv",
        ),
        "2027-08-01 rent 725.81",  # 1,500.00 x 15/31
        files={"n.csv": "unit,notice\n101,2027-08-15\n"},
        homes=NOTICE,
    ),
    Policy(
        "neither a notice nor a move-out is known: the contract's own end is the end",
        contract(
            "rent",
            "{from: lease.rent}",
            "    schedule: {every: month, day: 1, through: {latest: [move_out, roster.notice]}}\n",
            "prorate: actual",
            "roster: n.csv",
        ),
        "2027-08-01 rent 1,500.00\n2027-09-01 rent 750.00",  # 1,500.00 x 15/30
        window=("2027-08-01", "2027-12-31"),
        files={"n.csv": "unit,notice\n101,\n"},
        homes=[lease(end="2027-09-15", rent="1,500.00")],
    ),
    Policy(
        "a first day that nobody knows never comes",
        contract(
            "rent",
            "{from: lease.rent}",
            "    schedule: {every: month, day: 1, from: {earliest: [roster.notice, roster.other]}}\n",
            "roster: n.csv",
        ),
        "",
        files={"n.csv": "unit,notice,other\n101,,\n"},
    ),
    Policy(
        "a contract's first and last month count its days, not those lived",
        contract("rent", "{from: lease.rent}", MONTHLY, "prorate: actual"),
        "2027-08-20 rent 387.10",  # 1,000.00 x 12/31
        homes=[lease(start="2027-08-20", end="2028-07-31", moved_in="2027-08-25")],
    ),
]


def owed(**more: Any) -> dict[str, Any]:
    """Rent of 1,000.00 due on the 1st, of which 100.00 is still open."""
    values: dict[str, Any] = {
        "id": "c1", "resident_id": "ann", "charge_code_id": "code-Rent", "amount": 100_000, "transaction_date": d("2027-08-01"),
        "open_amount": 10_000, "lease_id": "lease-1",
    }  # fmt: skip
    return {"charges": (SyncedCharge(**(values | more)),)}


def fee(rule: str) -> str:
    return f"charges:\n  late:\n    code: Late\n    late_fee: {{codes: [Rent], {rule}}}\n"


UNPAID = owed(open_amount=100_000)
AT_HOME = [lease()]  # rent 1,000.00
LATE = [
    Policy(
        "Tennessee (TCA 66-28-201): 10 % of the amount past due, after five days",
        fee("grace_days: 5, initial: {percent: 10, of: open}"),
        "2027-08-07 late 10.00",
        homes=AT_HOME,
        given=owed(),
    ),
    Policy(
        "North Carolina (GS 42-46): the greater of 15.00 and 5 % of the rent, after five days",
        fee("grace_days: 5, initial: 10000.00, cap: {greater: [15.00, {percent: 5, of: lease.rent}]}"),
        "2027-08-07 late 50.00",
        homes=AT_HOME,
        given=UNPAID,
    ),
    Policy(
        "New York (RPL 238-a): the lesser of 50.00 and 5 % of the rent, after five days",
        fee("grace_days: 5, initial: 10000.00, cap: {lesser: [50.00, {percent: 5, of: lease.rent}]}"),
        "2027-08-07 late 40.00",
        homes=[lease(rent="800.00")],
        given=UNPAID,
    ),
    Policy(
        "Virginia (55.1-1204): the lesser of 10 % of the rent and 10 % of what is owed",
        fee(
            "grace_days: 5, initial: 10000.00, cap: {lesser: [{percent: 10, of: lease.rent}, {percent: 10, of: open}]}"
        ),
        "2027-08-07 late 10.00",
        homes=AT_HOME,
        given=owed(),
    ),
    Policy(
        "Maine (14 MRS 6028): 4 % of the rent, after fifteen days",
        fee("grace_days: 15, initial: {percent: 4, of: lease.rent}"),
        "2027-08-17 late 40.00",
        homes=AT_HOME,
        given=UNPAID,
    ),
    Policy(
        "Oregon (ORS 90.260): 5 % of the rent for each five days, from the fifth day on",
        fee(
            "grace_days: 4, initial: {percent: 5, of: lease.rent}, repeat: {amount: {percent: 5, of: lease.rent}, every: 5 days}"
        ),
        "2027-08-06 late 50.00\n2027-08-11 late 50.00\n2027-08-16 late 50.00",
        homes=AT_HOME,
        given=UNPAID,
        window=("2027-08-01", "2027-08-20"),
    ),
    Policy(
        "a first fee and 10.00 a day, up to 100.00",
        fee("grace_days: 5, initial: 75.00, daily: 10.00, cap: 100.00"),
        "2027-08-07 late 75.00\n2027-08-08 late 10.00\n2027-08-09 late 10.00\n2027-08-10 late 5.00",
        homes=AT_HOME,
        given=UNPAID,
    ),
    Policy(
        "interest of 1.5 % a month of what is open, from the 31st on",
        fee(
            "grace_days: 29, initial: {percent: 1.5, of: open}, repeat: {amount: {percent: 1.5, of: open}, every: month}"
        ),
        "2027-08-31 late 15.00\n2027-09-30 late 15.00\n2027-10-31 late 15.00",
        homes=AT_HOME,
        given=UNPAID,
        window=("2027-08-01", "2027-10-31"),
    ),
    Policy(
        "a bill of the 1st that came on the ledger on the 20th is late from then",
        fee("grace_days: 5, initial: 75.00"),
        "2027-08-26 late 75.00",
        homes=AT_HOME,
        given=owed(open_amount=100_000, created_at="2027-08-20T15:00:00.000Z"),
    ),
]

POLICIES = [*AMOUNTS, *PERCENTAGES, *UNITS, *CONTRACTS, *LATE]


@pytest.mark.parametrize("policy", POLICIES, ids=[each.source for each in POLICIES])
def test_policy(policy: Policy, tmp_path: Any) -> None:
    files = {name.replace(".", "__"): text for name, text in policy.files.items()}
    loaded = load(tmp_path, HEAD + policy.plan, **files)
    assert told(loaded.diagnostics) == []
    assert loaded.project is not None
    assert billed(loaded.project.plans[0], policy) == sorted(policy.lines.strip().splitlines())


def billed(plan: Any, policy: Policy) -> list[str]:
    codes = tuple(ChargeCode(f"code-{name}", "oak-id", name) for name in ("Rent", "Fee", "Credit", "Late"))
    seen = observed(*policy.homes, **({"charge_codes": codes} | policy.given))
    first, last = (d(day) for day in policy.window)
    expansion = expanded(plan, seen=seen, window=policy.window, integration=INTEGRATION)
    assert [each.summary for each in expansion.diagnostics if each.is_error] == []
    several = len(policy.homes) > 1 or any(each.split or each.who.resident == "all" for each in plan.charges)
    return sorted(
        f"{line.natural_date} {line.charge} {words(line)}" + (f" {line.key.resident_id}" if several else "")
        for household in expansion.households
        for bill in household.bills
        for line in bill.lines
        if first <= line.natural_date <= last
    )


def words(line: Any) -> str:
    if line.hold:
        missing = what_is_missing(line.term)
        return f"{line.hold}: {missing}" if missing else line.hold
    sign = "-" if line.amount < 0 else ""
    return f"{sign}{abs(line.amount) // 100:,}.{abs(line.amount) % 100:02d}"
