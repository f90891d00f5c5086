"""Explain: where a line comes from, or why there is none, from a plan that is made for the question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby

import msgspec

from chargeplan.core.bill import Expansion
from chargeplan.core.change import Change, ChangeSet
from chargeplan.core.config import Project
from chargeplan.core.dates import Days, month_of
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.due import Expander
from chargeplan.core.eligible import Recorded
from chargeplan.core.evidence import Evidence
from chargeplan.core.explained import Answer, Answers, Explained, Explainer
from chargeplan.core.line import Skip
from chargeplan.core.plan import Plan
from chargeplan.core.posting import Posting
from chargeplan.core.property_plan import PropertyValues, expander_of
from chargeplan.core.steady import steady_lines
from chargeplan.core.terms import Difference, Term
from chargeplan.flow.plan_request import PlanRequest, default_window
from chargeplan.flow.planning import plan_now
from chargeplan.flow.ports import Ports
from chargeplan.flow.property import PropertyPlanner
from chargeplan.flow.tasks import PropertyTask

# A report asks for all lines of a property, so that its charges are expanded together.
_EVERY_CHARGE = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: a reference, or whose line of what."""

    reference: str | None = None
    plan: str | None = None
    charge: str | None = None
    resident: str | None = None
    unit: str | None = None
    property: str | None = None

    def fits(self, found: Change | Skip, leases: frozenset[str] = frozenset()) -> bool:
        """Whether a change or skip is of the plan, charge, unit and person; ``leases`` are those that list the person."""
        return (
            (self.plan is None or found.plan == self.plan)
            and (self.charge is None or found.charge == self.charge)
            and (self.unit is None or found.unit_number == self.unit)
            and (self.resident is None or found.resident_id == self.resident or found.lease_id in leases)
        )


def explain(
    ports: Ports,
    project: Project,
    asked: Asked,
    request: PlanRequest,
    *,
    recorded: Sequence[Posting],
    warnings: Sequence[Diagnostic] = (),
) -> Answers:
    """What was asked for, in a plan of the properties that it can be about; of all of them where nothing there fits.

    ``recorded`` are the postings of the reference.
    """
    if recorded:
        places = frozenset({recorded[-1].property_id})
    elif asked.reference:
        short = msgspec.structs.replace(request, listing_all=False)
        changes = plan_now(ports, project, short).change_set.changes
        places = frozenset(each.property_id for each in changes if each.reference == asked.reference)
        request = msgspec.structs.replace(request, offline=True)
    else:
        places = _properties_of(ports, project, asked)
    for only in (places, None) if places else (None,):
        narrow = msgspec.structs.replace(request, only=only)
        change_set = plan_now(ports, project, narrow, warnings).change_set
        answering = _Answering(ports, project, narrow, change_set)
        if found := answering.found(asked):
            break
        request = msgspec.structs.replace(request, offline=True)
    return answering.answers(asked, found)


def window_of(recorded: Sequence[Posting], project: Project, today: date) -> Days:
    """The month in which a recorded line was dated, else the default window."""
    if not recorded:
        return default_window(today, project.config)
    return month_of(recorded[-1].transaction_date)


def _properties_of(ports: Ports, project: Project, asked: Asked) -> frozenset[str]:
    """The properties that the snapshot knows the resident or the unit of."""
    return frozenset(
        property_id
        for integration_id in dict.fromkeys(plan.integration_id for plan in project.plans)
        for property_id in ports.snapshot.properties_of(
            integration_id, resident=asked.resident, unit=asked.unit
        )
    )


def arithmetic(
    ports: Ports, project: Project, request: PlanRequest, change_set: ChangeSet
) -> dict[str, tuple[Term | Difference, ...]]:
    """How every line's amount arose, by reference, for a report."""
    answering = _Answering(ports, project, request, change_set)
    found = {}
    for _, grouped in groupby(change_set.changes, key=lambda each: each.property_id):
        # One property's rows at a time, as in planning.
        changes = tuple(grouped)
        answering.turn_to(changes)
        for change in changes:
            if terms := answering.terms(change):
                found[change.reference] = terms
    return found


class _Answering:
    """Finds what is asked for in a plan that was just made, and explains it from the same facts."""

    def __init__(self, ports: Ports, project: Project, request: PlanRequest, change_set: ChangeSet) -> None:
        self.ports, self.project, self.request, self.change_set = ports, project, request, change_set
        self._planner = PropertyPlanner(project, request, ports.snapshot, ports.journal)
        self._seen: dict[str, tuple[PropertyValues, Evidence]] = {}
        self._explainers: dict[tuple[str, str, str], Explainer] = {}
        self._leases: frozenset[str] = frozenset()

    def turn_to(self, changes: Sequence[Change]) -> None:
        """Let go of the facts so far: the next are of the property of these changes, and of no other change of it."""
        self._seen.clear()
        self._explainers.clear()
        self._leases = frozenset(each.lease_id for each in changes)

    def terms(self, change: Change) -> tuple[Term | Difference, ...]:
        """How the change's amount arose; nothing where its plan is not loaded."""
        plan = self._plan(change.plan)
        return () if plan is None else self._explainer(plan, change.property_id, _EVERY_CHARGE).terms(change)

    def answers(self, asked: Asked, found: Sequence[Answer]) -> Answers:
        """What was found, with the journal's events of each, and the errors of the plan that it was looked for in."""
        events = self.ports.journal.history_of(
            {each.postings[0].reference for each in found if each.postings}
        )
        complete = tuple(
            msgspec.structs.replace(each, events=tuple(events[each.postings[0].reference]))
            if each.postings
            else each
            for each in found
        )
        errors = tuple(each for each in self.change_set.diagnostics if each.is_error)
        return Answers(self.request.as_of, self.request.window, asked.reference, complete, errors)

    def found(self, asked: Asked) -> tuple[Answer, ...]:
        """All that fits, without the events of the journal."""
        return tuple(self._by_reference(asked.reference) if asked.reference else self._by_facts(asked))

    def _by_reference(self, reference: str) -> Iterator[Answer]:
        changes = [each for each in self.change_set.changes if each.reference == reference]
        if changes:
            yield from map(self._change, changes)
            return
        postings = tuple(self.ports.journal.find(reference))
        if not postings:
            return
        yield Answer(postings=postings)
        last = postings[-1]
        asked = Asked(
            reference=None,
            plan=last.plan,
            charge=last.charge,
            resident=last.resident_id,
            unit=last.unit_number,
        )
        yield from self._by_facts(asked)

    def _by_facts(self, asked: Asked) -> Iterator[Answer]:
        found = self._fitting(asked, frozenset())
        if not found and asked.resident is not None:
            found = self._fitting(asked, self._leases_of(asked.resident))
        for each in found:
            yield self._change(each) if isinstance(each, Change) else self._skip(each)

    def _fitting(self, asked: Asked, leases: frozenset[str]) -> list[Change | Skip]:
        both: tuple[Change | Skip, ...] = (*self.change_set.changes, *self.change_set.skips)
        return [each for each in both if asked.fits(each, leases)]

    def _leases_of(self, resident_id: str) -> frozenset[str]:
        """The leases that list a person who is not the one that the household's lines name."""
        return frozenset(
            lease.id
            for plan in self.project.plans
            for listed in self.ports.snapshot.properties(plan.integration_id)
            if self.request.only is None or listed.id in self.request.only
            for lease in self._property(plan, listed.id)[0].observed.leases
            if any(each.resident_id == resident_id for each in lease.residents)
        )

    # --- one answer ----------------------------------------------------------------------------------------------

    def _change(self, change: Change) -> Answer:
        explained: Explained | None = None
        plan = self._plan(change.plan)
        if plan is not None:
            explained = self._explainer(plan, change.property_id, change.charge).change(change)
        postings = tuple(self.ports.journal.find(change.reference))
        return Answer(change=change, explained=explained, postings=postings)

    def _skip(self, skip: Skip) -> Answer:
        plan = self._plan(skip.plan)
        if plan is None:
            return Answer(skip=skip)
        charge = next((each for each in plan.charges if each.id == skip.charge), None)
        source = f"{charge.place.file}:{charge.place.line}" if charge else ""
        return Answer(
            skip=skip,
            explained=self._explainer(plan, skip.property_id, skip.charge).skip(skip),
            source=source,
        )

    # --- the facts that the plan was made from ---------------------------------------------------------------------

    def _plan(self, name: str) -> Plan | None:
        return next((each for each in self.project.plans if each.name == name), None)

    def _property(self, plan: Plan, property_id: str) -> tuple[PropertyValues, Evidence]:
        if property_id not in self._seen:
            integration = self.ports.integrations[plan.integration_id]
            names = tuple(
                each.name for each in self.project.plans if each.integration_id == plan.integration_id
            )
            listed = self.ports.snapshot.properties(plan.integration_id)
            prop = next(each for each in listed if each.id == property_id)
            values = self._planner.values(PropertyTask(integration, prop, names))
            journal, known = self.ports.journal, (plan.integration_id, property_id)
            evidence = Evidence(
                values.observed,
                journal.briefs(*known, None),
                integration,
                whole=lambda: journal.postings(*known),
            )
            self._seen[property_id] = (values, evidence)
        return self._seen[property_id]

    def _explainer(self, plan: Plan, property_id: str, charge: str) -> Explainer:
        place = (plan.name, property_id, charge)
        if place not in self._explainers:
            values, evidence = self._property(plan, property_id)
            expander = expander_of(values, plan, evidence)
            if charge == _EVERY_CHARGE:
                expansion = self._expansion_of_changes(expander, evidence)
            else:
                expansion = expander.run(frozenset({charge}))
            self._explainers[place] = Explainer(expander.site, expansion, evidence)
        return self._explainers[place]

    def _expansion_of_changes(self, expander: Expander, evidence: Evidence) -> Expansion:
        """The expansion less the households of which nothing changes and nobody asks."""
        if self.request.listing_all:
            return expander.run()
        by_lease = expander.site.by_lease
        asked = {by_lease[lease_id] for lease_id in self._leases if lease_id in by_lease}
        steady = steady_lines(expander, Recorded(evidence)).told
        return expander.run(unless={charge: orders - asked for charge, orders in steady.items()})
