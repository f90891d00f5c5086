"""A disk that is full, or may not be written, under a real `apply`: it stops before the next request and says what was done.

The disk is a small file system of its own where this user may mount one; everywhere on Linux it is a limit on the size of every
file of the process, which it meets like a full disk. Neither needs a line of the program to know of it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from chargeplan.sandbox.faults import Fault
from tests.e2e.house import BATCH, finish

NO_CHANGES = "No changes. Every charge is posted."
POLL = "*/write-status/*"


class Mounted:
    """A file system of a megabyte that holds the journal."""

    def __init__(self, folder) -> None:
        self.folder = folder
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "chargeplan-test", str(folder)], capture_output=True, text=True, check=False
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")

    def fill(self, _process) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as filler:
            full = None
            while full is None:
                full = _no_room(filler)
            assert full == errno.ENOSPC

    def make_room(self) -> None:
        (self.folder / "filler").unlink()

    def close(self) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)


def _no_room(filler) -> int | None:
    """Write some more; the system's number for why it can't be."""
    try:
        filler.write(bytes(4096))
    except OSError as refusal:
        return refusal.errno
    return None


class Limited:
    """A limit on the size of files, set on the running process from outside."""

    def __init__(self, folder) -> None:
        self.folder = folder
        folder.mkdir()

    def fill(self, process) -> None:
        import resource  # noqa: PLC0415 - Unix only

        _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, most))

    def make_room(self) -> None:
        """The next process has no limit."""

    def close(self) -> None:
        """Nothing is left."""


@pytest.fixture(
    params=[
        pytest.param(Mounted, id="mounted", marks=pytest.mark.skipif(shutil.which("mount") is None, reason="there is no `mount`")),
        pytest.param(Limited, id="limited", marks=pytest.mark.skipif(sys.platform != "linux", reason="limits of another process: Linux only")),
    ]
)  # fmt: skip
def disk(request, house, tmp_path):
    made = request.param(tmp_path / "disk")
    config = house.folder / "chargeplan.yaml"
    config.write_text(config.read_text().replace(".chargeplan/x.db", str(made.folder / "x.db")))
    assert house.run("journal", "init").code == 0
    yield made
    made.close()


def under_way(house, method, part, process):
    """Wait until a request has been answered but for its delay."""
    before = time.monotonic()
    while not any(part in each["path"] for each in house.state.requests(method)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < before + 30
        time.sleep(0.01)


def apply_on(house, disk, method, part, *, path):
    """Apply the saved plan in a process of its own, whose disk fills up while the first such request is under way."""
    house.state.add_faults(Fault(method=method, path=path, delay=1.0))
    running = house.start("apply", house.planfile, "--json")
    under_way(house, method, part, running)
    disk.fill(running)
    return finish(running)


def test_full_before_the_first_request(house, disk):
    house.saved()
    wanted = house.wanted()
    seen = len(house.state.requests("GET"))
    house.state.add_faults(Fault(method="GET", delay=1.0))
    running = house.start("apply", house.planfile, "--json")
    while len(house.state.requests("GET")) == seen:
        assert running.poll() is None
        time.sleep(0.01)
    disk.fill(running)
    stopped = finish(running)
    assert stopped.code == 1, stopped
    assert json.loads(stopped.out)["kind"] == "error"
    assert house.state.requests("POST") == []
    disk.make_room()
    again = house.apply("--lock-timeout", "0")
    assert (again.code, again.json["totals"]["posted"]["count"]) == (0, 12), again
    assert sorted(each.reference_number for each in house.ours()) == sorted(wanted)


def test_full_while_the_first_request_is_under_way(house, disk):
    house.saved()
    wanted = house.wanted()
    stopped = apply_on(house, disk, "POST", "batch", path=BATCH)
    assert stopped.code == 4, stopped
    assert len(house.state.requests("POST")) == 1
    document = json.loads(stopped.out)
    assert document["outcome"] == "unknown"
    assert document["totals"]["unknown"] == {"count": 4, "amount_in_cents": 10_000}
    assert document["totals"]["unsent"] == {"count": 8, "amount_in_cents": 20_000}
    assert "can't be written" in stopped.err
    assert "8 lines were not sent; `chargeplan apply` of the same plan goes on" in stopped.err
    assert len(house.named()) == 4
    disk.make_room()
    again = house.apply("--lock-timeout", "0")
    assert (again.code, again.json["totals"]["posted"]["count"]) == (0, 12), again
    assert sorted(each.reference_number for each in house.ours()) == sorted(wanted)
    assert house.settle() == NO_CHANGES
    assert house.run("journal", "verify").code == 0


def test_full_while_the_jobs_are_asked_for(house, disk):
    """Everything was sent: that is no ending with 1, which says that no charge was."""
    house.saved()
    wanted = house.wanted()
    stopped = apply_on(house, disk, "GET", "write-status", path=POLL)
    assert stopped.code == 4, stopped
    totals = json.loads(stopped.out)["totals"]
    assert totals["unknown"]["count"] + totals["pending"]["count"] == 12, stopped
    assert "can't be written" in stopped.err
    disk.make_room()
    again = house.apply("--lock-timeout", "0")
    assert (again.code, again.json["totals"]["posted"]["count"]) == (0, 12), again
    assert sorted(each.reference_number for each in house.ours()) == sorted(wanted)
    assert house.settle() == NO_CHANGES


# --- what may be read and not written ------------------------------------------------------------------------------


def without_privilege(house, *words):
    """In a process for which modes of files count: root's override them, unless it lets go of that."""
    drop = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everything, and there is no `setpriv`")
        drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    program = [*drop, sys.executable, "-m", "chargeplan.cli", *house.words(*words)]
    return finish(
        subprocess.Popen(
            program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=house.environ, cwd=house.folder
        )
    )  # fmt: skip


@pytest.fixture(params=["the file", "the folder"])
def only_to_read(request, house):
    """After a batch that nobody knows the end of, the journal may be read and not written; the snapshot may be."""
    folder = house.folder / "record"
    config = house.folder / "chargeplan.yaml"
    config.write_text(config.read_text().replace(".chargeplan/x.db", "record/x.db"))
    assert house.run("journal", "init").code == 0
    house.state.add_faults(Fault(method="POST", path=BATCH, drop="before"))
    house.saved()
    assert house.apply("--no-wait").code == 4
    house.saved()
    (folder / "x.db").chmod(0o400)
    if request.param == "the folder":
        folder.chmod(0o500)
    yield folder
    folder.chmod(0o700)


def test_a_journal_that_may_only_be_read_is_read(house, only_to_read):
    status = without_privilege(house, "status", "--json")
    assert status.code == 0, status
    assert len(json.loads(status.out)["unknown"]) == 4
    history = without_privilege(house, "history", "--json")
    assert history.code == 0, history
    assert "intended" in {each["kind"] for each in json.loads(history.out)["events"]}
    assert without_privilege(house, "journal", "verify").code == 0


def test_a_project_that_may_only_be_read_is_looked_at(house):
    house.saved()
    assert house.apply("--no-wait").code == 0
    folder = house.folder / ".chargeplan"
    for each in (*folder.iterdir(), folder):
        each.chmod(0o500 if each.is_dir() else 0o400)
    try:
        status = without_privilege(house, "status", "--json")
        assert (status.code, len(json.loads(status.out)["in_flight"])) == (0, 12), status
        assert without_privilege(house, "history").code == 0
    finally:
        folder.chmod(0o700)


def test_nothing_is_sent_where_the_journal_may_only_be_read(house, only_to_read):
    posts = len(house.state.requests("POST"))
    house.write((house.plans / "oak.yaml").read_text().replace("25.00", "26.00"))
    refused = without_privilege(house, "apply", "--auto-approve", "--as-of", "2027-09-01", "--json")
    assert refused.code == 1, refused
    error = json.loads(refused.out)
    assert error["code"] == "journal_unwritable"
    assert "writable" in error["hint"]
    assert len(house.state.requests("POST")) == posts
    only_to_read.chmod(0o700)
    (only_to_read / "x.db").chmod(0o600)
    again = without_privilege(house, "apply", "--auto-approve", "--as-of", "2027-09-01", "--json")
    assert again.code == 0, again
    assert house.duplicates() == []
