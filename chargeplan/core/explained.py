"""What led to a change or a skip, found in the bills that planning made: nothing is reckoned here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from chargeplan.core.bill import Bill, Expansion, HouseholdBills
from chargeplan.core.change import Change
from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.evidence import Evidence, PostedPart
from chargeplan.core.facts import Fact
from chargeplan.core.household import Household
from chargeplan.core.key import FIRST_CORRECTION_PART
from chargeplan.core.line import Skip
from chargeplan.core.observed import SyncedCharge
from chargeplan.core.plan import Charge
from chargeplan.core.posting import Posting
from chargeplan.core.site import Site
from chargeplan.core.terms import Difference, Term


class Explained(msgspec.Struct, frozen=True):
    """The household, the facts and the terms that led to a line or a skip; what was posted, and what else is on the ledger."""

    charge: Charge
    household: Household
    facts: tuple[Fact, ...] = ()
    terms: tuple[Term | Difference, ...] = ()
    posted: tuple[PostedPart, ...] = ()
    beside: tuple[SyncedCharge, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: a line of the plan, a household without one, or (neither) what only the journal knows.

    ``events`` are the journal's own, each with at, kind, actor and data.
    """

    change: Change | None = None
    skip: Skip | None = None
    explained: Explained | None = None
    postings: tuple[Posting, ...] = ()
    events: tuple[Mapping[str, Any], ...] = ()
    source: str = ""


class Answers(msgspec.Struct, frozen=True):
    """Everything that was found, when it was looked for, and the errors of the plan that it was looked for in."""

    as_of: date
    window: Days
    reference: str | None
    found: tuple[Answer, ...]
    errors: tuple[Diagnostic, ...] = ()


class Explainer:
    """Explains what one plan says of one property, from the expansion that its changes and skips were made from."""

    def __init__(self, site: Site, expansion: Expansion, evidence: Evidence) -> None:
        self.site, self.expansion, self.evidence = site, expansion, evidence
        # By plan, charge, unit and period of the key: a report asks for every line of a property.
        self._bills: dict[tuple[str, str, str, str], list[tuple[HouseholdBills, Bill]]] = {}
        for bills in expansion.households:
            for bill in bills.bills:
                known_by = (bill.key.plan, bill.key.charge, bill.key.unit_id, bill.key.period)
                self._bills.setdefault(known_by, []).append((bills, bill))

    def change(self, change: Change) -> Explained | None:
        """The explanation of a change; ``None`` where it is of another plan or property."""
        home = self._bill_of(change)
        if home is None:
            return None
        bills, bill = home
        posted = self._posted(bill, change)
        household = self.site.everyone[bills.order]
        return Explained(
            charge=bill.charge,
            household=household,
            facts=bill.facts,
            terms=_terms(bill, posted, change),
            posted=posted,
            beside=self._beside(bill, household, change.charge_code_id),
        )

    def terms(self, change: Change) -> tuple[Term | Difference, ...]:
        """How a change's amount arose; nothing where it is of another plan or property."""
        home = self._bill_of(change)
        return _terms(home[1], self._posted(home[1], change), change) if home is not None else ()

    def skip(self, skip: Skip) -> Explained | None:
        """The explanation of a skip: the facts that led to it, and the terms of what came to nothing."""
        for bills in self.expansion.households:
            if bills.skip != skip:
                continue
            of_reason = [bill for bill in bills.bills if bill.reason == skip.reason]
            now = [bill for bill in of_reason if bill.draft.natural_date in self.site.setting.window]
            bill = next(iter(now or of_reason), None)
            charge = bill.charge if bill is not None else self.site.plan.charge(skip.charge)
            nothing = bill.priced if bill is not None and skip.reason == "zero_amount" else ()
            return Explained(
                charge=charge,
                household=self.site.everyone[bills.order],
                facts=bills.facts,
                terms=tuple(each.term for each in nothing),
            )
        return None

    def _bill_of(self, change: Change) -> tuple[HouseholdBills, Bill] | None:
        known_by = (change.key_plan, change.key_charge, change.unit_id, change.period_key)
        for bills, bill in self._bills.get(known_by, ()):
            people = {bill.key.resident_id, *(each.resident_id for each in bill.alternates)}
            numbered = bill.charge.late_fee is None or bill.key.part == change.part
            if numbered and change.resident_id in people:
                return bills, bill
        return None

    def _posted(self, bill: Bill, change: Change) -> tuple[PostedPart, ...]:
        keys = (bill.key, *bill.alternates)
        key = next((each for each in keys if each.resident_id == change.resident_id), bill.key)
        return tuple(self.evidence.parts(bill, key))

    def _beside(self, bill: Bill, household: Household, code_id: str) -> tuple[SyncedCharge, ...]:
        """What is on the ledger of the household under the same code in the period."""
        people = {each.resident_id for each in household.members()}

        def is_near(day: date | None) -> bool:
            return day is not None and (day in bill.period or day == bill.draft.transaction_date)

        return tuple(
            charge
            for charge in self.site.setting.observed.charges
            if charge.resident_id in people
            and charge.charge_code_id == code_id
            and is_near(charge.transaction_date)
        )


def _terms(bill: Bill, posted: Sequence[PostedPart], change: Change) -> tuple[Term | Difference, ...]:
    if change.part >= FIRST_CORRECTION_PART or change.action == "drift":
        due = tuple(line.term for line in bill.lines if line.term is not None)
        parts = tuple((part.reference, part.amount) for part in posted)
        return (Difference(due, parts, change.amount or 0),)
    line = next((each for each in bill.lines if each.key.part == change.part), None)
    return () if line is None or line.term is None else (line.term,)
