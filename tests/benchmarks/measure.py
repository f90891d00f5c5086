"""Run a command in a process of its own and take its figures: wall, CPU, peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Figures(NamedTuple):
    """Seconds of wall and CPU, peak megabytes, and what the command wrote on stdout and stderr."""

    wall: float
    cpu: float
    peak: float
    out: str
    err: str


def run(
    command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None, ends: Sequence[int] = (0,)
) -> Figures:
    """One run. A command that ends otherwise than with one of ``ends`` stops the benchmark."""
    out = folder / ".benchmark-out"
    with out.open("wb") as sink:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, stdout=sink, stderr=subprocess.PIPE, env={**os.environ, **(env or {})}
        )
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stderr.close()
    if process.returncode not in ends:
        raise SystemExit(f"{command} ended with {process.returncode}: {said.decode()}{out.read_text()}")
    return Figures(
        wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read_text(), said.decode()
    )


def medians(runs: Sequence[Figures]) -> Figures:
    """The median of each figure."""
    return Figures(
        statistics.median(each.wall for each in runs),
        statistics.median(each.cpu for each in runs),
        statistics.median(each.peak for each in runs),
        runs[-1].out,
        runs[-1].err,
    )
