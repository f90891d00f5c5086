"""`derive` on the sandbox: from four months billed by hand to a project that explains them, and lists the slips of hands."""

from __future__ import annotations

import json

import pytest

from chargeplan.cli.main import run
from chargeplan.cli.scaffold import scaffold
from chargeplan.sandbox.seed_history import SLIPS

AS_OF = ("--as-of", "2027-08-02")
MONTHS = ("--from", "2027-05", "--through", "2027-07")


@pytest.fixture
def project(tmp_path, monkeypatch):
    scaffold(tmp_path, ci="none")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def say(capsys):
    def run_it(*words, code=0):
        assert run([*words]) == code
        return capsys.readouterr()

    return run_it


def test_the_way_from_a_ledger_to_plans_that_explain_it(project, say):
    derived = json.loads(say("derive", *AS_OF, "--out", "derived", "--json").out)
    lines, explained = (sum(each[what] for each in derived["codes"]) for what in ("lines", "explained"))
    assert explained >= 0.98 * lines
    assert [
        (each["charge_code"], each["reason"])
        for each in derived["left"]
        if each["reason"] == "changes_each_month"
    ] == [("Electric", "changes_each_month")]
    compared = json.loads(
        say("compare", *AS_OF, *MONTHS, "--config", "derived/chargeplan.yaml", "--json").out
    )
    found = {
        (each["cause"], each["unit_number"])
        for each in compared["lines"]
        if each["charge_code"] != "Electric"
    }
    causes = {
        "forgotten": "not_billed",
        "twice": "billed_twice",
        "wrong": "amount",
        "after_move_out": "moved_out",
    }
    assert found == {(causes[each.kind], each.unit) for each in SLIPS}
    assert sum(each["charge_code"] != "Electric" for each in compared["lines"]) == len(SLIPS)


def test_the_new_project_has_the_same_ledgers(project, say):
    """What somebody entered in the sandbox is there too: the embedded one belongs to a project's folder."""
    say("compare", *AS_OF, *MONTHS)
    say(
        "sandbox",
        "pull",
        "enter",
        "resident_id=resident-101a",
        "charge_code_id=Damage",
        "amount_in_cents=12300",
        "transaction_date=2027-07-09",
    )
    say("sandbox", "sync")
    say("derive", *AS_OF, "--out", "derived")
    compared = json.loads(
        say("compare", *AS_OF, *MONTHS, "--config", "derived/chargeplan.yaml", "--json").out
    )
    assert [each["difference_in_cents"] for each in compared["lines"] if each["charge_code"] == "Damage"] == [
        12300
    ]


def test_nothing_is_overwritten_unless_that_is_said(project, say):
    before = (project / "chargeplan.yaml").read_text()
    said = say("derive", *AS_OF, "--out", ".", code=1)
    assert "is already there; nothing was written" in said.err
    assert not (project / "plans" / "maple-court.yaml").exists()
    say("derive", *AS_OF, "--out", ".", "--force")
    after = (project / "chargeplan.yaml").read_text()
    assert (
        after.replace("  maple-court: {id: clwi5xiix000108l6mapcourt, integration: resman-main}\n", "")
        == before
    )


def test_the_same_ledgers_give_the_same_bytes(project, say):
    for folder in ("one", "two"):
        say("derive", *AS_OF, "--out", folder)
    one, two = (
        sorted(each for each in (project / name).rglob("*") if each.suffix in {".yaml", ".csv"})
        for name in ("one", "two")
    )
    assert [each.read_bytes() for each in one] == [each.read_bytes() for each in two]


def test_no_name_of_a_person_is_written(project, say):
    say("derive", *AS_OF, "--out", "derived", "--property", "oak-street")
    text = "".join(
        each.read_text() for each in (project / "derived").rglob("*") if each.suffix in {".yaml", ".csv"}
    )
    assert "Alder" not in text


def test_a_property_that_is_not_there(project, say):
    assert (
        "There is no property `elm`"
        in say("derive", *AS_OF, "--out", "derived", "--property", "elm", code=1).err
    )
