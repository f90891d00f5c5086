"""Where a CSV's cells stand.

The csv module says no columns, and only a fault needs them: the row is walked once more, over the file's lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from chargeplan.core.diagnostic import Place

_State = Literal["start", "plain", "quoted", "closed"]


def cell_place(lines: Sequence[str], file: str, line: int, index: int) -> Place:
    """Where the ``index``-th cell (from 0) begins in the row that begins on ``line``; the row's end where it has fewer."""
    place = Place(file, line)
    for number, place in enumerate(_starts(lines, file, line)):
        if number == index:
            return place
    last = lines[place.line - 1] if place.line <= len(lines) else ""
    return Place(file, place.line, len(last) + 1)


def fault_place(lines: Sequence[str], file: str, line: int) -> Place:
    """Where the quote opens that is never closed in the row, or the text stands that follows a closing one."""
    opened = Place(file, line)
    for place, character, state in _walk(lines, file, line):
        if state == "start" and character == '"':
            opened = place
        if state == "closed" and character not in {'"', ",", ""}:
            return place
    return opened


def _starts(lines: Sequence[str], file: str, line: int) -> Iterator[Place]:
    """Where each cell of the row begins, the blanks before it left out."""
    waiting = True
    for place, character, state in _walk(lines, file, line):
        if waiting and character != " ":
            yield place
            waiting = False
        if character == "," and state != "quoted":
            waiting = True


def _walk(lines: Sequence[str], file: str, line: int) -> Iterator[tuple[Place, str, _State]]:
    """Each character of the row, with the state that it meets; an empty one ends each line."""
    state: _State = "start"
    for number in range(line, len(lines) + 1):
        text = lines[number - 1]
        for column, character in enumerate(text, 1):
            yield Place(file, number, column), character, state
            state = _next(state, character)
        yield Place(file, number, len(text) + 1), "", state
        if state != "quoted":
            return


def _next(state: _State, character: str) -> _State:
    if state == "quoted":
        return "closed" if character == '"' else "quoted"
    if character == ",":
        return "start"
    if character == '"' and state in {"start", "closed"}:
        return "quoted"
    return "plain" if state == "start" else state
