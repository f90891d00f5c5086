"""What a change of plans does to the money: both projects planned from one snapshot, for some months. Posts and settles nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import msgspec

from chargeplan.core.change import ChangeSet
from chargeplan.core.config import Project
from chargeplan.core.dates import Days, add_months
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.diff import MonthDiff, diff_of
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.planning import make_plan
from chargeplan.flow.ports import Ports
from chargeplan.flow.scope import Scope


class Diff(msgspec.Struct, frozen=True):
    """The months' differences; ``base_problems`` are the errors of the plans before, whose money is not whole then."""

    months: tuple[MonthDiff, ...]
    property_names: dict[str, str]
    diagnostics: tuple[Diagnostic, ...]
    base_problems: tuple[Diagnostic, ...]

    @property
    def errored(self) -> bool:
        """Whether the plans here are wrong for one of the properties."""
        return any(diagnostic.is_error for diagnostic in self.diagnostics)

    @property
    def differs(self) -> bool:
        """Whether any line is not the same."""
        return any(month.lines for month in self.months)

    @property
    def most_moved(self) -> int:
        """The cents that are billed otherwise in the month in which they are most."""
        return max(month.moved for month in self.months)


def months_from(request: PlanRequest, count: int) -> tuple[Days, ...]:
    """The month of the request's day, and those after it, ``count`` together."""
    first = request.as_of.replace(day=1)
    starts = [add_months(first, number) for number in range(count + 1)]
    return tuple(Days(start, after - timedelta(days=1)) for start, after in pairwise(starts))


def diff_now(
    ports: Ports, base: Project, here: Project, request: PlanRequest, months: Sequence[Days]
) -> Diff:
    """Read once, plan both, compare. ``request`` says the day, what to read, and which properties.

    Raises:
        ChargeplanError: Propexo can't be read, or neither side has a property that was asked for.
    """
    asked = msgspec.structs.replace(
        request,
        window=Days(months[0].first, months[-1].last),
        listing_all=True,
        reads_through=months[0].last,
    )
    if not request.offline:
        _read(ports, (here, base), asked)
    asked = msgspec.structs.replace(asked, offline=True, full_refresh=False)
    if request.properties:
        asked = msgspec.structs.replace(asked, properties=(), only=_named(ports, (here, base), asked))
    now, was = (_planned(ports, project, asked) for project in (here, base))
    ports.progress.close()
    return Diff(
        months=diff_of(was.changes, now.changes, months),
        property_names={**was.property_names, **now.property_names},
        diagnostics=now.diagnostics,
        base_problems=tuple(diagnostic for diagnostic in was.diagnostics if diagnostic.is_error),
    )


def _read(ports: Ports, projects: Sequence[Project], request: PlanRequest) -> None:
    """Each integration once, and all that either side's plans need of it."""
    plans = tuple(plan for project in projects for plan in project.plans)
    done: set[str] = set()
    for project in projects:
        both = msgspec.structs.replace(project, plans=plans)
        scope = Scope(both, request, ports.snapshot, ports.progress.step)
        for integration_id in dict.fromkeys(plan.integration_id for plan in project.plans):
            if integration_id not in done:
                done.add(integration_id)
                scope.read(integration_id)


def _named(ports: Ports, projects: Sequence[Project], request: PlanRequest) -> frozenset[str]:
    """The ids of the properties that were asked for; one that is new, or gone, is on one side alone."""
    found: set[str] = set()
    scopes = [Scope(project, request, ports.snapshot, ports.progress.step) for project in projects]
    for scope in scopes:
        for integration_id in dict.fromkeys(plan.integration_id for plan in scope.project.plans):
            found |= {task.property.id for task in scope.tasks(integration_id)}
    if set.intersection(*(set(scope.not_found()) for scope in scopes)):
        scopes[0].check_found()
    return frozenset(found)


def _planned(ports: Ports, project: Project, request: PlanRequest) -> ChangeSet:
    planned = make_plan(
        project,
        request,
        ports.snapshot,
        ports.journal,
        plan_id=ports.new_id("diff"),
        environment=ports.environment.name,
        progress=ports.progress.step,
    )
    return planned.change_set
