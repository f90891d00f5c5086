"""The plan as one HTML file for the people who answer for the money: on a screen, on paper, and without script in a mail.

Without its script the file still has the totals, the charts, what is held, and the first lines; the script adds the search,
the order, the pages, and each line's arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from markupsafe import Markup

from chargeplan.core.change import Change, ChangeSet, PeriodTotals
from chargeplan.core.dates import Days
from chargeplan.core.line import AllocationReport
from chargeplan.core.text import period_label
from chargeplan.render.chart import Column, columns_svg
from chargeplan.render.codes import CodeMoney, money_by_code, periods_before, total_of_codes
from chargeplan.render.packed import Arithmetic, Names, packed_lines
from chargeplan.render.page import page
from chargeplan.render.residents import money_by_resident
from chargeplan.render.review import reason_words, unused_words
from chargeplan.render.screen import allow_option, guard_value, is_needed, money_rows
from chargeplan.render.summary import Summary, is_settled, last_line, summarize
from chargeplan.render.words import ACTIONS, SIGNS, count_of, line_name, why, why_skipped

# Lines on one page of the table; as many are in the file for readers without script.
_ROWS: Final = 100
_HELD: Final = 100
_TOTALS: Final = 200
_CHARTS: Final = 11
_BILLS: Final = 300
_MOVEMENTS = 300
_RESIDENTS: Final = 500
# Characters of a name that is not folded in the table of lines.
_SHORT: Final = 24


class Cell(msgspec.Struct, frozen=True):
    """A line as the table without script shows it."""

    action: str
    sign: str
    word: str
    cells: tuple[str, str, str, str, str, str, str]
    amount: int | None


class Panel(msgspec.Struct, frozen=True):
    """One chart with what is said above it."""

    money: CodeMoney
    chart: Markup


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The holds of one reason: what it means, how many there are, what they come to, and the first of them."""

    reason: str
    meaning: str
    count: int
    amount: int
    without_amount: int
    lines: tuple[tuple[Cell, str, str], ...]

    @property
    def details(self) -> bool:
        """Whether one of them has more to say than the reason."""
        return any(detail for _, _, detail in self.lines)


def plan_html(
    change_set: ChangeSet,
    *,
    digest: str,
    made_at: str = "",
    summary: Summary | None = None,
    arithmetic: Arithmetic | None = None,
    all: bool = False,  # noqa: A002 - the option's name
) -> str:
    """The report. ``summary`` is given for a saved plan, which counts more than it lists.

    ``arithmetic`` has the terms of each line's amount by reference. A plan file has none, and the report of one says
    which command reckons them. ``made_at`` is the moment of the plan, in RFC 3339.
    """
    summary = summary or summarize(change_set)
    listed = [change for change in change_set.changes if all or change.action != "unchanged"]
    periods = periods_before(change_set)
    codes = money_by_code(change_set, periods)
    total = total_of_codes(codes, periods)
    names = Names(change_set)
    values: dict[str, Any] = {
        "title": f"Charges for {period_label(change_set.window)}, {change_set.environment}",
        "change_set": change_set,
        "label": period_label(change_set.window),
        "verdict": _verdict(change_set, summary),
        "figures": list(_figures(change_set, summary)),
        "periods": [period_label(each.period) for each in periods],
        "codes": codes,
        "total": total,
        "panels": _panels(change_set.window, periods, codes, total),
        "places": _places(change_set),
        "held": list(_held(change_set, names)),
        "held_rows": _HELD,
        "lines": [_cell(names, each) for each in listed[:_ROWS]],
        "line_count": len(listed),
        "many_properties": len({each.property_id for each in listed}) > 1,
        "short_names": _are_short(names, listed),
        "has_arithmetic": arithmetic is not None,
        "residents": money_by_resident(names, change_set.changes),
        "resident_rows": _RESIDENTS,
        "bills": [_bill(change_set, each) for each in change_set.allocations],
        "bill_rows": _BILLS,
        "movements": [
            (each, names.property(each.property_id), reason_words(each.reason))
            for each in change_set.movements
        ],
        "movement_rows": _MOVEMENTS,
        "unused": [(each, unused_words(each)) for each in change_set.unused_rows],
        "skips": _skips(summary),
        "refused": [_guard(each) for each in change_set.guards if each.refused],
        "overridden": [_guard(each) for each in change_set.guards if each.allowed is not None],
        "needed": [_guard(each) for each in change_set.guards if is_needed(each)],
        "problems": sorted(change_set.diagnostics, key=lambda each: not each.is_error),
        "digest": digest,
        "made_at": made_at,
    }
    return page("plan.html.j2", values, packed_lines(change_set, listed, arithmetic or {}, rows=_ROWS))


def _verdict(change_set: ChangeSet, summary: Summary) -> str:
    """The sentence under the title."""
    if change_set.errored:
        return "This plan has errors and can't be applied."
    if is_settled(change_set, summary):
        return last_line(change_set, summary)
    posts = count_of(summary.count("create", "correct"), "line")
    if change_set.refused:
        return f"{posts} would be posted, and a guard refuses them."
    return f"{posts} will be posted when this plan is applied."


def _figures(change_set: ChangeSet, summary: Summary) -> Iterator[tuple[str, int, int, int]]:
    """What the plan comes to: a word, how many lines, cents, and how many lines have no amount.

    Of what is nothing only the first is told.
    """
    yield "To post", summary.count("create", "correct"), summary.amount("create", "correct"), 0
    for action, word in (
        ("hold", "Held"),
        ("missed", "Missed"),
        ("in_flight", "In flight"),
        ("unknown", "Unknown"),
        ("drift", "Drifted"),
        ("removed_upstream", "Removed upstream"),
        ("unchanged", "Posted already"),
    ):
        if summary.count(action):
            vague = sum(each.amount is None for each in change_set.changes if each.action == action)
            yield word, summary.count(action), summary.amount(action), vague


# --- charts ----------------------------------------------------------------------------------------------------------


def _panels(
    window: Days, periods: Sequence[PeriodTotals], codes: Sequence[CodeMoney], total: CodeMoney
) -> list[Panel]:
    """All charges together, where there are several codes, and then each; small ones are in the table alone."""
    shown = [*([total] if len(codes) > 1 else []), *codes[:_CHARTS]]
    return [Panel(each, _chart(index, window, periods, each)) for index, each in enumerate(shown)]


def _chart(index: int, window: Days, periods: Sequence[PeriodTotals], money: CodeMoney) -> Markup:
    columns = [
        Column(_short(each.period), period_label(each.period), (("before", cents),))
        for each, cents in zip(periods, money.before, strict=True)
    ]
    coming = (("posted", money.posted), ("to-post", money.to_post))
    columns.append(Column(_short(window), f"coming, {period_label(window)}", coming))
    return columns_svg(f"chart-{index}", f"{money.code} by period", columns)


def _short(days: Days) -> str:
    """``Aug``, and ``15 Aug`` where the period does not begin with the month."""
    month = days.first.strftime("%b")
    return month if days.first.day == 1 else f"{days.first.day} {month}"


def _places(change_set: ChangeSet) -> dict[str, Any]:
    rows = money_rows(change_set)
    return {
        "rows": rows[:_TOTALS],
        "more": max(0, len(rows) - _TOTALS),
        "several": len({r[0] for r in rows}) > 1,
    }


def _are_short(names: Names, changes: Sequence[Change]) -> bool:
    """Whether properties, units, codes and charges have names that need not be folded."""
    return max((len(cell) for each in changes for cell in names.cells(each)[:4]), default=0) <= _SHORT


# --- lines -----------------------------------------------------------------------------------------------------------


def _cell(names: Names, change: Change) -> Cell:
    return Cell(
        change.action, SIGNS[change.action], ACTIONS[change.action], names.cells(change), change.amount
    )


def _held(change_set: ChangeSet, names: Names) -> Iterator[Held]:
    by_reason: dict[str, list[Change]] = {}
    for change in change_set.changes:
        if change.action == "hold":
            by_reason.setdefault(change.reason or "unknown", []).append(change)
    for reason, changes in by_reason.items():
        yield Held(
            reason=reason,
            meaning=why("hold", reason),
            count=len(changes),
            amount=sum(change.amount or 0 for change in changes),
            without_amount=sum(change.amount is None for change in changes),
            lines=tuple(
                (_cell(names, change), line_name(change), change.detail) for change in changes[:_HELD]
            ),
        )


def _skips(summary: Summary) -> list[tuple[str, int, str]]:
    found = sorted(summary.skips.items(), key=lambda item: (-item[1], item[0]))
    return [(reason, count, why_skipped(reason)) for reason, count in found]


def _bill(change_set: ChangeSet, report: AllocationReport) -> dict[str, Any]:
    return {
        "name": f"{report.plan}/{report.charge}",
        "property": change_set.property_names.get(report.property_id, report.property_id),
        "period": period_label(report.service),
        "report": report,
    }


def _guard(guard: Any) -> dict[str, Any]:
    return {
        "guard": guard,
        "value": guard_value(guard, guard.value),
        "limit": guard_value(guard, guard.limit),
        "counted": guard.value is not None and guard.limit is not None,
        "option": allow_option(guard) if guard.refused else "",
    }
