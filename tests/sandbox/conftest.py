"""A seeded state file, copied for each test, and a real server on loopback over it."""

from __future__ import annotations

import shutil
from datetime import date

import httpx
import pytest

from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox

TODAY = date(2027, 8, 2)


@pytest.fixture(scope="session")
def seeded(tmp_path_factory):
    path = tmp_path_factory.mktemp("sandbox") / "seed.db"
    with Sandbox.open(path, today=TODAY, requests_per_minute=10_000):
        pass
    return path


@pytest.fixture
def state(seeded, tmp_path):
    path = tmp_path / "state.db"
    shutil.copy(seeded, path)
    with Sandbox.open(path) as sandbox:
        yield sandbox


@pytest.fixture
def served(state):
    with serve(state) as server:
        yield server


@pytest.fixture
def http(served):
    with httpx.Client(base_url=served.url, headers={"authorization": "Bearer test"}, verify=False) as client:
        yield client


def item(**changes):
    """The documentation's own example."""
    return {
        "resident_id": "resident-12345",
        "charge_code_id": "chargecode-67890",
        "batch_id": "batch-20240615-001",
        "transaction_date": "2024-06-15T09:30:00Z",
        "description": "Monthly Rent Charge",
        "notes": "Charge for June 2024 rent",
        "amount_in_cents": 125000,
        "reference_number": "INV-20240615-123",
        **changes,
    }


def batch(*items):
    return {"integration_id": "resman-integration-98765", "charges": list(items) or [item()]}


BATCH = "/v1/resident-charges/batch/resman/"


def post(http, *items):
    answer = http.post(BATCH, json=batch(*items))
    assert answer.status_code == 200, answer.text
    return answer.json()["meta"]["job_id"]


def ours(state, *states):
    return [entry for entry in state.ledger(*states) if entry.origin == "api"]
