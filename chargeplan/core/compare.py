"""One property: every plan compared with what is recorded and observed, in canonical order.

First each period by itself (``decide``); then, over all lines, what nothing accounts for (``duplicates``), what would replace a
held credit, and what is closed.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from datetime import date

import msgspec

from chargeplan.core.bill import Bill, HouseholdBills
from chargeplan.core.change import POSTED_BY_APPLY, Change, change_of, period_reference
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.corrections import credited_days
from chargeplan.core.dates import Days
from chargeplan.core.decide import Scene, bill_changes
from chargeplan.core.diagnostic import Diagnostic, error
from chargeplan.core.duplicates import (
    Concerned,
    Duplicates,
    Unaccounted,
    assigned,
    is_of_its_month,
    is_of_its_person,
    named,
)
from chargeplan.core.evidence import Evidence
from chargeplan.core.household import natural
from chargeplan.core.line import Skip
from chargeplan.core.money import format_money
from chargeplan.core.observed import ObservedProperty
from chargeplan.core.plan import Plan
from chargeplan.core.planned import PlannedProperty

_MOST_LISTED = 20

_Order = tuple[str, str, int, int, date, tuple[tuple[int, int, str], ...], int, str]


class Comparison(msgspec.Struct, frozen=True):
    """The changes of one property in canonical order, its skips, and the problems that stop the plan."""

    changes: tuple[Change, ...]
    skips: tuple[Skip, ...]
    diagnostics: tuple[Diagnostic, ...]
    unexplained: int = 0


class _Proposal(msgspec.Struct):
    """A change before it is known what nothing accounts for; ``bill`` is ``None`` for what is plainly new."""

    order: _Order
    plan: Plan
    bills: HouseholdBills | None
    bill: Bill | None
    change: Change


def compare(
    planned: Sequence[PlannedProperty],
    observed: ObservedProperty,
    evidence: Evidence,
    integration: IntegrationConfig,
    window: Days,
    *,
    early_days: int = 7,
) -> Comparison:
    """Compare every plan of a property with what is recorded and observed.

    Each period is decided by itself first; what nothing accounts for is then given to the lines that it concerns, and what
    would replace a held credit is held with it. ``unexplained`` in the result counts synced charges with references of these plans that the journal does not know.
    """
    duplicates = Duplicates(planned, observed, evidence, integration, early_days)
    evidence.counted = duplicates.relocated()
    scene = Scene(evidence, integration, window)
    proposals = sorted(_proposals(planned, scene), key=lambda each: each.order)
    _hold_duplicates(proposals, duplicates, evidence)
    _hold_replacements(proposals)
    found = _Sorted(proposals, planned, window)
    diagnostics = [
        *_shared_ownership(planned, observed),
        *(diagnostic for each in planned for diagnostic in each.expansion.diagnostics),
        *found.problems,
        *scene.problems,
    ]
    return Comparison(
        tuple(each.change for each in found.kept),
        tuple(found.skips()),
        tuple(diagnostics),
        len(duplicates.ours_unrecorded),
    )


def _proposals(planned: Sequence[PlannedProperty], scene: Scene) -> Iterator[_Proposal]:
    for each in planned:
        for household, line in each.steady.new:
            scene.problems.update(dict.fromkeys(line.problems))
            change = change_of("create", None, line)
            yield _Proposal(_order(each.plan, change, household, 0), each.plan, None, None, change)
        for bills in each.expansion.households:
            places: dict[str, int] = {}
            for bill in bills.bills:
                place = places.setdefault(bill.key.resident_id, len(places))
                for change in bill_changes(each.plan, bill, scene):
                    yield _Proposal(
                        _order(each.plan, change, bills.order, place), each.plan, bills, bill, change
                    )


def _hold_duplicates(proposals: Sequence[_Proposal], duplicates: Duplicates, evidence: Evidence) -> None:
    """Give what nothing accounts for to the lines that it concerns: they are held, a drift names it."""
    wanted = [
        (each, found)
        for each in proposals
        if _may_be_held(each.change) and (found := _concerning(each, duplicates))
    ]
    held, taken = assigned([(each.change, found) for each, found in wanted])
    for (each, candidates), duplicate in zip(wanted, held, strict=True):
        if each.change.action == "drift":
            beside = [one for one in candidates if one is duplicate or one.id not in taken]
            taken |= {one.id for one in beside}
            each.change = _naming(each.change, beside)
        elif duplicate is not None:
            named_one = _naming(each.change, [duplicate])
            each.change = msgspec.structs.replace(
                named_one,
                action="hold",
                reason="probable_duplicate",
                synced=duplicate.shown or named_one.synced,
            )
    for each in proposals:
        if each.change.action == "unchanged" and each.bill is not None and evidence.marks:
            second = [one for one in _concerning(each, duplicates) if _is_second(one, each.change, taken)]
            taken |= {one.id for one in second}
            each.change = _with_second(each.change, second, evidence)


def _may_be_held(change: Change) -> bool:
    return change.action in {"create", "missed", "correct", "drift"} or change.reason == "credit_not_allowed"


def _concerning(each: _Proposal, duplicates: Duplicates) -> list[Unaccounted]:
    if each.bills is None or each.bill is None:
        return []
    household = duplicates.everyone[each.bills.order]
    return list(duplicates.concerning(Concerned(each.change, each.bill, household)))


def _naming(change: Change, beside: Sequence[Unaccounted]) -> Change:
    detail = " ".join([*filter(None, [change.detail]), *(named(one, change) for one in beside)])
    return msgspec.structs.replace(change, detail=detail, concerns=tuple(one.id for one in beside))


def _is_second(one: Unaccounted, change: Change, taken: Container[str]) -> bool:
    same = one.amount == change.amount and one.code_id == change.charge_code_id
    its_own = is_of_its_person(one, change) and is_of_its_month(one, change)
    return one.posting is None and same and its_own and one.id not in taken


def _with_second(change: Change, second: Sequence[Unaccounted], evidence: Evidence) -> Change:
    """A line beside which the same stands once more, as a drift that names both; as it is where a person accepted that."""
    extra = sum(one.amount for one in second)
    due = change.amount or 0
    if not second or evidence.decisions.is_accepted(period_reference(change), due, due + extra):
        return change
    mine = f"charge {change.synced.id} is the line's own." if change.synced else ""
    drift = msgspec.structs.replace(
        change,
        action="drift",
        reason="charged_twice",
        amount=-extra,
        detail=mine,
        there=due + extra,
        stands=due,
    )
    return _naming(drift, second)


def _hold_replacements(proposals: Sequence[_Proposal]) -> None:
    """While a credit is held, so is what would stand in its place: half of a swap is a wrong bill."""
    credits_held = [
        each for each in proposals if each.change.action == "hold" and (each.change.amount or 0) < 0
    ]
    for credit in credits_held:
        days = credited_days(credit.bill, credit.change)
        for each in proposals:
            change = each.change
            if (
                change.action in {"create", "missed", "correct"}
                and (change.amount or 0) > 0
                and (change.plan, change.charge, change.resident_id)
                == (credit.change.plan, credit.change.charge, credit.change.resident_id)
                and change.service.common(days) is not None
            ):
                detail = (
                    f"it takes the place of what {credit.change.reference} credits "
                    f"({format_money(credit.change.amount or 0)}), which is held"
                )
                each.change = msgspec.structs.replace(
                    change, action="hold", reason="credit_pending", detail=detail
                )


class _Sorted:
    """The proposals that become changes, those that a closed period takes away, and the households left without a line."""

    def __init__(
        self, proposals: Sequence[_Proposal], planned: Sequence[PlannedProperty], window: Days
    ) -> None:
        self._planned, self._window = planned, window
        self.kept: list[_Proposal] = []
        self._closed: dict[str, list[_Proposal]] = {}
        for each in proposals:
            if _is_closed(each.plan, each.change):
                self._closed.setdefault(each.plan.name, []).append(each)
            else:
                self.kept.append(each)
        self.problems = [
            problem
            for each in planned
            if each.plan.closed_period == "error"
            for problem in _closed_problems(
                each.plan, [p.change for p in self._closed.get(each.plan.name, ())]
            )
        ]

    def skips(self) -> Iterator[Skip]:
        """Every line that a closed period leaves out, and the skip of each household and charge that has nothing in the window."""
        told = {
            id(each.bills) for each in self.kept if each.bills is not None and self._is_of_the_window(each)
        }
        for each in self._planned:
            left_out = self._closed.get(each.plan.name, ()) if each.plan.closed_period == "skip" else ()
            yield from (_left_out(one.change) for one in left_out)
            told |= {id(one.bills) for one in left_out}
            for bills in each.expansion.households:
                if id(bills) not in told and not any(day in self._window for day in bills.elsewhere):
                    yield bills.skip

    def _is_of_the_window(self, each: _Proposal) -> bool:
        change, bills = each.change, each.bills
        if bills is not None and change.reference in bills.guests:
            return False
        past = {"correct", "drift", "hold", "missed", "removed_upstream"}
        return change.action not in past or change.transaction_date >= self._window.first


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


# --- closed periods ----------------------------------------------------------------------------------------------


def _is_closed(plan: Plan, change: Change) -> bool:
    """Whether a change would post into a closed period."""
    return (
        change.action in POSTED_BY_APPLY
        and plan.closed_through is not None
        and change.transaction_date <= plan.closed_through
    )


def _left_out(change: Change) -> Skip:
    return Skip(
        plan=change.plan,
        charge=change.charge,
        property_id=change.property_id,
        lease_id=change.lease_id,
        resident_id=change.resident_id,
        unit_number=change.unit_number,
        reason="closed_period",
        transaction_date=change.transaction_date,
        amount=change.amount,
    )


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
