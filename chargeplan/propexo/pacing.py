"""Keeping under the rate limit (propexo-api.md 7.4): answers are slowed from 80 % of it, and refused at 100 %.

The limit is per minute and per contract, so others may use it up too: the answers' headers tell how much is left. Whether
the minute slides or starts on the clock is not documented; a sliding minute of our own is safe with both.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Protocol

from chargeplan.core.errors import ChargeplanError

MINUTE = 60.0
_LONGEST_WAIT = 300.0
_SLICE = 0.1
"""Seconds between two looks at whether a wait is still wanted: Ctrl-C does not wake a sleeping thread by itself."""
_SOON = 0.01
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)


class EndedError(ChargeplanError):
    """No request begins any more: the run was asked to stop, or its deadline has passed."""


class Budget(Protocol):
    """A count of requests that several programs with the same token share."""

    def take(self, allowed: int) -> float:
        """Take one of the ``allowed`` places of a minute: 0 where there was one, else seconds after which to ask again."""
        ...


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
        self._reserved = 0
        self._open = 0
        self._others = 0
        self._others_until = 0.0
        self._closed_until = 0.0
        self._deadline: float | None = None
        self._stopping: Callable[[], bool] | None = None
        self._budget: Budget | None = None

    @property
    def allowed(self) -> int:
        """Requests that may pass within a minute: the last one below 80 % of the limit, and at least one."""
        return max(1, (self._limit * 4 + 4) // 5 - 1)

    @property
    def limit(self) -> int:
        """Requests a minute by the contract: as the last answer told, else as configured."""
        return self._limit

    def end_at(self, deadline: float | None, stopping: Callable[[], bool]) -> None:
        """From now on nothing passes after ``deadline`` (monotonic seconds), nor once ``stopping``; waits end with it."""
        self._deadline, self._stopping = deadline, stopping

    def share(self, budget: Budget) -> None:
        """From now on a request also needs a place in ``budget``, which others with the same token take from too."""
        self._budget = budget

    def wait(self) -> None:
        """Return when a request may pass, and count it.

        Raises:
            EndedError: it may not pass any more.
        """
        self._check()
        while (seconds := self._next()) > 0:
            self.pause(seconds)

    def reserve(self) -> float:
        """Keep a place for one request: 0 where there was one, else the seconds after which to ask again."""
        with self._lock:
            seconds = self._room(self._monotonic()) or self._shared()
            self._reserved += seconds == 0.0
            return seconds

    def release(self) -> None:
        """Give back a place that was reserved for a request that is not made."""
        with self._lock:
            self._reserved = max(0, self._reserved - 1)

    def begin(self) -> None:
        """Let a request pass in a place that was reserved, else as ``wait``. It counts from now on.

        Raises:
            EndedError: it may not pass any more; the place is free again.
        """
        with self._lock:
            reserved = self._reserved > 0
            self._reserved -= reserved
            if reserved and not self._ended():
                self._pass()
                return
        self.wait()

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take the limit and what others have used of it from an answer's headers; nonsense in them is ignored."""
        limit = whole(headers.get("x-ratelimit-limit"))
        remaining = whole(headers.get("x-ratelimit-remaining"))
        with self._lock:
            self._open = max(0, self._open - 1)
            if limit:
                self._limit = limit
            # A limit of 0 is no limit that anybody has; what remains of it says nothing.
            if remaining is None or limit == 0:
                return
            now = self._monotonic()
            self._forget(now)
            self._learn_of_others(self._limit - remaining, now)

    def lost(self) -> None:
        """A request that passed got no answer."""
        with self._lock:
            self._open = max(0, self._open - 1)

    def _learn_of_others(self, used: int, now: float) -> None:
        """What others have used, of ``used`` in all: of ours under way, the other side may have counted some and not the rest."""
        least = max(0, used - len(self._passed))
        most = max(0, used - len(self._passed) + self._open)
        if not least < self._others <= most:
            self._others = min(max(self._others, least), most)
            self._others_until = now + MINUTE

    def throttled(self, headers: Mapping[str, str]) -> int:
        """Close for as long as a 429 tells, else until a minute has passed since it; the whole seconds to wait."""
        told = retry_after(headers)
        seconds = min(_LONGEST_WAIT, max(1.0, MINUTE if told is None else told))
        with self._lock:
            self._closed_until = max(self._closed_until, self._monotonic() + seconds)
        return math.ceil(seconds)

    def seconds_left(self) -> float:
        """Until the deadline; endless where there is none."""
        return math.inf if self._deadline is None else self._deadline - self._monotonic()

    def pause(self, seconds: float) -> None:
        """Wait, between two attempts or for the limit.

        Raises:
            EndedError: the run was asked to stop meanwhile, or the deadline is sooner than the end of the wait.
        """
        if self._stopping is None:
            self._sleep(seconds)
            return
        self._check(seconds)
        while seconds > 0:
            self._sleep(min(seconds, _SLICE))
            seconds -= _SLICE
            self._check()

    def _check(self, seconds: float = 0.0) -> None:
        if why := self._ended(seconds):
            raise EndedError(
                f"No more requests begin: {why}.",
                hint="Run it again; `chargeplan status` shows what is open.",
                code="ended",
            )

    def _ended(self, seconds: float = 0.0) -> str:
        """Why nothing may pass in so many seconds; empty where it may."""
        if self._stopping is not None and self._stopping():
            return "the run was interrupted"
        if self._deadline is not None and self._monotonic() + seconds >= self._deadline:
            return "the deadline has passed"
        return ""

    def _next(self) -> float:
        with self._lock:
            seconds = self._room(self._monotonic()) or self._shared()
            if seconds == 0.0:
                self._pass()
            return seconds

    def _pass(self) -> None:
        self._passed.append(self._monotonic())
        self._open += 1

    def _shared(self) -> float:
        return self._budget.take(self.allowed) if self._budget is not None else 0.0

    def _room(self, now: float) -> float:
        """Seconds until something may change; 0 where there is room for one more request."""
        self._forget(now)
        if now < self._closed_until:
            return self._closed_until - now
        if len(self._passed) + self._reserved + self._others < self.allowed:
            return 0.0
        # Something must leave the minute first: our oldest request, or what the others had used.
        leaving = [self._passed[0] + MINUTE] if self._passed else []
        leaving += [self._others_until] if self._others else []
        return max(0.001, min(leaving) - now) if leaving else _SOON

    def _forget(self, now: float) -> None:
        while self._passed and self._passed[0] <= now - MINUTE:
            self._passed.popleft()
        if now >= self._others_until:
            self._others = 0


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that `Retry-After` says, in either of its forms and with a fraction; ``None`` where it says none.

    A date counts from the answer's own `Date`, as the two clocks may differ.
    """
    told = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(told):
        return float(told)
    try:
        until = parsedate_to_datetime(told)
        since = parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - since).total_seconds())
    except (TypeError, ValueError):
        return None


def whole(text: str | None) -> int | None:
    """A header's whole number, at least 0; ``None`` where there is none."""
    return int(text) if text is not None and text.strip().isdecimal() and len(text.strip()) < 10 else None
