"""How a run ends is what it did, whether or not it can be told: outputs that are full, closed or read by nobody; faults of our own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from chargeplan.flow.posting import Poster
from chargeplan.sandbox.faults import Fault
from tests.e2e.house import AS_OF, BATCH, finish


def shell(house, line: str, *words) -> subprocess.CompletedProcess:
    """Run the program as ``$P`` in a line of bash; the line's code is the program's."""
    program = [sys.executable, "-m", "chargeplan.cli", *house.words(*words)]
    script = f'set -o pipefail; P() {{ "$@"; echo $? >code; return 0; }}; {line}'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *program], cwd=house.folder, env=house.environ, capture_output=True, text=True, check=False
    )  # fmt: skip
    code = int((house.folder / "code").read_text())
    return subprocess.CompletedProcess(program, code, done.stdout, done.stderr)


# A reader that is surely gone before anything is written to it.
GONE = "exec 9> >(exec true); sleep 0.2; "
OUTPUTS = {
    "stdout read by nobody": GONE + 'P "$@" >&9',
    "both read by nobody": GONE + 'P "$@" >&9 2>&9',
    "stderr read by nobody": GONE + 'P "$@" 2>&9',
    "stdout closed": 'P "$@" >&-',
    "stderr closed": 'P "$@" 2>&-',
    "all closed": 'P "$@" <&- >&- 2>&-',
    "stdout full": 'P "$@" >/dev/full',
    "stderr full": 'P "$@" 2>/dev/full',
    "both full": 'P "$@" >/dev/full 2>/dev/full',
}


@pytest.mark.parametrize("line", OUTPUTS.values(), ids=OUTPUTS)
def test_what_was_posted_is_posted_whatever_becomes_of_the_output(house, line):
    house.saved()
    done = shell(house, line, "apply", house.planfile, *(["--json"] if "2>" in line else []))
    assert (done.returncode, len(house.ours())) == (0, 12), done
    assert "Traceback" not in done.stderr
    assert "mistake of its own" not in done.stderr


@pytest.mark.parametrize("which", ["both read by nobody", "both full"])
def test_an_unknown_outcome_stays_one(house, which):
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, status=502))
    assert shell(house, OUTPUTS[which], "apply", house.planfile).returncode == 4


@pytest.mark.parametrize(("line", "code", "said"), [
    (OUTPUTS["stdout full"], 1, "Error: The answer can't be written to stdout: No space left on device.\n"),
    (OUTPUTS["stdout read by nobody"], 1, ""),
    (OUTPUTS["stdout closed"], 0, ""),
    (OUTPUTS["stderr full"], 0, ""),
    (OUTPUTS["stderr read by nobody"], 0, ""),
    (OUTPUTS["stderr closed"], 0, ""),
])  # fmt: skip
@pytest.mark.parametrize("command", ["plan --json", "schema plan"])
def test_a_command_that_only_answers_fails_where_its_answer_is_lost(house, line, code, said, command):
    words = command.split()
    done = shell(house, line, *words, *(["--as-of", AS_OF] if words[0] != "schema" else []))
    assert (done.returncode, done.stderr) == (code, said)
    if "2>" in line:
        assert done.stdout


def test_a_mistake_of_our_own_after_the_first_request_is_an_unknown_outcome(house, monkeypatch):
    house.saved()
    record, calls = Poster._record, []

    def breaks(self, sent, outcome):
        calls.append(sent)
        if len(calls) == 2:
            raise ZeroDivisionError("secret of a resident")
        record(self, sent, outcome)

    with monkeypatch.context() as patch:
        patch.setattr(Poster, "_record", breaks)
        applied = house.apply()
    assert applied.code == 4, applied
    totals = {name: each["count"] for name, each in applied.json["totals"].items() if each["count"]}
    assert totals == {"pending": 4, "unknown": 4, "unsent": 4}
    assert "chargeplan made a mistake of its own (ZeroDivisionError at test_endings.py:" in applied.err
    assert "secret" not in applied.err
    assert house.apply().code == 0
    assert house.duplicates() == []


# --- signals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_whose_notice_nobody_reads_finishes_the_request(house, which):
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, delay=2.0))
    running = house.start("apply", house.planfile, "--json")
    until = time.monotonic() + 60
    while not house.state.requests("POST"):
        assert time.monotonic() < until
        time.sleep(0.01)
    running.stderr.close()
    running.send_signal(which)
    with running.stdout:
        assert running.wait(60) == 130, running.stdout.read()
    assert house.run("history", "--json").json["events"][-1]["kind"] != "intended"
    assert len(house.ours()) == 4


def test_a_hangup_that_is_ignored_stays_ignored(house):
    """As under nohup."""
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, delay=1.0))
    running = house.start(
        "apply", house.planfile, "--json", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    while not house.state.requests("POST"):
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGHUP)
    assert finish(running).code == 0


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_planning_leaves_a_document(house, which):
    house.state.add_faults(Fault(method="GET", delay=5.0))
    running = house.start("plan", "--as-of", AS_OF, "--json")
    while not house.state.requests("GET"):
        time.sleep(0.01)
    running.send_signal(which)
    stopped = finish(running)
    assert (stopped.code, stopped.json["code"]) == (130, "interrupted")
