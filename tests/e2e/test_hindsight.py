"""What is learned late: a lease that is renewed, an approval months after, an answer or a log after a person's word."""

from __future__ import annotations

import time

from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.levers import pull
from tests.e2e.house import AS_OF, BATCH, finish

NO_CHANGES = "No changes. Every charge is posted."
HEAD = "version: 1\nplan: oak-street\nintegration: resman-main\nproperties: [oak-street]\n"


def leases_of(house, charge):
    """The lease of each unit that a charge has lines for."""
    changes = house.plan("--json").json["changes"]
    return {each["unit_number"]: each["lease_id"] for each in changes if each["charge"] == charge}


def everything_once(house, count):
    assert house.duplicates() == []
    assert len(house.ours()) == count


# --- old postings --------------------------------------------------------------------------------------------------


def test_a_fee_at_the_leases_end_is_not_due_again_when_the_lease_is_renewed(house):
    """Its key is the text `lease.end`, the same for every year: a year later the old posting still has a say."""
    house.write(
        HEAD
        + "charges:\n  end-fee:\n    code: Storage\n    amount: 150.00\n    who: {units: ['20[1-3]']}\n    once: lease.end\n"
    )
    for lease in leases_of_everyone(house):
        house.state.alter("leases", lease, end_date="2027-08-31T00:00:00.000Z")
    house.state.sync()
    house.saved("--full-refresh")
    assert house.apply().json["totals"]["posted"]["count"] == 3
    house.month()
    assert house.run("reconcile", "--as-of", AS_OF).code == 0
    for lease in leases_of_everyone(house):
        house.state.alter("leases", lease, end_date="2028-08-31T00:00:00.000Z")
    house.state.sync()
    later = house.run("plan", "--as-of", "2028-08-02", "--period", "2028-08", "--full-refresh", "--json")
    assert [each for each in later.json["changes"] if each["action"] == "create"] == []


def leases_of_everyone(house):
    document = house.run("plan", "--as-of", AS_OF, "--all", "--json").json
    told = [*document["changes"], *document["skips"]]
    units = {each["lease_id"] for each in told if each.get("unit_number") in {"201", "202", "203"}}
    return sorted(units)


def test_a_correction_dated_long_ago_is_made_once(house):
    configuration = house.folder / "chargeplan.yaml"
    text = configuration.read_text()
    assert "vendor: RESMAN" in text
    configuration.write_text(text.replace("vendor: RESMAN", "vendor: RESMAN\n    credits: post"))
    house.write(
        HEAD
        + "on_drift: adjust\ncharges:\n  true-up:\n    code: Amenity Fee\n    amount: 120.00\n    prorate: actual\n"
        "    who: {units: ['20[1-3]']}\n    after_lease_end: continue\n    once: 2027-08-01\n"
        "    service: {from: 2026-01-01, through: 2026-12-31}\n"
    )
    (lease,) = leases_of(house, "true-up").values()
    began = "2025-01-01T00:00:00.000Z"
    house.state.alter(
        "leases", lease, start_date=began, realized_move_in_date=began, scheduled_move_in_date=None
    )
    house.state.sync()
    house.saved("--full-refresh")
    assert house.apply().json["totals"]["posted"]["amount_in_cents"] == 12000
    house.month()
    house.run("reconcile", "--as-of", AS_OF)
    house.state.alter("leases", lease, status="Former", realized_move_out_date="2026-06-30T00:00:00.000Z")
    house.state.sync()
    house.saved("--full-refresh")
    # 120.00 for 181 of 365 days is 59.51.
    assert house.apply().json["totals"]["posted"]["amount_in_cents"] == 5951 - 12000
    house.month()
    house.run("reconcile", "--as-of", AS_OF)
    assert house.plan("--full-refresh").last == NO_CHANGES
    everything_once(house, 2)


def test_what_is_approved_months_late_is_seen_by_its_reference(house):
    assert house.run("plan", "--as-of", "2027-01-02", "--out", house.planfile).code == 0
    posted = house.apply().json["totals"]["posted"]["count"]
    assert posted > 0
    house.state.approve(posting_date="2027-08-01")
    house.state.sync()
    house.plan("--full-refresh")
    assert house.run("reconcile", "--as-of", AS_OF).code == 0
    status = house.status()
    assert (status["overdue"], status["in_flight"]) == ([], [])
    document = house.plan("--json").json
    assert "hold" not in document["totals"]


# --- a person's word and what proves otherwise ---------------------------------------------------------------------


def test_a_log_that_comes_late_and_says_success_holds_what_a_person_said_was_not_posted(house):
    house.config(batch_size=50)
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, drop="after", log="late"))
    assert house.apply("--no-wait").code == 4
    unknown = [each["reference_number"] for each in house.status()["unknown"]]
    assert house.run("resolve", *unknown, "--not-posted", "--reason", "nothing on the ledger").code == 0
    pull(house.state, "jobs", {"show_logs": True})
    held = [each for each in house.document()["changes"] if each["action"] == "hold"]
    assert sorted(each["reference_number"] for each in held) == sorted(unknown)
    assert f"resolve {held[0]['reference_number']} --posted" in held[0]["detail"]
    assert house.run("resolve", *unknown, "--posted", "--reason", "the log is right").code == 0
    house.month()
    everything_once(house, len(unknown))


def test_an_answer_that_comes_after_a_persons_word_is_recorded(house):
    house.config(batch_size=50)
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, delay=4.0, times=1))
    running = house.start("apply", house.planfile, "--json")
    unknown = []
    for _ in range(300):
        unknown = [each["reference_number"] for each in house.status()["unknown"]]
        if unknown:
            break
        time.sleep(0.02)
    (lock,) = house.run("journal", "locks", "--json").json["locks"]
    assert house.run("journal", "unlock", lock["id"], "--reason", "it seems dead").code == 0
    assert house.run("resolve", *unknown, "--not-posted", "--reason", "nothing on the ledger").code == 0
    finish(running)
    house.saved()
    assert house.apply().json["totals"].get("posted", {"count": 0})["count"] == 0
    house.month()
    everything_once(house, len(unknown))
