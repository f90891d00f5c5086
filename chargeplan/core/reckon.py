"""What billed days cost: the only evaluator of amounts, and the only place where one is rounded.

From a charge, a subject and days to priced days, each with the term that keeps how it arose (plan-language.md, *Amount*,
*Proration* and *Changes during a lease*).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Protocol

import msgspec

from chargeplan.core.amounts import Adjusted, Allocate, PercentOfCharges, charges_of, form_of
from chargeplan.core.base import Reader
from chargeplan.core.dates import ONE_DAY, Days
from chargeplan.core.facts import Held, LeftOut
from chargeplan.core.money import round_half_away, share_out
from chargeplan.core.observed import Lease
from chargeplan.core.periods import Period, billed_days, counts, is_stub
from chargeplan.core.plan import Charge
from chargeplan.core.proration import Method, counted_days, prorated
from chargeplan.core.select import rows_for
from chargeplan.core.sharing import SharedBills
from chargeplan.core.site import Site
from chargeplan.core.subject import Subject
from chargeplan.core.terms import (
    Amount,
    Base,
    ChargeBilled,
    Exact,
    Missing,
    Part,
    PartOfUnit,
    PercentOfBilled,
    PercentOfCharge,
    Priced,
    Prorated,
    Rest,
    StubRest,
    Term,
    Whole,
)
from chargeplan.core.timeline import Segment, segments
from chargeplan.core.turnover import billable_together, is_shared, part_of_unit


class BilledBy(Protocol):
    """Says what another charge bills to a household."""

    def __call__(
        self, charge: Charge, of: str, order: int, subject: Subject, period: Days, *, counted: Days | None
    ) -> ChargeBilled | Held | LeftOut:
        """What the charge ``of`` bills for the time of a charge's period, and what counts of it for the ``counted`` days."""


PartOf = Callable[[Whole | Prorated], Whole | Prorated | PartOfUnit]


class Reckoner(msgspec.Struct, frozen=True):
    """Prices the days of one plan in one property; ``billed_by`` answers for the plan's other charges."""

    site: Site
    shared_bills: SharedBills
    billed_by: BilledBy

    def price(
        self, charge: Charge, order: int, subject: Subject, period: Period, *, billable: Days, billed: Days
    ) -> list[Priced] | Held | LeftOut:
        """The lines of a period: days with their terms, in order, before they are split among residents."""
        amount = charge.amount
        if charge.prorate.method == "skip" and billed != period.days:
            return LeftOut("partial_period")
        if charges_of(amount):
            return self._percent_of_charges(charge, order, subject, period, billed)
        if isinstance(amount, Allocate):
            return [Priced(billed, self.shared_bills.share_of(charge, amount, order, period.days))]
        if subject.alone and is_shared(charge, self.site):
            return self._part_of_household(charge, subject, period, billed)
        return self._of_days(charge, subject, period, billable, billed)

    def _of_days(
        self, charge: Charge, subject: Subject, period: Period, billable: Days, billed: Days
    ) -> list[Priced]:
        """What the billed days of a period cost, cut where the amount changes."""
        parts = self._segments(charge, subject, period, billed)
        if charge.prorate.stub == "second" and charge.prorate.method not in {"none", "skip"}:
            stub = self._stub(charge, subject, period, billable, parts)
            if stub is not None:
                return [Priced(billed, stub)]

        def part(whole: Whole | Prorated) -> Whole | Prorated | PartOfUnit:
            return part_of_unit(self.site, charge, subject, period=period.days, billed=billed, whole=whole)

        return costed(charge, period.days, billed, parts, part if is_shared(charge, self.site) else None)

    def _part_of_household(
        self, charge: Charge, subject: Subject, period: Period, billed: Days
    ) -> list[Priced]:
        """A resident's own part of what the household pays of its unit's row, equal day by day."""
        home = msgspec.structs.replace(subject, resident_id=subject.household.key_resident, alone=False)
        stays = billable_together(self.site, charge, home.household, home.row) or billed
        together = billed_days(charge, home, stays, period.days) or billed
        together = Days(min(together.first, billed.first), max(together.last, billed.last))
        own: list[Priced] = []
        for one in self._of_days(charge, home, period, stays, together):
            if days := one.days.common(billed):
                weights = self._weights(charge, home, one.days, {subject.resident_id: days})
                parts = dict(zip(weights, _divided(one, list(weights.values())), strict=True))
                own.append(Priced(days, parts[subject.resident_id]))
        return own

    def base(self, charge: Charge, subject: Subject, lease: Lease, period: Period, billed: Days) -> Base:
        """The amount for a whole period before steps and proration."""
        return self._reader(charge, subject, lease, period, billed).base(charge.amount, period.number)

    def _reader(self, charge: Charge, subject: Subject, lease: Lease, period: Period, billed: Days) -> Reader:
        return Reader(self.site.facts, charge.roster, subject, lease, period.days, billed)

    def _segments(self, charge: Charge, subject: Subject, period: Period, billed: Days) -> list[Segment]:
        def base(lease: Lease) -> Base:
            return self.base(charge, subject, lease, period, billed)

        return segments(charge, subject, base, period.days, billed)

    def _stub(
        self, charge: Charge, subject: Subject, period: Period, billable: Days, parts: list[Segment]
    ) -> Whole | StubRest | None:
        """``stub: second``: the move-in period whole, the next one the rest of what both cost by the method."""
        if is_stub(billable, period.days) and billable.last > period.days.last:
            whole = parts[0].amount
            if whole.exact is None or not counts(charge, period.number + 1, self.site.facts, subject):
                return None
            return Whole(whole, round_half_away(whole.exact), move_in=True)
        if period.before is None or not is_stub(billable, period.before):
            return None
        first_days = Days(billable.first, period.before.last)
        earlier = msgspec.structs.replace(period, days=period.before, number=period.number - 1)
        first_parts = self._segments(charge, subject, earlier, first_days)
        first, second = exact_cost(charge, period.before, first_parts), exact_cost(charge, period.days, parts)
        whole = first_parts[0].amount
        if whole.exact is None or first is None or second is None:
            return None
        billed, days = round_half_away(whole.exact), Days(parts[0].days.first, parts[-1].days.last)
        return StubRest(
            first_days, first, days, second, billed=billed, cents=round_half_away(first + second) - billed
        )

    def _percent_of_charges(
        self, charge: Charge, order: int, subject: Subject, period: Period, billed: Days
    ) -> list[Priced] | Held | LeftOut:
        """A percentage of what other charges bill to the household; with a method of proration, for the days that both bill."""
        form = form_of(charge.amount)
        assert isinstance(form, PercentOfCharges)
        is_single_day = charge.once is not None and charge.once.service is None
        counted = None if charge.prorate.method == "none" or is_single_day else billed
        answers = [
            self.billed_by(charge, each, order, subject, period.days, counted=counted) for each in form.of
        ]
        for answer in answers:
            if isinstance(answer, Held):
                return answer
        known = tuple(each for each in answers if isinstance(each, ChargeBilled))
        left_out = [each for each in answers if isinstance(each, LeftOut)]
        if not known:
            return left_out[0]
        exact = Fraction(form.percent * sum((each.counts for each in known), Fraction(0))) / 100
        of_billed = PercentOfBilled(form.percent, known, exact)
        base: Base = of_billed
        if isinstance(charge.amount, Adjusted):
            lease = subject.household.lease_on(billed.first)
            reader = self._reader(charge, subject, lease, period, billed)
            base = reader.adjusted(charge.amount, of_billed)
        if base.exact is None:
            return [Priced(billed, Missing(Amount(base)))]
        return [Priced(billed, PercentOfCharge(base, round_half_away(base.exact)))]

    # --- among residents -----------------------------------------------------------------------------------------------

    def split(
        self, charge: Charge, subject: Subject, priced: Sequence[Priced]
    ) -> Iterator[tuple[str, list[Priced]]]:
        """The household's priced days, divided among the residents who have an occupied day among them."""
        parts: dict[str, list[Priced]] = {each.resident_id: [] for each in subject.household.members()}
        for one in priced:
            weights = self._weights(charge, subject, one.days, {})
            for resident_id, term in zip(weights, _divided(one, list(weights.values())), strict=True):
                parts[resident_id].append(Priced(one.days, term))
        yield from parts.items()

    def _weights(
        self, charge: Charge, subject: Subject, days: Days, stays: Mapping[str, Days]
    ) -> dict[str, Fraction]:
        """What part of the days belongs to each: a day to those who live there on it, equally or by their weights.

        ``stays`` are days that count for somebody instead of those lived.
        """
        lived = {**_lived(subject, days), **stays}
        own = {each: self._weight(charge, each) for each in lived}
        weights = dict.fromkeys(lived, Fraction(0))
        begins = {days.first} | {part.first for part in lived.values()}
        begins |= {part.last + ONE_DAY for part in lived.values() if part.last < days.last}
        for first, following in itertools.pairwise([*sorted(begins), days.last + ONE_DAY]):
            there = [each for each, part in lived.items() if first in part]
            together = sum((own[each] for each in there), Fraction(0))
            for each in there if together else ():
                weights[each] += Fraction((following - first).days * own[each]) / together
        return weights

    def _weight(self, charge: Charge, resident_id: str) -> Fraction:
        if charge.split is None or charge.split.by is None:
            return Fraction(1)
        rows = rows_for(charge.roster, self.site.setting.names, [resident_id]) if charge.roster else ()
        cell = rows[0].cells.get(charge.split.by) if rows else None
        return Fraction(cell.strip().replace(",", "").replace("$", "")) if cell else Fraction(0)


def _divided(priced: Priced, weights: Sequence[Fraction]) -> list[Term]:
    term, cents, total = priced.term, priced.cents, sum(weights)
    assert not isinstance(term, Part)
    if term.cents is None:
        return [term for _ in weights]
    if cents is None or not total:
        return [Missing(what="the resident's part") for _ in weights]
    return [
        Part(term, Fraction(weight) / total, place, len(weights), own)
        for place, (weight, own) in enumerate(zip(weights, share_out(cents, weights), strict=True), start=1)
    ]


def _lived(subject: Subject, days: Days) -> dict[str, Days]:
    """Who lives there on which of the days, in the order of the lease in force; all of them on all where nobody does."""
    household = subject.household
    listed = [each.resident_id for each in household.lease_on(days.first).residents]
    members = sorted(
        (each.resident_id for each in household.members()),
        key=lambda each: listed.index(each) if each in listed else len(listed),
    )
    lived = {each: household.occupied_by(each) for each in members}
    present = {each: common for each, own in lived.items() if own and (common := own.common(days))}
    return present or dict.fromkeys(members, days)


# --- days → cents -----------------------------------------------------------------------------------------------------


def costed(
    charge: Charge, period: Days, billed: Days, parts: Sequence[Segment], part_of: PartOf | None = None
) -> list[Priced]:
    """Each segment's days with their term; where the amount did not change, the last is the whole less the others.

    ``part_of`` is the household's part of a whole that is its unit's.
    """
    method = _method(charge, parts)
    priced = [Priced(part.days, _prorated(part.amount, method, period, part.days)) for part in parts]
    amounts = {part.amount.exact for part in parts}
    if len(amounts) > 1 or parts[0].amount.exact is None or not _is_one_stretch(parts):
        return priced
    whole = _prorated(parts[0].amount, charge.prorate.method, period, billed)
    assert not isinstance(whole, Missing)
    household = part_of(whole) if part_of else whole
    if isinstance(household, PartOfUnit):
        return list(_by_days(household, [part.days for part in parts]))
    others = sum(each.cents for each in priced[:-1] if each.cents is not None)
    last = Rest(household, others, household.cents - others) if len(parts) > 1 else household
    return [*priced[:-1], Priced(parts[-1].days, last)]


def _by_days(household: PartOfUnit, segments: Sequence[Days]) -> Iterator[Priced]:
    """The household's part of its unit's row, given out over the segments by their days."""
    shares = share_out(household.cents, [each.count for each in segments])
    for days, cents in zip(segments, shares, strict=True):
        yield Priced(days, msgspec.structs.replace(household, days=days.count, cents=cents))


def exact_cost(charge: Charge, period: Days, parts: Sequence[Segment]) -> Exact | None:
    """What the segments cost together, unrounded; where the amount did not change, as one."""
    if len({part.amount.exact for part in parts}) == 1 and _is_one_stretch(parts):
        parts = [Segment(Days(parts[0].days.first, parts[-1].days.last), parts[0].amount)]
    total: Exact = 0
    for part in parts:
        if part.amount.exact is None:
            return None
        total += prorated(part.amount.exact, _method(charge, parts), period, part.days)
    return total


def _is_one_stretch(parts: Sequence[Segment]) -> bool:
    """Whether no day between the segments is left out."""
    return sum(part.days.count for part in parts) == (parts[-1].days.last - parts[0].days.first).days + 1


def _prorated(amount: Amount, method: Method, period: Days, days: Days) -> Whole | Prorated | Missing:
    if amount.exact is None:
        return Missing(amount)
    if days == period or method == "none":
        return Whole(amount, round_half_away(amount.exact), part=days != period)
    exact = prorated(amount.exact, method, period, days)
    counted, divisor = counted_days(method, period, days)
    return Prorated(
        amount=amount,
        method=method,
        days=days,
        counted=counted,
        divisor=divisor,
        exact=exact,
        cents=round_half_away(exact),
    )


def _method(charge: Charge, parts: Sequence[Segment]) -> Method:
    """A period that is split is prorated, by days where the charge names no method."""
    if len(parts) > 1 and charge.prorate.method in {"none", "skip"}:
        return "actual"
    return charge.prorate.method
