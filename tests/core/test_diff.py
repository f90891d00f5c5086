"""Two change sets of the same days: which lines differ, and what that comes to, month by month and code by code."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from chargeplan.core.change import Change, Total
from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Place
from chargeplan.core.diff import CodeDiff, diff_of
from chargeplan.core.key import Key

AUGUST = Days(date(2027, 8, 1), date(2027, 8, 31))
SEPTEMBER = Days(date(2027, 9, 1), date(2027, 9, 30))
MONTHS = (AUGUST, SEPTEMBER)


def change(amount=2500, *, unit="u1", month=8, action="create", part=0, charge="amenity", **more):
    key = Key("i1", "oak", "amenity", unit, "r1", f"2027-0{month}-01", part)
    days = Days(date(2027, month, 1), date(2027, month, 28))
    facts = {
        "action": action, "reason": None, "reference": key.reference, "plan": "oak", "charge": charge, "item": None, "part": part,
        "integration_id": "i1", "property_id": "p1", "lease_id": "l1", "resident_id": "r1", "unit_id": unit, "unit_number": unit,
        "charge_code_id": "c1", "charge_code": "Amenity Fee", "key_plan": "oak", "key_charge": "amenity",
        "period_key": f"2027-0{month}-01", "period": days, "service": days, "transaction_date": days.first, "amount": amount,
        "description": "Amenity August", "notes": f"oak/{charge}", "place": Place("oak.yaml", 7),
    }  # fmt: skip
    return Change(**{**facts, **more})


def one(base, here):
    """The lines of August, as verdict and cents."""
    return [(line.verdict, line.difference) for line in diff_of(base, here, MONTHS)[0].lines]


def test_what_is_the_same_is_no_difference():
    found = diff_of([change(), change(unit="u2")], [change(), change(unit="u2")], MONTHS)
    assert [(month.totals, month.lines) for month in found] == [((), ())] * 2


def test_another_amount_is_a_change_to_the_cent():
    assert one([change(2500)], [change(2501)]) == [("changed", 1)]


def test_a_line_of_one_side_alone_was_added_or_removed():
    assert one([change(unit="u1")], [change(unit="u2", amount=700)]) == [("added", 700), ("removed", -2500)]


def test_each_month_has_its_own_and_an_earlier_line_counts_for_the_first():
    base = [change(month=7), change(month=8), change(month=9)]
    here = [change(3000, month=7), change(3000, month=8), change(2000, month=9)]
    found = diff_of(base, here, MONTHS)
    assert [month.difference for month in found] == [1000, -500]
    assert [len(month.lines) for month in found] == [2, 1]


def test_a_line_that_moves_to_another_month_goes_here_and_comes_there():
    moved = change(transaction_date=date(2027, 9, 1))
    assert [month.difference for month in diff_of([change()], [moved], MONTHS)] == [-2500, 2500]


def test_a_code_has_both_sides_and_one_without_a_difference_is_left_out():
    base = [change(2500), change(3000, unit="u2"), change(900, unit="u3", charge_code="Trash")]
    here = [change(2600), change(3000, unit="u2"), change(900, unit="u3", charge_code="Trash")]
    (total,) = diff_of(base, here, MONTHS)[0].totals
    assert total == CodeDiff("p1", "Amenity Fee", Total(2, 5500), Total(2, 5600))
    assert total.difference == Total(0, 100)


def test_more_and_less_that_come_to_nothing_are_told_all_the_same():
    found = diff_of([change(), change(unit="u2")], [change(2600), change(2400, unit="u2")], MONTHS)[0]
    assert (found.difference, found.moved, len(found.totals)) == (0, 200, 1)


def test_another_code_moves_all_of_it():
    other = change(charge_code_id="c2", charge_code="Trash")
    found = diff_of([change()], [other], MONTHS)[0]
    assert (found.difference, found.moved) == (0, 5000)
    assert found.totals == (
        CodeDiff("p1", "Amenity Fee", Total(1, 2500), Total()),
        CodeDiff("p1", "Trash", Total(), Total(1, 2500)),
    )


@pytest.mark.parametrize(
    "text", [{}, {"notes": "another note"}, {"description": "Amenity fee for August"}], ids=["none", "notes", "description"]
)  # fmt: skip
def test_a_text_is_a_change_without_money(text):
    assert one([change()], [change(**text)]) == ([("changed", 0)] if text else [])
    assert diff_of([change()], [change(**text)], MONTHS)[0].totals == ()


def test_a_charge_that_was_only_renamed_is_the_same():
    """Its default texts name it; its lines are known as before."""
    renamed = change(charge="amenity-fee", description="Amenity Fee August")
    assert one([change()], [renamed]) == []


@pytest.mark.parametrize("name", ["pool", "club", "2"])
def test_a_new_name_that_is_a_word_of_a_written_text_changes_no_text(name):
    text = "Amenity: pool and club 2"
    assert one([change(description=text)], [change(charge=name, description=text)]) == []


def test_a_held_line_bills_nothing_until_somebody_decides():
    held = change(action="hold", reason="amount_missing", amount=None)
    assert one([change()], [held]) == [("changed", -2500)]


def test_a_correction_of_what_is_posted_is_the_same_households_line():
    """What is posted stays; the correction adds the rest."""
    posted = change(action="unchanged")
    correct = change(500, action="correct", part=100, stands=2500)
    assert one([posted], [correct]) == [("changed", 500)]
    drift = change(500, action="drift", part=100, stands=2500)
    assert one([posted], [drift]) == [("changed", 0)]


def test_what_was_removed_upstream_is_billed_by_neither():
    gone = change(action="removed_upstream")
    assert one([], [gone]) == []
    assert one([gone], [msgspec.structs.replace(gone, action="create")]) == [("changed", 2500)]
