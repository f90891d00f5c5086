"""A diff of plans for people and programs: on screen, as JSON, Markdown, rows for a spreadsheet, and a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from chargeplan.core.change import BILLED, Change, Total
from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.diff import VERDICTS, CodeDiff, LineDiff, MonthDiff
from chargeplan.core.money import format_money
from chargeplan.render.escape import csv_text
from chargeplan.render.escape import markdown as escape
from chargeplan.render.faults import diagnostics_lines
from chargeplan.render.jsondoc import Document, change_entry, diagnostic_entry
from chargeplan.render.markdown import Table, folded, row
from chargeplan.render.page import page
from chargeplan.render.paper import DEFAULT_WIDTH, Column, Paper, Row, Style, table
from chargeplan.render.words import ACTIONS, count_of, more, why

LIMIT: Final = 20_000
"""Characters of the Markdown, so that the plan still fits into the comment; totals are never cut."""
_INDENT: Final = "  "
_LINES_OF_MONTH: Final = 20
_HTML_LINES: Final = 500
_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
_STYLES: Final[dict[str, Style]] = {"added": "good", "removed": "bad", "changed": "warn"}
CSV_KEYS: Final = (
    "month", "verdict", "reference_number", "property", "unit_number", "resident_id", "lease_id", "plan", "charge", "charge_code",
    "transaction_date", "base_in_cents", "here_in_cents", "difference_in_cents", "base_action", "here_action", "reason", "description",
)  # fmt: skip


class Shown(msgspec.Struct, frozen=True):
    """What is shown: the months' differences, those of later months that dated changes name, and the properties' names.

    ``base`` is as the user wrote it; ``unseen`` the first month that dated changes name and nobody planned.
    """

    environment: str
    base: str
    as_of: date
    months: Sequence[MonthDiff]
    later: Sequence[MonthDiff]
    unseen: Days | None
    names: Mapping[str, str]
    diagnostics: Sequence[Diagnostic] = ()
    base_problems: Sequence[Diagnostic] = ()

    @property
    def all_months(self) -> tuple[MonthDiff, ...]:
        """Those that were asked for, then the later ones."""
        return (*self.months, *self.later)

    def name(self, property_id: str) -> str:
        """The property's name, where it is known."""
        return self.names.get(property_id, property_id)


def headline(shown: Shown) -> str:
    """The money in one line: ``+$412.00 in March 2027: 38 lines changed``, month by month."""
    parts = [_headline(month) for month in shown.all_months if month.lines]
    return (
        "; ".join(parts)
        or f"No difference through {month_name(shown.months[-1].month)}: everybody is billed as before"
    )


def _headline(month: MonthDiff) -> str:
    counts = [f"{month.count(each):,} {each}" for each in VERDICTS if month.count(each)]
    number, verdict = counts[0].split(" ")
    counts[0] = f"{number} line{'' if number == '1' else 's'} {verdict}"
    money = signed(month.difference) if month.moved else "no money"
    return f"{money} in {month_name(month.month)}: {', '.join(counts)}"


def month_name(month: Days) -> str:
    """``March 2027``."""
    return month.first.strftime("%B %Y")


def signed(cents: int) -> str:
    """With its sign, also where it is more."""
    return f"+{format_money(cents)}" if cents > 0 else format_money(cents)


def _before_and_after(line: LineDiff) -> tuple[str, str]:
    return _told(line.base), _told(line.here)


def _told(change: Change | None) -> str:
    """What is billed of the line; what is not billed says why."""
    if change is None:
        return ""
    if change.action in BILLED or change.stands:
        return format_money(change.billed)
    return ACTIONS.get(change.action, change.action)


def _text(line: LineDiff) -> str:
    """What the line says; where it says something else than before, both."""
    here, base = line.here, line.base
    reason = why(here.action, here.reason) if here else ""
    if here and base and here.description != base.description:
        return "; ".join(filter(None, (f"{base.description} → {here.description}", reason)))
    return "; ".join(filter(None, (line.either.description, reason)))


# --- on screen -----------------------------------------------------------------------------------------------------


def diff_screen(shown: Shown, *, color: bool = False, width: int = DEFAULT_WIDTH, whole: bool = False) -> str:
    """Month by month: totals of the codes that differ, then the lines; the headline last."""
    paper = Paper(color, width)
    title = f"Plans of {shown.base} and here, {shown.environment}, as of {shown.as_of}"
    blocks = [
        [paper.ink(line, "bold") for line in paper.prose(title)],
        diagnostics_lines(paper, tuple(shown.diagnostics)),
        _base_warning(paper, shown),
        _unseen(paper, shown),
        *(_month(paper, shown, month, whole=whole) for month in shown.all_months if month.lines),
        [paper.ink(line, "bold") for line in paper.prose(f"Diff: {headline(shown)}.")],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _base_warning(paper: Paper, shown: Shown) -> list[str]:
    if not shown.base_problems:
        return []
    said = f"The plans of {shown.base} had {count_of(len(shown.base_problems), 'error')}: what they billed is not whole."
    return [paper.ink(line, "warn") for line in paper.prose(said)]


def _unseen(paper: Paper, shown: Shown) -> list[str]:
    return [paper.ink(line, "warn") for line in paper.prose(unseen_words(shown))] if shown.unseen else []


def unseen_words(shown: Shown) -> str:
    """That not every month which a dated change names is shown; empty where all are."""
    if shown.unseen is None:
        return ""
    return f"Dated changes of {month_name(shown.unseen)} and later are not shown: `--months` shows them."


def _month(paper: Paper, shown: Shown, month: MonthDiff, *, whole: bool) -> list[str]:
    lines = [paper.ink(f"{month_name(month.month)}: {signed(month.difference)}", "bold")]
    columns = [Column("Property"), Column("Charge code")]
    columns += [Column(name, right=True) for name in ("Before", "Here", "Difference", "Lines")]
    totals = [Row((shown.name(each.property_id), each.charge_code, *_figures(each))) for each in month.totals]
    lines += table(paper, columns, totals, _INDENT)
    listed = month.lines if whole else month.lines[:_LINES_OF_MONTH]
    columns = [Column(""), Column("Property"), Column("Unit"), Column("Charge"), Column("Date", whole=True)]
    columns += [Column(name, right=True) for name in ("Before", "Here", "Difference")] + [Column("Text")]
    rows = [Row(_cells(shown, each), _STYLES[each.verdict], only_first=True) for each in listed]
    if len({each.either.property_id for each in month.lines}) == 1:
        # The totals have named it.
        rows = [Row((each.cells[0], "", *each.cells[2:]), each.style, only_first=True) for each in rows]
    lines += table(paper, columns, rows, _INDENT)
    left_out = len(month.lines) - len(listed)
    return [*lines, _INDENT + more(f"{left_out:,}")] if left_out else lines


def _figures(each: CodeDiff) -> tuple[str, str, str, str]:
    return (
        format_money(each.base.amount),
        format_money(each.here.amount),
        signed(each.difference.amount),
        f"{each.difference.count:+,}" if each.difference.count else "",
    )


def _cells(shown: Shown, line: LineDiff) -> tuple[str, ...]:
    change = line.either
    unit = f"{change.unit_number}/{change.item}" if change.item else change.unit_number
    return (
        _SIGNS[line.verdict], shown.name(change.property_id), unit, f"{change.plan}/{change.charge}", str(change.transaction_date),
        *_before_and_after(line), signed(line.difference) if line.difference else "", _text(line),
    )  # fmt: skip


# --- on a pull request ---------------------------------------------------------------------------------------------


def diff_markdown(shown: Shown, limit: int = LIMIT) -> str:
    """The money first, then every total, then as many lines as fit."""
    head = [f"### {escape(headline(shown))}", "", *_warnings(shown), *_total_tables(shown)]
    text = "\n".join(head).rstrip("\n") + "\n"
    for month in shown.all_months:
        if not month.lines:
            continue
        heading = ("", "Property", "Unit", "Charge", "Date", "Before", "Here", "Difference", "Text")
        rows = (row(*_cells(shown, each)) for each in month.lines)
        title = f"Lines of {month_name(month.month)}"
        section = folded(Table(title, heading, len(month.lines), rows), limit - len(text))
        text += (
            section
            or f"\n_{len(month.lines):,} lines of {month_name(month.month)} are left out: see `chargeplan diff --all`._\n"
        )
    return text


def _warnings(shown: Shown) -> Iterator[str]:
    for each in [each for each in shown.diagnostics if each.is_error][:20]:
        yield f"- **error** {escape(str(each.place or ''))} {escape(each.summary)}"
    if shown.base_problems:
        yield f"- The plans before had {count_of(len(shown.base_problems), 'error')}: what they billed is not whole."
    if shown.unseen:
        yield f"- {unseen_words(shown)}"
    if shown.base_problems or shown.unseen or any(each.is_error for each in shown.diagnostics):
        yield ""


def _total_tables(shown: Shown) -> Iterator[str]:
    rows = [
        row(month_name(month.month), shown.name(each.property_id), each.charge_code, *_figures(each))
        for month in shown.all_months
        for each in month.totals
    ]
    if rows:
        yield "| Month | Property | Code | Before | Here | Difference | Lines |"
        yield "|---|---|---|---:|---:|---:|---:|"
        yield from rows
        yield ""


# --- for programs --------------------------------------------------------------------------------------------------


def diff_document(shown: Shown) -> Document:
    """`diff --json` (interface.md)."""
    return {
        "kind": "diff",
        "environment": shown.environment,
        "as_of": str(shown.as_of),
        "base": shown.base,
        "months": [_month_entry(each) for each in shown.months],
        "later": [_month_entry(each) for each in shown.later],
        "diagnostics": [diagnostic_entry(each) for each in shown.diagnostics],
        "base_diagnostics": [diagnostic_entry(each) for each in shown.base_problems],
    }


def _month_entry(each: MonthDiff) -> Document:
    return {
        "month": f"{each.month.first:%Y-%m}",
        "totals": [_totals_entry(total) for total in each.totals],
        "lines": [_line_entry(line) for line in each.lines],
    }


def _totals_entry(each: CodeDiff) -> Document:
    sides: dict[str, Total] = {"base": each.base, "here": each.here, "difference": each.difference}
    return {
        "property_id": each.property_id,
        "charge_code": each.charge_code,
        **{name: {"count": total.count, "amount_in_cents": total.amount} for name, total in sides.items()},
    }


def _line_entry(line: LineDiff) -> Document:
    return {
        "verdict": line.verdict,
        "base": None if line.base is None else change_entry(line.base),
        "here": None if line.here is None else change_entry(line.here),
        "difference_in_cents": line.difference,
    }


def diff_csv(shown: Shown) -> str:
    """One row a line, safe to open in a spreadsheet."""
    rows = (_csv_row(shown, month, line) for month in shown.all_months for line in month.lines)
    return csv_text(CSV_KEYS, rows)


def _csv_row(shown: Shown, month: MonthDiff, line: LineDiff) -> list[object]:
    change, base, here = line.either, line.base, line.here
    return [
        f"{month.month.first:%Y-%m}", line.verdict, change.reference, shown.name(change.property_id), change.unit_number,
        change.resident_id, change.lease_id, change.plan, change.charge, change.charge_code, change.transaction_date,
        base and base.billed, here and here.billed, line.difference, base and base.action, here and here.action, change.reason,
        change.description,
    ]  # fmt: skip


def diff_html(shown: Shown) -> str:
    """The page: month by month, totals by property and code, and the lines."""
    values: dict[str, Any] = {
        "title": f"What a change bills, {shown.environment}",
        "shown": shown,
        "headline": headline(shown),
        "unseen": unseen_words(shown),
        "months": [
            {
                "name": month_name(month.month),
                "difference": signed(month.difference),
                "totals": [(shown.name(each.property_id), each.charge_code, *_figures(each)) for each in month.totals],
                "rows": [_cells(shown, each) for each in month.lines[:_HTML_LINES]],
                "left_out": max(0, len(month.lines) - _HTML_LINES),
            }
            for month in shown.all_months
        ],
    }  # fmt: skip
    return page("diff.html.j2", values)
