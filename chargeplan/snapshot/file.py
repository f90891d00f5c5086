"""The file of the copy: its tables, and how it is opened. It is a cache: what can't be used is made anew."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from chargeplan.core.errors import ChargeplanError

SCHEMA_VERSION = 5
APPLICATION_ID = 0x43504C53
"""``CPLS``: says that a SQLite file is a copy of ours, which may be deleted."""
_BUSY_SECONDS = 30.0

# Charges lie in the file as planning reads them: a property's, by date, each in one piece. One without a date has an empty
# one. ``last_seen`` is beside the body, as every sync changes it of every charge.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS source (host TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS integration (
    id TEXT PRIMARY KEY, body BLOB NOT NULL, last_completed_sync TEXT, previous_sync TEXT,
    generation INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sync (
    integration_id TEXT NOT NULL, ended TEXT NOT NULL, PRIMARY KEY (integration_id, ended)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (
    integration_id TEXT NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (integration_id, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, id TEXT NOT NULL, integration_id TEXT NOT NULL, property_id TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS record_place ON record (property_id, kind);
CREATE TABLE IF NOT EXISTS link (
    lease_id TEXT NOT NULL, resident_id TEXT NOT NULL, integration_id TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (lease_id, resident_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS link_resident ON link (resident_id);
CREATE TABLE IF NOT EXISTS charge (
    id TEXT NOT NULL UNIQUE, integration_id TEXT NOT NULL, property_id TEXT NOT NULL, transaction_date TEXT NOT NULL,
    reference TEXT, last_seen TEXT, body BLOB NOT NULL,
    PRIMARY KEY (property_id, transaction_date, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS charge_date ON charge (integration_id, transaction_date);
CREATE INDEX IF NOT EXISTS charge_reference ON charge (integration_id, reference) WHERE reference IS NOT NULL;
CREATE TABLE IF NOT EXISTS payment (
    id TEXT PRIMARY KEY, integration_id TEXT NOT NULL, property_id TEXT NOT NULL, date TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payment_place ON payment (property_id, date);
CREATE INDEX IF NOT EXISTS payment_date ON payment (integration_id, date);
"""

_STAGED = "".join(
    f"CREATE TEMP TABLE IF NOT EXISTS staged_{name} AS SELECT * FROM main.{name} WHERE 0;"  # noqa: S608 - names of ours
    for name in ("record", "link", "charge", "payment")
)
_STAGED += "CREATE TEMP TABLE IF NOT EXISTS staged_stale (id TEXT PRIMARY KEY) WITHOUT ROWID;"


def open_copy(path: Path, host: str) -> sqlite3.Connection:
    """The copy of what ``host`` showed, made or made anew where it is missing, damaged, older, or of another host.

    Raises:
        ChargeplanError: the path holds another program's database (or our journal), or can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _usable(path, host):
            discard(path)
        return _opened(path, host)
    except (OSError, sqlite3.OperationalError) as error:
        raise _unusable(path, f"can't be used: {error}") from error
    except sqlite3.DatabaseError:
        discard(path)
        return _opened(path, host)


def discard(path: Path) -> None:
    """Delete the copy and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _usable(path: Path, host: str) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return True
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS)
    except sqlite3.DatabaseError:
        return False
    try:
        return _is_ours(connection, path, host)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return False
    finally:
        connection.close()


def _is_ours(connection: sqlite3.Connection, path: Path, host: str) -> bool:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if application != APPLICATION_ID:
        if tables:
            # A path mistyped in the configuration must not cost anybody a database, least of all the journal.
            raise _unusable(path, "is a database, but not a copy of what Propexo showed")
        return False
    if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION or "source" not in tables:
        return False
    found = connection.execute("SELECT host FROM source").fetchone()
    return found is not None and found[0] == host


def _opened(path: Path, host: str) -> sqlite3.Connection:
    # Made before SQLite opens it, so that it never exists with other permissions; residents' names are in it.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
    path.chmod(0o600)
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _make_tables(connection, host)
        connection.executescript(_STAGED)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_tables(connection: sqlite3.Connection, host: str) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute("INSERT INTO source SELECT ? WHERE NOT EXISTS (SELECT 1 FROM source)", (host,))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk ends it by itself
            connection.execute("ROLLBACK")
        raise


def _unusable(path: Path, why: str) -> ChargeplanError:
    return ChargeplanError(
        f"The snapshot file {path} {why}.",
        hint="Name another path, or look at who owns it; a snapshot may be deleted at any time.",
        code="snapshot_unusable",
    )
