"""Apply with its journal in a real PostgreSQL: connections that are cut, a server that restarts, one that stays away."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chargeplan.core.errors import LockedError
from chargeplan.journal import SqlJournal, database, open_journal
from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e.house import AS_OF, BATCH, House, copy_of, finish
from tests.e2e.shared import VARIABLE, SharedHouse
from tests.journal.proxy import HOWS, Proxy
from tests.postgres import running

IMPATIENT = str(Path(__file__).with_name("impatient.py"))


@pytest.fixture
def proxy(schema_target, monkeypatch):
    # These tests count the commits of the record; the places under the shared rate limit would be among them.
    monkeypatch.setattr(SqlJournal, "is_shared", property(lambda _: False))
    with Proxy(schema_target) as proxy:
        yield proxy


@pytest.fixture
def house(seeded, tmp_path, schema_target):
    with Sandbox.open(copy_of(seeded, tmp_path / "state.db")) as state, serve(state) as served:
        made = SharedHouse(tmp_path / "project", state, served.url)
        made.address = schema_target
        assert made.run("journal", "init").code == 0
        yield made


def unlock(house) -> None:
    """A run that lost the server could not let go of its lock, and its process is this one, which lives on."""
    for lock in house.run("journal", "locks", "--json").json["locks"]:
        assert house.run("journal", "unlock", lock["id"], "--reason", "it has ended").code == 0


def books(house) -> list[str]:
    return sorted(each.reference_number for each in house.ours())


@pytest.mark.parametrize("how", HOWS)
def test_every_second_commit_is_cut(house, proxy, schema_target, how):
    house.saved()
    wanted = house.wanted()
    house.address = proxy.target
    for skip in range(0, 20, 2):
        proxy.cut(how, skip=skip)
    applied = house.apply()
    assert applied.code == 0, applied
    assert applied.json["totals"]["posted"]["count"] == 12
    assert proxy.cuts >= 4
    house.address = schema_target
    assert books(house) == sorted(wanted)
    assert house.run("journal", "verify").code == 0
    assert house.settle() == "No changes. Every charge is posted."


@pytest.mark.parametrize(("commit", "sent"), [("lock", 0), ("consume", 0), ("intent", 0), ("outcome", 4)])
@pytest.mark.parametrize("how", ["before", "after"])
def test_a_server_that_stays_away(house, proxy, schema_target, monkeypatch, commit, sent, how):
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.3)
    house.saved()
    wanted = house.wanted()
    house.address = proxy.target
    message = {
        "lock": b"COMMIT\x00", "consume": b"INSERT INTO plans", "intent": b"INSERT INTO postings",
        "outcome": b"UPDATE postings",
    }[commit]  # fmt: skip
    proxy.cut(how, message, for_good=True)
    applied = house.apply()
    # 1 promises that nothing was sent; from the first request on it has to be 4.
    assert applied.code == (4 if sent else 1), applied
    assert len(house.ours()) == sent
    assert json.loads(applied.out)["kind"] == ("apply" if sent else "error")
    house.address = schema_target
    unlock(house)
    house.settle()
    named = house.named()
    assert house.duplicates() == []
    assert house.lost(wanted) == set()
    assert named == set()
    assert books(house) == sorted(wanted)
    assert house.run("journal", "verify").code == 0


def test_a_lost_answer_to_the_intents_commit_that_cannot_be_asked(house, proxy, schema_target, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.3)
    house.saved()
    wanted = house.wanted()
    house.address = proxy.target
    proxy.cut("after", skip=2, for_good=True)  # the lock, the plan's use, the intent
    applied = house.apply()
    assert applied.code == 1, applied
    assert house.ours() == []
    house.address = schema_target
    unlock(house)
    house.settle()
    # Recorded as intended and never sent: nothing proves that, so a person is asked and nothing is posted twice.
    assert len(house.named()) == 4
    assert house.lost(wanted) == set()
    assert house.run("resolve", *sorted(house.named()), "--not-posted", "--reason", "looked").code == 0
    assert house.settle() == "No changes. Every charge is posted."
    assert books(house) == sorted(wanted)


def test_a_restart_in_the_middle(seeded, tmp_path, postgres):
    assert postgres
    with (
        running() as server,
        Sandbox.open(copy_of(seeded, tmp_path / "state.db")) as state,
        serve(state) as served,
    ):
        house = SharedHouse(tmp_path / "project", state, served.url)
        house.address = server.get_uri()
        assert house.run("journal", "init").code == 0
        house.saved()
        wanted = house.wanted()
        house.state.add_faults(Fault(method="POST", path=BATCH, delay=0.5, times=3))
        applying = house.start("apply", house.planfile, "--json")
        pause = threading.Event()
        while not house.ours():
            assert applying.poll() is None
            pause.wait(0.02)
        server.stop()
        server.start()
        applied = finish(applying)
        assert applied.code == 0, applied
        assert applied.json["totals"]["posted"]["count"] == 12
        assert books(house) == sorted(wanted)
        assert house.run("journal", "verify").code == 0


@pytest.mark.parametrize("posted", [4, 8])
def test_a_frozen_run_is_overtaken_and_posts_nothing_more(house, posted):
    house.saved()
    wanted = house.wanted()
    house.state.add_faults(Fault(method="POST", path=BATCH, delay=0.3, times=9))
    frozen = subprocess.Popen(
        [sys.executable, IMPATIENT, *house.words("apply", house.planfile, "--json")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=house.environ, cwd=house.folder,
    )  # fmt: skip
    pause = threading.Event()
    while len(house.ours()) < posted:
        assert frozen.poll() is None
        pause.wait(0.01)
    frozen.send_signal(signal.SIGSTOP)
    # Its lock expires after a second; the other run takes it over and does the rest.
    other = house.process("apply", house.planfile, "--json")
    assert other.code in (0, 4), other
    there = books(house)
    frozen.send_signal(signal.SIGCONT)
    thawed = finish(frozen)
    assert thawed.code in (0, 4), thawed
    # What was under way when it froze may have arrived since; nothing began after that.
    assert len(books(house)) - len(there) in (0, 4)
    assert house.settle() == "No changes. Every charge is posted."
    assert books(house) == sorted(wanted)
    assert any(each["kind"] == "lock_broken" for each in house.run("history", "--json").json["events"])
    assert house.run("journal", "verify").code == 0


def test_many_properties_at_once_and_one_run_for_each(house, schema_target):
    with open_journal(schema_target, create=False) as one, open_journal(schema_target, create=False) as two:
        with one.lock("i", [f"p{n}" for n in range(500)], purpose="apply", timeout=0) as mine:
            with two.lock("i", [f"p{n}" for n in range(500, 1000)], purpose="apply", timeout=0) as theirs:
                assert len({*mine.values(), *theirs.values()}) == 1000
            with pytest.raises(LockedError), two.lock("i", ["p7"], purpose="apply", timeout=0):
                pass
        assert house.run("journal", "locks", "--json").json["locks"] == []


def test_a_projects_journal_moves_to_the_server_and_back(seeded, tmp_path, schema_target):
    with Sandbox.open(copy_of(seeded, tmp_path / "state.db")) as state, serve(state) as served:
        filed = House(tmp_path / "project", state, served.url)
        assert filed.run("journal", "init").code == 0
        filed.saved()
        wanted = filed.wanted()
        assert filed.apply().code == 0
        shared = SharedHouse(tmp_path / "project", state, served.url)
        shared.address = schema_target
        moved = shared.run("journal", "import", shared.folder / ".chargeplan" / "x.db", "--json")
        assert moved.code == 0, moved
        assert (moved.json["postings"], moved.json["amount"]) == (12, 30000)
        assert shared.settle() == "No changes. Every charge is posted."
        # The old configuration says where it went; nothing is posted twice from there.
        filed.config()
        old = filed.run("apply", "--auto-approve", "--as-of", AS_OF, "--json")
        assert (old.code, old.json["code"]) == (1, "journal_moved")
        text = (filed.folder / "chargeplan.yaml").read_text()
        (filed.folder / "chargeplan.yaml").write_text(text.replace("x.db", "back.db"))
        back = shared.run("journal", "import", "--from-env", VARIABLE, "--json")
        assert (back.code, back.json["postings"]) == (0, 12)
        assert filed.settle() == "No changes. Every charge is posted."
        assert filed.run("journal", "verify").code == 0
        assert books(filed) == sorted(wanted)


@pytest.mark.parametrize("words", [(), ("--from-env", "NOT_SET")])
def test_an_import_of_nothing(house, words):
    assert house.run("journal", "import", *words, "--json").code == 1
