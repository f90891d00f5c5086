"""Keys of one charge that do not go together (plan-language.md, *A charge* and what follows it).

Each rule is a plain function; the lists at the end are all of them. What an override shapes is a charge too, so the
rules about values hold for it as well.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chargeplan.core.amounts import Allocate, Path, PercentOfCharges, Spread, form_of
from chargeplan.core.diagnostic import Place
from chargeplan.core.plan import Once, Override, Proration, Schedule, Selector, Split, Table
from chargeplan.loading.check import Fields
from chargeplan.loading.timing import MONTHLY_METHODS, is_monthly, is_one_month

TIMING = ("schedule", "once", "late_fee")
NOT_FOR_LATE_FEES = (
    "amount", "schedule", "once", "service", "basis", "turnover", "prorate", "split", "steps", "mid_period", "after_lease_end",
)  # fmt: skip
"""A late fee has its own amounts and days."""
_FIELDS_NOT_FOR_LATE_FEES = frozenset(
    {
        "amount",
        "schedule",
        "once",
        "basis",
        "turnover",
        "prorate",
        "split",
        "steps",
        "split_mid_period",
        "after_lease_end",
    }
)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A charge as far as it was read, perhaps as an override shapes it: the values of `Charge` by field.

    ``several`` is whether the plan has more than one property.
    """

    fields: Fields
    values: dict[str, object]
    roster: Table | None
    tables: dict[str, Table]
    several: bool
    override: Override | None = None

    def error(self, key: str, summary: str, detail: str = "") -> None:
        """Report at a key of the charge, or at the override that makes the contradiction."""
        place: Place = self.fields.key_place(key) if self.override is None else self.override.place
        self.fields.problems.error(place, summary, detail)


def check_rules(
    fields: Fields,
    values: dict[str, object],
    roster: Table | None,
    *,
    several: bool,
    tables: dict[str, Table],
) -> None:
    """Report every pair of keys that contradict each other, first of the charge, then of what overrides make of it."""
    before = fields.problems.error_count
    shape = Shape(fields=fields, values=values, roster=roster, tables=tables, several=several)
    for rule in (*_KEY_RULES, *_VALUE_RULES):
        rule(shape)
    overrides = values.get("overrides", ())
    if fields.problems.error_count > before or not isinstance(overrides, tuple):
        return
    for override in overrides:
        shaped = msgspec.structs.replace(shape, values=_shaped(values, override), override=override)
        for rule in (_override_of_its_kind, *_VALUE_RULES):
            rule(shaped)


def _shaped(values: dict[str, object], override: Override) -> dict[str, object]:
    shaped = values | override.changes
    if "once" in override.changes:
        shaped["schedule"] = override.changes.get("schedule")
    elif "schedule" in override.changes:
        shaped["once"] = None
    return shaped


# --- which keys are written --------------------------------------------------------------------------------------


def _one_timing(shape: Shape) -> None:
    written = [key for key in TIMING if shape.fields.has(key)]
    if not written:
        shape.fields.missing("schedule", "Or `once`, or `late_fee`: when is it due?")
    elif len(written) > 1 and "late_fee" not in written:
        shape.error("once", "A charge takes `schedule` or `once`, not both.", "Make two charges of it.")
    if "late_fee" not in written and not shape.fields.has("amount"):
        shape.fields.missing("amount", "For example `amount: 35.00` or `amount: {from: lease.rent}`.")


def _late_fee_alone(shape: Shape) -> None:
    if not shape.fields.has("late_fee"):
        return
    for key in NOT_FOR_LATE_FEES:
        if shape.fields.has(key):
            shape.error(
                key,
                f"A late fee takes no `{key}`: its amounts and days are in `late_fee`.",
                "Delete the key.",
            )


def _service_needs_once(shape: Shape) -> None:
    if shape.fields.has("service") and not shape.fields.has("once"):
        shape.error(
            "service", "`service` belongs to `once`; a schedule has its own service periods.", "Delete it."
        )


def _override_of_its_kind(shape: Shape) -> None:
    assert shape.override is not None
    changes = shape.override.changes
    is_late_fee = shape.fields.has("late_fee")
    if is_late_fee and changes.keys() & _FIELDS_NOT_FOR_LATE_FEES:
        shape.error(
            "overrides",
            "A late fee's amounts and days are in `late_fee`, in an override too.",
            "Write `late_fee: {…}` in the override.",
        )
    if not is_late_fee and "late_fee" in changes:
        shape.error(
            "overrides",
            "An override cannot make a late fee of a charge.",
            "Make it a charge of its own, with `who`.",
        )
    if "schedule" in changes and "once" in changes:
        shape.error(
            "overrides", "An override takes `schedule` or `once`, not both.", "Make two overrides of it."
        )


# --- what the values mean together -------------------------------------------------------------------------------


def _monthly_proration(shape: Shape) -> None:
    proration = shape.values.get("prorate")
    if isinstance(proration, Proration) and proration.method in MONTHLY_METHODS and not _monthly(shape):
        shape.error(
            "prorate",
            f"`prorate: {proration.method}` needs monthly periods.",
            "Use `actual`, or `every: month`.",
        )


def _monthly(shape: Shape) -> bool:
    schedule, once = shape.values.get("schedule"), shape.values.get("once")
    if isinstance(schedule, Schedule):
        return is_monthly(schedule)
    if isinstance(once, Once):
        # A single day is never a part of a period, so there is nothing to prorate.
        return once.service is None or is_one_month(once.service)
    return True


def _form(shape: Shape) -> object:
    return form_of(shape.values.get("amount"))  # type: ignore[arg-type]  # what the reader of `amount` gave


def _spread_needs_schedule(shape: Shape) -> None:
    if isinstance(_form(shape), Spread) and shape.values.get("once") is not None:
        shape.error(
            "amount", "`spread` needs a `schedule`: `once` has one occurrence.", "Write the amount itself."
        )


def _no_steps_on_shares(shape: Shape) -> None:
    form = _form(shape)
    if shape.values.get("steps") and isinstance(form, (Spread, Allocate)):
        shape.error("steps", "`steps` cannot change an amount that is a part of a total.", "Delete `steps`.")
    if shape.values.get("steps") and isinstance(form, PercentOfCharges):
        charges = ", ".join(f"`{each}`" for each in form.of)
        summary = f"`steps` cannot change a percentage of {charges}: it follows what is billed there."
        shape.error("steps", summary, f"Put the steps on {charges}.")


def _split_among(shape: Shape) -> None:
    split, who = shape.values.get("split"), shape.values.get("who")
    if not isinstance(split, Split):
        return
    if isinstance(who, Selector) and who.resident == "all":
        shape.error(
            "split",
            "`split` divides a household's line, and `resident: all` makes a line for each resident.",
            "Keep one of them.",
        )
    if split.by is not None and shape.roster is not None and shape.roster.key != "resident_id":
        summary = f"Shares by resident need a roster keyed by `resident_id`; `{shape.roster.file}` is keyed by `{shape.roster.key}`."
        shape.error("split", summary, "Use `split: equal`, or a roster with a row for each resident.")


def _allocate_by_household(shape: Shape) -> None:
    who = shape.values.get("who")
    if (
        isinstance(shape.values.get("amount"), Allocate)
        and isinstance(who, Selector)
        and who.resident == "all"
    ):
        shape.error(
            "amount",
            "A shared bill goes to households, not to each resident.",
            "Use `resident: primary` and, if wanted, `split`.",
        )


def _allocate_by_occupancy(shape: Shape) -> None:
    if shape.values.get("basis") == "contract" and isinstance(shape.values.get("amount"), Allocate):
        shape.error("basis", "A shared bill goes by who lives there, not by contract.", "Delete `basis`.")


def _several_properties(shape: Shape) -> None:
    """A unit's number, or a month's bill, says nothing where there are two properties."""
    if not shape.several:
        return
    roster, amount = shape.roster, shape.values.get("amount")
    if roster is not None and roster.key == "unit" and "property" not in roster.columns:
        summary = f"The plan has several properties, and `{roster.file_without('property')}` has no column `property`."
        shape.error("roster", summary, "Add it, with each property's alias, name or id.")
    if isinstance(amount, Allocate):
        _allocate_per_property(shape, amount)


def _allocate_per_property(shape: Shape, amount: Allocate) -> None:
    if not isinstance(amount.bill, Path):
        summary = "The plan has several properties, and one bill cannot be for all of them."
        shape.error("amount", summary, "Use a table keyed by `period` with a column `property`.")
        return
    table = shape.tables.get(amount.bill.table)
    if table is not None and "property" not in table.columns:
        summary = f"The plan has several properties, and `{table.file_without('property')}` has no column `property`."
        shape.error("amount", summary, "Add it, with each property's alias, name or id.")


_KEY_RULES: tuple[Callable[[Shape], None], ...] = (_one_timing, _late_fee_alone, _service_needs_once)
_VALUE_RULES: tuple[Callable[[Shape], None], ...] = (
    _monthly_proration,
    _spread_needs_schedule,
    _no_steps_on_shares,
    _split_among,
    _allocate_by_household,
    _allocate_by_occupancy,
    _several_properties,
)
