"""A month through every property system: planned, posted, synced, and then nothing is left to do."""

from __future__ import annotations

import pytest

NOTHING = "No changes. Every charge is posted."


def test_a_month_is_posted_once_and_then_nothing_changes(estate):
    estate.saved()
    wanted = estate.wanted()
    assert wanted
    assert estate.apply().json["totals"]["posted"]["count"] == len(wanted)
    assert estate.settle() == NOTHING
    assert estate.duplicates() == []
    assert [each.amount_in_cents for each in estate.ours()] == list(wanted.values())


def test_doctor_says_how_the_integration_is_posted_and_what_came_back(estate):
    estate.saved()
    estate.apply()
    estate.settle()
    found = estate.run("doctor", "--json").json
    (entry,) = found["integrations"]
    assert (entry["vendor"], entry["postable"], entry["reason"]) == (estate.name, True, None)
    assert entry["send"] == ("batch" if estate.name in {"RENTMANAGER", "YARDI"} else "single")
    assert entry["record_id"] is (
        estate.name in {"PROPERTYWARE_REST", "APPFOLIO", "RENTVINE", "PROPERTYWARE"}
    )
    assert entry["references_back"] == {"seen": 8, "came_back": 8}


@pytest.mark.parametrize("name", ["MRI", "REALPAGE"])
@pytest.mark.parametrize("estate", ["YARDI"], indirect=True)
def test_a_system_that_can_not_be_written_to_is_refused_by_name(estate, name):
    config = estate.folder / "chargeplan.yaml"
    config.write_text(config.read_text().replace(f"vendor: {estate.name}", f"vendor: {name}"))
    requests = len(estate.state.requests())
    refused = estate.plan("--json")
    assert (refused.code, refused.json["code"]) == (1, "vendor_not_postable")
    assert name in refused.json["message"]
    assert len(estate.state.requests()) == requests
