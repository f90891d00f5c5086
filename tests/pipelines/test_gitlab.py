"""The same for GitLab: the pipeline that `init` writes, job by job."""

from __future__ import annotations

import re

import pytest

from tests.pipelines.codehost import BOT

MERGE = {
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "5",
    "CI_COMMIT_BRANCH": "pets",
}
LAST = "12 to post ($300.00)"


def results(jobs):
    return {name: job.result for name, job in jobs.items()}


def test_a_merge_request_is_answered_in_one_note(project):
    lab = project.gitlab()
    first = lab.run("merge_request_event", **MERGE)
    assert results(first) == {"check": "success", "plan": "success", "verdict": "success"}
    project.edit("plans/oak-street.yaml", "25.00", "30.00")
    lab.run("merge_request_event", **MERGE)
    (note,) = project.host.by(BOT)
    assert note.splitlines()[1].startswith("### +$60.00 in August 2027: 12 lines changed")
    assert "12 to post ($360.00)" in note
    assert project.posted() == []


def test_a_fork_gets_the_check_alone(project):
    jobs = project.gitlab().run("merge_request_event", **{**MERGE, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "6"})
    assert results(jobs) == {"check": "success"}
    assert jobs["check"].given("PROPEXO_TOKEN") == set()


def test_the_job_that_comments_has_no_token_that_bills(project):
    jobs = project.gitlab().run("merge_request_event", **MERGE)
    assert jobs["verdict"].given("PROPEXO_TOKEN") == jobs["verdict"].given("CHARGEPLAN_JOURNAL") == set()
    assert jobs["plan"].given("CHARGEPLAN_COMMENT_TOKEN") == set()


def test_the_month_waits_for_a_person_then_posts_what_was_planned(project):
    lab = project.gitlab()
    waiting = lab.run("schedule")
    assert results(waiting) == {"plan": "success", "verdict": "success"}
    assert project.posted() == []
    done = lab.run("schedule", started=["apply"])
    assert results(done) == {"plan": "success", "verdict": "success", "apply": "success"}
    assert "| posted | 12 | $300.00 |" in done["apply"].log
    assert len(project.posted()) == 12
    again = lab.run("schedule", started=["apply"])
    assert again["apply"].log.endswith("Nothing is to post.\n")
    assert len(project.posted()) == 12


def test_a_guard_stops_the_month_and_is_overridden_by_hand(project):
    project.edit("chargeplan.yaml", "max_total: 600000.00", "max_total: 100.00")
    lab = project.gitlab()
    stopped = lab.run("schedule", started=["apply"])
    assert results(stopped) == {"plan": "success", "verdict": "failure"}
    assert stopped["verdict"].code == 6
    allowed = lab.run(
        "web", started=["apply"], CHARGEPLAN_ALLOW="max_total=400.00", CHARGEPLAN_REASON="new building"
    )
    assert allowed["apply"].result == "success"
    assert len(project.posted()) == 12


def test_a_branch_posts_nothing(project):
    jobs = project.gitlab().run("web", started=["apply"], CI_COMMIT_BRANCH="pets")
    assert results(jobs) == {"plan": "success", "verdict": "success"}
    assert project.posted() == []


def test_where_no_plan_could_be_made_the_note_says_so(project):
    lab = project.gitlab()
    lab.run("merge_request_event", **MERGE)
    lab.secrets = {**lab.secrets, "billing-plan": {**project.secrets, "PROPEXO_TOKEN": ""}}
    jobs = lab.run("merge_request_event", **MERGE, CI_JOB_URL="https://gitlab.example/jobs/9")
    assert jobs["verdict"].result == "failure"
    (note,) = project.host.by(BOT)
    assert LAST not in note
    assert "nothing can be applied" in note


def test_the_other_schedule_reconciles(project):
    lab = project.gitlab()
    lab.run("schedule", started=["apply"])
    project.state.approve()
    project.state.sync()
    jobs = lab.run("schedule", CHARGEPLAN_TASK="reconcile")
    assert results(jobs) == {"reconcile": "success"}
    assert "12" in jobs["reconcile"].log


def test_a_schedule_asks_in_an_issue_until_somebody_applied(project):
    lab = project.gitlab()
    lab.run("schedule")
    (issue,) = project.host.issues
    assert LAST in issue["body"]
    lab.run("schedule", started=["apply"])
    lab.run("schedule")
    assert (len(project.host.issues), issue["state"]) == (1, "closed")


@pytest.mark.parametrize("approval", ["dispatch"])
def test_who_starts_apply_gives_it_the_digest_that_they_have_read(project, approval):
    lab = project.gitlab()
    without = lab.run("schedule", started=["apply"])
    assert "There is no digest" in without["apply"].log
    digest = re.search(r"sha256:[0-9a-f]{64}", project.host.issues[0]["body"])[0]
    assert lab.run("schedule", started=["apply"], CHARGEPLAN_APPROVED=digest)["apply"].result == "success"
    assert len(project.posted()) == 12


def test_a_merge_request_decides_neither_what_is_run_nor_where_secrets_go(project):
    project.edit(".gitlab/chargeplan/plan.sh", "set -euo pipefail", "env; exit 0")
    project.edit("chargeplan.yaml", "token_env: PROPEXO_TOKEN", "token_env: CHARGEPLAN_JOURNAL")
    jobs = project.gitlab().run("merge_request_event", **MERGE)
    assert "Nothing was read or sent" in jobs["plan"].log.replace("\n", " ")
    (note,) = project.host.by(BOT)
    for secret in project.secrets.values():
        assert secret not in jobs["plan"].log + note
