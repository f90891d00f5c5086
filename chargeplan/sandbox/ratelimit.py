"""Propexo's rate limit: a number of requests a calendar minute, slow answers near the end, then 429.

Source: the *rate-limiting* guide (``propexo-api.md`` 7.4). The count is each server's own, not in the state file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from datetime import datetime

    from chargeplan.sandbox.settings import Settings


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """What the limit does to one request."""

    limit: int
    remaining: int
    delay: float
    """How long its answer waits, in seconds."""
    refused: bool
    """Whether it is answered with 429."""
    seconds_left: float
    """Until the minute ends."""

    def headers(self, settings: Settings) -> dict[str, str]:
        """The headers that say so."""
        headers = {"x-ratelimit-limit": str(self.limit), "x-ratelimit-remaining": str(self.remaining)}
        if self.refused and settings.retry_after:
            headers["retry-after"] = str(int(self.seconds_left) + 1)
        return headers


class RateLimit:
    """Counts the requests of one contract."""

    def __init__(self) -> None:
        self._minute = ""
        self._used = 0

    def take(self, now: datetime, settings: Settings) -> Pace:
        """Count one request."""
        minute = now.isoformat(timespec="minutes")
        if minute != self._minute:
            self._minute, self._used = minute, 0
        limit = settings.requests_per_minute
        refused = self._used >= limit
        self._used += not refused
        slow = self._used >= settings.slow_from * limit
        return Pace(
            limit=limit,
            remaining=max(limit - self._used, 0),
            delay=settings.slow_seconds if slow and not refused else 0.0,
            refused=refused,
            seconds_left=60.0 - now.second - now.microsecond / 1e6,
        )
