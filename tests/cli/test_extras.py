"""Installed without an extra: every command that comes upon it says which one, and the others work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chargeplan.cli.main import COMMANDS, run

PROGRAM = """
import sys
for name in ("starlette", "uvicorn", "psycopg", "cryptography"):
    sys.modules[name] = None
from chargeplan.cli.main import main
main()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["init", ".", "--ci", "none", "--quiet"]) == 0
    return tmp_path


def without_extras(folder, command):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *command.split()],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", [
    "demo", "plan", "plan --html x.html", "apply --auto-approve", "doctor", "validate --online", "reconcile", "sandbox serve",
])  # fmt: skip
def test_what_needs_the_sandbox_says_so(folder, command):
    done = without_extras(folder, command)
    assert done.returncode == 1
    assert "The sandbox is not installed (the package `" in " ".join(done.stderr.split())
    assert "pip install 'chargeplan[sandbox]'" in done.stderr
    assert "mistake of its own" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    "command", ["validate", "test", "status", "history", "journal verify", "schema plan", "help", "--help"]
)
def test_what_needs_none_works(folder, command):
    done = without_extras(folder, command)
    assert (done.returncode, "mistake" in done.stderr) == (0, False), done


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_show_its_help(tmp_path, command):
    assert without_extras(tmp_path, f"{command} --help").returncode == 0
