"""The small values of the language: money, percentages, rates, paths, dates relative to a lease, changes.

Each is a reader for `check.Fields`; a `Noted` reader keeps what its values point at, for `references`.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from chargeplan.core.amounts import Path
from chargeplan.core.dates import DateChoice, DateExpression, DateUnit, RelativeDate
from chargeplan.core.money import MAX_CENTS, BareIntegerError, MoneyError, format_money, parse_money
from chargeplan.core.plan import Change
from chargeplan.core.suggest import did_you_mean
from chargeplan.loading.check import Fields, Reader, Spot, date, date_advice, list_of, number
from chargeplan.loading.node import Items, Mapping, Scalar
from chargeplan.loading.references import ColumnReference, Reference, Use

CHANGE_WORDS = 'a change with its sign, such as `"+3.5%"` or `"-50.00"`'
MONEY_WORDS = "money with two decimals, such as `35.00`"
AMOUNT_PATHS = ("lease.rent", "lease.market_rent", "unit.market_rent")
MEASURE_PATHS = ("unit.square_feet", "unit.bedrooms", "resident.pets", "resident.vehicles", "lease.residents")
WEIGHT_PATHS = ("unit.square_feet", "unit.bedrooms", "lease.residents")
_FORMS = ("roster.COLUMN", "table.NAME.COLUMN")
_UNITS: dict[str, DateUnit] = {"day": "days", "week": "weeks", "month": "months", "year": "years"}
_LENGTH = re.compile(r"(\d{1,4})\s+(day|week|month|year)s?", re.ASCII)
_MORE_STEPS = re.compile(
    r"\s*[+-]\s*\d+\s+(day|week|month|year)s?(\s*[+-]\s*\d+\s+(day|week|month|year)s?)+", re.ASCII
)
_RELATIVE = re.compile(
    r"(?P<base>roster\..+?|[a-z_]+(?:\.\S+)?)(?:\s*(?P<sign>[+-])\s*(?P<count>\d{1,5})\s+(?P<unit>day|week|month|year)s?)?",
    re.ASCII,
)
_BASES = ("lease.start", "lease.end", "move_in", "move_out")
DATE_WORDS = "a date, or `lease.start`, `lease.end`, `move_in`, `move_out` or `roster.COLUMN` with `+` or `-` some days, weeks, months or years"


def money(spot: Spot) -> int | None:
    """Money in cents: a decimal with two places, or ``{cents: 3500}``."""
    node = spot.node
    if isinstance(node, Mapping):
        return _cents(spot)
    if isinstance(node, Items) or node.kind in ("null", "bool"):
        spot.wrong(MONEY_WORDS)
        return None
    try:
        return parse_money(node.raw)
    except MoneyError as fault:
        summary, _, advice = str(fault).partition(": ")
        if isinstance(fault, BareIntegerError):
            shown = (format_money(int(fault.number) * 100), format_money(int(fault.number)))
            advice = f"write `{fault.number}.00` for {shown[0]} or `{{cents: {fault.number}}}` for {shown[1]}"
        spot.error(f"{spot.label}: {summary}.", advice[:1].upper() + advice[1:] + "." if advice else "")
        return None


def _cents(spot: Spot) -> int | None:
    fields = Fields.open(spot, ("cents",))
    return fields.required("cents", whole_cents) if fields else None


def whole_cents(spot: Spot) -> int | None:
    """A whole number of cents."""
    node = spot.node
    if not isinstance(node, Scalar) or node.kind != "int" or not isinstance(node.value, int):
        spot.wrong("whole cents, such as `3500`")
        return None
    if abs(node.value) > MAX_CENTS:
        spot.error(f"{spot.label} is ten billion or more.", "Check the number of digits.")
        return None
    return node.value


def positive_money(spot: Spot) -> int | None:
    """Money above zero, in cents."""
    cents = money(spot)
    if cents is not None and cents <= 0:
        spot.wrong("money above zero")
        return None
    return cents


def money_or_zero(spot: Spot) -> int | None:
    """Money of zero or more, in cents."""
    cents = money(spot)
    if cents is not None and cents < 0:
        spot.wrong("money that is not negative")
        return None
    return cents


def fraction(low: int | None = None, high: int | None = None, takes: str = "a number") -> Reader[Fraction]:
    """A reader of exact numbers in a range, inclusive."""

    def read(spot: Spot) -> Fraction | None:
        raw = spot.node.raw.strip() if isinstance(spot.node, Scalar) else ""
        if re.fullmatch(r"[\d.]+ ?%", raw):
            spot.wrong(takes, f"Write `{raw.rstrip('% ')}`.")
            return None
        value = number(spot, takes)
        if value is None:
            return None
        if (low is not None and value < low) or (high is not None and value > high):
            spot.wrong(takes)
            return None
        return Fraction(value)

    return read


percentage = fraction(-1000, 1000, "a percentage, such as `12.5`")


def rate(spot: Spot) -> Fraction | None:
    """Money per unit, with one to six decimals, as exact cents. A rate is in dollars: a bare integer lacks its decimals."""
    node = spot.node
    raw = node.raw.strip() if isinstance(node, Scalar) and node.kind not in ("null", "bool", "date") else ""
    if re.fullmatch(r"-?\$?(\d{1,3}(,\d{3})+|\d{1,12})\.\d{1,6}", raw, re.ASCII):
        return Fraction(Decimal(raw.replace("$", "").replace(",", ""))) * 100
    if re.fullmatch(r"0+", raw, re.ASCII):
        return Fraction(0)
    likely = re.fullmatch(r"-?\$?(\d{1,3}(,\d{3})+|\d+)", raw, re.ASCII)
    spot.wrong(
        "money per unit with one to six decimals, such as `35.00` or `0.00613`",
        f"Write `{raw}.00`." if likely else "",
    )
    return None


def length(low: int) -> Reader[tuple[int, DateUnit]]:
    """A reader of lengths of time such as ``12 months``, of at least ``low``."""

    def read(spot: Spot) -> tuple[int, DateUnit] | None:
        raw = spot.node.raw.strip() if isinstance(spot.node, Scalar) else ""
        match = _LENGTH.fullmatch(raw)
        if match is None or int(match[1]) < low:
            spot.wrong("a length of time, such as `2 months` (days, weeks, months or years)")
            return None
        return int(match[1]), _UNITS[match[2]]

    return read


def change(spot: Spot) -> Change | None:
    """A signed percentage or a signed amount: ``"+3.5%"``, ``"-50.00"``."""
    raw = spot.node.raw.strip() if isinstance(spot.node, Scalar) and spot.node.kind != "null" else ""
    if raw[:1] not in ("+", "-"):
        likely = re.fullmatch(r"\$?[\d.,]+ ?%?", raw)
        spot.wrong(CHANGE_WORDS, f'Write `"+{raw}"` for a raise, `"-{raw}"` for a cut.' if likely else "")
        return None
    sign, rest = -1 if raw[0] == "-" else 1, raw[1:].strip()
    if match := re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s*%", rest, re.ASCII):
        return Change("percent", sign * Fraction(match[1]))
    try:
        return Change("flat", Fraction(sign * parse_money(rest)))
    except MoneyError:
        spot.wrong(
            CHANGE_WORDS, f'Write `"{raw}%"` for percent or `"{raw}.00"` for money.' if rest.isdigit() else ""
        )
        return None


class Noted:
    """Readers of values that point elsewhere; what they pointed at is in ``references``."""

    def __init__(self) -> None:
        self.references: list[Reference] = []

    def path(self, known: tuple[str, ...], use: Use, *, fees: bool = False) -> Reader[Path]:
        """A reader of paths: one of ``known``, a roster's or a table's column, and with ``fees`` a fee's name."""

        def read(spot: Spot) -> Path | None:
            raw = spot.node.raw.strip() if isinstance(spot.node, Scalar) and spot.node.kind != "null" else ""
            return self.path_text(raw, spot, known, use, fees=fees)

        return read

    def path_text(
        self, raw: str, spot: Spot, known: tuple[str, ...], use: Use, *, fees: bool = False
    ) -> Path | None:
        """Like the reader that `path` makes, for text taken from a key."""
        forms = (
            *known,
            *(() if use in ("bill", "weight") else _FORMS[:1]),
            *(() if use == "code" else _FORMS[1:]),
            *(("fee.NAME",) if fees else ()),
        )
        path = _parse_path(raw, known, fees=fees)
        if (
            path is None
            or (path.root == "roster" and use in ("bill", "weight"))
            or (path.root == "table" and use == "code")
        ):
            shown = ", ".join(f"`{form}`" for form in forms)
            spot.wrong(f"one of {shown}", _path_advice(raw, known))
            return None
        if path.root in ("roster", "table"):
            self.references.append(ColumnReference(path, use, spot.node.place))
        return path

    def date(self, spot: Spot) -> DateExpression | None:
        """A date, one relative to the household's lease or to a roster's cell, or the earliest or latest of several."""
        node = spot.node
        if isinstance(node, Mapping):
            return self._date_choice(spot)
        if isinstance(node, Scalar) and (node.kind == "date" or re.match(r"\d", node.raw)):
            return self._day(spot)
        raw = node.raw.strip() if isinstance(node, Scalar) and node.kind != "null" else ""
        match = _RELATIVE.fullmatch(raw)
        base = match["base"] if match else ""
        if (base.startswith("roster.") or not match) and (more := _MORE_STEPS.search(raw)):
            told = f"{spot.label}: a date takes one `+` or `-`; `{raw}` has {len(re.findall('[+-] ?[0-9]', more[0]))}."
            spot.error(told, "Write one step, in days for instance, or the date as a column of the roster.")
            return None
        if match is None or (base not in _BASES and not base.startswith("roster.")):
            spot.wrong(DATE_WORDS, _date_advice(raw, base))
            return None
        if base.startswith("roster."):
            self.references.append(
                ColumnReference(Path("roster", base.removeprefix("roster.")), "date", node.place)
            )
        count = int(match["count"] or 0) * (-1 if match["sign"] == "-" else 1)
        return RelativeDate(base, count, _UNITS[match["unit"] or "day"], raw)

    def _date_choice(self, spot: Spot) -> DateChoice | None:
        fields = Fields.open(spot, ("earliest", "latest"))
        if fields is None:
            return None
        which: Literal["earliest", "latest"] = "earliest" if fields.has("earliest") else "latest"
        if fields.has("earliest") and fields.has("latest"):
            fields.problems.error(
                fields.key_place("latest"), "A date takes `earliest` or `latest`, not both.", "Delete one."
            )
            return None
        dates: Reader[tuple[DateExpression, ...]] = list_of(
            self.date, "a list of dates, such as `[move_out, 2027-08-31]`"
        )
        chosen = fields.required(which, dates)
        return DateChoice(which, chosen) if chosen else None

    def _day(self, spot: Spot) -> dt.date | None:
        node = spot.node
        raw = node.raw if isinstance(node, Scalar) else ""
        if re.fullmatch(r"\d{4}-\d\d-\d\d\s*[+-].*", raw):
            spot.error(f"{spot.label}: a date takes no `+` or `-`.", "Write the day that is meant.")
            return None
        if isinstance(node, Scalar) and node.kind != "date" and not node.quoted:
            spot.wrong("a date", date_advice(node))
            return None
        return date(spot)


def _parse_path(raw: str, known: tuple[str, ...], *, fees: bool) -> Path | None:
    root, _, rest = raw.partition(".")
    if raw in known and root in ("lease", "unit", "resident"):
        return Path(root, rest)  # type: ignore[arg-type]  # one of the literals, just compared
    if root == "roster" and rest:
        return Path("roster", rest)
    if root == "fee" and rest and fees:
        return Path("fee", rest)
    table, _, column = rest.partition(".")
    return Path("table", column, table) if root == "table" and table and column else None


def _path_advice(raw: str, known: tuple[str, ...]) -> str:
    advice = did_you_mean(raw, known) if raw else ""
    return advice if advice.startswith("Did") else ""


def _date_advice(raw: str, base: str) -> str:
    advice = did_you_mean(base or raw.split(" ", maxsplit=1)[0], _BASES) if raw else ""
    if advice.startswith("Did") and base not in _BASES:
        return advice
    return "For example `lease.start + 12 months`."
