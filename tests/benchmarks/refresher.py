"""One refresh of the benchmark's integration by chargeplan, in a process of its own.

python refresher.py PORT FILE REQUESTS_PER_MINUTE
"""

from __future__ import annotations

import json
import sqlite3
import sys
from datetime import date
from pathlib import Path

from chargeplan.core.dates import Days
from chargeplan.propexo.client import Propexo
from chargeplan.snapshot.store import SqliteSnapshot


def main(port: str, file: str, rate: str) -> None:
    with Propexo(f"http://127.0.0.1:{port}", "t0ken", requests_per_minute=int(rate)) as client:
        copy = SqliteSnapshot(Path(file), lambda: client, identity="bench")
        window = Days(date(2026, 11, 1), date(2027, 12, 31))
        cost = copy.refresh("resman-bench", window, fees=False, payments=False)
        copy.close()
    count = sqlite3.connect(file).execute("SELECT count(*) FROM charge").fetchone()[0]
    print(json.dumps({"requests": cost.requests, "records": cost.records, "charges": count}))


main(*sys.argv[1:])
