"""Expressions of GitHub (`${{ … }}`, `if:`) and of GitLab (`rules: if:`), as far as the examples use them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_HUB = re.compile(r"'[^']*'|&&|\|\||[!=]=|!|\(|\)|[A-Za-z_][\w.-]*")
_LAB = re.compile(r'"[^"]*"|/[^/]*/|&&|\|\||[!=]=|=~|\(|\)|\$\w+')
_WORDS = {"&&": "and", "||": "or", "!": "not ", "==": "==", "!=": "!=", "(": "(", ")": ")"}
_NAMES = {"true": "True", "false": "False", "cancelled": "cancelled", "always": "always"}


def filled(text: Any, look: Callable[[str], Any]) -> str:
    """The text with every `${{ … }}` replaced by its value."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: _text(value(found[1], look)), _text(text))


def value(expression: str, look: Callable[[str], Any]) -> Any:
    """The value of one expression; ``look`` knows the contexts, as in `steps.plan.outputs.digest`."""

    def word(found: str) -> str:
        # What is not there is null, and null equals the empty text.
        known = look(found) if found not in _NAMES else None
        return _NAMES.get(found) or repr("" if known is None else known)

    code = _translated(expression, _HUB, word)
    return eval(code, {"__builtins__": {}}, {"cancelled": lambda: False, "always": lambda: True})


def holds(expression: Any, look: Callable[[str], Any]) -> tuple[bool, bool]:
    """Whether an `if:` holds, and whether it asks to run after a failure too."""
    text = str(expression).strip()
    if text.startswith("${{"):
        text = text[3:-2]
    return bool(value(text, look)), "cancelled()" in text or "always()" in text


def rule_holds(expression: str, variables: Mapping[str, str]) -> bool:
    """Whether a GitLab rule's `if:` holds."""

    def word(found: str) -> str:
        return repr(variables.get(found[1:])) if found.startswith("$") else repr(found[1:-1])

    code = _translated(expression, _LAB, word)
    code = re.sub(r"('[^']*'|None) =~ ('[^']*')", r"matches(\1, \2)", code)
    return bool(
        eval(
            code,
            {"__builtins__": {}},
            {"matches": lambda text, pattern: bool(text and re.search(pattern, text))},
        )
    )


def _translated(expression: str, pattern: re.Pattern[str], word: Callable[[str], str]) -> str:
    rest = pattern.sub("", expression)
    assert not rest.strip(), f"{rest!r} of {expression!r} is not known here"
    parts = []
    for found in pattern.findall(expression):
        if found in _WORDS or found == "=~":
            parts.append(_WORDS.get(found, found))
        elif found.startswith("'"):
            parts.append(found)
        else:
            parts.append(word(found))
    return " ".join(parts)


def _text(found: Any) -> str:
    return (
        {True: "true", False: "false", None: ""}.get(found, found)
        if isinstance(found, bool | None)
        else str(found)
    )
