"""Two-person approval: whether enough people, none of them the planner, have approved exactly this plan (interface.md, *Guards*).

Signatures are verified before they come here; what is decided here is whose word counts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec

from chargeplan.core.change import POSTED_BY_APPLY, Change, GuardResult
from chargeplan.core.config import Approvals, Approver
from chargeplan.core.money import format_money

GUARD: Final = "approvals"
_PREFIX: Final = "ed25519:"
_KEY_BYTES: Final = 32
_ARMOUR: Final = re.compile("-----(BEGIN|END) PUBLIC KEY-----")
# What stands before the 32 bytes in a SubjectPublicKeyInfo (RFC 8410), as `openssl pkey -pubout` writes it.
_SPKI: Final = bytes.fromhex("302a300506032b6570032100")
# Two machines' clocks differ by less.
_SKEW: Final = timedelta(minutes=5)
# Entries that don't count are listed up to this number; of a name that nobody knows, so many characters.
_LISTED: Final = 10
_NAME: Final = 60

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class ApprovedPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is approved: one plan, saved once, for one place. ``amount`` is the sum in cents, credits negative.

    ``planned_by`` is who made it, as the plan file says; ``journal_id`` the identity of the journal it was made with.
    """

    plan_id: str
    digest: str
    environment: str
    api_host: str
    journal_id: str
    planned_by: str
    count: int
    amount: int


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person's word, and until when it holds. A key that is not known is refused: its meaning would be signed unseen."""

    plan: ApprovedPlan
    approver: str
    approved_at: Moment
    expires_at: Moment
    reason: str


class Entry(msgspec.Struct, frozen=True):
    """One entry of an approvals file, and whether it can be believed; ``line`` is its number in the file.

    ``fault``: ``unreadable``, there is no ``approval``; ``unknown``, the configuration has no such approver; ``forged``, the
    signature is not that of the approver's key; or empty. ``key`` is the fingerprint of the key that verified it.
    """

    line: int
    approval: Approval | None = None
    fault: Literal["", "unreadable", "unknown", "forged"] = ""
    key: str = ""
    signature: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """Whose approvals count, why the others do not, how many are missing, and who may still give one."""

    counted: tuple[Entry, ...]
    passed_over: tuple[str, ...]
    missing: int
    waiting: tuple[str, ...]


# --- keys --------------------------------------------------------------------------------------------------------


def read_key(text: str) -> bytes:
    """The 32 bytes of an Ed25519 public key: ``ed25519:`` and base64, or what OpenSSL writes, as base64 or PEM.

    Raises:
        ValueError: it is none.
    """
    packed = "".join(_ARMOUR.sub("", text).split()).removeprefix(_PREFIX)
    try:
        raw = base64.b64decode(packed, validate=True)
    except binascii.Error as problem:
        raise ValueError("not base64") from problem
    raw = raw.removeprefix(_SPKI) if len(raw) == len(_SPKI) + _KEY_BYTES else raw
    if len(raw) != _KEY_BYTES:
        raise ValueError("not the 32 bytes of an Ed25519 public key")
    return raw


def write_key(raw: bytes) -> str:
    """The key as the configuration has it."""
    return _PREFIX + base64.b64encode(raw).decode()


def fingerprint(raw: bytes) -> str:
    """A key's short name, written as OpenSSH writes its own."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


# --- whether any is needed ---------------------------------------------------------------------------------------


def needed(approvals: Approvals, changes: Iterable[Change]) -> GuardResult | None:
    """What a plan's reader sees where it has to be approved before it is posted; ``None`` where it has not.

    Counted are creates and corrections in absolute value, so that credits do not hide charges.
    """
    total = sum(abs(change.amount or 0) for change in changes if change.action in POSTED_BY_APPLY)
    if not approvals.required or total <= approvals.above:
        return None
    by = _either(tuple(each.name for each in approvals.approvers))
    message = (
        f"{_approvals(approvals.required)} needed above {format_money(approvals.above)}, by {by}, and not by who planned: "
        "save the plan with --out, and let them `chargeplan approve` the file"
    )
    return GuardResult(
        guard=GUARD,
        refused=False,
        unit="cents",
        value=total,
        limit=approvals.above,
        subject="",
        message=message,
    )


def _approvals(count: int) -> str:
    return f"{count} approval{'s are' if count != 1 else ' is'}"


def _either(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


# --- whether there are enough ------------------------------------------------------------------------------------


def is_planner(approver: Approver, planned_by: str) -> bool:
    """Whether the person made the plan, under their name or one of their accounts; capitals distinguish no two people."""
    return planned_by.casefold() in {name.casefold() for name in (approver.name, *approver.accounts)}


def decide(approvals: Approvals, plan: ApprovedPlan, evidence: Sequence[Entry], now: datetime) -> Verdict:
    """Whether the plan may be posted: each entry is asked the questions of `_fault`, and a person counts once."""
    people = {each.name: each for each in approvals.approvers}
    counted: dict[str, Entry] = {}
    passed_over: list[str] = []
    for each in evidence:
        why = _fault(each, people, approvals, plan, now)
        if why:
            passed_over.append(f"line {each.line}: {why}")
        elif each.approval is not None:
            counted.setdefault(each.approval.approver, each)
    waiting = tuple(
        each.name
        for each in approvals.approvers
        if each.name not in counted and not is_planner(each, plan.planned_by)
    )
    missing = max(0, approvals.required - len(counted))
    return Verdict(tuple(counted.values()), tuple(passed_over), missing, waiting)


def _fault(
    evidence: Entry, people: dict[str, Approver], approvals: Approvals, plan: ApprovedPlan, now: datetime
) -> str:
    """Why the entry does not count; empty where it does. What is not signed is not believed, so that comes first."""
    approval = evidence.approval
    if approval is None or evidence.fault == "unreadable":
        return "it is no approval"
    approver = people.get(approval.approver)
    if approver is None or evidence.fault == "unknown":
        return f"the configuration names no approver `{approval.approver[:_NAME]}`"
    if evidence.fault:
        return f"it is not signed with the key that the configuration has of {approver.name}"
    return _not_for(plan, approval, approver) or _out_of_time(approval, approver, approvals, now)


def _not_for(plan: ApprovedPlan, approval: Approval, approver: Approver) -> str:
    if approval.plan != plan:
        return f"{approver.name} approved {_other(plan, approval.plan)}"
    if not plan.planned_by:
        return "the plan file does not say who planned"
    return f"{approver.name} made the plan" if is_planner(approver, plan.planned_by) else ""


def _out_of_time(approval: Approval, approver: Approver, approvals: Approvals, now: datetime) -> str:
    """The configuration's limit holds whatever the approval says of itself."""
    if approval.approved_at > now + _SKEW:
        return f"{approver.name}'s is dated later than now"
    ends = min(approval.expires_at, approval.approved_at + timedelta(hours=approvals.valid_for_hours))
    return f"{approver.name}'s ended at {ends.isoformat(timespec='minutes')}" if ends <= now else ""


def _other(plan: ApprovedPlan, approved: ApprovedPlan) -> str:
    """In what the approved plan is another one."""
    for field, words in (
        ("digest", "another plan"),
        ("environment", "it for another environment"),
        ("api_host", "it for another host"),
        ("journal_id", "it with another journal"),
        ("plan_id", "the same plan saved at another time"),
        ("planned_by", "it as made by somebody else"),
    ):
        if getattr(plan, field) != getattr(approved, field):
            return words
    return "it with other totals"


def refusal(approvals: Approvals, verdict: Verdict, total: int) -> str:
    """Why the plan is not posted: how many approvals count, whose, and why the others do not. ``total`` is in cents."""
    names = ", ".join(each.approval.approver for each in verdict.counted if each.approval)
    counts = f"{len(verdict.counted)} of them given ({names})" if names else "none is given"
    said = (
        f"{format_money(total)} would be posted; {_approvals(approvals.required)} needed above "
        f"{format_money(approvals.above)}, {counts}"
    )
    if verdict.passed_over:
        more = len(verdict.passed_over) - _LISTED
        listed = "; ".join(verdict.passed_over[:_LISTED]) + (f"; and {more:,} more" if more > 0 else "")
        said += f". Not counted: {listed}"
    return said


def way_on(verdict: Verdict, planned_by: str, file: str) -> str:
    """What has to happen before the plan in ``file`` can be posted."""
    if not planned_by:
        return "Plan again: the plan file does not say who planned."
    if len(verdict.waiting) < verdict.missing:
        return (
            f"{planned_by} planned, and can't approve it; too few others may: let somebody else plan, or name more "
            "approvers in the configuration."
        )
    return f"{_either(verdict.waiting)} can approve it: `chargeplan approve {file}`; then apply it."
