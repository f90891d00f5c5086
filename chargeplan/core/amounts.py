"""The forms of an amount as values (plan-language.md, *Amount*): whole cents, exact rates and percentages, and paths."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal, TypeAlias

import msgspec


class Path(msgspec.Struct, frozen=True):
    """A value of the household, the unit or a table: ``lease.rent``, ``table.units.occupants``, ``fee.Pet Rent``.

    ``root`` is ``lease``, ``unit``, ``resident``, ``roster``, ``table`` or ``fee``; ``table`` is the table's name;
    ``name`` is the attribute, the column or the fee.
    """

    root: Literal["lease", "unit", "resident", "roster", "table", "fee"]
    name: str
    table: str = ""

    def __str__(self) -> str:
        return ".".join(part for part in (self.root, self.table, self.name) if part)


class Measure(msgspec.Struct, frozen=True):
    """A count or measure: a value, or a meter's reading ``less`` the one before."""

    path: Path
    less: Path | None = None


class Fixed(msgspec.Struct, frozen=True, tag="fixed"):
    """A literal amount."""

    cents: int


class FromPath(msgspec.Struct, frozen=True, tag="from"):
    """``{from: PATH}``: money found in the data."""

    path: Path


class Percent(msgspec.Struct, frozen=True, tag="percent"):
    """``{percent: 12.5, of: PATH}``."""

    percent: Fraction
    of: Path


class PercentOfCharges(msgspec.Struct, frozen=True, tag="percent of charges"):
    """``{percent: 12.5, of: [stay, cleaning]}``: of what the charges of these ids bill."""

    percent: Fraction
    of: tuple[str, ...]


class Rate(msgspec.Struct, frozen=True, tag="rate"):
    """``{rate: 0.05, per: PATH}``; ``cents_per`` is the rate in cents, exact, or where it is read."""

    cents_per: Fraction | Path
    per: Measure


class Tier(msgspec.Struct, frozen=True):
    """A rate in cents for the part of a measure ``through`` an amount of it, inclusive; ``None`` for all that lies above."""

    through: Fraction | None
    cents_per: Fraction


class Tiers(msgspec.Struct, frozen=True, tag="tiers"):
    """``{tiers: [{through: 2000, rate: 0}, {rate: 0.00765}], per: PATH}``: each part of the measure at its own rate."""

    tiers: tuple[Tier, ...]
    per: Measure


class Spread(msgspec.Struct, frozen=True, tag="spread"):
    """``{spread: -1000.00, over: 12}``: equal parts over that many occurrences; either may be read."""

    total: int | Path
    over: int | Path


Form: TypeAlias = Fixed | FromPath | Percent | PercentOfCharges | Rate | Tiers | Spread


class Adjusted(msgspec.Struct, frozen=True, tag="adjusted"):
    """A form's value divided, then added to, then limited, all exactly; money is cents, or where it is read."""

    form: Form
    divided_by: Fraction = Fraction(1)
    plus: int | Path | None = None
    at_least: int | Path | None = None
    at_most: int | Path | None = None


class Allocate(msgspec.Struct, frozen=True, tag="allocate"):
    """A bill shared among the units of a property (plan-language.md, *Sharing a bill*).

    ``bill`` is cents or a path into a table keyed by period; ``common_area`` is a percentage, ``weights`` are
    percentages that sum to 100; ``occupant_factors`` maps a number of occupants to its factor.
    """

    bill: int | Path
    common_area: Fraction
    weights: tuple[tuple[Path, Fraction], ...]
    occupant_factors: tuple[tuple[int, Fraction], ...] = ()
    vacant: Literal["owner", "exclude"] = "owner"


Amount: TypeAlias = Form | Adjusted | Allocate


def form_of(amount: Amount | None) -> Form | Allocate | None:
    """The form itself, whatever is added to it or limits it."""
    return amount.form if isinstance(amount, Adjusted) else amount


def charges_of(amount: Amount | None) -> tuple[str, ...]:
    """The ids of the charges that the amount is a percentage of."""
    form = form_of(amount)
    return form.of if isinstance(form, PercentOfCharges) else ()


def principal_path(amount: Amount | None) -> Path | None:
    """Where the amount comes from in the first place: a meter's reading rather than its rate."""
    match form_of(amount):
        case (
            FromPath(path=path)
            | Percent(of=path)
            | Rate(per=Measure(path=path))
            | Tiers(per=Measure(path=path))
        ):
            return path
        case Spread(total=Path() as path):
            return path
        case _:
            return None


def paths_of(amount: Amount | None) -> Iterator[Path]:
    """Every value of a household, a unit or a table that the amount is made from; an allocation's are the property's."""
    match form_of(amount):
        case FromPath(path=path) | Percent(of=path):
            yield path
        case Rate(cents_per=rate, per=per):
            yield from _those_read(rate, per.path, per.less)
        case Tiers(per=per):
            yield from _those_read(per.path, per.less)
        case Spread(total=total, over=over):
            yield from _those_read(total, over)
        case _:
            pass
    if isinstance(amount, Adjusted):
        yield from _those_read(amount.plus, amount.at_least, amount.at_most)


def _those_read(*values: object) -> Iterator[Path]:
    for value in values:
        if isinstance(value, Path):
            yield value
