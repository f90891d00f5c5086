"""The plan as a comment on a pull request: the verdict and the digest above the fold, the details folded.

A comment holds 65,536 characters at GitHub; whatever is left out to stay below is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from chargeplan.core.change import Change, ChangeSet, GuardResult
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.money import format_money
from chargeplan.render.escape import markdown as escape
from chargeplan.render.screen import allow_option, guard_value, is_needed, money_rows
from chargeplan.render.summary import Summary, last_line, summarize
from chargeplan.render.words import ACTIONS, SIGNS, line_name, why, why_skipped

# With a diff of 20,000 before it.
LIMIT: Final = 40_000
# What the lines that say what was left out may take.
_RESERVE: Final = 400
_CUT_NOTE: Final = 60


class Table(msgspec.Struct, frozen=True):
    """A folded table; its rows are written only as far as they fit."""

    title: str
    heading: tuple[str, ...]
    count: int
    rows: Iterable[str]


def marker(environment: str) -> str:
    """A hidden line by which a pipeline finds its own earlier comment; the name can't end the HTML comment."""
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", environment).strip("-")
    return f"<!-- chargeplan:plan:{name} -->"


def plan_markdown(
    change_set: ChangeSet, *, digest: str, summary: Summary | None = None, limit: int = LIMIT
) -> str:
    """The comment, of at most ``limit`` characters."""
    summary = summary or summarize(change_set)
    head = _head(change_set, summary, digest)
    room = limit - _RESERVE - len(head)
    body = ""
    for each in _details(change_set, summary):
        section = folded(each, room - len(body))
        if not section:
            body += "\n_More was left out: see `chargeplan show`._\n"
            break
        body += section
    return head + body


# --- above the fold ------------------------------------------------------------------------------------------------


def _head(change_set: ChangeSet, summary: Summary, digest: str) -> str:
    window = change_set.window
    lines = [
        marker(change_set.environment),
        f"### Charges on {escape(change_set.environment)}, {window.first} to {window.last}",
        "",
        f"**{last_line(change_set, summary)}**",
        "",
        *_problems(change_set),
        *_totals(summary),
        f"Digest `{re.sub(r'[^a-z0-9:]', '', digest)}`, as of {change_set.as_of}",
        "",
    ]
    return "\n".join(lines)


def _problems(change_set: ChangeSet) -> list[str]:
    refused = [_guard(guard) for guard in change_set.guards if guard.refused]
    allowed = [_guard(guard) for guard in change_set.guards if guard.allowed is not None or is_needed(guard)]
    errors = [_diagnostic(each) for each in change_set.diagnostics if each.is_error]
    lines = [f"- {line}" for line in (*errors[:20], *refused[:20], *allowed[:20])]
    return [*lines, ""] if lines else []


def _guard(guard: GuardResult) -> str:
    about = f" ({escape(_short(guard.subject))})" if guard.subject else ""
    numbers = f"{guard_value(guard, guard.value)}, the limit is {guard_value(guard, guard.limit)}"
    counted = f": {numbers}" if guard.limit is not None else ""
    if guard.refused:
        end = f"to go on, apply with `{allow_option(guard)}`"
        return f"**Guard {escape(guard.guard)}{about} refused**{counted}; {end}"
    if is_needed(guard):
        return f"**{escape(guard.guard)} needed**{counted}; {escape(_short(guard.message))}"
    return f"Guard {escape(guard.guard)}{about} overridden{counted}: {escape(_short(guard.reason or ''))}"


def _diagnostic(each: Diagnostic) -> str:
    where = f"{escape(_short(str(each.place)))} " if each.place else ""
    return f"**{each.severity}** {where}{escape(_short(each.summary))}"


def _short(text: str, most: int = 300) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _totals(summary: Summary) -> list[str]:
    rows = [
        f"| {SIGNS.get(action, '')} {ACTIONS.get(action, action)} | {total.count:,} | {format_money(total.amount)} |"
        for action, total in summary.totals.items()
        if action != "skip"
    ]
    head = ["| | Lines | Amount |", "|---|---:|---:|"]
    return [*head, *rows, ""] if rows else []


# --- below the fold ------------------------------------------------------------------------------------------------


def folded(table: Table, room: int) -> str:
    """A folded table of as many rows as fit; empty where not even one does."""
    start = f"\n<details><summary>{table.title} ({table.count:,})</summary>\n\n"
    start += f"| {' | '.join(table.heading)} |\n|{'---|' * len(table.heading)}\n"
    end = "\n</details>\n"
    left = room - len(start) - len(end) - _CUT_NOTE
    taken: list[str] = []
    for line in table.rows:
        left -= len(line) + 1
        if left < 0:
            break
        taken.append(line)
    if not taken:
        return ""
    cut = f"\n\n_{table.count - len(taken):,} more are left out._" if len(taken) < table.count else ""
    return start + "\n".join(taken) + cut + "\n" + end


def _details(change_set: ChangeSet, summary: Summary) -> list[Table]:
    """The tables that have rows, what a reviewer must see first."""
    warnings = [each for each in change_set.diagnostics if not each.is_error]
    tables = [
        _held_table(change_set),
        Table("Warnings", ("Where", "What", "To do"), len(warnings), map(_warning, warnings)),
        _money_table(change_set),
        _line_table(change_set),
        _skip_table(summary),
    ]
    return [each for each in tables if each.count]


def _held_table(change_set: ChangeSet) -> Table:
    held = [change for change in change_set.changes if change.action == "hold"]
    rows = (_held(change_set, each) for each in held)
    return Table("Held", ("Unit", "Charge", "Date", "Amount", "Line", "Why"), len(held), rows)


def _money_table(change_set: ChangeSet) -> Table:
    heading = ("Property", "Code", "Lines", "To post", "Posted", "Previous period")
    money = money_rows(change_set)
    return Table("Totals by property and charge code", heading, len(money), map(_money, money))


def _line_table(change_set: ChangeSet) -> Table:
    listed = [change for change in change_set.changes if change.action not in {"unchanged", "hold"}]
    heading = ("", "Property", "Unit", "Charge", "Date", "Amount", "Text")
    return Table("Lines", heading, len(listed), (_change(change_set, each) for each in listed))


def _skip_table(summary: Summary) -> Table:
    skips = sorted(summary.skips.items(), key=lambda item: (-item[1], item[0]))
    rows = (row(reason, f"{count:,}", why_skipped(reason)) for reason, count in skips)
    return Table("Skipped, by reason", ("Reason", "Times", "Meaning"), len(skips), rows)


def row(*cells: str) -> str:
    """A row of a table, its cells escaped and short."""
    return f"| {' | '.join(escape(_short(cell)) for cell in cells)} |"


def _where(change_set: ChangeSet, change: Change) -> str:
    return change_set.property_names.get(change.property_id, change.property_id)


def _amount(change: Change) -> str:
    return "" if change.amount is None else format_money(change.amount)


def _held(change_set: ChangeSet, change: Change) -> str:
    unit = f"{_where(change_set, change)} {change.unit_number}"
    reason = "; ".join(filter(None, (why("hold", change.reason), change.detail)))
    day = change.transaction_date.isoformat()
    return row(unit, f"{change.plan}/{change.charge}", day, _amount(change), line_name(change), reason)


def _warning(each: Diagnostic) -> str:
    return row(str(each.place or ""), each.summary, each.detail)


def _money(money: tuple[str, str, int, int, int, int]) -> str:
    name, code, count, *cents = money
    return row(name, code, f"{count:,}", *map(format_money, cents))


def _change(change_set: ChangeSet, change: Change) -> str:
    text = "; ".join(filter(None, (change.description, why(change.action, change.reason), change.detail)))
    return row(
        SIGNS[change.action],
        _where(change_set, change),
        f"{change.unit_number}/{change.item}" if change.item else change.unit_number,
        f"{change.plan}/{change.charge}",
        change.transaction_date.isoformat(),
        _amount(change),
        text,
    )
