"""Did you mean …? For keys, choices and references that are not there."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LISTED = 24
"""More names than this help nobody."""


def closest(word: str, options: Iterable[str]) -> str | None:
    """The option that ``word`` is probably a misspelling of, or None.

    Case, hyphens, blanks and underscores are not held against it: ``moveInDay`` is not close to
    ``move_in_day`` by letters alone, ``Pet-Rent`` and ``pet_rent`` are.
    """
    names = list(options)
    plain = {_plain(name): name for name in reversed(names)}
    if (same := plain.get(_plain(word))) is not None:
        return same
    close = difflib.get_close_matches(_plain(word), list(plain), n=1)
    return plain[close[0]] if close else None


def _plain(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum() or letter in ".*")


def did_you_mean(word: str, options: Iterable[str], *, otherwise: str = "Known here") -> str:
    """A sentence with the likely right word, else with what there is."""
    names = list(options)
    if (near := closest(word, names)) is not None:
        return f"Did you mean `{near}`?"
    if not names:
        return ""
    shown = ", ".join(f"`{name}`" for name in names[:_LISTED])
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{otherwise}: {shown}{more}."
