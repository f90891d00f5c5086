"""Apply: post the changes of a plan, batch by batch, at most once (design.md, *Posting, step by step*)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from zoneinfo import ZoneInfo

import msgspec

from chargeplan.core.change import Change, Total
from chargeplan.core.errors import ChargeplanError, StalePlanError
from chargeplan.core.posting import (
    Batch,
    Denied,
    Invalid,
    Lost,
    NotSent,
    Outcome,
    Posting,
    Queued,
    State,
    Throttled,
    TooLarge,
)
from chargeplan.flow.ports import ChargeRequest, Clock, Journal, Remote, Vendors
from chargeplan.flow.settling import job_outcome, noted

_FIRST_POLL = 0.2
_LONGEST_POLL = 10.0
_MOST_TRIES = 3


class PostingOptions(msgspec.Struct, frozen=True):
    """How to post: lines a batch, whether to wait for the jobs, and until when (monotonic seconds; ``None``: no end)."""

    batch_size: int = 200
    wait: bool = True
    deadline: float | None = None


Stopping = Callable[[], bool]


def check_unchanged(planned: Sequence[Change], now: Sequence[Change], done: frozenset[str]) -> None:
    """Every planned line must still be the same create or correction, or have been sent by this very plan.

    Raises:
        StalePlanError: names the lines that are not.
    """
    current = {change.reference: change for change in now}
    stale = [
        change
        for change in planned
        if change.reference not in done and not _same(change, current.get(change.reference))
    ]
    if stale:
        listed = ", ".join(
            f"{change.reference} ({change.charge}, unit {change.unit_number})" for change in stale[:5]
        )
        more = f" and {len(stale) - 5} more" if len(stale) > 5 else ""
        raise StalePlanError(
            f"The plan is out of date: {len(stale)} of its lines are no longer what would be posted now: {listed}{more}. Nothing was posted.",
            hint="Run `chargeplan plan` again and review what changed.",
            references=[change.reference for change in stale],
        )


def _same(planned: Change, current: Change | None) -> bool:
    return current is not None and all(
        getattr(planned, field) == getattr(current, field)
        for field in (
            "action",
            "amount",
            "transaction_date",
            "charge_code_id",
            "resident_id",
            "property_id",
            "description",
            "notes",
        )
    )


def noon(day: date, timezone: str) -> str:
    """Noon of the day in the property's time zone, in UTC with a ``Z``: the same date wherever it is cut."""
    local = datetime.combine(day, time(12), tzinfo=ZoneInfo(timezone))
    return local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Poster:
    """Posts the lines of one plan. One object, one run; every request is preceded by a durable intent."""

    def __init__(
        self,
        plan_id: str,
        journal: Journal,
        remote: Remote,
        vendors: Vendors,
        clock: Clock,
        options: PostingOptions,
        *,
        new_batch_id: Callable[[], str],
        timezone_of: Mapping[str, str],
        vendor_of: Mapping[str, str],
        stopping: Stopping = lambda: False,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
        waiting: Callable[[int], None] = lambda _jobs: None,
    ) -> None:
        self.plan_id = plan_id
        self.journal, self.remote, self.vendors, self.clock = journal, remote, vendors, clock
        self.options = options
        self.new_batch_id = new_batch_id
        self.timezone_of, self.vendor_of = timezone_of, vendor_of
        self.stopping, self.progress, self.waiting = stopping, progress, waiting
        self.tokens: Mapping[tuple[str, str], int] = {}
        self.stopped = ""
        self.sent = 0
        self.requests = 0

    def post(self, changes: Sequence[Change], tokens: Mapping[tuple[str, str], int]) -> str:
        """Post the changes property by property; returns why the run stopped early, or nothing.

        Raises:
            ChargeplanError: the journal can't be written; what was sent before is recorded.
        """
        self.tokens = tokens
        for lines in _batches(changes, self.options.batch_size):
            self._send(lines, tries=_MOST_TRIES)
            if self.stopped:
                break
            self.sent += len(lines)
            self.progress(self.sent, len(changes))
        return self.stopped

    def _send(self, lines: Sequence[Change], tries: int) -> None:
        """One batch: intend, post once, record what came of it; then its parts, where it has to be divided."""
        if not self._may_go_on():
            return
        batch_id = self._intend(lines)
        outcome = self._request(batch_id, lines)
        match outcome:
            case Queued(job_id=job_id):
                noted(partial(self.journal.record, batch_id, "queued", job_id=job_id))
            case NotSent(reason=reason):
                self.journal.record(batch_id, "withdrawn", errors=[reason])
                self._again(lines, tries, f"Propexo can't be reached: {reason}")
            case Throttled(retry_after=seconds):
                self.journal.record(batch_id, "withdrawn", errors=["429: over the rate limit, not accepted"])
                if self._wait(seconds):
                    self._again(lines, tries, "Propexo keeps answering 429")
            case Invalid():
                self._narrow(batch_id, lines, outcome)
            case TooLarge(message=message):
                self.journal.record(batch_id, "refused", errors=[message])
                self._halves(lines)
            case Denied(status=status, message=message):
                self.journal.record(batch_id, "refused", errors=[f"{status}: {message}"])
                self.stopped = f"Propexo refused the request with {status}: {message}"
            case Lost(reason=reason):
                noted(partial(self.journal.record, batch_id, "unknown", errors=[reason]))

    def _may_go_on(self) -> bool:
        if self.stopping():
            self.stopped = self.stopped or "interrupted"
        deadline = self.options.deadline
        if deadline is not None and self.clock.monotonic() >= deadline:
            self.stopped = self.stopped or "the deadline has passed"
        return not self.stopped

    def _again(self, lines: Sequence[Change], tries: int, why: str) -> None:
        if tries <= 1:
            self.stopped = why
        elif self._wait(_MOST_TRIES - tries + 1):
            self._send(lines, tries - 1)

    def _wait(self, seconds: float) -> bool:
        """Wait, but not past the deadline; whether the run may go on."""
        deadline = self.options.deadline
        if deadline is not None and self.clock.monotonic() + seconds >= deadline:
            self.stopped = "the deadline has passed"
            return False
        self.clock.sleep(seconds)
        return True

    def _intend(self, lines: Sequence[Change]) -> str:
        batch_id = self.new_batch_id()
        first = lines[0]
        amount = sum(change.amount or 0 for change in lines)
        batch = Batch(
            batch_id,
            self.plan_id,
            first.integration_id,
            first.property_id,
            "intended",
            None,
            len(lines),
            amount,
            self.clock.now(),
        )
        token = self.tokens[first.integration_id, first.property_id]
        self.journal.intend(self.plan_id, batch, [posting_of(change) for change in lines], lock_token=token)
        return batch_id

    def _request(self, batch_id: str, lines: Sequence[Change]) -> Outcome:
        first = lines[0]
        timezone = self.timezone_of[first.plan]
        items = [
            ChargeRequest(
                resident_id=change.resident_id,
                charge_code_id=change.charge_code_id,
                batch_id=batch_id,
                transaction_date=noon(change.transaction_date, timezone),
                description=change.description,
                notes=change.notes,
                amount_in_cents=change.amount or 0,
                reference_number=change.reference,
            )
            for change in lines
        ]
        self.requests += 1
        try:
            return self.remote.post_charges(self.vendor_of[first.integration_id], first.integration_id, items)
        except BaseException:
            self.journal.record(
                batch_id, "unknown", errors=["the run was interrupted while the request was under way"]
            )
            raise

    def _narrow(self, batch_id: str, lines: Sequence[Change], outcome: Invalid) -> None:
        """A refused batch: the bad items are refused, the rest goes in a new one; without names, halves."""
        bad = {i: why for i, why in outcome.items.items() if 0 <= i < len(lines)}
        if not bad:
            self.journal.record(batch_id, "refused", errors=[outcome.message])
            self._halves(lines)
            return
        rest = [change for i, change in enumerate(lines) if i not in bad]
        # The many before the few: a run that is killed in between leaves only the bad ones unknown.
        if rest:
            self.journal.record(
                batch_id,
                "withdrawn",
                errors=["refused with its batch for other lines"],
                references=[change.reference for change in rest],
            )
        reasons: dict[str, list[str]] = {}
        for i, why in bad.items():
            reasons.setdefault(why, []).append(lines[i].reference)
        for why, references in reasons.items():
            self.journal.record(batch_id, "refused", errors=[why], references=references)
        if rest:
            self._send(rest, _MOST_TRIES)

    def _halves(self, lines: Sequence[Change]) -> None:
        if len(lines) == 1:
            return
        middle = len(lines) // 2
        self._send(lines[:middle], _MOST_TRIES)
        self._send(lines[middle:], _MOST_TRIES)

    # --- jobs ------------------------------------------------------------------------------------------------------

    def wait_for_jobs(self) -> None:
        """Poll this plan's jobs, with growing pauses, until none is pending or the time is up."""
        pause = _FIRST_POLL
        while pending := [
            batch for batch in self.journal.batches(self.plan_id) if batch.state == "queued" and batch.job_id
        ]:
            self.waiting(len(pending))
            for batch in pending:
                if not self._may_poll() or not self._poll(batch):
                    return
            if not self.options.wait or not self._may_poll():
                return
            if any(batch.state == "queued" for batch in self.journal.batches(self.plan_id)):
                deadline = self.options.deadline
                if deadline is not None and self.clock.monotonic() + pause >= deadline:
                    return
                self.clock.sleep(pause)
                pause = min(pause * 2, _LONGEST_POLL)

    def _may_poll(self) -> bool:
        deadline = self.options.deadline
        return not self.stopping() and (deadline is None or self.clock.monotonic() < deadline)

    def _poll(self, batch: Batch) -> bool:
        """Ask once; false where Propexo can't be asked now: the job stays queued, and a later run asks again."""
        assert batch.job_id is not None
        try:
            status = self.remote.job_status(batch.job_id)
        except ChargeplanError as problem:
            self.stopped = self.stopped or problem.message
            return False
        state, reason = job_outcome(self.vendor_of[batch.integration_id], status, self.vendors)
        if state is not None:
            errors = [reason] if state in {"refused", "unknown"} else []
            noted(partial(self.journal.record, batch.batch_id, state, errors=errors, reason=reason))
        return True


def _batches(changes: Sequence[Change], size: int) -> Iterator[Sequence[Change]]:
    """Lines of one integration and property (and time zone, by plan), at most ``size`` of them, in the plan's order."""
    groups: dict[tuple[str, str, str], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.integration_id, change.property_id, change.plan), []).append(change)
    for lines in groups.values():
        for start in range(0, len(lines), size):
            yield lines[start : start + size]


def posting_of(change: Change) -> Posting:
    """The journal's record of a change that is about to be sent."""
    return Posting(
        reference=change.reference,
        integration_id=change.integration_id,
        property_id=change.property_id,
        plan=change.plan,
        charge=change.charge,
        item=change.item,
        key_plan=change.key_plan,
        key_charge=change.key_charge,
        unit_id=change.unit_id,
        unit_number=change.unit_number,
        resident_id=change.resident_id,
        lease_id=change.lease_id,
        period=change.period_key,
        part=change.part,
        period_first=change.period.first,
        period_last=change.period.last,
        service_first=change.service.first,
        service_last=change.service.last,
        transaction_date=change.transaction_date,
        amount=change.amount or 0,
        charge_code_id=change.charge_code_id,
        charge_code=change.charge_code,
        description=change.description,
        notes=change.notes,
        source_file=change.place.file,
        source_line=change.place.line,
        action=change.action,
    )


_TOTAL_OF: dict[State, str] = {
    "queued": "pending",
    "accepted": "posted",
    "visible": "posted",
    "posted": "posted",
    "refused": "refused",
    "unknown": "unknown",
    "intended": "unknown",
}


def sum_up(changes: Sequence[Change], postings: Mapping[str, Posting]) -> dict[str, Total]:
    """What became of the plan's lines: posted, refused, unknown, pending, and ``unsent`` for those never sent."""
    totals: dict[str, Total] = {name: Total() for name in ("posted", "refused", "unknown", "pending")}
    for change in changes:
        posting = postings.get(change.reference)
        name = _TOTAL_OF.get(posting.state, "unsent") if posting else "unsent"
        totals[name] = totals.get(name, Total()).plus(change.amount)
    return totals


def outcome_of(totals: Mapping[str, Total]) -> str:
    """``unknown`` before ``incomplete`` before ``complete``."""
    if totals["unknown"].count or totals["pending"].count:
        return "unknown"
    if totals["refused"].count or totals.get("unsent", Total()).count:
        return "incomplete"
    return "complete"


def refuse_unrecorded(count: int) -> None:
    """Charges of ours that the journal does not know may have been posted by a journal that was lost.

    Raises:
        ChargeplanError: where there is one.
    """
    if count:
        raise ChargeplanError(
            f"{count} charges with our references are on the ledgers that the journal does not know. Nothing was posted.",
            hint="If the journal was lost: `chargeplan journal rebuild`. If this is another project's journal, use the right one.",
            code="journal_unrecorded",
        )
