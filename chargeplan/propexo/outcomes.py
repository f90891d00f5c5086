"""What the one request that posts a batch came to (design.md, *Posting, step by step*, 3).

Pure: from an exception or an answer to an outcome. What is not certain is ``Lost``: it may have been taken. The lists below are
of what is certain, never of what is uncertain, so that whatever a later httpx or Propexo brings is uncertain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import httpx
import msgspec

from chargeplan.core.posting import Denied, Invalid, Lost, NotSent, Outcome, Queued, Throttled, TooLarge

# Raised before a connection to the host exists, hence before a byte of the request could leave: refused, unknown name,
# failed TLS handshake, no free place in the pool, an address that is no HTTP address, a proxy that did not connect.
# httpcore turns whatever happens during the handshake into a ConnectError or ConnectTimeout. LocalProtocolError is *not*
# here: h11 also raises it when a body that is already on its way has the wrong length.
BEFORE_A_CONNECTION: tuple[type[Exception], ...] = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
    httpx.InvalidURL,
)
DENIED = frozenset({401, 403, 404, 405, 409, 422})
"""Statuses that refuse a request and leave nothing behind, by the contract in design.md."""


def of_exception(error: Exception) -> NotSent | Lost:
    """The outcome of a request that ended in an exception: by its phase, not by how it looks."""
    reason = f"{type(error).__name__}: {error}".strip(": ")
    if isinstance(error, BEFORE_A_CONNECTION):
        return NotSent(reason)
    return Lost(reason)


def of_answer(status: int, body: bytes, *, count: int, retry_after: int) -> Outcome:
    """The outcome of an answer to a batch of ``count`` items. ``retry_after`` is seconds, for a 429."""
    match status:
        case 200:
            return _of_success(body)
        case 400:
            return _of_issues(body, count)
        case 413:
            return TooLarge(_message(status, body))
        case 429:
            return Throttled(retry_after)
        case _ if status in DENIED:
            return Denied(status, _message(status, body))
        case _:
            return Lost(_message(status, body))


def error_message(body: bytes) -> str:
    """The sentence in Propexo's ``errorResponse``, empty where there is none; details are summed up behind it."""
    error = _error(body)
    message = error.get("message") if error else None
    said = message if isinstance(message, str) else ""
    issues = "; ".join(_issue_text(issue) for issue in _issues(error))
    return ": ".join(part for part in (said, issues) if part)


def decoded(body: bytes) -> Any:
    """JSON as plain values, ``None`` where it is none.

    ``msgspec`` takes neither NaN nor a truncated document.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _of_success(body: bytes) -> Queued | Lost:
    answer = decoded(body)
    if not isinstance(answer, dict):
        return Lost("200 with an answer that can't be read")
    # Two shapes are documented (propexo-api.md, conflict C1).
    meta = answer.get("meta")
    for place in (meta if isinstance(meta, dict) else {}, answer):
        job_id = place.get("job_id")
        if isinstance(job_id, str) and job_id.strip():
            return Queued(job_id)
    return Lost("200 without a job id")


def _of_issues(body: bytes, count: int) -> Invalid:
    items: dict[int, list[str]] = {}
    for issue in _issues(_error(body)):
        index = _item_index(issue.get("path"))
        if index is not None and index < count:
            items.setdefault(index, []).append(_issue_text(issue))
    return Invalid(_message(400, body), {index: "; ".join(texts) for index, texts in sorted(items.items())})


def _message(status: int, body: bytes) -> str:
    return f"{status}: {error_message(body)}".removesuffix(": ")


def _error(body: bytes) -> Mapping[str, Any]:
    answer = decoded(body)
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}


def _issues(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Zod's issues: under ``details`` by the schema, and under ``details.details`` by the documentation's example."""
    place: Any = error
    for _ in range(4):
        place = place.get("details") if isinstance(place, dict) else None
        found = place.get("issues") if isinstance(place, dict) else None
        if isinstance(found, list):
            yield from (issue for issue in found if isinstance(issue, dict))
            return


def _item_index(path: object) -> int | None:
    if not isinstance(path, list):
        return None
    for place, index in pairwise(path):
        if place == "charges" and isinstance(index, int) and not isinstance(index, bool) and index >= 0:
            return index
    return None


def _issue_text(issue: Mapping[str, Any]) -> str:
    path = issue.get("path")
    place = ".".join(str(part) for part in path) if isinstance(path, list) else ""
    message = issue.get("message") or issue.get("code") or "invalid"
    return f"{place}: {message}" if place else str(message)
