"""A real PostgreSQL, and what can come between: cut connections, commits without an answer, restarts, deadlocks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import SqlJournal, database, open_journal
from tests.journal.builders import batch, intend, posting, states
from tests.journal.proxy import HOWS, How, Proxy
from tests.postgres import running


@pytest.fixture
def proxy(schema_target: str) -> Iterator[Proxy]:
    with Proxy(schema_target) as proxy:
        yield proxy


@pytest.fixture
def near(schema_target: str) -> Iterator[SqlJournal]:
    """The journal without the proxy."""
    with open_journal(schema_target, create=True, actor="near") as journal:
        yield journal


@pytest.fixture
def far(near: SqlJournal, proxy: Proxy) -> Iterator[SqlJournal]:
    """The same journal through the proxy."""
    assert near.verify() == []
    with open_journal(proxy.target, create=False, actor="far") as journal:
        yield journal


def _kinds(journal: SqlJournal) -> list[str]:
    return [event["kind"] for event in journal.history() if not event["kind"].startswith("lock")]


def _statement(target: str, statement: str) -> None:
    with psycopg.connect(target) as connection:
        connection.execute(statement.encode())


STEPS: dict[str, tuple[Callable[[SqlJournal], object], dict[str, str]]] = {
    "consumed": (lambda j: j.consume("plan2", "sha256:2", {}), {"CP1": "intended"}),
    "recorded": (lambda j: j.record("b1", "queued", job_id="j"), {"CP1": "queued"}),
    "settled": (lambda j: j.settle(1, "unknown", reason="seen", actor="x"), {"CP1": "unknown"}),
    "rebuilt": (lambda j: j.rebuild([posting("CP2")]), {"CP1": "intended", "CP2": "visible"}),
}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("kind", STEPS)
def test_a_cut_commit_is_done_exactly_once(
    near: SqlJournal, far: SqlJournal, proxy: Proxy, kind: str, how: How
) -> None:
    intend(near, "CP1")
    step, after = STEPS[kind]
    proxy.cut(how)
    step(far)
    assert proxy.cuts == 1
    assert _kinds(near) == ["created", "intended", kind]
    assert states(near) == after
    assert near.verify() == []


@pytest.mark.parametrize("how", HOWS)
def test_a_cut_intent_is_there_once_and_its_lock_holds(
    near: SqlJournal, far: SqlJournal, proxy: Proxy, how: How
) -> None:
    proxy.cut(how)
    with far.lock("i1", ["p1"], purpose="apply", timeout=0) as tokens:
        assert [lock["owner"] for lock in near.locks()] == ["far"]
        proxy.cut(how)
        far.intend("plan1", batch(), [posting()], lock_token=tokens["p1"])
        assert states(near) == {"CP1": "intended"}
        proxy.cut(how)
    assert proxy.cuts == 3
    assert near.locks() == []
    assert [event["kind"] for event in near.history()] == ["created", "locks_taken", "intended"]
    assert near.verify() == []


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("message", [b"INSERT INTO events", b"UPDATE meta", b"pg_advisory_xact_lock"])
def test_a_connection_lost_within_the_transaction(
    near: SqlJournal, far: SqlJournal, proxy: Proxy, message: bytes, how: How
) -> None:
    proxy.cut(how, message)
    assert far.consume("plan1", "sha256:1", {})
    assert proxy.cuts == 1
    assert _kinds(near) == ["created", "consumed"]
    assert near.verify() == []


def test_reads_go_on_after_a_cut(near: SqlJournal, far: SqlJournal, proxy: Proxy) -> None:
    intend(near, "CP1", "CP2")
    proxy.cut("after", b"SELECT postings")
    assert [line.reference for line in far.open_postings()] == ["CP1", "CP2"]
    proxy.drop()
    assert [made.batch_id for made in far.batches()] == ["b1"]
    assert proxy.cuts == 1


def test_the_answer_waits_for_a_commit_that_is_still_under_way(
    near: SqlJournal, far: SqlJournal, proxy: Proxy, schema_target: str
) -> None:
    # The server is slow to commit, and has not yet noticed that nobody listens any more.
    _statement(
        schema_target,
        """CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.7); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON plans DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION slow()""",
    )
    proxy.cut("in flight")
    assert far.consume("plan1", "sha256:1", {})
    assert proxy.cuts == 1
    assert _kinds(near) == ["created", "consumed"]
    assert near.verify() == []


@pytest.mark.parametrize(("how", "there"), [("before", {}), ("after", {"CP1": "intended"})])
def test_what_cannot_be_asked_is_not_assumed(
    near: SqlJournal,
    far: SqlJournal,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    how: How,
    there: dict[str, str],
) -> None:
    far._database.patience = 0.2
    with far.lock("i1", ["p1"], purpose="apply", timeout=0) as tokens:
        proxy.cut(how)
        monkeypatch.setattr(proxy, "refuses", True)
        with pytest.raises(ChargeplanError) as caught:
            far.intend("plan1", batch(), [posting()], lock_token=tokens["p1"])
    assert caught.value.code == "journal_unreachable"
    assert "can't be asked whether it did" in caught.value.message
    assert "This batch was not sent." in caught.value.message
    assert states(near) == there


def test_a_refusal_is_not_repeated(near: SqlJournal, far: SqlJournal, schema_target: str) -> None:
    _statement(
        schema_target,
        """CREATE SEQUENCE tries;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM nextval(''tries''); RAISE unique_violation; END';
        CREATE TRIGGER refuse BEFORE INSERT ON plans FOR EACH ROW EXECUTE FUNCTION refuse()""",
    )
    with pytest.raises(ChargeplanError) as caught:
        far.consume("plan1", "sha256:1", {})
    assert caught.value.code == "journal_conflict"
    with psycopg.connect(schema_target) as connection:
        assert connection.execute("SELECT last_value FROM tries").fetchone() == (1,)
    assert _kinds(near) == ["created"]


@pytest.mark.parametrize("state", ["serialization_failure", "deadlock_detected"])
@pytest.mark.parametrize("when", ["IMMEDIATE", "DEFERRED"])
def test_what_the_server_undid_is_done_again(
    near: SqlJournal, far: SqlJournal, schema_target: str, state: str, when: str
) -> None:
    # Twice, while the statement runs or at the commit. A sequence does not forget what is rolled back.
    _statement(
        schema_target,
        f"""CREATE SEQUENCE tries;
        CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN IF nextval(''tries'') < 3 THEN RAISE {state}; END IF; RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER undo AFTER INSERT ON postings DEFERRABLE INITIALLY {when}
        FOR EACH ROW EXECUTE FUNCTION undo()""",
    )
    intend(far, "CP1")
    with psycopg.connect(schema_target) as connection:
        assert connection.execute("SELECT last_value FROM tries").fetchone() == (3,)
    assert _kinds(near) == ["created", "intended"]
    assert near.verify() == []


def test_a_real_deadlock(near: SqlJournal, far: SqlJournal, schema_target: str) -> None:
    intend(near, "CP1")
    with psycopg.connect(schema_target) as other, psycopg.connect(schema_target, autocommit=True) as watch:
        other.execute("LOCK TABLE postings IN EXCLUSIVE MODE")
        waiting = threading.Thread(target=lambda: far.record("b1", "queued", job_id="j"))
        waiting.start()
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE postings%'"
        while watch.execute(blocked).fetchone() == (0,):
            assert waiting.is_alive()
        # It has written the event, and waits for us; we now wait for it, and the server ends it.
        other.execute("LOCK TABLE events IN EXCLUSIVE MODE")
        other.commit()
        waiting.join(30)
    assert _kinds(near) == ["created", "intended", "recorded"]
    assert states(near) == {"CP1": "queued"}
    assert near.verify() == []


@pytest.fixture(scope="module")
def own(postgres: str) -> Iterator[Any]:
    """A server that may be stopped."""
    assert postgres
    with running() as server:
        yield server


def test_a_restart_is_waited_for(own: Any) -> None:
    with open_journal(own.get_uri(), create=True, actor="tester") as journal:
        with journal.lock("i1", ["p1"], purpose="apply", timeout=0) as tokens:
            own.stop()
            starting = threading.Timer(0.5, own.start)
            starting.start()
            journal.intend("plan1", batch(), [posting()], lock_token=tokens["p1"])
            starting.join()
            own.stop()
            own.start()
            journal.record("b1", "queued", job_id="j")
            assert states(journal) == {"CP1": "queued"}
        assert journal.locks() == []
        assert journal.verify() == []


def test_a_server_that_stays_away_is_waited_for_once(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    address = own.get_uri() + "&schema=away" if "?" in own.get_uri() else own.get_uri() + "?schema=away"
    waited: list[float] = []
    with open_journal(address, create=True, actor="tester") as journal:
        own.stop()
        try:
            monkeypatch.setattr(database.time, "monotonic", lambda: sum(waited))
            monkeypatch.setattr(database.time, "sleep", waited.append)
            for _ in range(3):
                with pytest.raises(ChargeplanError) as caught:
                    journal.consume("plan1", "sha256:1", {})
                assert caught.value.code == "journal_unreachable"
                assert "Nothing was sent." in caught.value.message
        finally:
            monkeypatch.undo()
            own.start()
        assert database.PATIENCE_SECONDS < sum(waited) < database.PATIENCE_SECONDS + 6
        assert journal.consume("plan1", "sha256:1", {})


def test_a_missing_server_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: float) -> None:
        pytest.fail("opening does not wait")

    monkeypatch.setattr(database.time, "sleep", never)
    with pytest.raises(ChargeplanError) as caught:
        open_journal(f"postgresql:///db?host={tmp_path}", create=False)
    assert caught.value.code == "journal_unreachable"
