"""Options that every command takes, wherever they are written."""

from __future__ import annotations

import json

import pytest

from chargeplan.cli.main import run


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["init", "."]) == 0
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "validate"],
        ["--quiet", "--color=never", "validate", "--json"],
        ["--config", "chargeplan.yaml", "--env", "sandbox", "--json", "validate"],
        ["-q", "--json", "journal", "where"],
    ],
)
def test_they_may_stand_before_the_command(project, capsys, words):
    capsys.readouterr()
    assert run(words) == 0
    assert json.loads(capsys.readouterr().out)["kind"] in {"validate", "journal_where"}


def test_what_is_no_common_option_must_follow_the_command(project, capsys):
    assert run(["--period", "2027-08", "plan"]) == 1
    assert "No such option '--period'" in capsys.readouterr().err


def test_a_common_option_without_a_command_is_no_command(capsys):
    assert run(["--color", "always"]) == 1
    assert "--help" in capsys.readouterr().err
