"""What a variable holds is in no message, no log and no file's name, whatever the configuration calls it."""

from __future__ import annotations

import pytest

from chargeplan.cli.main import run
from tests.loading.helpers import load

TOKEN = "tok-3f9a7c51d2e84b60"
CONFIG = """\
version: 1
environments:
  live: {api: "http://127.0.0.1:9", token_env: PROPEXO_TOKEN, journal_env: PROPEXO_TOKEN}
integrations:
  main: {id: integration-1, vendor: RESMAN}
properties:
  oak: {id: p1, integration: main}
"""
COMMANDS = [
    "plan", "plan --offline", "apply --auto-approve", "status", "reconcile", "doctor", "history", "journal init", "journal verify",
    "journal export x.jsonl", "journal locks", "journal rebuild", "journal import --from-env PROPEXO_TOKEN", "validate --online",
    "explain CP7K3MZ0Q9T2V8XH4C", "resolve CP7K3MZ0Q9T2V8XH4C --posted --reason seen",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    load(tmp_path, config=CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROPEXO_TOKEN", TOKEN)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("more", [[], ["--json"], ["--log-level", "debug"]], ids=["", "json", "debug"])
def test_a_token_in_the_place_of_a_journals_address_is_refused_unseen(folder, capfd, caplog, command, more):
    assert run([*command.split(), *more]) == 1
    said = "".join(capfd.readouterr()) + caplog.text
    assert TOKEN not in said
    assert not [path for path in folder.rglob("*") if TOKEN in path.name]
    if command != "doctor":
        assert "The variable PROPEXO_TOKEN holds no `postgresql://` address of a journal" in " ".join(
            said.split()
        )


@pytest.mark.parametrize("variable", ["CHARGEPLAN_ENV", "CHARGEPLAN_CONFIG"])
def test_a_variable_that_chooses_is_not_shown_either(folder, monkeypatch, capfd, variable):
    monkeypatch.setenv(variable, TOKEN)
    assert run(["status"]) == 1
    said = "".join(capfd.readouterr())
    assert TOKEN not in said
    assert f"${variable}" in said


def test_a_file_of_roots_that_is_not_there_is_named(folder, capfd):
    (folder / "chargeplan.yaml").write_text(
        CONFIG.replace("journal_env: PROPEXO_TOKEN", "ca_file: company-ca.pem")
    )
    run(["journal", "init"])
    assert run(["plan"]) == 1
    said = " ".join(capfd.readouterr().err.split())
    assert "The file company-ca.pem, which `ca_file` of the environment `live` names, can't be read" in said
