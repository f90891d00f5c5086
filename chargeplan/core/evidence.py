"""What is recorded and observed of a property: what was posted for each bill, part by part.

plan-language.md, *What already exists, and what follows*: presence proves, absence proves nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Literal

import msgspec

from chargeplan.core.bill import Bill
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import Days
from chargeplan.core.key import FIRST_CORRECTION_PART, Key
from chargeplan.core.matching import match_by_content, removed_upstream
from chargeplan.core.observed import ObservedProperty, SyncedCharge
from chargeplan.core.plan import Plan
from chargeplan.core.posting import FREE, LIVE, SETTLED, Brief, Posting

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


def service_of(parts: Sequence[PostedPart], period: Days) -> Days:
    """The days that what was posted bills: those of the last correction, else of the parts together, else the period."""
    corrections = [each.posting for each in parts if each.part >= FIRST_CORRECTION_PART and each.posting]
    originals = [each.posting for each in parts if each.part < FIRST_CORRECTION_PART and each.posting]
    of = corrections[-1:] or originals
    if not of:
        return period
    return Days(min(each.service_first for each in of), max(each.service_last for each in of))
