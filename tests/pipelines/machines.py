"""A machine for pipelines: a runner's folders, variables and files, and the jobs of the examples run on it, step by step.

What a code host's own actions do is done here plainly: a checkout is one of a real git repository, an artifact a copied folder.
The scripts, `action.yml`, the workflows and `.gitlab-ci.yml` are the ones that `init` wrote, of the commit that the event runs, with
the shells they ask for.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.pipelines.codehost import TOKEN as COMMENT_TOKEN
from tests.pipelines.codehost import Artifact, CodeHost
from tests.pipelines.expressions import filled, holds, rule_holds
from tests.pipelines.repository import Repository

ROOT = Path(__file__).parents[2]


@dataclass
class Ran:
    """One shell step: how it ended, what it said, what it was given."""

    name: str
    code: int
    log: str
    environ: dict[str, str]


@dataclass
class Job:
    """A job's result. ``result`` is success, failure or skipped, as a code host says it."""

    name: str
    result: str = "success"
    outputs: dict[str, str] = field(default_factory=dict)
    steps: list[Ran] = field(default_factory=list)
    summary: str = ""

    @property
    def log(self) -> str:
        return "".join(each.log for each in self.steps)

    @property
    def code(self) -> int:
        """Of the step that failed first."""
        return next((each.code for each in self.steps if each.code), 0)

    def given(self, name: str) -> set[str]:
        """The steps that had the variable, with something in it."""
        return {each.name for each in self.steps if each.environ.get(name)}


class Machine:
    """A throw-away machine in a folder: a workspace, a temporary folder, and programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace, self.temp, self.bin = folder / "work" / "repo", folder / "temp", folder / "bin"
        for each in (self.temp, self.bin):
            each.mkdir(parents=True)
        self.told_pip = folder / "pip.txt"
        # There is no registry that has this version yet: what pip would be told is written down.
        pip = f'if [ "$1 $2 $3" = "-I -m pip" ]; then printf "%s\\n" "$*" >>"{self.told_pip}"; exit 0; fi\n'
        self._program("python3", pip + f'exec "{sys.executable}" "$@"')
        self._program("chargeplan", f'exec "{Path(sys.executable).with_name("chargeplan")}" "$@"')

    def _program(self, name: str, line: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/bash\n{line}\n")
        path.chmod(0o755)

    def environ(self, **variables: str) -> dict[str, str]:
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": os.environ["HOME"], "PYTHONPATH": str(ROOT), **variables}

    def words(self, script: str) -> list[str]:
        """How a code host starts a step's commands: from a file."""
        file = self.folder / f"step-{len(list(self.folder.glob('step-*')))}.sh"
        file.write_text(script)
        return ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(file)]

    def shell(self, script: str, environ: Mapping[str, str], cwd: Path, name: str = "") -> Ran:
        """A step in bash, as a code host runs it."""
        done = subprocess.run(
            self.words(script), cwd=cwd, env=dict(environ), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stdout, done.stdout
        return Ran(name, done.returncode, done.stdout, dict(environ))


def read_yaml(path: Path) -> Any:
    """YAML as code hosts read it: `on` is a key, not a truth."""
    return parse_yaml(path.read_text(encoding="utf-8"))


def parse_yaml(text: str) -> Any:
    """The same of a text."""
    return yaml.load(text, Loader=_Loader)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if not tag.endswith("bool") or first in "tTfF"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


# --- GitHub ----------------------------------------------------------------------------------------------------------


class GitHub:
    """A repository at GitHub: each job of a workflow on a machine of its own."""

    def __init__(
        self, folder: Path, repository: Repository, host: CodeHost, secrets: Mapping[str, str]
    ) -> None:
        self.folder, self.repository, self.host, self.secrets = folder, repository, host, dict(secrets)
        self._count = self._runs = 0

    def run(
        self, workflow: str, event: str, payload: Mapping[str, Any] | None = None, **inputs: str
    ) -> dict[str, Job]:
        """All jobs of a workflow, in order; the inputs are those of a run by hand."""
        document = self.workflow(workflow, event)
        jobs: dict[str, Job] = {}
        for name, job in document["jobs"].items():
            jobs[name] = self.job(
                name=name, job=job, event=event, payload=payload, inputs=inputs, before=jobs
            )
        return jobs

    def workflow(self, workflow: str, event: str) -> Any:
        """The workflow as the event's commit has it, and a new run: `pull_request` runs the proposal's, all others main's."""
        self._runs += 1
        here = self.repository.commit("proposal" if "pull" in event else "main")
        self.commits = {}
        if "pull" in event:
            merged = self.repository.merged("proposal")
            self.commits["refs/pull/7/merge"] = merged
            here = merged if event == "pull_request" else "main"
        document = parse_yaml(self.repository.text(here, f".github/workflows/{workflow}"))
        assert event in document["on"], f"{workflow} does not run on {event}"
        self.commits[""] = here
        return document

    def job(
        self,
        name: str,
        job: Any,
        event: str,
        payload: Any = None,
        inputs: Any = None,
        before: dict[str, Job] | None = None,
    ) -> Job:
        """One job, after those of ``before``."""
        payload, inputs, before = payload or {}, inputs or {}, before or {}
        pull = payload.get("pull_request", {})
        stranger = (pull and pull["head"]["repo"]["full_name"] != "acme/billing") or "[bot]" in pull.get(
            "user", {}
        ).get("login", "")
        self._count += 1
        machine = Machine(self.folder / f"runner-{self._count}")
        contexts = {
            "github": {
                "event_name": event,
                "event": payload,
                "repository": "acme/billing",
                "ref": "refs/heads/main",
                "run_id": str(self._runs),
                "token": COMMENT_TOKEN,
                "workspace": str(machine.workspace),
            },
            # As GitHub does it: `pull_request` of a stranger has none, `pull_request_target` has them whoever asks.
            "secrets": {}
            if "environment" not in job or (stranger and event == "pull_request")
            else self.secrets,
            "inputs": inputs,
            "needs": {
                each: {"outputs": before[each].outputs, "result": before[each].result} for each in before
            },
        }
        found = Job(name)
        needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        if (
            any(before[each].result != "success" for each in needs)
            or not holds(job.get("if", "true"), _look(contexts))[0]
        ):
            found.result = "skipped"
            return found
        (machine.temp / "event.json").write_text(json.dumps(payload))
        base = machine.environ(
            CI="true", GITHUB_ACTIONS="true", RUNNER_ENVIRONMENT="github-hosted", RUNNER_TEMP=str(machine.temp),
            GITHUB_WORKSPACE=str(machine.workspace), GITHUB_REPOSITORY="acme/billing", GITHUB_API_URL=self.host.url,
            GITHUB_SERVER_URL="https://github.example", GITHUB_RUN_ID=str(self._runs), GITHUB_EVENT_NAME=event, GITHUB_ACTOR="pat",
            GITHUB_EVENT_PATH=str(machine.temp / "event.json"),
        )  # fmt: skip
        steps: dict[str, Any] = {}
        for step in job["steps"]:
            if found.result == "failure":
                break
            outputs = self._uses(machine, step, {**contexts, "steps": steps}, base, found)
            steps[step.get("id", "")] = {"outputs": outputs}
        look = _look({**contexts, "steps": steps})
        found.outputs = {key: filled(text, look) for key, text in job.get("outputs", {}).items()}
        return found

    def _uses(self, machine: Machine, step: Any, contexts: Any, base: Any, job: Job) -> dict[str, str]:
        words = {key: filled(text, _look(contexts)) for key, text in step.get("with", {}).items()}
        match step["uses"].split("@")[0]:
            case "actions/checkout":
                assert words["persist-credentials"] == "false"
                commit = self.commits[words.get("ref", "")]
                self.repository.check_out(commit, machine.workspace / words.get("path", ""))
                return {}
            case local:
                return self._composite(
                    machine=machine,
                    action=machine.workspace / local,
                    words=words,
                    outer=contexts,
                    base=base,
                    job=job,
                )

    def _composite(
        self, machine: Machine, action: Path, words: Any, outer: Any, base: Any, job: Job
    ) -> dict[str, str]:
        document = read_yaml(action / "action.yml")
        assert set(words) <= set(document["inputs"])
        inputs = {
            name: words.get(name, filled(each.get("default", ""), _look(outer)))
            for name, each in document["inputs"].items()
        }
        steps: dict[str, Any] = {}
        contexts = {
            "inputs": inputs,
            "github": outer["github"],
            "runner": {"temp": str(machine.temp)},
            "steps": steps,
        }
        look = _look(contexts)
        for step in document["runs"]["steps"]:
            run, after_failure = holds(step.get("if", "true"), look)
            if not run or (job.result == "failure" and not after_failure):
                continue
            if "uses" in step:
                self._artifact(step["uses"], {key: filled(text, look) for key, text in step["with"].items()})
                continue
            assert "${{" not in step["run"]
            output, summary = (
                machine.temp / f"output-{len(job.steps)}",
                machine.temp / f"summary-{len(job.steps)}",
            )
            output.touch()
            summary.touch()
            given = {key: filled(text, look) for key, text in step.get("env", {}).items()}
            environ = {
                **base,
                **given,
                "GITHUB_ACTION_PATH": str(action),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
            }
            cwd = machine.workspace / filled(step.get("working-directory", "."), look)
            ran = machine.shell(step["run"], environ, cwd, step["name"])
            job.steps.append(ran)
            job.summary += summary.read_text()
            steps[step.get("id", "")] = {"outputs": _lines(output)}
            if ran.code:
                job.result = "failure"
        return {name: filled(each["value"], look) for name, each in document["outputs"].items()}

    def _artifact(self, uses: str, words: dict[str, str]) -> None:
        match uses.split("@", maxsplit=1)[0]:
            case "actions/upload-artifact":
                kept = self.folder / f"artifact-{len(list(self.folder.iterdir()))}" / Path(words["path"]).name
                kept.parent.mkdir()
                shutil.copy(words["path"], kept)
                self.host.artifacts.insert(0, Artifact(words["name"], self._runs, kept))
            case "actions/download-artifact":
                Path(words["path"]).mkdir(parents=True, exist_ok=True)
                (found,) = [
                    each.file
                    for each in self.host.artifacts
                    if (each.name, str(each.run)) == (words["name"], words["run-id"])
                ]
                shutil.copy(found, words["path"])
            case other:
                assert other == "actions/setup-python", other


def _look(contexts: Mapping[str, Any]):
    """The value of a dotted name; what is not there is null, as at GitHub."""

    def look(name: str) -> Any:
        found: Any = contexts
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    return look


def _lines(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


# --- GitLab ----------------------------------------------------------------------------------------------------------


class GitLab:
    """A project at GitLab: each job of a pipeline on a machine of its own, manual ones where they are started."""

    def __init__(
        self, folder: Path, repository: Repository, host: CodeHost, secrets: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.folder, self.repository, self.host, self.secrets = folder, repository, host, secrets
        self._count = 0

    def run(self, source: str, *, started: Iterable[str] = (), **variables: str) -> dict[str, Job]:
        """All jobs of a pipeline; ``started`` are the manual ones that a person starts."""
        proposed = source == "merge_request_event"
        self.commit = self.repository.commit("proposal" if proposed else "main")
        document = parse_yaml(self.repository.text(self.commit, ".gitlab-ci.yml"))
        known = {
            "CI_PIPELINE_SOURCE": source,
            "CI_PROJECT_ID": "5",
            "CI_DEFAULT_BRANCH": "main",
            "CI_COMMIT_BRANCH": "main",
            **variables,
        }
        assert any(rule_holds(each["if"], known) for each in document["workflow"]["rules"])
        named = [name for name in document if name not in {"workflow", "default", "variables", "stages"}]
        jobs: dict[str, Job] = {}
        kept: dict[str, Path] = {}
        dotenv: dict[str, str] = {}
        for name in sorted(named, key=lambda each: document["stages"].index(document[each]["stage"])):
            rule = next((each for each in document[name]["rules"] if rule_holds(each["if"], known)), None)
            when = rule.get("when", "on_success") if rule else "never"
            needs = document[name].get("needs", list(jobs))
            well = all(jobs[each].result == "success" for each in needs if each in jobs)
            if (
                when == "never"
                or (when == "manual" and name not in started)
                or (when != "always" and not well)
            ):
                continue
            jobs[name] = self._job(document, name, {**known, **rule.get("variables", {})}, kept, dotenv)
        return jobs

    def _job(
        self, document: Any, name: str, known: dict[str, str], kept: dict[str, Path], dotenv: dict[str, str]
    ) -> Job:
        self._count += 1
        machine = Machine(self.folder / f"runner-{self._count}")
        self.repository.check_out(self.commit, machine.workspace)
        job = document[name]
        for path, copy in kept.items():
            target = machine.workspace / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(copy, target)
        place = job.get("environment", {}).get("name", "")
        environ = machine.environ(
            CI="true", GITLAB_CI="true", CI_PROJECT_DIR=str(machine.workspace), CI_API_V4_URL=self.host.url, GITLAB_USER_LOGIN="pat",
            **{key: value.replace("$CI_PROJECT_DIR", str(machine.workspace)) for key, value in {**document["variables"], **job.get("variables", {}), **known}.items()},
            **self.secrets.get(place, {}), **dotenv,
        )  # fmt: skip
        found = Job(name)
        for line in (*job.get("before_script", document["default"]["before_script"]), *job["script"]):
            ran = machine.shell(line, environ, machine.workspace, line)
            found.steps.append(ran)
            if ran.code:
                found.result = "failure"
                break
        self._keep(machine, job.get("artifacts", {}), kept, dotenv)
        return found

    def _keep(self, machine: Machine, artifacts: Any, kept: dict[str, Path], dotenv: dict[str, str]) -> None:
        for path in artifacts.get("paths", ()):
            if (machine.workspace / path).exists():
                copy = machine.folder / "artifacts" / path
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(machine.workspace / path, copy)
                kept[path] = copy
        report = artifacts.get("reports", {}).get("dotenv")
        if report and (machine.workspace / report).exists():
            dotenv.update(_lines(machine.workspace / report))
            assert all(re.fullmatch(r"CHARGEPLAN_[A-Z_]+", key) for key in dotenv)
