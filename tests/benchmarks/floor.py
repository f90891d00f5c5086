"""The least that planning a portfolio can cost in Python: read the rows, hash the keys, render and write what is missing.

Nothing of chargeplan is imported, and nothing is decided: no moves, no corrections, no holds, no guards.

    python floor.py PROJECT OUT
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from pathlib import Path

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TITLES = {
    "rent": "Rent",
    "trash": "Trash",
    "pest-control": "Pest Control",
    "amenity": "Amenity",
    "insurance": "Insurance",
}
_FLAT = {"trash": 2500, "pest-control": 350, "amenity": 4000, "insurance": 1195}


def reference_of(parts: list[object]) -> str:
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).digest()
    number = int.from_bytes(digest[:10])
    return "CP" + "".join(_CROCKFORD[number >> shift & 31] for shift in range(75, -1, -5))


def main(project: str, out: str) -> None:
    copy = sqlite3.connect(f"{project}/.chargeplan/snapshot-bench.db")
    mirror = sqlite3.connect(f"{project}/floor.db")
    journal = sqlite3.connect(f"{project}/.chargeplan/bench.db")
    running = hashlib.sha256()
    count = cents = standing = 0
    with Path(out).open("wb") as sink:
        properties = [
            row[0] for row in copy.execute("SELECT id FROM record WHERE kind = 'properties' ORDER BY id")
        ]
        for prop in properties:
            records = copy.execute("SELECT kind, body FROM record WHERE property_id = ?", (prop,)).fetchall()
            leases = [json.loads(body) for kind, body in records if kind == "leases"]
            codes = {
                each["name"]: each["id"]
                for each in (json.loads(b) for k, b in records if k == "charge-codes")
            }
            seen = dict(
                mirror.execute(
                    "SELECT reference, amount FROM charge WHERE property_id = ? AND transaction_date BETWEEN ? AND ?",
                    (prop, "2027-05-01", "2027-10-15"),
                ).fetchall()
            )
            recorded = {
                row[0]: row
                for row in journal.execute(
                    "SELECT reference, amount, state, charge_id, service_first, service_last FROM postings"
                    " WHERE integration_id = 'resman-bench' AND property_id = ? AND period_last >= ?",
                    (prop, "2027-05-01"),
                )
            }
            for name, title in _TITLES.items():
                for lease in leases:
                    amount = _FLAT.get(name) or lease["rent"]
                    resident, unit = lease["residents"][0]["resident_id"], lease["unit_id"]
                    reference = reference_of(
                        ["resman-bench", "monthly", name, unit, resident, "2027-08-01", 0]
                    )
                    if reference in recorded and seen.get(reference) == amount:
                        standing += 1
                        continue
                    line = {
                        "reference_number": reference,
                        "property_id": prop,
                        "resident_id": resident,
                        "unit_number": lease["unit_number"],
                        "charge_code_id": codes[name],
                        "transaction_date": "2027-08-01",
                        "amount_in_cents": amount,
                        "description": f"{title} August 2027, unit {lease['unit_number']}",
                    }
                    data = json.dumps(line).encode() + b"\n"
                    running.update(data)
                    sink.write(data)
                    count += 1
                    cents += amount
    print(json.dumps({"count": count, "cents": cents, "standing": standing, "sha256": running.hexdigest()}))


main(*sys.argv[1:])
