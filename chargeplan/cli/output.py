"""What is written to stdout and stderr, which may be full, closed, or read by nobody.

What a command did decides its exit code, not whether it could be told. Talk on stderr that can't be written is dropped; an
answer that can't be written to stdout is an error of commands that only answer, and none of one that has sent charges.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class UnwrittenError(OSError):
    """The answer can't be written to stdout."""


class _Stream:
    """A text stream that is tried until it fails once; whatever else is asked of it is the inner stream's."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.problem: OSError | None = None

    def write(self, text: str) -> int:
        """Write, unless that has failed before."""
        if not isinstance(
            text, str
        ):  # click asks so whether the stream takes bytes, and forgets what is raised
            raise TypeError("text, not bytes")
        if text and self.problem is None:
            self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, unless that has failed before."""
        if self.problem is None:
            self._try(self._stream.flush)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (OSError, ValueError) as error:
            self.problem = error if isinstance(error, OSError) else OSError(str(error))
            silence(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Talk(_Stream):
    """stderr: what can't be written is dropped."""

    def write(self, text: str) -> int:
        """Write and flush, so that no failure waits for the end of the process."""
        super().write(text)
        self.flush()
        return len(text)


class _Answer(_Stream):
    """stdout: what can't be written ends the command, unless it expects that."""

    def _try(self, act: Callable[[], object]) -> None:
        super()._try(act)
        if self.problem is not None:
            raise UnwrittenError(self.problem.errno, self.problem.strerror or str(self.problem)) from None


@contextmanager
def survived() -> Iterator[None]:
    """Within the block talk never fails, and streams that the process was started without swallow what they are given.

    Raises:
        UnwrittenError: the answer can't be written.
    """
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - no path of a user's
        sys.stdout, sys.stderr = _Answer(before[0] or nowhere), _Talk(before[1] or nowhere)
        try:
            yield
            sys.stdout.flush()
        finally:
            sys.stdout, sys.stderr = before


@contextmanager
def told_if_possible() -> Iterator[None]:
    """What the block writes tells of what is done and recorded already: where it can't be written, only that is said."""
    try:
        yield
        sys.stdout.flush()
    except UnwrittenError as error:
        sys.stderr.write(
            f"The answer can't be written ({error.strerror}); the exit code is that of what was done.\n"
        )


def silence(stream: TextIO) -> None:
    """Let what still waits in the stream, and whatever follows, go nowhere: at exit it would be an error again."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
