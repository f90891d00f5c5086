"""An integration is set up anew at Propexo: the same ledgers under other ids. What was posted goes along, and nobody is billed again."""

from __future__ import annotations

import pytest

from tests.e2e.house import AS_OF, INTEGRATION, OAK

ANEW = "resman-anew"
NO_CHANGES = "No changes. Every charge is posted."


def posted(house, *, seen):
    house.saved()
    assert house.apply().json["totals"]["posted"]["count"] == 12
    if seen:
        house.month()
        assert house.run("reconcile", "--as-of", AS_OF).code == 0


def set_up_anew(house):
    """Propexo's customer connects again, and the configuration names the new integration and its property."""
    house.state.office.reconnect(integration_id=INTEGRATION, new_id=ANEW)
    house.state.sync()
    path = house.folder / "chargeplan.yaml"
    path.write_text(path.read_text().replace(INTEGRATION, ANEW).replace(OAK, f"{OAK}-anew"))


def move(house):
    result = house.run("journal", "move-integration", INTEGRATION, ANEW, "--reason", "set up anew", "--json")
    assert result.code == 0, result
    return {key: result.json[key] for key in ("moved", "partly", "left")}


@pytest.mark.parametrize("seen", [True, False])
def test_what_was_posted_goes_along_and_is_not_posted_again(house, seen):
    posted(house, seen=seen)
    set_up_anew(house)
    assert move(house) == {"moved": 12, "partly": 0, "left": 0}
    planned = house.plan()
    assert (planned.last == NO_CHANGES) is seen, planned
    applied = house.run("apply", "--auto-approve", "--as-of", AS_OF, "--period", "2027-08", "--json")
    assert (applied.code, applied.json["outcome"]) == (0, "nothing")
    house.month()
    assert house.run("reconcile", "--as-of", AS_OF).code == 0
    assert house.plan().last == NO_CHANGES
    assert house.duplicates() == []
    assert house.run("journal", "verify").code == 0


def test_open_lines_stop_every_apply_until_they_are_moved(house):
    posted(house, seen=False)
    set_up_anew(house)
    refused = house.run("apply", "--auto-approve", "--as-of", AS_OF, "--json")
    assert (refused.code, refused.json["code"]) == (1, "integration_unnamed")
    assert f"chargeplan journal move-integration {INTEGRATION} {ANEW}" in refused.json["hint"]


def test_where_a_person_has_no_match_what_is_due_in_the_place_is_held(house):
    posted(house, seen=False)
    change = house.document()["changes"][0]
    set_up_anew(house)
    renamed = f"{change['resident_id']}-anew"
    house.state.office.merge(resident_id=renamed, into="resident-entered-anew")
    house.state.sync()
    # The old record is still shown, as everything is that Propexo has ever seen; the system has no such person any more.
    house.state.store.change("DELETE FROM records WHERE id = ?", (renamed,))
    assert move(house) == {"moved": 12, "partly": 1, "left": 0}
    held = [each for each in house.plan("--json").json["changes"] if each["action"] == "hold"]
    assert [(each["reason"], each["unit_number"]) for each in held] == [
        ("probable_duplicate", change["unit_number"])
    ]


def test_a_correction_of_a_moved_line_is_one_more_line(house):
    path = house.folder / "chargeplan.yaml"
    path.write_text(path.read_text().replace("vendor: RESMAN", "vendor: RESMAN\n    credits: post"))
    posted(house, seen=True)
    set_up_anew(house)
    move(house)
    plan = house.plans / "oak.yaml"
    plan.write_text(
        plan.read_text().replace("25.00", "30.00").replace("charges:", "on_drift: adjust\ncharges:")
    )
    house.saved()
    assert house.apply().json["totals"]["posted"] == {"count": 12, "amount_in_cents": 6000}
    house.month()
    assert house.run("reconcile", "--as-of", AS_OF).code == 0
    assert house.plan().last == NO_CHANGES


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [(INTEGRATION, "elsewhere", "integration_unnamed"), ("nobody", INTEGRATION, "unknown_integration")],
)
def test_what_is_not_named_or_not_known_is_not_moved(house, old, new, code):
    refused = house.run("journal", "move-integration", old, new, "--json")
    assert (refused.code, refused.json["code"]) == (1, code)
