"""What is on a ledger, or on its way there, and claimed by no line that is due; and which line it concerns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from typing import TypeVar

from chargeplan.core.bill import Bill
from chargeplan.core.evidence import Evidence
from chargeplan.core.key import FIRST_CORRECTION_PART
from chargeplan.core.line import Line
from chargeplan.core.money import format_money
from chargeplan.core.observed import ObservedProperty, SyncedCharge
from chargeplan.core.planned import PlannedProperty
from chargeplan.core.posting import Brief, Posting


class ForeignCharges:
    """Charges of owned codes that no loaded plan posted: each may be the duplicate of one line.

    So may a posting of ours that no ledger shows yet, under a key that no plan has any more: a charge that was renamed
    without ``moved``, for example.
    """

    def __init__(
        self, planned: Sequence[PlannedProperty], observed: ObservedProperty, evidence: Evidence
    ) -> None:
        self.ours_unrecorded = evidence.unrecorded and evidence.unrecorded & {
            reference
            for each in planned
            for bills in each.expansion.households
            for bill in bills.bills
            for reference in _references(bill, evidence)
        }
        codes = {code.id: code.name for code in observed.charge_codes}
        self._owned = {
            (each.plan.name, code_id)
            for each in planned
            for code_id, name in codes.items()
            if {code_id, name} & set(each.plan.owns)
        }
        self._by_resident: dict[tuple[str | None, str | None], list[SyncedCharge]] = {}
        for charge in evidence.strangers:
            if charge.reference not in self.ours_unrecorded:
                self._by_resident.setdefault((charge.resident_id, charge.charge_code_id), []).append(charge)

        self._unseen: dict[tuple[str, str], list[Posting]] = {}
        for posting in evidence.orphans:
            self._unseen.setdefault((posting.resident_id, posting.charge_code_id), []).append(posting)

    def take(self, line: Line) -> SyncedCharge | Posting | None:
        """A foreign charge (or posting) for the same resident, code and service period; it will not be given again."""
        if (line.plan, line.charge_code_id) not in self._owned or (line.amount or 0) <= 0:
            return None
        place = (line.key.resident_id, line.charge_code_id)
        return _taken(self._by_resident.get(place, []), line) or _taken(self._unseen.get(place, []), line)


class Twins:
    """Lines of ours, posted for the same people, charge and days under a key that nothing is due under any more.

    A unit that was corrected, people who became another record, a schedule that was moved by some days: each changes the key
    of a line that stands. What is posted under the old one holds the new one.
    """

    def __init__(self, planned: Sequence[PlannedProperty], evidence: Evidence) -> None:
        self._planned, self._evidence = planned, evidence

    def of(self, bill: Bill, line: Line) -> Posting | Brief | None:
        """The line that is already posted in the place of this one."""
        if bill.charge.late_fee is not None or (line.amount or 0) <= 0:
            return None
        # Of several residents on a lease each has lines of their own: another's is no twin.
        alone = bill.charge.who.resident == "all" or bill.charge.split is not None
        who = (line.key.resident_id,) if alone else (line.key.resident_id, line.lease_id)
        found = self._evidence.others_for(line.key, who, line.service)
        return next((each for each in found if each.amount > 0 and not self._is_due(each)), None)

    def _is_due(self, posting: Posting | Brief) -> bool:
        place = (posting.key_plan, posting.key_charge, posting.unit_id, posting.resident_id, posting.period)
        return any(each.steady.is_told(posting) for each in self._planned) or place in self._billed

    @cached_property
    def _billed(self) -> frozenset[tuple[str, str, str, str, str]]:
        """The keys of all bills, with those under which their households may be known."""
        return frozenset(
            (key.plan, key.charge, key.unit_id, key.resident_id, key.period)
            for each in self._planned
            for bills in each.expansion.households
            for bill in bills.bills
            for key in (bill.key, *bill.alternates)
        )


_Foreign = TypeVar("_Foreign", SyncedCharge, Posting)


def _taken(candidates: list[_Foreign], line: Line) -> _Foreign | None:
    """The first candidate of the line's period, which is no candidate any more."""
    for each in candidates:
        if each.transaction_date and _same_period(each.transaction_date, line):
            candidates.remove(each)
            return each
    return None


def _same_period(day: date, line: Line) -> bool:
    """A line that is dated outside its service period has its like there too."""
    return day in line.period or day in {line.natural_date, line.transaction_date}


def _references(bill: Bill, evidence: Evidence) -> Iterator[str]:
    for line in bill.lines:
        yield line.reference
    for key in (bill.key, *bill.alternates):
        if evidence.knows(key.reference):
            yield key.reference
        number = FIRST_CORRECTION_PART
        while bill.charge.late_fee is None and evidence.knows(reference := key.with_part(number).reference):
            yield reference
            number += 1


def twin_named(twin: Posting | Brief) -> str:
    """The line that was posted in the place of a new one, for a person."""
    return (
        f"line {twin.reference} of {format_money(twin.amount)} for {twin.service_first} to {twin.service_last}, posted for the same "
        f"people under another unit, period or item (now {twin.state.replace('_', ' ')}), and for nothing that is due now"
    )


def duplicate_named(found: SyncedCharge | Posting, evidence: Evidence) -> str:
    """The charge that may be a line already, for a person."""
    amount = format_money(found.amount or 0)
    text = f" “{found.description}”" if found.description else ""
    if isinstance(found, Posting):
        what = f"line {found.reference}, not on the ledger yet,"
    else:
        what = f"charge {found.id}"
    posting = found if isinstance(found, Posting) else evidence.poster_of(found)
    said = f"{what} of {amount} dated {found.transaction_date}{text}"
    if posting is None:
        return said
    return f"{said}, which was posted for {posting.key_plan}/{posting.key_charge}: if that is this charge's old name, write `moved`"
