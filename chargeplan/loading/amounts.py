"""Amounts in all their forms (plan-language.md, *Amount* and *Sharing a bill*)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Literal, cast

from chargeplan.core.amounts import (
    Adjusted,
    Allocate,
    Amount,
    Fixed,
    Form,
    FromPath,
    Measure,
    Path,
    Percent,
    PercentOfCharges,
    Rate,
    Spread,
    Tier,
    Tiers,
    principal_path,
)
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
)
from chargeplan.loading.node import Items, Mapping, Scalar
from chargeplan.loading.references import ChargeReference
from chargeplan.loading.values import (
    AMOUNT_PATHS,
    MEASURE_PATHS,
    WEIGHT_PATHS,
    Noted,
    fraction,
    money,
    percentage,
    rate,
    whole_cents,
)

ADJUSTMENTS = ("plus", "divided_by", "at_least", "at_most")
"""What may be done to any form's value but a shared bill's."""
FORMS: dict[str, tuple[str, ...]] = {
    "cents": ("cents", *ADJUSTMENTS),
    "from": ("from", *ADJUSTMENTS),
    "percent": ("percent", "of", *ADJUSTMENTS),
    "rate": ("rate", "per", *ADJUSTMENTS),
    "tiers": ("tiers", "per", *ADJUSTMENTS),
    "spread": ("spread", "over", *ADJUSTMENTS),
    "allocate": ("allocate", "common_area", "weights", "occupant_factors", "vacant"),
}
"""The key that tells an amount's form, and the keys of that form."""
_WRITTEN = "`35.00`, `{from: lease.rent}`, `{percent: 5, of: lease.rent}`, `{rate: 35.00, per: resident.pets}`, `{spread: -1000.00, over: 12}` or `{allocate: …}`"
TIER_KEYS = ("through", "rate")
_MEASURED_OCCUPANTS = ("occupants", "residents")


def amount(spot: Spot, noted: Noted) -> Amount | None:
    """A charge's amount in any of its forms; the form is told by its first telling key."""
    if not isinstance(spot.node, Mapping):
        return _literal(spot)
    form = _form(spot, spot.node)
    if form is None:
        return None
    fields = Fields(spot, spot.node, FORMS[form])
    if form == "allocate":
        return _allocate(fields, noted)
    readers: dict[str, Callable[[Fields, Noted], Form | None]] = {
        "cents": _cents,
        "from": _from,
        "percent": percent,
        "rate": _rate,
        "tiers": _tiers,
        "spread": _spread,
    }
    read = readers[form](fields, noted)
    divided, *others = (fields.at(key) for key in ADJUSTMENTS[1:2] + ADJUSTMENTS[:1] + ADJUSTMENTS[2:])
    divided_by = None if divided is None else _divisor(divided)
    plus, at_least, at_most = (None if each is None else _money_or_path(each, noted) for each in others)
    if read is None or not any(fields.has(key) for key in ADJUSTMENTS):
        return read
    _check_limits(fields, at_least, at_most)
    return Adjusted(read, divided_by or Fraction(1), plus, at_least, at_most)


_divisor_range = fraction(0, 1_000_000, "a number above zero, such as `12`")


def _divisor(spot: Spot) -> Fraction | None:
    divisor = _divisor_range(spot)
    if divisor == 0:
        spot.wrong("a number above zero, such as `12`")
        return None
    return divisor


def _money_or_path(spot: Spot, noted: Noted) -> int | Path | None:
    """Money, or ``{from: PATH}``."""
    if isinstance(spot.node, Mapping) and not spot.node.get("cents"):
        fields = Fields.open(spot, ("from",), "money, or `{from: PATH}`")
        return fields.required("from", noted.path(AMOUNT_PATHS, "money", fees=True)) if fields else None
    return money(spot)


def _check_limits(fields: Fields, at_least: int | Path | None, at_most: int | Path | None) -> None:
    if isinstance(at_least, int) and isinstance(at_most, int) and at_most < at_least:
        fields.problems.error(
            fields.value_place("at_most"), "`at_most` lies below `at_least`.", "Swap them, or correct one."
        )


def _cents(fields: Fields, _: Noted) -> Fixed | None:
    cents = fields.required("cents", whole_cents)
    return None if cents is None else Fixed(cents)


def _from(fields: Fields, noted: Noted) -> FromPath | None:
    path = fields.required("from", noted.path(AMOUNT_PATHS, "money", fees=True))
    return None if path is None else FromPath(path)


def roster_column(amount: object) -> str | None:
    """The column of the roster that an amount comes from in the first place; None where it comes from elsewhere."""
    path = principal_path(amount)  # type: ignore[arg-type]  # what the reader of `amount` gave
    return path.name if path is not None and path.root == "roster" else None


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


def percent(fields: Fields, noted: Noted) -> Percent | PercentOfCharges | None:
    """A percentage of money found in the data, or of what charges of the plan bill."""
    share = fields.required("percent", percentage)
    base: Reader[Path | tuple[str, ...]] = partial(_percent_of, noted=noted)
    of = fields.required("of", base)
    if share is None or of is None:
        return None
    return Percent(share, of) if isinstance(of, Path) else PercentOfCharges(share, of)


def _percent_of(spot: Spot, noted: Noted) -> Path | tuple[str, ...] | None:
    """A path where it has a dot, else the id of a charge, or of several: ids have none."""
    if isinstance(spot.node, Items):
        charges = list_of(partial(_charge_id, noted=noted), "a list of charges, such as `[stay, cleaning]`")(
            spot
        )
        return tuple(dict.fromkeys(charges)) if charges else None
    raw = spot.node.raw.strip() if isinstance(spot.node, Scalar) and spot.node.kind != "null" else ""
    if "." in raw:
        return noted.path(AMOUNT_PATHS, "money", fees=True)(spot)
    charge = _charge_id(spot, noted)
    return None if charge is None else (charge,)


def _charge_id(spot: Spot, noted: Noted) -> str | None:
    raw = spot.node.raw.strip() if isinstance(spot.node, Scalar) and spot.node.kind != "null" else ""
    if not raw or not SLUG.fullmatch(raw):
        spot.wrong("a path such as `lease.rent`, or the id of a charge of this plan")
        return None
    noted.references.append(ChargeReference(raw, spot.node.place))
    return raw


def _rate(fields: Fields, noted: Noted) -> Rate | None:
    written: Reader[Fraction | Path] = partial(_rate_or_path, noted=noted)
    cents_per = fields.required("rate", written)
    per = fields.required("per", partial(_measure, noted=noted))
    return None if cents_per is None or per is None else Rate(cents_per, per)


def _rate_or_path(spot: Spot, noted: Noted) -> Fraction | Path | None:
    if not isinstance(spot.node, Mapping):
        return rate(spot)
    fields = Fields.open(spot, ("from",))
    return fields.required("from", noted.path(AMOUNT_PATHS, "rate", fees=True)) if fields else None


def _measure(spot: Spot, noted: Noted) -> Measure | None:
    """A count or measure; as a mapping, a meter's reading, perhaps less the one before."""
    measures = noted.path(MEASURE_PATHS, "number")
    if not isinstance(spot.node, Mapping):
        path = measures(spot)
        return None if path is None else Measure(path)
    fields = Fields(spot, spot.node, ("from", "less"))
    path, less = fields.required("from", measures), fields.optional("less", measures, None)
    return None if path is None else Measure(path, less)


def _tiers(fields: Fields, noted: Noted) -> Tiers | None:
    tiers: Reader[tuple[Tier, ...]] = list_of(
        _tier, "a list of tiers, such as `[{through: 2000, rate: 0}, {rate: 0.00765}]`"
    )
    read = fields.required("tiers", tiers)
    per = fields.required("per", partial(_measure, noted=noted))
    if read is None or per is None:
        return None
    spot = fields.at("tiers")
    assert spot is not None
    edges = [tier.through for tier in read]
    if None in edges[:-1]:
        spot.error(
            "Only the last tier may lack `through`: it takes all that lies above the others.",
            "Give the others their upper edge.",
        )
    known = [Fraction(0), *(edge for edge in edges if edge is not None)]
    if any(later <= earlier for earlier, later in itertools.pairwise(known)):
        spot.error("The tiers' `through` do not rise.", "List them from the lowest to the highest.")
    return Tiers(read, per)


def _tier(spot: Spot) -> Tier | None:
    fields = Fields.open(spot, TIER_KEYS, "a mapping such as `{through: 2000, rate: 0.00613}`")
    if fields is None:
        return None
    through = fields.optional("through", fraction(0, None, "a measure, such as `2000`"), None)
    cents_per = fields.required("rate", rate)
    return None if cents_per is None else Tier(through, cents_per)


def _spread(fields: Fields, noted: Noted) -> Spread | None:
    money_reader: Reader[int | Path] = partial(_money_or_path, noted=noted)
    count_reader: Reader[int | Path] = partial(_occurrences, noted=noted)
    total = fields.required("spread", money_reader)
    over = fields.required("over", count_reader)
    return None if total is None or over is None else Spread(total, over)


def _occurrences(spot: Spot, noted: Noted) -> int | Path | None:
    if isinstance(spot.node, Mapping):
        fields = Fields.open(spot, ("from",))
        return fields.required("from", noted.path((), "count")) if fields else None
    return integer(1, 1200, "a number of occurrences from 1 to 1200")(spot)


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
