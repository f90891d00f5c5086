"""A project against a real sandbox over loopback HTTP, and the command line run on it, in this process or in its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from chargeplan.cli.main import run as run_here
from chargeplan.propexo.wire import REFERENCE

ROOT = Path(__file__).parents[2]
TODAY = date(2027, 8, 2)
AS_OF = str(TODAY)
TOKEN = "tok-3f9a7c51d2e84b60"
BATCH = "*/batch/resman"
OAK = "clwi5xiix000008l6ctdgafyh"
INTEGRATION = "resman-integration-98765"

CONFIG = """\
version: 1
environment: live
environments:
  live:
    api: {url}
    token_env: PROPEXO_TOKEN
    journal: .chargeplan/x.db
    requests_per_minute: 100000
integrations:
  resman-main:
    id: resman-integration-98765
    vendor: RESMAN{credits}
    date_tolerance: {date_tolerance}
properties:
  oak-street: {{id: clwi5xiix000008l6ctdgafyh, integration: resman-main}}
plans: [plans/*.yaml]
timezone: America/Chicago
posting: {{batch_size: {batch_size}}}
{more}"""

# Twelve units or so, one line each.
SMALL = """\
version: 1
plan: oak-street
integration: resman-main
properties: [oak-street]
charges:
  amenity:
    code: Amenity Fee
    amount: 25.00
    who: {units: ["20*", "21[0-2]"]}
    schedule: {every: month, day: 1}
"""

# The same, with one description that a system may find too long.
ONE_TOO_LONG = (
    SMALL
    + """\
    overrides:
      - {units: ["206"], description: "A description that goes on and on, past what a system may take", reason: test}
"""
)


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def last(self) -> str:
        return self.out.strip().splitlines()[-1] if self.out.strip() else ""


class House:
    """A project folder, its sandbox and its command line."""

    def __init__(self, folder: Path, state, url: str) -> None:
        self.folder, self.state, self.url = folder, state, url
        self.posting_date: str | None = None  # the operator's own, where they enter one
        self.plans = folder / "plans"
        self.plans.mkdir(parents=True, exist_ok=True)
        self.planfile = folder / "x.plan"
        self.config()
        self.write(SMALL)

    def config(
        self,
        more: str = "",
        *,
        batch_size: int = 4,
        date_tolerance: int = 0,
        url: str | None = None,
        posts_credits: bool = False,
    ) -> None:
        text = CONFIG.format(
            url=url or self.url,
            batch_size=batch_size,
            date_tolerance=date_tolerance,
            credits="\n    credits: post" if posts_credits else "",
            more=more,
        )
        (self.folder / "chargeplan.yaml").write_text(text)

    def write(self, text: str, name: str = "oak.yaml") -> None:
        (self.plans / name).write_text(text)

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "PROPEXO_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}

    def words(self, *words) -> list[str]:
        return [*map(str, words), "--config", str(self.folder / "chargeplan.yaml")]

    def run(self, *words, token: str | None = TOKEN) -> Result:
        """In this process."""
        out, err = io.StringIO(), io.StringIO()
        before = os.environ.pop("PROPEXO_TOKEN", None)
        if token is not None:
            os.environ["PROPEXO_TOKEN"] = token
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = run_here(self.words(*words))
        finally:
            os.environ.pop("PROPEXO_TOKEN", None)
            if before is not None:
                os.environ["PROPEXO_TOKEN"] = before
        result = Result(code, out.getvalue(), err.getvalue())
        assert "Traceback" not in result.out + result.err, result
        return result

    def start(self, *words, kill: str | None = None, **more) -> subprocess.Popen:
        """In a process of its own; with ``kill``, one that kills itself at that step (see ``shim.py``)."""
        program = ["-m", "chargeplan.cli"] if kill is None else [str(Path(__file__).with_name("shim.py"))]
        environ = {**self.environ, **({"CHARGEPLAN_TEST_KILL": kill} if kill else {})}
        return subprocess.Popen(
            [sys.executable, *program, *self.words(*words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ, cwd=self.folder, **more,
        )  # fmt: skip

    def process(self, *words, kill: str | None = None) -> Result:
        """In a process of its own, to its end."""
        started = self.start(*words, kill=kill)
        return finish(started)

    # --- the month ------------------------------------------------------------------------------------------------

    def plan(self, *words) -> Result:
        return self.run("plan", "--as-of", AS_OF, "--period", "2027-08", *words)

    def saved(self, *words) -> Path:
        """A plan file of the month."""
        result = self.plan("--out", self.planfile, *words)
        assert result.code == 0, result
        return self.planfile

    def apply(self, *words, file: Path | None = None) -> Result:
        return self.run("apply", file or self.planfile, "--json", *words)

    def month(self) -> None:
        """The operator approves and Propexo syncs."""
        self.state.approve(posting_date=self.posting_date)
        self.state.sync()

    def document(self) -> dict:
        return self.plan("--json", "--all").json

    def wanted(self) -> dict[str, int]:
        """Reference and amount of every line of the month that the plan has, held ones apart."""
        return {
            each["reference_number"]: each["amount_in_cents"]
            for each in self.document()["changes"]
            if each["action"] != "hold"
        }

    # --- the books ------------------------------------------------------------------------------------------------

    def ours(self) -> list:
        """What the system's books have of what we sent, unposted or posted."""
        return [entry for entry in self.state.ledger() if entry.origin == "api"]

    def duplicates(self) -> list[str]:
        """Lines on the books more than once, told by whom, what, when and how much, not by our reference alone."""
        by_reference = Counter(reference_of(each) for each in self.ours())
        by_content = Counter(
            (
                each.resident_id,
                each.charge_code_id or each.financial_account_id,
                each.transaction_date,
                each.amount_in_cents,
            )
            for each in self.ours()
        )
        return [str(key) for found in (by_reference, by_content) for key, count in found.items() if count > 1]

    def status(self) -> dict:
        result = self.run("status", "--as-of", AS_OF, "--json")
        assert result.code == 0, result
        return result.json

    def named(self) -> set[str]:
        """References that `status` names."""
        found = self.status()
        return {
            each["reference_number"]
            for name in ("in_flight", "unknown", "overdue", "removed_upstream")
            for each in found[name]
        }

    def lost(self, wanted) -> set[str]:
        """Planned lines that are neither on the books nor named by `status`."""
        return set(wanted) - {reference_of(each) for each in self.ours()} - self.named()

    def settle(self, rounds: int = 4) -> str:
        """Reconcile, approve, sync, plan and apply until nothing moves any more; the plan's last line."""
        last = ""
        for _ in range(rounds):
            self.month()
            reconciled = self.run("reconcile", "--as-of", AS_OF)
            assert reconciled.code in (0, 4), reconciled
            planned = self.plan("--out", self.planfile)
            assert planned.code == 0, planned
            if planned.last.startswith("No changes") or planned.last == last:
                return planned.last
            last = planned.last
            if not last.startswith("Plan: 0 to post"):
                applied = self.apply()
                assert applied.code in (0, 3, 4), applied
        return last


def reference_of(entry) -> str | None:
    """Our reference on a charge in the system's books: in its field, else at the end of its text."""
    found = REFERENCE.findall(entry.description or entry.notes or "")
    return entry.reference_number or (found[-1] if found else None)


def finish(started: subprocess.Popen, timeout: float = 40) -> Result:
    """Wait for a process."""
    out, err = started.communicate(timeout=timeout)
    assert "Traceback" not in out + err, err
    return Result(started.returncode, out, err)


def copy_of(seeded: Path, target: Path) -> Path:
    """A state file of one's own."""
    shutil.copy(seeded, target)
    return target
