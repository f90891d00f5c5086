"""No test reaches the network beyond loopback, the home directory, or a real token."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path

import pytest

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
