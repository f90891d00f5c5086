"""The documents of ``--json`` (interface.md): one function each, from values to plain JSON values, and one `dump`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from chargeplan import __version__
from chargeplan.core.change import (
    ACTIONS,
    Change,
    ChangeSet,
    GuardResult,
    Movement,
    ObservedMark,
    Previous,
    Synced,
    Total,
    UnusedRow,
)
from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic, Place
from chargeplan.core.errors import ChargeplanError, InputError, StalePlanError
from chargeplan.core.line import AllocationReport, Skip
from chargeplan.core.posting import Batch, Posting
from chargeplan.core.settle import Settled
from chargeplan.core.statement import Control, Decision, Statement
from chargeplan.render.approvals import Standing, Unverified, approvals_entry
from chargeplan.render.summary import Summary, summarize
from chargeplan.render.words import HINTS, hint_of

FORMAT_VERSION: Final = "1.0"
Document = dict[str, Any]

# Legal inside JSON text, yet a terminal obeys them or is fooled by them; JSON can spell every one as \uXXXX.
_OBEYED: Final = re.compile("[\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def dump(document: Document) -> str:
    """The document as text: one JSON value, indented, and a line end."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    return _OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"


# --- the plan ------------------------------------------------------------------------------------------------------


def plan_document(
    change_set: ChangeSet,
    *,
    digest: str,
    all: bool = False,  # noqa: A002 - the option's name
    summary: Summary | None = None,
    approvals: Standing | Unverified | None = None,
) -> Document:
    """The plan document. ``summary`` is given for a saved plan, which counts more than it lists.

    ``approvals`` is there for a saved plan where some are asked for or given.

    ``applyable``: something is to post, no error, no guard refused. ``complete``: all that was asked for was planned, that
    is, no error; holds and open outcomes do not make a plan incomplete, they are part of it.
    """
    listed = [change for change in change_set.changes if all or change.action != "unchanged"]
    return {
        "format_version": FORMAT_VERSION,
        "tool_version": __version__,
        "kind": "plan",
        "plan_id": change_set.plan_id,
        "digest": digest,
        "environment": change_set.environment,
        "as_of": change_set.as_of.isoformat(),
        "window": _days(change_set.window),
        "observed": [_mark(each) for each in change_set.observed],
        "errored": change_set.errored,
        "applyable": bool(change_set.to_post()) and not change_set.errored and not change_set.refused,
        "complete": not change_set.errored,
        "totals": totals_entry((summary or summarize(change_set)).totals),
        "changes": [change_entry(change) for change in listed],
        "skips": [_skip(each) for each in change_set.skips] if all else [],
        "allocations": [_allocation(each) for each in change_set.allocations],
        "unused_rows": [_unused(each) for each in change_set.unused_rows],
        "previous": [
            _previous(property_id, code, previous)
            for property_id, codes in change_set.previous.items()
            for code, previous in sorted(codes.items())
        ],
        "movements": [_movement(each) for each in change_set.movements] if all else [],
        "guards": [guard_entry(each) for each in change_set.guards],
        "diagnostics": [diagnostic_entry(each) for each in change_set.diagnostics],
        **({"approvals": approvals_entry(approvals)} if approvals else {}),
    }


def _previous(property_id: str, code: str, previous: Previous) -> Document:
    return {
        "property_id": property_id,
        "charge_code": code,
        "count": previous.count,
        "amount_in_cents": previous.amount,
        "now_in_cents": previous.now,
        "posted_in_cents": previous.posted,
        **{kind: previous.of(kind) for kind in ("new", "gone", "changed")},
        "reasons": previous.counts,
    }


def _unused(row: UnusedRow) -> Document:
    return {
        "file": row.file,
        "line": row.line,
        "plan": row.plan,
        "charge": row.charge,
        "key": row.key,
        "amount_in_cents": row.amount,
        "reason": row.reason,
    }


def _movement(movement: Movement) -> Document:
    return {
        "kind": movement.kind,
        "reason": movement.reason,
        "property_id": movement.property_id,
        "charge_code": movement.charge_code,
        "unit_number": movement.unit_number,
        "lease_id": movement.lease_id,
        "resident_id": movement.resident_id,
        "before_in_cents": movement.before,
        "now_in_cents": movement.now,
    }


def change_entry(change: Change) -> Document:
    """One change; ``override`` and ``detail`` only where there is one."""
    entry: Document = {
        "action": change.action,
        "reason": change.reason,
        "reference_number": change.reference,
        "plan": change.plan,
        "charge": change.charge,
        "part": change.part,
        "integration_id": change.integration_id,
        "property_id": change.property_id,
        "lease_id": change.lease_id,
        "resident_id": change.resident_id,
        "unit_number": change.unit_number,
        "charge_code_id": change.charge_code_id,
        "charge_code": change.charge_code,
        "service_period": _days(change.service),
        "transaction_date": change.transaction_date.isoformat(),
        "amount_in_cents": change.amount,
        "description": change.description,
        "notes": change.notes,
        "source": _source(change.place),
        "synced": _synced(change.synced),
        "unit_id": change.unit_id,
        "item": change.item,
        "financial_account_id": change.account_id or None,
        "account": change.account or None,
        "route": change.route,
    }
    if change.override:
        entry["override"] = {"reason": change.override.reason, "line": change.override.line}
    if change.detail:
        entry["detail"] = change.detail
    return entry


def totals_entry(totals: Mapping[str, Total]) -> Document:
    """Totals by word, actions in their order and other words after them."""
    order = [*(action for action in ACTIONS if action in totals), *(t for t in totals if t not in ACTIONS)]
    return {word: {"count": totals[word].count, "amount_in_cents": totals[word].amount} for word in order}


def guard_entry(guard: GuardResult) -> Document:
    """One guard's verdict."""
    entry: Document = msgspec.to_builtins(guard)
    return entry


def diagnostic_entry(diagnostic: Diagnostic) -> Document:
    """One diagnostic; ``range`` is null where it has no place."""
    place = diagnostic.place
    return {
        "severity": diagnostic.severity,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
        "range": {"file": place.file, "line": place.line, "column": place.column} if place else None,
    }


def _days(days: Days) -> Document:
    return _span(days.first, days.last)


def _span(first: date, last: date) -> Document:
    return {"from": first.isoformat(), "through": last.isoformat()}


def _source(place: Place) -> Document:
    return {"file": place.file, "line": place.line}


def _synced(synced: Synced | None) -> Document | None:
    if synced is None:
        return None
    day = synced.transaction_date.isoformat() if synced.transaction_date else None
    return {"id": synced.id, "amount_in_cents": synced.amount, "transaction_date": day}


def _mark(mark: ObservedMark) -> Document:
    entry: Document = msgspec.to_builtins(mark)
    return entry


def _skip(skip: Skip) -> Document:
    entry: Document = {
        "plan": skip.plan,
        "charge": skip.charge,
        "lease_id": skip.lease_id,
        "resident_id": skip.resident_id,
        "reason": skip.reason,
        "property_id": skip.property_id,
        "unit_number": skip.unit_number,
    }
    if skip.detail:
        entry["detail"] = skip.detail
    if skip.transaction_date is not None:
        entry |= {"transaction_date": skip.transaction_date.isoformat(), "amount_in_cents": skip.amount}
    return entry


def _allocation(report: AllocationReport) -> Document:
    return {
        "plan": report.plan,
        "charge": report.charge,
        "property_id": report.property_id,
        "service_period": _days(report.service),
        "bill_in_cents": report.bill,
        "common_area_in_cents": report.common_area,
        "vacant_in_cents": report.vacant,
        "charged_in_cents": report.charged,
        "units": [
            {"unit_number": unit.unit_number, "lease_id": unit.lease_id, "share_in_cents": unit.share}
            for unit in report.units
        ],
    }


# --- what became of it ---------------------------------------------------------------------------------------------


def apply_document(
    plan_id: str, outcome: str, totals: Mapping[str, Total], batches: Sequence[Batch]
) -> Document:
    """The result of ``apply``; ``totals`` by ``posted``, ``refused``, ``unknown`` and ``pending``, zero where missing."""
    # Lines that a stopped run did not reach are told where there are any; a plan file goes on with them.
    words = ("posted", "refused", "unknown", "pending", *(("unsent",) if "unsent" in totals else ()))
    return {
        "kind": "apply",
        "plan_id": plan_id,
        "outcome": outcome,
        "totals": totals_entry({word: totals.get(word, Total()) for word in words}),
        "batches": [batch_entry(batch) for batch in batches],
    }


def batch_entry(batch: Batch) -> Document:
    """One batch of an apply."""
    return {
        "batch_id": batch.batch_id,
        "property_id": batch.property_id,
        "job_id": batch.job_id,
        "state": batch.state,
        "count": batch.count,
        "amount_in_cents": batch.amount,
        "errors": list(batch.errors),
    }


def posting_entry(posting: Posting, action: str) -> Document:
    """A posting as a change object, with what is known of its way; ``action`` says why it is listed."""
    return {
        "action": action,
        "reason": None,
        "reference_number": posting.reference,
        "plan": posting.plan,
        "charge": posting.charge,
        "part": posting.part,
        "integration_id": posting.integration_id,
        "property_id": posting.property_id,
        "lease_id": posting.lease_id,
        "resident_id": posting.resident_id,
        "unit_number": posting.unit_number,
        "charge_code_id": posting.charge_code_id,
        "charge_code": posting.charge_code,
        "service_period": _span(posting.service_first, posting.service_last),
        "transaction_date": posting.transaction_date.isoformat(),
        "amount_in_cents": posting.amount,
        "description": posting.description,
        "notes": posting.notes,
        "source": {"file": posting.source_file, "line": posting.source_line},
        "synced": {"id": posting.charge_id, "amount_in_cents": None, "transaction_date": None}
        if posting.charge_id
        else None,
        "unit_id": posting.unit_id,
        "item": posting.item,
        "financial_account_id": posting.account_id or None,
        "account": posting.account or None,
        "route": posting.route or None,
        "state": posting.state,
        "batch_id": posting.batch_id,
        "job_id": posting.job_id,
        "since": posting.since,
        "hint": HINTS.get(action, ""),
        **({"detail": posting.error} if posting.error else {}),
    }


def status_document(
    *,
    in_flight: Sequence[Posting],
    unknown: Sequence[Posting],
    overdue: Sequence[Posting],
    removed_upstream: Sequence[Posting],
    waiting: Mapping[str, Sequence[Change]],
) -> Document:
    """What is open, and what ``waiting`` has for a person by action. An overdue line is listed as overdue, not in flight as well."""
    lists = {
        "in_flight": in_flight,
        "unknown": unknown,
        "overdue": overdue,
        "removed_upstream": removed_upstream,
    }
    return {
        "kind": "status",
        **{
            # Overdue is no action of a change: such a line is still in flight.
            name: [
                {**posting_entry(each, _action(name)), "hint": HINTS[name].replace("REF", each.reference)}
                for each in postings
            ]
            for name, postings in lists.items()
        },
        **{name: [_waiting_entry(each) for each in changes] for name, changes in waiting.items()},
        "totals": totals_entry(
            {name: total_of(postings) for name, postings in lists.items()}
            | {name: total_of(changes) for name, changes in waiting.items()}
        ),
    }


def _waiting_entry(change: Change) -> Document:
    nowhere = {"state": None, "batch_id": None, "job_id": None, "since": None}
    return {**change_entry(change), **nowhere, "hint": hint_of(change)}


def _action(name: str) -> str:
    return "in_flight" if name == "overdue" else name


def total_of(lines: Iterable[Posting | Change]) -> Total:
    """How many and how much."""
    total = Total()
    for line in lines:
        total = total.plus(line.amount)
    return total


def reconcile_document(moved: Sequence[Settled], still_open: Mapping[str, Total]) -> Document:
    """What a reconciliation moved, and what is still open (``in_flight``, ``unknown``, ``overdue``)."""
    return {
        "kind": "reconcile",
        "moved": [
            {
                "reference_number": each.posting.reference,
                "plan": each.posting.plan,
                "charge": each.posting.charge,
                "property_id": each.posting.property_id,
                "unit_number": each.posting.unit_number,
                "amount_in_cents": each.posting.amount,
                "batch_id": each.posting.batch_id,
                "job_id": each.posting.job_id,
                "from": each.before,
                "to": each.posting.state,
                "charge_id": each.posting.charge_id,
                "reason": each.reason,
            }
            for each in moved
        ],
        "totals": totals_entry(still_open),
    }


# --- everything else -----------------------------------------------------------------------------------------------


def history_document(statement: Statement) -> Document:
    """The journal's events, as the journal tells them, with the control totals of each plan and the lines' totals by code."""
    return {
        "kind": "history",
        "since": statement.since,
        "through": statement.through,
        "period": None if statement.period is None else f"{statement.period.first:%Y-%m}",
        "balanced": statement.balanced,
        "totals": totals_entry(
            {"planned": statement.planned, "accepted": statement.accepted, "visible": statement.visible}
        ),
        "codes": [
            {
                "property_id": each.property_id,
                "charge_code": each.charge_code,
                "totals": totals_entry(
                    {"sent": each.sent, "accepted": each.accepted, "visible": each.visible}
                ),
            }
            for each in statement.codes
        ],
        "control_totals": [_control(each) for each in statement.controls],
        "decisions": [_decision(each) for each in statement.decisions],
        "events": [dict(event) for event in statement.events],
    }


def _control(control: Control) -> Document:
    return {
        "plan_id": control.plan_id,
        "digest": control.digest,
        "at": control.at,
        "actor": control.actor,
        "environment": control.environment,
        "approval": control.approval,
        "approvals": [msgspec.to_builtins(each) for each in control.approvals],
        "window": {"from": control.window[0] or None, "through": control.window[1] or None},
        "overrides": [{"guard": each.guard, "reason": each.reason} for each in control.overrides],
        "balanced": control.balanced,
        "totals": totals_entry(
            {
                "planned": control.planned,
                "accepted": control.accepted,
                "visible": control.visible,
                "visible_by_word": control.by_word,
                **control.others,
            }
        ),
    }


def _decision(decision: Decision) -> Document:
    return {
        "at": decision.at,
        "actor": decision.actor,
        "what": decision.what,
        "subject": decision.subject,
        "count": decision.count,
        "amount_in_cents": decision.amount,
        "reason": decision.reason,
    }


def locks_document(locks: Iterable[Mapping[str, object]]) -> Document:
    """The locks that are held."""
    return {"kind": "locks", "locks": [dict(lock) for lock in locks]}


def validate_document(diagnostics: Sequence[Diagnostic]) -> Document:
    """The result of ``validate``: warnings leave it valid."""
    return {
        "kind": "validate",
        "valid": not any(each.is_error for each in diagnostics),
        "diagnostics": [diagnostic_entry(each) for each in diagnostics],
    }


def error_document(error: ChargeplanError) -> Document:
    """The failure of any command; ``references`` names the lines of a stale plan."""
    diagnostics = error.diagnostics if isinstance(error, InputError) else ()
    document: Document = {
        "kind": "error",
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "diagnostics": [diagnostic_entry(each) for each in diagnostics],
    }
    if isinstance(error, StalePlanError) and error.references:
        document["references"] = list(error.references)
    return document
