"""The seed reduced to the households that ``house.SMALL`` bills: what runs by the thousand need not read the rest each time."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from chargeplan.sandbox.state import Sandbox
from tests.e2e.house import OAK, TODAY

_BILLED = {*(f"20{n}" for n in range(1, 10)), "210", "211", "212"}
_OF_HOUSEHOLDS = (
    "leases",
    "residents",
    "resident-charges",
    "resident-payments",
    "fees",
    "charge-codes",
    "units",
)


def make(path: Path) -> Path:
    """A seeded state with Oak Street's units 201 to 212, their people, leases and ledgers."""
    with Sandbox.open(path, today=TODAY, requests_per_minute=100_000, pending_polls=0):
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        leases = {
            key: body
            for key, body in _bodies(connection, "leases")
            if body["property_id"] == OAK and body["unit_number"] in _BILLED
        }
        people = {each["resident_id"] for body in leases.values() for each in body["residents_meta_data"]}
        units = {body["unit_id"] for body in leases.values()}
        for table in ("upstream", "records"):
            rows = connection.execute(f"SELECT model, id, property_id, body FROM {table}").fetchall()
            gone = [
                (model, key)
                for model, key, place, text in rows
                if model in _OF_HOUSEHOLDS
                and not (
                    place == OAK
                    and _stays(
                        model=model, key=key, body=json.loads(text), leases=leases, people=people, units=units
                    )
                )
            ]
            connection.executemany(f"DELETE FROM {table} WHERE model = ? AND id = ?", gone)
        connection.execute(
            "DELETE FROM entries WHERE resident_id NOT IN (SELECT id FROM upstream WHERE model = 'residents')"
        )
    with closing(sqlite3.connect(path)) as connection:
        # The file is copied for every test: without this each copy carries 40 MB of free pages.
        connection.execute("VACUUM")
    return path


def _bodies(connection: sqlite3.Connection, model: str):
    for key, text in connection.execute("SELECT id, body FROM upstream WHERE model = ?", (model,)):
        yield key, json.loads(text)


def _stays(model: str, key: str, body: dict, leases: dict, people: set[str], units: set[str]) -> bool:
    match model:
        case "leases":
            return key in leases
        case "residents":
            return key in people
        case "units":
            return key in units
        case "resident-charges" | "resident-payments":
            return body["resident_id"] in people
        case _:
            return True
