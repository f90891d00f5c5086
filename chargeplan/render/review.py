"""What a reviewer reads beside the lines: what changed against the period before, and how bills were shared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chargeplan.core.change import ChangeSet, Previous, UnusedRow
from chargeplan.core.line import AllocationReport
from chargeplan.core.money import format_money
from chargeplan.core.text import period_label
from chargeplan.render.paper import Column, Paper, Row, table
from chargeplan.render.words import more, why_skipped

_INDENT: Final = "  "
_MOST: Final = 12
_KINDS: Final = ("new", "gone", "changed")
REASONS: Final = {
    "moved_in": "moved in",
    "newly_billed": "billed for the first time",
    "moved_out": "moved out",
    "held": "held",
    "no_lease": "no lease any more",
    "not_billed": "no line",
    "part_of_period": "a part of a period",
    "amount": "another amount",
    "not_on_roster": "off the roster",
}
"""Why a household is new, gone or changed since the period before."""


def reason_words(reason: str) -> str:
    """Why a household is new, gone or changed, in words; what led to no line is said as for any skip."""
    return REASONS.get(reason) or why_skipped(reason)


def since_before(paper: Paper, change_set: ChangeSet, *, whole: bool) -> list[str]:
    """By property and code, how many households are new, gone and changed, and why."""
    names = change_set.property_names
    rows = [
        Row((names.get(property_id, property_id), code, said))
        for property_id, codes in change_set.previous.items()
        for code, previous in sorted(codes.items())
        if (said := ", ".join(_counted(previous)))
    ]
    if not rows:
        return []
    shown = rows if whole else rows[:_MOST]
    lines = [paper.ink("Against the period before", "bold")]
    lines += table(paper, [Column("Property"), Column("Charge code"), Column("Households")], shown, _INDENT)
    return lines if len(shown) == len(rows) else [*lines, _INDENT + more(f"{len(rows) - len(shown):,}")]


def _counted(previous: Previous) -> Iterator[str]:
    for kind in _KINDS:
        counts = previous.counts.get(kind)
        if counts:
            reasons = ", ".join(
                reason_words(reason) if count == previous.of(kind) else f"{count:,} {reason_words(reason)}"
                for reason, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
            )
            yield f"{previous.of(kind):,} {kind} ({reasons})"


def unused_words(row: UnusedRow) -> str:
    """Why a row led to no line."""
    return "nobody here has that key" if row.reason == "not_known" else why_skipped(row.reason)


def unused(paper: Paper, change_set: ChangeSet, *, whole: bool) -> list[str]:
    """The rosters' rows that led to no line, each with its place and why."""
    found = change_set.unused_rows
    if not found:
        return []
    shown = found if whole else found[:_MOST]
    rows = [
        Row(
            (
                f"{row.file}:{row.line}",
                f"{row.plan}/{row.charge}",
                row.key,
                "" if row.amount is None else format_money(row.amount),
                unused_words(row),
            )
        )
        for row in shown
    ]
    columns = [Column("Row"), Column("Charge"), Column("Key"), Column("Amount", right=True), Column("Why")]
    lines = [paper.ink("Rows that led to no line", "bold"), *table(paper, columns, rows, _INDENT)]
    return lines if len(shown) == len(found) else [*lines, _INDENT + more(f"{len(found) - len(shown):,}")]


def shared_bills(paper: Paper, change_set: ChangeSet, *, whole: bool) -> list[str]:
    """Each shared bill with what the owner keeps of it and what is charged; the three sum to the bill."""
    reports = change_set.allocations
    if not reports:
        return []
    shown = reports if whole else reports[:_MOST]
    columns = [
        Column("Shared bill"),
        Column("Service"),
        *(Column(name, right=True) for name in ("Bill", "Common area", "Vacant", "Charged")),
    ]
    rows = [Row(_bill_cells(change_set, report)) for report in shown]
    lines = [paper.ink("Shared bills", "bold"), *table(paper, columns, rows, _INDENT)]
    return lines if len(shown) == len(reports) else [*lines, _INDENT + more(f"{len(reports) - len(shown):,}")]


def _bill_cells(change_set: ChangeSet, report: AllocationReport) -> tuple[str, ...]:
    name = change_set.property_names.get(report.property_id, report.property_id)
    cents = (report.bill, report.common_area, report.vacant, report.charged)
    return (
        f"{name} · {report.plan}/{report.charge}",
        period_label(report.service),
        *map(format_money, cents),
    )
