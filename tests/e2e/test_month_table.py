"""A whole property's month against a table made by hand (`hand.py`, `month.csv`)."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.e2e import hand

TABLE = Path(__file__).with_name("month.csv")
PLAN = """\
version: 1
plan: oak-street
integration: resman-main
properties: [oak-street]
charges:
  rent:
    code: Rent
    amount: {from: lease.rent}
    schedule: {every: month, day: 1}
    prorate: actual
  pet-rent:
    code: Pet Rent
    amount: {rate: 35.00, per: resident.pets}
    schedule: {every: month, day: 1}
    prorate: actual
  parking:
    code: Parking
    amount: 75.00
    roster: parking.csv
    schedule: {every: month, day: 1}
"""


def test_the_table_is_what_the_script_computes(seeded):
    with TABLE.open(newline="") as stream:
        header, *rows = csv.reader(stream)
    assert tuple(header) == hand.HEADER
    assert [(*row[:3], int(row[3])) for row in rows] == hand.lines(seeded)
    assert len(rows) > 120


def test_the_plan_has_exactly_these_lines(house, seeded):
    house.write("resident_id\n" + "".join(f"{each}\n" for each in hand.PARKING), "parking.csv")
    house.write(PLAN)
    document = house.document()
    lines = [
        (each["unit_number"], each["charge"], each["transaction_date"], each["amount_in_cents"])
        for each in document["changes"]
        if each["action"] == "create"
    ]
    expected = hand.lines(seeded)
    assert sorted(lines) == expected
    assert document["totals"]["create"] == {
        "count": len(expected),
        "amount_in_cents": sum(each[3] for each in expected),
    }
    # Whoever has no line is held or skipped, with a reason, for each of the charges.
    others = {(each["charge"], each["lease_id"]) for each in document["skips"]}
    held = [each for each in document["changes"] if each["action"] == "hold"]
    assert {each["reason"] for each in held} <= {"lease_ended", "lease_status_unclear"}
    homes = {(each["charge"], each["lease_id"]) for each in document["changes"]} | others
    assert len(homes) == 3 * len({lease for _, lease in homes})
