"""A plan of two integrations on two systems plans, shows and applies as one."""

from __future__ import annotations

import pytest

from tests.systems.estate import PLAN
from tests.systems.test_month import NOTHING


@pytest.mark.parametrize("estate", ["YARDI"], indirect=True)
def test_two_systems_in_one_run(estate):
    config = estate.folder / "chargeplan.yaml"
    second = "  second: {id: buildium-integration-1, vendor: BUILDIUM}\nproperties:\n  lane: {id: buildium-property-b, integration: second}"
    config.write_text(config.read_text().replace("properties:", second))
    text = PLAN.format(defaults="", code='"4090"').replace("plan: row", "plan: lane")
    text = text.replace("integration: main", "integration: second").replace("[row]", "[lane]")
    (estate.plans / "lane.yaml").write_text(text)
    estate.saved()
    wanted = estate.wanted()
    shown = estate.run("show", estate.planfile, "--json").json
    assert {each["route"] for each in shown["changes"]} == {"batch", "single"}
    assert estate.apply().json["totals"]["posted"]["count"] == len(wanted) == 16
    assert estate.settle() == NOTHING
    assert {each.integration_id for each in estate.ours()} == {
        "yardi-integration-1",
        "buildium-integration-1",
    }
    assert estate.duplicates() == []
