"""The sandbox's own time: the wall clock, moved or stopped by a lever, so that no test has to sleep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chargeplan.sandbox.store import Store


def stamp(moment: datetime) -> str:
    """A moment as Propexo writes it: UTC, milliseconds and a ``Z``, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_moment(text: str) -> datetime:
    """An ISO 8601 date or date-time as an aware moment; without a zone it is UTC.

    Raises:
        ValueError: The text is neither.
    """
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Clock:
    """Now, for every rule of the sandbox. Kept in the state file, so that all processes agree."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self) -> datetime:
        """The sandbox's present moment, in UTC."""
        stopped = self._store.value("clock_stopped_at")
        if isinstance(stopped, str):
            return parse_moment(stopped)
        return datetime.now(UTC) + timedelta(seconds=float(self._store.value("clock_offset") or 0.0))

    def stamp(self) -> str:
        """Now, as Propexo writes it."""
        return stamp(self.now())

    def stop_at(self, moment: datetime | None) -> None:
        """Stop the clock at a moment; ``None`` lets it run again from the wall clock."""
        self._store.set_value("clock_stopped_at", stamp(moment) if moment else None)
        self._store.set_value("clock_offset", 0.0)

    def advance(self, seconds: float) -> None:
        """Move the clock forwards, whether it is stopped or runs."""
        stopped = self._store.value("clock_stopped_at")
        if isinstance(stopped, str):
            self._store.set_value(
                "clock_stopped_at", stamp(parse_moment(stopped) + timedelta(seconds=seconds))
            )
            return
        self._store.set_value("clock_offset", float(self._store.value("clock_offset") or 0.0) + seconds)
