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
    told = capsys.readouterr().err
    assert "There is no command before `--period`." in told
    assert "The command comes first, as in `chargeplan plan --period 2027-08`" in told


def test_a_common_option_without_a_command_is_no_command(capsys):
    assert run(["--color", "always"]) == 1
    assert "--help" in capsys.readouterr().err


# --- wrong words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["journal"], ["sandbox"]])
def test_a_group_without_a_command_prints_its_help(capsys, words):
    assert run(words) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"Usage: {' '.join(['chargeplan', *words])} [OPTIONS] COMMAND")
    assert "\nCommands:\n" in shown.err
    assert "\\x0a" not in shown.err


@pytest.mark.parametrize(
    ("word", "hint"),
    [("pln", "Did you mean `plan`?"), ("Status", "Did you mean `status`?"), ("xyzzy", "There are: `demo`, ")],
)
def test_a_command_that_is_not_there(capsys, word, hint):
    assert run([word, "--period", "2027-08"]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith(f"Error: There is no command `{word}`. {hint}")


def test_choices_are_told_in_one_sentence(capsys):
    assert run(["schema"]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "Choose from: plan, config, planfile, output, test" in told


def test_allowing_an_amount_without_decimals_says_what_an_option_takes(project, capsys):
    assert run(["apply", "x.plan", "--allow", "max_total=650000", "--reason", "new building"]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "write `650000.00` for dollars or `6500.00` for cents." in told


def test_an_export_that_can_not_be_written_says_so(project, capsys):
    (project / "backup.jsonl").write_text("an older one")
    for target, why in (
        ("backup.jsonl", "File exists"),
        ("nowhere/backup.jsonl", "No such file or directory"),
    ):
        assert run(["journal", "export", target]) == 1
        assert f"{target} can't be written: {why}. Nothing was exported." in capsys.readouterr().err
    assert (project / "backup.jsonl").read_text() == "an older one"


def test_init_says_where_to_go(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init", "my billing", "--ci", "none"]) == 0
    assert "Next: `cd 'my billing'`, then `chargeplan plan`" in capsys.readouterr().out


def test_a_reset_of_the_sandbox_says_what_still_knows_of_it(project, capsys):
    """Else the next plan reads as if nothing had been reset: what was posted is not posted again."""
    assert run(["sandbox", "reset"]) == 0
    shown = capsys.readouterr()
    assert shown.out.endswith("The sandbox is as new.\n")
    assert "the file that `chargeplan journal where` names, and .chargeplan/snapshot-sandbox.db." in shown.err
