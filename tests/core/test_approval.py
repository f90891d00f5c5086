"""Whose approval counts: the decision table of `decide`, row by row, and from which amount on one is needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from chargeplan.core.approval import (
    Approval,
    ApprovedPlan,
    Entry,
    decide,
    fingerprint,
    needed,
    read_key,
    refusal,
    way_on,
    write_key,
)
from chargeplan.core.config import Approvals, Approver, Guards
from chargeplan.core.guard import guard_plan, read_allowance
from tests.render.samples import change

NOW = datetime(2027, 8, 2, 9, 0, tzinfo=UTC)
PLAN = ApprovedPlan(
    plan_id="plan-1",
    digest="sha256:aa",
    environment="production",
    api_host="api.propexo.com",
    journal_id="journal-1",
    planned_by="kim",
    count=12,
    amount=6_000_000,
)
ADA, BEN, KIM = Approver("Ada", "k1"), Approver("Ben", "k2", ("b-smith",)), Approver("kim", "k3")
RULE = Approvals(required=2, above=5_000_000, valid_for_hours=72, approvers=(ADA, BEN, KIM))
EARLIER = NOW - timedelta(hours=1)


def given(
    approver: str, line: int = 1, *, plan: ApprovedPlan = PLAN, at: datetime = EARLIER, hours: float = 72
):
    approval = Approval(plan, approver, at, at + timedelta(hours=hours), "")
    return Entry(line, approval, "", "SHA256:x", "sig")


def verdict(*evidence: Entry, plan: ApprovedPlan = PLAN, rule: Approvals = RULE):
    return decide(rule, plan, evidence, NOW)


def people(found):
    return [each.approval.approver for each in found.counted]


def test_two_people_who_did_not_plan_are_enough_for_two():
    found = verdict(given("Ada"), given("Ben", 2))
    assert (people(found), found.missing, found.passed_over) == (["Ada", "Ben"], 0, ())


def test_one_is_not_enough_for_two_and_it_is_said_who_may_give_the_other():
    found = verdict(given("Ada"))
    assert (people(found), found.missing, found.waiting) == (["Ada"], 1, ("Ben",))


def test_the_same_person_twice_counts_once():
    found = verdict(given("Ada"), given("Ada", 2, at=NOW))
    assert (people(found), found.missing) == (["Ada"], 1)


TABLE = [
    ("no entry at all", Entry(1, None, "unreadable"), "line 1: it is no approval"),
    ("somebody else", replace(given("Zed"), fault="unknown"), "line 1: the configuration names no approver `Zed`"),
    ("somebody who is no longer configured", given("Zed"), "line 1: the configuration names no approver `Zed`"),
    ("another key", replace(given("Ada"), fault="forged"), "line 1: it is not signed with the key that the configuration has of Ada"),
    ("the planner", given("kim"), "line 1: kim made the plan"),
    ("of another plan", given("Ada", plan=replace(PLAN, digest="sha256:bb", plan_id="plan-2")), "line 1: Ada approved another plan"),
    ("of another environment", given("Ada", plan=replace(PLAN, environment="staging")), "line 1: Ada approved it for another environment"),
    ("of another host", given("Ada", plan=replace(PLAN, api_host="x")), "line 1: Ada approved it for another host"),
    ("of another journal", given("Ada", plan=replace(PLAN, journal_id="journal-2")), "line 1: Ada approved it with another journal"),
    ("of another file of the same plan", given("Ada", plan=replace(PLAN, plan_id="plan-2")), "line 1: Ada approved the same plan saved at another time"),
    ("of another planner", given("Ada", plan=replace(PLAN, planned_by="lee")), "line 1: Ada approved it as made by somebody else"),
    ("of other totals", given("Ada", plan=replace(PLAN, amount=1)), "line 1: Ada approved it with other totals"),
    ("over", given("Ada", hours=1), "line 1: Ada's ended at 2027-08-02T09:00+00:00"),
    ("over by the configuration, whatever it says itself", given("Ada", at=NOW - timedelta(hours=72), hours=900), "line 1: Ada's ended at 2027-08-02T09:00+00:00"),
    ("of the future", given("Ada", at=NOW + timedelta(minutes=6)), "line 1: Ada's is dated later than now"),
]  # fmt: skip


@pytest.mark.parametrize(("evidence", "why"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_does_not_count_is_passed_over_with_the_reason(evidence, why):
    found = verdict(evidence, given("Ben", 2))
    assert (people(found), found.passed_over, found.missing) == (["Ben"], (why,), 1)


def test_clocks_may_differ_by_five_minutes():
    assert people(verdict(given("Ada", at=NOW + timedelta(minutes=5)))) == ["Ada"]


def test_a_moment_before_its_end_an_approval_counts():
    assert people(verdict(given("Ada", at=NOW - timedelta(hours=72) + timedelta(seconds=1)))) == ["Ada"]


@pytest.mark.parametrize("planner", ["Ben", "BEN", "b-smith", "B-Smith"])
def test_the_planner_is_known_by_every_account_and_in_any_capitals(planner):
    plan = replace(PLAN, planned_by=planner)
    found = verdict(given("Ben", plan=plan), plan=plan)
    assert (people(found), found.waiting) == ([], ("Ada", "kim"))


def test_an_approval_of_a_plan_that_says_not_who_planned_does_not_count():
    plan = replace(PLAN, planned_by="")
    assert verdict(given("Ada", plan=plan), plan=plan).passed_over == (
        "line 1: the plan file does not say who planned",
    )


def test_a_good_approval_after_a_bad_one_of_the_same_person_counts():
    found = verdict(given("Ada", hours=1), given("Ada", 2), given("Ben", 3))
    assert (people(found), found.missing) == (["Ada", "Ben"], 0)


# --- what is said --------------------------------------------------------------------------------------------------


def test_the_refusal_says_how_many_whose_and_why_the_others_do_not_count():
    found = verdict(given("Ada"), given("kim", 2))
    assert refusal(RULE, found, 6_000_000) == (
        "$60,000.00 would be posted; 2 approvals are needed above $50,000.00, 1 of them given (Ada). "
        "Not counted: line 2: kim made the plan"
    )
    assert way_on(found, "kim", "x.plan") == "Ben can approve it: `chargeplan approve x.plan`; then apply it."


def test_a_long_list_of_bad_entries_is_cut():
    found = verdict(*(Entry(line, None, "unreadable") for line in range(1, 41)))
    said = refusal(RULE, found, 6_000_000)
    assert said.endswith("line 10: it is no approval; and 30 more")


def test_where_too_few_others_are_left_the_way_on_is_another_one():
    rule = replace(RULE, approvers=(ADA, KIM))
    assert way_on(verdict(rule=rule), "kim", "x.plan") == (
        "kim planned, and can't approve it; too few others may: let somebody else plan, or name more approvers in the "
        "configuration."
    )


# --- from which amount on ------------------------------------------------------------------------------------------


def test_credits_do_not_hide_charges():
    """30,000 and -30,000 come to nothing, and move 60,000."""
    changes = [change("create", 1, amount=3_000_000), change("create", 2, amount=-3_000_000)]
    found = needed(RULE, changes)
    assert (found.value, found.limit, found.refused) == (6_000_000, 5_000_000, False)


@pytest.mark.parametrize(("cents", "is_needed"), [(5_000_000, False), (5_000_001, True)])
def test_above_is_above(cents, is_needed):
    assert (needed(RULE, [change("create", 1, amount=cents)]) is not None) is is_needed


def test_what_is_not_posted_needs_no_approval():
    assert needed(RULE, [change("hold", 1, amount=9_000_000)]) is None


def test_by_default_nothing_needs_approval():
    assert needed(Approvals(), [change("create", 1, amount=9_000_000)]) is None


def test_a_rule_without_an_amount_is_for_every_plan_that_posts():
    rule = replace(RULE, above=0)
    assert needed(rule, [change("create", 1, amount=1)]) is not None
    assert needed(rule, []) is None


def test_needed_approvals_refuse_no_plan_and_no_option_allows_them():
    with pytest.raises(ValueError, match="`approvals` is no guard"):
        read_allowance("approvals", "why")
    (result,) = guard_plan(
        guards=Guards(),
        changes=[change("create", 1, amount=6_000_000)],
        skips=[],
        properties={},
        allowed=(),
        approvals=RULE,
    )
    assert (result.guard, result.refused) == ("approvals", False)
    assert result.message == (
        "2 approvals are needed above $50,000.00, by Ada, Ben or kim, and not by who planned: save the plan with --out, "
        "and let them `chargeplan approve` the file"
    )


# --- keys ----------------------------------------------------------------------------------------------------------

# RFC 8032, section 7.1, test 1.
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def test_a_key_is_read_as_it_is_written():
    assert write_key(PUBLIC) == "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert read_key(write_key(PUBLIC)) == PUBLIC


@pytest.mark.parametrize(
    "text", ["", "ed25519:", "ed25519:AAAA", "not base64!", "MCowBQYDK2VuAyEA" + "A" * 43 + "="]
)
def test_what_is_no_ed25519_key_is_refused(text):
    """The last is a SubjectPublicKeyInfo of X25519, which signs nothing."""
    with pytest.raises(ValueError, match="not"):
        read_key(text)


def test_the_fingerprint_is_written_as_openssh_writes_one():
    assert fingerprint(PUBLIC).startswith("SHA256:")
    assert len(fingerprint(PUBLIC)) == len("SHA256:") + 43
