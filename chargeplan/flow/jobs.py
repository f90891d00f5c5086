"""What became of write jobs (design.md, *Posting, step by step*, 4): many by one look at the write log, few by asking each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from chargeplan.core.config import IntegrationConfig
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.posting import JobStatus, State, WriteLogEntry
from chargeplan.core.system import System
from chargeplan.flow.logs import read_log
from chargeplan.flow.ports import Clock, Ports

FEW = 5
"""So many jobs of an integration are asked one by one; of more, the write log is read, which has 100 in a page."""


class Job(msgspec.Struct, frozen=True):
    """A job that was pending when last heard of. ``since`` is when it began, RFC 3339 in UTC."""

    batch_id: str
    job_id: str
    integration_id: str
    since: str


class Ended(msgspec.Struct, frozen=True):
    """A job that ended: the state of its lines, and why."""

    job: Job
    state: State
    reason: str
    record_id: str | None = None

    @property
    def errors(self) -> list[str]:
        """What the journal keeps as the batch's errors: nothing where all is well."""
        return [self.reason] if self.state in {"refused", "unknown"} else []


def system_of(integrations: Mapping[str, IntegrationConfig], integration_id: str) -> System:
    """The property system of an integration; of one that is not configured any more, nothing is known."""
    found = integrations.get(integration_id)
    return System(name="") if found is None else found.system


def job_outcome(system: System, status: JobStatus) -> tuple[State | None, str]:
    """What a job's status makes of its lines, and why; ``None`` while nothing can be said."""
    match status.status:
        case "PENDING":
            return None, "the job is still pending"
        case "SUCCESS":
            return "accepted", "the job succeeded"
        case "FAILURE" if system.nothing_written(status.errors):
            return "refused", "; ".join(status.errors)
        case "missing":
            return "unknown", "Propexo does not know the job any more"
        case _:
            errors = "; ".join(status.errors) or "no reason given"
            return "unknown", f"the job ended {status.status}: {errors}"


def ended_jobs(jobs: Sequence[Job], ports: Ports) -> Iterator[Ended]:
    """Those of the jobs that ended, as they are found; of many that the log does not have, the oldest few are asked.

    Raises:
        ChargeplanError: Propexo can't be asked now.
    """
    by_integration: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_integration[job.integration_id].append(job)
    for group in by_integration.values():
        log = _log(group, ports) if len(group) > FEW else None
        yield from _one_by_one(group, ports) if log is None else _by_log(group, log, ports)


def _one_by_one(jobs: Sequence[Job], ports: Ports) -> Iterator[Ended]:
    for job in jobs:
        system = system_of(ports.integrations, job.integration_id)
        status = ports.remote.job_status(job.job_id)
        state, reason = job_outcome(system, status)
        if state is not None:
            yield Ended(job, state, reason, status.record_id)


def _by_log(jobs: Sequence[Job], log: Mapping[str, WriteLogEntry], ports: Ports) -> Iterator[Ended]:
    any_ended = False
    for job in jobs:
        entry = log.get(job.job_id)
        if entry is None:
            continue
        if entry.status == "SUCCESS":
            ended = [Ended(job, "accepted", "the job succeeded, says the write log")]
        else:
            # The log calls a partial success a FAILURE too, so the job itself is asked.
            ended = [*_one_by_one([job], ports)]
        any_ended = any_ended or bool(ended)
        yield from ended
    if not any_ended:
        # The entries may be late or missing, and the jobs long over.
        yield from _one_by_one([job for job in jobs if job.job_id not in log][:FEW], ports)


def _log(jobs: Sequence[Job], ports: Ports) -> dict[str, WriteLogEntry] | None:
    """What the write log has of these jobs: those that ended (propexo-api.md, section 8); ``None`` where it can't be read."""
    wanted = {job.job_id for job in jobs}
    try:
        oldest = min(job.since for job in jobs)
        entries = read_log(ports, jobs[0].integration_id, time_range(oldest, ports.clock))
    except ChargeplanError:
        # Not every token may read the log. Each job is asked then, which says so where nothing can be asked at all.
        return None
    return {entry.job_id: entry for entry in entries if entry.job_id in wanted}


def time_range(oldest: str, clock: Clock) -> str:
    """The shortest range of the write log that reaches back to the oldest of the requests."""
    age = datetime.fromisoformat(clock.now()) - datetime.fromisoformat(oldest)
    for name, reach in (
        ("hour", timedelta(minutes=50)),
        ("day", timedelta(hours=23)),
        ("week", timedelta(days=6)),
    ):
        if age < reach:
            return name
    return "month"
