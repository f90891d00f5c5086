"""No test reaches the network beyond loopback, the home directory, or a real token. And a PostgreSQL for whoever asks."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest

from tests.bounds import files_of, matrix, within_bounds
from tests.postgres import new_schema, running

_CONNECT = socket.socket.connect
_SECRETS = ("PROPEXO_TOKEN", "CHARGEPLAN_CONFIG", "CHARGEPLAN_ENV")


def _is_near(address) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket
    host = str(address[0])
    try:
        return host == "localhost" or ipaddress.ip_address(host.split("%", maxsplit=1)[0]).is_loopback
    except ValueError:
        return False


def _connect(self, address):
    if not _is_near(address):
        raise OSError(f"a test reached for {address[0]!r}; only loopback is reachable")
    return _CONNECT(self, address)


# A suite that was started in the background, or under nohup, ignores these signals, and so would every program that it starts.
for _each, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_each) is signal.SIG_IGN:
        signal.signal(_each, _usual)

_SKIPPED: list[str] = []
_BOUNDED = frozenset(path for row in matrix() for path in files_of(row))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Hold the tests of the matrix of faults to its bounds."""
    with within_bounds() if _BOUNDED & {item.path, *item.path.parents} else nullcontext():
        yield


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what was skipped for a reason that `CHARGEPLAN_SKIPS` does not name (one a line), where it is set."""
    allowed = os.environ.get("CHARGEPLAN_SKIPS")
    if allowed is None or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not any(name and name in reason for name in allowed.splitlines()):
        _SKIPPED.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that was left out is no test that passed."""
    if _SKIPPED and not hasattr(session.config, "workerinput"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name them."""
    for each in _SKIPPED:
        terminalreporter.write_line(f"FAILED, as it was skipped: {each}", red=True)


@pytest.fixture(scope="session", autouse=True)
def _walls(tmp_path_factory):
    """For the whole session: loopback only, a home of its own, no token of a person's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _connect)
        home = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(home))
        patch.delenv("XDG_CONFIG_HOME", raising=False)
        for name in _SECRETS:
            patch.delenv(name, raising=False)
        yield
    assert Path(os.environ["HOME"]) != home


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a server; tests are skipped where there is none."""
    given = os.environ.get("CHARGEPLAN_TEST_POSTGRES")
    if given:
        yield given
        return
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running())
        except Exception as error:  # noqa: BLE001 - whatever keeps it from starting
            pytest.skip(f"no PostgreSQL here: {error}")
        # These tests kill clients, not the server, so its disk may be slow to follow.
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
        yield server.get_uri()


@pytest.fixture
def schema_target(postgres: str) -> Iterator[str]:
    """Where a new journal may be made, on PostgreSQL."""
    name, drop = new_schema(postgres)
    yield name
    drop()
