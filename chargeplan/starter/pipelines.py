"""The pipelines that `init` writes: which files, for which code host, with which approval, installing what."""

from __future__ import annotations

import re
import shutil
from importlib import resources
from pathlib import Path
from typing import Final, Literal, get_args

from chargeplan.starter.installed import Installed

Approval = Literal["environments", "dispatch", "signed"]
APPROVALS: Final = get_args(Approval)

# Where the files of a code host come from and where they go: the action is one folder, the pipelines are examples to edit.
_ACTION = ".github/actions/chargeplan"
_SCRIPTS = (
    "common.sh", "install.sh", "check.sh", "plan.sh", "verdict.sh", "apply.sh", "reconcile.sh", "document.py", "comment.py", "find.py",
)  # fmt: skip
_WORKFLOWS = ("check", "pull-request", "billing", "reconcile")
# Lines between `# {word word}` and the next such line are for the approvals that are named; `# {end}` is for all.
_MARK = re.compile(r"^# \{([a-z ]+)\}\n", re.MULTILINE)


def pipelines(ci: str, approval: Approval, installed: Installed) -> dict[str, str]:
    """The files of a code host's pipelines by their names in a project.

    GitHub looks for an action's scripts beside it, GitLab has its own place for them; they are the same.
    """
    found: dict[str, str] = {}
    hosts = ("github", "gitlab") if ci == "both" else (ci,)
    if "github" in hosts:
        found[f"{_ACTION}/action.yml"] = _shipped("_action/action.yml")
        found |= _shared(_ACTION, f"{_ACTION}/scripts", installed)
        # Run by hand with the digest; where reviewers let a job go, it is a job of the billing run.
        by_hand = () if approval == "environments" else ("apply",)
        for name in (*_WORKFLOWS, *by_hand):
            text = _shipped(f"pipelines/github/chargeplan-{name}.yaml")
            found[f".github/workflows/chargeplan-{name}.yaml"] = chosen(text, approval)
    if "gitlab" in hosts:
        found |= _shared(".gitlab/chargeplan", ".gitlab/chargeplan", installed)
        found[".gitlab-ci.yml"] = chosen(_shipped("pipelines/gitlab/gitlab-ci.yml"), approval)
    return found


def put_wheel(root: Path, ci: str, installed: Installed) -> None:
    """Copy the wheel, where chargeplan was installed from one, beside the requirements that name it."""
    if installed.wheel is None:
        return
    for host, folder in (("github", _ACTION), ("gitlab", ".gitlab/chargeplan")):
        if ci in {host, "both"}:
            shutil.copyfile(installed.wheel, root / folder / installed.wheel.name)


def chosen(text: str, approval: Approval) -> str:
    """The text with the sections of that approval, without the marks."""
    before, *rest = _MARK.split(text)
    sections = zip(rest[::2], rest[1::2], strict=True)
    return before + "".join(body for words, body in sections if {approval, "end"} & set(words.split()))


def _shared(folder: str, scripts: str, installed: Installed) -> dict[str, str]:
    return {
        f"{folder}/README.md": _shipped("_action/README.md"),
        f"{folder}/requirements.txt": installed.requirements,
        **{f"{scripts}/{name}": _shipped(f"_action/scripts/{name}") for name in _SCRIPTS},
    }


def _shipped(name: str) -> str:
    """A file of the package; a checkout has the action where GitHub looks for one."""
    package = Path(str(resources.files("chargeplan")))
    path = package / name
    if not path.is_file():
        path = package.parent / _ACTION / name.removeprefix("_action/")
    return path.read_text(encoding="utf-8")
