"""Lines for a terminal or a pipe: colour, columns that end where the paper ends, and prose that is folded by words.

Widths are in cells, as a terminal counts them: a wide character takes two.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec
from rich.cells import cell_len, set_cell_size

from chargeplan.render.escape import terminal

DEFAULT_WIDTH: Final = 100
_NARROWEST: Final = 40
_GAP: Final = "  "

Style = Literal["plain", "bold", "dim", "good", "warn", "bad", "info"]
_CODES: Final[dict[str, str]] = {
    "bold": "1",
    "dim": "2",
    "good": "32",
    "warn": "33",
    "bad": "1;31",
    "info": "36",
}

# A sign has the colour of what it asks of the reader: green goes by itself, yellow is to be read, red needs a person.
ACTION_STYLES: Final[dict[str, Style]] = {
    "create": "good",
    "correct": "warn",
    "in_flight": "info",
    "unknown": "bad",
    "hold": "warn",
    "missed": "warn",
    "drift": "warn",
    "removed_upstream": "bad",
    "unchanged": "dim",
}


class Paper(msgspec.Struct, frozen=True):
    """How wide the lines are, and whether they are coloured."""

    color: bool = False
    width: int = DEFAULT_WIDTH

    def ink(self, text: str, style: Style) -> str:
        """The text in a style; the text itself must be escaped already."""
        if not self.color or style == "plain" or not text:
            return text
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m"

    @property
    def room(self) -> int:
        """The cells of a line; never so few that nothing can be read."""
        return max(_NARROWEST, self.width)

    def prose(self, text: str, indent: str = "") -> list[str]:
        """Text folded by words; a word that is too long stays whole, so that it can be copied."""
        folded = textwrap.wrap(
            terminal(text), self.room - len(indent), break_long_words=False, break_on_hyphens=False
        )
        return [indent + line for line in folded]


class Column(msgspec.Struct, frozen=True):
    """A column: its heading, the side it is aligned to, and the most cells it takes (0: as many as it needs).

    What is ``whole`` does not give way where the paper is narrow: a date without its end is another one, and a reference is
    there to be copied.
    """

    title: str
    right: bool = False
    most: int = 0
    whole: bool = False


class Row(msgspec.Struct, frozen=True):
    """Cells of unescaped text, and the style of the line, or of its first cell alone."""

    cells: tuple[str, ...]
    style: Style = "plain"
    only_first: bool = False


def cut(text: str, cells: int) -> str:
    """Escaped text of at most that many cells; what was cut off is marked."""
    if cell_len(text) <= cells:
        return text
    return set_cell_size(text, max(0, cells - 1)).rstrip() + "…"


def table(paper: Paper, columns: Sequence[Column], rows: Iterable[Row], indent: str = "") -> list[str]:
    """Rows under their headings (none where no column has a title); the last left-aligned column gives way first."""
    shown = [Row(tuple(map(terminal, row.cells)), row.style, row.only_first) for row in rows]
    if not shown:
        return []
    columns, shown = _without_empty(columns, shown)
    widths = _widths(columns, shown, paper.room - len(indent))
    lines = [indent + _line(paper, columns, widths, row) for row in shown]
    if any(column.title for column in columns):
        heading = Row(tuple(column.title for column in columns), "dim")
        lines.insert(0, indent + _line(paper, columns, widths, heading))
    return lines


def _without_empty(columns: Sequence[Column], rows: Sequence[Row]) -> tuple[list[Column], list[Row]]:
    """Columns that no row fills are left out, so that they leave no gap; the first one, which has the sign, stays."""
    kept = [i for i in range(len(columns)) if not i or any(row.cells[i] for row in rows)]
    return [columns[i] for i in kept], [
        Row(tuple(row.cells[i] for i in kept), row.style, row.only_first) for row in rows
    ]


def _widths(columns: Sequence[Column], rows: Sequence[Row], room: int) -> list[int]:
    widths = []
    for index, column in enumerate(columns):
        need = max([cell_len(column.title), *(cell_len(row.cells[index]) for row in rows)])
        widths.append(min(need, column.most) if column.most else need)
    yielding = [i for i, column in enumerate(columns) if not (column.right or column.whole)]
    for index in reversed(yielding):
        over = sum(widths) + len(_GAP) * (len(widths) - 1) - room
        if over > 0:
            widths[index] = max(min(widths[index], 6), widths[index] - over)
    return widths


def _line(paper: Paper, columns: Sequence[Column], widths: Sequence[int], row: Row) -> str:
    cells = [
        _fit(cell, width, right=column.right)
        for cell, width, column in zip(row.cells, widths, columns, strict=True)
    ]
    if row.only_first:
        cells[0] = paper.ink(cells[0], row.style)
        return _GAP.join(cells).rstrip()
    return paper.ink(_GAP.join(cells).rstrip(), row.style)


def _fit(text: str, width: int, *, right: bool) -> str:
    """Money is never cut: a figure without its end is a wrong figure."""
    if right:
        return " " * (width - cell_len(text)) + text
    text = cut(text, width)
    return text + " " * (width - cell_len(text))
