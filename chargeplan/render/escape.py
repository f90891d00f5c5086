"""Text of plans, rosters and Propexo, made harmless for where it is shown.

Anyone who can name a unit or a fee at the property system writes into our output: into a terminal that obeys escape
sequences, a spreadsheet that runs formulas, a pull request that pings people. Nothing is dropped silently: what can't
be shown is shown as its code.
"""

from __future__ import annotations

import csv
import html as _html
import io
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

# Invisible, but Persian, Indic scripts and emoji are spelt with them.
_JOINERS: Final = "\u200c\u200d"
_UNSHOWABLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co"})
_NUMBER: Final = re.compile(r"[-+]?\$?[\d,]+(\.\d+)?%?", re.ASCII)
_FORMULA: Final = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
# A dollar sign before a digit is money: it opens mathematics at GitHub only where a later one closes it, and none does.
_MARKUP: Final = re.compile(r"[\\`*_\[\]<>|~&#@]|\$(?!\d)|:(?=//)")
_LIST: Final = re.compile(r"^(\s*)([-+=](?=[-+=\s]|$)|\d+(?=[.)](?:\s|$)))", re.ASCII)
_LINKED: Final = re.compile(r"(?i)\b(www|gh)(?=[.-])")


def terminal(text: str) -> str:
    r"""One line for a terminal: control characters, escape sequences and reordering become visible, as ``\x1b``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _UNSHOWABLE:
        return character
    return coded(character)


def coded(character: str) -> str:
    r"""The character's code: ``\x1b``, ``\u202e`` or ``\U000e0041``."""
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def csv_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: it gets an apostrophe in front, unless it is plainly a number."""
    safe = terminal(text)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return "'" + safe
    # A tab or a carriage return in front is dropped by spreadsheets, and what follows becomes the start.
    return "'" + safe if text[:1] in {"\t", "\r", "\n"} else safe


def csv_text(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A CSV table (RFC 4180), every cell made harmless; ``None`` is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(csv_cell(name) for name in header)
    for row in rows:
        writer.writerow("" if value is None else csv_cell(str(value)) for value in row)
    return out.getvalue()


def markdown(text: str) -> str:
    """Text inside a line or table cell of GitHub's Markdown: no markup, HTML, mention, issue number, link or math.

    Entities and not backslashes, because they hold in tables and inside HTML too; a zero-width space breaks what GitHub
    links after the markup is gone.
    """
    safe = _MARKUP.sub(_entity, terminal(text))
    safe = _LIST.sub(lambda match: f"{match[1]}&#{ord(match[2][0])};{match[2][1:]}", safe)
    return _LINKED.sub(r"\1&#8203;", safe)


def _entity(match: re.Match[str]) -> str:
    character = match[0]
    return f"&#{ord(character)};" + ("&#8203;" if character in "@#:" else "")


def html(text: str) -> str:
    """Text inside an HTML element or a quoted attribute."""
    return _html.escape(terminal(text), quote=True)
