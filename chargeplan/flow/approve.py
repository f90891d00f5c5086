"""Approve: the word of a person who did not make the plan; and whether enough such words were given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from chargeplan.core.approval import (
    Approval,
    ApprovedPlan,
    Entry,
    Verdict,
    decide,
    fingerprint,
    is_planner,
    needed,
    refusal,
    way_on,
    write_key,
)
from chargeplan.core.change import Change
from chargeplan.core.config import Approvals, Approver
from chargeplan.core.errors import ChargeplanError, GuardRefusedError


class Approvable(msgspec.Struct, frozen=True, kw_only=True):
    """A saved plan as its approvers see it: what they sign, what it posts, when it ends, and its file's name."""

    subject: ApprovedPlan
    changes: tuple[Change, ...]
    expires_at: datetime
    file: str


class ApprovalsFile(Protocol):
    """Where the approvals of a plan are kept."""

    def entries(self, approvers: Sequence[Approver]) -> Sequence[Entry]:
        """Every entry, verified with the approvers' public keys; none where there is no file."""
        ...

    def add(self, approval: Approval) -> None:
        """Sign the approval and keep it."""
        ...


class Given(msgspec.Struct, frozen=True):
    """The approval that a person gave, now or before, and what all that were given come to."""

    approval: Approval
    is_new: bool
    verdict: Verdict


def approve(
    plan: Approvable,
    approvals: Approvals,
    file: ApprovalsFile,
    approver: Approver,
    *,
    reason: str,
    now: datetime,
    ask: Callable[[], None],
) -> Given:
    """Ask the approver, and keep the answer; one who has approved the plan before is not asked again.

    Raises:
        ChargeplanError: the answer was no, or can't be kept.
    """
    before = verdict_on(plan.subject, approvals, file, now)
    given = next((each for each in _approvals(before) if each.approver == approver.name), None)
    if given is not None:
        return Given(given, is_new=False, verdict=before)
    ask()
    ends = min(now + timedelta(hours=approvals.valid_for_hours), plan.expires_at)
    given = Approval(plan.subject, approver.name, now, ends, reason)
    file.add(given)
    return Given(given, is_new=True, verdict=verdict_on(plan.subject, approvals, file, now))


def _approvals(verdict: Verdict) -> Sequence[Approval]:
    return [entry.approval for entry in verdict.counted if entry.approval]


def verdict_on(plan: ApprovedPlan, approvals: Approvals, file: ApprovalsFile, now: datetime) -> Verdict:
    """What the approvals that were given come to."""
    return decide(approvals, plan, file.entries(approvals.approvers), now)


def refuse_unneeded(plan: Approvable, approvals: Approvals) -> None:
    """Do nothing where the plan needs an approval.

    Raises:
        ChargeplanError: ``approval_not_needed``.
    """
    if needed(approvals, plan.changes) is None:
        raise ChargeplanError(
            "The plan needs no approval. Nothing was signed.",
            hint="`approvals` in the configuration says from which amount on one is needed.",
            code="approval_not_needed",
        )


def approver_of(key: bytes, approvals: Approvals, name: str | None, plan: ApprovedPlan) -> Approver:
    """The approver whose public key it is; ``name`` is who they say they are.

    Raises:
        ChargeplanError: it is nobody's, or another's than the one named, or the planner's own.
    """
    public = write_key(key)
    approver = next((each for each in approvals.approvers if each.key == public), None)
    if approver is None:
        raise ChargeplanError(
            f"The configuration names no approver with this key ({fingerprint(key)}). Nothing was signed.",
            hint=f'An entry of `approvers` is needed, in a reviewed change: {{name: {name or "…"}, key: "{public}"}}.',
            code="approver_unknown",
        )
    if name is not None and name != approver.name:
        raise ChargeplanError(
            f"This is the key of {approver.name}, not of {name}. Nothing was signed.",
            hint="Leave out --as, or give the right key.",
            code="approver_unknown",
        )
    if not plan.planned_by or is_planner(approver, plan.planned_by):
        who = f"{approver.name} made it" if plan.planned_by else "it does not say who made it"
        raise ChargeplanError(
            f"Who made a plan can't approve it, and {who}. Nothing was signed.",
            hint="Let somebody else approve it." if plan.planned_by else "Have it planned again.",
            code="approver_planned",
        )
    return approver


def refuse_unapproved(
    plan: Approvable, approvals: Approvals, file: ApprovalsFile, now: datetime
) -> tuple[Entry, ...]:
    """The approvals of the plan that count, where it needs some.

    Raises:
        GuardRefusedError: there are too few. No option overrides that.
        ChargeplanError: they can't be read or verified.
    """
    guard = needed(approvals, plan.changes)
    if guard is None:
        return ()
    verdict = verdict_on(plan.subject, approvals, file, now)
    if verdict.missing:
        said = refusal(approvals, verdict, guard.value or 0)
        raise GuardRefusedError(
            f"Refused for lack of approvals: {said}. Nothing was posted.",
            hint=way_on(verdict, plan.subject.planned_by, plan.file),
            code="approvals_needed",
            guards=[msgspec.structs.replace(guard, refused=True, message=said)],
        )
    return verdict.counted
