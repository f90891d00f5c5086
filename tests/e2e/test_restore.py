"""A backup that is a day old is restored: what was posted since is recognised or named, and not billed again."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e.house import AS_OF, BATCH, House, copy_of
from tests.e2e.shared import SharedHouse
from tests.postgres import program

TWO_CHARGES = """\
version: 1
plan: oak-street
integration: resman-main
properties: [oak-street]
charges:
  amenity:
    code: Amenity Fee
    amount: 25.00
    who: {units: ["20*"]}
    schedule: {every: month, day: 1}
  storage:
    code: Storage
    amount: 10.00
    who: {units: ["20*"]}
    schedule: {every: month, day: 1}
"""


class File:
    """A journal's file, its backup made by SQLite."""

    def __init__(self, house: House, folder: Path) -> None:
        self.journal = house.folder / ".chargeplan" / "x.db"
        self.copy = folder / "backup.db"

    def back_up(self) -> None:
        with closing(sqlite3.connect(self.journal)) as here, closing(sqlite3.connect(self.copy)) as there:
            here.backup(there)

    def restore(self) -> None:
        for beside in ("-wal", "-shm"):
            self.journal.with_name(self.journal.name + beside).unlink(missing_ok=True)
        shutil.copy(self.copy, self.journal)


class Server:
    """A schema, its backup made by pg_dump."""

    def __init__(self, house: SharedHouse, folder: Path) -> None:
        self.schema = str(make_url(house.address).query["options"]).partition("search_path=")[2]
        self.address = make_url(house.address).difference_update_query(["options"]).render_as_string()
        self.file = folder / "backup.sql"

    def back_up(self) -> None:
        words = [program("pg_dump"), f"--schema={self.schema}", f"--file={self.file}", self.address]
        subprocess.run(words, check=True)

    def restore(self) -> None:
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {self.schema} CASCADE")
        words = [program("psql"), "-q", "-v", "ON_ERROR_STOP=1", f"--file={self.file}", self.address]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(params=["file", "server"])
def restored(request, seeded, tmp_path):
    """A house whose first charge was posted before the backup, and whose second was posted after it; then it is restored."""
    with Sandbox.open(copy_of(seeded, tmp_path / "state.db")) as state, serve(state) as served:
        if request.param == "file":
            house = House(tmp_path / "project", state, served.url)
            backup = File(house, tmp_path)
        else:
            house = SharedHouse(tmp_path / "project", state, served.url)
            house.address = request.getfixturevalue("schema_target")
            backup = Server(house, tmp_path)
        assert house.run("journal", "init").code == 0
        house.write(TWO_CHARGES)
        house.saved("--charge", "amenity")
        assert house.apply().code == 0
        backup.back_up()
        house.restore = backup.restore
        yield house


def test_what_was_posted_since_and_is_on_the_ledgers(restored):
    wanted = restored.wanted()
    restored.saved()
    assert restored.apply().code == 0
    restored.month()
    restored.restore()
    planned = restored.plan("--out", restored.planfile)
    assert (
        "synced charges carry our references, and the journal does not know them" in planned.out + planned.err
    )
    again = restored.run("apply", "--auto-approve", "--as-of", AS_OF, "--period", "2027-08", "--json")
    assert (again.code, again.json["code"]) == (1, "journal_unrecorded")
    assert restored.run("journal", "rebuild", "--as-of", AS_OF).code == 0
    assert restored.settle() == "No changes. Every charge is posted."
    assert sorted(each.reference_number for each in restored.ours()) == sorted(wanted)
    assert restored.run("journal", "verify").code == 0


def test_what_was_posted_since_and_no_ledger_shows_yet(restored):
    wanted = restored.wanted()
    restored.saved()
    assert restored.apply().code == 0
    restored.restore()
    restored.saved()
    sent = len(restored.ours())
    again = restored.apply()
    assert (again.code, again.json["code"]) == (1, "journal_unrecorded")
    assert "journal rebuild" in again.json["hint"]
    assert len(restored.ours()) == sent
    assert restored.run("journal", "rebuild", "--as-of", AS_OF).code == 0
    assert restored.settle() == "No changes. Every charge is posted."
    assert sorted(each.reference_number for each in restored.ours()) == sorted(wanted)


def test_what_was_lost_since_is_named_and_not_sent_again(restored):
    wanted = restored.wanted()
    job = {"job": "FAILURE", "errors": ["The system did not answer in time."], "written": 2}
    restored.state.add_faults(Fault(method="POST", path=BATCH, **job))
    restored.saved()
    assert restored.apply().code == 4
    restored.restore()
    restored.saved()
    assert restored.apply().json["code"] == "journal_unrecorded"
    assert restored.run("journal", "rebuild", "--as-of", AS_OF).code == 0
    restored.settle()
    missing = set(wanted) - {each.reference_number for each in restored.ours()}
    assert missing
    assert missing <= restored.named()
    assert restored.duplicates() == []
