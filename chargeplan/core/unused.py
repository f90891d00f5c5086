"""Rows of rosters that led to no line, now or before: a biller's row for people who have left is named, not lost.

plan-language.md, *Nothing is silent*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from chargeplan.core.amounts import FromPath, paths_of
from chargeplan.core.change import UnusedRow
from chargeplan.core.dates import Days
from chargeplan.core.evidence import Evidence
from chargeplan.core.household import Household
from chargeplan.core.money import MoneyError, parse_cell
from chargeplan.core.plan import Charge, Row
from chargeplan.core.planned import PlannedProperty
from chargeplan.core.select import Names, rows_meant_for
from chargeplan.core.subject import Subject, date_at
from chargeplan.core.whom import household_keys


def unused_rows(
    planned: PlannedProperty,
    everyone: Sequence[Household],
    evidence: Evidence,
    names: Names,
    window: Days,
) -> Iterator[UnusedRow]:
    """Every row with an amount or a date of its own, meant for the property, that neither a line nor a posting came of."""
    for charge in planned.plan.charges:
        if charge.enabled and charge.roster is not None and _has_own(charge):
            yield from _Roster(planned, charge, everyone, evidence, window).unused(names)


class _Roster:
    """One charge's roster, and what came of its rows."""

    def __init__(
        self,
        planned: PlannedProperty,
        charge: Charge,
        everyone: Sequence[Household],
        evidence: Evidence,
        window: Days,
    ) -> None:
        self.planned, self.charge, self.everyone, self.window = planned, charge, everyone, window
        self.by_key: dict[str, list[int]] = {}
        for order, household in enumerate(everyone):
            for key in household_keys(charge.roster, household) if charge.roster else ():
                self.by_key.setdefault(key, []).append(order)
        mine = [each for each in planned.expansion.households if each.skip.charge == charge.id]
        self.lines = {bill.row.place() for each in mine for bill in each.bills if bill.row and bill.lines}
        self.reasons = {each.order: each.skip.reason for each in mine}
        skipped = dict(planned.steady.skips.get(charge.id, ()))
        for order in planned.steady.told.get(charge.id, ()):
            reason = next((skipped[each.id] for each in everyone[order].leases if each.id in skipped), None)
            self.reasons[order] = reason or ""
        self.posted = {
            (item.partition("/")[2], each.unit_id)
            for (plan, item), postings in evidence.by_charge.items()
            if plan == charge.key_plan and item.partition("/")[0] == charge.key_charge
            for each in postings
        }

    def unused(self, names: Names) -> Iterator[UnusedRow]:
        roster = self.charge.roster
        assert roster is not None
        meant = rows_meant_for(roster, self.planned.plan, names)
        for row in sorted(meant, key=lambda row: (row.file, row.line)):
            reason = self._reason(row)
            if reason is not None:
                yield UnusedRow(
                    file=row.file,
                    line=row.line,
                    plan=self.planned.plan.name,
                    charge=self.charge.id,
                    key=row.key,
                    amount=_amount(self.charge, row),
                    reason=reason,
                )

    def _reason(self, row: Row) -> str | None:
        """Why the row led to no line; ``None`` where it did, or where its day is still to come."""
        orders = self.by_key.get(row.key, ())
        if not orders:
            return "not_known"
        if row.place() in self.lines or "" in {self.reasons.get(order) for order in orders}:
            return None
        if any((row.item or "", self.everyone[order].unit.id) in self.posted for order in orders):
            return None
        household = self.everyone[orders[-1]]
        day = self._day(Subject(household, household.key_resident, alone=False, row=row))
        if day is not None and day > self.window.last:
            return None
        return self.reasons.get(orders[-1], "not_selected")

    def _day(self, subject: Subject) -> date | None:
        charge = self.charge
        expression = charge.once.on if charge.once else charge.schedule.first if charge.schedule else None
        return None if expression is None else date_at(expression, subject)


def _has_own(charge: Charge) -> bool:
    """Whether the rows have an amount or a date of their own."""
    if any(path.root == "roster" for path in paths_of(charge.amount)):
        return True
    schedule, once = charge.schedule, charge.once
    dates = [once.on if once else None, *((schedule.first, schedule.through) if schedule else ())]
    return any(str(getattr(each, "base", "")).startswith("roster.") for each in dates)


def _amount(charge: Charge, row: Row) -> int | None:
    """The row's own money, where the charge's amount is just that."""
    amount = charge.amount
    cell = row.cells.get(amount.path.name) if isinstance(amount, FromPath) else None
    try:
        return parse_cell(cell) if cell else None
    except MoneyError:
        return None
