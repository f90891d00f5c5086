"""Plan one property: expand, compare with what is recorded and observed, and sum up what guards and reviewers need to know.

Properties are independent of one another: several may be planned at once, by as many processes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from functools import cache

import msgspec

from chargeplan.core.change import POSTED_BY_APPLY, Change, PropertyDigest, Total
from chargeplan.core.compare import Comparison
from chargeplan.core.config import IntegrationConfig, Project
from chargeplan.core.dates import Days
from chargeplan.core.decision import standing
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.duplicates import owned_codes
from chargeplan.core.evidence import Evidence
from chargeplan.core.guard import PropertyFacts
from chargeplan.core.household import Household, households
from chargeplan.core.key import FIRST_CORRECTION_PART
from chargeplan.core.line import AllocationReport, Skip
from chargeplan.core.observed import ObservedProperty, Property
from chargeplan.core.plan import Charge, Once
from chargeplan.core.planned import PlannedProperty
from chargeplan.core.posting import FREE
from chargeplan.core.property_plan import PropertyValues, plan_property
from chargeplan.core.select import names_of
from chargeplan.core.steady import Steady
from chargeplan.flow.plan_request import PlanRequest, lookback, month_before, reading_window
from chargeplan.flow.ports import Journal, Snapshot

# A reviewer compares with at most so many periods before; those that are read anyway, and no more.
PERIODS_BEFORE = 6
_STANDING = frozenset({"create", "correct", "in_flight", "unknown", "unchanged"})


class PropertyTask(msgspec.Struct, frozen=True):
    """A property to plan, with the names of the plans that cover it."""

    integration: IntegrationConfig
    property: Property
    plans: tuple[str, ...]


class PropertyPlan(msgspec.Struct):
    """What planning a property came to; plain values, so that it can be sent to another process.

    ``unchanged`` (by charge code) and ``skipped`` (by reason) are counted without being listed. ``before`` is what stood on the
    ledgers in each of the periods before that were read, the last of them first, by charge code in cents; the last is
    ``previous``, read or not. ``unrecorded`` counts synced charges of these plans that the journal does not know.
    """

    changes: list[Change]
    skips: list[Skip]
    unchanged: dict[str, Total]
    skipped: dict[str, int]
    allocations: list[AllocationReport]
    diagnostics: tuple[Diagnostic, ...]
    unrecorded: int
    facts: PropertyFacts
    previous: dict[str, int]
    before: list[dict[str, int]]
    digest: PropertyDigest


class PropertyPlanner:
    """Plans properties one by one from the same snapshot and journal."""

    def __init__(self, project: Project, request: PlanRequest, snapshot: Snapshot, journal: Journal) -> None:
        self.project, self.request, self.snapshot, self.journal = project, request, snapshot, journal
        self.lookback = lookback(request.window, project.config)
        self._billed = cache(lambda integration_id: journal.billed(integration_id, self.lookback))

    def plan(self, task: PropertyTask) -> PropertyPlan:
        """Plan a property.

        Raises:
            ChargeplanError: snapshot or journal can't be read.
        """
        each, integration = task.property, task.integration
        plans = [
            plan
            for plan in self.project.plans
            if plan.integration_id == integration.id and plan.name in task.plans
        ]
        read = reading_window(self.request.window, self.lookback, plans)
        observed = self.snapshot.property(integration.id, each.id, read)
        everyone = households(observed)
        values = PropertyValues(
            plans=tuple(plans),
            integration=integration,
            names=names_of(each, self.project.config.property_alias(each.id)),
            observed=observed,
            everyone=everyone,
            as_of=self.request.as_of,
            window=self.request.window,
            lookback=self.lookback,
            early_days=self.project.config.early_days,
        )
        since = (
            None
            if any(_is_known_by_text(charge) for plan in plans for charge in plan.charges)
            else read.first
        )
        planned, comparison, evidence = self._compared(values, since)
        if since is not None and self._reaches_back(integration, comparison, evidence):
            planned, comparison, evidence = self._compared(values, None)
        found = self._found(planned, comparison)
        if not (self.request.plans or self.request.charges):
            found.codes = _codes_before(evidence, month_before(self.request.window, 1)) | found.codes
        periods = [month_before(self.request.window, number) for number in range(1, PERIODS_BEFORE + 1)]
        whole = [period for period in periods if period.first >= read.first]
        # The last is always looked at: guards compare with it.
        before = _stood(whole or periods[:1], observed, evidence, found.codes)
        gone = not _is_lived_in(everyone, self.request.as_of) and bool(observed.charges or evidence.postings)
        return PropertyPlan(
            changes=found.changes,
            skips=found.skips,
            unchanged=found.unchanged,
            skipped=found.skipped,
            allocations=[
                a for p in planned for a in p.expansion.allocations if self._asked(a.plan, a.charge)
            ],
            diagnostics=comparison.diagnostics,
            unrecorded=comparison.unexplained,
            facts=PropertyFacts(
                each.name,
                sum(before[0].values()),
                found.now,
                gone,
                frozenset(found.billed),
                frozenset(found.missed),
            ),
            previous=before[0],
            before=before[: len(whole)],
            digest=PropertyDigest(integration.id, each.id, observed.digest, _digest_of(evidence), task.plans),
        )

    def _found(self, planned: Sequence[PlannedProperty], comparison: Comparison) -> _Found:
        """What was asked for of what the comparison found."""
        found = _Found(listing_all=self.request.listing_all)
        found.take(
            [change for change in comparison.changes if self._asked(change.plan, change.charge)],
            [skip for skip in comparison.skips if self._asked(skip.plan, skip.charge)],
        )
        for one in planned:
            asked = frozenset(c.id for c in one.plan.charges if self._asked(one.plan.name, c.id))
            found.take_steady(one.steady, asked)
        return found

    def _compared(
        self,
        values: PropertyValues,
        since: date | None,
    ) -> tuple[tuple[PlannedProperty, ...], Comparison, Evidence]:
        """The plans of a property compared with what is observed, and recorded from ``since`` on."""
        known_by = (values.integration.id, values.names.id)
        evidence = Evidence(
            values.observed,
            self.journal.briefs(*known_by, since),
            values.integration,
            owned=owned_codes(values.plans, values.observed.charge_codes),
            decisions=standing(self.journal.decisions(*known_by)),
            billed=self._billed(values.integration.id).get(values.names.id, {}),
            whole=lambda: self.journal.postings(*known_by, since),
        )
        planned, comparison = plan_property(values, evidence, listing_all=self.request.listing_all)
        return planned, comparison, evidence

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
        corrections = [each for each in evidence.postings.values() if each.part >= FIRST_CORRECTION_PART]
        return any(evidence.first_of(each) is None for each in corrections)

    def _asked(self, plan: str, charge: str) -> bool:
        return (not self.request.plans or plan in self.request.plans) and (
            not self.request.charges or charge in self.request.charges
        )


def _is_lived_in(everyone: Sequence[Household], day: date) -> bool:
    """Whether any household occupies its unit on the day."""
    return any(household.occupied and day in household.occupied for household in everyone)


def _is_known_by_text(charge: Charge) -> bool:
    """Whether lines of the charge are known by a relative date as it is written, which is the same for every year."""
    dates = [charge.once, *(each.changes.get("once") for each in charge.overrides)]
    return any(isinstance(each, Once) and not isinstance(each.on, date) for each in dates)


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


def _digest_of(evidence: Evidence) -> str:
    """A digest of what is recorded: which lines, how far each has come, for how much, and which charge shows it."""
    postings = evidence.postings.values()
    columns = (
        [each.reference for each in postings],
        [each.state for each in postings],
        [each.amount for each in postings],
        [each.charge_id for each in postings],
        sorted(evidence.decisions.unrelated),
        sorted(evidence.decisions.accepted.items()),
        sorted(evidence.decisions.contradicted),
    )
    return "sha256:" + hashlib.sha256(msgspec.json.encode(columns)).hexdigest()
