"""The month's account: complete, and agreeing with the ledgers, or why not."""

from __future__ import annotations

import json

import pytest

from chargeplan.sandbox.faults import Fault
from tests.e2e.house import AS_OF, BATCH
from tests.flow.test_decisions import NO_CHANGES, changes, decide, entered, posted


def closed(house, *words):
    return house.run("close", "2027-08", "--as-of", AS_OF, *words)


def the_line(house):
    (line,) = closed(house, "--json").json["lines"]
    return line


def test_a_month_that_was_posted_and_seen_is_complete_and_agrees(house):
    assert posted(house) == NO_CHANGES
    answer = closed(house, "--json")
    assert (answer.code, answer.json["complete"], answer.json["agrees"], answer.json["why_not"]) == (
        0,
        True,
        True,
        [],
    )
    line = the_line(house)
    everything = {"count": 12, "amount_in_cents": 12 * 2500}
    assert (line["due"], line["posted_by_us"], line["on_ledgers_ours"]) == (everything,) * 3
    assert line["difference_in_cents"] == 0
    assert closed(house).last == "Close 2027-08: complete, agrees with the ledgers."


def test_what_was_never_posted_is_missed_also_before_the_month_is_over(house):
    answer = closed(house, "--json")
    assert (answer.code, answer.json["complete"], answer.json["agrees"]) == (3, False, True)
    assert the_line(house)["missed"] == {"count": 12, "amount_in_cents": 30000}


def test_what_is_in_flight_makes_it_incomplete_and_disagrees_with_nothing(house):
    house.saved()
    assert house.apply().code == 0
    answer = closed(house, "--json")
    assert (answer.code, answer.json["complete"], answer.json["agrees"]) == (3, False, True)
    assert the_line(house)["in_flight"]["count"] == 12


def test_an_edit_and_a_deletion_are_never_called_balanced(house):
    """The very thing that was seen: one rent edited, one deleted, and history said that every line stands."""
    assert posted(house) == NO_CHANGES
    first, second, *_ = house.document()["changes"]
    house.state.office.edit(reference_number=first["reference_number"], amount_in_cents=2000)
    house.state.office.void(reference_number=second["reference_number"])
    house.state.sync()
    answer = closed(house, "--json", "--full-refresh")
    assert (answer.code, answer.json["complete"], answer.json["agrees"]) == (3, False, False)
    line = the_line(house)
    assert (line["difference_in_cents"], line["removed"]["count"], line["drift"]["count"]) == (3000, 1, 1)
    history = house.run("history", "--json").json
    assert history["balanced"] is False
    assert history["totals"]["visible"]["amount_in_cents"] == 12 * 2500 - 3000


def test_a_difference_that_a_person_accepted_agrees(house):
    assert posted(house) == NO_CHANGES
    first = house.document()["changes"][0]
    house.state.office.edit(reference_number=first["reference_number"], amount_in_cents=2000)
    house.state.sync()
    (drift,) = changes(house, "drift")
    assert decide(house, "resolve", drift["reference_number"], "--accept").code == 0
    answer = closed(house, "--json")
    assert (answer.code, answer.json["agrees"]) == (0, True)
    assert the_line(house)["accepted_drift"] == {"count": 1, "amount_in_cents": 500}
    assert house.run("history", "--json").json["balanced"] is True


def test_what_was_adopted_and_what_is_foreign_are_told_apart(house):
    line = house.document()["changes"][0]
    mine = entered(house, line, 2500)
    entered(house, line, 700, on="2027-08-09")
    decide(house, "adopt", mine.id, "--as", line["reference_number"])
    posted(house)
    account = the_line(house)
    assert (account["adopted"], account["on_ledgers_foreign"]) == (
        {"count": 1, "amount_in_cents": 2500},
        {"count": 1, "amount_in_cents": 700},
    )
    assert account["difference_in_cents"] == 0


def test_what_a_person_said_to_be_there_and_nobody_saw_is_a_figure_of_its_own(house):
    """The answer is lost, the request too, and somebody says that it arrived: the page does not say that it stands on the ledger."""
    house.saved()
    house.state.add_faults(Fault(method="POST", path=BATCH, drop="before"))
    assert house.apply("--no-wait").code == 4
    unknown = [each["reference_number"] for each in house.status()["unknown"]]
    assert decide(house, "resolve", *unknown, "--posted").code == 0
    assert house.settle() == NO_CHANGES
    account = the_line(house)
    assert account["by_word"] == {"count": 4, "amount_in_cents": 4 * 2500}
    assert account["on_ledgers_ours"] == {"count": 8, "amount_in_cents": 8 * 2500}
    assert account["difference_in_cents"] == 0
    assert "By a person's word" in closed(house).out


def test_the_page_and_the_table(house, tmp_path):
    assert posted(house) == NO_CHANGES
    assert closed(house, "--html", tmp_path / "x.html", "--csv", tmp_path / "x.csv").code == 0
    page, table = (tmp_path / "x.html").read_text(), (tmp_path / "x.csv").read_text()
    assert "Close 2027-08: complete, agrees with the ledgers." in page
    header, row = table.splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["posted_by_us_in_cents"] == "30000"


@pytest.mark.parametrize("period", ["2027-13", "August", ""])
def test_a_month_that_is_none_is_an_error(house, period):
    answer = house.run("close", period, "--json")
    assert (answer.code, json.loads(answer.out)["kind"]) == (1, "error")


# --- the work list -------------------------------------------------------------------------------------------------


def test_status_lists_all_that_waits_for_a_person_with_the_commands_and_sends_no_request(house):
    line = house.document()["changes"][0]
    other = entered(house, line, 2000)
    house.plan("--full-refresh")
    before = len(house.state.requests("GET"))
    (held,) = house.status()["hold"]
    assert len(house.state.requests("GET")) == before
    assert held["reference_number"] == line["reference_number"]
    assert f"chargeplan adopt {other.id} --as {line['reference_number']}" in held["hint"]
    assert house.run("status", "--as-of", AS_OF, "--brief").last.endswith("1 held.")


def test_reconcile_finds_removals_and_drifts_as_plan_does(house):
    assert posted(house) == NO_CHANGES
    first, second, *_ = house.document()["changes"]
    house.state.office.edit(reference_number=first["reference_number"], amount_in_cents=2000)
    house.state.office.void(reference_number=second["reference_number"])
    house.state.sync()
    totals = house.run("reconcile", "--as-of", AS_OF, "--json").json["totals"]
    assert (totals["drift"]["count"], totals["removed_upstream"]["count"]) == (1, 1)
    status = house.status()
    assert [each["reference_number"] for each in status["drift"]] == [first["reference_number"]]
    assert "--accept" in status["drift"][0]["hint"]
    assert "--removed" in status["removed_upstream"][0]["hint"]
