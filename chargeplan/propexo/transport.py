"""Requests: the token, pacing, and repeats of reads. A write is sent once (``post``), whatever happens."""

from __future__ import annotations

import hashlib
import re
import threading
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import msgspec

from chargeplan.core.errors import ChargeplanError
from chargeplan.core.posting import Denied, Invalid, Lost, NotSent, Outcome, Queued, Throttled, TooLarge
from chargeplan.propexo import outcomes
from chargeplan.propexo.address import base_address, host_of
from chargeplan.propexo.connection import Answer, Connection, Network, OversizedError, tls_context
from chargeplan.propexo.failure import Failure, failure_of
from chargeplan.propexo.pacing import EndedError, Pacer

ATTEMPTS = 4
_THROTTLED_ATTEMPTS = 10
_FIRST_PAUSE = 1.0
_READ_SECONDS = 30.0
# With less than this the request would be cut before it could be answered at all.
_LEAST_SECONDS = 0.1
_SHOWN = 300
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\uffff]+")


class RefusedError(ChargeplanError):
    """An answer that a repeat would not change. ``status`` is the HTTP status."""

    def __init__(self, status: int, message: str, *, hint: str, code: str) -> None:
        super().__init__(message, hint=hint, code=code)
        self.status = status


class Transport:
    """Carries requests to one host. Safe to share between threads.

    The token is in no attribute that a ``repr`` shows, and only on requests to the configured host: no client follows a
    redirect, and the one for presigned addresses has never seen it.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        pacer: Pacer,
        *,
        network: Network,
        post_timeout: float,
        on_request: Callable[[str, str], None] | None,
    ) -> None:
        self._base = base_address(base_url)
        self._secret = token
        self._headers = _token_header(token)
        self._pacer = pacer
        self._on_request = on_request
        self._lock = threading.Lock()
        self.requests = 0
        self.server_time: datetime | None = None
        self._post_seconds = post_timeout
        # One for both: building a TLS context reads every root certificate.
        tls = tls_context(network)
        self._reads = Connection(tls, network, kept=True)
        # A write opens a connection of its own. One that is kept alive may have been closed by the other side just
        # now; the write would then fail after its first byte, and be unknown for no good reason.
        self._writes = Connection(tls, network, kept=False)

    def __repr__(self) -> str:
        return f"Transport({str(self._base)!r})"

    @property
    def host(self) -> str:
        """The configured host, with its port where that is not the usual one."""
        return host_of(str(self._base))

    def fingerprint(self, salt: str) -> str:
        """64 bits that tell token and host from others: too few to find the token by, and salted."""
        told = f"{salt}\0{self.host}\0{self._secret}"
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def close(self) -> None:
        """Close the connections."""
        for connection in (self._reads, self._writes):
            connection.close()

    def get(self, path: str, params: Mapping[str, str | int], *, check: Callable[[bytes], bool]) -> Answer:
        """A 200 whose body passes ``check``.

        Raises:
            RefusedError: another 4xx or a redirect.
            ChargeplanError: no usable answer after ``ATTEMPTS`` attempts.
            EndedError: the run was asked to stop, or its deadline has passed.
        """
        problem = Failure("")
        failures = throttles = 0
        while failures < ATTEMPTS and throttles < _THROTTLED_ATTEMPTS:
            if failures:
                self._pacer.pause(_FIRST_PAUSE * 2 ** (failures - 1))
            answer = self._read(path, params)
            if isinstance(answer, Failure):
                problem, failures = answer, ATTEMPTS if answer.is_final else failures + 1
            elif answer.status == 429:
                self._pacer.throttled(answer.headers)
                problem, throttles = Failure("429, too many requests"), throttles + 1
            elif answer.status >= 500:
                problem, failures = Failure(f"status {answer.status}"), failures + 1
            elif answer.status == 200 and check(answer.content):
                return answer
            elif answer.status == 200:
                problem, failures = Failure("an answer that can't be read"), failures + 1
            else:
                raise self._refused(path, answer)
        raise self._gave_up(path, problem)

    def post(self, path: str, body: bytes, count: int) -> Outcome:
        """Send ``body``, a batch of ``count`` items, once, and say what came of it."""
        try:
            self._pacer.begin()
        except EndedError as ended:
            return NotSent(ended.message)
        self._note("POST", path)
        try:
            answer = self._writes.send(
                "POST",
                self._url(path),
                seconds=self._seconds(self._post_seconds),
                content=body,
                headers=self._headers | {"Content-Type": "application/json"},
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it has a phase, and its outcome is a value
            self._pacer.lost()
            return self._without_secret(outcomes.of_exception(error))
        self._pacer.learn(answer.headers)
        retry_after = self._pacer.throttled(answer.headers) if answer.status == 429 else 0
        return self._without_secret(
            outcomes.of_answer(answer.status, answer.content, count=count, retry_after=retry_after)
        )

    def clean(self, text: str) -> str:
        """Text of the other side's, fit to show: without the token, without control characters, not long."""
        return _UNPRINTABLE.sub(" ", text.replace(self._secret, "***"))[:2000]

    def _read(self, path: str, params: Mapping[str, str | int]) -> Answer | Failure:
        self._pacer.wait()
        self._note("GET", path)
        try:
            answer = self._reads.send(
                "GET",
                self._url(path),
                seconds=self._seconds(_READ_SECONDS),
                params=dict(params),
                headers=self._headers,
            )
        except (httpx.HTTPError, httpx.StreamError, OversizedError, zlib.error) as error:
            self._pacer.lost()
            # Not chained: the exception holds the request, and the request the token.
            found = failure_of(error)
            return msgspec.structs.replace(found, words=self.clean(found.words))
        self._pacer.learn(answer.headers)
        self.server_time = _clock_of(answer)
        return answer

    def _seconds(self, most: float) -> float:
        """How long a request may take: no longer than the run has."""
        return max(_LEAST_SECONDS, min(most, self._pacer.seconds_left()))

    def _url(self, path: str) -> httpx.URL:
        return httpx.URL(f"{self._base}".rstrip("/") + path)

    def _note(self, method: str, path: str) -> None:
        with self._lock:
            self.requests += 1
        if self._on_request is not None:
            self._on_request(method, path)

    def _without_secret(self, outcome: Outcome) -> Outcome:
        match outcome:
            case Invalid(message, items):
                cleaned = {index: self.clean(text) for index, text in items.items()}
                return Invalid(self.clean(message), cleaned)
            case TooLarge() | Denied():
                return msgspec.structs.replace(outcome, message=self.clean(outcome.message))
            case NotSent() | Lost():
                return msgspec.structs.replace(outcome, reason=self.clean(outcome.reason))
            case Queued() | Throttled():
                return outcome

    def _refused(self, path: str, answer: Answer) -> RefusedError:
        status = answer.status
        said = self.clean(outcomes.error_message(answer.content))
        text = f"{self.host} answered {status} to GET {path}{f': {said}' if said else '.'}"
        hint = "Check the ids in chargeplan.yaml and the address in `api`; `chargeplan doctor` looks at each."
        code = {400: "bad_request", 404: "not_found"}.get(status, "refused")
        if target := answer.headers.get("location", "") if 300 <= status < 400 else "":
            text = f"{self.host} redirects GET {path} to {self.clean(target)[:_SHOWN]}."
            hint = "No redirect is followed, as the token would go along. If the new address is Propexo's, write it as `api`."
            code = "redirected"
        elif status in (401, 403) and _is_page(answer):
            text = f"{status} to GET {path} is a web page, and no answer of Propexo's at {self.host}: a firewall or proxy on the way refuses it."
            hint = "Ask whoever runs the network here to let requests to it pass, or name the proxy that does with `proxy`."
            code = "blocked"
        elif status in (401, 403):
            text = f"{self.host} refused the token: {status}{f', {said}' if said else ''} (GET {path})."
            hint = "Check the variable that `token_env` of the environment names, and that the token is of this host."
            code = "token_refused"
        return RefusedError(status, text, hint=hint, code=code)

    def _gave_up(self, path: str, problem: Failure) -> ChargeplanError:
        return ChargeplanError(
            f"{self.host} gave no usable answer to GET {path}: {problem.words}.",
            hint=f"Nothing was changed. {problem.hint}",
            code="unreachable",
        )


def _clock_of(answer: Answer) -> datetime | None:
    """When the other side answered, by its own clock."""
    try:
        told = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _is_page(answer: Answer) -> bool:
    return "html" in answer.headers.get("content-type", "") or answer.content.lstrip()[:1] == b"<"


def _token_header(token: str) -> dict[str, str]:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ChargeplanError(
            "The token is empty or has characters that no token has.",
            hint="Set the variable that `token_env` of the environment names to the token from Propexo's dashboard.",
            code="bad_token",
        )
    return {"Authorization": f"Bearer {token}"}
