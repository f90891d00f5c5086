"""The files themselves: code hosts accept them, no expression is pasted into shell, secrets and rights are as few as can be."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from chargeplan import __version__
from chargeplan.cli.scaffold import pipelines
from chargeplan.render.markdown import marker
from tests.pipelines.expressions import filled
from tests.pipelines.machines import ROOT, read_yaml

ACTION = ROOT / ".github" / "actions" / "chargeplan"
EXAMPLES = ROOT / "chargeplan" / "pipelines"
WORKFLOWS = sorted((EXAMPLES / "github").glob("*.yaml"))
SCRIPTS = sorted((ACTION / "scripts").iterdir())
GITLAB = EXAMPLES / "gitlab" / "gitlab-ci.yml"
SECRETS = re.compile(r"propexo-token|inputs\.journal|github-token|secrets\.")


def ran(*words):
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("schema", "files", "more"),
    [
        ("vendor.github-actions", [ACTION / "action.yml"], []),
        ("vendor.github-workflows", WORKFLOWS, []),
        ("vendor.gitlab-ci", [GITLAB], ["--data-transform", "gitlab-ci"]),
    ],
    ids=["action", "workflows", "gitlab"],
)
def test_code_hosts_accept_them(schema, files, more):
    assert files
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *more]
    done = ran(*checker, *map(str, files))
    assert done.returncode == 0, done.stdout + done.stderr


def test_shellcheck_finds_nothing():
    scripts = [str(each) for each in SCRIPTS if each.suffix == ".sh"]
    done = ran(str(Path(sys.executable).with_name("shellcheck")), "--external-sources", *scripts)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "script", [each for each in SCRIPTS if each.suffix == ".sh"], ids=lambda each: each.name
)
def test_every_script_stops_at_the_first_failure(script):
    if script.name != "common.sh":  # which is read by the others
        assert "\nset -euo pipefail\n" in script.read_text()


def test_no_expression_is_in_shell_text():
    """A branch's name or an input pasted into a script would be run."""
    steps = read_yaml(ACTION / "action.yml")["runs"]["steps"]
    for workflow in WORKFLOWS:
        steps += [step for job in read_yaml(workflow)["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    assert commands
    assert [each for each in commands if "${{" in each] == []


def test_actions_of_others_are_pinned_to_a_commit_and_say_the_version():
    lines = [
        line
        for path in (ACTION / "action.yml", *WORKFLOWS)
        for line in path.read_text().splitlines()
        if "uses: " in line and "./" not in line
    ]
    assert len(lines) >= 7
    for line in lines:
        assert re.search(r"uses: actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda each: each.stem)
def test_a_workflow_may_read_and_waits_its_turn(workflow):
    document = read_yaml(workflow)
    assert document["permissions"] == {"contents": "read"}
    assert document["concurrency"]["cancel-in-progress"] is False
    assert "pull_request_target" not in document["on"]
    for job in document["jobs"].values():
        assert job.get("permissions", {}).get("contents", "read") == "read"
        assert "timeout-minutes" in job


def group(workflow, **facts):
    """The line that a run stands in: GitHub keeps one waiting in it, and cancels that one when another comes."""
    text = read_yaml(EXAMPLES / "github" / f"chargeplan-{workflow}.yaml")["concurrency"]["group"]
    return filled(text, {f"github.{name}": value for name, value in facts.items()}.get)


def test_billing_that_starts_by_itself_stands_in_one_line():
    """The newest plans the same month from a newer commit, so that it may take the place of one that waits."""
    merged = group("billing", event_name="push", run_id="1")
    assert merged == group("billing", event_name="push", run_id="2")
    assert merged == group("billing", event_name="schedule", run_id="3")
    assert merged == "chargeplan-billing-automatic"


def test_billing_by_hand_is_replaced_by_no_other_run():
    """It bills a month or overrides a guard that no other run does."""
    by_hand = [group("billing", event_name="workflow_dispatch", run_id=number) for number in ("4", "5")]
    assert by_hand == ["chargeplan-billing-4", "chargeplan-billing-5"]


def test_jobs_of_a_billing_run_have_no_line_of_their_own():
    """A job that waits for its reviewers would be cancelled by the next one's."""
    jobs = read_yaml(EXAMPLES / "github" / "chargeplan-billing.yaml")["jobs"]
    assert [name for name, job in jobs.items() if "concurrency" in job] == []


def test_only_the_job_that_comments_may_write():
    writers = [
        (workflow.stem, name, job["permissions"])
        for workflow in WORKFLOWS
        for name, job in read_yaml(workflow)["jobs"].items()
        if "write" in str(job.get("permissions"))
    ]
    assert writers == [("chargeplan-pull-request", "plan", {"contents": "read", "pull-requests": "write"})]


def test_jobs_with_secrets_are_in_an_environment():
    for workflow in WORKFLOWS:
        for name, job in read_yaml(workflow)["jobs"].items():
            assert ("secrets." in str(job)) == ("environment" in job), (workflow.name, name)


def test_the_job_that_posts_waits_at_the_protected_environment():
    jobs = read_yaml(EXAMPLES / "github" / "chargeplan-billing.yaml")["jobs"]
    assert jobs["apply"]["environment"] == "billing"
    assert jobs["plan"]["environment"] == "billing-plan"
    assert read_yaml(GITLAB)["apply"]["environment"] == {"name": "billing"}
    assert read_yaml(GITLAB)["apply"]["rules"][0]["when"] == "manual"


def test_no_secret_is_in_the_environment_of_a_step_that_does_not_need_it():
    with_secrets = {
        step["name"]: sorted(step["env"])
        for step in read_yaml(ACTION / "action.yml")["runs"]["steps"]
        if SECRETS.search(str(step.get("env")))
    }
    assert set(with_secrets) == {"Plan", "Comment", "Apply", "Reconcile"}
    assert "PROPEXO_TOKEN" not in with_secrets["Comment"]
    assert all(
        "CHARGEPLAN_COMMENT_TOKEN" not in with_secrets[name] for name in ("Plan", "Apply", "Reconcile")
    )


def test_they_install_this_version():
    wanted = f"chargeplan[postgres,approvals]=={__version__}"
    assert read_yaml(ACTION / "action.yml")["inputs"]["install"]["default"] == wanted
    assert read_yaml(GITLAB)["variables"]["CHARGEPLAN_INSTALL"] == wanted


def test_init_writes_every_one_of_them(written):
    for name, text in pipelines("both").items():
        assert (written / name).read_text() == text, name
    for script in SCRIPTS:
        assert (
            written / ".github/actions/chargeplan/scripts" / script.name
        ).read_bytes() == script.read_bytes()
        assert (written / ".gitlab/chargeplan" / script.name).read_bytes() == script.read_bytes()
    assert {each.name for each in (written / ".github/workflows").iterdir()} == {
        each.name for each in WORKFLOWS
    }


@pytest.mark.parametrize(
    ("host", "there", "absent"),
    [
        ("github", ".github", ".gitlab-ci.yml"),
        ("gitlab", ".gitlab-ci.yml", ".github"),
        ("none", "plans", ".github"),
    ],
)
def test_init_writes_what_is_asked_for(host, there, absent):
    names = [*pipelines(host), "plans/x.yaml"]
    assert any(name.startswith(there) for name in names)
    assert not any(name.startswith(absent) for name in names)


def test_the_marker_is_chargeplans_own():
    for name in ("production", "a--> b", "x_y.z"):
        told = ran(sys.executable, str(ACTION / "scripts" / "document.py"), "failed", name, "1").stdout
        assert told.startswith(marker(name) + "\n")


def test_the_readme_names_every_script_and_every_variable():
    readme = (ACTION / "README.md").read_text()
    for script in SCRIPTS:
        if script.name not in {"common.sh", "document.py"}:  # parts of the others
            assert f"`{script.name}" in readme
    read = {name for each in SCRIPTS for name in re.findall(r"\bCHARGEPLAN_([A-Z_]+)\b", each.read_text())}
    inner = {
        "COMMENT_FILE",
        "PLAN_FILE_NAME",
        "PYTHON",
        "HAS_CHANGES",
        "WORK",
        "DOTENV",
        "JOURNAL",
        "ENV",
        "INSTALL",
    }
    for name in read - inner:
        assert f"_{name}`" in readme, name


# --- pre-commit ------------------------------------------------------------------------------------------------------


def hooks():
    return yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())


def test_the_hooks_see_every_file_that_may_bill_wherever_the_project_lies():
    for hook in hooks():
        fits = re.compile(hook["files"]).search
        for name in (
            "chargeplan.yaml",
            "plans/oak.yml",
            "billing/plans/oak.yaml",
            "rosters/2027/parking.csv",
        ):
            assert fits(name), name
        for name in ("README.md", "plans/README.md", "src/main.py"):
            assert not fits(name), name


@pytest.mark.parametrize("hook", hooks(), ids=lambda each: each["id"])
def test_a_hook_passes_a_good_project_and_stops_a_bad_one(hook, project):
    words = hook["entry"].split()
    assert words[0] == "chargeplan"
    assert hook["pass_filenames"] is False
    assert project.run(*words[1:]).returncode == 0
    project.edit("plans/oak-street.yaml", "amount: 25.00", "amount: 25")
    tests = project.folder / "plans" / "tests"
    (tests / "t.yaml").write_text(
        "version: 1\ntitle: t\nplans: [../oak-street.yaml]\nas_of: 2027-08-02\ngiven: {}\nexpect: {lines: []}\n"
    )
    bad = project.run(*words[1:])
    assert bad.returncode == 1
    assert "plans/oak-street.yaml:8" in bad.stdout + bad.stderr
