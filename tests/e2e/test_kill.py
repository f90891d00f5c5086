"""`kill -9` of a real process between every two steps of apply; then a person's ordinary month, until it is settled."""

from __future__ import annotations

import signal

import pytest

from chargeplan.sandbox.faults import Fault
from tests.e2e.house import BATCH, ONE_TOO_LONG
from tests.e2e.shim import STEPS

# What `status` may still name at the end: a batch that was recorded and never arrived can't be told from one that did.
OPEN_AT_THE_END = {"after-intent": 4, "between-refusals": 1}
CASES = [*STEPS, *(f"{step}:2" for step in ("after-intent", "during-post", "after-post", "after-queued"))]


@pytest.mark.parametrize("step", CASES)
def test_a_killed_run_bills_nobody_twice_and_loses_nothing(house, step, record_property):
    name = step.partition(":")[0]
    if name == "between-refusals":
        house.write(ONE_TOO_LONG)
    house.saved()
    wanted = house.wanted()
    if name == "during-post":
        house.state.add_faults(Fault(method="POST", path=BATCH, skip=int(step[-1] == "2"), delay=1.5))
    if name == "between-refusals":
        house.state.configure(max_length={"description": 50})
    killed = house.process("apply", house.planfile, "--json", kill=step)
    assert killed.code == -signal.SIGKILL, killed
    sent = len(house.ours())
    house.state.configure(max_length={})

    last = house.settle()
    named, duplicates, lost = house.named(), house.duplicates(), house.lost(wanted)
    record_property(
        "row", f"{step:20} sent {sent:2}  named {len(named)}  duplicates {len(duplicates)}  lost {len(lost)}"
    )
    print(f"\n{step:20} sent before {sent:2}, at the end {len(house.ours()):2}, named {len(named)}, {last}")
    assert duplicates == []
    assert lost == set()
    assert len(named) == OPEN_AT_THE_END.get(name, 0)

    if named:
        # A person looks at the ledger, finds nothing, and says so: the next run posts them.
        assert not named & {each.reference_number for each in house.ours()}
        assert (
            house.run("resolve", *sorted(named), "--not-posted", "--reason", "looked at the ledger").code == 0
        )
        house.settle()
        assert house.duplicates() == []
        assert {each.reference_number for each in house.ours()} == set(wanted)
    assert house.run("journal", "verify").code == 0


def test_the_killed_runs_plan_file_goes_on_where_it_was(house):
    house.saved()
    wanted = house.wanted()
    assert house.process("apply", house.planfile, kill="after-queued").code == -signal.SIGKILL
    assert len(house.ours()) == 4
    again = house.apply()
    assert again.code == 0, again
    assert again.json["totals"]["posted"]["count"] == 12
    assert sorted(each.reference_number for each in house.ours()) == sorted(wanted)


def test_the_killed_runs_lock_is_broken_at_once(house):
    house.saved()
    assert house.process("apply", house.planfile, kill="after-intent").code == -signal.SIGKILL
    again = house.apply("--lock-timeout", "0")
    assert again.code == 4, again
    assert again.json["totals"]["unknown"]["count"] == 4
    assert again.json["totals"]["posted"]["count"] == 8
    assert house.duplicates() == []
