"""The SQLite file: its tables, its transactions, and nothing about Propexo.

Rows of Propexo's models are JSON, in two layers: ``upstream`` is what the property management system holds,
``records`` what Propexo's last sync saw of it. GET reads only ``records``; that gap is the point of the sandbox.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS upstream (
    model TEXT NOT NULL, id TEXT NOT NULL, integration_id TEXT NOT NULL, property_id TEXT NOT NULL,
    day TEXT, body TEXT NOT NULL, PRIMARY KEY (model, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
    model TEXT NOT NULL, id TEXT NOT NULL, integration_id TEXT NOT NULL, property_id TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL, last_seen TEXT,
    body TEXT NOT NULL, PRIMARY KEY (model, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_by_age ON records (model, created_at, id);
CREATE INDEX IF NOT EXISTS records_by_property ON records (model, property_id);
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, state TEXT NOT NULL, origin TEXT NOT NULL,
    integration_id TEXT NOT NULL, property_id TEXT NOT NULL, batch_id TEXT, job_id TEXT,
    resident_id TEXT, lease_id TEXT, unit_id TEXT, charge_code_id TEXT, financial_account_id TEXT,
    amount_in_cents INTEGER NOT NULL, transaction_date TEXT NOT NULL, sent_date TEXT,
    description TEXT, notes TEXT, reference_number TEXT, post_month TEXT);
CREATE INDEX IF NOT EXISTS entries_by_batch ON entries (state, batch_id);
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, log_id TEXT UNIQUE NOT NULL, integration_id TEXT NOT NULL,
    created_at TEXT NOT NULL, parameters TEXT NOT NULL, logged TEXT NOT NULL, path TEXT NOT NULL, outcome TEXT NOT NULL,
    errors TEXT NOT NULL, record_id TEXT, polls_left INTEGER NOT NULL, due_at TEXT NOT NULL,
    settled_at TEXT, log_reads_left INTEGER NOT NULL, log_hidden INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS faults (seq INTEGER PRIMARY KEY, fault TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    seq INTEGER PRIMARY KEY, at TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, query TEXT NOT NULL,
    status INTEGER, fault TEXT);
"""

_TABLES = ("upstream", "records", "entries", "jobs", "faults", "requests")


class Store:
    """One connection to the state file, shared by the threads of this process; other processes have their own."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10.0)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        # A playground may lose its last moment in a power cut; the demo's speed matters more.
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file. The store can't be used afterwards."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, one writer at a time, across threads and processes. May be nested."""
        with self._lock:
            outermost = self._depth == 0
            if outermost:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if outermost and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            else:
                if outermost:
                    self._connection.execute("COMMIT")
            finally:
                self._depth -= 1

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        """All rows of a SELECT."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[object] = ()) -> sqlite3.Row | None:
        """The first row of a SELECT, if any."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement that writes; the number of rows that it changed."""
        with self._lock:
            return self._connection.execute(sql, parameters).rowcount

    def row_named(self, sql: str, parameters: dict[str, str | None]) -> sqlite3.Row:
        """The one row of a SELECT that always has one, with named parameters."""
        with self._lock:
            found: sqlite3.Row = self._connection.execute(sql, parameters).fetchone()
            return found

    def change_named(self, sql: str, parameters: dict[str, str | None]) -> int:
        """Run a statement that writes, with named parameters; the number of rows that it changed."""
        with self._lock:
            return self._connection.execute(sql, parameters).rowcount

    def change_many(self, sql: str, parameters: Sequence[Sequence[object]]) -> None:
        """Run a statement that writes, once for each set of parameters."""
        with self._lock:
            self._connection.executemany(sql, parameters)

    def value(self, name: str) -> Any:
        """A small setting as JSON wrote it; ``None`` when it was never set."""
        found = self.row("SELECT value FROM meta WHERE name = ?", (name,))
        return json.loads(found["value"]) if found else None

    def set_value(self, name: str, value: object) -> None:
        """Keep a small setting."""
        self.change("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, json.dumps(value)))

    def reserve(self, name: str, count: int = 1) -> int:
        """Take the next ``count`` of a row of numbers that begins with 1 and survives a restart; the first of them."""
        with self.transaction():
            last = int(self.value(name) or 0)
            self.set_value(name, last + count)
            return last + 1

    def clear(self) -> None:
        """Forget every row, but not the settings, the clock and the numbers given so far."""
        with self.transaction():
            for table in _TABLES:
                self.change(f"DELETE FROM {table}")  # noqa: S608 - the names above, not input
