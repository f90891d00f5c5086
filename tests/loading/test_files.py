"""Which files are read: what is hidden, linked elsewhere, gone, or no file at all is never billed and never passed over."""

import os
import resource
import time

import pytest

from chargeplan.cli.main import run
from tests.loading.helpers import CONFIG, HEAD, RENT, load, told

PLAN = HEAD + RENT + "    amount: 35.00\n"
WITH_ROSTER = PLAN + "    roster: r.csv\n"


def test_hidden_files_and_folders_are_no_plans(tmp_path):
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / ".copy.yaml").write_text(PLAN)
    (tmp_path / "plans" / ".old").mkdir()
    (tmp_path / "plans" / ".old" / "plan.yaml").write_text(PLAN)
    loaded = load(tmp_path, PLAN, CONFIG + "plans: ['plans/**/*.yaml']\n")
    assert [plan.place.file for plan in loaded.project.plans] == ["plans/plan.yaml"]
    loaded = load(tmp_path, PLAN, CONFIG + "plans: [plans/.*.yaml]\n")
    assert [each.summary for each in loaded.diagnostics] == ["No file fits `plans/.*.yaml`."]


@pytest.mark.parametrize("written", [".r.csv", ".old/r.csv", "../.chargeplan/r.csv"])
def test_a_hidden_roster_is_an_error(tmp_path, written):
    plan = PLAN + f"    roster: {written}\n"
    assert told(load(tmp_path, plan).diagnostics) == [
        f"plans/plan.yaml:10:13 error: `{written}` is hidden: its name, or a folder's, begins with a dot. Rename it; hidden files are no plans, rosters, tables or tests."
    ]


def test_a_plan_that_is_a_link_to_nowhere_is_an_error(tmp_path):
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "gone.yaml").symlink_to("elsewhere.yaml")
    assert told(load(tmp_path, PLAN).diagnostics) == [
        "plans/gone.yaml:1:1 error: `plans/gone.yaml` is a link to nowhere. Delete the link, or put back the file that it points to."
    ]


def test_a_roster_that_is_a_link_to_nowhere_is_an_error_where_the_plan_names_it(tmp_path):
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "r.csv").symlink_to("gone.csv")
    assert told(load(tmp_path, WITH_ROSTER).diagnostics) == [
        "plans/plan.yaml:10:13 error: `plans/r.csv` is a link to nowhere. Delete the link, or put back the file that it points to."
    ]


def test_a_link_in_a_circle_is_an_error(tmp_path):
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "x.yaml").symlink_to("x.yaml")
    assert [each.summary for each in load(tmp_path, PLAN).diagnostics] == [
        "`plans/x.yaml` is a link to nowhere."
    ]


@pytest.mark.parametrize("name", ["chargeplan.yaml", "plans/q.yaml", "plans/tests/t.yaml", "plans/r.csv"])
def test_no_line_of_a_file_outside_the_project_is_shown(tmp_path, monkeypatch, capfd, name):
    root = tmp_path / "project"
    root.mkdir()
    load(root, WITH_ROSTER, r__csv="unit\n1\n")
    outside = tmp_path / "shadow"
    outside.write_text("root: the-secret-line: x\n")
    link = root / name
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(outside)
    monkeypatch.chdir(root)
    command = "test" if "tests" in name else "validate"
    assert run([command]) == 1
    said = "".join(capfd.readouterr())
    assert "the-secret-line" not in said
    assert "lies outside the project" in said


@pytest.mark.parametrize("name", ["chargeplan.yaml", "plans/q.yaml", "plans/tests/t.yaml", "plans/r.csv"])
def test_a_pipe_in_the_place_of_a_file_does_not_hang(tmp_path, monkeypatch, capfd, name):
    load(tmp_path, WITH_ROSTER, r__csv="unit\n1\n")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    command = "test" if "tests" in name else "validate"
    assert run([command]) == 1
    assert f"The file `{name}` cannot be read: it is no regular file." in "".join(capfd.readouterr())


def test_a_file_of_more_than_64_mb_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2_000_000_000)
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "r.csv").symlink_to(tmp_path / "huge")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert [each.summary for each in load(tmp_path, WITH_ROSTER).diagnostics] == [
        "The file `plans/r.csv` cannot be read: it has more than 64 MB."
    ]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_twenty_thousand_wrong_charges_are_told_in_seconds(tmp_path):
    charges = "".join(f"  c{number}:\n    code: Rent\n    amount: 35\n" for number in range(20_000))
    began = time.process_time()
    loaded = load(tmp_path, HEAD + "charges:\n" + charges)
    assert len(loaded.diagnostics) >= 20_000
    assert time.process_time() - began < 10


def test_tests_are_looked_for_where_the_plans_can_be_read(tmp_path, monkeypatch, capfd):
    """A project whose plans can't be read has no good end, with tests or without."""
    load(tmp_path, "version: 1\nplan: [\n")
    monkeypatch.chdir(tmp_path)
    assert run(["test"]) == 1
    assert "plans/plan.yaml:2" in capfd.readouterr().err


def test_a_configuration_that_is_a_link_to_nowhere_is_not_passed_over_for_another_projects(
    tmp_path, monkeypatch, capfd
):
    load(tmp_path, PLAN)
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "chargeplan.yaml").symlink_to("gone.yaml")
    monkeypatch.chdir(inner)
    assert run(["validate"]) == 1
    assert "`chargeplan.yaml` is a link to nowhere." in "".join(capfd.readouterr())
