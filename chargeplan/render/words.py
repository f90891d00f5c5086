"""What the program's words mean to a person, and what to do about each."""

from __future__ import annotations

from typing import Final

from chargeplan.core.change import Change
from chargeplan.core.verdicts import commands

SIGNS: Final[dict[str, str]] = {
    "create": "+",
    "correct": "±",
    "in_flight": ">",
    "unknown": "?",
    "hold": "!",
    "missed": "<",
    "drift": "~",
    "removed_upstream": "-",
    "unchanged": "=",
}

HOLDS: Final[dict[str, str]] = {
    "amount_missing": "the amount, or a part of it, is not known: fill it in at the property system, the roster or the table",
    "credit_not_allowed": "it is a credit, and credits are held on this integration: post it by hand, or set `credits: post`",
    "lease_status_unclear": "the lease's status may or may not be billed (EVICTED, OTHER, or one that Propexo's documentation does not "
    "name): list it in `lease_status`, or leave the household out with `except`",
    "lease_ended": "the lease ended and no lease follows: renew it or record the move-out, or set `after_lease_end`",
    "move_out_unknown": "the lease is inactive, and no move-out is recorded: record it at the property system",
    "no_primary_resident": "the lease has no primary resident: name one at the property system",
    "overlapping_households": "two households live in the unit on the same days: correct the leases' dates at the property system",
    "balance_unknown": "what was open on the days in question is not known: check the ledger, and post the fee by hand",
    "probable_duplicate": "it seems to be posted already, by someone else or under another name: `chargeplan adopt` takes that "
    "charge as this line, `chargeplan resolve --unrelated` says that it is another matter",
    "credit_pending": "it takes the place of a credit that is held: settle the credit first",
}

SKIPS: Final[dict[str, str]] = {
    "lease_pending": "the lease is pending",
    "never_moved_in": "the lease is inactive, and nobody moved in",
    "not_selected": "the charge's `who` does not select them",
    "not_on_roster": "they are not on the charge's roster",
    "partial_period": "they live there for a part of the period, and `prorate: skip` bills no parts",
    "zero_amount": "the amount is $0.00",
    "closed_period": "the date lies in a closed period",
    "nothing_late": "nothing is late",
    "date_unknown": "the date that the charge counts from is not known",
    "waived": "an override lets them off",
    "no_billed_days": "they have no billed day within the window",
    "not_in_window": "no line of theirs is dated in the window",
}

DRIFTS: Final[dict[str, str]] = {
    "moved_out": "they moved out before the period's end: less is due than was posted",
    "not_due": "it was posted, and nothing is due any more",
    "amount": "another amount is due than was posted",
    "charged_twice": "the same stands on the ledger once more, and nothing accounts for it",
}

ACTIONS: Final[dict[str, str]] = {
    "create": "to create",
    "correct": "to correct",
    "in_flight": "in flight",
    "unknown": "unknown",
    "hold": "held",
    "missed": "missed",
    "drift": "drifted",
    "removed_upstream": "removed upstream",
    "unchanged": "unchanged",
    "skip": "skipped",
}

HINTS: Final[dict[str, str]] = {
    "in_flight": "Posted, and not seen on the ledger yet: the next sync shows it. `chargeplan reconcile` looks again.",
    "unknown": "It may or may not have been written, so it is not sent again: run `chargeplan reconcile`, or look at the "
    "ledger and say so with `chargeplan resolve REF --posted | --not-posted --reason TEXT`.",
    "overdue": "Accepted, and not seen for longer than `visible_within`: look whether it waits for approval, then "
    "`chargeplan resolve REF --posted | --not-posted --reason TEXT`.",
    "removed_upstream": "It was on the ledger, and someone took it away there. It is never posted again by itself: if they were "
    "right, `chargeplan resolve REF --removed --reason TEXT`. What the plans say is due of it is then created anew: if it is not to be "
    "billed, first waive it with an override.",
}


_WITHOUT_REASON: Final[dict[str, str]] = {
    "missed": "due in a month that was billed, and never posted: `--missed` posts it",
    "unknown": "it may or may not have been written, and is not sent again: run `chargeplan reconcile`",
    "removed_upstream": "it was on the ledger, and somebody took it away there; it is not posted again",
}


def why(action: str, reason: str | None) -> str:
    """The sentence for a change's reason; a reason that is new here is said as it is."""
    if reason is None:
        return _WITHOUT_REASON.get(action, "")
    table = {"hold": HOLDS, "drift": DRIFTS, "correct": DRIFTS}.get(action, {})
    return table.get(reason, reason.replace("_", " "))


def hint_of(change: Change) -> str:
    """The commands that settle what waits for a person, else what is to be done."""
    found = commands(change)
    return " | ".join(f"`{each}`" for each in found) if found else why(change.action, change.reason)


def why_skipped(reason: str) -> str:
    """The sentence for a skip's reason."""
    return SKIPS.get(reason, HOLDS.get(reason, reason.replace("_", " ")))


def line_name(change: Change) -> str:
    """What to look a line up by: its reference and its household's lease, as two households may have had the unit.

    It is told by its id: residents' names are in no report but where templates put them (guides/security.md, *Personal data*).
    """
    return f"{change.reference}, lease {change.lease_id}" if change.lease_id else change.reference


def more(left_out: str) -> str:
    """That so much more is there than is shown."""
    return f"… {left_out} more; --all shows them"


def count_of(number: int, one: str, many: str | None = None) -> str:
    """``1 line``, ``9,120 lines``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
