"""Every row of the table of design.md, *Posting, step by step*: what happened, what follows, and that it settles."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from chargeplan.sandbox.faults import Fault
from tests.e2e.house import BATCH, ONE_TOO_LONG


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong with the second of three batches of four lines."""

    name: str
    fault: dict
    code: int
    totals: dict = field(default_factory=dict)
    named: int = 0  # lines that only a person can settle
    options: tuple = ()

    def __str__(self):
        return self.name


LOST = {"posted": 8, "unknown": 4}
TIMEOUT = ["The system did not answer in time."]
CASES = [
    Case("drop before", {"drop": "before"}, 4, LOST, named=4),
    Case("drop during", {"drop": "during"}, 4, LOST),
    Case("drop after", {"drop": "after"}, 4, LOST),
    Case("drop after, log hidden", {"drop": "after", "log": "hidden"}, 4, LOST),
    Case("drop after, log late", {"drop": "after", "log": "late"}, 4, LOST),
    *(Case(f"{s} with work", {"status": s}, 4, LOST) for s in (500, 502, 504)),
    *(Case(f"{s} without work", {"status": s, "work": False}, 4, LOST, named=4) for s in (500, 502, 504)),
    *(Case(f"200 {body}", {"body": body}, 4, LOST) for body in ("malformed", "empty", "truncated", "html", "shapeless")),
    Case("400 without paths", {"status": 400, "work": False}, 0, {"posted": 12}),
    *(Case(f"{s} stops", {"status": s, "work": False}, 3, {"posted": 4, "refused": 4, "unsent": 4}) for s in (401, 403, 404, 405, 409, 422)),
    Case("413 once", {"status": 413, "work": False}, 0, {"posted": 12}),
    Case("429", {"status": 429, "work": False, "retry_after": 1}, 0, {"posted": 12}),
    Case("job FAILURE, applied", {"job": "FAILURE", "errors": TIMEOUT, "written": 99}, 4, LOST),
    Case("job FAILURE, not applied", {"job": "FAILURE", "errors": TIMEOUT}, 4, LOST, named=4),
    Case("job FAILURE, known reason", {"job": "FAILURE", "errors": ["Invalid credentials"]}, 3, {"posted": 8, "refused": 4}),
    Case("job FAILURE, no reason", {"job": "FAILURE", "written": 2}, 4, LOST, named=2),
    Case("job PARTIAL", {"job": "PARTIAL_SUCCESS", "errors": ["Some were not imported."], "written": 1}, 4, LOST, named=3),
    Case("job PARTIAL, harmless words", {"job": "PARTIAL_SUCCESS", "errors": ["Unauthorized"], "written": [1, 3]}, 4, LOST, named=2),
    Case("job PARTIAL lost, harmless words", {"drop": "after", "job": "PARTIAL_SUCCESS", "errors": ["Unauthorized"], "written": [0]}, 4, LOST, named=3),
    Case("job FAILURE lost, harmless", {"drop": "after", "job": "FAILURE", "errors": ["Unauthorized"]}, 4, LOST),
    Case("job PENDING for ever", {"job": "PENDING"}, 4, {"posted": 8, "pending": 4}, options=("--deadline", "1")),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_follows(house, case):
    house.saved()
    wanted = house.wanted()
    house.state.add_faults(Fault(method="POST", path=BATCH, skip=1, **case.fault))
    applied = house.apply(*case.options)
    assert house.state.waiting_faults() == []
    totals = {name: each["count"] for name, each in applied.json["totals"].items() if each["count"]}
    assert (applied.code, totals) == (case.code, case.totals)
    assert house.lost(wanted) <= _free(house, wanted)

    house.settle()
    assert house.duplicates() == []
    assert house.lost(wanted) == set()
    assert len(house.named()) == case.named
    if case.named:
        missing = set(wanted) - {each.reference_number for each in house.ours()}
        assert missing == house.named()
        assert (
            house.run("resolve", *sorted(missing), "--not-posted", "--reason", "looked at the ledger").code
            == 0
        )
    assert house.settle() == "No changes. Every charge is posted."
    assert sorted(each.reference_number for each in house.ours()) == sorted(wanted)


def _free(house, wanted):
    """Lines that the next plan would create: never sent, or certainly refused."""
    changes = house.plan("--json").json["changes"]
    return {each["reference_number"] for each in changes if each["action"] == "create"} & set(wanted)


def test_a_bad_item_is_refused_and_the_rest_goes_through_in_the_same_run(house):
    house.write(ONE_TOO_LONG)
    house.saved()
    wanted = house.wanted()
    house.state.configure(max_length={"description": 50})
    applied = house.apply()
    assert applied.code == 3
    assert applied.json["outcome"] == "incomplete"
    assert applied.json["totals"]["refused"]["count"] == 1
    assert applied.json["totals"]["posted"]["count"] == 11
    bad = set(wanted) - {each.reference_number for each in house.ours()}
    change = next(each for each in house.document()["changes"] if each["reference_number"] in bad)
    assert (len(bad), change["action"], change["unit_number"]) == (1, "create", "206")
    assert "description" in change["detail"], "the plan shows why it was refused"
    house.state.configure(max_length={})
    assert house.settle() == "No changes. Every charge is posted."
    assert sorted(each.reference_number for each in house.ours()) == sorted(wanted)


def test_batches_are_halved_until_the_system_takes_them(house):
    house.saved()
    house.state.configure(max_charges=1)
    applied = house.apply()
    assert applied.code == 0, applied
    assert len(house.ours()) == 12
    assert house.duplicates() == []


def test_nobody_listens(house):
    house.saved()
    house.state.add_faults(Fault(method="GET", drop="before", times=100))
    applied = house.apply()
    assert applied.code == 1
    assert applied.json["kind"] == "error"
    assert house.ours() == []


def test_a_reader_that_stumbles_reads_again(house):
    for path, fault in (
        ("*/resident-charges", {"drop": "before"}),
        ("*/leases", {"drop": "during"}),
        ("*/units", {"status": 502, "work": False}),
        ("*/residents", {"body": "malformed"}),
        ("*/charge-codes", {"status": 429, "work": False, "retry_after": 1}),
    ):
        house.state.add_faults(Fault(method="GET", path=path, **fault))
    planned = house.plan("--json")
    assert house.state.waiting_faults() == []
    assert planned.code == 0
    assert planned.json["totals"]["create"]["count"] == 12


def test_jobs_that_cannot_be_asked_are_pending_and_not_an_error(house):
    house.saved()
    house.state.add_faults(Fault(method="GET", path="*/write-status/*", status=403, work=False, times=99))
    applied = house.apply()
    assert applied.code == 4, applied
    assert applied.json["outcome"] == "unknown"
    assert applied.json["totals"]["pending"]["count"] == 12
    house.state.clear_faults()
    assert house.settle() == "No changes. Every charge is posted."
    assert len(house.ours()) == 12


@pytest.mark.parametrize("keeps", [True, False], ids=["references kept", "references lost"])
def test_an_operator_who_redates_and_a_system_that_forgets_references(house, keeps):
    house.config(date_tolerance=3)
    house.state.configure(keeps_references=keeps)
    house.saved()
    assert house.apply().code == 0
    house.state.approve(posting_date="2027-08-03")
    house.state.sync()
    assert house.settle() == "No changes. Every charge is posted."
    assert len(house.ours()) == 12


def test_a_lost_answer_where_references_are_forgotten_is_never_sent_again(house):
    house.state.configure(keeps_references=False)
    house.saved()
    wanted = house.wanted()
    house.state.add_faults(Fault(method="POST", path=BATCH, drop="after", log="hidden"))
    assert house.apply().code == 4
    house.settle()
    assert house.duplicates() == []
    assert len(house.ours()) == len(wanted)
    house.state.jobs.show_logs()
    assert house.settle() == "No changes. Every charge is posted."
    assert len(house.ours()) == len(wanted)
