"""`compare` as a command: its exit codes, its files, and that it opens no journal."""

from __future__ import annotations

import csv
import json

import pytest

from chargeplan.cli.main import run
from chargeplan.cli.scaffold import scaffold

JULY = ("--period", "2027-07", "--as-of", "2027-08-02")


@pytest.fixture
def project(tmp_path, monkeypatch):
    scaffold(tmp_path, ci="none")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *words, code=0):
    assert run(["compare", *words]) == code
    return capsys.readouterr().out


def test_differences_are_an_exit_code_where_that_is_asked_for(project, capsys):
    said(capsys, *JULY)
    said(capsys, *JULY, "--detailed-exitcode", code=2)


def test_it_needs_no_journal(project, capsys):
    (project / ".chargeplan" / "sandbox.db").unlink()
    said(capsys, *JULY)
    assert not (project / ".chargeplan" / "sandbox.db").exists()


def test_months_may_be_named_as_months(project, capsys):
    one = json.loads(
        said(capsys, "--from", "2027-06", "--through", "2027-07", "--as-of", "2027-08-02", "--json")
    )
    other = json.loads(said(capsys, "--from", "2027-06-01", "--through", "2027-07-31", "--offline", "--json"))
    assert one == other
    assert one["window"] == {"from": "2027-06-01", "through": "2027-07-31"}


def test_the_files_have_what_the_screen_has(project, capsys):
    found = json.loads(said(capsys, *JULY, "--csv", "july.csv", "--html", "july.html", "--json"))
    rows = list(csv.DictReader((project / "july.csv").read_text().splitlines()))
    assert [row["difference_in_cents"] for row in rows] == [
        str(each["difference_in_cents"]) for each in found["lines"]
    ]
    assert "they had moved out before the month" in (project / "july.html").read_text()


def test_a_property_that_no_plan_covers_is_a_mistake(project, capsys):
    assert run(["compare", *JULY, "--property", "elm"]) == 1
    assert "No plan covers a property `elm`" in capsys.readouterr().err
