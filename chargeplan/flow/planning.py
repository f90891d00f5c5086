"""Plan: bring the snapshot up to date, expand, compare, guard. Posts nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from chargeplan.core.change import (
    Change,
    ChangeSet,
    Movement,
    PeriodTotals,
    Previous,
    PropertyDigest,
    Total,
    Unlisted,
    UnusedRow,
)
from chargeplan.core.close import Account
from chargeplan.core.config import Project
from chargeplan.core.diagnostic import Diagnostic, warning
from chargeplan.core.guard import PropertyFacts, guard_plan
from chargeplan.core.line import AllocationReport, Skip
from chargeplan.flow.absence import settle_absent
from chargeplan.flow.logged import note_contradictions
from chargeplan.flow.plan_request import PlanRequest, month_before
from chargeplan.flow.ports import Journal, Ports, Snapshot
from chargeplan.flow.property import PERIODS_BEFORE, PropertyPlanner
from chargeplan.flow.scope import Scope
from chargeplan.flow.settling import settle_jobs, settle_seen, settle_unknown
from chargeplan.flow.tasks import PropertyPlan, PropertyTask, Spread

Progress = Callable[[str], None]


class Planned(msgspec.Struct, frozen=True):
    """The result of planning. ``unrecorded`` counts synced charges of these plans that the journal does not know."""

    change_set: ChangeSet
    properties: tuple[PropertyDigest, ...]
    unrecorded: int
    accounts: tuple[Account, ...] = ()


def make_plan(
    project: Project,
    request: PlanRequest,
    snapshot: Snapshot,
    journal: Journal,
    *,
    plan_id: str,
    environment: str,
    progress: Progress = lambda _: None,
    spread: Spread = map,
) -> Planned:
    """Plan every property that the plans (and the filters) name, in canonical order; ``spread`` may have others do it.

    Raises:
        ChargeplanError: Propexo can't be read, or an integration does not exist.
    """
    planner = PropertyPlanner(project, request, snapshot, journal)
    run = _Run(project, request, snapshot, progress)
    run.scope.check_filters()
    for integration_id in dict.fromkeys(plan.integration_id for plan in project.plans):
        tasks = run.scope.tasks(integration_id)
        for task, plan in zip(tasks, spread(planner.plan, tasks), strict=True):
            progress(f"planned {task.property.name}")
            run.add(task, plan)
    return run.result(plan_id, environment)


def plan_now(
    ports: Ports, project: Project, request: PlanRequest, warnings: Sequence[Diagnostic] = ()
) -> Planned:
    """Settle what is open, then plan; the diagnostics come with their source lines, after ``warnings``.

    Raises:
        ChargeplanError: Propexo can't be read, or the journal not be written.
    """
    if not request.offline:
        settle_jobs(ports)
        settle_unknown(ports)
        note_contradictions(ports)
    planned = planned_of(ports, project, request)
    settle_seen(ports)
    if not request.offline:
        settle_absent(ports)
    ports.progress.close()
    diagnostics = (*warnings, *planned.change_set.diagnostics)
    shown = tuple(_with_excerpt(diagnostic, ports) for diagnostic in diagnostics)
    change_set = msgspec.structs.replace(planned.change_set, diagnostics=shown)
    return msgspec.structs.replace(planned, change_set=change_set)


def planned_of(ports: Ports, project: Project, request: PlanRequest) -> Planned:
    """Plan, and settle nothing."""
    return make_plan(
        project,
        request,
        ports.snapshot,
        ports.journal,
        plan_id=ports.new_id("plan"),
        environment=ports.environment.name,
        progress=ports.progress.step,
        spread=ports.spread(request),
    )


def _with_excerpt(diagnostic: Diagnostic, ports: Ports) -> Diagnostic:
    if diagnostic.place is None or diagnostic.excerpt:
        return diagnostic
    return msgspec.structs.replace(diagnostic, excerpt=ports.source_line(diagnostic.place))


class _Run:
    def __init__(
        self,
        project: Project,
        request: PlanRequest,
        snapshot: Snapshot,
        progress: Progress,
    ) -> None:
        self.project, self.request = project, request
        self.scope = Scope(project, request, snapshot, progress)
        self.diagnostics = self.scope.diagnostics
        self.states: list[PropertyDigest] = []
        self.accounts: list[Account] = []
        self.allocations: list[AllocationReport] = []
        self.facts: dict[str, PropertyFacts] = {}
        self.previous: dict[str, dict[str, Previous]] = {}
        self.movements: list[Movement] = []
        self.unused_rows: list[UnusedRow] = []
        # By how many periods before the window it was: cents by charge code name.
        self.before: dict[int, dict[str, int]] = {}
        self.periods_before = PERIODS_BEFORE
        self.unrecorded = 0
        self.changes: list[Change] = []
        self.skips: list[Skip] = []
        self.unchanged: dict[str, dict[str, Total]] = {}
        self.skipped: dict[str, int] = {}

    def add(self, task: PropertyTask, plan: PropertyPlan) -> None:
        """Add a property to the plan."""
        property_id = task.property.id
        self.changes += plan.changes
        self.skips += plan.skips
        self.allocations += plan.allocations
        self.diagnostics += plan.diagnostics
        self.unrecorded += plan.unrecorded
        self.facts[property_id] = plan.facts
        self.previous[property_id] = plan.previous
        self.movements += plan.movements
        self.unused_rows += plan.unused_rows
        self.states.append(plan.digest)
        self.accounts += plan.accounts
        if plan.unchanged:
            self.unchanged[property_id] = plan.unchanged
        for reason, count in plan.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count
        # A period that was not read whole of every property is shown of none.
        self.periods_before = min(self.periods_before, len(plan.before))
        for number, totals in enumerate(plan.before, 1):
            before = self.before.setdefault(number, {})
            for code, cents in totals.items():
                before[code] = before.get(code, 0) + cents

    def result(self, plan_id: str, environment: str) -> Planned:
        self.scope.check_found()
        if self.unrecorded:
            self.diagnostics.append(
                warning(
                    f"{self.unrecorded} synced charges carry our references, and the journal does not know them",
                    f"They count as unchanged. `apply` refuses until `chargeplan journal rebuild --as-of {self.request.as_of}` has taken them in.",
                )
            )
        changes, skips = tuple(self.changes), tuple(self.skips)
        config = self.project.config
        guards = guard_plan(
            guards=config.guards,
            changes=changes,
            skips=skips,
            properties=self.facts,
            allowed=self.request.allowed,
            approvals=config.approvals,
            far=self.request.days_from_clock,
        )
        change_set = ChangeSet(
            plan_id=plan_id,
            environment=environment,
            as_of=self.request.as_of,
            window=self.request.window,
            changes=changes,
            skips=skips,
            allocations=tuple(self.allocations),
            guards=guards,
            diagnostics=tuple(dict.fromkeys(self.diagnostics)),
            observed=tuple(self.scope.marks),
            property_names={property_id: facts.name for property_id, facts in self.facts.items()},
            previous=self.previous,
            movements=tuple(self.movements),
            unused_rows=tuple(dict.fromkeys(self.unused_rows)),
            before=tuple(
                PeriodTotals(month_before(self.request.window, number), self.before.get(number, {}))
                for number in range(self.periods_before, 0, -1)
            ),
            unlisted=Unlisted(self.unchanged, self.skipped),
        )
        return Planned(change_set, tuple(self.states), self.unrecorded, tuple(self.accounts))
