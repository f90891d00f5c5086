"""A lost journal's lines, worked out anew from what carries a reference of ours on the ledgers and in the write log.

A line that the plans explain is known by its key again: first and later parts, corrections, under whichever of its
household's keys. Any other is known by its reference alone, for where and when it stands: it is ours, and accounted for by
no line that is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from chargeplan.core.bill import Bill
from chargeplan.core.change import change_of
from chargeplan.core.key import FIRST_CORRECTION_PART, Key, is_reference
from chargeplan.core.observed import ObservedProperty, SyncedCharge
from chargeplan.core.planned import PlannedProperty
from chargeplan.core.posting import REBUILT, Posting, SentItem, WriteLogEntry, posting_of


class Proof(msgspec.Struct, frozen=True):
    """What shows that a line was sent: the charge on the ledger, or the request in the log, or both."""

    charge: SyncedCharge | None = None
    entry: WriteLogEntry | None = None
    item: SentItem | None = None


def proofs_of(
    charges: Iterable[SyncedCharge], entries: Iterable[WriteLogEntry], people: frozenset[str]
) -> Mapping[str, Proof]:
    """By reference of ours: what shows the line on these ledgers, or on its way to one of these residents or leases.

    Of several requests with a line the one counts that succeeded, else the one that the log has first.
    """
    found = {
        each.reference: Proof(charge=each)
        for each in charges
        if each.reference and is_reference(each.reference)
    }
    for entry in sorted(entries, key=lambda each: each.status != "SUCCESS"):
        for item in entry.items:
            known = found.get(item.reference, Proof())
            if known.entry is None and (
                known.charge is not None
                or not people.isdisjoint({item.resident_id or "", item.lease_id or ""})
            ):
                found[item.reference] = Proof(charge=known.charge, entry=entry, item=item)
    return found


def postings_of(
    planned: Sequence[PlannedProperty],
    observed: ObservedProperty,
    integration_id: str,
    proofs: Mapping[str, Proof],
    is_recorded: Callable[[str], bool],
) -> Iterator[Posting]:
    """The postings that the proofs are of. A gap in the corrections that the journal still knows is none: ``is_recorded``."""
    left = dict(proofs)
    for key, bill in _keys(planned):
        for each in _known_parts(bill, key, lambda reference: reference in proofs or is_recorded(reference)):
            if (proof := left.pop(each.reference, None)) is not None:
                yield _proven(_explained(bill, each), proof)
    leases = {person.resident_id: lease.id for lease in observed.leases for person in lease.residents}
    for reference, proof in left.items():
        yield _proven(_unexplained(reference, proof, observed, integration_id, leases), proof)


def _keys(planned: Sequence[PlannedProperty]) -> Iterator[tuple[Key, Bill]]:
    for each in planned:
        for household in each.expansion.households:
            for bill in household.bills:
                for key in (bill.key, *bill.alternates):
                    yield key, bill


def _known_parts(bill: Bill, key: Key, is_known: Callable[[str], bool]) -> Iterator[Key]:
    """The keys of a period's lines: its parts, and its corrections, which count without a gap."""
    least = max((line.key.part for line in bill.lines), default=key.part) + 1
    for first, always in ((key.part, least), (FIRST_CORRECTION_PART, FIRST_CORRECTION_PART - 1)):
        number = first
        while is_known((each := key.with_part(number)).reference) or number <= always:
            yield each
            number += 1


def _explained(bill: Bill, key: Key) -> Posting:
    line = next((each for each in bill.lines if each.key == key), bill.draft)
    named = msgspec.structs.replace(line, key=key, reference=key.reference)
    return posting_of(change_of("correct" if key.part >= FIRST_CORRECTION_PART else "create", None, named))


def _unexplained(
    reference: str, proof: Proof, observed: ObservedProperty, integration_id: str, leases: Mapping[str, str]
) -> Posting:
    charge, item = proof.charge, proof.item
    units = {each.id: each.number for each in observed.units}
    codes = {each.id: each.name or "" for each in observed.charge_codes}
    homes = {each.id: each.unit_id or "" for each in observed.leases}
    resident_id = (charge and charge.resident_id) or (item and item.resident_id) or ""
    lease_id = (charge and charge.lease_id) or (item and item.lease_id) or leases.get(resident_id, "")
    unit_id = (charge and charge.unit_id) or homes.get(lease_id, "")
    code_id = (charge and charge.charge_code_id) or (item and item.charge_code_id) or ""
    day = (charge and charge.transaction_date) or (item and item.transaction_date) or date.min
    return Posting(
        reference=reference, integration_id=integration_id, property_id=observed.property.id,
        plan="", charge="", item=None, key_plan="", key_charge="", unit_id=unit_id, unit_number=units.get(unit_id, ""),
        resident_id=resident_id, lease_id=lease_id, period=day.isoformat(), part=0, period_first=day, period_last=day,
        service_first=day, service_last=day, transaction_date=day, amount=0, charge_code_id=code_id,
        charge_code=codes.get(code_id, ""), description="", notes="", source_file="", source_line=0,
    )  # fmt: skip


def _proven(posting: Posting, proof: Proof) -> Posting:
    """The posting as far as it came, as it was sent; where the log has run out, as it stands on the ledger now.

    So an amount that the office has edited since differs from what was posted, as it does in a journal that was not lost.
    """
    charge, entry, item = proof.charge, proof.entry, proof.item
    seen: dict[str, Any] = {
        "plan_id": REBUILT,
        "batch_id": item.batch_id if item else "",
        "job_id": entry.job_id if entry else None,
    }
    for shown in (charge, item):
        if shown is not None:
            known: dict[str, Any] = {
                "amount": shown.amount,
                "transaction_date": shown.transaction_date,
                "description": shown.description,
            }
            seen |= {name: value for name, value in known.items() if value is not None}
    if charge is None and seen.get("amount") == -posting.amount:
        # The log may keep a credit as the positive amount that its path takes; the plan says what it was.
        seen["amount"] = posting.amount
    if charge is not None:
        seen |= {"state": "visible", "charge_id": charge.id}
    elif entry is not None:
        seen |= {"state": "accepted" if entry.status == "SUCCESS" else "unknown", "error": entry.error}
    return msgspec.structs.replace(posting, **seen)
