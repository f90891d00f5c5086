"""Every document that ``--json`` prints, from a month with everything in it, against ``schemas/output.schema.json``."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict

import click
import jsonschema
import pytest

from chargeplan.cli.main import COMMANDS, cli
from chargeplan.journal import open_journal
from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e import village
from tests.e2e.house import AS_OF, BATCH, INTEGRATION, OAK, ROOT, SMALL, House

SCHEMA = json.loads((ROOT / "schemas" / "output.schema.json").read_text())
PLAN_TEST = """\
version: 1
title: A household of unit 201 pays {amount}
plans: [../oak.yaml]
as_of: 2027-08-02
given:
  units: [{{number: 201}}]
  leases: [{{unit: 201, start: 2027-03-01, end: 2028-02-29, rent: 1000.00, residents: [avery]}}]
expect:
  lines: [{{charge: amenity, unit: 201, date: 2027-08-01, amount: {amount}}}]
"""


def json_commands():
    """The words of every command that has ``--json``."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        each = command.commands.items() if isinstance(command, click.Group) else [(None, command)]
        for inner, found in each:
            if any("--json" in option.opts for option in found.params):
                yield f"{name} {inner}" if inner else name


class Month:
    """A project in which commands are run, each document kept under its command."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.documents: dict[str, list[dict]] = defaultdict(list)

    def run(self, command: str, *words, codes=(0,), options=("--json",)) -> dict:
        result = self.house.run(*command.split(), *words, *options)
        assert result.code in codes, result
        self.documents[command].append(result.json)
        return result.json

    def plan(self, *words, codes=(0,)) -> dict:
        return self.run("plan", "--as-of", AS_OF, "--period", "2027-08", *words, codes=codes)


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    folder = tmp_path_factory.mktemp("month")
    state = village.make(folder / "state.db")
    with Sandbox.open(state) as opened, serve(opened) as web:
        found = Month(House(folder / "project", opened, web.url))
        before_posting(found)
        posting(found, folder)
        after_posting(found, folder)
        by_the_sandbox(found)
        set_up_anew(found)
        yield found


def before_posting(month):
    month.run("journal init")
    month.run("journal where")
    month.run("validate")
    tests = month.house.plans / "tests"
    tests.mkdir()
    for name, amount in (("good", "25.00"), ("bad", "26.00")):
        (tests / f"{name}.yaml").write_text(PLAN_TEST.format(amount=amount))
    month.run("test", codes=(1,))
    month.run("doctor")
    base = month.house.folder.parent / "before"
    shutil.copytree(month.house.folder, base, ignore=shutil.ignore_patterns(".chargeplan"))
    (base / "plans" / "oak.yaml").write_text(SMALL.replace("25.00", "20.00").replace("21[0-2]", "210"))
    month.run("diff", str(base), "--as-of", AS_OF)
    month.run("compare", "--from", "2027-06", "--through", "2027-08", "--as-of", AS_OF, "--all")
    month.run("derive", "--as-of", AS_OF, "--out", month.house.folder / "derived")
    month.run("help", "operating")
    month.run("help")
    month.run("status")
    month.house.write("version: 1\nplna: x\n", "broken.yaml")
    month.run("validate", codes=(1,))
    month.plan(codes=(1,))
    (month.house.plans / "broken.yaml").unlink()


def posting(month, folder):
    house = month.house
    month.plan("--all")
    month.plan("--out", house.planfile)
    month.run("show", house.planfile)
    month.run("apply", house.planfile, "--digest", "sha256:0", codes=(5,))
    house.config("guards: {max_total: 100.00}\n")
    month.plan(codes=(6,))
    month.run("apply", "--auto-approve", "--as-of", AS_OF, "--period", "2027-08", codes=(6,))
    approved(month, folder)
    house.config()
    month.plan("--out", house.planfile)
    with (
        open_journal(str(house.folder / ".chargeplan" / "x.db"), create=False) as journal,
        journal.lock(INTEGRATION, [OAK], purpose="apply", timeout=0),
    ):
        held = month.run("journal locks")
        month.run("apply", house.planfile, "--lock-timeout", "0", codes=(7,))
    month.run("journal bind", "--reason", "test")
    month.run("journal unlock", held["locks"][0]["id"], "--reason", "test", codes=(1,))
    # One batch is refused, one is lost on the way, one is posted.
    house.state.add_faults(
        Fault(method="POST", path=BATCH, drop="before"),
        Fault(method="POST", path=BATCH, job="FAILURE", errors=["Invalid credentials"]),
    )
    month.plan("--out", house.planfile)
    month.run("apply", house.planfile, codes=(3, 4))
    month.run("apply", house.planfile, codes=(0, 3, 4))


def approved(month, folder):
    """A rule of two people; what they approved is not posted here."""
    made = month.run("approve", "--new-key", folder / "ada.key", "--as", "ada")
    people = f'[{{name: ada, key: "{made["key"]}"}}]'
    month.house.config(f"approvals: {{required: 1, above: 100.00, approvers: {people}}}\n")
    month.plan("--out", month.house.planfile)
    month.run("apply", month.house.planfile, codes=(6,))
    month.run("approve", month.house.planfile, "--key", folder / "ada.key", "--yes")
    month.run("show", month.house.planfile)


def after_posting(month, folder):
    house = month.house
    status = month.run("status", "--as-of", "2028-01-01")
    assert status["unknown"]
    month.run("reconcile", "--as-of", AS_OF, codes=(4,))
    unknown = status["unknown"][0]["reference_number"]
    month.run("explain", unknown, "--period", "2027-08", "--as-of", AS_OF)
    month.run("resolve", unknown, "--not-posted", "--reason", "looked at the ledger")
    house.month()
    moved = month.run("reconcile", "--as-of", AS_OF, codes=(0, 4))["moved"]
    month.run("explain", moved[0]["reference_number"], "--period", "2027-08", "--as-of", AS_OF)
    # Of another month: only the journal knows it.
    month.run(
        "explain", moved[0]["reference_number"], "--period", "2027-11", "--as-of", "2027-11-02", codes=(0, 1)
    )
    adopted(month)
    skipped = month.run(
        "explain", "--charge", "parking", "--unit", "211", "--period", "2027-08", "--as-of", AS_OF
    )
    assert skipped["skips"]
    month.run("history")
    month.run("close", "2027-08", "--as-of", AS_OF, codes=(0, 3))
    month.run("history", "--since", "2020-01-01")
    month.run("journal verify")
    with (
        open_journal(str(house.folder / ".chargeplan" / "x.db"), create=False) as journal,
        journal.lock(INTEGRATION, [OAK], purpose="apply", timeout=0),
    ):
        month.run(
            "journal unlock", month.run("journal locks")["locks"][0]["id"], "--reason", "its owner is gone"
        )
    export = folder / "journal.jsonl"
    month.run("journal export", export)
    (house.folder / ".chargeplan" / "x.db").rename(folder / "lost.db")
    month.run("status", codes=(1,))
    month.run("journal rebuild", "--as-of", AS_OF)
    (house.folder / ".chargeplan" / "x.db").unlink()
    month.run("journal import", export)


def adopted(month):
    """Somebody enters a charge by hand; the line that it would double is held, and it is accepted as that line."""
    house = month.house
    house.write(SECOND, "second.yaml")
    entry = house.ours()[0]
    house.state.office.enter(
        resident_id=entry.resident_id,
        charge_code_id="chargecode-oak-parking",
        amount_in_cents=7_500,
        transaction_date="2027-08-01",
    )
    house.state.sync()
    held = [each for each in month.plan()["changes"] if each["reason"] == "probable_duplicate"]
    assert held
    words = (held[0]["synced"]["id"], "--as", held[0]["reference_number"], "--reason", "the same")
    month.run("adopt", *words, "--as-of", AS_OF, "--period", "2027-08")
    matching = ("--matching", "--auto-approve", "--as-of", AS_OF, "--period", "2027-08")
    month.run("adopt", *matching, "--reason", "the same")


def set_up_anew(month):
    """The last thing: under the integration's new id nothing before would be the same."""
    month.house.state.office.reconnect(integration_id=INTEGRATION, new_id="anew")
    month.house.state.sync()
    path = month.house.folder / "chargeplan.yaml"
    path.write_text(path.read_text().replace(INTEGRATION, "anew"))
    month.run("journal move-integration", INTEGRATION, "anew")


def by_the_sandbox(month):
    path = month.house.folder / "chargeplan.yaml"
    path.write_text(path.read_text().replace("environments:", "environments:\n  sandbox: {api: embedded}"))
    for command in ("sandbox sync", "sandbox approve", "sandbox reset"):
        month.run(command, "--env", "sandbox")
    month.run("sandbox levers")
    month.run("sandbox pull", "enter", *ENTERED)
    month.run("sandbox pull", "alter", "model=units", "record_id=unit-201", 'changes={"is_vacant": true}')


ENTERED = (
    "resident_id=resident-201a",
    "charge_code_id=Rent",
    "amount_in_cents=-500",
    "transaction_date=2027-08-03",
)
SECOND = """\
version: 1
plan: second
integration: resman-main
properties: [oak-street]
charges:
  parking:
    code: Parking
    amount: 75.00
    who: {units: ["20*", "210"]}
    schedule: {every: month, day: 1}
"""


def kinds():
    return {each["if"]["properties"]["kind"]["const"] for each in SCHEMA["allOf"]}


# A schema is JSON too, and describes itself.
@pytest.mark.parametrize("command", [each for each in json_commands() if each != "schema"])
def test_what_a_command_prints_fits_the_schema(month, command):
    documents = month.documents[command]
    assert documents, f"the month has no `{command} --json`"
    for document in documents:
        assert document["kind"] in kinds()
        jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)


def test_every_kind_of_the_schema_is_printed_by_something(month):
    printed = {document["kind"] for documents in month.documents.values() for document in documents}
    assert kinds() - printed == set()


def test_the_month_had_every_ending_of_an_apply(month):
    outcomes = {each.get("outcome") for each in month.documents["apply"]}
    assert {"stale", "guarded", "locked", "unknown"} <= outcomes


def test_a_document_that_lacks_a_key_does_not_fit(month):
    """The schema asks for something of every kind, but of the one that has nothing to say."""
    for command, documents in month.documents.items():
        document = dict(next(each for each in documents if each["kind"] != "error"))
        needed = [key for key in SCHEMA["$defs"][document["kind"]]["required"] if key != "kind"]
        assert needed or command == "sandbox reset"
        for key in needed:
            without = {name: value for name, value in document.items() if name != key}
            assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(without), (command, key)
