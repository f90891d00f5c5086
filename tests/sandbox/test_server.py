"""The server by itself: in a thread, and as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.sandbox.conftest import BATCH, batch

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from chargeplan.sandbox.server import run_forever
run_forever(sys.argv[1], 0, announce=lambda url: print(url, flush=True), token="t")
"""


def test_a_process_of_its_own(seeded, tmp_path):
    path = tmp_path / "own.db"
    path.write_bytes(seeded.read_bytes())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        url = process.stdout.readline().strip()
        headers = {"authorization": "Bearer t"}
        assert httpx.post(url + BATCH, json=batch(), headers=headers).status_code == 200
        with Sandbox.open(path) as other:
            assert other.approve() == 1
        assert httpx.get(f"{url}/_sandbox/files").json() == {"result": []}
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)
        assert process.stdout.read() == ""
    with Sandbox.open(path) as other:
        assert [e.state for e in other.ledger() if e.origin == "api"] == ["posted"]


def test_it_stops_at_once_with_a_client_still_waiting(state):
    state.add_faults({"delay": 60})
    headers = {"authorization": "Bearer t"}
    with serve(state) as served, httpx.Client(base_url=served.url, headers=headers) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.get("/v1/units/", timeout=0.05)
        begun = time.monotonic()
    assert time.monotonic() - begun < 1.0
    with pytest.raises(httpx.ConnectError):
        httpx.get(served.url)


def test_a_mistake_in_the_settings_is_told_and_the_file_closed(tmp_path):
    with pytest.raises(ValueError, match="colour"):
        Sandbox.open(tmp_path / "x.db", colour="red")
