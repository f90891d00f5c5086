"""Who is charged, which override applies, and which row of a table belongs to a household (plan-language.md, *Who*)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

import msgspec

from chargeplan.core.observed import Property, Unit
from chargeplan.core.plan import Override, Plan, Row, Selector, Table


class Names(msgspec.Struct, frozen=True):
    """Every name that a user may call a property by: its alias, its name and its id."""

    id: str
    alias: str | None
    name: str

    def match(self, text: str) -> bool:
        """Whether text is one of the names."""
        return text in (self.id, self.alias, self.name)

    def match_pattern(self, pattern: str) -> bool:
        """Whether one of the names fits a shell pattern."""
        return any(
            each is not None and fnmatchcase(each, pattern) for each in (self.alias, self.name, self.id)
        )


def names_of(observed: Property, alias: str | None) -> Names:
    """The names of an observed property."""
    return Names(observed.id, alias, observed.name)


def fits(patterns: Iterable[str], *texts: str | None) -> bool:
    """Whether one of the texts fits one of the shell patterns."""
    return any(fnmatchcase(text, pattern) for pattern in patterns for text in texts if text is not None)


def pattern_of(text: str) -> str:
    """The shell pattern that fits this very text alone."""
    return "".join(f"[{each}]" if each in "*?[" else each for each in text)


def selects_every_unit(who: Selector) -> bool:
    """Whether the selector has no pattern of units, buildings or floor plans at all."""
    return who.units is None and who.buildings is None and who.floor_plans is None and not who.except_units


def fits_property(override: Override, names: Names) -> bool:
    """Whether an override is meant for the property."""
    return override.properties is None or any(names.match_pattern(each) for each in override.properties)


def override_fits(override: Override, names: Names, unit: Unit, resident_ids: Iterable[str]) -> bool:
    """Whether an override is meant for a household: each of its lists that is given must match."""
    if not fits_property(override, names):
        return False
    if override.units is not None and not fits(override.units, unit.number, unit.id):
        return False
    return override.residents is None or fits(override.residents, *resident_ids)


def rows_for(table: Table, names: Names, keys: Iterable[str], month: str | None = None) -> tuple[Row, ...]:
    """The rows of a table under any of the keys that are meant for the property and the month, in file order."""
    return tuple(
        row
        for key in dict.fromkeys(keys)
        for row in table.rows.get(key, ())
        if (row.property is None or names.match(row.property)) and row.period in {None, month}
    )


def rows_meant_for(table: Table, plan: Plan, names: Names) -> Iterator[Row]:
    """The rows that are certainly the property's; one that names none may be for another of the plan's properties."""
    alone = plan.properties is not None and len(plan.properties) == 1
    for row in table.all_rows():
        if alone if row.property is None else names.match(row.property):
            yield row
