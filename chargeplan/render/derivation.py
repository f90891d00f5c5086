"""What `derive` came to: on screen as a table by charge code, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from chargeplan.core.dates import Days
from chargeplan.core.derivation import Derivation, LeftLines
from chargeplan.render.comparison import why_different
from chargeplan.render.derived import WHY
from chargeplan.render.jsondoc import Document
from chargeplan.render.paper import DEFAULT_WIDTH, Column, Paper, Row, table
from chargeplan.render.words import count_of

_INDENT: Final = "  "


class Derived(msgspec.Struct, frozen=True):
    """What is shown: the account, the window, the properties' names and the files that were written."""

    window: Days
    account: Derivation
    names: Mapping[str, str]
    files: tuple[str, ...]


def derivation_screen(shown: Derived, *, color: bool = False, width: int = DEFAULT_WIDTH) -> str:
    """The table: code, lines, explained, charge; below it what is left, with the reasons; its last line last."""
    paper, window = Paper(color, width), shown.window
    blocks = [
        [paper.ink(f"Plans derived from what was billed: {window.first} to {window.last}", "bold")],
        _codes(paper, shown),
        _left(paper, shown),
        [f"Wrote {name}" for name in shown.files],
        [paper.ink(last_line(shown), "bold")],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def last_line(shown: Derived) -> str:
    """The greppable end."""
    explained = sum(each.explained for each in shown.account.codes)
    lines = sum(each.lines for each in shown.account.codes)
    planned = {(each.planned.property_id, each.planned.charge_code) for each in shown.account.codes}
    left = sum(
        each.lines for each in shown.account.left if (each.property_id, each.charge_code) not in planned
    )
    return f"Derive: {explained:,} of {count_of(lines, 'line')} explained, {left:,} lines of codes that are not derived."


def _codes(paper: Paper, shown: Derived) -> list[str]:
    columns = (
        Column("Property"),
        Column("Charge code"),
        Column("Lines", right=True),
        Column("Explained", right=True),
        Column("Charge"),
    )
    rows = [
        Row(
            (
                shown.names.get(each.planned.property_id, each.planned.property_id),
                each.planned.charge_code,
                f"{each.lines:,}",
                f"{each.explained:,}",
                f"{each.planned.plan}/{each.planned.charge}",
            ),
            "plain" if each.lines == each.explained else "warn",
            only_first=True,
        )
        for each in shown.account.codes
    ]
    return table(paper, columns, rows, _INDENT)


def _left(paper: Paper, shown: Derived) -> list[str]:
    if not shown.account.left:
        return []
    columns = (Column("Property"), Column("Charge code"), Column("Lines", right=True), Column("Why"))
    rows = [
        Row(
            (
                shown.names.get(each.property_id, each.property_id),
                each.charge_code,
                f"{each.lines:,}",
                _why(each),
            )
        )
        for each in shown.account.left
    ]
    return [paper.ink("Left", "bold"), *table(paper, columns, rows, _INDENT)]


def _why(each: LeftLines) -> str:
    return WHY.get(each.reason) or why_different(each.reason)


def derivation_document(shown: Derived) -> Document:
    """`derive --json` (interface.md)."""
    return {
        "kind": "derive",
        "window": {"from": str(shown.window.first), "through": str(shown.window.last)},
        "codes": list(_code_entries(shown)),
        "left": [
            {
                "property_id": each.property_id,
                "charge_code": each.charge_code,
                "lines": each.lines,
                "reason": each.reason,
            }
            for each in shown.account.left
        ],
        "files": list(shown.files),
    }


def _code_entries(shown: Derived) -> Iterator[Document]:
    for each in shown.account.codes:
        yield {
            "property_id": each.planned.property_id,
            "charge_code": each.planned.charge_code,
            "lines": each.lines,
            "explained": each.explained,
            "plan": each.planned.plan,
            "charge": each.planned.charge,
        }
