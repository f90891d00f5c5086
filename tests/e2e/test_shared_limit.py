"""Several runners with one token and one journal on a server: together they stay below the limit."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e.house import TOKEN, copy_of, finish
from tests.e2e.shared import SharedHouse
from tests.e2e.town import build

LIMIT = 150
BELOW = 119  # the last one below 80 % of it


@pytest.fixture
def house(seeded, tmp_path, schema_target):
    with Sandbox.open(copy_of(seeded, tmp_path / "state.db")) as state, serve(state) as served:
        made = SharedHouse(tmp_path / "project", state, served.url)
        made.address = schema_target
        assert made.run("journal", "init").code == 0
        yield made


def test_two_applies_of_different_properties(house):
    build(house, 6, units='"1*", "2*"', batch_size=1)
    house.state.configure(requests_per_minute=LIMIT)
    plans = [house.folder / name for name in ("one.plan", "other.plan")]
    for first, plan in zip((1, 4), plans, strict=True):
        towns = [word for number in range(first, first + 3) for word in ("--property", f"town-{number}")]
        assert house.plan("--out", plan, *towns).code == 0
    running = [house.start("apply", plan, "--json", "--deadline", "20") for plan in plans]
    results = [finish(each) for each in running]
    requests = house.state.requests()
    # As many as may be within a minute, and none of the answers slowed; the rest of the lines is left unsent.
    assert {each["status"] for each in requests} == {200}
    assert len(requests) >= BELOW
    times = [datetime.fromisoformat(each["at"]) for each in requests]
    assert max(sum(at <= other < at + timedelta(minutes=1) for other in times) for at in times) == BELOW
    assert {each.code for each in results} <= {3, 4}, results
    totals = [json.loads(each.out)["totals"] for each in results]
    assert sum(each["unsent"]["count"] for each in totals) > 0
    assert sum(each["posted"]["count"] + each["pending"]["count"] for each in totals) == len(house.ours())
    assert house.duplicates() == []


def test_the_token_is_not_in_the_journal(house, schema_target):
    house.saved()
    engine = create_engine(make_url(schema_target).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT key, value FROM meta")).all()
    engine.dispose()
    shared = [row.key for row in rows if row.key.startswith("budget:")]
    assert len(shared) == 1
    assert len(shared[0]) == len("budget:") + 16
    assert TOKEN not in str(rows)
