"""A ledger that the office writes on: every question has a command that settles it, and one that takes that back."""

from __future__ import annotations

import pytest

from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.levers import pull
from tests.e2e.house import AS_OF, BATCH

NO_CHANGES = "No changes. Every charge is posted."
WHY = ("--reason", "looked at the ledger")


def changes(house, *actions):
    document = house.document()
    assert document["kind"] == "plan", document
    return [each for each in document["changes"] if each["action"] in actions]


def entered(house, change, amount, on="2027-08-04"):
    """The office enters a charge or credit like the change's."""
    return house.state.office.enter(
        resident_id=change["resident_id"],
        charge_code_id=change["charge_code_id"],
        amount_in_cents=amount,
        transaction_date=on,
        synced=True,
    )


def decide(house, *words):
    return house.run(*words, *WHY, "--as-of", AS_OF, "--json")


def posted(house):
    house.saved()
    assert house.apply().code == 0
    return house.settle()


def test_another_matter_lets_the_line_go_and_adopting_takes_that_back(house):
    line = house.document()["changes"][0]
    other = entered(house, line, 2000)
    (held,) = changes(house, "hold")
    assert f"resolve {line['reference_number']} --unrelated {other.id}" in held["detail"]
    answer = decide(house, "resolve", line["reference_number"], "--unrelated", other.id)
    assert (answer.code, answer.json["decided"][0]["charge_id"]) == (0, other.id)
    assert changes(house, "hold") == []
    told = decide(house, "adopt", other.id, "--as", line["reference_number"])
    assert (told.code, told.json["difference_in_cents"]) == (0, line["amount_in_cents"] - 2000)
    assert "will be a drift" in told.err
    (drift,) = changes(house, "drift")
    assert (drift["reference_number"], drift["amount_in_cents"]) == (
        line["reference_number"],
        line["amount_in_cents"] - 2000,
    )


def test_a_drift_is_accepted_and_opened_again(house):
    line = house.document()["changes"][0]
    other = entered(house, line, 2000)
    decide(house, "adopt", other.id, "--as", line["reference_number"])
    assert decide(house, "resolve", line["reference_number"], "--accept").code == 0
    assert changes(house, "drift", "hold") == []
    assert decide(house, "resolve", line["reference_number"], "--reopen").code == 0
    assert len(changes(house, "drift")) == 1


def test_an_adoption_is_taken_back(house):
    line = house.document()["changes"][0]
    other = entered(house, line, line["amount_in_cents"])
    decide(house, "adopt", other.id, "--as", line["reference_number"])
    assert changes(house, "hold") == []
    assert decide(house, "resolve", line["reference_number"], "--not-posted").code == 0
    assert [each["reference_number"] for each in changes(house, "hold")] == [line["reference_number"]]


@pytest.mark.parametrize("what", ["resident_id", "charge_code_id"])
def test_nobody_elses_charge_and_no_other_code_is_adopted(house, what):
    first, *rest = house.document()["changes"]
    others = [each["resident_id"] for each in rest if each["resident_id"] != first["resident_id"]]
    other = {"resident_id": others[0], "charge_code_id": "Rent"}[what]
    entry = entered(house, {**first, what: other}, first["amount_in_cents"])
    house.plan("--full-refresh")
    refused = decide(house, "adopt", entry.id, "--as", first["reference_number"])
    assert (refused.code, refused.json["code"]) == (1, "does_not_fit")
    assert getattr(entry, what) in refused.json["message"]


def test_a_credit_that_the_office_gave_for_a_move_out_is_adopted_as_the_correction(house):
    house.write((house.plans / "oak.yaml").read_text() + "    prorate: actual\n")
    assert posted(house) == NO_CHANGES
    (first, *_) = house.document()["changes"]
    house.state.office.move_out(lease_id=first["lease_id"], day="2027-08-10", credit=True)
    house.state.sync()
    (drift,) = changes(house, "drift")
    assert drift["amount_in_cents"] == -1694  # 25.00 x 21/31
    (credit,) = [
        each
        for each in house.state.ledger()
        if each.amount_in_cents < 0 and each.charge_code_id == first["charge_code_id"]
    ]
    assert credit.id in drift["detail"]
    answer = decide(house, "adopt", credit.id, "--as", drift["reference_number"])
    assert answer.code == 0, answer
    rest = answer.json["difference_in_cents"]
    assert [each["amount_in_cents"] for each in changes(house, "drift", "hold", "correct")] == [rest] * bool(
        rest
    )
    assert answer.json["reference_number"] != drift["reference_number"]


def test_a_held_credit_that_was_entered_where_nothing_syncs_is_posted_by_a_persons_word(house):
    house.write((house.plans / "oak.yaml").read_text() + "    prorate: actual\n    on_drift: adjust\n")
    assert posted(house) == NO_CHANGES
    (first, *_) = house.document()["changes"]
    house.state.office.move_out(lease_id=first["lease_id"], day="2027-08-10")
    house.state.sync()
    (held,) = changes(house, "hold")
    assert (held["reason"], held["amount_in_cents"]) == ("credit_not_allowed", -1694)
    assert decide(house, "resolve", held["reference_number"], "--posted").code == 0
    assert house.plan("--full-refresh").last == NO_CHANGES
    assert decide(house, "resolve", held["reference_number"], "--not-posted").code == 0
    assert [each["reference_number"] for each in changes(house, "hold")] != []


def test_what_was_rightly_voided_is_due_anew_and_taken_back_it_counts_again(house):
    assert posted(house) == NO_CHANGES
    (first, *_) = house.document()["changes"]
    house.state.office.void(reference_number=first["reference_number"])
    house.state.sync()
    house.plan("--full-refresh")
    (removed,) = changes(house, "removed_upstream")
    assert decide(house, "resolve", removed["reference_number"], "--removed").code == 0
    (anew,) = changes(house, "create")
    assert (anew["part"], anew["amount_in_cents"]) == (100, first["amount_in_cents"])
    assert decide(house, "resolve", removed["reference_number"], "--posted").code == 0
    assert changes(house, "create") == []


def test_what_was_voided_of_a_charge_that_no_plan_has_any_more_is_settled_by_the_printed_command(house):
    assert posted(house) == NO_CHANGES
    (first, *_) = house.document()["changes"]
    house.write((house.plans / "oak.yaml").read_text().replace('["20*", "21[0-2]"]', '["21[0-2]"]'))
    house.state.office.void(reference_number=first["reference_number"])
    house.state.sync()
    house.plan("--full-refresh")
    (removed,) = house.status()["removed_upstream"]
    assert decide(house, "resolve", removed["reference_number"], "--removed").code == 0
    assert house.status()["removed_upstream"] == []


def test_what_stands_on_the_ledger_is_not_settled_as_removed(house):
    assert posted(house) == NO_CHANGES
    (first, *_) = house.document()["changes"]
    refused = decide(house, "resolve", first["reference_number"], "--removed")
    assert (refused.code, refused.json["code"]) == (1, "does_not_fit")


def test_not_posted_is_final_against_a_log_that_says_failure(house):
    """Each property system has reasons of its own for a refusal; the person knew."""
    house.saved()
    closed = ["The accounting period is closed"]
    house.state.add_faults(Fault(method="POST", path=BATCH, drop="after", job="FAILURE", errors=closed))
    assert house.apply().code == 4
    unknown = [each["reference_number"] for each in house.status()["unknown"]]
    assert unknown
    assert house.run("resolve", *unknown, "--not-posted", *WHY).code == 0
    assert posted(house) == NO_CHANGES
    assert house.duplicates() == []


def test_a_word_that_the_log_contradicts_can_be_stood_by(house):
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, drop="after", log="late"))
    assert house.apply("--no-wait").code == 4
    unknown = [each["reference_number"] for each in house.status()["unknown"]]
    house.run("resolve", *unknown, "--not-posted", *WHY)
    pull(house.state, "jobs", {"show_logs": True})
    held = [each["reference_number"] for each in changes(house, "hold")]
    assert sorted(held) == sorted(unknown)
    assert house.run("resolve", *unknown, "--not-posted", *WHY).code == 0
    assert changes(house, "hold") == []


def test_a_whole_batch_is_resolved_by_its_id(house):
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, drop="before"))
    house.apply()
    (batch,) = {each["batch_id"] for each in house.status()["unknown"]}
    answer = house.run("resolve", "--batch", batch, "--not-posted", *WHY, "--json")
    assert len(answer.json["moved"]) == 4
    assert house.status()["unknown"] == []


@pytest.mark.parametrize(
    "words",
    [
        ("CP0000000000000000", "--accept"),
        ("CP0000000000000000", "--unrelated", "charge-1"),
        ("--accept",),
        ("CP0000000000000000",),
        ("CP0000000000000000", "--accept", "--unrelated", "charge-1"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_recorded(house, words):
    house.plan()
    refused = decide(house, "resolve", *words)
    assert (refused.code, refused.json["kind"]) == (1, "error")
    assert house.run("history", "--json").json["decisions"] == []


def test_accepting_what_is_no_drift_is_refused(house):
    line = house.document()["changes"][0]
    refused = decide(house, "resolve", line["reference_number"], "--accept")
    assert (refused.code, refused.json["code"]) == (1, "does_not_fit")


def test_decisions_are_in_the_history_with_who_and_why(house):
    line = house.document()["changes"][0]
    other = entered(house, line, 2000)
    decide(house, "resolve", line["reference_number"], "--unrelated", other.id)
    (decision,) = house.run("history", "--json").json["decisions"]
    assert (decision["what"], decision["subject"], decision["reason"]) == (
        "unrelated",
        line["reference_number"],
        WHY[1],
    )


def test_a_charge_of_ours_whose_line_is_no_longer_due_is_adopted_as_the_line_in_its_place(house):
    """The charge was renamed without `moved`: one line is held, and adopting its charge ends with nothing open."""
    assert posted(house) == NO_CHANGES
    house.write((house.plans / "oak.yaml").read_text().replace("  amenity:", "  amenities:"))
    held = changes(house, "hold")
    assert len(held) == 12
    line = held[0]
    assert decide(house, "adopt", line["synced"]["id"], "--as", line["reference_number"]).code == 0
    assert len(changes(house, "hold")) == 11
    assert changes(house, "drift") == []
    assert decide(house, "resolve", line["reference_number"], "--not-posted").code == 0
    assert len(changes(house, "hold")) == 12


def test_next_months_rent_entered_some_days_early_is_seen(house):
    house.config("early_days: 3\n")
    line = house.document()["changes"][0]
    entered(house, line, 2500, on="2027-07-30")
    assert [each["reference_number"] for each in changes(house, "hold")] == [line["reference_number"]]
    house.config("early_days: 1\n")
    assert changes(house, "hold") == []
