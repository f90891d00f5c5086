"""Show a plan on its pull request (GitHub) or merge request (GitLab): one comment for an environment, updated from run to run.

    comment.py FILE     FILE begins with the hidden marker by which the comment is found again

The comment is ours where it has the marker and was written by the account that writes now: with the marker alone anyone could
have their own text overwritten, or shown as ours. Standard library only. Variables:

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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_MARKER = re.compile(r"<!-- chargeplan:plan:[A-Za-z0-9_.-]* -->")
_NEXT = re.compile(r'<([^>]+)>\s*;[^,]*\brel="next"')
_MOST = 65_536
_TIMEOUT = 30
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

    def write(self, method: str, path: str, body: str) -> None:
        """Write a comment. Not repeated: a second try could make a second comment."""
        self._call(method, self._base + path, {"body": body})

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
            raise CommentError(f"{method} of the comment failed: {problem}. Run the job again.") from None


def _why(method: str, code: int) -> str:
    if code in {401, 403, 404}:
        return (
            f"The token may not {'read' if method == 'GET' else 'write'} comments here (HTTP {code}). GitHub: the job needs "
            "`permissions: {pull-requests: write}`, and a pull request from a fork never gets it. GitLab: a project access "
            "token with the scope `api`, in the variable CHARGEPLAN_COMMENT_TOKEN."
        )
    return f"The code host answered {code} to {method}. Run the job again."


def comment_on_github(body: str) -> str:
    """Write the comment to the pull request of the event; says what was done."""
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    if "pull_request" not in event:
        return "This run is not of a pull request: no comment."
    number = int(event["pull_request"]["number"])
    token = _token()
    author = os.environ.get("CHARGEPLAN_COMMENT_AUTHOR") or "github-actions[bot]"
    api = Api(
        os.environ.get("GITHUB_API_URL", "https://api.github.com"),
        {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    repository = f"/repos/{os.environ['GITHUB_REPOSITORY']}"
    comments = api.pages(f"{repository}/issues/{number}/comments")
    own = _own(comments, body, lambda each: (each.get("user") or {}).get("login") == author)
    if own is None:
        api.write("POST", f"{repository}/issues/{number}/comments", body)
        return f"Commented on pull request {number}."
    api.write("PATCH", f"{repository}/issues/comments/{own}", body)
    return f"Updated comment {own} on pull request {number}."


def comment_on_gitlab(body: str) -> str:
    """Write the note to the merge request of the pipeline; says what was done."""
    if not os.environ.get("CI_MERGE_REQUEST_IID"):
        return "This pipeline is not of a merge request: no comment."
    number = int(os.environ["CI_MERGE_REQUEST_IID"])
    api = Api(os.environ["CI_API_V4_URL"], {"PRIVATE-TOKEN": _token()})
    me = api.get("/user")["id"]
    notes = f"/projects/{int(os.environ['CI_PROJECT_ID'])}/merge_requests/{number}/notes"
    own = _own(api.pages(notes), body, lambda each: (each.get("author") or {}).get("id") == me)
    if own is None:
        api.write("POST", notes, body)
        return f"Commented on merge request {number}."
    api.write("PUT", f"{notes}/{own}", body)
    return f"Updated note {own} on merge request {number}."


def _own(comments: Iterator[dict[str, Any]], body: str, is_ours: Any) -> int | None:
    """The id of our earlier comment with the same marker."""
    found = _MARKER.match(body)
    if found is None:
        raise CommentError(
            "The file does not begin with chargeplan's marker: write it with `chargeplan plan --markdown`."
        )
    ours = (
        int(each["id"])
        for each in comments
        if str(each.get("body", "")).startswith(found[0]) and is_ours(each)
    )
    return next(ours, None)


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


def main() -> None:
    """Comment where this machine says it is; a failure is an annotation of the run too."""
    on_gitlab = os.environ.get("GITLAB_CI") == "true"
    try:
        body = _body(Path(sys.argv[1]))
        print(comment_on_gitlab(body) if on_gitlab else comment_on_github(body))
    except CommentError as problem:
        print(f"chargeplan: {problem}" if on_gitlab else f"::error title=chargeplan::{_one_line(problem)}")
        sys.exit(1)


def _one_line(problem: CommentError) -> str:
    """As the runner reads it: what follows a line break would be a command of its own."""
    return str(problem).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


if __name__ == "__main__":
    main()
