"""Several apply processes at once on one journal: with one plan file, and each with a plan of its own."""

from __future__ import annotations

import json

import pytest

from chargeplan.sandbox.faults import Fault
from tests.e2e.house import AS_OF, BATCH, finish


def together(house, count, words):
    house.state.add_faults(Fault(method="POST", path=BATCH, delay=0.3, times=6))
    running = [house.start(*words) for _ in range(count)]
    return [finish(each) for each in running]


@pytest.mark.parametrize("count", [2, 4])
def test_one_plan_file(house, count):
    house.saved()
    wanted = house.wanted()
    results = together(house, count, ("apply", house.planfile, "--json"))
    assert {each.code for each in results} == {0}, results
    outcomes = sorted(json.loads(each.out)["outcome"] for each in results)
    assert outcomes == ["complete", *["nothing"] * (count - 1)]
    assert sorted(each.reference_number for each in house.ours()) == sorted(wanted)
    assert house.duplicates() == []
    assert house.run("journal", "verify").code == 0


@pytest.mark.parametrize("count", [2, 4])
def test_fresh_plans(house, count):
    wanted = house.wanted()
    words = ("apply", "--auto-approve", "--as-of", AS_OF, "--period", "2027-08", "--json")
    results = together(house, count, words)
    # The first posts; the others find that their plan is stale, or that there is nothing to do.
    assert {each.code for each in results} <= {0, 5}, results
    assert 0 in {each.code for each in results}
    assert sorted(each.reference_number for each in house.ours()) == sorted(wanted)
    assert house.duplicates() == []


def test_impatient_runs_do_not_wait(house):
    house.saved()
    results = together(house, 2, ("apply", house.planfile, "--json", "--lock-timeout", "0"))
    assert {each.code for each in results} <= {0, 7}, results
    assert house.duplicates() == []
    assert len(house.ours()) == 12


def test_readers_beside_a_writer(house):
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, delay=0.3, times=3))
    writer = house.start("apply", house.planfile, "--json")
    readers = [house.start("reconcile", "--as-of", AS_OF), house.start("plan", "--as-of", AS_OF)]
    assert finish(writer).code == 0
    assert all(finish(each).code in (0, 4) for each in readers)
    assert house.duplicates() == []
    house.month()
    assert house.settle() == "No changes. Every charge is posted."
