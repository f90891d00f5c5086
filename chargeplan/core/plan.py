"""Charge plans as values: what a YAML file means once it is read and checked (plan-language.md).

Amounts are whole cents, percentages and rates are exact fractions, spans are inclusive. Everything that names
something on the other side (codes, properties, units) is still the user's text: it is resolved per property.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from fractions import Fraction
from typing import Literal, Protocol, TypeAlias

import msgspec

from chargeplan.core.amounts import Amount, Fixed, Percent, PercentOfCharges
from chargeplan.core.dates import ALWAYS, ONE_DAY, DateExpression, DateUnit, Days
from chargeplan.core.diagnostic import Place


class Template(Protocol):
    """A compiled description or note.

    ``uses`` are the dotted names it reads (``period.label``, ``roster.space``); ``place`` is where it is written, if it is.
    """

    @property
    def place(self) -> Place | None:
        """Where it is written; ``None`` for one that nobody wrote."""
        ...

    @property
    def uses(self) -> frozenset[str]:
        """The dotted names that the text depends on."""
        ...

    def render(self, values: Mapping[str, object]) -> str:
        """The text; ``values`` maps each dotted name of ``uses`` to its value.

        Raises:
            chargeplan.core.errors.TemplateError: the result has a line break or a control character, or a
                filter could not work on the value.
        """
        ...


# --- tables and rosters ------------------------------------------------------------------------------------------

TableKey = Literal["unit", "resident_id", "lease_id", "period"]


class Row(msgspec.Struct, frozen=True):
    """One row of a CSV: ``cells`` by column, ``None`` where empty; ``file`` and ``line`` are where it begins.

    ``property`` is the text of the ``property`` column where there is one (alias, name or id); ``period`` is the month
    of a row that is one unit's and one month's.
    """

    key: str
    property: str | None
    item: str | None
    cells: dict[str, str | None]
    file: str
    line: int
    period: str | None = None

    def place(self) -> Place:
        """Where the row begins."""
        return Place(self.file, self.line)


class Table(msgspec.Struct, frozen=True):
    """Rows that a plan reads, by key, in the order of the files and their lines; ``file`` is what messages call them.

    ``headers`` are the columns of each file, ``columns`` those that all of them have.

    The same unit number may stand in two properties; ``Row.property`` tells them apart. More rows a key there are in a
    roster whose ``item`` or dates tell them apart, and in a table ``by_period``, whose rows are a unit's and a month's.
    """

    file: str
    key: TableKey
    columns: tuple[str, ...]
    rows: dict[str, tuple[Row, ...]]
    item: str | None = None
    headers: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    by_period: bool = False

    def file_without(self, column: str) -> str:
        """The first file that lacks a column which not all of them have."""
        return next((file for file, columns in self.headers.items() if column not in columns), self.file)

    def columns_without(self, column: str) -> tuple[str, ...]:
        """The columns of that file."""
        return self.headers.get(self.file_without(column), self.columns)

    def all_rows(self) -> Iterator[Row]:
        """Every row, key by key."""
        for rows in self.rows.values():
            yield from rows


class Code(msgspec.Struct, frozen=True):
    """A charge code by name or id: one ``name``, or with ``column`` what the roster's row says.

    ``places`` are all codes that it may be, each with where it is written.
    """

    places: dict[str, Place]
    name: str = ""
    column: str = ""

    def of(self, row: Row | None) -> str:
        """The code for a line that a roster's row asks for, or that has none."""
        return (row.cells.get(self.column) if row else None) or self.name


# --- when --------------------------------------------------------------------------------------------------------


class Schedule(msgspec.Struct, frozen=True):
    """When a charge recurs (plan-language.md, *Schedule*).

    ``unit`` and ``count``: every so many months or weeks (a quarter is 3 months, a year 12). ``day`` is 1 to 31 or
    ``last``, ``weekday`` 0 for Monday; ``None`` where not written. ``calendar`` is true where the phase follows
    1 January (``quarter`` and ``year`` without ``from`` and ``anchor``, and every single month).
    """

    unit: Literal["month", "week"]
    count: int
    day: int | Literal["last"] | None = None
    weekday: int | None = None
    first: DateExpression | None = None
    through: DateExpression | None = None
    times: int | None = None
    arrears: bool = False
    anchor: DateExpression | None = None


class Once(msgspec.Struct, frozen=True):
    """A single line dated ``on``, for the household's occupied days within ``service``, first and last (default: the one day)."""

    on: DateExpression
    service: tuple[DateExpression, DateExpression] | None = None


class Proration(msgspec.Struct, frozen=True):
    """How a part of a period is billed (plan-language.md, *Proration*)."""

    method: Literal["none", "skip", "actual", "thirty", "banker", "annual"] = "none"
    move_in_day: bool = True
    move_out_day: bool = True
    stub: Literal["first", "second"] = "first"


class Change(msgspec.Struct, frozen=True):
    """A change of an amount: by a percentage, by cents, or to a new amount in cents; then rounded to ``round_to`` cents."""

    kind: Literal["percent", "flat", "set"]
    value: Fraction
    round_to: int = 1


class Step(msgspec.Struct, frozen=True):
    """A change from a date on, repeated every ``repeat`` (count and unit) where given."""

    start: DateExpression
    change: Change
    repeat: tuple[int, DateUnit] | None = None


class AfterLeaseEnd(msgspec.Struct, frozen=True):
    """What happens when someone still lives there after the lease's end and no lease follows."""

    mode: Literal["hold", "stop", "continue", "change"] = "hold"
    change: Change | None = None
    start: Literal["next_period", "day_after"] = "next_period"


# --- who ---------------------------------------------------------------------------------------------------------


class Selector(msgspec.Struct, frozen=True):
    """Who is charged (plan-language.md, *Who*). Patterns are shell patterns; ``None`` selects all.

    ``lists_statuses`` is whether the plan says itself which ``lease_status`` there may be.
    """

    lease_status: tuple[str, ...] = ("ACTIVE",)
    resident: Literal["primary", "all"] = "primary"
    units: tuple[str, ...] | None = None
    buildings: tuple[str, ...] | None = None
    floor_plans: tuple[str, ...] | None = None
    has: tuple[str, ...] = ()
    except_units: tuple[str, ...] = ()
    except_residents: tuple[str, ...] = ()
    lists_statuses: bool = False


class Split(msgspec.Struct, frozen=True):
    """Division of the household's amount among its residents: ``by`` is ``None`` for equal parts, else a roster column."""

    by: str | None = None


class Override(msgspec.Struct, frozen=True):
    """An exception for some households and some periods; ``changes`` are fields of :class:`Charge` with their new values.

    ``properties``, ``units`` and ``residents`` are patterns or ids, ``None`` for all; every one that is given must
    match. ``first`` and ``through`` limit the first days of service periods.
    """

    changes: dict[str, object]
    place: Place
    reason: str = ""
    waive: bool | None = None
    properties: tuple[str, ...] | None = None
    units: tuple[str, ...] | None = None
    residents: tuple[str, ...] | None = None
    first: DateExpression | None = None
    through: DateExpression | None = None

    @property
    def codes(self) -> dict[str, Place]:
        """The charge codes that it brings in, with where each is written."""
        return self._places("code")

    @property
    def accounts(self) -> dict[str, Place]:
        """The financial accounts that it brings in, likewise."""
        return self._places("account")

    def _places(self, field: str) -> dict[str, Place]:
        code = self.changes.get(field)
        return code.places if isinstance(code, Code) else {}


# --- late fees ---------------------------------------------------------------------------------------------------


class PercentOfOpen(msgspec.Struct, frozen=True, tag="percent of open"):
    """``{percent: 10, of: open}``: of what was open of the late charge that day."""

    percent: Fraction


FeeRule: TypeAlias = Fixed | Percent | PercentOfCharges | PercentOfOpen
"""What a late fee costs; a percentage of a charge is one of the late charge itself."""


class Cap(msgspec.Struct, frozen=True):
    """The most that the fees of one late charge may cost together: the lesser or the greater of the amounts."""

    rule: Literal["lesser", "greater"]
    amounts: tuple[FeeRule, ...]


class Repeat(msgspec.Struct, frozen=True):
    """A fee that comes again every ``count`` days or months while the charge stays open."""

    amount: FeeRule
    count: int
    unit: DateUnit


class LateFee(msgspec.Struct, frozen=True):
    """A fee for charges that stay open (plan-language.md, *Late fees*). ``minimum_balance`` is in cents.

    ``charges`` are charge ids of the same plan; ``codes`` are charge codes that others posted too.
    """

    charges: tuple[str, ...]
    codes: tuple[str, ...]
    grace_days: int
    initial: FeeRule
    repeat: Repeat | None = None
    cap: Cap | None = None
    minimum_balance: int = 0


# --- charges and plans -------------------------------------------------------------------------------------------


def title_of(charge_id: str) -> str:
    """The id of a charge as a text names it."""
    return charge_id.replace("-", " ").title()


class Charge(msgspec.Struct, frozen=True):
    """One named rule of a plan, with the plan's defaults filled in.

    Exactly one of ``schedule``, ``once`` and ``late_fee`` is set; ``amount`` is ``None`` only for a late fee.
    ``place`` is the charge's key in the file. ``key_plan`` and ``key_charge`` are what its lines are known by: its
    own names, or those it was ``moved`` from. ``account`` is the financial account beside the code, where the system needs one.
    """

    id: str
    place: Place
    code: Code
    amount: Amount | None
    description: Template
    notes: Template
    schedule: Schedule | None = None
    once: Once | None = None
    late_fee: LateFee | None = None
    basis: Literal["occupancy", "contract"] = "occupancy"
    turnover: Literal["share", "each"] = "share"
    prorate: Proration = Proration()
    who: Selector = Selector()
    roster: Table | None = None
    split: Split | None = None
    steps: tuple[Step, ...] = ()
    split_mid_period: bool = False
    after_lease_end: AfterLeaseEnd = AfterLeaseEnd()
    overrides: tuple[Override, ...] = ()
    adjusts_drift: bool = False
    enabled: bool = True
    key_plan: str = ""
    key_charge: str = ""
    account: Code | None = None

    @property
    def title(self) -> str:
        """The id with blanks for hyphens and capital initials (plan-language.md, *Templates*)."""
        return title_of(self.id)

    @property
    def lease_status(self) -> tuple[str, ...]:
        """The statuses of leases that it bills: those of its selector; by contract pending ones too, unless that lists some."""
        by_contract = self.basis == "contract" and not self.who.lists_statuses
        return (*self.who.lease_status, "PENDING") if by_contract else self.who.lease_status

    @property
    def codes(self) -> dict[str, Place]:
        """Every charge code that its lines may have, those of its overrides too, with where each is written."""
        return _all_places(self.code, [each.codes for each in self.overrides])

    @property
    def accounts(self) -> dict[str, Place]:
        """Every financial account that its lines may name beside their codes, likewise."""
        return _all_places(self.account, [each.accounts for each in self.overrides])


def _all_places(own: Code | None, others: Iterable[Mapping[str, Place]]) -> dict[str, Place]:
    found = {} if own is None else dict(own.places)
    for places in others:
        for name, place in places.items():
            found.setdefault(name, place)
    return found


class Plan(msgspec.Struct, frozen=True):
    """One YAML document. ``properties`` are the names as written, with their places; ``None`` for the word ``all``.

    ``integration_id`` is resolved from the configuration's alias; ``closed_through`` is the later of the plan's and
    the configuration's, or ``None``; ``owns`` are charge codes by name or id. ``posts_missed`` is ``missed: post``.
    """

    name: str
    place: Place
    integration_id: str
    properties: dict[str, Place] | None
    timezone: str
    charges: tuple[Charge, ...]
    effective: Days = ALWAYS
    closed_through: date | None = None
    closed_period: Literal["error", "shift", "skip"] = "error"
    owns: tuple[str, ...] = ()
    posts_missed: bool = False
    tables: dict[str, Table] = msgspec.field(default_factory=dict)

    def open_day(self, day: date) -> date:
        """Where ``closed_period: shift`` dates a line of that day: the first open day; its key keeps the period."""
        if self.closed_period == "shift" and self.closed_through is not None and day <= self.closed_through:
            return self.closed_through + ONE_DAY
        return day

    def charge(self, charge_id: str) -> Charge:
        """The charge with that id.

        Raises:
            KeyError: there is none; loading has already told the user.
        """
        return {charge.id: charge for charge in self.charges}[charge_id]
