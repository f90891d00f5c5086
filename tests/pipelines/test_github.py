"""The workflows that `init` writes, run job by job: what a pull request shows, what an approval posts, and what stops a run."""

from __future__ import annotations

import pytest

from chargeplan import __version__
from chargeplan.journal import open_journal
from chargeplan.sandbox.faults import Fault
from tests.e2e.house import BATCH, INTEGRATION, OAK
from tests.pipelines.codehost import BOT
from tests.pipelines.machines import read_yaml

PULL = "chargeplan-pull-request.yaml"
BILLING = "chargeplan-billing.yaml"
RECONCILE = "chargeplan-reconcile.yaml"
OURS = {"pull_request": {"number": 7, "head": {"repo": {"full_name": "acme/billing"}}}}
FORK = {"pull_request": {"number": 7, "head": {"repo": {"full_name": "somebody/billing"}}}}
LAST = "12 to post ($300.00)"


def results(jobs):
    return {name: job.result for name, job in jobs.items()}


# --- a pull request ------------------------------------------------------------------------------------------------


def test_a_pull_request_is_answered_with_the_money(project):
    jobs = project.github().run(PULL, "pull_request", OURS)
    assert results(jobs) == {"check": "success", "plan": "success"}
    (comment,) = project.host.by(BOT)
    assert comment.startswith("<!-- chargeplan:plan:production -->\n")
    assert LAST in comment
    assert LAST in jobs["plan"].summary
    assert project.posted() == []


def test_the_same_comment_is_updated(project):
    hub = project.github()
    hub.run(PULL, "pull_request", OURS)
    project.edit("plans/oak-street.yaml", "25.00", "30.00")
    hub.run(PULL, "pull_request", OURS)
    (comment,) = project.host.by(BOT)
    assert "12 to post ($360.00)" in comment


def test_only_our_own_comment_is_updated_wherever_it_stands(project):
    """Not that of a person who copied the marker, and not for being beyond the first hundred."""
    hub = project.github()
    marker = "<!-- chargeplan:plan:production -->"
    project.host.add(f"{marker}\nlooks good", "mallory")
    project.host.add("<!-- chargeplan:plan:staging -->\nanother environment's", BOT)
    for number in range(230):
        project.host.add(f"remark {number}", "pat")
    ours = project.host.add(f"{marker}\nan older plan", BOT)
    before = len(project.host.comments)
    jobs = hub.run(PULL, "pull_request", OURS)
    assert jobs["plan"].result == "success"
    assert len(project.host.comments) == before
    assert LAST in ours["body"]
    assert project.host.by("mallory") == [f"{marker}\nlooks good"]
    assert sum(each.startswith("GET") for each in project.host.requests) == 3


def test_a_fork_gets_the_check_and_no_secret(project):
    jobs = project.github().run(PULL, "pull_request", FORK)
    assert results(jobs) == {"check": "success", "plan": "skipped"}
    assert jobs["check"].given("PROPEXO_TOKEN") == jobs["check"].given("CHARGEPLAN_JOURNAL") == set()
    assert project.host.requests == []


def test_each_secret_is_in_the_step_that_needs_it_alone(project):
    plan = project.github().run(PULL, "pull_request", OURS)["plan"]
    assert {each.name for each in plan.steps} == {"Install chargeplan", "Plan", "Comment", "Verdict"}
    assert plan.given("PROPEXO_TOKEN") == plan.given("CHARGEPLAN_JOURNAL") == {"Plan"}
    assert plan.given("CHARGEPLAN_COMMENT_TOKEN") == {"Comment"}
    for secret in (*project.secrets.values(), "ghs_commenttoken"):
        assert secret not in plan.log + plan.summary


def test_a_mistake_fails_the_check(project):
    project.edit("plans/oak-street.yaml", "amount:", "amuont:")
    jobs = project.github().run(PULL, "pull_request", OURS)
    assert results(jobs) == {"check": "failure", "plan": "skipped"}
    assert "plans/oak-street.yaml:8" in jobs["check"].log


def test_a_failing_test_of_the_plans_fails_the_check(project):
    tests = project.folder / "plans" / "tests"
    (tests / "amenity.yaml").write_text(PLAN_TEST)
    hub = project.github()
    assert results(hub.run(PULL, "pull_request", OURS)) == {"check": "success", "plan": "success"}
    project.edit("plans/oak-street.yaml", "25.00", "26.00")
    assert results(hub.run(PULL, "pull_request", OURS)) == {"check": "failure", "plan": "skipped"}


def test_an_unknown_charge_code_is_shown_then_fails(project):
    project.edit("plans/oak-street.yaml", "Amenity Fee", "Amenety Fee")
    jobs = project.github().run(PULL, "pull_request", OURS)
    assert results(jobs) == {"check": "success", "plan": "failure"}
    assert jobs["plan"].code == 1
    (comment,) = project.host.by(BOT)
    assert "Amenety Fee" in comment


def test_where_no_plan_could_be_made_the_comment_stops_showing_the_old_one(project):
    hub = project.github()
    hub.run(PULL, "pull_request", OURS)
    hub.secrets["PROPEXO_TOKEN"] = ""
    jobs = hub.run(PULL, "pull_request", OURS)
    assert jobs["plan"].result == "failure"
    (comment,) = project.host.by(BOT)
    assert LAST not in comment
    assert "nothing can be applied" in comment
    assert "https://github.example/acme/billing/actions/runs/42" in comment


def test_a_token_that_may_not_comment_says_what_it_needs(project):
    project.host.refuses = 403
    plan = project.github().run(PULL, "pull_request", OURS)["plan"]
    assert plan.result == "failure"
    assert "::error title=chargeplan::The token may not read comments here (HTTP 403)" in plan.log
    assert "pull-requests: write" in plan.log


# --- the monthly run -----------------------------------------------------------------------------------------------


def test_the_monthly_run_posts_the_plan_that_was_shown(project):
    hub = project.github()
    jobs = hub.run(BILLING, "schedule")
    assert results(jobs) == {"plan": "success", "apply": "success"}
    plan = jobs["plan"]
    assert (plan.outputs["has_changes"], plan.outputs["total_cents"]) == ("true", "30000")
    assert plan.outputs["digest"] in plan.summary
    assert "| posted | 12 | $300.00 |" in jobs["apply"].summary
    assert sum(each.amount_in_cents for each in project.posted()) == 30_000
    assert len(project.posted()) == 12

    again = hub.run(BILLING, "schedule")
    assert results(again) == {"plan": "success", "apply": "skipped"}
    assert (again["plan"].outputs["has_changes"], again["plan"].outputs["total_cents"]) == ("false", "0")
    assert len(project.posted()) == 12


def test_running_the_apply_job_again_sends_nothing_twice(project):
    hub = project.github()
    jobs = hub.run(BILLING, "schedule")
    job = read_yaml(hub.repository / ".github" / "workflows" / BILLING)["jobs"]["apply"]
    again = hub.job("apply", job, "schedule", before={"plan": jobs["plan"]})
    assert again.result == "success"
    assert "nothing (exit code 0)" in again.summary
    assert len(project.posted()) == 12


def test_another_digest_posts_nothing(project):
    jobs = run_between(project, lambda hub, plan: plan.outputs.update(digest="sha256:" + "0" * 64))
    assert (jobs["apply"].result, jobs["apply"].code) == ("failure", 5)
    assert project.posted() == []


def test_an_altered_plan_file_posts_nothing(project):
    def alter(hub, plan):
        path = hub.artifacts["chargeplan-plan"]
        path.write_text(path.read_text().replace("2500", "9900"))

    jobs = run_between(project, alter)
    assert (jobs["apply"].result, jobs["apply"].code) == ("failure", 5)
    assert project.posted() == []


def test_plans_edited_after_the_approval_post_nothing(project):
    jobs = run_between(project, lambda hub, plan: project.edit("plans/oak-street.yaml", "25.00", "30.00"))
    assert (jobs["apply"].result, jobs["apply"].code) == ("failure", 5)
    assert "Run the workflow again" in jobs["apply"].log
    assert project.posted() == []


def test_a_guard_is_shown_then_stops_the_run(project):
    project.edit("chargeplan.yaml", "max_total: 600000.00", "max_total: 100.00")
    jobs = project.github().run(BILLING, "schedule")
    assert results(jobs) == {"plan": "failure", "apply": "skipped"}
    assert jobs["plan"].code == 6
    assert "refused**: $300.00, the limit is $100.00" in jobs["plan"].summary
    assert "with `allow` and `reason`" in jobs["plan"].log
    assert project.posted() == []


def test_a_guard_is_overridden_by_hand_with_a_reason(project):
    project.edit("chargeplan.yaml", "max_total: 600000.00", "max_total: 100.00")
    jobs = project.github().run(
        BILLING, "workflow_dispatch", allow="max_total=400.00", reason='new; $(touch x) `y` "building"'
    )
    assert results(jobs) == {"plan": "success", "apply": "success"}
    assert len(project.posted()) == 12
    history = project.run("history", "--env", "production", "--json").stdout
    assert "new; $(touch x) `y`" in history


def test_refused_lines_fail_the_job_and_say_what_next(project):
    project.state.add_faults(Fault(method="POST", path=BATCH, status=403, work=False))
    jobs = project.github().run(BILLING, "schedule")
    assert (jobs["apply"].result, jobs["apply"].code) == ("failure", 3)
    assert "posts only what is missing" in jobs["apply"].log


def test_unknown_lines_fail_until_they_are_reconciled(project):
    project.state.add_faults(Fault(method="POST", path=BATCH, drop="after", log="late"))
    hub = project.github()
    jobs = hub.run(BILLING, "schedule")
    assert (jobs["apply"].result, jobs["apply"].code) == ("failure", 4)
    assert "They are not sent again" in jobs["apply"].log
    first = hub.run(RECONCILE, "schedule")["reconcile"]
    assert (first.result, first.code) == ("failure", 4)
    project.state.approve()
    project.state.sync()
    assert hub.run(RECONCILE, "schedule")["reconcile"].result == "success"
    assert len(project.posted()) == 12


def test_a_lock_of_another_run_posts_nothing(project):
    project.edit(
        ".github/actions/chargeplan/action.yml",
        "CHARGEPLAN_DEADLINE:",
        'CHARGEPLAN_LOCK_TIMEOUT: "0"\n        CHARGEPLAN_DEADLINE:',
    )
    with (
        open_journal(project.journal, create=False) as journal,
        journal.lock(INTEGRATION, [OAK], purpose="apply", timeout=0),
    ):
        jobs = project.github().run(BILLING, "schedule")
    assert (jobs["apply"].result, jobs["apply"].code) == ("failure", 7), jobs["apply"].log
    assert project.posted() == []


def test_what_pip_is_told_is_this_version(project):
    hub = project.github()
    hub.run(PULL, "pull_request", FORK)
    told = (hub.folder / "runner-1" / "pip.txt").read_text()
    assert told.split() == [
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--quiet",
        f"chargeplan[postgres,approvals]=={__version__}",
    ]


@pytest.mark.parametrize("journal", ["", ".chargeplan/production.db"], ids=["not set", "a file"])
def test_a_journal_that_would_go_with_the_runner_is_refused(project, journal):
    hub = project.github()
    hub.secrets["CHARGEPLAN_JOURNAL"] = journal
    jobs = hub.run(BILLING, "schedule")
    assert results(jobs) == {"plan": "failure", "apply": "skipped"}
    assert "Nothing was sent." in jobs["plan"].log
    assert "CHARGEPLAN_JOURNAL" in jobs["plan"].log


def run_between(project, meddle):
    """The monthly run, with something that happens between the plan and the approval."""
    hub = project.github()
    document = read_yaml(hub.repository / ".github" / "workflows" / BILLING)
    plan = hub.job("plan", document["jobs"]["plan"], "schedule")
    assert plan.result == "success"
    meddle(hub, plan)
    return {
        "plan": plan,
        "apply": hub.job("apply", document["jobs"]["apply"], "schedule", before={"plan": plan}),
    }


PLAN_TEST = """\
version: 1
title: A household of unit 201 pays 25.00
plans: [../oak-street.yaml]
as_of: 2027-08-02
given:
  units: [{number: 201}]
  leases: [{unit: 201, start: 2027-03-01, end: 2028-02-29, rent: 1000.00, residents: [avery]}]
expect:
  lines: [{charge: amenity, unit: 201, date: 2027-08-01, amount: 25.00}]
"""
