"""Money: how it is written, how it is rounded, how it is divided (plan-language.md, *Reading the file* and *Amount*)."""

from __future__ import annotations

from fractions import Fraction

import pytest

from chargeplan.core.money import (
    MoneyError,
    format_money,
    parse_cell,
    parse_money,
    round_half_away,
    round_to_multiple,
    share_out,
    spread_part,
)


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("35.00", 3500),
        ("$1,250.00", 125000),
        ("1,234,567.89", 123456789),
        ("-100.00", -10000),
        ("-$100.00", -10000),
        (" 0.05 ", 5),
        ("-0.00", 0),
        ("007.10", 710),
    ],
)
def test_money_is_a_decimal_with_two_places(text: str, cents: int) -> None:
    assert parse_money(text) == cents


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("35", "`35.00` for dollars or `0.35` for cents"),
        ("7", "`7.00` for dollars or `0.07` for cents"),
        ("-1,250", "`-1250.00` for dollars or `-12.50` for cents"),
        ("9" * 5000 + ".00", "`" + "9" * 40 + "…` is ten billion or more"),
        ("9" * 5000, "`" + "9" * 40 + "…` is not money"),
        ("35.000", "exactly two decimals"),
        ("35.5", "exactly two decimals"),
        ("35.", "exactly two decimals"),
        ("1,73,900.00", "write `173,900.00`, if that is meant"),
        ("1.250,00", "write `1,250.00`, if that is meant"),
        ("35,00", "write `35.00`, if that is meant"),
        ("1 250.00", "write `1,250.00`, if that is meant"),
        ("($1,250.00)", "write `-1,250.00`, if that is meant"),
        ("100.00-", "write `-100.00`, if that is meant"),
        ("+35.00", "write `35.00`, if that is meant"),
        ("10,000,000,000.00", "is ten billion or more"),
        ("", "is not money"),
        ("--1.00", "is not money"),
        ("1e2", "is not money"),
        ("\u0663.\u0660\u0660", "is not money"),
        ("35.00 USD", "write `35.00`, if that is meant"),
        ("€ 35.00", "write a decimal with two places"),
    ],
)
def test_everything_else_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(MoneyError, match=r".") as problem:
        parse_money(text)
    assert said in str(problem.value)


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("125.5", 12550),
        ("40", 4000),
        ("-$1,250", -125000),
        ("$1,250.5", 125050),
        ("9,999,999,999.99", 999_999_999_999),
    ],
)
def test_in_a_cell_a_spreadsheet_may_have_dropped_the_zeros(text: str, cents: int) -> None:
    assert parse_cell(text) == cents


@pytest.mark.parametrize("text", ["40.", ".5", "40.000", "1,25", "4o", "10,000,000,000"])
def test_a_cell_has_no_other_liberties(text: str) -> None:
    with pytest.raises(MoneyError, match=r".") as problem:
        parse_cell(text)
    assert f"`{text}" in str(problem.value)


@pytest.mark.parametrize(
    ("cents", "text"),
    [(125000, "$1,250.00"), (-10000, "-$100.00"), (5, "$0.05"), (-5, "-$0.05"), (0, "$0.00")],
)
def test_money_is_shown_with_its_sign_first(cents: int, text: str) -> None:
    assert format_money(cents) == text


@pytest.mark.parametrize(
    ("exact", "cents"),
    [("1/2", 1), ("-1/2", -1), ("49/100", 0), ("3/2", 2), ("5/2", 3), ("-5/2", -3), ("7", 7)],
)
def test_a_half_cent_goes_away_from_zero(exact: str, cents: int) -> None:
    assert round_half_away(Fraction(exact)) == cents


@pytest.mark.parametrize(
    ("cents", "step", "rounded"),
    [(127750, 100, 127800), (127749, 100, 127700), (-50, 100, -100), (1234, 1, 1234)],
)
def test_amounts_are_rounded_to_multiples(cents: int, step: int, rounded: int) -> None:
    assert round_to_multiple(cents, step) == rounded


def test_a_multiple_is_reached_in_one_rounding() -> None:
    assert round_to_multiple(Fraction("10049.96"), 100) == 10000  # by way of 100.50 it would be 101.00


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),  # ties go to the first
        (200, [1, 1, 1], [67, 67, 66]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (1000, [1, 2, 4], [143, 286, 571]),  # 142.857, 285.714, 571.428: two cents left, largest remainders
        (1, [0, 5, 5], [0, 1, 0]),
        (0, [1, 1], [0, 0]),
        (7, [0, 1], [0, 7]),
    ],
)
def test_shares_by_largest_remainder(total: int, weights: list[int], parts: list[int]) -> None:
    assert share_out(total, weights) == parts


def test_spread_puts_the_left_over_cents_on_the_earliest() -> None:
    assert [spread_part(-100000, 12, n) for n in range(12)] == [-8334] * 4 + [-8333] * 8  # 8333 x 12 = 99996
    assert [spread_part(10, 3, n) for n in range(3)] == [4, 3, 3]
