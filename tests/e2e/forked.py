"""The command line in a process of its own that is forked from one which has imported it: a start costs no imports.

It is as real as a program that is started anew: `kill -9` ends it alone, its locks name its own number, and nothing that one
command did is seen by the next.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import tempfile
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).parents[2]


class Forked:
    """A running command; what tests need of a ``subprocess.Popen`` with text."""

    def __init__(self, process: ForkServerProcess, folder: tempfile.TemporaryDirectory[str]) -> None:
        self._process, self._folder = process, folder

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; what it wrote to stdout and stderr."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, f"{self._process} still runs after {timeout} s"
        with self._folder as folder:
            return Path(folder, "out").read_text("utf-8"), Path(folder, "err").read_text("utf-8")


def start(words, environ: dict[str, str], cwd: Path, kill: str | None = None) -> Forked:
    """Run the command line with these words; with ``kill`` it kills itself at that step (see ``shim.py``)."""
    folder = tempfile.TemporaryDirectory(prefix="chargeplan-forked-")
    process = context().Process(target=_run, args=(list(words), environ, str(cwd), folder.name, kill))
    process.start()
    return Forked(process, folder)


@functools.cache
def context() -> ForkServerContext:
    """The one that forks from a process which has imported what the commands need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.e2e.warm", __name__])
    with patch.dict(os.environ, PYTHONPATH=str(ROOT)):
        forkserver.ensure_running()
    return context


def _run(words: list[str], environ: dict[str, str], cwd: str, folder: str, kill: str | None) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    for name, number in (("out", 1), ("err", 2)):
        with Path(folder, name).open("wb") as file:
            os.dup2(file.fileno(), number)
    if kill:
        from tests.e2e import shim  # noqa: PLC0415 - it wraps the program's methods: only where one is to die

        shim.arm(kill)
    from chargeplan.cli.main import main  # noqa: PLC0415 - the process that waits need not import it

    main(words)
