"""One property: every plan compared with what is recorded and observed, in canonical order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import msgspec

from chargeplan.core.bill import HouseholdBills
from chargeplan.core.change import POSTED_BY_APPLY, Change, change_of
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import Days
from chargeplan.core.decide import Scene, bill_changes
from chargeplan.core.diagnostic import Diagnostic, error
from chargeplan.core.duplicates import ForeignCharges, Twins
from chargeplan.core.evidence import Evidence
from chargeplan.core.household import natural
from chargeplan.core.line import Skip
from chargeplan.core.money import format_money
from chargeplan.core.observed import ObservedProperty
from chargeplan.core.plan import Plan
from chargeplan.core.planned import PlannedProperty
from chargeplan.core.steady import Steady

_MOST_LISTED = 20

_Order = tuple[str, str, int, int, date, tuple[tuple[int, int, str], ...], int, str]


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
    foreign, twins = ForeignCharges(planned, observed, evidence), Twins(planned, evidence)
    scene = Scene(evidence, foreign, twins, integration, window)
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


def _steady_changes(plan: Plan, steady: Steady, scene: Scene) -> Iterator[tuple[_Order, Change]]:
    for household, line in steady.new:
        scene.problems.update(dict.fromkeys(line.problems))
        change = change_of("create", None, line)
        yield _order(plan, change, household, 0), change


def _household_changes(plan: Plan, bills: HouseholdBills, scene: Scene) -> Iterator[tuple[_Order, Change]]:
    places: dict[str, int] = {}
    for bill in bills.bills:
        place = places.setdefault(bill.key.resident_id, len(places))
        for change in bill_changes(plan, bill, scene):
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
