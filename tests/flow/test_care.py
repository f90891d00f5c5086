"""What a person does in the course of a month: interrupts, resumes, resolves, adopts, loses the journal, corrects."""

from __future__ import annotations

import json
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from chargeplan import wiring
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.posting import NotSent
from chargeplan.journal import store
from chargeplan.journal.store import SqlJournal
from chargeplan.propexo.client import Propexo
from chargeplan.sandbox.faults import Fault
from tests.e2e.house import AS_OF, BATCH, SMALL, finish

NO_CHANGES = "No changes. Every charge is posted."
RENT = """\
version: 1
plan: oak-street
integration: resman-main
properties: [oak-street]
on_drift: {on_drift}
charges:
  rent:
    code: Rent
    amount: {{from: lease.rent}}
    who: {{units: ["20[1-4]"]}}
    schedule: {{every: month, day: 1}}
    prorate: actual
"""


def posted(house):
    assert house.apply(file=house.saved()).code == 0
    house.month()
    assert house.run("reconcile", "--as-of", AS_OF).code == 0


# --- interrupts and deadlines --------------------------------------------------------------------------------------


def wait_for_post(house):
    for _ in range(400):
        if house.state.requests("POST"):
            return
        time.sleep(0.02)
    raise AssertionError("no POST came")


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_finishes_the_request_under_way_and_records_it(house, which):
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, delay=1.0))
    running = house.start("apply", house.planfile, "--json")
    wait_for_post(house)
    running.send_signal(which)
    stopped = finish(running)
    assert stopped.code == 130, stopped
    document = json.loads(stopped.out)
    assert [each["state"] for each in document["batches"]] == ["queued"]
    assert len(house.ours()) == 4
    assert len(house.named()) == 4
    again = house.apply()
    assert (again.code, again.json["totals"]["posted"]["count"]) == (0, 12)
    assert house.duplicates() == []


def test_a_second_interrupt_stops_at_once_and_the_batch_is_unknown(house):
    house.saved()
    wanted = house.wanted()
    house.state.add_faults(Fault(method="POST", path=BATCH, delay=3.0))
    running = house.start("apply", house.planfile, "--json")
    wait_for_post(house)
    running.send_signal(signal.SIGINT)
    assert any("once more stops at once" in line for line in running.stderr)
    running.send_signal(signal.SIGINT)
    stopped = finish(running)
    assert stopped.code == 4, stopped
    assert json.loads(stopped.out)["totals"]["unknown"]["count"] == 4
    assert [each["state"] for each in house.status()["unknown"]] == ["unknown"] * 4
    assert house.settle() == NO_CHANGES
    assert sorted(each.reference_number for each in house.ours()) == sorted(wanted)


def test_a_deadline_that_is_over(house):
    house.saved()
    late = house.apply("--deadline", "0")
    assert late.code == 1
    assert "deadline" in late.json["message"]
    assert "othing was posted" in late.json["message"]
    assert house.state.requests("POST") == []
    assert house.apply().code == 0
    assert len(house.ours()) == 12


def test_a_deadline_in_the_middle_leaves_the_rest_for_the_next_run(house):
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, delay=15, skip=1))
    late = house.apply("--deadline", "10")
    assert late.code == 4, late
    assert late.json["totals"]["unknown"]["count"] == 4
    assert len(house.ours()) == 8
    assert "1 lines" not in late.err
    again = house.apply()
    assert (again.code, again.json["totals"]["posted"]["count"]) == (0, 12)
    assert house.duplicates() == []


def test_workers_see_what_was_posted_since_they_planned(house, monkeypatch):
    """Apply looks again under the lock, by the same workers as before it."""
    monkeypatch.setenv("CHARGEPLAN_WORKERS", "2")
    house.saved()
    other = house.saved("--out", house.folder / "other.plan").with_name("other.plan")
    posted = house.process("apply", house.planfile, "--json")
    assert (posted.code, posted.json["totals"]["posted"]["count"]) == (0, 12)
    late = house.process("apply", other, "--json")
    assert late.code == 5, late
    assert house.process("apply", "--auto-approve", "--as-of", AS_OF).code == 0
    assert len(house.ours()) == 12
    house.month()
    planned = house.process("plan", "--as-of", AS_OF)
    assert NO_CHANGES in planned.out
    assert house.duplicates() == []


def test_no_wait_leaves_the_jobs_to_reconcile(house):
    house.state.configure(pending_polls=2)
    house.saved()
    sent = house.apply("--no-wait")
    assert (sent.code, sent.json["totals"]["pending"]["count"]) == (0, 12)
    for _ in range(3):
        house.run("reconcile")
    assert {each["state"] for each in house.status()["overdue"] + house.status()["in_flight"]} == {"accepted"}


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_before_anything_is_sent_stops_at_once(house, which):
    house.saved()
    house.state.add_faults(Fault(method="GET", delay=2.0))
    before = len(house.state.requests("GET"))
    running = house.start("apply", house.planfile, "--json")
    while len(house.state.requests("GET")) == before:
        time.sleep(0.02)
    running.send_signal(which)
    stopped = finish(running)
    assert stopped.code == 130, stopped
    assert json.loads(stopped.out)["code"] == "interrupted"
    assert house.state.requests("POST") == []
    assert house.apply("--lock-timeout", "0").code == 0


# --- what breaks in the middle -------------------------------------------------------------------------------------


def test_where_nobody_can_be_reached_nothing_was_posted(house, monkeypatch):
    house.saved()
    slept = []
    monkeypatch.setattr(wiring.WallClock, "sleep", lambda _, seconds: slept.append(seconds))
    monkeypatch.setattr(wiring.WallClock, "monotonic", lambda _: sum(slept))
    with monkeypatch.context() as patch:
        patch.setattr(Propexo, "post", lambda *_: NotSent("connection refused"))
        result = house.apply()
    assert result.code == 1
    assert "connection refused" in result.json["message"]
    assert 3.0 <= sum(slept) < 3.3
    assert house.named() == set()
    assert house.apply().code == 0
    assert len(house.ours()) == 12


def test_an_answer_that_cannot_be_recorded_is_unknown(house, monkeypatch):
    """The disk fills up after the request: the intent stands, and says what may have been written."""
    house.saved()
    wanted = house.wanted()
    original = SqlJournal.record

    def full(self, batch_id, state, **more):
        if state == "queued":
            raise ChargeplanError("The journal can't be written: disk full.", code="journal_unwritable")
        return original(self, batch_id, state, **more)

    with monkeypatch.context() as patch:
        patch.setattr(SqlJournal, "record", full)
        result = house.apply()
    assert result.code == 4, result
    assert result.json["totals"]["unknown"]["count"] == 4
    assert "disk full" in result.err
    assert house.settle() == NO_CHANGES
    assert sorted(each.reference_number for each in house.ours()) == sorted(wanted)


def test_the_write_log_is_read_back_to_the_request_not_to_the_day_somebody_looked(house, monkeypatch):
    house.saved()
    killed = house.process("apply", house.planfile, kill="after-post")
    assert killed.code == -signal.SIGKILL
    later = datetime.now(UTC) + timedelta(days=3)
    said = later.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    monkeypatch.setattr(wiring.WallClock, "now", lambda _: said)
    monkeypatch.setattr(store, "utc_now", lambda: later)
    before = len(house.state.requests("GET"))
    assert house.run("reconcile").code == 0
    queries = [
        each["query"] for each in house.state.requests("GET")[before:] if "logs/writes" in each["path"]
    ]
    assert ["time_range=week" in each for each in queries] == [True]
    assert len(house.status()["unknown"]) == 0


# --- a person's word -----------------------------------------------------------------------------------------------


def test_not_posted_lets_the_next_plan_create_it_again(house):
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, drop="before"))
    assert house.apply().code == 4
    unknown = sorted(each["reference_number"] for each in house.status()["unknown"])
    assert len(unknown) == 4
    assert house.plan("--json").json["totals"]["unknown"]["count"] == 4
    assert house.run("resolve", *unknown, "--not-posted", "--reason", "looked").code == 0
    planned = house.plan("--json", "--out", house.planfile).json
    assert (
        sorted(each["reference_number"] for each in planned["changes"] if each["action"] == "create")
        == unknown
    )
    assert house.apply().code == 0
    assert len(house.ours()) == 12
    assert "looked" in house.run("history", "--json").out


def test_apply_and_resolve_in_one_pipeline_name_the_same_person(house, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTOR", "kim")
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, drop="before"))
    house.apply()
    unknown = [each["reference_number"] for each in house.status()["unknown"]]
    house.run("resolve", *unknown, "--not-posted", "--reason", "looked")
    actors = {event["kind"]: event["actor"] for event in house.run("history", "--json").json["events"]}
    assert (actors["consumed"], actors["settled"]) == ("kim", "kim")


def test_posted_is_an_end_until_it_is_seen(house):
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, drop="after", log="hidden"))
    assert house.apply().code == 4
    unknown = [each["reference_number"] for each in house.status()["unknown"]]
    assert house.run("resolve", *unknown, "--posted", "--reason", "seen in ResMan").code == 0
    assert "create" not in house.plan("--json").json["totals"]
    again = house.run("resolve", unknown[0], "--posted", "--reason", "twice", "--json")
    assert again.code == 1
    assert again.json["kind"] == "error"
    assert house.settle() == NO_CHANGES
    assert house.duplicates() == []


def test_a_resolution_that_was_wrong_shows_on_the_ledger_and_is_not_hidden(house):
    """A person said *not posted*, and it was: the next plan sees the charge before it would create another."""
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, drop="after", log="hidden"))
    assert house.apply().code == 4
    unknown = [each["reference_number"] for each in house.status()["unknown"]]
    house.run("resolve", *unknown, "--not-posted", "--reason", "did not look")
    house.month()
    assert house.plan().last == NO_CHANGES


def test_nobody_resolves_what_is_under_way(house):
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, delay=2.0))
    running = house.start("apply", house.planfile)
    wait_for_post(house)
    under_way = sorted(house.named())
    assert len(under_way) == 4
    early = house.run("resolve", *under_way, "--not-posted", "--reason", "impatient", "--json")
    assert early.code == 7, early
    assert finish(running).code == 0
    assert house.duplicates() == []
    blank = house.run("resolve", *under_way, "--posted", "--reason", " ", "--json")
    assert (blank.code, blank.json["code"]) == (1, "usage")


def test_what_a_killed_run_intended_can_be_resolved_at_once(house):
    house.saved()
    assert house.process("apply", house.planfile, kill="after-intent").code == -signal.SIGKILL
    intended = sorted(house.named())
    assert house.run("resolve", *intended, "--not-posted", "--reason", "it was killed").code == 0
    assert house.apply().code == 0
    assert len(house.ours()) == 12
    assert house.duplicates() == []


def test_what_waits_since_the_lookback_keeps_nothing_else_waiting(house):
    """Without references: charges near the first day that is read still settle their lines, and later ones theirs."""
    house.state.configure(keeps_references=False)
    for month, day in (("2027-06", "2027-06-01"), ("2027-07", "2027-07-01"), ("2027-08", AS_OF)):
        assert house.run("apply", "--auto-approve", "--as-of", day, "--period", month).code == 0
    for entry in house.ours():
        if not str(entry.transaction_date).startswith("2027-06"):
            house.state.approve(entry_id=entry.id)
    house.state.sync()
    for file in (house.folder / ".chargeplan").glob("snapshot*"):
        file.unlink()
    assert house.plan().code == 0
    status = house.status()
    waiting = [*status["in_flight"], *status["overdue"]]
    assert {each["transaction_date"] for each in waiting} == {"2027-06-01"}


@pytest.mark.parametrize("back", ["0 days", "7 days", "2 months"])
def test_adopt_whatever_may_be_corrected(house, back):
    house.config(f"correct_back: {back}\n")
    change = house.document()["changes"][0]
    entry = house.state.office.enter(
        resident_id=change["resident_id"], charge_code_id=change["charge_code_id"], amount_in_cents=2500,
        transaction_date="2027-08-04", synced=True,
    )  # fmt: skip
    reference = change["reference_number"]
    assert house.run("adopt", entry.id, "--as", reference, "--reason", "x", "--as-of", AS_OF).code == 0
    assert reference in {each["reference_number"] for each in house.document()["changes"]}
    assert "hold" not in house.plan("--json").json["totals"]


def test_an_explanation_tells_the_plans_errors_line_by_line(house):
    house.write((house.plans / "oak.yaml").read_text().replace("Amenity Fee", "Amenities"))
    told = house.run("explain", "--unit", "201", "--as-of", AS_OF)
    assert "Amenities" in told.err
    assert r"\x0a" not in told.err
    assert len(told.err.splitlines()) > 2


def test_adopt(house):
    change = house.document()["changes"][2]
    entry = house.state.office.enter(
        resident_id=change["resident_id"], charge_code_id=change["charge_code_id"], amount_in_cents=2500,
        transaction_date="2027-08-04", synced=True,
    )  # fmt: skip
    held = [each for each in house.document()["changes"] if each["action"] == "hold"]
    assert [(each["reason"], each["reference_number"]) for each in held] == [
        ("probable_duplicate", change["reference_number"])
    ]
    assert held[0]["synced"]["id"] == entry.id
    wrong = house.run(
        "adopt", "nope", "--as", change["reference_number"], "--reason", "x", "--as-of", AS_OF, "--json"
    )
    assert wrong.code == 1
    words = (
        "adopt",
        entry.id,
        "--as",
        change["reference_number"],
        "--reason",
        "the office billed it",
        "--as-of",
        AS_OF,
    )
    assert house.run(*words).code == 0
    assert "hold" not in house.plan("--json").json["totals"]
    posted(house)
    assert house.plan().last == NO_CHANGES
    assert len(house.ours()) == 11


# --- the journal ---------------------------------------------------------------------------------------------------


def test_without_a_journal_every_command_names_both_ways_on(house):
    house.saved()
    (house.folder / ".chargeplan" / "x.db").unlink()
    for words in (
        ("plan",),
        ("apply", house.planfile),
        ("status",),
        ("reconcile",),
        ("history",),
        ("journal", "verify"),
    ):
        result = house.run(*words, "--json")
        assert result.code == 1, (words, result)
        said = result.json["message"] + result.json["hint"]
        assert "journal init" in said
        assert "journal rebuild" in said
    assert house.ours() == []


def lose_the_journal(house):
    for file in (house.folder / ".chargeplan").glob("x.db*"):
        file.unlink()


def test_a_lost_journal_is_rebuilt_from_what_was_seen(house):
    posted(house)
    lose_the_journal(house)
    assert house.run("journal", "init").code == 0
    planned = house.plan("--json")
    assert planned.json["totals"]["unchanged"]["count"] == 12
    assert "create" not in planned.json["totals"]
    assert "journal rebuild" in json.dumps(planned.json["diagnostics"])
    house.write(
        SMALL
        + "  more:\n    code: Storage\n    amount: 1.00\n    who: {units: ['201']}\n    schedule: {every: month, day: 1}\n"
    )
    refused = house.apply(file=house.saved())
    assert refused.code in (1, 5), refused
    assert "journal rebuild" in refused.out
    assert len(house.ours()) == 12
    assert house.run("journal", "rebuild", "--as-of", AS_OF).code == 0
    assert house.apply(file=house.saved()).code == 0
    assert len(house.ours()) == 13
    house.month()
    assert house.settle() == NO_CHANGES
    assert house.duplicates() == []


def test_a_lost_journal_is_rebuilt_from_the_write_log_before_anything_was_seen(house):
    house.saved()
    assert house.apply().code == 0
    lose_the_journal(house)
    assert house.run("journal", "rebuild", "--as-of", AS_OF).code == 0
    assert house.plan("--json").json["totals"]["in_flight"]["count"] == 12
    assert house.apply(file=house.saved()).code == 0
    house.month()
    assert house.settle() == NO_CHANGES
    assert house.duplicates() == []


# --- corrections ---------------------------------------------------------------------------------------------------


def move_out(house):
    house.state.alter(
        "leases", "lease-203", realized_move_out_date="2027-08-10", scheduled_move_out_date="2027-08-10"
    )
    house.state.sync()


@pytest.mark.parametrize("settled", [True, False], ids=["seen", "in flight"])
def test_a_move_out_after_posting_is_corrected(house, settled):
    house.write(RENT.format(on_drift="adjust"))
    house.saved()
    assert house.apply().code == 0
    if settled:
        house.month()
        house.run("reconcile")
    rent = next(each.amount_in_cents for each in house.ours() if each.unit_id == "unit-203")
    move_out(house)
    planned = house.plan("--json", "--out", house.planfile)
    changes = [each for each in planned.json["changes"] if each["action"] not in {"in_flight", "unchanged"}]
    # A negative line, and the integration holds credits until its operator says otherwise.
    assert [(each["action"], each["reason"]) for each in changes] == [("hold", "credit_not_allowed")]
    text = (house.folder / "chargeplan.yaml").read_text()
    (house.folder / "chargeplan.yaml").write_text(
        text.replace("vendor: RESMAN", "vendor: RESMAN\n    credits: post")
    )
    planned = house.plan("--json", "--out", house.planfile)
    changes = [each for each in planned.json["changes"] if each["action"] == "correct"]
    due = int(rent * 10 / 31 + 0.5)
    assert [(each["amount_in_cents"], each["transaction_date"]) for each in changes] == [
        (due - rent, "2027-08-10")
    ]
    assert changes[0]["description"].startswith("Adj: ")
    assert house.apply().code == 0
    house.month()
    assert house.settle() == NO_CHANGES
    assert sum(each.amount_in_cents for each in house.ours() if each.unit_id == "unit-203") == due
    assert house.duplicates() == []


def test_a_move_out_after_posting_is_reported(house):
    house.write(RENT.format(on_drift="report"))
    posted(house)
    move_out(house)
    planned = house.plan("--json", "--out", house.planfile)
    drift = [each for each in planned.json["changes"] if each["action"] == "drift"]
    assert [(each["reason"], each["unit_number"]) for each in drift] == [("moved_out", "203")]
    before = len(house.ours())
    assert house.apply().code == 0
    assert len(house.ours()) == before


def test_a_charge_that_was_taken_off_the_ledger_is_reported_and_never_made_again(house):
    posted(house)
    gone = house.ours()[0]
    house.state.office.void(entry_id=gone.id)
    house.state.sync()
    planned = house.plan("--json", "--full-refresh")
    assert planned.json["totals"]["removed_upstream"]["count"] == 1
    assert "create" not in planned.json["totals"]
    assert [each["reference_number"] for each in house.status()["removed_upstream"]] == [
        gone.reference_number
    ]
