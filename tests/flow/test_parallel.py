"""Requests of several properties under way at once: what overlaps, what does not, and how such a run ends."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter

import pytest

from chargeplan.core.errors import ChargeplanError
from chargeplan.flow.requests import Requests
from chargeplan.journal.store import SqlJournal
from chargeplan.sandbox.faults import Fault
from chargeplan.wiring import WallClock
from tests.e2e.house import BATCH, finish
from tests.e2e.town import build

NO_CHANGES = "No changes. Every charge is posted."
PARALLEL = 4


@pytest.fixture
def towns(house):
    """Six properties with 8 lines in 2 batches each; their ids in the plan's order."""
    return build(house, 6, parallel=PARALLEL)


def slowly(house, seconds):
    house.state.add_faults(Fault(method="POST", path=BATCH, delay=seconds, times=99))


def wait_for_posts(house, count):
    until = time.monotonic() + 120
    while len(house.state.requests("POST")) < count:
        assert time.monotonic() < until, f"fewer than {count} requests came"
        time.sleep(0.01)


def under_way(house):
    """By the journal: the properties with a request under way after each intent and each outcome."""
    now, seen = Counter(), []
    place_of = {}
    for event in house.run("history", "--json").json["events"]:
        if event["kind"] == "intended":
            place_of[event["batch_id"]] = event["data"]["batch"]["property_id"]
            now[place_of[event["batch_id"]]] += 1
        elif event["kind"] == "recorded" and event["data"]["state"] != "accepted":
            now[place_of[event["batch_id"]]] -= 1
        seen.append(+now)
    return seen


def everything_is_billed_once(house, wanted):
    assert house.settle() == NO_CHANGES
    assert house.duplicates() == []
    assert sorted(each.reference_number for each in house.ours()) == sorted(wanted)
    assert house.run("journal", "verify").code == 0


# --- what overlaps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [1, 2, 4])
def test_as_many_properties_as_configured_and_never_two_batches_of_one(house, parallel):
    build(house, 6, parallel=parallel)
    house.saved()
    slowly(house, 0.2)
    applied = house.apply()
    assert (applied.code, applied.json["totals"]["posted"]["count"]) == (0, 48)
    seen = under_way(house)
    assert max(each.total() for each in seen) == parallel
    assert max(max(each.values(), default=0) for each in seen) == 1


def test_a_propertys_batches_go_in_the_plans_order(house, towns):
    house.saved()
    wanted = [(each["property_id"], each["reference_number"]) for each in house.document()["changes"]]
    slowly(house, 0.05)
    assert house.apply().code == 0
    for town in towns:
        arrived = [each.reference_number for each in house.ours() if each.property_id == town]
        assert arrived == [reference for place, reference in wanted if place == town]


def test_the_document_is_in_the_plans_order_whatever_was_answered_first(house, towns):
    house.saved()
    house.state.add_faults(
        Fault(method="POST", path=BATCH, delay=1.0), Fault(method="POST", path=BATCH, delay=0.5)
    )
    applied = house.apply()
    assert [each["property_id"] for each in applied.json["batches"]] == [
        town for town in towns for _ in range(2)
    ]
    # The last property's first batch was answered before the first one's second was sent.
    sent = [each.property_id for each in house.ours()]
    assert sent.index(towns[-1]) < max(i for i, place in enumerate(sent) if place == towns[0])


def test_a_run_that_stood_still_after_its_intent_does_not_send_late(house, towns, monkeypatch):
    house.saved()
    wanted = house.wanted()
    awake, begin, slept = WallClock.monotonic, Requests.begin, [0.0]

    def stand_still(self, sent, send):
        slept[0] += 0.0 if slept[0] else 60.0
        begin(self, sent, send)

    monkeypatch.setattr(WallClock, "monotonic", lambda self: awake(self) + slept[0])
    monkeypatch.setattr(Requests, "begin", stand_still)
    assert house.apply().code == 0
    events = [each for each in house.run("history", "--json").json["events"] if each["kind"] == "recorded"]
    withdrawn = [each["data"] for each in events if each["data"]["state"] == "withdrawn"]
    assert len(withdrawn) == 1
    assert "stood still for 60 seconds" in withdrawn[0]["errors"][0]
    everything_is_billed_once(house, wanted)


# --- how such a run ends -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_finishes_all_that_is_under_way_and_begins_nothing(house, towns, which):
    house.saved()
    wanted = house.wanted()
    slowly(house, 2.0)
    running = house.start("apply", house.planfile, "--json")
    wait_for_posts(house, PARALLEL)
    running.send_signal(which)
    stopped = finish(running)
    assert stopped.code == 130, stopped
    document = json.loads(stopped.out)
    assert [(each["property_id"], each["state"]) for each in document["batches"]] == [
        (town, "queued") for town in towns[:PARALLEL]
    ]
    assert document["totals"]["unsent"]["count"] == 48 - 4 * PARALLEL
    house.state.clear_faults()
    again = house.apply()
    assert (again.code, again.json["totals"]["posted"]["count"]) == (0, 48)
    everything_is_billed_once(house, wanted)


def test_a_second_interrupt_waits_for_no_answer_and_all_of_it_is_unknown(house, towns):
    house.saved()
    wanted = house.wanted()
    slowly(house, 30.0)
    running = house.start("apply", house.planfile, "--json")
    wait_for_posts(house, PARALLEL)
    running.send_signal(signal.SIGINT)
    assert running.stderr.readline() + running.stderr.readline() == (
        "\nFinishing the requests under way; once more stops at once.\n"
    )
    running.send_signal(signal.SIGINT)
    stopped = finish(running, timeout=120)
    assert stopped.code == 4, stopped
    assert json.loads(stopped.out)["totals"]["unknown"]["count"] == 4 * PARALLEL
    house.state.clear_faults()
    assert [each["state"] for each in house.status()["unknown"]] == ["unknown"] * 4 * PARALLEL
    # Not because the answers were late: the run says of each that it did not wait for it.
    reasons = [
        each["data"]["errors"]
        for each in house.run("history", "--json").json["events"]
        if each["kind"] == "recorded" and each["data"]["state"] == "unknown"
    ]
    assert reasons == [["the run was interrupted while the request was under way"]] * PARALLEL
    everything_is_billed_once(house, wanted)


def test_a_killed_run_leaves_several_batches_and_all_of_them_settle(house, towns):
    house.saved()
    wanted = house.wanted()
    slowly(house, 5.0)
    running = house.start("apply", house.planfile, "--json")
    wait_for_posts(house, PARALLEL)
    running.kill()
    assert finish(running).code == -signal.SIGKILL
    house.state.clear_faults()
    assert len(house.named()) == 4 * PARALLEL
    everything_is_billed_once(house, wanted)


def test_a_refused_request_stops_the_run_and_the_others_are_recorded(house, towns):
    house.saved()
    wanted = house.wanted()
    # The second of the four is answered first, with 403.
    faults = [{"delay": 2.0}, {"status": 403, "work": False, "delay": 1.0}, {"delay": 2.0}, {"delay": 2.0}]
    house.state.add_faults(*(Fault(method="POST", path=BATCH, **each) for each in faults))
    applied = house.apply()
    assert applied.code == 3, applied
    totals = {name: each["count"] for name, each in applied.json["totals"].items() if each["count"]}
    assert totals == {"posted": 12, "refused": 4, "unsent": 32}
    assert "403" in applied.err
    assert len(house.state.requests("POST")) == PARALLEL
    everything_is_billed_once(house, wanted)


def test_a_lock_that_was_taken_stops_the_run_and_the_others_are_recorded(house, towns):
    house.saved()
    wanted = house.wanted()
    house.state.add_faults(
        Fault(method="POST", path=BATCH, delay=4.0),
        *(Fault(method="POST", path=BATCH, delay=5.0) for _ in range(3)),
    )
    running = house.start("apply", house.planfile, "--json")
    wait_for_posts(house, PARALLEL)
    for lock in house.run("journal", "locks", "--json").json["locks"]:
        assert house.run("journal", "unlock", lock["id"], "--reason", "test").code == 0
    stopped = finish(running)
    assert stopped.code == 3, stopped
    assert "lost the lock" in stopped.err
    document = json.loads(stopped.out)
    assert [each["state"] for each in document["batches"]] == ["accepted"] * PARALLEL
    assert document["totals"]["posted"]["count"] == 4 * PARALLEL
    assert len(house.state.requests("POST")) == PARALLEL
    everything_is_billed_once(house, wanted)


def test_a_deadline_ends_all_that_is_under_way_and_begins_nothing(house, towns):
    """No request takes longer than the deadline leaves: of those that were cut, nothing is known yet."""
    house.saved()
    wanted = house.wanted()
    slowly(house, 20.0)
    late = house.apply("--deadline", "15")
    assert late.code == 4, late
    totals = {name: each["count"] for name, each in late.json["totals"].items() if each["count"]}
    assert totals == {"unknown": 4 * PARALLEL, "unsent": 48 - 4 * PARALLEL}
    assert len(house.state.requests("POST")) == PARALLEL
    assert "the deadline has passed" in late.err
    house.state.clear_faults()
    again = house.apply()
    assert (again.code, again.json["totals"]["posted"]["count"]) == (0, 48)
    everything_is_billed_once(house, wanted)


@pytest.mark.parametrize(
    "fault",
    [{"drop": "before"}, {"drop": "after"}, {"status": 502}, {"status": 429, "work": False, "retry_after": 1}, {"status": 413, "work": False}],
    ids=lambda fault: " ".join(map(str, fault.values())),
)  # fmt: skip
def test_each_request_has_its_own_outcome(house, towns, fault):
    """The first two of the four go wrong; the lines of no other property are touched by it."""
    house.saved()
    wanted = house.wanted()
    house.state.add_faults(*(Fault(method="POST", path=BATCH, **fault) for _ in range(2)))
    applied = house.apply()
    lost = 0 if "retry_after" in fault or fault.get("status") == 413 else 8
    assert applied.json["totals"]["unknown"]["count"] == lost
    assert applied.json["totals"]["posted"]["count"] == 48 - lost
    house.settle()
    assert house.duplicates() == []
    assert house.lost(wanted) == set()


def test_an_answer_that_cannot_be_recorded_stops_the_run_and_the_other_answers_are_kept(
    house, towns, monkeypatch
):
    house.saved()
    wanted = house.wanted()
    slowly(house, 0.5)
    record, failed = SqlJournal.record, []

    def once_full(self, batch_id, state, **more):
        if state == "queued" and not failed:
            failed.append(batch_id)
            raise ChargeplanError("The journal can't be written: disk full.", code="journal_unwritable")
        return record(self, batch_id, state, **more)

    with monkeypatch.context() as patch:
        patch.setattr(SqlJournal, "record", once_full)
        applied = house.apply()
    assert applied.code == 4, applied
    totals = {name: each["count"] for name, each in applied.json["totals"].items() if each["count"]}
    assert totals == {"posted": 12, "unknown": 4, "unsent": 32}
    assert "disk full" in applied.err
    house.state.clear_faults()
    everything_is_billed_once(house, wanted)


# --- the limit -----------------------------------------------------------------------------------------------------


def over_the_limit(house):
    """More batches of one line than the limit of 200 lets pass in a minute."""
    build(house, 9, units='"1*", "2*"', batch_size=1, limit=200)
    house.saved()
    assert len(house.wanted()) > 160
    house.state.configure(requests_per_minute=200)


def test_a_wait_for_the_limit_is_not_longer_than_the_deadline(house):
    over_the_limit(house)
    wanted = house.wanted()
    late = house.apply("--deadline", "25")
    assert late.code in (3, 4), late
    unsent = late.json["totals"]["unsent"]["count"]
    assert unsent == len(wanted) - len(house.ours()) > 0
    assert "the deadline has passed" in late.err
    # Nothing was left to be settled by evidence: no line was intended and not sent.
    assert late.json["totals"]["unknown"]["count"] == 0
    assert house.duplicates() == []


def test_an_interrupt_ends_a_wait_for_the_limit(house):
    over_the_limit(house)
    running = house.start("apply", house.planfile, "--json")
    before = -1
    while (sent := len(house.state.requests("POST"))) != before or not sent:
        before = sent
        time.sleep(1.0)
    running.send_signal(signal.SIGINT)
    # The minute would take longer.
    stopped = finish(running, timeout=20)
    assert stopped.code == 130, stopped
    document = json.loads(stopped.out)
    assert document["totals"]["unknown"]["count"] == 0
    assert document["totals"]["pending"]["count"] == len(house.ours())
    assert document["totals"]["unsent"]["count"] > 0


def test_a_second_run_of_the_plan_waits_for_the_last_lines_of_the_first(house):
    build(house, 2, units='"101", "102"')
    house.saved()
    slowly(house, 3.0)
    first = house.start("apply", house.planfile, "--json")
    wait_for_posts(house, 2)
    # Every line of the plan is under way now.
    second = house.apply()
    assert (second.code, second.json["outcome"]) == (0, "nothing")
    assert finish(first).code == 0
    assert house.duplicates() == []
