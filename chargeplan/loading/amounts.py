"""Amounts and late fees (plan-language.md, *Amount*, *Sharing a bill* and *Late fees*)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Literal, cast

from chargeplan.core.plan import Allocate, Amount, Cap, Fixed, FromPath, LateFee, Path, Percent, Rate, Spread
from chargeplan.core.suggest import did_you_mean
from chargeplan.loading.check import (
    SLUG,
    Fields,
    Reader,
    Spot,
    choice,
    entry_spot,
    integer,
    list_of,
    slug,
    text,
)
from chargeplan.loading.node import Mapping, Scalar
from chargeplan.loading.references import ChargeReference
from chargeplan.loading.values import (
    AMOUNT_PATHS,
    MEASURE_PATHS,
    WEIGHT_PATHS,
    Noted,
    fraction,
    money,
    money_or_zero,
    percentage,
    positive_money,
    rate,
)

FORMS: dict[str, tuple[str, ...]] = {
    "cents": ("cents",),
    "from": ("from",),
    "percent": ("percent", "of"),
    "rate": ("rate", "per"),
    "spread": ("spread", "over"),
    "allocate": ("allocate", "common_area", "weights", "occupant_factors", "vacant"),
}
"""The key that tells an amount's form, and the keys of that form."""
_WRITTEN = "`35.00`, `{from: lease.rent}`, `{percent: 5, of: lease.rent}`, `{rate: 35.00, per: resident.pets}`, `{spread: -1000.00, over: 12}` or `{allocate: …}`"
_MEASURED_OCCUPANTS = ("occupants", "residents")


def amount(spot: Spot, noted: Noted) -> Amount | None:
    """A charge's amount in any of its forms; the form is told by its first telling key."""
    if not isinstance(spot.node, Mapping):
        return _literal(spot)
    form = _form(spot, spot.node)
    if form is None:
        return None
    fields = Fields(spot, spot.node, FORMS[form])
    match form:
        case "cents":
            return _fixed(spot)
        case "from":
            path = fields.required("from", noted.path(AMOUNT_PATHS, "money", fees=True))
            return None if path is None else FromPath(path)
        case _:
            readers: dict[str, Callable[[Fields, Noted], Amount | None]] = {
                "percent": _percent,
                "rate": _rate,
                "allocate": _allocate,
                "spread": _spread,
            }
            return readers[form](fields, noted)


def roster_column(read: object) -> str | None:
    """The column of the roster that an amount comes from in the first place; None where it comes from elsewhere."""
    match read:
        case FromPath(path=path) | Percent(of=Path() as path) | Rate(per=path):
            return path.name if path.root == "roster" else None
        case _:
            return None


def _literal(spot: Spot) -> Fixed | None:
    if isinstance(spot.node, Scalar) and spot.node.kind == "text" and _is_path(spot.node.raw):
        spot.wrong("money or a mapping", f"Write it as {{from: {spot.node.raw}}}.")
        return None
    return _fixed(spot)


def _fixed(spot: Spot) -> Fixed | None:
    cents = money(spot)
    return None if cents is None else Fixed(cents)


def _is_path(raw: str) -> bool:
    return raw.partition(".")[0] in ("lease", "unit", "roster", "table", "fee", "resident") and "." in raw


def _form(spot: Spot, mapping: Mapping) -> str | None:
    """The form that the mapping's keys tell, or None and an error."""
    forms = [entry.key.raw for entry in mapping.entries if entry.key.raw in FORMS]
    if forms:
        return forms[0]
    for form, keys in FORMS.items():
        if any(mapping.get(key) for key in keys[1:]):
            spot.problems.error(spot.key, f"{spot.label} needs the key `{form}`.", f"It takes {_WRITTEN}.")
            return None
    for entry in mapping.entries:
        spot.problems.error(
            entry.key.place,
            f"`{entry.key.raw}` is not a key of {spot.label}.",
            did_you_mean(entry.key.raw, FORMS),
        )
    if not mapping.entries:
        spot.error(f"{spot.label} is empty.", f"It takes {_WRITTEN}.")
    return None


def _percent(fields: Fields, noted: Noted) -> Percent | None:
    share = fields.required("percent", percentage)
    base: Reader[Path | str] = partial(_percent_of, noted=noted)
    of = fields.required("of", base)
    return None if share is None or of is None else Percent(share, of)


def _percent_of(spot: Spot, noted: Noted) -> Path | str | None:
    """A path where it has a dot, else the id of a charge: ids have none."""
    raw = spot.node.raw.strip() if isinstance(spot.node, Scalar) and spot.node.kind != "null" else ""
    if "." in raw:
        return noted.path(AMOUNT_PATHS, "money", fees=True)(spot)
    if not raw or not SLUG.fullmatch(raw):
        spot.wrong("a path such as `lease.rent`, or the id of a charge of this plan")
        return None
    noted.references.append(ChargeReference(raw, spot.node.place))
    return raw


def _rate(fields: Fields, noted: Noted) -> Rate | None:
    cents_per = fields.required("rate", rate)
    per = fields.required("per", noted.path(MEASURE_PATHS, "number"))
    return None if cents_per is None or per is None else Rate(cents_per, per)


def _spread(fields: Fields, _: Noted) -> Spread | None:
    total = fields.required("spread", money)
    over = fields.required("over", integer(1, 1200, "a number of occurrences from 1 to 1200"))
    return None if total is None or over is None else Spread(total, over)


# --- sharing a bill ----------------------------------------------------------------------------------------------


def _allocate(fields: Fields, noted: Noted) -> Allocate | None:
    total: Reader[int | Path] = partial(_bill, noted=noted)
    bill = fields.required("allocate", total)
    weights = fields.required("weights", lambda spot: _weights(spot, noted))
    common = fields.optional("common_area", fraction(0, 100, "a percentage from 0 to 100"), Fraction(0))
    factors = fields.optional("occupant_factors", _factors, ())
    vacant = fields.optional("vacant", choice("owner", "exclude"), "owner")
    if factors and weights and not any(path.name in _MEASURED_OCCUPANTS for path, _ in weights):
        fields.problems.error(
            fields.key_place("occupant_factors"),
            "`occupant_factors` maps occupants, and no weight counts them.",
            "Weigh by a table's column `occupants`, or by `lease.residents`.",
        )
    if bill is None or weights is None:
        return None
    return Allocate(bill, common, weights, factors, cast("Literal['owner', 'exclude']", vacant))


def _bill(spot: Spot, noted: Noted) -> int | Path | None:
    if isinstance(spot.node, Mapping) and not spot.node.get("cents"):
        fields = Fields.open(spot, ("from",))
        return fields.required("from", noted.path((), "bill")) if fields else None
    return money(spot)


def _weights(spot: Spot, noted: Noted) -> tuple[tuple[Path, Fraction], ...] | None:
    if not isinstance(spot.node, Mapping) or not spot.node.entries:
        spot.wrong("a mapping of measures to percentages, such as `{unit.square_feet: 100}`")
        return None
    weights = []
    for entry in spot.node.entries:
        at_key = Spot(entry.key, f"a key of {spot.label}", spot.problems)
        path = noted.path_text(entry.key.raw, at_key, WEIGHT_PATHS, "weight")
        share = fraction(0, 100, "a percentage from 0 to 100")(entry_spot(entry, spot.problems))
        if path is not None and share is not None:
            weights.append((path, share))
    total = sum(share for _, share in weights)
    if len(weights) == len(spot.node.entries) and total != 100:
        spot.problems.error(
            spot.key, f"The weights sum to {_decimal(total)}, not to 100.", "Change one of them."
        )
    return tuple(weights)


def _decimal(value: Fraction | int) -> str:
    # Every weight was written as a decimal, so their sum has an end.
    from decimal import Decimal  # noqa: PLC0415

    exact = Fraction(value)
    return f"{(Decimal(exact.numerator) / exact.denominator).normalize():f}"


def _factors(spot: Spot) -> tuple[tuple[int, Fraction], ...] | None:
    if not isinstance(spot.node, Mapping) or not spot.node.entries:
        spot.wrong("a mapping of a number of occupants to a factor, such as `{1: 1.0, 2: 1.6}`")
        return None
    factors = []
    for entry in spot.node.entries:
        key = Spot(entry.key, f"a key of {spot.label}", spot.problems)
        occupants = integer(0, 99, "a number of occupants")(key)
        factor = fraction(0, 1000, "a factor, such as `1.6`")(entry_spot(entry, spot.problems))
        if occupants is not None and factor is not None:
            factors.append((occupants, factor))
    return tuple(factors)


# --- late fees ---------------------------------------------------------------------------------------------------

LATE_FEE_KEYS = ("for", "codes", "grace_days", "initial", "daily", "cap", "minimum_balance")


def late_fee(spot: Spot, noted: Noted) -> LateFee | None:
    """A late fee's rule."""
    fields = Fields.open(spot, LATE_FEE_KEYS)
    if fields is None:
        return None
    if not fields.has("for") and not fields.has("codes"):
        fields.missing(
            "for",
            "Name the charges whose delay costs: `for: [rent]`, or `codes: [Rent]` for those that others posted.",
        )
    charges = fields.optional(
        "for", list_of(lambda each: _watched(each, noted), "a list of charges, such as `[rent]`"), ()
    )
    codes = fields.optional("codes", list_of(text, "a list of charge codes, such as `[Rent]`"), ())
    grace = fields.required("grace_days", integer(0, 365, "a number of days from 0 to 365"))
    fee: Reader[Fixed | Percent] = partial(_fee, noted=noted)
    initial = fields.required("initial", fee)
    daily = fields.optional("daily", fee, None)
    cap = fields.optional("cap", lambda each: _cap(each, noted), None)
    minimum = fields.optional("minimum_balance", money_or_zero, 0)
    if grace is None or initial is None:
        return None
    return LateFee(charges, codes, grace, initial, daily, cap, minimum)


def _watched(spot: Spot, noted: Noted) -> str | None:
    charge = slug(spot)
    if charge is not None:
        noted.references.append(ChargeReference(charge, spot.node.place, watched=True))
    return charge


def _fee(spot: Spot, noted: Noted) -> Fixed | Percent | None:
    if isinstance(spot.node, Mapping) and not spot.node.get("cents"):
        if not spot.node.get("percent") and not spot.node.get("of"):
            spot.wrong("money, or a percentage such as `{percent: 10, of: lease.rent}`")
            return None
        fields = Fields.open(spot, ("percent", "of"))
        return _percent(fields, noted) if fields else None
    cents = positive_money(spot)
    return None if cents is None else Fixed(cents)


def _cap(spot: Spot, noted: Noted) -> Cap | None:
    rules: tuple[Literal["lesser", "greater"], ...] = ("lesser", "greater")
    named = [rule for rule in rules if isinstance(spot.node, Mapping) and spot.node.get(rule)]
    if (
        not named
        and isinstance(spot.node, Mapping)
        and not any(spot.node.get(key) for key in ("percent", "of", "cents"))
    ):
        spot.wrong(
            "money, a percentage, or `lesser` or `greater` with a list of these",
            "For example `{lesser: [150.00, {percent: 10, of: lease.rent}]}`.",
        )
        return None
    if not named:
        fee = _fee(spot, noted)
        return None if fee is None else Cap("lesser", (fee,))
    fields = Fields.open(spot, named[:1])
    if fields is None:
        return None
    amounts: Reader[tuple[Fixed | Percent, ...]] = list_of(
        lambda each: _fee(each, noted), "a list of amounts"
    )
    value = fields.required(named[0], amounts)
    return None if value is None else Cap(named[0], value)
