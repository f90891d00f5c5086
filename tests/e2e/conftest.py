"""A seeded sandbox, copied for each test and served over loopback, and a project beside it."""

from __future__ import annotations

import functools
import ssl

import pytest

from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e.house import TODAY, House, copy_of


@pytest.fixture(scope="session", autouse=True)
def _one_tls_context():
    """Reading the authorities' certificates takes longer than many a command; loopback needs none of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def seeded(tmp_path_factory):
    path = tmp_path_factory.mktemp("seed") / "seed.db"
    with Sandbox.open(path, today=TODAY, requests_per_minute=100_000, pending_polls=0):
        pass
    return path


@pytest.fixture
def house(seeded, tmp_path):
    with Sandbox.open(copy_of(seeded, tmp_path / "state.db")) as state, serve(state) as served:
        made = House(tmp_path / "project", state, served.url)
        assert made.run("journal", "init").code == 0
        yield made
