"""Single steps, called with the variables that a runner sets: what they refuse, and what they keep safe."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chargeplan.core.approval import write_key
from chargeplan.journal import open_journal
from chargeplan.planfile.approvals import write_new_key
from chargeplan.sandbox.faults import Fault
from tests.e2e.house import BATCH, TODAY
from tests.pipelines.codehost import BOT, TOKEN, served
from tests.pipelines.machines import ROOT, Machine, read_yaml

SCRIPTS = ROOT / ".github" / "actions" / "chargeplan" / "scripts"
ACTION = read_yaml(SCRIPTS.parent / "action.yml")
MARKER = "<!-- chargeplan:plan:production -->"


class Step:
    """A hosted runner with a project as its workspace, and scripts run on it one by one."""

    def __init__(self, folder: Path, project) -> None:
        self.machine, self.project = Machine(folder), project
        self.output, self.summary = folder / "output", folder / "summary"
        self.output.touch()
        self.summary.touch()

    def environ(self, **variables: str) -> dict[str, str]:
        given = {
            "GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(self.machine.temp), "GITHUB_WORKSPACE": str(self.project.folder),
            "GITHUB_OUTPUT": str(self.output), "GITHUB_STEP_SUMMARY": str(self.summary), "CHARGEPLAN_ENV": "production",
            "CHARGEPLAN_AS_OF": str(TODAY), **self.project.secrets, **variables,
        }  # fmt: skip
        return self.machine.environ(**{name: value for name, value in given.items() if value is not None})

    def run(self, script: str, **variables: str):
        return self.machine.shell(f"bash {SCRIPTS / script}", self.environ(**variables), self.project.folder)

    @property
    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.output.read_text().splitlines())


@pytest.fixture
def step(project, tmp_path):
    return Step(tmp_path / "runner", project)


# --- the journal ---------------------------------------------------------------------------------------------------


def with_file_journal(project, path):
    """The project with a SQLite journal that exists, named in its configuration: a variable holds a server's address."""
    config = project.folder / "chargeplan.yaml"
    text = config.read_text(encoding="utf-8")
    assert "journal_env: CHARGEPLAN_JOURNAL" in text
    config.write_text(text.replace("journal_env: CHARGEPLAN_JOURNAL", f"journal: {path}"), encoding="utf-8")
    with open_journal(str(path), create=True):
        pass


def test_a_file_on_a_disk_that_stays_is_taken_where_somebody_says_so(step, tmp_path):
    disk = tmp_path / "disk"
    with_file_journal(step.project, disk / "production.db")
    refused = step.run("plan.sh")
    assert refused.code == 1
    assert "would go with this runner" in refused.log
    assert step.run("plan.sh", CHARGEPLAN_PERSISTENT_JOURNAL=str(disk)).code == 0
    elsewhere = step.run("plan.sh", CHARGEPLAN_PERSISTENT_JOURNAL=str(tmp_path / "other"))
    assert elsewhere.code == 1
    assert "is not below" in elsewhere.log


def test_the_workspace_is_no_disk_that_stays(step):
    """Each checkout cleans it."""
    folder = step.project.folder / ".chargeplan"
    with_file_journal(step.project, folder / "production.db")
    refused = step.run("plan.sh", CHARGEPLAN_PERSISTENT_JOURNAL=str(folder))
    assert refused.code == 1
    assert step.project.posted() == []


def test_a_link_out_of_the_disk_is_followed(step, tmp_path):
    disk, real = tmp_path / "disk", tmp_path / "real"
    disk.mkdir()
    with_file_journal(step.project, real / "production.db")
    (disk / "state").symlink_to(real)
    step.project.journal = str(disk / "state" / "production.db")
    assert step.run("plan.sh", CHARGEPLAN_PERSISTENT_JOURNAL=str(disk)).code == 1


def test_on_a_persons_own_machine_a_file_is_a_journal(step, tmp_path):
    with_file_journal(step.project, tmp_path / "disk" / "production.db")
    assert step.run("plan.sh", GITHUB_ACTIONS=None).code == 0


def test_no_script_makes_a_journal():
    for script in SCRIPTS.iterdir():
        assert "journal init" not in script.read_text()


# --- apply ---------------------------------------------------------------------------------------------------------


def test_apply_needs_the_digest_that_was_reviewed(step):
    step.run("plan.sh")
    ran = step.run("apply.sh")
    assert ran.code == 1
    assert "There is no digest." in ran.log
    assert step.project.posted() == []


def test_apply_needs_the_plan_file(step):
    ran = step.run("apply.sh", CHARGEPLAN_DIGEST="sha256:" + "0" * 64)
    assert ran.code == 1
    assert "There is no plan file" in ran.log


def test_nothing_to_post_is_a_good_end(step):
    ran = step.run("apply.sh", CHARGEPLAN_HAS_CHANGES="false")
    assert (ran.code, step.outputs) == (0, {"outcome": "nothing"})


def test_apply_takes_the_approvals_that_people_signed(step, tmp_path):
    key = tmp_path / "ada.key"
    public = write_key(write_new_key(key, ""))
    approvers = f"approvals: {{required: 1, approvers: [{{name: ada, key: '{public}'}}]}}\nguards:"
    step.project.edit("chargeplan.yaml", "guards:", approvers)
    step.run("plan.sh", GITHUB_ACTOR="kim")
    digest, plan = step.outputs["digest"], Path(step.outputs["plan_file"])
    refused = step.run("apply.sh", CHARGEPLAN_DIGEST=digest)
    assert refused.code == 6, refused.log
    (told,) = [line for line in refused.log.splitlines() if line.startswith("::error")]
    assert "`chargeplan approve chargeplan.plan --key FILE`" in told
    assert "allow" not in told
    assert step.project.posted() == []
    signed = step.project.run("approve", plan, "--key", key, "--out", tmp_path / "signed", "--yes")
    assert signed.returncode == 0, signed.stderr
    ran = step.run(
        "apply.sh", CHARGEPLAN_DIGEST=digest, CHARGEPLAN_APPROVALS=(tmp_path / "signed").read_text()
    )
    assert ran.code == 0, ran.log
    assert len(step.project.posted()) > 0


def test_an_earlier_try_never_passes_for_this_one(step):
    step.run("plan.sh")
    first = Path(step.outputs["plan_file"]).read_bytes()
    assert first
    ran = step.run("plan.sh", PROPEXO_TOKEN="")
    assert ran.code == 0  # the comment comes first; the verdict ends the job
    assert step.outputs["exit_code"] == "1"
    assert (step.outputs["has_changes"], step.outputs["digest"]) == ("false", "")
    assert not (step.machine.temp / "chargeplan-run" / "chargeplan.plan").exists()
    assert step.run("verdict.sh", CHARGEPLAN_EXIT_CODE="1").code == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupt", "terminate"])
def test_a_cancelled_job_finishes_the_request_under_way_and_records_it(step, number):
    """The code host signals the shell, which passes it on; what was sent is known afterwards, what was not is not sent."""
    step.project.edit("chargeplan.yaml", "guards:", "posting: {batch_size: 4, parallel: 1}\nguards:")
    step.run("plan.sh")
    pause = threading.Event()
    step.project.state.add_faults(Fault(method="POST", path=BATCH, delay=2.0))
    (command,) = [each["run"] for each in ACTION["runs"]["steps"] if each["name"] == "Apply"]
    running = subprocess.Popen(
        # A shell can't take back that a signal is ignored, as it is for what the tests' own shell runs in the background.
        ["env", "--default-signal=INT", *step.machine.words(command)], cwd=step.project.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env=step.environ(CHARGEPLAN_DIGEST=step.outputs["digest"], GITHUB_ACTION_PATH=str(SCRIPTS.parent)),
    )  # fmt: skip
    while running.poll() is None and step.project.state.waiting_faults():
        pause.wait(0.02)
    running.send_signal(number)
    log, _ = running.communicate(timeout=60)
    assert running.returncode == 130, log
    assert "under way; once more stops at once." in log
    assert len(step.project.posted()) == 4
    status = json.loads(
        step.project.run("status", "--env", "production", "--as-of", str(TODAY), "--json").stdout
    )
    assert status["unknown"] == []
    assert len(status["in_flight"]) == 4


# --- what the runner's page shows ----------------------------------------------------------------------------------


def test_text_from_elsewhere_is_no_command_to_the_runner(step):
    said = step.machine.shell(
        f". {SCRIPTS / 'common.sh'}; untrusted printf '::add-mask::a\\n::error::b\\n'",
        step.environ(),
        step.project.folder,
    ).log.splitlines()
    token = said[0].removeprefix("::stop-commands::")
    assert len(token) == 32
    assert said == [f"::stop-commands::{token}", "::add-mask::a", "::error::b", f"::{token}::"]


def test_a_path_that_a_file_names_is_no_command_to_the_runner(step):
    """Not where the journal is asked for either, whose place is the configuration's word."""
    step.project.edit(
        "chargeplan.yaml", "journal_env: CHARGEPLAN_JOURNAL", 'journal: "x\\n::error::b\\n::add-mask::a"'
    )
    lines = step.run("plan.sh").log.splitlines()
    obeyed, token = [], ""
    for line in lines:
        if token:
            token = "" if line == f"::{token}::" else token
        elif line.startswith("::stop-commands::"):
            token = line.removeprefix("::stop-commands::")
        elif line.startswith("::"):
            obeyed.append(line)
    assert len(obeyed) == 1
    assert obeyed[0].startswith("::error title=chargeplan::")
    assert "would go with this runner" in obeyed[0]


def test_no_module_of_the_working_directory_is_run(step):
    """A pull request's `secrets.py` or `pip.py` would have the step's secrets."""
    for name in ("secrets.py", "pip.py", "json.py", "chargeplan.py"):
        (step.project.folder / name).write_text(
            "import os\nopen('ran.txt', 'w').write(str(dict(os.environ)))\n"
        )
    assert step.run("plan.sh").code == 0
    step.run("install.sh", CHARGEPLAN_INSTALL="x")
    assert not (step.project.folder / "ran.txt").exists()


@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_a_command_gets_the_signal_that_the_script_got(step, name):
    heard = step.machine.folder / "heard"
    inner = f"trap 'echo INT >{heard}; exit 130' INT; trap 'echo TERM >{heard}; exit 143' TERM; echo ready; sleep 30 >/dev/null 2>&1 & wait"
    running = subprocess.Popen(
        ["env", "--default-signal=INT", *step.machine.words(f". {SCRIPTS / 'common.sh'}; untrusted bash -c \"{inner}\"")],
        cwd=step.project.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=step.environ(GITHUB_ACTIONS=None),
    )  # fmt: skip
    assert running.stdout.readline() == "ready\n"
    running.send_signal(getattr(signal, f"SIG{name}"))
    running.communicate(timeout=30)
    assert heard.read_text() == f"{name}\n"


def test_a_summary_that_would_be_too_long_is_left_out_and_said(step):
    step.summary.write_text("x" * 999_000)
    ran = step.run("plan.sh")
    assert "The summary is too long" in ran.log
    assert step.summary.stat().st_size == 999_000


def test_files_of_a_step_are_the_owners_alone(step):
    step.run("plan.sh")
    folder = step.machine.temp / "chargeplan-run"
    assert {oct(each.stat().st_mode & 0o077) for each in (folder, *folder.iterdir())} == {"0o0"}


# --- the comment ---------------------------------------------------------------------------------------------------


@pytest.fixture
def host():
    with served() as found:
        yield found


def comment(host, tmp_path, body=f"{MARKER}\nhello", event=None, **variables):
    file, payload = tmp_path / "plan.md", tmp_path / "event.json"
    file.write_text(body)
    payload.write_text(json.dumps({"pull_request": {"number": 7}} if event is None else event))
    environ = {"GITHUB_EVENT_PATH": str(payload), "GITHUB_REPOSITORY": "acme/billing", "GITHUB_API_URL": host.url,
               "CHARGEPLAN_COMMENT_TOKEN": TOKEN, **variables}  # fmt: skip
    return subprocess.run(
        [sys.executable, str(SCRIPTS / "comment.py"), str(file)], env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_an_event_without_a_pull_request_has_no_comment(host, tmp_path):
    assert comment(host, tmp_path, event={"schedule": "0 14 1 * *"}).returncode == 0
    assert host.requests == []


def test_a_page_at_another_host_does_not_get_the_token(host, tmp_path):
    with served() as other:
        host.elsewhere = other.url
        host.add("a remark", "pat")
        done = comment(host, tmp_path)
        assert other.requests == []
    assert done.returncode == 1
    assert "another host" in done.stdout


def test_the_token_is_not_sent_in_the_clear(host, tmp_path):
    done = comment(host, tmp_path, GITHUB_API_URL="http://api.example.com")
    assert done.returncode == 1
    assert "is not https" in done.stdout


@pytest.mark.parametrize("status", [500, 302])
def test_a_refusal_is_said_and_not_repeated(host, tmp_path, status):
    host.refuses = status
    done = comment(host, tmp_path)
    assert done.returncode == 1
    assert (
        done.stdout
        == f"::error title=chargeplan::The code host answered {status} to GET. Run the job again.\n"
    )
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("no marker", "does not begin with chargeplan's marker"),
        (MARKER + "x" * 70_000, "65,536 are the most"),
    ],
    ids=["marker", "length"],
)
def test_only_a_plans_comment_is_written(host, tmp_path, body, said):
    done = comment(host, tmp_path, body)
    assert done.returncode == 1
    assert said in done.stdout
    assert host.by(BOT) == []
