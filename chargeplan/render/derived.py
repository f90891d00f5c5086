"""Derived plans as the files that a person would have written: YAML with comments that say what each was seen from, and rosters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

import msgspec

from chargeplan.core.amounts import Fixed, FromPath, Rate
from chargeplan.core.config import Config, PropertyConfig
from chargeplan.core.dates import Days, day_in_month
from chargeplan.core.derivation import DerivedProperty, PlannedCode
from chargeplan.core.derive import DerivedCharge, NotDerived, Rule
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.plan import Selector
from chargeplan.render.escape import csv_text
from chargeplan.render.words import count_of

WHY: Final[dict[str, str]] = {
    "ambiguous_code": "two codes of the property have that name: name one by its id",
    "fewer_than_two_months": "it was billed in fewer than two months",
    "uneven_months": "it was billed in months without an even distance",
    "one_off": "most were billed once",
    "changes_each_month": "the amounts change each month: a biller's file or a table is the way",
    "no_rule": "no rule explains half of it",
}
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9 ._/-]*[A-Za-z0-9]|[A-Za-z]")
# Words that YAML readers of other tools may take for something else.
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


class PlanFiles(msgspec.Struct, frozen=True):
    """A plan as files: their texts by name, and the id of the charge for each code."""

    files: dict[str, str]
    charge_ids: dict[str, str]


class DerivedFiles(msgspec.Struct, frozen=True):
    """The texts by name, which charge was written for which code, and the properties that the configuration lacks."""

    files: dict[str, str]
    planned: tuple[PlannedCode, ...]
    added: dict[str, PropertyConfig]


def derived_files(config: Config, found: Sequence[DerivedProperty], window: Days) -> DerivedFiles:
    """A plan for each of the properties.

    Raises:
        ChargeplanError: nothing can be derived.
    """
    aliases = {integration.id: alias for alias, integration in config.integrations.items()}
    files: dict[str, str] = {}
    planned: list[PlannedCode] = []
    added: dict[str, PropertyConfig] = {}
    for each in found:
        if not each.charges:
            continue
        known = config.property_alias(each.property.id)
        alias = known or unused(slug(each.property.name), [*config.properties, *added])
        integration = aliases[each.integration.id]
        if known is None:
            added[alias] = PropertyConfig(alias, each.property.id, integration, each.integration.place)
        written = plan_files(
            alias,
            property_name=each.property.name,
            integration=integration,
            charges=each.charges,
            left=each.left,
            window=window,
            holds_credits=not each.integration.posts_credits,
        )
        files |= written.files
        planned += [
            PlannedCode(each.property.id, code, alias, charge) for code, charge in written.charge_ids.items()
        ]
    if not files:
        raise ChargeplanError(
            f"Nothing can be derived from what was billed from {window.first} through {window.last}.",
            hint="Look at more months with --from and --through; a code needs two at least.",
            code="nothing_derived",
        )
    return DerivedFiles(files, tuple(planned), added)


def slug(text: str) -> str:
    """A name as a slug: ``Oak Street Apartments`` is ``oak-street-apartments``."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or "x"


def unused(wanted: str, used: Sequence[str] | dict[str, str]) -> str:
    """The slug, or with the first number behind it that nothing else has."""
    found, number = wanted, 2
    while found in used:
        tail = f"-{number}"
        found, number = f"{wanted[: 40 - len(tail)]}{tail}", number + 1
    return found


def plan_files(
    name: str,
    *,
    property_name: str,
    integration: str,
    charges: Sequence[DerivedCharge],
    left: Sequence[NotDerived],
    window: Days,
    holds_credits: bool,
) -> PlanFiles:
    """The plan and its rosters; ``name`` is the plan's and the property's alias."""
    files: dict[str, str] = {}
    ids: dict[str, str] = {}
    text = [
        f"# Derived by chargeplan from what {_comment(property_name)} was billed from {window.first} through {window.last}.",
        "# A draft: read it, then `chargeplan compare` shows what it explains.",
    ]
    text += [
        f"# Not derived: {_comment(each.code)}, {count_of(each.lines, 'line')}: {WHY[each.why]}."
        for each in left
    ]
    text += [
        "version: 1",
        f"plan: {name}",
        f"integration: {integration}",
        f"properties: [{name}]",
        "charges:",
    ]
    for charge in charges:
        charge_id = unused(slug(charge.code), ids)
        ids[charge_id] = charge.code
        roster = f"rosters/{name}-{charge_id}.csv"
        text += [
            f"  {charge_id}:",
            *(f"    {line}" for line in _charge(charge, roster, holds_credits=holds_credits)),
        ]
        if charge.rule.rows:
            files[roster] = _roster(charge)
    files[f"plans/{name}.yaml"] = "\n".join(text) + "\n"
    return PlanFiles(files, {code: charge_id for charge_id, code in ids.items()})


def _charge(charge: DerivedCharge, roster: str, *, holds_credits: bool) -> Iterator[str]:
    rule = charge.rule
    yield f"# Seen in {charge.explained:,} of {count_of(charge.lines, 'line')}."
    if charge.parts:
        yield f"# {count_of(charge.parts, 'part')} of a period: `prorate: {charge.method}` explains most of them."
    else:
        yield "# No part of a period was seen: say with `prorate` what one costs."
    if holds_credits and _is_credit(rule):
        yield "# A credit: it is held on this integration, unless `credits: post` is set."
    yield f"code: {_text(charge.code)}"
    yield f"amount: {_amount(rule)}"
    yield f"schedule: {_schedule(charge)}"
    if charge.method != "none":
        yield f"prorate: {charge.method}"
    if rule.rows:
        yield f"roster: {_roster_entry(rule, roster)}"
    if rule.split:
        yield "split: equal"
    if rule.steps:
        yield "steps:"
        yield from (f"  - {{from: {day}, set: {_money(cents)}}}" for day, cents in charge.step_dates())
    if charge.after_end is not None:
        seen = "are billed as before" if charge.after_end == "continue" else "are not billed"
        yield f"after_lease_end: {charge.after_end}  # who lives on after a lease's end: they {seen}"
    if who := _who(rule.who):
        yield f"who: {who}"


def _is_credit(rule: Rule) -> bool:
    if rule.rows and rule.rows[0].cents is not None:
        return any(row.cents is not None and row.cents < 0 for row in rule.rows)
    return isinstance(rule.amount, Fixed) and rule.amount.cents < 0


def _amount(rule: Rule) -> str:
    match rule.amount:
        case Fixed(cents=cents):
            return _money(cents)
        case FromPath(path=path):
            return f"{{from: {path}}}"
        case Rate(cents_per=Fraction() as rate, per=per):
            return f"{{rate: {_rate(rate)}, per: {per.path}}}"
        case _:  # no other is derived
            raise AssertionError(rule.amount)


def _rate(cents: Fraction) -> str:
    """Dollars with as many decimals as it takes, two at least and six at most."""
    whole, rest = divmod(abs(cents.numerator) * (10_000 // cents.denominator), 1_000_000)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if cents < 0 else ''}{whole}.{decimals}"


def _money(cents: int) -> str:
    dollars, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{dollars}.{rest:02d}"


def _schedule(charge: DerivedCharge) -> str:
    rhythm = charge.rhythm
    day = "last" if rhythm.day == 31 else rhythm.day
    if rhythm.every == 1:
        return f"{{every: month, day: {day}}}"
    return f"{{every: {rhythm.every} months, day: {day}, anchor: {day_in_month(rhythm.first, rhythm.day)}}}"


def _roster_entry(rule: Rule, roster: str) -> str:
    path = f"../{roster}"
    return f"{{file: {path}, item: line}}" if _has_items(rule) else path


def _has_items(rule: Rule) -> bool:
    return any(row.item > 1 for row in rule.rows)


def _roster(charge: DerivedCharge) -> str:
    """Units where one household had each in all months, else residents by their ids; never names."""
    rule, by_unit = charge.rule, charge.keyed_by == "unit"
    with_item, with_amount = _has_items(rule), rule.rows[0].cents is not None
    header = ["unit"] if by_unit else ["resident_id", "unit_number"]
    header += ["line"] * with_item + ["amount"] * with_amount
    rows = [
        [
            *([row.unit_number] if by_unit else [row.resident_id, row.unit_number]),
            *([str(row.item)] if with_item else []),
            *([_money(row.cents)] if row.cents is not None else []),
        ]
        for row in rule.rows
    ]
    return csv_text(header, rows)


def _who(who: Selector) -> str:
    keys: list[str] = []
    if who.lease_status != ("ACTIVE",):
        keys.append(f"lease_status: {_list(who.lease_status)}")
    if who.resident != "primary":
        keys.append(f"resident: {who.resident}")
    for name, values in (
        ("buildings", who.buildings),
        ("floor_plans", who.floor_plans),
        ("has", who.has or None),
    ):
        if values is not None:
            keys.append(f"{name}: {_list(values)}")
    if who.except_units:
        keys.append(f"except: {{units: {_list(who.except_units)}}}")
    return f"{{{', '.join(keys)}}}" if keys else ""


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(_text(each) for each in values)}]"


def _text(value: str) -> str:
    """A text as YAML: plain where nothing in it means anything to YAML."""
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)


def _comment(text: str) -> str:
    """Somebody else's words in a comment: on one line."""
    return " ".join(text.split())
