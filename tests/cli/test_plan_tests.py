"""`chargeplan test`: the plans' own tests, offline, with a difference that can be read."""

import json
import shutil
import socket
from pathlib import Path

import pytest

from chargeplan.cli.main import run
from chargeplan.loading import plan_tests
from chargeplan.loading.schemas import schema_text

ROOT = Path(__file__).parents[2]
CONFIG = """\
version: 1
environments: {sandbox: {api: embedded}}
integrations:
  resman-main: {id: resman-integration-98765, vendor: RESMAN}
properties:
  oak-street: {id: p-oak, integration: resman-main}
  maple-court: {id: p-maple, integration: resman-main}
closed_through: 2027-10-31
plans: [plans/*.yaml]
"""
PLAN = """\
version: 1
plan: p
integration: resman-main
properties: [oak-street]
charges:
  rent:
    code: Rent
    amount: {from: lease.rent}
    schedule: {every: month}
    prorate: actual
  pets:
    code: Pets
    amount: {rate: 35.00, per: resident.pets}
    schedule: {every: month}
  late:
    code: Late Fee
    late_fee: {for: [rent], grace_days: 5, initial: 50.00}
"""
TEST = """\
version: 1
title: August
plans: [../p.yaml]
as_of: 2027-08-20
given:
  units: [{number: 101}]
  leases: [{unit: 101, start: 2027-01-01, end: 2027-12-31, rent: 1000.00, residents: [a, b]}]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "plans" / "tests").mkdir(parents=True)
    (tmp_path / "chargeplan.yaml").write_text(CONFIG)
    (tmp_path / "plans" / "p.yaml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARGEPLAN_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def tested(folder, capsys):
    def go(text, *words):
        (folder / "plans" / "tests" / "t.yaml").write_text(text)
        code = run(["test", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return go


def test_the_examples_pass_without_network_or_journal(folder, capsys, monkeypatch):
    shutil.copytree(ROOT / "plans", folder / "plans", dirs_exist_ok=True)
    (folder / "plans" / "p.yaml").unlink()
    monkeypatch.setattr(socket, "socket", None)
    assert run(["test"]) == 0
    count = len(list((ROOT / "plans" / "tests").glob("*.yaml")))
    assert capsys.readouterr().out.splitlines()[-1] == f"Tests: {count} passed, 0 failed."
    assert not (folder / ".chargeplan").exists()


def test_a_difference_stands_with_its_place(tested):
    code, out, _ = tested(TEST + "expect:\n  lines:\n    - {charge: rent, unit: 101, amount: 900.00}\n")
    assert code == 1
    assert out == (
        "FAIL  plans/tests/t.yaml:2  August\n"
        "  plans/tests/t.yaml:10: another amount\n"
        "    - {charge: rent, unit: 101, amount: 900.00}\n"
        "    + {charge: rent, unit: 101, amount: 1000.00}\n"
        "\n"
        "Tests: 0 passed, 1 failed.\n"
    )


def test_what_became_of_a_missing_line_is_told(tested):
    lines = "expect:\n  lines:\n    - {charge: rent, amount: 1000.00}\n    - {charge: pets, unit: 101, amount: 35.00}\n"
    code, out, _ = tested(TEST + lines)
    assert code == 1
    assert "plans/tests/t.yaml:11: an expected line that does not come" in out
    assert "It is skipped (zero_amount): the amount is $0.00." in out


def test_a_line_too_many_shows_its_charge(tested):
    code, out, _ = tested(TEST + "expect: {lines: []}\n")
    assert code == 1
    assert "plans/p.yaml:6: a line that is not expected" in out
    assert "+ {charge: rent, unit: 101, resident: a, date: 2027-08-01, amount: 1000.00}" in out


def test_vague_expectations_leave_room_for_exact_ones(tested):
    two = TEST.replace("[{number: 101}]", "[{number: 101}, {number: 102}]").replace(
        "residents: [a, b]}",
        "residents: [a, b]}, {unit: 102, start: 2027-01-01, rent: 1000.00, residents: [c]}",
    )
    lines = "expect:\n  lines:\n    - {charge: rent, amount: 1000.00}\n    - {charge: rent, unit: 101, amount: 1000.00}\n"
    assert tested(two + lines)[0] == 0


def test_holds_and_skips(tested):
    text = TEST.replace(", rent: 1000.00", "")
    good = "expect:\n  holds: [{charge: rent, unit: 101, reason: amount_missing}]\n  skips: [{charge: pets, unit: 101, reason: zero_amount}]\n"
    assert tested(text + good)[0] == 0
    assert tested(text + "expect: {holds: []}\n")[0] == 1
    code, out, _ = tested(text + "expect:\n  skips:\n    - {charge: pets, unit: 101, reason: waived}\n")
    assert (code, "+ {charge: pets, unit: 101, reason: zero_amount}" in out) == (1, True)


def test_late_fees_know_payments_and_who_posted(tested):
    charges = "  charges: [{resident: a, code: Rent, date: 2027-08-01, amount: 1000.00, charge: rent, paid: [{date: 2027-08-10, amount: 1000.00}]}]\n"
    lines = "expect: {only: [late], lines: [{charge: late, date: 2027-08-07, amount: 50.00}]}\n"
    assert tested(TEST + charges + lines)[0] == 0
    assert tested(TEST + charges.replace("08-10", "08-05") + lines)[0] == 1


def test_nobody_moved_in(tested):
    text = TEST.replace("start: 2027-01-01,", "start: 2027-01-01, move_in: never, status: INACTIVE,")
    assert tested(text + "expect: {skips: [{charge: rent, reason: never_moved_in}]}\n")[0] == 0


def test_a_closed_month_is_the_tests_own(tested):
    assert tested(TEST + "expect: {lines: [{charge: rent, amount: 1000.00}]}\n")[0] == 0
    code, out, _ = tested(TEST + "closed_through: 2027-08-31\n")
    assert code == 1
    assert "closed" in out


def test_a_misspelt_key_is_told_with_the_right_one(tested):
    code, out, err = tested(TEST.replace("residents:", "residnts:"))
    assert (code, out) == (1, "")
    assert "plans/tests/t.yaml:7:" in err
    assert "Did you mean `residents`?" in err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("unit: 101", "unit: 110", "There is no unit `110`"),
        ("../p.yaml", "../q.yaml", "There is no file `plans/q.yaml`"),
        ("as_of: 2027-08-20", "as_of: soon", "`as_of` takes a date"),
        ("title: August", "property: elm", "There is no property `elm`"),
        ("title: August", "from: 2027-08-01", "needs the key `through`"),
        ("title: August", "period: 2027-13", "takes a month"),
        ("rent: 1000.00", "rent: 1000", "could be dollars or cents"),
    ],
)
def test_faults_are_diagnostics(tested, old, new, said):
    code, _, err = tested(TEST.replace(old, new))
    assert code == 1
    assert said in err


def test_an_error_in_the_plan_is_told_once(folder, tested):
    (folder / "plans" / "p.yaml").write_text(PLAN.replace("code: Rent", "kode: Rent"))
    (folder / "plans" / "tests" / "u.yaml").write_text(TEST)
    code, _, err = tested(TEST)
    assert (code, err.count("Did you mean `code`?")) == (1, 1)


def test_json_is_one_document(tested):
    code, out, _ = tested(TEST + "expect: {lines: [{charge: rent, amount: 900.00}]}\n", "--json")
    document = json.loads(out)
    assert code == 1
    assert (document["kind"], document["passed"], document["failed"]) == ("test", 0, 1)
    (difference,) = document["tests"][0]["differences"]
    assert difference["expected"]["amount_in_cents"] == 90000
    assert difference["got"]["amount_in_cents"] == 100000
    assert difference["source"] == {"file": "plans/tests/t.yaml", "line": 8}
    code, out, _ = tested(TEST.replace("as_of", "asof"), "--json")
    assert (code, json.loads(out)["kind"]) == (1, "error")


def test_no_test_is_no_failure(folder, capsys):
    assert run(["test"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "Tests: 0 passed, 0 failed.\n"
    assert "no test" in captured.err


def test_a_named_file_or_folder(folder, tested, capsys):
    tested(TEST)
    assert run(["test", "plans/tests"]) == 0
    assert capsys.readouterr().out.endswith("Tests: 1 passed, 0 failed.\n")
    assert run(["test", "plans/tests/none.yaml"]) == 1


def test_reader_and_schema_know_the_same_keys():
    top = json.loads(schema_text("test"))["properties"]
    assert set(top) == set(plan_tests.TEST_KEYS)
    given, expect = top["given"]["properties"], top["expect"]["properties"]
    lease = given["leases"]["items"]["properties"]
    assert set(given) == set(plan_tests.GIVEN_KEYS)
    assert set(given["units"]["items"]["properties"]) == set(plan_tests.UNIT_KEYS)
    assert set(lease) == set(plan_tests.LEASE_KEYS)
    assert set(lease["residents"]["items"]["anyOf"][1]["properties"]) == set(plan_tests.RESIDENT_KEYS)
    assert set(given["charges"]["items"]["properties"]) == set(plan_tests.CHARGE_KEYS)
    assert set(expect) == set(plan_tests.EXPECT_KEYS)
    for name, keys in (
        ("lines", plan_tests.LINE_KEYS),
        ("holds", plan_tests.HOLD_KEYS),
        ("skips", plan_tests.SKIP_KEYS),
    ):
        assert set(expect[name]["items"]["properties"]) == set(keys)
