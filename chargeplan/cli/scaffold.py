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

from chargeplan.cli.installed import Installed, installed
from chargeplan.cli.options import Common, common, is_interactive
from chargeplan.cli.pipelines import APPROVALS, Approval, pipelines, put_wheel
from chargeplan.core.dates import add_months
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.system import System
from chargeplan.journal import open_journal
from chargeplan.loading.schemas import schema_text
from chargeplan.propexo.vendors import VENDORS

_CONFIG = """\
# yaml-language-server: $schema=./schemas/config.schema.json
version: 1
environment: sandbox
environments:
  sandbox:
    api: embedded                     # the built-in simulation; nothing here reaches a real property
  production:
    api: https://api.propexo.com
    token_env: PROPEXO_TOKEN          # the token's only way in
    journal_env: CHARGEPLAN_JOURNAL   # a variable with a postgresql:// address, for all runners; for one machine alone
                                      # instead: `journal: .chargeplan/production.db`, and back it up
integrations:
  resman-main:
    id: resman-integration-98765      # your integration's id at Propexo
    vendor: RESMAN
properties:
  oak-street: {id: clwi5xiix000008l6ctdgafyh, integration: resman-main}
plans: [plans/*.yaml]
timezone: America/Chicago
guards:
  max_charges: 5000
  max_total: 600000.00
  max_charge: 5000.00
  max_change: 25                      # percent, by property and charge code, against the month before
  max_missing: 5                      # percent of those billed under a code last month who have no line and no known reason
  far_window: 45 days                 # between today and the plan's dates
"""

_PLAN = """\
# yaml-language-server: $schema=../schemas/charge-plan.schema.json
version: 1
plan: oak-street
integration: resman-main
properties: [oak-street]
who:
  lease_status: [ACTIVE, EVICTED]     # rent is owed until the move-out, during an eviction too
charges:
  rent:
    code: Rent
    amount: {from: lease.rent}
    schedule: {every: month, day: 1}
    prorate: actual
    after_lease_end: continue         # month to month at the same rent; `hold`, the default, asks a person
    description: "Rent {{ period.month_name }} {{ period.year }}"
  pet-rent:
    code: Pet Rent
    amount: {rate: 35.00, per: resident.pets}
    schedule: {every: month, day: 1}
    prorate: actual
    after_lease_end: continue
    who: {has: [pets], lease_status: [ACTIVE, EVICTED]}
  storage:
    code: Storage
    amount: {from: roster.amount}
    roster: rosters/storage.csv
    schedule: {every: month, day: 1}
    after_lease_end: continue
    description: "Storage, locker {{ roster.locker }}"
"""

_ROSTER = """\
unit,locker,amount
101,A-01,75.00
204,A-02,75.00
212,B-11,95.00
"""

# The properties of the sandbox's other systems have eight units.
_SMALL_ROSTER = "unit,locker,amount\n" + "".join(
    f"{floor}0{door},A-{floor}{door},75.00\n" for floor in (1, 2) for door in (1, 2, 3, 4)
)

_TEST = """\
# yaml-language-server: $schema=../../schemas/plan-test.schema.json
version: 1
title: Who moves in on the 18th pays 14 of August's 31 days, and the locker whole
plans: [../oak-street.yaml]
as_of: 2027-08-02
given:
  units: [{number: 204}]
  leases:
    - {unit: 204, start: 2027-08-18, end: 2028-08-17, rent: 1550.00, residents: [{id: avery, pets: 1}]}
expect:
  lines:
    - {charge: rent, date: 2027-08-18, amount: 700.00}
    - {charge: pet-rent, date: 2027-08-18, amount: 15.81}
    - {charge: storage, date: 2027-08-18, amount: 75.00}
"""

# What the guides have people write beside the plans: who owes what, which is nobody's business who reads the repository.
_IGNORE = """\
.chargeplan/
chargeplan-run/
.chargeplan-trusted/
*.plan
*.plan.*
*.approvals
*.key
month.md
plan.md
plan.json
*.html
/*.csv
journal-backup*
"""

# The digest of a plan is of its files; a checkout that changes their lines' ends would make others of them.
_ATTRIBUTES = """\
*.yaml text eol=lf
*.yml text eol=lf
*.csv text eol=lf
*.sh text eol=lf
"""

_SIGNED = """\
# Who signs what is posted, each with a key of their own: `chargeplan approve --new-key ~/.ssh/chargeplan.key` prints an entry.
# approvals:
#   required: 1
#   approvers:
#     - {name: pat, key: "ed25519:…"}
"""

# A repository may have these already; they are left as they are.
_KEPT = (".gitignore", ".gitattributes")

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
    """Write a project into ``root``, whole or not at all; returns the names of the files.

    ``ci`` names the code host whose pipelines are written (``github``, ``gitlab``, ``both`` or ``none``), ``approval`` who lets a
    plan be posted there, ``source`` what they install.

    Raises:
        ChargeplanError: one of the files is already there.
    """
    source = source or installed()
    files = {
        "chargeplan.yaml": _CONFIG + (_SIGNED if approval == "signed" else ""),
        "plans/oak-street.yaml": _PLAN,
        "plans/rosters/storage.csv": _ROSTER,
        "plans/tests/first-month.yaml": _TEST,
        "schemas/charge-plan.schema.json": schema_text("plan"),
        "schemas/config.schema.json": schema_text("config"),
        "schemas/plan-test.schema.json": schema_text("test"),
        ".gitignore": _IGNORE,
        ".gitattributes": _ATTRIBUTES,
        **pipelines(ci, approval, source),
    }
    there = [name for name in files if (root / name).exists() and name not in _KEPT]
    if there:
        raise ChargeplanError(
            f"{root / there[0]} is already there; nothing was written.",
            hint="Choose an empty folder.",
            code="not_empty",
        )
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(text, encoding="utf-8")
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
        _bill_through(root, system)
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


def _bill_through(root: Path, system: System) -> None:
    """Make the project one of another property system than ResMan: its integration and property in the sandbox, its accounts."""
    if system.name == "RESMAN":
        return
    slug = system.name.lower().replace("_", "-")
    batch = "\n    transaction_batch_id: RPX-2027-A" if system.needs_transaction_batch else ""
    account = '  account: "4010"               # the financial account beside each code\n'
    changes = {
        "resman-main": f"{slug}-main",
        "resman-integration-98765": f"{slug}-integration-1",
        "vendor: RESMAN": f"vendor: {system.name}{batch}",
        "clwi5xiix000008l6ctdgafyh": f"{slug}-property-b",
        "[oak-street]": "[birch-row]",
        "  oak-street: {id": "  birch-row: {id",
        **({"charges:\n  rent:": f"defaults:\n{account}charges:\n  rent:"} if system.needs_account else {}),
    }
    (root / "plans/rosters/storage.csv").write_text(_SMALL_ROSTER, encoding="utf-8")
    for name in ("chargeplan.yaml", "plans/oak-street.yaml"):
        text = (root / name).read_text(encoding="utf-8")
        for old, new in changes.items():
            text = text.replace(old, new)
        (root / name).write_text(text, encoding="utf-8")


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
        raise ChargeplanError(f"`chargeplan {' '.join(command)}` ended with {code}.", code="demo_failed")
    click.echo()


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    """A folder to work in, which is the working directory meanwhile."""
    before = Path.cwd()
    if keep:
        if any(before.iterdir()):
            raise ChargeplanError(
                "This folder is not empty.", hint="Make a new one, or leave out --keep.", code="not_empty"
            )
        yield before
        return
    with tempfile.TemporaryDirectory(prefix="chargeplan-demo-") as name:
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)
