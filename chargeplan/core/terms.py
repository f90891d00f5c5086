"""How an amount arose: a closed union of frozen values, each with its cents and with what it was made from.

:mod:`chargeplan.core.reckon` makes them, once; planning reads their ``cents``, and whoever explains a line words the same
value. Exact amounts are cents as integers or fractions; ``None`` stands for an amount that is missing.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import ClassVar, TypeAlias
from typing import Literal as TypingLiteral

import msgspec

from chargeplan.core.amounts import Path
from chargeplan.core.dates import Days
from chargeplan.core.money import is_postable
from chargeplan.core.plan import Cap, Change, FeeRule
from chargeplan.core.proration import Method

Exact = int | Fraction


class Source(msgspec.Struct, frozen=True):
    """Where a value was read: its path, and the record (a lease's id, a unit's number) or the file and row that had it.

    ``line`` is ``None`` where the file has no row for it, which was looked for as ``tried``.
    """

    path: Path
    record: str = ""
    file: str = ""
    line: int | None = None
    tried: str = ""


# --- the amount of a whole period, before it is rounded -----------------------------------------------------------


class Literal(msgspec.Struct, frozen=True):
    """The amount as the plan writes it."""

    exact: int


class Read(msgspec.Struct, frozen=True):
    """Money found in the data."""

    source: Source
    exact: int | None


class PercentOfRead(msgspec.Struct, frozen=True):
    """A percentage of money found in the data."""

    percent: Fraction
    of: Read
    exact: Exact | None


class Reading(msgspec.Struct, frozen=True):
    """A count or measure found in the data, or what a meter counted since the reading before, ``less``."""

    source: Source
    value: Fraction | None
    less: Reading | None = None

    @property
    def measure(self) -> Fraction | None:
        """What is charged for; ``None`` where a reading is missing, or lies below the one before."""
        if self.less is None or self.value is None:
            return self.value
        before = self.less.value
        return None if before is None or before > self.value else self.value - before


class Rated(msgspec.Struct, frozen=True):
    """A rate, in cents, times a count or measure; ``read`` is where the rate was found, where it was."""

    rate: Fraction | None
    reading: Reading
    exact: Exact | None
    read: Source | None = None


class TierPart(msgspec.Struct, frozen=True):
    """The part of a measure ``above`` one edge ``through`` the next, at its rate in cents."""

    above: Fraction
    through: Fraction | None
    rate: Fraction
    measure: Fraction


class Tiered(msgspec.Struct, frozen=True):
    """Each part of a measure at its own rate; ``beyond`` is what lies above the last tier, which has no rate."""

    reading: Reading
    parts: tuple[TierPart, ...]
    beyond: Fraction
    exact: Exact | None


class Installment(msgspec.Struct, frozen=True):
    """One of ``over`` equal parts of a total in cents; ``number`` counts from 0; ``read`` is what was found in the data of both."""

    total: int | None
    over: int | None
    number: int
    exact: int | None
    read: tuple[Source, ...] = ()


class ChargeBilled(msgspec.Struct, frozen=True):
    """What another charge bills to the household for the period, and what ``counts`` of it: days that both bill, by those it bills."""

    charge: str
    billed: int
    counts: Exact


class PercentOfBilled(msgspec.Struct, frozen=True):
    """A percentage of what other charges bill to the same household."""

    percent: Fraction
    of: tuple[ChargeBilled, ...]
    exact: Exact


class Adjustment(msgspec.Struct, frozen=True):
    """Something done to an amount: ``by`` what (a number, or money that the plan writes or the data has), and the result."""

    kind: Kind
    by: Literal | Read | None
    exact: Exact | None
    divisor: Fraction = Fraction(1)


class AdjustedBase(msgspec.Struct, frozen=True):
    """A form's value divided, added to and limited, in this order."""

    of: PlainBase
    steps: tuple[Adjustment, ...]

    @property
    def exact(self) -> Exact | None:
        """In cents, not rounded."""
        return self.steps[-1].exact


Kind: TypeAlias = TypingLiteral["divided_by", "plus", "at_least", "at_most"]
PlainBase: TypeAlias = Literal | Read | PercentOfRead | Rated | Tiered | Installment | PercentOfBilled
Base: TypeAlias = PlainBase | AdjustedBase


class Applied(msgspec.Struct, frozen=True):
    """A change of the amount that is in force: from ``day`` on, ``exact`` before it was rounded to ``after`` cents.

    ``step`` is its number in the charge's ``steps``, from 1; ``None`` where it is what follows the lease's end.
    """

    step: int | None
    day: date
    change: Change
    exact: Exact
    after: int


class Amount(msgspec.Struct, frozen=True):
    """What a whole period costs: the base, then each change on the rounded amount before it.

    It is not known where there are ``too_many`` changes to be followed, or one leads to what no ledger can hold.
    """

    base: Base
    changes: tuple[Applied, ...] = ()
    too_many: bool = False

    @property
    def exact(self) -> Exact | None:
        """In cents, not rounded; ``None`` where it is not known."""
        if self.too_many:
            return None
        return self.changes[-1].after if self.changes else self.base.exact


# --- what a line costs ------------------------------------------------------------------------------------------------


class Whole(msgspec.Struct, frozen=True):
    """The amount for a whole period, or for a part of it that is billed whole (``part``; ``move_in`` by ``stub: second``)."""

    amount: Amount
    cents: int
    part: bool = False
    move_in: bool = False


class Prorated(msgspec.Struct, frozen=True):
    """The amount times ``counted`` days by ``divisor``, as the method counts the billed ``days``; never more than it."""

    amount: Amount
    method: Method
    days: Days
    counted: int
    divisor: int
    exact: Exact
    cents: int


class Rest(msgspec.Struct, frozen=True):
    """The last line of a split period in which the amount did not change: the whole less the ``others`` before it."""

    whole: Whole | Prorated
    others: int
    cents: int


class StubRest(msgspec.Struct, frozen=True):
    """``stub: second``: what the move-in period and the one after it cost by the method, less the first, billed whole."""

    first_days: Days
    first: Exact
    days: Days
    second: Exact
    billed: int
    cents: int


class PercentOfCharge(msgspec.Struct, frozen=True):
    """A percentage of what other charges bill to the same household for the same time; it is not prorated again."""

    base: Base
    cents: int


class PartOfUnit(msgspec.Struct, frozen=True):
    """A household's part of an amount that is its unit's: its ``days`` of the days ``together`` of the unit's ``homes``."""

    of: Whole | Prorated
    days: int
    together: int
    homes: int
    cents: int


class Weight(msgspec.Struct, frozen=True):
    """What a unit weighs in one way: the measure that was read, and the factor that it counts where there are factors."""

    path: Path
    percent: Fraction
    measure: Fraction
    factor: Fraction | None = None


class ShareByDays(msgspec.Struct, frozen=True):
    """A household's days of those that the unit's households are billed together (``of``), or of the method's divisor."""

    days: int
    of: int
    method: Method


class Share(msgspec.Struct, frozen=True):
    """A household's part of its unit's ``share`` of a bill, all in cents."""

    bill: int
    common_area: int
    unit_number: str
    weights: tuple[Weight, ...]
    share: int
    by_days: ShareByDays
    cents: int


class Fee(msgspec.Struct, frozen=True):
    """One day's fee for a charge that stays open.

    ``price`` is what the ``rule`` asks for, ``cents`` what the cap leaves of it. ``open_amount`` is what is open now.
    """

    charge_id: str
    charged: int | None
    due: date | None
    open_amount: int | None
    as_of: date
    grace_days: int
    number: int
    rule: FeeRule
    open_that_day: int
    price: int
    cap: Cap | None
    cents: int


class Missing(msgspec.Struct, frozen=True):
    """An amount that can't be reckoned: ``amount`` as far as it is known, else ``what`` is missing."""

    amount: Amount | None = None
    what: str = ""
    cents: ClassVar[None] = None


class Part(msgspec.Struct, frozen=True):
    """One resident's part of the household's amount, by largest remainder; ``place`` is theirs among ``count``, from 1."""

    of: Undivided
    weight: Fraction
    place: int
    count: int
    cents: int | None


Undivided = Whole | Prorated | PartOfUnit | Rest | StubRest | PercentOfCharge | Share | Fee | Missing
Term = Undivided | Part


class Difference(msgspec.Struct, frozen=True):
    """A correction: what is ``due`` for the period less what was ``posted`` for it (reference and cents).

    ``cents`` differ from that where the period is reckoned at the price at which it was posted.
    """

    due: tuple[Term, ...]
    posted: tuple[tuple[str, int], ...]
    cents: int


class Priced(msgspec.Struct, frozen=True):
    """Billed days with what they cost."""

    days: Days
    term: Term

    @property
    def cents(self) -> int | None:
        """What the days cost; ``None`` where the amount is missing, or is one that no ledger can hold."""
        found = self.term.cents
        return found if found is not None and is_postable(found) else None


NOTHING = Whole(Amount(Literal(0)), 0)
"""What is due where nothing is."""


def what_is_missing(term: Term) -> str:
    """What a missing amount lacks, in the words of the files and records that lack it; empty where nothing is missing."""
    if isinstance(term, Part):
        return what_is_missing(term.of) if term.cents is None else ""
    if not isinstance(term, Missing):
        return "" if is_postable(term.cents) else "an amount of less than ten billion"
    return term.what if term.amount is None else _lacks(term.amount.base)


def _lacks(base: Base) -> str:  # noqa: PLR0911 - a row for each kind of amount
    match base:
        case AdjustedBase(of=of, steps=steps):
            read = next(
                (step.by for step in steps if isinstance(step.by, Read) and step.by.exact is None), None
            )
            return _lacks(of) if of.exact is None or read is None else _lacks(read)
        case Read(source=source):
            return _names(source)
        case PercentOfRead(of=of):
            return _names(of.source)
        case Rated(rate=None, read=Source() as read):
            return _names(read)
        case Rated(reading=reading) | Tiered(reading=reading, beyond=0):
            return _lacks_reading(reading)
        case Tiered(beyond=beyond, parts=parts):
            return f"a rate for {beyond} above {parts[-1].through}"
        case Installment(read=(source, *_)):
            return _names(source)
        case _:
            return "the amount"


def _lacks_reading(reading: Reading) -> str:
    before = reading.less
    if reading.value is None or before is None:
        return _names(reading.source)
    if before.value is None:
        return _names(before.source)
    return f"{_names(reading.source)}: it reads {reading.value}, less than {before.value} before"


def _names(source: Source) -> str:
    """A value and where it would stand: `bills.csv has no row 2027-08`, `lease.rent of the lease l1`."""
    if source.file and source.line is None:
        return f"{source.file} has no row {source.tried}".rstrip()
    if source.file:
        return f"{source.path}, {source.file}:{source.line}"
    return f"{source.path} of {source.record}" if source.record else str(source.path)
