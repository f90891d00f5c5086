"""Plan: bring the snapshot up to date, expand, compare, guard. Posts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from chargeplan.core.change import (
    Change,
    ChangeSet,
    ObservedMark,
    PeriodTotals,
    PropertyDigest,
    Total,
    Unlisted,
)
from chargeplan.core.config import IntegrationConfig, Project
from chargeplan.core.diagnostic import Diagnostic, Place, error, warning
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.guard import PropertyFacts, guard_plan
from chargeplan.core.line import AllocationReport, Skip
from chargeplan.core.observed import Property
from chargeplan.core.plan import Charge, FromPath, Plan
from chargeplan.core.select import names_of
from chargeplan.core.suggest import closest, did_you_mean
from chargeplan.flow.logged import note_contradictions
from chargeplan.flow.plan_request import PlanRequest, lookback, month_before, reading_window
from chargeplan.flow.ports import Journal, Ports, Snapshot
from chargeplan.flow.property import PERIODS_BEFORE, PropertyPlan, PropertyPlanner, PropertyTask
from chargeplan.flow.settling import settle_jobs, settle_seen, settle_unknown

Progress = Callable[[str], None]
Spread = Callable[[Callable[[PropertyTask], PropertyPlan], Sequence[PropertyTask]], Iterable[PropertyPlan]]
"""A `map`: the plans of the tasks in their order, whoever makes them."""


class Planned(msgspec.Struct, frozen=True):
    """The result of planning. ``unrecorded`` counts synced charges of these plans that the journal does not know."""

    change_set: ChangeSet
    properties: tuple[PropertyDigest, ...]
    unrecorded: int


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
    run.check_filters()
    for integration_id in dict.fromkeys(plan.integration_id for plan in project.plans):
        tasks = run.tasks(integration_id)
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
    ports.progress.close()
    diagnostics = (*warnings, *planned.change_set.diagnostics)
    shown = tuple(_with_excerpt(each, ports) for each in diagnostics)
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
        self.project, self.request, self.snapshot = project, request, snapshot
        self.progress = progress
        self.diagnostics: list[Diagnostic] = []
        self.marks: list[ObservedMark] = []
        self.states: list[PropertyDigest] = []
        self.allocations: list[AllocationReport] = []
        self.facts: dict[str, PropertyFacts] = {}
        self.previous: dict[str, dict[str, int]] = {}
        # By how many periods before the window it was: cents by charge code name.
        self.before: dict[int, dict[str, int]] = {}
        self.periods_before = PERIODS_BEFORE
        self.unrecorded = 0
        self.changes: list[Change] = []
        self.skips: list[Skip] = []
        self.unchanged: dict[str, dict[str, Total]] = {}
        self.skipped: dict[str, int] = {}
        self.matched_properties: set[str] = set()
        self.known_properties: set[str] = set()

    def check_filters(self) -> None:
        """A filter that names nothing is a mistake, not an empty plan."""
        plans = {plan.name for plan in self.project.plans}
        charges = {charge.id for plan in self.project.plans for charge in plan.charges}
        for what, names, known in (
            ("plan", self.request.plans, plans),
            ("charge", self.request.charges, charges),
        ):
            for name in names:
                if name not in known:
                    raise ChargeplanError(
                        f"There is no {what} named `{name}`.",
                        hint=did_you_mean(name, sorted(known), otherwise="There are"),
                        code=f"unknown_{what}",
                    )

    def tasks(self, integration_id: str) -> list[PropertyTask]:
        """What there is to plan of an integration, which is brought up to date first."""
        plans = [plan for plan in self.project.plans if plan.integration_id == integration_id]
        integration = self.project.config.integration_of(integration_id)
        self._observe(integration, plans)
        listed = self.snapshot.properties(integration_id)
        chosen = {plan.name: self._properties_of(plan, listed) for plan in plans}
        covered = [
            PropertyTask(
                integration, each, tuple(plan.name for plan in plans if each.id in chosen[plan.name])
            )
            for each in sorted(listed, key=lambda known: (known.name, known.id))
        ]
        return [task for task in covered if task.plans and self._wanted(task.property)]

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
        self.states.append(plan.digest)
        if plan.unchanged:
            self.unchanged[property_id] = plan.unchanged
        for reason, count in plan.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count
        # A period that was not read whole of every property is told of none.
        self.periods_before = min(self.periods_before, len(plan.before))
        for number, totals in enumerate(plan.before, 1):
            before = self.before.setdefault(number, {})
            for code, cents in totals.items():
                before[code] = before.get(code, 0) + cents

    def _observe(self, configured: IntegrationConfig, plans: Sequence[Plan]) -> None:
        integration_id = configured.id
        if reason := configured.not_postable:
            raise ChargeplanError(
                f"chargeplan can't post to {configured.vendor} ({integration_id}): {reason}.",
                hint="Take its plans out of this configuration.",
                code="vendor_not_postable",
            )
        requests = records = 0
        window = self.request.window
        if not self.request.offline:
            self.progress(f"reading {integration_id}")
            cost = self.snapshot.refresh(
                integration_id,
                reading_window(window, lookback(window, self.project.config), plans),
                full=self.request.full_refresh,
                fees=any(_reads_fees(charge) for plan in plans for charge in plan.charges),
                payments=any(charge.late_fee for plan in plans for charge in plan.charges),
            )
            requests, records = cost.requests, cost.records
        integration = self.snapshot.integration(integration_id)
        if not integration.active or integration.archived:
            raise ChargeplanError(
                f"The integration {integration_id} is {'archived' if integration.archived else 'not active'} at Propexo.",
                hint="Nothing can be posted through it: activate it in Propexo's dashboard.",
                code="integration_inactive",
            )
        if integration.vendor != configured.vendor:
            raise ChargeplanError(
                f"The integration {integration_id} is of {integration.vendor}, and the configuration takes it for one of {configured.vendor}.",
                hint=f"Write `vendor: {integration.vendor}` for it under `integrations`.",
                code="vendor_mismatch",
            )
        self.marks.append(ObservedMark(integration_id, integration.last_completed_sync, requests, records))

    def _properties_of(self, plan: Plan, listed: Sequence[Property]) -> frozenset[str]:
        if plan.properties is None:
            return frozenset(each.id for each in listed if each.active)
        named = plan.properties.items()
        return frozenset(each.id for name, place in named for each in self._named(plan, name, place, listed))

    def _named(self, plan: Plan, name: str, place: Place, listed: Sequence[Property]) -> Iterator[Property]:
        config = self.project.config
        wanted = config.properties[name].id if name in config.properties else name
        found = [each for each in listed if each.id == wanted] or [
            each for each in listed if each.name == wanted
        ]
        if len(found) == 1:
            yield found[0]
            return
        many = "no property" if not found else f"{len(found)} properties"
        near = None if found else closest(name, (text for each in listed for text in (each.name, each.id)))
        known = ", ".join(sorted(f"{each.name} ({each.id})" for each in found or listed)) or "none"
        self.diagnostics.append(
            error(
                f"plan `{plan.name}`: the integration has {many} `{name}`",
                f"Did you mean `{near}`?" if near else f"Write a property's id. It has: {known}.",
                place,
            )
        )

    def _wanted(self, each: Property) -> bool:
        if self.request.only is not None and each.id not in self.request.only:
            return False
        in_shard = self.request.shard is None or self.request.shard.holds(each.id)
        if not self.request.properties:
            return in_shard
        names = names_of(each, self.project.config.property_alias(each.id))
        self.known_properties.update(filter(None, (names.alias, names.name, names.id)))
        hits = {text for text in self.request.properties if names.match(text)}
        self.matched_properties |= hits
        return in_shard and bool(hits)

    def result(self, plan_id: str, environment: str) -> Planned:
        for name in self.request.properties:
            if name not in self.matched_properties:
                known = sorted({*self.project.config.properties, *self.known_properties})
                raise ChargeplanError(
                    f"No plan covers a property `{name}`.",
                    hint=did_you_mean(name, known, otherwise="Name a property by alias, name or id")
                    or "Name a property by alias, name or id.",
                    code="unknown_property",
                )
        if self.unrecorded:
            self.diagnostics.append(
                warning(
                    f"{self.unrecorded} synced charges carry our references, and the journal does not know them",
                    f"They count as unchanged. `apply` refuses until `chargeplan journal rebuild --as-of {self.request.as_of}` has taken them in.",
                )
            )
        changes, skips = tuple(self.changes), tuple(self.skips)
        config = self.project.config
        guards = guard_plan(config.guards, changes, skips, self.facts, self.request.allowed, config.approvals)
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
            observed=tuple(self.marks),
            property_names={property_id: facts.name for property_id, facts in self.facts.items()},
            previous_totals=self.previous,
            before=tuple(
                PeriodTotals(month_before(self.request.window, number), self.before.get(number, {}))
                for number in range(self.periods_before, 0, -1)
            ),
            unlisted=Unlisted(self.unchanged, self.skipped),
        )
        return Planned(change_set, tuple(self.states), self.unrecorded)


def _reads_fees(charge: Charge) -> bool:
    amounts = [charge.amount, *(each.changes.get("amount") for each in charge.overrides)]
    return any(isinstance(each, FromPath) and each.path.root == "fee" for each in amounts) or any(
        getattr(getattr(each, "of", None), "root", None) == "fee" for each in amounts
    )
