"""From a plan and what is known of a property to the lines that the plan asks for.

Every household is considered by every enabled charge and ends with bills or one reason why not
(plan-language.md, *Nothing is silent*). Nothing here looks at what was posted before: :mod:`chargeplan.core.compare` does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from fractions import Fraction

import msgspec

from chargeplan.core.allocation import share_bill, share_by_days
from chargeplan.core.bill import Bill, Expansion, HouseholdBills, one_bill_a_key
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.costs import Period, Portion, costed, counts, exact_cost, is_stub
from chargeplan.core.dates import ALWAYS, LAST_DAY, ONE_DAY, Days
from chargeplan.core.diagnostic import Diagnostic, Place, error, warning
from chargeplan.core.household import Household, Standing, households, natural, standing
from chargeplan.core.household import overlaps as overlapping
from chargeplan.core.key import Key
from chargeplan.core.late_fees import LateDay, PriceOf, due_on, late_days
from chargeplan.core.line import AllocationReport, Skip, UnitShare
from chargeplan.core.money import round_half_away, share_out, spread_part
from chargeplan.core.observed import ChargeCode, Lease, ObservedProperty, SyncedCharge, Unit
from chargeplan.core.plan import (
    Allocate,
    Amount,
    Charge,
    Fixed,
    FromPath,
    LateFee,
    Once,
    Path,
    Percent,
    Plan,
    Rate,
    Row,
    Schedule,
    Spread,
    Table,
)
from chargeplan.core.proration import prorated
from chargeplan.core.recurrence import grid_of, occurrences
from chargeplan.core.select import (
    Names,
    excepts_person,
    fits_property,
    has_all,
    rows_for,
    selects_unit,
)
from chargeplan.core.subject import Facts, Subject, date_at, measure_at, money_at
from chargeplan.core.timeline import Segment, segments
from chargeplan.core.variants import Variant, variants
from chargeplan.core.writer import Writer


class Setting(msgspec.Struct, frozen=True):
    """What a property is planned with.

    ``window`` are the transaction dates asked for; ``lookback`` is the first date for which corrections are looked for; ``late_charges`` maps a synced charge's id to the charge of this plan that posted it. ``everyone`` are the property's households where
    the caller has worked them out.
    """

    plan: Plan
    integration: IntegrationConfig
    names: Names
    observed: ObservedProperty
    as_of: date
    window: Days
    lookback: date
    late_charges: Mapping[str, str] = msgspec.field(default_factory=dict)
    everyone: tuple[Household, ...] | None = None


def expand(setting: Setting, only: frozenset[str] = frozenset()) -> Expansion:
    """The bills of every enabled charge of the plan (or of those named in ``only``) in one property."""
    return Expander(setting).run(only)


class _Living(msgspec.Struct, frozen=True):
    """A household (by its position) in a shared bill's period: the days it lives there, and those it is billed for."""

    order: int
    occupied: Days
    billed: Days | None


class _NotBilledError(Exception):
    """Nothing is billed, or it is held: ``reason`` says why."""

    def __init__(self, reason: str, *, hold: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hold = hold


class Expander:
    """One plan in one property: the parts of the expansion that others use too are public."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.plan = setting.plan
        self.everyone = households(setting.observed) if setting.everyone is None else setting.everyone
        residents = {each.id: each for each in setting.observed.residents}
        self.facts = Facts(setting.names, residents, setting.observed.fees, setting.plan.tables)
        self.codes = _codes_by_name(setting.observed.charge_codes)
        self.diagnostics: dict[Diagnostic, None] = {}
        self.allocations: dict[tuple[str, Days, Allocate], AllocationReport] = {}
        self.told: Mapping[str, Collection[int]] = {}
        self.done: dict[str, tuple[HouseholdBills, ...]] = {}
        self.watched: dict[LateFee, frozenset[str]] = {}
        self.shares: dict[tuple[object, ...], dict[int, int] | None] = {}
        self.by_lease = {lease.id: j for j, each in enumerate(self.everyone) for lease in each.leases}
        self.by_resident: dict[str, list[int]] = {}
        self.by_unit: dict[str, list[Household]] = {}
        for j, household in enumerate(self.everyone):
            self.by_unit.setdefault(household.unit.id, []).append(household)
            for member in household.members():
                self.by_resident.setdefault(member.resident_id, []).append(j)
        self.overlap_days: dict[tuple[str, ...], dict[int, tuple[Days, ...]]] = {}

    def run(
        self, only: frozenset[str] = frozenset(), told: Mapping[str, Collection[int]] | None = None
    ) -> Expansion:
        """The expansion, less the households (by position) that are ``told`` of a charge already."""
        self.told = told or {}
        for charge in self.plan.charges:
            if charge.enabled and (not only or charge.id in only):
                self.bills_of(charge)
        for table in self.plan.tables.values():
            self._check_rows(table, "so the row is not used")
        wanted = sorted(
            charge.id for charge in self.plan.charges if charge.enabled and (not only or charge.id in only)
        )
        return Expansion(
            tuple(bills for charge_id in wanted for bills in one_bill_a_key(self.done[charge_id])),
            tuple(
                each
                for each in self.allocations.values()
                if each.charge in wanted and self._is_dated_now(each)
            ),
            tuple(self.diagnostics),
        )

    def _is_dated_now(self, report: AllocationReport) -> bool:
        """Whether the bill's lines are dated in the window; those of the lookback are reckoned for corrections only."""
        return any(
            bill.period == report.service and _natural_date(bill) in self.setting.window
            for bills in self.done[report.charge]
            for bill in bills.bills
        )

    def bills_of(self, charge: Charge) -> tuple[HouseholdBills, ...]:
        """The bills of a charge, household by household; worked out once, since another charge may be a percentage of it."""
        if charge.id not in self.done:
            if charge.enabled:
                self._check_codes(charge)
                self._check_roster(charge)
            told = self.told.get(charge.id, ())
            self.done[charge.id] = tuple(
                self._household(charge, i) for i in range(len(self.everyone)) if i not in told
            )
        return self.done[charge.id]

    # --- one household ---------------------------------------------------------------------------------------------

    def _household(self, charge: Charge, i: int) -> HouseholdBills:
        household = self.everyone[i]
        bills: list[Bill] = []
        reasons: list[str] = []
        for variant, people in self._shapes(charge, household):
            try:
                bills += self._variant_bills(variant, i, people, reasons)
            except _NotBilledError as why:
                reasons.append(why.reason)
        return HouseholdBills(tuple(bills), self._skip(charge, household, bills, reasons), i)

    def _shapes(self, charge: Charge, household: Household) -> Iterator[tuple[Variant, list[str]]]:
        """The charge's variants, each with the people who may have lines of their own by it."""
        members = [each.resident_id for each in household.members()]
        if charge.who.resident == "all":
            for each in members:
                yield from (
                    (variant, [each]) for variant in variants(charge, household, [each], self.setting.names)
                )
            if members:
                return
        for variant in variants(charge, household, members, self.setting.names):
            yield variant, [household.key_resident]

    def _skip(self, charge: Charge, household: Household, bills: list[Bill], reasons: list[str]) -> Skip:
        """The one reason to give, should no line come of the bills: of those dated in the window, else of its periods."""
        window = self.setting.window
        now = [bill for bill in bills if _natural_date(bill) in window]
        near = now + [bill for bill in bills if bill.period.common(window) or charge.once is not None]
        telling = [bill.reason for bill in near if bill.reason and bill.reason != "no_billed_days"]
        if telling:
            reason = telling[0]
        elif any(bill.billed for bill in near):
            reason = "not_in_window"
        elif reasons:
            reason = reasons[0]
        else:
            reason = "nothing_late" if charge.late_fee else "no_billed_days"
        lease = household.leases[-1]
        return Skip(
            self.plan.name,
            charge.id,
            self.setting.names.id,
            lease.id,
            household.key_resident,
            household.unit.number,
            reason,
        )

    def _variant_bills(self, variant: Variant, i: int, people: list[str], reasons: list[str]) -> list[Bill]:
        """The bills of one variant; why single subjects or periods have none is added to ``reasons``."""
        charge, household = variant.charge, self.everyone[i]
        where = standing(household, charge.who.lease_status)
        if where.kind == "skip":
            return self._reversible_bills(variant, i, people, where, reasons)
        subjects = self._subjects(charge, household, people)
        if where.kind == "not_selected" or not charge.enabled:
            raise _NotBilledError("not_selected", hold=False)
        if charge.late_fee is not None:
            return [bill for subject in subjects for bill in self._late_bills(variant, i, subject, where)]
        found: list[Bill] = []
        for subject in subjects:
            try:
                found += self._subject_bills(variant, i, subject, where, reasons)
            except _NotBilledError as why:
                reasons.append(why.reason)
        return found

    def _reversible_bills(
        self, variant: Variant, i: int, people: list[str], where: Standing, reasons: list[str]
    ) -> list[Bill]:
        """Empty bills of a household that never moved in: what was posted before that was known is to be reversed.

        A pending household has none: its lease may be pending again only because nobody lists that status any more.
        """
        reasons.append(where.reason)
        if (
            where.reason != "never_moved_in"
            or variant.charge.late_fee is not None
            or not variant.charge.enabled
        ):
            return []
        found: list[Bill] = []
        try:
            for subject in self._subjects(variant.charge, self.everyone[i], people):
                found += self._subject_bills(variant, i, subject, where, reasons)
        except _NotBilledError:
            # Not selected, or without a date: there is nothing that could have been posted for them.
            return []
        return found

    def _subjects(self, charge: Charge, household: Household, people: list[str]) -> list[Subject]:
        """Who of the household has lines of their own, with the roster's rows for them."""
        if not selects_unit(charge.who, household.unit):
            raise _NotBilledError("not_selected", hold=False)
        alone = charge.who.resident == "all"
        chosen = [
            Subject(household, each, alone)
            for each in people
            if self.selects_person(charge, household, each, alone=alone)
        ]
        if not chosen:
            raise _NotBilledError("not_selected", hold=False)
        if charge.roster is None:
            return chosen
        listed = [
            msgspec.structs.replace(subject, row=row)
            for subject in chosen
            for row in self.rows(charge, charge.roster, subject)
        ]
        if not listed:
            raise _NotBilledError("not_on_roster", hold=False)
        return listed

    def selects_person(self, charge: Charge, household: Household, resident_id: str, *, alone: bool) -> bool:
        """Whether the charge is for the household, or for a resident of it ``alone``, as far as people go."""
        if excepts_person(charge.who, resident_id):
            return False
        ids = [resident_id] if alone else [each.resident_id for each in household.members()]
        return has_all(
            charge.who, [self.facts.residents[each] for each in ids if each in self.facts.residents]
        )

    def rows(self, charge: Charge, roster: Table, subject: Subject) -> tuple[Row, ...]:
        """The roster's rows for the subject, in file order."""
        if roster.key == "lease_id":
            return rows_for(roster, self.setting.names, [lease.id for lease in subject.household.leases])
        if roster.key == "unit":
            return rows_for(
                roster, self.setting.names, [subject.household.unit.number, subject.household.unit.id]
            )
        if charge.split is not None:
            members = [each.resident_id for each in subject.household.members()]
            return rows_for(roster, self.setting.names, members)[:1]
        return rows_for(roster, self.setting.names, [subject.resident_id])

    # --- periods ---------------------------------------------------------------------------------------------------

    def _subject_bills(
        self, variant: Variant, i: int, subject: Subject, where: Standing, reasons: list[str]
    ) -> Iterator[Bill]:
        charge = variant.charge
        billable = None if where.kind == "skip" else self._billable(charge, subject)
        for period in self.periods(charge, subject):
            if period.days.first not in variant.starts:
                continue
            if (
                charge.roster is not None
                and charge.roster.key == "lease_id"
                and not self._row_in_force(subject, period.days, billable)
            ):
                reasons.append("not_on_roster")
                continue
            billed = billable.common(period.days) if billable else None
            yield from self._period_bills(variant, i, subject, where, period, billable, billed)

    def _row_in_force(self, subject: Subject, period: Days, billable: Days | None) -> bool:
        billed = billable.common(period) if billable else None
        lease = subject.household.lease_on(billed.first if billed else period.first)
        return subject.row is not None and subject.row.key == lease.id

    def _billable(self, charge: Charge, subject: Subject) -> Days | None:
        """The days for which the charge may bill the subject, over all periods."""
        lived = self.lived(charge, subject)
        limits = self.plan.effective
        if charge.schedule is not None:
            begins = date_at(charge.schedule.first, subject) if charge.schedule.first else limits.first
            through = date_at(charge.schedule.through, subject) if charge.schedule.through else None
            if begins is None:
                return None
            limits = Days(max(limits.first, begins), min(limits.last, through or LAST_DAY))
        return lived.common(limits) if lived and limits.count else None

    def lived(self, charge: Charge, subject: Subject) -> Days | None:
        """The occupied days, less the edge days that are not billed and what follows the lease's end where billing stops."""
        occupied = subject.occupied
        if occupied is None:
            return None
        first, last = occupied.first, occupied.last
        if charge.once is None or charge.once.service is not None:
            first += ONE_DAY * (not charge.prorate.move_in_day)
            last -= ONE_DAY * (not charge.prorate.move_out_day and last != LAST_DAY)
        end = subject.household.leases[-1].end
        if charge.after_lease_end.mode == "stop" and end is not None:
            last = min(last, end)
        return Days(first, last) if first <= last else None

    def periods(self, charge: Charge, subject: Subject) -> Iterator[Period]:
        """The service periods that the charge bills, from the lookback through the window."""
        if charge.once is not None:
            yield from self._single_period(charge.once, subject)
            return
        schedule = charge.schedule
        assert schedule is not None
        anchor, begins = self._anchor(schedule, subject)
        grid = grid_of(schedule, anchor)
        if grid is None or (begins is None and schedule.first is not None):
            raise _NotBilledError("date_unknown", hold=False)
        base = begins or anchor
        zero = grid.index_of(base) if base else 0
        since = self.setting.lookback - ONE_DAY * schedule.arrears
        for each in occurrences(grid, zero, since, self.setting.window.last):
            if not counts(charge, each.number):
                continue
            k = each.number + zero
            before = Days(grid.start(k - 1), each.days.first - ONE_DAY)
            yield Period(each.days, each.days.first.isoformat(), each.number, before)

    def _anchor(self, schedule: Schedule, subject: Subject) -> tuple[date | None, date | None]:
        begins = date_at(schedule.first, subject) if schedule.first is not None else None
        anchor = date_at(schedule.anchor, subject) if schedule.anchor is not None else begins
        return anchor, begins

    def _single_period(self, once: Once, subject: Subject) -> Iterator[Period]:
        on = date_at(once.on, subject)
        if on is None:
            raise _NotBilledError("date_unknown", hold=False)
        if not self.setting.lookback <= on <= self.setting.window.last:
            raise _NotBilledError("not_in_window", hold=False)
        days = once.service or Days(on, on)
        text = days.first.isoformat() if once.service or isinstance(once.on, date) else once.on.text
        yield Period(days, text, 0, None, on)

    # --- one period ------------------------------------------------------------------------------------------------

    def _period_bills(
        self,
        variant: Variant,
        i: int,
        subject: Subject,
        where: Standing,
        period: Period,
        billable: Days | None,
        billed: Days | None,
    ) -> Iterator[Bill]:
        charge = variant.charge
        reason: str | None = None
        hold: str | None = None
        portions: list[Portion] = []
        if billed is None or billable is None:
            reason = where.reason if where.kind == "skip" else "no_billed_days"
        elif variant.waived:
            reason = "waived"
        else:
            try:
                portions = self._portions(charge, i, subject, period, billable, billed)
            except _NotBilledError as why:
                reason, hold = (None, why.reason) if why.hold else (why.reason, None)
                portions = [Portion(billed, None)] if why.hold else []
            hold = self._why_held(charge, i, subject, where, period.days, billed) or hold
        if charge.split is None:
            yield self._bill(variant, i, subject, period, billable, billed, portions, reason, hold)
            return
        for resident_id, parts in self._split(charge, subject, portions):
            alone = msgspec.structs.replace(subject, resident_id=resident_id)
            yield self._bill(variant, i, alone, period, billable, billed, parts, reason, hold)

    def _why_held(
        self, charge: Charge, i: int, subject: Subject, where: Standing, period: Days, billed: Days
    ) -> str | None:
        if where.kind == "hold":
            return where.reason
        if any(days.common(billed) for days in self.overlaps(charge.who.lease_status).get(i, ())):
            return "overlapping_households"
        end = subject.household.leases[-1].end
        if charge.after_lease_end.mode == "hold" and end is not None and period.first > end:
            return "lease_ended"
        return None

    def overlaps(self, listed: tuple[str, ...]) -> dict[int, tuple[Days, ...]]:
        """By position, the days on which another household lives in the unit; ``listed`` are a selector's lease statuses."""
        if listed not in self.overlap_days:
            self.overlap_days[listed] = overlapping(self.everyone, listed)
        return self.overlap_days[listed]

    def _portions(
        self, charge: Charge, i: int, subject: Subject, period: Period, billable: Days, billed: Days
    ) -> list[Portion]:
        """Days and cents of each line of the period, in order."""
        if isinstance(charge.amount, Percent) and isinstance(charge.amount.of, str):
            cents = self._percent_of_charge(charge.amount.percent, charge.amount.of, i, subject, period.days)
            return [Portion(billed, cents)]
        if charge.prorate.method == "skip" and billed != period.days:
            raise _NotBilledError("partial_period", hold=False)
        if isinstance(charge.amount, Allocate):
            return [Portion(billed, self._allocated(charge, charge.amount, i, period.days))]
        parts = self._segments(charge, subject, period, billed)
        if charge.prorate.stub == "second" and charge.prorate.method not in {"none", "skip"}:
            stub = self._stub(charge, subject, period, billable, parts)
            if stub is not None:
                return [Portion(billed, stub)]
        return costed(charge, period.days, billed, parts)

    def _segments(self, charge: Charge, subject: Subject, period: Period, billed: Days) -> list[Segment]:
        def base(lease: Lease) -> int | Fraction | None:
            return self.base(charge.amount, subject, lease, period, billed)

        return segments(charge, subject, base, period.days, billed)

    def base(
        self, amount: Amount | None, subject: Subject, lease: Lease, period: Period, billed: Days
    ) -> int | Fraction | None:
        """The amount for a whole period before steps and proration, in exact cents; ``None`` where it is missing."""
        match amount:
            case Fixed(cents=cents):
                return cents
            case FromPath(path=path):
                return money_at(path, self.facts, subject, lease, period.days)
            case Percent(percent=percent, of=Path() as path):
                money = money_at(path, self.facts, subject, lease, period.days)
                return None if money is None else Fraction(percent * money) / 100
            case Rate(cents_per=cents_per, per=path):
                measure = measure_at(path, self.facts, subject, lease, period.days, billed)
                return None if measure is None else cents_per * measure
            case Spread(cents=cents, over=over):
                return spread_part(cents, over, period.number)
            case _:
                return None

    def _stub(
        self,
        charge: Charge,
        subject: Subject,
        period: Period,
        billable: Days,
        parts: list[Segment],
    ) -> int | None:
        """``stub: second``: the move-in period whole, the next one the rest of what both cost by the method."""
        if is_stub(billable, period.days) and billable.last > period.days.last:
            if not counts(charge, period.number + 1):
                return None
            return None if parts[0].amount is None else round_half_away(parts[0].amount)
        if period.before is None or not is_stub(billable, period.before):
            return None
        first_billed = Days(billable.first, period.before.last)
        earlier = msgspec.structs.replace(period, days=period.before, number=period.number - 1)
        first_parts = self._segments(charge, subject, earlier, first_billed)
        exact = [exact_cost(charge, period.before, first_parts), exact_cost(charge, period.days, parts)]
        whole = first_parts[0].amount
        if whole is None or exact[0] is None or exact[1] is None:
            return None
        return round_half_away(exact[0] + exact[1]) - round_half_away(whole)

    def _percent_of_charge(
        self, percent: Fraction, charge_id: str, i: int, subject: Subject, period: Days
    ) -> int:
        """A percentage of what another charge bills to the same household for the same period; it is not prorated again."""
        other = self.bills_of(self.plan.charge(charge_id))[i]
        bills = [bill for bill in other.bills if bill.period == period]
        if subject.alone and any(bill.key.resident_id == subject.resident_id for bill in bills):
            bills = [bill for bill in bills if bill.key.resident_id == subject.resident_id]
        lines = [line for bill in bills for line in bill.lines]
        if held := next((line.hold for line in lines if line.hold), None):
            raise _NotBilledError(held, hold=True)
        if not lines:
            reason = next((bill.reason for bill in bills if bill.reason), other.skip.reason)
            raise _NotBilledError(reason, hold=False)
        return round_half_away(Fraction(percent * sum(line.amount or 0 for line in lines)) / 100)

    # --- shared bills ----------------------------------------------------------------------------------------------

    def _allocated(self, charge: Charge, amount: Allocate, i: int, period: Days) -> int | None:
        place = (charge.id, period, amount, charge.prorate, charge.after_lease_end)
        if place not in self.shares:
            self.shares[place] = self._allocate(charge, amount, period)
        shares = self.shares[place]
        return None if shares is None else shares.get(i, 0)

    def _allocate(self, charge: Charge, amount: Allocate, period: Days) -> dict[int, int] | None:
        """Cents for each household (by position); ``None`` where a weight or the bill is missing."""
        units = sorted(self.setting.observed.units, key=lambda unit: (natural(unit.number), unit.id))
        living = self._living(charge, period)
        counted = [unit for unit in units if unit.id in living or amount.vacant == "owner"]
        bill = self._bill_amount(amount, period)
        weights = [self._weights(amount, unit, living.get(unit.id, []), period) for unit in counted]
        known = [row for row in weights if row is not None]
        if bill is None or len(known) < len(weights):
            return None
        shared = share_bill(abs(bill), amount.common_area, known, [percent for _, percent in amount.weights])
        if shared is None:
            return None
        sign = -1 if bill < 0 else 1
        parts = [
            (unit, sign * share, self._household_parts(charge, sign * share, period, living.get(unit.id, [])))
            for unit, share in zip(counted, shared.shares, strict=True)
        ]
        self._report(charge, amount, period, bill, sign * shared.common_area, parts)
        return {j: cents for _, _, paid in parts for j, cents in paid.items()}

    def _report(
        self,
        charge: Charge,
        amount: Allocate,
        period: Days,
        bill: int,
        common: int,
        parts: list[tuple[Unit, int, dict[int, int]]],
    ) -> None:
        """How the bill was shared: what no household of a unit pays is the owner's, as a vacant unit's share is."""
        report: list[UnitShare] = []
        for unit, share, paid in parts:
            report += [
                UnitShare(unit.number, self.everyone[j].lease_on(period.last).id, cents)
                for j, cents in paid.items()
            ]
            if rest := share - sum(paid.values()):
                report.append(UnitShare(unit.number, None, rest))
        charged = sum(each.share for each in report if each.lease_id is not None)
        self.allocations.setdefault(
            (charge.id, period, amount),
            AllocationReport(
                self.plan.name,
                charge.id,
                self.setting.names.id,
                period,
                bill,
                common,
                bill - common - charged,
                charged,
                tuple(report),
            ),
        )

    def _living(self, charge: Charge, period: Days) -> dict[str, list[_Living]]:
        """By unit, the households that have an occupied day in the period."""
        found: dict[str, list[_Living]] = {}
        for j, household in enumerate(self.everyone):
            if standing(household, charge.who.lease_status).kind == "skip":
                continue
            occupied = household.occupied.common(period) if household.occupied else None
            if occupied is not None:
                billable = self._billable(charge, Subject(household, household.key_resident, alone=False))
                billed = billable.common(period) if billable else None
                found.setdefault(household.unit.id, []).append(_Living(j, occupied, billed))
        return found

    def _bill_amount(self, amount: Allocate, period: Days) -> int | None:
        if isinstance(amount.bill, int):
            return amount.bill
        nobody = self._vacant(Unit("", self.setting.names.id, ""))
        return money_at(amount.bill, self.facts, nobody, nobody.household.leases[0], period)

    def _vacant(self, unit: Unit) -> Subject:
        """A vacant unit, as far as its own values are asked for."""
        nobody = Lease("", self.setting.names.id, unit.id, unit.number, "", None, None)
        return Subject(Household(unit, (nobody,), None), "", alone=False)

    def _weights(
        self, amount: Allocate, unit: Unit, living: list[_Living], period: Days
    ) -> list[Fraction] | None:
        """What a unit weighs in each way: with the people of its first household of the period."""
        subject, days = self._vacant(unit), period
        if living:
            household, days = self.everyone[living[0].order], living[0].occupied
            subject = Subject(household, household.key_resident, alone=False)
        lease = subject.household.lease_on(days.first)
        found = [self._weight(amount, path, subject, lease, period, days) for path, _ in amount.weights]
        known = [each for each in found if each is not None]
        return known if len(known) == len(found) else None

    def _weight(
        self, amount: Allocate, path: Path, subject: Subject, lease: Lease, period: Days, days: Days
    ) -> Fraction | None:
        measure = measure_at(path, self.facts, subject, lease, period, days)
        counts_people = path.name in {"occupants", "residents"} and path.root in {"table", "lease"}
        if measure is None or not amount.occupant_factors or not counts_people:
            return measure
        factors = dict(amount.occupant_factors)
        return (
            factors.get(int(measure), Fraction(0) if measure == 0 else None)
            if measure.denominator == 1
            else None
        )

    def _household_parts(
        self, charge: Charge, share: int, period: Days, living: list[_Living]
    ) -> dict[int, int]:
        """What each household of a unit pays of its share; the rest is the owner's."""
        paying = [(each.order, each.billed) for each in living if each.billed is not None]
        if charge.prorate.method == "none":
            cents = share_by_days(share, [days.count for _, days in paying]) if paying else []
            return {j: part for (j, _), part in zip(paying, cents, strict=True)}
        return {
            j: round_half_away(prorated(share, charge.prorate.method, period, days)) for j, days in paying
        }

    # --- lines -----------------------------------------------------------------------------------------------------

    def _split(
        self, charge: Charge, subject: Subject, portions: list[Portion]
    ) -> Iterator[tuple[str, list[Portion]]]:
        """The household's portions, divided among the residents who have an occupied day among the portion's days."""
        parts: dict[str, list[Portion]] = {each.resident_id: [] for each in subject.household.members()}
        for portion in portions:
            present = self._present(subject, portion.days)
            weights = [self._split_weight(charge, each) for each in present]
            if portion.cents is None or not any(weights):
                for each in present:
                    parts[each].append(Portion(portion.days, None))
                continue
            for each, cents in zip(present, share_out(portion.cents, weights), strict=True):
                parts[each].append(Portion(portion.days, cents))
        yield from parts.items()

    def _present(self, subject: Subject, days: Days) -> list[str]:
        """Those who live there on one of the days, in the order of the lease in force; never nobody."""
        household = subject.household
        listed = [each.resident_id for each in household.lease_on(days.first).residents]
        members = sorted(
            (each.resident_id for each in household.members()),
            key=lambda each: listed.index(each) if each in listed else len(listed),
        )
        lived = {each: household.occupied_by(each) for each in members}
        present = [each for each in members if (own := lived[each]) and own.common(days)]
        return present or members

    def _split_weight(self, charge: Charge, resident_id: str) -> Fraction:
        assert charge.split is not None
        if charge.split.by is None:
            return Fraction(1)
        rows = rows_for(charge.roster, self.setting.names, [resident_id]) if charge.roster else ()
        cell = rows[0].cells.get(charge.split.by) if rows else None
        return Fraction(cell.strip().replace(",", "").replace("$", "")) if cell else Fraction(0)

    def _bill(
        self,
        variant: Variant,
        i: int,
        subject: Subject,
        period: Period,
        billable: Days | None,
        billed: Days | None,
        portions: list[Portion],
        reason: str | None,
        hold: str | None,
    ) -> Bill:
        charge = variant.charge
        if reason is None and portions and all(each.cents == 0 for each in portions):
            reason = "zero_amount"
        elif reason is None and not portions:
            reason = "no_billed_days"
        key = self._key(charge, subject, period.text)
        write = self.writer(variant, subject, period, key)
        whole = charge.prorate.method == "none" and len(portions) == 1
        lines = [
            write.line(n, each, hold, whole=whole or each.days == period.days)
            for n, each in enumerate(portions)
            if each.cents != 0
        ]
        draft = write.line(0, Portion(billed or period.days, 0), None, whole=True, silent=True)
        lived = None if reason == "never_moved_in" else self.lived(charge, subject)

        def cost_of(days: Days) -> int | None:
            try:
                parts = self._portions(charge, i, subject, period, billable or days, days)
            except _NotBilledError:
                return None
            known = [each.cents for each in parts if each.cents is not None]
            return sum(known) if len(known) == len(parts) else None

        return Bill(
            charge=charge,
            key=key,
            period=period.days,
            lines=tuple(lines),
            draft=draft,
            reason=None if lines else reason,
            billed=billed,
            lived=lived.common(period.days) if lived else None,
            last_lived=lived.last if lived else None,
            cut=portions[1].days.first if len(portions) > 1 else None,
            alternates=self._alternates(charge, subject, period.text),
            cost_of=None if charge.split else cost_of,
            correctable=reason != "waived" and hold is None,
        )

    def _key(self, charge: Charge, subject: Subject, period: str, part: int = 0) -> Key:
        item = f"/{subject.row.item}" if subject.row and subject.row.item else ""
        return Key(
            self.setting.integration.id,
            charge.key_plan,
            charge.key_charge + item,
            subject.household.unit.id,
            subject.resident_id,
            period,
            part,
        )

    def _alternates(self, charge: Charge, subject: Subject, period: str) -> tuple[Key, ...]:
        """Keys that the household may be known by; what another household is known by is not among them."""
        if subject.alone or charge.split is not None:
            return ()
        key = self._key(charge, subject, period)
        theirs = {each.key_resident for each in self.by_unit[subject.household.unit.id]}
        others = [each.resident_id for each in subject.household.members() if each.resident_id not in theirs]
        return tuple(msgspec.structs.replace(key, resident_id=each) for each in others)

    # --- late fees -------------------------------------------------------------------------------------------------

    def _late_bills(self, variant: Variant, i: int, subject: Subject, where: Standing) -> Iterator[Bill]:
        fee = variant.charge.late_fee
        assert fee is not None
        payments = {each.id: each.date for each in self.setting.observed.payments}
        for late in self._late_charges(fee, i, subject):
            price = self._late_price(subject, late)
            for day in late_days(fee, late, self.setting.as_of, payments, price):
                found = self._told_now(day)
                if found.day in self.setting.window and found.day in variant.starts:
                    yield self._late_bill(variant, subject, where, late, found)

    def _told_now(self, day: LateDay) -> LateDay:
        """A hold stays until it is settled: one that began before the window is told on the window's first day."""
        begins = self.setting.window.first
        if day.hold is None or not day.day < begins <= self.setting.as_of:
            return day
        return msgspec.structs.replace(day, day=begins, number=day.number + (begins - day.day).days)

    def _late_price(self, subject: Subject, late: SyncedCharge) -> PriceOf:
        lease = subject.household.lease_on(due_on(late) or self.setting.as_of)

        def price(rule: Fixed | Percent) -> int | None:
            if isinstance(rule, Fixed):
                return rule.cents
            of = (
                late.amount
                if isinstance(rule.of, str)
                else money_at(rule.of, self.facts, subject, lease, ALWAYS)
            )
            return None if of is None else round_half_away(Fraction(rule.percent * of) / 100)

        return price

    def _late_bill(
        self, variant: Variant, subject: Subject, where: Standing, late: SyncedCharge, day: LateDay
    ) -> Bill:
        days = Days(day.day, day.day)
        text = f"{due_on(late)}/{late.reference or late.id}"
        key = self._key(variant.charge, subject, text, day.number)
        write = self.writer(variant, subject, Period(days, text, day.number, None, day.day), key)
        if variant.waived:
            draft = write.line(0, Portion(days, 0), None, whole=True, silent=True)
            return Bill(variant.charge, key, days, (), draft, "waived", correctable=False)
        hold = where.reason if where.kind == "hold" else day.hold
        line = write.line(0, Portion(days, day.amount), hold, whole=True)
        return Bill(variant.charge, key, days, (line,), line, billed=days, lived=days, correctable=False)

    def _late_charges(self, fee: LateFee, i: int, subject: Subject) -> Iterator[SyncedCharge]:
        """The observed charges that the fee watches and that are this household's (or this resident's own)."""
        codes = {code.id for name in fee.codes for code in self.codes.get(name, ())}
        references = self._references_of(fee)
        for late in self.setting.observed.charges:
            posted_by = self.setting.late_charges.get(late.id)
            ours = posted_by in fee.charges or (posted_by is None and late.reference in references)
            if (
                not (ours or late.charge_code_id in codes)
                or (late.amount is not None and late.amount <= 0)
                or self._owner(late) != i
            ):
                continue
            if not subject.alone or late.resident_id == subject.resident_id:
                yield late

    def _references_of(self, fee: LateFee) -> frozenset[str]:
        """What the watched charges are known by in the periods looked at, whether the journal knows them or not."""
        if fee not in self.watched:
            charges = [charge for charge in self.plan.charges if charge.id in fee.charges]
            bills = [bill for charge in charges for each in self.bills_of(charge) for bill in each.bills]
            lines = [line.reference for bill in bills for line in bill.lines]
            self.watched[fee] = frozenset([*lines, *(bill.key.reference for bill in bills)])
        return self.watched[fee]

    def _owner(self, late: SyncedCharge) -> int | None:
        """The one household whose charge it is: its lease's, else the resident's that lived there when it was due."""
        if late.lease_id in self.by_lease:
            return self.by_lease[late.lease_id]
        mine = [
            j
            for j in self.by_resident.get(late.resident_id or "", ())
            if late.unit_id in {None, self.everyone[j].unit.id}
        ]
        due = due_on(late)
        at_home = [j for j in mine if due and (lived := self.everyone[j].occupied) and due in lived]
        return next(reversed(at_home or mine), None)

    # --- checks ----------------------------------------------------------------------------------------------------

    def code_of(self, charge: Charge) -> ChargeCode | None:
        """The charge code of that id or name in the property, where there is exactly one."""
        found = self.codes.get(charge.code, ())
        return found[0] if len(found) == 1 else None

    def _check_codes(self, charge: Charge) -> None:
        wanted = [
            charge.code,
            *(
                str(each.changes["code"])
                for each in charge.overrides
                if "code" in each.changes and fits_property(each, self.setting.names)
            ),
        ]
        for code in wanted:
            found = len(self.codes.get(code, ()))
            if found != 1:
                self.diagnostics[self._code_problem(charge, code, found)] = None

    def _code_problem(self, charge: Charge, code: str, found: int) -> Diagnostic:
        has = (
            ", ".join(sorted({each.name for each in self.setting.observed.charge_codes if each.name}))
            or "none"
        )
        many = "no charge code" if not found else f"{found} charge codes"
        return error(
            f"charge `{charge.id}`: {self.setting.names.name or self.setting.names.id} has {many} named `{code}`",
            f"Write one of the property's codes, or a code's id. It has: {has}.",
            charge.code_place or charge.place,
        )

    def _check_roster(self, charge: Charge) -> None:
        if charge.roster is not None:
            self._check_rows(charge.roster, "so nobody is charged for this row")

    def _check_rows(self, table: Table, consequence: str) -> None:
        """Warn of keys that fit nothing; a row without a property may be for another one of the plan's."""
        known = self._known_keys(table)
        alone = self.plan.properties is not None and len(self.plan.properties) == 1
        for row in (row for rows in table.rows.values() for row in rows):
            here = alone if row.property is None else self.setting.names.match(row.property)
            if here and known is not None and row.key not in known:
                self.problem(_unknown_row(table, row, consequence))

    def _known_keys(self, table: Table) -> frozenset[str] | None:
        observed = self.setting.observed
        match table.key:
            case "period":
                return None
            case "unit":
                return frozenset(name for unit in observed.units for name in (unit.number, unit.id))
            case "lease_id":
                return frozenset(lease.id for lease in observed.leases)
            case "resident_id":
                return frozenset(each.id for each in observed.residents) | frozenset(
                    each.resident_id for lease in observed.leases for each in lease.residents
                )

    def writer(self, variant: Variant, subject: Subject, period: Period, key: Key) -> Writer:
        """What writes the lines of one period."""
        setting = self.setting
        code = self.code_of(variant.charge)
        return Writer(setting.plan, setting.integration, self.facts, code, variant, subject, period, key)

    def problem(self, diagnostic: Diagnostic) -> None:
        """Note a problem once."""
        self.diagnostics[diagnostic] = None


def _unknown_row(table: Table, row: Row, consequence: str) -> Diagnostic:
    return warning(
        f"{table.key} `{row.key}` is not known in the property, {consequence}",
        "Correct the row or take it out.",
        Place(table.file, row.line),
    )


def _codes_by_name(codes: Iterable[ChargeCode]) -> dict[str, tuple[ChargeCode, ...]]:
    found: dict[str, tuple[ChargeCode, ...]] = {}
    for code in codes:
        for name in {code.id, code.name} - {None}:
            found[str(name)] = (*found.get(str(name), ()), code)
    return found


def _natural_date(bill: Bill) -> date:
    return bill.lines[0].natural_date if bill.lines else bill.draft.natural_date
