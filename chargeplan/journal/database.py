"""Opening the database: files and their modes, servers, transactions that end well or not at all, the tables' version."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import schema, server, sqlite_file
from chargeplan.journal.failures import (
    NOTHING_SENT,
    explained,
    is_lost,
    is_undone,
    missing,
    moved,
    problem,
    undecided,
)

T = TypeVar("T")
Work = Callable[[Connection], T]

# How long an open journal waits for a server that restarts, in seconds; opening itself does not wait.
PATIENCE_SECONDS: Final = 30.0
MOVED: Final = "moved"  # the key in ``meta`` that says where the journal went
LAST_EVENT: Final = "chargeplan_last_event"  # in ``Connection.info``: what this transaction appended last
_CHECKED_BYTES: Final = 32 * 1024 * 1024  # a bigger file is checked by `journal verify` only


class Database:
    """An open database and the two ways to use it. ``where`` is its address, fit to be shown.

    Both run a function of the connection, and run it again where a server undid what it did: a lost connection, a
    restart, a deadlock, a serialization failure. So it does nothing but ask and write there. What is repeated is a
    transaction that certainly was not committed, never a request to Propexo.
    """

    def __init__(
        self, engine: Engine, where: str, path: Path | None, address: server.Address | None = None
    ) -> None:
        self.engine = engine
        self.where = where
        self.path = path
        self.address = address
        self.session: server.Session | None = None
        self.patience = 0.0
        self.refuses_moved = False

    @staticmethod
    def named(target: str) -> str:
        """The address of a target, fit to be shown, without opening it."""
        return server.address(target).shown if server.is_address(target) else str(Path(target))

    def read(self, work: Work[T], *, patience: float | None = None) -> T:
        """What ``work`` finds in a consistent view of the journal.

        Raises:
            ChargeplanError: the database failed.
        """
        with explained(self.where, "" if self.patience else NOTHING_SENT):
            return self._patiently(lambda: self._read(work), patience)

    def write(self, work: Work[T], consequence: str = NOTHING_SENT, *, patience: float | None = None) -> T:
        """Run ``work`` in one transaction, the only writer while it lasts; durable when this returns, undone on any error.

        Raises:
            ChargeplanError: the database failed; ``consequence`` says what that means for the charges.
        """
        with explained(self.where, consequence):
            return self._patiently(lambda: self._write(work, consequence), patience)

    def _read(self, work: Work[T]) -> T:
        with self.engine.connect() as connection:
            # SQLite's view is one anyway; PostgreSQL would show each statement what was committed by then.
            view = (
                connection if self.path else connection.execution_options(isolation_level="REPEATABLE READ")
            )
            with view.begin():
                return work(view)

    def _write(self, work: Work[T], consequence: str) -> T:
        with self.engine.connect() as connection:
            writer = connection.execution_options(chargeplan_write=True)
            transaction = writer.begin()
            try:
                writer.info.pop(LAST_EVENT, None)
                if self.session is not None:
                    server.begin_writing(writer, self.session)
                if self.refuses_moved:
                    # Somebody may have moved it since it was opened.
                    _refuse_moved(writer, self.where)
                found = work(writer)
                last = writer.info.get(LAST_EVENT)
            except BaseException:
                # A connection that is gone has nothing to roll back; that must not hide what happened.
                with suppress(DBAPIError):
                    transaction.rollback()
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                if is_lost(error) and self._was_committed(last, consequence):
                    return found
                raise
        return found

    def _was_committed(self, last: tuple[int, str] | None, consequence: str) -> bool:
        """Whether a transaction whose COMMIT got no answer was committed, by its last event, read on a new connection.

        Read as a writer: then the transaction in question is over, whichever way it went. What appended no event
        (a heartbeat, a lock let go) may be done twice, so it counts as not committed.

        Raises:
            ChargeplanError: it could not be found out.
        """
        if last is None:
            return False
        events, head = schema.events.c, schema.meta.c.key == "head"

        def look(connection: Connection) -> bool:
            # Written, not only read: with standbys, this commit waits until they have what was before it.
            connection.execute(update(schema.meta).where(head).values(value=schema.meta.c.value))
            query = select(events.seq).where(events.seq == last[0], events.hash == last[1])
            return connection.execute(query).first() is not None

        try:
            return self._patiently(lambda: self._write(look, consequence))
        except DBAPIError:
            raise undecided(self.where, consequence) from None

    def _patiently(self, attempt: Callable[[], T], patience: float | None = None) -> T:
        """Attempt it again while the database undoes it and ``patience`` seconds have not passed."""
        given = self.patience if patience is None else patience
        until, pause = time.monotonic() + given, 0.05
        while True:
            try:
                found = attempt()
            except DBAPIError as error:
                if self.path is not None or not is_undone(error):
                    raise
                if time.monotonic() >= until:
                    # A server that stays away is waited for once, not at every step from here on.
                    self.patience = min(self.patience, 1.0)
                    raise
            else:
                return found
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def server_time(self, connection: Connection) -> str | None:
        """The server's clock, where several hosts share it; None for a file."""
        return server.server_time(connection) if self.path is None else None

    def integrity(self) -> list[str]:
        """What the database itself finds wrong with its file; a server looks after its own."""
        if self.path is None:
            return []
        found = self.read(
            lambda connection: connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars().all()
        )
        return [f"file: {line}" for line in found if line != "ok"]

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()


Creation = Callable[[Connection, str], None]


def open_database(
    target: str,
    *,
    create: bool,
    created: Creation,
    migrated: Creation,
    allow_async: bool = False,
    source: bool = False,
) -> Database:
    """Open the journal's database, or make it; ``created`` and ``migrated`` write the events that say so.

    ``allow_async`` takes a server whose commits may be forgotten; ``source`` one whose journal has moved away.

    Raises:
        ChargeplanError: ``journal_missing``, ``journal_foreign``, ``journal_damaged``, ``journal_newer``,
            ``journal_unwritable``, ``journal_unreachable``, ``journal_async``, ``journal_moved`` or
            ``journal_address``.
    """
    if "://" in target and not server.is_address(target):
        raise server.no_address()  # or it would become a folder of that name
    database = _server(target) if server.is_address(target) else _file(Path(target), create=create)
    try:
        if database.address is not None:
            _meet(database, database.address, allow_async=allow_async)
        _check_version(database, create=create, created=created, migrated=migrated)
        if not source:
            database.read(lambda connection: _refuse_moved(connection, database.where))
    except BaseException:
        database.close()
        raise
    if database.path is not None and os.access(database.path, os.W_OK):
        sqlite_file.tighten(database.path)
    database.patience, database.refuses_moved = PATIENCE_SECONDS, not source
    return database


# --- a file or a server --------------------------------------------------------------------------------------------


def _file(path: Path, *, create: bool) -> Database:
    return Database(sqlite_file.engine_of(path, create=create), str(path), path)


def _server(target: str) -> Database:
    address = server.address(target)
    return Database(server.engine_of(address), address.shown, None, address)


def _meet(database: Database, address: server.Address, *, allow_async: bool) -> None:
    session = database.read(lambda connection: server.session_of(connection, address))
    if not allow_async:
        server.check_durable(session, database.where)
    database.session = session


# --- the tables ---------------------------------------------------------------------------------------------------


def _check_version(database: Database, *, create: bool, created: Creation, migrated: Creation) -> None:
    if not database.read(lambda connection: _is_present(connection, database)):
        if not create:
            raise missing(database.where)
        _create(database, created)
    version = database.read(lambda connection: _version(connection, database))
    if version > schema.VERSION:
        raise ChargeplanError(
            f"The journal {database.where} was written by a newer chargeplan (its version is {version}, "
            f"this program knows {schema.VERSION}). {NOTHING_SENT}",
            hint="Install the newer chargeplan: `pip install --upgrade chargeplan`.",
            code="journal_newer",
        )
    if version < schema.VERSION:
        _migrate(database, version, migrated)


def _refuse_moved(connection: Connection, where: str) -> None:
    query = select(schema.meta.c.value).where(schema.meta.c.key == MOVED)
    to = connection.execute(query).scalar_one_or_none()
    if to is not None:
        raise moved(where, to)


def _tables(connection: Connection, database: Database) -> set[str]:
    name = database.address.schema if database.address else None
    return set(inspect(connection).get_table_names(schema=name))


def _is_present(connection: Connection, database: Database) -> bool:
    tables = _tables(connection, database)
    if "meta" in tables:
        return True
    if tables & set(schema.metadata.tables):
        raise problem("journal_damaged" if "events" in tables else "journal_foreign", database.where)
    return False


def _version(connection: Connection, database: Database) -> int:
    name = database.address.schema if database.address else None
    columns = {column["name"] for column in inspect(connection).get_columns("meta", schema=name)}
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
    absent = set(schema.metadata.tables) - _tables(connection, database)
    if absent or not {"identity", "version", "head", "fence"} <= rows.keys():
        raise problem("journal_damaged", database.where, "parts of it are missing")
    if database.path is not None and database.path.stat().st_size <= _CHECKED_BYTES:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if found != "ok":
            raise problem("journal_damaged", database.where, str(found).splitlines()[0])


def _create(database: Database, created: Creation) -> None:
    def make(connection: Connection) -> None:
        # One transaction: a journal is whole or not there. Another run may have been faster.
        if _is_present(connection, database):
            return
        if database.address is not None:
            server.make_schema(connection, database.address)
        schema.metadata.create_all(connection, checkfirst=False)
        identity = secrets.token_hex(16)
        first = {"format": schema.FORMAT, "version": str(schema.VERSION), "identity": identity, "fence": "0"}
        connection.execute(insert(schema.meta), [{"key": k, "value": v} for k, v in first.items()])
        created(connection, identity)

    database.write(make)
    if database.path is not None:
        # A copy of the file without its log is then a journal, not an empty file that looks like a fresh start.
        database.read(_checkpoint)


def _checkpoint(connection: Connection) -> None:
    connection.exec_driver_sql("COMMIT")
    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.exec_driver_sql("BEGIN")


def _migrate(database: Database, version: int, migrated: Creation) -> None:
    if database.path is not None:
        sqlite_file.back_up(database.path, version)

    def migrate(connection: Connection) -> None:
        # Read again: another run may have migrated while this one made its backup.
        for step in range(_version(connection, database), schema.VERSION):
            schema.MIGRATIONS[step](connection)
            connection.execute(
                schema.meta.update().where(schema.meta.c.key == "version").values(value=str(step + 1))
            )
            migrated(connection, str(step + 1))

    database.write(migrate)
