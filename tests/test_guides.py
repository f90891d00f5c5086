"""The guides are true: each command in them exists with its options, and what can be run is run, in the guide's order."""

from __future__ import annotations

import re
import shlex
from datetime import date
from pathlib import Path

import click
import pytest

from chargeplan.cli.guides import GUIDES, SYSTEMS, guide
from chargeplan.cli.main import cli, run
from chargeplan.cli.scaffold import scaffold
from chargeplan.core.dates import add_months
from chargeplan.propexo.vendors import VENDORS
from chargeplan.render.words import HOLDS

OWN = ("first-month", "operating", "month-end", "security", "pipelines", *SYSTEMS)
NOTHING = "No changes. Every charge is posted."


def blocks(name, language):
    """The commands of a guide's fenced blocks of that language."""
    found = re.findall(rf"^```{language}\n(.*?)^```", guide(name), re.DOTALL | re.MULTILINE)
    return [line for block in found for line in block.splitlines() if line.startswith("chargeplan ")]


def quoted():
    """Every command that a guide quotes, in a block or in a line."""
    for name in OWN:
        text = guide(name)
        inline = re.findall(r"`(chargeplan [^`]+)`", text)
        fenced = re.findall(r"^ *(chargeplan [^#\n]+)", text, re.MULTILINE)
        for line in (*inline, *fenced):
            yield pytest.param(line.strip(), id=f"{name}: {line.strip()}")


@pytest.mark.parametrize("line", list(dict.fromkeys(quoted())))
def test_a_quoted_command_exists_with_its_options(line):
    words = shlex.split(line)[1:]
    context, command = click.Context(cli), cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(context, words.pop(0))
        assert command is not None, line
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help", "--version"}
    assert {word for word in words if word.startswith("--")} - known == set()


class Desk:
    """A project of `init` with the embedded sandbox, and somebody who types what the guide says."""

    def __init__(self, folder, capsys):
        self.folder, self.capsys = folder, capsys

    def type(self, line, code=0):
        ended = run(shlex.split(line)[1:])
        out, err = self.capsys.readouterr()
        assert ended == code, f"{line}\n{out}{err}"
        assert "Traceback" not in out + err
        return out

    def office_approves(self):
        self.type("chargeplan sandbox approve")
        self.type("chargeplan sandbox sync")

    @property
    def journal(self):
        return self.folder / ".chargeplan" / "sandbox.db"

    def last(self, line):
        return self.type(line).strip().splitlines()[-1]

    def a_reference(self):
        return re.search(r"\bCP[0-9A-Z]{16}\b", self.type("chargeplan history --json")).group()


@pytest.fixture
def desk(tmp_path, monkeypatch, capsys):
    scaffold(tmp_path / "billing", ci="none")
    monkeypatch.chdir(tmp_path / "billing")
    return Desk(tmp_path / "billing", capsys)


def test_the_month_of_the_guide(desk):
    """All that the guide lets one run, in its order; the office's part is done where the guide says it is."""
    said = {}
    for line in blocks("operating", "sh"):
        if line == "chargeplan reconcile":
            desk.office_approves()
        said[line] = desk.type(line.replace("REF", desk.a_reference()) if "REF" in line else line)
    assert "Apply complete!" in said["chargeplan apply month.plan"]
    assert "in flight" in said["chargeplan status"]
    assert said["chargeplan plan"].strip().splitlines()[-1] == NOTHING
    assert said["chargeplan journal verify"] == "The journal is sound.\n"
    for line in blocks("security", "sh"):
        desk.type(line)


def test_the_first_month_of_the_guide(desk, monkeypatch):
    """From billing by hand to the first close, in the guide's order; its months are those around today."""
    this = date.today().replace(day=1)
    months = {f"2027-0{8 - ago}": f"{add_months(this, -ago):%Y-%m}" for ago in (0, 1, 3)}
    limit = re.search(r"^  max_total: .*$", guide("first-month"), re.MULTILINE).group()
    said = {}
    for line in blocks("first-month", "sh"):
        if line == "chargeplan reconcile":
            desk.office_approves()
        if "--out first.plan" in line:
            config = Path("chargeplan.yaml")
            config.write_text(re.sub(r"^  max_total: .*$", limit, config.read_text(), flags=re.MULTILINE))
        typed = re.sub("2027-0[578]", lambda month: months[month[0]], line)
        code = 3 if line.startswith("chargeplan close") else 6 if "--out first.plan" in line else 0
        said[line] = desk.type(typed, code=code)
        if line.startswith("chargeplan derive"):
            monkeypatch.chdir(desk.folder / "first")
    derived, compared = (
        said["chargeplan derive --out first"],
        said["chargeplan compare --period 2027-07 --csv july.csv"],
    )
    assert "changes each month" not in compared
    assert "the amounts change each month" in derived
    assert "they had moved out before the month" in compared
    assert "Plan: 0 to post ($0.00), 1 held" in said["chargeplan plan --period 2027-07"]
    (applied,) = [text for line, text in said.items() if line.startswith("chargeplan apply")]
    assert "Apply complete!" in applied
    assert "Concession" in said["chargeplan close 2027-08 --property oak-street --html august.html"]


def test_the_onboarding_demo_runs(capsys):
    assert run(["demo", "--onboarding"]) == 0
    assert "Adopted 2" in capsys.readouterr().out


def test_the_end_of_the_month_of_the_guide(desk):
    """A month that was posted and seen is complete and in agreement, and its door can be shut."""
    desk.type("chargeplan apply --auto-approve")
    desk.office_approves()
    month = f"{date.today():%Y-%m}"
    said = {line: desk.type(line.replace("YYYY-MM", month)) for line in blocks("month-end", "sh")}
    (planned,) = (out for line, out in said.items() if line.startswith("chargeplan plan "))
    assert planned.strip().splitlines()[-1] == NOTHING
    for name in ("month.html", "month.csv", "close.html", "close.csv", "statement.html", "lines.csv"):
        assert (desk.folder / name).stat().st_size > 100
    config = desk.folder / "chargeplan.yaml"
    config.write_text(f"{config.read_text()}closed_through: {month}-28\n", encoding="utf-8")
    desk.type("chargeplan validate")


def part(heading):
    """The commands of the block below a bold word of the guide."""
    text = guide("operating").split(f"**{heading}**")[1]
    return [line for line in text.split("```")[1].splitlines() if line.startswith("chargeplan ")]


def posted_after_a_backup(desk):
    desk.type("chargeplan apply --auto-approve --charge pet-rent")
    desk.type("chargeplan journal export journal-backup.jsonl")
    desk.type("chargeplan apply --auto-approve --charge rent")
    before = desk.last("chargeplan plan")
    assert ", 0 in flight" not in before
    desk.journal.rename(desk.folder / "lost.db")
    return before


def test_a_restored_backup_posts_nothing_again(desk):
    before = posted_after_a_backup(desk)
    said = [desk.type(line) for line in part("A backup is restored.")]
    assert said[-1].strip().splitlines()[-1] == before


def test_a_lost_journal_is_rebuilt(desk):
    desk.type("chargeplan apply --auto-approve")
    desk.office_approves()
    desk.type("chargeplan reconcile")
    desk.journal.rename(desk.folder / "lost.db")
    said = [desk.type(line) for line in part("It is lost.")]
    assert said[1].strip().splitlines()[-1] == NOTHING


def test_every_reason_of_a_hold_is_told():
    told = set(re.findall(r"`([a-z_]+)`", guide("operating").split("### A line is held")[1].split("###")[0]))
    assert set(HOLDS) <= told


def test_files_are_readable_as_the_security_guide_says(desk):
    desk.type("chargeplan plan --out month.plan")
    state = desk.folder / ".chargeplan"
    assert state.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in (*state.iterdir(), desk.folder / "month.plan")} == {0o600}


def test_names_are_in_the_snapshot_and_nowhere_else(desk):
    """As the security guide says, of a resident of the seed who is billed."""
    desk.type("chargeplan plan --out month.plan --json-out month.json --markdown month.md --all")
    desk.type("chargeplan apply month.plan")
    desk.type("chargeplan journal export journal.jsonl")
    name = b"Alder"
    assert name in (desk.folder / ".chargeplan" / "snapshot-sandbox.db").read_bytes()
    for written in ("month.plan", "month.json", "month.md", "journal.jsonl", ".chargeplan/sandbox.db"):
        content = (desk.folder / written).read_bytes()
        assert b"resident-101a" in content or written == "month.md"
        assert name not in content


@pytest.mark.parametrize("name", GUIDES)
def test_help_prints_each_guide(name, capsys):
    assert run(["help", name]) == 0
    assert capsys.readouterr().out.startswith("# ")


def test_help_of_a_command_is_its_help(capsys):
    assert run(["plan", "--help"]) == 0
    assert run(["help", "plan"]) == 0
    first, second = capsys.readouterr().out.split("Usage: chargeplan plan")[1:]
    assert first.strip() == second.strip()


def test_an_unknown_topic_names_those_there_are(capsys):
    assert run(["help", "operatng"]) == 1
    assert "first-month, operating, month-end, security, plans" in capsys.readouterr().err


def test_the_history_of_the_security_guide_is_of_a_day_that_exists():
    (line,) = [each for each in blocks("security", "sh") if "--since" in each]
    assert date.fromisoformat(line.rsplit(maxsplit=1)[-1])


def test_every_system_that_can_be_posted_to_has_a_page_that_names_it():
    postable = {name for name, system in VENDORS.items() if not system.reason}
    assert {name.upper().replace("-", "_") for name in SYSTEMS} == postable
    for name in SYSTEMS:
        assert f"vendor: {name.upper().replace('-', '_')}" in guide(name)
