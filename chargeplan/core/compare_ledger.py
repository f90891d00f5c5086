"""The shadow run: what the plans bill beside what is on the ledgers, whoever put it there (interface.md, `compare`).

It knows no journal and holds nothing, so it is for months before chargeplan as well as after. A charge belongs to the month of its
``post_month``, without one to that of its date. Within a month, of the same people and code, a line takes

1. the charge with its own reference, and those of its corrections,
2. else one of its very amount, the nearest date first,
3. else, of what is left of both, the one whose amount is nearest and of the same sign.

Each charge is taken once. What is left on either side is a line of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Literal

import msgspec

from chargeplan.core.bill import Bill, Expansion, HouseholdBills
from chargeplan.core.change import Change, Total, change_of
from chargeplan.core.dates import ONE_DAY, Days, add_months, month_number
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.due import Expander
from chargeplan.core.household import Household
from chargeplan.core.key import FIRST_CORRECTION_PART, is_reference
from chargeplan.core.line import Line
from chargeplan.core.observed import SyncedCharge, day_of
from chargeplan.core.property_plan import PropertyValues, setting_of

Verdict = Literal["equal", "other_amount", "only_plan", "only_ledger"]
VERDICTS: tuple[Verdict, ...] = ("other_amount", "only_plan", "only_ledger", "equal")

_Place = tuple[int, int, str]
"""A month (its number), a household (by position) and a charge code's id."""


class ComparedLine(msgspec.Struct, frozen=True):
    """A line with what is on the ledger for it, or a charge that no line asks for (``change`` is ``None``).

    ``cause`` is why the two differ, as a word; empty where they do not.
    """

    verdict: Verdict
    property_id: str
    charge_code: str
    unit_number: str
    day: date
    change: Change | None
    charges: tuple[SyncedCharge, ...]
    cause: str = ""

    @property
    def planned(self) -> int:
        """The plan's cents; 0 where it has no line, or no amount for it."""
        return (self.change.amount or 0) if self.change is not None else 0

    @property
    def on_ledger(self) -> int:
        """The ledger's cents."""
        return sum(each.amount or 0 for each in self.charges)

    @property
    def difference(self) -> int:
        """Ledger less plan, in cents."""
        return self.on_ledger - self.planned


class CodeTotals(msgspec.Struct, frozen=True):
    """One charge code of one property: both sides, and how they fall apart.

    The amount of ``other_amount`` is the difference, ledger less plan; of the other verdicts it is what the lines come to.
    """

    property_id: str
    charge_code: str
    plan: Total = Total()
    ledger: Total = Total()
    equal: Total = Total()
    other_amount: Total = Total()
    only_plan: Total = Total()
    only_ledger: Total = Total()

    def with_line(self, line: ComparedLine) -> CodeTotals:
        """One more line."""
        amounts = {"other_amount": line.difference, "only_ledger": line.on_ledger}
        counted: Total = getattr(self, line.verdict)
        ledger = self.ledger
        for charge in line.charges:
            ledger = ledger.plus(charge.amount)
        return msgspec.structs.replace(
            self,
            plan=self.plan if line.change is None else self.plan.plus(line.planned),
            ledger=ledger,
            **{line.verdict: counted.plus(amounts.get(line.verdict, line.planned))},
        )


class LedgerComparison(msgspec.Struct, frozen=True):
    """What one property's plans and ledgers have, in canonical order; equal lines only where they were asked for."""

    totals: tuple[CodeTotals, ...]
    lines: tuple[ComparedLine, ...]
    diagnostics: tuple[Diagnostic, ...]


def compare_ledger(values: PropertyValues, *, listing_equal: bool = False) -> LedgerComparison:
    """Expand every plan of the property for the window and match its lines with the charges."""
    expansions = [Expander(setting_of(values, plan, {})).run() for plan in values.plans]
    matching = _Matching(values, expansions)
    totals: dict[tuple[str, str], CodeTotals] = {}
    listed: list[ComparedLine] = []
    for line in matching.lines():
        known = (line.charge_code, line.property_id)
        total = totals.get(known) or CodeTotals(line.property_id, line.charge_code)
        totals[known] = total.with_line(line)
        if listing_equal or line.verdict != "equal":
            listed.append(line)
    problems = [each for expansion in expansions for each in expansion.diagnostics]
    problems += [each for line in matching.asked for each in line.line.problems]
    return LedgerComparison(
        tuple(totals[known] for known in sorted(totals)), tuple(listed), tuple(dict.fromkeys(problems))
    )


class Homes:
    """Which households a charge may stand on: those of its lease or resident, else those who live in its unit."""

    def __init__(self, everyone: Sequence[Household]) -> None:
        self._everyone = everyone
        self._known: dict[str, list[int]] = defaultdict(list)
        self._by_unit: dict[str, list[int]] = defaultdict(list)
        for order, household in enumerate(everyone):
            self._by_unit[household.unit.id].append(order)
            for name in {lease.id for lease in household.leases} | {
                each.resident_id for each in household.members()
            }:
                self._known[name].append(order)

    def of(self, charge: SyncedCharge, day: date) -> Sequence[int]:
        """Their positions, the likeliest first: who lives there on the day, then the latest."""
        theirs = set(self._known.get(charge.lease_id or "", ())) | set(
            self._known.get(charge.resident_id or "", ())
        )
        here = self._by_unit.get(charge.unit_id or "", ())
        if not theirs:
            return [order for order in here if self._lives(order, day)]
        chosen = theirs.intersection(here) or theirs
        return sorted(chosen, key=lambda order: (not self._lives(order, day), -order))

    def _lives(self, order: int, day: date) -> bool:
        occupied = self._everyone[order].occupied
        return occupied is not None and day in occupied


class _Asked(msgspec.Struct, frozen=True):
    """A line that the plans ask for, with the bill and the household that it is of."""

    line: Line
    bill: Bill
    order: int

    @property
    def place(self) -> _Place:
        return month_number(self.line.natural_date), self.order, self.line.charge_code_id

    def may_take(self, charge: SyncedCharge) -> bool:
        """Where each resident has lines of their own, another's charge is no line of this one."""
        alone = self.bill.charge.who.resident == "all" or self.bill.charge.split is not None
        return not alone or charge.resident_id in {None, self.line.key.resident_id}


class _Matching:
    """The lines and charges of one property's window, each charge taken once."""

    def __init__(self, values: PropertyValues, expansions: Sequence[Expansion]) -> None:
        self._values, self._expansions = values, expansions
        self._homes = Homes(values.everyone)
        self._days: dict[str, date] = {}
        self._orders: dict[str, Sequence[int]] = {}
        self._pools: dict[_Place, list[SyncedCharge]] = defaultdict(list)
        self._charges = [each for each in values.observed.charges if self._takes_in(each)]
        self._by_reference = {each.reference: each for each in self._charges if is_reference(each.reference)}
        self.asked = list(self._due(values.window))
        self._taken: dict[str, Sequence[SyncedCharge]] = {}
        self._free = {each.id for each in self._charges}
        self._codes = {each.id: each.shown for each in values.observed.charge_codes}

    def _takes_in(self, charge: SyncedCharge) -> bool:
        day = day_of(charge)
        if day is None or day not in self._values.window:
            return False
        self._days[charge.id] = day
        self._orders[charge.id] = self._homes.of(charge, day)
        for order in self._orders[charge.id]:
            self._pools[month_number(day), order, charge.charge_code_id or ""].append(charge)
        return True

    def _due(self, window: Days) -> Iterator[_Asked]:
        for expansion in self._expansions:
            for bills in expansion.households:
                for bill in bills.bills:
                    for line in bill.lines:
                        if line.natural_date in window:
                            yield _Asked(line, bill, bills.order)

    def lines(self) -> Iterator[ComparedLine]:
        """Every line with what was found for it, by charge in the order of the plans, then what no line asks for."""
        if self._by_reference:
            self._match_references()
        self._match_equal()
        self._match_others()
        for asked in self.asked:
            yield self._compared(asked)
        why = _Why(self._values, self._expansions, self.asked)
        for charge in sorted(self._charges, key=self._order_of):
            if charge.id in self._free:
                yield self._only_on_ledger(charge, why)

    def _order_of(self, charge: SyncedCharge) -> tuple[str, int, date, str]:
        orders = self._orders[charge.id]
        return (charge.charge_code_id or "", orders[0] if orders else -1, self._days[charge.id], charge.id)

    # --- matching ------------------------------------------------------------------------------------------------

    def _match_references(self) -> None:
        """Lines of ours, with their corrections; what we reversed ourselves is nobody's difference."""
        for asked in self.asked:
            self._take(asked, [asked.line.reference] if asked.line.key.part else self._family(asked.bill))
        for expansion in self._expansions:
            for bills in expansion.households:
                for bill in bills.bills:
                    mine = [self._by_reference[each] for each in self._family(bill)] if not bill.lines else []
                    if sum(each.amount or 0 for each in mine) == 0:
                        self._free -= {each.id for each in mine}

    def _family(self, bill: Bill) -> list[str]:
        """The references of the bill's first line and its corrections that are on the ledger."""
        found = [bill.key.reference] if bill.key.reference in self._by_reference else []
        number = FIRST_CORRECTION_PART
        while (reference := bill.key.with_part(number).reference) in self._by_reference:
            found.append(reference)
            number += 1
        return found

    def _take(self, asked: _Asked, references: Sequence[str]) -> None:
        pool = {each.reference: each for each in self._pools.get(asked.place, ()) if each.id in self._free}
        found = [pool[each] for each in references if each in pool]
        if found:
            self._taken[asked.line.reference] = found
            self._free -= {each.id for each in found}

    def _match_equal(self) -> None:
        for asked in self.asked:
            if asked.line.reference in self._taken:
                continue
            equal = [each for each in self._offered(asked) if each.amount == asked.line.amount]
            if equal:
                self._pair(asked, min(equal, key=lambda each: self._distance(asked.line, each)))

    def _match_others(self) -> None:
        """What is left of both sides, the pairs that differ least first."""
        pairs = [
            (
                abs((charge.amount or 0) - (asked.line.amount or 0)),
                self._distance(asked.line, charge),
                number,
                charge,
            )
            for number, asked in enumerate(self.asked)
            if asked.line.reference not in self._taken
            for charge in self._offered(asked)
            if (charge.amount or 0) * (asked.line.amount or 1) > 0
        ]
        for _, _, number, charge in sorted(pairs, key=lambda each: each[:3]):
            asked = self.asked[number]
            if charge.id in self._free and asked.line.reference not in self._taken:
                self._pair(asked, charge)

    def _offered(self, asked: _Asked) -> Iterator[SyncedCharge]:
        for charge in self._pools.get(asked.place, ()):
            if charge.id in self._free and asked.may_take(charge):
                yield charge

    def _pair(self, asked: _Asked, charge: SyncedCharge) -> None:
        self._taken[asked.line.reference] = (charge,)
        self._free.discard(charge.id)

    def _distance(self, line: Line, charge: SyncedCharge) -> tuple[bool, int, str]:
        other = charge.resident_id != line.key.resident_id
        return other, abs((self._days[charge.id] - line.natural_date).days), charge.id

    # --- verdicts ------------------------------------------------------------------------------------------------

    def _compared(self, asked: _Asked) -> ComparedLine:
        line, charges = asked.line, tuple(self._taken.get(asked.line.reference, ()))
        verdict: Verdict = "only_plan"
        cause = line.hold or "not_billed"
        if charges and sum(each.amount or 0 for each in charges) == line.amount:
            verdict, cause = "equal", ""
        elif charges:
            verdict, cause = "other_amount", "part_of_period" if line.service != line.period else "amount"
        return ComparedLine(
            verdict,
            line.property_id,
            line.charge_code,
            line.unit_number,
            line.natural_date,
            change_of("hold" if line.hold else "create", line.hold, line),
            charges,
            cause,
        )

    def _only_on_ledger(self, charge: SyncedCharge, why: _Why) -> ComparedLine:
        orders, day = self._orders[charge.id], self._days[charge.id]
        code = charge.charge_code_id or ""
        unit = self._values.everyone[orders[0]].unit.number if orders else ""
        return ComparedLine(
            "only_ledger",
            self._values.names.id,
            self._codes.get(code, code),
            unit,
            day,
            None,
            (charge,),
            why.not_due(charge, day, orders[0] if orders else None),
        )


class _Why:
    """Why no line asks for a charge: what is told of the household by the charges of its code."""

    def __init__(
        self, values: PropertyValues, expansions: Sequence[Expansion], asked: Sequence[_Asked]
    ) -> None:
        self._values = values
        self._amounts: Mapping[_Place, list[int | None]] = defaultdict(list)
        for each in asked:
            self._amounts[each.place].append(each.line.amount)
        codes = {
            name: code.id
            for code in values.observed.charge_codes
            for name in (code.id, code.name, code.number)
            if name
        }
        self._of_code: dict[str, dict[int, list[HouseholdBills]]] = {}
        named = {charge.id: charge.codes for plan in values.plans for charge in plan.charges}
        for expansion in expansions:
            for bills in expansion.households:
                for name in named[bills.skip.charge]:
                    by_order = self._of_code.setdefault(codes.get(name, name), {})
                    by_order.setdefault(bills.order, []).append(bills)

    def not_due(self, charge: SyncedCharge, day: date, order: int | None) -> str:
        """The word for it."""
        code = charge.charge_code_id or ""
        if code not in self._of_code:
            return "code_not_planned"
        if order is None:
            return "unknown_household"
        due = self._amounts.get((month_number(day), order, code))
        if due:
            return "billed_twice" if charge.amount in due else "more_than_planned"
        household = self._values.everyone[order]
        month = Days(day.replace(day=1), add_months(day.replace(day=1), 1) - ONE_DAY)
        if household.move_out is not None and household.move_out < month.first:
            return "moved_out"
        if household.move_in is not None and household.move_in > month.last:
            return "not_moved_in"
        return self._reason(code, order, month)

    def _reason(self, code: str, order: int, month: Days) -> str:
        for bills in self._of_code[code].get(order, ()):
            of_month = [each.reason for each in bills.bills if each.reason and each.period.common(month)]
            if of_month:
                return of_month[0]
            if not bills.bills:
                return bills.skip.reason
        return "not_due"
