"""Desired against recorded and observed: what should happen, line by line, and why.

The decision table of plan-language.md, *What already exists, and what follows*, and *Corrections*. For one period under
one key:

    nothing posted                       each line: create, hold, or hold as a probable duplicate
    any part unknown or removed          each part says so; no correction
    posted parts as they should be       unchanged or in flight; missing later parts are created
    the sums agree                       unchanged or in flight
    else                                 one correction (``on_drift: adjust``) or one drift

Before the window only the last row counts, and only where days, not prices, changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from typing import TypeVar

import msgspec

from chargeplan.core.bill import Bill, Expansion, HouseholdBills
from chargeplan.core.change import POSTED_BY_APPLY, Change, Synced
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic, error
from chargeplan.core.household import natural
from chargeplan.core.key import FIRST_CORRECTION_PART, Key
from chargeplan.core.line import Line, Skip
from chargeplan.core.money import format_money, round_ratio
from chargeplan.core.observed import ObservedProperty, SyncedCharge
from chargeplan.core.plan import Plan
from chargeplan.core.posted import Evidence, PostedPart, service_of
from chargeplan.core.posting import Brief, Posting
from chargeplan.core.steady import Steady

_STATUS_ACTION = {
    "visible": "unchanged",
    "in_flight": "in_flight",
    "unknown": "unknown",
    "removed_upstream": "removed_upstream",
}
_MOST_LISTED = 20

_Order = tuple[str, str, int, int, date, tuple[tuple[int, int, str], ...], int, str]


class PlannedProperty(msgspec.Struct, frozen=True):
    """One plan's expansion in one property, and what was told without it."""

    plan: Plan
    expansion: Expansion
    steady: Steady = msgspec.field(default_factory=Steady)


class Comparison(msgspec.Struct, frozen=True):
    """The changes of one property in canonical order, its skips, and the problems that stop the plan."""

    changes: tuple[Change, ...]
    skips: tuple[Skip, ...]
    diagnostics: tuple[Diagnostic, ...]
    unexplained: int = 0


def compare(
    planned: Sequence[PlannedProperty],
    observed: ObservedProperty,
    evidence: Evidence,
    integration: IntegrationConfig,
    window: Days,
) -> Comparison:
    """Compare every plan of a property with what is recorded and observed.

    ``unexplained`` in the result counts synced charges with references of these plans that the journal does not know.
    """
    foreign, twins = _ForeignCharges(planned, observed, evidence), _Twins(planned, evidence)
    scene = _Scene(evidence, foreign, twins, integration, window)
    changes: list[tuple[_Order, Change]] = []
    skips: list[Skip] = []
    diagnostics = list(_shared_ownership(planned, observed))
    for each in planned:
        diagnostics += each.expansion.diagnostics
        changes += _steady_changes(each.plan, each.steady, scene)
        closed: list[Change] = []
        for bills in each.expansion.households:
            found = list(_household_changes(each.plan, bills, scene))
            kept = [(order, change) for order, change in found if not _closed(each.plan, change, closed)]
            changes += kept
            told = any(day in window for day in bills.elsewhere) or any(
                change.transaction_date >= window.first or change.action not in {"correct", "drift"}
                for _, change in kept
                if change.reference not in bills.guests
            )
            if not told:
                skips.append(
                    _closed_skip(bills.skip)
                    if len(kept) < len(found) and each.plan.closed_period == "skip"
                    else bills.skip
                )
        if each.plan.closed_period == "error":
            diagnostics += _closed_problems(each.plan, closed)
    changes.sort(key=lambda pair: pair[0])
    diagnostics += scene.problems
    unexplained = len(scene.foreign.ours_unrecorded)
    return Comparison(tuple(change for _, change in changes), tuple(skips), tuple(diagnostics), unexplained)


class _Scene(msgspec.Struct):
    """What every bill of a property is compared with; ``problems`` collects what is wrong with the texts of lines to post."""

    evidence: Evidence
    foreign: _ForeignCharges
    twins: _Twins
    integration: IntegrationConfig
    window: Days
    problems: dict[Diagnostic, None] = msgspec.field(default_factory=dict)


def _steady_changes(plan: Plan, steady: Steady, scene: _Scene) -> Iterator[tuple[_Order, Change]]:
    for household, line in steady.new:
        scene.problems.update(dict.fromkeys(line.problems))
        change = _change("create", None, line)
        yield _order(plan, change, household, 0), change


def _household_changes(plan: Plan, bills: HouseholdBills, scene: _Scene) -> Iterator[tuple[_Order, Change]]:
    places: dict[str, int] = {}
    for bill in bills.bills:
        place = places.setdefault(bill.key.resident_id, len(places))
        for change in _bill_changes(plan, bill, scene):
            yield _order(plan, change, bills.order, place), change


def _order(plan: Plan, change: Change, household: int, place: int) -> _Order:
    """The canonical order (interface.md, *The plan document*); ``place`` is the resident's in the household."""
    return (
        plan.name,
        change.charge,
        household,
        place,
        change.transaction_date,
        natural(change.item or ""),
        change.part,
        change.reference,
    )


def _bill_changes(plan: Plan, bill: Bill, scene: _Scene) -> Iterator[Change]:
    evidence, window = scene.evidence, scene.window
    key = _known_key(bill, evidence)
    posted = evidence.parts(bill, key)
    if not posted:
        for line in bill.lines:
            if line.natural_date in window:
                yield _new(bill, line, scene)
        return
    in_window = any(day in window for day in _dates(bill))
    by_part = {each.part: each for each in posted}
    if in_window:
        yield from _standing_parts(bill, posted, window)
    if _blocked(posted) or bill.held or not bill.correctable:
        yield from _missing(bill, by_part, key, scene, only_held=_blocked(posted))
        return
    if _agree(bill, by_part):
        yield from _missing(bill, by_part, key, scene, only_held=False)
        return
    difference = _difference(bill, posted, in_window=in_window)
    if difference:
        change = _corrected(plan, bill, key, posted, difference, scene)
        yield msgspec.structs.replace(change, stands=_visible(posted)) if in_window else change


def _known_key(bill: Bill, evidence: Evidence) -> Key:
    """The bill's key, or that of another resident of the household under which the period already has a line."""
    keys = (bill.key, *bill.alternates)
    return next((key for key in keys if bill.alternates and evidence.parts(bill, key)), bill.key)


def _original_date(bill: Bill) -> date:
    return _dates(bill)[0]


def _dates(bill: Bill) -> list[date]:
    """The dates of the lines; where there are none, the date that a line would have."""
    return [line.natural_date for line in bill.lines] or [bill.draft.natural_date]


def _blocked(posted: Sequence[PostedPart]) -> bool:
    return any(each.status in {"unknown", "removed_upstream"} for each in posted)


def _agree(bill: Bill, posted: dict[int, PostedPart]) -> bool:
    """Whether every posted part is one that is due, at its amount, and there are no corrections."""
    due = {n: line.amount for n, line in _numbered(bill)}
    return all(part in due and due[part] == each.amount for part, each in posted.items())


def _numbered(bill: Bill) -> Iterator[tuple[int, Line]]:
    for line in bill.lines:
        yield line.key.part, line


def _standing_parts(bill: Bill, posted: Sequence[PostedPart], window: Days) -> Iterator[Change]:
    """What is posted, as it stands. Visible parts of a period that will be corrected are told by the correction."""
    due = sum(line.amount or 0 for line in bill.lines)
    differs = (
        bill.correctable
        and not bill.held
        and not _blocked(posted)
        and due != sum(each.amount for each in posted)
    )
    lines = dict(_numbered(bill))
    agreed = _agree(bill, {each.part: each for each in posted})
    for each in posted:
        if each.status == "visible" and differs and not agreed:
            continue
        line = lines.get(each.part)
        if line is not None and line.natural_date not in window:
            continue
        line = line or bill.draft
        yield _change(_STATUS_ACTION[each.status], None, _as_posted(line, each), each)


def _as_posted(line: Line, each: PostedPart) -> Line:
    """The line as it was sent, where the journal knows; else as it would be, under the posted reference and amount."""
    posting = each.posting
    if posting is None:
        return msgspec.structs.replace(
            line, key=each.key, reference=each.reference, amount=each.amount, hold=None
        )
    return msgspec.structs.replace(
        line,
        key=each.key,
        reference=each.reference,
        amount=each.amount,
        hold=None,
        transaction_date=posting.transaction_date,
        description=posting.description,
        notes=posting.notes,
        service=Days(posting.service_first, posting.service_last),
        charge_code_id=posting.charge_code_id,
        charge_code=posting.charge_code,
    )


def _missing(
    bill: Bill, posted: dict[int, PostedPart], key: Key, scene: _Scene, *, only_held: bool
) -> Iterator[Change]:
    for number, line in _numbered(bill):
        if number in posted or line.natural_date not in scene.window or (only_held and not line.hold):
            continue
        moved = key.with_part(number)
        yield _new(bill, msgspec.structs.replace(line, key=moved, reference=moved.reference), scene)


def _new(bill: Bill, line: Line, scene: _Scene) -> Change:
    scene.problems.update(dict.fromkeys(line.problems))
    if line.hold:
        return _change("hold", line.hold, line)
    if duplicate := scene.foreign.take(line):
        synced = duplicate if isinstance(duplicate, SyncedCharge) else None
        return _change(
            "hold", "probable_duplicate", line, synced=synced, detail=_named(duplicate, scene.evidence)
        )
    if twin := scene.twins.of(bill, line):
        return _change("hold", "probable_duplicate", line, detail=_twin_named(twin))
    return _change("create", None, line, detail=scene.evidence.refusal(line.reference))


def _twin_named(twin: Posting | Brief) -> str:
    return (
        f"line {twin.reference} of {format_money(twin.amount)} for {twin.service_first} to {twin.service_last}, posted for the same "
        f"people under another unit, period or item (now {twin.state.replace('_', ' ')}), and for nothing that is due now"
    )


def _named(found: SyncedCharge | Posting, evidence: Evidence) -> str:
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


# --- corrections -------------------------------------------------------------------------------------------------


def _difference(bill: Bill, posted: Sequence[PostedPart], *, in_window: bool) -> int:
    """What the period should have cost less what was posted for it, in cents.

    Before the window only other days count: there the period is reckoned at the price at which it was posted.
    """
    due = sum(line.amount or 0 for line in bill.lines)
    was = sum(each.amount for each in posted)
    if in_window or due == was:
        return due - was
    service = service_of(posted, bill.period)
    if was != 0 and not _days_changed(bill, service):
        return 0
    if due == 0:
        return -was
    then = bill.cost_of(service) if bill.cost_of else None
    if was == 0 or then is None:
        return due - was
    return round_ratio(was * due * (1 if then > 0 else -1), abs(then)) - was if then else 0


def _days_changed(bill: Bill, service: Days) -> bool:
    """Whether the household's dates, not the plan's, changed the days since they were posted."""
    lived_through = (
        bill.lived is not None and bill.lived.first <= service.first and service.last <= bill.lived.last
    )
    if not lived_through:
        return True
    return bill.billed is not None and not (
        service.first <= bill.billed.first and bill.billed.last <= service.last
    )


def _corrected(
    plan: Plan,
    bill: Bill,
    key: Key,
    posted: Sequence[PostedPart],
    difference: int,
    scene: _Scene,
) -> Change:
    first, evidence, integration = posted[0], scene.evidence, scene.integration
    moved_out = bill.last_lived is not None and bill.last_lived < bill.period.last
    reason = "moved_out" if moved_out else "amount" if bill.lines else "not_due"
    original = _as_posted(bill.lines[0] if bill.lines else bill.draft, first)
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
        description=_adjusted(original, first, integration.max_description),
    )
    if not adjusts:
        return _change("drift", reason, line, first)
    if difference < 0 and not integration.posts_credits:
        return _change("hold", "credit_not_allowed", line, first)
    return _change("correct", reason, line, first, detail=_last_refusal(key, target, evidence))


def _visible(posted: Sequence[PostedPart]) -> int:
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


# --- closed periods ----------------------------------------------------------------------------------------------


def _closed(plan: Plan, change: Change, closed: list[Change]) -> bool:
    """Whether a change would post into a closed period; it is then noted and left out."""
    if (
        change.action not in POSTED_BY_APPLY
        or plan.closed_through is None
        or change.transaction_date > plan.closed_through
    ):
        return False
    closed.append(change)
    return True


def _closed_skip(skip: Skip) -> Skip:
    return msgspec.structs.replace(skip, reason="closed_period")


def _closed_problems(plan: Plan, closed: Sequence[Change]) -> Iterator[Diagnostic]:
    for change in closed[:_MOST_LISTED]:
        yield error(
            f"charge `{change.charge}`, unit {change.unit_number}: {format_money(change.amount or 0)} would be dated "
            f"{change.transaction_date}, and the books are closed through {plan.closed_through}",
            "Plan a later period, or say `closed_period: shift` or `closed_period: skip` in the plan.",
            change.place,
        )
    if len(closed) > _MOST_LISTED:
        yield error(
            f"plan `{plan.name}`: {len(closed) - _MOST_LISTED} more lines are dated in the closed period",
            "",
            plan.place,
        )


# --- foreign charges of owned codes ------------------------------------------------------------------------------


class _ForeignCharges:
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


class _Twins:
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


def _shared_ownership(planned: Sequence[PlannedProperty], observed: ObservedProperty) -> Iterator[Diagnostic]:
    names = {code.name or code.id: {code.id, code.name} for code in observed.charge_codes}
    for name, both in sorted(names.items()):
        owners = [each.plan for each in planned if both & set(each.plan.owns)]
        if len(owners) > 1:
            others = " and ".join(f"`{plan.name}`" for plan in owners)
            yield error(
                f"plans {others} both own the charge code `{name}` in {observed.property.name}",
                "Give the code to one of them, or take it from a plan with `owns:`.",
                owners[1].place,
            )


# --- changes -----------------------------------------------------------------------------------------------------


def _change(
    action: str,
    reason: str | None,
    line: Line,
    part: PostedPart | None = None,
    *,
    synced: SyncedCharge | None = None,
    detail: str = "",
) -> Change:
    found = synced or (part.synced if part else None)
    return Change(
        action=action,  # type: ignore[arg-type]
        reason=reason,
        reference=line.reference,
        plan=line.plan,
        charge=line.charge,
        item=line.item,
        part=line.key.part,
        integration_id=line.key.integration_id,
        property_id=line.property_id,
        lease_id=line.lease_id,
        resident_id=line.key.resident_id,
        unit_id=line.key.unit_id,
        unit_number=line.unit_number,
        charge_code_id=line.charge_code_id,
        charge_code=line.charge_code,
        key_plan=line.key.plan,
        key_charge=line.key.charge,
        period_key=line.key.period,
        period=line.period,
        service=line.service,
        transaction_date=line.transaction_date,
        amount=line.amount,
        description=line.description,
        notes=line.notes,
        place=line.place,
        synced=Synced(found.id, found.amount, found.transaction_date) if found else None,
        override=line.override,
        detail=detail,
    )
