"""What each household owes of a plan's charges in one property: its bills, period by period, or one reason for none.

Every household is considered by every enabled charge (plan-language.md, *Nothing is silent*). Nothing here looks at what
was posted before: :mod:`chargeplan.core.compare` does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date

import msgspec

from chargeplan.core.bill import Bill, Expansion, HouseholdBills, one_bill_a_key
from chargeplan.core.dates import ALWAYS, Days, RelativeDate
from chargeplan.core.facts import BilledDays, DatedAmount, Fact, Held, LeftOut, RowAt
from chargeplan.core.household import Household, Standing, standing
from chargeplan.core.key import Key
from chargeplan.core.late_fees import LateFees
from chargeplan.core.line import AllocationReport, Skip
from chargeplan.core.meeting import counting, met_by
from chargeplan.core.periods import Period, billable, billed_days, limits_as_facts, lived, periods
from chargeplan.core.plan import Charge
from chargeplan.core.reckon import Reckoner
from chargeplan.core.sharing import SharedBills
from chargeplan.core.site import Setting, Site
from chargeplan.core.subject import Subject
from chargeplan.core.terms import NOTHING, ChargeBilled, Missing, Priced
from chargeplan.core.variants import Variant, variants
from chargeplan.core.whom import subjects, why_not_selected
from chargeplan.core.write import Writer, key_of, writer_of


def expand(setting: Setting, only: frozenset[str] = frozenset()) -> Expansion:
    """The bills of every enabled charge of the plan (or of those named in ``only``) in one property."""
    return Expander(setting).run(only)


class Expander:
    """The bills of one plan in one property; each charge is worked out once, since another may be a percentage of it."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.plan = setting.plan
        self.site = Site(setting)
        self.shared_bills = SharedBills(self.site)
        self.reckoner = Reckoner(self.site, self.shared_bills, self._billed_by)
        self.late_fees = LateFees(self.site, self.bills_of)
        self.unless: Mapping[str, Collection[int]] = {}
        self.within = Days(setting.lookback, setting.window.last)
        self.done: dict[str, tuple[HouseholdBills, ...]] = {}
        self._around: dict[tuple[str, int, Days], HouseholdBills] = {}

    def run(
        self, only: frozenset[str] = frozenset(), unless: Mapping[str, Collection[int]] | None = None
    ) -> Expansion:
        """The expansion, ``unless`` a household (by position) is accounted for under a charge already."""
        self.unless = unless or {}
        wanted = [each for each in self.plan.charges if each.enabled and (not only or each.id in only)]
        for charge in wanted:
            self.bills_of(charge)
        for table in self.plan.tables.values():
            self.site.check_rows(table, "so the row is not used")
        names = sorted(charge.id for charge in wanted)
        return Expansion(
            tuple(bills for charge_id in names for bills in one_bill_a_key(self.done[charge_id])),
            tuple(
                report
                for report in self.shared_bills.reports.values()
                if report.charge in names and self._is_dated_now(report)
            ),
            tuple(self.site.diagnostics),
        )

    def _is_dated_now(self, report: AllocationReport) -> bool:
        """Whether the bill's lines are dated in the window; those of the lookback are reckoned for corrections only."""
        return any(
            bill.period == report.service and _natural_date(bill) in self.setting.window
            for bills in self.done[report.charge]
            for bill in bills.bills
        )

    def bills_of(self, charge: Charge) -> tuple[HouseholdBills, ...]:
        """The bills of a charge, household by household."""
        if charge.id not in self.done:
            if charge.enabled:
                self.site.check_codes(charge)
                if charge.roster is not None:
                    self.site.check_rows(charge.roster, "so nobody is charged for this row")
            unless = self.unless.get(charge.id, ())
            self.done[charge.id] = tuple(
                self._household(charge, order, self.within)
                for order in range(len(self.site.everyone))
                if order not in unless
            )
        return self.done[charge.id]

    def _billed_by(
        self, charge: Charge, of: str, order: int, subject: Subject, period: Days, *, counted: Days | None
    ) -> ChargeBilled | Held | LeftOut:
        """What another charge of the plan bills to the household for the time of a charge's period.

        With ``counted``, only the days that both bill count of it.
        """
        base = self.plan.charge(of)
        other = self._bills_around(base, order, period)
        bills = [bill for bill in other.bills if bill.period.common(period)]
        if subject.alone and any(bill.key.resident_id == subject.resident_id for bill in bills):
            bills = [bill for bill in bills if bill.key.resident_id == subject.resident_id]
        met = met_by(charge, base, period, bills)
        if met is None:
            return Held("amount_missing", f"`{of}` for {charge.id}'s days: their periods do not meet")
        lines = [line for bill in met for line in bill.lines]
        if held := next((line.hold for line in lines if line.hold), None):
            return Held(held)
        if not lines:
            reason = next((bill.reason for bill in met if bill.reason), other.skip.reason)
            return LeftOut(reason, (Fact("what it is a percentage of", f"`{of}`"),))
        return ChargeBilled(of, sum(line.amount or 0 for line in lines), counting(lines, counted))

    def _bills_around(self, base: Charge, order: int, period: Days) -> HouseholdBills:
        """The household's bills of a charge with those of a period, wherever it lies, and whenever they are dated."""
        window = self.within
        if base.once is None and period.first in window and period.last in window:
            return self.bills_of(base)[order]
        within = ALWAYS if base.once is not None else period
        known_by = (base.id, order, within)
        if known_by not in self._around:
            self._around[known_by] = self._household(base, order, within)
        return self._around[known_by]

    # --- one household ---------------------------------------------------------------------------------------------

    def _household(self, charge: Charge, order: int, within: Days) -> HouseholdBills:
        household = self.site.everyone[order]
        bills: list[Bill] = []
        left_out: list[LeftOut] = []
        for variant, people in self._shapes(charge, household):
            for outcome in self._variant(variant, order, people, within):
                if isinstance(outcome, Bill):
                    bills.append(outcome)
                else:
                    left_out.append(outcome)
        why = self._why_skipped(charge, household, bills, left_out)
        skip = Skip(
            plan=self.plan.name,
            charge=charge.id,
            property_id=self.setting.names.id,
            lease_id=household.leases[-1].id,
            resident_id=household.key_resident,
            unit_number=household.unit.number,
            reason=why.reason,
        )
        return HouseholdBills(tuple(bills), skip, order, why.facts)

    def _shapes(self, charge: Charge, household: Household) -> Iterator[tuple[Variant, list[str]]]:
        """The charge's variants, each with the people who may have lines of their own by it."""
        names = self.setting.names
        members = [each.resident_id for each in household.members()]
        if charge.who.resident == "all" and members:
            for member in members:
                for variant in variants(charge, household, [member], names):
                    yield variant, [member]
            return
        for variant in variants(charge, household, members, names):
            yield variant, [household.key_resident]

    def _why_skipped(
        self, charge: Charge, household: Household, bills: list[Bill], left_out: list[LeftOut]
    ) -> LeftOut:
        """The one reason to give, should no line come of the bills: of those dated in the window, else of its periods."""
        window = self.setting.window
        now = [bill for bill in bills if _natural_date(bill) in window]
        near = now + [bill for bill in bills if bill.period.common(window) or charge.once is not None]
        for bill in near:
            if bill.reason and bill.reason != "no_billed_days":
                return LeftOut(bill.reason, bill.facts)
        if any(bill.lines for bill in now):
            return LeftOut("not_in_window")
        elsewhere = tuple(
            Fact("line", DatedAmount(line.amount or 0, line.natural_date))
            for bill in bills
            for line in bill.lines
        )
        if any(bill.billed for bill in near):
            return LeftOut("not_in_window", (*near[0].facts, *self._limits(charge, household), *elsewhere))
        if left_out:
            return left_out[0]
        if charge.late_fee is not None:
            return LeftOut("nothing_late", self.late_fees.why_nothing_is_late(charge, household))
        of_bill = bills[0].facts if bills else ()
        return LeftOut("no_billed_days", (*of_bill, *self._limits(charge, household), *elsewhere))

    def _limits(self, charge: Charge, household: Household) -> Iterator[Fact]:
        rows = subjects(self.site, charge, household, [household.key_resident])
        subject = Subject(household, household.key_resident, alone=False)
        return limits_as_facts(self.setting, charge, subject if isinstance(rows, LeftOut) else rows[0])

    # --- one variant of a charge -----------------------------------------------------------------------------------

    def _variant(
        self, variant: Variant, order: int, people: list[str], within: Days
    ) -> Iterator[Bill | LeftOut]:
        """The bills of one variant, and why single subjects or periods have none."""
        charge, household = variant.charge, self.site.everyone[order]
        where = _standing_for(charge, household)
        if where.kind == "skip":
            yield LeftOut(where.reason)
            if where.reason == "never_moved_in" and charge.late_fee is None and charge.enabled:
                yield from self._reversible(variant, order, people, where, within)
            return
        chosen = subjects(self.site, charge, household, people)
        if isinstance(chosen, LeftOut):
            yield chosen
            return
        if where.kind == "not_selected" or not charge.enabled:
            yield LeftOut("not_selected", tuple(why_not_selected(self.site, charge.who, household)))
            return
        for subject in chosen:
            if charge.late_fee is not None:
                yield from self.late_fees.bills(variant, order, subject, where)
            else:
                yield from self._subject(variant, order, subject, where, within)

    def _reversible(
        self, variant: Variant, order: int, people: list[str], where: Standing, within: Days
    ) -> Iterator[Bill | LeftOut]:
        """Empty bills of a household that never moved in: what was posted before that was known is to be reversed.

        Who was not selected, or has no date, can't have been posted for. A pending household has none: its lease may be
        pending again only because nobody lists that status any more.
        """
        chosen = subjects(self.site, variant.charge, self.site.everyone[order], people)
        if not isinstance(chosen, LeftOut):
            for subject in chosen:
                yield from self._subject(variant, order, subject, where, within)

    def _subject(
        self, variant: Variant, order: int, subject: Subject, where: Standing, within: Days
    ) -> Iterator[Bill | LeftOut]:
        charge = variant.charge
        days = None if where.kind == "skip" else billable(self.plan.effective, charge, subject)
        found = periods(self.setting, self.site.facts, charge, subject, within)
        if isinstance(found, LeftOut):
            yield found
            return
        for period in found:
            if period.days.first not in variant.starts:
                continue
            billed = billed_days(charge, subject, days, period.days)
            if charge.roster is not None and charge.roster.key == "lease_id":
                lease = subject.household.lease_on(billed.first if billed else period.days.first)
                if subject.row is None or subject.row.key != lease.id:
                    yield LeftOut("not_on_roster")
                    continue
            yield from _Account(self, variant, order, subject, where, period, days, billed).bills()

    # --- what a bill is known by -----------------------------------------------------------------------------------

    def key(self, charge: Charge, subject: Subject, period: str, part: int = 0) -> Key:
        """The key of a line of the charge for the subject and period."""
        return key_of(self.setting.integration.id, charge, subject, period, part)

    def alternates(self, charge: Charge, subject: Subject, period: str) -> tuple[Key, ...]:
        """Keys that the household may be known by; what another household is known by is not among them."""
        if subject.alone or charge.split is not None:
            return ()
        key = self.key(charge, subject, period)
        theirs = {each.key_resident for each in self.site.by_unit[subject.household.unit.id]}
        others = [each.resident_id for each in subject.household.members() if each.resident_id not in theirs]
        return tuple(msgspec.structs.replace(key, resident_id=each) for each in others)

    def writer(self, variant: Variant, subject: Subject, period: Period, key: Key) -> Writer:
        """What writes the lines of one period."""
        return writer_of(self.site, variant, subject, period, key)


class _Account(msgspec.Struct):
    """One subject's period: its days, then its price, then its bills.

    ``billable`` are the subject's days over all periods, ``billed`` those of this one.
    """

    expander: Expander
    variant: Variant
    order: int
    subject: Subject
    where: Standing
    period: Period
    billable: Days | None
    billed: Days | None

    def bills(self) -> Iterator[Bill]:
        """The period's bill; one for each resident where the charge is split."""
        charge = self.variant.charge
        if self.billed is None or self.billable is None:
            reason = self.where.reason if self.where.kind == "skip" else "no_billed_days"
            yield from self._each(charge, [], LeftOut(reason), None)
        elif self.variant.waived:
            yield from self._each(charge, [], LeftOut("waived"), None)
        else:
            outcome = self._price(self.billable, self.billed)
            hold = self._why_held(charge, self.billed)
            if isinstance(outcome, Held):
                missing = [Priced(self.billed, Missing(what=outcome.what))]
                yield from self._each(charge, missing, None, hold or outcome.reason)
            elif isinstance(outcome, LeftOut):
                yield from self._each(charge, [], outcome, hold)
            else:
                yield from self._each(charge, outcome, None, hold)

    def _price(self, billable: Days, billed: Days) -> list[Priced] | Held | LeftOut:
        reckoner, charge = self.expander.reckoner, self.variant.charge
        return reckoner.price(charge, self.order, self.subject, self.period, billable=billable, billed=billed)

    def _why_held(self, charge: Charge, billed: Days) -> str | None:
        if self.where.kind == "hold":
            return self.where.reason
        if charge.basis == "contract":
            return None
        others = self.expander.site.overlaps(charge.lease_status).get(self.order, ())
        if any(days.common(billed) for days in others):
            return "overlapping_households"
        if charge.after_lease_end.mode == "hold" and self.subject.household.end_before(
            self.period.days.first
        ):
            return "lease_ended"
        return None

    def _each(
        self, charge: Charge, priced: list[Priced], why: LeftOut | None, hold: str | None
    ) -> Iterator[Bill]:
        if charge.split is None:
            yield self._bill(self.subject, priced, why, hold)
            return
        for resident_id, parts in self.expander.reckoner.split(charge, self.subject, priced):
            alone = msgspec.structs.replace(self.subject, resident_id=resident_id)
            yield self._bill(alone, parts, why, hold)

    def _bill(self, subject: Subject, priced: list[Priced], why: LeftOut | None, hold: str | None) -> Bill:
        charge, period, billed = self.variant.charge, self.period, self.billed
        if why is None and priced and all(each.cents == 0 for each in priced):
            why = LeftOut("zero_amount")
        elif why is None and not priced:
            why = LeftOut("no_billed_days")
        key = self.expander.key(charge, subject, period.text)
        write = self.expander.writer(self.variant, subject, period, key)
        whole = charge.prorate.method == "none" and len(priced) == 1
        lines = [
            write.line(part, each, hold, whole=whole or each.days == period.days)
            for part, each in enumerate(priced)
            if each.cents != 0
        ]
        draft = write.line(0, Priced(billed or period.days, NOTHING), None, whole=True, silent=True)
        days = None if why is not None and why.reason == "never_moved_in" else lived(charge, subject)
        return Bill(
            charge=charge,
            key=key,
            period=period.days,
            lines=tuple(lines),
            draft=draft,
            reason=why.reason if why is not None and not lines else None,
            billed=billed,
            lived=days.common(period.days) if days else None,
            last_lived=days.last if days else None,
            cut=priced[-1].days.first if len(priced) > 1 else None,
            restated=self._is_restated(),
            dated_by_row=subject.row is not None and _is_dated_by_row(charge),
            alternates=self.expander.alternates(charge, subject, period.text),
            cost_of=None if charge.split else self._cost_of,
            correctable=(why is None or why.reason != "waived") and hold is None,
            priced=tuple(priced),
            facts=(*self._facts(subject), *(why.facts if why is not None else ())),
            row=subject.row,
        )

    def _is_restated(self) -> bool:
        """Whether the plan says by its own dates that it is about this very past: an override, or a step of these months."""
        first, last = self.expander.within.first, self.period.days.last
        steps = self.variant.charge.steps
        return self.variant.dated or any(
            isinstance(each.start, date) and first <= each.start <= last for each in steps
        )

    def _cost_of(self, days: Days) -> int | None:
        """What other days of the period would cost now; ``None`` where that is not known."""
        outcome = self._price(self.billable or days, days)
        if isinstance(outcome, Held | LeftOut):
            return None
        cents = [each.cents for each in outcome if each.cents is not None]
        return sum(cents) if len(cents) == len(outcome) else None

    def _facts(self, subject: Subject) -> Iterator[Fact]:
        """The days, the override and the roster's row that the bill is made from."""
        yield Fact("service period", self.period.days)
        if self.billed is not None:
            yield Fact("billed days", BilledDays(self.billed))
        used, charge = self.variant.used, self.variant.charge
        if used is not None:
            yield Fact("override", RowAt(charge.place.file, used.line, used.reason))
        if subject.row is not None and charge.roster is not None:
            yield Fact("roster", RowAt(subject.row.file, subject.row.line))


def _standing_for(charge: Charge, household: Household) -> Standing:
    """The household's standing. What a contract owes does not wait for a move-out to be known."""
    where = standing(household, charge.lease_status)
    if charge.basis == "contract" and where.reason == "move_out_unknown":
        return Standing("billed") if household.primary_id else Standing("hold", "no_primary_resident")
    return where


def _natural_date(bill: Bill) -> date:
    return bill.lines[0].natural_date if bill.lines else bill.draft.natural_date


def _is_dated_by_row(charge: Charge) -> bool:
    """Whether the days that are billed come from the roster's row."""
    schedule = charge.schedule
    ends = (schedule.first, schedule.through) if schedule is not None else ()
    return any(isinstance(each, RelativeDate) and each.is_of_roster for each in ends)
