"""One refresh of one integration: read everything aside, then write it in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from chargeplan.core import observed
from chargeplan.core.dates import Days
from chargeplan.core.errors import ChargeplanError
from chargeplan.snapshot import reading, staging
from chargeplan.snapshot.reading import CHARGES, PAYMENTS, Progress, Read

_ALWAYS = ("properties", "units", "leases", "residents")


class Rows(Protocol):
    """The part of a source that a refresh reads."""

    def integration(self, integration_id: str) -> observed.Integration:
        """The integration's state now."""

    def server_time(self) -> datetime | None:
        """The server's clock at its last answer; ``None`` where it told none."""

    def rows(self, kind: str, params: Mapping[str, str]) -> Iterator[Sequence[staging.Record]]:
        """The pages of a list; an error with the code ``bad_request`` where a filter is not known."""


class _Known(msgspec.Struct, frozen=True):
    """What the copy knew of the integration when the refresh began."""

    last_completed_sync: str | None = None
    previous_sync: str | None = None
    generation: int = 0


class Refresh:
    """Call ``read``, which locks nothing, and then ``write``, which is one transaction."""

    def __init__(
        self, connection: sqlite3.Connection, source: Rows, integration_id: str, now: datetime
    ) -> None:
        self._connection = connection
        self._source = source
        self._id = integration_id
        self._now = now
        self._known = self._load()
        self._progress = load_progress(connection, integration_id)
        self._dropped: list[tuple[str, Days | None]] = []
        self._checked: Days | None = None
        self._newest: dict[str, str | None] = {}
        self._full = False
        self._integration: observed.Integration | None = None
        self._begun: datetime | None = None

    def read(
        self,
        window: Days,
        *,
        full: bool,
        fees: bool,
        payments: bool,
        codes: Sequence[str],
        named: Collection[str] = (),
        reads_back: bool = False,
    ) -> None:
        """Read what is missing or may have changed, aside; ``codes`` are the lists of what charges are for.

        Lists that seldom change are looked at anew where one of ``named``, ids or names, is not known.
        """
        staging.clear(self._connection)
        # First: rows read after it are at least as new as the sync and the clock that it tells of.
        self._integration = self._source.integration(self._id)
        self._begun = self._source.server_time()
        self._full = full
        self._ask_anew()
        kinds = (*_ALWAYS, *codes, *(("fees",) if fees else ()))
        young = [kind for kind in kinds if not self._read_undated(kind)]
        if young and not staging.knows_all(self._connection, self._id, named):
            for kind in young:
                self._read_undated(kind, anew=True)
        for kind in (CHARGES, *((PAYMENTS,) if payments else ())):
            self._read_dated(kind, window, reads_back=reads_back)
        self._read_stale(window)

    def write(self) -> None:
        """Bring what was read into the copy, all of it or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._write()
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk ends it by itself
                self._connection.execute("ROLLBACK")
            raise

    def _ask_anew(self) -> None:
        """Where all is read anyway, forget which filters were refused: Propexo may know them by now."""
        for kind in self._progress:
            if self._is_full(kind):
                self._set(kind, knows_changed=True, knows_seen=True)

    def _read_undated(self, kind: str, *, anew: bool = False) -> bool:
        """Read a list without dates; false where the copy is young enough."""
        full = self._is_full(kind)
        read = reading.undated(kind, self._at(kind), self._now, self._last_sync(), full=full, anew=anew)
        if read is None:
            return False
        if not self._try(kind, read):
            self._set(kind, knows_changed=False)
            return self._read_undated(kind, anew=anew)
        if read.mode == "whole":
            self._dropped.append((kind, None))
            self._set(kind, whole_at=self._now)
        self._note_read(kind)
        return True

    def _read_dated(self, kind: str, window: Days, *, reads_back: bool) -> None:
        full = self._is_full(kind)
        reads, covered = reading.dated(
            self._at(kind), window, self._last_sync(), full=full, reads_back=reads_back
        )
        for read in reads:
            if not self._try(kind, read):
                self._set(kind, knows_changed=False)
                self._fetch(kind, Read("window", days=window))
                self._dropped.append((kind, window))
                covered = window
                break
            if read.days is not None:
                self._dropped.append((kind, read.days))
        whole_at = self._now if full else self._at(kind).whole_at
        self._set(kind, whole_at=whole_at, covered=covered)
        if any(read.mode == "changed" or read.days == window for read in reads):
            self._note_read(kind)

    def _note_read(self, kind: str) -> None:
        """Note up to when the list is known now."""
        known = reading.up_to(self._begun, self._at(kind), self._newest.get(kind), self._now)
        self._set(kind, read_at=self._now, watermark=known, synced=self._last_sync())

    def _read_stale(self, window: Days) -> None:
        """Which charges the last sync did not see: nothing of them changes, so no read of what changed shows it.

        They are those last seen before that sync began, asked for once after each sync that we notice.
        """
        last, previous = self._last_sync(), self._previous_sync()
        done = self._known.last_completed_sync == last or (CHARGES, window) in self._dropped
        if done or previous is None or last is None:
            return
        days = self._at(CHARGES).covered or window
        stale = Read("stale", reading.unseen(last, previous), days)
        if self._at(CHARGES).knows_seen and self._try(CHARGES, stale):
            self._checked = days
            return
        self._set(CHARGES, knows_seen=False)
        self._fetch(CHARGES, Read("window", days=window))
        self._dropped.append((CHARGES, window))

    def _try(self, kind: str, read: Read) -> bool:
        """Read; false where Propexo does not know the filter for changes."""
        try:
            self._fetch(kind, read)
        except ChargeplanError as error:
            if error.code == "bad_request" and read.mode in ("changed", "stale"):
                return False
            raise
        return True

    def _fetch(self, kind: str, read: Read) -> None:
        # Fees know no filter by integration (propexo-api.md 6.3): all are read, ours are kept.
        own = {} if kind == "fees" else {"integration_id": self._id}
        newest = self._newest.get(kind)
        for page in self._source.rows(kind, {**own, **read.params()}):
            mine = [each for each in page if each.integration_id in ("", self._id)]
            staging.stage(self._connection, self._id, kind, mine)
            if read.mode == "stale":
                staging.mark_stale(self._connection, mine)
            for changed in {each.updated_at for each in mine}:
                newest = reading.later(newest, changed)
        self._newest[kind] = newest

    def _write(self) -> None:
        now_there = self._load()
        if now_there.generation != self._known.generation:
            self._step_back()
        for kind, days in self._dropped:
            if days is None:
                staging.drop_kind(self._connection, self._id, kind)
            else:
                staging.drop_days(self._connection, self._id, kind, days)
        staging.merge(self._connection)
        last_sync = self._last_sync()
        if self._checked is not None and last_sync is not None:
            staging.seen(self._connection, self._id, self._checked, last_sync)
        self._save(now_there.generation + 1)

    def _step_back(self) -> None:
        """Another process refreshed meanwhile, and ours may put older rows over newer ones.

        So the next refresh reads again whatever changed since the earlier of both watermarks.
        """
        for kind, theirs in load_progress(self._connection, self._id).items():
            if kind in self._progress:
                mark = reading.earlier(self._at(kind).watermark, theirs.watermark)
                self._set(kind, watermark=mark, synced=None)

    def _save(self, generation: int) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO integration VALUES (?, ?, ?, ?, ?)",
            (
                self._id,
                msgspec.json.encode(self._integration),
                self._last_sync(),
                self._previous_sync(),
                generation,
            ),
        )
        if self._last_sync() is not None:
            self._connection.execute(
                "INSERT OR IGNORE INTO sync VALUES (?, ?)", (self._id, self._last_sync())
            )
        for kind, progress in self._progress.items():
            row = (self._id, kind, msgspec.json.encode(progress))
            self._connection.execute("INSERT OR REPLACE INTO progress VALUES (?, ?, ?)", row)

    def _last_sync(self) -> str | None:
        return None if self._integration is None else self._integration.last_completed_sync

    def _previous_sync(self) -> str | None:
        known = self._known
        return (
            known.previous_sync
            if self._last_sync() == known.last_completed_sync
            else known.last_completed_sync
        )

    def _is_full(self, kind: str) -> bool:
        return self._full or reading.is_due(kind, self._at(kind), self._now)

    def _at(self, kind: str) -> Progress:
        return self._progress.get(kind, Progress())

    def _set(self, kind: str, **changes: object) -> None:
        self._progress[kind] = msgspec.structs.replace(self._at(kind), **changes)

    def _load(self) -> _Known:
        row = self._connection.execute(
            "SELECT last_completed_sync, previous_sync, generation FROM integration WHERE id = ?",
            (self._id,),
        ).fetchone()
        return _Known(*row) if row else _Known()


def load_progress(connection: sqlite3.Connection, integration_id: str) -> dict[str, Progress]:
    """How far each list of the integration was read."""
    rows = connection.execute("SELECT kind, body FROM progress WHERE integration_id = ?", (integration_id,))
    return {kind: msgspec.json.decode(body, type=Progress) for kind, body in rows.fetchall()}
