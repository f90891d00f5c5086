"""Rows on their way into the copy: first aside in temporary tables, which lock nothing, then all at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, Protocol

import msgspec

from chargeplan.core import observed
from chargeplan.core.dates import Days
from chargeplan.snapshot import bodies

_TABLES = ("record", "link", "charge", "payment", "stale")


class Record(Protocol):
    """A row of a list, as the source gives it."""

    @property
    def id(self) -> str:
        """Propexo's id of it."""

    @property
    def integration_id(self) -> str:
        """The integration it is of, empty where the row does not say."""

    @property
    def property_id(self) -> str:
        """The property it is of."""

    @property
    def updated_at(self) -> str:
        """When Propexo last changed it, empty where the row does not say."""

    @property
    def value(self) -> Any:
        """It as a value of ``core.observed``."""

    @property
    def links(self) -> tuple[tuple[str, observed.LeaseResident], ...]:
        """A resident's leases, with what the resident's row says of each."""


def clear(connection: sqlite3.Connection) -> None:
    """Forget what a refresh that failed had staged."""
    for table in _TABLES:
        connection.execute(f"DELETE FROM temp.staged_{table}")  # noqa: S608 - names of ours


def stage(connection: sqlite3.Connection, integration_id: str, kind: str, page: Sequence[Record]) -> None:
    """Put a page aside."""
    match kind:
        case "resident-charges":
            _insert(connection, "charge", [_charge(integration_id, each) for each in page])
        case "resident-payments":
            _insert(
                connection,
                "payment",
                [(each.id, integration_id, each.property_id, _iso(each.value.date)) for each in page],
            )
        case _:
            encode = msgspec.json.encode
            _insert(
                connection,
                "record",
                [(kind, each.id, integration_id, each.property_id, encode(each.value)) for each in page],
            )
            links = [
                (lease, each.id, integration_id, encode(link)) for each in page for lease, link in each.links
            ]
            _insert(connection, "link", links)


def knows_all(connection: sqlite3.Connection, integration_id: str, named: Collection[str]) -> bool:
    """Whether the copy has a property, code or account of each of the ids, names or numbers."""
    wanted = set(named)
    rows = connection.execute(
        "SELECT id, json_extract(CAST(body AS TEXT), '$.name'), json_extract(CAST(body AS TEXT), '$.number') FROM record"
        " WHERE kind IN ('properties', 'charge-codes', 'financial-accounts') AND integration_id = ?",
        (integration_id,),
    )
    for known in rows:
        wanted.difference_update(known)
    return not wanted


def mark_stale(connection: sqlite3.Connection, page: Sequence[Record]) -> None:
    """Note the charges that the last sync did not see."""
    connection.executemany(
        "INSERT OR IGNORE INTO temp.staged_stale VALUES (?)", [(each.id,) for each in page]
    )


def drop_kind(connection: sqlite3.Connection, integration_id: str, kind: str) -> None:
    """Delete a list of an integration that was read whole."""
    connection.execute("DELETE FROM record WHERE kind = ? AND integration_id = ?", (kind, integration_id))
    if kind == "residents":
        connection.execute("DELETE FROM link WHERE integration_id = ?", (integration_id,))


def drop_days(connection: sqlite3.Connection, integration_id: str, kind: str, days: Days) -> None:
    """Delete the charges or payments of days that were read whole."""
    span = (integration_id, days.first.isoformat(), days.last.isoformat())
    if kind == "resident-payments":
        connection.execute("DELETE FROM payment WHERE integration_id = ? AND date BETWEEN ? AND ?", span)
        return
    connection.execute(
        "DELETE FROM charge WHERE integration_id = ? AND transaction_date BETWEEN ? AND ?", span
    )


def seen(connection: sqlite3.Connection, integration_id: str, days: Days, sync: str) -> None:
    """Charges of the days that are not stale were seen by the sync, though nothing of them changed."""
    connection.execute(
        "UPDATE charge SET last_seen = ? WHERE integration_id = ? AND transaction_date BETWEEN ? AND ?"
        " AND last_seen < ? AND id NOT IN (SELECT id FROM temp.staged_stale)",
        (sync, integration_id, days.first.isoformat(), days.last.isoformat(), sync),
    )


def merge(connection: sqlite3.Connection) -> None:
    """Bring what is staged into the copy; of a row that was read twice the later one."""
    connection.execute(
        "DELETE FROM link WHERE resident_id IN (SELECT id FROM temp.staged_record WHERE kind = 'residents')"
    )
    for table in ("record", "link", "charge", "payment"):
        connection.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM temp.staged_{table} ORDER BY rowid")  # noqa: S608


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        places = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO temp.staged_{table} VALUES ({places})", rows)  # noqa: S608


def _charge(integration_id: str, record: Record) -> tuple[object, ...]:
    charge: observed.SyncedCharge = record.value
    return (
        charge.id,
        integration_id,
        record.property_id,
        _iso(charge.transaction_date) or "",
        charge.reference,
        charge.last_seen,
        bodies.of_charge(charge),
    )


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
