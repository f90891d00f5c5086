"""A month through every property system: planned, posted, synced, and then nothing is left to do."""

from __future__ import annotations

NOTHING = "No changes. Every charge is posted."


def test_a_month_is_posted_once_and_then_nothing_changes(estate):
    estate.saved()
    wanted = estate.wanted()
    assert wanted
    assert estate.apply().json["totals"]["posted"]["count"] == len(wanted)
    assert estate.settle() == NOTHING
    assert estate.duplicates() == []
    assert [each.amount_in_cents for each in estate.ours()] == list(wanted.values())
