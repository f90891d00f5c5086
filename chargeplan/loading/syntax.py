"""PyYAML's syntax errors, said in words a property accountant can act on.

Both parsers (libyaml's and the pure one) agree on places and differ in wording; what is matched here is what
their messages have in common.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chargeplan.core.diagnostic import Place

if TYPE_CHECKING:
    import yaml

    from chargeplan.loading.node import Problems

_RULES: tuple[tuple[str, str, str, str], ...] = (
    # context pattern, problem pattern, summary, detail; the first that fits is told
    (
        "quoted scalar",
        "unexpected end of stream|document (indicator|separator)",
        "@This quote is never closed.",
        "Add the closing quote.",
    ),
    (
        "double-quoted|quoted scalar",
        "escape|hexadecimal",
        "The backslash in this text is read as an escape.",
        "Use single quotes, or write two backslashes.",
    ),
    (
        "flow sequence",
        "",
        "@This list's `[` is not closed, or a comma is missing in it.",
        "Close it with `]`; put text with `,`, `[` or `: ` in quotes.",
    ),
    (
        "flow mapping",
        "",
        "@This mapping's `{` is not closed, or a comma is missing in it.",
        "Close it with `}}`; put text with `,`, `{{` or `: ` in quotes.",
    ),
    (
        "flow node",
        "",
        "A value is missing here, or a bracket is not closed.",
        "Write the value, or close the bracket; put text with `,`, `[` or `{{` in quotes.",
    ),
    (
        "",
        "mapping values are not allowed",
        "This colon makes no sense here.",
        "Put text that holds `: ` in quotes, or line the key up with its neighbours.",
    ),
    (
        "simple key",
        "",
        "@This line has no colon after its key.",
        "Write `key: value`, or line it up with the text it continues.",
    ),
    (
        "alias|anchor",
        "alphabetic or numeric",
        "`*` and `&` begin YAML aliases and anchors.",
        'Put patterns in quotes: "*".',
    ),
    (
        "block mapping",
        "",
        "This does not continue the mapping that begins on line {context}.",
        "Line the key up with its neighbours, and put text with quotes inside in other quotes.",
    ),
    (
        "block (collection|sequence)",
        "",
        "This does not continue the list that begins on line {context}.",
        "Line its `-` up with the others, or the key with the key above the list.",
    ),
    (
        "",
        "cannot start any token",
        'A value cannot begin with the character "{character}".',
        "Put it in quotes.",
    ),
    (
        "",
        "document start",
        "This does not belong to the document above it.",
        "Check the indentation of the first line, and delete `...`.",
    ),
    (
        "block scalar",
        "",
        "This block of text is not indented as YAML wants it.",
        "Put the text in quotes on one line.",
    ),
    ("directive|document", "", "YAML directives (`%`) are not part of the language.", "Delete the line."),
    ("", "incompatible|directive", "YAML directives (`%`) are not part of the language.", "Delete the line."),
    ("tag", "", "This YAML tag cannot be read.", "Put text that begins with `!` in quotes."),
    ("", "tag", "This YAML tag cannot be read.", "Put text that begins with `!` in quotes."),
)


def explain_syntax_error(fault: yaml.MarkedYAMLError, name: str, problems: Problems) -> None:
    """Report ``fault``, at the place where the reader should look first.

    A summary that begins with ``@`` is told at the beginning of the construct (the opening quote), because where the
    parser gave up, often the end of the file, tells nothing.
    """
    context, problem = fault.context or "", fault.problem or ""
    at, begun = _place(fault.problem_mark, name), _place(fault.context_mark, name)
    for context_pattern, problem_pattern, summary, detail in _RULES:
        if re.search(context_pattern, context) and re.search(problem_pattern, problem):
            place = begun if summary.startswith("@") and begun is not None else at
            if context_pattern == "flow node":
                place = _last_opened(at, problems)
            words = {"context": begun.line if begun else 1, "character": _character(place, problems)}
            problems.error(
                place, _fill(summary.removeprefix("@"), words), detail.replace("{{", "{").replace("}}", "}")
            )
            return
    problems.error(
        at or Place(name, 1),
        f"This is not YAML: {problem or context}.",
        "Put text with special characters in quotes.",
    )


def _last_opened(place: Place | None, problems: Problems) -> Place | None:
    """Where the file ends inside a bracket, the end tells nothing: the last bracket that was opened does."""
    lines = problems.lines(place.file) if place is not None else ()
    if place is None or any(line.strip() for line in lines[place.line - 1 :]):
        return place
    for number in range(len(lines), 0, -1):
        column = max(lines[number - 1].rfind("["), lines[number - 1].rfind("{"))
        if column >= 0:
            return Place(place.file, number, column + 1)
    return place


def _fill(summary: str, words: dict[str, object]) -> str:
    for word, value in words.items():
        summary = summary.replace("{" + word + "}", str(value))
    return summary


def _place(mark: object, name: str) -> Place | None:
    if mark is None:
        return None
    return Place(name, mark.line + 1, mark.column + 1)  # type: ignore[attr-defined]


def _character(place: Place | None, problems: Problems) -> str:
    line = problems.excerpt(place)
    return line[place.column - 1 : place.column] if place else ""
