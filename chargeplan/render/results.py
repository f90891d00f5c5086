"""What became of it, on screen: apply, status, reconcile, history, locks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chargeplan.core.change import Change, Total
from chargeplan.core.money import format_money
from chargeplan.core.posting import Batch, Posting
from chargeplan.core.settle import Settled
from chargeplan.render.escape import csv_text
from chargeplan.render.paper import DEFAULT_WIDTH, Column, Paper, Row, Style, table
from chargeplan.render.words import HINTS, count_of, hint_of, more

_INDENT: Final = "  "
# A portfolio has thousands in flight, and that is well; what needs a person is read a few at a time.
_SHOWN: Final = 20
_STATE_STYLES: Final[dict[str, Style]] = {
    "refused": "bad",
    "unknown": "bad",
    "visible": "good",
    "posted": "good",
}
_NEXT: Final[dict[str, str]] = {
    "unknown": "What is unknown is never sent again by itself: run `chargeplan reconcile`.",
    "pending": "What is pending stays queued at Propexo: run `chargeplan reconcile` later.",
    "refused": "What was refused was not written: correct the cause and plan again.",
}

_MOVED_LISTED = 20


def apply_line(totals: Mapping[str, Total], outcome: str) -> str:
    """The greppable end of an apply (interface.md, *The plan on screen*)."""
    if outcome == "nothing":
        return "Nothing to apply. Every line of the plan is settled."
    if outcome in {"stale", "guarded", "locked"}:
        return "Apply refused. Nothing was posted."
    complete = outcome == "complete"
    parts = [_part(totals.get("posted", Total()), "posted", always=True)]
    parts += [_part(totals.get(word, Total()), word) for word in ("refused", "unknown")]
    if totals.get("pending", Total()).count:
        parts.append(_part(totals["pending"], "pending"))
    return f"Apply {'complete' if complete else 'incomplete'}! {', '.join(parts)}."


def _part(total: Total, word: str, *, always: bool = False) -> str:
    money = f" ({format_money(total.amount)})" if always or total.count else ""
    return f"{total.count:,} {word}{money}"


def apply_screen(
    outcome: str,
    totals: Mapping[str, Total],
    batches: Sequence[Batch],
    *,
    color: bool = False,
    width: int = DEFAULT_WIDTH,
) -> str:
    """The batches that did not simply end well, what to do, and the greppable line."""
    paper = Paper(color, width)
    lines: list[str] = []
    for batch in batches:
        if batch.errors or batch.state in {"refused", "unknown", "intended"}:
            lines += _batch(paper, batch)
    for word, advice in _NEXT.items():
        if totals.get(word, Total()).count:
            lines += paper.prose(advice)
    good = outcome in {"complete", "nothing"}
    lines += [*([""] if lines else []), paper.ink(apply_line(totals, outcome), "good" if good else "bad")]
    return _text(lines)


def _batch(paper: Paper, batch: Batch) -> list[str]:
    what = f"{count_of(batch.count, 'line')} ({format_money(batch.amount)})"
    job = f", job {batch.job_id}" if batch.job_id else ""
    title = f"batch {batch.batch_id} of property {batch.property_id}{job}: {batch.state}, {what}"
    lines = [paper.ink(line, _STATE_STYLES.get(batch.state, "warn")) for line in paper.prose(title)]
    for error in batch.errors:
        lines += paper.prose(error, _INDENT)
    return lines


# --- status and reconcile ------------------------------------------------------------------------------------------


def status_screen(
    *,
    in_flight: Sequence[Posting],
    unknown: Sequence[Posting],
    overdue: Sequence[Posting],
    removed_upstream: Sequence[Posting],
    waiting: Mapping[str, Sequence[Change]],
    color: bool = False,
    width: int = DEFAULT_WIDTH,
    all: bool = False,  # noqa: A002 - the option's name
) -> str:
    """What is open, what needs a person first, each list with what to do about it, the oldest first.

    Of a long list the first few are shown; ``all`` shows every line.
    """
    paper = Paper(color, width)
    lists = {
        "unknown": unknown,
        "overdue": overdue,
        "removed_upstream": removed_upstream,
        "in_flight": in_flight,
    }
    lines: list[str] = []
    for name, postings in lists.items():
        if postings:
            lines += [*_postings(paper, name, postings, whole=all), ""]
    for name, changes in waiting.items():
        if changes:
            lines += [*_waiting(paper, name, changes, whole=all), ""]
    counts = {name: len(found) for name, found in {**lists, **waiting}.items()}
    return _text([*lines, paper.ink(status_line(counts), "bold")])


_STATUS_ORDER: Final = ("in_flight", "unknown", "overdue", "removed_upstream", "drift", "hold", "missed")


def status_line(counts: Mapping[str, int]) -> str:
    """The greppable end: what waits for a person is counted where there is any."""
    if not any(counts.values()):
        return "Nothing is open. Every posted charge was seen on the ledger, or is there by a person's word."
    always = _STATUS_ORDER[:4]
    named = [name for name in _STATUS_ORDER if name in always or counts.get(name)]
    words = ", ".join(f"{counts.get(name, 0):,} {_word(name)}" for name in named)
    return f"Status: {words}."


def _word(name: str) -> str:
    return {"drift": "drifted", "hold": "held"}.get(name, name.replace("_", " "))


def _waiting(paper: Paper, name: str, changes: Sequence[Change], *, whole: bool) -> list[str]:
    """What waits for a person by the plans, each with its reason and the commands that settle it."""
    title = f"{_word(name).capitalize()}: {count_of(len(changes), 'line')} ({format_money(sum(each.amount or 0 for each in changes))})"
    shown = changes if whole else changes[:_SHOWN]
    lines = [paper.ink(title, "warn")]
    for each in shown:
        amount = "no amount" if each.amount is None else format_money(each.amount)
        what = f"{each.reference}  {each.plan}/{each.charge}  {each.unit_number}  {each.transaction_date}  {amount}"
        reason = f"  {each.reason}" if each.reason else ""
        lines += [*paper.prose(what + reason, _INDENT), *paper.prose(hint_of(each), _INDENT * 2)]
    return lines if len(shown) == len(changes) else [*lines, _INDENT + more(f"{len(changes) - len(shown):,}")]


def _postings(paper: Paper, name: str, postings: Sequence[Posting], *, whole: bool) -> list[str]:
    money = format_money(sum(posting.amount for posting in postings))
    title = f"{name.replace('_', ' ').capitalize()}: {count_of(len(postings), 'line')} ({money})"
    style: Style = "info" if name == "in_flight" else "bad"
    shown = postings if whole else postings[:_SHOWN]
    rows = [
        Row(
            (
                each.reference,
                f"{each.plan}/{each.charge}",
                each.unit_number,
                each.transaction_date.isoformat(),
                format_money(each.amount),
                f"{each.state}, {each.since[:16].replace('T', ' ')}",
            )
        )
        for each in shown
    ]
    columns = (
        Column("Reference", whole=True),
        Column("Charge"),
        Column("Unit", most=16),
        Column("Date", whole=True),
        Column("Amount", right=True),
        Column("State, since"),
    )
    return [
        paper.ink(title, style),
        *paper.prose(HINTS[name], _INDENT),
        *table(paper, columns, rows, _INDENT),
        *([_INDENT + more(f"{len(postings) - len(shown):,}")] if len(shown) < len(postings) else []),
    ]


def reconcile_screen(
    moved: Sequence[Settled],
    still_open: Mapping[str, Total],
    *,
    color: bool = False,
    width: int = DEFAULT_WIDTH,
) -> str:
    """What moved, with the evidence, and what is still open: line by line where few moved, else counted by evidence."""
    paper = Paper(color, width)
    lines = _moved_lines(paper, moved) if len(moved) <= _MOVED_LISTED else _moved_counts(paper, moved)
    rest = ", ".join(f"{total.count:,} {word.replace('_', ' ')}" for word, total in still_open.items())
    last = f"Reconciled: {len(moved):,} moved; still open: {rest or 'nothing'}."
    return _text([*lines, *([""] if lines else []), paper.ink(last, "bold")])


def _moved_lines(paper: Paper, moved: Sequence[Settled]) -> list[str]:
    rows = [
        Row(
            (
                each.posting.reference,
                f"{each.posting.plan}/{each.posting.charge}",
                each.posting.unit_number,
                format_money(each.posting.amount),
                f"{each.before} → {each.posting.state}",
                each.reason,
            ),
            _STATE_STYLES.get(each.posting.state, "plain"),
        )
        for each in moved
    ]
    columns = (
        Column("Reference", whole=True),
        Column("Charge"),
        Column("Unit", most=16),
        Column("Amount", right=True),
        Column("State"),
        Column("Because"),
    )
    return table(paper, columns, rows)


def _moved_counts(paper: Paper, moved: Sequence[Settled]) -> list[str]:
    counts: dict[tuple[str, str, str], Total] = {}
    for each in moved:
        kind = (each.before, each.posting.state, each.reason)
        counts[kind] = counts.get(kind, Total()).plus(each.posting.amount)
    rows = [
        Row(
            (f"{total.count:,}", format_money(total.amount), f"{before} → {state}", reason),
            _STATE_STYLES.get(state, "plain"),
        )
        for (before, state, reason), total in counts.items()
    ]
    return table(
        paper,
        (Column("Lines", right=True), Column("Amount", right=True), Column("State"), Column("Because")),
        rows,
    )


# --- history and locks ---------------------------------------------------------------------------------------------


def history_screen(
    records: Sequence[Mapping[str, str]], *, empty: str, color: bool = False, width: int = DEFAULT_WIDTH
) -> str:
    """The journal's events; under each its plan, where that is another than the one before, and why, both whole.

    A plan's name and a person's reason are what is looked for here, and in a column of their own they would be cut.
    """
    paper = Paper(color, width)
    keys = ("at", "what", "lines", "amount", "who")
    columns = [Column(key.capitalize(), right=key in {"lines", "amount"}) for key in keys]
    heading, *events = table(
        paper, columns, [Row(tuple(record[key] for key in keys)) for record in records]
    ) or [empty]
    lines, plan = [heading], ""
    for event, record in zip(events, records, strict=True):
        lines.append(event)
        if record["plan"] not in {"", plan}:
            plan = record["plan"]
            lines += paper.prose(plan, _INDENT * 2)
        lines += paper.prose(record["why"], _INDENT * 2)
    return _text(lines)


def records_screen(
    records: Sequence[Mapping[str, object]],
    keys: Sequence[str],
    *,
    empty: str,
    color: bool = False,
    width: int = DEFAULT_WIDTH,
) -> str:
    """A table of records by their keys, for ``locks``; ``empty`` is said where there is none."""
    paper = Paper(color, width)
    rows = [Row(tuple(_cell(record.get(key)) for key in keys)) for record in records]
    columns = [Column(key.replace("_", " ").capitalize()) for key in keys]
    return _text(table(paper, columns, rows) or [empty])


def matching_screen(
    lines: Sequence[Change], *, held: int, color: bool = False, width: int = DEFAULT_WIDTH
) -> str:
    """What `adopt --matching` would take: totals by charge, the first lines of each, and how many stay held."""
    paper = Paper(color, width)
    shown: list[str] = []
    by_charge: dict[str, list[Change]] = {}
    for line in lines:
        by_charge.setdefault(f"{line.plan}/{line.charge} · {line.charge_code}", []).append(line)
    for title, group in by_charge.items():
        amount = format_money(sum(each.amount or 0 for each in group))
        shown += paper.prose(
            f"{title}: {count_of(len(group), 'charge')} of the same amount, people and month ({amount})"
        )
        columns = (
            Column("Unit"),
            Column("Date", whole=True),
            Column("Amount", right=True),
            Column("Charge"),
            Column("Line", whole=True),
        )
        rows = [
            Row(
                (
                    each.unit_number,
                    str(each.transaction_date),
                    format_money(each.amount or 0),
                    each.synced.id if each.synced else "",
                    each.reference,
                )
            )
            for each in group[:_SHOWN]
        ]
        shown += table(paper, columns, rows, _INDENT)
        if len(group) > _SHOWN:
            shown.append(f"{_INDENT}… {len(group) - _SHOWN:,} more")
    if not lines:
        shown += paper.prose("No held line has a charge of the same amount, code, people and month.")
    if held:
        shown += paper.prose(
            f"{count_of(held, 'line')} of the month stay held: `chargeplan plan` lists them."
        )
    return _text(shown)


def records_csv(records: Sequence[Mapping[str, object]], keys: Sequence[str]) -> str:
    """The same as CSV, safe to open in a spreadsheet."""
    return csv_text(keys, ([record.get(key) for key in keys] for record in records))


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
