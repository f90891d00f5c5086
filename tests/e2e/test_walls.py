"""The walls of `tests/conftest.py` stand."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

import httpx
import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 443), ("10.0.0.1", 80), ("api.propexo.com", 443)])
def test_only_loopback_is_reachable(address):
    with socket.socket() as door, pytest.raises(OSError, match="only loopback"):
        door.connect(address)


def test_neither_does_the_client_get_out():
    with pytest.raises(httpx.ConnectError):
        httpx.get("https://192.0.2.1/", trust_env=False)


def test_home_and_token_are_out_of_reach():
    assert Path.home() != Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert not list(Path.home().iterdir())
    assert "PROPEXO_TOKEN" not in os.environ
