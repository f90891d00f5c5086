"""Where an environment's journal, snapshot and Propexo are: its files, its journal's address, and the way to its host."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from chargeplan.core.config import Config, Environment
from chargeplan.core.errors import ChargeplanError
from chargeplan.disk.regular import read_regular
from chargeplan.propexo.address import host_of

# What `validate` and `init` do not need is imported where it is used: SQLAlchemy takes longer than checking the plans.
if TYPE_CHECKING:
    from chargeplan.journal import Home, MovedJournal, SqlJournal
    from chargeplan.propexo.connection import Network

STATE_DIRECTORY = ".chargeplan"


def state_folder(config: Config) -> Path:
    """``.chargeplan/`` beside the configuration, readable by its owner alone."""
    folder = Path(config.root) / STATE_DIRECTORY
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def snapshot_path(config: Config, where: Environment) -> Path:
    """Where the environment's copy of what Propexo showed is."""
    return state_folder(config) / f"snapshot-{where.name}.db"


def journal_target(config: Config, where: Environment) -> str:
    """Where the environment's journal is: a path, or a ``postgresql://`` address.

    Raises:
        ChargeplanError: ``journal_env`` names a variable that is not set.
    """
    if where.journal_env:
        return variable(where.journal_env)
    target = where.journal or f"{STATE_DIRECTORY}/{where.name}.db"
    return target if "://" in target else str(Path(config.root) / target)


def variable(name: str) -> str:
    """The address of a journal that an environment variable holds.

    Raises:
        ChargeplanError: it is not set, or holds something else, which may be a token and is shown nowhere.
    """
    target = os.environ.get(name, "")
    if target and not target.startswith("postgresql://"):
        raise ChargeplanError(
            f"The variable {name} holds no `postgresql://` address of a journal; what it holds is not shown.",
            hint="Set it to an address such as postgresql://user@host/database, or name another variable with `journal_env`.",
            code="journal_address",
        )
    if not target:
        raise ChargeplanError(
            f"The variable {name}, which names the journal, is not set.",
            hint="Set it, or use `journal:`.",
            code="journal_missing",
        )
    return target


def move_here(config: Config, where: Environment, source: str) -> MovedJournal:
    """Move the journal at the path or address to where the environment's is to be.

    Raises:
        ChargeplanError: what `move_journal` raises.
    """
    from chargeplan.journal import move_journal  # noqa: PLC0415

    return move_journal(source, journal_target(config, where), allow_async=where.journal_allow_async)


def journal_of(config: Config, where: Environment, *, create: bool) -> SqlJournal:
    """The environment's journal, opened; with ``create``, made where it is missing.

    Raises:
        ChargeplanError: what `open_journal` and `journal_target` raise.
    """
    from chargeplan.journal import open_journal  # noqa: PLC0415

    return open_journal(
        journal_target(config, where),
        create=create,
        allow_async=where.journal_allow_async,
        home=home_of(where),
    )


def bind_journal(config: Config, where: Environment, reason: str) -> Home:
    """A person says that the journal at the environment's place is the environment's; what it is now.

    Raises:
        ChargeplanError: what `open_journal` raises.
    """
    from chargeplan.journal import open_journal  # noqa: PLC0415

    home = home_of(where)
    with open_journal(
        journal_target(config, where), create=False, allow_async=where.journal_allow_async
    ) as opened:
        opened.bind(home, reason=reason)
    return home


def home_of(where: Environment) -> Home:
    """What an environment's journal and plan files remember it by."""
    from chargeplan.journal import Home  # noqa: PLC0415

    return Home(where.name, api_host_of(where))


def api_host_of(where: Environment) -> str:
    """The host that is spoken to; the embedded sandbox takes another port each time."""
    return "embedded" if where.api == "embedded" else host_of(where.api)


def network_of(config: Config, where: Environment) -> Network:
    """How the environment's host is reached; the embedded sandbox is on this machine.

    Raises:
        ChargeplanError: the file that ``ca_file`` names can't be read.
    """
    from chargeplan.propexo.connection import Network  # noqa: PLC0415 - httpx takes a while to import

    if where.api == "embedded":
        return Network()
    roots = ""
    if where.ca_file is not None:
        try:
            roots = read_regular(Path(config.root) / where.ca_file).decode("ascii", "replace")
        except OSError as problem:
            raise ChargeplanError(
                f"The file {where.ca_file}, which `ca_file` of the environment `{where.name}` names, can't be read: "
                f"{problem.strerror or problem}.",
                hint="Its path is relative to chargeplan.yaml.",
                code="ca_file_unusable",
            ) from problem
    return Network(roots=roots, proxy=where.proxy or "")
