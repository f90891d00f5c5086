"""What a charge's values point at: roster and table columns and other charges, checked once everything is read.

A reader notes what it saw and where; whether it is there can be said only with the charge's roster, the plan's
tables and all charges at hand.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from chargeplan.core.amounts import Path
from chargeplan.core.diagnostic import Place
from chargeplan.core.money import MoneyError, parse_cell
from chargeplan.core.plan import Row, Table
from chargeplan.core.suggest import did_you_mean
from chargeplan.core.text import flaw_of
from chargeplan.loading.node import Problems
from chargeplan.loading.tables import place_of

Use: TypeAlias = Literal[
    "money", "number", "share", "date", "bill", "weight", "code", "text", "rate", "count"
]
"""What a column is read as.

A ``bill`` is money by period, a ``weight`` a share by unit; shares are not negative. A ``code`` is a charge's in every
row, a ``text`` stands in a description as it is.
"""

_RATE = re.compile(r"-?\$?(\d{1,3}(,\d{3})+|\d{1,12})(\.\d{1,6})?", re.ASCII)
_NUMBER = re.compile(r"-?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?", re.ASCII)


class ColumnReference(msgspec.Struct, frozen=True):
    """A roster's or a table's column, and what it is used as."""

    path: Path
    use: Use
    place: Place


class ChargeReference(msgspec.Struct, frozen=True):
    """Another charge of the plan, by id: one whose amount is needed, or one that a late fee watches."""

    charge: str
    place: Place
    watched: bool = False


Reference: TypeAlias = ColumnReference | ChargeReference


class Scope(msgspec.Struct, frozen=True):
    """What a charge may point at: its roster, the plan's tables by name, the ids of the plan's charges.

    ``broken`` are the names of tables (and ``roster``) that could not be loaded and were reported: nothing more is said of them.
    """

    roster: Table | None
    tables: dict[str, Table]
    charges: tuple[str, ...]
    broken: frozenset[str] = frozenset()


def check_references(references: list[Reference], scope: Scope, problems: Problems) -> None:
    """Report what is pointed at and not there, and cells that are not what their column is used as."""
    for reference in references:
        match reference:
            case ColumnReference():
                _check_column(reference, scope, problems)
            case ChargeReference(charge=charge, place=place) if charge not in scope.charges:
                problems.error(
                    place,
                    f"There is no charge `{charge}` in this plan.",
                    did_you_mean(charge, scope.charges, otherwise="Its charges are"),
                )
            case ChargeReference():
                pass


def _check_column(reference: ColumnReference, scope: Scope, problems: Problems) -> None:
    table = _find(reference, scope, problems)
    if table is None:
        return
    column = reference.path.name
    if column not in table.columns:
        problems.error(
            reference.place,
            f"`{table.file_without(column)}` has no column `{column}`.",
            did_you_mean(column, table.columns_without(column), otherwise="Its columns are"),
        )
        return
    needed = {"bill": "period", "weight": "unit"}.get(reference.use)
    if needed is not None and table.key != needed:
        what = "A bill's table" if needed == "period" else "A weight's table"
        problems.error(
            reference.place,
            f"{what} has the key `{needed}`; `{reference.path.table}` has the key `{table.key}`.",
            f"Use a table with `key: {needed}`.",
        )
        return
    for row in table.all_rows():
        _check_cell(row, column, reference, problems)


def _find(reference: ColumnReference, scope: Scope, problems: Problems) -> Table | None:
    path = reference.path
    name = "roster" if path.root == "roster" else path.table
    if name in scope.broken:
        return None
    if path.root == "roster":
        if scope.roster is None:
            problems.error(
                reference.place,
                f"`{path}` is used, and the charge has no roster.",
                "Add `roster: FILE.csv` to the charge.",
            )
        return scope.roster
    if path.table not in scope.tables:
        problems.error(
            reference.place,
            f"There is no table `{path.table}` in this plan.",
            did_you_mean(path.table, scope.tables, otherwise="Its tables are")
            or "Declare it under `tables`.",
        )
    return scope.tables.get(path.table)


def _check_cell(row: Row, column: str, reference: ColumnReference, problems: Problems) -> None:
    text = row.cells.get(column)
    if text is None and reference.use != "code":
        return
    if flaw := _CHECKS[reference.use](text or ""):
        used = f"`{reference.path}` is used on line {reference.place.line} of {reference.place.file}."
        problems.error(place_of(row, column, problems), f"In the column `{column}`, {flaw}.", used)


def _money_flaw(text: str) -> str:
    try:
        parse_cell(text)
    except MoneyError as fault:
        return str(fault)
    return ""


def _number_flaw(text: str) -> str:
    return "" if _NUMBER.fullmatch(text) else f"`{text}` is not a number"


def _share_flaw(text: str) -> str:
    return _number_flaw(text.replace("$", "", 1)) or (f"`{text}` is negative" if text.startswith("-") else "")


def _date_flaw(text: str) -> str:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        try:
            dt.date.fromisoformat(text)
        except ValueError:
            return f"`{text}` is no day of the calendar"
        return ""
    return f"`{text}` is not a date: write it like 2027-01-05"


def _rate_flaw(text: str) -> str:
    if _RATE.fullmatch(text):
        return ""
    return f"`{text}` is not a rate: write dollars with at most six decimals, such as `0.00613`"


def _count_flaw(text: str) -> str:
    return (
        "" if re.fullmatch(r"0*[1-9]\d{0,3}", text, re.ASCII) else f"`{text}` is not a number of occurrences"
    )


def _text_flaw(text: str) -> str:
    flaw = flaw_of(text)
    return f"the text {text!r} {flaw}, and a line's text is one line" if flaw else ""


def _code_flaw(text: str) -> str:
    return "" if text else "the cell is empty, and each row needs its charge code"


_CHECKS: dict[Use, Callable[[str], str]] = {
    "money": _money_flaw,
    "bill": _money_flaw,
    "number": _number_flaw,
    "share": _share_flaw,
    "weight": _share_flaw,
    "date": _date_flaw,
    "code": _code_flaw,
    "text": _text_flaw,
    "rate": _rate_flaw,
    "count": _count_flaw,
}
