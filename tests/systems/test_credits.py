"""Credits: held by default, posted by the way that is documented, read back negative; accounts that a property has not."""

from __future__ import annotations

import pytest

from tests.systems.test_month import NOTHING

CREDIT = """\
version: 1
plan: row
integration: main
properties: [row]
defaults: {{{defaults}}}
charges:
  concession:
    code: {code}
    amount: -10.00
    schedule: {{every: month, day: 1}}
    after_lease_end: continue
"""
POSTED = ["RENTMANAGER", "PROPERTYWARE_REST", "YARDI", "ENTRATA", "APPFOLIO", "RENTVINE"]


def _credit(estate, account="4110"):
    by_account = estate.name in {"PROPERTYWARE_REST", "APPFOLIO", "RENTVINE", "BUILDIUM", "PROPERTYWARE"}
    defaults = f'account: "{account}"' if estate.name.startswith("YARDI") else ""
    text = CREDIT.format(defaults=defaults, code=f'"{account}"' if by_account else "Concession")
    (estate.plans / "row.yaml").write_text(text)


@pytest.mark.parametrize("estate", [*POSTED, "BUILDIUM"], indirect=True)
def test_a_credit_is_held_until_somebody_says_that_it_may_be_posted(estate):
    _credit(estate)
    held = estate.document()["changes"]
    assert {each["reason"] for each in held} == {"credit_not_allowed"}


@pytest.mark.parametrize("estate", POSTED, indirect=True)
def test_a_credit_goes_its_own_way_and_comes_back_negative(estate):
    estate.config(keys={"credits": "post"})
    _credit(estate)
    estate.saved()
    routes = {each["route"] for each in estate.document()["changes"]}
    assert routes == {"credit" if estate.name in {"RENTMANAGER", "PROPERTYWARE_REST", "RENTVINE"} else "batch" if estate.name == "YARDI" else "single"}  # fmt: skip
    assert estate.apply().code == 0
    assert {each.amount_in_cents for each in estate.ours()} == {-1000}
    assert estate.settle() == NOTHING
    assert estate.duplicates() == []


@pytest.mark.parametrize("estate", POSTED, indirect=True)
def test_a_journal_is_rebuilt_from_the_credits_that_the_write_log_has(estate):
    """On a path of its own a credit was sent as a positive amount; it is what it was: less."""
    estate.config(keys={"credits": "post"})
    _credit(estate)
    estate.saved()
    assert estate.apply("--no-wait").code == 0
    (estate.folder / ".chargeplan" / "x.db").unlink()
    assert estate.run("journal", "init").code == 0
    assert estate.run("journal", "rebuild").code == 0
    found = estate.status()
    waiting = found["in_flight"] + found["overdue"]
    assert {each["amount_in_cents"] for each in waiting} == {-1000}
    assert estate.settle() == NOTHING
    assert estate.duplicates() == []


@pytest.mark.parametrize("estate", ["BUILDIUM", "PROPERTYWARE", "YARDI_REST", "REALPAGE_RPX"], indirect=True)
def test_where_nothing_is_documented_posting_credits_is_an_error(estate):
    estate.config(keys={"credits": "post"})
    refused = estate.plan("--json")
    assert refused.code == 1
    assert "documents no way to post a credit" in str(refused.json["diagnostics"])


@pytest.mark.parametrize("estate", ["YARDI"], indirect=True)
def test_an_account_that_the_property_has_not_is_told_with_the_one_that_the_code_credits(estate):
    _credit(estate, account="9999")
    wrong = estate.plan("--json").json["diagnostics"]
    (fault,) = [each for each in wrong if "financial account" in each["summary"]]
    assert "`Concession` credits 4110 Concession" in fault["detail"]


@pytest.mark.parametrize("estate", ["YARDI"], indirect=True)
def test_a_code_that_is_posted_to_another_account_than_it_credits_is_warned_of(estate):
    (estate.plans / "row.yaml").write_text(CREDIT.format(defaults='account: "4010"', code="Concession"))
    (warned,) = [each for each in estate.plan("--json").json["diagnostics"] if each["severity"] == "warning"]
    assert "`Concession` credits 4110 Concession, and is posted to 4010 Rent" in warned["summary"]
    _credit(estate)
    assert estate.plan("--json").json["diagnostics"] == []


@pytest.mark.parametrize("estate", ["YARDI", "ENTRATA"], indirect=True)
def test_accounts_are_read_weekly_and_only_for_systems_that_need_them(estate):
    for _ in range(2):
        assert estate.plan().code == 0
    read = [
        each for each in estate.state.requests("GET") if each["path"].startswith("/v1/financial-accounts")
    ]
    assert len(read) == (1 if estate.name == "YARDI" else 0)
