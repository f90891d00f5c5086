"""The amount of a whole period, from a form and the data it reads, exactly: before steps, proration and rounding.

plan-language.md, *Amount*.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec

from chargeplan.core.amounts import (
    Adjusted,
    Amount,
    Fixed,
    FromPath,
    Measure,
    Path,
    Percent,
    Rate,
    Spread,
    Tier,
    Tiers,
)
from chargeplan.core.dates import Days
from chargeplan.core.money import spread_part
from chargeplan.core.observed import Lease
from chargeplan.core.plan import Table
from chargeplan.core.subject import Facts, Subject, cell_at, measure_at, money_at, source_of
from chargeplan.core.terms import (
    AdjustedBase,
    Adjustment,
    Base,
    Exact,
    Installment,
    Kind,
    Literal,
    PercentOfRead,
    PlainBase,
    Rated,
    Read,
    Reading,
    Source,
    Tiered,
    TierPart,
)


class Reader(msgspec.Struct, frozen=True):
    """Reads the values that a charge's amount is made from, for one subject, lease and period; ``days`` are those billed."""

    facts: Facts
    roster: Table | None
    subject: Subject
    lease: Lease
    period: Days
    days: Days

    def base(self, amount: Amount | None, number: int) -> Base:
        """The amount for a whole period; ``number`` is the period's, for instalments."""
        if isinstance(amount, Adjusted):
            return self.adjusted(amount, self._plain(amount.form, number))
        return self._plain(amount, number)

    def adjusted(self, amount: Adjusted, of: PlainBase) -> Base:
        """What is made of a form's value by division, addition and limits."""
        steps: list[Adjustment] = []
        exact = of.exact
        if amount.divided_by != 1:
            exact = None if exact is None else Fraction(exact) / amount.divided_by
            steps.append(Adjustment("divided_by", None, exact, amount.divided_by))
        kinds: tuple[tuple[Kind, int | Path | None], ...] = (
            ("plus", amount.plus),
            ("at_least", amount.at_least),
            ("at_most", amount.at_most),
        )
        for kind, written in kinds:
            if written is not None:
                by = Literal(written) if isinstance(written, int) else self._money(written)
                exact = _applied(kind, exact, by.exact)
                steps.append(Adjustment(kind, by, exact))
        return AdjustedBase(of, tuple(steps)) if steps else of

    def _plain(self, form: Amount | None, number: int) -> PlainBase:
        match form:
            case Fixed(cents=cents):
                return Literal(cents)
            case FromPath(path=path):
                return self._money(path)
            case Percent(percent=percent, of=path):
                of = self._money(path)
                return PercentOfRead(
                    percent, of, None if of.exact is None else Fraction(percent * of.exact) / 100
                )
            case Rate(cents_per=written, per=per):
                read = self._source(written) if isinstance(written, Path) else None
                rate = self._rate(written) if isinstance(written, Path) else written
                reading = self._reading(per)
                known = rate is not None and reading.measure is not None
                return Rated(rate, reading, rate * reading.measure if known else None, read)  # type: ignore[operator]
            case Tiers(tiers=tiers, per=per):
                return tiered(tiers, self._reading(per))
            case Spread():
                return self._installment(form, number)
            case _:  # the others have no amount of a whole period
                raise AssertionError(form)

    def _source(self, path: Path) -> Source:
        return source_of(
            path, self.facts, self.subject, roster=self.roster, lease=self.lease, period=self.period
        )

    def _money(self, path: Path) -> Read:
        return Read(self._source(path), money_at(path, self.facts, self.subject, self.lease, self.period))

    def _number(self, path: Path) -> Fraction | None:
        return measure_at(
            path, self.facts, self.subject, lease=self.lease, period=self.period, days=self.days
        )

    def _reading(self, per: Measure) -> Reading:
        less = None if per.less is None else Reading(self._source(per.less), self._number(per.less))
        return Reading(self._source(per.path), self._number(per.path), less)

    def _rate(self, path: Path) -> Fraction | None:
        """A rate in cents: a cell's has up to six decimals, anything else is money."""
        if path.root not in {"roster", "table"}:
            cents = self._money(path).exact
            return None if cents is None else Fraction(cents)
        cell = cell_at(path, self.facts, self.subject, self.lease, self.period)
        return None if cell is None else Fraction(Decimal(cell.replace("$", "").replace(",", ""))) * 100

    def _installment(self, spread: Spread, number: int) -> Installment:
        total = spread.total if isinstance(spread.total, int) else self._money(spread.total).exact
        over = occurrences_of(spread, self.facts, self.subject)
        sources = tuple(
            self._source(path)
            for path, value in ((spread.over, over), (spread.total, total))
            if isinstance(path, Path) and value is None
        )
        exact = None if total is None or over is None else spread_part(total, over, number)
        return Installment(total, over, number, exact, sources)


def tiered(tiers: tuple[Tier, ...], reading: Reading) -> Tiered:
    """Each part of a measure at its own rate."""
    measure = reading.measure
    if measure is None:
        return Tiered(reading, (), Fraction(0), None)
    parts: list[TierPart] = []
    above = Fraction(0)
    for tier in tiers:
        through = measure if tier.through is None else min(measure, tier.through)
        parts.append(TierPart(above, tier.through, tier.cents_per, max(Fraction(0), through - above)))
        above = measure if tier.through is None else tier.through
    beyond = max(Fraction(0), measure - above)
    exact = sum((part.rate * part.measure for part in parts), Fraction(0))
    return Tiered(reading, tuple(parts), beyond, None if beyond else exact)


def occurrences_of(spread: Spread, facts: Facts, subject: Subject) -> int | None:
    """Over how many occurrences an amount is spread; ``None`` where the data does not say."""
    if isinstance(spread.over, int):
        return spread.over
    lease = subject.household.leases[0]
    first = lease.start or subject.household.move_in
    if first is None:
        return None
    days = Days(first, first)
    over = measure_at(spread.over, facts, subject, lease=lease, period=days, days=days)
    return int(over) if over is not None and over.denominator == 1 and over >= 1 else None


def _applied(kind: Kind, exact: Exact | None, by: Exact | None) -> Exact | None:
    if exact is None or by is None:
        return None
    if kind == "plus":
        return exact + by
    return max(exact, by) if kind == "at_least" else min(exact, by)
