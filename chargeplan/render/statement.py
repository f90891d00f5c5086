"""What was posted, as a month-end statement in HTML, and as rows of the CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final

import msgspec

from chargeplan.core.change import Total
from chargeplan.core.money import format_money
from chargeplan.core.statement import POSTED_LATER, UNSENT, Control, Statement, approved
from chargeplan.render.page import page
from chargeplan.render.paper import DEFAULT_WIDTH, Column, Paper, Row, table
from chargeplan.render.words import count_of

# Events in the file; the record itself has all.
_EVENTS: Final = 1000

_APPROVALS: Final = {
    "digest": "the digest was given",
    "prompt": "confirmed at the prompt",
    "auto-approve": "`--auto-approve`",
    "plan file": "a saved plan was applied",
    "": "not recorded",
}
_OTHERS: Final = {
    "intended": "sent, outcome unknown",
    "queued": "in flight",
    "unknown": "unknown",
    "refused": "refused",
    "withdrawn": "not sent",
    "not_posted": "not posted",
    UNSENT: "not sent",
    POSTED_LATER: "posted later with another plan",
}
_DECISIONS: Final = {
    "posted": "Said to be on the ledger",
    "not_posted": "Said not to be on the ledger",
    "adopted": "A charge taken as our line",
    "rebuilt": "Taken into the journal again",
    "lock_unlocked": "A lock taken from its owner",
    "unrelated": "A charge is another matter",
    "related": "A charge may be the line after all",
    "accepted": "A drift is right as it is",
    "reopened": "A drift is open again",
    "contradicted": "The write log contradicts a person",
    "confirmed": "A person stands by their word against the write log",
    "voided": "Rightly taken off the ledger",
}
_EVENTS_SAID: Final = {
    "created": "journal created",
    "consumed": "plan applied",
    "intended": "batch about to be sent",
    "recorded": "outcome of a batch",
    "settled": "line settled",
    "adopted": "charge adopted",
    "decided": "a person decided",
    "rebuilt": "journal rebuilt",
    "imported": "journal imported",
    "migrated": "journal migrated",
}


# Locks come and go with every run; who took one away from whom is a decision, and told as one.
_UNTOLD: Final = frozenset({"locks_taken", "lock_broken", "lock_unlocked"})


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """One event in the table, or several of a kind in a row: what happened, to what it came, and why."""

    at: str
    said: str
    actor: str
    plan_id: str
    count: int | None
    amount: int | None
    reason: str


def statement_html(
    statement: Statement, *, environment: str, names: Mapping[str, str] = MappingProxyType({})
) -> str:
    """The statement: control totals first, then overrides and decisions with their reasons, then the events.

    ``names`` are what the properties are called, by id.
    """
    lines = list(_lines(statement))
    values = {
        "title": f"Statement of charges, {environment}",
        "environment": environment,
        "days": _days(statement),
        "statement": statement,
        "names": names,
        "plans_are": "that billed the month, whole" if statement.period else "that was applied in these days",
        "verdict": _verdict(statement),
        "difference": Total(
            statement.planned.count - statement.visible.count,
            statement.planned.amount - statement.visible.amount,
        ),
        "approvals": _APPROVALS,
        "decisions_said": _DECISIONS,
        "open": {each.plan_id: list(_open(each)) for each in statement.controls},
        "events": lines[-_EVENTS:],
        "left_out": max(0, len(lines) - _EVENTS),
    }
    return page("statement.html.j2", values)


def codes_screen(
    statement: Statement, names: Mapping[str, str], *, color: bool = False, width: int = DEFAULT_WIDTH
) -> str:
    """The lines' totals by property and code, as a table."""
    columns = [Column("Property"), Column("Charge code"), Column("Lines", right=True)]
    columns += [Column(word, right=True) for word in ("Sent", "Accepted", "Visible")]
    rows = [
        Row(
            (
                names.get(each.property_id, each.property_id),
                each.charge_code,
                f"{each.sent.count:,}",
                *(format_money(total.amount) for total in (each.sent, each.accepted, each.visible)),
            )
        )
        for each in statement.codes
    ]
    return "".join(f"{line}\n" for line in table(Paper(color, width), columns, rows))


def _days(statement: Statement) -> str:
    if statement.period is not None:
        return f"{statement.period.first:%B %Y}"
    if statement.since is None and statement.through is None:
        return "the whole record"
    if statement.through is None:
        return f"from {statement.since}"
    return f"{statement.since} to {statement.through}" if statement.since else f"through {statement.through}"


def _verdict(statement: Statement) -> str:
    if not statement.controls:
        return "No plan billed this month." if statement.period else "No plan was applied in these days."
    plans = count_of(len(statement.controls), "plan")
    if statement.balanced:
        return f"Planned = accepted = visible. Every line of {plans} stands on the ledgers."
    wrong = sum(not each.balanced for each in statement.controls)
    return f"Not balanced: {wrong:,} of {plans} {'has' if wrong == 1 else 'have'} lines that do not stand on the ledgers, or not yet."


def _open(control: Control) -> Iterator[str]:
    """What explains the difference, in words."""
    unseen = Total(
        control.accepted.count - control.visible.count, control.accepted.amount - control.visible.amount
    )
    if unseen.count:
        yield _counted(unseen, "accepted, not visible yet")
    for word, total in control.others.items():
        yield _counted(total, _OTHERS.get(word, word))
    if control.by_word.count:
        yield _counted(control.by_word, "visible by a person's word")


def _counted(total: Total, what: str) -> str:
    return f"{total.count:,} {what} ({format_money(total.amount)})"


def _lines(statement: Statement) -> Iterator[_Line]:
    """The events; lines that were settled one by one, for the same reason, are told together."""
    told = (_line(event) for event in statement.events if event["kind"] not in _UNTOLD)
    for (said, actor, plan_id, reason), run in groupby(
        told, key=lambda each: (each.said, each.actor, each.plan_id, each.reason)
    ):
        each, *rest = run
        if not rest or each.count is None:
            yield each
            yield from rest
            continue
        together = (each, *rest)
        count, amount = sum(line.count or 0 for line in together), sum(line.amount or 0 for line in together)
        yield _Line(
            at=each.at, said=said, actor=actor, plan_id=plan_id, count=count, amount=amount, reason=reason
        )


def statement_records(statement: Statement) -> Iterator[dict[str, str]]:
    """The events as rows for `history_screen`; lines settled one by one for the same reason are one row."""
    for each in _lines(statement):
        yield {
            "at": each.at[:19].replace("T", " "),
            "what": each.said,
            "who": each.actor,
            "plan": each.plan_id,
            "lines": "" if each.count is None else f"{each.count:,}",
            "amount": "" if each.amount is None else format_money(each.amount),
            "why": each.reason,
        }


def _line(event: Mapping[str, Any]) -> _Line:
    data = event["data"]
    kind = str(event["kind"])
    said = _EVENTS_SAID.get(kind, kind.replace("_", " "))
    state = data.get("state")
    # What a plan comes to is among the facts that were noted of it.
    facts = data["facts"] if kind == "consumed" else event
    return _Line(
        at=str(event["at"]),
        said=f"{said}: {str(state).replace('_', ' ')}" if state else said,
        actor=str(event["actor"]),
        plan_id=str(event.get("plan_id") or ""),
        count=facts.get("count"),
        amount=facts.get("amount"),
        reason="; ".join(filter(None, (_signed(facts) if kind == "consumed" else "", _reason(data)))),
    )


def _signed(facts: Mapping[str, Any]) -> str:
    names = [f"{each.approver} ({each.reason})" if each.reason else each.approver for each in approved(facts)]
    return f"approved by {', '.join(names)}" if names else ""


def _reason(data: Mapping[str, Any]) -> str:
    """Why: the reason that was given, what Propexo answered, or the overrides of a plan."""
    allowances = data.get("facts", {}).get("allowances", ()) if "facts" in data else ()
    overrides = [f"{each.get('text') or each['guard']}: {each['reason']}" for each in allowances]
    errors = [str(each) for each in data.get("errors") or ()]
    return "; ".join(
        [*filter(None, [str(data.get("reason") or data.get("cause") or "")]), *errors, *overrides]
    )
