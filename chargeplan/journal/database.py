"""Opening the database: addresses, files and their modes, transactions, the version of the tables."""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import schema
from chargeplan.journal.failures import NOTHING_SENT, explained, missing, problem

_MAGIC: Final = b"SQLite format 3\x00"
_BUSY_SECONDS: Final = 30
_CHECKED_BYTES: Final = 32 * 1024 * 1024  # a bigger file is checked by `journal verify` only
_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "fullfsync=1",  # macOS: fsync alone leaves it in the drive's cache
    "foreign_keys=ON",
    "trusted_schema=OFF",
)


class Database:
    """An open database and the two ways to use it. ``where`` is its address, fit to be shown."""

    def __init__(self, engine: Engine, where: str, path: Path | None) -> None:
        self.engine = engine
        self.where = where
        self.path = path

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the journal.

        Raises:
            ChargeplanError: the database failed.
        """
        with (
            explained(self.where, NOTHING_SENT),
            self.engine.connect() as connection,
        ):
            # SQLite's view is one anyway; PostgreSQL would show each statement what was committed by then.
            view = (
                connection if self.path else connection.execution_options(isolation_level="REPEATABLE READ")
            )
            with view.begin():
                yield view

    @contextmanager
    def write(self, consequence: str = NOTHING_SENT) -> Iterator[Connection]:
        """One transaction, the only writer while it lasts; durable when the block is left, undone on any error.

        Raises:
            ChargeplanError: the database failed; ``consequence`` says what that means for the charges.
        """
        with explained(self.where, consequence), self.engine.connect() as connection:
            writer = connection.execution_options(chargeplan_write=True)
            with writer.begin():
                _serialise(writer)
                yield writer

    def server_time(self, connection: Connection) -> str | None:
        """The server's clock, where several hosts share it; None for a file."""
        if self.path is not None:
            return None
        return str(
            connection.execute(
                text(
                    "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
                )
            ).scalar_one()
        )

    def integrity(self) -> list[str]:
        """What the database itself finds wrong with its file; a server looks after its own."""
        if self.path is None:
            return []
        with self.read() as connection:
            found = connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars().all()
        return [f"file: {line}" for line in found if line != "ok"]

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()


Creation = Callable[[Connection, str], None]


def open_database(target: str, *, create: bool, created: Creation, migrated: Creation) -> Database:
    """Open the journal's database, or make it; ``created`` and ``migrated`` write the events that say so.

    Raises:
        ChargeplanError: ``journal_missing``, ``journal_foreign``, ``journal_damaged``, ``journal_newer``,
            ``journal_unwritable``, ``journal_unreachable`` or ``journal_address``.
    """
    server = target.startswith(("postgresql:", "postgresql+psycopg:", "postgres:"))
    if "://" in target and not server:
        raise _address()  # or it would become a folder of that name
    database = _server(target) if server else _file(Path(target), create=create)
    try:
        _check_version(database, create=create, created=created, migrated=migrated)
    except BaseException:
        database.close()
        raise
    if database.path is not None:
        _tighten(database.path)
    return database


# --- a file -------------------------------------------------------------------------------------------------------


def _file(path: Path, *, create: bool) -> Database:
    where = str(path)
    try:
        size = path.stat().st_size if path.exists() else 0
        if size == 0:
            if not create:
                raise missing(where)
            _touch(path)
            _stamp(path)
        else:
            _check_header(path)
            _tighten(path)
    except OSError as error:
        raise problem("journal_unwritable", where, error.strerror or "") from None
    engine = create_engine(
        URL.create("sqlite", database=str(path.absolute())),
        connect_args={"timeout": _BUSY_SECONDS},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return Database(engine, where, path)


def _touch(path: Path) -> None:
    for folder in reversed([f for f in path.absolute().parents if not f.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)
    # The mode is given at birth, so that there is no moment in which others may read it.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _stamp(path: Path) -> None:
    # Before WAL mode, so that it stands in the file itself, where _check_header looks, and not in the log beside it.
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
            connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    except sqlite3.Error as error:
        raise problem("journal_unwritable", str(path), str(error)) from None


def _check_header(path: Path) -> None:
    # Read as bytes: opening a foreign database with SQLite, in WAL mode at that, would write to it.
    with path.open("rb") as file:
        header = file.read(100)
    ours = header[68:72] == schema.APPLICATION_ID.to_bytes(4, "big")
    if not header.startswith(_MAGIC) or not ours:
        raise problem("journal_foreign", str(path))
    if path.stat().st_size < 512:
        raise problem("journal_damaged", str(path), "cut off")


def _tighten(path: Path) -> None:
    for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        # Another owner's file that we may use keeps the mode that its owner gave it.
        with suppress(FileNotFoundError, PermissionError):
            if stat.S_IMODE(name.stat().st_mode) & 0o077:
                name.chmod(0o600)


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin by itself: _on_begin does
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("chargeplan_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


# --- a server -----------------------------------------------------------------------------------------------------


def _server(target: str) -> Database:
    try:
        url = make_url(target).set(drivername="postgresql+psycopg")
        engine = create_engine(
            url,
            connect_args={"connect_timeout": 10},
            pool_pre_ping=True,
            hide_parameters=True,
        )
    except (ArgumentError, ValueError):
        raise _address() from None
    except ImportError:
        raise ChargeplanError(
            "A journal in PostgreSQL needs psycopg, which is not installed.",
            hint="Install it with `pip install 'chargeplan[postgres]'`.",
            code="journal_driver",
        ) from None
    event.listen(engine, "connect", _on_server_connect)
    return Database(engine, _shown(url), None)


def _address() -> ChargeplanError:
    return ChargeplanError(
        f"The journal's address can't be read. {NOTHING_SENT}",
        hint="It is a path, or like postgresql://user:password@host:5432/database; escape special characters.",
        code="journal_address",
    )


def _on_server_connect(connection: Any, _record: Any) -> None:
    connection.execute("SET synchronous_commit = on")
    connection.execute(f"SET lock_timeout = '{_BUSY_SECONDS}s'")
    connection.commit()


def _shown(url: URL) -> str:
    # Built from the harmless parts: a password may also hide in the query.
    host = url.host or url.query.get("host") or "localhost"
    return f"postgresql://{host}/{url.database or ''}"


def _serialise(connection: Connection) -> None:
    # SQLite has one writer; PostgreSQL has to be told, or two runs would continue the same event.
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(schema.APPLICATION_ID)))


# --- the tables ---------------------------------------------------------------------------------------------------


def _check_version(database: Database, *, create: bool, created: Creation, migrated: Creation) -> None:
    with database.read() as connection:
        present = _is_present(connection, database.where)
    if not present:
        if not create:
            raise missing(database.where)
        _create(database, created)
    with database.read() as connection:
        version = _version(connection, database)
    if version > schema.VERSION:
        raise ChargeplanError(
            f"The journal {database.where} was written by a newer chargeplan (its version is {version}, "
            f"this program knows {schema.VERSION}). {NOTHING_SENT}",
            hint="Install the newer chargeplan: `pip install --upgrade chargeplan`.",
            code="journal_newer",
        )
    if version < schema.VERSION:
        _migrate(database, version, migrated)


def _is_present(connection: Connection, where: str) -> bool:
    tables = set(inspect(connection).get_table_names())
    if "meta" in tables:
        return True
    if tables & set(schema.metadata.tables):
        raise problem("journal_damaged" if "events" in tables else "journal_foreign", where)
    return False


def _version(connection: Connection, database: Database) -> int:
    columns = {column["name"] for column in inspect(connection).get_columns("meta")}
    if columns != {"key", "value"}:
        raise problem("journal_foreign", database.where)
    rows = {row.key: row.value for row in connection.execute(select(schema.meta))}
    if rows.get("format") != schema.FORMAT:
        raise problem("journal_foreign", database.where)
    _check_whole(connection, database, rows)
    if not rows["version"].isdecimal():
        raise problem("journal_damaged", database.where, "its version makes no sense")
    return int(rows["version"])


def _check_whole(connection: Connection, database: Database, rows: dict[str, str]) -> None:
    absent = set(schema.metadata.tables) - set(inspect(connection).get_table_names())
    if absent or not {"identity", "version", "head", "fence"} <= rows.keys():
        raise problem("journal_damaged", database.where, "parts of it are missing")
    if database.path is not None and database.path.stat().st_size <= _CHECKED_BYTES:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if found != "ok":
            raise problem("journal_damaged", database.where, str(found).splitlines()[0])


def _create(database: Database, created: Creation) -> None:
    # One transaction: a journal is whole or not there. Another run may have been faster.
    with database.write() as connection:
        if _is_present(connection, database.where):
            return
        schema.metadata.create_all(connection, checkfirst=False)
        identity = secrets.token_hex(16)
        first = {"format": schema.FORMAT, "version": str(schema.VERSION), "identity": identity, "fence": "0"}
        connection.execute(insert(schema.meta), [{"key": k, "value": v} for k, v in first.items()])
        created(connection, identity)
    if database.path is not None:
        # A copy of the file without its log is then a journal, not an empty file that looks like a fresh start.
        with database.read() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")


def _migrate(database: Database, version: int, migrated: Creation) -> None:
    if database.path is not None:
        _back_up(database.path, version)
    with database.write() as connection:
        # Read again: another run may have migrated while this one made its backup.
        for step in range(_version(connection, database), schema.VERSION):
            schema.MIGRATIONS[step](connection)
            connection.execute(
                schema.meta.update().where(schema.meta.c.key == "version").values(value=str(step + 1))
            )
            migrated(connection, str(step + 1))


def _back_up(path: Path, version: int) -> None:
    backup = path.with_name(f"{path.name}.v{version}.bak")
    try:
        os.close(os.open(backup, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as copy:
            source.backup(copy)
    except (OSError, sqlite3.Error) as error:
        raise problem("journal_unwritable", str(path), f"its backup {backup.name} failed: {error}") from None
