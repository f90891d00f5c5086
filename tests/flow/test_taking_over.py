"""A month that the office billed by hand is taken over at once; what truly differs stays a question."""

from __future__ import annotations

import pytest

from tests.e2e.house import AS_OF

PLAN = """\
version: 1
plan: oak-street
integration: resman-main
properties: [oak-street]
charges:
  rent:
    code: Rent
    amount: {from: lease.rent}
    schedule: {every: month, day: 1}
    after_lease_end: continue
    who: {lease_status: [ACTIVE, EVICTED]}
"""
JULY = ("--as-of", AS_OF, "--period", "2027-07")
WHY = ("--reason", "billed by hand before chargeplan")


@pytest.fixture
def july(house):
    house.write(PLAN)
    return house


def held(house):
    found = house.run("plan", *JULY, "--json").json["changes"]
    return {each["unit_number"]: each for each in found if each["action"] == "hold"}


def adopt(house, *words):
    return house.run("adopt", "--matching", *JULY, *WHY, "--json", *words)


def test_the_next_plan_has_nothing_to_post_and_holds_the_true_difference(july):
    before = held(july)
    answer = adopt(july, "--auto-approve").json
    assert len(before) > 100
    assert len(answer["adopted"]) == len(before) - 1
    assert answer["held"] == 1
    assert answer["totals"]["adopted"]["amount_in_cents"] == sum(
        each["amount_in_cents"] for each in answer["adopted"]
    )
    assert list(held(july)) == ["305"]
    assert july.run("plan", *JULY).last.startswith("Plan: 0 to post ($0.00), 1 held")


def test_rent_that_was_entered_early_is_its_months(july):
    early = {each["reference_number"] for unit, each in held(july).items() if unit in {"306", "307", "308"}}
    assert early <= {each["reference_number"] for each in adopt(july, "--auto-approve").json["adopted"]}


def test_nobody_is_asked_twice(july):
    """Adopting again finds nothing: each charge settled its line."""
    adopt(july, "--auto-approve")
    assert adopt(july, "--auto-approve").json["adopted"] == []


def test_each_is_an_event_with_who_and_why(july):
    count = len(adopt(july, "--auto-approve").json["adopted"])
    events = july.run("history", "--json").json["events"]
    assert sum(each["kind"] == "adopted" and WHY[1] in str(each) for each in events) == count


def test_without_somebody_to_ask_nothing_is_adopted(july):
    refused = adopt(july)
    assert refused.code == 1
    assert refused.json["code"] == "approval_needed"
    assert len(held(july)) > 100


def test_the_ways_are_not_mixed(july):
    assert july.run("adopt", "charge-1", "--matching", *WHY, "--json").json["code"] == "usage"
    assert july.run("adopt", *WHY, "--json").json["code"] == "usage"
