"""How an amount changes over time: steps, changes of lease, and what follows the lease's end.

plan-language.md, *Changes during a lease*.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import date
from fractions import Fraction

import msgspec

from chargeplan.core.amounts import FromPath, Percent, form_of, paths_of
from chargeplan.core.dates import ONE_DAY, Days
from chargeplan.core.money import MAX_CENTS, round_half_away, round_to_multiple
from chargeplan.core.observed import Lease
from chargeplan.core.periods import unbilled_gaps
from chargeplan.core.plan import Change, Charge, Step
from chargeplan.core.subject import Subject, mark_at
from chargeplan.core.terms import Amount, Applied, Base, Exact

MOST_CHANGES = 1_000
"""Changes of one amount that are followed: a raise a month for eighty years."""

BaseAmount = Callable[[Lease], Base]


class Event(msgspec.Struct, frozen=True):
    """A change of the amount from ``day`` on; ``splits`` where the period that holds it becomes two lines.

    ``step`` is its number in the charge's ``steps``, from 1; ``None`` where it follows the lease's end.
    """

    day: date
    change: Change
    splits: bool
    step: int | None = None


class Segment(msgspec.Struct, frozen=True):
    """Billed days with one amount a period."""

    days: Days
    amount: Amount


def reads_lease(charge: Charge) -> bool:
    """Whether the amount comes from the lease, so that a change of lease changes it."""
    return any(path.root == "lease" for path in paths_of(charge.amount))


def _holds_steps(charge: Charge) -> bool:
    """Whether each lease's own rent holds the steps up to its start, so that they are counted from the lease in force."""
    match form_of(charge.amount):
        case FromPath(path=path) | Percent(of=path):
            return path.root == "lease"
        case _:
            return False


def changed(amount: Exact, change: Change) -> Exact:
    """The amount after a change, not rounded again: each change starts from the previous rounded amount."""
    before = round_half_away(amount)
    match change.kind:
        case "percent":
            return before + Fraction(before * change.value) / 100
        case "flat":
            return before + change.value
        case "set":
            return change.value


def applied(amount: Exact, change: Change) -> int:
    """The amount after a change, in whole cents."""
    return round_to_multiple(changed(amount, change), change.round_to)


def segments(charge: Charge, subject: Subject, base: BaseAmount, period: Days, billed: Days) -> list[Segment]:
    """The billed days of a period cut where the amount changes in the middle of it, each with its amount."""
    gaps = [gap for gap in unbilled_gaps(charge, subject) if gap.common(billed)]
    edges = {day for gap in gaps for day in (gap.first, gap.last + ONE_DAY)}
    cuts = [billed.first, *sorted(edges.union(_cuts(charge, subject, period, billed)))]
    ends = [cut - ONE_DAY for cut in cuts[1:]] + [billed.last]
    return [
        Segment(Days(first, last), _amount_on(charge, subject, base, period, begins=billed.first, day=first))
        for first, last in zip(cuts, ends, strict=True)
        if not any(first in gap for gap in gaps)
    ]


def _cuts(charge: Charge, subject: Subject, period: Days, billed: Days) -> list[date]:
    found = {
        event.day
        for event in _events(charge, subject, period, billed.last, subject.household.lease_on(billed.first))
        if event.splits
    }
    if charge.split_mid_period and reads_lease(charge):
        for lease in subject.household.leases[1:]:
            if lease.start is not None:
                found.add(lease.start)
                found.update(e.day for e in _events(charge, subject, period, billed.last, lease) if e.splits)
    return sorted(day for day in found if billed.first < day <= billed.last)


def _amount_on(
    charge: Charge, subject: Subject, base: BaseAmount, period: Days, *, begins: date, day: date
) -> Amount:
    """The amount in force: changes that split a period count from their day, others once a period begins with them."""
    lease = subject.household.lease_on(day if charge.split_mid_period else begins)
    amount = Amount(base(lease))
    if amount.exact is None:
        return amount
    changes: list[Applied] = []
    exact: Exact = amount.exact
    events = _events(charge, subject, period, day, lease)
    if len(events) > MOST_CHANGES:
        return Amount(amount.base, too_many=True)
    for event in events:
        if event.day <= (day if event.splits else begins):
            unrounded = changed(exact, event.change)
            exact = round_to_multiple(unrounded, event.change.round_to)
            changes.append(Applied(event.step, event.day, event.change, unrounded, exact))
            if abs(exact) > MAX_CENTS:
                return Amount(amount.base, too_many=True)
    return Amount(amount.base, tuple(changes)) if changes else amount


def _events(charge: Charge, subject: Subject, period: Days, until: date, lease: Lease) -> list[Event]:
    """Every change through ``until``, in the order of their days, those of one day as listed; no more than some too many."""
    from_lease = _holds_steps(charge)
    steps = (
        Event(day, step.change, charge.split_mid_period, number)
        for number, step in enumerate(charge.steps, start=1)
        for day in _step_days(step, subject, until, lease if from_lease else None)
    )
    found = list(itertools.islice(steps, MOST_CHANGES + 1))
    if from_lease and lease.start is not None and len(found) <= MOST_CHANGES:
        found = [event for event in found if event.day > lease.start]
    found += _after_end(charge, lease, subject, period, until)
    return sorted(found, key=lambda event: event.day)


def _step_days(step: Step, subject: Subject, until: date, lease: Lease | None) -> Iterator[date]:
    first = mark_at(step.start, subject, lease)
    if first is None:
        return
    if step.repeat is None:
        if first.day <= until:
            yield first.day
        return
    count, unit = step.repeat
    number = 0
    while (day := first.plus(number * count, unit)) <= until:
        yield day
        number += 1


def _after_end(charge: Charge, lease: Lease, subject: Subject, period: Days, until: date) -> list[Event]:
    after, end = charge.after_lease_end, lease.end
    if after.change is None or end is None or subject.household.end_before(until) != end:
        return []
    if after.start == "day_after":
        return [Event(end + ONE_DAY, after.change, splits=True)]
    return [Event(end + ONE_DAY, after.change, splits=False)] if period.first > end else []
