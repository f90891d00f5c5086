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
"""How far before the last read the next one begins where no sync's end says more: rows become visible one after another."""
_TICK = timedelta(milliseconds=1)
"""Propexo's moments are to the millisecond, and a filter takes the moment itself with it."""
_ONE_SYNC = timedelta(hours=1)
"""No sync takes so long: what was last seen longer than this before it ended, it did not see (as in ``core.matching``)."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one list of one integration was read.

    Two moments of the server's say up to when: ``watermark``, its clock when the last read began (where it tells none, the
    latest ``updated_at`` seen), and ``synced``, the end of the last sync that had ended by then. ``read_at`` is when it
    was last read, ``whole_at`` when whole, ``covered`` the transaction dates that the copy has whole. ``knows_changed``:
    whether Propexo took the filter ``updated_at_gte`` for it, ``knows_seen`` likewise ``last_seen_lte``.
    """

    watermark: str | None = None
    synced: str | None = None
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


def undated(
    kind: str, progress: Progress, now: datetime, last_sync: str | None, *, full: bool, anew: bool
) -> Read | None:
    """How to read a list without dates; ``None`` where the copy is young enough, unless it is to be looked at ``anew``."""
    since = _since(progress, last_sync)
    if full or progress.read_at is None:
        return Read("whole")
    if kind == ACCOUNTS and now - progress.read_at < FULL_AGE and not anew:
        return None
    if progress.knows_changed and since is not None:
        return Read("changed", since)
    is_young = kind in RARE and now - progress.read_at < _RARE_AGE
    if not anew and (is_young or has_no_sync_since(progress, last_sync)):
        return None
    return Read("whole")


def dated(
    progress: Progress, window: Days, last_sync: str | None, *, full: bool, reads_back: bool
) -> tuple[list[Read], Days]:
    """How to read a list with dates, and the dates that the copy has whole afterwards.

    Until another sync has ended nothing new is on it, unless the system ``reads_back`` what we have posted at once.
    """
    covered = progress.covered
    if full or covered is None:
        return [Read("window", days=window)], window
    missing = [Read("window", days=days) for days in _missing(covered, window)]
    both = Days(min(covered.first, window.first), max(covered.last, window.last))
    if has_no_sync_since(progress, last_sync) and not reads_back:
        return missing, both
    since = _since(progress, last_sync)
    if since is None or not progress.knows_changed:
        return [Read("window", days=window)], window
    # Not within dates: a row that was moved out of the window must be seen to have left it.
    return [Read("changed", since), *missing], both


def has_no_sync_since(progress: Progress, last_sync: str | None) -> bool:
    """Whether no sync has ended since the list was read, as far as that can be known."""
    return last_sync is not None and last_sync == progress.synced


def up_to(begun: datetime | None, progress: Progress, newest: str | None, now: datetime) -> str | None:
    """The watermark after a read that began at ``begun`` by the server's clock, and saw ``newest`` as the latest change.

    Where the server tells no clock, a moment to come is none up to which anything was read, whatever a row says.
    """
    if begun is not None:
        return _text(begun)
    latest = later(progress.watermark, newest or "")
    seen = moment(latest)
    return _text(now) if seen is not None and seen > now else latest


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


def _since(progress: Progress, last_sync: str | None) -> str | None:
    """From which moment on a row may have been changed that was not there to be read; ``None`` where that is not known.

    Everything that a sync wrote was there when it had ended: what changed after its end is all that can be new, however much of
    it was written in its last hour. While no other has ended, a clock read since then says so too, less the overlap.
    """
    mark, ended = moment(progress.watermark), moment(progress.synced)
    lapped = None if mark is None else mark - _OVERLAP
    if ended is None:
        return None if lapped is None else _text(lapped)
    after = ended + _TICK
    is_later = lapped is not None and lapped > after and has_no_sync_since(progress, last_sync)
    return _text(lapped if is_later and lapped is not None else after)


def _text(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
