"""What a plan comes to: counts and money, also of what a saved plan does not list."""

from __future__ import annotations

import msgspec

from chargeplan.core.change import ACTIONS, ChangeSet, Total
from chargeplan.core.money import format_money

_MUST_BE_NONE = ("create", "correct", "hold", "missed", "in_flight", "unknown", "drift", "removed_upstream")


class Summary(msgspec.Struct, frozen=True):
    """Totals by action and ``skip``, in the order of actions; skips by reason; unchanged cents by property id and code.

    A plan file counts what it does not list: ``Summary(review.totals, review.skips, review.unchanged)``.
    """

    totals: dict[str, Total]
    skips: dict[str, int]
    unchanged: dict[str, dict[str, int]]

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
    return Summary(totals, skips, change_set.unchanged_money())


def is_settled(change_set: ChangeSet, summary: Summary) -> bool:
    """Whether nothing at all is to do or to look at: the only plan that may say “No changes”."""
    return not (summary.count(*_MUST_BE_NONE) or change_set.errored or change_set.refused)


def last_line(change_set: ChangeSet, summary: Summary | None = None) -> str:
    """The greppable end of a plan (interface.md, *The plan on screen*)."""
    summary = summary or summarize(change_set)
    if is_settled(change_set, summary):
        return "No changes. Every charge is posted."
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
