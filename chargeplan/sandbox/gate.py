"""What a request meets before and after its work: the token, the rate limit, and whatever goes wrong today."""

from __future__ import annotations

import asyncio
import json
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import msgspec

from chargeplan.sandbox.answers import Refusal
from chargeplan.sandbox.app import FAULT, make_app
from chargeplan.sandbox.faults import Fault, take_fault
from chargeplan.sandbox.lever_routes import make_levers
from chargeplan.sandbox.levers import pull
from chargeplan.sandbox.presigned import answer_presigned
from chargeplan.sandbox.ratelimit import RateLimit

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from chargeplan.sandbox.connection import Connections
    from chargeplan.sandbox.settings import Settings
    from chargeplan.sandbox.state import Sandbox


class Answer(msgspec.Struct, kw_only=True):
    """A whole HTTP answer, before any of it is sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @classmethod
    def of(cls, status: int, body: object, headers: dict[str, str] | None = None) -> Answer:
        """A JSON answer."""
        sent = {"content-type": "application/json", **(headers or {})}
        return cls(
            status=status,
            headers=[(k.encode(), v.encode()) for k, v in sent.items()],
            body=json.dumps(body).encode(),
        )

    def with_headers(self, headers: dict[str, str]) -> Answer:
        """The same with more headers."""
        more = [(name.encode(), value.encode()) for name, value in headers.items()]
        return Answer(status=self.status, headers=[*self.headers, *more], body=self.body)


class Gate:
    """The ASGI application that the server runs."""

    def __init__(self, sandbox: Sandbox, connections: Connections) -> None:
        self._sandbox = sandbox
        self._connections = connections
        self._api: ASGIApp = make_app(sandbox)
        self._levers: ASGIApp = make_levers(sandbox)
        self._limit = RateLimit()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"].startswith("/_sandbox/"):
            await self._levers(scope, receive, send)
        elif scope["path"].startswith("/_presigned/"):
            await answer_presigned(self._sandbox, scope, receive, send)
        else:
            await self._propexo(scope, receive, send)

    async def _propexo(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/") or "/"
        fault = take_fault(self._sandbox.store, scope["method"], path)
        row = self._note(scope, fault)
        body = await _read(receive)
        inner = {**scope, "path": path, "raw_path": path.encode(), FAULT: fault}
        if fault is not None and fault.drop == "before":
            await self._connections.cut(scope, receive)
            return
        answer = await self._answer(inner, body, fault or Fault())
        if fault is not None and fault.drop == "after":
            await self._connections.cut(scope, receive)
            return
        self._sandbox.store.change("UPDATE requests SET status = ? WHERE seq = ?", (answer.status, row))
        await _send(answer, send, half=fault is not None and fault.drop == "during")
        if fault is not None and fault.drop == "during":
            await self._connections.cut(scope, receive)

    async def _answer(self, scope: Scope, body: bytes, fault: Fault) -> Answer:
        """The answer with the rate limit's headers. A token that is not let in is not counted."""
        settings = self._sandbox.settings
        if refusal := _unauthorized(scope, settings):
            return Answer.of(refusal.status, refusal.body)
        pace = self._limit.take(self._sandbox.clock.now(), settings)
        headers = pace.headers(settings)
        if pace.refused:
            return Answer.of(429, _error("too_many_requests", "rate limit exceeded"), headers)
        answer = await self._worked(scope, body, fault)
        wait = pace.delay + fault.delay
        if wait:
            await asyncio.sleep(wait)
        if settings.tells_time:
            headers |= {"date": format_datetime(self._sandbox.clock.now(), usegmt=True)}
        return answer.with_headers(headers)

    async def _worked(self, scope: Scope, body: bytes, fault: Fault) -> Answer:
        """The work, if it is done, and its answer, or what the fault makes of it."""
        if fault.lever and fault.lever_when == "before":
            pull(self._sandbox, fault.lever, fault.arguments)
        answer = None
        if fault.status is None or fault.work:
            answer = await _captured(self._api, scope, body)
        if fault.lever and fault.lever_when == "after":
            pull(self._sandbox, fault.lever, fault.arguments)
        if fault.status is not None or answer is None:
            return _faulty_status(fault)
        return _spoilt(answer, fault)

    def _note(self, scope: Scope, fault: Fault | None) -> int:
        with self._sandbox.store.transaction():
            number = self._sandbox.store.reserve("request")
            self._sandbox.store.change(
                "INSERT INTO requests VALUES (?, ?, ?, ?, ?, NULL, ?)",
                (
                    number,
                    self._sandbox.clock.stamp(),
                    scope["method"],
                    scope["path"],
                    scope["query_string"].decode("latin-1"),
                    msgspec.json.encode(fault).decode() if fault else None,
                ),
            )
        return number


def _unauthorized(scope: Scope, settings: Settings) -> Refusal | None:
    given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    kind, _, token = given.partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        return Refusal(401, "unauthorized", "a bearer token is required")
    if settings.token is not None and token.strip() != settings.token:
        return Refusal(401, "unauthorized", "the token is not known")
    return None


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _faulty_status(fault: Fault) -> Answer:
    status = fault.status or 500
    headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
    if status in (502, 504):
        # A gateway answers for itself, and not in JSON.
        page = f"<html><body><h1>{status}</h1></body></html>".encode()
        return Answer(status=status, headers=[(b"content-type", b"text/html")], body=page).with_headers(
            headers
        )
    code = "too_many_requests" if status == 429 else "internal_server_error"
    return Answer.of(status, _error(code, f"a fault of the sandbox: {status}"), headers)


def _spoilt(answer: Answer, fault: Fault) -> Answer:
    bodies = {
        None: answer.body,
        "malformed": b'{"meta": {"job_id": ',
        "truncated": answer.body[: len(answer.body) // 2],
        "empty": b"",
        "html": b"<html><body>Maintenance</body></html>",
        "shapeless": b'{"ok": true}',
    }
    kept = [(name, value) for name, value in answer.headers if name != b"content-length"]
    return Answer(status=answer.status, headers=kept, body=bodies[fault.body])


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return b"".join(parts)


async def _captured(app: ASGIApp, scope: MutableMapping[str, Any], body: bytes) -> Answer:
    """Run an application and keep its answer instead of sending it."""
    answer = Answer(status=500, headers=[], body=b"")

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], list(message["headers"])
        else:
            answer.body += message.get("body", b"")

    await app(scope, receive, send)
    return answer


async def _send(answer: Answer, send: Send, *, half: bool) -> None:
    """Send an answer, or its head and half of its body."""
    kept = [(name, value) for name, value in answer.headers if name != b"content-length"]
    headers = [*kept, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if half:
        await send(
            {"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True}
        )
    else:
        await send({"type": "http.response.body", "body": answer.body})
