"""What a part of a period costs (plan-language.md, *Proration*). Figures by hand."""

from __future__ import annotations

from typing import Any

import pytest

from chargeplan.core.money import round_half_away
from chargeplan.core.plan import Proration
from chargeplan.core.proration import banker_days, prorated
from tests.core.builders import billed, days, lease, reasons, rent_plan, schedule


@pytest.mark.parametrize(
    ("method", "first", "last", "cents"),
    [
        ("none", "2027-08-17", "2027-08-31", 100000),
        ("skip", "2027-08-17", "2027-08-31", 0),
        ("actual", "2027-08-17", "2027-08-31", 48387),  # 1000 x 15/31 = 483.870…
        ("thirty", "2027-08-17", "2027-08-31", 50000),  # 15/30
        ("thirty", "2027-08-02", "2027-08-31", 100000),  # 30/30
        ("banker", "2027-08-17", "2027-08-31", 46667),  # 17…30 are 14 days: 466.666…
        ("banker", "2027-08-01", "2027-08-30", 100000),
        ("annual", "2027-08-17", "2027-08-31", 49315),  # 15 x 12 / 365 = 0.493150…
        ("annual", "2027-08-01", "2027-08-30", 98630),  # 360/365
    ],
)
def test_a_part_of_august(method: Any, first: str, last: str, cents: int) -> None:
    august = days("2027-08-01", "2027-08-31")
    assert round_half_away(prorated(100000, method, august, days(first, last))) == cents


@pytest.mark.parametrize("method", ["none", "skip", "actual", "thirty", "banker", "annual"])
@pytest.mark.parametrize(
    "period", [("2027-02-01", "2027-02-28"), ("2027-08-01", "2027-08-31"), ("2027-08-15", "2027-09-14")]
)
def test_a_full_period_costs_the_full_amount(method: Any, period: tuple[str, str]) -> None:
    assert prorated(100000, method, days(*period), days(*period)) == 100000


def test_a_part_never_costs_more_than_the_whole() -> None:
    assert (
        prorated(100000, "thirty", days("2027-08-01", "2027-08-31"), days("2027-08-01", "2027-08-30"))
        == 100000
    )
    assert (
        prorated(-100000, "thirty", days("2027-08-01", "2027-08-31"), days("2027-08-02", "2027-08-31"))
        == -100000
    )


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [
        ("2027-08-01", "2027-08-31", 30),
        ("2027-08-31", "2027-08-31", 1),  # the 31st is the 30th
        ("2027-08-30", "2027-08-31", 1),
        ("2027-08-16", "2027-08-31", 15),
        ("2027-08-01", "2027-08-15", 15),
        ("2027-02-01", "2027-02-28", 30),
        ("2027-02-15", "2027-02-28", 16),  # the 28th is the month's last day: 30 - 15 + 1
        ("2027-02-28", "2027-02-28", 3),
        ("2028-02-28", "2028-02-28", 1),
        ("2028-02-29", "2028-02-29", 2),
        ("2027-04-01", "2027-04-30", 30),
        ("2027-08-15", "2027-09-14", 30),  # 16 + 14
        ("2027-12-20", "2028-01-05", 16),  # 11 + 5
    ],
)
def test_bankers_days(first: str, last: str, count: int) -> None:
    assert banker_days(days(first, last)) == count


IN_17 = {"moved_in": "2027-08-17"}
OUT_15 = {"moved_out": "2027-08-15"}


@pytest.mark.parametrize(
    ("proration", "dates", "lines"),
    [
        (Proration("actual"), IN_17, [("2027-08-17", "$483.87")]),  # 15/31
        (Proration("actual", move_in_day=False), IN_17, [("2027-08-18", "$451.61")]),  # 14/31
        (Proration("actual"), OUT_15, [("2027-08-01", "$483.87")]),
        (Proration("actual", move_out_day=False), OUT_15, [("2027-08-01", "$451.61")]),
        (Proration("none"), OUT_15, [("2027-08-01", "$1,000.00")]),
        (Proration("actual", move_in_day=False), {"moved_in": "2027-07-31"}, [("2027-08-01", "$1,000.00")]),
        (Proration("skip"), IN_17, []),
    ],
)
def test_edge_days(proration: Proration, dates: dict[str, str], lines: list[tuple[str, str]]) -> None:
    assert billed(rent_plan(prorate=proration), lease(**dates)) == lines


def test_skip_says_that_the_period_is_a_part() -> None:
    assert reasons(rent_plan(prorate=Proration("skip")), lease(**IN_17)) == ["partial_period"]


def test_a_move_in_on_the_last_day_of_the_window_without_that_day_has_no_line() -> None:
    assert reasons(
        rent_plan(prorate=Proration("actual", move_in_day=False)), lease(moved_in="2027-08-31")
    ) == ["no_billed_days"]


SECOND = Proration("actual", stub="second")


def test_the_second_period_can_bear_the_stub() -> None:
    both = ("2027-08-01", "2027-09-30")
    # Together 483.870… + 1000 = 1483.87; the first month is paid whole, the second is the rest.
    assert billed(rent_plan(prorate=SECOND), lease(**IN_17), window=both) == [
        ("2027-08-17", "$1,000.00"),
        ("2027-09-01", "$483.87"),
    ]


def test_no_stub_where_the_first_period_is_whole_or_the_only_one() -> None:
    both = ("2027-08-01", "2027-09-30")
    assert billed(rent_plan(prorate=SECOND), lease(moved_in="2027-08-01"), window=both) == [
        ("2027-08-01", "$1,000.00"),
        ("2027-09-01", "$1,000.00"),
    ]
    assert billed(rent_plan(prorate=SECOND), lease(**IN_17, moved_out="2027-08-26"), window=both) == [
        ("2027-08-17", "$322.58")
    ]
    only = rent_plan(prorate=SECOND, schedule=schedule(first="2027-08-17", day=1, times=1))
    assert billed(only, window=both) == [("2027-08-17", "$483.87")]


def test_a_second_period_that_is_left_early_gets_the_rest_of_both() -> None:
    both = ("2027-08-01", "2027-09-30")
    # 483.87 + 1000 x 20/30 = 1150.537…, less 1000.
    assert billed(rent_plan(prorate=SECOND), lease(**IN_17, moved_out="2027-09-20"), window=both)[1] == (
        "2027-09-01",
        "$150.54",
    )
