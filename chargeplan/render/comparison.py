"""The shadow run for people and programs: on screen, as JSON, as rows for a spreadsheet, and as a page for a controller."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from chargeplan.core.change import Total
from chargeplan.core.compare_ledger import VERDICTS, CodeTotals, ComparedLine, Verdict
from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.money import format_money
from chargeplan.core.observed import SyncedCharge
from chargeplan.render.escape import csv_text
from chargeplan.render.faults import diagnostics_lines
from chargeplan.render.jsondoc import Document, change_entry, diagnostic_entry
from chargeplan.render.page import page
from chargeplan.render.paper import DEFAULT_WIDTH, Column, Paper, Row, Style, table
from chargeplan.render.words import HOLDS, SKIPS, count_of, more

_INDENT: Final = "  "
_LINES_OF_GROUP: Final = 5
_HTML_LINES: Final = 200
_STYLES: Final[dict[str, Style]] = {
    "equal": "dim",
    "other_amount": "warn",
    "only_plan": "bad",
    "only_ledger": "info",
}
_TITLES: Final[dict[str, str]] = {
    "other_amount": "Another amount on the ledger",
    "only_plan": "Planned, and on no ledger",
    "only_ledger": "On the ledger, and not planned",
    "equal": "Equal",
}
CAUSES: Final[dict[str, str]] = {
    "amount": "the amounts differ",
    "part_of_period": "the plan bills a part of the period",
    "not_billed": "nobody billed it",
    "code_not_planned": "no plan names the code",
    "unknown_household": "it stands on nobody who is known",
    "billed_twice": "the same is there once more",
    "more_than_planned": "the household has more than is planned",
    "moved_out": "they had moved out before the month",
    "not_moved_in": "they had not moved in yet",
    "not_due": "nothing is due in that month",
}
CSV_KEYS: Final = (
    "verdict", "cause", "reference_number", "property", "unit_number", "resident_id", "lease_id", "plan", "charge", "charge_code",
    "transaction_date", "service_from", "service_through", "plan_in_cents", "ledger_in_cents", "difference_in_cents", "charge_ids",
    "ledger_dates", "description",
)  # fmt: skip


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown: the window, totals by property and code, the lines, and the properties' names."""

    environment: str
    window: Days
    totals: Sequence[CodeTotals]
    lines: Sequence[ComparedLine]
    names: Mapping[str, str]
    diagnostics: Sequence[Diagnostic] = ()

    def total(self, verdict: Verdict) -> Total:
        """All lines of a verdict."""
        return _sum(self.totals, lambda each: getattr(each, verdict))

    @property
    def sides(self) -> tuple[Total, Total]:
        """All that the plans bill, and all that is on the ledgers."""
        return _sum(self.totals, lambda each: each.plan), _sum(self.totals, lambda each: each.ledger)

    def groups(self) -> Iterator[Group]:
        """The lines that share verdict, cause, property and code."""
        found: dict[tuple[str, str, str, str], list[ComparedLine]] = {}
        for line in sorted(self.lines, key=lambda each: VERDICTS.index(each.verdict)):
            found.setdefault((line.verdict, line.cause, line.property_id, line.charge_code), []).append(line)
        for lines in found.values():
            yield Group(self.names.get(lines[0].property_id, lines[0].property_id), lines)


class Group(msgspec.Struct, frozen=True):
    """Lines that differ, or agree, for one cause."""

    place: str
    lines: list[ComparedLine]

    @property
    def verdict(self) -> str:
        """The verdict of all of them."""
        return self.lines[0].verdict

    @property
    def amount(self) -> int:
        """What they come to: the difference, and of equal lines the amount."""
        return sum(each.planned if each.verdict == "equal" else each.difference for each in self.lines)

    @property
    def title(self) -> str:
        """Where, what and why: ``Oak Street · Parking: no plan names the code``."""
        code = self.lines[0].charge_code or "no charge code"
        why = why_different(self.lines[0].cause)
        return f"{self.place} · {code}{f': {why}' if why else ''}"


def why_different(cause: str) -> str:
    """The cause as a sentence's part."""
    return CAUSES.get(cause) or HOLDS.get(cause) or SKIPS.get(cause) or cause.replace("_", " ")


def _sum(totals: Sequence[CodeTotals], of: Callable[[CodeTotals], Total]) -> Total:
    found = Total()
    for each in totals:
        found = found.and_(of(each))
    return found


def last_line(shown: Comparison) -> str:
    """The greppable end."""
    equal = shown.total("equal")
    if all(not shown.total(verdict).count for verdict in VERDICTS if verdict != "equal"):
        return (
            f"Compare: no differences. {count_of(equal.count, 'line')} equal ({format_money(equal.amount)})."
        )
    words = {
        "other_amount": "with another amount",
        "only_plan": "only planned",
        "only_ledger": "only on the ledgers",
    }
    parts = [
        f"{(each := shown.total(verdict)).count:,} {words[verdict]} ({format_money(each.amount)})"
        for verdict in VERDICTS
        if verdict in words
    ]
    return f"Compare: {equal.count:,} equal ({format_money(equal.amount)}), {', '.join(parts)}."


# --- on screen -----------------------------------------------------------------------------------------------------


def comparison_screen(
    shown: Comparison, *, color: bool = False, width: int = DEFAULT_WIDTH, whole: bool = False
) -> str:
    """Totals by property and code, then what differs by cause; its last line last."""
    paper = Paper(color, width)
    window = shown.window
    title = f"Plans beside ledgers, {shown.environment}: {window.first} to {window.last}"
    blocks = [
        [paper.ink(title, "bold")],
        diagnostics_lines(paper, tuple(shown.diagnostics)),
        _totals(paper, shown),
        *(_group(paper, group, whole=whole) for group in shown.groups()),
        [paper.ink(last_line(shown), "bold")],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _totals(paper: Paper, shown: Comparison) -> list[str]:
    columns = [Column("Property"), Column("Charge code")]
    columns += [
        Column(name, right=True)
        for name in ("Plan", "Ledger", "Difference", "Equal", "Other", "Only plan", "Only ledger")
    ]
    rows = [
        Row(
            (shown.names.get(each.property_id, each.property_id), each.charge_code or "none", *_figures(each))
        )
        for each in shown.totals
    ]
    if len(rows) > 1:
        whole = CodeTotals(
            "", "", *shown.sides, *(shown.total(verdict) for verdict in ("equal", "other_amount", "only_plan", "only_ledger"))
        )  # fmt: skip
        rows.append(Row(("Total", "", *_figures(whole)), "bold"))
    return [paper.ink("Totals", "bold"), *table(paper, columns, rows, _INDENT)] if rows else []


def _figures(each: CodeTotals) -> tuple[str, ...]:
    money = (each.plan.amount, each.ledger.amount, each.ledger.amount - each.plan.amount)
    counts = (each.equal, each.other_amount, each.only_plan, each.only_ledger)
    return (*map(format_money, money), *(f"{total.count:,}" for total in counts))


def _group(paper: Paper, group: Group, *, whole: bool) -> list[str]:
    title = f"{_TITLES[group.verdict]} · {group.title} ({len(group.lines):,}, {format_money(group.amount)})"
    lines = [paper.ink(line, "bold") for line in paper.prose(title)]
    listed = group.lines if whole else group.lines[:_LINES_OF_GROUP]
    columns = (
        Column("Unit"),
        Column("Date", whole=True),
        Column("Plan", right=True),
        Column("Ledger", right=True),
        Column("What"),
    )
    rows = [Row(_cells(each), _STYLES[each.verdict], only_first=True) for each in listed]
    lines += table(paper, columns, rows, _INDENT)
    if len(listed) < len(group.lines):
        lines.append(_INDENT + more(f"{len(group.lines) - len(listed):,}"))
    return lines


def _cells(line: ComparedLine) -> tuple[str, str, str, str, str]:
    planned = "" if line.change is None else _money(line.change.amount)
    there = format_money(line.on_ledger) if line.charges else ""
    return (line.unit_number, _day(line), planned, there, text_of(line))


def _day(line: ComparedLine) -> str:
    """The charge's date where there is one, since that is what the office looks for."""
    dates = [each.transaction_date for each in line.charges if each.transaction_date]
    return str(dates[0] if dates else line.day)


def _money(cents: int | None) -> str:
    return "no amount" if cents is None else format_money(cents)


def text_of(line: ComparedLine) -> str:
    """What the charge says, else what the line would say."""
    said = next((each.description for each in line.charges if each.description), None)
    return said or (line.change.description if line.change else "")


# --- for programs --------------------------------------------------------------------------------------------------


def comparison_document(shown: Comparison) -> Document:
    """`compare --json` (interface.md)."""
    return {
        "kind": "compare",
        "environment": shown.environment,
        "window": {"from": str(shown.window.first), "through": str(shown.window.last)},
        "totals": [_totals_entry(each) for each in shown.totals],
        "lines": [_line_entry(each) for each in shown.lines],
        "diagnostics": [diagnostic_entry(each) for each in shown.diagnostics],
    }


def _totals_entry(each: CodeTotals) -> Document:
    figures = ("plan", "ledger", "equal", "other_amount", "only_plan", "only_ledger")
    totals: dict[str, Total] = {name: getattr(each, name) for name in figures}
    return {
        "property_id": each.property_id,
        "charge_code": each.charge_code,
        **{name: {"count": total.count, "amount_in_cents": total.amount} for name, total in totals.items()},
    }


def _line_entry(line: ComparedLine) -> Document:
    return {
        "verdict": line.verdict,
        "cause": line.cause or None,
        "property_id": line.property_id,
        "charge_code": line.charge_code,
        "unit_number": line.unit_number,
        "change": None if line.change is None else change_entry(line.change),
        "charges": [_charge_entry(each) for each in line.charges],
        "difference_in_cents": line.difference,
    }


def _charge_entry(charge: SyncedCharge) -> Document:
    return {
        "id": charge.id,
        "resident_id": charge.resident_id,
        "lease_id": charge.lease_id,
        "amount_in_cents": charge.amount,
        "transaction_date": str(charge.transaction_date) if charge.transaction_date else None,
        "post_month": charge.post_month,
        "description": charge.description,
        "reference_number": charge.reference,
    }


def comparison_csv(shown: Comparison) -> str:
    """One row a line, safe to open in a spreadsheet."""
    return csv_text(CSV_KEYS, (_row(shown, each) for each in shown.lines))


def _row(shown: Comparison, line: ComparedLine) -> list[object]:
    change, first = line.change, line.charges[0] if line.charges else None
    of_change = (
        (change.reference, change.resident_id, change.lease_id, change.plan, change.charge, change.service)
        if change is not None
        else (
            first and first.reference,
            first and first.resident_id,
            first and first.lease_id,
            None,
            None,
            None,
        )
    )
    reference, resident, lease, plan, charge, service = of_change
    return [
        line.verdict, line.cause, reference, shown.names.get(line.property_id, line.property_id), line.unit_number, resident, lease,
        plan, charge, line.charge_code, line.day, service and service.first, service and service.last,
        change and change.amount, line.on_ledger if line.charges else None, line.difference,
        " ".join(each.id for each in line.charges), " ".join(str(each.transaction_date or "") for each in line.charges), text_of(line),
    ]  # fmt: skip


def comparison_html(shown: Comparison) -> str:
    """The page: figures, totals by property and code, and what differs by cause."""
    plan, ledger = shown.sides
    values: dict[str, Any] = {
        "title": f"Plans beside ledgers, {shown.environment}",
        "shown": shown,
        "verdict": last_line(shown).removeprefix("Compare: ").capitalize(),
        "plan": plan,
        "ledger": ledger,
        "difference": Total(ledger.count - plan.count, ledger.amount - plan.amount),
        "groups": [
            {"title": f"{_TITLES[group.verdict]}: {group.title}", "group": group, "rows": [_cells(each) for each in group.lines[:_HTML_LINES]]}
            for group in shown.groups()
            if group.verdict != "equal"
        ],
        "most": _HTML_LINES,
    }  # fmt: skip
    return page("comparison.html.j2", values)
