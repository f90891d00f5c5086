"""The requests under way. They overlap, each in a thread; everything that is decided or recorded stays in one.

design.md, *Posting, step by step*: the threads know no journal. They send what the deciding thread has recorded as
intended, and hand back what came of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from chargeplan.core.posting import Outcome

Sent = TypeVar("Sent")


class Requests(Generic[Sent]):
    """Sends at most ``most`` requests at a time. ``Sent`` is what the caller knows a request by."""

    def __init__(self, most: int) -> None:
        self._to_send: SimpleQueue[tuple[Sent, Callable[[], Outcome]] | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Sent, Outcome | BaseException]] = SimpleQueue()
        self._under_way: list[Sent] = []
        # Daemons: who stops at once does not wait for answers. Started here, so that no intent waits for a thread.
        self._threads = [
            threading.Thread(target=self._send, name=f"chargeplan-post-{number}", daemon=True)
            for number in range(1, most + 1)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def under_way(self) -> list[Sent]:
        """What was sent and not answered yet, oldest first."""
        return list(self._under_way)

    def begin(self, sent: Sent, send: Callable[[], Outcome]) -> None:
        """Let a thread call ``send``."""
        self._under_way.append(sent)
        self._to_send.put((sent, send))

    def answer(self, timeout: float | None) -> tuple[Sent, Outcome | BaseException] | None:
        """The next answer, or the exception that came instead; ``None`` after ``timeout`` seconds without one."""
        try:
            sent, outcome = self._answers.get(timeout=timeout)
        except Empty:
            return None
        self._under_way.remove(sent)
        return sent, outcome

    def close(self) -> None:
        """Let the threads end; those that still wait for an answer are not waited for."""
        for _ in self._threads:
            self._to_send.put(None)
        if not self._under_way:
            for thread in self._threads:
                thread.join()

    def _send(self) -> None:
        while (request := self._to_send.get()) is not None:
            sent, send = request
            try:
                self._answers.put((sent, send()))
            except BaseException as problem:  # noqa: BLE001 - handed to the thread that decides, which raises it
                self._answers.put((sent, problem))
