"""The lines of the record as its events have left them, and which events are about a billing period's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import msgspec

from chargeplan.core.dates import Days
from chargeplan.core.posting import LIVE

WITH_POSTINGS: Final = frozenset({"intended", "rebuilt", "adopted"})

Event = Mapping[str, Any]


class Line(msgspec.Struct):
    """One posting, as the events have left it."""

    plan_id: str
    reference: str
    amount: int
    state: str
    property_id: str
    charge_code: str
    day: str


class Lines:
    """Every posting by its number; of a plan and a reference the live one counts, else the newest."""

    def __init__(self) -> None:
        self._by_number: dict[int, Line] = {}

    def take(self, event: Event) -> None:
        """What the event did to postings; the journal's tables follow from the same events."""
        data = event["data"]
        if event["kind"] in WITH_POSTINGS:
            for each in data["postings"]:
                self._by_number[each["id"]] = Line(
                    plan_id=each["plan_id"],
                    reference=each["reference"],
                    amount=each["amount"],
                    state=each["state"],
                    property_id=each["property_id"],
                    charge_code=each["charge_code"],
                    day=each["transaction_date"],
                )
        elif event["kind"] == "recorded":
            self._move(data["ids"], data["state"])
        elif event["kind"] == "settled":
            self._move([data["id"]], data["state"])

    def _move(self, numbers: Iterable[int], state: str) -> None:
        for number in numbers:
            # A line of a plan from before the events that were given is nobody's here.
            if number in self._by_number:
                self._by_number[number].state = state

    def dated_in(self, period: Days) -> dict[int, Line]:
        """The lines of a billing period by their numbers."""
        first, last = period.first.isoformat(), period.last.isoformat()
        return {number: line for number, line in self._by_number.items() if first <= line.day <= last}

    def of(self, references: Collection[str]) -> Iterable[Line]:
        """The line of each reference that counts."""
        found: dict[str, Line] = {}
        for line in self._by_number.values():
            if line.reference in references:
                _count(found, line)
        return found.values()

    def by_plan(self) -> dict[str, dict[str, Line]]:
        """The lines by plan and reference."""
        found: dict[str, dict[str, Line]] = {}
        for line in self._by_number.values():
            _count(found.setdefault(line.plan_id, {}), line)
        return found

    def live_references(self) -> frozenset[str]:
        """The references of all lines that are or may be on a ledger."""
        return frozenset(line.reference for line in self._by_number.values() if line.state in LIVE)


def _count(found: dict[str, Line], line: Line) -> None:
    """Let the line count for its reference, unless one before it is live."""
    if line.reference not in found or found[line.reference].state not in LIVE:
        found[line.reference] = line


class Concerns:
    """Which events are about a billing period: of its lines, of the plans that had some or whose dates reach into it."""

    def __init__(self, lines: Mapping[int, Line], period: Days) -> None:
        self.numbers = frozenset(lines)
        self.plans = frozenset(line.plan_id for line in lines.values())
        self.references = dict.fromkeys(line.reference for line in lines.values())
        self.first, self.last = period.first.isoformat(), period.last.isoformat()

    def include(self, event: Event) -> bool:
        """Whether the event is one of them."""
        data = event["data"]
        match event["kind"]:
            case "consumed":
                first, last = data["facts"].get("window") or ("", "")
                return data["plan_id"] in self.plans or (first <= self.last and self.first <= last)
            case kind if kind in WITH_POSTINGS:
                return any(each["id"] in self.numbers for each in data["postings"])
            case "recorded":
                return not self.numbers.isdisjoint(data["ids"])
            case "settled":
                return data["id"] in self.numbers
            case _:
                return data.get("reference") in self.references
