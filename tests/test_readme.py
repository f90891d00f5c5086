"""The README's first screen is true: its commands are those that CI runs, its outputs and ``--help`` are the program's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chargeplan.sandbox.state import Sandbox

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(?:yaml)?\n(.*?)```", README, re.DOTALL)
CONFIG = """\
version: 1
environments: {sandbox: {api: embedded}}
integrations:
  resman-main: {id: resman-integration-98765}
properties:
  oak-street: {id: clwi5xiix000008l6ctdgafyh, integration: resman-main}
timezone: America/Chicago
"""


def run(*arguments, cwd=ROOT):
    # Inside a virtual environment or not: the program beside this interpreter is the one under test.
    program = [sys.executable, "-c", "import sys; from chargeplan.cli.main import main; sys.exit(main())"]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "PYTHONPATH") if name in os.environ}
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))
    done = subprocess.run(
        [*program, *arguments],
        cwd=cwd,
        env={**kept, "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def commands():
    return [line for line in README.splitlines() if line.startswith("python3 -m venv ")]


def test_there_are_two_commands_demo_and_tests():
    demo, tests = commands()
    assert demo.endswith(".venv/bin/chargeplan demo")
    assert ".venv/bin/pytest" in tests


def test_ci_runs_the_commands_of_the_readme_and_no_others():
    """It takes them out of the README by what they begin with."""
    assert "grep '^python3 -m venv ' \"$root/README.md\"" in CI
    assert {"readme 1", "readme 2"} <= {
        match[1] for match in re.finditer(r'^step "[^"]*" (readme \d)$', CI, re.MULTILINE)
    }
    assert ".venv/bin/pytest" not in CI


def test_help_is_the_programs():
    code, shown = run("--help")
    assert code == 0
    assert shown in BLOCKS


@pytest.fixture
def project(tmp_path):
    """The README's plan, beside a configuration for the embedded sandbox."""
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "oak-street.yaml").write_text(BLOCKS[0], encoding="utf-8")
    (tmp_path / "chargeplan.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def test_the_first_screen_is_what_happens(project):
    shown = BLOCKS[1].split("$ chargeplan ")
    planned, applied, again = (each.split("\n", 1)[1].strip() for each in shown[1:])
    code, screen = run("plan", "--as-of", "2027-08-02", "--out", "august.plan", cwd=project)
    assert code == 0
    for paragraph in planned.split("\n\n"):
        assert paragraph in screen
    code, screen = run("apply", "august.plan", "--auto-approve", cwd=project)
    assert (code, screen.strip().splitlines()[-1]) == (0, applied)
    (state,) = (project / ".chargeplan").glob("sandbox*-*.db")
    with Sandbox.open(state) as sandbox:
        sandbox.approve()
        sandbox.sync()
    code, screen = run("plan", "--as-of", "2027-08-02", cwd=project)
    assert (code, screen.strip().splitlines()[-1]) == (0, again)


def test_links_lead_somewhere():
    for file in (ROOT / "README.md", ROOT / "plans" / "README.md"):
        text = file.read_text(encoding="utf-8")
        anchors = {anchor(title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith("#"):
                assert target[1:] in anchors, target
            elif not target.startswith("https:"):
                assert (file.parent / target).exists(), target


def anchor(title):
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
