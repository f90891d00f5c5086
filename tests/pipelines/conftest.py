"""A project that `init` wrote, its Propexo over loopback, its journal on PostgreSQL, and a code host for the comments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from chargeplan.starter.pipelines import APPROVALS
from tests.e2e import village
from tests.e2e.house import TODAY
from tests.pipelines.codehost import TOKEN as COMMENT_TOKEN
from tests.pipelines.codehost import CodeHost, served
from tests.pipelines.machines import ROOT, GitHub, GitLab
from tests.pipelines.repository import Repository

TOKEN = "tok-5b1c0d9e8f7a"


@dataclass
class Project:
    """A repository and what it talks to."""

    folder: Path
    state: Sandbox
    url: str
    journal: str
    host: CodeHost
    machines: Path
    repository: Repository

    @property
    def plan(self) -> Path:
        return self.folder / "plans" / "oak-street.yaml"

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new))

    @property
    def secrets(self) -> dict[str, str]:
        return {"PROPEXO_TOKEN": TOKEN, "CHARGEPLAN_JOURNAL": self.journal}

    def github(self) -> GitHub:
        return GitHub(self.machines, self.repository, self.host, self.secrets)

    def gitlab(self) -> GitLab:
        comment = {"CHARGEPLAN_COMMENT_TOKEN": COMMENT_TOKEN}
        places = dict.fromkeys(("billing-plan", "billing-reconcile", "billing"), self.secrets)
        return GitLab(self.machines, self.repository, self.host, {**places, "billing-comment": comment})

    def posted(self) -> list:
        return [each for each in self.state.ledger() if each.origin == "api"]

    def run(self, *words) -> subprocess.CompletedProcess:
        """The command line on a person's own machine."""
        environ = {**os.environ, **self.secrets, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-m", "chargeplan.cli", *words], cwd=self.folder, env=environ, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture(scope="session")
def seed(tmp_path_factory):
    return village.make(tmp_path_factory.mktemp("seed") / "seed.db")


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """What `chargeplan init` writes, by the kind of approval."""
    root = tmp_path_factory.mktemp("written")
    for approval in APPROVALS:
        words = ["init", str(root / approval), "--approval", approval]
        done = subprocess.run(
            [sys.executable, "-m", "chargeplan.cli", *words], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def approval():
    """Who lets a plan be posted; a test that needs another kind says so."""
    return "environments"


@pytest.fixture
def project(seed, written, approval, tmp_path, schema_target):
    """Made by `init`, with twelve lines of parking to bill and the sandbox in Propexo's place."""
    folder, state = tmp_path / "billing", tmp_path / "state.db"
    shutil.copytree(written / approval, folder, ignore=shutil.ignore_patterns(".chargeplan"))
    shutil.copy(seed, state)
    machines = tmp_path / "machines"
    machines.mkdir()
    with Sandbox.open(state, today=TODAY) as opened, serve(opened) as web, served() as host:
        _settle_in(folder, web.url)
        made = Project(folder, opened, web.url, schema_target, host, machines, Repository(folder))
        assert made.run("journal", "init", "--env", "production").returncode == 0
        yield made


def _settle_in(folder: Path, url: str) -> None:
    """What the people of a project write into it: where Propexo is, their plan, what is installed; and the tests' own day."""
    day = f"mode: plan\n          as-of: {TODAY}"
    for name, old, new in (
        ("chargeplan.yaml", "api: https://api.propexo.com", f"api: {url}\n    requests_per_minute: 100000"),
        (".github/workflows/chargeplan-pull-request.yaml", "mode: plan", day),
        (".github/workflows/chargeplan-billing.yaml", "mode: plan", day),
        (".gitlab-ci.yml", "CHARGEPLAN_ENV: production", f'CHARGEPLAN_ENV: production\n  CHARGEPLAN_AS_OF: "{TODAY}"'),
    ):  # fmt: skip
        text = (folder / name).read_text()
        assert old in text, f"{name} has no {old!r}"
        (folder / name).write_text(text.replace(old, new))
    # Twelve lines are less than a month before, and far from the clock's.
    config = (folder / "chargeplan.yaml").read_text()
    (folder / "chargeplan.yaml").write_text(config.split("  max_change:")[0])
    for place in (".github/actions/chargeplan", ".gitlab/chargeplan"):
        (folder / place / "requirements.txt").write_text(REQUIREMENT)
    (folder / "plans" / "oak-street.yaml").write_text(PLAN)
    (folder / "plans" / "tests" / "first-month.yaml").unlink()


REQUIREMENT = "chargeplan[postgres,approvals] @ git+https://github.example/acme/chargeplan@0123456789abcdef0123456789abcdef01234567\n"
# Twelve households of the seed, 25.00 each: 300.00.
PLAN = """\
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
