"""Corrections: what a period should have cost less what was posted for it, as one more line (plan-language.md, *Corrections*)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import accumulate

import msgspec

from chargeplan.core.bill import Bill
from chargeplan.core.change import Change, change_of
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import ONE_DAY, Days
from chargeplan.core.evidence import Evidence, PostedPart, service_of
from chargeplan.core.key import FIRST_CORRECTION_PART, Key
from chargeplan.core.line import Line
from chargeplan.core.money import round_ratio
from chargeplan.core.plan import Plan
from chargeplan.core.posting import Posting


def _original_date(bill: Bill) -> date:
    return dates_of(bill)[0]


def dates_of(bill: Bill) -> list[date]:
    """The dates of the lines; where there are none, the date that a line would have."""
    return [line.natural_date for line in bill.lines] or [bill.draft.natural_date]


def as_posted(line: Line, each: PostedPart) -> Line:
    """The line as it was sent, where the journal knows; else as it would be, under the posted reference and amount."""
    posting = each.posting
    if posting is None:
        return msgspec.structs.replace(
            line, key=each.key, reference=each.reference, amount=each.amount, hold=None
        )
    as_it_was = msgspec.structs.replace(
        line,
        key=each.key,
        reference=each.reference,
        amount=each.amount,
        hold=None,
        transaction_date=posting.transaction_date,
        description=posting.description,
        notes=posting.notes,
        service=Days(posting.service_first, posting.service_last),
    )
    if posting.property_id != line.property_id:
        # The unit was another property's then, whose codes nobody can post to it any more.
        return as_it_was
    return msgspec.structs.replace(
        as_it_was,
        charge_code_id=posting.charge_code_id,
        charge_code=posting.charge_code,
        account_id=posting.account_id or line.account_id,
        account=posting.account or line.account,
    )


def difference_of(
    bill: Bill, posted: Sequence[PostedPart], voided: Sequence[Posting], *, in_window: bool
) -> int:
    """What the period should have cost less what stands or is under way for it, in cents.

    Before the window other days count, at the price at which the period was posted, and whatever became of it on the ledger;
    another price of the plan's does not. ``voided`` are its lines that were rightly taken off the ledger.
    """
    due = sum(line.amount or 0 for line in bill.lines)
    there = sum(each.amount for each in posted)
    if in_window or bill.restated or due == there:
        return due - there
    service = service_of(posted, bill.period)
    then = bill.cost_of(service) if bill.cost_of else None
    was = _price_posted(posted, voided, due if then is None else then)
    if was != 0 and not _days_changed(bill, service):
        return was - there
    if due == 0:
        return -there
    if was == 0 or then is None:
        return due - there
    return (round_ratio(was * due * (1 if then > 0 else -1), abs(then)) if then else was) - there


def _price_posted(posted: Sequence[PostedPart], voided: Sequence[Posting], now: int) -> int:
    """The price at which the period was posted: all that was posted for it, while the ledger has it as it was posted.

    Where the office altered or voided some of it, corrections have put that back since, beyond the price. So it is that of the
    sums, after each of the lines, which is nearest to what the same days cost ``now``.
    """
    recorded = [
        (each.part, each.posting.amount if each.posting is not None else each.amount) for each in posted
    ]
    as_sent = all(each.posting is None or each.posting.amount == each.amount for each in posted)
    if as_sent and not voided:
        return sum(amount for _, amount in recorded)
    recorded += [(each.part, each.amount) for each in voided]
    sums = accumulate(amount for _, amount in sorted(recorded))
    return min(sums, key=lambda each: abs(each - now))


def _days_changed(bill: Bill, service: Days) -> bool:
    """Whether the household's dates (or the row's own), not the plan's, changed the days since they were posted."""
    if bill.dated_by_row and bill.billed != service:
        return True
    lived_through = (
        bill.lived is not None and bill.lived.first <= service.first and service.last <= bill.lived.last
    )
    if not lived_through:
        return True
    return bill.billed is not None and not (
        service.first <= bill.billed.first and bill.billed.last <= service.last
    )


def corrected(
    plan: Plan,
    bill: Bill,
    key: Key,
    posted: Sequence[PostedPart],
    *,
    difference: int,
    evidence: Evidence,
    integration: IntegrationConfig,
) -> Change:
    """The one line that corrects a period: posted, held, or reported as a drift."""
    change = _correction(
        plan, bill, key, posted, difference=difference, evidence=evidence, integration=integration
    )
    there = sum(each.amount for each in posted)
    return msgspec.structs.replace(change, there=there, next_part=evidence.next_correction(key).part)


def _correction(
    plan: Plan,
    bill: Bill,
    key: Key,
    posted: Sequence[PostedPart],
    *,
    difference: int,
    evidence: Evidence,
    integration: IntegrationConfig,
) -> Change:
    first = posted[0]
    moved_out = bill.last_lived is not None and bill.last_lived < bill.period.last
    reason = "moved_out" if moved_out else "amount" if bill.lines else "not_due"
    original = as_posted(bill.lines[0] if bill.lines else bill.draft, first)
    adjusts = bill.charge.adjusts_drift
    target = evidence.next_correction(key) if adjusts else first.key
    natural = _correction_date(bill, first, moved_out=moved_out)
    line = msgspec.structs.replace(
        original,
        key=target,
        reference=target.reference,
        amount=difference,
        natural_date=natural,
        transaction_date=plan.open_day(natural),
        service=bill.billed if bill.lines and bill.billed else _originally_served(posted, bill.period),
        route=integration.route_name(difference),
        description=_adjusted(original, first, integration.room(original.notes)),
    )
    if not adjusts:
        return change_of("drift", reason, line, first.synced)
    if difference < 0 and not integration.posts_credits:
        return change_of("hold", "credit_not_allowed", line, first.synced)
    return change_of("correct", reason, line, first.synced, detail=_last_refusal(key, target, evidence))


def credited_days(bill: Bill | None, change: Change) -> Days:
    """The days that a credit takes back: of a correction those that are billed no more, of a line its own."""
    if bill is None or change.part < FIRST_CORRECTION_PART or bill.billed is None or not bill.lines:
        return change.service
    if bill.billed.first > bill.period.first and bill.billed.last == bill.period.last:
        return Days(bill.period.first, bill.billed.first - ONE_DAY)
    if bill.billed.last < bill.period.last:
        return Days(bill.billed.last + ONE_DAY, bill.period.last)
    return change.service


def visible_amount(posted: Sequence[PostedPart]) -> int:
    """What of the period stands on the ledger, in cents."""
    return sum(each.amount for each in posted if each.status == "visible")


def _originally_served(posted: Sequence[PostedPart], period: Days) -> Days:
    """The days that the original lines were for, whatever corrections followed."""
    originals = [each for each in posted if each.part < FIRST_CORRECTION_PART]
    return service_of(originals, period)


def _last_refusal(key: Key, target: Key, evidence: Evidence) -> str:
    """Why the correction before this one was refused, where it was."""
    before = key.with_part(target.part - 1)
    return evidence.refusal(before.reference) if target.part > FIRST_CORRECTION_PART else ""


def _correction_date(bill: Bill, first: PostedPart, *, moved_out: bool) -> date:
    if bill.lines and moved_out and bill.billed is not None:
        return bill.billed.last
    if bill.lines and bill.cut is not None:
        return bill.cut
    if first.posting is not None:
        return first.posting.transaction_date
    seen = first.synced.transaction_date if first.synced else None
    return seen or _original_date(bill)


def _adjusted(line: Line, first: PostedPart, most: int) -> str:
    text = (
        line.description
        or (first.synced.description if first.synced else None)
        or line.charge.replace("-", " ").title()
    )
    text = f"Adj: {text.removeprefix('Adj: ')}"
    return text if len(text) <= most else text[: most - 1] + "…"
