"""Facts of chargeplan's JSON documents for the shell: outputs of the step, Markdown for the run's page. Standard library only.

`document.py outputs`: the plan document on stdin → NAME=VALUE lines.
`document.py line ENV`: the plan document on stdin → one line: what is to post, missed, held, open.
`document.py artifact`: the plan document on stdin → the name of its plan file's artifact.
`document.py applied ENV CODE FILE`: the apply document on stdin → NAME=VALUE lines, and Markdown into FILE.
`document.py error_code`: the apply document on stdin → the code of the error in it; empty where there is none.
`document.py approvals`: approvals on stdin, as a field of one line has them → one a line, as `chargeplan approve` wrote them.
`document.py comment DIFF PLAN`: Markdown of both, the diff first; within what a comment may have.
`document.py failed ENV CODE`: Markdown for a plan that could not be made.
`document.py journal WORKSPACE PERSISTENT`: what `journal where` says on stdin → what is wrong with it, if anything.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TOTALS = ("posted", "refused", "unknown", "pending", "unsent")
_MOST = 65_000
_WORD = re.compile(r"[a-z_]{1,40}")


def main(words: list[str]) -> None:
    """Do what the first word says."""
    match words:
        case ["outputs"]:
            print(*plan_outputs(_document()), sep="\n")
        case ["line", environment]:
            print(plan_line(environment, _document()))
        case ["artifact"]:
            print(artifact_name(_document()["digest"]))
        case ["applied", environment, code, file]:
            document = _document()
            Path(file).write_text(applied_markdown(environment, int(code), document), encoding="utf-8")
            print(*apply_outputs(document), sep="\n")
        case ["error_code"]:
            print(_word((_document().get("error") or {}).get("code", "")))
        case ["comment", changes, plan]:
            print(comment(Path(changes), Path(plan)), end="")
        case ["approvals"]:
            print(*approvals(sys.stdin.read()), sep="\n")
        case ["failed", environment, code]:
            print(failed_markdown(environment, int(code)), end="")
        case ["journal", workspace, persistent]:
            print(journal_problem(_document(), Path(workspace), persistent))
        case _:
            sys.exit(__doc__)


def _document() -> dict[str, Any]:
    """The document on stdin; empty where a command failed before it had one to print."""
    text = sys.stdin.read()
    document = json.loads(text) if text.strip() else {}
    assert isinstance(document, dict)
    return document


def plan_outputs(document: dict[str, Any]) -> list[str]:
    """What later jobs decide by. A plan with errors has no changes that could be applied."""
    applyable = bool(document) and not document["errored"]
    totals = document.get("totals", {}) if applyable else {}
    post = [totals[action] for action in ("create", "correct") if action in totals]
    digest = document.get("digest", "")
    return [
        f"has_changes={'true' if sum(each['count'] for each in post) else 'false'}",
        f"digest={digest if applyable and _DIGEST.fullmatch(digest) else ''}",
        f"total_cents={sum(each['amount_in_cents'] for each in post)}",
    ]


def plan_line(environment: str, document: dict[str, Any]) -> str:
    """What a person should know of the day: numbers alone."""
    totals = document.get("totals", {})

    def told(words: str, *actions: str) -> str:
        count = sum(int(totals[each]["count"]) for each in actions if each in totals)
        cents = sum(int(totals[each]["amount_in_cents"]) for each in actions if each in totals)
        return f"{count:,} {words}" + (f" ({_money(cents)})" if cents else "")

    parts = (told("to post", "create", "correct"), told("missed", "missed"), told("held", "hold"),
             told("open", "in_flight", "unknown"), told("drifted", "drift"), told("removed", "removed_upstream"))  # fmt: skip
    line = f"{_plain(environment)}, {_plain(document.get('as_of', ''))}: {', '.join(parts)}."
    # Of files that nobody has reviewed nothing is applied.
    asks = document.get("applyable") and not os.environ.get("CHARGEPLAN_TRUST")
    return f"{line} Somebody has to apply it: {document['digest']}" if asks else line


def artifact_name(digest: str) -> str:
    """The plan file of that digest, as the code host keeps it.

    Raises:
        ValueError: it is no digest.
    """
    if not _DIGEST.fullmatch(digest):
        raise ValueError(digest)
    return f"chargeplan-plan-{digest.removeprefix('sha256:')}"


def approvals(text: str) -> list[str]:
    """The JSON objects of the text, as they stand: a field that people paste into joins lines. What is none is kept, for refusal."""
    found, rest, decoder = [], text.strip(), json.JSONDecoder()
    while rest:
        try:
            end = decoder.raw_decode(rest)[1]
        except ValueError:
            end = len(rest)
        found.append(rest[:end].replace("\n", " "))
        rest = rest[end:].strip()
    return found


def comment(changes: Path, plan: Path) -> str:
    """What changes, then this month's plan: of the plan the details go where both are too long, of the diff nothing."""
    head, rest = plan.read_text(encoding="utf-8").split("\n", 1)
    before = (
        changes.read_text(encoding="utf-8")
        if changes.is_file()
        else "**What the change does to the money could not be told: see the run's log.**\n"
    )
    if len(head) + len(before) + len(rest) > _MOST:
        rest = rest.split("\n<details>", 1)[0] + "\n_The plan's details are in the run's artifact._\n"
    return f"{head}\n{before}\n{rest}"


def apply_outputs(document: dict[str, Any]) -> list[str]:
    """How it ended, and how much was posted."""
    posted = document.get("totals", {}).get("posted", {})
    return [
        f"outcome={_outcome(document)}",
        f"posted_count={int(posted.get('count', 0))}",
        f"posted_cents={int(posted.get('amount_in_cents', 0))}",
    ]


def _outcome(document: dict[str, Any]) -> str:
    return _word(document.get("outcome", "error")) or "error"


def _word(found: object) -> str:
    """A single word, as outputs and codes are; empty for anything else."""
    return str(found) if _WORD.fullmatch(str(found)) else ""


def applied_markdown(environment: str, code: int, document: dict[str, Any]) -> str:
    """The result as a table of numbers: no text from elsewhere is in it."""
    totals = document.get("totals", {})
    rows = [
        f"| {name} | {int(totals[name]['count']):,} | {_money(int(totals[name]['amount_in_cents']))} |"
        for name in _TOTALS
        if name in totals
    ]
    table = ["| | Lines | Amount |", "|---|---:|---:|", *rows, ""] if rows else []
    title = f"### Apply on {_plain(environment)}: {_outcome(document)} (exit code {code})"
    return "\n".join([title, "", *table])


def _money(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}${abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def failed_markdown(environment: str, code: int) -> str:
    """A comment in place of a plan's: what the last one said holds no more. What went wrong is in the log, unescaped."""
    server, repository = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    run = os.environ.get("GITHUB_RUN_ID")
    page = f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""
    page = page or os.environ.get("CI_JOB_URL", "")
    where = f"[the run's log]({page})" if page else "the run's log"
    return (
        f"{marker(environment)}\n### No plan of {_plain(environment)}\n\n"
        f"**chargeplan ended with {code}; nothing can be applied.** What was wrong is in {where}.\n"
    )


def marker(environment: str) -> str:
    """The hidden first line of a plan's comment, as chargeplan writes it."""
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", environment).strip("-")
    return f"<!-- chargeplan:plan:{name} -->"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", " ", name)


def journal_problem(where: dict[str, Any], workspace: Path, persistent: str) -> str:
    """Why the journal would not outlive this job; empty where it does.

    A hosted runner is thrown away, and on one's own runner the checkout cleans the workspace: a file is safe only where
    somebody says that it is, and outside the workspace.
    """
    if where["database"] != "sqlite" or where["embedded"]:
        return ""
    path = Path(where["path"]).resolve()
    if persistent and not path.is_relative_to(workspace.resolve()):
        if path.is_relative_to(Path(persistent).resolve()):
            return ""
        return f"The journal {path} is not below {persistent}, which was said to outlive the runner. Nothing was sent."
    return (
        f"The journal would be the file {path}, and would go with this runner: the next run would not know what was sent. "
        "Keep it in PostgreSQL: `journal_env: CHARGEPLAN_JOURNAL` in chargeplan.yaml, and a secret with its address. "
        "(A runner of your own with a disk that stays: a path outside the workspace, named with `persistent-journal`.) "
        "Nothing was sent."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
