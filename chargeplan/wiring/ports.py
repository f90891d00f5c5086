"""The real things behind the flows' ports: journal, Propexo or the embedded sandbox, snapshot, clock; opened when asked for."""

from __future__ import annotations

import functools
import itertools
import logging
import os
import secrets
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chargeplan.core.config import Config, Environment, IntegrationConfig, Project
from chargeplan.core.diagnostic import Place
from chargeplan.core.errors import ChargeplanError
from chargeplan.wiring.clock import WallClock
from chargeplan.wiring.configuration import Options, environment
from chargeplan.wiring.embedded import EMBEDDED_RATE, open_sandbox
from chargeplan.wiring.places import (
    api_host_of,
    journal_of,
    journal_target,
    network_of,
    snapshot_path,
)
from chargeplan.wiring.progress import Bar

if TYPE_CHECKING:
    from chargeplan.flow.plan_request import PlanRequest
    from chargeplan.flow.property import PropertyPlanner
    from chargeplan.flow.tasks import Spread
    from chargeplan.flow.workers import Workers
    from chargeplan.journal import SqlJournal
    from chargeplan.propexo.client import Propexo
    from chargeplan.snapshot.store import SqliteSnapshot


WORKERS_VARIABLE = "CHARGEPLAN_WORKERS"
"""How many processes plan a large portfolio side by side; 0: one after the other, in this one."""
_WORKERS = 2
_MOST_WORKERS = 32
# Some 100,000 charges. Below that, starting workers takes as long as they save.
_LARGE_SNAPSHOT = 64 * 1024 * 1024


class World:
    """The flows' ports: an environment with its journal, its Propexo and its snapshot, opened when they are first asked for."""

    def __init__(
        self,
        options: Options,
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
            from chargeplan.snapshot.store import SqliteSnapshot  # noqa: PLC0415

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
            return self._embedded(), secrets.token_hex(16), EMBEDDED_RATE
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
    options: Options, config: Config, *, today: date | None = None, project: Project | None = None
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


def _started(options: Options, project: Project, count: int) -> Workers:
    from chargeplan.flow.property import PropertyPlanner  # noqa: PLC0415 - only what plans needs it
    from chargeplan.flow.workers import Workers  # noqa: PLC0415 - for large portfolios only

    @contextmanager
    def opened() -> Iterator[Callable[[PlanRequest], PropertyPlanner]]:
        with world(options, project.config) as mine:
            yield lambda request: PropertyPlanner(project, request, mine.snapshot, mine.journal)

    return Workers(count, opened)


_NUMBERS = itertools.count(1)


def _log_request(method: str, path: str) -> None:
    """A request in the log, by an id of its own: never its headers, which hold the token, nor its body, which names residents."""
    request_id = f"{os.getpid()}-{next(_NUMBERS)}"
    facts = {"request_id": request_id}
    logging.getLogger("chargeplan.propexo").info("%s %s %s", request_id, method, path, extra=facts)
