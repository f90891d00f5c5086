"""What a change of plans does to the money: both projects planned from one snapshot, for some months. Posts and settles nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Final

import msgspec

from chargeplan.core.change import Change
from chargeplan.core.config import Project
from chargeplan.core.dates import Days, add_months
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.diff import MonthDiff, diff_of
from chargeplan.core.later import later_months
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.ports import Ports
from chargeplan.flow.property import PropertyPlanner
from chargeplan.flow.scope import Scope

LATER_MONTHS: Final = 6
"""So many months that dated changes name are planned beyond those that were asked for."""


class Diff(msgspec.Struct, frozen=True):
    """The months' differences; ``later`` are months after them in which something that is dated begins or ends otherwise.

    ``unseen`` is the first such month that was not planned for being one of too many. ``base_problems`` are the errors of the
    plans before, whose money is not whole then.
    """

    months: tuple[MonthDiff, ...]
    later: tuple[MonthDiff, ...]
    unseen: Days | None
    property_names: dict[str, str]
    diagnostics: tuple[Diagnostic, ...]
    base_problems: tuple[Diagnostic, ...]

    @property
    def all_months(self) -> tuple[MonthDiff, ...]:
        """Those that were asked for, then the later ones."""
        return (*self.months, *self.later)

    @property
    def errored(self) -> bool:
        """Whether the plans here are wrong for one of the properties."""
        return any(diagnostic.is_error for diagnostic in self.diagnostics)

    @property
    def differs(self) -> bool:
        """Whether any line is not the same."""
        return any(month.lines for month in self.all_months)

    @property
    def most_moved(self) -> int:
        """The cents that are billed otherwise in the month in which they are most."""
        return max(month.moved for month in self.all_months)


def months_from(request: PlanRequest, count: int) -> tuple[Days, ...]:
    """The month of the request's day, and those after it, ``count`` together."""
    first = request.as_of.replace(day=1)
    starts = [add_months(first, number) for number in range(count + 1)]
    return tuple(Days(start, after - timedelta(days=1)) for start, after in pairwise(starts))


def diff_now(
    ports: Ports, base: Project, here: Project, request: PlanRequest, months: Sequence[Days]
) -> Diff:
    """Read once, plan both, compare, property by property. ``request`` says the day, what to read, and which properties.

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
    sides = [_Side(ports, project, asked) for project in (base, here)]
    if set.intersection(*(set(side.scope.not_found()) for side in sides)):
        sides[1].scope.check_found()
    was, now = sides
    names = now.names | was.names
    found = _months(ports, sides, names, months)
    dated = later_months(base.plans, here.plans, months[-1].last)
    later: list[MonthDiff] = []
    for month in dated[:LATER_MONTHS]:
        sides = [
            _Side(ports, project, msgspec.structs.replace(asked, window=month)) for project in (base, here)
        ]
        later += [each for each in _months(ports, sides, names, [month], alone=True) if each.lines]
    ports.progress.close()
    return Diff(
        months=tuple(found),
        later=tuple(later),
        unseen=dated[LATER_MONTHS] if len(dated) > LATER_MONTHS else None,
        property_names=names,
        diagnostics=tuple(dict.fromkeys(now.diagnostics)),
        base_problems=tuple(problem for problem in dict.fromkeys(was.diagnostics) if problem.is_error),
    )


def _months(
    ports: Ports,
    sides: Sequence[_Side],
    names: dict[str, str],
    months: Sequence[Days],
    *,
    alone: bool = False,
) -> list[MonthDiff]:
    """Property by property; where a month stands ``alone``, what is dated outside it belongs to months that nobody asked for."""
    found = [MonthDiff(month, (), ()) for month in months]
    for property_id, name in names.items():
        was, now = (
            [each for each in side.changes(property_id) if not alone or each.transaction_date in months[0]]
            for side in sides
        )
        differences = diff_of(was, now, months)
        found = [before.and_(after) for before, after in zip(found, differences, strict=True)]
        ports.progress.step(f"compared {name}")
    return found


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


class _Side:
    """The plans of one side, and the properties that they cover."""

    def __init__(self, ports: Ports, project: Project, request: PlanRequest) -> None:
        self.scope = Scope(project, request, ports.snapshot, ports.progress.step)
        integrations = dict.fromkeys(plan.integration_id for plan in project.plans)
        tasks = [task for integration_id in integrations for task in self.scope.tasks(integration_id)]
        self._tasks = {task.property.id: task for task in tasks}
        self._planner = PropertyPlanner(project, request, ports.snapshot, ports.journal)
        self.diagnostics = list(self.scope.diagnostics)

    @property
    def names(self) -> dict[str, str]:
        """The properties' names by id, in canonical order."""
        return {property_id: task.property.name for property_id, task in self._tasks.items()}

    def changes(self, property_id: str) -> Sequence[Change]:
        """What the plans come to for the property; nothing where they do not cover it."""
        if property_id not in self._tasks:
            return ()
        plan = self._planner.plan(self._tasks[property_id])
        self.diagnostics += plan.diagnostics
        return plan.changes
