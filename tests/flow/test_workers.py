"""Planning by worker processes comes to the same as planning without them, whatever becomes of them. Real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")

PLAN = (sys.executable, "-m", "chargeplan", "plan", "--offline", "--as-of", "2027-08-02")
PROPERTIES, LINES = 5, 1_000


def started(folder: Path, workers: int, *words: str) -> subprocess.Popen[str]:
    env = {**os.environ, "CHARGEPLAN_WORKERS": str(workers)}
    return subprocess.Popen(
        [*PLAN, *words], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def planned(folder: Path, workers: int, *words: str) -> dict:
    """The plan document but for the plan's own name."""
    running = started(folder, workers, "--json", *words)
    out, said = running.communicate(timeout=120)
    assert running.returncode == 0, said
    return {key: value for key, value in json.loads(out).items() if key != "plan_id"}


def children_of(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("words", [(), ("--all",), ("--property", "prop-00003", "--charge", "rent")])
def test_the_plan_is_the_same(portfolio, workers, words):
    found = planned(portfolio, workers, *words)
    assert found == planned(portfolio, 0, *words)
    assert found["totals"]["create"]["count"] == (20 if "--charge" in words else PROPERTIES * LINES // 10)


def test_a_saved_plan_has_the_same_lines_in_the_same_order(portfolio):
    lines = []
    for workers in (0, 2):
        file = portfolio / f"{workers}.plan"
        planned(portfolio, workers, "--out", str(file))
        lines.append([line for line in file.read_text().splitlines() if '"reference' in line])
    assert lines[0] == lines[1] != []


@pytest.mark.parametrize("killed", [1, 2])
def test_workers_that_die_leave_nothing_out(portfolio, killed):
    running = started(portfolio, 2, "--json")
    died: set[int] = set()
    while len(died) < killed and running.poll() is None:
        for pid in children_of(running.pid)[:killed]:
            os.kill(pid, signal.SIGKILL)
            died.add(pid)
    out, said = running.communicate(timeout=120)
    assert running.returncode == 0, said
    assert len(died) == killed
    assert json.loads(out)["digest"] == planned(portfolio, 0)["digest"]


def test_what_a_worker_can_not_do_is_told_as_without_it(portfolio):
    endings = []
    for workers in (0, 2):
        running = started(portfolio, workers, "--from", "2020-01-01", "--through", "2020-01-31")
        out, said = running.communicate(timeout=120)
        endings.append((running.returncode, out, said))
    assert endings[0] == endings[1]
    assert endings[0][0] == 1
    assert "were never read" in endings[0][2]


def test_an_interrupt_ends_them_all(portfolio):
    running = started(portfolio, 2)
    workers: list[int] = []
    while len(workers) < 2 and running.poll() is None:
        workers = children_of(running.pid)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert len(workers) == 2
    assert running.returncode in {0, 130}
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
