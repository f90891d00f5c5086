"""What to plan: the dates and the filters that a user gave, and which days have to be read for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import msgspec

from chargeplan.core.config import Config
from chargeplan.core.dates import Days, add_months, add_period, month_of
from chargeplan.core.guard import Allowed
from chargeplan.core.plan import Plan
from chargeplan.core.shard import Shard

# Operators date what they post, or approve, late.
_MARGIN = timedelta(days=45)
# Late fees are looked for on charges of so many months before the window.
_LATE_MONTHS = 6


class PlanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to plan: dates, filters (empty: all; ``shard``: None for all), how to read, and whether to list everything.

    A plan that lists everything lists what is unchanged or skipped too. ``only`` are the ids of the properties to look at,
    where that is known beforehand (None: all that the filters leave); other than ``properties`` they need no plan.
    ``days_from_clock`` is how far its dates lie from the clock's.
    ``accounting`` asks for the month's account too, of a plan that lists everything; ``posting_missed`` takes every plan
    as if it said `missed: post`.
    ``reads_through`` is where the reading for a long window ends (None: with it): nobody has entered what comes later.
    """

    as_of: date
    window: Days
    plans: tuple[str, ...] = ()
    charges: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    full_refresh: bool = False
    offline: bool = False
    allowed: tuple[Allowed, ...] = ()
    shard: Shard | None = None
    listing_all: bool = False
    only: frozenset[str] | None = None
    days_from_clock: int = 0
    accounting: bool = False
    posting_missed: bool = False
    reads_through: date | None = None

    @property
    def read_window(self) -> Days:
        """The dates for which the ledgers are read."""
        return Days(self.window.first, min(self.window.last, self.reads_through or self.window.last))


def default_window(as_of: date, config: Config) -> Days:
    """From the first day of the month of ``as_of`` to the later of that month's last day and ``as_of`` plus ``lead_days``."""
    month = month_of(as_of)
    return Days(month.first, max(month.last, as_of + timedelta(days=config.lead_days)))


def lookback(window: Days, config: Config) -> date:
    """The first day whose lines may still be corrected by a plan of ``window``."""
    count, unit = config.correct_back
    return add_period(window.first, -count, unit)


def month_before(window: Days, number: int) -> Days:
    """The ``number``-th month before the window, counted back from the window's first day."""
    first = window.first
    return Days(add_months(first, -number), add_months(first, 1 - number) - timedelta(days=1))


def reading_window(window: Days, since: date, plans: Iterable[Plan]) -> Days:
    """The dates of the charges that planning of ``window`` looks at: from a month before what may be corrected ``since``.

    A line of the first day that may be corrected serves, in arrears, the month before it.
    """
    first = add_months(min(since, window.first), -1)
    if any(charge.late_fee for plan in plans for charge in plan.charges):
        first = min(first, add_months(window.first, -_LATE_MONTHS))
    return Days(first, window.last + _MARGIN)
