"""What was posted for a bill, from the journal and from what Propexo showed, part by part.

plan-language.md, *What already exists, and what follows*: presence proves, absence proves nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Literal

import msgspec

from chargeplan.core.bill import Bill
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import Days, moment
from chargeplan.core.key import FIRST_CORRECTION_PART, Key, is_reference
from chargeplan.core.observed import ObservedProperty, SyncedCharge
from chargeplan.core.plan import Plan
from chargeplan.core.posting import FREE, LIVE, SETTLED, Brief, Posting

# Who has the first claim to a charge without a reference: what is on the ledger, what may be, what should come there.
_CLAIMS = {"posted": 0, "intended": 1, "unknown": 1, "queued": 2, "accepted": 2}
_NEIGHBOURHOOD = timedelta(days=45)
_ONE_SYNC = timedelta(hours=1)

Status = Literal["visible", "in_flight", "unknown", "removed_upstream"]


class PostedPart(msgspec.Struct, frozen=True):
    """One posted line of a bill: the amount as observed, else as recorded, in cents."""

    part: int
    key: Key
    reference: str
    status: Status
    amount: int
    synced: SyncedCharge | None
    posting: Posting | None


class Evidence:
    """The journal's postings and the synced charges of one property, matched with one another.

    ``loaded`` are all plans of the project: what the journal posted under the key of none of them may be a duplicate,
    as may what nobody recorded. Such ``strangers`` are positive charges, by date and id; ``orphans`` are postings of the
    kind that no ledger shows yet. Without ``loaded`` everything in the journal counts as ours. ``whole`` reads the
    postings of which ``postings`` has briefs, should one be looked into. ``unrecorded`` are references of synced charges
    that the journal does not know. ``unsettled`` are the postings that are no briefs, ``by_charge`` all of them by the plan
    and charge (with its item) of their keys. ``by_reference`` has the first of the synced charges that carry a reference, and
    ``repeated`` all of those of which several do.

    By reference first; then, for postings that are queued or accepted, by content: the same resident, code and amount,
    dated within the service period widened by the integration's tolerance. One synced charge settles one posting.
    """

    def __init__(
        self,
        observed: ObservedProperty,
        postings: Iterable[Posting | Brief],
        integration: IntegrationConfig,
        loaded: Sequence[Plan] | None = None,
        whole: Callable[[], Iterable[Posting]] = tuple,
    ) -> None:
        self.postings: dict[str, Posting | Brief] = {each.reference: each for each in postings}
        self.unsettled = [each for each in self.postings.values() if isinstance(each, Posting)]
        self._read_whole = whole
        self._people: dict[date, Mapping[str, Sequence[Posting | Brief]]] = {}
        self._integration_id = integration.id
        self.by_reference, self.repeated = _by_reference(observed.charges)
        self.matched = match_by_content(
            self.postings.values(), observed.charges, self.by_reference, integration
        )
        self.removed = removed_upstream(observed)
        self.unrecorded = self.by_reference.keys() - self.postings.keys()
        self.by_charge = _by_charge(self.postings.values())
        names = _loaded_names(loaded)
        self.strangers = self._strangers(observed.charges, names)
        self.orphans = tuple(self._orphans(names))

    @cached_property
    def _claims(self) -> Mapping[str, Posting | Brief]:
        found = {each.charge_id: each for each in self.postings.values() if each.charge_id}
        return found | {charge.id: self.postings[reference] for reference, charge in self.matched.items()}

    def _orphans(self, names: frozenset[tuple[str, str]] | None) -> Iterator[Posting]:
        for each in self.unsettled:
            if each.state in FREE or each.amount <= 0 or _is_ours(each, names):
                continue
            if each.reference not in self.by_reference and each.reference not in self.matched:
                yield each

    def _strangers(
        self, charges: Iterable[SyncedCharge], names: frozenset[tuple[str, str]] | None
    ) -> tuple[SyncedCharge, ...]:
        known = self.postings
        theirs = {
            each.reference
            for (plan, charge), postings in self.by_charge.items()
            if not _is_loaded(plan, charge, names)
            for each in postings
        }
        found: list[SyncedCharge] = []
        for charge in [each for each in charges if each.reference not in known or each.reference in theirs]:
            claim = self._claims.get(charge.id)
            if not (claim is not None and _is_ours(claim, names)) and (charge.amount or 0) > 0:
                found.append(charge)
        return tuple(sorted(found, key=lambda each: (each.transaction_date or date.min, each.id)))

    @cached_property
    def _whole(self) -> Mapping[str, Posting]:
        return {each.reference: each for each in self._read_whole()}

    def _posting(self, reference: str) -> Posting | None:
        found = self.postings.get(reference)
        return self._whole[reference] if isinstance(found, Brief) else found

    def seen(self, reference: str) -> Sequence[SyncedCharge]:
        """The synced charges that carry the reference, in their order."""
        if reference in self.repeated:
            return self.repeated[reference]
        charge = self.by_reference.get(reference)
        return () if charge is None else (charge,)

    def knows(self, reference: str) -> bool:
        """Whether journal or snapshot has ever seen the reference."""
        return reference in self.by_reference or reference in self.postings

    def first_of(self, correction: Posting | Brief) -> Posting | Brief | None:
        """The posting of the original line of a correction's period."""
        key = Key(
            self._integration_id,
            correction.key_plan,
            correction.key_charge,
            correction.unit_id,
            correction.resident_id,
            correction.period,
        )
        return self.postings.get(key.reference)

    def _of_people(self, since: date) -> Mapping[str, Sequence[Posting | Brief]]:
        """Live original lines that serve days from ``since`` on, by resident and by lease."""
        if since in self._people:
            return self._people[since]
        found: dict[str, list[Posting | Brief]] = defaultdict(list)
        self._people[since] = found
        for each in [each for each in self.postings.values() if each.service_last >= since]:
            if each.state not in LIVE or each.part >= FIRST_CORRECTION_PART:
                continue
            if self.removed and self._is_gone(each):
                continue
            found[each.resident_id].append(each)
            if each.lease_id:
                found[each.lease_id].append(each)
        return found

    def _is_gone(self, posting: Posting | Brief) -> bool:
        charges = self.seen(posting.reference)
        return bool(charges) and all(each.id in self.removed for each in charges)

    def others_for(self, key: Key, who: Iterable[str], days: Days) -> Iterator[Posting | Brief]:
        """Live lines of the key's charge under another key, for one of ``who`` (residents, leases) and some of the days."""
        charge = key.charge.partition("/")[0]
        people = self._of_people(days.first)
        for each in (other for one in who for other in people.get(one, ())):
            if each.key_plan != key.plan or each.key_charge.partition("/")[0] != charge:
                continue
            same = (each.key_charge, each.unit_id, each.resident_id, each.period) == (
                key.charge,
                key.unit_id,
                key.resident_id,
                key.period,
            )
            if not same and each.service_first <= days.last:
                yield each

    def poster_of(self, charge: SyncedCharge) -> Posting | Brief | None:
        """The posting of ours, under whatever key, that the charge came of."""
        return self.postings.get(charge.reference or "") or self._claims.get(charge.id)

    def refusal(self, reference: str) -> str:
        """Why the line was refused when it was last sent, or nothing."""
        posting = self.postings.get(reference)
        return (posting.error or "") if isinstance(posting, Posting) and posting.state == "refused" else ""

    def part(self, key: Key, reference: str) -> PostedPart | None:
        """What became of the line with that key; ``None`` where it is not posted."""
        posting = self._posting(reference)
        found = self.seen(reference) or self._settled(reference, posting)
        if found:
            still = [each for each in found if each.id not in self.removed]
            status: Status = "visible" if still else "removed_upstream"
            amount = sum(_amount_of(each, posting) for each in still or found)
            return PostedPart(key.part, key, reference, status, amount, (still or found)[0], posting)
        if posting is None or posting.state in FREE:
            return None
        if posting.state in SETTLED:
            return PostedPart(key.part, key, reference, "visible", posting.amount, None, posting)
        status = "in_flight" if posting.state in {"queued", "accepted"} else "unknown"
        return PostedPart(key.part, key, reference, status, posting.amount, None, posting)

    def _settled(self, reference: str, posting: Posting | None) -> list[SyncedCharge]:
        match = self.matched.get(reference)
        return [match] if posting is not None and match is not None else []

    def parts(self, bill: Bill, key: Key) -> list[PostedPart]:
        """Every posted line of the bill's period under ``key``: its parts, then its corrections."""
        if bill.charge.late_fee is not None:
            return [each for each in [self.part(key, key.reference)] if each]
        found: list[PostedPart] = []
        most = max((line.key.part for line in bill.lines), default=0)
        number = 0
        while number <= most + 1 or self.knows(key.with_part(number - 1).reference):
            each_key = key.with_part(number)
            if part := self.part(each_key, each_key.reference):
                found.append(part)
            number += 1
        return found + self.corrections(key)

    def corrections(self, key: Key) -> list[PostedPart]:
        """The corrections of a period; they count from 100 without a gap."""
        found: list[PostedPart] = []
        number = FIRST_CORRECTION_PART
        while self.knows((each_key := key.with_part(number)).reference):
            if part := self.part(each_key, each_key.reference):
                found.append(part)
            number += 1
        return found

    def next_correction(self, key: Key) -> Key:
        """The first correction that neither journal nor snapshot knows."""
        number = FIRST_CORRECTION_PART
        while self.knows((each_key := key.with_part(number)).reference):
            number += 1
        return each_key


def posted_by(plan: Plan, evidence: Evidence, charges: Iterable[SyncedCharge]) -> Mapping[str, str]:
    """Which charge of the plan posted each synced charge, for late fees; a renamed charge is known by its old key."""
    if not any(charge.late_fee for charge in plan.charges):
        return {}
    ids = {(charge.key_plan, charge.key_charge): charge.id for charge in plan.charges}
    found: dict[str, str] = {}
    for reference, posting in evidence.postings.items():
        charge_id = ids.get((posting.key_plan, posting.key_charge.partition("/")[0]))
        if charge_id is None:
            continue
        synced = [each.id for each in evidence.seen(reference)]
        synced += [evidence.matched[reference].id] if reference in evidence.matched else []
        synced += [posting.charge_id] if posting.charge_id else []
        found.update(dict.fromkeys(synced, charge_id))
    return {each.id: found[each.id] for each in charges if each.id in found}


def _loaded_names(loaded: Sequence[Plan] | None) -> frozenset[tuple[str, str]] | None:
    """What the lines of the loaded plans are known by: plan and charge, enabled or not."""
    if loaded is None:
        return None
    return frozenset((charge.key_plan, charge.key_charge) for plan in loaded for charge in plan.charges)


def _is_ours(posting: Posting | Brief, names: frozenset[tuple[str, str]] | None) -> bool:
    return _is_loaded(posting.key_plan, posting.key_charge, names)


def _is_loaded(key_plan: str, key_charge: str, names: frozenset[tuple[str, str]] | None) -> bool:
    """Whether a loaded plan has lines of that name, whatever their item."""
    return names is None or (key_plan, key_charge.partition("/")[0]) in names


def _by_charge(postings: Iterable[Posting | Brief]) -> dict[tuple[str, str], list[Posting | Brief]]:
    """Postings by what their keys say of plan and charge (with its item)."""
    found: dict[tuple[str, str], list[Posting | Brief]] = defaultdict(list)
    for each in postings:
        found[each.key_plan, each.key_charge].append(each)
    return found


def _by_reference(
    charges: Iterable[SyncedCharge],
) -> tuple[dict[str, SyncedCharge], dict[str, list[SyncedCharge]]]:
    """The first charge of each reference, and all of those references that several carry."""
    carrying = [each for each in charges if each.reference]
    first = {each.reference or "": each for each in reversed(carrying)}
    repeated: dict[str, list[SyncedCharge]] = {}
    if len(first) < len(carrying):
        counts = Counter(each.reference for each in carrying)
        for each in carrying:
            if each.reference and counts[each.reference] > 1:
                repeated.setdefault(each.reference, []).append(each)
    return first, repeated


def _amount_of(charge: SyncedCharge, posting: Posting | None) -> int:
    """As observed; where Propexo shows no amount, as recorded."""
    if charge.amount is not None:
        return charge.amount
    return posting.amount if posting is not None else 0


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
    unseen = [each for each in known if each.reference not in seen]
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
    taken = {each.charge_id for each in known if each.charge_id}
    return matched | _paired(waiting, charges, taken, integration.date_tolerance)


def _paired(
    waiting: Sequence[Posting], charges: Sequence[SyncedCharge], taken: set[str], tolerance: int
) -> dict[str, SyncedCharge]:
    """Each posting that waits with a charge like it that nobody else has."""
    matched: dict[str, SyncedCharge] = {}
    pool: dict[tuple[str | None, str | None, int | None], list[SyncedCharge]] = defaultdict(list)
    for charge in sorted(charges, key=lambda each: (each.transaction_date or date.max, each.id)):
        if charge.id not in taken and not is_reference(charge.reference):
            pool[charge.resident_id, charge.charge_code_id, charge.amount].append(charge)
    fits: tuple[Callable[[SyncedCharge, Posting, int], bool], ...] = (_of_that_day, _within)
    for fit in fits:
        for posting in waiting:
            if posting.reference in matched:
                continue
            candidates = pool[posting.resident_id, posting.charge_code_id, posting.amount]
            found = next((each for each in candidates if fit(each, posting, tolerance)), None)
            if found is not None:
                candidates.remove(found)
                matched[posting.reference] = found
    open_still = {each.reference for each in waiting if each.state in {"intended", "unknown"}}
    return {reference: charge for reference, charge in matched.items() if reference not in open_still}


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


def removed_upstream(observed: ObservedProperty) -> frozenset[str]:
    """Ids of charges that the last sync did not see although it saw their neighbours: same property, dates near by.

    A charge that was last seen no later than an earlier sync's end was missed by the last one; where no earlier sync is
    known, a neighbour must have been seen an hour later than it, which no single sync explains.
    """
    # Nearly always the last sync saw all of them.
    if len({each.last_seen for each in observed.charges if each.last_seen}) < 2:
        return frozenset()
    moments = {text: moment(text) for text in {each.last_seen for each in observed.charges}}
    seen = [
        (each.id, each.transaction_date, last)
        for each in observed.charges
        if each.transaction_date and (last := moments[each.last_seen])
    ]
    latest = _latest_near(seen)
    previous = moment(observed.previous_sync)
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


def service_of(parts: Sequence[PostedPart], period: Days) -> Days:
    """The days that what was posted bills: those of the last correction, else of the parts together, else the period."""
    corrections = [each.posting for each in parts if each.part >= FIRST_CORRECTION_PART and each.posting]
    originals = [each.posting for each in parts if each.part < FIRST_CORRECTION_PART and each.posting]
    of = corrections[-1:] or originals
    if not of:
        return period
    return Days(min(each.service_first for each in of), max(each.service_last for each in of))
