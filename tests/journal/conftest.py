"""Both databases for one suite: a file for each test, a schema of its own on a real PostgreSQL for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from chargeplan.journal import SqlJournal, open_journal
from tests.postgres import found_pgbouncer, new_schema, pgbouncer


@pytest.fixture(scope="session")
def pooler(postgres: str) -> Iterator[str]:
    """The same server behind pgbouncer in transaction mode; skipped where pgbouncer is not installed."""
    program = found_pgbouncer()
    if program is None:
        pytest.skip("no pgbouncer here: `apt-get install pgbouncer`")
    with pgbouncer(program, postgres) as address:
        yield address


@pytest.fixture(params=["sqlite", "postgres", "pgbouncer"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a new journal may be made."""
    if request.param == "sqlite":
        yield str(tmp_path / "state" / "journal.db")
        return
    direct = request.getfixturevalue("schema_target")
    yield _pooled(request, direct) if request.param == "pgbouncer" else direct


@pytest.fixture
def second(request: pytest.FixtureRequest, target: str, tmp_path: Path) -> Iterator[str]:
    """Where another one may be made, of the same kind."""
    if not target.startswith("postgresql"):
        yield str(tmp_path / "second.db")
        return
    name, drop = new_schema(request.getfixturevalue("postgres"))
    yield name if "options=" in target else _pooled(request, name)
    drop()


def _pooled(request: pytest.FixtureRequest, direct: str) -> str:
    # pgbouncer takes no options from a client, so the schema is named the other way.
    name = str(make_url(direct).query["options"]).partition("search_path=")[2]
    pooled = make_url(request.getfixturevalue("pooler")).update_query_dict({"schema": name})
    return pooled.render_as_string(hide_password=False)


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
