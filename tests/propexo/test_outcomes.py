"""Every way in which the one request can end."""

from __future__ import annotations

import json

import httpx
import pytest

from chargeplan.core.posting import Denied, Invalid, Lost, NotSent, Queued, Throttled, TooLarge
from chargeplan.propexo import outcomes

# The whole tree of httpx's exceptions, written out: a new one fails the test below until somebody has thought about it.
BEFORE = {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ProxyError", "InvalidURL"}
AFTER = {
    "HTTPError", "RequestError", "TransportError", "TimeoutException", "ReadTimeout", "WriteTimeout", "NetworkError",
    "ReadError", "WriteError", "CloseError", "ProtocolError", "LocalProtocolError", "RemoteProtocolError", "DecodingError",
    "TooManyRedirects", "HTTPStatusError", "StreamError", "StreamConsumed", "StreamClosed", "ResponseNotRead",
    "RequestNotRead", "CookieConflict",
}  # fmt: skip


def _tree(kind):
    yield kind
    for each in kind.__subclasses__():
        yield from _tree(each)


def _all():
    roots = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict)
    return sorted({each for root in roots for each in _tree(root)}, key=lambda each: each.__name__)


@pytest.mark.parametrize("kind", _all(), ids=lambda kind: kind.__name__)
def test_every_exception_of_httpx_has_its_phase(kind):
    error = kind.__new__(kind)
    Exception.__init__(error, "why")
    found = outcomes.of_exception(error)
    assert kind.__name__ in BEFORE | AFTER
    assert isinstance(found, NotSent if kind.__name__ in BEFORE else Lost)
    assert kind.__name__ in found.reason


def test_what_is_no_exception_of_httpx_is_lost():
    assert isinstance(outcomes.of_exception(OSError("reset")), Lost)
    assert isinstance(outcomes.of_exception(ValueError("?")), Lost)


def _of(status, body, count=5):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return outcomes.of_answer(status, raw, count=count, retry_after=7)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"meta": {"job_id": "j1"}, "result": {}}, Queued),
        (200, {"job_id": "j1", "data": {}}, Queued),
        (200, {"meta": None, "job_id": "j1"}, Queued),
        (200, b"", Lost),
        (200, b"<html>", Lost),
        (200, {"meta": {"job_id": None}}, Lost),
        (200, {"meta": {"job_id": ""}}, Lost),
        (200, {"meta": {"job_id": 7}}, Lost),
        (200, [], Lost),
        (201, {"meta": {"job_id": "j1"}}, Lost),
        (204, b"", Lost),
        (302, b"", Lost),
        (307, b"", Lost),
        (400, b"not json", Invalid),
        (413, b"", TooLarge),
        *((status, b"", Denied) for status in (401, 403, 404, 405, 409, 422)),
        (429, b"", Throttled),
        *((status, b"", Lost) for status in (402, 408, 418, 425, 451, 499, 500, 502, 503, 504, 520, 599)),
    ],
)
def test_every_status_has_its_outcome(status, body, kind):
    assert isinstance(_of(status, body), kind)


@pytest.mark.parametrize("depth", [1, 2])
def test_the_paths_of_issues_name_the_items(depth):
    issues = [
        {"code": "custom", "path": ["charges", 3, "amount_in_cents"], "message": "too small"},
        {"code": "custom", "path": ["charges", 3], "message": "also"},
        {"code": "custom", "path": ["body", "charges", 0, "notes"], "message": "long"},
        {"code": "custom", "path": ["charges", 99, "notes"], "message": "not ours"},
        {"code": "custom", "path": ["charges", True], "message": "no index"},
        {"code": "unrecognized_keys", "path": [], "message": "top"},
    ]
    details = {"issues": issues, "name": "ZodError"}
    for _ in range(depth - 1):
        details = {"details": details}
    found = _of(400, {"error": {"code": "invalid_request", "message": "invalid request", "details": details}})
    assert isinstance(found, Invalid)
    assert list(found.items) == [0, 3]
    assert found.items[3] == "charges.3.amount_in_cents: too small; charges.3: also"
    assert "invalid request" in found.message


@pytest.mark.parametrize("details", [None, [], "x", {"issues": None}, {"issues": [1, {"path": "charges"}]}])
def test_strange_details_name_nothing(details):
    found = _of(400, {"error": {"code": "c", "message": "m", "details": details}})
    assert isinstance(found, Invalid)
    assert found.items == {}
