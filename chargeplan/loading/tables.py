"""CSV tables and rosters (plan-language.md, *Reading the file* and *A charge*).

A cell is the text that was typed, without the blanks around it; an empty cell is ``None``. What a column is used
for, money or a count, is checked where a plan uses it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import get_args

from chargeplan.core.diagnostic import Place
from chargeplan.core.plan import Row, Table, TableKey
from chargeplan.loading.files import Files
from chargeplan.loading.node import Problems
from chargeplan.loading.source import decode
from chargeplan.loading.suggest import closest, did_you_mean

MAX_CSV_BYTES = 64_000_000
ROSTER_KEYS: tuple[TableKey, ...] = ("resident_id", "lease_id", "unit")
TABLE_KEYS: tuple[TableKey, ...] = get_args(TableKey)
_PERIOD = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)


def load_table(files: Files, name: str, key: TableKey, place: Place) -> Table | None:
    """The table in the file ``name``, found by ``key``; None, and errors, where it cannot be used.

    ``place`` is where the plan names the file.
    """
    return _load(files, name, place, (key,), None)


def load_roster(files: Files, name: str, item: str | None, place: Place) -> Table | None:
    """The roster in the file ``name``; the key is the one column of it that may be one.

    ``item`` is the column that tells several rows of a key apart.
    """
    return _load(files, name, place, ROSTER_KEYS, item)


def _load(
    files: Files, name: str, place: Place, keys: tuple[TableKey, ...], item: str | None
) -> Table | None:
    data = files.read(name, place)
    if data is None:
        return None
    text = decode(data, name, files.problems, limit=MAX_CSV_BYTES)
    return None if text is None else _Reader(name, files.problems).table(text, keys, item)


class _Reader:
    """One CSV's way to a table; every row's problem is told, not the first one's."""

    def __init__(self, name: str, problems: Problems) -> None:
        self.name = name
        self.problems = problems
        self.lines: dict[tuple[str | None, str, str | None], int] = {}

    def table(self, text: str, keys: tuple[TableKey, ...], item: str | None) -> Table | None:
        before = self.problems.error_count
        records = self._records(text)
        _, header = next(records, (1, []))
        if not header:
            self._error(
                1, "The file is empty.", f"Begin it with a header: {' or '.join(keys)}, and further columns."
            )
            return None
        columns = tuple(cell.strip() for cell in header)
        key = self._key(columns, keys)
        if key is None or not self._good_header(columns, item):
            return None
        rows: dict[str, list[Row]] = {}
        for line, record in records:
            row = self._row(line, record, columns, key, item)
            if row is not None:
                rows.setdefault(row.key, []).append(row)
        if self.problems.error_count > before:
            return None
        return Table(self.name, key, columns, {each: tuple(found) for each, found in rows.items()}, item)

    def _error(self, line: int, summary: str, detail: str = "") -> None:
        self.problems.error(Place(self.name, line), summary, detail)

    def _records(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """Records that are not blank, each with the line it begins on; a quoted cell may span lines."""
        reader = csv.reader(text.splitlines(keepends=True), strict=True)
        begins = 1
        try:
            for record in reader:
                if any(cell.strip() for cell in record):
                    yield begins, record
                begins = reader.line_num + 1
        except csv.Error as fault:
            self._error(
                begins,
                f"The row cannot be read: {_explain(str(fault))}.",
                'Write a quote inside a quoted cell twice: "".',
            )

    def _key(self, columns: tuple[str, ...], keys: tuple[TableKey, ...]) -> TableKey | None:
        present = [key for key in keys if key in columns]
        if len(present) == 1:
            return present[0]
        if present:
            shown = " and ".join(f"`{key}`" for key in present)
            self._error(
                1,
                f"The header has {shown}, and only one can be the key.",
                "Rename the column that is only for people, to `unit_number` for instance.",
            )
            return None
        wanted = " or ".join(f"`{key}`" for key in keys)
        if len(columns) == 1 and ";" in columns[0]:
            self._error(1, "The columns are separated by semicolons.", "Save the file with commas.")
            return None
        self._error(1, f"The header has no column {wanted}, which is the key.", _key_advice(keys, columns))
        return None

    def _good_header(self, columns: tuple[str, ...], item: str | None) -> bool:
        for index, column in enumerate(columns):
            if not column:
                self._error(1, f"Column {index + 1} has no name.", "Name it in the header, or delete it.")
                return False
            if column in columns[:index]:
                self._error(1, f"The column `{column}` is there twice.", "Rename or delete one of them.")
                return False
        if item is not None and item not in columns:
            self._error(
                1,
                f"The header has no column `{item}`, which is the roster's `item`.",
                did_you_mean(item, columns, otherwise="The columns are"),
            )
            return False
        return True

    def _row(
        self, line: int, record: list[str], columns: tuple[str, ...], key: TableKey, item: str | None
    ) -> Row | None:
        if len(record) != len(columns):
            self._error(
                line,
                f"The row has {_count(len(record))}, the header has {len(columns)}.",
                "Put a cell with a comma in quotes.",
            )
            return None
        cells = {column: cell.strip() or None for column, cell in zip(columns, record, strict=True)}
        name, part = cells[key], None if item is None else cells[item]
        if name is None or (item is not None and part is None):
            missing = key if name is None else item
            self._error(
                line,
                f"The cell `{missing}` is empty.",
                "Every row needs one; delete the row if it is not meant.",
            )
            return None
        if key == "period" and not _PERIOD.fullmatch(name):
            self._error(line, f"`{name}` is not a period.", "Write the year and the month: 2027-08.")
            return None
        row = Row(name, cells.get("property"), part, cells, line)
        return row if self._unique(row, key, item) else None

    def _unique(self, row: Row, key: TableKey, item: str | None) -> bool:
        identity = (row.property, row.key, row.item)
        first = self.lines.setdefault(identity, row.line)
        if first == row.line:
            return True
        shown = f"`{row.key}`" + (f" with the {item} `{row.item}`" if row.item is not None else "")
        advice = (
            "Delete one of them."
            if key == "period" or item
            else "Delete one; where one key has several rows on purpose, a roster takes `{file: …, item: COLUMN}`."
        )
        self._error(row.line, f"The {key} {shown} is there twice: first on line {first}.", advice)
        return False


def _key_advice(keys: tuple[TableKey, ...], columns: tuple[str, ...]) -> str:
    for key in keys:
        if (near := closest(key, columns)) is not None:
            return f"If `{near}` is meant, call it `{key}`."
    return f"The columns are: {', '.join(f'`{column}`' for column in columns)}."


def _count(cells: int) -> str:
    return f"{cells} cell" if cells == 1 else f"{cells} cells"


def _explain(fault: str) -> str:
    if "unexpected end of data" in fault:
        return "a quote is never closed"
    if "expected after" in fault:
        return "text follows a closing quote"
    return fault
