"""Bills that the units of a property share: weights, shares and households' parts, kept in each share's term.

plan-language.md, *Sharing a bill*.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from chargeplan.core.allocation import share_bill, share_by_days
from chargeplan.core.amounts import Allocate, Path
from chargeplan.core.dates import Days
from chargeplan.core.household import Household, natural, standing
from chargeplan.core.line import AllocationReport, UnitShare
from chargeplan.core.money import round_half_away
from chargeplan.core.observed import Lease, Unit
from chargeplan.core.periods import billable, billed_days
from chargeplan.core.plan import Charge
from chargeplan.core.proration import counted_days, prorated
from chargeplan.core.site import Site
from chargeplan.core.subject import Subject, measure_at, money_at, source_of
from chargeplan.core.terms import Amount, Missing, Read, Share, ShareByDays, Weight


class _Living(msgspec.Struct, frozen=True):
    """A household (by its position) in a bill's period: the days it lives there, and those it is billed for."""

    order: int
    occupied: Days
    billed: Days | None


class _UnitPart(msgspec.Struct, frozen=True):
    """A unit's share of the bill in cents, and what each of its households pays of it; the rest is the owner's."""

    unit: Unit
    weights: tuple[Weight, ...]
    share: int
    paid: dict[int, tuple[ShareByDays, int]]


class SharedBills:
    """The shared bills of one plan in one property, each divided once. ``reports`` are how they were divided."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.reports: dict[tuple[str, Days, Allocate], AllocationReport] = {}
        self._shares: dict[tuple[object, ...], dict[int, Share] | Missing] = {}

    def share_of(self, charge: Charge, amount: Allocate, order: int, period: Days) -> Share | Missing:
        """What the household (by its position) pays of the bill."""
        known_by = (charge.id, period, amount, charge.prorate, charge.after_lease_end)
        if known_by not in self._shares:
            self._shares[known_by] = self._divide(charge, amount, period)
        shares = self._shares[known_by]
        if isinstance(shares, Missing):
            return shares
        unbilled = ShareByDays(0, period.count, charge.prorate.method)
        number = self.site.everyone[order].unit.number
        return shares.get(order) or Share(0, 0, number, (), share=0, by_days=unbilled, cents=0)

    def _divide(self, charge: Charge, amount: Allocate, period: Days) -> dict[int, Share] | Missing:
        units = sorted(self.site.setting.observed.units, key=lambda unit: (natural(unit.number), unit.id))
        living = self._living(charge, period)
        counted = [unit for unit in units if unit.id in living or amount.vacant == "owner"]
        bill = self._bill_of(amount, period)
        if bill is None:
            return Missing(Amount(self._bill_read(amount, period)))
        weights: list[tuple[Weight, ...]] = []
        for unit in counted:
            weighed = self._weights(amount, unit, living.get(unit.id, []), period)
            if isinstance(weighed, Missing):
                return weighed
            weights.append(weighed)
        rows = [[each.measure if each.factor is None else each.factor for each in row] for row in weights]
        shared = share_bill(abs(bill), amount.common_area, rows, [percent for _, percent in amount.weights])
        if shared is None:
            return Missing(what="a weight that is not zero")
        sign = -1 if bill < 0 else 1
        parts = [
            _UnitPart(
                unit,
                row,
                sign * share,
                _household_parts(charge, sign * share, period, living.get(unit.id, [])),
            )
            for unit, row, share in zip(counted, weights, shared.shares, strict=True)
        ]
        self._report(charge, amount, period, bill=bill, common_area=sign * shared.common_area, parts=parts)
        return {
            order: Share(
                bill=bill,
                common_area=sign * shared.common_area,
                unit_number=part.unit.number,
                weights=part.weights,
                share=part.share,
                by_days=by,
                cents=cents,
            )
            for part in parts
            for order, (by, cents) in part.paid.items()
        }

    def _living(self, charge: Charge, period: Days) -> dict[str, list[_Living]]:
        """By unit, the households that have an occupied day in the period."""
        by_unit: dict[str, list[_Living]] = {}
        for order, household in enumerate(self.site.everyone):
            if standing(household, charge.lease_status).kind == "skip":
                continue
            occupied = household.occupied.common(period) if household.occupied else None
            if occupied is not None:
                subject = Subject(household, household.key_resident, alone=False)
                days = billable(self.site.plan.effective, charge, subject)
                billed = billed_days(charge, subject, days, period)
                by_unit.setdefault(household.unit.id, []).append(_Living(order, occupied, billed))
        return by_unit

    def _bill_of(self, amount: Allocate, period: Days) -> int | None:
        if isinstance(amount.bill, int):
            return amount.bill
        nobody = self._vacant(Unit("", self.site.setting.names.id, ""))
        return money_at(amount.bill, self.site.facts, nobody, nobody.household.leases[0], period)

    def _bill_read(self, amount: Allocate, period: Days) -> Read:
        """Where a bill that is not there would be read."""
        assert isinstance(amount.bill, Path)
        nobody = self._vacant(Unit("", self.site.setting.names.id, ""))
        lease = nobody.household.leases[0]
        return Read(
            source_of(amount.bill, self.site.facts, nobody, roster=None, lease=lease, period=period), None
        )

    def _vacant(self, unit: Unit) -> Subject:
        """A vacant unit, as far as its own values are asked for."""
        nobody = Lease("", self.site.setting.names.id, unit.id, unit.number, "", None, None)
        return Subject(Household(unit, (nobody,), None), "", alone=False)

    def _weights(
        self, amount: Allocate, unit: Unit, living: Sequence[_Living], period: Days
    ) -> tuple[Weight, ...] | Missing:
        """What a unit weighs in each way: with the people of its first household of the period."""
        subject, days = self._vacant(unit), period
        if living:
            household, days = self.site.everyone[living[0].order], living[0].occupied
            subject = Subject(household, household.key_resident, alone=False)
        lease = subject.household.lease_on(days.first)
        factors = dict(amount.occupant_factors)
        weighed: list[Weight] = []
        for path, percent in amount.weights:
            measure = measure_at(path, self.site.facts, subject, lease=lease, period=period, days=days)
            if measure is None:
                return Missing(what=f"{path} of unit {unit.number}")
            factor: Fraction | None = None
            if factors and _counts_people(path):
                if measure.denominator != 1 or (measure != 0 and int(measure) not in factors):
                    return Missing(what=f"an occupant factor for {path} {measure} of unit {unit.number}")
                factor = factors.get(int(measure), Fraction(0))
            weighed.append(Weight(path, percent, measure, factor))
        return tuple(weighed)

    def _report(
        self,
        charge: Charge,
        amount: Allocate,
        period: Days,
        *,
        bill: int,
        common_area: int,
        parts: Sequence[_UnitPart],
    ) -> None:
        """How the bill was shared: what no household of a unit pays is the owner's, as a vacant unit's share is."""
        units: list[UnitShare] = []
        for part in parts:
            units += [
                UnitShare(part.unit.number, self.site.everyone[order].lease_on(period.last).id, cents)
                for order, (_, cents) in part.paid.items()
            ]
            if rest := part.share - sum(cents for _, cents in part.paid.values()):
                units.append(UnitShare(part.unit.number, None, rest))
        charged = sum(each.share for each in units if each.lease_id is not None)
        report = AllocationReport(
            plan=self.site.plan.name,
            charge=charge.id,
            property_id=self.site.setting.names.id,
            service=period,
            bill=bill,
            common_area=common_area,
            vacant=bill - common_area - charged,
            charged=charged,
            units=tuple(units),
        )
        self.reports.setdefault((charge.id, period, amount), report)


def _counts_people(path: Path) -> bool:
    return path.name in {"occupants", "residents"} and path.root in {"table", "lease"}


def _household_parts(
    charge: Charge, share: int, period: Days, living: Sequence[_Living]
) -> dict[int, tuple[ShareByDays, int]]:
    """What each household of a unit pays of its share."""
    paying = [(each.order, each.billed) for each in living if each.billed is not None]
    method = charge.prorate.method
    if method == "none":
        days = [billed.count for _, billed in paying]
        cents = share_by_days(share, days) if paying else []
        return {
            order: (ShareByDays(billed.count, sum(days), method), part)
            for (order, billed), part in zip(paying, cents, strict=True)
        }
    return {
        order: (
            ShareByDays(*counted_days(method, period, billed), method),
            round_half_away(prorated(share, method, period, billed)),
        )
        for order, billed in paying
    }
