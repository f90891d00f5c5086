"""The levers on the command line, pulled in the embedded sandbox and in one that is served."""

from __future__ import annotations

import json

import pytest

from chargeplan.cli.main import run
from chargeplan.cli.scaffold import scaffold
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox

CREDIT = (
    "resident_id=resident-101a",
    "charge_code_id=Rent",
    "amount_in_cents=-500",
    "transaction_date=2027-08-03",
)


@pytest.fixture(params=["embedded", "served"])
def project(request, tmp_path, monkeypatch):
    """A project whose environment is a sandbox of one kind or the other."""
    scaffold(tmp_path, ci="none")
    monkeypatch.chdir(tmp_path)
    if request.param == "embedded":
        yield tmp_path
        return
    with Sandbox.open(tmp_path / "served.db") as state, serve(state) as served:
        config = tmp_path / "chargeplan.yaml"
        text = config.read_text().replace(
            "api: embedded", f"api: {served.url}\n    token_env: PROPEXO_TOKEN", 1
        )
        config.write_text(text)
        yield tmp_path


def said(capsys, *words, code=0):
    ended = run([*words, "--json"])
    out, err = capsys.readouterr()
    assert ended == code, out + err
    return json.loads(out)


def test_a_credit_by_hand_is_on_the_books_and_is_seen_by_the_next_sync(project, capsys):
    entered = said(capsys, "sandbox", "pull", "enter", *CREDIT)["result"]
    assert (entered["origin"], entered["amount_in_cents"]) == ("office", -500)
    books = said(capsys, "sandbox", "pull", "ledger")["result"]
    assert books[-1]["id"] == entered["id"]
    assert said(capsys, "sandbox", "sync")["new"] == 1


def test_a_choice_of_charges_is_voided(project, capsys):
    said(capsys, "sandbox", "pull", "enter", *CREDIT, "reference_number=12345")
    assert said(capsys, "sandbox", "pull", "void", "reference_number=12345")["result"] == 1
    assert said(capsys, "sandbox", "pull", "void", "reference_number=12345")["result"] == 0


def test_lists_and_objects_are_json(project, capsys):
    words = ("model=units", "record_id=unit-101", 'changes={"is_vacant": true}')
    assert said(capsys, "sandbox", "pull", "alter", *words)["result"] is None
    (fault,) = said(capsys, "sandbox", "pull", "fail", "method=POST", "job=FAILURE", 'errors=["closed"]')[
        "result"
    ]
    assert fault == {"method": "POST", "job": "FAILURE", "errors": ["closed"]}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("explode",), "there is no lever explode"),
        (("enter",), "missing required field `resident_id`"),
        (("void", "colour=red"), "unknown field `colour`"),
        (("enter", *CREDIT[:2], "amount_in_cents=much", CREDIT[3]), "$.amount_in_cents"),
        (("enter", "resident_id=nobody", *CREDIT[1:]), "no residents nobody"),
        (("enter", "resident_id"), "is not KEY=VALUE"),
    ],
)  # fmt: skip
def test_what_a_lever_does_not_take_is_told(project, capsys, words, told):
    error = said(capsys, "sandbox", "pull", *words, code=1)
    assert told in error["message"]
    assert "sandbox levers" in error["hint"]


def test_every_lever_is_listed_with_its_keys(capsys):
    found = {each["name"]: each for each in said(capsys, "sandbox", "levers")["levers"]}
    office = (
        "enter",
        "edit",
        "void",
        "redate",
        "merge",
        "replace-lease",
        "correct-unit",
        "move-unit",
        "move-out",
        "pay",
        "fail",
    )
    assert set(office) <= set(found)
    needed = [key["name"] for key in found["merge"]["keys"] if key["required"]]
    assert needed == ["resident_id", "into"]
    assert all(each["does"] for each in found.values())


@pytest.mark.parametrize(
    ("api", "code"),
    [("https://api.propexo.com", "not_embedded"), ("http://127.0.0.1:9", "sandbox_unreachable")],
)
def test_another_environment_is_no_sandbox(tmp_path, monkeypatch, capsys, api, code):
    scaffold(tmp_path, ci="none")
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "chargeplan.yaml"
    config.write_text(
        config.read_text().replace("api: embedded", f"api: {api}\n    token_env: PROPEXO_TOKEN", 1)
    )
    assert said(capsys, "sandbox", "pull", "enter", *CREDIT, code=1)["code"] == code
