"""Plan: bring the snapshot up to date, expand, compare, guard. Posts nothing and writes nothing but the snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta

import msgspec

from chargeplan.core.change import Change, ChangeSet, ObservedMark, PeriodTotals, PropertyDigest
from chargeplan.core.compare import PlannedProperty, compare
from chargeplan.core.config import Config, IntegrationConfig, Project
from chargeplan.core.dates import Days, add_months, add_period
from chargeplan.core.diagnostic import Diagnostic, error, warning
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.expand import Setting, expand
from chargeplan.core.guard import Allowed, PropertyFacts, guard_plan
from chargeplan.core.household import households
from chargeplan.core.line import AllocationReport, Skip
from chargeplan.core.observed import ObservedProperty, Property
from chargeplan.core.plan import Charge, FromPath, Plan
from chargeplan.core.posted import Evidence
from chargeplan.core.select import names_of
from chargeplan.core.shard import Shard
from chargeplan.flow.ports import Journal, Snapshot, Vendors

# Service periods reach beyond the dates of their lines; operators date what they post late.
_MARGIN = timedelta(days=45)
# Late fees are looked for on charges of so many months before the window.
LATE_MONTHS = 6
# A reviewer compares with at most so many periods before; those that are read anyway, and no more.
_PERIODS_BEFORE = 6

Progress = Callable[[str], None]


class PlanRequest(msgspec.Struct, frozen=True):
    """What to plan: dates, filters (empty: all; ``shard``: None for all), and how to read."""

    as_of: date
    window: Days
    plans: tuple[str, ...] = ()
    charges: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    full_refresh: bool = False
    offline: bool = False
    allowed: tuple[Allowed, ...] = ()
    shard: Shard | None = None


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
    vendors: Vendors,
    *,
    plan_id: str,
    environment: str,
    progress: Progress = lambda _: None,
) -> Planned:
    """Plan every property that the plans (and the filters) name, in canonical order.

    Raises:
        ChargeplanError: Propexo can't be read, or an integration does not exist.
    """
    run = _Run(project, request, snapshot, journal, vendors, progress)
    run.check_filters()
    for integration_id in dict.fromkeys(plan.integration_id for plan in project.plans):
        run.integration(integration_id)
    return run.result(plan_id, environment)


class _Run:
    def __init__(
        self,
        project: Project,
        request: PlanRequest,
        snapshot: Snapshot,
        journal: Journal,
        vendors: Vendors,
        progress: Progress,
    ) -> None:
        self.project, self.request, self.snapshot, self.journal, self.vendors = (
            project,
            request,
            snapshot,
            journal,
            vendors,
        )
        self.progress = progress
        count, unit = project.config.correct_back
        self.lookback = add_period(request.window.first, -count, unit)
        self.diagnostics: list[Diagnostic] = []
        self.marks: list[ObservedMark] = []
        self.states: list[PropertyDigest] = []
        self.allocations: list[AllocationReport] = []
        self.facts: dict[str, PropertyFacts] = {}
        self.previous: dict[str, dict[str, int]] = {}
        # By how many periods before the window it was: cents by charge code name.
        self.before: dict[int, dict[str, int]] = {}
        self.periods_before = _PERIODS_BEFORE
        self.unrecorded = 0
        self.found: list[tuple[str, Sequence[Change], Sequence[Skip]]] = []
        self.matched_properties: set[str] = set()

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
                        hint=f"There are: {', '.join(sorted(known)) or 'none'}.",
                        code=f"unknown_{what}",
                    )

    def integration(self, integration_id: str) -> None:
        plans = [plan for plan in self.project.plans if plan.integration_id == integration_id]
        integration = self._configured(integration_id)
        self._observe(integration_id, plans)
        listed = self.snapshot.properties(integration_id)
        chosen = {plan.name: self._properties_of(plan, listed) for plan in plans}
        for each in sorted(listed, key=lambda known: (known.name, known.id)):
            here = [plan for plan in plans if each.id in chosen[plan.name]]
            if here and self._wanted(each):
                self._property(integration, each, here)

    def _configured(self, integration_id: str) -> IntegrationConfig:
        for each in self.project.config.integrations.values():
            if each.id == integration_id:
                return each
        return IntegrationConfig(integration_id, integration_id, self.project.plans[0].place)

    def _observe(self, integration_id: str, plans: Sequence[Plan]) -> None:
        requests = records = 0
        if not self.request.offline:
            self.progress(f"reading {integration_id}")
            cost = self.snapshot.refresh(
                integration_id,
                self._reading_window(plans),
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
        if reason := self.vendors.not_postable(integration.vendor):
            raise ChargeplanError(
                f"chargeplan can't post to {integration.vendor} ({integration_id}): {reason}.",
                hint="Take its plans out of this configuration.",
                code="vendor_not_postable",
            )
        self.marks.append(ObservedMark(integration_id, integration.last_completed_sync, requests, records))

    def _reading_window(self, plans: Sequence[Plan]) -> Days:
        first = self.lookback - _MARGIN
        if any(charge.late_fee for plan in plans for charge in plan.charges):
            first = min(first, add_months(self.request.window.first, -LATE_MONTHS))
        return Days(min(first, add_months(self.request.window.first, -1)), self.request.window.last + _MARGIN)

    def _properties_of(self, plan: Plan, listed: Sequence[Property]) -> frozenset[str]:
        if plan.properties is None:
            return frozenset(each.id for each in listed if each.active)
        return frozenset(found.id for name in plan.properties for found in self._named(plan, name, listed))

    def _named(self, plan: Plan, name: str, listed: Sequence[Property]) -> Iterator[Property]:
        config = self.project.config
        wanted = config.properties[name].id if name in config.properties else name
        found = [each for each in listed if each.id == wanted] or [
            each for each in listed if each.name == wanted
        ]
        if len(found) == 1:
            yield found[0]
            return
        known = ", ".join(sorted(f"{each.name} ({each.id})" for each in listed)) or "none"
        many = "no property" if not found else f"{len(found)} properties"
        self.diagnostics.append(
            error(
                f"plan `{plan.name}`: the integration has {many} `{name}`",
                f"Write a property's id. It has: {known}.",
                plan.place,
            )
        )

    def _wanted(self, each: Property) -> bool:
        in_shard = self.request.shard is None or self.request.shard.holds(each.id)
        if not self.request.properties:
            return in_shard
        names = names_of(each, self.project.config.property_alias(each.id))
        hits = {text for text in self.request.properties if names.match(text)}
        self.matched_properties |= hits
        return in_shard and bool(hits)

    def _property(self, integration: IntegrationConfig, each: Property, plans: Sequence[Plan]) -> None:
        self.progress(f"planning {each.name}")
        config = self.project.config
        observed = self.snapshot.property(integration.id, each.id, self._reading_window(plans))
        postings = self.journal.postings(integration.id, each.id)
        evidence = Evidence(observed, postings, integration)
        names = names_of(each, config.property_alias(each.id))
        planned = [
            PlannedProperty(
                plan,
                expand(
                    Setting(
                        plan,
                        integration,
                        names,
                        observed,
                        self.request.as_of,
                        self.request.window,
                        self.lookback,
                        _late(plan, evidence, observed),
                    )
                ),
            )
            for plan in plans
        ]
        comparison = compare(
            planned, observed, evidence, integration, self.request.window, loaded=self.project.plans
        )
        self.diagnostics += comparison.diagnostics
        self.unrecorded += comparison.unexplained
        changes = [change for change in comparison.changes if self._asked(change.plan, change.charge)]
        skips = [skip for skip in comparison.skips if self._asked(skip.plan, skip.charge)]
        self.allocations += [
            a for p in planned for a in p.expansion.allocations if self._asked(a.plan, a.charge)
        ]
        self.found.append((each.name, changes, skips))
        self._note(integration, each, observed, evidence, changes)
        self._note_before(observed, evidence, changes, self._reading_window(plans).first)

    def _asked(self, plan: str, charge: str) -> bool:
        return (not self.request.plans or plan in self.request.plans) and (
            not self.request.charges or charge in self.request.charges
        )

    def _note(
        self,
        integration: IntegrationConfig,
        each: Property,
        observed: ObservedProperty,
        evidence: Evidence,
        changes: Sequence[Change],
    ) -> None:
        """What guards, reviewers and the plan file need to know of the property."""
        postings = tuple(evidence.postings.values())
        totals = _stood(_period_before(self.request.window, 1), observed, evidence, changes)
        self.previous[each.id] = totals
        standing = ("create", "correct", "in_flight", "unknown", "unchanged")
        now = sum(change.amount or 0 for change in changes if change.action in standing)
        occupied = [h.occupied for h in households(observed)]
        nobody = not any(days and self.request.as_of in days for days in occupied)
        gone = nobody and bool(observed.charges or postings)
        self.facts[each.id] = PropertyFacts(each.name, sum(totals.values()), now, gone)
        self.states.append(PropertyDigest(integration.id, each.id, _digest(observed), _digest(postings)))

    def _note_before(
        self, observed: ObservedProperty, evidence: Evidence, changes: Sequence[Change], read_from: date
    ) -> None:
        """Add the property to the periods before. A period that was not read whole of every property is told of none."""
        for number in range(1, self.periods_before + 1):
            period = _period_before(self.request.window, number)
            if period.first < read_from:
                self.periods_before = number - 1
                return
            totals = self.before.setdefault(number, {})
            for code, cents in _stood(period, observed, evidence, changes).items():
                totals[code] = totals.get(code, 0) + cents

    def result(self, plan_id: str, environment: str) -> Planned:
        for name in self.request.properties:
            if name not in self.matched_properties:
                raise ChargeplanError(
                    f"No plan covers a property `{name}`.",
                    hint="Name a property by alias, name or id.",
                    code="unknown_property",
                )
        if self.unrecorded:
            self.diagnostics.append(
                warning(
                    f"{self.unrecorded} synced charges carry our references, and the journal does not know them",
                    f"They count as unchanged. `apply` refuses until `chargeplan journal rebuild --as-of {self.request.as_of}` has taken them in.",
                )
            )
        changes = tuple(change for _, found, _ in self.found for change in found)
        skips = tuple(skip for _, _, found in self.found for skip in found)
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
                PeriodTotals(_period_before(self.request.window, number), self.before.get(number, {}))
                for number in range(self.periods_before, 0, -1)
            ),
        )
        return Planned(change_set, tuple(self.states), self.unrecorded)


def _reads_fees(charge: Charge) -> bool:
    amounts = [charge.amount, *(each.changes.get("amount") for each in charge.overrides)]
    return any(isinstance(each, FromPath) and each.path.root == "fee" for each in amounts) or any(
        getattr(getattr(each, "of", None), "root", None) == "fee" for each in amounts
    )


def _late(plan: Plan, evidence: Evidence, observed: ObservedProperty) -> Mapping[str, str]:
    """Which charge of the plan posted each synced charge, for late fees; a renamed charge is known by its old key."""
    ids = {(charge.key_plan, charge.key_charge): charge.id for charge in plan.charges}
    found: dict[str, str] = {}
    for reference, posting in evidence.postings.items():
        charge_id = ids.get((posting.key_plan, posting.key_charge.partition("/")[0]))
        if charge_id is None:
            continue
        synced = [each.id for each in evidence.by_reference.get(reference, ())]
        synced += [evidence.matched[reference].id] if reference in evidence.matched else []
        synced += [posting.charge_id] if posting.charge_id else []
        found.update(dict.fromkeys(synced, charge_id))
    return {each.id: found[each.id] for each in observed.charges if each.id in found}


def _period_before(window: Days, number: int) -> Days:
    """The ``number``-th month before the window, counted back from the window's first day."""
    return Days(add_months(window.first, -number), add_months(window.first, 1 - number) - timedelta(days=1))


def _stood(
    period: Days, observed: ObservedProperty, evidence: Evidence, changes: Sequence[Change]
) -> dict[str, int]:
    """What stood on the property's ledgers in a period under the codes of the changes: cents by the code's name.

    Postings that are on their way, and not seen yet, count too.
    """
    codes = {change.charge_code_id: change.charge_code for change in changes}
    totals: dict[str, int] = {}
    for charge in observed.charges:
        if charge.charge_code_id in codes and charge.transaction_date and charge.transaction_date in period:
            name = codes[charge.charge_code_id or ""]
            totals[name] = totals.get(name, 0) + (charge.amount or 0)
    for posting in evidence.postings.values():
        seen = posting.reference in evidence.by_reference or posting.reference in evidence.matched
        if (
            posting.state in {"queued", "accepted"}
            and not seen
            and posting.charge_code_id in codes
            and posting.transaction_date in period
        ):
            totals[posting.charge_code] = totals.get(posting.charge_code, 0) + posting.amount
    return totals


def _digest(value: object) -> str:
    return "sha256:" + hashlib.sha256(msgspec.json.encode(value)).hexdigest()


def default_window(as_of: date, config: Config) -> Days:
    """From the first day of the month of ``as_of`` to the later of that month's last day and ``as_of`` plus ``lead_days``."""
    first = as_of.replace(day=1)
    return Days(
        first, max(add_months(first, 1) - timedelta(days=1), as_of + timedelta(days=config.lead_days))
    )
