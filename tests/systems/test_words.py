"""Another journal's requests, a person's word, and the ways of sending that the configuration chooses, for every system."""

from __future__ import annotations

import pytest

from chargeplan.propexo.vendors import vendor
from chargeplan.sandbox.faults import Fault
from tests.e2e.house import AS_OF
from tests.systems.estate import POSTABLE
from tests.systems.histories import POST
from tests.systems.test_month import NOTHING

TWO_WAYS = [name for name in POSTABLE if vendor(name).batch and vendor(name).single]


def test_requests_of_a_journal_that_is_gone_are_found_before_anything_is_sent(estate):
    """The write log has our references, and no batch here knows them."""
    estate.saved()
    wanted = estate.wanted()
    assert estate.apply("--no-wait").code == 0
    (estate.folder / ".chargeplan" / "x.db").unlink()
    assert estate.run("journal", "init").code == 0
    estate.saved()
    refused = estate.apply("--no-wait")
    assert (refused.code, refused.json["code"]) == (1, "journal_unrecorded")
    assert estate.run("journal", "rebuild").code == 0
    assert estate.settle() == NOTHING
    assert estate.duplicates() == []
    assert len(estate.ours()) == len(wanted)


def test_what_a_person_says_was_not_posted_is_posted_again(estate):
    estate.saved()
    wanted = estate.wanted()
    estate.state.add_faults(Fault(**POST, drop="before"))
    assert estate.apply("--no-wait").code == 4
    unknown = {each["reference_number"] for each in estate.status()["unknown"]}
    said = estate.run("resolve", *sorted(unknown), "--not-posted", "--reason", "looked", "--as-of", AS_OF)
    assert said.code == 0, said
    estate.saved()
    assert estate.apply("--no-wait").code == 0
    assert estate.settle() == NOTHING
    assert estate.duplicates() == []
    assert len(estate.ours()) == len(wanted)


@pytest.mark.parametrize("estate", TWO_WAYS, indirect=True)
@pytest.mark.parametrize("send", ["single", "batch"])
def test_where_there_are_two_ways_the_configuration_chooses(estate, send):
    estate.config(keys={"send": send})
    estate.saved()
    assert estate.apply("--no-wait").code == 0
    sent = [each["path"] for each in estate.state.requests("POST")]
    assert {"/batch/" in path for path in sent} == {send == "batch"}
    assert estate.settle() == NOTHING
    assert estate.duplicates() == []


@pytest.mark.parametrize("where", ["none", "description", "both"])
def test_the_reference_travels_where_it_may_and_a_lost_answer_is_never_sent_twice(estate, where):
    estate.config(keys={"reference_in": where})
    planned = estate.plan("--out", estate.planfile)
    if planned.code == 1:
        assert "reference_in" in planned.err
        return
    wanted = estate.wanted()
    estate.state.add_faults(Fault(**POST, drop="after"))
    assert estate.apply("--no-wait").code == 4
    estate.settle()
    entries = [(each.resident_id, each.lease_id, each.transaction_date) for each in estate.ours()]
    assert len(set(entries)) == len(entries) == len(wanted)
