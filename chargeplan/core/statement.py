"""What became of what was applied: for each plan the control totals, and the decisions of people, from the journal's events.

planned = accepted = visible is how a month is closed: everything that was approved was taken by Propexo, and everything that
was taken stands on the ledgers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from chargeplan.core.change import Total
from chargeplan.core.dates import Days
from chargeplan.core.posting import LIVE
from chargeplan.core.statement_lines import Concerns, Event, Line, Lines

# Propexo said that it is written, or it was seen, or a person saw it.
_ACCEPTED: Final = frozenset({"accepted", "visible", "posted"})
_VISIBLE: Final = frozenset({"visible", "posted"})
# Of a plan's lines, those that no request ever named.
UNSENT: Final = "unsent"
# Those that did not get there with this plan, and did with another.
POSTED_LATER: Final = "posted_later"
# What a program settles by evidence, it settles in its own name; `resolve` settles in a person's.
_BY_EVIDENCE: Final = "reconcile"
_BY_WORD: Final = frozenset({"posted", "not_posted", "voided"})


class Override(msgspec.Struct, frozen=True):
    """A guard that a person overrode (``max_total=650000.00``), and why."""

    guard: str
    reason: str


class Approved(msgspec.Struct, frozen=True, kw_only=True):
    """A person's approval of a plan: moments as RFC 3339 text, the fingerprint of their key, and their signature in base64."""

    approver: str
    at: str
    expires_at: str
    reason: str
    key: str
    signature: str


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One applied plan: who applied it when, how it was approved, and its control totals as the journal stands now.

    ``accepted`` are the lines that Propexo wrote; ``visible`` those of them that stand on the ledgers, ``by_word`` those of
    these that a person says so of. ``others`` has what is not accepted, by the posting's state, ``unsent`` or ``posted_later``.
    ``approval`` is ``digest``, ``prompt``, ``auto-approve`` or ``plan file``; empty in journals of earlier versions.
    ``approvals`` are those of other people that counted when the plan was first applied.
    ``window`` are the first and last day of the plan's dates as ISO text, both inclusive.
    """

    plan_id: str
    digest: str
    at: str
    actor: str
    environment: str
    approval: str
    window: tuple[str, str]
    overrides: tuple[Override, ...]
    planned: Total
    accepted: Total
    visible: Total
    by_word: Total
    others: dict[str, Total]
    approvals: tuple[Approved, ...] = ()

    @property
    def difference(self) -> Total:
        """Planned less visible."""
        return Total(self.planned.count - self.visible.count, self.planned.amount - self.visible.amount)

    @property
    def balanced(self) -> bool:
        """Whether planned = accepted = visible, in lines and in cents."""
        return self.planned == self.accepted == self.visible


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided outside a plan, and why; ``subject`` is the line, lock or plan that it is about."""

    at: str
    actor: str
    what: str
    subject: str
    count: int
    amount: int
    reason: str


class CodeTotal(msgspec.Struct, frozen=True, kw_only=True):
    """The lines under one charge code of a property: those that were sent, and those of them accepted and visible."""

    property_id: str
    charge_code: str
    sent: Total
    accepted: Total
    visible: Total


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What a part of the record comes to.

    It is of the events from ``since`` through ``through`` (days in UTC, inclusive; ``None``: without a limit), or, with a
    ``period``, of the lines that are dated in it, whenever they were sent, and the plans that billed it, each whole.
    ``references`` are the statement's lines, and ``codes`` their totals.
    """

    since: str | None = None
    through: str | None = None
    period: Days | None = None
    controls: tuple[Control, ...]
    decisions: tuple[Decision, ...]
    events: tuple[Event, ...]
    references: tuple[str, ...]
    codes: tuple[CodeTotal, ...]

    @property
    def planned(self) -> Total:
        """All that was planned."""
        return _sum(each.planned for each in self.controls)

    @property
    def accepted(self) -> Total:
        """All that was accepted."""
        return _sum(each.accepted for each in self.controls)

    @property
    def visible(self) -> Total:
        """All that is visible."""
        return _sum(each.visible for each in self.controls)

    @property
    def balanced(self) -> bool:
        """Whether planned = accepted = visible for every plan, so that no two differences cancel out."""
        return all(each.balanced for each in self.controls)


def statement_of(
    events: Iterable[Event],
    since: str | None,
    through: str | None,
    seen: Mapping[str, int | None] = MappingProxyType({}),
    *,
    period: Days | None = None,
) -> Statement:
    """The statement of the journal's events, oldest first: of the whole record, from ``since`` on, or of a billing period.

    ``seen`` are lines that the ledgers show otherwise than the journal has them: the cents that stand there, ``None`` where
    nothing does any more. What they contradict is not called visible.

    All of them count for how a line stands; plans, decisions and events are listed for the days asked for. A plan is used
    before its lines are sent, so what came before ``since`` is of plans that are not listed.
    """
    lines = Lines()
    listed = []
    for event in events:
        lines.take(event)
        day = str(event["at"])[:10]
        if (since is None or day >= since) and (through is None or day <= through):
            listed.append(event)
    if period is not None:
        concerns = Concerns(lines.dated_in(period), period)
        listed = [event for event in listed if concerns.include(event)]
        references = concerns.references
    else:
        sent = (event["data"]["postings"] for event in listed if event["kind"] == "intended")
        references = dict.fromkeys(str(each["reference"]) for postings in sent for each in postings)
    by_plan, live = lines.by_plan(), lines.live_references()
    controls = tuple(
        _control(event, list(by_plan.get(event["data"]["plan_id"], {}).values()), live, seen)
        for event in listed
        if event["kind"] == "consumed"
    )
    return Statement(
        since=since,
        through=through,
        period=period,
        controls=controls,
        decisions=tuple(found for event in listed if (found := _decision(event)) is not None),
        events=tuple(listed),
        references=tuple(references),
        codes=tuple(_codes(lines.of(references), seen)),
    )


def _codes(lines: Iterable[Line], seen: Mapping[str, int | None]) -> Iterator[CodeTotal]:
    """The lines' totals by property and charge code."""
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.property_id, line.charge_code), []).append(line)
    for (property_id, charge_code), group in sorted(groups.items()):
        yield CodeTotal(
            property_id=property_id,
            charge_code=charge_code,
            sent=_total(group),
            accepted=_total(line for line in group if line.state in _ACCEPTED),
            visible=_standing(group, seen),
        )


def _control(
    event: Event, mine: Sequence[Line], live: frozenset[str], seen: Mapping[str, int | None]
) -> Control:
    data = event["data"]
    facts = data["facts"]
    planned = Total(facts.get("count", 0), facts.get("amount", 0))
    others: dict[str, Total] = {}
    for line in mine:
        if line.state not in _ACCEPTED:
            later = line.state not in LIVE and line.reference in live
            word = POSTED_LATER if later else line.state
            others[word] = others.get(word, Total()).plus(line.amount)
    sent = _total(mine)
    if sent != planned:
        others[UNSENT] = Total(planned.count - sent.count, planned.amount - sent.amount)
    window = facts.get("window") or ("", "")
    return Control(
        plan_id=data["plan_id"],
        digest=data["digest"],
        at=str(event["at"]),
        actor=str(event["actor"]),
        environment=facts.get("environment", ""),
        approval=facts.get("approval", ""),
        window=(window[0], window[1]),
        overrides=tuple(
            Override(each.get("text") or each["guard"], each["reason"])
            for each in facts.get("allowances", ())
        ),
        planned=planned,
        accepted=_total(line for line in mine if line.state in _ACCEPTED),
        visible=_standing(mine, seen),
        by_word=_total(line for line in mine if line.state == "posted"),
        others=others,
        approvals=tuple(approved(facts)),
    )


def _standing(mine: Sequence[Line], seen: Mapping[str, int | None]) -> Total:
    """What of the lines stands on the ledgers, as it is seen there."""
    total = Total()
    for line in mine:
        cents = seen.get(line.reference, line.amount)
        if line.state in _VISIBLE and cents is not None:
            total = total.plus(cents)
    return total


def approved(facts: Mapping[str, Any]) -> Iterator[Approved]:
    """The approvals among what was noted of a plan when it was applied."""
    for each in facts.get("approvals", ()):
        given = each["approval"]
        yield Approved(
            approver=given["approver"],
            at=given["approved_at"],
            expires_at=given["expires_at"],
            reason=given["reason"],
            key=each["key"],
            signature=each["signature"],
        )


def _decision(event: Event) -> Decision | None:
    """The event as a person's decision; ``None`` where evidence decided, or nothing was to decide."""
    data, kind = event["data"], event["kind"]
    what, subject = "", ""
    if kind == "settled" and event["actor"] != _BY_EVIDENCE and data["state"] in _BY_WORD:
        what, subject = str(data["state"]), str(data["reference"])
    elif kind in {"adopted", "rebuilt"}:
        what, subject = kind, _references(data["postings"])
    elif kind == "decided":
        what, subject = str(data["what"]), str(data["reference"])
    elif kind == "lock_unlocked":
        what, subject = kind, str(data.get("property_id", ""))
    if not what:
        return None
    count, amount = data.get("count") or 0, data.get("amount") or 0
    return Decision(
        at=str(event["at"]),
        actor=str(event["actor"]),
        what=what,
        subject=subject,
        count=count,
        amount=amount,
        reason=data.get("reason") or "",
    )


def _references(postings: Iterable[Mapping[str, Any]]) -> str:
    found = [str(each["reference"]) for each in postings]
    return found[0] if len(found) == 1 else ""


def _total(lines: Iterable[Line]) -> Total:
    total = Total()
    for line in lines:
        total = total.plus(line.amount)
    return total


def _sum(totals: Iterable[Total]) -> Total:
    found = list(totals)
    return Total(sum(each.count for each in found), sum(each.amount for each in found))
