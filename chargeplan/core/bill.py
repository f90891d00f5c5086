"""Bills: what one household or resident owes of a charge for one service period. The unit of comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

import msgspec

from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.facts import Fact
from chargeplan.core.key import Key
from chargeplan.core.line import AllocationReport, Line, Skip
from chargeplan.core.plan import Charge, Row
from chargeplan.core.terms import Priced


class Bill(msgspec.Struct, frozen=True):
    """Lines of one period under one key, or the reason why there are none.

    ``key`` is that of part 0. ``billed`` are the days that the plan bills, ``lived`` those of the household in the
    period, whatever the plan's own dates say; ``last_lived`` is the household's last day of all. ``cut`` is the last day inside the
    period on which the amount changes. ``restated``: what the plan says of the period says by its own dates that it is about the
    past; ``dated_by_row``: the days come from a roster's row.
    ``alternates`` are keys under which the same household may be known (the primary resident changed).
    ``cost_of`` tells what other billed days of the period would cost now, in cents; ``None`` where that can't be told.
    ``draft`` is a line to write a reversal from where nothing is due. ``priced`` are the lines' days and terms, those
    that cost nothing included; ``facts`` are what the bill was made from, ``row`` the roster's row.
    """

    charge: Charge
    key: Key
    period: Days
    lines: tuple[Line, ...]
    draft: Line
    reason: str | None = None
    billed: Days | None = None
    lived: Days | None = None
    last_lived: date | None = None
    cut: date | None = None
    restated: bool = False
    dated_by_row: bool = False
    alternates: tuple[Key, ...] = ()
    cost_of: Callable[[Days], int | None] | None = None
    correctable: bool = True
    priced: tuple[Priced, ...] = ()
    facts: tuple[Fact, ...] = ()
    row: Row | None = None

    @property
    def held(self) -> str | None:
        """The reason why its lines are held, where they are."""
        return next((line.hold for line in self.lines if line.hold), None)


class HouseholdBills(msgspec.Struct, frozen=True):
    """All bills of a charge for one household; ``skip`` is why there is no line, should none come of them, and ``facts`` say so.

    ``elsewhere`` are the dates of those of its lines that are parts of another household's bill, ``guests`` the
    references of the lines of other households that are parts of its own bills.
    """

    bills: tuple[Bill, ...]
    skip: Skip
    order: int
    facts: tuple[Fact, ...] = ()
    elsewhere: frozenset[date] = frozenset()
    guests: frozenset[str] = frozenset()


class Expansion(msgspec.Struct, frozen=True):
    """What a plan asks for in one property."""

    households: tuple[HouseholdBills, ...]
    allocations: tuple[AllocationReport, ...]
    diagnostics: tuple[Diagnostic, ...]


def one_bill_a_key(households: Sequence[HouseholdBills]) -> tuple[HouseholdBills, ...]:
    """The same, with one bill for each key.

    A key names a unit and a resident, so two stays of one resident in one unit may meet in it: people who move out and
    come back, or who sign with another primary resident. The stay that is billed in the period has the key; where both
    are, the later stay's lines are further parts of the earlier one's bill.
    """
    met: dict[Key, list[Bill]] = {}
    for household in households:
        for bill in household.bills:
            met.setdefault(bill.key, []).append(bill)
    chosen = {key: _united(found) for key, found in met.items() if len(found) > 1}
    if not chosen:
        return tuple(households)
    return tuple(_own(each, chosen) for each in households)


def _own(household: HouseholdBills, chosen: Mapping[Key, tuple[Bill, Bill]]) -> HouseholdBills:
    found: list[Bill] = []
    elsewhere: set[date] = set()
    guests: set[str] = set()
    for bill in household.bills:
        first, united = chosen.get(bill.key, (bill, bill))
        if bill is first:
            found.append(united)
            guests |= {line.reference for line in united.lines[len(bill.lines) :]}
        else:
            elsewhere |= {line.natural_date for line in bill.lines}
    return msgspec.structs.replace(
        household, bills=tuple(found), elsewhere=frozenset(elsewhere), guests=frozenset(guests)
    )


def _united(found: Sequence[Bill]) -> tuple[Bill, Bill]:
    """The bill that has the key, and the same with the lines of the others."""
    stays = [bill for bill in found if bill.billed is not None] or [found[0]]
    first = stays[0]
    if len(stays) == 1:
        return first, first
    lines: list[Line] = []
    number = 0
    for bill in stays:
        for line in bill.lines:
            key = line.key.with_part(number + line.key.part)
            lines.append(msgspec.structs.replace(line, key=key, reference=key.reference))
        number += max(1, len(bill.lines))
    united = msgspec.structs.replace(
        first,
        lines=tuple(lines),
        reason=None if lines else first.reason,
        billed=_around(bill.billed for bill in stays),
        lived=_around(bill.lived for bill in stays),
        last_lived=max((bill.last_lived for bill in stays if bill.last_lived), default=None),
        cut=None,
        cost_of=None,
        correctable=all(bill.correctable for bill in stays),
    )
    return first, united


def _around(spans: Iterable[Days | None]) -> Days | None:
    known = [each for each in spans if each is not None]
    return Days(min(each.first for each in known), max(each.last for each in known)) if known else None
