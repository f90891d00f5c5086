"""Lost answers, references that don't come back, ids that mislead: at most once always, and settled wherever evidence allows."""

from __future__ import annotations

import pytest

from chargeplan.sandbox.faults import Fault
from tests.e2e.house import AS_OF, reference_of
from tests.systems.estate import POSTABLE
from tests.systems.test_month import NOTHING

ONE_OF_EACH = ["YARDI", "RENTMANAGER", "ENTRATA", "BUILDIUM", "RENTVINE"]
some = pytest.mark.parametrize("estate", ONE_OF_EACH, indirect=True)


def _lose(estate, where, **more):
    """Let the second request's answer be lost: before anything was written, or after."""
    estate.state.add_faults(Fault(method="POST", path="/v1/resident-charges/*", skip=1, drop=where, **more))


def _on_the_books_once(estate, wanted):
    assert estate.duplicates() == []
    assert {reference_of(each) for each in estate.ours()} == set(wanted)


@some
@pytest.mark.parametrize("where", ["before", "after"])
def test_a_lost_answer_is_settled_by_the_log_or_the_ledger_or_stays_a_persons(estate, where):
    estate.saved()
    wanted = estate.wanted()
    _lose(estate, where)
    assert estate.apply().code == 4
    unknown = {each["reference_number"] for each in estate.status()["unknown"]}
    assert unknown
    estate.settle()
    named = estate.named()
    assert named == (unknown if where == "before" else set())
    if named:
        estate.run("resolve", *sorted(named), "--not-posted", "--reason", "looked", "--as-of", AS_OF)
        assert estate.settle() == NOTHING
    _on_the_books_once(estate, wanted)


@some
@pytest.mark.parametrize("parameters", ["without_texts", "none"])
def test_where_the_log_hides_what_was_sent_the_ledger_tells(estate, parameters):
    estate.behave(log_parameters=parameters)
    estate.saved()
    wanted = estate.wanted()
    _lose(estate, "after")
    assert estate.apply().code == 4
    assert estate.settle() == NOTHING
    _on_the_books_once(estate, wanted)


@some
def test_a_log_that_is_hidden_and_a_ledger_that_keeps_no_reference_leave_it_to_a_person(estate):
    estate.behave(keeps_references=False, keeps_descriptions=False)
    estate.saved()
    wanted = estate.wanted()
    _lose(estate, "after", log="hidden")
    assert estate.apply().code == 4
    estate.settle()
    named = estate.named()
    assert named
    assert estate.duplicates() == []
    resolved = estate.run("resolve", *sorted(named), "--posted", "--reason", "looked", "--as-of", AS_OF)
    assert resolved.code == 0, resolved
    assert estate.settle() == NOTHING
    _on_the_books_once(estate, wanted)


@pytest.mark.parametrize(
    "kept",
    [
        {"keeps_references": False},
        {"keeps_references": False, "keeps_descriptions": False},
        {"keeps_references": False, "cuts_descriptions_at": 20},
    ],
    ids=["the description only", "nothing", "a description that is cut"],
)
def test_whatever_comes_back_nothing_is_posted_twice(estate, kept):
    estate.behave(**kept)
    estate.saved()
    wanted = estate.wanted()
    assert estate.apply().code == 0
    assert estate.settle() == NOTHING
    _on_the_books_once(estate, wanted)


@pytest.mark.parametrize("estate", ["RENTVINE", "APPFOLIO"], indirect=True)
@pytest.mark.parametrize("behaviour", [{}, {"wrong_ids": True}])
def test_an_id_is_a_pointer_and_no_proof(estate, behaviour):
    estate.behave(keeps_references=False, keeps_descriptions=False, **behaviour)
    estate.saved()
    wanted = estate.wanted()
    assert estate.apply().code == 0
    # Read back at once where the id is right; a wrong one settles nothing that the content does not.
    assert estate.settle() == NOTHING
    _on_the_books_once(estate, wanted)


@pytest.mark.parametrize("estate", ["BUILDIUM", "YARDI"], indirect=True)
def test_a_third_charge_by_hand_is_a_strangers_and_each_line_keeps_its_own(estate):
    estate.behave(keeps_references=False, keeps_descriptions=False)
    estate.saved()
    wanted = estate.wanted()
    assert estate.apply().code == 0
    first = estate.ours()[0]
    by_hand = first.charge_code_id or first.financial_account_id
    estate.state.office.enter(
        resident_id=first.resident_id, charge_code_id=by_hand, amount_in_cents=2500, transaction_date="2027-08-01"
    )  # fmt: skip
    estate.settle()
    assert not [each for each in estate.document()["changes"] if each["action"] in {"create", "unknown"}]
    _on_the_books_once(estate, wanted)


@pytest.mark.parametrize("estate", POSTABLE, indirect=True)
def test_the_same_once_more_by_hand_is_a_drift_and_the_month_does_not_close(estate):
    """Whether a system's charges stand on a resident or on the lease alone."""
    estate.saved()
    assert estate.apply().code == 0
    assert estate.settle() == NOTHING
    first = estate.ours()[0]
    by_hand = first.charge_code_id or first.financial_account_id
    person = (
        first.resident_id
        or estate.state.upstream("leases", first.lease_id)["residents_meta_data"][0]["resident_id"]
    )
    estate.state.office.enter(
        resident_id=person, charge_code_id=by_hand, amount_in_cents=2500, transaction_date="2027-08-01"
    )  # fmt: skip
    estate.state.sync()
    (drift,) = [each for each in estate.document()["changes"] if each["action"] == "drift"]
    assert (drift["reason"], drift["amount_in_cents"]) == ("charged_twice", -2500)
    closed = estate.run("close", "2027-08", "--as-of", AS_OF, "--json")
    assert (closed.code, closed.json["complete"] and closed.json["agrees"]) == (3, False)
