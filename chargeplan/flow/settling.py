"""Settle what is open: jobs by their write status, lost requests by the write log, postings by the snapshot.

design.md, *Posting, step by step*, steps 4 to 6: presence proves, absence proves nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial

import msgspec

from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import Days
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.matching import match_by_content
from chargeplan.core.observed import SyncedCharge
from chargeplan.core.posting import Posting, State, WriteLogEntry
from chargeplan.core.settle import Settled
from chargeplan.core.system import System
from chargeplan.flow.jobs import Job, ended_jobs, job_outcome, system_of, time_range
from chargeplan.flow.logs import read_log
from chargeplan.flow.ports import Journal, Ports, Snapshot

_ACTOR = "reconcile"
# Operators date what they post late.
_MARGIN = timedelta(days=45)


def noted(write: Callable[[], None]) -> bool:
    """Write a new state; false where another run has settled the same lines meanwhile.

    Raises:
        ChargeplanError: the journal could not be written.
    """
    try:
        write()
    except ChargeplanError as problem:
        if problem.code != "illegal_transition":
            raise
        return False
    return True


def settle_jobs(ports: Ports) -> list[Settled]:
    """Ask once what became of the jobs that are still queued, and record what is said."""
    moved: list[Settled] = []
    by_batch = _by_batch(ports.journal.open_postings(), {"queued"})
    jobs = [
        Job(batch_id, lines[0].job_id, lines[0].integration_id, min(line.since for line in lines))
        for batch_id, lines in by_batch.items()
        if lines[0].job_id is not None
    ]
    for ended in ended_jobs(jobs, ports):
        lines, state, reason = by_batch[ended.job.batch_id], ended.state, ended.reason
        if _noted_of(
            ports.journal, lines, state, record_id=ended.record_id, errors=ended.errors, reason=reason
        ):
            moved += [Settled(msgspec.structs.replace(line, state=state), "queued", reason) for line in lines]
    return moved


def _noted_of(
    journal: Journal,
    lines: Sequence[Posting],
    state: State,
    *,
    job_id: str | None = None,
    record_id: str | None = None,
    errors: Sequence[str] = (),
    reason: str,
) -> bool:
    """Write the new state of the lines, which are of one batch; false where another run has settled one meanwhile."""
    references = [line.reference for line in lines]
    record = partial(
        journal.record,
        job_id=job_id,
        record_id=record_id,
        errors=errors,
        references=references,
        reason=reason,
    )
    return noted(partial(record, lines[0].batch_id, state))


def settle_killed(journal: Journal, held: frozenset[tuple[str, str]]) -> list[Settled]:
    """An intent without an outcome, in a property that no other run holds, is a run that was killed: unknown."""
    moved: list[Settled] = []
    for lines in _by_batch(journal.open_postings(), {"intended"}).values():
        if (lines[0].integration_id, lines[0].property_id) not in held:
            continue
        reason = "the run ended before it recorded an outcome"
        if _noted_of(journal, lines, "unknown", errors=[reason], reason=reason):
            moved += [
                Settled(msgspec.structs.replace(line, state="unknown"), "intended", reason) for line in lines
            ]
    return moved


def settle_unknown(ports: Ports) -> list[Settled]:
    """Look for lost requests in the write log, by our batch id; a missing entry proves nothing."""
    moved: list[Settled] = []
    unknown = [posting for posting in ports.journal.open_postings() if posting.state == "unknown"]
    by_integration: dict[str, list[Posting]] = defaultdict(list)
    for each in unknown:
        by_integration[each.integration_id].append(each)
    # A killed run's lines became unknown when somebody looked, which may be days after the request.
    sent = {each.batch_id: each.created_at for each in ports.journal.batches()} if unknown else {}
    for integration_id, lines in by_integration.items():
        oldest = min(sent.get(line.batch_id) or line.since for line in lines)
        entries = read_log(ports, integration_id, time_range(oldest, ports.clock))
        for batch in _by_batch(lines, {"unknown"}).values():
            moved += _by_log(ports, batch, entries)
    return moved


def _by_log(ports: Ports, lines: Sequence[Posting], entries: Sequence[WriteLogEntry]) -> list[Settled]:
    """The lines of one batch, settled by the first entry of it that proves anything; none where none does."""
    batch_id, system = lines[0].batch_id, system_of(ports.integrations, lines[0].integration_id)
    for entry in entries:
        if batch_id not in entry.batch_ids:
            continue
        state, reason = _logged(ports, entry, system)
        if state is None:
            continue
        if not _noted_of(ports.journal, lines, state, job_id=entry.job_id, reason=reason):
            return []
        settled = [msgspec.structs.replace(line, state=state, job_id=entry.job_id) for line in lines]
        return [Settled(posting, "unknown", reason) for posting in settled]
    return []


def _logged(ports: Ports, entry: WriteLogEntry, system: System) -> tuple[State | None, str]:
    """What an entry of the log proves. It calls a partial success a FAILURE too, so the job itself is asked."""
    if entry.status == "SUCCESS":
        return "accepted", f"the write log has the batch: job {entry.job_id} succeeded"
    if entry.error is None or not system.nothing_written((entry.error,)):
        return None, ""
    state, reason = job_outcome(system, ports.remote.job_status(entry.job_id))
    return ("not_posted", f"the write log has the batch: {reason}") if state == "refused" else (None, "")


def settle_seen(ports: Ports) -> list[Settled]:
    """Postings whose charge is among the synced ones are visible: by reference, else by content."""
    moved: list[Settled] = []
    by_property: dict[tuple[str, str], list[Posting]] = defaultdict(list)
    for posting in ports.journal.open_postings():
        by_property[posting.integration_id, posting.property_id].append(posting)
    for (integration_id, _), lines in by_property.items():
        integration = ports.integrations.get(integration_id)
        if integration is not None:
            moved += _seen(ports.journal, ports.snapshot, integration, lines)
    return moved


def neighbourhood(lines: Sequence[Posting], integration: IntegrationConfig | None) -> Days:
    """The days on which the charges of these lines may turn up on the ledger."""
    margin = _MARGIN + timedelta(days=integration.date_tolerance if integration else 0)
    first = min(min(line.transaction_date, line.period_first) for line in lines)
    last = max(max(line.transaction_date, line.period_last) for line in lines)
    return Days(first - margin, last + margin)


def _seen(
    journal: Journal, snapshot: Snapshot, integration: IntegrationConfig, lines: Sequence[Posting]
) -> Iterator[Settled]:
    # By reference at any date: what was approved months late proves no less.
    by_reference = snapshot.charges_of(integration.id, [line.reference for line in lines])
    unseen = [line for line in lines if line.reference not in by_reference]
    matched = _matched(journal, snapshot, integration, unseen) if unseen else {}
    for line in lines:
        if line.reference in by_reference:
            charge_id, how = by_reference[line.reference], "seen on the ledger by its reference"
        elif line.reference in matched and line.state in {"queued", "accepted"}:
            charge_id, how = (
                matched[line.reference].id,
                "seen on the ledger by resident, code, amount and date",
            )
        else:
            continue
        if noted(partial(journal.settle, line.id, "visible", charge_id=charge_id, reason=how, actor=_ACTOR)):
            yield Settled(
                msgspec.structs.replace(line, state="visible", charge_id=charge_id), line.state, how
            )


def _matched(
    journal: Journal, snapshot: Snapshot, integration: IntegrationConfig, lines: Sequence[Posting]
) -> Mapping[str, SyncedCharge]:
    """Charges that are like postings of the lines' property, by the postings' references, around the days of ``lines``."""
    # A plan of another month has not read all of these days, one of another integration none; `reconcile` does.
    try:
        days = neighbourhood(lines, integration).common(snapshot.covered(integration.id))
    except ChargeplanError as problem:
        if problem.code != "never_read":
            raise
        return {}
    if days is None:
        return {}
    property_id = lines[0].property_id
    observed = snapshot.property(integration.id, property_id, days)
    references = {charge.reference for charge in observed.charges if charge.reference}
    # All of them, of whatever day: each keeps the charge that it once was matched with.
    postings = journal.briefs(integration.id, property_id, None)
    return match_by_content(postings, observed.charges, references, integration)


def _by_batch(postings: Sequence[Posting], states: set[str]) -> dict[str, list[Posting]]:
    found: dict[str, list[Posting]] = defaultdict(list)
    for posting in postings:
        if posting.state in states:
            found[posting.batch_id].append(posting)
    return found
