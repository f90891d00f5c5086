"""The guide's roles for PostgreSQL, by the guide's own SQL: who migrates, who runs, who reads."""

from __future__ import annotations

import re

import psycopg
import pytest
from sqlalchemy.engine import make_url

from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e.house import AS_OF, ROOT, copy_of
from tests.e2e.shared import SharedHouse

GUIDE = ROOT / "chargeplan" / "journal" / "README.md"
OWNERS, GRANTS = re.findall(r"```sql\n(.*?)```", GUIDE.read_text(), re.DOTALL)[:2]
ROLES = "chargeplan_migrate, chargeplan_run, chargeplan_read"


def address(server: str, role: str) -> str:
    return make_url(server).set(username=role).update_query_dict({"schema": "chargeplan"}).render_as_string()


@pytest.fixture
def house(seeded, tmp_path, postgres):
    """A journal that the guide's first block and `journal init` have made, and the second block opened to the others."""
    with psycopg.connect(postgres, autocommit=True) as owner:
        owner.execute(OWNERS)
        try:
            with Sandbox.open(copy_of(seeded, tmp_path / "state.db")) as state, serve(state) as served:
                made = SharedHouse(tmp_path / "project", state, served.url)
                made.address = address(postgres, "chargeplan_migrate")
                assert made.run("journal", "init").code == 0
                with psycopg.connect(
                    make_url(postgres).set(username="chargeplan_migrate").render_as_string()
                ) as role:
                    role.execute(GRANTS)
                made.address = address(postgres, "chargeplan_run")
                yield made
        finally:
            owner.execute("DROP SCHEMA chargeplan CASCADE")
            owner.execute(f"DROP OWNED BY {ROLES}")
            owner.execute(f"DROP ROLE {ROLES}")


def test_the_running_role_runs_a_month(house):
    house.saved()
    assert house.apply().code == 0
    assert house.settle() == "No changes. Every charge is posted."
    assert house.run("journal", "verify").code == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET data = '{}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "UPDATE postings SET amount = 1",
        "DELETE FROM postings",
        "DELETE FROM plans",
        "UPDATE batches SET amount = 1",
        "DELETE FROM meta",
        "DROP TABLE locks",
        "CREATE TABLE mine ()",
    ],
)
def test_the_running_role_rewrites_nothing(house, postgres, statement):
    url = make_url(postgres).set(username="chargeplan_run").render_as_string()
    with psycopg.connect(url) as role:
        role.execute("SET search_path = chargeplan")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            role.execute(statement)


def test_the_reading_role_reads(house, postgres):
    house.saved()
    assert house.apply().code == 0
    house.address = address(postgres, "chargeplan_read")
    assert len(house.named()) == 12
    kinds = [each["kind"] for each in house.run("history", "--json").json["events"]]
    assert kinds[:4] == ["created", "bound", "locks_taken", "consumed"]
    assert house.run("journal", "verify").code == 0
    assert house.run("journal", "export", house.folder / "x.jsonl").code == 0
    assert house.run("journal", "locks", "--json").json["locks"] == []


def test_the_reading_role_posts_nothing(house, postgres):
    house.saved()
    house.address = address(postgres, "chargeplan_read")
    applied = house.apply()
    assert applied.code == 1, applied
    assert applied.json["code"] == "journal_denied"
    assert house.ours() == []
    resolved = house.run("reconcile", "--as-of", AS_OF)
    assert resolved.code == 0, resolved


def test_the_running_role_makes_no_journal(house, postgres):
    house.address = (
        make_url(address(postgres, "chargeplan_run"))
        .update_query_dict({"schema": "other"})
        .render_as_string()
    )
    made = house.run("journal", "init", "--json")
    assert made.code == 1
    assert made.json["code"] == "journal_denied"
    assert "role" in made.json["hint"]
