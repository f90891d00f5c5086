"""When and how much of it: schedules, single dates, proration and changes during a lease (plan-language.md)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal, TypeAlias, cast

from chargeplan.core.dates import (
    FIRST_DAY,
    LAST_DAY,
    DateChoice,
    DateExpression,
    Days,
    RelativeDate,
    add_months,
)
from chargeplan.core.plan import AfterLeaseEnd, Change, Once, Proration, Schedule, Step
from chargeplan.loading.check import Fields, Reader, Spot, boolean, choice, date, integer
from chargeplan.loading.node import Mapping, Scalar
from chargeplan.loading.values import Noted, change, length, money, positive_money

Method: TypeAlias = Literal["none", "skip", "actual", "thirty", "banker", "annual"]

SCHEDULE_KEYS = ("every", "day", "weekday", "from", "through", "times", "bill", "anchor")
PRORATE_KEYS = ("method", "move_in_day", "move_out_day", "stub")
STEP_KEYS = ("from", "change", "set", "round_to", "repeat")
METHODS = ("none", "skip", "actual", "thirty", "banker", "annual")
MONTHLY_METHODS = frozenset({"thirty", "banker", "annual"})
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Service: TypeAlias = tuple[DateExpression, DateExpression]
_SPAN_WORDS = "a mapping with `from` and `through`"
_EVERY_WORDS = "`month`, `quarter`, `year`, `week`, or a number of months or weeks such as `2 weeks`"
_NAMED: dict[str, tuple[Literal["month", "week"], int]] = {
    "month": ("month", 1),
    "quarter": ("month", 3),
    "year": ("month", 12),
    "week": ("week", 1),
}


# --- schedules ---------------------------------------------------------------------------------------------------


def schedule(spot: Spot, noted: Noted) -> Schedule | None:
    """A recurring schedule; keys that do not go together are reported."""
    fields = Fields.open(spot, SCHEDULE_KEYS, "a mapping such as `{every: month, day: 1}`")
    if fields is None:
        return None
    day_reader: Reader[int | Literal["last"]] = _day
    date_reader: Reader[DateExpression] = noted.date
    every = fields.required("every", _every)
    day = fields.optional("day", day_reader, None)
    weekday = fields.optional("weekday", _weekday, None)
    first = fields.optional("from", date_reader, None)
    through = fields.optional("through", date_reader, None)
    times = fields.optional("times", integer(1, 1200, "a number of occurrences from 1 to 1200"), None)
    arrears = fields.optional("bill", choice("advance", "arrears"), "advance") == "arrears"
    anchor = fields.optional("anchor", date, None)
    if every is None:
        return None
    made = Schedule(*every, day, weekday, first, through, times, arrears, anchor)
    _check_schedule(fields, made)
    return made


def _every(spot: Spot) -> tuple[Literal["month", "week"], int] | None:
    raw = spot.node.raw.strip() if isinstance(spot.node, Scalar) and spot.node.kind != "null" else ""
    if raw in _NAMED:
        return _NAMED[raw]
    match = re.fullmatch(r"([1-9]\d{0,2})\s+(month|week)s?", raw, re.ASCII)
    if match is None:
        advice = {
            "monthly": "month",
            "weekly": "week",
            "quarterly": "quarter",
            "yearly": "year",
            "annually": "year",
        }.get(raw)
        spot.wrong(_EVERY_WORDS, f"Write `{advice}`." if advice else "")
        return None
    return ("month" if match[2] == "month" else "week"), int(match[1])


def _day(spot: Spot) -> int | Literal["last"] | None:
    if isinstance(spot.node, Scalar) and spot.node.raw == "last":
        return "last"
    return integer(1, 31, "a number from 1 to 31 or `last`")(spot)


def _weekday(spot: Spot) -> int | None:
    name = choice(*WEEKDAYS)(spot)
    return None if name is None else WEEKDAYS.index(name)


def _check_schedule(fields: Fields, made: Schedule) -> None:
    if made.unit == "week" and fields.has("day"):
        fields.problems.error(
            fields.key_place("day"), "A weekly schedule takes no `day`.", "Write `weekday: monday`."
        )
    if made.unit == "month" and fields.has("weekday"):
        fields.problems.error(
            fields.key_place("weekday"), "A monthly schedule takes no `weekday`.", "Write `day: 1`."
        )
    if not fields.has("from") and not fields.has("anchor"):
        _check_phase(fields, made)
    if made.first is not None and made.through is not None:
        _is_backwards(fields, made.first, made.through)


def _check_phase(fields: Fields, made: Schedule) -> None:
    """`month`, `quarter` and `year` follow the calendar; anything else has to be told where it begins."""
    spot = fields.at("every")
    written = spot.node.raw if spot is not None and isinstance(spot.node, Scalar) else ""
    if made.count > 1 and written not in _NAMED:
        _needs_phase(
            fields, f"`every: {written}` needs `from` or `anchor`, which says in which {made.unit} it begins."
        )
    elif made.unit == "week" and not fields.has("weekday"):
        _needs_phase(fields, "A weekly schedule needs `weekday`, `from` or `anchor`.")


def _needs_phase(fields: Fields, summary: str) -> None:
    fields.problems.error(fields.key_place("every"), summary, "For example `from: 2027-01-01`.")


def _backwards(fields: Fields, first: dt.date, through: dt.date) -> None:
    spot = fields.at("through")
    assert spot is not None
    spot.error(f"`through: {through}` lies before `from: {first}`.", "Swap them, or correct the year.")


def is_monthly(made: Schedule) -> bool:
    """Whether every service period is a month, as `thirty`, `banker` and `annual` need it."""
    return made.unit == "month" and made.count == 1


# --- single dates and spans --------------------------------------------------------------------------------------


def once(spot: Spot, noted: Noted, service: Service | None) -> Once | None:
    """A single line's date, for the days of ``service``."""
    on = noted.date(spot)
    return None if on is None else Once(on, service)


def dates_of_roster(once: Once) -> tuple[str, ...]:
    """The roster's columns that say which day a single line is known by: rows with other days are other lines."""
    return tuple(_columns(once.on if once.service is None else once.service[0]))


def span_of_roster(period: Schedule | Once) -> tuple[RelativeDate, RelativeDate] | None:
    """The first and last day of a line where a roster's row says both."""
    if isinstance(period, Schedule):
        first, last = period.first, period.through
    else:
        first, last = period.service or (None, None)
    if (
        isinstance(first, RelativeDate)
        and isinstance(last, RelativeDate)
        and first.is_of_roster
        and last.is_of_roster
    ):
        return first, last
    return None


def _columns(expression: DateExpression) -> Iterator[str]:
    match expression:
        case DateChoice(dates=dates):
            for each in dates:
                yield from _columns(each)
        case RelativeDate(base=base, is_of_roster=True):
            yield base.removeprefix("roster.")
        case _:
            pass


def service_days(spot: Spot, noted: Noted) -> Service | None:
    """``{from, through}`` of any dates, both needed, inclusive."""
    fields = Fields.open(spot, ("from", "through"), _SPAN_WORDS)
    if fields is None:
        return None
    date_reader: Reader[DateExpression] = noted.date
    first, last = fields.required("from", date_reader), fields.required("through", date_reader)
    if first is None or last is None or _is_backwards(fields, first, last):
        return None
    return first, last


def open_span(spot: Spot) -> Days | None:
    """``{from, through}`` where an end that is not written is open."""
    fields = Fields.open(spot, ("from", "through"), _SPAN_WORDS)
    if fields is None:
        return None
    first, last = fields.optional("from", date, FIRST_DAY), fields.optional("through", date, LAST_DAY)
    return None if _is_backwards(fields, first, last) else Days(first, last)


def _is_backwards(fields: Fields, first: DateExpression, last: DateExpression) -> bool:
    if isinstance(first, dt.date) and isinstance(last, dt.date) and last < first:
        _backwards(fields, first, last)
        return True
    return False


def is_one_month(service: Service) -> bool:
    """Whether the days are surely a month from some day to the day before the next."""
    first, last = service
    if not isinstance(first, dt.date) or not isinstance(last, dt.date):
        return False
    return add_months(first, 1) == last + dt.timedelta(days=1)


# --- proration ---------------------------------------------------------------------------------------------------


def prorate(spot: Spot) -> Proration | None:
    """A method, or a method with its details."""
    if not isinstance(spot.node, Mapping):
        method = choice(*METHODS)(spot)
        return None if method is None else Proration(cast("Method", method))
    fields = Fields(spot, spot.node, PRORATE_KEYS)
    method = fields.required("method", choice(*METHODS))
    in_day = fields.optional("move_in_day", boolean, True)
    out_day = fields.optional("move_out_day", boolean, True)
    stub = fields.optional("stub", choice("first", "second"), "first")
    if method is None:
        return None
    if stub == "second" and method in ("none", "skip"):
        fields.problems.error(
            fields.key_place("stub"),
            f"`stub: second` needs a method that prorates; `{method}` does not.",
            "Use `actual`, for instance.",
        )
    return Proration(cast("Method", method), in_day, out_day, cast("Literal['first', 'second']", stub))


# --- changes -----------------------------------------------------------------------------------------------------


def step(spot: Spot, noted: Noted) -> Step | None:
    """A change of the amount from a date on."""
    fields = Fields.open(
        spot, STEP_KEYS, 'a mapping such as `{from: lease.start + 12 months, change: "+3%"}`'
    )
    if fields is None:
        return None
    date_reader: Reader[DateExpression] = noted.date
    start = fields.required("from", date_reader)
    what = _step_change(fields)
    repeat = fields.optional("repeat", length(1), None)
    return None if start is None or what is None else Step(start, what, repeat)


def _step_change(fields: Fields) -> Change | None:
    round_to = fields.optional("round_to", positive_money, 1)
    if fields.has("set") and fields.has("change"):
        fields.problems.error(
            fields.key_place("set"), "A step takes `change` or `set`, not both.", "Delete one of them."
        )
        return None
    if fields.has("set"):
        cents = fields.required("set", money)
        return None if cents is None else Change("set", Fraction(cents), round_to)
    if not fields.has("change"):
        fields.missing("change", 'Write `change: "+3.5%"`, or `set:` with the new amount.')
        return None
    made = fields.required("change", change)
    return None if made is None else Change(made.kind, made.value, round_to)


def after_lease_end(spot: Spot) -> AfterLeaseEnd | None:
    """What follows the lease's end while someone still lives there."""
    if not isinstance(spot.node, Mapping):
        mode = choice("hold", "stop", "continue")(spot)
        return None if mode is None else AfterLeaseEnd(cast("Literal['hold', 'stop', 'continue']", mode))
    fields = Fields(spot, spot.node, ("change", "start"))
    made = fields.required("change", change)
    start = fields.optional("start", choice("next_period", "day_after"), "next_period")
    if made is None:
        return None
    return AfterLeaseEnd("change", made, cast("Literal['next_period', 'day_after']", start))
