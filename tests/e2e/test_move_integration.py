"""An integration is set up anew at Propexo: the same ledgers under other ids. What was posted goes along, and nobody is billed again."""

from __future__ import annotations

import pytest

from tests.e2e.house import AS_OF, INTEGRATION, OAK, SMALL

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


def test_what_was_said_of_a_line_is_said_of_the_moved_one(house):
    """A drift that was accepted is no drift again, and what is another matter is not asked about again."""
    posted(house, seen=True)
    (first, second, *_) = house.document()["changes"]
    house.state.office.edit(reference_number=first["reference_number"], amount_in_cents=2000)
    other = house.state.office.enter(
        resident_id=second["resident_id"],
        charge_code_id=second["charge_code_id"],
        amount_in_cents=2500,
        transaction_date="2027-08-04",
    )
    house.state.sync()
    assert sorted(each["reason"] for each in house.plan("--json").json["changes"]) == [
        "amount",
        "charged_twice",
    ]
    why = ("--reason", "looked", "--as-of", AS_OF)
    assert house.run("resolve", first["reference_number"], "--accept", *why).code == 0
    assert house.run("resolve", second["reference_number"], "--unrelated", other.id, *why).code == 0
    assert house.plan().last == NO_CHANGES
    set_up_anew(house)
    move(house)
    assert house.plan("--full-refresh").last == NO_CHANGES


def test_what_was_billed_before_can_be_missed_after(house):
    posted(house, seen=True)
    set_up_anew(house)
    move(house)
    house.write(SMALL.replace('"21[0-2]"', '"21[0-3]"'))
    september = house.run("plan", "--as-of", "2027-09-02", "--period", "2027-09", "--json").json["changes"]
    assert [each["unit_number"] for each in september if each["action"] == "missed"] == ["213"]


LATE = (
    SMALL
    + """\
  late-fee:
    code: Late Fee
    late_fee: {codes: [Parking], grace_days: 3, initial: 10.00, daily: 1.00}
"""
)


def test_late_fees_of_a_charge_without_a_reference_are_not_charged_again(house):
    """They are known by the late charge's record, which has another id then; three days are late, and three fees."""
    house.write(LATE)
    (line, *_) = house.document()["changes"]
    house.state.office.enter(
        resident_id=line["resident_id"], charge_code_id="Parking", amount_in_cents=5000, transaction_date="2027-08-01", synced=True
    )  # fmt: skip
    words = ("--as-of", "2027-08-07", "--period", "2027-08")
    fees = [
        each
        for each in house.run("plan", *words, "--json").json["changes"]
        if each["charge"] == "late-fee" and each["resident_id"] == line["resident_id"]
    ]
    assert [each["amount_in_cents"] for each in fees] == [1000, 100, 100]
    assert house.run("apply", "--auto-approve", *words).code == 0
    house.month()
    assert house.run("plan", *words).last == NO_CHANGES
    set_up_anew(house)
    move(house)
    assert house.run("plan", *words).last == NO_CHANGES


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [(INTEGRATION, "elsewhere", "integration_unnamed"), ("nobody", INTEGRATION, "unknown_integration")],
)
def test_what_is_not_named_or_not_known_is_not_moved(house, old, new, code):
    refused = house.run("journal", "move-integration", old, new, "--json")
    assert (refused.code, refused.json["code"]) == (1, code)
