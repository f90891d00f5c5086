"""Plan one property: expand, compare with what is recorded and observed, and sum up what guards and reviewers need to know.

Properties are independent of one another: several may be planned at once, by as many processes.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Collection, Sequence
from datetime import date
from functools import cache

import msgspec

from chargeplan.core.change import (
    POSTED_BY_APPLY,
    Change,
    PropertyDigest,
    Total,
)
from chargeplan.core.close import accounts
from chargeplan.core.compare import Comparison
from chargeplan.core.config import IntegrationConfig, Project
from chargeplan.core.dates import Days
from chargeplan.core.decision import standing
from chargeplan.core.duplicates import owned_codes
from chargeplan.core.evidence import Evidence
from chargeplan.core.guard import PropertyFacts
from chargeplan.core.household import have_vanished, households
from chargeplan.core.key import FIRST_CORRECTION_PART
from chargeplan.core.line import Skip
from chargeplan.core.observed import ObservedProperty
from chargeplan.core.plan import Charge, Once, Plan
from chargeplan.core.planned import PlannedProperty
from chargeplan.core.previous import PropertyLedger, billed_since, codes_before
from chargeplan.core.property_plan import PropertyValues, plan_property
from chargeplan.core.select import names_of
from chargeplan.core.steady import Steady
from chargeplan.core.unused import unused_rows
from chargeplan.flow.plan_request import PlanRequest, lookback, month_before, reading_window
from chargeplan.flow.ports import Journal, Snapshot
from chargeplan.flow.tasks import PropertyPlan, PropertyTask

# A reviewer compares with at most so many periods before; those that are read anyway, and no more.
PERIODS_BEFORE = 6
# What a month before is compared with, beside what stands on the ledgers already.
_COMING = frozenset({"create", "correct", "unknown", "hold"})


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
        found = self._plan(task)
        # A bill and what reckons it hold each other: left to itself, Python would let go of the property's charges many
        # properties later. Only what is young is looked at, so that this costs the same for the thousandth property.
        gc.collect(1)
        return found

    def _plan(self, task: PropertyTask) -> PropertyPlan:
        each, integration, read = task.property, task.integration, self._read(task)
        values = self.values(task)
        observed, plans = values.observed, values.plans
        since = (
            None
            if any(_is_known_by_text(charge) for plan in plans for charge in plan.charges)
            else read.first
        )
        planned, comparison, evidence = self._compared(values, since)
        if since is not None and self._reaches_back(integration, comparison, evidence):
            planned, comparison, evidence = self._compared(values, None)
        found = self._found(planned, comparison)
        last = month_before(self.request.window, 1)
        if not (self.request.plans or self.request.charges):
            found.codes = codes_before(evidence, last) | found.codes
        periods = [month_before(self.request.window, number) for number in range(1, PERIODS_BEFORE + 1)]
        whole = [period for period in periods if period.first >= read.first]
        # The last is always looked at: guards compare with it.
        ledger = PropertyLedger(values.everyone, observed, evidence, found.codes)
        before = ledger.totals(whole or periods[:1])
        reasons = _reasons_of(plans, planned, comparison, observed)
        previous, movements = ledger.previous(last, self.request.window, found.coming, reasons)
        known = billed_since(read.first, observed, evidence)
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
                name=each.name,
                before=sum(each_code.amount for each_code in previous.values()),
                now=sum(each_code.now for each_code in previous.values() if each_code.count),
                residents_gone=have_vanished(values.everyone, known, self.request.as_of),
                previous={
                    code: previous[code]
                    for code in _recurring(plans, observed)
                    if code in previous and previous[code].count
                },
                billed=frozenset(found.billed),
                missed=frozenset(found.missed),
            ),
            previous=previous,
            movements=movements,
            unused_rows=[
                row
                for one in planned
                for row in unused_rows(one, values.everyone, evidence, values.names, self.request.window)
                if self._asked(row.plan, row.charge)
            ],
            before=before[: len(whole)],
            digest=PropertyDigest(integration.id, each.id, observed.digest, _digest_of(evidence), task.plans),
            accounts=accounts(planned, comparison.changes, evidence, observed, self.request.window)
            if self.request.accounting
            else [],
        )

    def _plans(self, task: PropertyTask) -> tuple[Plan, ...]:
        plans = tuple(
            plan
            for plan in self.project.plans
            if plan.integration_id == task.integration.id and plan.name in task.plans
        )
        if self.request.posting_missed:
            return tuple(msgspec.structs.replace(plan, posts_missed=True) for plan in plans)
        return plans

    def _read(self, task: PropertyTask) -> Days:
        return reading_window(self.request.read_window, self.lookback, self._plans(task))

    def values(self, task: PropertyTask) -> PropertyValues:
        """All that the property's plans are worked out from, but what was posted."""
        observed = self.snapshot.property(task.integration.id, task.property.id, self._read(task))
        return PropertyValues(
            plans=self._plans(task),
            integration=task.integration,
            names=names_of(task.property, self.project.config.property_alias(task.property.id)),
            observed=observed,
            everyone=households(observed),
            as_of=self.request.as_of,
            window=self.request.window,
            lookback=self.lookback,
            early_days=self.project.config.early_days,
        )

    def expanded(self, task: PropertyTask) -> tuple[PlannedProperty, ...]:
        """What the property's plans ask for, every bill with its key, whatever became of it."""
        return self._compared(self.values(task), None)[0]

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
        units = {each.id for each in values.observed.units}
        joined = self.journal.postings_of_units(*known_by, sorted(units), since)
        recorded = [*self.journal.briefs(*known_by, since), *joined]
        strange = {each.unit_id for each in recorded} - units
        evidence = Evidence(
            values.observed,
            recorded,
            values.integration,
            owned=owned_codes(values.plans, values.observed.charge_codes),
            decisions=standing(self.journal.decisions(*known_by)),
            billed=self._billed(values.integration.id).get(values.names.id, {}),
            departed=self.snapshot.units_elsewhere(*known_by, sorted(strange)) if strange else (),
            whole=lambda: [*self.journal.postings(*known_by, since), *joined],
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


def _is_known_by_text(charge: Charge) -> bool:
    """Whether lines of the charge are known by a relative date as it is written, which is the same for every year."""
    dates = [charge.once, *(each.changes.get("once") for each in charge.overrides)]
    return any(isinstance(each, Once) and not isinstance(each.on, date) for each in dates)


class _Found:
    """What a property's plans came to: what is listed, what is counted only, and what is ``coming`` on the ledgers."""

    def __init__(self, *, listing_all: bool) -> None:
        self.listing_all = listing_all
        self.changes: list[Change] = []
        self.skips: list[Skip] = []
        self.codes: dict[str, str] = {}
        self.unchanged: dict[str, Total] = {}
        self.skipped: dict[str, int] = {}
        self.billed: set[tuple[str, str]] = set()
        self.missed: set[tuple[str, str]] = set()
        self.coming: list[Change] = []

    def take(self, changes: Sequence[Change], skips: Sequence[Skip]) -> None:
        """Take in what the comparison found."""
        for change in changes:
            self.codes[change.charge_code_id] = change.charge_code
            if change.action in _COMING:
                self.coming.append(change)
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
        """Take in what was counted the short way of the charges asked for."""
        for charge_id, stands in steady.stands.items():
            if charge_id in asked and stands.count:
                self.codes[stands.code_id] = stands.code
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


def _reasons_of(
    plans: Sequence[Plan],
    planned: Sequence[PlannedProperty],
    comparison: Comparison,
    observed: ObservedProperty,
) -> dict[tuple[str, str], str]:
    """Why a lease has no line, by the name of the charge's code."""
    names = {
        (plan.name, charge.id): _code_names(charge, observed) for plan in plans for charge in plan.charges
    }
    skips = [(skip.plan, skip.charge, skip.lease_id, skip.reason) for skip in comparison.skips]
    for one in planned:
        for charge_id, counted in one.steady.skips.items():
            skips += [(one.plan.name, charge_id, lease_id, reason) for lease_id, reason in counted]
    return {
        (code, lease_id): reason for plan, charge, lease_id, reason in skips for code in names[plan, charge]
    }


def _recurring(plans: Sequence[Plan], observed: ObservedProperty) -> frozenset[str]:
    """The names of the codes whose charges recur: what is billed once, or late, comes and goes."""
    charges = [charge for plan in plans for charge in plan.charges if charge.schedule is not None]
    return frozenset(name for charge in charges for name in _code_names(charge, observed))


def _code_names(charge: Charge, observed: ObservedProperty) -> list[str]:
    """The names in the property of all codes that the charge may have."""
    return [
        code.name or code.id
        for code in observed.charge_codes
        if code.id in charge.code.places or code.name in charge.code.places
    ]


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
