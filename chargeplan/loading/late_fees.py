"""Late fees: which charges are watched, what their delay costs, how often, and up to what (plan-language.md, *Late fees*)."""

from __future__ import annotations

import re
from functools import partial
from typing import Literal

from chargeplan.core.amounts import Fixed
from chargeplan.core.dates import DateUnit
from chargeplan.core.plan import Cap, FeeRule, LateFee, PercentOfOpen, Repeat
from chargeplan.loading.amounts import percent
from chargeplan.loading.check import Fields, Reader, Spot, integer, list_of, slug, text
from chargeplan.loading.node import Mapping, Scalar
from chargeplan.loading.references import ChargeReference
from chargeplan.loading.values import Noted, money_or_zero, percentage, positive_money

LATE_FEE_KEYS = ("for", "codes", "grace_days", "initial", "daily", "repeat", "cap", "minimum_balance")
REPEAT_KEYS = ("amount", "every")


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
    fee: Reader[FeeRule] = partial(_fee, noted=noted)
    initial = fields.required("initial", fee)
    daily = fields.optional("daily", fee, None)
    repeat = fields.optional("repeat", partial(_repeat, noted=noted), None)
    if fields.has("daily") and fields.has("repeat"):
        fields.problems.error(
            fields.key_place("repeat"),
            "`daily` is the short form of `repeat: {every: 1 day}`.",
            "Keep one of them.",
        )
    cap = fields.optional("cap", lambda each: _cap(each, noted), None)
    minimum = fields.optional("minimum_balance", money_or_zero, 0)
    if grace is None or initial is None:
        return None
    again = Repeat(daily, 1, "days") if daily is not None else repeat
    return LateFee(
        charges=charges,
        codes=codes,
        grace_days=grace,
        initial=initial,
        repeat=again,
        cap=cap,
        minimum_balance=minimum,
    )


def _repeat(spot: Spot, noted: Noted) -> Repeat | None:
    fields = Fields.open(spot, REPEAT_KEYS, "a mapping such as `{amount: 10.00, every: 1 day}`")
    if fields is None:
        return None
    fee: Reader[FeeRule] = partial(_fee, noted=noted)
    amount = fields.required("amount", fee)
    every = fields.required("every", _every_so_often)
    return None if amount is None or every is None else Repeat(amount, *every)


def _every_so_often(spot: Spot) -> tuple[int, DateUnit] | None:
    raw = spot.node.raw.strip() if isinstance(spot.node, Scalar) and spot.node.kind != "null" else ""
    match = re.fullmatch(r"(?:(?P<count>[1-9]\d{0,2})\s+)?(?P<unit>day|month)s?", raw, re.ASCII)
    if match is None:
        spot.wrong("`1 day`, a number of days such as `7 days`, or `month`")
        return None
    return int(match["count"] or 1), "days" if match["unit"] == "day" else "months"


def _watched(spot: Spot, noted: Noted) -> str | None:
    charge = slug(spot)
    if charge is not None:
        noted.references.append(ChargeReference(charge, spot.node.place, watched=True))
    return charge


def _fee(spot: Spot, noted: Noted) -> FeeRule | None:
    if isinstance(spot.node, Mapping) and not spot.node.get("cents"):
        if not spot.node.get("percent") and not spot.node.get("of"):
            spot.wrong("money, or a percentage such as `{percent: 10, of: lease.rent}`")
            return None
        fields = Fields.open(spot, ("percent", "of"))
        if fields is None:
            return None
        of = fields.at("of")
        if of is not None and isinstance(of.node, Scalar) and of.node.raw == "open":
            share = fields.required("percent", percentage)
            return None if share is None else PercentOfOpen(share)
        return percent(fields, noted)
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
    amounts: Reader[tuple[FeeRule, ...]] = list_of(lambda each: _fee(each, noted), "a list of amounts")
    value = fields.required(named[0], amounts)
    return None if value is None else Cap(named[0], value)
