"""Whom a line is about, and the values that plans read of them: rents, counts, cells of tables, dates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction

import msgspec

from chargeplan.core.amounts import Path
from chargeplan.core.dates import DateChoice, DateExpression, Days, Mark, RelativeDate, mark_from
from chargeplan.core.household import Household
from chargeplan.core.money import parse_cell
from chargeplan.core.observed import Fee, Lease, Resident
from chargeplan.core.plan import Row, Table
from chargeplan.core.select import Names, rows_for
from chargeplan.core.terms import Source


class Facts(msgspec.Struct, frozen=True):
    """What is known of a property beyond its households: residents by id, fees, the plan's tables."""

    names: Names
    residents: dict[str, Resident]
    fees: tuple[Fee, ...]
    tables: dict[str, Table]


class Subject(msgspec.Struct, frozen=True):
    """A household, or one resident of it, with the roster's row for it where there is one.

    ``resident_id`` is whom the line names; ``alone`` where each resident has a line of their own.
    """

    household: Household
    resident_id: str
    alone: bool
    row: Row | None = None

    @property
    def occupied(self) -> Days | None:
        """The occupied days of the household, or of the resident alone."""
        return self.household.occupied_by(self.resident_id) if self.alone else self.household.occupied


def people_on(subject: Subject, lease: Lease, days: Days) -> tuple[str, ...]:
    """The residents that count for a line: those of the lease, no guarantors, who live there on one of the days."""
    if subject.alone:
        return (subject.resident_id,)
    return tuple(
        each.resident_id
        for each in lease.residents
        if each.kind != "GUARANTOR"
        and (each.move_out is None or each.move_out >= days.first)
        and (each.move_in is None or each.move_in <= days.last)
    )


def money_at(path: Path, facts: Facts, subject: Subject, lease: Lease, period: Days) -> int | None:
    """The money that a path names, in cents; ``None`` where it is missing."""
    unit = subject.household.unit
    match path.root:
        case "lease":
            return lease.rent if path.name == "rent" else lease.market_rent
        case "unit":
            return unit.market_rent
        case "fee":
            return _fee(path.name, facts, subject)
        case _:
            cell = cell_at(path, facts, subject, lease, period)
            return None if cell is None else parse_cell(cell)


def measure_at(
    path: Path, facts: Facts, subject: Subject, *, lease: Lease, period: Days, days: Days
) -> Fraction | None:
    """The count or measure that a path names; ``None`` where it is missing."""
    unit = subject.household.unit
    match path.root:
        case "unit":
            return _number(unit.bedrooms) if path.name == "bedrooms" else _whole(unit.square_feet)
        case "lease":
            return Fraction(len(people_on(subject, lease, days)))
        case "resident":
            people = [
                facts.residents[each] for each in people_on(subject, lease, days) if each in facts.residents
            ]
            return Fraction(sum(each.pets if path.name == "pets" else each.vehicles for each in people))
        case _:
            return _number(cell_at(path, facts, subject, lease, period))


def _whole(value: int | None) -> Fraction | None:
    return None if value is None else Fraction(value)


def _number(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        return Fraction(Decimal(text.strip().replace(",", "")))
    except (InvalidOperation, ValueError, OverflowError):
        return None


def cell_at(path: Path, facts: Facts, subject: Subject, lease: Lease, period: Days) -> str | None:
    """The text of a roster's or a table's cell; ``None`` where it is empty, or there is no row."""
    if path.root == "roster":
        return subject.row.cells.get(path.name) if subject.row else None
    row = table_row(facts.tables[path.table], facts.names, subject, lease, period)
    return row.cells.get(path.name) if row else None


def table_row(table: Table, names: Names, subject: Subject, lease: Lease, period: Days) -> Row | None:
    """The row of a table that is the subject's for the period; ``None`` where there is none."""
    month = f"{period.first:%Y-%m}"
    rows = rows_for(table, names, _table_keys(table, subject, lease, month), month)
    return rows[0] if rows else None


def _table_keys(table: Table, subject: Subject, lease: Lease, month: str) -> tuple[str, ...]:
    """What a table may call the subject: the unit's number or id, the resident, the lease in force, or the month."""
    match table.key:
        case "unit":
            return (subject.household.unit.number, subject.household.unit.id)
        case "resident_id":
            return (subject.resident_id,)
        case "lease_id":
            return (lease.id,)
        case "period":
            return (month,)


def _fee(name: str, facts: Facts, subject: Subject) -> int | None:
    """The unit's fee of that name, else its floor plan's, else the property's."""
    unit = subject.household.unit
    named = [fee for fee in facts.fees if fee.name == name]
    for fee in named:
        if fee.unit_id is not None and fee.unit_id == unit.id:
            return fee.amount
    for fee in named:
        if fee.unit_id is None and fee.floor_plan_id is not None and fee.floor_plan_id == unit.floor_plan_id:
            return fee.amount
    return next((fee.amount for fee in named if fee.unit_id is None and fee.floor_plan_id is None), None)


def date_at(expression: DateExpression, subject: Subject, lease: Lease | None = None) -> date | None:
    """The day that a date expression means for a subject; ``None`` where its base is not known.

    ``lease.start`` is the start of the household's first lease and ``lease.end`` the end of its last, so that a
    renewal neither restarts nor ends what is counted from them; with ``lease`` both are of that one.
    """
    mark = mark_at(expression, subject, lease)
    return mark.day if mark else None


def mark_at(expression: DateExpression, subject: Subject, lease: Lease | None = None) -> Mark | None:
    """The same, with the day of the month that it stands for: what repeats from it is worked out from its base."""
    match expression:
        case DateChoice(which=which, dates=dates):
            known = [mark for each in dates if (mark := mark_at(each, subject, lease))]
            return (min if which == "earliest" else max)(known, default=None)
        case RelativeDate(base=base, count=count, unit=unit):
            day = _date_base(base, subject, lease)
            return None if day is None else mark_from(day, count, unit)
        case day:
            return Mark(day, day.day)


def _date_base(base: str, subject: Subject, lease: Lease | None) -> date | None:
    leases = subject.household.leases
    match base:
        case "lease.start":
            return (lease or leases[0]).start
        case "lease.end":
            return (lease or leases[-1]).end
        case "move_in":
            return _known(subject, first=True)
        case "move_out":
            return _known(subject, first=False)
        case _:
            cell = subject.row.cells.get(base.removeprefix("roster.")) if subject.row else None
            return date.fromisoformat(cell) if cell else None


def _known(subject: Subject, *, first: bool) -> date | None:
    occupied = subject.occupied
    if occupied is None:
        return subject.household.move_in if first else subject.household.move_out
    if first:
        return occupied.first
    return None if occupied.last.year == 9999 else occupied.last


def source_of(
    path: Path, facts: Facts, subject: Subject, *, roster: Table | None, lease: Lease, period: Days
) -> Source:
    """Where the value of a path is read for a subject."""
    match path.root:
        case "lease":
            return Source(path, record=lease.id)
        case "unit":
            return Source(path, record=subject.household.unit.number)
        case "roster":
            row, file = subject.row, roster.file if roster else ""
            return Source(path, file=row.file if row else file, line=row.line if row else None)
        case "table":
            table = facts.tables[path.table]
            row = table_row(table, facts.names, subject, lease, period)
            tried = " ".join(_table_keys(table, subject, lease, f"{period.first:%Y-%m}")[:1])
            if table.by_period:
                tried = f"{tried} {period.first:%Y-%m}"
            return Source(
                path, file=row.file if row else table.file, line=row.line if row else None, tried=tried
            )
        case _:
            return Source(path)
