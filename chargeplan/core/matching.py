"""Which synced charge settles which posting, and which charges are gone (design.md, *Posting, step by step*).

Presence proves, absence proves nothing: a charge settles one posting, by its reference or by content.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import moment
from chargeplan.core.key import is_reference
from chargeplan.core.observed import ObservedProperty, SyncedCharge
from chargeplan.core.posting import FREE, Brief, Posting

# Who has the first claim to a charge without a reference: what is on the ledger, what may be, what should come there.
_CLAIMS = {"posted": 0, "intended": 1, "unknown": 1, "queued": 2, "accepted": 2}
_NEIGHBOURHOOD = timedelta(days=45)
_ONE_SYNC = timedelta(hours=1)


def match_by_content(
    postings: Iterable[Posting | Brief],
    charges: Sequence[SyncedCharge],
    seen: Container[str],
    integration: IntegrationConfig,
) -> dict[str, SyncedCharge]:
    """Postings that are on the ledger without their reference (one of ``seen``), each with a synced charge of its own.

    A posting that once was matched keeps its charge. Charges that carry the reference of a posting are not to be had.
    Nor is one that may be the charge of a like posting whose outcome is unknown: that proves neither of the two, and
    what a person said is posted comes first.
    """
    known = list(postings)
    # Those seen by their reference are nearly all, and have no say in the rest.
    unseen = [each for each in known if each.reference not in seen and each.state not in FREE]
    if not unseen:
        return {}
    wanted = {each.charge_id for each in unseen}
    by_id = {charge.id: charge for charge in charges if charge.id in wanted}
    matched = {each.reference: by_id[each.charge_id] for each in unseen if each.charge_id in by_id}
    waiting = [
        each
        for each in unseen
        if isinstance(each, Posting) and each.state in _CLAIMS and each.reference not in matched
    ]
    if not waiting:
        return matched
    waiting.sort(key=lambda each: (_CLAIMS[each.state], each.transaction_date, each.reference))
    taken = {each.charge_id for each in known if each.charge_id and each.state not in FREE}
    return matched | _paired(waiting, charges, taken, integration)


def _paired(
    waiting: Sequence[Posting],
    charges: Sequence[SyncedCharge],
    taken: set[str],
    integration: IntegrationConfig,
) -> dict[str, SyncedCharge]:
    """Each posting that waits with a charge like it that nobody else has."""
    matched: dict[str, SyncedCharge] = {}
    pool: dict[int | None, list[SyncedCharge]] = defaultdict(list)
    for charge in sorted(charges, key=lambda each: (each.transaction_date or date.max, each.id)):
        if charge.id not in taken and not is_reference(charge.reference):
            pool[charge.amount].append(charge)
    fits: tuple[Callable[[SyncedCharge, Posting, int], bool], ...] = (_named, _of_that_day, _within)
    for fit in fits:
        for posting in waiting:
            if posting.reference in matched:
                continue
            candidates = pool[posting.amount]
            like = (
                each
                for each in candidates
                if fit(each, posting, integration.date_tolerance) and is_like(each, posting, integration)
            )
            found = next(like, None)
            if found is not None:
                candidates.remove(found)
                matched[posting.reference] = found
    open_still = {each.reference for each in waiting if each.state in {"intended", "unknown"}}
    return {reference: charge for reference, charge in matched.items() if reference not in open_still}


def is_like(charge: SyncedCharge, posting: Posting | Brief, integration: IntegrationConfig) -> bool:
    """Whether a charge is for the same who and what: the lease or the resident, by the system's way, and the code or account.

    Where the row does not say the one the other tells; what it does not say at all fits anything.
    """
    if charge.charge_code_id is not None and charge.charge_code_id != posting.charge_code_id:
        return False
    leases, residents = (charge.lease_id, posting.lease_id), (charge.resident_id, posting.resident_id)
    in_order = (leases, residents) if integration.system.who == "lease" else (residents, leases)
    return next((theirs == ours for theirs, ours in in_order if theirs is not None), False)


def _named(charge: SyncedCharge, posting: Posting, _tolerance: int) -> bool:
    """The record that the job named, whatever its date: a pointer that counts where who and amount are right."""
    return posting.record_id is not None and charge.id == posting.record_id


def _of_that_day(charge: SyncedCharge, posting: Posting, _tolerance: int) -> bool:
    """The day it was posted for comes first, lest August's line take September's charge of the same amount."""
    return charge.transaction_date == posting.transaction_date


def _within(charge: SyncedCharge, posting: Posting, tolerance: int) -> bool:
    day = charge.transaction_date
    if day is None:
        return False
    margin = timedelta(days=tolerance)
    near_period = posting.period_first - margin <= day <= posting.period_last + margin
    return near_period or abs(day - posting.transaction_date) <= margin


def removed_upstream(observed: ObservedProperty, integration: IntegrationConfig) -> frozenset[str]:
    """Ids of charges that the last sync did not see although it saw their neighbours: same property, dates near by.

    Where a system shows open items only, a charge that it shows no more was paid.

    A charge that was last seen no later than an earlier sync's end was missed by the last one; where no earlier sync is
    known, a neighbour must have been seen an hour later than it, which no single sync explains.
    """
    if integration.system.open_items:
        return frozenset()
    moments = {text: moment(text) for text in {each.last_seen for each in observed.charges}}
    previous = moment(observed.previous_sync)
    known = [last for last in moments.values() if last]
    # Nearly always the last sync saw all of them.
    if not known or not _was_missed(min(known), max(known), previous):
        return frozenset()
    seen = [
        (each.id, each.transaction_date, last)
        for each in observed.charges
        if each.transaction_date and (last := moments[each.last_seen])
    ]
    latest = _latest_near(seen)
    return frozenset(charge_id for charge_id, day, last in seen if _was_missed(last, latest[day], previous))


def _latest_near(seen: Sequence[tuple[str, date, datetime]]) -> Mapping[date, datetime]:
    """For each date of a charge when a charge dated near it was last seen, at the latest."""
    by_date: dict[date, datetime] = {}
    for _, day, last in seen:
        by_date[day] = max(last, by_date.get(day, last))
    return {
        day: max(last for other, last in by_date.items() if abs(other - day) <= _NEIGHBOURHOOD)
        for day in by_date
    }


def _was_missed(last: datetime, latest: datetime, previous: datetime | None) -> bool:
    return latest - last >= _ONE_SYNC or (previous is not None and last <= previous < latest)
