"""One count of the requests that all runners with this journal make with one token.

Propexo's limit is per contract (propexo-api.md 7.4), and runners on several hosts know nothing of each other but the
journal. The count stands in ``meta``, where a row is made without a migration; it is no part of the record, so that no event
says of it and no export has it.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Connection, insert, select, update

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import schema
from chargeplan.journal.database import Database

# A second more than a minute: a place is taken a moment before its request begins.
WINDOW: Final = 61.0
_READERS: Final = frozenset({"journal_denied", "journal_unwritable"})
_meta: Final = schema.meta


class SharedBudget:
    """The places of the running minute. ``name`` stands for the token, and is not the token."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._key = f"budget:{name}"

    def take(self, allowed: int) -> float:
        """Take one of ``allowed`` places: 0 where there was one, else the seconds until the oldest is free again.

        A role that only reads the journal can't take one. It goes without, as one does who has another journal: what it uses
        up shows in the headers of the others' answers.

        Raises:
            ChargeplanError: the database failed; no place was taken.
        """
        try:
            return self._database.write(lambda connection: self._take(connection, allowed))
        except ChargeplanError as problem:
            if problem.code not in _READERS:
                raise
            return 0.0

    def _take(self, connection: Connection, allowed: int) -> float:
        now = self._now(connection)
        row = _meta.c.key == self._key
        known = connection.execute(select(_meta.c.value).where(row)).scalar_one_or_none()
        # A clock that was set back must not keep places taken for ever.
        taken = [at for at in _moments(known) if now - WINDOW < at <= now + WINDOW]
        if len(taken) >= allowed:
            return max(0.001, min(taken) + WINDOW - now)
        value = msgspec.json.encode([*taken, now]).decode()
        if known is None:
            connection.execute(insert(_meta).values(key=self._key, value=value))
        else:
            connection.execute(update(_meta).where(row).values(value=value))
        return 0.0

    def _now(self, connection: Connection) -> float:
        # Hosts that share a server share its clock too.
        server = self._database.server_time(connection)
        return time.time() if server is None else datetime.fromisoformat(server).timestamp()


def _moments(value: str | None) -> list[float]:
    return [] if value is None else msgspec.json.decode(value, type=list[float])
