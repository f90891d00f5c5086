from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chargeplan.core.errors import ChargeplanError, LockedError
from chargeplan.journal import SqlJournal, locks
from tests.journal.builders import batch, execute, intend, posting, states

Opened = Callable[..., SqlJournal]


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.moment = datetime(2027, 8, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def options(self) -> dict[str, Any]:
        return {"clock": self.now, "sleep": self.sleep, "monotonic": self.monotonic}


def test_all_or_none_and_who_holds_it(journal: SqlJournal, opened: Opened) -> None:
    waiting = Time()
    other = opened(actor="other", sleep=waiting.sleep, monotonic=waiting.monotonic)
    with journal.lock("i1", ["p2"], purpose="apply", timeout=0):
        with pytest.raises(LockedError) as caught, other.lock("i1", ["p3", "p2"], purpose="apply", timeout=5):
            pass
        (held,) = other.locks()
        assert set(held) == {
            "id", "integration_id", "property_id", "owner", "host", "pid", "since", "heartbeat", "expires"
        }  # fmt: skip
        for fact in (held["owner"], held["host"], str(held["pid"]), held["since"]):
            assert fact in caught.value.message
        assert "journal locks" in caught.value.hint
        assert f"journal unlock {held['id']}" in caught.value.hint
        with other.lock("i2", ["p2"], purpose="apply", timeout=0):
            assert len(other.locks()) == 2
    assert other.locks() == []


def test_tokens_grow_and_locks_end_with_exceptions(journal: SqlJournal) -> None:
    seen: list[int] = []

    def fail() -> None:
        with journal.lock("i1", ["p1", "p2"], purpose="x", timeout=0) as tokens:
            seen.extend([tokens["p1"], tokens["p2"]])
            raise KeyError

    for _ in range(3):
        with pytest.raises(KeyError):
            fail()
    assert seen == sorted(set(seen))
    assert journal.locks() == []
    with journal.lock("i1", [], purpose="x", timeout=0) as none:
        assert none == {}


def test_waits_for_the_other(journal: SqlJournal, opened: Opened) -> None:
    taken, other = threading.Event(), opened(actor="other")

    def hold() -> None:
        with other.lock("i1", ["p1"], purpose="apply", timeout=0):
            taken.set()
            time.sleep(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(5)
    with journal.lock("i1", ["p1"], purpose="apply", timeout=10):
        pass
    thread.join()


def test_an_expired_lock_is_broken_and_its_owner_fenced_off(opened: Opened) -> None:
    clock = Time()
    slow, quick = opened(actor="slow", **clock.options()), opened(actor="quick", **clock.options())
    with slow.lock("i1", ["p1"], purpose="apply", timeout=0) as old:
        clock.sleep(locks.EXPIRY_SECONDS + 1)
        with quick.lock("i1", ["p1"], purpose="apply", timeout=0) as new:
            assert new["p1"] > old["p1"]
            with pytest.raises(ChargeplanError) as caught:
                slow.intend("plan1", batch(), [posting()], lock_token=old["p1"])
            assert caught.value.code == "lock_lost"
            quick.intend("plan1", batch(), [posting()], lock_token=new["p1"])
    (broken,) = quick.history(kind="lock_broken")
    assert (broken["data"]["owner"], broken["data"]["cause"]) == ("slow", "expired")
    assert quick.locks() == []


def test_the_heartbeat_keeps_it(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "EXPIRY_SECONDS", 0.4)
    journal, other = opened(), opened(actor="other")
    with journal.lock("i1", ["p1"], purpose="apply", timeout=0) as tokens:
        with pytest.raises(LockedError), other.lock("i1", ["p1"], purpose="apply", timeout=0.9):
            pass
        journal.intend("plan1", batch(), [posting()], lock_token=tokens["p1"])


def test_unlock_takes_it_from_its_owner(journal: SqlJournal, opened: Opened) -> None:
    other = opened(actor="other")
    with journal.lock("i1", ["p1"], purpose="apply", timeout=0) as tokens:
        other.unlock(other.locks()[0]["id"], "it hangs")
        with pytest.raises(ChargeplanError) as caught:
            journal.intend("plan1", batch(), [posting()], lock_token=tokens["p1"])
        assert caught.value.code == "lock_lost"
    (event,) = journal.history(kind="lock_unlocked")
    assert (event["actor"], event["data"]["reason"]) == ("other", "it hangs")


HOLDER = """
import sys, time
from chargeplan.journal import open_journal
from tests.journal.builders import batch, posting
journal = open_journal(sys.argv[1], create=False, actor="killed")
with journal.lock("i1", ["p1"], purpose="apply", timeout=0) as tokens:
    journal.consume("plan1", "sha256:1", {})
    journal.intend("plan1", batch(), [posting("CP1")], lock_token=tokens["p1"])
    if sys.argv[2] == "queued":
        journal.record("b1", "queued", job_id="j")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("step", ["intended", "queued"])
def test_killed_after_a_commit(journal: SqlJournal, opened: Opened, target: str, step: str) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, target, step], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert journal.locks()[0]["pid"] == process.pid
        process.kill()
    again = opened(create=False)
    assert states(again) == {"CP1": step}
    assert again.plan_used("plan1") is not None
    # Its process is gone, so the lock is broken at once, by the list as by the next run.
    assert again.locks() == []
    with again.lock("i1", ["p1"], purpose="apply", timeout=0), pytest.raises(ChargeplanError):
        intend(again, "CP1", batch_id="b2")
    assert again.verify() == []


RACER = """
import sys
from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import open_journal
from tests.journal.builders import batch, posting
me = sys.argv[2]
journal = open_journal(sys.argv[1], create=False, actor=me)
print("ready", flush=True)
sys.stdin.readline()
try:
    if sys.argv[3] == "lock":
        with journal.lock("i1", ["p1", "p2"], purpose="apply", timeout=0):
            print("won", flush=True)
            sys.stdin.readline()
    else:
        with journal.lock("i1", [me], purpose="apply", timeout=5) as tokens:
            line = posting("CP1", property_id=me)
            journal.intend("plan1", batch(me, me), [line], lock_token=tokens[me])
            print("won", flush=True)
except ChargeplanError as error:
    print(error.code, flush=True)
"""


@pytest.mark.parametrize(("what", "loser"), [("lock", "locked"), ("intend", "already_live")])
def test_two_processes_race(journal: SqlJournal, target: str, what: str, loser: str) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, target, me, what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in ("pa", "pb")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.stdout.readline().strip() for racer in racers if racer.stdout]
    for racer in racers:
        racer.communicate("end\n")
    assert sorted(said) == sorted(["won", loser])
    assert journal.verify() == []


def test_doubt_keeps_a_lock(journal: SqlJournal, opened: Opened) -> None:
    with journal.lock("i1", ["p1"], purpose="apply", timeout=0):
        for change in ("host = 'elsewhere', pid = 999999", "process = 'boot/pid:[1]/7', pid = 999999"):
            execute(journal, f"UPDATE locks SET {change}")
            assert len(opened().locks()) == 1


@pytest.mark.skipif(not locks.process_mark(os.getpid()), reason="no /proc here")
def test_a_number_used_again_is_another_process(journal: SqlJournal) -> None:
    with journal.lock("i1", ["p1"], purpose="apply", timeout=0):
        mark = locks.process_mark(os.getpid()).rpartition("/")[0] + "/1"
        execute(journal, f"UPDATE locks SET host = '{locks.hostname()}', process = '{mark}'")
        assert journal.locks() == []
