"""`--shard I/N`: several runners, each with its part of the properties."""

from __future__ import annotations

import json

import pytest

from tests.e2e.house import AS_OF, OAK, SMALL, finish

MONTH = ("--as-of", AS_OF, "--period", "2027-08")
EVERYWHERE = SMALL.replace("[oak-street]", "all").replace(
    'who: {units: ["20*", "21[0-2]"]}', 'who: {units: ["*0*"]}'
)


def lines(house, *words) -> dict[str, str]:
    """Reference and property of every line to post."""
    changes = house.plan("--json", *words).json["changes"]
    return {each["reference_number"]: each["property_id"] for each in changes if each["action"] == "create"}


@pytest.fixture
def both(house):
    """A plan for both properties of the sandbox: one is in shard 1 of 5, the other in shard 2."""
    house.write(EVERYWHERE)
    return house


def test_the_shards_of_a_plan_are_the_plan(both):
    whole = lines(both)
    assert len(set(whole.values())) == 2
    shards = [lines(both, "--shard", f"{index}/5") for index in range(1, 6)]
    assert sum(len(each) for each in shards) == len(whole)
    assert {reference for each in shards for reference in each} == set(whole)
    assert all(len(set(each.values())) <= 1 for each in shards)


def test_no_guard_is_about_the_properties_of_other_shards(both):
    for index in range(1, 6):
        planned = both.plan("--json", "--shard", f"{index}/5")
        assert planned.code == 0, planned
        assert [each for each in planned.json["guards"] if each["refused"]] == []


def test_a_shards_file_posts_the_shard(both):
    whole = lines(both)
    posted = 0
    for index in range(1, 6):
        both.saved("--shard", f"{index}/5")
        header = json.loads(both.planfile.read_text().splitlines()[0])
        assert header["origin"]["options"]["shard"] == f"{index}/5"
        applied = both.apply()
        assert applied.code == 0, applied
        posted += applied.json["totals"]["posted"]["count"]
    assert posted == len(whole)
    assert sorted(each.reference_number for each in both.ours()) == sorted(whole)
    assert both.duplicates() == []


def test_shards_at_the_same_time(both):
    whole = lines(both)
    running = [
        both.start("apply", "--auto-approve", *MONTH, "--shard", f"{index}/5", "--json")
        for index in range(1, 6)
    ]
    ended = [finish(each) for each in running]
    assert {each.code for each in ended} == {0}, ended
    assert sorted(each.reference_number for each in both.ours()) == sorted(whole)


def test_a_property_of_another_shard_is_known_all_the_same(house):
    # Oak Street is in shard 2 of 4.
    assert set(lines(house, "--shard", "2/4", "--property", "oak-street").values()) == {OAK}
    other = house.plan("--shard", "1/4", "--property", "oak-street")
    assert (other.code, other.last) == (
        0,
        "No changes. Nothing is due: the plans consider no household.",
    )


def test_a_plan_file_says_itself_which_shard_it_is(house):
    house.saved("--shard", "2/4")
    assert house.apply("--shard", "2/4").json["code"] == "usage"


@pytest.mark.parametrize("text", ["0/2", "3/2", "half"])
def test_what_is_no_shard(house, text):
    planned = house.plan("--json", "--shard", text)
    assert (planned.code, planned.json["code"]) == (1, "usage")
    assert "1/4" in planned.json["hint"]
