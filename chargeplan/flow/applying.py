"""Apply: post the changes of a plan, batch by batch, at most once (design.md, *Posting, step by step*)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import islice
from zoneinfo import ZoneInfo

import msgspec

from chargeplan.core.change import Change, Total
from chargeplan.core.config import IntegrationConfig
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
    posting_of,
)
from chargeplan.core.system import RouteName
from chargeplan.flow.jobs import Ended, Job, ended_jobs
from chargeplan.flow.ports import Outgoing, Ports
from chargeplan.flow.requests import Requests
from chargeplan.flow.settling import noted

_FIRST_POLL = 0.2
_LONGEST_POLL = 10.0
_MOST_TRIES = 3
_LOOK_UP = 0.1
"""Seconds between two looks at whether a wait is still wanted: Ctrl-C does not end a sleep by itself."""
_PROMPT_SECONDS = 30.0
"""A quarter of a lock's expiry: nobody else can have taken the lock of a run that is as prompt as this."""


class PostingOptions(msgspec.Struct, frozen=True):
    """How to post: lines a batch, properties at a time, whether to wait for the jobs, and until when.

    ``deadline`` is in monotonic seconds; ``None``: no end.
    """

    batch_size: int = 200
    parallel: int = 4
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


def moment_of(day: date, timezone: str) -> str:
    """A moment that has the day's date in the property's time zone and in UTC, with a ``Z``.

    Noon there, or where noon has another date in UTC (half a day off or more, as in Auckland), the middle of the hours
    that are the day in both.
    """
    zone, following = ZoneInfo(timezone), day + timedelta(days=1)
    moment = datetime.combine(day, time(12), tzinfo=zone)
    if abs(moment.utcoffset() or timedelta(0)) >= timedelta(hours=12):
        here, there = (
            [datetime.combine(each, time(0), tzinfo=tz).astimezone(UTC) for each in (day, following)]
            for tz in (zone, UTC)
        )
        begins = max(here[0], there[0])
        moment = begins + (min(here[1], there[1]) - begins) / 2
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Part(msgspec.Struct, frozen=True):
    """Lines of one property that go in one request, and how often that may be tried."""

    lines: Sequence[Change]
    tries: int = _MOST_TRIES


class _Lane:
    """One property's parts in the plan's order; the next one begins when the one before has its outcome."""

    def __init__(self, parts: Iterable[_Part]) -> None:
        self.parts = deque(parts)
        self.busy = False

    def first(self, *parts: _Part) -> None:
        """Put parts of what was tried before all that follows."""
        self.parts.extendleft(reversed(parts))


class _Sent(msgspec.Struct, frozen=True):
    """A request: its batch, what was in it, and where it belongs."""

    batch_id: str
    part: _Part
    lane: _Lane


class Poster:
    """Posts the lines of one plan. One object, one run; every request is preceded by a durable intent.

    Requests of several properties overlap, those of one property never. Whatever is decided or recorded is so in the thread that
    calls; the others carry requests and nothing else.
    """

    def __init__(
        self,
        plan_id: str,
        ports: Ports,
        options: PostingOptions,
        *,
        timezone_of: Mapping[str, str],
        stopping: Stopping = lambda: False,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
        waiting: Callable[[int], None] = lambda _jobs: None,
    ) -> None:
        self.plan_id = plan_id
        self.ports, self.options, self.timezone_of = ports, options, timezone_of
        self.journal, self.remote, self.clock = ports.journal, ports.remote, ports.clock
        self.stopping, self.progress, self.waiting = stopping, progress, waiting
        self.tokens: Mapping[tuple[str, str], int] = {}
        self.stopped = ""
        self.done = self.count = 0
        self.requests = 0
        self._not_before = 0.0
        self._silent = False

    def post(self, changes: Sequence[Change], tokens: Mapping[tuple[str, str], int]) -> str:
        """Post the changes, several properties at a time; returns why the run stopped early, or nothing.

        Once the run stops, no request begins, and those under way are finished and recorded.

        Raises:
            ChargeplanError: the journal can't be written; what was sent before is recorded.
        """
        self.tokens, self.count = tokens, len(changes)
        lanes = _lanes(changes, self.ports.integrations, self.options.batch_size)
        under_way: Requests[_Sent] = Requests(min(self.options.parallel, len(lanes)))
        try:
            self._run(lanes, under_way)
        except BaseException:
            self._abandon(under_way)
            raise
        finally:
            under_way.close()
        return self.stopped

    def _run(self, lanes: Sequence[_Lane], under_way: Requests[_Sent]) -> None:
        waiting, active = iter(lanes), list[_Lane]()
        try:
            while True:
                active = [lane for lane in active if lane.busy or lane.parts]
                active += islice(waiting, self.options.parallel - len(active))
                pause = self._begin(active, under_way)
                if under_way.under_way:
                    self._take(under_way, pause)
                elif pause is None or not self._wait(pause):
                    return
        except ChargeplanError as problem:
            self.stopped = self.stopped or problem.message
            self._finish(under_way)
            raise

    def _begin(self, active: Sequence[_Lane], under_way: Requests[_Sent]) -> float | None:
        """Begin what may begin; the seconds after which more may, or ``None`` where nothing waits for that."""
        for lane in active:
            if lane.busy or not lane.parts:
                continue
            if not self._may_go_on():
                return None
            # Before the intent: a run that is killed while it waits for the limit leaves nothing unknown.
            pause = max(0.0, self._not_before - self.clock.monotonic()) or self.remote.reserve()
            if pause > 0:
                return pause
            self._send(lane, under_way)
        return None

    def _send(self, lane: _Lane, under_way: Requests[_Sent]) -> None:
        """One batch: intend, then let a thread post it, once."""
        part = lane.parts[0]
        batch_id = self.ports.new_id("CP")
        send = self._request(batch_id, part.lines)
        try:
            self._intend(batch_id, part.lines)
        except BaseException:
            self.remote.release()
            raise
        lane.parts.popleft()
        lane.busy = True
        self.requests += 1
        under_way.begin(_Sent(batch_id, part, lane), partial(self._promptly, self.clock.monotonic(), send))

    def _promptly(self, intended: float, send: Callable[[], Outcome]) -> Outcome:
        """Send, unless the run stood still (a stopped process) since the intent was recorded.

        A run that wakes up late may have lost its lock, and a person may have said of its lines that they were not posted.
        """
        seconds = self.clock.monotonic() - intended
        if seconds > _PROMPT_SECONDS:
            self.remote.release()
            return NotSent(
                f"this run stood still for {seconds:.0f} seconds between the intent and the request"
            )
        return send()

    def _take(self, under_way: Requests[_Sent], timeout: float | None) -> None:
        """Wait for an answer and record what came of the request."""
        answer = under_way.answer(timeout)
        if answer is None:
            return
        sent, outcome = answer
        sent.lane.busy = False
        if isinstance(outcome, BaseException):
            self._failed(sent, outcome)
            return
        self._record(sent, outcome)

    def _finish(self, under_way: Requests[_Sent]) -> None:
        """Wait for what is under way and record it, although the journal has refused something."""
        while under_way.under_way:
            # What can't be recorded stays intended, which says that it may have been written.
            with suppress(ChargeplanError):
                self._take(under_way, None)

    def _abandon(self, under_way: Requests[_Sent]) -> None:
        """The run ends at once: what is under way may have been taken."""
        for sent in under_way.under_way:
            # Here too: an intent without an outcome says no less.
            with suppress(ChargeplanError):
                self._unknown(sent.batch_id, "the run was interrupted while the request was under way")

    def _record(self, sent: _Sent, outcome: Outcome) -> None:
        """What came of a request; then what follows of it: another try, or its parts, where it has to be divided."""
        batch_id, part, lines = sent.batch_id, sent.part, sent.part.lines
        match outcome:
            case Queued(job_id=job_id):
                self._queued(batch_id, lines, job_id)
                self._told(len(lines))
            case NotSent(reason=reason):
                self.journal.record(batch_id, "withdrawn", errors=[reason])
                pause = float(_MOST_TRIES - part.tries + 1)
                self._again(sent, pause, f"Propexo can't be reached: {reason}")
            case Throttled(retry_after=seconds):
                self.journal.record(batch_id, "withdrawn", errors=["429: over the rate limit, not accepted"])
                self._again(sent, seconds, "Propexo keeps answering 429")
            case Invalid():
                self._narrow(sent, outcome)
            case TooLarge(message=message):
                self.journal.record(batch_id, "refused", errors=[message])
                self._halves(sent)
            case Denied(status=status, message=message):
                self.journal.record(batch_id, "refused", errors=[f"{status}: {message}"])
                self.stopped = self.stopped or f"Propexo refused the request with {status}: {message}"
            case Lost(reason=reason):
                self._unknown(batch_id, reason)
                self._told(len(lines))

    def _queued(self, batch_id: str, lines: Sequence[Change], job_id: str) -> None:
        """The request was taken. Where somebody settled its lines meanwhile, the answer tells more than their word."""
        if noted(partial(self.journal.record, batch_id, "queued", job_id=job_id)):
            return
        references = [change.reference for change in lines]
        self.journal.record(batch_id, "queued", job_id=job_id, references=references)

    def _failed(self, sent: _Sent, problem: BaseException) -> None:
        """A mistake of this program's own: the request may have been taken, and no other begins."""
        said = f"a mistake of this program's own ended a request ({type(problem).__name__})"
        self._unknown(sent.batch_id, said)
        if not isinstance(problem, Exception):
            raise problem
        self.stopped = self.stopped or said

    def _told(self, lines: int) -> None:
        self.done += lines
        self.progress(self.done, self.count)

    def _unknown(self, batch_id: str, reason: str) -> None:
        noted(partial(self.journal.record, batch_id, "unknown", errors=[reason]))

    def _may_go_on(self) -> bool:
        if self.stopping():
            self.stopped = self.stopped or "interrupted"
        deadline = self.options.deadline
        if deadline is not None and self.clock.monotonic() >= deadline:
            self.stopped = self.stopped or "the deadline has passed"
        return not self.stopped

    def _again(self, sent: _Sent, pause: float, why: str) -> None:
        if not self._may_go_on():
            return
        if sent.part.tries <= 1:
            self.stopped = why
            return
        sent.lane.first(_Part(sent.part.lines, sent.part.tries - 1))
        # For all: a host that can't be reached, or is over its limit, is so for every property.
        self._not_before = max(self._not_before, self.clock.monotonic() + pause)

    def _wait(self, seconds: float) -> bool:
        """Wait, but not past the deadline nor an interrupt; whether the run may go on."""
        deadline = self.options.deadline
        if deadline is not None and self.clock.monotonic() + seconds >= deadline:
            self.stopped = self.stopped or "the deadline has passed"
            return False
        while seconds > 0 and not self.stopping():
            self.clock.sleep(min(seconds, _LOOK_UP))
            seconds -= _LOOK_UP
        return self._may_go_on()

    def _intend(self, batch_id: str, lines: Sequence[Change]) -> None:
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

    def _request(self, batch_id: str, lines: Sequence[Change]) -> Callable[[], Outcome]:
        first = lines[0]
        integration, timezone = self.ports.integrations[first.integration_id], self.timezone_of[first.plan]
        outgoing = [_outgoing(change, batch_id, integration, timezone) for change in lines]
        route = integration.route(first.amount or 0)
        return partial(self.remote.post, route, first.integration_id, outgoing)

    def _narrow(self, sent: _Sent, outcome: Invalid) -> None:
        """A refused batch: the bad items are refused, the rest goes in a new one; without names, halves."""
        batch_id, lines = sent.batch_id, sent.part.lines
        bad = {i: why for i, why in outcome.items.items() if 0 <= i < len(lines)}
        if not bad:
            self.journal.record(batch_id, "refused", errors=[outcome.message])
            self._halves(sent)
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
        self._told(len(bad))
        if rest:
            sent.lane.first(_Part(rest))

    def _halves(self, sent: _Sent) -> None:
        lines = sent.part.lines
        if len(lines) == 1:
            self._told(1)
            return
        middle = len(lines) // 2
        sent.lane.first(_Part(lines[:middle]), _Part(lines[middle:]))

    # --- jobs ------------------------------------------------------------------------------------------------------

    def wait_for_jobs(self) -> None:
        """Ask what became of this plan's jobs, with growing pauses, until none is pending or the time is up."""
        pause = _FIRST_POLL
        while jobs := self._pending():
            self.waiting(len(jobs))
            if not self._may_poll() or not self._ask(jobs) or not self.options.wait:
                return
            if not self._may_poll(pause):
                return
            self._wait(pause)
            pause = min(pause * 2, _LONGEST_POLL)

    def _pending(self) -> list[Job]:
        return [
            Job(batch.batch_id, batch.job_id, batch.integration_id, batch.created_at)
            for batch in self.journal.batches(self.plan_id)
            if batch.state == "queued" and batch.job_id
        ]

    def _may_poll(self, after: float = 0.0) -> bool:
        deadline = self.options.deadline
        return not self.stopping() and (deadline is None or self.clock.monotonic() + after < deadline)

    def _ask(self, jobs: Sequence[Job]) -> bool:
        """Ask once; whether it is worth asking again: some are pending still, and Propexo answers."""
        pending, self._silent = len(jobs), False
        for ended in self._ended(jobs):
            batch_id, state, reason = ended.job.batch_id, ended.state, ended.reason
            noted(partial(self.journal.record, batch_id, state, errors=ended.errors, reason=reason))
            pending -= 1
        return pending > 0 and not self._silent

    def _ended(self, jobs: Sequence[Job]) -> Iterator[Ended]:
        """What ended, as far as Propexo can be asked now: the other jobs stay queued, and a later run asks again."""
        try:
            yield from ended_jobs(jobs, self.ports)
        except ChargeplanError as problem:
            self.stopped, self._silent = self.stopped or problem.message, True


def _lanes(
    changes: Sequence[Change], integrations: Mapping[str, IntegrationConfig], size: int
) -> list[_Lane]:
    """The parts of each integration, property and route: lines of one plan (and time zone), in the plan's order.

    A batch has at most ``size`` of them, a single is a batch of one.
    """
    groups: dict[tuple[str, str, RouteName], dict[str, list[Change]]] = {}
    for change in changes:
        route = integrations[change.integration_id].route_name(change.amount or 0)
        plans = groups.setdefault((change.integration_id, change.property_id, route), {})
        plans.setdefault(change.plan, []).append(change)
    return [
        _Lane(_parts(plans.values(), size if route == "batch" else 1))
        for (_, _, route), plans in groups.items()
    ]


def _parts(plans: Iterable[Sequence[Change]], size: int) -> Iterator[_Part]:
    for lines in plans:
        for start in range(0, len(lines), size):
            yield _Part(lines[start : start + size])


def _outgoing(change: Change, batch_id: str, integration: IntegrationConfig, timezone: str) -> Outgoing:
    return Outgoing(
        property_id=change.property_id,
        resident_id=change.resident_id,
        lease_id=change.lease_id,
        unit_id=change.unit_id,
        code_id=change.charge_code_id,
        account_id="",
        batch_id=batch_id,
        transaction_batch_id=integration.transaction_batch_id,
        day=change.transaction_date,
        moment=moment_of(change.transaction_date, timezone),
        description=change.description,
        notes=change.notes,
        amount=change.amount or 0,
        reference=change.reference,
    )


def in_plan_order(batches: Sequence[Batch], changes: Sequence[Change]) -> list[Batch]:
    """The batches by property as the plan has them, those of a property in the order they were sent."""
    places = dict.fromkeys((change.integration_id, change.property_id) for change in changes)
    order = {place: number for number, place in enumerate(places)}
    return sorted(batches, key=lambda batch: order.get((batch.integration_id, batch.property_id), len(order)))


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
