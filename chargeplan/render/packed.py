"""The lines of a plan as the report's script reads them: every text once, and rows of numbers that point at the texts.

Twenty thousand lines repeat a few thousand texts; without the repetitions the file can go by e-mail.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from chargeplan.core.change import Change, ChangeSet
from chargeplan.core.line import Skip
from chargeplan.core.money import format_money
from chargeplan.render.escape import terminal
from chargeplan.render.screen import days_billed
from chargeplan.render.terms import Step, exact_text
from chargeplan.render.words import ACTIONS, HINTS, SIGNS, why, why_skipped

Arithmetic = Mapping[str, Sequence[Step]]


class Texts:
    """Texts by number, in the order in which they were first met; made harmless for the eye when they are taken in."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The text's number."""
        known = self._numbers.get(text)
        if known is None:
            known = self._numbers[text] = len(self.all)
            self.all.append(terminal(text))
        return known


def packed_lines(
    change_set: ChangeSet, changes: Sequence[Change], arithmetic: Arithmetic, *, rows: int
) -> dict[str, object]:
    """What the script needs: the texts, the lines, how many of them are on one page, and the words for actions.

    After the lines come the households without one, which are shown when they are searched for: whoever asks for a unit
    sees every charge of it, or the reason why it has none.
    A line is its action, property, unit, charge code, charge, date, cents (or null), text, note, and its details: pairs
    of a name and a value, and the steps of its amount in threes (what, exact, rounded).
    """
    texts = Texts()
    names = Names(change_set)
    return {
        "rows": rows,
        "actions": [
            *([action, SIGNS[action], word] for action, word in ACTIONS.items() if action in SIGNS),
            ["skip", "·", "No line"],
        ],
        "lines": [
            *(_line(texts, names, each, arithmetic.get(each.reference, ())) for each in changes),
            *(_no_line(texts, names, each) for each in change_set.skips),
        ],
        "texts": texts.all,
    }


def _line(texts: Texts, names: Names, change: Change, steps: Sequence[Step]) -> list[object]:
    cells = names.cells(change)
    return [
        list(SIGNS).index(change.action),
        *(texts.number(cell) for cell in cells[:5]),
        change.amount,
        *(texts.number(cell) for cell in cells[5:]),
        [texts.number(text) for pair in details(change) for text in pair],
        [
            texts.number(text)
            for step in steps
            for text in (
                step.what,
                exact_text(step),
                "" if step.cents is None else format_money(step.cents),
            )
        ],
    ]


def _no_line(texts: Texts, names: Names, skip: Skip) -> list[object]:
    reason = why_skipped(skip.reason)
    command = (
        f"chargeplan explain --plan {skip.plan} --charge {skip.charge} --unit {shlex.quote(skip.unit_number)}"
    )
    facts = (
        ("Reason", skip.reason),
        ("Lease and resident", f"{skip.lease_id}, {skip.resident_id}"),
        ("What to do", f"`{command}` shows the dates and the selector that it comes from."),
    )
    day = "" if skip.transaction_date is None else skip.transaction_date.isoformat()
    cells = (
        names.property(skip.property_id),
        skip.unit_number,
        "",
        names.charge(skip.plan, skip.charge),
        day,
    )
    return [
        len(SIGNS),
        *(texts.number(cell) for cell in cells),
        skip.amount,
        texts.number(f"{reason[:1].upper()}{reason[1:]}."),
        texts.number(""),
        [texts.number(text) for pair in facts for text in pair],
        [],
    ]


class Names:
    """How the lines of one plan are named: a plan's name is said only where there are several."""

    def __init__(self, change_set: ChangeSet) -> None:
        self._properties = change_set.property_names
        self._several_plans = len({change.plan for change in change_set.changes}) > 1

    def property(self, property_id: str) -> str:
        """A property's name, else its id."""
        return self._properties.get(property_id, property_id)

    def charge(self, plan: str, charge: str) -> str:
        """A charge, with its plan where there are several."""
        return f"{plan}/{charge}" if self._several_plans else charge

    def cells(self, change: Change) -> tuple[str, str, str, str, str, str, str]:
        """Property, unit, charge code, charge, date, text and note of a line."""
        return (
            self.property(change.property_id),
            f"{change.unit_number}/{change.item}" if change.item else change.unit_number,
            change.charge_code,
            self.charge(change.plan, change.charge),
            change.transaction_date.isoformat(),
            change.description,
            "; ".join(filter(None, (days_billed(change), why(change.action, change.reason)))),
        )


def details(change: Change) -> Iterator[tuple[str, str]]:
    """What a change carries beside its cells, by name; what it does not have is left out."""
    yield "Reference", change.reference
    yield "Service period", f"{change.period.first} to {change.period.last} ({change.period.count} days)"
    if days_billed(change):
        yield "Days billed", f"{change.service.first} to {change.service.last} ({change.service.count} days)"
    if change.detail:
        yield "More", change.detail
    if change.synced is not None:
        amount = "an unknown amount" if change.synced.amount is None else format_money(change.synced.amount)
        day = f" dated {change.synced.transaction_date}" if change.synced.transaction_date else ""
        yield "On the ledger", f"{amount}{day}, charge {change.synced.id}"
    if change.override is not None:
        reason = change.override.reason or "no reason given"
        yield "Override", f"{reason} ({change.place.file}:{change.override.line})"
    if change.notes:
        yield "Notes", change.notes
    yield "Lease and resident", f"{change.lease_id}, {change.resident_id}"
    yield "From", f"{change.plan}/{change.charge}, {change.place.file}:{change.place.line}"
    if hint := HINTS.get(change.action):
        yield "What to do", hint.replace(" REF ", f" {change.reference} ")
