"""``SqlJournal``: the journal in SQLite or PostgreSQL. Whatever a method wrote is durable when it returns."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self, TextIO

from sqlalchemy import Connection, select

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import schema, transfer
from chargeplan.journal.access import Timing
from chargeplan.journal.budget import SharedBudget
from chargeplan.journal.checks import problems_of
from chargeplan.journal.database import open_database
from chargeplan.journal.home import Home, bind, check_home, home_of, settle_home
from chargeplan.journal.locking import Locking
from chargeplan.journal.reading import Reading
from chargeplan.journal.recorder import Clock, Recorder, default_actor, utc_now
from chargeplan.journal.writing import Writing


def open_journal(
    target: str,
    *,
    create: bool,
    actor: str | None = None,
    clock: Clock | None = None,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    allow_async: bool = False,
    home: Home | None = None,
) -> SqlJournal:
    """Open the journal at a file path or a ``postgresql://`` address; with ``create``, make it where it is missing.

    With a ``home``, another environment's journal is refused before anything of it is read.

    ``actor`` is who the events name (default: the CI job's person, else the user). A ``clock`` given here also times
    the locks, in place of the server's. ``allow_async`` takes a server that may forget commits.

    Raises:
        ChargeplanError: ``journal_missing``, ``journal_foreign``, ``journal_damaged``, ``journal_newer``,
            ``journal_unwritable``, ``journal_denied``, ``journal_unreachable``, ``journal_address``, ``journal_async``,
            ``journal_driver`` or ``journal_of_another``.
    """
    record = Recorder(actor or default_actor(), clock or utc_now)
    database = open_database(
        target, create=create, created=record.created, migrated=record.migrated, allow_async=allow_async
    )
    if home is not None:
        try:
            settle_home(database, record, home)
        except BaseException:
            database.close()
            raise
    timing = Timing(server_clock=clock is None, sleep=sleep, monotonic=monotonic)
    return SqlJournal(database, record, timing)


class SqlJournal(Reading, Writing, Locking):
    """The durable record of every posting: reading, writing and locking over one database, and its care.

    Made by :func:`open_journal`; close it, or use it as a context manager.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    @property
    def identity(self) -> str:
        """The random id that this journal got when it was created; an import brings its own."""
        return self._database.read(lambda connection: _meta(connection, "identity"))

    @property
    def where(self) -> str:
        """The journal's address, without a password."""
        return self._database.where

    @property
    def is_shared(self) -> bool:
        """Whether runners on several hosts may have it in common: it is on a server."""
        return self._database.path is None

    def budget(self, name: str) -> SharedBudget:
        """The requests of one token, which ``name`` stands for, that all runners with this journal count together."""
        return SharedBudget(self._database, name)

    # --- care -----------------------------------------------------------------------------------------------------

    def verify(self) -> list[str]:
        """Everything that is wrong: the file, the chain of events, and rows that differ from what the events say."""
        problems = []
        try:
            problems += self._database.integrity()
            problems += self._database.read(problems_of)
        except ChargeplanError as error:
            if error.code != "journal_damaged":
                raise
            problems.append(f"file: {error.message}")
        return problems

    def export(self, stream: TextIO) -> None:
        """Write the whole record as JSON Lines."""

        def write(connection: Connection) -> None:
            identity = _meta(connection, "identity")
            stream.writelines(line + "\n" for line in transfer.lines(connection, identity))

        # What is half written is not begun again.
        self._database.read(write, patience=0.0)

    def bind(self, home: Home, *, reason: str) -> None:
        """A person says whose record it is from now on."""
        bind(self._database, self._recorder, home, reason=reason)

    def import_(self, stream: TextIO, home: Home | None = None) -> int:
        """Make an export the record of this empty journal, verified; how many events it has. The identity comes along.

        Raises:
            ChargeplanError: ``import_invalid``, ``journal_newer``, ``journal_not_empty`` or, with a ``home``,
                ``journal_of_another``: nothing was imported.
        """
        identity, events = transfer.parsed(stream)
        if home is not None:
            check_home(home_of(events), home, "in this export")

        def fill(connection: Connection) -> None:
            transfer.fill(connection, identity, events)
            self._recorder.append(connection, "imported", {"count": len(events), "identity": identity})

        self._database.write(fill)
        return len(events)


def _meta(connection: Connection, key: str) -> str:
    query = select(schema.meta.c.value).where(schema.meta.c.key == key)
    return str(connection.execute(query).scalar_one())
