"""Desired against recorded and observed: what should happen, line by line, and why.

The decision table of plan-language.md, *What already exists, and what follows*, and *Corrections*. For one period under
one key:

    nothing posted                       each line: create, hold, or hold as a probable duplicate
    any part unknown or removed          each part says so; no correction
    posted parts as they should be       unchanged or in flight; missing later parts are created
    the sums agree                       unchanged or in flight
    else                                 one correction (``on_drift: adjust``) or one drift

Before the window only the last row counts, and only where days, not prices, changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from chargeplan.core.bill import Bill
from chargeplan.core.change import Change, change_of
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.corrections import as_posted, corrected, dates_of, difference_of, visible_amount
from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.duplicates import ForeignCharges, Twins, duplicate_named, twin_named
from chargeplan.core.evidence import Evidence, PostedPart
from chargeplan.core.key import Key
from chargeplan.core.line import Line
from chargeplan.core.observed import SyncedCharge
from chargeplan.core.plan import Plan

_STATUS_ACTION = {
    "visible": "unchanged",
    "in_flight": "in_flight",
    "unknown": "unknown",
    "removed_upstream": "removed_upstream",
}


class Scene(msgspec.Struct):
    """What every bill of a property is compared with; ``problems`` collects what is wrong with the texts of lines to post."""

    evidence: Evidence
    foreign: ForeignCharges
    twins: Twins
    integration: IntegrationConfig
    window: Days
    problems: dict[Diagnostic, None] = msgspec.field(default_factory=dict)


def bill_changes(plan: Plan, bill: Bill, scene: Scene) -> Iterator[Change]:
    """What should happen to the lines of one bill."""
    evidence, window = scene.evidence, scene.window
    key = _known_key(bill, evidence)
    posted = evidence.parts(bill, key)
    if not posted:
        for line in bill.lines:
            if line.natural_date in window:
                yield _new(bill, line, scene)
        return
    in_window = any(day in window for day in dates_of(bill))
    by_part = {each.part: each for each in posted}
    if in_window:
        yield from _standing_parts(bill, posted, window)
    if _blocked(posted) or bill.held or not bill.correctable:
        yield from _missing(bill, by_part, key, scene, only_held=_blocked(posted))
        return
    if _agree(bill, by_part):
        yield from _missing(bill, by_part, key, scene, only_held=False)
        return
    difference = difference_of(bill, posted, in_window=in_window)
    if difference:
        change = corrected(plan, bill, key, posted, difference, evidence, scene.integration)
        yield msgspec.structs.replace(change, stands=visible_amount(posted)) if in_window else change


def _known_key(bill: Bill, evidence: Evidence) -> Key:
    """The bill's key, or that of another resident of the household under which the period already has a line."""
    keys = (bill.key, *bill.alternates)
    return next((key for key in keys if bill.alternates and evidence.parts(bill, key)), bill.key)


def _blocked(posted: Sequence[PostedPart]) -> bool:
    return any(each.status in {"unknown", "removed_upstream"} for each in posted)


def _agree(bill: Bill, posted: dict[int, PostedPart]) -> bool:
    """Whether every posted part is one that is due, at its amount, and there are no corrections."""
    due = {n: line.amount for n, line in _numbered(bill)}
    return all(part in due and due[part] == each.amount for part, each in posted.items())


def _numbered(bill: Bill) -> Iterator[tuple[int, Line]]:
    for line in bill.lines:
        yield line.key.part, line


def _standing_parts(bill: Bill, posted: Sequence[PostedPart], window: Days) -> Iterator[Change]:
    """What is posted, as it stands. Visible parts of a period that will be corrected are told by the correction."""
    due = sum(line.amount or 0 for line in bill.lines)
    differs = (
        bill.correctable
        and not bill.held
        and not _blocked(posted)
        and due != sum(each.amount for each in posted)
    )
    lines = dict(_numbered(bill))
    agreed = _agree(bill, {each.part: each for each in posted})
    for each in posted:
        if each.status == "visible" and differs and not agreed:
            continue
        line = lines.get(each.part)
        if line is not None and line.natural_date not in window:
            continue
        line = line or bill.draft
        yield change_of(_STATUS_ACTION[each.status], None, as_posted(line, each), each.synced)


def _missing(
    bill: Bill, posted: dict[int, PostedPart], key: Key, scene: Scene, *, only_held: bool
) -> Iterator[Change]:
    for number, line in _numbered(bill):
        if number in posted or line.natural_date not in scene.window or (only_held and not line.hold):
            continue
        moved = key.with_part(number)
        yield _new(bill, msgspec.structs.replace(line, key=moved, reference=moved.reference), scene)


def _new(bill: Bill, line: Line, scene: Scene) -> Change:
    scene.problems.update(dict.fromkeys(line.problems))
    if line.hold:
        return change_of("hold", line.hold, line)
    if duplicate := scene.foreign.take(line):
        synced = duplicate if isinstance(duplicate, SyncedCharge) else None
        return change_of(
            "hold", "probable_duplicate", line, synced, detail=duplicate_named(duplicate, scene.evidence)
        )
    if twin := scene.twins.of(bill, line):
        return change_of("hold", "probable_duplicate", line, detail=twin_named(twin))
    return change_of("create", None, line, detail=scene.evidence.refusal(line.reference))
