"""Show a plan on its pull request (GitHub) or merge request (GitLab): one comment for an environment, updated from run to run.

    comment.py FILE         FILE begins with the hidden marker by which the comment is found again; with CHARGEPLAN_QUIET=true
                            nothing changes, so that only a comment that is there already is updated
    comment.py --ask FILE   elsewhere: one issue that is open while CHARGEPLAN_HAS_CHANGES is true, and asks for an apply

A comment or issue is ours where it has the marker and was written by the account that writes now: with the marker alone anyone
could have their own text overwritten, or shown as ours. Standard library only. Variables:

    GitHub  GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_EVENT_PATH as the runner sets them; CHARGEPLAN_COMMENT_TOKEN; and
            CHARGEPLAN_COMMENT_AUTHOR (default github-actions[bot], the account of the job's own token)
    GitLab  CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID as the runner sets them; CHARGEPLAN_COMMENT_TOKEN, a project
            access token with the scope `api`
"""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

_MARKER = re.compile(r"<!-- chargeplan:plan:[A-Za-z0-9_.-]* -->")
_NEXT = re.compile(r'<([^>]+)>\s*;[^,]*\brel="next"')
_MOST = 65_536
_TIMEOUT = 30
_NOTHING = "Nobody is billed otherwise: no comment."
_TITLE = "Charges wait for an apply"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class CommentError(Exception):
    """The comment could not be written; the message says what to do."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The token goes to the API and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Api:
    """The code host's REST API, as far as comments go."""

    def __init__(self, base: str, headers: Mapping[str, str]) -> None:
        parts = urllib.parse.urlsplit(base)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise CommentError(f"The API address {base} is not https: the token is not sent there.")
        self._base, self._headers = base.rstrip("/"), headers
        self._origin = (parts.scheme, parts.netloc)
        self._opener = urllib.request.build_opener(_NoRedirects)

    def get(self, path: str) -> Any:
        """One answer."""
        return self._call("GET", self._base + path)[0]

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """The entries of all pages, by the `Link` header; a page at another host is not followed."""
        url: str | None = f"{self._base}{path}{'&' if '?' in path else '?'}per_page=100"
        while url is not None:
            rows, link = self._call("GET", url)
            yield from rows
            found = _NEXT.search(link)
            url = found[1] if found else None
            if url is not None and urllib.parse.urlsplit(url)[:2] != self._origin:
                raise CommentError(
                    f"The next page of comments is said to be at {url}, which is another host."
                )

    def write(self, method: str, path: str, **fields: str) -> None:
        """Write a comment or an issue. Not repeated: a second try could make a second one."""
        self._call(method, self._base + path, fields)

    def _call(self, method: str, url: str, value: object = None) -> tuple[Any, str]:
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(
            url, data, {**self._headers, "Content-Type": "application/json"}, method=method
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                return json.loads(answer.read()), answer.headers.get("Link") or ""
        except urllib.error.HTTPError as refused:
            raise CommentError(_why(method, refused.code)) from None
        except (OSError, ValueError) as problem:
            raise CommentError(f"{method} at the code host failed: {problem}. Run the job again.") from None


def _why(method: str, code: int) -> str:
    if code == 410:
        return "The repository has no issues: switch them on in its settings, or set `ask: false`."
    if code in {401, 403, 404}:
        return (
            f"The token may not {'read' if method == 'GET' else 'write'} this (HTTP {code}). GitHub: the job needs "
            "`permissions: {pull-requests: write}` for a comment, `issues: write` for an issue, `actions: read` to find a plan, "
            "and a pull request from a fork never gets them. GitLab: a project access token with the scope `api`, in the variable "
            "CHARGEPLAN_COMMENT_TOKEN."
        )
    return f"The code host answered {code} to {method}. Run the job again."


class GitHub:
    """Where a run of GitHub writes."""

    def __init__(self) -> None:
        self._author = os.environ.get("CHARGEPLAN_COMMENT_AUTHOR") or "github-actions[bot]"
        self._event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
        self._api = api_of_github()
        self._here = f"/repos/{os.environ['GITHUB_REPOSITORY']}"

    def comment(self, body: str) -> str:
        """Write the comment to the pull request of the event; says what was done."""
        if "pull_request" not in self._event:
            return "This run is not of a pull request: no comment."
        number = int(self._event["pull_request"]["number"])
        comments = f"{self._here}/issues/{number}/comments"
        own = _own(self._api.pages(comments), body, self._is_ours)
        if own is None and _quiet():
            return _NOTHING
        if own is None:
            self._api.write("POST", comments, body=body)
            return f"Commented on pull request {number}."
        self._api.write("PATCH", f"{self._here}/issues/comments/{own['id']}", body=body)
        return f"Updated comment {own['id']} on pull request {number}."

    def ask(self, body: str, *, wanted: bool) -> str:
        """Open, update or close the issue; says what was done."""
        own = _own(self._api.pages(f"{self._here}/issues?state=open"), body, self._is_ours)
        if own is not None:
            change = {"body": body} if wanted else {"body": body, "state": "closed"}
            self._api.write("PATCH", f"{self._here}/issues/{int(own['number'])}", **change)
        elif wanted:
            self._api.write("POST", f"{self._here}/issues", title=_TITLE, body=body)
        return _asked(own, wanted=wanted)

    def _is_ours(self, row: dict[str, Any]) -> bool:
        return (row.get("user") or {}).get("login") == self._author and "pull_request" not in row


class GitLab:
    """Where a job of GitLab writes."""

    def __init__(self) -> None:
        self._api = Api(os.environ["CI_API_V4_URL"], {"PRIVATE-TOKEN": _token()})
        self._here = f"/projects/{int(os.environ['CI_PROJECT_ID'])}"

    def comment(self, body: str) -> str:
        """Write the note to the merge request of the pipeline; says what was done."""
        if not os.environ.get("CI_MERGE_REQUEST_IID"):
            return "This pipeline is not of a merge request: no comment."
        number = int(os.environ["CI_MERGE_REQUEST_IID"])
        notes = f"{self._here}/merge_requests/{number}/notes"
        own = _own(self._api.pages(notes), body, self._is_ours())
        if own is None and _quiet():
            return _NOTHING
        if own is None:
            self._api.write("POST", notes, body=body)
            return f"Commented on merge request {number}."
        self._api.write("PUT", f"{notes}/{int(own['id'])}", body=body)
        return f"Updated note {own['id']} on merge request {number}."

    def ask(self, body: str, *, wanted: bool) -> str:
        """Open, update or close the issue; says what was done."""
        issues = f"{self._here}/issues"
        own = _own(self._api.pages(f"{issues}?state=opened"), body, self._is_ours())
        if own is not None:
            change = {"description": body} if wanted else {"description": body, "state_event": "close"}
            self._api.write("PUT", f"{issues}/{int(own['iid'])}", **change)
        elif wanted:
            self._api.write("POST", issues, title=_TITLE, description=body)
        return _asked(own, wanted=wanted)

    def _is_ours(self) -> Callable[[dict[str, Any]], bool]:
        me = self._api.get("/user")["id"]
        return lambda row: (row.get("author") or {}).get("id") == me


def _quiet() -> bool:
    return os.environ.get("CHARGEPLAN_QUIET") == "true"


def api_of_github() -> Api:
    """GitHub's API, with the token of the step."""
    headers = {
        "Authorization": f"Bearer {_token()}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    return Api(os.environ.get("GITHUB_API_URL", "https://api.github.com"), headers)


def _asked(own: dict[str, Any] | None, *, wanted: bool) -> str:
    if own is None:
        return "Opened an issue that asks for an apply." if wanted else "Nothing is to post: nobody is asked."
    return "The issue shows this plan." if wanted else "Nothing is to post any more: the issue is closed."


def _own(
    rows: Iterator[dict[str, Any]], body: str, is_ours: Callable[[dict[str, Any]], bool]
) -> dict[str, Any] | None:
    """Our earlier comment or issue with the same marker."""
    found = _MARKER.match(body)
    if found is None:
        raise CommentError(
            "The file does not begin with chargeplan's marker: write it with `chargeplan plan --markdown`."
        )
    texts = ((str(each.get("body") or each.get("description") or ""), each) for each in rows)
    return next((each for text, each in texts if text.startswith(found[0]) and is_ours(each)), None)


def _token() -> str:
    token = os.environ.get("CHARGEPLAN_COMMENT_TOKEN", "")
    if not token:
        raise CommentError("There is no token to comment with: CHARGEPLAN_COMMENT_TOKEN is empty.")
    return token


def _body(file: Path) -> str:
    if not file.is_file():
        raise CommentError(f"There is no {file}: the planning did not come so far. Its log says why.")
    body = file.read_text(encoding="utf-8")
    if len(body) > _MOST:
        raise CommentError(f"The comment has {len(body):,} characters; {_MOST:,} are the most.")
    return body


def main(words: list[str]) -> None:
    """Write where this machine says it is."""
    host = GitLab() if on_gitlab() else GitHub()
    if words[0] == "--ask":
        print(host.ask(_body(Path(words[1])), wanted=os.environ.get("CHARGEPLAN_HAS_CHANGES") == "true"))
    else:
        print(host.comment(_body(Path(words[0]))))


def on_gitlab() -> bool:
    """Which of the two this machine belongs to."""
    return os.environ.get("GITLAB_CI") == "true"


def run(program: Callable[[list[str]], None]) -> None:
    """Run a program of this folder; a failure is an annotation of the run too."""
    try:
        program(sys.argv[1:])
    except CommentError as problem:
        print(f"chargeplan: {problem}" if on_gitlab() else f"::error title=chargeplan::{_one_line(problem)}")
        sys.exit(1)


def _one_line(problem: CommentError) -> str:
    """As the runner reads it: what follows a line break would be a command of its own."""
    return str(problem).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


if __name__ == "__main__":
    run(main)
