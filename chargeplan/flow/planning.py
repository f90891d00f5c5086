"""Plan: bring the snapshot up to date, expand, compare, guard. Posts nothing and writes nothing but the snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta

import msgspec

from chargeplan.core.change import (
    POSTED_BY_APPLY,
    Change,
    ChangeSet,
    ObservedMark,
    PeriodTotals,
    PropertyDigest,
    Total,
    Unlisted,
)
from chargeplan.core.compare import Comparison, PlannedProperty, compare
from chargeplan.core.config import Config, IntegrationConfig, Project
from chargeplan.core.dates import Days, add_months, add_period
from chargeplan.core.diagnostic import Diagnostic, error, warning
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.expand import Expander, Setting
from chargeplan.core.guard import Allowed, PropertyFacts, guard_plan
from chargeplan.core.household import Household, households
from chargeplan.core.key import FIRST_CORRECTION_PART
from chargeplan.core.line import AllocationReport, Skip
from chargeplan.core.observed import ObservedProperty, Property
from chargeplan.core.plan import Charge, FromPath, Once, Plan
from chargeplan.core.posted import Evidence, posted_by
from chargeplan.core.posting import FREE
from chargeplan.core.select import names_of
from chargeplan.core.shard import Shard
from chargeplan.core.steady import Recorded, Steady, steady_lines
from chargeplan.flow.ports import Journal, Snapshot, Vendors

# Operators date what they post, or approve, late.
_MARGIN = timedelta(days=45)
# Late fees are looked for on charges of so many months before the window.
_LATE_MONTHS = 6
# A reviewer compares with at most so many periods before; those that are read anyway, and no more.
_PERIODS_BEFORE = 6
_STANDING = frozenset({"create", "correct", "in_flight", "unknown", "unchanged"})

Progress = Callable[[str], None]


class PlanRequest(msgspec.Struct, frozen=True):
    """What to plan: dates, filters (empty: all; ``shard``: None for all), how to read, and whether to list everything.

    A plan that lists everything lists what is unchanged or skipped too.
    """

    as_of: date
    window: Days
    plans: tuple[str, ...] = ()
    charges: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    full_refresh: bool = False
    offline: bool = False
    allowed: tuple[Allowed, ...] = ()
    shard: Shard | None = None
    listing_all: bool = False


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
        self.changes: list[Change] = []
        self.skips: list[Skip] = []
        self.unchanged: dict[str, dict[str, Total]] = {}
        self.skipped: dict[str, int] = {}
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
                reading_window(self.request.window, self.lookback, plans),
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
        read = reading_window(self.request.window, self.lookback, plans)
        observed = self.snapshot.property(integration.id, each.id, read)
        everyone = households(observed)
        read_from = read.first
        since = (
            None if any(_is_known_by_text(charge) for plan in plans for charge in plan.charges) else read_from
        )
        planned, comparison, evidence = self._compared(integration, each, plans, observed, everyone, since)
        if since is not None and self._reaches_back(integration, comparison, evidence):
            planned, comparison, evidence = self._compared(integration, each, plans, observed, everyone, None)
        self.diagnostics += comparison.diagnostics
        self.unrecorded += comparison.unexplained
        self.allocations += [
            a for p in planned for a in p.expansion.allocations if self._asked(a.plan, a.charge)
        ]
        found = _Found(listing_all=self.request.listing_all)
        found.take(
            [change for change in comparison.changes if self._asked(change.plan, change.charge)],
            [skip for skip in comparison.skips if self._asked(skip.plan, skip.charge)],
        )
        for one in planned:
            asked = frozenset(c.id for c in one.plan.charges if self._asked(one.plan.name, c.id))
            found.take_steady(one.steady, asked)
        if not (self.request.plans or self.request.charges):
            found.codes = _codes_before(evidence, self._period_before(1)) | found.codes
        self.changes += found.changes
        self.skips += found.skips
        if found.unchanged:
            self.unchanged[each.id] = found.unchanged
        for reason, count in found.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count
        self._note(integration, each, observed, evidence, everyone, found, read_from)

    def _compared(
        self,
        integration: IntegrationConfig,
        each: Property,
        plans: Sequence[Plan],
        observed: ObservedProperty,
        everyone: tuple[Household, ...],
        since: date | None,
    ) -> tuple[list[PlannedProperty], Comparison, Evidence]:
        """The plans of a property compared with what is observed, and recorded from ``since`` on."""
        evidence = Evidence(
            observed,
            self.journal.briefs(integration.id, each.id, since),
            integration,
            self.project.plans,
            lambda: self.journal.postings(integration.id, each.id, since),
        )
        names = names_of(each, self.project.config.property_alias(each.id))
        recorded = None if self.request.listing_all else Recorded(evidence)
        planned = [
            _planned(
                Setting(
                    plan,
                    integration,
                    names,
                    observed,
                    self.request.as_of,
                    self.request.window,
                    self.lookback,
                    posted_by(plan, evidence, observed.charges),
                    everyone,
                ),
                recorded,
            )
            for plan in plans
        ]
        return planned, compare(planned, observed, evidence, integration, self.request.window), evidence

    def _reaches_back(
        self, integration: IntegrationConfig, comparison: Comparison, evidence: Evidence
    ) -> bool:
        """Whether a posting from before the days that were read has a say: what is planned or observed names it.

        A charge may be approved months late, a fee be posted long before its period or after it.
        """
        planned = {change.reference for change in comparison.changes if change.action in POSTED_BY_APPLY}
        unknown = (planned - evidence.postings.keys()) | evidence.unrecorded
        if unknown and self.journal.knows_any(unknown):
            return True
        strangers = [charge.id for charge in evidence.strangers]
        if strangers and self.journal.settled_by(integration.id, strangers):
            return True
        return any(
            posting.part >= FIRST_CORRECTION_PART and evidence.first_of(posting) is None
            for posting in evidence.postings.values()
        )

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
        everyone: Sequence[Household],
        found: _Found,
        read_from: date,
    ) -> None:
        """What guards, reviewers and the plan file need to know of the property."""
        totals = self._note_before(observed, evidence, found.codes, read_from)
        self.previous[each.id] = totals
        occupied = [household.occupied for household in everyone]
        nobody = not any(days and self.request.as_of in days for days in occupied)
        gone = nobody and bool(observed.charges or evidence.postings)
        self.facts[each.id] = PropertyFacts(
            each.name, sum(totals.values()), found.now, gone, frozenset(found.billed), frozenset(found.missed)
        )
        recorded = _digest(list(evidence.postings.values()))
        self.states.append(PropertyDigest(integration.id, each.id, observed.digest, recorded))

    def _note_before(
        self, observed: ObservedProperty, evidence: Evidence, codes: Mapping[str, str], read_from: date
    ) -> dict[str, int]:
        """Add the property to the periods before; what stood on its ledgers in the last of them, by code.

        A period that was not read whole of every property is told of none.
        """
        read = [
            number
            for number in range(1, self.periods_before + 1)
            if self._period_before(number).first >= read_from
        ]
        self.periods_before = len(read)
        # The last is always looked at: guards compare with it.
        periods = [self._period_before(number) for number in (read or [1])]
        found = _stood(periods, observed, evidence, codes)
        for number, totals in zip(read, found, strict=False):
            before = self.before.setdefault(number, {})
            for code, cents in totals.items():
                before[code] = before.get(code, 0) + cents
        return found[0]

    def _period_before(self, number: int) -> Days:
        """The ``number``-th month before the window, counted back from the window's first day."""
        first = self.request.window.first
        return Days(add_months(first, -number), add_months(first, 1 - number) - timedelta(days=1))

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
                PeriodTotals(self._period_before(number), self.before.get(number, {}))
                for number in range(self.periods_before, 0, -1)
            ),
            unlisted=Unlisted(self.unchanged, self.skipped),
        )
        return Planned(change_set, tuple(self.states), self.unrecorded)


def reading_window(window: Days, lookback: date, plans: Iterable[Plan]) -> Days:
    """The dates of the charges that planning of ``window`` looks at: from a month before what may be corrected.

    A line of the first day that may be corrected serves, in arrears, the month before it.
    """
    first = add_months(min(lookback, window.first), -1)
    if any(charge.late_fee for plan in plans for charge in plan.charges):
        first = min(first, add_months(window.first, -_LATE_MONTHS))
    return Days(first, window.last + _MARGIN)


def _is_known_by_text(charge: Charge) -> bool:
    """Whether lines of the charge are known by a relative date as it is written, which is the same for every year."""
    dates = [charge.once, *(each.changes.get("once") for each in charge.overrides)]
    return any(isinstance(each, Once) and not isinstance(each.on, date) for each in dates)


def _planned(setting: Setting, recorded: Recorded | None) -> PlannedProperty:
    """The expansion of a plan in a property; with ``recorded`` what is steady is told the short way."""
    expander = Expander(setting)
    steady = steady_lines(expander, recorded) if recorded is not None else Steady()
    return PlannedProperty(setting.plan, expander.run(told=steady.told), steady)


class _Found:
    """What a property's plans came to: what is listed, and what is counted only."""

    def __init__(self, *, listing_all: bool) -> None:
        self.listing_all = listing_all
        self.changes: list[Change] = []
        self.skips: list[Skip] = []
        self.codes: dict[str, str] = {}
        self.unchanged: dict[str, Total] = {}
        self.skipped: dict[str, int] = {}
        self.billed: set[tuple[str, str]] = set()
        self.missed: set[tuple[str, str]] = set()
        self.now = 0
        """Cents that are, or will be, on the ledgers for the window."""

    def take(self, changes: Sequence[Change], skips: Sequence[Skip]) -> None:
        """Take in what the comparison found."""
        for change in changes:
            self.codes[change.charge_code_id] = change.charge_code
            self.now += change.stands + ((change.amount or 0) if change.action in _STANDING else 0)
            if change.action != "unchanged" or self.listing_all:
                self.changes.append(change)
                continue
            self._count(change.charge_code, Total(1, change.amount or 0))
            self.billed.add((change.unit_id, change.lease_id))
        if self.listing_all:
            self.skips += skips
            return
        self._skip([(skip.lease_id, skip.reason) for skip in skips])

    def take_steady(self, steady: Steady, asked: Collection[str]) -> None:
        """Take in what was told the short way of the charges asked for."""
        for charge_id, stands in steady.stands.items():
            if charge_id in asked and stands.count:
                self.codes[stands.code_id] = stands.code
                self.now += stands.amount
                self._count(stands.code, Total(stands.count, stands.amount))
                self.billed |= stands.homes
        for charge_id, skips in steady.skips.items():
            if charge_id in asked:
                self._skip(skips)

    def _count(self, code: str, total: Total) -> None:
        self.unchanged[code] = self.unchanged.get(code, Total()).and_(total)

    def _skip(self, skips: Sequence[tuple[str, str]]) -> None:
        for _, reason in skips:
            self.skipped[reason] = self.skipped.get(reason, 0) + 1
        self.missed.update(skips)


def _reads_fees(charge: Charge) -> bool:
    amounts = [charge.amount, *(each.changes.get("amount") for each in charge.overrides)]
    return any(isinstance(each, FromPath) and each.path.root == "fee" for each in amounts) or any(
        getattr(getattr(each, "of", None), "root", None) == "fee" for each in amounts
    )


def _codes_before(evidence: Evidence, period: Days) -> dict[str, str]:
    """The codes (name by id) under which lines of ours were dated in a period: no plan may have them any more."""
    first, last = period.first, period.last
    return {
        posting.charge_code_id: posting.charge_code
        for posting in evidence.postings.values()
        if first <= posting.transaction_date <= last and posting.state not in FREE
    }


def _stood(
    periods: Sequence[Days], observed: ObservedProperty, evidence: Evidence, codes: Mapping[str, str]
) -> list[dict[str, int]]:
    """What stood on the property's ledgers in each period under the codes (name by id): cents by the code's name.

    Postings that are on their way, and not seen yet, count too.
    """
    found: list[dict[str, int]] = [{} for _ in periods]
    by_day: dict[date | None, dict[str, int]] = {
        period.first + timedelta(days=number): totals
        for period, totals in zip(periods, found, strict=True)
        for number in range(period.count)
    }
    for charge in observed.charges:
        totals, name = by_day.get(charge.transaction_date), codes.get(charge.charge_code_id or "")
        if totals is not None and name is not None:
            totals[name] = totals.get(name, 0) + (charge.amount or 0)
    for posting in evidence.unsettled:
        totals, name = by_day.get(posting.transaction_date), posting.charge_code
        if (
            totals is None
            or posting.charge_code_id not in codes
            or posting.state not in {"queued", "accepted"}
        ):
            continue
        if posting.reference not in evidence.by_reference and posting.reference not in evidence.matched:
            totals[name] = totals.get(name, 0) + posting.amount
    return found


def _digest(value: object) -> str:
    return "sha256:" + hashlib.sha256(msgspec.json.encode(value)).hexdigest()


def default_window(as_of: date, config: Config) -> Days:
    """From the first day of the month of ``as_of`` to the later of that month's last day and ``as_of`` plus ``lead_days``."""
    first = as_of.replace(day=1)
    return Days(
        first, max(add_months(first, 1) - timedelta(days=1), as_of + timedelta(days=config.lead_days))
    )
