"""Post the changes of a plan, batch by batch, at most once (design.md, *Posting, step by step*, 2 and 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice

import msgspec

from chargeplan.core.change import Change
from chargeplan.core.errors import ChargeplanError, explained
from chargeplan.core.posting import (
    Batch,
    Denied,
    Invalid,
    Lost,
    NotSent,
    Outcome,
    Queued,
    Throttled,
    TooLarge,
    posting_of,
)
from chargeplan.flow.lanes import MOST_TRIES, Lane, Part, lanes_of, outgoing_of
from chargeplan.flow.ports import Journal, Ports
from chargeplan.flow.requests import Requests
from chargeplan.flow.settling import noted
from chargeplan.flow.waiting import End

_PROMPT_SECONDS = 30.0
"""A quarter of a lock's expiry: nobody else can have taken the lock of a run that is as prompt as this."""


class _Sent(msgspec.Struct, frozen=True):
    """A request: its batch, what was in it, and where it belongs."""

    batch_id: str
    part: Part
    lane: Lane


class Poster:
    """Posts the lines of one plan. One object, one run; every request is preceded by a durable intent.

    Requests of several properties overlap, those of one property never. Whatever is decided or recorded is so in the thread that
    calls; the others carry requests and nothing else.
    """

    def __init__(
        self,
        plan_id: str,
        ports: Ports,
        end: End,
        *,
        batch_size: int,
        parallel: int,
        timezone_of: Mapping[str, str],
    ) -> None:
        self.plan_id, self.ports, self.end = plan_id, ports, end
        self.journal, self.remote, self.clock = ports.journal, ports.remote, ports.clock
        self.batch_size, self.parallel, self.timezone_of = batch_size, parallel, timezone_of
        self.tokens: Mapping[tuple[str, str], int] = {}
        self.stopped = ""
        self.done = self.count = 0
        self.requests = 0
        self._not_before = 0.0

    def post(self, changes: Sequence[Change], tokens: Mapping[tuple[str, str], int]) -> str:
        """Post the changes, several properties at a time; returns why the run stopped early, or nothing.

        Once the run stops, no request begins, and those under way are finished and recorded.

        Raises:
            ChargeplanError: the journal can't be written; what was sent before is recorded.
        """
        self.tokens, self.count = tokens, len(changes)
        lanes = lanes_of(changes, self.ports.integrations, self.batch_size)
        under_way: Requests[_Sent] = Requests(min(self.parallel, len(lanes)))
        try:
            self._run(lanes, under_way)
        except BaseException:
            self._abandon(under_way)
            raise
        finally:
            under_way.close()
        return self.stopped

    def _run(self, lanes: Sequence[Lane], under_way: Requests[_Sent]) -> None:
        waiting, active = iter(lanes), list[Lane]()
        try:
            while True:
                active = [lane for lane in active if lane.busy or lane.parts]
                active += islice(waiting, self.parallel - len(active))
                pause = self._begin(active, under_way)
                if under_way.under_way:
                    self._take(under_way, pause)
                elif pause is None or not self._wait(pause):
                    return
        except Exception as problem:
            self.stopped = self.stopped or explained(problem).message
            self._finish(under_way)
            raise

    def _begin(self, active: Sequence[Lane], under_way: Requests[_Sent]) -> float | None:
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

    def _send(self, lane: Lane, under_way: Requests[_Sent]) -> None:
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
                _record_unknown(
                    self.journal, sent.batch_id, "the run was interrupted while the request was under way"
                )

    def _record(self, sent: _Sent, outcome: Outcome) -> None:
        """What came of a request; then what follows of it: another try, or its parts, where it has to be divided."""
        batch_id, part, lines = sent.batch_id, sent.part, sent.part.lines
        match outcome:
            case Queued(job_id=job_id):
                _record_queued(self.journal, batch_id, lines, job_id)
                self._answered(len(lines))
            case NotSent(reason=reason):
                self.journal.record(batch_id, "withdrawn", errors=[reason])
                pause = float(MOST_TRIES - part.tries + 1)
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
                _record_unknown(self.journal, batch_id, reason)
                self._answered(len(lines))

    def _failed(self, sent: _Sent, problem: BaseException) -> None:
        """A mistake of this program's own: the request may have been taken, and no other begins."""
        said = f"a mistake of this program's own ended a request ({type(problem).__name__})"
        _record_unknown(self.journal, sent.batch_id, said)
        if not isinstance(problem, Exception):
            raise problem
        self.stopped = self.stopped or said

    def _answered(self, lines: int) -> None:
        self.done += lines
        self.ports.progress.step("posting", self.done, self.count)

    def _may_go_on(self) -> bool:
        self.stopped = self.stopped or self.end.reason()
        return not self.stopped

    def _again(self, sent: _Sent, pause: float, why: str) -> None:
        if not self._may_go_on():
            return
        if sent.part.tries <= 1:
            self.stopped = why
            return
        sent.lane.first(Part(sent.part.lines, sent.part.tries - 1))
        # For all: a host that can't be reached, or is over its limit, is so for every property.
        self._not_before = max(self._not_before, self.clock.monotonic() + pause)

    def _wait(self, seconds: float) -> bool:
        """Wait, unless the run ends before that; whether it may go on."""
        self.stopped = self.stopped or self.end.wait(seconds)
        return not self.stopped

    def _intend(self, batch_id: str, lines: Sequence[Change]) -> None:
        first = lines[0]
        amount = sum(change.amount or 0 for change in lines)
        batch = Batch(
            batch_id=batch_id,
            plan_id=self.plan_id,
            integration_id=first.integration_id,
            property_id=first.property_id,
            state="intended",
            job_id=None,
            count=len(lines),
            amount=amount,
            created_at=self.clock.now(),
        )
        token = self.tokens[first.integration_id, first.property_id]
        self.journal.intend(self.plan_id, batch, [posting_of(change) for change in lines], lock_token=token)

    def _request(self, batch_id: str, lines: Sequence[Change]) -> Callable[[], Outcome]:
        first = lines[0]
        integration, timezone = self.ports.integrations[first.integration_id], self.timezone_of[first.plan]
        outgoing = [outgoing_of(change, batch_id, integration, timezone) for change in lines]
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
        self._answered(len(bad))
        if rest:
            sent.lane.first(Part(rest))

    def _halves(self, sent: _Sent) -> None:
        lines = sent.part.lines
        if len(lines) == 1:
            self._answered(1)
            return
        middle = len(lines) // 2
        sent.lane.first(Part(lines[:middle]), Part(lines[middle:]))


def _record_queued(journal: Journal, batch_id: str, lines: Sequence[Change], job_id: str) -> None:
    """The request was taken. Where somebody settled its lines meanwhile, the answer proves more than their word."""
    if noted(partial(journal.record, batch_id, "queued", job_id=job_id)):
        return
    references = [change.reference for change in lines]
    journal.record(batch_id, "queued", job_id=job_id, references=references)


def _record_unknown(journal: Journal, batch_id: str, reason: str) -> None:
    noted(partial(journal.record, batch_id, "unknown", errors=[reason]))
