"""Real processes that stand still for longer than their lock lasts, on PostgreSQL."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import SqlJournal, open_journal
from tests.journal.builders import batch, intend, posting, states

SLOW = """
import sys, time
from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import locks, open_journal, server
from tests.journal.builders import batch, posting
locks.EXPIRY_SECONDS, server.IDLE_SECONDS = 1.0, 1
journal = open_journal(sys.argv[1], create=False, actor="frozen")
if sys.argv[2] == "within":
    def stand_still(connection):
        print("ready", flush=True)
        sys.stdin.readline()
    journal._recorder.append = lambda connection, *rest, **more: stand_still(connection)
try:
    with journal.lock("i1", ["p1"], purpose="apply", timeout=0) as tokens:
        if sys.argv[2] == "between":
            print("ready", flush=True)
            sys.stdin.readline()
        journal.intend("plan1", batch(), [posting("CP1")], lock_token=tokens["p1"])
        print("posted", flush=True)
except ChargeplanError as error:
    print(error.code, flush=True)
"""


@pytest.fixture
def near(schema_target: str) -> Iterator[SqlJournal]:
    journal = open_journal(schema_target, create=True, actor="near")
    yield journal
    journal.close()


def _frozen(target: str, where: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", SLOW, target, where]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGSTOP)
    return process


def _thawed(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate("go\n", timeout=60)
    assert process.returncode == 0
    return out.strip()


def test_frozen_between_lock_and_intent(near: SqlJournal, schema_target: str) -> None:
    process = _frozen(schema_target, "between")
    with near.lock("i1", ["p1"], purpose="apply", timeout=20) as tokens:
        assert _thawed(process) == "lock_lost"
        near.intend("plan1", batch("b2"), [posting("CP1")], lock_token=tokens["p1"])
    assert [(line.batch_id, line.state) for line in near.find("CP1")] == [("b2", "intended")]
    (broken,) = near.history(kind="lock_broken")
    assert (broken["data"]["owner"], broken["data"]["cause"]) == ("frozen", "expired")


def test_frozen_after_the_other_has_posted_and_gone(near: SqlJournal, schema_target: str) -> None:
    process = _frozen(schema_target, "between")
    with near.lock("i1", ["p1"], purpose="apply", timeout=20) as tokens:
        near.intend("plan1", batch("b2"), [posting("CP2")], lock_token=tokens["p1"])
    # The lock is free again, and still it is not the frozen one's.
    assert near.locks() == []
    assert _thawed(process) == "lock_lost"
    assert states(near) == {"CP2": "intended"}


def test_frozen_within_a_transaction_holds_nobody_up(near: SqlJournal, schema_target: str) -> None:
    process = _frozen(schema_target, "within")
    # The server ends the transaction that stands still before anybody's patience with its lock does.
    intend(near, "CP1")
    with pytest.raises(ChargeplanError):
        intend(near, "CP1", batch_id="b2")
    process.kill()
    process.communicate()
    assert states(near) == {"CP1": "intended"}
    assert near.verify() == []
