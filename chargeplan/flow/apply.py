"""Apply: lock, look again, consume, post, wait, sum up (design.md, *Posting, step by step*)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

import msgspec

from chargeplan.core.approval import Entry
from chargeplan.core.change import Change, Total
from chargeplan.core.config import Project
from chargeplan.core.coverage import coverage
from chargeplan.core.errors import ChargeplanError, explained
from chargeplan.core.outcome import (
    Ending,
    check_unchanged,
    in_plan_order,
    nothing_was_sent,
    outcome_of,
    sum_up,
    unsent,
)
from chargeplan.core.posting import LIVE, Batch, Posting
from chargeplan.flow.logged import refuse_logged
from chargeplan.flow.planning import plan_now
from chargeplan.flow.ports import Ports
from chargeplan.flow.posting import Poster
from chargeplan.flow.settling import settle_killed, settle_unknown
from chargeplan.flow.target import Target, refuse_errors, refuse_guards
from chargeplan.flow.waiting import End, wait_for_jobs


class Interrupts(Protocol):
    """Whether a signal has asked the run to stop."""

    def __call__(self) -> bool:
        """Whether it has."""
        ...

    def finish_first(self) -> None:
        """From now on a first signal asks; what is under way is finished before the run ends."""
        ...


class How(msgspec.Struct, frozen=True, kw_only=True):
    """How to post. ``approval`` is how the plan was approved, for the journal: ``digest``, ``prompt``, ``auto-approve`` or ``plan file``.

    ``deadline`` is in monotonic seconds (``None``: no end), ``lock_timeout`` in seconds; ``wait``: for the jobs.
    """

    approval: str
    wait: bool
    deadline: float | None
    lock_timeout: float


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a plan. ``stopped`` is why its run ended early, ``unrecorded`` why its outcome could not be read."""

    plan_id: str
    ending: Ending
    totals: Mapping[str, Total] = {}
    batches: Sequence[Batch] = ()
    interrupted: bool = False
    stopped: str = ""
    unrecorded: str = ""


def apply(ports: Ports, project: Project, target: Target, how: How, interrupts: Interrupts) -> Applied:
    """Lock, look again, consume, post, wait, sum up.

    Raises:
        StalePlanError: the plan is no longer what would be posted now; nothing was posted.
        LockedError: another run is at work in one of the properties.
        ChargeplanError: nothing was posted, for the reason given.
    """
    if not target.changes and not target.is_saved:
        return _nothing_to_post(ports, project, target, how)
    run = _Run(ports, project, target, how, interrupts)
    try:
        return run.apply()
    except (Exception, KeyboardInterrupt) as problem:
        # Once a request has left, nothing that happens may look like a run that sent nothing.
        if not run.poster.requests:
            raise
        return run.account_after(problem)


def _nothing_to_post(ports: Ports, project: Project, target: Target, how: How) -> Applied:
    """Nothing is to post; but while the outcome of a line is unknown, that is no good end."""
    if not target.unknown:
        _note_coverage(ports, project, target, how)
        return Applied(plan_id=target.plan_id, ending="nothing")
    # The lines may be unknown because another run is sending them: then this one refuses.
    with _locks(ports, target.unknown, how.lock_timeout):
        pass
    return _all_unknown(target.plan_id, target.unknown)


def _note_coverage(ports: Ports, project: Project, target: Target, how: How) -> None:
    """A plan without a line to post has covered its month like any other: what becomes due there later is missed."""
    covered = coverage(project.plans, target.properties, target.request.charges)
    window = target.request.window
    billed = {
        integration_id: ports.journal.billed(integration_id, window.first)
        for integration_id in covered.covered
    }
    if not covered.is_noted(window, billed):
        ports.journal.consume(target.plan_id, target.digest, _facts(ports, project, target, how))


def _facts(ports: Ports, project: Project, target: Target, how: How) -> dict[str, object]:
    """What the journal notes of a plan when it is used."""
    return {
        "environment": ports.environment.name,
        "count": len(target.changes),
        "amount": sum(change.amount or 0 for change in target.changes),
        "window": [target.request.window.first.isoformat(), target.request.window.last.isoformat()],
        "allowances": [msgspec.to_builtins(each) for each in target.request.allowed],
        "approval": how.approval,
        **msgspec.to_builtins(coverage(project.plans, target.properties, target.request.charges)),
        **({"approvals": _signed(target.approvals)} if target.approvals else {}),
    }


def _all_unknown(plan_id: str, changes: Sequence[Change], unrecorded: str = "") -> Applied:
    total = Total(len(changes), sum(change.amount or 0 for change in changes))
    return Applied(plan_id=plan_id, ending="unknown", totals={"unknown": total}, unrecorded=unrecorded)


@contextmanager
def _locks(ports: Ports, changes: Sequence[Change], timeout: float) -> Iterator[dict[tuple[str, str], int]]:
    """The locks of every property of the changes, all taken before the block begins; yields their fencing tokens."""
    by_integration: dict[str, list[str]] = {}
    for integration_id, property_id in sorted(
        {(change.integration_id, change.property_id) for change in changes}
    ):
        by_integration.setdefault(integration_id, []).append(property_id)
    with ExitStack() as stack:
        tokens: dict[tuple[str, str], int] = {}
        for integration_id, property_ids in by_integration.items():
            lock = ports.journal.lock(integration_id, property_ids, purpose="apply", timeout=timeout)
            taken = stack.enter_context(lock)
            tokens.update({(integration_id, property_id): token for property_id, token in taken.items()})
        yield tokens


class _Run:
    def __init__(
        self, ports: Ports, project: Project, target: Target, how: How, interrupts: Interrupts
    ) -> None:
        self.ports, self.project, self.target, self.how = ports, project, target, how
        self.interrupts = interrupts
        self.end = End(ports.clock, how.deadline, interrupts)
        self.poster = Poster(
            target.plan_id,
            ports,
            self.end,
            batch_size=project.config.posting.batch_size,
            parallel=project.config.posting.parallel,
            timezone_of={plan.name: plan.timezone for plan in project.plans},
        )
        ports.remote.end_at(how.deadline, interrupts)

    def apply(self) -> Applied:
        used = self.ports.journal.plan_used(self.target.plan_id) is not None
        # A line that is only intended is another run's, which is sending it now, or was killed: only the lock says which.
        if used and not self._left(self._done(LIVE - {"intended"})):
            return self._account(used=True)
        with _locks(self.ports, self.target.changes, self.how.lock_timeout) as tokens:
            settle_killed(self.ports.journal, frozenset(tokens))
            settle_unknown(self.ports)
            changes = self._still_to_post()
            if changes:
                refuse_logged(changes, self.ports)
                self.interrupts.finish_first()
                facts = _facts(self.ports, self.project, self.target, self.how)
                self.ports.journal.consume(self.target.plan_id, self.target.digest, facts)
                self._post_and_keep_count(changes, tokens)
            elif not self.target.changes:
                _note_coverage(self.ports, self.project, self.target, self.how)
        return self._account(used=not changes)

    def _left(self, done: frozenset[str]) -> list[Change]:
        """The lines that have no live posting by this plan."""
        return [change for change in self.target.changes if change.reference not in done]

    def _done(self, states: frozenset[str] = LIVE) -> frozenset[str]:
        return frozenset(
            each.reference
            for each in self._postings().values()
            if each.state in states and each.plan_id == self.target.plan_id
        )

    def _postings(self) -> Mapping[str, Posting]:
        return self.ports.journal.latest([change.reference for change in self.target.changes])

    def _still_to_post(self) -> list[Change]:
        """Observe the properties again; what is left must still be what would be posted now."""
        planned = plan_now(self.ports, self.project, self.target.request)
        refuse_errors(planned)
        done = self._done()
        check_unchanged(self.target.changes, planned.change_set.to_post(), done)
        left = self._left(done)
        if left:
            refuse_guards(planned)
        return left

    def _post_and_keep_count(self, changes: Sequence[Change], tokens: Mapping[tuple[str, str], int]) -> None:
        """Post; a failure after the first request ends the posting, not the account of what was sent."""
        try:
            self.poster.post(changes, tokens)
        except ChargeplanError as problem:
            if not self.poster.requests:
                raise
            self.poster.stopped = problem.message

    def account_after(self, problem: Exception | KeyboardInterrupt) -> Applied:
        """What became of the lines by the journal, after something that was not foreseen, or a second signal."""
        self.ports.progress.close()
        interrupted = isinstance(problem, KeyboardInterrupt)
        why = "interrupted" if isinstance(problem, KeyboardInterrupt) else explained(problem).message
        try:
            totals = sum_up(self.target.changes, self._postings())
            batches = in_plan_order(self.ports.journal.batches(self.target.plan_id), self.target.changes)
        except ChargeplanError:
            return _all_unknown(self.target.plan_id, self.target.changes, why)
        if nothing_was_sent(totals):
            raise problem
        ending = outcome_of(totals, waited=True)
        return Applied(
            plan_id=self.target.plan_id,
            ending=ending if interrupted or ending == "incomplete" else "unknown",
            totals=totals,
            batches=batches,
            interrupted=interrupted,
            stopped=why.rstrip("."),
        )

    def _account(self, *, used: bool) -> Applied:
        waited = wait_for_jobs(self.ports, self.target.plan_id, self.end, patiently=self.how.wait)
        stopped = self.poster.stopped or waited
        self.ports.progress.close()
        totals = sum_up(self.target.changes, self._postings())
        if stopped and not self.end.interrupted and nothing_was_sent(totals):
            raise ChargeplanError(
                f"Nothing was posted: {stopped}.",
                hint="`chargeplan apply` of the same plan goes on.",
                code="not_sent",
            )
        ending = outcome_of(totals, waited=self.how.wait)
        return Applied(
            plan_id=self.target.plan_id,
            ending="nothing" if used and ending == "complete" else ending,
            totals=totals,
            batches=in_plan_order(self.ports.journal.batches(self.target.plan_id), self.target.changes),
            interrupted=self.end.interrupted,
            stopped=stopped if unsent(totals) else "",
        )


def _signed(evidence: Sequence[Entry]) -> list[dict[str, object]]:
    """The approvals for the journal, as signed, so that whoever has the public keys can verify them again."""
    return [
        {"approval": msgspec.to_builtins(entry.approval), "key": entry.key, "signature": entry.signature}
        for entry in evidence
    ]
