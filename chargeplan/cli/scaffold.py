"""`init` and `demo`: a project of your own, and the whole way once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from chargeplan.cli.options import Common, common
from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import open_journal
from chargeplan.loading.schemas import schema_text

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
    journal: .chargeplan/production.db  # where runners are thrown away: `journal_env: CHARGEPLAN_JOURNAL`, a postgresql:// address
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
  parking:
    code: Parking
    amount: {from: roster.amount}
    roster: rosters/parking.csv
    schedule: {every: month, day: 1}
    after_lease_end: continue
    description: "Parking, space {{ roster.space }}"
"""

_ROSTER = """\
unit,space,amount
101,A-01,75.00
204,A-02,75.00
212,B-11,95.00
"""

_IGNORE = """\
.chargeplan/
*.plan
*.plan.gz
"""

_WORKFLOW = """\
# Plans on pull requests, posts on a schedule behind the protected environment `billing`.
# The journal must outlive the runner: keep it in PostgreSQL (CHARGEPLAN_JOURNAL) and name it with `journal_env`.
name: chargeplan
on:
  pull_request:
  schedule:
    - cron: "0 14 1 * *"
concurrency: {group: chargeplan, cancel-in-progress: false}
jobs:
  plan:
    if: github.event_name == 'pull_request'
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      - run: pip install 'chargeplan[postgres]'
      - run: chargeplan validate
      - run: chargeplan plan --env production --markdown "$GITHUB_STEP_SUMMARY"
        env: {PROPEXO_TOKEN: "${{ secrets.PROPEXO_TOKEN }}", CHARGEPLAN_JOURNAL: "${{ secrets.CHARGEPLAN_JOURNAL }}"}
  apply:
    if: github.event_name == 'schedule'
    runs-on: ubuntu-latest
    environment: billing
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      - run: pip install 'chargeplan[postgres]'
      - run: chargeplan reconcile --env production
        env: {PROPEXO_TOKEN: "${{ secrets.PROPEXO_TOKEN }}", CHARGEPLAN_JOURNAL: "${{ secrets.CHARGEPLAN_JOURNAL }}"}
      - run: chargeplan apply --env production --auto-approve
        env: {PROPEXO_TOKEN: "${{ secrets.PROPEXO_TOKEN }}", CHARGEPLAN_JOURNAL: "${{ secrets.CHARGEPLAN_JOURNAL }}"}
"""


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False), metavar="[DIR]")
@common(json=False)
def init(*, common: Common, folder: Path | None) -> int:
    """Scaffold a project: configuration, a plan and a roster, schemas, .gitignore, CI workflow; creates the journal."""
    root = folder or Path()
    written = scaffold(root)
    for name in written:
        common.say(f"wrote {root / name}")
    click.echo(f"A project is in {root}. Next: `chargeplan plan` shows what its sandbox would be billed.")
    return 0


def scaffold(root: Path) -> list[str]:
    """Write a project into ``root``, whole or not at all; returns the names of the files.

    Raises:
        ChargeplanError: one of the files is already there.
    """
    files = {
        "chargeplan.yaml": _CONFIG,
        "plans/oak-street.yaml": _PLAN,
        "plans/rosters/parking.csv": _ROSTER,
        "schemas/charge-plan.schema.json": schema_text("plan"),
        "schemas/config.schema.json": schema_text("config"),
        ".gitignore": _IGNORE,
        ".github/workflows/chargeplan.yaml": _WORKFLOW,
    }
    there = [name for name in files if (root / name).exists() and name != ".gitignore"]
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
    with open_journal(str((root / ".chargeplan" / "sandbox.db").absolute()), create=True):
        pass
    return list(files)


@click.command()
@click.option(
    "--keep", is_flag=True, help="Work in this folder, which must be empty, and leave the project there."
)
@common(json=False)
def demo(*, common: Common, keep: bool) -> int:
    """See the whole way once, in a temporary folder: plan, apply, approve, sync, plan again."""
    with _folder(keep=keep) as root:
        click.echo(
            f"A simulated Propexo with a property of 120 units, in {root}. Nothing leaves this machine.\n"
        )
        scaffold(root)
        for title, command in _STEPS:
            click.echo(f"── {title}\n$ chargeplan {' '.join(command)}")
            _step(root, command)
        if not keep:
            common.say(
                "The folder is deleted. `chargeplan demo --keep` in an empty folder leaves it; `chargeplan init` starts your own."
            )
    return 0


_STEPS: list[tuple[str, list[str]]] = [
    ("What would be billed this month? Saved for review", ["plan", "--out", "month.plan"]),
    ("Post exactly that", ["apply", "month.plan"]),
    ("Nothing is visible yet, and nothing would be posted again", ["plan"]),
    ("The property's office approves", ["sandbox", "approve"]),
    ("The next sync brings it back", ["sandbox", "sync"]),
    ("Match what came back", ["reconcile"]),
    ("Plan again", ["plan"]),
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
