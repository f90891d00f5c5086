"""A plan's node tree as a `Plan`, with every problem of the file told in one run (plan-language.md, *Top level*)."""

from __future__ import annotations

import zoneinfo
from typing import cast

import msgspec

from chargeplan.core.config import Config, IntegrationConfig
from chargeplan.core.dates import ALWAYS
from chargeplan.core.diagnostic import Place
from chargeplan.core.plan import Charge, Plan, Selector, Table, TableKey
from chargeplan.core.suggest import closest
from chargeplan.core.system import System
from chargeplan.loading.charge import (
    Read,
    Surroundings,
    check_unused_defaults,
    on_drift,
    read_charge,
    with_defaults,
)
from chargeplan.loading.check import Fields, Spot, choice, date, entry_spot, integer, list_of, slug, text
from chargeplan.loading.files import Files
from chargeplan.loading.integrations import DEFAULT_VENDOR, Systems
from chargeplan.loading.moves import Move, read_move, take_keys
from chargeplan.loading.needs import check_needs
from chargeplan.loading.node import Entry, Items, Mapping, Scalar
from chargeplan.loading.tables import TABLE_KEYS, Source, load_table
from chargeplan.loading.timing import open_span
from chargeplan.loading.who import who

PLAN_KEYS = (
    "version", "plan", "integration", "properties", "timezone", "effective", "closed_through", "closed_period", "owns",
    "on_drift", "missed", "defaults", "who", "tables", "moved", "charges",
)  # fmt: skip


class LoadedPlan(msgspec.Struct, frozen=True):
    """A plan, its integration and where it was moved from; ``place`` is that of its ``plan`` value, for messages about its name."""

    plan: Plan
    integration: IntegrationConfig
    moves: tuple[Move, ...]
    place: Place


def build_plan(root: Mapping, file: str, config: Config, systems: Systems, files: Files) -> LoadedPlan | None:
    """The plan that the tree of ``file`` says; None, and errors in ``files.problems``, where it is not good enough to use."""
    return _PlanBuilder(root, file, config, systems, files).build()


def timezone(spot: Spot) -> str | None:
    """An IANA time zone that this machine, or the tzdata package, knows."""
    name = text(spot)
    if name is None:
        return None
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        near = closest(name, zoneinfo.available_timezones())
        spot.error(
            f"There is no time zone `{name}`.",
            f"Did you mean `{near}`?" if near else "Write it like `America/Chicago`.",
        )
        return None
    return name


def version(fields: Fields) -> None:
    """Check that the file is of version 1; a newer one is for a newer program."""
    fields.required("version", integer(1, 1, "`1`, the version of the language"))


class _PlanBuilder:
    def __init__(self, root: Mapping, file: str, config: Config, systems: Systems, files: Files) -> None:
        self.file = file
        self.config = config
        self.systems = systems
        self.files = files
        self.problems = files.problems
        self.before = files.problems.error_count
        self.fields = Fields(Spot(root, "the plan", self.problems), root, PLAN_KEYS)
        self.broken: set[str] = set()

    def build(self) -> LoadedPlan | None:
        fields = self.fields
        version(fields)
        name = fields.required("plan", slug)
        integration = fields.required("integration", self._integration)
        properties = self._properties(integration)
        tables = fields.optional("tables", self._tables, {})
        # Of a system that nothing can be posted to, nothing is known that a plan could get wrong.
        system = None if integration is None or integration.system.reason else integration.system
        reads = self._charges(self._surroundings(properties, tables, system))
        moves = fields.optional(
            "moved", list_of(self._move, "a list of moves, such as `[{from: old, to: new}]`", empty=True), ()
        )
        settings = self._settings()
        check_needs(reads, self.problems)
        if name is None or integration is None:
            return None
        charges = take_keys(name, tuple(read.charge for read in reads), moves, self.problems)
        if self.problems.error_count > self.before:
            return None
        plan = Plan(
            name=name,
            place=fields.key_place("plan"),
            integration_id=integration.id,
            properties=properties,
            charges=charges,
            owns=fields.optional("owns", _codes, _codes_of(charges)),
            tables=tables,
            **settings,  # type: ignore[arg-type]  # by field, each from its key's reader
        )
        return LoadedPlan(plan, integration, moves, fields.value_place("plan"))

    def _settings(self) -> dict[str, object]:
        fields = self.fields
        fields.optional("owns", _codes, ())
        closed = fields.optional("closed_through", date, None)
        days = [day for day in (closed, self.config.closed_through) if day is not None]
        return {
            "timezone": fields.optional("timezone", timezone, self.config.timezone),
            "effective": fields.optional("effective", open_span, ALWAYS),
            "closed_through": max(days, default=None),
            "closed_period": fields.optional("closed_period", choice("error", "shift", "skip"), "error"),
            "posts_missed": fields.optional("missed", choice("report", "post"), self._missed_by_default)
            == "post",
        }

    @property
    def _missed_by_default(self) -> str:
        return "post" if self.config.posts_missed else "report"

    # --- where ---------------------------------------------------------------------------------------------------

    def _integration(self, spot: Spot) -> IntegrationConfig | None:
        """By alias or id. A name that is neither is taken as an id, unless it is close to an alias."""
        name = text(spot)
        if name is None:
            return None
        found = self.config.integration(name)
        if found is not None:
            return found
        if (near := closest(name, self.config.integrations)) is not None:
            spot.error(f"There is no integration `{name}` in {self.config.file}.", f"Did you mean `{near}`?")
            return None
        self.problems.warning(
            spot.node.place,
            f"The integration `{name}` is not in {self.config.file}; it is taken as a Propexo id.",
            "Add it under `integrations`, so that its system's limits are known.",
        )
        return IntegrationConfig(
            alias=name, id=name, place=spot.node.place, system=self.systems(DEFAULT_VENDOR)
        )

    def _properties(self, integration: IntegrationConfig | None) -> dict[str, Place] | None:
        """The names as written, with their places, or None for ``all``."""
        spot = self.fields.at("properties")
        if spot is None:
            self.fields.missing("properties", "List aliases, names or ids, or write `all`.")
            return {}
        if isinstance(spot.node, Scalar) and spot.node.raw == "all":
            return None
        named: dict[str, Place] = {}
        list_of(text, "a list of properties, or the word `all`")(spot)
        if isinstance(spot.node, Items):
            for item in spot.node.items:
                if isinstance(item, Scalar):
                    self._check_property(item, integration)
                    named.setdefault(item.raw, item.place)
        return named

    def _check_property(self, item: Scalar, integration: IntegrationConfig | None) -> None:
        known = self.config.properties.get(item.raw)
        if known is not None:
            if integration is not None and known.integration != integration.alias:
                summary = f"The property `{item.raw}` belongs to the integration `{known.integration}`, not to `{integration.alias}`."
                self.problems.error(item.place, summary, "One plan is for one integration.")
            return
        ids = {each.id for each in self.config.properties.values()}
        near = closest(item.raw, self.config.properties)
        if near is not None and item.raw not in ids:
            self.problems.warning(
                item.place,
                f"`{item.raw}` is no alias in {self.config.file}; it is taken as a name or id.",
                f"Did you mean `{near}`?",
            )

    # --- tables --------------------------------------------------------------------------------------------------

    def _tables(self, spot: Spot) -> dict[str, Table] | None:
        if not isinstance(spot.node, Mapping):
            spot.wrong("a mapping of names to tables, such as `{bills: {file: bills.csv, key: period}}`")
            return None
        tables = {}
        for entry in spot.node.entries:
            table = self._table(entry)
            if table is None:
                self.broken.add(entry.key.raw)
            else:
                tables[entry.key.raw] = table
        return tables

    def _table(self, entry: Entry) -> Table | None:
        name = entry.key.raw
        if not name or "." in name or " " in name:
            self.problems.error(
                entry.key.place,
                f"A table cannot be called `{name}`.",
                "Use letters, digits, hyphens and underscores.",
            )
            return None
        fields = Fields.open(entry_spot(entry, self.problems), ("file", "key"))
        if fields is None:
            return None
        written = fields.required("file", text)
        keys = fields.required("key", _table_key)
        if written is None or keys is None:
            return None
        place = fields.value_place("file")
        names = self.files.sources(self.file, written, place)
        key, by_period = keys
        table = load_table(self.files, Source(names, place), key, by_period=by_period) if names else None
        if table is not None and key == "unit" and self._several() and "property" not in table.columns:
            summary = f"The plan has several properties, and `{table.file_without('property')}` has no column `property`."
            self.problems.error(place, summary, "Add it, with each property's alias, name or id.")
        return table

    def _several(self) -> bool:
        spot = self.fields.at("properties")
        return spot is not None and (not isinstance(spot.node, Items) or len(spot.node.items) > 1)

    # --- charges -------------------------------------------------------------------------------------------------

    def _surroundings(
        self,
        properties: dict[str, Place] | None,
        tables: dict[str, Table],
        system: System | None,
    ) -> Surroundings:
        charges = self.fields.mapping.get("charges")
        ids = (
            tuple(entry.key.raw for entry in charges.value.entries)
            if charges and isinstance(charges.value, Mapping)
            else ()
        )
        return Surroundings(
            file=self.file,
            who=self.fields.optional("who", who, Selector()),
            adjusts_drift=self.fields.optional("on_drift", on_drift, False),
            tables=tables,
            broken=frozenset(self.broken),
            charge_ids=ids,
            several=properties is None or len(properties) > 1,
            personal_data=self.config.personal_data,
            system=system,
        )

    def _charges(self, around: Surroundings) -> list[Read]:
        spot = self.fields.at("charges")
        if spot is None:
            self.fields.missing("charges")
            return []
        if not isinstance(spot.node, Mapping) or not spot.node.entries:
            spot.wrong("a mapping of charges by name")
            return []
        defaults = self._defaults(spot.node, around)
        reads = [read_charge(entry, defaults, around, self.files) for entry in spot.node.entries]
        return [read for read in reads if read is not None]

    def _defaults(self, charges: Mapping, around: Surroundings) -> Mapping | None:
        spot = self.fields.at("defaults")
        if spot is None:
            return None
        if not isinstance(spot.node, Mapping):
            spot.wrong("a mapping of charge keys")
            return None
        used: set[str] = set()
        for entry in charges.entries:
            if isinstance(entry.value, Mapping):
                inherited = with_defaults(entry.value, spot.node).entries[len(entry.value.entries) :]
                used.update(each.key.raw for each in inherited)
        check_unused_defaults(spot.node, used, around, self.files)
        return spot.node

    def _move(self, spot: Spot) -> Move | None:
        name = self.fields.at("plan")
        plan = name.node.raw if name is not None and isinstance(name.node, Scalar) else ""
        return read_move(spot, plan)


def _table_key(spot: Spot) -> tuple[TableKey, bool] | None:
    """The key column of a table, and whether the month is a part of the key: ``unit``, or ``[unit, period]``."""
    if isinstance(spot.node, Items):
        if {item.raw for item in spot.node.items if isinstance(item, Scalar)} == {"unit", "period"}:
            return "unit", True
        spot.wrong("one column, or `[unit, period]`")
        return None
    key = choice(*TABLE_KEYS)(spot)
    return None if key is None else (cast("TableKey", key), False)


def _codes(spot: Spot) -> tuple[str, ...] | None:
    return list_of(text, "a list of charge codes, such as `[Rent]`", empty=True)(spot)


def _codes_of(charges: tuple[Charge, ...]) -> tuple[str, ...]:
    """The codes that the plan's charges use, in order; those of overrides and rosters too."""
    return tuple(dict.fromkeys(code for charge in charges if charge.enabled for code in charge.codes))
