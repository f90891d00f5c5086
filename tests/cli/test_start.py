"""What a command imports before it begins: what it needs, and nothing heavy beside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("sqlalchemy", "httpx", "rich.console", "starlette", "uvicorn", "psycopg", "cryptography")


def run(folder: Path, *words: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *python, "-m", "chargeplan", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=120)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    run(folder, "init", ".")
    return folder


@pytest.mark.parametrize("words", [("--help",), ("validate",), ("schema", "plan"), ("help", "first-month")])
def test_what_asks_nobody_loads_neither_database_nor_network(project: Path, words: tuple[str, ...]) -> None:
    loaded = run(project, *words, python=("-X", "importtime")).stderr
    modules = {line.rsplit("|", 1)[-1].strip() for line in loaded.splitlines() if "|" in line}
    assert "chargeplan.cli.main" in modules
    assert modules.isdisjoint(HEAVY)
