"""What reading, writing and locking have in common: one database, who writes, and whose clock counts."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from sqlalchemy import Connection

from chargeplan.journal.database import Database
from chargeplan.journal.recorder import Recorder


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How locks are timed: by the server's clock, where there is a server, and how to wait."""

    server_clock: bool = True
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


class Access:
    """An open journal's database.

    Every method of a class that has one raises ``ChargeplanError`` where the database fails: ``journal_unwritable``,
    ``journal_busy``, ``journal_damaged`` or ``journal_unreachable``.
    """

    def __init__(self, database: Database, record: Recorder, timing: Timing) -> None:
        self._database, self._recorder, self._timing = database, record, timing

    def _lock_time(self, connection: Connection) -> str:
        # Hosts that share a server share its clock too, so that nobody's wrong clock breaks a good lock.
        server = self._database.server_time(connection) if self._timing.server_clock else None
        return server or self._recorder.now()
