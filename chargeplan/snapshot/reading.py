"""What a refresh has to read: pure decisions from what the copy holds (design.md, *The snapshot, and what reading costs*)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from chargeplan.core.dates import ONE_DAY, Days, moment

CHARGES = "resident-charges"
PAYMENTS = "resident-payments"
ACCOUNTS = "financial-accounts"
"""A long list that nearly never changes: one row for each account and property. It is read once a week."""
RARE = frozenset({"properties", "units", "charge-codes", "fees"})
"""Lists that seldom change: without a filter for changes they are read once a day."""
FULL_AGE = timedelta(days=7)
_RARE_AGE = timedelta(days=1)
_OVERLAP = timedelta(hours=1)
"""How far before the last change seen the next read begins: rows of one sync become visible one after another."""
_ONE_SYNC = timedelta(hours=1)
"""No sync takes so long: what was last seen longer than this before it ended, it did not see (as in ``core.matching``)."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one list of one integration was read.

    ``watermark`` is the latest ``updated_at`` seen; ``read_at`` when it was last read, ``whole_at`` when whole, ``covered`` the transaction dates that the
    copy has whole. ``knows_changed``: whether Propexo took the filter ``updated_at_gte`` for it, ``knows_seen``
    likewise ``last_seen_lte``.
    """

    watermark: str | None = None
    read_at: datetime | None = None
    whole_at: datetime | None = None
    covered: Days | None = None
    knows_changed: bool = True
    knows_seen: bool = True


class Read(msgspec.Struct, frozen=True):
    """One list to read. A ``whole`` one replaces what the copy has of the list, a ``window`` one of those dates; the rows of a
    ``changed`` one are added; a ``stale`` one tells which charges of the dates the last sync did not see.
    """  # noqa: D205 - one sentence for four modes

    mode: Literal["whole", "window", "changed", "stale"]
    since: str = ""
    days: Days | None = None

    def params(self) -> dict[str, str]:
        """The query parameters beside the integration's."""
        found: dict[str, str] = {}
        if self.days is not None:
            found["transaction_date_start"] = self.days.first.isoformat()
            found["transaction_date_end"] = self.days.last.isoformat()
        if self.mode == "changed":
            found["updated_at_gte"] = self.since
        if self.mode == "stale":
            found["last_seen_lte"] = self.since
        return found


def undated(kind: str, progress: Progress, now: datetime, *, full: bool) -> Read | None:
    """How to read a list without dates; ``None`` where the copy is young enough."""
    since = _since(progress)
    if full or progress.read_at is None:
        return Read("whole")
    if kind == ACCOUNTS and now - progress.read_at < FULL_AGE:
        return None
    if progress.knows_changed and since is not None:
        return Read("changed", since)
    if kind in RARE and now - progress.read_at < _RARE_AGE:
        return None
    return Read("whole")


def dated(progress: Progress, window: Days, *, full: bool) -> tuple[list[Read], Days]:
    """How to read a list with dates, and the dates that the copy has whole afterwards."""
    since = _since(progress)
    covered = progress.covered
    if full or covered is None or since is None or not progress.knows_changed:
        return [Read("window", days=window)], window
    # Not within dates: a row that was moved out of the window must be seen to have left it.
    reads = [Read("changed", since)]
    reads += [Read("window", days=days) for days in _missing(covered, window)]
    return reads, Days(min(covered.first, window.first), max(covered.last, window.last))


def later(one: str | None, other: str) -> str | None:
    """The later of two moments; one that can't be read does not count."""
    here, there = moment(one), moment(other)
    if there is None:
        return one
    return other if here is None or there > here else one


def unseen(last: str, previous: str) -> str:
    """The moment at which, at the latest, a charge was seen that the ``last`` sync did not see.

    ``previous`` is the one before that we know of. Others may have come between the two while nobody looked, and a
    charge that one of those saw is no less missing.
    """
    ended = moment(last)
    return previous if ended is None else later(previous, _text(ended - _ONE_SYNC)) or previous


def earlier(one: str | None, other: str | None) -> str | None:
    """The earlier of two watermarks; none is the earliest."""
    here, there = moment(one), moment(other)
    if here is None or there is None:
        return None
    return one if here <= there else other


def is_due(kind: str, progress: Progress, now: datetime) -> bool:
    """Whether a list is to be read whole again: what no filter shows must not stay wrong for ever.

    Accounts are not: Propexo never deletes a row, so that those which changed tell all.
    """
    whole_at = progress.whole_at
    if kind == ACCOUNTS and whole_at is not None:
        return False
    return whole_at is None or now - whole_at > FULL_AGE or whole_at > now


def _missing(covered: Days, window: Days) -> Iterator[Days]:
    """The days between what is covered and the window, and the window's own: what is covered stays in one piece."""
    if window.first < covered.first:
        yield Days(window.first, covered.first - ONE_DAY)
    if window.last > covered.last:
        yield Days(covered.last + ONE_DAY, window.last)


def _since(progress: Progress) -> str | None:
    mark = moment(progress.watermark)
    if mark is None:
        return None
    return _text(mark - _OVERLAP)


def _text(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
