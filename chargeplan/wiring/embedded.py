"""The embedded sandbox of an environment."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from chargeplan.core.config import Config, Environment
from chargeplan.core.errors import ChargeplanError
from chargeplan.wiring.places import STATE_DIRECTORY, state_folder

if TYPE_CHECKING:
    from chargeplan.sandbox.state import Sandbox

EMBEDDED_RATE = 100_000


def not_a_sandbox(where: Environment) -> ChargeplanError:
    """The environment is another one: nothing was asked of it."""
    return ChargeplanError(
        f"The environment `{where.name}` is not a sandbox's.",
        hint="Choose one with `api: embedded`, or with the address of `chargeplan sandbox serve`.",
        code="not_embedded",
    )


@contextmanager
def open_sandbox(config: Config, where: Environment, today: date | None = None) -> Iterator[Sandbox]:
    """The embedded sandbox's state, made and seeded around ``today`` where it is missing.

    Raises:
        ChargeplanError: the environment is not the sandbox's.
    """
    if where.api != "embedded":
        raise not_a_sandbox(where)
    from chargeplan.sandbox.state import Sandbox  # noqa: PLC0415 - only where it is used

    path = sandbox_path(config, where)
    with Sandbox.open(path, today=today, requests_per_minute=EMBEDDED_RATE) as state:
        path.chmod(0o600)
        yield state


def sandbox_path(config: Config, where: Environment) -> Path:
    """Where the environment's embedded sandbox keeps its state."""
    return state_folder(config) / f"sandbox-{where.name}.db"


def copy_sandbox(config: Config, where: Environment, folder: Path) -> None:
    """The embedded sandbox belongs to a project's folder: a new project there gets a copy, with the same ledgers."""
    if where.api != "embedded":
        return
    state = sandbox_path(config, where)
    target = folder / STATE_DIRECTORY / state.name
    if target.exists() or not state.exists():
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(sqlite3.connect(state)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    target.chmod(0o600)
