"""What a change of plans does to the money: two change sets of the same days and the same snapshot, month by month.

A line is known by its reference, so that a charge which was only renamed with `moved` is the same line on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import zip_longest
from typing import Final, Literal

import msgspec

from chargeplan.core.change import BILLED, Change, Total, period_reference
from chargeplan.core.dates import Days
from chargeplan.core.plan import title_of

Verdict = Literal["added", "removed", "changed"]
VERDICTS: Final[tuple[Verdict, ...]] = ("changed", "added", "removed")


class LineDiff(msgspec.Struct, frozen=True):
    """A line that is on one side alone, or is not the same on both."""

    verdict: Verdict
    base: Change | None
    here: Change | None

    @property
    def either(self) -> Change:
        """The line as it is here, else as it was."""
        found = self.here or self.base
        assert found is not None
        return found

    @property
    def difference(self) -> int:
        """What is billed more here, in cents."""
        return (self.here.billed if self.here else 0) - (self.base.billed if self.base else 0)

    @property
    def moved(self) -> int:
        """The cents that are billed otherwise: under another code it is all of them."""
        if self.base and self.here and self.base.charge_code_id != self.here.charge_code_id:
            return abs(self.base.billed) + abs(self.here.billed)
        return abs(self.difference)


class CodeDiff(msgspec.Struct, frozen=True):
    """What a property is billed under a charge code on either side."""

    property_id: str
    charge_code: str
    base: Total
    here: Total

    @property
    def difference(self) -> Total:
        """Here less base."""
        return Total(self.here.count - self.base.count, self.here.amount - self.base.amount)


class MonthDiff(msgspec.Struct, frozen=True):
    """A month's differences: totals of the codes that differ, and the lines that do."""

    month: Days
    totals: tuple[CodeDiff, ...]
    lines: tuple[LineDiff, ...]

    @property
    def difference(self) -> int:
        """What is billed more here in the month, in cents."""
        return sum(each.difference for each in self.lines)

    @property
    def moved(self) -> int:
        """The cents that are billed otherwise, in absolute value: what is less does not hide what is more."""
        return sum(each.moved for each in self.lines)

    def and_(self, other: MonthDiff) -> MonthDiff:
        """The same month of another property added."""
        return MonthDiff(self.month, self.totals + other.totals, self.lines + other.lines)

    def count(self, verdict: Verdict) -> int:
        """How many lines have the verdict."""
        return sum(each.verdict == verdict for each in self.lines)


def diff_of(base: Iterable[Change], here: Iterable[Change], months: Sequence[Days]) -> tuple[MonthDiff, ...]:
    """The differences of each month; a line dated before the first month belongs to the first, as the plan made then posts it."""
    sides = _by_month(base, months), _by_month(here, months)
    return tuple(_month(month, was, now) for month, was, now in zip(months, *sides, strict=True))


def _by_month(changes: Iterable[Change], months: Sequence[Days]) -> list[list[Change]]:
    found: list[list[Change]] = [[] for _ in months]
    for change in changes:
        found[_place(change.transaction_date, months)].append(change)
    return found


def _place(day: date, months: Sequence[Days]) -> int:
    return next((number for number, month in enumerate(months) if day <= month.last), len(months) - 1)


def _month(month: Days, base: Sequence[Change], here: Sequence[Change]) -> MonthDiff:
    lines = tuple(_lines(base, here))
    return MonthDiff(month, tuple(_totals(base, here, lines)), lines)


# --- lines ---------------------------------------------------------------------------------------------------------


def _lines(base: Sequence[Change], here: Sequence[Change]) -> Iterator[LineDiff]:
    """In the order of here, what is gone after it."""
    was, matched = _grouped(base), _grouped(here)
    pairs: list[tuple[Change | None, Change | None]] = []
    for reference, changes in matched.items():
        pairs += zip_longest(was.pop(reference, ()), changes)
    # What was posted already is told by its period here, where the amount is another now: a correction has its own reference.
    alone: dict[str, list[Change]] = {}
    for changes in was.values():
        for change in changes:
            alone.setdefault(period_reference(change), []).append(change)
    for left, right in pairs:
        other = left
        if other is None and right is not None and (waiting := alone.get(period_reference(right))):
            other = waiting.pop(0)
        if (line := _line(other, right)) is not None:
            yield line
    for changes in alone.values():
        yield from (LineDiff("removed", change, None) for change in changes if _is_told(change))


def _grouped(changes: Sequence[Change]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(change.reference, []).append(change)
    return found


def _line(base: Change | None, here: Change | None) -> LineDiff | None:
    if base is None or here is None:
        only = here or base
        verdict: Verdict = "added" if base is None else "removed"
        return LineDiff(verdict, base, here) if only is not None and _is_told(only) else None
    is_same = _seen(base) == _seen(here) and all(
        one == other or _renamed(one, base, here) == other
        for one, other in ((base.description, here.description), (base.notes, here.notes))
    )
    return None if is_same else LineDiff("changed", base, here)


def _is_told(change: Change) -> bool:
    """What was removed upstream is on no ledger and is not posted: neither side bills it."""
    return change.action != "removed_upstream"


def _seen(change: Change) -> tuple[object, ...]:
    """What a household, or who decides about it, would see of the line beside its texts; not what the plans call it."""
    return (
        change.billed, change.action in BILLED, change.reason, change.amount, change.transaction_date, change.service,
        change.charge_code_id,
    )  # fmt: skip


def _renamed(text: str, base: Change, here: Change) -> str:
    """The text with the names that the plan and charge have here: a charge that was only renamed says the same."""
    names = dict(zip(_names(base), _names(here), strict=True))
    pattern = "|".join(re.escape(name) for name in names)
    return re.sub(pattern, lambda found: names[found.group()], text)


def _names(change: Change) -> tuple[str, ...]:
    return (f"{change.plan}/{change.charge}", title_of(change.charge), change.charge, change.plan)


# --- totals --------------------------------------------------------------------------------------------------------


def _totals(base: Sequence[Change], here: Sequence[Change], lines: Sequence[LineDiff]) -> Iterator[CodeDiff]:
    """Of the codes whose money differs for anybody, also where it comes to the same."""
    differing = {
        (change.property_id, change.charge_code): None
        for line in lines
        if line.moved
        for change in (line.base, line.here)
        if change is not None
    }
    was, now = _billed(base), _billed(here)
    for key in differing:
        yield CodeDiff(*key, was.get(key, Total()), now.get(key, Total()))


def _billed(changes: Sequence[Change]) -> dict[tuple[str, str], Total]:
    found: dict[tuple[str, str], Total] = {}
    for change in changes:
        if change.action in BILLED or change.stands:
            key = (change.property_id, change.charge_code)
            found[key] = found.get(key, Total()).plus(change.billed)
    return found
