"""A journal that the version before wrote: opened, migrated, and whole. ``version3.sql`` is a dump of a real one.

It has two lines that were posted, one of them seen, what a person decided of each, and the use of a plan.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from chargeplan.core.dates import Days
from chargeplan.core.decision import Decision
from chargeplan.journal import open_journal, schema
from tests.journal.builders import batch, posting, states

DUMP = Path(__file__).with_name("version3.sql").read_text(encoding="utf-8")


@pytest.fixture(params=["sqlite", "postgres"])
def before(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(_file(tmp_path))
    address: str = request.getfixturevalue("schema_target")
    engine = create_engine(address, poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(DUMP.replace("BEGIN TRANSACTION;", "").replace("COMMIT;", ""))
        connection.commit()
    engine.dispose()
    return address


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return _file(tmp_path)


def _file(folder: Path) -> Path:
    path = folder / "journal.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(DUMP)
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    path.chmod(0o600)
    return path


def test_what_was_posted_is_known_with_nothing_said_of_account_and_route(before: str) -> None:
    with closing(open_journal(before, create=False, actor="ops")) as journal:
        assert states(journal) == {"CP1": "visible", "CP2": "accepted"}
        (line,) = journal.find("CP1")
        assert (line.charge_id, line.job_id, line.amount) == ("c1", "job1", 3500)
        assert (line.account_id, line.account, line.route, line.record_id) == ("", "", "", None)


def test_what_people_decided_and_which_days_were_billed_is_known(before: str) -> None:
    with closing(open_journal(before, create=False, actor="ops")) as journal:
        assert journal.decisions("i1", "p1") == [
            Decision(what="accepted", reference="CP1", due=3500, there=3000),
            Decision(what="unrelated", reference="CP2", subject="c9"),
        ]
        august = Days(date(2027, 8, 1), date(2027, 8, 31))
        assert journal.billed("i1", august.first) == {"p1": {("oak", "pet-rent"): [august]}}


def test_the_record_is_as_it_was_written_and_goes_on(before: str) -> None:
    with closing(open_journal(before, create=False, actor="ops")) as journal:
        kinds = [event["kind"] for event in journal.history()]
    assert kinds[:9] == [
        "created", "locks_taken", "consumed", "intended", "recorded", "recorded", "settled", "decided", "decided",
    ]  # fmt: skip
    assert kinds[9:] == ["migrated"]


def test_the_record_is_whole_before_and_after_what_is_written_next(before: str) -> None:
    with closing(open_journal(before, create=False, actor="ops")) as journal:
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


def test_the_file_as_it_was_is_kept_beside_it(file: Path) -> None:
    open_journal(str(file), create=False, actor="ops").close()
    with closing(sqlite3.connect(file.with_name("journal.db.v3.bak"))) as backup:
        assert backup.execute("SELECT value FROM meta WHERE key = 'version'").fetchone() == ("3",)
