"""Which configuration, project and environment a command is about."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from chargeplan.core.config import Config, Environment, Project
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.errors import ChargeplanError, InputError
from chargeplan.loading.project import Loaded, load_config, load_project
from chargeplan.propexo.vendors import vendor
from chargeplan.wiring.trust import trusted


class Options(Protocol):
    """What every command is given: which files and environment, and whether and where to talk."""

    @property
    def config(self) -> str | None:
        """The path of the configuration."""
        ...

    @property
    def env(self) -> str | None:
        """The name of the environment."""
        ...

    @property
    def trust(self) -> str | None:
        """The path of a reviewed configuration."""
        ...

    @property
    def shows_progress(self) -> bool:
        """Whether progress is drawn."""
        ...

    def say(self, text: str) -> None:
        """One line of talk that is not the answer."""
        ...


def find_config(options: Options) -> Path:
    """``--config``, else ``$CHARGEPLAN_CONFIG``, else the nearest ``chargeplan.yaml`` from here upwards.

    Raises:
        ChargeplanError: there is none.
    """
    named = options.config or os.environ.get("CHARGEPLAN_CONFIG")
    if named:
        path = Path(named)
        if os.path.lexists(path):
            return path.absolute()
        shown = named if options.config else "where $CHARGEPLAN_CONFIG points"
        raise ChargeplanError(
            f"There is no configuration {shown}.",
            hint="Give the path of a chargeplan.yaml.",
            code="config_missing",
        )
    here = Path.cwd()
    for folder in (here, *here.parents):
        # A link to nowhere is not passed over: the next folder's configuration is another project's.
        if os.path.lexists(folder / "chargeplan.yaml"):
            return folder / "chargeplan.yaml"
    raise ChargeplanError(
        "There is no chargeplan.yaml here or in a folder above.",
        hint="`chargeplan init` makes a project, `chargeplan demo` shows one.",
        code="config_missing",
    )


def configured(options: Options) -> Config:
    """The configuration alone, for commands that need no plans.

    Raises:
        InputError: with every problem of it.
    """
    loaded = load_config(find_config(options), vendor)
    if loaded.config is None or any(diagnostic.is_error for diagnostic in loaded.diagnostics):
        raise InputError(
            "The configuration has errors.", loaded.diagnostics, hint="Correct them; nothing was sent."
        )
    return loaded.config


def project(options: Options) -> tuple[Project, tuple[Diagnostic, ...]]:
    """The configuration and all plans, with the warnings.

    Raises:
        InputError: with every problem of every file.
    """
    loaded: Loaded = load_project(find_config(options), vendor)
    return _good(loaded, "The plans have"), loaded.diagnostics


def project_of(config: Path, complaint: str) -> Project:
    """The project of another configuration; where it has errors, the ``complaint`` begins their sentence.

    Raises:
        InputError: with every problem of every file.
    """
    return _good(load_project(config, vendor), complaint)


def _good(loaded: Loaded, complaint: str) -> Project:
    if loaded.project is None:
        count = sum(diagnostic.is_error for diagnostic in loaded.diagnostics)
        raise InputError(
            f"{complaint} {count} error{'s' if count != 1 else ''}.",
            loaded.diagnostics,
            hint="Correct them; nothing was sent.",
        )
    return loaded.project


def environment(options: Options, config: Config) -> Environment:
    """``--env``, else ``$CHARGEPLAN_ENV``, else the configuration's.

    With ``--trust`` it is the reviewed configuration's too, before a variable of it is read.

    Raises:
        ChargeplanError: there is none of that name, or it asks for more than the reviewed one does.
    """
    name = options.env or os.environ.get("CHARGEPLAN_ENV") or config.environment
    if name not in config.environments:
        known = ", ".join(config.environments)
        given = (
            f"`{name}`"
            if options.env or name == config.environment
            else "of the name that $CHARGEPLAN_ENV holds"
        )
        raise ChargeplanError(
            f"There is no environment {given}.",
            hint=f"The configuration has: {known}.",
            code="unknown_environment",
        )
    return trusted(config.environments[name], options.trust)
