"""Fees for charges that stay open: which charges are watched, on which days a fee is due, and how its cents arose.

plan-language.md, *Late fees*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from fractions import Fraction

import msgspec

from chargeplan.core.amounts import Fixed, Percent, PercentOfCharges
from chargeplan.core.bill import Bill, HouseholdBills
from chargeplan.core.dates import ALWAYS, ONE_DAY, Days, Mark, moment
from chargeplan.core.facts import Fact, LateCharge, Money
from chargeplan.core.household import Household, Standing
from chargeplan.core.money import round_half_away
from chargeplan.core.observed import SyncedCharge
from chargeplan.core.periods import Period
from chargeplan.core.plan import Cap, Charge, FeeRule, LateFee, PercentOfOpen
from chargeplan.core.site import Site
from chargeplan.core.subject import Subject, money_at
from chargeplan.core.terms import NOTHING, Fee, Missing, Priced
from chargeplan.core.variants import Variant
from chargeplan.core.write import key_of, writer_of

PriceOf = Callable[[FeeRule, int], "int | None"]
"""What a rule asks for, in cents, where so much was open."""


class LateDay(msgspec.Struct, frozen=True):
    """One day's fee: its number (0 for the first day after the grace), its date and how its cents arose.

    ``hold`` is the reason where the amount is not known. The number is the day's and not that of the fee, so that what
    becomes known late of a payment changes no other day's key.
    """

    number: int
    day: date
    term: Fee | Missing
    hold: str | None = None

    @property
    def amount(self) -> int | None:
        """The fee in cents."""
        return self.term.cents


def due_on(charge: SyncedCharge) -> date | None:
    """When a charge is due: its due date, else its transaction date."""
    return charge.due_date or charge.transaction_date


def late_since(charge: SyncedCharge) -> date | None:
    """The day on which it is due, or on which it came on the ledger where that is later.

    Nobody pays a fee for days on which the charge could not be seen.
    """
    due, created = due_on(charge), moment(charge.created_at)
    return due if due is None or created is None else max(due, created.date())


def late_days(
    fee: LateFee, charge: SyncedCharge, as_of: date, payments: Mapping[str, date | None], price: PriceOf
) -> Iterator[LateDay]:
    """The fees after the grace, through ``as_of``, on whose days more than the minimum was still open.

    The first day asks for the initial amount, each one after it by the repetition for its own. ``payments`` maps a
    payment's id to its date. The last fee is cut to the cap.
    """
    since = late_since(charge)
    if since is None:
        return
    first = since + timedelta(days=fee.grace_days) + ONE_DAY
    if first > as_of:
        return
    open_on = _open_amounts(charge, payments)
    if open_on is None:
        yield LateDay(0, first, Missing(what="what was open of the late charge"), "balance_unknown")
        return
    yield from _priced(fee, charge, first, as_of, open_on=open_on, price=price)


def _priced(
    fee: LateFee,
    charge: SyncedCharge,
    first: date,
    as_of: date,
    *,
    open_on: Callable[[date], int],
    price: PriceOf,
) -> Iterator[LateDay]:
    charged, rule = 0, fee.initial
    for number, day in _fee_days(fee, first, as_of, open_on):
        still_open = open_on(day)
        asked = price(rule, still_open)
        cap = None if fee.cap is None else _cap(fee.cap, price, still_open)
        if asked is None or (fee.cap is not None and cap is None):
            yield LateDay(number, day, Missing(what="what the fee is a percentage of"), "amount_missing")
            return
        amount = asked if cap is None else min(asked, cap - charged)
        if amount > 0:
            term = Fee(
                charge_id=charge.id,
                charged=charge.amount,
                due=due_on(charge),
                open_amount=charge.open_amount,
                as_of=as_of,
                grace_days=fee.grace_days,
                number=number,
                rule=rule,
                open_that_day=still_open,
                price=asked,
                cap=fee.cap,
                cents=amount,
            )
            yield LateDay(number, day, term)
        charged += max(amount, 0)
        if fee.repeat is None or (cap is not None and charged >= cap):
            return
        rule = fee.repeat.amount


def _fee_days(
    fee: LateFee, first: date, as_of: date, open_on: Callable[[date], int]
) -> Iterator[tuple[int, date]]:
    """The days of fees, each with its number of days since the first one after the grace.

    The first on which more than the minimum is open, then every so many days or months from it, while it is.
    """
    began: Mark | None = None
    for number in range((as_of - first).days + 1):
        day = first + timedelta(days=number)
        if began is None:
            if open_on(day) > fee.minimum_balance:
                began, times = Mark(day, day.day), 1
                yield number, day
        elif fee.repeat is not None and day == began.plus(times * fee.repeat.count, fee.repeat.unit):
            times += 1
            if open_on(day) > fee.minimum_balance:
                yield number, day


def _cap(cap: Cap, price: PriceOf, still_open: int) -> int | None:
    amounts = [price(each, still_open) for each in cap.amounts]
    known = [each for each in amounts if each is not None]
    if len(known) < len(amounts):
        return None
    return min(known) if cap.rule == "lesser" else max(known)


def _open_amounts(charge: SyncedCharge, payments: Mapping[str, date | None]) -> Callable[[date], int] | None:
    """What was open on a day, in cents; ``None`` where neither payments nor an open amount are known."""
    amount = charge.amount
    paid = _dated_payments(charge, payments)
    if amount is not None and paid is not None:
        return lambda day: amount - sum(cents for when, cents in paid if when <= day)
    if charge.open_amount is not None:
        now = charge.open_amount
        return lambda _day: now
    return None


def _dated_payments(
    charge: SyncedCharge, payments: Mapping[str, date | None]
) -> list[tuple[date, int]] | None:
    """What was paid and when, where the allocations account for all of it."""
    paid: list[tuple[date, int]] = []
    for allocation in charge.allocations:
        when = payments.get(allocation.payment_id or "")
        if when is None or allocation.amount is None:
            return None
        paid.append((when, allocation.amount))
    if charge.open_amount is None:
        return paid or None
    accounted = (
        charge.amount is not None and sum(cents for _, cents in paid) == charge.amount - charge.open_amount
    )
    return paid if accounted else None


# --- one plan in one property -------------------------------------------------------------------------------------


class LateFees:
    """The late fees of one plan in one property; ``bills_of`` answers for the plan's other charges."""

    def __init__(self, site: Site, bills_of: Callable[[Charge], tuple[HouseholdBills, ...]]) -> None:
        self.site, self._bills_of = site, bills_of
        self._references: dict[LateFee, frozenset[str]] = {}
        self._carried = Counter(each.reference for each in site.setting.observed.charges)
        self._payments = {each.id: each.date for each in site.setting.observed.payments}

    def bills(self, variant: Variant, order: int, subject: Subject, where: Standing) -> Iterator[Bill]:
        """One bill for each day's fee that is dated in the window."""
        fee, setting = variant.charge.late_fee, self.site.setting
        assert fee is not None
        for late in self._watched(fee, order, subject):
            price = self._price(subject, late)
            for day in late_days(fee, late, setting.as_of, self._payments, price):
                shown = self._held_now(day)
                if shown.day in setting.window and shown.day in variant.starts:
                    yield self._bill(variant, subject, where, late, shown)

    def why_nothing_is_late(self, charge: Charge, household: Household) -> tuple[Fact, ...]:
        """The charges of the household that the fee watches, and its grace and minimum."""
        fee, setting = charge.late_fee, self.site.setting
        assert fee is not None
        subject = Subject(household, household.key_resident, alone=False)
        order = self.site.everyone.index(household)
        watched = [
            Fact(
                "watched charge",
                LateCharge(late.id, late.amount, due_on(late), late.open_amount, setting.as_of),
            )
            for late in self._watched(fee, order, subject)
        ]
        return (
            *watched,
            Fact("grace", f"{fee.grace_days} days"),
            Fact("minimum balance", Money(fee.minimum_balance)),
        )

    def _held_now(self, day: LateDay) -> LateDay:
        """A hold stays until it is settled: one that began before the window is held on the window's first day."""
        begins = self.site.setting.window.first
        if day.hold is None or not day.day < begins <= self.site.setting.as_of:
            return day
        return msgspec.structs.replace(day, day=begins, number=day.number + (begins - day.day).days)

    def _price(self, subject: Subject, late: SyncedCharge) -> PriceOf:
        lease = subject.household.lease_on(due_on(late) or self.site.setting.as_of)

        def price(rule: FeeRule, still_open: int) -> int | None:
            match rule:
                case Fixed(cents=cents):
                    return cents
                case PercentOfCharges(percent=percent):
                    of = late.amount
                case Percent(percent=percent, of=path):
                    of = money_at(path, self.site.facts, subject, lease, ALWAYS)
                case PercentOfOpen(percent=percent):
                    of = still_open
            return None if of is None else round_half_away(Fraction(percent * of) / 100)

        return price

    def _bill(
        self, variant: Variant, subject: Subject, where: Standing, late: SyncedCharge, day: LateDay
    ) -> Bill:
        days = Days(day.day, day.day)
        integration_id = self.site.setting.integration.id
        text, *others = self._known_by(late)
        key = key_of(integration_id, variant.charge, subject, text, day.number)
        alternates = tuple(
            key_of(integration_id, variant.charge, subject, other, day.number) for other in others
        )
        write = writer_of(self.site, variant, subject, Period(days, text, day.number, None, day.day), key)
        priced = Priced(days, day.term)
        if variant.waived:
            draft = write.line(0, Priced(days, NOTHING), None, whole=True, silent=True)
            return Bill(variant.charge, key, days, (), draft, "waived", correctable=False)
        hold = where.reason if where.kind == "hold" else day.hold
        line = write.line(0, priced, hold, whole=True)
        return Bill(
            variant.charge,
            key,
            days,
            (line,),
            line,
            billed=days,
            lived=days,
            alternates=alternates,
            correctable=False,
            priced=(priced,),
            facts=(Fact("service period", days),),
        )

    def _known_by(self, late: SyncedCharge) -> tuple[str, ...]:
        """The late charge's reference, then its record id: a fee posted before it had a reference is known by that.

        A reference that several charges carry tells none of them apart.
        """
        if late.reference is None or self._carried[late.reference] > 1:
            return (late.id,)
        return (late.reference, late.id)

    def _watched(self, fee: LateFee, order: int, subject: Subject) -> Iterator[SyncedCharge]:
        """The observed charges that the fee watches and that are this household's (or this resident's own)."""
        codes = {code.id for name in fee.codes for code in self.site.codes.get(name, ())}
        references = self._references_of(fee)
        setting = self.site.setting
        for late in setting.observed.charges:
            posted_by = setting.late_charges.get(late.id)
            ours = posted_by in fee.charges or (posted_by is None and late.reference in references)
            if (
                not (ours or late.charge_code_id in codes)
                or (late.amount is not None and late.amount <= 0)
                or self._owner(late) != order
            ):
                continue
            if not subject.alone or late.resident_id == subject.resident_id:
                yield late

    def _references_of(self, fee: LateFee) -> frozenset[str]:
        """What the watched charges are known by in the periods looked at, whether the journal knows them or not."""
        if fee not in self._references:
            charges = [charge for charge in self.site.plan.charges if charge.id in fee.charges]
            bills = [bill for charge in charges for each in self._bills_of(charge) for bill in each.bills]
            lines = [line.reference for bill in bills for line in bill.lines]
            self._references[fee] = frozenset([*lines, *(bill.key.reference for bill in bills)])
        return self._references[fee]

    def _owner(self, late: SyncedCharge) -> int | None:
        """The one household whose charge it is: its lease's, else the resident's that lived there when it was due."""
        site = self.site
        if late.lease_id in site.by_lease:
            return site.by_lease[late.lease_id]
        mine = [
            order
            for order in site.by_resident.get(late.resident_id or "", ())
            if late.unit_id in {None, site.everyone[order].unit.id}
        ]
        due = due_on(late)
        at_home = [j for j in mine if due and (lived := site.everyone[j].occupied) and due in lived]
        return next(reversed(at_home or mine), None)
