"""A plan's lines when it is applied: whether they are still what was reviewed, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from chargeplan.core.change import Change, Total
from chargeplan.core.errors import StalePlanError
from chargeplan.core.posting import Batch, Posting, State, posting_of

Ending = Literal["complete", "nothing", "incomplete", "unknown"]

_TOTAL_OF: Final[dict[State, str]] = {
    "queued": "pending",
    "accepted": "posted",
    "visible": "posted",
    "posted": "posted",
    "refused": "refused",
    "unknown": "unknown",
    "intended": "unknown",
}


def check_unchanged(planned: Sequence[Change], now: Sequence[Change], done: frozenset[str]) -> None:
    """Every planned line must still be the same create or correction, or have been sent by this very plan (``done``).

    Raises:
        StalePlanError: names the lines that are not.
    """
    current = {change.reference: change for change in now}
    stale = [
        change
        for change in planned
        if change.reference not in done and not _is_same(change, current.get(change.reference))
    ]
    if stale:
        listed = ", ".join(
            f"{change.reference} ({change.charge}, unit {change.unit_number})" for change in stale[:5]
        )
        more = f" and {len(stale) - 5} more" if len(stale) > 5 else ""
        raise StalePlanError(
            f"The plan is out of date: {len(stale)} of its lines are no longer what would be posted now: {listed}{more}. Nothing was posted.",
            hint="Run `chargeplan plan` again and review what changed.",
            references=[change.reference for change in stale],
        )


def _is_same(planned: Change, current: Change | None) -> bool:
    """Whether what would be recorded and sent of it is all the same: whoever can write the file can't slip a word past that."""
    return current is not None and posting_of(planned) == posting_of(current)


def sum_up(changes: Sequence[Change], postings: Mapping[str, Posting]) -> dict[str, Total]:
    """What became of the plan's lines: posted, refused, unknown, pending, and ``unsent`` for those never sent."""
    totals: dict[str, Total] = {name: Total() for name in ("posted", "refused", "unknown", "pending")}
    for change in changes:
        posting = postings.get(change.reference)
        name = _TOTAL_OF.get(posting.state, "unsent") if posting else "unsent"
        totals[name] = totals.get(name, Total()).plus(change.amount)
    return totals


def outcome_of(totals: Mapping[str, Total], *, waited: bool) -> Ending:
    """How apply ends.

    ========================================================  ==========
    a line is unknown                                         unknown
    a line is pending, although the run waited for its jobs   unknown
    a line was refused, or never sent                         incomplete
    otherwise                                                 complete
    ========================================================  ==========
    """
    if totals["unknown"].count or (waited and totals["pending"].count):
        return "unknown"
    return "incomplete" if totals["refused"].count or unsent(totals) else "complete"


def unsent(totals: Mapping[str, Total]) -> int:
    """How many lines were never sent."""
    return totals.get("unsent", Total()).count


def nothing_was_sent(totals: Mapping[str, Total]) -> bool:
    """Whether no line of the plan was ever sent."""
    return {name for name, total in totals.items() if total.count} == {"unsent"}


def in_plan_order(batches: Sequence[Batch], changes: Sequence[Change]) -> list[Batch]:
    """The batches by property as the plan has them, those of a property in the order they were sent."""
    properties = dict.fromkeys((change.integration_id, change.property_id) for change in changes)
    order = {key: number for number, key in enumerate(properties)}
    return sorted(batches, key=lambda batch: order.get((batch.integration_id, batch.property_id), len(order)))
