"""The schedule's grid (plan-language.md, *Schedule*)."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargeplan.core.dates import DateChoice, Mark, add_months, add_period, mark_from
from chargeplan.core.household import households
from chargeplan.core.plan import Change, Once, Step
from chargeplan.core.recurrence import grid_of, occurrences
from chargeplan.core.subject import Subject, date_at
from tests.core.builders import (
    billed,
    d,
    lease,
    lines,
    observed,
    once,
    reasons,
    rel,
    rent_plan,
    roster,
    schedule,
    usd,
    when,
)


def starts(every: str, count: int, *, around: str | None = None, **rest: object) -> list[str]:
    """The first dates of the grid, from the period that holds ``around`` (else the anchor)."""
    made = schedule(every, **rest)  # type: ignore[arg-type]
    anchor = made.anchor or made.first
    grid = grid_of(made, Mark(anchor, anchor.day) if anchor else None)  # type: ignore[arg-type]
    assert grid is not None
    zero = grid.index_of(d(around) if around else anchor)  # type: ignore[arg-type]
    return [str(grid.start(zero + n)) for n in range(count)]


@pytest.mark.parametrize(
    ("every", "rest", "dates"),
    [
        (
            "month",
            {"first": "2027-10-31"},
            ["2027-10-31", "2027-11-30", "2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31"],
        ),
        (
            "month",
            {"first": "2027-11-30"},
            ["2027-11-30", "2027-12-30", "2028-01-30", "2028-02-29", "2028-03-30"],
        ),
        ("month", {"anchor": "2027-01-30", "day": 30}, ["2027-01-30", "2027-02-28", "2027-03-30"]),
        (
            "month",
            {"anchor": "2027-01-31", "day": "last"},
            ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"],
        ),
        ("month", {"anchor": "2027-01-15", "day": 20}, ["2026-12-20", "2027-01-20"]),
        ("2 months", {"first": "2027-01-15"}, ["2027-01-15", "2027-03-15", "2027-05-15"]),
        ("2 months", {"anchor": "2027-02-10", "day": 1}, ["2027-02-01", "2027-04-01"]),
        ("2 months", {"anchor": "2027-02-10", "day": 20}, ["2027-01-20", "2027-03-20"]),
        ("quarter", {"around": "2027-08-15"}, ["2027-07-01", "2027-10-01", "2028-01-01"]),
        ("quarter", {"around": "2027-08-15", "day": 15}, ["2027-07-15", "2027-10-15"]),
        ("quarter", {"first": "2027-02-01"}, ["2027-02-01", "2027-05-01"]),
        ("year", {"around": "2027-08-15"}, ["2027-01-01", "2028-01-01"]),
        (
            "year",
            {"first": "2028-02-29"},
            ["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"],
        ),
        ("week", {"weekday": 0, "around": "2027-08-04"}, ["2027-08-02", "2027-08-09"]),
        ("2 weeks", {"first": "2027-08-04"}, ["2027-08-04", "2027-08-18", "2027-09-01"]),
        ("2 weeks", {"anchor": "2027-08-04", "weekday": 4}, ["2027-07-30", "2027-08-13"]),
    ],
)
def test_each_date_is_reckoned_from_the_anchor(every: str, rest: dict[str, object], dates: list[str]) -> None:
    assert starts(every, len(dates), **rest) == dates  # type: ignore[arg-type]


@pytest.mark.parametrize("every", ["2 months", "2 weeks"])
def test_several_months_or_weeks_need_an_anchor(every: str) -> None:
    assert grid_of(schedule(every), None) is None


def test_a_period_ends_the_day_before_the_next_date() -> None:
    made = schedule("month", first="2027-10-31")
    grid = grid_of(made, Mark(d("2027-10-31"), 31))
    assert grid is not None
    found = list(occurrences(grid, 0, d("2027-11-29"), d("2027-11-30")))
    assert [(str(each.days.first), str(each.days.last), each.number) for each in found] == [
        ("2027-10-31", "2027-11-29", 0),
        ("2027-11-30", "2027-12-30", 1),
    ]


@pytest.mark.parametrize(
    ("day", "count", "unit", "result"),
    [
        ("2027-01-31", 1, "months", "2027-02-28"),
        ("2028-02-29", 1, "years", "2029-02-28"),
        ("2027-03-31", -1, "months", "2027-02-28"),
        ("2027-01-31", -14, "months", "2025-11-30"),
        ("2027-08-01", 2, "weeks", "2027-08-15"),
        ("2027-08-01", -1, "days", "2027-07-31"),
    ],
)
def test_month_arithmetic_clamps(day: str, count: int, unit: str, result: str) -> None:
    assert str(add_period(d(day), count, unit)) == result  # type: ignore[arg-type]


YEAR = ("2027-01-01", "2027-12-31")


def test_from_and_through_limit_the_billed_days_and_do_not_move_the_grid() -> None:
    of = rent_plan(schedule=schedule(first="2027-03-15", through="2027-05-10", day=1))
    assert billed(of, window=YEAR) == [
        ("2027-03-15", "$1,000.00"),
        ("2027-04-01", "$1,000.00"),
        ("2027-05-01", "$1,000.00"),
    ]


def test_times_counts_from_the_period_that_holds_from_even_where_nobody_lives_there() -> None:
    of = rent_plan(schedule=schedule(first="2027-03-15", day=1, times=3))
    assert [day for day, _ in billed(of, window=YEAR)] == ["2027-03-15", "2027-04-01", "2027-05-01"]
    late = lease(start="2027-04-20")
    assert [day for day, _ in billed(of, late, window=YEAR)] == ["2027-04-20", "2027-05-01"]


def test_arrears_are_dated_the_day_after_the_last_billed_day() -> None:
    of = rent_plan(schedule=schedule(day=1, arrears=True))
    assert billed(of) == [("2027-08-01", "$1,000.00")]  # July's
    assert billed(of, lease(moved_out="2027-08-10")) == [
        ("2027-08-01", "$1,000.00"),
        ("2027-08-11", "$1,000.00"),
    ]


@pytest.mark.parametrize(
    ("first", "dates"),
    [
        ("lease.start", ["2027-08-01"]),
        ("move_in + 6 months", ["2027-08-05"]),
        ("lease.end + 1 day", []),
        ("move_out", []),  # not known: as a beginning it never comes
    ],
)
def test_dates_relative_to_the_household(first: str, dates: list[str]) -> None:
    of = rent_plan(schedule=schedule(first=first, day=1))
    assert [day for day, _ in billed(of, lease(moved_in="2027-02-05"))] == dates


def test_an_unknown_end_sets_no_limit() -> None:
    assert billed(rent_plan(schedule=schedule(through="move_out - 1 month", day=1))) == [
        ("2027-08-01", "$1,000.00")
    ]


def test_once_is_for_the_occupied_days_of_its_service() -> None:
    fee = rent_plan("water", usd("30.00"), once=once("2027-08-05", ("2027-07-01", "2027-07-31")))
    assert billed(fee) == [("2027-08-05", "$30.00")]
    assert reasons(fee, lease(start="2027-08-01")) == ["no_billed_days"]
    assert billed(
        rent_plan("fee", usd("50.00"), once=once("move_in + 2 weeks")), lease(moved_in="2027-08-02")
    ) == [("2027-08-16", "$50.00")]


@pytest.mark.parametrize(
    ("on", "reason"),
    [("move_out", "date_unknown"), ("2027-09-05", "not_in_window"), ("2027-07-20", "not_in_window")],
)
def test_a_single_line_that_is_not_due_now_says_why(on: str, reason: str) -> None:
    assert reasons(rent_plan("fee", usd("50.00"), once=once(on))) == [reason]


# --- what repeats from a relative date is worked out from its base ---------------------------------------------------


@pytest.mark.parametrize(
    ("moved_in", "first", "dates"),
    [
        ("2027-01-31", "move_in + 1 month", ["2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"]),
        ("2027-01-30", "move_in + 1 month", ["2027-02-28", "2027-03-30", "2027-04-30", "2027-05-30"]),
        ("2027-01-31", "move_in + 29 days", ["2027-03-01", "2027-04-01", "2027-05-01", "2027-06-01"]),
        ("2027-03-31", "move_in - 1 month", ["2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30"]),
    ],
)
def test_a_schedule_from_a_relative_date_does_not_drift(moved_in: str, first: str, dates: list[str]) -> None:
    home = lease(start=moved_in, end="2028-12-31", moved_in=moved_in)
    found = billed(rent_plan(schedule=schedule(first=first)), home, window=("2027-02-28", "2027-06-30"))
    assert [day for day, _ in found if day >= moved_in][: len(dates)] == dates


@pytest.mark.parametrize(
    ("begun", "step", "days"),
    [
        ("2027-08-31", (6, "months"), ["2028-02-29", "2028-08-31", "2029-02-28", "2029-08-31"]),
        ("2028-02-29", (12, "months"), ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
        ("2028-02-29", (1, "years"), ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
        ("2027-08-31", (4, "weeks"), ["2027-09-28", "2027-10-26", "2027-11-23", "2027-12-21"]),
    ],
)
def test_steps_from_a_relative_date_do_not_drift(begun: str, step: tuple[int, str], days: list[str]) -> None:
    count, unit = step
    rise = Step(rel(f"lease.start + {count} {unit}"), Change("flat", Fraction(100)), (count, unit))  # type: ignore[arg-type]
    of = rent_plan(amount=usd("1,000.00"), steps=(rise,), schedule=schedule("week", first=begun))
    home = lease(start=begun, end="2037-12-31", moved_in=begun)
    for n, day in enumerate(days):
        before = billed(of, home, window=(str(d(day) - timedelta(days=7)), str(d(day) - timedelta(days=1))))
        after = billed(of, home, window=(day, str(d(day) + timedelta(days=6))))
        assert [before[0][1], after[0][1]] == [f"$1,00{n}.00", f"$1,00{n + 1}.00"]


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(-30, 30), st.integers(1, 13))
def test_dates_from_a_base_never_drift(base: date, offset: int, step: int) -> None:
    """The n-th date is the base and all the months since, clamped once."""
    mark = mark_from(base, offset, "months")
    assert [mark.plus(n * step, "months") for n in range(60)] == [
        add_months(base, offset + n * step) for n in range(60)
    ]


@pytest.mark.parametrize(
    ("which", "dates", "found"),
    [
        ("latest", ("move_out", "2027-08-20"), "2027-08-20"),
        ("earliest", ("move_out", "2027-08-20"), "2027-08-12"),
        ("latest", ("lease.end + 1 day", "move_in"), "2028-01-01"),
    ],
)
def test_the_earliest_or_the_latest_of_the_dates_that_are_known(
    which: str, dates: tuple[str, ...], found: str
) -> None:
    chosen = DateChoice(which, tuple(when(each) for each in dates))  # type: ignore[arg-type]
    home = lease(moved_in="2027-02-05", moved_out="2027-08-12", end="2027-12-31")
    assert str(date_at(chosen, Subject(households(observed(home))[0], "r1", alone=False))) == found


def test_a_choice_of_dates_none_of_which_is_known_is_not_known() -> None:
    chosen = DateChoice("latest", (rel("move_out"), rel("roster.until")))
    assert date_at(chosen, Subject(households(observed(lease()))[0], "r1", alone=False)) is None


# --- what a single line is known by ----------------------------------------------------------------------------------


def key_period(on: object, service: tuple[object, object] | None = None) -> list[str]:
    rows = roster(
        "unit", {"unit": "101", "date": "2027-08-09", "from": "2027-07-01", "through": "2027-07-31"}
    )
    of = rent_plan(amount=usd("35.00"), schedule=None, once=Once(on, service), roster=rows)  # type: ignore[arg-type]
    return [line.key.period for line in lines(of, lease(start="2027-01-09", moved_in="2027-01-09"))]


def test_a_date_of_a_roster_is_what_its_line_is_known_by() -> None:
    """Next month's file has the same labels and amounts, and its lines are other lines."""
    assert key_period(rel("roster.date")) == ["2027-08-09"]
    assert key_period(rel("roster.date + 1 week")) == ["2027-08-16"]
    assert key_period(DateChoice("latest", (rel("roster.date"), rel("move_in")))) == ["2027-08-09"]


def test_a_date_of_the_lease_is_known_by_its_words() -> None:
    assert key_period(rel("move_in + 7 months")) == ["move_in + 7 months"]
    both = DateChoice("earliest", (rel("move_in + 7 months"), d("2027-09-01")))
    assert key_period(both) == ["{earliest: [move_in + 7 months, 2027-09-01]}"]


def test_the_days_that_a_line_is_for_may_be_a_rosters() -> None:
    assert key_period(rel("roster.date"), (rel("roster.from"), rel("roster.through"))) == ["2027-07-01"]
    assert key_period(rel("roster.date"), (rel("roster.through"), rel("roster.from"))) == []
