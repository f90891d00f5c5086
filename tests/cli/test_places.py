"""What is wrong in a plan and is seen only with the property's data: told where it is written, with the likely right word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chargeplan.cli.main import run

PLAN = """\
version: 1
plan: small
integration: resman-main
properties: [oak-street]
charges:
  fee:
    code: Rent
    amount: 1.00
    schedule: {every: month, day: 1}
    who: {units: ["101"]}
    after_lease_end: continue
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["init", "."]) == 0
    for each in (*Path("plans").glob("*.yaml"), *Path("plans/tests").glob("*.yaml")):
        each.unlink()
    # These plans are of one charge in another month: the starter project's guards would refuse them, rightly.
    config = Path("chargeplan.yaml")
    config.write_text(config.read_text().split("guards:")[0])
    return tmp_path


def planned(capsys, text, *words):
    """The exit code, and what is said on the screen."""
    Path("plans/small.yaml").write_text(text)
    capsys.readouterr()
    code = run(["plan", "--as-of", "2027-08-02", *words])
    shown = capsys.readouterr()
    return code, " ".join((shown.out + shown.err).split())


def test_a_text_that_is_too_long_is_told_at_its_template(project, capsys):
    text = PLAN + f'    notes: short\n    description: "{"x" * 300}"\n'
    code, told = planned(capsys, text)
    assert code == 1
    assert "plans/small.yaml:13:18: charge `fee`: the description has 300 characters" in told


def test_a_property_that_the_integration_does_not_have_is_told_in_the_list(project, capsys):
    code, told = planned(capsys, PLAN.replace("[oak-street]", "[oak-street, Oak Stret Apartments]"))
    assert code == 1
    assert (
        "plans/small.yaml:4:26: plan `small`: the integration has no property `Oak Stret Apartments`" in told
    )
    assert "Did you mean `Oak Street Apartments`?" in told


def test_a_code_that_the_property_does_not_have_is_told_where_it_is_written(project, capsys):
    override = '    overrides: [{units: ["101"], code: Rnt, reason: trial}]\n'
    assert "plans/small.yaml:12:40: charge `fee`: " in planned(capsys, PLAN + override)[1]
    Path("plans/rows.csv").write_text('unit,note,code\n101,"a, b",Rnt\n')
    text = PLAN.replace("code: Rent", "code: {from: roster.code}") + "    roster: rows.csv\n"
    assert "plans/rows.csv:2:12: charge `fee`: " in planned(capsys, text)[1]


@pytest.mark.parametrize(("words", "told"), [
    (["--property", "oak-stret"], "No plan covers a property `oak-stret`. Did you mean `oak-street`?"),
    (["--plan", "smal"], "There is no plan named `smal`. Did you mean `small`?"),
    (["--charge", "fees"], "There is no charge named `fees`. Did you mean `fee`?"),
])  # fmt: skip
def test_a_filter_that_names_nothing(project, capsys, words, told):
    code, shown = planned(capsys, PLAN, *words)
    assert code == 1
    assert told in shown


def test_a_row_of_another_code_is_a_line_of_that_code(project, capsys):
    Path("plans/rows.csv").write_text("unit,amount,code\n101,40,Rent\n102,12.5,Parking\n")
    text = PLAN.replace("code: Rent", "code: {from: roster.code}").replace("1.00", "{from: roster.amount}")
    text = text.replace('["101"]', '["10*"]') + "    roster: rows.csv\n"
    Path("plans/small.yaml").write_text(text)
    capsys.readouterr()
    assert run(["plan", "--as-of", "2027-08-02", "--json"]) in {0, 2}
    changes = json.loads(capsys.readouterr().out)["changes"]
    assert {(each["unit_number"], each["charge_code"], each["amount_in_cents"]) for each in changes} == {
        ("101", "Rent", 4000),
        ("102", "Parking", 1250),
    }
