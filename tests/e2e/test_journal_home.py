"""A journal belongs to one environment and one API host, and is refused for any other before anything of it is read."""

from __future__ import annotations

import pytest

from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e.house import AS_OF, BATCH, copy_of


def renamed(house):
    path = house.folder / "chargeplan.yaml"
    text = path.read_text().replace("environment: live", "environment: prod").replace("  live:", "  prod:")
    path.write_text(text)


@pytest.mark.parametrize(
    "command",
    [
        ("plan", "--as-of", AS_OF),
        ("status",),
        ("apply", "--auto-approve", "--as-of", AS_OF),
        ("journal", "verify"),
    ],
)
def test_another_hosts_journal_is_refused_by_every_command(house, seeded, tmp_path, command):
    house.saved()
    assert house.apply().code == 0
    with Sandbox.open(copy_of(seeded, tmp_path / "other.db")) as state, serve(state) as served:
        house.config(url=served.url)
        refused = house.run(*command, "--json")
        assert (refused.code, refused.json["code"]) == (1, "journal_of_another")
        assert "environment `live` at 127.0.0.1" in refused.json["message"]
        assert "journal init --env live" in refused.json["hint"]
        assert "journal bind --env live" in refused.json["hint"]
        assert [each for each in state.requests() if each["path"] == BATCH] == []


def test_another_environments_journal_is_refused(house):
    house.saved()
    renamed(house)
    refused = house.run("plan", "--as-of", AS_OF, "--json")
    assert (refused.code, refused.json["code"]) == (1, "journal_of_another")
    assert "--env live" in refused.json["hint"]


def test_a_person_says_that_it_is_the_same_propexo_under_another_name(house):
    house.saved()
    assert house.apply().code == 0
    renamed(house)
    assert house.run("journal", "bind", "--reason", "renamed").code == 0
    house.month()
    assert house.plan().last == "No changes. Every charge is posted."
    events = [each for each in house.run("history", "--json").json["events"] if each["kind"] == "bound"]
    assert [each["data"]["environment"] for each in events] == ["live", "prod"]
    assert events[-1]["data"]["reason"] == "renamed"


def test_an_export_of_another_environment_fills_no_journal(house, tmp_path):
    export = tmp_path / "backup.jsonl"
    assert house.run("journal", "export", export).code == 0
    path = house.folder / "chargeplan.yaml"
    path.write_text(path.read_text().replace("live", "prod").replace("x.db", "y.db"))
    refused = house.run("journal", "import", export, "--json")
    assert (refused.code, refused.json["code"]) == (1, "journal_of_another")
    events = house.run("history", "--json").json["events"]
    assert [each["kind"] for each in events] == ["created", "bound"]


def test_open_lines_of_an_integration_that_nobody_names_stop_every_apply(house):
    house.saved()
    assert house.apply().code == 0
    for name in ("chargeplan.yaml", "plans/oak.yaml"):
        path = house.folder / name
        path.write_text(path.read_text().replace("resman-integration-98765", "resman-anew"))
    refused = house.run("apply", "--auto-approve", "--as-of", AS_OF, "--json")
    assert (refused.code, refused.json["code"]) == (1, "integration_unnamed")
    assert "journal move-integration resman-integration-98765 resman-anew" in refused.json["hint"]
