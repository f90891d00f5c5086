"""`explain`: where a line comes from, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Any

import click
import msgspec

from chargeplan.cli import wiring
from chargeplan.cli.options import Common, common, read_window
from chargeplan.cli.plan_making import today_of
from chargeplan.core.bill import Expansion
from chargeplan.core.change import Change, ChangeSet
from chargeplan.core.config import Project
from chargeplan.core.dates import ONE_DAY, Days, add_months
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.due import Expander
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.evidence import Evidence
from chargeplan.core.explained import Explained, Explainer
from chargeplan.core.household import households
from chargeplan.core.line import Skip
from chargeplan.core.observed import ObservedProperty
from chargeplan.core.plan import Plan
from chargeplan.core.posting import Posting
from chargeplan.core.property_plan import PropertyValues, expander_of
from chargeplan.core.select import names_of
from chargeplan.core.steady import Recorded, steady_lines
from chargeplan.flow.plan_request import PlanRequest, default_window, lookback, reading_window
from chargeplan.flow.planning import plan_now
from chargeplan.render import jsondoc
from chargeplan.render.explain import Answer, Told, explain_document, explain_screen
from chargeplan.render.faults import diagnostics_screen
from chargeplan.render.terms import Step, all_steps

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


@click.command()
@click.argument("reference", metavar="[REF]", required=False)
@click.option("--plan", metavar="NAME", help="The plan.")
@click.option("--charge", metavar="NAME", help="The charge of the plan; default: all of them.")
@click.option("--resident", metavar="ID", help="Whose line.")
@click.option("--unit", metavar="NUMBER", help="… or of which unit.")
@click.option("--property", metavar="NAME", help="The property, where several have such a unit.")
@click.option("--period", metavar="YYYY-MM", help="Lines dated in this month; default: that of --as-of.")
@click.option("--as-of", metavar="DATE", help="The day on which the plan is made; default: today.")
@click.option("--offline", is_flag=True, help="Use the last snapshot; no request.")
@common()
def explain(*, common: Common, period: str | None, as_of: str | None, offline: bool, **words: Any) -> int:
    """Say where a line comes from, step by step, or why there is none.

    \b
    Examples:
      chargeplan explain CP7K3MZ0Q9T2V8XH4C
      chargeplan explain --charge pet-rent --unit 204 --period 2027-08
      chargeplan explain --plan oak-street --charge rent --resident resident-12345
    """
    asked = _asked(words)
    project, warnings = wiring.project(common)
    today = today_of(project.config, as_of)
    with wiring.world(common, project.config, today=today) as world:
        recorded = tuple(world.journal.find(asked.reference)) if asked.reference else ()
        window = read_window(period, None, None) or _month_of(recorded, project, today)
        request = _request(asked, today, window, offline=offline)
        answering, found = _found(
            world=world, project=project, request=request, asked=asked, recorded=recorded, warnings=warnings
        )
        if answering.change_set.errored:
            errors = [each for each in answering.change_set.diagnostics if each.is_error]
            if not common.quiet:
                common.show(diagnostics_screen(errors), to_stderr=True)
        answer = answering.answer(asked, found)
    if common.as_json:
        click.echo(jsondoc.dump(explain_document(answer)), nl=False)
    else:
        click.echo(explain_screen(answer, color=common.colored, width=common.width), nl=False)
    return 0


def _asked(words: dict[str, Any]) -> Asked:
    asked = Asked(**words)
    named = any((asked.plan, asked.charge, asked.resident, asked.unit, asked.property))
    if asked.reference and named:
        raise ChargeplanError(
            "A reference goes without --plan, --charge, --resident, --unit and --property.",
            hint="Give one or the other.",
            code="usage",
        )
    if not asked.reference and not (asked.resident or asked.unit):
        raise ChargeplanError(
            "Say which line: by its reference, or by --resident or --unit.",
            hint="`chargeplan explain --charge rent --unit 204 --period 2027-08`",
            code="usage",
        )
    reference = asked.reference.strip().upper() if asked.reference else None
    return msgspec.structs.replace(asked, reference=reference)


def _month_of(recorded: Sequence[Posting], project: Project, today: date) -> Days:
    """The month in which a recorded line was dated, else the default window."""
    if not recorded:
        return default_window(today, project.config)
    first = recorded[-1].transaction_date.replace(day=1)
    return Days(first, add_months(first, 1) - ONE_DAY)


def _request(asked: Asked, today: date, window: Days, *, offline: bool) -> PlanRequest:
    return PlanRequest(
        as_of=today,
        window=window,
        plans=(asked.plan,) if asked.plan else (),
        charges=(asked.charge,) if asked.charge else (),
        properties=(asked.property,) if asked.property else (),
        offline=offline,
        listing_all=True,
    )


def _found(
    world: wiring.World,
    project: Project,
    request: PlanRequest,
    *,
    asked: Asked,
    recorded: Sequence[Posting],
    warnings: Sequence[Diagnostic],
) -> tuple[_Answering, tuple[Told, ...]]:
    """All that fits, by a plan of the properties that it can be about; by one of all of them where nothing there does."""
    if recorded:
        places = frozenset({recorded[-1].property_id})
    elif asked.reference:
        short = msgspec.structs.replace(request, listing_all=False)
        changes = plan_now(world, project, short).change_set.changes
        places = frozenset(each.property_id for each in changes if each.reference == asked.reference)
        request = msgspec.structs.replace(request, offline=True)
    else:
        places = _properties_of(world, project, asked)
    if places:
        narrow = msgspec.structs.replace(request, only=places)
        change_set = plan_now(world, project, narrow, warnings).change_set
        answering = _Answering(world, project, narrow, change_set)
        if found := answering.found(asked):
            return answering, found
        request = msgspec.structs.replace(request, offline=True)
    change_set = plan_now(world, project, request, warnings).change_set
    answering = _Answering(world, project, request, change_set)
    return answering, answering.found(asked)


def _properties_of(world: wiring.World, project: Project, asked: Asked) -> frozenset[str]:
    """The properties that the snapshot knows the resident or the unit of."""
    return frozenset(
        property_id
        for integration_id in dict.fromkeys(plan.integration_id for plan in project.plans)
        for property_id in world.snapshot.properties_of(
            integration_id, resident=asked.resident, unit=asked.unit
        )
    )


def arithmetic(
    world: wiring.World, project: Project, request: PlanRequest, change_set: ChangeSet
) -> dict[str, tuple[Step, ...]]:
    """How every line's amount arose, by reference, for a report."""
    answering = _Answering(world, project, request, change_set)
    found = {}
    for _, grouped in groupby(change_set.changes, key=lambda each: each.property_id):
        # One property's rows at a time, as in planning.
        changes = tuple(grouped)
        answering.turn_to(changes)
        for change in changes:
            if steps := answering.steps(change):
                found[change.reference] = steps
    return found


class _Answering:
    """Finds what is asked for in a plan that was just made, and explains it from the same facts."""

    def __init__(
        self, world: wiring.World, project: Project, request: PlanRequest, change_set: ChangeSet
    ) -> None:
        self.world, self.project, self.request, self.change_set = world, project, request, change_set
        self.lookback = lookback(request.window, project.config)
        self._observed: dict[str, tuple[ObservedProperty, Evidence]] = {}
        self._explainers: dict[tuple[str, str, str], Explainer] = {}
        self._leases: frozenset[str] = frozenset()

    def turn_to(self, changes: Sequence[Change]) -> None:
        """Let go of the facts so far: the next are of the property of these changes, and of no other change of it."""
        self._observed.clear()
        self._explainers.clear()
        self._leases = frozenset(each.lease_id for each in changes)

    def steps(self, change: Change) -> tuple[Step, ...]:
        """How the change's amount arose; nothing where its plan is not loaded."""
        plan = self._plan(change.plan)
        if plan is None:
            return ()
        return all_steps(self._explainer(plan, change.property_id, _EVERY_CHARGE).terms(change))

    def answer(self, asked: Asked, found: Sequence[Told]) -> Answer:
        """What was found, with what the journal tells of each.

        Raises:
            ChargeplanError: nothing was.
        """
        if not found:
            raise self._nothing(asked)
        recorded = {each.postings[0].reference for each in found if each.postings}
        events = self.world.journal.history_of(recorded)
        told = tuple(
            msgspec.structs.replace(each, events=tuple(events[each.postings[0].reference]))
            if each.postings
            else each
            for each in found
        )
        return Answer(self.request.as_of, self.request.window, asked.reference, told)

    def found(self, asked: Asked) -> tuple[Told, ...]:
        """All that fits, without what the journal tells of it beside its postings."""
        return tuple(self._by_reference(asked.reference) if asked.reference else self._by_facts(asked))

    def _by_reference(self, reference: str) -> Iterator[Told]:
        changes = [each for each in self.change_set.changes if each.reference == reference]
        if changes:
            yield from map(self._change, changes)
            return
        postings = tuple(self.world.journal.find(reference))
        if not postings:
            return
        yield Told(postings=postings)
        last = postings[-1]
        asked = Asked(
            reference=None,
            plan=last.plan,
            charge=last.charge,
            resident=last.resident_id,
            unit=last.unit_number,
        )
        yield from self._by_facts(asked)

    def _by_facts(self, asked: Asked) -> Iterator[Told]:
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
            for listed in self.world.snapshot.properties(plan.integration_id)
            if self.request.only is None or listed.id in self.request.only
            for lease in self._property(plan, listed.id)[0].leases
            if any(each.resident_id == resident_id for each in lease.residents)
        )

    def _nothing(self, asked: Asked) -> ChargeplanError:
        month = f"from {self.request.window.first} through {self.request.window.last}"
        if asked.reference:
            return ChargeplanError(
                f"No line {month} has the reference {asked.reference}, and the journal does not know it.",
                hint="Give the month of its date: `--period 2027-08`.",
                code="unknown_reference",
            )
        return ChargeplanError(
            f"The plans consider nobody {month} who fits.",
            hint="`chargeplan plan --all` lists every line and every skip with its unit and resident.",
            code="nothing_to_explain",
        )

    # --- one answer ----------------------------------------------------------------------------------------------

    def _change(self, change: Change) -> Told:
        explained: Explained | None = None
        plan = self._plan(change.plan)
        if plan is not None:
            explained = self._explainer(plan, change.property_id, change.charge).change(change)
        postings = tuple(self.world.journal.find(change.reference))
        return Told(change=change, explained=explained, postings=postings)

    def _skip(self, skip: Skip) -> Told:
        plan = self._plan(skip.plan)
        if plan is None:
            return Told(skip=skip)
        charge = next((each for each in plan.charges if each.id == skip.charge), None)
        source = f"{charge.place.file}:{charge.place.line}" if charge else ""
        return Told(
            skip=skip,
            explained=self._explainer(plan, skip.property_id, skip.charge).skip(skip),
            source=source,
        )

    # --- the facts that the plan was made from ---------------------------------------------------------------------

    def _plan(self, name: str) -> Plan | None:
        return next((each for each in self.project.plans if each.name == name), None)

    def _property(self, plan: Plan, property_id: str) -> tuple[ObservedProperty, Evidence]:
        if property_id not in self._observed:
            integration = self.world.integrations[plan.integration_id]
            plans = [each for each in self.project.plans if each.integration_id == plan.integration_id]
            window = reading_window(self.request.window, self.lookback, plans)
            observed = self.world.snapshot.property(plan.integration_id, property_id, window)
            journal, known = self.world.journal, (plan.integration_id, property_id)
            evidence = Evidence(
                observed, journal.briefs(*known, None), integration, whole=lambda: journal.postings(*known)
            )
            self._observed[property_id] = (observed, evidence)
        return self._observed[property_id]

    def _explainer(self, plan: Plan, property_id: str, charge: str) -> Explainer:
        place = (plan.name, property_id, charge)
        if place not in self._explainers:
            observed, evidence = self._property(plan, property_id)
            values = PropertyValues(
                plans=(plan,),
                integration=self.world.integrations[plan.integration_id],
                names=names_of(observed.property, self.project.config.property_alias(property_id)),
                observed=observed,
                everyone=households(observed),
                as_of=self.request.as_of,
                window=self.request.window,
                lookback=self.lookback,
            )
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
