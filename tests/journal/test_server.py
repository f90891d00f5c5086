"""What only a server has: its promises, its schemas, and addresses."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy.engine import make_url

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import open_journal
from chargeplan.journal.server import address
from tests.journal.builders import intend, states
from tests.postgres import running


def _with(target: str, *settings: str) -> str:
    """The address, with settings for its session as `ALTER ROLE … SET` would give."""
    url = make_url(target)
    options = " ".join([str(url.query["options"]), *(f"-c{setting}" for setting in settings)])
    return url.update_query_dict({"options": options}).render_as_string(hide_password=False)


def _code(target: str) -> str:
    with pytest.raises(ChargeplanError) as caught:
        open_journal(target, create=True).close()
    assert "othing was sent" in caught.value.message
    return caught.value.code


def _setting_while_writing(target: str, *, allow_async: bool = False) -> str:
    with open_journal(target, create=True, allow_async=allow_async) as journal:
        return str(
            journal._database.write(
                lambda connection: connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
            )
        )


@pytest.mark.parametrize("setting", ["on", "remote_apply", "remote_write", "local"])
def test_commits_that_are_durable_here(schema_target: str, setting: str) -> None:
    assert _setting_while_writing(_with(schema_target, f"synchronous_commit={setting}")) == setting


def test_commits_that_are_forgotten_are_refused(schema_target: str) -> None:
    forgetful = _with(schema_target, "synchronous_commit=off")
    assert _code(forgetful) == "journal_async"
    with psycopg.connect(schema_target) as connection:
        assert connection.execute("SELECT to_regclass('meta')").fetchone() == (None,)
    assert _setting_while_writing(forgetful, allow_async=True) == "off"


@pytest.fixture
def with_standby(postgres: str) -> Iterator[str]:
    """A server whose commits would wait for a standby, with a journal."""
    assert postgres
    with running() as server:
        target = make_url(server.get_uri()).update_query_dict({"options": "-csearch_path=public"})
        address = target.render_as_string()
        open_journal(address, create=True).close()
        server.psql("ALTER SYSTEM SET synchronous_standby_names = 'elsewhere'; SELECT pg_reload_conf();")
        with psycopg.connect(address, autocommit=True) as connection:
            while connection.execute("SHOW synchronous_standby_names").fetchone() != ("elsewhere",):
                pass
        yield address


def test_with_standbys_commits_have_to_reach_their_disks(with_standby: str) -> None:
    for setting in ("off", "local", "remote_write"):
        assert _code(_with(with_standby, f"synchronous_commit={setting}")) == "journal_async"
    for setting in ("on", "remote_apply"):
        open_journal(_with(with_standby, f"synchronous_commit={setting}"), create=False).close()


def test_journals_share_a_database(postgres: str) -> None:
    for name in ("billing", "Odd name; --"):
        target = make_url(postgres).update_query_dict({"schema": name}).render_as_string()
        with pytest.raises(ChargeplanError) as caught:
            open_journal(target, create=False)
        assert caught.value.code == "journal_missing"
        with open_journal(target, create=True) as journal:
            assert name in journal.where
            intend(journal, f"CP-{name}")
        with open_journal(target, create=False) as journal:
            assert states(journal) == {f"CP-{name}": "intended"}
            assert journal.verify() == []
    with psycopg.connect(postgres, autocommit=True) as connection:
        assert connection.execute("SELECT to_regclass('public.events')").fetchone() == (None,)
        connection.execute('DROP SCHEMA billing CASCADE; DROP SCHEMA "Odd name; --" CASCADE')


@pytest.mark.parametrize("query", ["schema=a&schema=b", "schema=" + "x" * 64])
def test_a_schema_that_is_none(query: str) -> None:
    with pytest.raises(ChargeplanError) as caught:
        address(f"postgresql://localhost/db?{query}")
    assert caught.value.code == "journal_address"


def test_the_password_of_the_environment(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert postgres
    with running() as server:
        server.psql("CREATE ROLE runner LOGIN PASSWORD 's3cret'; CREATE SCHEMA journal AUTHORIZATION runner;")
        rules = server.pgdata / "pg_hba.conf"
        rules.write_text("local all runner scram-sha-256\n" + rules.read_text())
        server.psql("SELECT pg_reload_conf();")
        host = make_url(server.get_uri()).query["host"]
        named = f"postgresql://runner@/postgres?host={host}&schema=journal"
        monkeypatch.setenv("PGPASSWORD", "wr0ng")
        with pytest.raises(ChargeplanError) as caught:
            open_journal(named, create=True)
        assert caught.value.code == "journal_unreachable"
        assert "wr0ng" not in caught.value.message
        monkeypatch.setenv("PGPASSWORD", "s3cret")
        open_journal(named, create=True).close()
