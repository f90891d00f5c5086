"""`init` and `demo`: a project of your own, and the whole way once."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import cast

import click

from chargeplan.cli.options import Common, common, is_interactive
from chargeplan.core.dates import add_months
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.system import System
from chargeplan.journal import open_journal
from chargeplan.loading.schemas import schema_text
from chargeplan.propexo.vendors import VENDORS
from chargeplan.starter.installed import Installed, installed
from chargeplan.starter.pipelines import APPROVALS, Approval, put_wheel
from chargeplan.starter.project import KEPT, bill_through, project_files, write_new

_QUESTION = """\
Who lets a plan be posted?
  environments  reviewers of a protected environment (private repositories: GitHub Enterprise, GitLab Premium)
  dispatch      whoever starts the job `apply` with the digest of the plan that they have read (every tier)
  signed        people who sign the plan with keys of their own (every tier)
"""


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False), metavar="[DIR]")
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab", "both", "none"]),
    default="both",
    show_default=True,
    help="Whose pipelines to write.",
)
@click.option(
    "--approval",
    type=click.Choice(APPROVALS),
    help="Who lets a plan be posted: reviewers of a protected environment, who starts the job with its digest, or who signs it. "
    "Default: asked for, else `dispatch`.",
)
@common(json=False)
def init(*, common: Common, folder: Path | None, ci: str, approval: Approval | None) -> int:
    """Scaffold a project: configuration, a plan with its roster and test, schemas, .gitignore, pipelines; creates the journal."""
    root = folder or Path()
    how, source = approval or _asked(ci), installed()
    written = scaffold(root, ci=ci, approval=how, source=source)
    for name in written:
        common.say(f"wrote {root / name}")
    there = "" if root.resolve() == Path.cwd() else f"`cd {shlex.quote(str(root))}`, then "
    click.echo(
        f"A project is in {root.absolute()}. Next: {there}`chargeplan plan` shows what its sandbox would be billed."
    )
    if ci != "none":
        readme = next(name for name in written if name.endswith("chargeplan/README.md"))
        common.say(f"How its pipelines are set up: {root / readme}.")
        if not source.is_known:
            requirements = (root / readme).with_name("requirements.txt")
            common.say(f"What they install is not known: write the line into {requirements}.")
    return 0


def _asked(ci: str) -> Approval:
    """What the person at the terminal chooses; without one, what works on every tier. Nothing is ever posted unattended."""
    if ci == "none" or not is_interactive():
        return "dispatch"
    click.echo(_QUESTION, err=True, nl=False)
    return cast(
        "Approval", click.prompt("Approval", type=click.Choice(APPROVALS), default="dispatch", err=True)
    )


def scaffold(
    root: Path, *, ci: str, approval: Approval = "dispatch", source: Installed | None = None
) -> list[str]:
    """Write a project into ``root`` and create its sandbox's journal; returns the names of the files (see ``project_files``).

    Raises:
        ChargeplanError: one of the files is already there.
    """
    source = source or installed()
    schemas = {"charge-plan": "plan", "config": "config", "plan-test": "test"}
    files = {f"schemas/{file}.schema.json": schema_text(name) for file, name in schemas.items()}
    files = project_files(ci, approval, source) | files
    write_new(root, files, hint="Choose an empty folder.", kept=KEPT)
    put_wheel(root, ci, source)
    with open_journal(str((root / ".chargeplan" / "sandbox.db").absolute()), create=True):
        pass
    return list(files)


@click.command()
@click.option(
    "--keep", is_flag=True, help="Work in this folder, which must be empty, and leave the project there."
)
@click.option(
    "--vendor",
    default="RESMAN",
    metavar="SYSTEM",
    help="The property system that is played, such as yardi; default: resman.",
)
@click.option(
    "--onboarding",
    is_flag=True,
    help="The way from billing by hand instead: derive, compare, adopt a month, plan.",
)
@common(json=False)
def demo(*, common: Common, keep: bool, vendor: str, onboarding: bool) -> int:
    """See the whole way once, in a temporary folder: plan, apply, approve, sync, plan again."""
    system = _played(vendor)
    with _folder(keep=keep) as root:
        units = "120" if system.name == "RESMAN" else "8"
        click.echo(
            f"A simulated Propexo with a property of {units} units, in {root}. Nothing leaves this machine.\n"
        )
        scaffold(root, ci="none")
        bill_through(root, system)
        for title, command in _onboarding(date.today()) if onboarding else _STEPS:  # noqa: DTZ011 - the sandbox's own day
            if command[-1] == "approve" and not system.needs_approval:
                continue
            click.echo(f"── {title}\n$ chargeplan {' '.join(command)}")
            _step(root, command)
        if not keep:
            common.say(
                "The folder is deleted. `chargeplan demo --keep` in an empty folder leaves it; `chargeplan init` starts your own."
            )
    return 0


def _played(name: str) -> System:
    known = {each.name: each for each in VENDORS.values() if not each.reason}
    found = known.get(name.upper().replace("-", "_").replace(" ", "_"))
    if found is None:
        raise ChargeplanError(
            f"The sandbox plays no property system `{name}`.",
            hint=f"It plays {', '.join(sorted(each.lower() for each in known))}.",
            code="usage",
        )
    return found


_STEPS: list[tuple[str, list[str]]] = [
    ("What would be billed this month? Saved for review", ["plan", "--out", "month.plan"]),
    ("Post exactly that", ["apply", "month.plan"]),
    ("Nothing is visible yet, and nothing would be posted again", ["plan"]),
    ("The property's office approves", ["sandbox", "approve"]),
    ("The next sync brings it back", ["sandbox", "sync"]),
    ("Match what came back", ["reconcile"]),
    ("Plan again", ["plan"]),
]


def _onboarding(today: date) -> list[tuple[str, list[str]]]:
    """The steps of the guide to the first month, around the day."""
    months = [add_months(today.replace(day=1), -ago).strftime("%Y-%m") for ago in (3, 1)]
    first, last = months
    why = "billed by hand before chargeplan"
    return [
        ("Plans from three months that an office billed by hand", ["derive", "--out", ".", "--force"]),
        (
            "What they would have billed, beside what was billed",
            ["compare", "--from", first, "--through", last],
        ),
        (
            "The last month is taken over: what is the very line is adopted",
            ["adopt", "--matching", "--period", last, "--auto-approve", "--reason", why],
        ),
        ("Nothing of it is to post; what truly differs is a question", ["plan", "--period", last]),
        ("The first month of its own: one charge, to be read and applied", ["plan", "--charge", "rent"]),
    ]


def _step(root: Path, command: list[str]) -> None:
    """Run one command as a user would, and stop the demo where it fails."""
    from chargeplan.cli.main import run  # noqa: PLC0415 - the entry point knows this module

    code = run([*command, "--config", str(root / "chargeplan.yaml"), "--quiet"])
    if code:
        raise ChargeplanError(
            f"The demo stopped: `chargeplan {' '.join(command)}` ended with {code}; why is said above.",
            hint="`chargeplan demo --keep` in an empty folder leaves the project there to be looked at.",
            code="demo_failed",
        )
    click.echo()


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    """A folder to work in, which is the working directory meanwhile."""
    before = Path.cwd()
    if keep:
        if any(before.iterdir()):
            raise ChargeplanError(
                f"The folder {before} is not empty, and the demo writes a project into it.",
                hint="Make a new one, or leave out --keep.",
                code="not_empty",
            )
        yield before
        return
    with tempfile.TemporaryDirectory(prefix="chargeplan-demo-") as name:
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)
