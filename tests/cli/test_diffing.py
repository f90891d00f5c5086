"""`diff` as a command: ten changes that a reviewer meets, its bases, its exit codes and its files. The repository is a real one."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess

import pytest

from chargeplan.cli.main import run
from chargeplan.cli.scaffold import scaffold

AS_OF = ("--as-of", "2027-08-02")
PLAN = """\
version: 1
plan: oak-street
integration: resman-main
properties: [oak-street]
charges:
  amenity:
    code: Amenity Fee
    amount: 25.00
    who: {units: ["20[1-4]"]}
    schedule: {every: month, day: 1}
  parking:
    code: Parking
    amount: {from: roster.amount}
    roster: rosters/parking.csv
    schedule: {every: month, day: 1}
"""
ROSTER = "unit,amount\n101,75.00\n204,75.00\n"


def git(folder, *words):
    who = {f"GIT_{role}_{what}": "pat@x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environ = {**os.environ, **who, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    done = subprocess.run(
        ["git", "-C", str(folder), *words], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A project in a subfolder of a repository, committed once, its ledgers read."""
    root = tmp_path_factory.mktemp("repository")
    folder = root / "billing"
    scaffold(folder, ci="none")
    (folder / "plans" / "oak-street.yaml").write_text(PLAN)
    (folder / "plans" / "rosters" / "parking.csv").write_text(ROSTER)
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=one")
    assert run(["diff", "main", "--config", str(folder / "chargeplan.yaml"), *AS_OF, "--quiet"]) == 0
    return root


@pytest.fixture
def project(repository, tmp_path, monkeypatch):
    shutil.copytree(repository, tmp_path / "repository")
    monkeypatch.chdir(tmp_path / "repository" / "billing")
    return tmp_path / "repository" / "billing"


def edit(project, old, new, name="plans/oak-street.yaml"):
    text = (project / name).read_text()
    assert old in text
    (project / name).write_text(text.replace(old, new))


def diff(capsys, *words, base="main", code=0):
    capsys.readouterr()
    assert run(["diff", base, "--offline", *AS_OF, *words]) == code
    return capsys.readouterr().out


def first_line(capsys, project, *words):
    diff(capsys, "--markdown", "d.md", *words)
    return (project / "d.md").read_text().splitlines()[0]


NOTHING = "### No difference through August 2027: everybody is billed as before"
LATER = "amount: 25.00\n    steps: [{from: 2027-12-01, change: '+2.38'}]"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("amount: 25.00", "amount: 27.38", "### +$9.52 in August 2027: 4 lines changed"),
        ("amount: 25.00", "amount: 20.00", "### -$20.00 in August 2027: 4 lines changed"),
        ("20[1-4]", "20[1-3]", "### -$25.00 in August 2027: 1 line removed"),
        ("20[1-4]", "20[1-5]", "### +$25.00 in August 2027: 1 line added"),
        ("code: Amenity Fee", "code: Trash", "### $0.00 in August 2027: 4 lines changed"),
        ("    schedule", "    enabled: false\n    schedule", "### -$250.00 in August 2027: 6 lines removed"),
        ("amount: 25.00", "amount: 25.00\n    description: Club room", "### no money in August 2027: 4 lines changed"),
        ("code: Amenity Fee", "code: Amenity Fee  # the club room", NOTHING),
        ("  amenity:", "  club-room:", "### $0.00 in August 2027: 4 lines added, 4 removed"),
        ("charges:\n  amenity:", "moved: [{from: amenity, to: club-room}]\ncharges:\n  club-room:", NOTHING),
        ("charges:\n  amenity:", "moved: [{from: amenity, to: august}]\ncharges:\n  august:", NOTHING),
    ],
    ids=["a raise", "less", "a unit less", "a unit more", "another code", "switched off", "another text", "a comment", "renamed", "moved", "moved to a word of its text"],
)  # fmt: skip
def test_a_reviewer_reads_the_money_in_the_first_line(project, capsys, old, new, said):
    edit(project, old, new)
    assert first_line(capsys, project, "--months", "1") == said


RAISE = "### +$7.14 in December 2027: 4 lines changed"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("amount: 25.00", LATER, RAISE),
        ("amount: 25.00", "amount: 25.00\n    overrides: [{from: 2027-12-01, amount: 27.38}]", RAISE),
        ("    schedule: {every: month, day: 1}\n  parking", "    schedule: {every: month, day: 1, through: 2027-11-30}\n  parking",
         "### -$75.00 in December 2027: 4 lines removed"),
    ],
    ids=["a step", "an override", "an end"],
)  # fmt: skip
def test_what_changes_after_the_months_names_its_own_month(project, capsys, old, new, said):
    """The date stands in the plan. One of the four leases ends before December."""
    edit(project, old, new)
    assert first_line(capsys, project) == said
    found = json.loads(diff(capsys, "--json"))
    assert [(each["month"], each["lines"]) for each in found["months"]] == [
        (month, []) for month in ("2027-08", "2027-09", "2027-10")
    ]
    assert "2027-12" in {each["month"] for each in found["later"]}


def test_a_later_change_of_another_amount_is_seen_too(project, capsys):
    edit(project, "amount: 25.00", LATER)
    git(project, "commit", "--quiet", "--all", "--message=raise")
    edit(project, "+2.38", "+3.00")
    assert first_line(capsys, project) == "### +$1.86 in December 2027: 4 lines changed"


def test_a_dated_row_of_a_roster_names_its_month(project, capsys):
    dated = ROSTER.replace("unit,", "unit,starts,").replace(",75.00", ",2027-06-01,75.00")
    (project / "plans" / "rosters" / "parking.csv").write_text(dated)
    edit(
        project,
        "roster: rosters/parking.csv\n    schedule: {",
        "roster: rosters/parking.csv\n    schedule: {from: roster.starts, ",
    )
    git(project, "commit", "--quiet", "--all", "--message=dates")
    (project / "plans" / "rosters" / "parking.csv").write_text(dated + "212,2027-12-01,95.00\n")
    assert first_line(capsys, project) == "### +$95.00 in December 2027: 1 line added"


def test_dates_that_stay_name_no_month(project, capsys):
    edit(project, "amount: 25.00", LATER)
    git(project, "commit", "--quiet", "--all", "--message=raise")
    edit(project, "code: Amenity Fee", "code: Amenity Fee  # the club room")
    assert json.loads(diff(capsys, "--json"))["later"] == []


def test_a_row_of_a_roster_has_its_money(project, capsys):
    edit(project, "204,75.00", "204,75.00\n212,95.00", name="plans/rosters/parking.csv")
    assert first_line(capsys, project, "--months", "1") == "### +$95.00 in August 2027: 1 line added"


def test_a_new_property_has_its_money(project, capsys):
    other = PLAN.replace("oak-street", "maple").replace("[maple]", "[Maple Court]").replace("20[1-4]", "1*")
    (project / "plans" / "maple.yaml").write_text(other.split("  parking:")[0])
    found = json.loads(diff(capsys, "--json", "--months", "1"))["months"][0]
    assert {line["verdict"] for line in found["lines"]} == {"added"}
    assert [total["base"]["count"] for total in found["totals"]] == [0]


def test_this_month_and_the_next_two_are_told(project, capsys):
    edit(project, "amount: 25.00", "amount: 30.00")
    found = json.loads(diff(capsys, "--json"))
    assert (found["kind"], found["base"]) == ("diff", "main")
    assert [(each["month"], [t["difference"] for t in each["totals"]]) for each in found["months"]] == [
        (month, [{"count": 0, "amount_in_cents": 2000}]) for month in ("2027-08", "2027-09", "2027-10")
    ]
    (line, *_) = found["months"][0]["lines"]
    assert (line["verdict"], line["base"]["amount_in_cents"], line["here"]["amount_in_cents"]) == (
        "changed",
        2500,
        3000,
    )


def test_a_folder_is_a_base_too(project, capsys, tmp_path):
    shutil.copytree(project, tmp_path / "before")
    edit(project, "amount: 25.00", "amount: 30.00")
    assert "+$20.00 in August 2027: 4 lines changed" in diff(capsys, base=str(tmp_path / "before"))


def test_nothing_is_checked_out_and_nothing_is_written(project, capsys):
    edit(project, "amount: 25.00", "amount: 30.00")
    before = (
        git(project, "status", "--porcelain"),
        git(project, "rev-parse", "HEAD"),
        git(project, "stash", "list"),
    )
    journal = (project / ".chargeplan" / "sandbox.db").read_bytes()
    diff(capsys)
    assert before == (
        git(project, "status", "--porcelain"),
        git(project, "rev-parse", "HEAD"),
        git(project, "stash", "list"),
    )
    assert (project / ".chargeplan" / "sandbox.db").read_bytes() == journal


def test_what_is_posted_stays_and_a_raise_is_reported_for_it(project, capsys):
    config = project / "chargeplan.yaml"
    config.write_text(config.read_text().split("guards:")[0])
    assert run(["apply", *AS_OF, "--auto-approve", "--quiet"]) == 0
    edit(project, "amount: 25.00", "amount: 30.00")
    august, september, _ = json.loads(diff(capsys, "--json"))["months"]
    drifts = [(line["verdict"], line["base"], line["here"]["action"]) for line in august["lines"]]
    assert drifts == [("added", None, "drift")] * 4
    assert august["totals"] == []
    assert september["totals"][0]["difference"]["amount_in_cents"] == 2000


def test_differences_are_an_exit_code_where_that_is_asked_for(project, capsys):
    diff(capsys, "--detailed-exitcode")
    edit(project, "amount: 25.00", "amount: 30.00")
    diff(capsys, "--detailed-exitcode", code=2)


def test_a_limit_counts_more_and_less_together(project, capsys):
    edit(project, "amount: 25.00", "amount: 30.00")
    edit(project, "101,75.00", "101,65.00", name="plans/rosters/parking.csv")
    diff(capsys, "--fail-above", "30.00")
    diff(capsys, "--fail-above", "29.99", code=6)


def test_the_files_have_what_the_screen_has(project, capsys):
    edit(project, "amount: 25.00", "amount: 30.00")
    found = json.loads(diff(capsys, "--json", "--csv", "d.csv", "--html", "d.html"))
    rows = list(csv.DictReader((project / "d.csv").read_text().splitlines()))
    lines = [(month["month"], line) for month in found["months"] for line in month["lines"]]
    assert [(row["month"], row["difference_in_cents"]) for row in rows] == [
        (month, str(line["difference_in_cents"])) for month, line in lines
    ]
    page = (project / "d.html").read_text()
    assert "+$20.00 in August 2027: 4 lines changed" in page
    assert page.count('<th scope="row">201</th>') == 3


def test_one_property_may_be_asked_for_and_a_wrong_name_is_a_mistake(project, capsys):
    edit(project, "amount: 25.00", "amount: 30.00")
    assert "+$20.00 in August" in diff(capsys, "--property", "oak-street")
    assert run(["diff", "main", "--offline", *AS_OF, "--property", "elm"]) == 1
    assert "No plan covers a property `elm`" in capsys.readouterr().err


@pytest.mark.parametrize("base", ["nowhere", "--output=x", "main:billing", "plans"])
def test_what_is_no_base_is_said(project, capsys, base):
    assert run(["diff", "--offline", *AS_OF, "--", base]) == 1
    assert "There is no" in capsys.readouterr().err
    assert not (project / "x").exists()


def test_mistakes_of_the_base_are_told_as_its_own(project, capsys):
    edit(project, "amount: 25.00", "amount: 25")
    git(project, "commit", "--quiet", "--all", "--message=wrong")
    edit(project, "amount: 25", "amount: 25.00")
    assert run(["diff", "main", "--offline", *AS_OF]) == 1
    assert "The plans of main have 1 error." in " ".join(capsys.readouterr().err.split())
