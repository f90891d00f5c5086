"""SIGINT, SIGTERM and SIGHUP: all three ask the run to stop.

What is ignored when the process starts, as SIGHUP under ``nohup``, stays ignored.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_LOOK_SECONDS = 0.05


class Interrupts:
    """Whether a signal has asked the run to stop.

    Until requests are sent, a signal ends the run at once. From then on the first one asks, and what is under way is
    finished; the second ends at once; further ones find a run that is summing up, and change nothing.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._sending = self._over = False

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Signals ask this run within the block."""
        try:
            with handled_by(self.handle):
                yield
        finally:
            self._over = True

    def __call__(self) -> bool:
        """Whether one has."""
        return self.asked > 0

    def finish_first(self) -> None:
        """From now on a first signal asks; what is under way is finished before the run ends."""
        self._sending = True
        threading.Thread(target=self._say, name="chargeplan-signals", daemon=True).start()

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signals' handler. It only counts: writing could fail, or wait for a reader for ever, in the middle of anything."""
        del number, frame
        self.asked += 1
        if not self._sending or self.asked == 2:
            raise KeyboardInterrupt

    def _say(self) -> None:
        while not self.asked and not self._over:
            time.sleep(_LOOK_SECONDS)
        if self.asked:
            sys.stderr.write("\nFinishing the requests under way; once more stops at once.\n")


def stop_at_once(number: int, frame: FrameType | None) -> None:
    """The handler where nothing has to be finished first."""
    del number, frame
    raise KeyboardInterrupt


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """The three signals go to ``handler`` within the block."""
    kinds = [found for name in _NAMES if (found := getattr(signal, name, None)) is not None]
    heeded = [each for each in kinds if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, handler) for each in heeded}
    try:
        yield
    finally:
        for each, earlier in before.items():
            signal.signal(each, earlier)
