"""What three syncs did not show was not posted, where a person said so: over HTTP, from the lost request to the second try."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chargeplan.sandbox.faults import Fault
from tests.e2e.house import AS_OF
from tests.systems.estate import POSTABLE
from tests.systems.histories import POST
from tests.systems.test_month import NOTHING

# Where a charge may lie unseen, the configuration refuses the word.
NEVER = {"ENTRATA", "REALPAGE_RPX"}
TWO_HOURS = 7200.0


@pytest.fixture
def estate(estate):
    """On the day that the charges are dated or later: a sync before it can't have seen them."""
    clock = estate.state.clock
    clock.advance((datetime(2027, 8, 2, 10, tzinfo=UTC) - clock.now()).total_seconds())
    return estate


@pytest.mark.parametrize("estate", [name for name in POSTABLE if name not in NEVER], indirect=True)
def test_what_three_syncs_an_hour_apart_do_not_show_is_posted_again(estate):
    estate.config(keys={"absence": "proves"})
    estate.saved()
    wanted = estate.wanted()
    estate.state.add_faults(Fault(**POST, drop="before"))
    assert estate.apply("--no-wait").code == 4
    unknown = len(estate.status()["unknown"])
    assert unknown > 0
    for _ in range(2):
        estate.month()
        assert estate.run("reconcile", "--as-of", AS_OF).code == 4
        assert len(estate.status()["unknown"]) == unknown
        estate.state.clock.advance(TWO_HOURS)
    estate.month()
    assert "three syncs an hour" in estate.run("reconcile", "--as-of", AS_OF).out
    assert estate.status()["unknown"] == []
    assert estate.settle() == NOTHING
    assert estate.duplicates() == []
    assert estate.lost(wanted) == set()


@pytest.mark.parametrize("estate", ["BUILDIUM"], indirect=True)
def test_what_was_written_after_all_is_never_taken_for_absent(estate):
    """The answer is lost and the reference too: a charge of the same people, code and day may be it."""
    estate.behave(keeps_references=False, keeps_descriptions=False, log_parameters="none")
    estate.config(keys={"absence": "proves"})
    estate.saved()
    estate.state.add_faults(Fault(**POST, drop="after"))
    assert estate.apply("--no-wait").code == 4
    for _ in range(4):
        estate.month()
        assert estate.run("reconcile", "--as-of", AS_OF).code in (0, 4)
        estate.state.clock.advance(TWO_HOURS)
    estate.settle()
    assert estate.duplicates() == []
