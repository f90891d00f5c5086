"""Lines of a month that was billed, which became due after the run: reported, and posted where somebody says so."""

from __future__ import annotations

import pytest

from tests.e2e.house import SMALL
from tests.flow.test_decisions import posted

SEPTEMBER = ("--as-of", "2027-09-02", "--period", "2027-09")


def a_unit_is_added(house):
    """The plan takes in one unit more, whose household has lived there all along."""
    house.write(SMALL.replace('"21[0-2]"', '"21[0-3]"'))


def missed(house, *words):
    document = house.run("plan", *SEPTEMBER, *words, "--json").json
    assert document["kind"] == "plan", document
    return [each for each in document["changes"] if each["transaction_date"].startswith("2027-08")]


def test_a_line_of_a_month_that_was_billed_is_missed_and_named_in_the_last_line(house):
    posted(house)
    a_unit_is_added(house)
    (line,) = missed(house)
    assert (line["action"], line["unit_number"], line["transaction_date"]) == ("missed", "213", "2027-08-01")
    assert ", 1 missed ($25.00), " in house.run("plan", *SEPTEMBER).last


def test_without_a_run_in_that_month_nothing_was_missed(house):
    a_unit_is_added(house)
    assert missed(house) == []


@pytest.mark.parametrize("saved", [True, False])
def test_a_run_with_nothing_to_post_has_billed_its_month_too(house, saved):
    house.write(SMALL.replace('["20*", "21[0-2]"]', '["999"]'))
    august = ("--as-of", "2027-08-02", "--period", "2027-08")
    if saved:
        assert house.run("plan", *august, "--out", house.planfile).code == 0
    ended = house.apply() if saved else house.run("apply", "--auto-approve", *august, "--json")
    assert (ended.code, ended.json["outcome"]) == (0, "nothing")
    house.write(SMALL)
    assert {each["action"] for each in missed(house)} == {"missed"}
    assert len(missed(house)) == 12


def test_what_is_noted_already_is_not_noted_again(house):
    posted(house)
    before = house.run("history", "--json").json["events"]
    assert house.run("apply", "--auto-approve", "--as-of", "2027-08-02", "--period", "2027-08").code == 0
    assert house.run("history", "--json").json["events"] == before


def test_a_run_that_left_the_charge_out_billed_nothing_of_it(house):
    house.write(
        SMALL
        + SMALL[SMALL.index("  amenity") :].replace("amenity", "second").replace("Amenity Fee", "Parking")
    )
    assert house.plan("--out", house.planfile, "--charge", "amenity").code == 0
    assert house.apply().code == 0
    house.settle()
    assert [each for each in missed(house) if each["charge"] == "second"] == []


def test_missed_lines_are_posted_by_a_saved_plan_as_by_one_made_now(house):
    posted(house)
    a_unit_is_added(house)
    (line,) = missed(house, "--missed")
    assert (line["action"], line["part"]) == ("create", 0)
    assert house.run("plan", *SEPTEMBER, "--missed", "--out", house.planfile).code == 0
    assert house.apply().code == 0
    entries = [each for each in house.ours() if each.reference_number == line["reference_number"]]
    assert [each.transaction_date for each in entries] == ["2027-08-01"]


def test_the_plan_itself_may_say_so(house):
    posted(house)
    house.write(SMALL.replace('"21[0-2]"', '"21[0-3]"').replace("charges:", "missed: post\ncharges:"))
    assert [each["action"] for each in missed(house)] == ["create"]
