"""The command line that kills itself at a named step of `apply`: `STEP` or `STEP:n` for the n-th time it comes there.

Only tests know it. ``CHARGEPLAN_TEST_KILL`` names the step; the product has no hook for it, methods are wrapped here.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from chargeplan.cli.main import main
from chargeplan.journal.store import SqlJournal
from chargeplan.propexo.client import Propexo

STEPS = (
    "before-consume",
    "after-consume",
    "before-intent",
    "after-intent",
    "during-post",
    "after-post",
    "after-queued",
    "before-poll",
    "after-poll",
    "after-accepted",
    "between-refusals",
)
_step, _left = "", 0


def arm(kill: str) -> None:
    """Die at that step of this process; nothing: never."""
    global _step, _left  # noqa: PLW0603 - of this process
    _step, _, count = kill.partition(":")
    _left = int(count or 1)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def _reach(name: str) -> bool:
    global _left  # noqa: PLW0603 - the count of this process
    if name != _step:
        return False
    _left -= 1
    return _left == 0


def _wrap(owner, method, before=None, after=None):
    original = getattr(owner, method)

    def wrapped(*args, **named):
        if before and _reach(before):
            _die()
        found = original(*args, **named)
        name = after(args, named) if callable(after) else after
        if name and _reach(name):
            _die()
        return found

    setattr(owner, method, wrapped)


def _recorded(args, _named):
    return {"queued": "after-queued", "accepted": "after-accepted", "withdrawn": "between-refusals"}.get(
        args[2]
    )


def _posting(original):
    def wrapped(*args, **named):
        if _reach("during-post"):
            threading.Timer(0.4, _die).start()
        return original(*args, **named)

    return wrapped


_wrap(SqlJournal, "consume", "before-consume", "after-consume")
_wrap(SqlJournal, "intend", "before-intent", "after-intent")
_wrap(SqlJournal, "record", None, _recorded)
Propexo.post = _posting(Propexo.post)
_wrap(Propexo, "post", None, "after-post")
_wrap(Propexo, "job_status", "before-poll", "after-poll")

if __name__ == "__main__":
    arm(os.environ["CHARGEPLAN_TEST_KILL"])
    main(sys.argv[1:])
