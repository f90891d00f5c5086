"""CSV tables and rosters (plan-language.md, *Reading the file* and *A charge*).

A cell is the text that was typed, without the blanks around it; an empty cell is ``None``. What a column is used
for, money or a count, is checked where a plan uses it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import get_args

import msgspec

from chargeplan.core.dates import RelativeDate, add_period
from chargeplan.core.diagnostic import Place
from chargeplan.core.plan import Row, Table, TableKey
from chargeplan.core.suggest import closest, did_you_mean
from chargeplan.disk.regular import PROJECT_FILE_BYTES
from chargeplan.loading.cells import cell_place, fault_place
from chargeplan.loading.files import Files
from chargeplan.loading.node import Problems
from chargeplan.loading.source import decode

MAX_CELLS = 2_000_000
"""Cells of one file: 200,000 rows of ten columns."""
ROSTER_KEYS: tuple[TableKey, ...] = ("resident_id", "lease_id", "unit")
TABLE_KEYS: tuple[TableKey, ...] = get_args(TableKey)
_PERIOD = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)
_INSTRUCTION = re.compile(r"\"?sep=(.)\"?", re.IGNORECASE)
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class Where(msgspec.Struct, frozen=True):
    """Which rows of a roster are meant: those whose ``column`` has one of ``values``; ``place`` is the first value's."""

    column: str
    values: tuple[str, ...]
    column_place: Place
    place: Place


class Source(msgspec.Struct, frozen=True):
    """The files that a plan reads rows from, one or, with a pattern, several in order; ``place`` is where it names them."""

    names: tuple[str, ...]
    place: Place

    @property
    def shown(self) -> str:
        """How messages call them together."""
        more = len(self.names) - 1
        return self.names[0] + (f" and {more} more {'file' if more == 1 else 'files'}" if more else "")


def load_table(files: Files, source: Source, key: TableKey, *, by_period: bool = False) -> Table | None:
    """The table in the files of ``source``, found by ``key`` and, ``by_period``, by the month; None, and errors, where it cannot be used."""
    before = files.problems.error_count
    table = _load(files, source, (key,), item=None, by_period=by_period)
    if table is not None:
        check_told_apart(table, lambda row: row.period, files.problems)
    return table if files.problems.error_count == before else None


def load_roster(
    files: Files, source: Source, item: str | None = None, where: Sequence[Where] = ()
) -> Table | None:
    """The roster in the files of ``source``; the key is the one column of it that may be one.

    ``item`` is the column that tells several rows of a key apart; whether it does can be said once it is known whether
    the rows' dates do (`check_told_apart`). Rows that cannot be read are reported, and what can be said of the others is said too.
    """
    table = _load(files, source, ROSTER_KEYS, item=item, by_period=False)
    return None if table is None else _narrowed(table, where, files.problems)


def without_empty(roster: Table, column: str) -> Table:
    """The roster without the rows whose cell of ``column`` is empty (``empty: skip``)."""
    return _with_rows(roster, (row for row in roster.all_rows() if row.cells.get(column) is not None))


def check_told_apart(table: Table, by: Callable[[Row], str | None], problems: Problems) -> None:
    """Report rows that have the same key (and item, and what ``by`` reads of them) as one before them."""
    order = {file: number for number, file in enumerate(table.headers)}
    seen: dict[tuple[str | None, ...], Row] = {}
    for row in sorted(table.all_rows(), key=lambda row: (order[row.file], row.line)):
        first = seen.setdefault((row.property, row.key, row.item, by(row)), row)
        if first is not row:
            _report_twice(table, first, row, by(row), problems)


def check_forwards(table: Table, first: RelativeDate, last: RelativeDate, problems: Problems) -> None:
    """Complain about each row whose days would end before they begin: it would never bill anything."""
    columns = [each.base.removeprefix("roster.") for each in (first, last)]
    for row in table.all_rows():
        try:
            begins, ends = (
                add_period(date.fromisoformat(row.cells.get(column) or ""), each.count, each.unit)
                for column, each in zip(columns, (first, last), strict=True)
            )
        except (ValueError, OverflowError):
            # An empty cell is an open end; a text that is no date is told of where it is read.
            continue
        if ends < begins:
            problems.error(
                place_of(row, columns[1], problems),
                f"`{columns[1]}` {row.cells[columns[1]]} lies before `{columns[0]}` {row.cells[columns[0]]}.",
                "Swap them, or correct the year.",
            )


def place_of(row: Row, column: str, problems: Problems) -> Place:
    """Where the cell of a row stands."""
    return cell_place(problems.lines(row.file), row.file, row.line, list(row.cells).index(column))


def _load(
    files: Files, source: Source, keys: tuple[TableKey, ...], *, item: str | None, by_period: bool
) -> Table | None:
    headers: dict[str, tuple[str, ...]] = {}
    key = keys[0]
    rows: list[Row] = []
    for name in source.names:
        data = files.read(name, source.place)
        text = None if data is None else decode(data, name, files.problems, limit=PROJECT_FILE_BYTES)
        sheet = None if text is None else _Sheet(name, files.problems, item, by_period=by_period)
        if sheet is None or text is None or not sheet.read(text, keys):
            continue
        if not headers:
            key = sheet.key
        elif sheet.key != key:
            sheet.error(1, f"The file is keyed by `{sheet.key}`, {source.names[0]} by `{key}`.",
                        "The files of one pattern have one key.", sheet.columns.index(sheet.key))  # fmt: skip
        headers[name] = sheet.columns
        rows += sheet.rows
    if not headers:
        return None
    common = set.intersection(*map(set, headers.values()))
    columns = tuple(column for column in next(iter(headers.values())) if column in common)
    return _with_rows(
        Table(
            file=source.shown,
            key=key,
            columns=columns,
            rows={},
            item=item,
            headers=headers,
            by_period=by_period,
        ),
        rows,
    )


def _with_rows(table: Table, rows: Iterable[Row]) -> Table:
    by_key: dict[str, list[Row]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    return msgspec.structs.replace(table, rows={key: tuple(found) for key, found in by_key.items()})


def _narrowed(roster: Table, where: Sequence[Where], problems: Problems) -> Table | None:
    before = problems.error_count
    for each in where:
        if each.column not in roster.columns:
            problems.error(
                each.column_place,
                f"`{roster.file_without(each.column)}` has no column `{each.column}`.",
                did_you_mean(each.column, roster.columns_without(each.column), otherwise="Its columns are"),
            )
            continue
        has = {row.cells.get(each.column): None for row in roster.all_rows()}
        for value in each.values:
            if value not in has:
                problems.warning(
                    each.place,
                    f"No row of `{roster.file}` has `{value}` in its column `{each.column}`.",
                    did_you_mean(value, filter(None, has), otherwise="The column has"),
                )
        roster = _with_rows(
            roster, (row for row in roster.all_rows() if row.cells[each.column] in each.values)
        )
    return roster if problems.error_count == before else None


def _report_twice(table: Table, first: Row, row: Row, also: str | None, problems: Problems) -> None:
    shown = f"`{row.key}`" + (f" with the {table.item} `{row.item}`" if row.item is not None else "")
    if also is not None:
        shown += f" in `{also}`" if table.by_period else f" on `{also}`"
    if table.item or table.key == "period" or table.by_period or also is not None:
        advice = "Delete one of them."
    else:
        advice = (
            "Delete one; where one key has several rows on purpose, a roster takes `{file: …, item: COLUMN}`."
        )
    where = f"line {first.line}" + ("" if first.file == row.file else f" of {first.file}")
    problems.error(
        place_of(row, table.key, problems),
        f"The {table.key} {shown} is there twice: first on {where}.",
        advice,
    )


class _Sheet:
    """One CSV's way to rows; every row's problem is told, not the first one's."""

    def __init__(self, name: str, problems: Problems, item: str | None, *, by_period: bool) -> None:
        self.name = name
        self.problems = problems
        self.item = item
        self.by_period = by_period
        self.columns: tuple[str, ...] = ()
        self.key: TableKey = "unit"
        self.rows: list[Row] = []

    def error(self, line: int, summary: str, detail: str, cell: int = 0) -> None:
        """Report at a cell of the row that begins on ``line``."""
        place = cell_place(self.problems.lines(self.name), self.name, line, cell)
        self.problems.error(place, summary, detail)

    def read(self, text: str, keys: tuple[TableKey, ...]) -> bool:
        """Read header and rows; False where the header cannot be used."""
        records = self._records(text)
        line, header = next(records, (1, []))
        if not header:
            self.error(
                1, "The file is empty.", f"Begin it with a header: {' or '.join(keys)}, and further columns."
            )
            return False
        self.columns = tuple(cell.strip() for cell in header)
        if not self._well_separated(line) or not self._find_key(line, keys) or not self._good_header(line):
            return False
        self.rows = [row for line, record in records if (row := self._row(line, record)) is not None]
        return True

    def _records(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """Records that are not blank, each with the line it begins on; a quoted cell may span lines."""
        reader = csv.reader(io.StringIO(text, newline="\n"), strict=True)
        begins, cells = 1, 0
        try:
            for record in reader:
                cells += max(len(record), 1)
                if cells > MAX_CELLS:
                    summary = f"The file has more than {MAX_CELLS:,} cells."
                    self.error(begins, summary, "Split it into several files.")
                    return
                if any(cell.strip() for cell in record):
                    yield begins, record
                begins = reader.line_num + 1
        except csv.Error as fault:
            self.problems.error(
                fault_place(self.problems.lines(self.name), self.name, begins),
                f"The row cannot be read: {_explain(str(fault))}.",
                'Write a quote inside a quoted cell twice: "".',
            )

    def _well_separated(self, line: int) -> bool:
        first = self.problems.lines(self.name)[line - 1].strip()
        if _INSTRUCTION.fullmatch(first):
            self.error(line, f"The line `{first}` is Excel's, and no header.", "Delete the line.")
            return False
        if len(self.columns) == 1:
            for separator, words in _SEPARATORS.items():
                if separator in self.columns[0]:
                    self.error(line, f"The columns are separated by {words}.", "Save the file with commas.")
                    return False
        return True

    def _find_key(self, line: int, keys: tuple[TableKey, ...]) -> bool:
        present = [key for key in keys if key in self.columns]
        if len(present) == 1:
            self.key = present[0]
            return True
        if present:
            self.error(
                line,
                f"The header has {' and '.join(f'`{key}`' for key in present)}, and only one can be the key.",
                "Rename the column that is only for people, to `unit_number` for instance.",
                self.columns.index(present[1]),
            )
            return False
        near = next((near for key in keys if (near := closest(key, self.columns)) is not None), None)
        self.error(
            line,
            f"The header has no column {' or '.join(f'`{key}`' for key in keys)}, which is the key.",
            f"If `{near}` is meant, call it `{closest(near, keys) or keys[0]}`."
            if near
            else did_you_mean("", self.columns, otherwise="The columns are"),
            self.columns.index(near) if near else 0,
        )
        return False

    def _good_header(self, line: int) -> bool:
        before: set[str] = set()
        for index, column in enumerate(self.columns):
            if not column:
                self.error(
                    line, f"Column {index + 1} has no name.", "Name it in the header, or delete it.", index
                )
                return False
            if column in before:
                self.error(
                    line, f"The column `{column}` is there twice.", "Rename or delete one of them.", index
                )
                return False
            before.add(column)
        needed = {self.item: "which is the roster's `item`"} if self.item is not None else {}
        if self.by_period:
            needed["period"] = "which is a part of the key"
        for column, why in needed.items():
            if column not in self.columns:
                advice = did_you_mean(str(column), self.columns, otherwise="The columns are")
                self.error(line, f"The header has no column `{column}`, {why}.", advice)
                return False
        return True

    def _row(self, line: int, record: list[str]) -> Row | None:
        if len(record) != len(self.columns):
            self.error(
                line,
                f"The row has {_count(len(record))}, the header has {len(self.columns)}.",
                "Put a cell with a comma in quotes.",
                min(len(record), len(self.columns)),
            )
            return None
        cells = {column: cell.strip() or None for column, cell in zip(self.columns, record, strict=True)}
        dated = self.by_period or self.key == "period"
        for needed in filter(None, (self.key, self.item, "period" if dated else None)):
            if cells[needed] is None:
                advice = "Every row needs one; delete the row if it is not meant."
                self.error(line, f"The cell `{needed}` is empty.", advice, self.columns.index(needed))
                return None
        if dated and not _PERIOD.fullmatch(cells["period"] or ""):
            self.error(
                line,
                f"`{cells['period']}` is not a period.",
                "Write the year and the month: 2027-08.",
                self.columns.index("period"),
            )
            return None
        return Row(
            key=cells[self.key] or "",
            property=cells.get("property"),
            item=None if self.item is None else cells[self.item],
            cells=cells,
            file=self.name,
            line=line,
            period=cells["period"] if self.by_period else None,
        )


def _count(cells: int) -> str:
    return f"{cells} cell" if cells == 1 else f"{cells} cells"


def _explain(fault: str) -> str:
    if "unexpected end of data" in fault:
        return "a quote is never closed"
    if "expected after" in fault:
        return "text follows a closing quote"
    return fault
