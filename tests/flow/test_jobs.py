"""What became of write jobs: many are told by one look at the write log, few are asked one by one."""

from __future__ import annotations

import pytest

from chargeplan.flow.jobs import FEW
from chargeplan.sandbox.faults import Fault
from tests.e2e.house import BATCH
from tests.e2e.town import build

JOBS = 12


@pytest.fixture
def towns(house):
    """Twelve jobs: six properties with two batches of four lines."""
    ids = build(house, 6)
    house.saved()
    return ids


def asked(house, since=None):
    """How often the log was read, and jobs were asked, once the first batch was posted, or after ``since`` requests."""
    requests = house.state.requests()
    if since is None:
        since = next(number for number, each in enumerate(requests) if each["method"] == "POST")
    paths = [each["path"] for each in requests[since:]]
    return sum("logs/writes" in each for each in paths), sum("write-status" in each for each in paths)


def counts(applied):
    return {name: each["count"] for name, each in applied.json["totals"].items() if each["count"]}


def test_one_look_at_the_log_tells_all_jobs(house, towns):
    applied = house.apply()
    assert (applied.code, counts(applied)) == (0, {"posted": 48})
    assert asked(house) == (1, 0)


def test_few_jobs_are_asked(house):
    build(house, 1)
    house.saved()
    applied = house.apply()
    assert (applied.code, counts(applied)) == (0, {"posted": 8})
    assert asked(house) == (0, 2)


def test_while_many_are_pending_the_log_is_read_again(house, towns):
    house.state.configure(pending_polls=2)
    applied = house.apply()
    assert (applied.code, counts(applied)) == (0, {"posted": 48})
    # The first time it had nothing to tell, so the oldest few were asked as well; then it had them, then the others.
    assert asked(house) == (3, FEW)


def test_a_partial_success_is_a_failure_in_the_log_and_the_job_itself_is_asked(house, towns):
    house.state.add_faults(
        Fault(
            method="POST", path=BATCH, skip=1, job="PARTIAL_SUCCESS", errors=["Unauthorized"], written=[1, 3]
        )
    )
    applied = house.apply()
    assert (applied.code, counts(applied)) == (4, {"posted": 44, "unknown": 4})
    assert asked(house) == (1, 1)
    errors = [each["errors"] for each in applied.json["batches"] if each["state"] == "unknown"]
    assert errors == [["the job ended PARTIAL_SUCCESS: Unauthorized"]]


def test_a_failure_with_a_known_reason_is_refused(house, towns):
    house.state.add_faults(
        Fault(method="POST", path=BATCH, skip=1, job="FAILURE", errors=["Invalid credentials"])
    )
    applied = house.apply()
    assert (applied.code, counts(applied)) == (3, {"posted": 44, "refused": 4})
    assert asked(house) == (1, 1)


def test_where_the_log_may_not_be_read_each_job_is_asked(house, towns):
    # Before it posts, apply reads the log as well; that reading goes through.
    house.state.add_faults(Fault(method="GET", path="*/logs/writes", skip=1, status=403, work=False))
    applied = house.apply()
    assert (applied.code, counts(applied)) == (0, {"posted": 48})
    assert asked(house) == (1, JOBS)


def test_jobs_whose_entries_never_appear_are_asked_in_the_end(house, towns):
    house.state.add_faults(Fault(method="POST", path=BATCH, log="hidden", times=JOBS))
    applied = house.apply()
    assert (applied.code, counts(applied)) == (0, {"posted": 48})
    assert asked(house)[1] == JOBS


def test_what_no_wait_left_is_told_to_reconcile_by_one_look(house, towns):
    # The one look finds nothing, and the oldest few are asked, of four lines each.
    house.state.configure(pending_polls=1)
    assert counts(house.apply("--no-wait")) == {"posted": 4 * FEW, "pending": 48 - 4 * FEW}
    before = len(house.state.requests())
    assert house.run("reconcile").code in (0, 4)
    logs, jobs = asked(house, before)
    assert (logs, jobs) == (1, 0)
    status = house.status()
    assert {each["state"] for each in status["overdue"] + status["in_flight"]} == {"accepted"}
