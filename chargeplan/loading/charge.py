"""One charge: its own keys over the plan's defaults, read, and checked for keys that do not go together."""

from __future__ import annotations

from functools import partial

import msgspec

from chargeplan.core.amounts import Path
from chargeplan.core.dates import DateExpression
from chargeplan.core.diagnostic import Place
from chargeplan.core.plan import Charge, Code, Once, Override, Schedule, Selector, Step, Table, Template
from chargeplan.core.system import System
from chargeplan.loading.amounts import amount, roster_column
from chargeplan.loading.check import Fields, Reader, Spot, boolean, choice, list_of, slug, text
from chargeplan.loading.files import Files
from chargeplan.loading.late_fees import late_fee
from chargeplan.loading.node import Entry, Mapping, Scalar
from chargeplan.loading.references import ColumnReference, Reference, Scope, check_references
from chargeplan.loading.rules import NOT_FOR_LATE_FEES, TIMING, check_rules
from chargeplan.loading.tables import (
    Source,
    Where,
    check_forwards,
    check_told_apart,
    load_roster,
    place_of,
    without_empty,
)
from chargeplan.loading.templates import TemplateFault, compile_template
from chargeplan.loading.timing import (
    after_lease_end,
    dates_of_roster,
    once,
    prorate,
    schedule,
    service_days,
    span_of_roster,
    step,
)
from chargeplan.loading.values import Noted
from chargeplan.loading.who import patterns, split, where, who

CHARGE_KEYS = (
    "code", "account", "amount", "schedule", "once", "service", "basis", "turnover", "prorate", "who", "roster",
    "split", "steps", "mid_period", "after_lease_end", "overrides", "description", "notes", "on_drift", "enabled", "late_fee",
)  # fmt: skip
ROSTER_FIELDS = ("file", "item", "where", "empty")
OVERRIDE_SELECTORS = ("properties", "units", "residents", "from", "through", "waive", "reason")
FIXED_KEYS = ("roster", "overrides")
"""What an exception cannot change: whose rows there are is not one household's matter."""
DEFAULT_DESCRIPTION = "{{ charge.title }} {{ period.label }}"
DEFAULT_NOTES = "{{ plan }}/{{ charge.id }}"


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a charge is read in: the plan's file, selector, tables and charges.

    ``system`` is the integration's, where that is known. ``broken`` are the tables that could not be loaded. ``several`` is whether the plan has more than one property.
    """

    file: str
    who: Selector
    adjusts_drift: bool
    tables: dict[str, Table]
    broken: frozenset[str]
    charge_ids: tuple[str, ...]
    several: bool
    personal_data: bool
    system: System | None


class Read(msgspec.Struct, frozen=True):
    """A charge and what it points at."""

    charge: Charge
    references: list[Reference]


def read_charge(entry: Entry, defaults: Mapping | None, around: Surroundings, files: Files) -> Read | None:
    """Read the charge of one entry of ``charges``; None, and errors, where something that it needs is missing or wrong."""
    return _ChargeReader(entry, defaults, around, files).read()


def with_defaults(own: Mapping, defaults: Mapping | None) -> Mapping:
    """The charge's own entries, then the defaults that it does not set.

    A charge that says itself when it is due takes no other timing from the defaults, nor what belongs to it.
    """
    if defaults is None:
        return own
    written = {entry.key.raw for entry in own.entries}
    shut = set(written)
    if written & set(TIMING):
        shut |= {*TIMING, "service"}
    if "late_fee" in written:
        shut |= set(NOT_FOR_LATE_FEES)
    elif "amount" in written:
        shut.add("late_fee")
    inherited = tuple(
        entry for entry in defaults.entries if entry.key.raw not in shut and entry.key.raw in CHARGE_KEYS
    )
    return Mapping(own.entries + inherited, own.place)


def check_unused_defaults(defaults: Mapping, used: set[str], around: Surroundings, files: Files) -> None:
    """Report unknown keys of ``defaults``, and wrong values of those that no charge inherits and so no charge reports."""
    entry = Entry(Scalar("text", "defaults", "defaults", defaults.place), defaults)
    reader = _ChargeReader(
        entry, None, msgspec.structs.replace(around, broken=around.broken | {"roster"}), files
    )
    reader.check_keys(Fields(Spot(defaults, "`defaults`", files.problems), defaults, CHARGE_KEYS), used)


class _ChargeReader:
    """Reads one charge; each key has one reader, which serves the charge and its overrides."""

    def __init__(self, entry: Entry, defaults: Mapping | None, around: Surroundings, files: Files) -> None:
        self.entry = entry
        self.defaults = defaults
        self.around = around
        self.files = files
        self.problems = files.problems
        self.noted = Noted()
        self.roster: Table | None = None
        self.skips_empty: Spot | None = None
        self.broken = around.broken
        self.fields: Fields | None = None

    def read(self) -> Read | None:
        before = self.problems.error_count
        fields = self._open()
        if fields is None:
            return None
        self.roster = fields.optional("roster", self._roster, None)
        values = self._values(fields)
        if self.roster is not None:
            self.roster = values["roster"] = self._settled_roster(self.roster, values)
        check_rules(fields, values, self.roster, several=self.around.several, tables=self.around.tables)
        scope = Scope(self.roster, self.around.tables, self.around.charge_ids, self.broken)
        check_references(self.noted.references, scope, self.problems)
        if self.problems.error_count > before:
            return None
        return Read(Charge(**values), self.noted.references)  # type: ignore[arg-type]  # each value is from its key's reader

    def check_keys(self, fields: Fields, used: set[str]) -> None:
        """Read the keys that are not among ``used``, for what is wrong with them alone."""
        for key, (_, reader) in self._readers(fields).items():
            spot = fields.at(key)
            if spot is not None and key not in used:
                reader(spot)

    def _open(self) -> Fields | None:
        slug(Spot(self.entry.key, "the name of a charge", self.problems))
        spot = Spot(self.entry.value, f"charge `{self.entry.key.raw}`", self.problems, self.entry.key.place)
        if isinstance(spot.node, Mapping):
            return Fields(spot, with_defaults(spot.node, self.defaults), CHARGE_KEYS)
        spot.wrong("a mapping that begins with `code:`")
        return None

    def _values(self, fields: Fields) -> dict[str, object]:
        """The fields of `Charge` that are written and read well, over those that the plan gives."""
        values: dict[str, object] = {
            "id": self.entry.key.raw,
            "place": self.entry.key.place,
            "amount": None,
            "roster": self.roster,
            "who": self.around.who,
            "adjusts_drift": self.around.adjusts_drift,
        }
        readers = self._readers(fields) | {
            "overrides": ("overrides", list_of(self._override, "a list of mappings", empty=True))
        }
        for key, (field, reader) in readers.items():
            spot = fields.at(key)
            value = None if spot is None else reader(spot)
            if value is not None:
                values[field] = value
        if not fields.has("code"):
            fields.missing("code", "Name the charge code, as in `code: Rent`.")
        if (system := self.around.system) is not None:
            self._suit(system, fields, values)
        for key, source in (("description", DEFAULT_DESCRIPTION), ("notes", DEFAULT_NOTES)):
            values.setdefault(key, compile_template(source))
        return values

    def _suit(self, system: System, fields: Fields, values: dict[str, object]) -> None:
        """What the property system wants of every charge, and what it has no place for."""
        if system.needs_account and not fields.has("account"):
            fields.missing(
                "account",
                f"{system.name} has every charge name a financial account: write its name, number or id, or put it in `defaults`.",
            )
        if system.notes == "none" and fields.has("notes"):
            self.problems.warning(
                fields.key_place("notes"),
                f"Charges of {system.name} have no notes, so these are not sent.",
                "Delete them.",
            )
            del values["notes"]
        if system.notes != "sent":
            # The default notes say where a line comes from, which is worth no room in a resident's description.
            values.setdefault("notes", compile_template(""))

    def _readers(self, fields: Fields) -> dict[str, tuple[str, Reader[object]]]:
        """A reader for each key that a charge and an override share, with the field of `Charge` that it fills."""
        steps: Reader[tuple[Step, ...]] = list_of(
            partial(step, noted=self.noted), "a list of steps", empty=True
        )
        service = fields.optional("service", partial(service_days, noted=self.noted), None)
        return {
            "code": ("code", self._code),
            "account": ("account", self._account),
            "amount": ("amount", partial(amount, noted=self.noted)),
            "schedule": ("schedule", partial(schedule, noted=self.noted)),
            "once": ("once", partial(once, noted=self.noted, service=service)),
            "late_fee": ("late_fee", partial(late_fee, noted=self.noted)),
            "basis": ("basis", choice("occupancy", "contract")),
            "turnover": ("turnover", choice("share", "each")),
            "prorate": ("prorate", prorate),
            "who": ("who", who),
            "split": ("split", partial(split, noted=self.noted)),
            "steps": ("steps", steps),
            "mid_period": ("split_mid_period", _mid_period),
            "after_lease_end": ("after_lease_end", after_lease_end),
            "description": ("description", self._template),
            "notes": ("notes", self._template),
            "on_drift": ("adjusts_drift", on_drift),
            "enabled": ("enabled", boolean),
        }

    def _code(self, spot: Spot) -> Code | None:
        """A charge code by name or id, or the column in which the roster's rows have theirs."""
        if not isinstance(spot.node, Mapping):
            name = text(spot)
            return None if name is None else Code({name: spot.node.place}, name=name)
        fields = Fields(spot, spot.node, ("from",))
        path = fields.required("from", self.noted.path((), "code"))
        if path is None or self.roster is None or path.name not in self.roster.columns:
            return None
        places: dict[str, Place] = {}
        for row in self.roster.all_rows():
            if (written := row.cells[path.name]) is not None and written not in places:
                places[written] = place_of(row, path.name, self.problems)
        return Code(places, column=path.name)

    def _account(self, spot: Spot) -> Code | None:
        """A financial account by name, number or id."""
        system = self.around.system
        if system is not None and not system.needs_account:
            spot.error(
                f"Charges of {system.name} name no financial account beside `code`.", "Delete `account`."
            )
            return None
        name = text(spot)
        return None if name is None else Code({name: spot.node.place}, name=name)

    def _roster(self, spot: Spot) -> Table | None:
        item: str | None = None
        rows: tuple[Where, ...] = ()
        place = spot.node.place
        if isinstance(spot.node, Mapping):
            fields = Fields(spot, spot.node, ROSTER_FIELDS)
            written = fields.required("file", text)
            item = fields.optional("item", text, None)
            rows = fields.optional("where", where, ())
            if fields.optional("empty", choice("hold", "skip"), "hold") == "skip":
                self.skips_empty = fields.at("empty")
            place = fields.value_place("file")
        else:
            written = text(spot)
        names = () if written is None else self.files.sources(self.around.file, written, place)
        roster = load_roster(self.files, Source(names, place), item, rows) if names else None
        if roster is None:
            self.broken |= {"roster"}
        return roster

    def _settled_roster(self, roster: Table, values: dict[str, object]) -> Table:
        """The rows that ask for something, once it is known what the charge reads of them; rows of one key are told apart."""
        if self.skips_empty is not None and values["amount"] is not None:
            column = roster_column(values["amount"])
            if column is None:
                self.skips_empty.error(
                    "`empty: skip` leaves out rows without an amount, and the amount is not the roster's.",
                    "Write `amount: {from: roster.COLUMN}`, or delete `empty`.",
                )
            elif column in roster.columns:
                roster = without_empty(roster, column)
        once = values.get("once")
        dates = dates_of_roster(once) if isinstance(once, Once) else ()
        check_told_apart(
            roster, lambda row: " ".join(filter(None, map(row.cells.get, dates))) or None, self.problems
        )
        period = values.get("schedule") or once
        if isinstance(period, Schedule | Once) and (span := span_of_roster(period)):
            check_forwards(roster, *span, self.problems)
        return roster

    def _template(self, spot: Spot) -> Template | None:
        if isinstance(spot.node, Scalar) and spot.node.kind != "null" and not spot.node.raw:
            return compile_template("", place=spot.node.place)
        source = text(spot)
        if source is None or ("roster" in self.broken and "roster" in source):
            return None
        columns = None if self.roster is None else self.roster.columns
        place = spot.node.place
        try:
            template = compile_template(
                source, roster=columns, personal_data=self.around.personal_data, place=place
            )
        except TemplateFault as fault:
            spot.error(fault.summary, fault.detail)
            return None
        paths = [Path("roster", column) for column in template.columns_as_written]
        self.noted.references += [ColumnReference(path, "text", place) for path in paths]
        return template

    # --- overrides -----------------------------------------------------------------------------------------------

    def _override(self, spot: Spot) -> Override | None:
        fields = Fields.open(
            spot, (*OVERRIDE_SELECTORS, *CHARGE_KEYS), "a mapping such as `{units: [204], amount: 50.00}`"
        )
        if fields is None:
            return None
        changes = self._override_changes(fields)
        waive = fields.optional("waive", boolean, None)
        if not changes and not fields.has("waive") and not self._written_changes(fields):
            spot.error(
                "The override changes nothing.", "Give it the charge's keys that differ, or `waive: true`."
            )
        if waive and self._written_changes(fields):
            place = fields.key_place("waive")
            self.problems.error(
                place, "A month that is waived has no line to change.", "Delete `waive` or the other keys."
            )
        date_reader: Reader[DateExpression] = self.noted.date
        return Override(
            changes=changes,
            place=spot.node.place,
            reason=fields.optional("reason", text, ""),
            waive=waive,
            properties=fields.optional("properties", patterns, None),
            units=fields.optional("units", patterns, None),
            residents=fields.optional("residents", patterns, None),
            first=fields.optional("from", date_reader, None),
            through=fields.optional("through", date_reader, None),
        )

    def _override_changes(self, fields: Fields) -> dict[str, object]:
        for key in CHARGE_KEYS:
            if fields.has(key) and key in FIXED_KEYS:
                self.problems.error(
                    fields.key_place(key),
                    f"An override cannot change `{key}`.",
                    "Make it a charge of its own, with `who`.",
                )
        changes: dict[str, object] = {}
        for key, (field, reader) in self._readers(fields).items():
            spot = fields.at(key)
            value = None if spot is None else reader(spot)
            if value is not None:
                changes[field] = value
        return changes

    def _written_changes(self, fields: Fields) -> list[str]:
        return [key for key in CHARGE_KEYS if fields.has(key)]


def on_drift(spot: Spot) -> bool | None:
    """Whether drift is adjusted."""
    word = choice("report", "adjust")(spot)
    return None if word is None else word == "adjust"


def _mid_period(spot: Spot) -> bool | None:
    word = choice("next_period", "split")(spot)
    return None if word is None else word == "split"
