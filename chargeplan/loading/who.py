"""Who is charged, and who is an exception (plan-language.md, *Who* and *A charge*)."""

from __future__ import annotations

from typing import Literal, cast

from chargeplan.core.plan import Selector, Split
from chargeplan.loading.check import Fields, Spot, choice, entry_spot, list_of, text
from chargeplan.loading.node import Items, Mapping, Scalar
from chargeplan.loading.tables import Where
from chargeplan.loading.values import Noted

WHO_KEYS = ("lease_status", "resident", "units", "buildings", "floor_plans", "has", "except")
STATUSES = ("ACTIVE", "INACTIVE", "PENDING", "EVICTED", "OTHER")

patterns = list_of(text, 'a list of patterns, such as `["1*", "204"]`')
"""A list of shell patterns; never empty, because an empty list could mean nobody or everybody."""
_exceptions = list_of(text, 'a list of patterns, such as `["1*", "204"]`', empty=True)


def who(spot: Spot) -> Selector | None:
    """A selector; what is not written selects all."""
    fields = Fields.open(spot, WHO_KEYS)
    if fields is None:
        return None
    default = Selector()
    status = fields.optional(
        "lease_status",
        list_of(choice(*STATUSES), "a list of statuses, such as `[ACTIVE]`"),
        default.lease_status,
    )
    resident = fields.optional("resident", choice("primary", "all"), "primary")
    units = fields.optional("units", patterns, None)
    buildings = fields.optional("buildings", patterns, None)
    floor_plans = fields.optional("floor_plans", patterns, None)
    has = fields.optional("has", list_of(choice("pets", "vehicles"), "a list of `pets` and `vehicles`"), ())
    left_out = fields.optional("except", _except, ((), ()))
    return Selector(
        status,
        cast("Literal['primary', 'all']", resident),
        units,
        buildings,
        floor_plans,
        has,
        *left_out,
        lists_statuses=fields.has("lease_status"),
    )


def _except(spot: Spot) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    fields = Fields.open(spot, ("units", "residents"))
    if fields is None:
        return None
    return fields.optional("units", _exceptions, ()), fields.optional("residents", _exceptions, ())


def where(spot: Spot) -> tuple[Where, ...] | None:
    """Which rows of a roster are meant, by columns and the values that they may have."""
    if not isinstance(spot.node, Mapping) or not spot.node.entries:
        spot.wrong("a mapping of columns to values, such as `{code: WTR}` or `{code: [WTR, SWR]}`")
        return None
    found: list[Where] = []
    for entry in spot.node.entries:
        value = entry_spot(entry, spot.problems)
        if isinstance(value.node, Items):
            values = list_of(text, "a list of values")(value)
        else:
            values = None if (one := text(value)) is None else (one,)
        if values:
            found.append(Where(entry.key.raw, values, entry.key.place, entry.value.place))
    return tuple(found)


def split(spot: Spot, noted: Noted) -> Split | None:
    """``equal``, or shares from a roster's column."""
    if isinstance(spot.node, Scalar) and spot.node.raw == "equal":
        return Split()
    if not isinstance(spot.node, Mapping):
        spot.wrong("`equal` or `{by: roster.COLUMN}`")
        return None
    fields = Fields(spot, spot.node, ("by",))
    path = fields.required("by", noted.path((), "share"))
    if path is None:
        return None
    if path.root != "roster":
        fields.problems.error(
            fields.key_place("by"),
            "Residents' shares come from the charge's roster.",
            "Write `{by: roster.COLUMN}`.",
        )
        return None
    return Split(path.name)
