"""The shadow run over all properties: read the ledgers, expand the plans, match, property by property. No journal is opened."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import msgspec

from chargeplan.core.change import ObservedMark
from chargeplan.core.compare_ledger import CodeTotals, ComparedLine, LedgerComparison, compare_ledger
from chargeplan.core.config import Project
from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.household import households
from chargeplan.core.property_plan import PropertyValues
from chargeplan.core.select import names_of
from chargeplan.flow.plan_request import PlanRequest, reading_window
from chargeplan.flow.ports import Ports, Snapshot
from chargeplan.flow.scope import Scope
from chargeplan.flow.tasks import PropertyTask


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What plans and ledgers have for a window, over all properties; equal lines only where they were asked for."""

    window: Days
    totals: tuple[CodeTotals, ...]
    lines: tuple[ComparedLine, ...]
    diagnostics: tuple[Diagnostic, ...]
    observed: tuple[ObservedMark, ...]
    property_names: dict[str, str]

    @property
    def errored(self) -> bool:
        """Whether the plans are wrong for one of the properties."""
        return any(diagnostic.is_error for diagnostic in self.diagnostics)

    @property
    def differs(self) -> bool:
        """Whether anything is not equal."""
        return any(line.verdict != "equal" for line in self.lines)


def compare_now(ports: Ports, project: Project, request: PlanRequest) -> Compared:
    """Compare every property that the plans (and the filters) name, in canonical order.

    Raises:
        ChargeplanError: Propexo can't be read, or a filter names nothing.
    """
    scope = Scope(project, request, ports.snapshot, ports.progress.step)
    scope.check_filters()
    found: list[LedgerComparison] = []
    names: dict[str, str] = {}
    for integration_id in dict.fromkeys(plan.integration_id for plan in project.plans):
        for task in scope.tasks(integration_id):
            found.append(_compared(project, request, ports.snapshot, task))
            # As in planning: bills hold each other, and a property's charges would stay with them.
            gc.collect(1)
            names[task.property.id] = task.property.name
            ports.progress.step(f"compared {task.property.name}")
    scope.check_found()
    ports.progress.close()
    return Compared(
        window=request.window,
        totals=tuple(total for each in found for total in each.totals),
        lines=tuple(line for each in found for line in each.lines),
        diagnostics=tuple(dict.fromkeys((*scope.diagnostics, *_problems(found)))),
        observed=tuple(scope.marks),
        property_names=names,
    )


def _compared(
    project: Project, request: PlanRequest, snapshot: Snapshot, task: PropertyTask
) -> LedgerComparison:
    each, integration, window = task.property, task.integration, request.window
    plans = tuple(
        plan for plan in project.plans if plan.integration_id == integration.id and plan.name in task.plans
    )
    observed = snapshot.property(integration.id, each.id, reading_window(window, window.first, plans))
    values = PropertyValues(
        plans=plans,
        integration=integration,
        names=names_of(each, project.config.property_alias(each.id)),
        observed=observed,
        everyone=households(observed),
        as_of=request.as_of,
        window=window,
        lookback=window.first,
    )
    return compare_ledger(values, listing_equal=request.listing_all)


def _problems(found: list[LedgerComparison]) -> Iterator[Diagnostic]:
    for each in found:
        yield from each.diagnostics
