"""A journal that the version before wrote: opened, migrated, and whole. ``version3.sql`` is a dump of a real one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chargeplan.journal import open_journal, schema
from tests.journal.builders import batch, posting, states

DUMP = Path(__file__).with_name("version3.sql")


@pytest.fixture
def before(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(DUMP.read_text(encoding="utf-8"))
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    path.chmod(0o600)
    return path


def test_what_was_posted_is_known_with_nothing_said_of_account_and_route(before: Path) -> None:
    with closing(open_journal(str(before), create=False, actor="ops")) as journal:
        assert states(journal) == {"CP1": "visible", "CP2": "accepted"}
        (line,) = journal.find("CP1")
        assert (line.charge_id, line.job_id, line.amount) == ("c1", "job1", 3500)
        assert (line.account_id, line.account, line.route, line.record_id) == ("", "", "", None)


def test_the_record_is_whole_before_and_after_what_is_written_next(before: Path) -> None:
    with closing(open_journal(str(before), create=False, actor="ops")) as journal:
        assert journal.verify() == []
        with journal.lock("i1", ["p1"], purpose="apply", timeout=0) as tokens:
            line = posting("CP3", account_id="a1", account="4010 Rent", route="single")
            journal.intend("plan2", batch("b2"), [line], lock_token=tokens["p1"])
        journal.record("b2", "queued", job_id="job2")
        journal.record("b2", "accepted", record_id="r9", reason="the job succeeded")
        (found,) = journal.find("CP3")
        assert (found.account_id, found.account, found.route, found.record_id) == (
            "a1",
            "4010 Rent",
            "single",
            "r9",
        )
        assert journal.verify() == []


def test_the_file_as_it_was_is_kept_beside_it(before: Path) -> None:
    open_journal(str(before), create=False, actor="ops").close()
    with closing(sqlite3.connect(before.with_name("journal.db.v3.bak"))) as backup:
        assert backup.execute("SELECT value FROM meta WHERE key = 'version'").fetchone() == ("3",)
