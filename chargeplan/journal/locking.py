"""Holding, showing, breaking and taking away the locks of properties."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, RowMapping

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import locks
from chargeplan.journal.access import Access


class Locking(Access):
    """The locks of properties, which are rows with an owner, a heartbeat and an end."""

    @contextmanager
    def lock(
        self, integration_id: str, property_ids: Sequence[str], *, purpose: str, timeout: float
    ) -> Iterator[Mapping[str, int]]:
        """Hold the locks of the properties, all or none; yields the fencing token of each.

        Raises:
            LockedError: another run holds one of them after ``timeout`` seconds.
        """
        rows = [(integration_id, property_id) for property_id in sorted(set(property_ids))]
        if not rows:
            yield {}
            return
        tokens = self._acquire(rows, purpose, timeout)
        numbers = list(tokens.values())
        try:
            with locks.beating(lambda: self._beat(numbers), locks.EXPIRY_SECONDS / 3):
                yield tokens
        finally:
            # What can't be released expires; that must not hide what the block itself ended with.
            with suppress(ChargeplanError):
                self._database.write(lambda connection: locks.drop(connection, numbers))

    def locks(self) -> list[dict[str, Any]]:
        """The locks that are held; those that nobody stands behind any more are broken first."""
        now, rows = self._database.read(
            lambda connection: (self._lock_time(connection), locks.held(connection))
        )
        if any(locks.is_broken(row, now) for row in rows):
            try:
                rows = self._database.write(
                    lambda connection: self._break(connection, locks.held(connection), now)
                )
            except ChargeplanError as refusal:
                # A role that may only read does not break them; the next run does.
                if refusal.code != "journal_denied":
                    raise
                rows = [row for row in rows if not locks.is_broken(row, now)]
        return [locks.shown(row) for row in rows]

    def unlock(self, lock_id: str, reason: str) -> None:
        """Take a lock from its owner, whose next intent is refused; the journal keeps who and why.

        Raises:
            ChargeplanError: ``unknown_lock``.
        """

        def take_away(connection: Connection) -> None:
            row = next((row for row in locks.held(connection) if row["id"] == lock_id), None)
            if row is None:
                raise ChargeplanError(
                    f"There is no lock {lock_id}.",
                    hint="`chargeplan journal locks` lists those that are held.",
                    code="unknown_lock",
                )
            locks.drop(connection, [row["token"]])
            self._recorder.append(connection, "lock_unlocked", {**locks.shown(row), "reason": reason})

        self._database.write(take_away)

    def _acquire(self, rows: Sequence[tuple[str, str]], purpose: str, timeout: float) -> dict[str, int]:
        deadline = self._timing.monotonic() + timeout
        pause = 0.1
        while isinstance(taken := self._try_lock(rows, purpose), RowMapping):
            left = deadline - self._timing.monotonic()
            if left <= 0:
                raise locks.locked(taken)
            self._timing.sleep(min(pause, left))
            pause = min(pause * 1.5, 2.0)
        return taken

    def _try_lock(self, rows: Sequence[tuple[str, str]], purpose: str) -> dict[str, int] | RowMapping:
        wanted = set(rows)

        def take(connection: Connection) -> dict[str, int] | RowMapping:
            now = self._lock_time(connection)
            standing = [
                r for r in locks.held(connection) if (r["integration_id"], r["property_id"]) in wanted
            ]
            blocking = self._break(connection, standing, now)
            if blocking:
                return blocking[0]
            tokens = locks.take(connection, rows, owner=self._recorder.actor, purpose=purpose, now=now)
            data = {
                "integration_id": rows[0][0],
                "property_ids": list(tokens),
                "purpose": purpose,
                "count": len(tokens),
                "fence": max(tokens.values()),
                # Whoever finds this event after a lost connection knows that it was its own.
                "taking": secrets.token_hex(8),
            }
            self._recorder.append(connection, "locks_taken", data)
            return tokens

        return self._database.write(take)

    def _break(self, connection: Connection, rows: Iterable[RowMapping], now: str) -> list[RowMapping]:
        blocking = []
        for row in rows:
            if not locks.is_broken(row, now):
                blocking.append(row)
                continue
            cause = "expired" if row["expires"] <= now else "its process is gone"
            locks.drop(connection, [row["token"]])
            self._recorder.append(connection, "lock_broken", {**locks.shown(row), "cause": cause})
        return blocking

    def _beat(self, tokens: Sequence[int]) -> None:
        # Not patiently: the next beat comes anyway, and the end of the run waits for this one.
        self._database.write(
            lambda connection: locks.renew(connection, tokens, self._lock_time(connection)), patience=0.0
        )
