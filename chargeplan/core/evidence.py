"""What is recorded and observed of a property: what was posted for each bill, part by part.

plan-language.md, *What already exists, and what follows*: presence proves, absence proves nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import Literal

import msgspec

from chargeplan.core.bill import Bill
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import Days
from chargeplan.core.decision import Decisions
from chargeplan.core.key import FIRST_CORRECTION_PART, Key, is_reference
from chargeplan.core.matching import match_by_content, removed_upstream
from chargeplan.core.observed import ObservedProperty, SyncedCharge
from chargeplan.core.plan import Plan
from chargeplan.core.posting import FREE, LIVE, SETTLED, Brief, Posting
from chargeplan.core.relocation import relocated

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

    ``owned`` are the ids of the codes on which the plans of the property are the only posters. ``strangers`` are charges
    and credits of these that are no posting's, by date and id; ``marks`` the residents, leases and units that
    they stand on, with those of ``relocated`` postings: whose household has one is looked at closely. ``counted`` says of
    relocated postings for which bill (by its key) they count.
    ``departed`` are units that belong to another property now. ``billed`` has, by the plan and charge of a key, the days that applied plans covered. ``whole`` reads the
    postings of which ``postings`` has briefs, should one be looked into. ``unrecorded`` are references of our form that synced
    charges carry and the journal does not know. ``unsettled`` are the postings that are no briefs, ``by_charge`` all of them by the plan
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
        *,
        owned: frozenset[str] = frozenset(),
        decisions: Decisions | None = None,
        billed: Mapping[tuple[str, str], Sequence[Days]] | None = None,
        departed: Collection[str] = (),
        whole: Callable[[], Iterable[Posting]] = tuple,
    ) -> None:
        everything: dict[str, Posting | Brief] = {each.reference: each for each in postings}
        gone = {ref for ref, each in everything.items() if each.unit_id in departed} if departed else set()
        # Units that are another property's now have their lines with them; what they left here is accounted for.
        self.postings = (
            {ref: each for ref, each in everything.items() if ref not in gone} if gone else everything
        )
        self._settled_elsewhere = {everything[ref].charge_id for ref in gone}
        self.unsettled = [each for each in self.postings.values() if isinstance(each, Posting)]
        self.decisions, self.billed = decisions or Decisions(), billed or {}
        self._read_whole = whole
        self._ours_since: dict[date, Mapping[str, Sequence[Posting | Brief]]] = {}
        self._integration_id = integration.id
        self.by_reference, self.repeated = _by_reference(self._own_charges(observed.charges))
        self.matched = match_by_content(
            self.postings.values(), observed.charges, self.by_reference, integration
        )
        self.removed = removed_upstream(observed, integration)
        unknown = self.by_reference.keys() - everything.keys()
        self.unrecorded = frozenset(each for each in unknown if is_reference(each))
        self.by_charge = _by_charge(self.postings.values())
        self.strangers = self._strangers(observed.charges, owned, everything)
        self.relocated = relocated(tuple(self._shown()), self.removed)
        self.counted: Mapping[str, Key] = {}
        self.moved = self._moved()
        self.marks = frozenset(filter(None, self._marks()))

    def _own_charges(self, charges: Sequence[SyncedCharge]) -> Sequence[SyncedCharge]:
        """The charges but those that carry one line's reference and were adopted as another."""
        adopted = {
            each.charge_id: each.reference
            for each in self.postings.values()
            if each.charge_id and each.state not in FREE and each.state != "voided"
        }
        if not adopted:
            return charges
        return [
            each
            for each in charges
            if each.reference is None or adopted.get(each.id, each.reference) == each.reference
        ]

    @cached_property
    def _claims(self) -> Mapping[str, Posting | Brief]:
        """The posting that each synced charge without a reference of ours settles."""
        claims = {
            each.charge_id: each
            for each in self.postings.values()
            if each.charge_id and each.state not in FREE
        }
        return claims | {charge.id: self.postings[reference] for reference, charge in self.matched.items()}

    def _strangers(
        self, charges: Iterable[SyncedCharge], owned: frozenset[str], known: Collection[str]
    ) -> tuple[SyncedCharge, ...]:
        candidates = [
            each
            for each in charges
            if each.charge_code_id in owned and each.amount and each.reference not in known
        ]
        if not candidates:
            return ()
        foreign = [
            each
            for each in candidates
            if each.id not in self.removed
            and each.id not in self._claims
            and each.id not in self._settled_elsewhere
        ]
        return tuple(sorted(foreign, key=lambda each: (each.transaction_date or date.min, each.id)))

    def _shown(self) -> Iterator[tuple[Posting | Brief, SyncedCharge]]:
        """Every posting that a charge shows, with the charge."""
        for shown in (self.matched, self.by_reference):
            for reference, charge in shown.items():
                if (posting := self.postings.get(reference)) is not None:
                    yield posting, charge

    def _moved(self) -> Mapping[tuple[str, str, str], Sequence[Posting]]:
        """Postings of an integration that was set up anew, by plan, charge and period: their references are of the old one's keys."""
        found: dict[tuple[str, str, str], list[Posting]] = {}
        for each in self.unsettled:
            if each.action == "moved" and each.state not in FREE:
                found.setdefault((each.key_plan, each.key_charge, each.period), []).append(each)
        return found

    def _marks(self) -> Iterator[str | None]:
        for postings in self.moved.values():
            for each in postings:
                yield from (each.resident_id, each.lease_id, each.unit_id)
        for charge in self.strangers:
            yield from (charge.resident_id, charge.lease_id, charge.unit_id)
        for pairs in self.relocated.values():
            for posting, charge in pairs:
                yield from (posting.resident_id, posting.unit_id)
                yield from (charge.resident_id, charge.lease_id, charge.unit_id)

    def covers(self, plan: str, charge: str, day: date) -> bool:
        """Whether an applied plan covered the day for that plan and charge (of a key, without its item)."""
        return any(day in days for days in self.billed.get((plan, charge), ()))

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
        return self.postings.get(self.key_of(correction).reference)

    def _ours(self, since: date) -> Mapping[str, Sequence[Posting | Brief]]:
        """Original lines for days from ``since`` on that are or may be on a ledger, by whom and what they are of or stand on."""
        if since in self._ours_since:
            return self._ours_since[since]
        found: dict[str, list[Posting | Brief]] = defaultdict(list)
        self._ours_since[since] = found
        for each in [each for each in self.postings.values() if each.service_last >= since]:
            if each.part >= FIRST_CORRECTION_PART or not self._may_stand(each):
                continue
            marks = {each.resident_id, each.lease_id, each.unit_id}
            if (charge := self.charge_of(each)) is not None:
                marks |= {charge.resident_id or "", charge.lease_id or "", charge.unit_id or ""}
            for mark in marks:
                found[mark].append(each)
        found.pop("", None)
        return found

    def _may_stand(self, posting: Posting | Brief) -> bool:
        charges = self.seen(posting.reference)
        if charges:
            return not self.removed or any(each.id not in self.removed for each in charges)
        if posting.reference in self.matched:
            return self.matched[posting.reference].id not in self.removed
        return posting.state in LIVE

    def charge_of(self, posting: Posting | Brief) -> SyncedCharge | None:
        """The synced charge that shows the posting, by its reference or by content."""
        return self.by_reference.get(posting.reference) or self.matched.get(posting.reference)

    def ours_around(
        self, marks: Iterable[str], first: date, last: date, margin: int
    ) -> Iterator[Posting | Brief]:
        """Of those lines the ones that serve some of the days, or lie ``margin`` days from them where they are of a single day."""
        ours = self._ours(first - timedelta(days=margin) if margin else first)
        if not ours:
            return
        for each in (posting for mark in marks for posting in ours.get(mark, ())):
            if each.service_first <= last and first <= each.service_last:
                yield each
            elif margin and each.service_first == each.service_last:
                away = first - each.service_last if each.service_last < first else each.service_first - last
                if away.days <= margin:
                    yield each

    def ours_on(self, marks: Iterable[str], since: date) -> Iterator[Posting | Brief]:
        """Original lines of ours for days from ``since`` on, for one of these residents, leases or units; each once."""
        seen: set[str] = set()
        for mark in marks:
            for each in self._ours(since).get(mark, ()):
                if each.reference not in seen:
                    seen.add(each.reference)
                    yield each

    def stands_at(self, posting: Posting | Brief) -> int:
        """What is left of the posting's period after its corrections, in cents."""
        key = self.key_of(posting)
        parts = [self.part(key, key.reference), *self.corrections(key)]
        if not any(parts):
            return posting.amount
        number = 1
        while self.knows((later := key.with_part(number)).reference):
            parts.append(self.part(later, later.reference))
            number += 1
        return sum(each.amount for each in parts if each and each.status != "removed_upstream")

    def key_of(self, posting: Posting | Brief) -> Key:
        """The key of the first part of the posting's period."""
        return Key(
            self._integration_id,
            posting.key_plan,
            posting.key_charge,
            posting.unit_id,
            posting.resident_id,
            posting.period,
        )

    def is_voided(self, reference: str) -> bool:
        """Whether a person said that the line was rightly taken off the ledger."""
        posting = self.postings.get(reference)
        return posting is not None and posting.state == "voided"

    def seen_otherwise(self) -> dict[str, int | None]:
        """Postings that stand on the ledger with other cents than were posted, or (``None``) no more; not what was accepted."""
        otherwise: dict[str, int | None] = {}
        for posting in self.postings.values():
            charge = self.charge_of(posting)
            if charge is None or posting.state not in SETTLED:
                continue
            part = self.part(self.key_of(posting).with_part(posting.part), posting.reference)
            accepted = self.key_of(posting).reference in self.decisions.accepted
            if part is not None and part.status == "removed_upstream":
                otherwise[posting.reference] = None
            elif part is not None and part.amount != posting.amount and not accepted:
                otherwise[posting.reference] = part.amount
        return otherwise

    def refusal(self, reference: str) -> str:
        """Why the line was refused when it was last sent, or nothing."""
        posting = self.postings.get(reference)
        return (posting.error or "") if isinstance(posting, Posting) and posting.state == "refused" else ""

    def part(self, key: Key, reference: str) -> PostedPart | None:
        """What became of the line with that key; ``None`` where it is not posted."""
        posting = self._posting(reference)
        standing = self.standing(reference, posting)
        if standing is None:
            return None
        status, amount, synced = standing
        return PostedPart(key.part, key, reference, status, amount, synced, posting)

    def standing(
        self, reference: str, posting: Posting | Brief | None
    ) -> tuple[Status, int, SyncedCharge | None] | None:
        """Where the line stands, with how many cents, and the charge that shows it; ``None`` where it is not posted."""
        found = self.seen(reference)
        if not found and posting is not None and reference in self.matched:
            found = (self.matched[reference],)
        voided = posting is not None and posting.state == "voided"
        still = [each for each in found if each.id not in self.removed] if self.removed else found
        if still or (found and not voided):
            amount = sum(_amount_of(each, posting) for each in still or found)
            return "visible" if still else "removed_upstream", amount, (still or found)[0]
        if posting is None or voided or posting.state in FREE:
            return None
        if posting.state in SETTLED:
            return "visible", posting.amount, None
        return "in_flight" if posting.state in {"queued", "accepted"} else "unknown", posting.amount, None

    def parts(self, bill: Bill, key: Key) -> list[PostedPart]:
        """Every posted line of the bill's period under ``key``: its parts, then its corrections, then what counts for it."""
        if not self.counted:
            return self._parts_of(bill, key)
        found = [each for each in self._parts_of(bill, key) if self.counted.get(each.reference, key) == key]
        for reference in [each for each, counts_for in self.counted.items() if counts_for == bill.key]:
            posting = self.postings[reference]
            part = self.part(self.key_of(posting).with_part(posting.part), reference)
            found += [part] if part else []
        return found

    def voided(self, bill: Bill, key: Key) -> list[Posting]:
        """The lines of the bill's period that a person said were rightly taken off the ledger."""
        names = [
            key.reference,
            *(name for name, counts_for in self.counted.items() if counts_for == bill.key),
        ]
        for first in (1, FIRST_CORRECTION_PART):
            number = first
            while self.knows(name := key.with_part(number).reference):
                names.append(name)
                number += 1
        found = [self.postings[name] for name in dict.fromkeys(names) if self.is_voided(name)]
        return [each for each in found if isinstance(each, Posting)]

    def _parts_of(self, bill: Bill, key: Key) -> list[PostedPart]:
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


def _amount_of(charge: SyncedCharge, posting: Posting | Brief | None) -> int:
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
