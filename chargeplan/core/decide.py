"""Desired against recorded and observed: what should happen to the lines of one period under one key, and why.

The decision table of plan-language.md, *What already exists, and what follows*, and *Corrections*:

    posted for it       due                in the window                         before it
    ------------------  -----------------  ------------------------------------  ----------------------------------
    nothing             anything           new: each line is created, or held    missed: where the month was billed
    unknown or removed  anything           wait: each part says so               removed: what was taken away says so
    as due              anything           stands: missing later parts are new   gaps: missing later parts are missed
    another sum         held, or no price  stands                                nothing
    another sum         comparable         correct: one correction or one drift  correct, by days and ledger, not price

Parts that add up to what is due are as due, however many they are. What nothing accounts for is asked about afterwards, over all lines of the property
(``duplicates``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from chargeplan.core.bill import Bill
from chargeplan.core.change import Action, Change, change_of
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.corrections import as_posted, corrected, dates_of, difference_of, visible_amount
from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.evidence import Evidence, PostedPart, Status
from chargeplan.core.key import Key
from chargeplan.core.line import Line
from chargeplan.core.plan import Plan

Posted = Literal["nothing", "open", "as due", "other"]
Due = Literal["comparable", "fixed"]
Row = Literal["new", "missed", "wait", "removed", "stands", "gaps", "correct", "nothing"]

_STATUS_ACTION: dict[Status, Action] = {
    "visible": "unchanged",
    "in_flight": "in_flight",
    "unknown": "unknown",
    "removed_upstream": "removed_upstream",
}


def decide(posted: Posted, due: Due, *, in_window: bool) -> Row:
    """The row of the table: what happens to a period."""
    match posted:
        case "nothing":
            return "new" if in_window else "missed"
        case "open":
            return "wait" if in_window else "removed"
        case "as due":
            return "stands" if in_window else "gaps"
        case "other" if due == "fixed":
            return "stands" if in_window else "nothing"
        case "other":
            return "correct"


def kind_of(posted: Sequence[tuple[int, Status, int]], due: Mapping[int, int | None]) -> Posted:
    """The row's heading: what was posted (part, status and cents of each) beside the cents of each part that is due."""
    if not posted:
        return "nothing"
    if any(status in {"unknown", "removed_upstream"} for _, status, _ in posted):
        return "open"
    parts = {part: cents for part, _, cents in posted}
    one_each = len(parts) == len(posted)
    agree = one_each and all(part in due and due[part] == cents for part, cents in parts.items())
    return "as due" if agree else "other"


class Scene(msgspec.Struct):
    """What every bill of a property is compared with; ``problems`` collects what is wrong with the texts of lines to post."""

    evidence: Evidence
    integration: IntegrationConfig
    window: Days
    problems: dict[Diagnostic, None] = msgspec.field(default_factory=dict)


class _Period(msgspec.Struct, frozen=True):
    """One bill beside what was posted for it. ``key`` is the one that it is known by."""

    plan: Plan
    bill: Bill
    key: Key
    posted: Sequence[PostedPart]
    scene: Scene

    @property
    def kind(self) -> Posted:
        """The row's heading: what was posted for the bill, beside what is due."""
        due = {line.key.part: line.amount for line in self.bill.lines}
        return kind_of([(each.part, each.status, each.amount) for each in self.posted], due)


def bill_changes(plan: Plan, bill: Bill, scene: Scene) -> Iterator[Change]:
    """What should happen to the lines of one bill."""
    key = known_key(bill, scene.evidence)
    period = _Period(plan, bill, key, scene.evidence.parts(bill, key), scene)
    in_window = any(day in scene.window for day in dates_of(bill))
    due: Due = "comparable" if bill.correctable and not bill.held else "fixed"
    row = decide(period.kind, due, in_window=in_window)
    difference = _unsettled_difference(period, in_window=in_window) if row == "correct" else 0
    if row in {"wait", "stands"} or (row == "correct" and in_window):
        yield from _standing(period, hidden=frozenset({"visible"} if difference else ()))
    elif row == "removed":
        yield from _standing(period, only=frozenset({"removed_upstream"}))
    if row in {"new", "missed", "stands", "gaps", "wait"}:
        yield from _new_lines(period, only_held=row == "wait")
    if difference:
        change = corrected(
            plan,
            bill,
            key,
            period.posted,
            difference=difference,
            evidence=scene.evidence,
            integration=scene.integration,
        )
        yield msgspec.structs.replace(change, stands=visible_amount(period.posted) if in_window else 0)


def _unsettled_difference(period: _Period, *, in_window: bool) -> int:
    """What the period's correction would be; nothing where a person accepted what is there.

    A posting may stand on the record of people who were merged: the person spoke of it by its own key.
    """
    voided = period.scene.evidence.voided(period.bill, period.key)
    difference = difference_of(period.bill, period.posted, voided, in_window=in_window)
    there = sum(each.amount for each in period.posted)
    names = {key.with_part(0).reference for key in (period.key, *(each.key for each in period.posted))}
    decisions = period.scene.evidence.decisions
    accepted = any(decisions.is_accepted(name, there + difference, there) for name in names)
    return 0 if accepted else difference


def known_key(bill: Bill, evidence: Evidence) -> Key:
    """The bill's key, or that of another resident of the household under which the period already has a line."""
    keys = (bill.key, *bill.alternates)
    return next((key for key in keys if bill.alternates and evidence.parts(bill, key)), bill.key)


def _standing(
    period: _Period, *, hidden: frozenset[Status] = frozenset(), only: frozenset[Status] | None = None
) -> Iterator[Change]:
    """What is posted, as it stands. Visible parts of a period that will be corrected are ``hidden``: the correction names them."""
    lines = {line.key.part: line for line in period.bill.lines}
    for each in period.posted:
        if each.status in hidden or (only is not None and each.status not in only):
            continue
        line = lines.get(each.part)
        if line is not None and line.natural_date not in period.scene.window and only is None:
            continue
        posted = as_posted(line or period.bill.draft, each)
        yield change_of(_STATUS_ACTION[each.status], None, posted, each.synced)


def _new_lines(period: _Period, *, only_held: bool = False) -> Iterator[Change]:
    """The lines that are due and were never posted: to create in the window, missed before it."""
    scene, posted = period.scene, {each.part for each in period.posted}
    number = 0
    for line in period.bill.lines:
        if line.key.part in posted or (only_held and not line.hold):
            continue
        if line.natural_date not in scene.window and not _is_missed(line, scene):
            continue
        key = period.key.with_part(line.key.part)
        if scene.evidence.is_voided(key.reference):
            # What was voided keeps its number: the ledger may show it for a while yet.
            key = scene.evidence.next_correction(period.key)
            key = key.with_part(key.part + number)
            number += 1
        yield _new(msgspec.structs.replace(line, key=key, reference=key.reference), period)


def _is_missed(line: Line, scene: Scene) -> bool:
    name = line.key.charge.partition("/")[0]
    return line.natural_date < scene.window.first and scene.evidence.covers(
        line.key.plan, name, line.natural_date
    )


def _new(line: Line, period: _Period) -> Change:
    scene = period.scene
    scene.problems.update(dict.fromkeys(line.problems))
    if line.hold:
        return change_of("hold", line.hold, line)
    if line.reference in scene.evidence.decisions.contradicted:
        return change_of("hold", "probable_duplicate", line, detail=_contradicted(line.reference))
    refused = scene.evidence.refusal(line.reference)
    before = line.natural_date < scene.window.first
    action: Action = "missed" if before and not period.plan.posts_missed else "create"
    return change_of(action, None, line, detail=refused)


def _contradicted(reference: str) -> str:
    return (
        f"a person said that it was not posted, and the write log calls its request a success. If it is on the ledger: "
        f"`chargeplan resolve {reference} --posted --reason TEXT`. If it certainly is not: "
        f"`chargeplan resolve {reference} --not-posted --reason TEXT`."
    )
