"""The journal as a file of SQLite's: its marks, its mode, its pragmas, and its backup."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

from chargeplan.disk.regular import open_regular
from chargeplan.journal import schema
from chargeplan.journal.failures import missing, problem

_MAGIC: Final = b"SQLite format 3\x00"
_BUSY_SECONDS: Final = 30
_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "fullfsync=1",  # macOS: fsync alone leaves it in the drive's cache
    "foreign_keys=ON",
    "trusted_schema=OFF",
)


def engine_of(path: Path, *, create: bool) -> Engine:
    """What opens the file, which is made with ``create``; of one that may not be written, what reads it.

    Raises:
        ChargeplanError: ``journal_missing``, ``journal_foreign``, ``journal_damaged`` or ``journal_unwritable``.
    """
    where = str(path)
    read_only = False
    if path.is_symlink() and not path.exists():
        # Made where the link points, the journal would be somewhere that nobody named.
        raise problem("journal_unwritable", where, "it is a link to nowhere")
    try:
        size = path.stat().st_size if path.exists() else 0
        if size == 0:
            if not create:
                raise missing(where)
            _touch(path)
            _stamp(path)
        else:
            _check_header(path)
            read_only = not (os.access(path, os.W_OK) and os.access(path.absolute().parent, os.W_OK))
            if not read_only:
                tighten(path)
    except OSError as error:
        raise problem("journal_unwritable", where, error.strerror or "") from None
    engine = create_engine(
        _read_only_url(path) if read_only else URL.create("sqlite", database=str(path.absolute())),
        connect_args={"timeout": _BUSY_SECONDS},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _on_connect_to_read if read_only else _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _read_only_url(path: Path) -> URL:
    """A file that may be read and not written is still a record to look at; whatever writes to it is refused by SQLite.

    Where SQLite may not make its log and index beside the file, it has to know that nobody else does: true unless
    there is a log, which a run that is at work, or was killed, has left.
    """
    log = path.with_name(path.name + "-wal")
    alone = not os.access(path.absolute().parent, os.W_OK) and not (log.exists() and log.stat().st_size)
    query = {"uri": "true", "immutable": "1"} if alone else {"uri": "true", "mode": "ro"}
    return URL.create("sqlite", database=path.absolute().as_uri(), query=query)


def _touch(path: Path) -> None:
    for folder in reversed([f for f in path.absolute().parents if not f.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)
    # The mode is given at birth, so that there is no moment in which others may read it.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _stamp(path: Path) -> None:
    # Before WAL mode, so that it stands in the file itself, where _check_header looks, and not in the log beside it.
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
            connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    except sqlite3.Error as error:
        raise problem("journal_unwritable", str(path), str(error)) from None


def _check_header(path: Path) -> None:
    # Read as bytes: opening a foreign database with SQLite, in WAL mode at that, would write to it.
    with open_regular(path) as file:
        header = file.read(100)
    ours = header[68:72] == schema.APPLICATION_ID.to_bytes(4, "big")
    if not header.startswith(_MAGIC) or not ours:
        raise problem("journal_foreign", str(path))
    if path.stat().st_size < 512:
        raise problem("journal_damaged", str(path), "cut off")


def tighten(path: Path) -> None:
    """Let nobody but the owner read the file and what SQLite keeps beside it."""
    for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        # Another owner's file that we may use keeps the mode that its owner gave it.
        with suppress(FileNotFoundError, PermissionError):
            # Neither open to others nor, as a reader of a read-only file leaves them, closed to us.
            if stat.S_IMODE(name.stat().st_mode) != 0o600:
                name.chmod(0o600)


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin by itself: _on_begin does
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _on_connect_to_read(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in ("query_only=ON", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {pragma}").close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("chargeplan_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def back_up(path: Path, version: int) -> None:
    """Copy the file beside it before its tables are changed."""
    backup = path.with_name(f"{path.name}.v{version}.bak")
    try:
        os.close(os.open(backup, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as copy:
            source.backup(copy)
    except (OSError, sqlite3.Error) as error:
        raise problem("journal_unwritable", str(path), f"its backup {backup.name} failed: {error}") from None
