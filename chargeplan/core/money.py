"""Money: whole cents in an ``int``, exact fractions between, and one rounding.

plan-language.md, *Reading the file* (how money is written) and *Amount* (rounded once, half away from zero).
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MONEY = re.compile(r"(?P<sign>-?)\$?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)\.(?P<cents>\d{2})", re.ASCII)
_IN_A_CELL = re.compile(r"(?P<whole>-?\$?(?:\d{1,3}(?:,\d{3})+|\d+))(?:\.(?P<cents>\d))?", re.ASCII)
_BARE_INTEGER = re.compile(r"(?P<sign>-?)\$?(?P<digits>\d{1,3}(?:,\d{3})+|\d+)", re.ASCII)
_OTHER_DECIMAL = re.compile(r"-?\$?(\d{1,3}(,\d{3})+|\d*)\.\d*", re.ASCII)
_MISPLACED = re.compile(r"(?P<whole>\d[\d.,' \u00a0\u202f]*)[.,](?P<cents>\d{2})", re.ASCII)
_CURRENCY = re.compile(r"US\$|USD|\$|dollars?", re.IGNORECASE)
_NEGATIVE = re.compile(r"\((?P<bracketed>.*)\)|[-\u2212\u2013](?P<before>.*)|(?P<after>.*)-")
# Python refuses to convert endless digits, and nobody wants to read them again.
_MOST_DIGITS = 15
_QUOTED = 40

MAX_CENTS = 999_999_999_999
"""9,999,999,999.99: no household owes more, so it is a slip of the finger (plan-language.md, *Amount*)."""


def is_postable(exact: Fraction | int) -> bool:
    """Whether an amount is one that somebody may owe."""
    return -MAX_CENTS <= exact <= MAX_CENTS


class MoneyError(ValueError):
    """Text that is not money; the message says how to write what was probably meant."""


class BareIntegerError(MoneyError):
    """Dollars or cents? ``number`` is what was written, without dollar sign and commas.

    The message is for an option; in YAML there is ``{cents: 3500}`` too.
    """

    def __init__(self, text: str, number: str) -> None:
        self.number = number
        sign, digits = ("-", number[1:]) if number.startswith("-") else ("", number)
        as_cents = f"{sign}{digits[:-2] or '0'}.{digits[-2:].zfill(2)}"
        super().__init__(
            f"`{text}` could be dollars or cents: write `{number}.00` for dollars or `{as_cents}` for cents"
        )


def parse_money(text: str) -> int:
    """Read money as a plan writes it, in cents.

    Raises:
        MoneyError: for anything but a decimal with exactly two places, of at most `MAX_CENTS`; a bare integer could be
            dollars or cents and is refused with both readings (plan-language.md, *Reading the file*).
    """
    text = text.strip()
    if match := _MONEY.fullmatch(text):
        digits = match["whole"].replace(",", "")
        cents = int(digits) * 100 + int(match["cents"]) if len(digits) <= _MOST_DIGITS else MAX_CENTS + 1
        if cents > MAX_CENTS:
            raise MoneyError(f"`{_quoted(text)}` is ten billion or more: check the number of digits")
        return -cents if match["sign"] else cents
    raise _not_money(text)


def parse_cell(text: str) -> int:
    """Read money as a CSV's cell has it, in cents: a spreadsheet drops the zeros of ``125.50`` and ``40.00``.

    Raises:
        MoneyError: for what is no money in a plan either, but for those.
    """
    text = text.strip()
    if match := _IN_A_CELL.fullmatch(text):
        text = f"{match['whole']}.{match['cents'] or '0'}0"
    return parse_money(text)


def _not_money(text: str) -> MoneyError:
    shown = _quoted(text)
    if (match := _BARE_INTEGER.fullmatch(text)) and shown == text:
        return BareIntegerError(text, match["sign"] + match["digits"].replace(",", ""))
    if _OTHER_DECIMAL.fullmatch(text):
        return MoneyError(f"`{shown}` is not money: write exactly two decimals, as in `35.00`")
    if meant := _meant(text):
        return MoneyError(f"`{shown}` is not money: write `{meant}`, if that is meant")
    return MoneyError(
        f"`{shown}` is not money: write a decimal with two places, as in `35.00`, `$1,250.00` or `-100.00`"
    )


def _meant(text: str) -> str:
    """How money is written here that was written as other countries or ledgers write it; empty where that is no guess.

    ``1,73,900.00``, ``1.250,00``, ``35,00``, ``1 250.00``, ``(100.00)``, ``100.00-``, ``+35.00``, ``35.00 USD``.
    """
    sign, rest = "", _CURRENCY.sub("", text).strip()
    if match := _NEGATIVE.fullmatch(rest):
        sign, rest = "-", next(part for part in match.groups() if part is not None)
    found = _MISPLACED.fullmatch(rest.removeprefix("+").strip())
    digits = re.sub(r"\D", "", found["whole"]) if found else ""
    return f"{sign}{int(digits):,}.{found['cents']}" if found and 0 < len(digits) <= _MOST_DIGITS else ""


def _quoted(text: str) -> str:
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


def format_money(cents: int) -> str:
    """Cents as ``$1,250.00``; a negative amount as ``-$100.00``."""
    sign = "-" if cents < 0 else ""
    dollars, rest = divmod(abs(cents), 100)
    return f"{sign}${dollars:,}.{rest:02d}"


def round_half_away(exact: Fraction | int) -> int:
    """The nearest whole cent; a half cent goes away from zero (plan-language.md, *Amount*)."""
    return round_ratio(exact.numerator, exact.denominator)


def round_ratio(numerator: int, denominator: int) -> int:
    """``numerator / denominator`` to the nearest integer, halves away from zero; the denominator is positive."""
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -magnitude if numerator < 0 else magnitude


def round_to_multiple(exact: Fraction | int, step: int) -> int:
    """The multiple of ``step`` cents nearest to an exact amount, halves away from zero: one rounding, not two."""
    return round_ratio(exact.numerator, exact.denominator * step) * step


def share_out(total: int, weights: Sequence[Fraction | int]) -> list[int]:
    """Divide ``total`` cents by ``weights`` with the largest-remainder method.

    The parts sum to ``total`` and each is within a cent of its exact share. Equal remainders go to the
    earlier weight, so the caller's order decides ties. A negative total is shared as its positive and
    negated (plan-language.md, *Amount*). Weights are not negative and not all zero.
    """
    if total < 0:
        return [-part for part in share_out(-total, weights)]
    whole = sum(weights, Fraction(0))
    exact = [Fraction(total * weight) / whole for weight in weights]
    parts = [share.numerator // share.denominator for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts


def spread_part(total: int, over: int, occurrence: int) -> int:
    """The part of ``total`` that falls on the given occurrence (from 0) of ``over``; leftover cents fall on the earliest."""
    if total < 0:
        return -spread_part(-total, over, occurrence)
    part, left = divmod(total, over)
    return part + 1 if occurrence < left else part
