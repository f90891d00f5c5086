"""Where a line comes from, for a person who asks, and the same as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from chargeplan.core.change import Change
from chargeplan.core.dates import LAST_DAY, Days
from chargeplan.core.evidence import PostedPart
from chargeplan.core.explained import Answer, Answers, Explained
from chargeplan.core.household import Household
from chargeplan.core.line import Skip
from chargeplan.core.money import format_money
from chargeplan.core.observed import Lease, SyncedCharge
from chargeplan.core.posting import Posting
from chargeplan.core.text import period_label
from chargeplan.render.escape import terminal
from chargeplan.render.facts import fact_words
from chargeplan.render.jsondoc import change_entry, posting_entry
from chargeplan.render.paper import ACTION_STYLES, DEFAULT_WIDTH, Column, Paper, Row, table
from chargeplan.render.terms import Step, all_steps, exact_text
from chargeplan.render.words import ACTIONS, HINTS, why, why_skipped

_INDENT: Final = "  "
_SKIP_KEYS: Final = (
    "plan",
    "charge",
    "property_id",
    "lease_id",
    "resident_id",
    "unit_number",
    "reason",
    "detail",
)
_STATES: Final = {
    "intended": "unknown",
    "unknown": "unknown",
    "queued": "in_flight",
    "accepted": "in_flight",
}
_NEXT: Final = {
    "create": "Nothing is wrong: `chargeplan apply` posts it.",
    "correct": "`chargeplan apply` posts the difference.",
    "unchanged": "Nothing is to be done.",
    "drift": "Nothing is posted by itself: correct it on the ledger, or set `on_drift: adjust` to have the difference posted.",
}


def explain_screen(answers: Answers, *, color: bool = False, width: int = DEFAULT_WIDTH) -> str:
    """Each answer as a few short sections."""
    paper = Paper(color, width)
    blocks = [_answer_lines(paper, answers, each) for each in answers.found]
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks)


def _answer_lines(paper: Paper, answers: Answers, answer: Answer) -> list[str]:
    if answer.change is not None:
        lines = _change_head(paper, answer.change)
    elif answer.skip is not None:
        lines = _skip_head(paper, answers, answer.skip, answer.source)
    else:
        lines = _recorded_head(paper, answers, answer.postings)
    explained = answer.explained
    if explained is not None:
        lines += _section(paper, "Household", _household(explained.household))
        lines += _section(paper, "Because" if answer.skip else "Period", _facts(explained))
        lines += _amount(paper, explained)
    if answer.change is not None:
        lines += _section(paper, "Ledger", list(_ledger(answer.change, explained)))
    lines += _section(paper, "Journal", list(_journal(answer)))
    return [*lines, *_section(paper, "Next", [next_step(answer)])]


def _section(paper: Paper, title: str, sentences: Sequence[str]) -> list[str]:
    said = [line for each in sentences if each for line in paper.prose(each, _INDENT)]
    return [paper.ink(title, "bold"), *said] if said else []


# --- heads -----------------------------------------------------------------------------------------------------------


def _change_head(paper: Paper, change: Change) -> list[str]:
    amount = "no amount" if change.amount is None else format_money(change.amount)
    item = f" {change.item}" if change.item else ""
    what = f"{change.charge}{item} for unit {change.unit_number}, {period_label(change.period)}: {amount}"
    sentence = why(change.action, change.reason)
    said = f"{ACTIONS.get(change.action, change.action)}{': ' + sentence if sentence else ''}"
    lines = [paper.ink(terminal(what), "bold")]
    lines += [
        paper.ink(line, ACTION_STYLES.get(change.action, "plain")) for line in paper.prose(said, _INDENT)
    ]
    lines += paper.prose(change.detail, _INDENT) if change.detail else []
    lines += paper.prose(f"{change.reference}, {change.plan}/{change.charge} at {_place(change)}", _INDENT)
    lines += paper.prose(
        f"“{change.description}”, {change.charge_code}, dated {change.transaction_date}", _INDENT
    )
    return lines


def _place(change: Change) -> str:
    return f"{change.place.file}:{change.place.line}"


def _skip_head(paper: Paper, answers: Answers, skip: Skip, source: str) -> list[str]:
    what = f"{skip.charge} for unit {skip.unit_number}: no line from {answers.window.first} through {answers.window.last}"
    where = f" at {source}" if source else ""
    return [
        paper.ink(terminal(what), "bold"),
        *paper.prose(_sentence(f"{why_skipped(skip.reason)} ({skip.reason})"), _INDENT),
        *paper.prose(f"{skip.plan}/{skip.charge}{where}, resident {skip.resident_id}", _INDENT),
    ]


def _recorded_head(paper: Paper, answers: Answers, postings: Sequence[Posting]) -> list[str]:
    last = postings[-1]
    what = f"{last.charge} for unit {last.unit_number}: {format_money(last.amount)} dated {last.transaction_date}"
    place = f"{last.source_file}:{last.source_line}"
    known = f"{last.reference} is in the journal, and no plan asks for it from {answers.window.first} through {answers.window.last}."
    return [
        paper.ink(terminal(what), "bold"),
        *paper.prose(known, _INDENT),
        *paper.prose(f"It came from {last.plan}/{last.charge} at {place}: “{last.description}”", _INDENT),
    ]


# --- sections --------------------------------------------------------------------------------------------------------


def _household(household: Household) -> list[str]:
    """The leases with their dates, the people by id, and the days of the household."""
    people = ", ".join(_person(each.resident_id, household) for each in household.members())
    occupied = household.occupied
    lives = f"occupied {_days(occupied)}" if occupied else "no occupied day"
    return [
        *map(_lease, household.leases),
        f"residents {people}" if people else "nobody may be charged",
        lives,
    ]


def _person(resident_id: str, household: Household) -> str:
    return f"{resident_id} (primary)" if resident_id == household.primary_id else resident_id


def _lease(lease: Lease) -> str:
    dates = [f"{lease.start or 'unknown'} to {lease.end or 'open'}"]
    for word, day in (
        ("moved in", lease.realized_move_in),
        ("to move in", None if lease.realized_move_in else lease.scheduled_move_in),
        ("moved out", lease.realized_move_out),
        ("to move out", None if lease.realized_move_out else lease.scheduled_move_out),
    ):
        dates += [f"{word} {day}"] if day else []
    rent = "rent not known" if lease.rent is None else f"rent {format_money(lease.rent)}"
    return f"lease {lease.id}, {lease.status}, {', '.join(dates)}, {rent}"


def _days(days: Days) -> str:
    return f"{days.first} through {'open' if days.last == LAST_DAY else days.last}"


def _facts(explained: Explained) -> list[str]:
    return [f"{fact.what}: {fact_words(fact.value)}" for fact in explained.facts]


def _amount(paper: Paper, explained: Explained) -> list[str]:
    """The steps in three columns: what, exact, rounded."""
    steps = all_steps(explained.terms)
    if not steps:
        return []
    columns = [Column(""), Column("exact", right=True), Column("rounded", right=True)]
    rows = [Row((step.what, exact_text(step), _cents(step))) for step in steps]
    return [paper.ink("Amount", "bold"), *table(paper, columns, rows, _INDENT)]


def _cents(step: Step) -> str:
    return "" if step.cents is None else format_money(step.cents)


def _ledger(change: Change, explained: Explained | None) -> Iterator[str]:
    """The charge that was found for the line, what was posted of its period, and what else is there."""
    posted = explained.posted if explained else ()
    shown = {each.synced.id for each in posted if each.synced}
    if not posted:
        yield "No charge of this line is known."
    for each in posted:
        yield _posted(each)
    for charge in explained.beside if explained else ():
        if charge.id not in shown:
            yield f"Also there under {change.charge_code}: {_charge(charge)}"
            shown.add(charge.id)
    if change.synced is not None and change.synced.id not in shown:
        amount = "an unknown amount" if change.synced.amount is None else format_money(change.synced.amount)
        yield f"Found: charge {change.synced.id} of {amount}, dated {change.synced.transaction_date}"


def _posted(part: PostedPart) -> str:
    seen = f"{_charge(part.synced)}" if part.synced else "not seen on the ledger"
    return f"{part.reference}, {format_money(part.amount)}, {part.status.replace('_', ' ')}: {seen}"


def _charge(charge: SyncedCharge) -> str:
    amount = "an unknown amount" if charge.amount is None else format_money(charge.amount)
    text = f" “{charge.description}”" if charge.description else ""
    still = "" if charge.open_amount is None else f", {format_money(charge.open_amount)} open"
    seen = f", last seen {charge.last_seen}" if charge.last_seen else ""
    return f"charge {charge.id} of {amount}, dated {charge.transaction_date}{text}{still}{seen}"


def _journal(answer: Answer) -> Iterator[str]:
    """Each posting as it stands, then the events, oldest first."""
    for posting in answer.postings:
        job = f", job {posting.job_id}" if posting.job_id else ""
        error = f": {posting.error}" if posting.error else ""
        state = f"{posting.state} since {posting.since}" if posting.since else posting.state
        yield f"Posting of {format_money(posting.amount)}: {state}, batch {posting.batch_id or 'none'}{job}{error}"
    for event in answer.events:
        yield _event(event_entry(event))
    if answer.change is not None and not answer.postings:
        yield "It was never sent."


def _event(entry: Mapping[str, Any]) -> str:
    state = f" {entry['state']}" if entry["state"] and entry["state"] != entry["kind"] else ""
    reason = f": {entry['reason']}" if entry["reason"] else ""
    return f"{entry['at']}  {entry['kind']}{state} by {entry['actor']}{reason}"


def next_step(answer: Answer) -> str:
    """What a person does next."""
    change = answer.change
    if change is None:
        state = answer.postings[-1].state if answer.postings and answer.skip is None else ""
        return _named(HINTS.get(_STATES.get(state, ""), ""), answer.postings[-1].reference) if state else ""
    if change.action == "hold":
        if change.reason == "probable_duplicate" and change.synced is not None:
            adopt = f"`chargeplan adopt {change.synced.id} --as {change.reference} --reason TEXT`"
            return f"If that charge is this line, {adopt}. If it is not, reverse it on the ledger, or post this one by hand."
        sentence = why("hold", change.reason)
        return f"{_sentence(sentence)} Then plan again."
    return _named(HINTS.get(change.action) or _NEXT.get(change.action, ""), change.reference)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _named(hint: str, reference: str) -> str:
    """The hint with the reference in its command, ready to copy."""
    return hint.replace(" REF ", f" {reference} ")


# --- the document ----------------------------------------------------------------------------------------------------


def explain_document(answers: Answers) -> dict[str, Any]:
    """The document of ``explain --json``: lines, households without one, and what only the journal knows."""
    return {
        "kind": "explain",
        "as_of": answers.as_of.isoformat(),
        "window": _span(answers.window),
        "reference_number": answers.reference,
        "lines": [_line_entry(each, each.change) for each in answers.found if each.change is not None],
        "skips": [_skip_entry(each, each.skip) for each in answers.found if each.skip is not None],
        "recorded": [
            _record_entry(each) for each in answers.found if each.change is None and each.skip is None
        ],
    }


def _span(days: Days) -> dict[str, Any]:
    last = None if days.last == LAST_DAY else days.last.isoformat()
    return {"from": days.first.isoformat(), "through": last}


def _line_entry(answer: Answer, change: Change) -> dict[str, Any]:
    explained = answer.explained
    return {
        **change_entry(change),
        "period": _span(change.period),
        "sentence": why(change.action, change.reason),
        **_explained_entry(explained),
        "posted": [_part_entry(each) for each in explained.posted] if explained else [],
        "ledger": [_charge_entry(each) for each in explained.beside] if explained else [],
        **_journal_entry(answer),
        "next": next_step(answer),
    }


def _skip_entry(answer: Answer, skip: Skip) -> dict[str, Any]:
    file, _, line = answer.source.rpartition(":")
    return {
        **{name: getattr(skip, name) for name in _SKIP_KEYS},
        "sentence": why_skipped(skip.reason),
        "source": {"file": file, "line": int(line)} if file else None,
        **_explained_entry(answer.explained),
        **_journal_entry(answer),
    }


def _record_entry(answer: Answer) -> dict[str, Any]:
    return {**_journal_entry(answer), "next": next_step(answer)}


def _explained_entry(explained: Explained | None) -> dict[str, Any]:
    if explained is None:
        return {"household": None, "facts": [], "terms": [], "explained": False}
    household = explained.household
    return {
        "household": {
            "unit_id": household.unit.id,
            "unit_number": household.unit.number,
            "primary_resident_id": household.primary_id,
            "resident_ids": [each.resident_id for each in household.members()],
            "occupied": _span(household.occupied) if household.occupied else None,
            "leases": [msgspec.to_builtins(each) for each in household.leases],
        },
        "facts": [{"what": fact.what, "value": fact_words(fact.value)} for fact in explained.facts],
        "terms": [
            {"what": step.what, "exact_in_cents": step.exact or None, "amount_in_cents": step.cents}
            for step in all_steps(explained.terms)
        ],
        "explained": bool(explained.terms),
    }


def _part_entry(part: PostedPart) -> dict[str, Any]:
    return {
        "reference_number": part.reference,
        "part": part.part,
        "status": part.status,
        "amount_in_cents": part.amount,
        "charge": _charge_entry(part.synced) if part.synced else None,
    }


def _charge_entry(charge: SyncedCharge) -> dict[str, Any]:
    return {
        "id": charge.id,
        "amount_in_cents": charge.amount,
        "open_in_cents": charge.open_amount,
        "transaction_date": charge.transaction_date.isoformat() if charge.transaction_date else None,
        "reference_number": charge.reference,
        "description": charge.description,
        "last_seen": charge.last_seen,
    }


def _journal_entry(answer: Answer) -> dict[str, Any]:
    return {
        "postings": [posting_entry(each, _STATES.get(each.state, each.state)) for each in answer.postings],
        "events": [event_entry(each) for each in answer.events],
    }


def event_entry(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event without the other lines of its batch."""
    data = event.get("data") or {}
    errors = "; ".join(str(each) for each in data.get("errors") or ())
    return {
        "at": event.get("at"),
        "kind": event.get("kind"),
        "actor": event.get("actor"),
        "state": data.get("state"),
        "reason": data.get("reason") or errors or data.get("error"),
        "plan_id": event.get("plan_id"),
        "batch_id": event.get("batch_id"),
        "job_id": data.get("job_id"),
        "charge_id": data.get("charge_id"),
    }
