"""How it stands with the approvals of a saved plan, on screen and as JSON (interface.md, *Guards*)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from chargeplan.core.approval import Approval, Verdict, way_on
from chargeplan.render.escape import terminal
from chargeplan.render.paper import Paper, Style
from chargeplan.render.words import more

_INDENT: Final = "  "
_NOT_COUNTED: Final = 10


class Standing(msgspec.Struct, frozen=True):
    """Whose approvals of the plan in ``file`` count now; ``required`` is 0 where the configuration asks for none."""

    file: str
    planned_by: str
    required: int
    verdict: Verdict

    @property
    def missing(self) -> int:
        """How many are missing still."""
        return self.verdict.missing if self.required else 0


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """An approval that was given, with the fingerprint of its key, and what all that were given come to."""

    approval: Approval
    verdict: Verdict
    key: str
    file: str
    required: int

    @property
    def names(self) -> list[str]:
        """Whose approvals count."""
        return [entry.approval.approver for entry in self.verdict.counted if entry.approval]


class Unverified(msgspec.Struct, frozen=True):
    """Why no signature could be verified here. What is not verified is not told either: anybody may have written it."""

    why: str


# --- on screen -----------------------------------------------------------------------------------------------------


def approval_lines(paper: Paper, known: Standing | Unverified | None, *, whole: bool) -> list[str]:
    """Who approved, when, and with which key; what does not count and why; and who may still approve."""
    match known:
        case None:
            return []
        case Unverified():
            return _folded(paper, "Approvals: not verified here", "warn") + paper.prose(known.why, _INDENT)
        case Standing():
            return _standing(paper, known, whole=whole)


def _standing(paper: Paper, known: Standing, *, whole: bool) -> list[str]:
    lines = _folded(paper, _title(known), "warn" if known.missing else "good")
    for each in known.verdict.counted:
        if each.approval:
            lines += paper.prose(_given(each.approval), _INDENT)
            lines += paper.prose(f"the signature is good, by the key {each.key}", _INDENT * 2)
    passed_over = known.verdict.passed_over
    shown = passed_over if whole else passed_over[:_NOT_COUNTED]
    for why in shown:
        lines += paper.prose(f"not counted: {why}", _INDENT)
    if len(shown) < len(passed_over):
        lines.append(_INDENT + more(f"{len(passed_over) - len(shown):,}"))
    if known.missing:
        lines += paper.prose(way_on(known.verdict, known.planned_by, known.file), _INDENT)
    return lines


def _title(known: Standing) -> str:
    by = f"; planned by {known.planned_by}" if known.planned_by else ""
    if not known.required:
        return f"Approvals: the configuration asks for none{by}"
    missing = f", {known.missing} missing" if known.missing else ""
    return f"Approvals: {len(known.verdict.counted)} of {known.required} given{missing}{by}"


def _given(approval: Approval) -> str:
    reason = f": {approval.reason}" if approval.reason else ""
    return (
        f"{approval.approver} at {moment(approval.approved_at)}, until {moment(approval.expires_at)}{reason}"
    )


def _folded(paper: Paper, text: str, style: Style) -> list[str]:
    return [paper.ink(line, style) for line in paper.prose(text)]


# --- as JSON -------------------------------------------------------------------------------------------------------


def approvals_entry(known: Standing | Unverified) -> dict[str, Any]:
    """The same for the plan document; ``unverified`` is empty where the signatures were verified."""
    if isinstance(known, Unverified):
        return {
            "required": None,
            "missing": None,
            "counted": [],
            "not_counted": [],
            "waiting": [],
            "unverified": known.why,
        }
    return {
        "required": known.required,
        "missing": known.missing,
        "counted": [
            {
                "approver": each.approval.approver,
                "approved_at": moment(each.approval.approved_at),
                "expires_at": moment(each.approval.expires_at),
                "reason": each.approval.reason,
                "key": each.key,
            }
            for each in known.verdict.counted
            if each.approval
        ],
        "not_counted": list(known.verdict.passed_over),
        "waiting": list(known.verdict.waiting),
        "unverified": "",
    }


def moment(when: datetime) -> str:
    """RFC 3339 to the second, in UTC with a ``Z``."""
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")


# --- an approval that was given ------------------------------------------------------------------------------------


def signed_document(said: Signed) -> dict[str, Any]:
    """The approval as JSON."""
    approval = said.approval
    return {
        "kind": "approval",
        "plan_id": approval.plan.plan_id,
        "digest": approval.plan.digest,
        "planned_by": approval.plan.planned_by,
        "approver": approval.approver,
        "key": said.key,
        "approved_at": moment(approval.approved_at),
        "expires_at": moment(approval.expires_at),
        "reason": approval.reason,
        "file": said.file,
        "required": said.required,
        "given": said.names,
        "missing": said.verdict.missing,
    }


def signed_screen(said: Signed) -> str:
    """Who approved until when, and whether that is enough."""
    until = moment(said.approval.expires_at)
    lines = (
        f"Approved by {said.approval.approver} until {until}, in {said.file} ({said.key}).",
        f"{len(said.names)} of {said.required} approvals: {', '.join(said.names)}.",
    )
    return "".join(f"{terminal(line)}\n" for line in lines)
