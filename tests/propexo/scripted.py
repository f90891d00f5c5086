"""A small real HTTP server: each test says what it answers, and sees what it was asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False  # promise more bytes than are sent
    drop: bool = False  # close the connection without an answer


@dataclass
class Server:
    url: str
    asked: list[Asked]


@contextmanager
def scripted(answer: Callable[[Asked], Answer], tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Asked(
                self.command, parts.path, dict(parse_qsl(parts.query)), headers, self.rfile.read(length)
            )
            asked.append(request)
            self._send(answer(request))

        do_GET = do_POST = do_CONNECT = _any  # noqa: N815 - as http.server wants them

        def _send(self, said: Answer) -> None:
            if said.drop:
                self.close_connection = True
                return
            body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) + (50 if said.cut else 0)))
            self.end_headers()
            self.wfile.write(body)
            if said.cut:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Server(f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def page(rows: list[dict[str, Any]], asked: Asked, **meta: Any) -> Answer:
    """The page of ``rows`` that was asked for."""
    offset, limit = int(asked.query["offset"]), int(asked.query["limit"])
    told = {
        "offset": offset,
        "limit": limit,
        "orderBy": [],
        "hasMore": offset + limit < len(rows),
        "total": len(rows),
    }
    return Answer(body={"meta": {**told, **meta}, "results": rows[offset : offset + limit]})
