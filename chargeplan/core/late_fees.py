"""Fees for charges that stay open (plan-language.md, *Late fees*)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta

import msgspec

from chargeplan.core.dates import ONE_DAY
from chargeplan.core.observed import SyncedCharge
from chargeplan.core.plan import Cap, Fixed, LateFee, Percent

PriceOf = Callable[[Fixed | Percent], "int | None"]


class LateDay(msgspec.Struct, frozen=True):
    """One day's fee: its number (0 for the first day after the grace), its date and its cents.

    ``hold`` is the reason where the cents can't be told. The number is the day's and not that of the fee, so that what
    becomes known late of a payment changes no other day's key.
    """

    number: int
    day: date
    amount: int | None
    hold: str | None = None


def due_on(charge: SyncedCharge) -> date | None:
    """When a charge is due: its due date, else its transaction date."""
    return charge.due_date or charge.transaction_date


def late_days(
    fee: LateFee, charge: SyncedCharge, as_of: date, payments: Mapping[str, date | None], price: PriceOf
) -> Iterator[LateDay]:
    """One fee for each day after the grace, through ``as_of``, on which more than the minimum was still open.

    ``payments`` maps a payment's id to its date. The last fee is cut to the cap.
    """
    due = due_on(charge)
    if due is None:
        return
    first = due + timedelta(days=fee.grace_days) + ONE_DAY
    if first > as_of:
        return
    open_on = _open_amounts(charge, payments)
    if open_on is None:
        yield LateDay(0, first, None, "balance_unknown")
        return
    yield from _priced(fee, first, as_of, open_on, price)


def _priced(
    fee: LateFee, first: date, as_of: date, open_on: Callable[[date], int], price: PriceOf
) -> Iterator[LateDay]:
    cap = None if fee.cap is None else _cap(fee.cap, price)
    charged, rule = 0, fee.initial
    for number in range((as_of - first).days + 1):
        day = first + timedelta(days=number)
        if open_on(day) <= fee.minimum_balance:
            continue
        amount = price(rule)
        if amount is None or (fee.cap is not None and cap is None):
            yield LateDay(number, day, None, "amount_missing")
            return
        amount = amount if cap is None else min(amount, cap - charged)
        if amount > 0:
            yield LateDay(number, day, amount)
        charged += max(amount, 0)
        if fee.daily is None or (cap is not None and charged >= cap):
            return
        rule = fee.daily


def _cap(cap: Cap, price: PriceOf) -> int | None:
    amounts = [price(each) for each in cap.amounts]
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
