"""What a fault may cost: the tests that the matrix in ``tests/README.md`` names are held to its bounds, each of them.

Time is that of processors, of this process and of the programs that it waited for: a busy machine is no fault. On the clock a
test may take six times as long.
"""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_SECONDS = 10.0
MOST_SECONDS_ON_THE_CLOCK = 60.0
MOST_BYTES = 500_000_000
HERE = Path(__file__).parent
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def matrix() -> list[str]:
    """The rows of the matrix of faults."""
    section = (
        (HERE / "README.md").read_text(encoding="utf-8").partition("\n## Faults\n")[2].partition("\n## ")[0]
    )
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def files_of(row: str) -> list[Path]:
    """The files and folders of tests in a row's last cell."""
    return [HERE / name for name in re.findall(r"`([^`]+)`", row.split("|")[-2])]


@contextmanager
def within_bounds() -> Iterator[None]:
    """Hold what is done to the bounds.

    Raises:
        AssertionError: it took more.
    """
    clock, processor, children = time.monotonic(), _seconds(), _largest_child()
    before = _peak(anew=True)
    yield
    assert _seconds() - processor <= MOST_SECONDS, "more than 10 s of processor time"
    assert time.monotonic() - clock <= MOST_SECONDS_ON_THE_CLOCK, "more than a minute"
    assert _peak() - before <= MOST_BYTES, "more than 500 MB"
    # It is known only of the largest program so far.
    assert _largest_child() in range(children, max(children, MOST_BYTES) + 1), "a program of more than 500 MB"


def _seconds() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def _largest_child() -> int:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def _peak(*, anew: bool = False) -> int:
    """The most memory that the process had; ``anew``: from now on."""
    if anew:
        _CLEAR.write_text("5")
    (found,) = re.findall(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    return int(found) * 1024
