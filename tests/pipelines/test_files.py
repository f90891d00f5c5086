"""The files themselves: code hosts accept them, no expression is pasted into shell, secrets and rights are as few as can be."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from chargeplan.render.markdown import marker
from chargeplan.starter.installed import Installed, from_direct_url
from chargeplan.starter.pipelines import APPROVALS, chosen, pipelines
from tests.pipelines.expressions import filled
from tests.pipelines.machines import ROOT, parse_yaml, read_yaml

ACTION = ROOT / ".github" / "actions" / "chargeplan"
EXAMPLES = ROOT / "chargeplan" / "pipelines"
NONE = Installed("")
# Every workflow of every kind of approval, as `init` writes them.
WORKFLOWS = {
    f"{approval}: {Path(name).stem}": parse_yaml(text)
    for approval in APPROVALS
    for name, text in pipelines("github", approval, NONE).items()
    if "/workflows/" in name
}
SCRIPTS = sorted((ACTION / "scripts").iterdir())
GITLAB = {
    approval: parse_yaml(pipelines("gitlab", approval, NONE)[".gitlab-ci.yml"]) for approval in APPROVALS
}
SECRETS = re.compile(r"propexo-token|inputs\.journal|github-token|secrets\.")


def ran(*words):
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("schema", "files", "more"),
    [
        ("vendor.github-actions", ".github/actions/chargeplan/action.yml", []),
        ("vendor.github-workflows", ".github/workflows/*.yaml", []),
        ("vendor.gitlab-ci", ".gitlab-ci.yml", ["--data-transform", "gitlab-ci"]),
    ],
    ids=["action", "workflows", "gitlab"],
)
def test_code_hosts_accept_them(schema, files, more, written):
    found = [str(path) for approval in APPROVALS for path in (written / approval).glob(files)]
    assert len(found) >= 3
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *more]
    done = ran(*checker, *found)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_section_is_for_an_approval_that_there_is():
    for path in EXAMPLES.rglob("*.y*ml"):
        words = {word for mark in re.findall(r"# \{(.*)\}", path.read_text()) for word in mark.split()}
        assert words <= {*APPROVALS, "end"}, path
        assert "# {" not in chosen(path.read_text(), "signed")


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
    for workflow in WORKFLOWS.values():
        steps += [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    assert commands
    assert [each for each in commands if "${{" in each] == []


def test_actions_of_others_are_pinned_to_a_commit_and_say_the_version():
    lines = [
        line
        for path in (
            ACTION / "action.yml",
            *(EXAMPLES / "github").iterdir(),
            ROOT / ".github/workflows/release.yaml",
        )
        for line in path.read_text().splitlines()
        if "uses: " in line and "./" not in line
    ]
    assert len(lines) >= 7
    for line in lines:
        assert re.search(r"uses: actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_and_waits_its_turn(name):
    document = WORKFLOWS[name]
    assert document["permissions"].get("contents") == "read"
    assert "write" not in document["permissions"].values()
    assert document["concurrency"]["cancel-in-progress"] is False
    for job in document["jobs"].values():
        assert job.get("permissions", {}).get("contents", "read") == "read"
        assert "timeout-minutes" in job


def test_secrets_meet_a_pull_requests_files_only_in_mains_workflow_on_mains_action():
    """`pull_request` runs the pull request's files and has no secret; `pull_request_target` runs main's, and reads the others."""
    for name, document in WORKFLOWS.items():
        with_secrets = "secrets." in str(document)
        assert not (with_secrets and "pull_request" in document["on"]), name
        if "pull_request_target" in document["on"]:
            first, second, *rest = document["jobs"]["plan"]["steps"]
            assert "with" in first
            assert set(first["with"]) == {"persist-credentials"}
            assert (second["with"]["ref"].split("/")[1], second["with"]["path"]) == ("pull", "proposal")
            assert [step["uses"] for step in rest] == ["./.github/actions/chargeplan"]
            assert rest[0]["with"]["trust"] == "${{ github.workspace }}/chargeplan.yaml"
            assert document["on"]["pull_request_target"] == {"branches": ["main"]}


def test_a_job_that_finds_a_plan_may_read_actions_and_one_that_asks_may_write_issues():
    for document in WORKFLOWS.values():
        for job in document["jobs"].values():
            rights = {**document["permissions"], **job.get("permissions", {})}
            words = job["steps"][-1]["with"]
            assert (rights.get("actions") == "read") == (words["mode"] == "apply")
            assert (rights.get("issues") == "write") == ("ask" in words)


def test_reconcile_waits_for_nobodys_review():
    """Its environment is its own, so that reviewers of another don't stop it."""
    for name, document in WORKFLOWS.items():
        for job in document["jobs"].values():
            assert (job.get("environment") == "billing-reconcile") == ("reconcile" in name)


def group(workflow, **facts):
    """The line that a run stands in: GitHub keeps one waiting in it, and cancels that one when another comes."""
    text = WORKFLOWS[f"dispatch: chargeplan-{workflow}"]["concurrency"]["group"]
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
    jobs = WORKFLOWS["environments: chargeplan-billing"]["jobs"]
    assert [name for name, job in jobs.items() if "concurrency" in job] == []


def test_only_what_comments_or_asks_may_write():
    writers = {
        (name.split(": ")[1], key, right)
        for name, document in WORKFLOWS.items()
        for key, job in document["jobs"].items()
        for right, word in job.get("permissions", {}).items()
        if word == "write"
    }
    assert writers == {
        ("chargeplan-pull-request", "plan", "pull-requests"),
        ("chargeplan-billing", "plan", "issues"),
    }


def test_jobs_with_secrets_are_in_an_environment():
    for name, document in WORKFLOWS.items():
        for key, job in document["jobs"].items():
            assert ("secrets." in str(job)) == ("environment" in job), (name, key)


def test_nothing_is_posted_without_a_person():
    """By reviewers of an environment, or by who starts the job: no apply starts by itself in a place without either."""
    for name, document in WORKFLOWS.items():
        for job in document["jobs"].values():
            if job["steps"][-1]["with"]["mode"] == "apply":
                assert job["environment"] == "billing"
                assert name.startswith("environments") or set(document["on"]) == {"workflow_dispatch"}
    for document in GITLAB.values():
        assert document["apply"]["environment"] == {"name": "billing"}
        assert document["apply"]["rules"][0]["when"] == "manual"


def test_no_secret_is_in_the_environment_of_a_step_that_does_not_need_it():
    with_secrets = {
        step["name"]: sorted(step["env"])
        for step in read_yaml(ACTION / "action.yml")["runs"]["steps"]
        if SECRETS.search(str(step.get("env")))
    }
    assert set(with_secrets) == {"Plan", "Comment", "Ask", "Find the plan file", "Apply", "Reconcile"}
    assert "PROPEXO_TOKEN" not in with_secrets["Comment"]
    assert all(
        "CHARGEPLAN_COMMENT_TOKEN" not in with_secrets[name] for name in ("Plan", "Apply", "Reconcile")
    )


# --- what they install -----------------------------------------------------------------------------------------------

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HASH = "ab" * 32


def line(installed):
    return [each for each in installed.requirements.splitlines() if not each.startswith("#")]


def test_a_git_address_is_pinned_to_its_commit():
    vcs = {"url": "https://github.com/acme/chargeplan", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}
    assert line(from_direct_url(vcs)) == [
        f"chargeplan[postgres,approvals] @ git+https://github.com/acme/chargeplan@{COMMIT}"
    ]


def test_a_wheel_is_put_beside_with_its_hash(tmp_path):
    wheel = tmp_path / "chargeplan-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    found = from_direct_url({"url": wheel.as_uri(), "archive_info": {}})
    digest = hashlib.sha256(b"a wheel").hexdigest()
    assert found.wheel == wheel
    assert line(found) == [
        f"chargeplan[postgres,approvals] @ file://${{CHARGEPLAN_HERE}}/{wheel.name}#sha256={digest}"
    ]


def test_a_wheel_from_an_address_is_pinned_to_its_hash():
    archive = {"url": "https://example.com/chargeplan.whl", "archive_info": {"hashes": {"sha256": HASH}}}
    assert line(from_direct_url(archive)) == [
        f"chargeplan[postgres,approvals] @ https://example.com/chargeplan.whl#sha256={HASH}"
    ]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"url": "https://example.com/x.whl", "archive_info": {}},
        {"url": "file:///nowhere", "dir_info": {}},
    ],
    ids=["from an index", "without a hash", "a folder without a remote"],
)
def test_what_is_not_known_is_not_guessed(document):
    """A name alone would be looked up in an index, where it may be somebody else's."""
    found = from_direct_url(document)
    assert (line(found), found.is_known) == ([], False)


def test_init_writes_every_one_of_them(written):
    for approval in APPROVALS:
        for name, text in pipelines("both", approval, NONE).items():
            if not name.endswith("requirements.txt"):
                assert (written / approval / name).read_text() == text, name
    for script in SCRIPTS:
        for folder in (".github/actions/chargeplan/scripts", ".gitlab/chargeplan"):
            assert (written / "signed" / folder / script.name).read_bytes() == script.read_bytes()
    assert {each.name for each in (EXAMPLES / "github").iterdir()} == {
        each.name for each in (written / "dispatch" / ".github/workflows").iterdir()
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
    names = [*pipelines(host, "dispatch", NONE), "plans/x.yaml"]
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
        "HERE",
        "CONFIG",
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
