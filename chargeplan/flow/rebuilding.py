"""Rebuild a lost journal from what is observed: charges with our references, and the write log of the last month.

Only references that the loaded plans can explain are taken in; a charge whose key no plan yields any more can't be
told apart from another project's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec

from chargeplan.core.change import Change
from chargeplan.core.config import Project
from chargeplan.core.dates import Days, add_months
from chargeplan.core.posting import Posting, posting_of
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.planning import make_plan
from chargeplan.flow.ports import Journal, Remote, Snapshot

_MONTHS_BACK = 2


def found_postings(
    project: Project, request: PlanRequest, snapshot: Snapshot, journal: Journal, remote: Remote
) -> list[Posting]:
    """Postings of the months around the window that the ledgers or the write log prove."""
    found = {each.reference: each for each in _on_ledgers(project, request, snapshot, journal)}
    for each in _in_log(project, request, snapshot, journal, remote):
        found.setdefault(each.reference, each)
    return list(found.values())


def _plan(project: Project, request: PlanRequest, snapshot: Snapshot, journal: Journal) -> Sequence[Change]:
    first = add_months(request.window.first, -_MONTHS_BACK)
    days = Days(first, request.window.last + timedelta(days=31))
    wide = msgspec.structs.replace(request, window=days, listing_all=True)
    planned = make_plan(project, wide, snapshot, journal, plan_id="rebuild", environment="")
    return planned.change_set.changes


def _on_ledgers(
    project: Project, request: PlanRequest, snapshot: Snapshot, journal: Journal
) -> Iterator[Posting]:
    for change in _plan(project, request, snapshot, journal):
        if change.synced is not None and change.action in {"unchanged", "drift", "removed_upstream"}:
            amount = change.synced.amount if change.synced.amount is not None else change.amount
            day = change.synced.transaction_date or change.transaction_date
            yield msgspec.structs.replace(
                posting_of(change),
                amount=amount or 0,
                transaction_date=day,
                state="visible",
                charge_id=change.synced.id,
                plan_id="rebuild",
            )


def _in_log(
    project: Project, request: PlanRequest, snapshot: Snapshot, journal: Journal, remote: Remote
) -> Iterator[Posting]:
    lines = {
        change.reference: change
        for change in _plan(project, request, snapshot, journal)
        if change.action in {"create", "hold"}
    }
    for integration_id in dict.fromkeys(plan.integration_id for plan in project.plans):
        for entry in remote.write_log(integration_id, "month"):
            batch_id = next(iter(sorted(entry.batch_ids)), "")
            for reference in sorted(entry.references & lines.keys()):
                state = "accepted" if entry.status == "SUCCESS" else "unknown"
                change = lines[reference]
                yield msgspec.structs.replace(
                    posting_of(change),
                    state=state,
                    batch_id=batch_id,
                    job_id=entry.job_id,
                    plan_id="rebuild",
                    error=entry.error,
                )
