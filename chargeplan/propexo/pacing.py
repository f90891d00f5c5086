"""Keeping under the rate limit (propexo-api.md 7.4): answers are slowed from 80 % of it, and refused at 100 %.

The limit is per minute and per contract, so others may use it up too: the answers' headers tell how much is left. Whether
the minute slides or starts on the clock is not documented; a sliding minute of our own is safe with both.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

MINUTE = 60.0
_LONGEST_WAIT = 300.0


class Pacer:
    """Lets requests pass, fewer than 80 % of the limit in any minute. Safe to share between threads."""

    def __init__(
        self,
        requests_per_minute: int,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = max(1, requests_per_minute)
        self._sleep = sleep
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._passed: deque[float] = deque()
        self._others = 0
        self._others_until = 0.0
        self._closed_until = 0.0

    @property
    def allowed(self) -> int:
        """Requests that may pass within a minute: the last one below 80 % of the limit, and at least one."""
        return max(1, (self._limit * 4 + 4) // 5 - 1)

    @property
    def limit(self) -> int:
        """Requests a minute by the contract: as the last answer told, else as configured."""
        return self._limit

    def wait(self) -> None:
        """Return when a request may pass, and count it."""
        while (seconds := self._next()) > 0:
            self._sleep(seconds)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take the limit and what others have used of it from an answer's headers; nonsense in them is ignored."""
        limit = whole(headers.get("x-ratelimit-limit"))
        remaining = whole(headers.get("x-ratelimit-remaining"))
        with self._lock:
            if limit:
                self._limit = limit
            if remaining is None:
                return
            now = self._monotonic()
            self._forget(now)
            self._others = max(0, self._limit - remaining - len(self._passed))
            self._others_until = now + MINUTE

    def throttled(self, headers: Mapping[str, str]) -> int:
        """Close for as long as a 429 tells, else until a minute has passed since it; the whole seconds to wait."""
        told = whole(headers.get("retry-after"))
        seconds = min(_LONGEST_WAIT, max(1.0, MINUTE if told is None else float(told)))
        with self._lock:
            self._closed_until = max(self._closed_until, self._monotonic() + seconds)
        return int(seconds)

    def pause(self, seconds: float) -> None:
        """Wait between two attempts."""
        self._sleep(seconds)

    def _next(self) -> float:
        with self._lock:
            now = self._monotonic()
            self._forget(now)
            if now < self._closed_until:
                return self._closed_until - now
            if len(self._passed) + self._others < self.allowed:
                self._passed.append(now)
                return 0.0
            # Something must leave the minute first: our oldest request, or what the others had used.
            leaving = [self._passed[0] + MINUTE] if self._passed else []
            leaving += [self._others_until] if self._others else []
            return max(0.001, min(leaving) - now)

    def _forget(self, now: float) -> None:
        while self._passed and self._passed[0] <= now - MINUTE:
            self._passed.popleft()
        if now >= self._others_until:
            self._others = 0


def whole(text: str | None) -> int | None:
    """A header's whole number, at least 0; ``None`` where there is none."""
    return int(text) if text is not None and text.strip().isdecimal() and len(text.strip()) < 10 else None
