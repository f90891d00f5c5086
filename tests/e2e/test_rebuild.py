"""A journal that is lost or old is rebuilt from everything that carries a reference of ours, and then nothing sends one back to it."""

from __future__ import annotations

import shutil

import pytest

from tests.e2e.house import AS_OF

NO_CHANGES = "No changes. Every charge is posted."
PLAN = """\
version: 1
plan: oak-street
integration: resman-main
properties: [oak-street]
on_drift: adjust
charges:
  {name}:
    code: Amenity Fee
    amount: {amount}
    who: {{units: ["20[1-4]"]}}
    schedule: {{every: month, day: 1}}
{more}"""
SPLIT = """\
    mid_period: split
    steps: [{from: 2027-08-11, set: 60.00}]
"""


@pytest.fixture
def corrected(house):
    """A house whose first charges of 25.00 are on the ledgers, with corrections of 5.00 for the new amount."""
    house.config()
    path = house.folder / "chargeplan.yaml"
    path.write_text(path.read_text().replace("vendor: RESMAN", "vendor: RESMAN\n    credits: post"))
    write(house, 25)
    house.saved()
    assert house.apply().code == 0
    shows(house)
    keep(house, "before.db")
    write(house, 30)
    house.saved()
    assert house.apply().json["totals"]["posted"]["count"] == 4
    return house


def write(house, amount, more="", name="amenity"):
    house.write(PLAN.format(amount=f"{amount}.00", more=more, name=name))


def shows(house):
    house.month()
    assert house.run("reconcile", "--as-of", AS_OF).code == 0


def journal(house):
    return house.folder / ".chargeplan" / "x.db"


def keep(house, name):
    assert house.run("journal", "export", house.folder / name).code == 0


def lose(house):
    journal(house).rename(house.folder / "lost.db")


def rebuilt(house):
    result = house.run("journal", "rebuild", "--as-of", AS_OF, "--json")
    assert result.code == 0, result
    return result.json["postings"]


def applied(house):
    result = house.run("apply", "--auto-approve", "--as-of", AS_OF, "--period", "2027-08", "--json")
    assert result.code == 0, result
    return result.json["outcome"]


def amounts(house):
    return sorted(each.amount_in_cents for each in house.ours())


def test_a_lost_journal_with_a_correction_in_between(corrected):
    shows(corrected)
    lose(corrected)
    assert rebuilt(corrected) == 8
    assert applied(corrected) == "nothing"
    assert corrected.plan().last == NO_CHANGES
    assert amounts(corrected) == [500] * 4 + [2500] * 4


def test_a_correction_that_only_the_write_log_knows(corrected):
    """No ledger shows the corrections yet, and the journal that sent them is lost: they are on their way, not due."""
    lose(corrected)
    assert rebuilt(corrected) == 8
    assert applied(corrected) == "nothing"
    assert ", 4 in flight" in corrected.plan().last
    shows(corrected)
    assert corrected.plan().last == NO_CHANGES
    assert amounts(corrected) == [500] * 4 + [2500] * 4


def test_a_journal_from_before_the_correction(corrected):
    shows(corrected)
    lose(corrected)
    assert corrected.run("journal", "import", corrected.folder / "before.db").code == 0
    assert rebuilt(corrected) == 4
    assert applied(corrected) == "nothing"
    assert corrected.plan().last == NO_CHANGES


def test_the_next_correction_has_the_next_number(corrected):
    shows(corrected)
    lose(corrected)
    rebuilt(corrected)
    write(corrected, 32)
    corrected.saved()
    assert corrected.apply().json["totals"]["posted"]["amount_in_cents"] == 4 * 200
    assert corrected.duplicates() == []


def test_later_parts_of_a_split_period(house):
    """25.00 for ten of 31 days is 8.06, 60.00 for the other 21 is 40.65."""
    write(house, 25, SPLIT)
    house.saved()
    assert house.apply().json["totals"]["posted"]["count"] == 8
    shows(house)
    lose(house)
    assert rebuilt(house) == 8
    assert house.plan().last == NO_CHANGES
    assert amounts(house) == [806] * 4 + [4065] * 4


def test_a_line_that_no_plan_explains_is_taken_in_and_holds_what_it_may_be(house):
    """The charge was renamed without `moved` after it was posted: its old lines are ours, whatever they were called."""
    write(house, 25)
    house.saved()
    assert house.apply().code == 0
    shows(house)
    lose(house)
    write(house, 25, name="amenities")
    assert rebuilt(house) == 4
    changes = house.document()["changes"]
    assert [(each["action"], each["reason"]) for each in changes] == [("hold", "probable_duplicate")] * 4
    assert applied(house) == "nothing"


def test_a_charge_of_half_a_year_ago_is_taken_in(house):
    """Whoever plans that month later is not sent back."""
    as_of = ("--as-of", "2027-04-02", "--period", "2027-04")
    write(house, 25)
    assert house.run("apply", "--auto-approve", *as_of).code == 0
    posted = len(house.ours())
    shows(house)
    lose(house)
    assert rebuilt(house) == posted > 0
    again = house.run("apply", "--auto-approve", *as_of, "--json")
    assert (again.code, again.json["outcome"]) == (0, "nothing")


def test_what_the_log_knows_to_be_refused_is_due_again(house):
    house.state.add_faults({"method": "POST", "job": "FAILURE", "errors": ["Invalid credentials"]})
    write(house, 25)
    house.saved()
    assert house.apply().code == 3
    lose(house)
    assert rebuilt(house) == 0
    assert house.plan().last.startswith("Plan: 4 to post")


def test_rebuilding_twice_takes_in_nothing_more(corrected):
    shutil.copy(journal(corrected), corrected.folder / "copy.db")
    assert rebuilt(corrected) == 0


def test_what_is_voided_later_in_a_rebuilt_month_is_named_as_missed(house):
    """The lost journal knew that August was billed; what was taken in proves it."""
    write(house, 25)
    house.saved()
    assert house.apply().code == 0
    shows(house)
    lose(house)
    rebuilt(house)
    gone = house.ours()[0]
    house.state.office.void(entry_id=gone.id)
    for _ in range(2):
        house.state.clock.advance(12 * 3_600.0)
        house.state.sync()
    september = ("--as-of", "2027-09-02")
    assert house.run("reconcile", *september).code == 0
    (removed,) = house.run("status", *september, "--json").json["removed_upstream"]
    said = house.run(
        "resolve", removed["reference_number"], "--removed", "--reason", "rightly voided", *september
    )
    assert said.code == 0, said
    missed = [
        each for each in house.run("plan", *september, "--json").json["changes"] if each["action"] == "missed"
    ]
    assert [each["transaction_date"] for each in missed] == ["2027-08-01"]


def test_what_the_office_edited_still_differs_from_what_was_posted(house):
    """The write log has the amount that was sent: the edit is a drift, also once its month has gone by."""
    write(house, 25)
    house.saved()
    assert house.apply().code == 0
    shows(house)
    house.state.office.edit(entry_id=house.ours()[0].id, amount_in_cents=2000)
    house.state.sync()
    lose(house)
    assert rebuilt(house) == 4
    changes = house.run("plan", "--as-of", "2027-09-02", "--json").json["changes"]
    assert [each["amount_in_cents"] for each in changes if each["action"] == "correct"] == [500]
