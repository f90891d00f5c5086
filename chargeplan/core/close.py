"""The account of a month: what was due, what became of it, and whether the ledgers agree (interface.md, `close`).

``complete``: nothing is open, held or missed. ``agrees``: what we posted stands on the ledgers as it was posted, or a person
accepted the difference. What a person said to be there, and no sync has shown, is a figure of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from chargeplan.core.bill import Bill
from chargeplan.core.change import Change, Total
from chargeplan.core.corrections import dates_of
from chargeplan.core.dates import Days
from chargeplan.core.decide import known_key
from chargeplan.core.evidence import Evidence, PostedPart
from chargeplan.core.key import FIRST_CORRECTION_PART
from chargeplan.core.observed import ObservedProperty, day_of
from chargeplan.core.planned import PlannedProperty
from chargeplan.core.posting import LIVE
from chargeplan.core.verdicts import ADOPTED

FIGURES = (
    "due", "posted_by_us", "adopted", "corrected", "accepted_drift", "on_ledgers_ours", "by_word", "on_ledgers_foreign",
    "in_flight", "unknown", "held", "missed", "drift", "removed",
)  # fmt: skip
_OPEN = ("in_flight", "unknown", "held", "missed", "drift", "removed")
_FIGURE_OF = {
    "in_flight": "in_flight",
    "unknown": "unknown",
    "hold": "held",
    "create": "missed",
    "missed": "missed",
    "correct": "drift",
    "drift": "drift",
    "removed_upstream": "removed",
}


class Account(msgspec.Struct):
    """One charge code of one property. ``altered`` counts what stands on the ledger with another amount than was posted."""

    property_id: str
    charge_code: str
    totals: dict[str, Total] = msgspec.field(default_factory=lambda: dict.fromkeys(FIGURES, Total()))
    altered: int = 0

    def add(self, figure: str, cents: int | None) -> None:
        """One more line of a figure."""
        self.totals[figure] = self.totals[figure].plus(cents)

    @property
    def difference(self) -> int:
        """What is due less what is on the ledgers through us or adopted, or is there by a person's word, in cents."""
        there = sum(self.totals[figure].amount for figure in ("on_ledgers_ours", "by_word", "adopted"))
        return self.totals["due"].amount - there

    @property
    def complete(self) -> bool:
        """Whether nothing is open, held or missed."""
        return not any(self.totals[figure].count for figure in _OPEN)

    @property
    def agrees(self) -> bool:
        """Whether what we posted stands as it was posted, or a person accepted the difference."""
        return not self.altered and not self.totals["removed"].count

    def why_not(self) -> Iterator[str]:
        """What keeps the month open, or from agreeing."""
        for figure in _OPEN:
            count = self.totals[figure].count
            if count:
                yield f"{count:,} {figure.replace('_', ' ')}"
        if self.altered:
            yield f"{self.altered:,} posted with another amount than stands on the ledger"


def accounts(
    planned: Sequence[PlannedProperty],
    changes: Iterable[Change],
    evidence: Evidence,
    observed: ObservedProperty,
    month: Days,
) -> list[Account]:
    """The accounts of a property, by charge code; the plans list everything, and their window is the month."""
    ledger = _Ledger(observed, evidence)
    seen: set[str] = set()
    for each in planned:
        for bills in each.expansion.households:
            for bill in bills.bills:
                if any(day in month for day in dates_of(bill)):
                    seen |= ledger.take_bill(bill, month)
    for change in changes:
        if change.action in _FIGURE_OF and change.transaction_date in month:
            ledger.account(change.charge_code).add(_FIGURE_OF[change.action], change.amount)
    ledger.take_rest(seen, month)
    ledger.take_foreign(month)
    return [ledger.by_code[code] for code in sorted(ledger.by_code)]


class _Ledger:
    """The accounts of one property as they are added up."""

    def __init__(self, observed: ObservedProperty, evidence: Evidence) -> None:
        self._observed, self._evidence = observed, evidence
        self.by_code: dict[str, Account] = {}

    def account(self, code: str) -> Account:
        """The account of a charge code, by its name."""
        return self.by_code.setdefault(code, Account(self._observed.property.id, code))

    def take_bill(self, bill: Bill, month: Days) -> set[str]:
        """What is due for a period and what was posted for it; the references of that."""
        account = self.account(bill.draft.charge_code)
        for line in bill.lines:
            if line.natural_date in month:
                account.add("due", line.amount)
        key = known_key(bill, self._evidence)
        parts = self._evidence.parts(bill, key)
        due = sum(line.amount or 0 for line in bill.lines)
        there = sum(each.amount for each in parts)
        accepted = self._evidence.decisions.is_accepted(key.with_part(0).reference, due, there)
        if accepted:
            account.add("accepted_drift", due - there)
        for part in parts:
            self._take_part(account, part, accepted=accepted)
        return {each.reference for each in parts}

    def _take_part(self, account: Account, part: PostedPart, *, accepted: bool) -> None:
        posting = part.posting
        if part.status in {"unknown", "in_flight"}:
            return
        recorded = part.amount if posting is None else posting.amount
        if posting is not None and posting.action == ADOPTED:
            if part.status == "visible":
                account.add("adopted", part.amount)
            return
        account.add("corrected" if part.part >= FIRST_CORRECTION_PART else "posted_by_us", recorded)
        if part.status == "visible":
            is_shown = part.synced is not None or posting is None or posting.state != "posted"
            account.add("on_ledgers_ours" if is_shown else "by_word", part.amount)
            account.altered += recorded != part.amount and not accepted

    def take_rest(self, seen: set[str], month: Days) -> None:
        """What we posted in the month for what nothing due now has a key of."""
        for posting in self._evidence.postings.values():
            if (
                posting.reference in seen
                or posting.transaction_date not in month
                or posting.state not in LIVE
            ):
                continue
            key = self._evidence.key_of(posting).with_part(posting.part)
            part = self._evidence.part(key, posting.reference)
            if part is not None:
                self._take_part(self.account(posting.charge_code), part, accepted=False)

    def take_foreign(self, month: Days) -> None:
        """What others entered under the codes that the plans own."""
        names = {code.id: code.name or code.id for code in self._observed.charge_codes}
        for charge in self._evidence.strangers:
            day = day_of(charge)
            if day is not None and day in month:
                name = names.get(charge.charge_code_id or "", charge.charge_code_id or "")
                self.account(name).add("on_ledgers_foreign", charge.amount)
