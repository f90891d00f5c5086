"""One month of Oak Street by hand: what each household owes, from the seed's raw records, with whole numbers and fractions.

No code of chargeplan is used. Run as a program, it prints the table that `month.csv` holds:

    python -m tests.e2e.hand > tests/e2e/month.csv

For 2027-08, as of 2027-08-02, of every lease of the property:

* days: from the realized move-in (else scheduled, else the start) of the household's first lease to the realized
  move-out (else scheduled) of its last, cut to the month; none, or PENDING: nothing; EVICTED may be either: nothing yet;
* rent: the rent of the lease in force times days / 31, once the lease has ended and nobody moved out: by the lease that
  ends inside the month as if it went on, of one that ended before it: held;
* pet rent: 35.00 for each pet that is no service animal, of everybody in the household, times days / 31;
* parking: 75.00 whole, for the residents of the roster who live there on a day of the month;
* an amount is rounded once, half away from zero; a line of 0.00 is none; it is dated the first of its days.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
import tempfile
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

OAK = "clwi5xiix000008l6ctdgafyh"
FIRST, LAST = date(2027, 8, 1), date(2027, 8, 31)
PARKING = (
    "resident-102a",
    "resident-110a",
    "resident-118a",
    "resident-121a",
    "resident-210a",
    "resident-212a",
)
HEADER = ("unit", "charge", "date", "amount_in_cents")


def rounded(amount: Fraction) -> int:
    whole = abs(amount) + Fraction(1, 2)
    return (-1 if amount < 0 else 1) * (whole.numerator // whole.denominator)


def records(path: Path, model: str) -> list[dict]:
    with sqlite3.connect(path) as connection:
        found = connection.execute(
            "SELECT body FROM upstream WHERE model = ? AND property_id = ?", (model, OAK)
        )
        rows = [json.loads(body) for (body,) in found]
    connection.close()
    return rows


def day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def chains(leases: list[dict]) -> list[list[dict]]:
    """Leases of one primary resident in one unit, each beginning within 31 days of the last one's end."""
    found: list[list[dict]] = []
    for lease in sorted(leases, key=lambda each: (each["unit_number"], primary(each), each["start_date"])):
        last = found[-1][-1] if found else None
        if last and (last["unit_number"], primary(last)) == (lease["unit_number"], primary(lease)):
            gap = day(lease["start_date"]) - day(last["end_date"])
            if gap <= timedelta(days=31) and not last["realized_move_out_date"]:
                found[-1].append(lease)
                continue
        found.append([lease])
    return found


def primary(lease: dict) -> str:
    return next(
        each["resident_id"]
        for each in lease["residents_meta_data"]
        if each["resident_type_normalized"] == "PRIMARY"
    )


def lines(path: Path) -> list[tuple]:
    pets = {
        each["id"]: sum(not pet["is_service_animal"] for pet in each["pets"])
        for each in records(path, "residents")
    }
    found = []
    for home in chains(records(path, "leases")):
        first, last = home[0], home[-1]
        if last["status_normalized"] in ("PENDING", "EVICTED"):
            continue
        begins = day(first["realized_move_in_date"] or first["scheduled_move_in_date"] or first["start_date"])
        ends = day(last["realized_move_out_date"] or last["scheduled_move_out_date"]) or date.max
        begins, ends = max(begins, FIRST), min(ends, LAST)
        if ends < begins:
            continue
        if day(last["end_date"]) < FIRST:
            continue  # the lease is over and somebody still lives there: held
        share = Fraction((ends - begins).days + 1, 31)
        now = [each for each in home if day(each["start_date"]) <= begins][-1]
        people = {
            m["resident_id"]
            for each in home
            for m in each["residents_meta_data"]
            if m["resident_type_normalized"] != "GUARANTOR"
        }
        owed = {
            "rent": rounded(now["rent_amount_in_cents"] * share),
            "pet-rent": rounded(3_500 * sum(pets[each] for each in people) * share),
            "parking": 7_500 if primary(first) in PARKING else 0,
        }
        found += [
            (first["unit_number"], charge, str(begins), cents) for charge, cents in owed.items() if cents
        ]
    return sorted(found)


def main() -> None:
    from chargeplan.sandbox.state import Sandbox  # noqa: PLC0415 - the seed, and nothing else of the program

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed.db"
        with Sandbox.open(path, today=date(2027, 8, 2)):
            pass
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(HEADER)
        table.writerows(lines(path))


if __name__ == "__main__":
    main()
