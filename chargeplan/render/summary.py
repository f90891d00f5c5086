"""What a plan comes to: counts and money, also of what a saved plan does not list."""

from __future__ import annotations

import msgspec

from chargeplan.core.change import ACTIONS, ChangeSet, Total
from chargeplan.core.money import format_money
from chargeplan.render.words import why_skipped

_MUST_BE_NONE = ("create", "correct", "hold", "missed", "in_flight", "unknown", "drift", "removed_upstream")


class Summary(msgspec.Struct, frozen=True):
    """Totals by action and ``skip``, in the order of actions; skips by reason.

    A plan file counts what it does not list: ``Summary(review.totals, review.skips)``.
    """

    totals: dict[str, Total]
    skips: dict[str, int]

    def count(self, *actions: str) -> int:
        """How many lines have one of these actions."""
        return sum(self.totals[action].count for action in actions if action in self.totals)

    def amount(self, *actions: str) -> int:
        """What those lines come to, in cents."""
        return sum(self.totals[action].amount for action in actions if action in self.totals)


def summarize(change_set: ChangeSet) -> Summary:
    """The summary of a change set that lists everything."""
    found = change_set.totals()
    totals: dict[str, Total] = {action: found[action] for action in ACTIONS if action in found}
    skips = change_set.skipped()
    if skips:
        totals["skip"] = Total(sum(skips.values()))
    return Summary(totals, skips)


def is_settled(change_set: ChangeSet, summary: Summary) -> bool:
    """Whether nothing at all is to do or to look at: the only plan that may say “No changes”."""
    return not (summary.count(*_MUST_BE_NONE) or change_set.errored or change_set.refused)


def _nothing_due(summary: Summary) -> str:
    """How often a charge has no line for a household, and the commonest reason."""
    reasons = sorted(summary.skips.items(), key=lambda item: (-item[1], item[0]))
    if not reasons:
        return "No changes. Nothing is due: the plans consider no household."
    (reason, count), total = reasons[0], sum(summary.skips.values())
    times = f"{total:,} skipped" if count == total else f"{total:,} skipped, {count:,} of them"
    return f"No changes. Nothing is due: {times} {reason} ({why_skipped(reason)})."


def last_line(change_set: ChangeSet, summary: Summary | None = None) -> str:
    """The greppable end of a plan (interface.md, *The plan on screen*)."""
    summary = summary or summarize(change_set)
    if is_settled(change_set, summary):
        return "No changes. Every charge is posted." if summary.count("unchanged") else _nothing_due(summary)
    posts = f"{summary.count('create', 'correct'):,} to post ({format_money(summary.amount('create', 'correct'))})"
    parts = [posts]
    if missed := summary.count("missed"):
        held = f"{summary.count('hold'):,} held"
        parts += [held, f"{missed:,} missed ({format_money(summary.amount('missed'))})"]
    else:
        parts.append(f"{summary.count('hold'):,} held")
    for action, word in (
        ("in_flight", "in flight"),
        ("unknown", "unknown"),
        ("drift", "drifted"),
        ("unchanged", "unchanged"),
    ):
        parts.append(f"{summary.count(action):,} {word}")
    if removed := summary.count("removed_upstream"):
        parts.append(f"{removed:,} removed upstream")
    return f"Plan: {', '.join(parts)}."
