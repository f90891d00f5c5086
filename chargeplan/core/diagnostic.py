"""What is wrong in a user's input, where, and what to do about it.

An input mistake is a value with a place, never an exception: one bad line must not hide the next
(interface.md, *Commands*; style.md, habit 6).
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Place(msgspec.Struct, frozen=True, order=True):
    """A position in a user's file. Lines and columns count from 1; ``file`` is relative to the configuration."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Diagnostic(msgspec.Struct, frozen=True):
    """One problem of the user's input.

    ``summary`` says what is wrong, ``detail`` what to do; ``excerpt`` is the source line that ``place`` points into.
    """

    severity: Literal["error", "warning"]
    summary: str
    detail: str = ""
    place: Place | None = None
    excerpt: str = ""

    @property
    def is_error(self) -> bool:
        """Whether it stops the command."""
        return self.severity == "error"


def error(summary: str, detail: str = "", place: Place | None = None, excerpt: str = "") -> Diagnostic:
    """A problem that stops the command."""
    return Diagnostic("error", summary, detail, place, excerpt)


def warning(summary: str, detail: str = "", place: Place | None = None, excerpt: str = "") -> Diagnostic:
    """A problem that is told and does not stop the command."""
    return Diagnostic("warning", summary, detail, place, excerpt)
