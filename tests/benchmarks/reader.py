"""The bare httpx loop beside which a refresh is measured: every page of the charges, decoded, into one SQLite table.

python reader.py PORT INTEGRATION FILE
"""

from __future__ import annotations

import json
import sqlite3
import sys

import httpx

_KEYS = (
    "id", "property_id", "resident_id", "charge_code_id", "amount_in_cents", "transaction_date", "reference_number",
    "description", "lease_id", "unit_id", "last_seen",
)  # fmt: skip


def main(port: str, integration: str, file: str) -> None:
    table = sqlite3.connect(file)
    table.execute("PRAGMA journal_mode = WAL")
    table.execute(f"CREATE TABLE charge ({', '.join(_KEYS)}, PRIMARY KEY (id)) WITHOUT ROWID")
    requests = records = 0
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for kind in ("properties", "units", "leases", "residents", "charge-codes", "resident-charges"):
            offset = 0
            while True:
                query = {"integration_id": integration, "limit": 250, "offset": offset}
                answer = json.loads(client.get(f"/v1/{kind}/", params=query).content)
                rows = answer["results"]
                requests += 1
                records += len(rows)
                if kind == "resident-charges":
                    places = ", ".join("?" * len(_KEYS))
                    table.executemany(
                        f"INSERT INTO charge VALUES ({places})", [[row.get(k) for k in _KEYS] for row in rows]
                    )
                offset += len(rows)
                if not answer["meta"]["hasMore"]:
                    break
    table.commit()
    print(json.dumps({"requests": requests, "records": records}))


main(*sys.argv[1:])
