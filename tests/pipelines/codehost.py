"""GitHub's and GitLab's API over real HTTP, as far as comments, issues and artifacts go: pages, authors, tokens."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

TOKEN = "ghs_commenttoken"
BOT = "github-actions[bot]"
_LIST = re.compile(r"(/repos/[^/]+/[^/]+/issues|/projects/\d+/merge_requests)/(\d+)/(comments|notes)")
_ONE = re.compile(r"/repos/[^/]+/[^/]+/issues/comments/(\d+)|/projects/\d+/merge_requests/\d+/notes/(\d+)")


_ISSUES = re.compile(r"/repos/[^/]+/[^/]+/issues|/projects/\d+/issues")
_ISSUE = re.compile(r"(?:/repos/[^/]+/[^/]+|/projects/\d+)/issues/(\d+)")


@dataclass
class Artifact:
    """A file that a run kept."""

    name: str
    run: int
    file: Path


class CodeHost:
    """Comments by the number of the pull request; ``add`` is what other people write. Issues, and artifacts, newest first."""

    def __init__(self) -> None:
        self.comments: list[dict] = []
        self.issues: list[dict] = []
        self.artifacts: list[Artifact] = []
        self.requests: list[str] = []
        self.refuses: int | None = None
        self.elsewhere: str | None = None  # another host that is named as the next page
        self.url = ""

    def add(self, body: str, author: str, number: int = 7) -> dict:
        made = {"id": 1000 + len(self.comments), "number": number, "body": body,
                "user": {"login": author}, "author": {"id": 1 if author == BOT else 2}}  # fmt: skip
        self.comments.append(made)
        return made

    def open_issue(self, body: str, author: str) -> dict:
        number = len(self.issues) + 1
        made = {"id": 5000 + number, "number": number, "iid": number, "body": body, "description": body, "state": "open",
                "user": {"login": author}, "author": {"id": 1 if author == BOT else 2}}  # fmt: skip
        self.issues.append(made)
        return made

    def by(self, author: str) -> list[str]:
        return [each["body"] for each in self.comments if each["user"]["login"] == author]


class _Handler(BaseHTTPRequestHandler):
    host: CodeHost

    def do_GET(self):
        self._answer("GET")

    def do_POST(self):
        self._answer("POST")

    def do_PATCH(self):
        self._answer("PATCH")

    def do_PUT(self):
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        host, parts = self.host, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        host.requests.append(f"{method} {self.path}")
        given = self.headers.get("PRIVATE-TOKEN") or (self.headers.get("Authorization") or "").removeprefix(
            "Bearer "
        )
        listed, one = _LIST.fullmatch(parts.path), _ONE.fullmatch(parts.path)
        if host.refuses is not None:
            self._send(host.refuses, {"message": "refused"})
        elif given != TOKEN:
            self._send(401, {"message": "Bad credentials"})
        elif method == "GET" and parts.path == "/user":
            self._send(200, {"id": 1})
        elif parts.path.endswith("/actions/artifacts"):
            self._artifacts(parse_qs(parts.query)["name"][0])
        elif method == "GET" and _ISSUES.fullmatch(parts.path):
            self._send(200, [each for each in host.issues if each["state"] == "open"])
        elif method == "POST" and _ISSUES.fullmatch(parts.path):
            given = json.loads(body)
            self._send(201, host.open_issue(given.get("body") or given["description"], BOT))
        elif method in {"PATCH", "PUT"} and (numbered := _ISSUE.fullmatch(parts.path)):
            self._change(host.issues[int(numbered[1]) - 1], json.loads(body))
        elif method == "GET" and listed:
            self._page(int(listed[2]), parts)
        elif method == "POST" and listed:
            self._send(201, host.add(json.loads(body)["body"], BOT, int(listed[2])))
        elif method == ("PATCH" if parts.path.startswith("/repos") else "PUT") and one:
            found = next(each for each in host.comments if each["id"] == int(one[1] or one[2]))
            found["body"] = json.loads(body)["body"]
            self._send(200, found)
        else:
            self._send(404, {"message": "Not Found"})

    def _artifacts(self, name: str) -> None:
        found = [
            {"name": each.name, "expired": False, "workflow_run": {"id": each.run}}
            for each in self.host.artifacts
            if each.name == name
        ]
        self._send(200, {"total_count": len(found), "artifacts": found})

    def _change(self, issue: dict, given: dict) -> None:
        issue["body"] = issue["description"] = given.get("body") or given["description"]
        if "closed" in given.values() or "close" in given.values():
            issue["state"] = "closed"
        self._send(200, issue)

    def _page(self, number: int, parts) -> None:
        asked = parse_qs(parts.query)
        size, page = int(asked.get("per_page", ["30"])[0]), int(asked.get("page", ["1"])[0])
        rows = [each for each in self.host.comments if each["number"] == number]
        more = rows[page * size :]
        base = self.host.elsewhere or self.host.url
        link = (
            f'<{base}{parts.path}?per_page={size}&page={page + 1}>; rel="next"'
            if more or self.host.elsewhere
            else ""
        )
        self._send(200, rows[(page - 1) * size : page * size], link)

    def _send(self, status: int, value: object, link: str = "") -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if link:
            self.send_header("Link", link)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def served() -> Iterator[CodeHost]:
    host = CodeHost()
    handler = type("Handler", (_Handler,), {"host": host})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
