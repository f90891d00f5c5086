"""Propexo, as the flows and the snapshot see it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

import msgspec

from chargeplan.core import observed
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.posting import JobStatus, NotSent, Outcome, WriteLogEntry
from chargeplan.core.system import Route
from chargeplan.propexo import wire
from chargeplan.propexo.address import segment
from chargeplan.propexo.connection import Network
from chargeplan.propexo.outcomes import decoded
from chargeplan.propexo.pacing import Budget, Pacer
from chargeplan.propexo.transport import RefusedError, Transport

PAGE = 250
_LOG_PAGE = 100
_DIRECT = Network()
_PASSES = 3
_MOST_TIMES = 10
_MOST_SECONDS = 600.0
# By creation, so that rows which a sync brings meanwhile come last; then by id, as a sync brings many at one moment.
_ORDER = "created_at:asc,id:asc"
_UNKNOWN_JOB = frozenset({400, 404, 410, 422})
"""How an unknown or expired job is answered is not documented (propexo-api.md 2.2); none of these says anything of it."""


class Propexo:
    """A client for one host and one token. Safe to share between threads.

    ``post_timeout`` is in seconds, ``network`` how the host is reached. ``on_request`` is told the method and the path of each request before it is sent.

    Raises:
        ChargeplanError: the address or the token can't be used.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        requests_per_minute: int = 150,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        on_request: Callable[[str, str], None] | None = None,
        post_timeout: float = 60.0,
        network: Network = _DIRECT,
    ) -> None:
        self._pacer = Pacer(requests_per_minute, sleep=sleep, monotonic=monotonic)
        self._transport = Transport(
            base_url, token, self._pacer, network=network, post_timeout=post_timeout, on_request=on_request
        )
        self._lock = threading.Lock()
        self._monotonic = monotonic
        self._records = 0

    def __repr__(self) -> str:
        return f"Propexo({self.host!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def host(self) -> str:
        """The host of the API, with its port where that is not the usual one."""
        return self._transport.host

    @property
    def requests(self) -> int:
        """HTTP requests made so far, repeats among them."""
        return self._transport.requests

    @property
    def records(self) -> int:
        """Records received so far, those received twice counted twice: Propexo bills by the record."""
        return self._records

    def server_time(self) -> datetime | None:
        """The server's clock at its last answer to a read; ``None`` where it told none."""
        return self._transport.server_time

    @property
    def rate_limit(self) -> int:
        """Requests a minute by the contract: as the last answer told, else as configured."""
        return self._pacer.limit

    def end_at(self, deadline: float | None, stopping: Callable[[], bool]) -> None:
        """From now on no request begins after ``deadline`` (monotonic seconds), nor once ``stopping``.

        A wait for the rate limit ends with it: a read raises ``EndedError``, a write is not sent.
        """
        self._pacer.end_at(deadline, stopping)

    def share(self, budget: Budget) -> None:
        """From now on count requests together with others that have the same token."""
        self._pacer.share(budget)

    def fingerprint(self, salt: str) -> str:
        """What tells this token at this host from others, and nothing else of it; other with another salt."""
        return self._transport.fingerprint(salt)

    def reserve(self) -> float:
        """Keep a place under the rate limit for the next write: 0 where there is one, else seconds after which to ask again."""
        return self._pacer.reserve()

    def release(self) -> None:
        """Give back a place that was kept for a write that is not sent."""
        self._pacer.release()

    def rows(self, kind: str, params: Mapping[str, str]) -> Iterator[Sequence[wire.Record]]:
        """The pages of a list, each record once. ``kind`` is as the path names it (``resident-charges``).

        Raises:
            ChargeplanError: a page can't be had or read; ``code`` is ``bad_request`` where Propexo does not know a
                filter. Or the list kept changing, so that it could not be read whole.
        """
        seen: set[str] = set()
        total: int | None = None
        for _ in range(_PASSES):
            most = 0
            for page, total in self._pages(kind, params):
                most = max(most, total or 0)
                # One sync may bring a row before the place where we are, which shows the row before it twice.
                fresh = {each.id: each for each in page if each.id not in seen}
                seen.update(fresh)
                if fresh:
                    yield list(fresh.values())
            # A row that left the list meanwhile moved the later ones up, past the next page's offset.
            if total is None or (total == most and len(seen) >= total):
                return
        raise ChargeplanError(
            f"{self.host} says that there are {total} {kind} and sent {len(seen)} of them, {_PASSES} times over: the list changes while it is read.",
            hint="A sync may be under way: try again in some minutes.",
            code="incomplete_list",
        )

    def own_ids(self, kind: str, integration_id: str) -> Iterator[tuple[str, str]]:
        """Of each record of a kind: its id here, and the property system's own, where it tells one.

        Raises:
            ChargeplanError: a page can't be had or read.
        """
        for page in self.rows(kind, {"integration_id": integration_id}):
            yield from ((each.id, each.x_id) for each in page if each.x_id)

    def integration(self, integration_id: str) -> observed.Integration:
        """The integration's state.

        Raises:
            ChargeplanError: it does not exist, or the token is refused.
        """
        path = f"/v1/admin/integrations/{segment(integration_id)}/"
        try:
            row = _object(self._get(path, {})).get("results")
        except RefusedError as error:
            if error.status not in (400, 404):
                raise
            row = None
        if row is None:
            raise ChargeplanError(
                f"{self.host} knows no integration {integration_id}.",
                hint="Check the `id` of the integration in chargeplan.yaml, and that the token is of the same account.",
                code="unknown_integration",
            )
        self._count(1)
        return wire.integration(row)

    def post(self, route: Route, integration_id: str, lines: Sequence[wire.Line]) -> Outcome:
        """Send one request, never repeated. What came of it is the outcome; nothing is raised for it.

        It takes the place that was reserved for it, else waits for one. A ``NotSent`` is also what a run gives that was
        asked to stop: no byte left.
        """
        if not lines:
            return NotSent("the batch is empty")
        body = msgspec.json.encode(wire.body(route, integration_id, lines))
        return self._transport.post(route.path, body, len(lines))

    def job_status(self, job_id: str) -> JobStatus:
        """The write status of a job; ``missing`` where Propexo does not know it.

        Raises:
            ChargeplanError: no usable answer.
        """
        try:
            answer = _object(self._get(f"/v1/admin/write-status/{segment(job_id)}", {}))
        except RefusedError as error:
            if error.status in _UNKNOWN_JOB:
                return JobStatus("missing")
            raise
        errors = answer.get("errors")
        said = (
            tuple(self._transport.clean(_text(each)) for each in errors) if isinstance(errors, list) else ()
        )
        match answer.get("write_status"):
            case "PENDING" | "SUCCESS" | "PARTIAL_SUCCESS" | "FAILURE" as status:
                record_id = answer.get("created_record_id")
                return JobStatus(
                    status, said, record_id if isinstance(record_id, str) and record_id else None
                )
            case other:
                raise wire.MalformedError(
                    "write status", job_id, "write_status", f"{str(other)[:40]!r}, which is not known"
                )

    def write_log(
        self, integration_id: str, time_range: str, *, credits_too: bool = False
    ) -> Sequence[WriteLogEntry]:
        """Entries of the write log for charges. ``time_range`` is ``hour``, ``day``, ``week`` or ``month``.

        Credits have no category in it: with ``credits_too`` writes of every kind are read.

        A job that is still pending is not in it (propexo-api.md, section 8): absence proves nothing.

        Raises:
            ChargeplanError: no usable answer.
        """
        found: dict[str, WriteLogEntry] = {}
        offset, limits = 0, _Limits(f"{self.host}'s write log", self._monotonic)
        while page := self._log_page(integration_id, time_range, offset, credits_too=credits_too):
            for row in page:
                entry = self._log_entry(row)
                if entry is not None:
                    found.setdefault(entry.job_id, entry)
            offset += len(page)
            if len(page) < _LOG_PAGE:
                break
            limits.check([msgspec.json.encode(row) for row in page], None)
        return tuple(found.values())

    def _pages(self, kind: str, params: Mapping[str, str]) -> Iterator[tuple[list[wire.Record], int | None]]:
        offset, limits = 0, _Limits(f"{self.host}'s list of {kind}", self._monotonic)
        while True:
            query: dict[str, str | int] = {"order-by": _ORDER, **params, "limit": PAGE, "offset": offset}
            answer = self._get(f"/v1/{kind}/", query, check=_is_page)
            results, meta = answer["results"], answer.get("meta")
            meta = meta if isinstance(meta, dict) else {}
            self._count(len(results))
            page, total = wire.records(kind, results), _whole(meta.get("total"))
            yield page, total
            offset += len(results)
            # Fewer rows than were asked for may be the server's own limit, which it then tells.
            limit = min(PAGE, _whole(meta.get("limit")) or PAGE)
            more = meta.get("hasMore")
            if more is False or (more is not True and len(results) < limit):
                return
            limits.check([each.id for each in page], total)

    def _log_page(self, integration_id: str, time_range: str, offset: int, *, credits_too: bool) -> list[Any]:
        query: dict[str, str | int] = {
            "integration_id": integration_id,
            **({} if credits_too else {"write_category": "resident_charges"}),
            "time_range": time_range,
            "limit": _LOG_PAGE,
            "offset": offset,
        }
        logs = _object(self._get("/v1/admin/logs/writes/", query)["results"]).get("logs")
        if not isinstance(logs, list):
            raise wire.MalformedError("write log", integration_id, "logs", "that is not a list")
        self._count(len(logs))
        return logs

    def _log_entry(self, row: object) -> WriteLogEntry | None:
        facts = _object(row)
        job_id, status = facts.get("job_id"), facts.get("status")
        if not isinstance(job_id, str) or status not in ("SUCCESS", "FAILURE"):
            return None
        error = facts.get("error")
        parameters = facts.get("parameters")
        return WriteLogEntry(
            job_id=job_id,
            status="SUCCESS" if status == "SUCCESS" else "FAILURE",
            batch_ids=wire.named_in(parameters, "batch_id"),
            references=wire.references_in(parameters),
            error=None if error is None else self._transport.clean(_text(error)),
            items=wire.items_in(parameters),
            created_at=created if isinstance(created := facts.get("created_at"), str) else "",
        )

    def _get(
        self, path: str, params: Mapping[str, str | int], *, check: Callable[[object], bool] | None = None
    ) -> dict[str, Any]:
        read: list[Any] = []

        def can_be_read(body: bytes) -> bool:
            read[:] = [decoded(body)]
            return (check or _is_object)(read[0])

        self._transport.get(path, params, check=can_be_read)
        return _object(read[0])

    def _count(self, records: int) -> None:
        with self._lock:
            self._records += records


class _Limits:
    """What ends a list that would never end: a page without a new row, far more rows than it has, or ten minutes."""

    def __init__(self, name: str, monotonic: Callable[[], float]) -> None:
        self.name = name
        self._monotonic = monotonic
        self._until = monotonic() + _MOST_SECONDS
        self._seen: set[str | bytes] = set()

    def check(self, page: Sequence[str | bytes], total: int | None) -> None:
        """Whether the next page may be asked for after this one.

        Raises:
            ChargeplanError: it may not; the list is incomplete.
        """
        before = len(self._seen)
        self._seen.update(page)
        if not page:
            raise self._incomplete("had an empty page that promises more")
        if len(self._seen) == before:
            raise self._incomplete("showed the same page again")
        if total is not None and len(self._seen) > _MOST_TIMES * max(total, PAGE):
            raise self._incomplete(
                f"goes on after {len(self._seen):,} rows, though it says that there are {total:,}"
            )
        if self._monotonic() > self._until:
            raise self._incomplete(f"did not end in {_MOST_SECONDS // 60:.0f} minutes")

    def _incomplete(self, why: str) -> ChargeplanError:
        return ChargeplanError(
            f"{self.name} {why}: it is incomplete, and nothing is concluded from it.",
            hint="Try again in some minutes; if it stays, tell Propexo's support.",
            code="incomplete_list",
        )


def _is_object(answer: object) -> bool:
    return isinstance(answer, dict)


def _is_page(answer: object) -> bool:
    return isinstance(answer, dict) and isinstance(answer.get("results"), list)


def _object(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _whole(found: object) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def _text(found: object) -> str:
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()
