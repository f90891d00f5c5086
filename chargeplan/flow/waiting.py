"""Waiting in the course of apply: for how long a run may go on, and for the jobs that it began."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from chargeplan.core.errors import ChargeplanError
from chargeplan.flow.jobs import Ended, Job, ended_jobs
from chargeplan.flow.ports import Clock, Journal, Ports
from chargeplan.flow.settling import noted

_FIRST_POLL = 0.2
_LONGEST_POLL = 10.0
_LOOK_UP = 0.1
"""Seconds between two looks at whether a wait is still wanted: Ctrl-C does not end a sleep by itself."""


class End:
    """When a run has to end: at ``deadline`` (monotonic seconds; ``None``: none), or once ``stopping`` says so."""

    def __init__(
        self, clock: Clock, deadline: float | None = None, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._clock, self._deadline, self._stopping = clock, deadline, stopping

    @property
    def interrupted(self) -> bool:
        """Whether the run was asked to stop."""
        return self._stopping()

    def reason(self) -> str:
        """Why the run has to end now; empty while it may go on."""
        if self._stopping():
            return "interrupted"
        return "" if self._is_before_deadline() else "the deadline has passed"

    def is_ahead(self, seconds: float = 0.0) -> bool:
        """Whether the run may still go on after so many seconds, unless it is asked to stop."""
        return not self._stopping() and self._is_before_deadline(seconds)

    def wait(self, seconds: float) -> str:
        """Wait, but not past the deadline nor an interrupt; why the run has to end, or nothing."""
        if not self._is_before_deadline(seconds):
            return "the deadline has passed"
        while seconds > 0 and not self._stopping():
            self._clock.sleep(min(seconds, _LOOK_UP))
            seconds -= _LOOK_UP
        return self.reason()

    def _is_before_deadline(self, seconds: float = 0.0) -> bool:
        return self._deadline is None or self._clock.monotonic() + seconds < self._deadline


def wait_for_jobs(ports: Ports, plan_id: str, end: End, *, patiently: bool) -> str:
    """Ask what became of the plan's jobs, with growing pauses, until none is pending or the run has to end.

    Not ``patiently``: ask once. Returns why the asking stopped early, or nothing.
    """
    stopped, pause, most = "", _FIRST_POLL, 0
    while jobs := _pending(ports.journal, plan_id):
        most = max(most, len(jobs))
        ports.progress.step("write jobs", most - len(jobs), most)
        if not end.is_ahead():
            break
        pending, problem = _ask(ports, jobs)
        stopped = stopped or problem
        if problem or not pending or not patiently or not end.is_ahead(pause):
            break
        stopped = stopped or end.wait(pause)
        pause = min(pause * 2, _LONGEST_POLL)
    return stopped


def _pending(journal: Journal, plan_id: str) -> list[Job]:
    return [
        Job(batch.batch_id, batch.job_id, batch.integration_id, batch.created_at)
        for batch in journal.batches(plan_id)
        if batch.state == "queued" and batch.job_id
    ]


def _ask(ports: Ports, jobs: Sequence[Job]) -> tuple[int, str]:
    """Ask once: how many are pending still, and why Propexo can't be asked now, where it can't.

    The jobs that were not asked then stay queued, and a later run asks again.
    """
    pending = len(jobs)
    for ended in _ended(jobs, ports):
        if isinstance(ended, ChargeplanError):
            return pending, ended.message
        record = partial(
            ports.journal.record, record_id=ended.record_id, errors=ended.errors, reason=ended.reason
        )
        noted(partial(record, ended.job.batch_id, ended.state))
        pending -= 1
    return pending, ""


def _ended(jobs: Sequence[Job], ports: Ports) -> Iterator[Ended | ChargeplanError]:
    """The jobs that ended, and last the problem where Propexo can't be asked; one of the journal's is not among them."""
    try:
        yield from ended_jobs(jobs, ports)
    except ChargeplanError as problem:
        yield problem
