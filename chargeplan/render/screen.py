"""The plan on screen (interface.md): what stops it, what is held, what it costs, line by line, and one greppable line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from chargeplan.core.approval import GUARD as APPROVALS
from chargeplan.core.change import Change, ChangeSet, GuardResult
from chargeplan.core.line import Skip
from chargeplan.core.money import format_money
from chargeplan.render.approvals import Standing, Unverified, approval_lines
from chargeplan.render.escape import terminal
from chargeplan.render.faults import diagnostics_lines
from chargeplan.render.paper import ACTION_STYLES, DEFAULT_WIDTH, Column, Paper, Row, table
from chargeplan.render.review import shared_bills, since_before, unused
from chargeplan.render.summary import Summary, is_settled, last_line, summarize
from chargeplan.render.words import ACTIONS, SIGNS, count_of, line_name, more, why, why_skipped

# A plan of up to this many lines is listed whole: it can be scrolled through.
_LISTED_WHOLE: Final = 60
_LINES_OF_GROUP: Final = 5
_GROUPS: Final = 40
_HOLDS_OF_REASON: Final = 10
_TOTAL_ROWS: Final = 60
_ROUTINE: Final = frozenset({"create", "unchanged", "in_flight"})
_INDENT: Final = "  "


def plan_screen(
    change_set: ChangeSet,
    *,
    color: bool = False,
    width: int = DEFAULT_WIDTH,
    all: bool = False,  # noqa: A002 - the option's name
    summary: Summary | None = None,
    approvals: Standing | Unverified | None = None,
) -> str:
    """The whole plan as text, its last line last. ``summary`` is given for a saved plan, which counts more than it lists.

    ``approvals`` is told of a saved plan where some are asked for or given.
    """
    paper, summary = Paper(color, width), summary or summarize(change_set)
    blocks = [
        _heading(paper, change_set),
        diagnostics_lines(paper, change_set.diagnostics),
        _guards(paper, change_set.guards),
        approval_lines(paper, approvals, whole=all),
        _holds(paper, change_set, whole=all),
        _missed(paper, change_set, whole=all),
        _money(paper, change_set, summary, whole=all),
        [] if is_settled(change_set, summary) else since_before(paper, change_set, whole=all),
        shared_bills(paper, change_set, whole=all),
        unused(paper, change_set, whole=all),
        _lines(paper, change_set, whole=all),
        _skips(paper, change_set, summary, whole=all),
        [_final(paper, change_set, summary)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _heading(paper: Paper, change_set: ChangeSet) -> list[str]:
    window = change_set.window
    text = f"Plan for {change_set.environment}: {window.first} to {window.last}, as of {change_set.as_of}"
    lines = [paper.ink(line, "bold") for line in paper.prose(text)]
    for mark in change_set.observed:
        synced = mark.last_completed_sync or "never"
        read = f"{count_of(mark.requests, 'request')}, {count_of(mark.records, 'record')}"
        lines += paper.prose(f"{mark.integration_id}: last synced {synced}; read with {read}", _INDENT)
    return lines


def _final(paper: Paper, change_set: ChangeSet, summary: Summary) -> str:
    good = is_settled(change_set, summary)
    return paper.ink(last_line(change_set, summary), "good" if good else "bold")


# --- guards --------------------------------------------------------------------------------------------------------


def _guards(paper: Paper, guards: Sequence[GuardResult]) -> list[str]:
    """Those that refused or were overridden, and approvals that are needed; a guard that is content says nothing."""
    told = [guard for guard in guards if guard.refused or guard.allowed is not None or is_needed(guard)]
    lines = [paper.ink("Guards", "bold")] if told else []
    for guard in told:
        lines += _guard(paper, guard)
    return lines


def _guard(paper: Paper, guard: GuardResult) -> list[str]:
    about = f" ({guard.subject})" if guard.subject else ""
    counted = f": {guard_value(guard, guard.value)}, the limit is {guard_value(guard, guard.limit)}"
    numbers = counted if guard.value is not None and guard.limit is not None else ""
    verdict = "refused" if guard.refused else "needed" if is_needed(guard) else "overridden"
    first, *rest = paper.prose(f"! {guard.guard}{about} {verdict}{numbers}", _INDENT)
    lines = [paper.ink(line, "bad" if guard.refused else "warn") for line in (first, *rest)]
    if guard.message:
        lines += paper.prose(guard.message, _INDENT * 2)
    if guard.refused:
        # Not folded: it is there to be copied.
        lines.append(f"{_INDENT * 2}to go on: apply with {terminal(allow_option(guard))}")
    elif not is_needed(guard):
        lines += paper.prose(f"by {guard.allowed}: {guard.reason or 'no reason given'}", _INDENT * 2)
    return lines


def is_needed(guard: GuardResult) -> bool:
    """Whether it asks for something that a plan can have only after it was made."""
    return guard.guard == APPROVALS and not guard.refused


def guard_value(guard: GuardResult, value: int | None) -> str:
    """A guard's number in the guard's unit."""
    if value is None:
        return "not known"
    return {"cents": format_money(value), "percent": f"{value:,}%"}.get(guard.unit, f"{value:,}")


def allow_option(guard: GuardResult) -> str:
    """The option that lets this plan pass, ready to be copied; a guard without a number has no value to give."""
    value = guard.value
    if guard.guard == "max_change" and value is None:
        return '--allow first_period --reason "…"'
    text = "" if value is None or guard.unit == "none" else f"={value}"
    if value is not None and guard.unit == "cents":
        dollars, cents = divmod(abs(value), 100)
        text = f"={dollars}.{cents:02d}"
    return f'--allow {guard.guard}{text} --reason "…"'


# --- holds ---------------------------------------------------------------------------------------------------------


def _holds(paper: Paper, change_set: ChangeSet, *, whole: bool) -> list[str]:
    """Holds by reason, the reason said once; those that lack the same thing are one entry."""
    by_reason: dict[str, list[Change]] = {}
    for change in change_set.changes:
        if change.action == "hold":
            by_reason.setdefault(change.reason or "unknown", []).append(change)
    lines = [paper.ink("Held: not posted until somebody settles it", "bold")] if by_reason else []
    for reason, changes in by_reason.items():
        title = f"{reason} ({len(changes):,}): {why('hold', reason)}"
        lines += [paper.ink(line, "warn") for line in paper.prose(title, _INDENT)]
        causes = Counter(change.detail for change in changes) if reason == "amount_missing" else Counter()
        shared = [(cause, count) for cause, count in causes.items() if cause and count > 1]
        for cause, count in shared if whole else shared[:_HOLDS_OF_REASON]:
            lines += paper.prose(f"{cause} ({count_of(count, 'line')})", _INDENT * 2)
        named = {cause for cause, _ in shared}
        single = changes if whole else [change for change in changes if change.detail not in named]
        shown = single if whole else single[:_HOLDS_OF_REASON]
        lines += _change_table(paper, shown, _INDENT * 2, names=change_set.property_names)
        left = len(single) - len(shown) + (0 if whole else max(0, len(shared) - _HOLDS_OF_REASON))
        if left:
            lines.append(_INDENT * 2 + more(f"{left:,}"))
    return lines


def _missed(paper: Paper, change_set: ChangeSet, *, whole: bool) -> list[str]:
    """Lines of months that were billed already, right after the holds."""
    changes = [change for change in change_set.changes if change.action == "missed"]
    if not changes:
        return []
    lines = [
        paper.ink("Missed: due in a month that was billed, and never posted; --missed posts them", "bold")
    ]
    shown = changes if whole else changes[:_HOLDS_OF_REASON]
    lines += _change_table(paper, shown, _INDENT, names=change_set.property_names)
    return lines if len(shown) == len(changes) else [*lines, _INDENT + more(f"{len(changes) - len(shown):,}")]


# --- money ---------------------------------------------------------------------------------------------------------


def money_rows(change_set: ChangeSet) -> list[tuple[str, str, int, int, int, int]]:
    """By property and charge code: lines to post, cents to post, cents that stand there already, cents of the previous period."""
    posts: dict[tuple[str, str], tuple[int, int]] = {}
    for change in change_set.changes:
        key = (change.property_id, change.charge_code)
        if change.action in {"create", "correct"}:
            count, amount = posts.get(key, (0, 0))
            posts[key] = (count + 1, amount + (change.amount or 0))
    found = {
        (property_id, code): (previous.posted, previous.amount)
        for property_id, codes in change_set.previous.items()
        for code, previous in codes.items()
    }
    names = change_set.property_names
    keys = sorted({*posts, *found}, key=lambda key: (names.get(key[0], key[0]), *key))
    return [
        (names.get(key[0], key[0]), key[1], *posts.get(key, (0, 0)), *found.get(key, (0, 0))) for key in keys
    ]


def _money(paper: Paper, change_set: ChangeSet, summary: Summary, *, whole: bool) -> list[str]:
    found = money_rows(change_set)
    if not found or is_settled(change_set, summary):
        return []
    shown = found if whole else found[:_TOTAL_ROWS]
    rows = [
        Row((name, code, f"{count:,}", *map(format_money, (post, placed, before))))
        for name, code, count, post, placed, before in shown
    ]
    if len(shown) < len(found):
        rows.append(Row((f"… {len(found) - len(shown):,} more (--all)", "", "", "", "", ""), "dim"))
    sums = [sum(row[i] for row in _numbers(found)) for i in range(4)]
    rows.append(Row(("Total", "", f"{sums[0]:,}", *map(format_money, sums[1:])), "bold"))
    columns = (
        Column("Property"),
        Column("Charge code"),
        Column("Lines", right=True),
        Column("To post", right=True),
        Column("Posted", right=True),
        Column("Previous", right=True),
    )
    return [paper.ink("Totals", "bold"), *table(paper, columns, rows, _INDENT)]


def _numbers(rows: Sequence[tuple[str, str, int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    return [row[2:] for row in rows]


# --- lines ---------------------------------------------------------------------------------------------------------


def _lines(paper: Paper, change_set: ChangeSet, *, whole: bool) -> list[str]:
    """The lines by property and charge. Holds have been listed; what is unusual is listed before what is routine."""
    apart = {"hold", "missed"} if whole else {"hold", "missed", "unchanged"}
    listed = [change for change in change_set.changes if change.action not in apart]
    groups = [list(group) for _, group in groupby(listed, key=_group_key)]
    whole = whole or len(listed) <= _LISTED_WHOLE
    shown = groups if whole else groups[:_GROUPS]
    lines: list[str] = []
    for group in shown:
        lines += [*([""] if lines else []), *_group(paper, change_set, group, whole=whole)]
    if len(shown) < len(groups):
        rest = [change for group in groups[len(shown) :] for change in group]
        what = count_of(len(groups) - len(shown), "more group")
        lines += ["", f"… {what} of {counts_of(rest)}; --all shows everything"]
    return lines


def _group_key(change: Change) -> tuple[str, str, str, str]:
    return change.property_id, change.plan, change.charge, change.charge_code


def _group(paper: Paper, change_set: ChangeSet, group: Sequence[Change], *, whole: bool) -> list[str]:
    first = group[0]
    name = change_set.property_names.get(first.property_id, first.property_id)
    title = f"{name} · {first.plan}/{first.charge} · {first.charge_code}: {counts_of(group)}"
    shown = group if whole else _pick(group)
    lines = [paper.ink(line, "bold") for line in paper.prose(title)]
    lines += _change_table(paper, shown, _INDENT)
    if len(shown) < len(group):
        picked = {id(change) for change in shown}
        rest = [change for change in group if id(change) not in picked]
        lines.append(_INDENT + more(counts_of(rest)))
    return lines


def _pick(group: Sequence[Change]) -> list[Change]:
    """A few of a long group, in their order: the unusual ones first, for they are what a reviewer looks for."""
    ranked = sorted(range(len(group)), key=lambda i: (group[i].action in _ROUTINE, i))
    return [group[i] for i in sorted(ranked[:_LINES_OF_GROUP])]


def counts_of(changes: Sequence[Change]) -> str:
    """``12 to create ($420.00), 1 drifted``."""
    counts: dict[str, tuple[int, int]] = {}
    for change in changes:
        count, amount = counts.get(change.action, (0, 0))
        counts[change.action] = (count + 1, amount + (change.amount or 0))
    return ", ".join(
        f"{counts[action][0]:,} {word} ({format_money(counts[action][1])})"
        for action, word in ACTIONS.items()
        if action in counts
    )


def _change_table(
    paper: Paper, changes: Sequence[Change], indent: str, names: dict[str, str] | None = None
) -> list[str]:
    """One line a change, and under it what a person must know of it; with ``names``, the property and charge too."""
    columns = [Column(""), Column("", most=16), Column(""), Column("", right=True), Column("", most=16)]
    columns += [Column("", most=30), Column("")] if names is not None else [Column("")]
    rows = [Row(_cells(change, names), ACTION_STYLES[change.action], only_first=True) for change in changes]
    lines: list[str] = []
    for line, change in zip(table(paper, columns, rows, indent), changes, strict=True):
        lines.append(line)
        for note in _notes(change):
            lines += paper.prose(note, indent + _INDENT * 2)
    return lines


def _cells(change: Change, names: dict[str, str] | None) -> tuple[str, ...]:
    unit = f"{change.unit_number}/{change.item}" if change.item else change.unit_number
    amount = format_money(change.amount) if change.amount is not None else "no amount"
    where = () if names is None else (names.get(change.property_id, change.property_id),)
    text = change.description if names is None else f"{change.plan}/{change.charge}"
    sign = SIGNS[change.action]
    return (sign, unit, change.transaction_date.isoformat(), amount, days_billed(change), *where, text)


def days_billed(change: Change) -> str:
    """``14 of 31 days`` where a part of the period is billed, else nothing."""
    if change.service == change.period or not change.period.common(change.service):
        return ""
    return f"{change.service.count} of {change.period.count} days"


def _notes(change: Change) -> list[str]:
    notes = []
    if change.action in {"hold", "missed"}:
        # The reason is said once above all of them.
        notes.append(_named(change, change.detail))
    elif change.action not in _ROUTINE:
        notes.append(_named(change, why(change.action, change.reason)))
    if change.action != "unchanged" and change.synced and change.synced.amount is not None:
        day = f" dated {change.synced.transaction_date}" if change.synced.transaction_date else ""
        notes.append(f"on the ledger: {format_money(change.synced.amount)}{day}")
    if change.detail and change.action not in {"hold", "missed"}:
        notes.append(change.detail)
    if change.override and change.action in {"create", "correct"}:
        override = change.override
        notes.append(
            f"override at {change.place.file}:{override.line}: {override.reason or 'no reason given'}"
        )
    return notes


def _named(change: Change, text: str) -> str:
    return f"{line_name(change)}: {text}" if text else line_name(change)


# --- skips ---------------------------------------------------------------------------------------------------------


def _skips(paper: Paper, change_set: ChangeSet, summary: Summary, *, whole: bool) -> list[str]:
    if not summary.skips or not (whole or not is_settled(change_set, summary)):
        return []
    total = sum(summary.skips.values())
    note = "; --all lists them" if (change_set.skips or change_set.unlisted.skips) and not whole else ""
    title = f"Skipped: {count_of(total, 'time')} that a charge has no line for a household{note}"
    rows = [
        Row((f"{count:,}", reason, why_skipped(reason)))
        for reason, count in sorted(summary.skips.items(), key=lambda item: (-item[1], item[0]))
    ]
    lines = [paper.ink(title, "bold")]
    lines += table(paper, (Column("", right=True), Column(""), Column("")), rows, _INDENT)
    return [*lines, *_skip_list(paper, change_set)] if whole else lines


def _left_out(skip: Skip) -> str:
    """The line that a closed period leaves out."""
    return (
        "" if skip.transaction_date is None else f"{skip.transaction_date}  {format_money(skip.amount or 0)}"
    )


def _skip_list(paper: Paper, change_set: ChangeSet) -> list[str]:
    names = change_set.property_names
    rows = [
        Row(
            (
                names.get(skip.property_id, skip.property_id),
                f"{skip.plan}/{skip.charge}",
                skip.unit_number,
                skip.lease_id,
                skip.reason,
                _left_out(skip) or skip.detail,
            )
        )
        for skip in change_set.skips
    ]
    columns = [Column(title) for title in ("Property", "Charge", "Unit", "Lease", "Reason", "")]
    return ["", *table(paper, columns, rows, _INDENT)] if rows else []
