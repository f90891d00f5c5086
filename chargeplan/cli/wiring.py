"""The real things behind the flows' ports: configuration, journal, Propexo or the embedded sandbox, snapshot, clock."""

from __future__ import annotations

import functools
import itertools
import logging
import os
import secrets
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from chargeplan.cli.options import Common
from chargeplan.cli.places import (
    api_host_of,
    journal_of,
    journal_target,
    network_of,
    snapshot_path,
    state_folder,
)
from chargeplan.cli.progress import Bar
from chargeplan.cli.trust import trusted
from chargeplan.core.config import Config, Environment, IntegrationConfig, Project
from chargeplan.core.diagnostic import Diagnostic, Place
from chargeplan.core.errors import ChargeplanError, InputError
from chargeplan.journal import SqlJournal
from chargeplan.loading.project import Loaded, load_config, load_project
from chargeplan.propexo.vendors import vendor
from chargeplan.snapshot.store import SqliteSnapshot

if TYPE_CHECKING:
    from chargeplan.flow.plan_request import PlanRequest
    from chargeplan.flow.planning import Spread
    from chargeplan.flow.property import PropertyPlanner
    from chargeplan.flow.workers import Workers
    from chargeplan.propexo.client import Propexo
    from chargeplan.sandbox.state import Sandbox

_EMBEDDED_RATE = 100_000


WORKERS_VARIABLE = "CHARGEPLAN_WORKERS"
"""How many processes plan a large portfolio side by side; 0: one after the other, in this one."""
_WORKERS = 2
_MOST_WORKERS = 32
# Some 100,000 charges. Below that, starting workers takes as long as they save.
_LARGE_SNAPSHOT = 64 * 1024 * 1024
_COUNTS_SLEEP = hasattr(time, "CLOCK_BOOTTIME")


class WallClock:
    """Real time."""

    def now(self) -> str:
        """RFC 3339 in UTC, to the millisecond."""
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def today(self, timezone: str) -> date:
        """The calendar date there."""
        return datetime.now(ZoneInfo(timezone)).date()

    def monotonic(self) -> float:
        """Seconds that only grow, also while the machine sleeps, where it knows."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if _COUNTS_SLEEP else time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; a signal's handler runs meanwhile."""
        time.sleep(seconds)


def find_config(options: Common) -> Path:
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


def configured(options: Common) -> Config:
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


def project(options: Common) -> tuple[Project, tuple[Diagnostic, ...]]:
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


def environment(options: Common, config: Config) -> Environment:
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


class World:
    """The flows' ports: an environment with its journal, its Propexo and its snapshot, opened when they are first asked for."""

    def __init__(
        self,
        options: Common,
        config: Config,
        where: Environment,
        *,
        stack: ExitStack,
        today: date | None,
        workers: Workers | None = None,
    ) -> None:
        self.options, self.config, self.environment = options, config, where
        self.clock = WallClock()
        self._stack, self._today, self._workers = stack, today, workers
        self._lines_of = functools.cache(_lines_of)
        self.progress = Bar(shown=options.shows_progress)
        stack.callback(self.progress.close)
        self._journal: SqlJournal | None = None
        self._remote: Propexo | None = None
        self._snapshot: SqliteSnapshot | None = None

    @property
    def journal(self) -> SqlJournal:
        """The journal; only the embedded sandbox makes its own.

        Raises:
            ChargeplanError: it is missing, foreign, damaged or newer.
        """
        if self._journal is None:
            embedded = self.environment.api == "embedded"
            target = journal_target(self.config, self.environment)
            if embedded and not target.startswith("postgres") and not Path(target).exists():
                # In production a missing journal stops the program: this is how the sandbox differs.
                self.options.say(f"A new journal is made for the sandbox: {target}.")
            self._journal = self._stack.enter_context(
                journal_of(self.config, self.environment, create=embedded)
            )
            self._share()
        return self._journal

    @property
    def remote(self) -> Propexo:
        """Propexo.

        Raises:
            ChargeplanError: no token, or an address that may not be used.
        """
        if self._remote is None:
            from chargeplan.propexo.client import Propexo  # noqa: PLC0415 - httpx takes a while to import, and `status` asks nothing

            url, token, rate = self._address()
            client = Propexo(
                url,
                token,
                requests_per_minute=rate,
                monotonic=self.clock.monotonic,
                on_request=_log_request,
                network=network_of(self.config, self.environment),
            )
            self._remote = self._stack.enter_context(client)
            self._share()
        return self._remote

    def connect(self) -> None:
        """Open Propexo although it may not be needed: a missing token is an error today, not on the day when a job is open."""
        assert self.remote

    def _share(self) -> None:
        """Runners that have a journal on a server in common keep under the limit of their token together."""
        journal, remote = self._journal, self._remote
        if journal is not None and remote is not None and journal.is_shared:
            remote.share(journal.budget(remote.fingerprint(journal.identity)))

    @property
    def snapshot(self) -> SqliteSnapshot:
        """The local copy of what Propexo showed."""
        if self._snapshot is None:
            path = snapshot_path(self.config, self.environment)
            self._snapshot = SqliteSnapshot(path, lambda: self.remote, identity=self.api_host)
            self._stack.callback(self._snapshot.close)
        return self._snapshot

    def spread(self, request: PlanRequest) -> Spread:
        """What has the request's properties planned: by the workers, where there are any."""
        return map if self._workers is None else partial(self._workers.map, request)

    def new_id(self, prefix: str) -> str:
        """A new name, sorted by time and unique."""
        return f"{prefix}-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex[:10]}"

    def source_line(self, place: Place) -> str:
        """The line of the user's file that the place points into; empty where there is none."""
        lines = self._lines_of(Path(self.config.root) / place.file)
        return lines[place.line - 1] if 0 < place.line <= len(lines) else ""

    @property
    def api_host(self) -> str:
        """What a plan file remembers the other side by."""
        return api_host_of(self.environment)

    @property
    def integrations(self) -> Mapping[str, IntegrationConfig]:
        """The configured integrations by Propexo id."""
        return {integration.id: integration for integration in self.config.integrations.values()}

    def _address(self) -> tuple[str, str, int]:
        if self.environment.api == "embedded":
            # The embedded sandbox takes any; a word would be hidden wherever a message has it.
            return self._embedded(), secrets.token_hex(16), _EMBEDDED_RATE
        name = self.environment.token_env
        token = os.environ.get(name, "") if name else ""
        if not token:
            raise ChargeplanError(
                f"There is no token for the environment `{self.environment.name}`: the variable {name or 'of `token_env`'} is not set.",
                hint=f"Set {name} to Propexo's bearer token; it is read from nowhere else."
                if name
                else "Name a variable with `token_env`.",
                code="token_missing",
            )
        return self.environment.api, token, self.environment.requests_per_minute

    def _embedded(self) -> str:
        state = self._stack.enter_context(open_sandbox(self.config, self.environment, self._today))
        from chargeplan.sandbox.server import serve  # noqa: PLC0415 - the extra `sandbox`, only where it is used

        return self._stack.enter_context(serve(state)).url


@contextmanager
def world(
    options: Common, config: Config, *, today: date | None = None, project: Project | None = None
) -> Iterator[World]:
    """The environment that the options choose, closed at the end; with a ``project`` that workers may plan."""
    where = environment(options, config)
    with ExitStack() as stack:
        count = 0 if project is None else _workers_for(snapshot_path(config, where))
        workers = None if project is None or count == 0 else _started(options, project, count)
        if workers is not None:
            stack.callback(workers.close)
        yield World(options=options, config=config, where=where, stack=stack, today=today, workers=workers)


def _lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8-sig").split("\n") if path.is_file() else []


def _workers_for(snapshot: Path) -> int:
    """How many workers are to plan: as many as the user says, else two where there are cores and the snapshot is large."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return 0  # A process that is forked beside threads may wait for ever.
    given = os.environ.get(WORKERS_VARIABLE, "")
    if given.isdecimal():
        return min(int(given), _MOST_WORKERS)
    large = snapshot.is_file() and snapshot.stat().st_size >= _LARGE_SNAPSHOT
    return _WORKERS if large and len(os.sched_getaffinity(0)) >= _WORKERS else 0


def _started(options: Common, project: Project, count: int) -> Workers:
    from chargeplan.flow.property import PropertyPlanner  # noqa: PLC0415 - only what plans needs it
    from chargeplan.flow.workers import Workers  # noqa: PLC0415 - for large portfolios only

    @contextmanager
    def opened() -> Iterator[Callable[[PlanRequest], PropertyPlanner]]:
        with world(options, project.config) as mine:
            yield lambda request: PropertyPlanner(project, request, mine.snapshot, mine.journal)

    return Workers(count, opened)


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

    path = state_folder(config) / f"sandbox-{where.name}.db"
    with Sandbox.open(path, today=today, requests_per_minute=_EMBEDDED_RATE) as state:
        path.chmod(0o600)
        yield state


_NUMBERS = itertools.count(1)


def _log_request(method: str, path: str) -> None:
    """A request in the log, by an id of its own: never its headers, which hold the token, nor its body, which names residents."""
    request_id = f"{os.getpid()}-{next(_NUMBERS)}"
    facts = {"request_id": request_id}
    logging.getLogger("chargeplan.propexo").info("%s %s %s", request_id, method, path, extra=facts)
