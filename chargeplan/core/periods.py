"""Which service periods a charge bills, which days of them may be billed, and the limits as facts.

plan-language.md, *Schedule* and *Households*.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import msgspec

from chargeplan.core.amounts import Spread, form_of
from chargeplan.core.base import occurrences_of
from chargeplan.core.dates import ALWAYS, FIRST_DAY, LAST_DAY, ONE_DAY, DateExpression, Days
from chargeplan.core.facts import Fact, LeftOut, Resolved
from chargeplan.core.household import span
from chargeplan.core.plan import Charge, Once, Schedule
from chargeplan.core.recurrence import grid_of, occurrences
from chargeplan.core.site import Setting
from chargeplan.core.subject import Facts, Subject, date_at, mark_at


class Period(msgspec.Struct, frozen=True):
    """A service period to be billed: its key text, its number for ``spread``, the period before it, and a fixed date."""

    days: Days
    text: str
    number: int
    before: Days | None
    dated: date | None = None


def periods(
    setting: Setting, facts: Facts, charge: Charge, subject: Subject, within: Days
) -> Iterator[Period] | LeftOut:
    """The service periods that the charge bills and that have a day ``within`` some; a ``once`` is dated or serves one of them."""
    if charge.once is not None:
        return _single_period(charge.once, subject, within)
    schedule = charge.schedule
    assert schedule is not None
    begins = mark_at(schedule.first, subject) if schedule.first is not None else None
    anchor = mark_at(schedule.anchor, subject) if schedule.anchor is not None else begins
    grid = grid_of(schedule, anchor)
    if grid is None or (begins is None and schedule.first is not None):
        return LeftOut("date_unknown", tuple(limits_as_facts(setting, charge, subject)))
    base = begins or anchor
    zero = grid.index_of(base.day) if base else 0
    since = within.first - ONE_DAY * schedule.arrears
    return (
        Period(
            each.days,
            each.days.first.isoformat(),
            each.number,
            Days(grid.start(each.number + zero - 1), each.days.first - ONE_DAY),
        )
        for each in occurrences(grid, zero, since, within.last)
        if counts(charge, each.number, facts, subject)
    )


def _single_period(once: Once, subject: Subject, within: Days) -> Iterator[Period] | LeftOut:
    on = date_at(once.on, subject)
    resolved = Fact("once", Resolved(_text_of(once.on), on))
    if on is None:
        return LeftOut("date_unknown", (resolved,))
    if on not in within:
        return LeftOut("not_in_window", (Fact("window", within), resolved))
    days = _service(once, on, subject)
    if days is None:
        return LeftOut("date_unknown", (resolved,))
    return iter((Period(days, _text_of_once(once, days), 0, None, on),))


def _service(once: Once, on: date, subject: Subject) -> Days | None:
    """The days that a single line is for, by default its own; ``None`` where they are not known or run backwards."""
    if once.service is None:
        return Days(on, on)
    first, last = (date_at(each, subject) for each in once.service)
    return Days(first, last) if first and last and first <= last else None


def _text_of_once(once: Once, days: Days) -> str:
    """What the key of a single line names as its period: its days, but the words of a date relative to the lease.

    A date that a roster says is a day: the same row in next month's file, with another date, is another line.
    """
    if once.service is None and not isinstance(once.on, date) and not once.on.is_of_roster:
        return once.on.text
    return days.first.isoformat()


def counts(charge: Charge, number: int, facts: Facts, subject: Subject) -> bool:
    """Whether the occurrence of that number is one of those that ``times`` and ``spread`` ask for."""
    times = charge.schedule.times if charge.schedule is not None else None
    form = form_of(charge.amount)
    over = occurrences_of(form, facts, subject) if isinstance(form, Spread) else None
    limits = [each for each in (times, over) if each is not None]
    return not limits or 0 <= number < min(limits)


# --- days -------------------------------------------------------------------------------------------------------------


def lived(charge: Charge, subject: Subject) -> Days | None:
    """The days that the charge is owed for, whatever its own dates say: those of the contract, or those lived.

    Of these the edge days that are not billed are left out, and what follows the lease's end where billing stops.
    """
    if charge.basis == "contract":
        return _of_contract(charge, subject)
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


def _of_contract(charge: Charge, subject: Subject) -> Days | None:
    """What the lease owes, whoever lives there when: its own days where the schedule has no end or number of its own."""
    schedule, leases = charge.schedule, subject.household.leases
    if schedule is None:
        return ALWAYS
    first = FIRST_DAY if schedule.first is not None else leases[0].start
    ends = schedule.through is not None and date_at(schedule.through, subject) is not None
    counted = schedule.times is not None or isinstance(form_of(charge.amount), Spread)
    return span(first, None if ends or counted else leases[-1].end)


def billable(effective: Days, charge: Charge, subject: Subject) -> Days | None:
    """The days for which the charge may bill the subject, over all periods; ``effective`` are the plan's."""
    days = lived(charge, subject)
    limits = limits_of(effective, charge.schedule, subject)
    return days.common(limits) if days and limits and limits.count else None


def billed_days(charge: Charge, subject: Subject, billable: Days | None, period: Days) -> Days | None:
    """The first through the last billed day of a period; where billing stops with a lease, a gap at its edge is left out."""
    days = billable.common(period) if billable else None
    for gap in unbilled_gaps(charge, subject):
        if days is not None and days.first in gap:
            days = Days(gap.last + ONE_DAY, days.last) if gap.last < days.last else None
        if days is not None and days.last in gap:
            days = Days(days.first, gap.first - ONE_DAY)
    return days


def unbilled_gaps(charge: Charge, subject: Subject) -> tuple[Days, ...]:
    """The days between leases that are not billed: those after a lease's end, where billing stops with it."""
    stops = charge.after_lease_end.mode == "stop" and charge.basis == "occupancy"
    return subject.household.gaps if stops else ()


def limits_of(effective: Days, schedule: Schedule | None, subject: Subject) -> Days | None:
    """The days that the plan's and the charge's own dates leave; ``None`` where the charge never begins."""
    if schedule is None:
        return effective
    begins = date_at(schedule.first, subject) if schedule.first else effective.first
    through = date_at(schedule.through, subject) if schedule.through else None
    if begins is None:
        return None
    return Days(max(effective.first, begins), min(effective.last, through or LAST_DAY))


def limits_as_facts(setting: Setting, charge: Charge, subject: Subject) -> Iterator[Fact]:
    """The window, the household's days, and every date that limits what is billed."""
    yield Fact("window", setting.window)
    yield Fact("occupied days", subject.occupied or "none")
    schedule = charge.schedule
    for what, expression in (
        ("from", schedule.first if schedule else None),
        ("through", schedule.through if schedule else None),
        ("once", charge.once.on if charge.once else None),
    ):
        if expression is not None:
            yield Fact(what, Resolved(_text_of(expression), date_at(expression, subject)))
    effective = setting.plan.effective
    if effective.first.year > 1 or effective.last != LAST_DAY:
        yield Fact("the plan's effective days", effective)


def _text_of(expression: DateExpression) -> str:
    return expression.isoformat() if isinstance(expression, date) else expression.text


def is_stub(billable: Days, period: Days) -> bool:
    """Whether billing begins inside the period."""
    return period.first < billable.first <= period.last
