"""Client and copy together against the sandbox, over real HTTP."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Place
from chargeplan.core.matching import removed_upstream
from chargeplan.core.posting import Denied, Invalid, Queued, Throttled
from chargeplan.propexo.client import Propexo
from chargeplan.sandbox.seed_facts import (
    DOCUMENTED_CODE_ID,
    DOCUMENTED_RESIDENT_ID,
    INTEGRATION_ID,
    OAK_STREET_ID,
)
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from chargeplan.snapshot.store import SqliteSnapshot
from tests.propexo.lines import REFERENCE, RESMAN, Line

TODAY = date(2026, 12, 10)
WINDOW = Days(date(2026, 10, 1), date(2027, 1, 31))


def _line(resident_id=DOCUMENTED_RESIDENT_ID):
    return Line(resident_id=resident_id, code_id=DOCUMENTED_CODE_ID)


@pytest.fixture(params=[True, False], ids=["with filters", "without filters"])
def world(request, tmp_path):
    """Sandbox, client and copy."""
    with (
        Sandbox.open(
            tmp_path / "sandbox.db",
            today=TODAY,
            token="t0ken",
            knows_updated_at=request.param,
            requests_per_minute=2000,
        ) as box,
        serve(box) as served,
        Propexo(served.url, "t0ken", requests_per_minute=2000) as client,
    ):
        copy = SqliteSnapshot(tmp_path / "copy.db", lambda: client, identity=client.host)
        yield box, client, copy
        copy.close()


def test_a_charge_goes_out_and_comes_back(world):
    box, client, copy = world
    cost = copy.refresh(INTEGRATION_ID, WINDOW, fees=True, payments=True)
    before = copy.property(INTEGRATION_ID, OAK_STREET_ID, WINDOW)
    assert before.units
    assert before.leases
    assert before.charge_codes
    assert all(lease.residents for lease in before.leases if lease.status == "ACTIVE")
    assert cost.records > 50

    queued = client.post(RESMAN, INTEGRATION_ID, [_line()])
    assert isinstance(queued, Queued)
    while client.job_status(queued.job_id).status == "PENDING":
        pass
    (entry,) = [each for each in client.write_log(INTEGRATION_ID, "hour") if each.job_id == queued.job_id]
    assert (entry.batch_ids, entry.references) == ({"b1"}, {REFERENCE})
    assert client.job_status("nobody").status == "missing"

    box.approve()
    box.sync()
    again = copy.refresh(INTEGRATION_ID, WINDOW)
    assert again.records < cost.records
    assert list(copy.references(INTEGRATION_ID)) == [REFERENCE]
    after = copy.property(INTEGRATION_ID, OAK_STREET_ID, WINDOW)
    (charge,) = [each for each in after.charges if each.reference == REFERENCE]
    assert (charge.amount, charge.transaction_date) == (2500, date(2026, 12, 15))
    assert after.previous_sync == before.last_completed_sync
    assert all(each.last_seen == after.last_completed_sync for each in after.charges)

    box.office.void(reference_number=REFERENCE)
    box.sync()
    copy.refresh(INTEGRATION_ID, WINDOW)
    gone = copy.property(INTEGRATION_ID, OAK_STREET_ID, WINDOW)
    unseen = [each.reference for each in gone.charges if (each.last_seen or "") <= (gone.previous_sync or "")]
    assert unseen == [REFERENCE]


def test_a_charge_that_came_and_went_between_two_looks_is_not_there(world):
    """Several syncs pass between two runs; the last of them did not see it, although one that nobody noticed did."""
    box, client, copy = world
    copy.refresh(INTEGRATION_ID, WINDOW)
    client.post(RESMAN, INTEGRATION_ID, [_line()])
    box.approve()
    box.clock.advance(12 * 3600)
    box.sync()
    box.office.void(reference_number=REFERENCE)
    box.clock.advance(12 * 3600)
    box.sync()
    copy.refresh(INTEGRATION_ID, WINDOW)
    seen = copy.property(INTEGRATION_ID, OAK_STREET_ID, WINDOW)
    gone = removed_upstream(seen, IntegrationConfig("main", INTEGRATION_ID, Place("x", 1)))
    assert [each.reference for each in seen.charges if each.id in gone] == [REFERENCE]


@pytest.mark.parametrize("tells_time", [True, False], ids=["with a Date", "without a Date"])
def test_a_plan_of_what_has_not_changed_reads_next_to_nothing(world, tells_time):
    """Everything was written within one hour, just now: that costs nothing once it was read."""
    box, _, copy = world
    box.configure(tells_time=tells_time)
    box.sync()
    cold = copy.refresh(INTEGRATION_ID, WINDOW, payments=True)
    again = copy.refresh(INTEGRATION_ID, WINDOW, payments=True)
    assert (again.requests <= 10, again.records) == (True, 1), "the integration itself"
    box.clock.advance(12 * 3600)
    box.sync()
    after = copy.refresh(INTEGRATION_ID, WINDOW, payments=True)
    if box.settings.knows_updated_at:
        assert after.requests <= 10
        assert after.records <= cold.records / 100


def test_a_clock_of_ours_that_is_a_day_off_hides_nothing(world, tmp_path):
    box, client, _ = world
    for days in (-1, 1):
        copy = SqliteSnapshot(
            tmp_path / f"{days}.db",
            lambda: client,
            identity=client.host,
            now=lambda days=days: datetime.now(UTC) + timedelta(days=days),
        )
        copy.refresh(INTEGRATION_ID, WINDOW)
        entry = box.office.enter(
            resident_id=DOCUMENTED_RESIDENT_ID,
            charge_code_id=DOCUMENTED_CODE_ID,
            amount_in_cents=1234,
            transaction_date="2026-12-05",
        )
        box.clock.advance(60)
        box.sync()
        copy.refresh(INTEGRATION_ID, WINDOW)
        seen = {each.id for each in copy.property(INTEGRATION_ID, OAK_STREET_ID, WINDOW).charges}
        assert entry.id in seen
        copy.close()


def test_refusals(world):
    box, client, _ = world
    found = client.post(RESMAN, INTEGRATION_ID, [_line(), _line("nobody")])
    assert isinstance(found, Invalid)
    assert list(found.items) == [1]
    assert isinstance(client.post(RESMAN, "nobody", [_line()]), Denied)
    box.configure(requests_per_minute=1)
    assert isinstance(client.post(RESMAN, INTEGRATION_ID, [_line()]), Throttled)
    assert box.ledger() == [each for each in box.ledger() if each.reference_number != REFERENCE]
