"""One count of requests for all runners with this journal and one token."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import select

from chargeplan.journal import budget, schema
from chargeplan.journal.store import open_journal
from chargeplan.propexo.client import Propexo
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox

ROOT = Path(__file__).parents[2]
LIMIT = 30
BELOW = 23  # the last one below 80 % of it
# A runner that asks as often as it may within ten seconds.
RUNNER = """
import sys, time
from chargeplan.journal import open_journal
from chargeplan.propexo.client import Propexo
from chargeplan.propexo.pacing import EndedError
target, url = sys.argv[1:]
with open_journal(target, create=False) as journal, Propexo(url, "token", requests_per_minute=30) as client:
    client.share(journal.budget(client.fingerprint(journal.identity)))
    client.end_at(time.monotonic() + 10, lambda: False)
    asked = 0
    try:
        while True:
            client.integration("resman-integration-98765")
            asked += 1
    except EndedError:
        print(asked)
"""


def places(journal):
    """What the database holds of it."""
    rows = journal._database.read(lambda connection: connection.execute(select(schema.meta)).all())
    return {row.key: row.value for row in rows if row.key.startswith("budget:")}


def test_runners_share_the_places_of_a_minute(opened):
    one, other = opened().budget("a"), opened().budget("a")
    assert [each.take(5) for each in (one, other, one, other, one)] == [0.0] * 5
    for each in (one, other):
        assert 0 < each.take(5) <= budget.WINDOW


def test_another_token_has_places_of_its_own(opened):
    journal = opened()
    assert journal.budget("a").take(1) == 0.0
    assert journal.budget("b").take(1) == 0.0
    assert journal.budget("a").take(1) > 0


def test_a_place_is_free_again_after_the_minute(opened, monkeypatch):
    monkeypatch.setattr(budget, "WINDOW", 0.2)
    one = opened().budget("a")
    assert one.take(1) == 0.0
    waited = 0.0
    while (seconds := one.take(1)) > 0:
        assert seconds <= 0.2
        waited += 1
    assert waited > 0


def test_places_are_no_part_of_the_record(opened):
    journal = opened()
    before, after = StringIO(), StringIO()
    journal.export(before)
    assert journal.budget("a").take(5) == 0.0
    journal.export(after)
    assert after.getvalue() == before.getvalue()
    assert journal.verify() == []
    assert len(json.loads(places(journal)["budget:a"])) == 1


def test_a_fingerprint_is_not_the_token(opened):
    with (
        Propexo("https://api.propexo.com", "s3cret") as client,
        Propexo("https://api.propexo.com", "other") as other,
    ):
        told = client.fingerprint("salt")
        assert told == client.fingerprint("salt")
        assert len({told, client.fingerprint("pepper"), other.fingerprint("salt")}) == 3
        assert len(told) == 16
        assert "s3cret" not in told


def test_a_role_that_only_reads_goes_without(schema_target):
    open_journal(schema_target, create=True).close()
    reading = schema_target.replace("search_path%3D", "default_transaction_read_only%3Don%20-csearch_path%3D")
    assert reading != schema_target
    with open_journal(reading, create=False) as journal:
        assert [journal.budget("a").take(1) for _ in range(3)] == [0.0] * 3
        assert places(journal) == {}


@pytest.mark.parametrize("count", [2, 4])
def test_processes_stay_below_the_limit_together(schema_target, tmp_path, count):
    open_journal(schema_target, create=True).close()
    with Sandbox.open(tmp_path / "state.db", requests_per_minute=LIMIT) as state, serve(state) as served:
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        runners = [
            subprocess.Popen(
                [sys.executable, "-c", RUNNER, schema_target, served.url],
                stdout=subprocess.PIPE,
                text=True,
                env=environ,
            )
            for _ in range(count)
        ]
        asked = [int(each.communicate(timeout=60)[0]) for each in runners]
        requests = state.requests()
    assert {each["status"] for each in requests} == {200}
    # In less than a minute: no answer was slowed, and none of the room was left.
    assert len(requests) == sum(asked) == BELOW
