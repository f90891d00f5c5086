"""What only a file has: modes, foreign and damaged ones, full and read-only disks; and what only an address has."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import open_journal, recorder, schema
from chargeplan.journal.database import Database
from tests.journal.builders import batch, intend, posting, states


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _code(target: str | Path, *, create: bool = True) -> str:
    with pytest.raises(ChargeplanError) as caught:
        open_journal(str(target), create=create).close()
    assert "othing was sent" in caught.value.message or "address" in caught.value.code
    return caught.value.code


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a" / "b" / "journal.db"


def _pragma(database: Database, words: str) -> object:
    def run(connection: Connection) -> object:
        answer = connection.exec_driver_sql(f"PRAGMA {words}")
        return answer.scalar() if answer.returns_rows else None

    return database.read(run)


def _made(path: Path, lines: int = 1) -> None:
    with open_journal(str(path), create=True, actor="tester") as journal:
        intend(journal, *(f"CP{n}" for n in range(lines)))


def test_modes(path: Path) -> None:
    before = os.umask(0)
    try:
        with open_journal(str(path), create=True) as journal:
            intend(journal, "CP1")
            files = sorted(path.parent.iterdir())
            assert [file.name for file in files] == ["journal.db", "journal.db-shm", "journal.db-wal"]
            assert {_mode(file) for file in files} == {0o600}
    finally:
        os.umask(before)
    assert _mode(path.parent) == _mode(path.parent.parent) == 0o700
    path.chmod(0o644)
    open_journal(str(path), create=False).close()
    assert _mode(path) == 0o600


def test_durable_settings(path: Path) -> None:
    with open_journal(str(path), create=True) as journal:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2)):
            assert _pragma(journal._database, pragma) == value


def test_the_file_alone_is_a_journal(path: Path, tmp_path: Path) -> None:
    with open_journal(str(path), create=True) as journal:
        shutil.copy(path, tmp_path / "copy.db")
        with open_journal(str(tmp_path / "copy.db"), create=False) as copy:
            assert copy.identity == journal.identity


def test_an_empty_file_is_no_journal(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    assert _code(path, create=False) == "journal_missing"
    open_journal(str(path), create=True).close()


@pytest.mark.parametrize("content", [b"garbage", b"SQLite format 3\x00", b"\x00" * 9000])
def test_garbage_is_foreign_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert _code(tmp_path / "x") == "journal_foreign"
    assert (tmp_path / "x").read_bytes() == content


def test_another_programs_database_is_foreign_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE meta (key, value)")
        connection.commit()
    content, mode = file.read_bytes(), _mode(file)
    assert _code(file) == "journal_foreign"
    assert (file.read_bytes(), _mode(file), [f.name for f in tmp_path.iterdir()]) == (content, mode, ["x.db"])


@pytest.mark.parametrize("keep", [100, 4096, 40_000])
def test_cut_off_is_damaged(path: Path, keep: int) -> None:
    _made(path, 150)
    os.truncate(path, keep)
    assert _code(path, create=False) == "journal_damaged"
    assert _code(path, create=True) == "journal_damaged"


def test_overwritten_is_damaged(path: Path) -> None:
    _made(path, 150)
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 8))
    assert _code(path) == "journal_damaged"


def test_a_folder_is_an_error_for_people(tmp_path: Path) -> None:
    assert _code(tmp_path) == "journal_unwritable"
    (tmp_path / "file").touch()
    assert _code(tmp_path / "file" / "journal.db") == "journal_unwritable"


def test_a_journal_is_not_made_where_a_link_to_nowhere_points(tmp_path: Path) -> None:
    (tmp_path / "j.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(ChargeplanError, match="link to nowhere"):
        open_journal(str(tmp_path / "j.db"), create=True)
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_pipe_in_the_journals_place_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "j.db")
    with pytest.raises(ChargeplanError):
        open_journal(str(tmp_path / "j.db"), create=False)


def test_full_disk_before_and_after_the_request(path: Path) -> None:
    with open_journal(str(path), create=True) as journal:
        intend(journal, "CP1")

        def full(database: Database) -> None:
            _pragma(database, f"max_page_count = {_pragma(database, 'page_count')}")

        with journal.lock("i1", ["p1"], purpose="apply", timeout=0) as tokens:
            full(journal._database)
            many = [posting(f"X{n}") for n in range(200)]
            with pytest.raises(ChargeplanError) as before:
                journal.intend("plan1", batch("b2"), many, lock_token=tokens["p1"])
            with pytest.raises(ChargeplanError) as after:
                journal.record("b1", "queued", errors=["x" * 100_000])
        assert before.value.code == after.value.code == "journal_unwritable"
        assert "This batch was not sent." in before.value.message
        assert "not sent" not in after.value.message
        assert "reconcile" in after.value.message
        assert states(journal) == {"CP1": "intended"}


def test_read_only(path: Path) -> None:
    with open_journal(str(path), create=True) as journal:
        _pragma(journal._database, "query_only = 1")
        with pytest.raises(ChargeplanError) as caught:
            journal.consume("plan1", "sha256:1", {})
        assert caught.value.code == "journal_unwritable"


def test_migration_leaves_a_backup(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _made(path)
    now = schema.VERSION
    monkeypatch.setattr(schema, "VERSION", now + 1)
    monkeypatch.setitem(schema.MIGRATIONS, now, lambda _: None)
    open_journal(str(path), create=False).close()
    monkeypatch.setattr(schema, "VERSION", now)
    backup = path.with_name(f"journal.db.v{now}.bak")
    assert _mode(backup) == 0o600
    with open_journal(str(backup), create=False) as journal:
        assert states(journal) == {"CP0": "intended"}
    assert _code(path) == "journal_newer"


def test_many_processes_make_one_journal(path: Path) -> None:
    program = "import sys; from chargeplan.journal import open_journal as o; print(o(sys.argv[1], create=True).identity)"
    run = [sys.executable, "-c", program, str(path)]
    with (
        subprocess.Popen(run, stdout=subprocess.PIPE) as one,
        subprocess.Popen(run, stdout=subprocess.PIPE) as two,
    ):
        assert one.communicate()[0] == two.communicate()[0] != b""


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("postgresql://me:s3cret@127.0.0.1:1/db?connect_timeout=2", "journal_unreachable"),
        ("postgresql://127.0.0.1:1/db?password=s3cret", "journal_unreachable"),
        ("postgresql://me:s3cret@127.0.0.1:port/db", "journal_address"),
        ("mysql://me:s3cret@127.0.0.1/db", "journal_address"),
    ],
)
def test_a_password_is_never_shown(address: str, code: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(ChargeplanError) as caught:
        open_journal(address, create=False)
    assert caught.value.code == code
    error: BaseException | None = caught.value
    assert error is not None
    assert "s3cret" not in f"{caught.value.message}{caught.value.hint}"
    assert error.__context__ is None or error.__suppress_context__


def test_the_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER"):
        monkeypatch.delenv(name, raising=False)
    assert recorder.default_actor()
    for name in ("USER", "GITLAB_USER_LOGIN", "GITHUB_ACTOR"):
        monkeypatch.setenv(name, name.lower())
        assert recorder.default_actor() == name.lower()


def test_a_user_without_a_name_is_known_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    assert recorder.default_actor() == f"uid {os.getuid()}"
