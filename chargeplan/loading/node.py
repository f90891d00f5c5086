"""A YAML file as a tree of nodes that all know where they stand, and the problems found in it.

Keys are nodes like values, because half of what users get wrong is a key.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from chargeplan.core.diagnostic import Diagnostic, Place, error, warning

ScalarKind: TypeAlias = Literal["text", "int", "decimal", "bool", "date", "null"]


class Scalar(msgspec.Struct, frozen=True):
    """One plain or quoted value.

    ``raw`` is the text as written, without quotes: where text is expected, ``204`` and ``010`` are what was typed.
    ``value`` has the type that ``kind`` names; a decimal is exact, never a binary float.
    """

    kind: ScalarKind
    value: str | int | Decimal | bool | dt.date | None
    raw: str
    place: Place
    quoted: bool = False


class Items(msgspec.Struct, frozen=True):
    """A list. ``place`` is its first character: the bracket or the first dash."""

    items: tuple[Node, ...]
    place: Place


class Entry(msgspec.Struct, frozen=True):
    """One key of a mapping, with its value."""

    key: Scalar
    value: Node


class Mapping(msgspec.Struct, frozen=True):
    """A mapping in the file's order. ``place`` is its first character: the brace or the first key.

    Of two equal keys only the first is here; the second was reported.
    """

    entries: tuple[Entry, ...]
    place: Place

    def get(self, name: str) -> Entry | None:
        """The entry whose key reads ``name``, or None."""
        for entry in self.entries:
            if entry.key.raw == name:
                return entry
        return None


Node: TypeAlias = Scalar | Items | Mapping


def describe(node: Node) -> str:
    """What the user wrote, for the middle of a sentence: ``the list``, ```2.5```, ``nothing``."""
    match node:
        case Items():
            return "a list" if node.items else "an empty list"
        case Mapping():
            return "a mapping" if node.entries else "an empty mapping"
        case Scalar(kind="null"):
            return "nothing"
        case Scalar(quoted=True, raw=raw):
            return f'`"{_short(raw)}"`'
        case Scalar(raw=raw):
            return f"`{_short(raw)}`"


def _short(text: str, limit: int = 60) -> str:
    shown = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


MOST_TOLD = 50_000
"""Problems that a run lists: nobody reads more, and a broken file could have millions."""


class Problems:
    """Collects the diagnostics of a run, each with the source line it points into.

    Lines are registered by file as files are read, so whoever finds a problem needs only its place.
    """

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._lines: dict[str, tuple[str, ...]] = {}
        self.error_count = 0
        """How many errors, warnings not counted; compare before and after a step to know whether it failed."""
        self._told: set[tuple[Place | None, str]] = set()

    def register(self, file: str, lines: tuple[str, ...]) -> None:
        """Make the lines of ``file`` known for excerpts."""
        self._lines[file] = lines

    def lines(self, file: str) -> tuple[str, ...]:
        """The lines of a file that was read."""
        return self._lines.get(file, ())

    def conceal(self, place: Place) -> None:
        """Show the line of ``place`` in no diagnostic, because it may hold a secret, and diagnostics end in logs."""
        lines = list(self._lines.get(place.file, ()))
        if 0 < place.line <= len(lines):
            lines[place.line - 1] = ""
            self._lines[place.file] = tuple(lines)
        self.diagnostics = [
            msgspec.structs.replace(each, excerpt="")
            if each.place is not None and (each.place.file, each.place.line) == (place.file, place.line)
            else each
            for each in self.diagnostics
        ]

    def excerpt(self, place: Place | None) -> str:
        """The source line that ``place`` points into, or nothing where it is not known."""
        if place is None:
            return ""
        lines = self._lines.get(place.file, ())
        return lines[place.line - 1] if 0 < place.line <= len(lines) else ""

    def error(self, place: Place | None, summary: str, detail: str = "") -> None:
        """Add an error at ``place``; what is read twice (a default, an alias) is told once."""
        if self._first_time(place, summary):
            self.error_count += 1
            self._keep(error(summary, detail, place, self.excerpt(place)))

    def warning(self, place: Place | None, summary: str, detail: str = "") -> None:
        """Add a warning at ``place``, once."""
        if self._first_time(place, summary):
            self._keep(warning(summary, detail, place, self.excerpt(place)))

    def _keep(self, diagnostic: Diagnostic) -> None:
        if len(self.diagnostics) < MOST_TOLD:
            self.diagnostics.append(diagnostic)
        elif len(self.diagnostics) == MOST_TOLD:
            more = f"There are more than {MOST_TOLD:,} problems; from here on they are not listed."
            self.diagnostics.append(error(more, "Correct these first.", diagnostic.place))

    def _first_time(self, place: Place | None, summary: str) -> bool:
        if (place, summary) in self._told:
            return False
        if len(self._told) <= MOST_TOLD:
            self._told.add((place, summary))
        return True
