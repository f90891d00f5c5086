"""Worker processes that plan properties, where there are many of them and the cores are there.

They are forked before a database is opened, as an SQLite connection must not be carried across a fork
(https://sqlite.org/howtocorrupt.html, section 2.6), and open their own. A worker that fails or dies leaves its properties to the
caller, who meets the same error or none: what comes out is the same with workers and without.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import msgspec

from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.property import PropertyPlanner
from chargeplan.flow.tasks import PropertyPlan, PropertyTask

# So many properties are planned ahead of the one that is waited for; the results are held in memory.
_AHEAD = 8

Opened = Callable[[], AbstractContextManager[Callable[[PlanRequest], PropertyPlanner]]]
"""A worker's own snapshot and journal: what plans a request from them, until they are closed."""


class _Job(msgspec.Struct, frozen=True):
    """What a worker is asked for; an empty answer says that it could not be done.

    Snapshot and journal are opened anew for every ``turn``: what was refreshed, or made anew, in between is to be seen.
    """

    turn: int
    request: PlanRequest
    task: PropertyTask


_encode = msgspec.msgpack.Encoder().encode
_job = msgspec.msgpack.Decoder(_Job).decode
_plan = msgspec.msgpack.Decoder(PropertyPlan).decode


class Workers:
    """``count`` processes, which end when they are closed or we do."""

    def __init__(self, count: int, opened: Opened) -> None:
        self._processes: list[BaseProcess] = []
        self._idle: list[Connection] = []
        self._turns = 0
        context = multiprocessing.get_context("fork")
        for _ in range(count):
            here, there = context.Pipe()
            ours = [*self._idle, here]
            process = context.Process(target=_serve, args=(there, ours, opened), daemon=True)
            process.start()
            there.close()
            self._processes.append(process)
            self._idle.append(here)

    def close(self) -> None:
        """End them, at once."""
        for connection in self._idle:
            connection.close()
        for process in self._processes:
            process.terminate()
            process.join()
        self._idle, self._processes = [], []

    def map(
        self,
        request: PlanRequest,
        plan: Callable[[PropertyTask], PropertyPlan],
        tasks: Sequence[PropertyTask],
    ) -> Iterator[PropertyPlan]:
        """The plans of the properties in their order; ``plan`` does what no worker could."""
        self._turns += 1
        queue = _Queue([_Job(self._turns, request, task) for task in tasks], self._idle)
        for number, task in enumerate(tasks):
            found = queue.take(number)
            yield plan(task) if found is None else found


class _Queue:
    """The jobs of one turn on their way through the workers."""

    def __init__(self, jobs: Iterable[_Job], idle: list[Connection]) -> None:
        self._jobs = deque(enumerate(jobs))
        self._idle = idle
        self._busy: dict[Connection, int] = {}
        self._done: dict[int, PropertyPlan | None] = {}

    def take(self, number: int) -> PropertyPlan | None:
        """The plan of a property; ``None`` where no worker could make it."""
        self._send(number)
        while number not in self._done:
            if not self._busy:
                return None
            for connection in wait(list(self._busy)):
                assert isinstance(connection, Connection)
                self._receive(connection)
            self._send(number)
        return self._done.pop(number)

    def _send(self, number: int) -> None:
        while self._idle and self._jobs and self._jobs[0][0] < number + _AHEAD:
            connection, (place, job) = self._idle.pop(), self._jobs.popleft()
            try:
                connection.send_bytes(_encode(job))
            except OSError:
                connection.close()
                self._done[place] = None
            else:
                self._busy[connection] = place

    def _receive(self, connection: Connection) -> None:
        place = self._busy.pop(connection)
        try:
            answer = connection.recv_bytes()
        except (EOFError, OSError):
            connection.close()
            self._done[place] = None
        else:
            self._done[place] = _plan(answer) if answer else None
            self._idle.append(connection)


def _serve(connection: Connection, ours: Iterable[Connection], opened: Opened) -> None:
    """A worker's life: it answers until there is nobody to answer to."""
    # An interrupt is for the caller to handle, who then ends us.
    for ignored in (
        signal.SIGINT,
        signal.SIGHUP,
    ):  # a terminal sends them to all; the parent ends its workers
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()
    for other in ours:
        other.close()
    # Whoever asked has ended.
    with suppress(EOFError, OSError):
        job = _job(connection.recv_bytes())
        while True:
            with opened() as planner_of:
                turn = job.turn
                while job.turn == turn:
                    connection.send_bytes(_answer(planner_of, job))
                    job = _job(connection.recv_bytes())


def _answer(planner_of: Callable[[PlanRequest], PropertyPlanner], job: _Job) -> bytes:
    try:
        return _encode(planner_of(job.request).plan(job.task))
    except Exception:  # noqa: BLE001 - the caller does it again, and meets the error where it can be shown
        return b""
