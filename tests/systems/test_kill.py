"""`kill -9` between every two steps of apply, of a system that is posted to in batches and of one that is posted to one by one.

`CHARGEPLAN_SYSTEMS=all` takes every system.
"""

from __future__ import annotations

import os
import signal

import pytest

from chargeplan.propexo.vendors import vendor
from tests.e2e.house import AS_OF, reference_of
from tests.e2e.shim import STEPS
from tests.systems.estate import POSTABLE
from tests.systems.test_month import NOTHING

# A refusal in a batch is one of ResMan's own tests; a delayed request needs a fault of its own there.
BATCHES = [step for step in STEPS if step not in {"between-refusals", "during-post"}]
# Of many jobs the write log is read, so that none is asked by itself.
SINGLES = [step for step in BATCHES if not step.endswith("-poll")]
SYSTEMS = POSTABLE if os.environ.get("CHARGEPLAN_SYSTEMS") == "all" else ["YARDI", "RENTVINE"]
CASES = [(name, step) for name in SYSTEMS for step in (BATCHES if vendor(name).sends == "batch" else SINGLES)]


@pytest.mark.parametrize(("estate", "step"), CASES, indirect=["estate"])
def test_a_killed_run_bills_nobody_twice_and_loses_nothing(estate, step):
    estate.saved()
    wanted = estate.wanted()
    killed = estate.process("apply", estate.planfile, "--json", kill=step)
    assert killed.code == -signal.SIGKILL, killed
    estate.settle()
    assert estate.duplicates() == []
    assert estate.lost(wanted) == set()
    if named := estate.named():
        assert not named & {reference_of(each) for each in estate.ours()}
        word = estate.run("resolve", *sorted(named), "--not-posted", "--reason", "looked", "--as-of", AS_OF)
        assert word.code == 0, word
    assert estate.settle() == NOTHING
    assert estate.duplicates() == []
    assert {reference_of(each) for each in estate.ours()} == set(wanted)
    assert estate.run("journal", "verify").code == 0
