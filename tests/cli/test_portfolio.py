"""Commands that are asked about one line of many properties: they look where it is, and say what they said of all."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date

import msgspec
import pytest

from chargeplan import wiring
from chargeplan.cli.options import Common
from chargeplan.core.dates import Days
from chargeplan.core.key import Key
from chargeplan.flow.explain import arithmetic
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.planning import planned_of
from tests.benchmarks.portfolio import INTEGRATION, rent_of

AS_OF = "2027-08-02"
AUGUST = Days(date(2027, 8, 1), date(2027, 8, 31))


def reference(prop: int, unit: int) -> str:
    names = (f"unit-{prop:05}-{unit:03}", f"res-{prop:05}-{unit:03}")
    return Key(INTEGRATION, "monthly", "rent", *names, "2027-08-01").reference


def explained(folder, *words: str) -> list[dict]:
    command = [sys.executable, "-m", "chargeplan", "explain", *words, "--offline", "--as-of", AS_OF, "--json"]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)["lines"]


@pytest.mark.parametrize(("unit", "action"), [(7, "unchanged"), (10, "create")])
def test_a_line_is_explained_by_its_reference(portfolio, unit, action):
    (line,) = explained(portfolio, reference(3, unit))
    assert (line["property_id"], line["action"]) == ("prop-00003", action)
    assert line["amount_in_cents"] == rent_of(3, unit)


def test_a_resident_is_looked_for_in_their_property(portfolio):
    lines = explained(portfolio, "--resident", "res-00004-011")
    assert {each["property_id"] for each in lines} == {"prop-00004"}
    assert sorted(each["charge"] for each in lines) == [
        "amenity",
        "insurance",
        "pest-control",
        "rent",
        "trash",
    ]


def test_a_unit_is_looked_for_in_every_property(portfolio):
    lines = explained(portfolio, "--unit", "113", "--charge", "rent")
    assert [each["property_id"] for each in lines] == [f"prop-{number:05}" for number in range(5)]
    (line,) = explained(portfolio, "--unit", "113", "--charge", "rent", "--property", "prop-00002")
    assert line == lines[2]


def test_a_unit_that_nobody_has_is_told_as_such(portfolio):
    command = [sys.executable, "-m", "chargeplan", "explain", "--unit", "999", "--offline", "--as-of", AS_OF]
    told = subprocess.run(command, cwd=portfolio, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "fits what was asked for" in told.stderr


def test_a_report_reckons_its_lines_as_one_of_all_lines_does(portfolio, monkeypatch):
    """The households that nothing happens to are left out of a report's expansion, unless all lines are asked for."""
    monkeypatch.chdir(portfolio)
    common = Common(
        config=None, env=None, color="never", quiet=True, as_json=False, log_level="error", log_format="text"
    )
    project, _ = wiring.project(common)
    found = {}
    for listing_all in (False, True):
        request = PlanRequest(as_of=date(2027, 8, 2), window=AUGUST, offline=True, listing_all=listing_all)
        with wiring.world(common, project.config) as world:
            change_set = planned_of(world, project, request).change_set
            found[listing_all] = arithmetic(world, project, request, change_set)
    assert len(found[True]) == 5 * 1_000
    assert len(found[False]) == 5 * 100
    assert found[False] == {name: found[True][name] for name in found[False]}
    assert msgspec.to_builtins(found[False][reference(3, 10)])[-1]["cents"] == rent_of(3, 10)
