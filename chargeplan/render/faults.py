"""What is wrong, for people: the place, the line itself, a caret under it, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len

from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.errors import ChargeplanError, InputError, StalePlanError
from chargeplan.render.escape import terminal
from chargeplan.render.paper import DEFAULT_WIDTH, Paper, Style, cut
from chargeplan.render.words import count_of

_INDENT: Final = "  "
_SHOWN_REFERENCES: Final = 20
# How much of a long source line is shown before the place that is meant.
_BEFORE: Final = 40


def diagnostics_screen(
    diagnostics: Sequence[Diagnostic], *, color: bool = False, width: int = DEFAULT_WIDTH
) -> str:
    """Every diagnostic, in the order given."""
    lines = diagnostics_lines(Paper(color, width), diagnostics)
    return "".join(f"{line}\n" for line in lines)


def validate_screen(
    diagnostics: Sequence[Diagnostic], *, files: int, color: bool = False, width: int = DEFAULT_WIDTH
) -> str:
    """The diagnostics, and a last line with the verdict on ``files`` files."""
    errors = sum(each.is_error for each in diagnostics)
    warnings = len(diagnostics) - errors
    also = f", {count_of(warnings, 'warning')}" if warnings else ""
    verdict = f"{count_of(errors, 'error')}{also}." if errors else f"Valid: {count_of(files, 'file')}{also}."
    text = diagnostics_screen(diagnostics, color=color, width=width)
    gap = "\n" if text else ""
    return f"{text}{gap}{Paper(color, width).ink(verdict, 'bad' if errors else 'good')}\n"


def error_screen(error: ChargeplanError, *, color: bool = False, width: int = DEFAULT_WIDTH) -> str:
    """The failure of a command: what is wrong, where, and what to do."""
    paper = Paper(color, width)
    lines: list[str] = []
    if isinstance(error, InputError):
        lines += [*diagnostics_lines(paper, error.diagnostics), ""] if error.diagnostics else []
    first, *rest = paper.prose(f"Error: {error.message}") or ["Error"]
    lines += [paper.ink(first, "bad"), *rest]
    if isinstance(error, StalePlanError):
        lines += _references(error.references)
    if error.hint:
        lines += paper.prose(error.hint, _INDENT)
    return "".join(f"{line}\n" for line in lines)


def _references(references: Sequence[str]) -> list[str]:
    lines = [_INDENT + terminal(reference) for reference in references[:_SHOWN_REFERENCES]]
    more = len(references) - _SHOWN_REFERENCES
    return [*lines, f"{_INDENT}… {more:,} more"] if more > 0 else lines


def diagnostics_lines(paper: Paper, diagnostics: Sequence[Diagnostic]) -> list[str]:
    """The lines of all of them."""
    return [line for diagnostic in diagnostics for line in _diagnostic(paper, diagnostic)]


def _diagnostic(paper: Paper, diagnostic: Diagnostic) -> list[str]:
    """The first line is not folded: editors and `grep` read ``file:line:column: message``."""
    word = "" if diagnostic.is_error and diagnostic.place else f"{diagnostic.severity}: "
    where = f"{terminal(str(diagnostic.place))}: " if diagnostic.place else ""
    style: Style = "bad" if diagnostic.is_error else "warn"
    lines = [f"{paper.ink(where, 'bold')}{paper.ink(word + terminal(diagnostic.summary), style)}"]
    if diagnostic.place and diagnostic.excerpt:
        lines += _excerpt(paper, diagnostic.excerpt, diagnostic.place.column)
    for paragraph in diagnostic.detail.splitlines():
        lines += paper.prose(paragraph, _INDENT)
    return lines


def _excerpt(paper: Paper, excerpt: str, column: int) -> list[str]:
    """The source line and a caret under its ``column``, counted from 1; a long line is cut around it."""
    before, after = excerpt.rstrip("\r\n")[: column - 1], excerpt.rstrip("\r\n")[column - 1 :]
    room = paper.room - 2 * len(_INDENT)
    shown = terminal(before.expandtabs(4))
    if cell_len(shown) + cell_len(terminal(after)) > room and cell_len(shown) > _BEFORE:
        shown = "…" + shown[-_BEFORE:]
    line = cut(shown + terminal(after), room)
    caret = " " * cell_len(shown) + "^"
    return [f"{_INDENT * 2}{line}", f"{_INDENT * 2}{paper.ink(caret, 'bad')}"]
