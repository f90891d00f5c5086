"""A server of ready-made pages for the refresh benchmark: as fast as one can be, so that the client is what is measured.

    python -m tests.benchmarks.pages --charges 100000 [--delay 0.05] [--changed 1000]

It prints its port, and serves until it is killed. ``--changed`` is how many charges a filter for changes shows.
"""

from __future__ import annotations

import argparse
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.benchmarks.portfolio import INTEGRATION, UNITS, Portfolio

PAGE = 250
UPDATED = "2027-08-02T04:00:00.000Z"


def rows_of(portfolio: Portfolio, kind: str) -> list[dict[str, object]]:
    """A list as Propexo writes it, with keys that nobody reads among them."""
    common = {
        "integration_id": INTEGRATION,
        "integration_vendor": "RESMAN",
        "updated_at": UPDATED,
        "created_at": UPDATED,
    }
    found = []
    for page in portfolio.rows(kind, {}):
        for each in page:
            value = each.value
            row: dict[str, object] = {
                **common,
                "id": each.id,
                "x_id": each.id,
                "custom_data": {},
                "last_seen": UPDATED,
            }
            if kind != "properties":
                row["property_id"] = each.property_id
            if kind == "resident-charges":
                row |= {
                    "amount_in_cents": value.amount,
                    "amount_raw": f"{value.amount / 100:.2f}",
                    "transaction_date": f"{value.transaction_date}T00:00:00.000Z",
                    "reference_number": value.reference,
                    "description": value.description,
                    "resident_id": value.resident_id,
                    "lease_id": value.lease_id,
                    "unit_id": value.unit_id,
                    "charge_code_id": value.charge_code_id,
                    "notes": "",
                    "allocations": [],
                }
            found.append(row)
    return found


class Pages:
    """Every page as bytes, made before the first request."""

    def __init__(self, properties: int, months: int, changed: int) -> None:
        portfolio = Portfolio(properties, months, 100)
        self.lists: dict[str, list[bytes]] = {}
        self.changed: dict[str, list[bytes]] = {}
        for kind in ("properties", "units", "leases", "residents", "charge-codes", "resident-charges"):
            rows = rows_of(portfolio, kind)
            self.lists[kind] = _pages(rows)
            self.changed[kind] = _pages(rows[:changed] if kind == "resident-charges" else [])

    def answer(self, path: str, query: dict[str, list[str]]) -> bytes:
        """The body for a request."""
        if path.startswith("/v1/admin/integrations/"):
            return json.dumps(
                {
                    "results": {
                        "id": INTEGRATION,
                        "name": "Bench",
                        "vendor": "RESMAN",
                        "is_active": True,
                        "last_completed_sync": "2027-08-02T04:10:00.000Z",
                    }
                }
            ).encode()
        kind = path.strip("/").rsplit("/", 1)[-1]
        pages = (self.changed if "updated_at_gte" in query or "last_seen_lte" in query else self.lists)[kind]
        return pages[min(int(query["offset"][0]) // PAGE, len(pages) - 1)]


def _pages(rows: list[dict[str, object]]) -> list[bytes]:
    found = []
    for start in range(0, max(1, len(rows)), PAGE):
        part = rows[start : start + PAGE]
        meta = {"total": len(rows), "limit": PAGE, "offset": start, "hasMore": start + PAGE < len(rows)}
        found.append(json.dumps({"results": part, "meta": meta}).encode())
    return found


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--charges", type=int, default=100_000)
    words.add_argument("--months", type=int, default=10)
    words.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    words.add_argument("--changed", type=int, default=0)
    asked = words.parse_args()
    pages = Pages(max(1, asked.charges // (UNITS * 5 * asked.months)), asked.months, asked.changed)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = pages.answer(parts.path, parse_qs(parts.query))
            time.sleep(asked.delay)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
