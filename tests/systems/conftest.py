"""A seeded sandbox, copied for each test and served over loopback, and a project of one property system beside it."""

from __future__ import annotations

import pytest

from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e.conftest import seeded
from tests.e2e.house import copy_of
from tests.systems.estate import POSTABLE, Estate

__all__ = ["seeded"]


@pytest.fixture(params=POSTABLE)
def estate(request, seeded, tmp_path):
    with Sandbox.open(copy_of(seeded, tmp_path / "state.db")) as state, serve(state) as served:
        made = Estate(tmp_path / "project", state, served.url, request.param)
        assert made.run("journal", "init").code == 0
        yield made
