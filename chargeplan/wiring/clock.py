"""Real time."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

_COUNTS_SLEEP = hasattr(time, "CLOCK_BOOTTIME")


class WallClock:
    """Real time."""

    def now(self) -> str:
        """RFC 3339 in UTC, to the millisecond."""
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def today(self, timezone: str) -> date:
        """The calendar date there."""
        return datetime.now(ZoneInfo(timezone)).date()

    def monotonic(self) -> float:
        """Seconds that only grow, also while the machine sleeps, where it knows."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if _COUNTS_SLEEP else time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; a signal's handler runs meanwhile."""
        time.sleep(seconds)
