"""Tests of plans, ``plans/tests/*.yaml``: given these records and this day, these lines (schemas/plan-test.schema.json).

The records become the values that Propexo's would become, so that a test runs through the same core as a plan does.
"""

from __future__ import annotations

import datetime as dt
import glob
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chargeplan.core.config import Config, PropertyConfig
from chargeplan.core.dates import Days, month_of
from chargeplan.core.diagnostic import Diagnostic, Place
from chargeplan.core.observed import (
    Allocation,
    ChargeCode,
    Fee,
    Lease,
    LeaseResident,
    ObservedProperty,
    Payment,
    Property,
    Resident,
    SyncedCharge,
    Unit,
)
from chargeplan.core.plan import Plan
from chargeplan.core.plan_test import Expected, PlanTest, Value
from chargeplan.core.select import names_of
from chargeplan.core.suggest import did_you_mean
from chargeplan.loading.build import version
from chargeplan.loading.check import (
    Fields,
    Reader,
    Spot,
    choice,
    date,
    entry_spot,
    integer,
    list_of,
    text,
)
from chargeplan.loading.files import Files, is_hidden
from chargeplan.loading.integrations import Systems
from chargeplan.loading.node import Mapping, Problems, Scalar
from chargeplan.loading.project import load_project
from chargeplan.loading.source import read_bytes
from chargeplan.loading.values import fraction, money, money_or_zero

TEST_KEYS = (
    "version", "title", "plans", "as_of", "period", "from", "through", "property", "closed_through", "given", "expect",
)  # fmt: skip
GIVEN_KEYS = ("units", "leases", "charges")
UNIT_KEYS = ("number", "building", "floor_plan", "square_feet", "bedrooms", "market_rent", "fees")
LEASE_KEYS = (
    "id", "unit", "status", "start", "end", "move_in", "move_out", "scheduled_move_in", "scheduled_move_out",
    "rent", "market_rent", "residents",
)  # fmt: skip
RESIDENT_KEYS = ("id", "kind", "first_name", "last_name", "pets", "vehicles", "move_in", "move_out")
CHARGE_KEYS = (
    "id", "resident", "code", "date", "due", "created", "amount", "open", "paid", "reference", "charge", "description",
)  # fmt: skip
PAID_KEYS = ("date", "amount")
EXPECT_KEYS = ("only", "lines", "holds", "skips")
LINE_KEYS = (
    "charge", "plan", "unit", "resident", "date", "amount", "description", "notes", "period", "part",
)  # fmt: skip
HOLD_KEYS = ("charge", "plan", "unit", "resident", "date", "amount", "reason")
SKIP_KEYS = ("charge", "plan", "unit", "resident", "reason")

_STATUSES = ("ACTIVE", "INACTIVE", "PENDING", "EVICTED", "OTHER")
_KINDS = {"primary": "PRIMARY", "resident": "SECONDARY", "guarantor": "GUARANTOR"}
_MONTH = re.compile(r"\d{4}-\d\d", re.ASCII)
_NEVER = dt.date.min


class LoadedTests(msgspec.Struct, frozen=True):
    """The tests that could be read, and what is wrong with the files."""

    tests: tuple[PlanTest, ...]
    diagnostics: tuple[Diagnostic, ...]


def load_tests(config_path: Path, config: Config, systems: Systems, paths: Sequence[Path]) -> LoadedTests:
    """Read the tests, or without ``paths`` all beside the configured plans, and the plans that they test.

    Never raises for what users write. Where there is no test at all, the plans are read for themselves: a project
    whose plans can't be read has no good end.
    """
    problems = Problems()
    files = Files(Path(config.root), problems)
    names = _names_of_tests(config, files, paths)
    if not names:
        return LoadedTests((), load_project(config_path, systems).diagnostics)
    tests: list[PlanTest] = []
    told: dict[Diagnostic, None] = {}
    for name in names:
        data = files.read(name, Place(name, 1))
        root = None if data is None else read_bytes(data, name, problems)
        if root is None:
            continue
        test, diagnostics = _TestBuilder(
            root=root, file=name, config_path=config_path, config=config, systems=systems, files=files
        ).build()
        told.update(dict.fromkeys(diagnostics))
        tests += [test] if test else []
    nowhere = Place("", 0)
    found = {**dict.fromkeys(problems.diagnostics), **told}
    return LoadedTests(
        tuple(tests), tuple(sorted(found, key=lambda each: (each.place or nowhere, each.summary)))
    )


def _names_of_tests(config: Config, files: Files, paths: Sequence[Path]) -> list[str]:
    """The files of ``paths``, all tests of their folders, or every test beside the configured plans."""
    if not paths:
        folders = {Path(name).parent for pattern in config.plans for name in files.matching(pattern)}
        patterns = [f"{glob.escape(folder.as_posix())}/tests/*.yaml" for folder in folders]
        return sorted({name for pattern in patterns for name in files.matching(pattern)})
    return [name for path in paths for name in files.given(_tests_at(path))]


def _tests_at(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return [each for each in sorted(path.glob("*.yaml")) if not is_hidden(Path(each.name))]


class _TestBuilder:
    """Reads one test file."""

    def __init__(
        self, root: Mapping, file: str, config_path: Path, *, config: Config, systems: Systems, files: Files
    ) -> None:
        self.problems = files.problems
        self.file, self.config_path, self.config, self.files = file, config_path, config, files
        self.systems = systems
        self.fields = Fields(Spot(root, "a test of plans", self.problems), root, TEST_KEYS)
        self.given = _Given()

    def build(self) -> tuple[PlanTest | None, tuple[Diagnostic, ...]]:
        before = self.problems.error_count
        fields = self.fields
        version(fields)
        title = fields.optional("title", text, Path(self.file).stem)
        plan_files = fields.required("plans", list_of(text, "a list of plan files"))
        as_of = fields.required("as_of", date)
        window = self._window(as_of)
        closed = fields.optional("closed_through", date, None)
        fields.required("given", self.given.read)
        expect = fields.optional("expect", _expect, None) or _nothing()
        plans, diagnostics = self._plans(plan_files or ())
        property_config = self._property(plans)
        if self.problems.error_count > before or as_of is None or window is None or property_config is None:
            return None, diagnostics
        return PlanTest(
            title,
            fields.value_place("title") if fields.has("title") else Place(self.file, 1),
            tuple(msgspec.structs.replace(each, closed_through=closed) for each in plans),
            self.config,
            names_of(_property(property_config), property_config.alias),
            as_of,
            window,
            self.given.observed(property_config, plans),
            self.given.late,
            *expect,
        ), diagnostics

    def _window(self, as_of: dt.date | None) -> Days | None:
        fields = self.fields
        first, last = fields.optional("from", date, None), fields.optional("through", date, None)
        if fields.has("from") != fields.has("through"):
            fields.missing("through" if fields.has("from") else "from", "The window needs both ends.")
        if fields.has("period") and fields.has("from"):
            self.problems.error(fields.key_place("period"), "`period` goes without `from` and `through`.")
        named = fields.optional("period", _month, None) or as_of
        if first and last:
            if last < first:
                self.problems.error(fields.value_place("through"), "`through` is before `from`.")
            return Days(first, last)
        return month_of(named) if named else None

    def _plans(self, written: Sequence[str]) -> tuple[tuple[Plan, ...], tuple[Diagnostic, ...]]:
        place = self.fields.value_place("plans")
        names = [self.files.beside(self.file, each, place) for each in written]
        known = [Path(self.files.root, each) for each in names if each is not None]
        if not known or len(known) < len(names):
            return (), ()
        loaded = load_project(self.config_path, self.systems, known)
        if loaded.project is None:
            if not any(each.is_error for each in loaded.diagnostics if each.place):
                self.problems.error(place, "The plans cannot be read.")
            return (), loaded.diagnostics
        return loaded.project.plans, tuple(each for each in loaded.diagnostics if each.is_error)

    def _property(self, plans: Sequence[Plan]) -> PropertyConfig | None:
        """The property that the records belong to: the one that is named, else the plans' only one."""
        fields = self.fields
        named = fields.optional("property", text, None)
        if named is None:
            listed = {name for plan in plans for name in plan.properties or ()}
            if len(listed) != 1 or any(plan.properties is None for plan in plans):
                if plans:
                    fields.missing("property", "The plans are for several properties.")
                return None
            named = listed.pop()
        found = self.config.properties.get(named) or next(
            (each for each in self.config.properties.values() if each.id == named), None
        )
        if found is None and fields.has("property"):
            self.problems.error(
                fields.value_place("property"),
                f"There is no property `{named}`.",
                did_you_mean(named, self.config.properties),
            )
            return None
        return found or PropertyConfig(named, named, "", Place(self.file, 1))


# --- given -------------------------------------------------------------------------------------------------------


class _Given:
    """The records of a test, while they are read; ids are made of what is written."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.fees: list[Fee] = []
        self.leases: list[Lease] = []
        self.residents: dict[str, Resident] = {}
        self.charges: list[SyncedCharge] = []
        self.payments: list[Payment] = []
        self.late: dict[str, str] = {}

    def read(self, spot: Spot) -> bool | None:
        """Read ``given``; true where it is a mapping."""
        fields = Fields.open(spot, GIVEN_KEYS)
        if fields is None:
            return None
        fields.optional("units", list_of(self._unit, "a list of units", empty=True), None)
        fields.optional("leases", list_of(self._lease, "a list of leases", empty=True), None)
        fields.optional("charges", list_of(self._charge, "a list of charges", empty=True), None)
        return True

    def observed(self, where: PropertyConfig, plans: Sequence[Plan]) -> ObservedProperty:
        """The records as they would be read from Propexo, with the codes and accounts that the plans name."""
        accounts = {name for plan in plans for charge in plan.charges for name in charge.accounts}
        codes = {each.charge_code_id or "" for each in self.charges} | {
            code for plan in plans for code in _codes(plan)
        }
        return ObservedProperty(
            property=_property(where),
            units=tuple(self.units),
            leases=tuple(self.leases),
            residents=tuple(self.residents.values()),
            charge_codes=tuple(ChargeCode(each, where.id, each) for each in sorted(codes)),
            fees=tuple(self.fees),
            charges=tuple(self.charges),
            payments=tuple(self.payments),
            accounts=tuple(ChargeCode(each, where.id, each) for each in sorted(accounts)),
        )

    def _unit(self, spot: Spot) -> bool | None:
        fields = Fields.open(spot, UNIT_KEYS)
        number = fields.required("number", text) if fields else None
        if fields is None or number is None:
            return None
        if any(each.number == number for each in self.units):
            spot.problems.error(fields.value_place("number"), f"There are two units `{number}`.")
        area = fields.optional("square_feet", fraction(0), None)
        bedrooms = fields.optional("bedrooms", fraction(0), None)
        plan = fields.optional("floor_plan", text, None)
        self.units.append(
            Unit(
                id=_unit_id(number),
                property_id="",
                number=number,
                building_name=fields.optional("building", text, None),
                floor_plan_id=plan,
                floor_plan_name=plan,
                bedrooms=None if bedrooms is None else str(float(bedrooms)),
                square_feet=None if area is None else int(area),
                market_rent=fields.optional("market_rent", money_or_zero, None),
            )
        )
        fees = fields.optional("fees", _fees, {})
        self.fees += [
            Fee(id=f"{number}/{name}", property_id="", name=name, amount=cents, unit_id=_unit_id(number))
            for name, cents in fees.items()
        ]
        return True

    def _lease(self, spot: Spot) -> bool | None:
        fields = Fields.open(spot, LEASE_KEYS)
        if fields is None:
            return None
        unit, start = fields.required("unit", text), fields.required("start", date)
        people = fields.required("residents", list_of(self._resident, "a list of residents"))
        if unit is not None and all(each.number != unit for each in self.units):
            spot.problems.error(
                fields.value_place("unit"),
                f"There is no unit `{unit}` under `units`.",
                did_you_mean(unit, [each.number for each in self.units]),
            )
        if unit is None or start is None or people is None:
            return None
        planned = fields.optional("scheduled_move_in", date, None)
        moved_in = fields.optional("move_in", _date_or_never, None if planned else start)
        self.leases.append(
            Lease(
                id=fields.optional("id", text, f"lease-{len(self.leases) + 1}"),
                property_id="",
                unit_id=_unit_id(unit),
                unit_number=unit,
                status=fields.optional("status", choice(*_STATUSES), "ACTIVE"),
                start=start,
                end=fields.optional("end", date, None),
                rent=fields.optional("rent", money_or_zero, None),
                market_rent=fields.optional("market_rent", money_or_zero, None),
                realized_move_in=None if moved_in == _NEVER else moved_in,
                scheduled_move_in=planned,
                realized_move_out=fields.optional("move_out", date, None),
                scheduled_move_out=fields.optional("scheduled_move_out", date, None),
                residents=_with_kinds(people),
            )
        )
        return True

    def _resident(self, spot: Spot) -> LeaseResident | None:
        """One person of a lease; just the id, or a mapping."""
        if isinstance(spot.node, Scalar):
            resident_id = text(spot)
            if resident_id is None:
                return None
            self.residents.setdefault(resident_id, Resident(id=resident_id, property_id=""))
            return LeaseResident(resident_id, None)
        fields = Fields.open(spot, RESIDENT_KEYS, "a resident's id, or a mapping")
        resident_id = fields.required("id", text) if fields else None
        if fields is None or resident_id is None:
            return None
        self.residents[resident_id] = Resident(
            id=resident_id,
            property_id="",
            first_name=fields.optional("first_name", text, None),
            last_name=fields.optional("last_name", text, None),
            pets=fields.optional("pets", integer(0, 99), 0),
            vehicles=fields.optional("vehicles", integer(0, 99), 0),
        )
        kind = fields.optional("kind", choice(*_KINDS), None)
        return LeaseResident(
            resident_id,
            _KINDS.get(kind or ""),
            fields.optional("move_in", date, None),
            fields.optional("move_out", date, None),
        )

    def _charge(self, spot: Spot) -> bool | None:
        fields = Fields.open(spot, CHARGE_KEYS)
        if fields is None:
            return None
        resident, code = fields.required("resident", text), fields.required("code", text)
        day, amount = fields.required("date", date), fields.required("amount", money)
        if resident is not None and resident not in self.residents:
            spot.problems.error(
                fields.value_place("resident"),
                f"There is no resident `{resident}` on the leases.",
                did_you_mean(resident, self.residents),
            )
        if resident is None or code is None or day is None or amount is None:
            return None
        created = fields.optional("created", date, None)
        charge_id = fields.optional("id", text, f"charge-{len(self.charges) + 1}")
        paid = fields.optional("paid", list_of(_paid, "a list of payments", empty=True), ())
        numbered = [(f"{charge_id}/payment-{n}", when, cents) for n, (when, cents) in enumerate(paid, 1)]
        self.payments += [Payment(payment_id, "", when) for payment_id, when, _ in numbered]
        still = amount - sum(cents for *_, cents in numbered) if numbered else None
        self.charges.append(
            SyncedCharge(
                id=charge_id,
                resident_id=resident,
                charge_code_id=code,
                amount=amount,
                transaction_date=day,
                reference=fields.optional("reference", text, None),
                description=fields.optional("description", text, None),
                due_date=fields.optional("due", date, None),
                created_at=None if created is None else f"{created}T12:00:00Z",
                open_amount=fields.optional("open", money_or_zero, still),
                allocations=tuple(Allocation(cents, payment_id) for payment_id, _, cents in numbered),
            )
        )
        ours = fields.optional("charge", text, None)
        self.late.update({charge_id: ours} if ours else {})
        return True


def _unit_id(number: str) -> str:
    """An id that is not the number, since rosters may name units by either."""
    return f"unit-{number}"


def _with_kinds(people: Sequence[LeaseResident]) -> tuple[LeaseResident, ...]:
    """The first is the primary one unless another says so."""
    primary = next((i for i, each in enumerate(people) if each.kind == "PRIMARY"), None)
    if primary is None:
        primary = next((i for i, each in enumerate(people) if each.kind is None), None)
    return tuple(
        msgspec.structs.replace(each, kind=each.kind or ("PRIMARY" if i == primary else "SECONDARY"))
        for i, each in enumerate(people)
    )


def _codes(plan: Plan) -> set[str]:
    """Every charge code that a plan names."""
    found = set(plan.owns)
    for charge in plan.charges:
        found.update(charge.codes)
        found.update(charge.late_fee.codes if charge.late_fee else ())
    return found


def _property(where: PropertyConfig) -> Property:
    return Property(where.id, where.alias)


# --- readers -------------------------------------------------------------------------------------------------------


def _month(spot: Spot) -> dt.date | None:
    raw = spot.node.raw if isinstance(spot.node, Scalar) else ""
    if _MONTH.fullmatch(raw):
        try:
            return dt.date.fromisoformat(f"{raw}-01")
        except ValueError:
            pass
    spot.wrong("a month", "Write it as 2027-08.")
    return None


def _date_or_never(spot: Spot) -> dt.date | None:
    if isinstance(spot.node, Scalar) and spot.node.raw == "never":
        return _NEVER
    return date(spot)


def _paid(spot: Spot) -> tuple[dt.date, int] | None:
    fields = Fields.open(spot, PAID_KEYS)
    if fields is None:
        return None
    day, cents = fields.required("date", date), fields.required("amount", money_or_zero)
    return None if day is None or cents is None else (day, cents)


def _fees(spot: Spot) -> dict[str, int] | None:
    if not isinstance(spot.node, Mapping):
        spot.wrong("a mapping of fees to money")
        return None
    read = {entry.key.raw: money_or_zero(entry_spot(entry, spot.problems)) for entry in spot.node.entries}
    return {name: cents for name, cents in read.items() if cents is not None}


_Expectation = tuple[
    tuple[str, ...], "tuple[Expected, ...] | None", "tuple[Expected, ...] | None", tuple[Expected, ...]
]


def _nothing() -> _Expectation:
    return ((), None, None, ())


def _expect(spot: Spot) -> _Expectation | None:
    fields = Fields.open(spot, EXPECT_KEYS)
    if fields is None:
        return None
    return (
        fields.optional("only", list_of(text, "a list of charges"), ()),
        fields.optional("lines", _expected_list(LINE_KEYS, "amount"), None),
        fields.optional("holds", _expected_list(HOLD_KEYS, "reason"), None),
        fields.optional("skips", _expected_list(SKIP_KEYS, "reason"), ()),
    )


def _expected_list(known: tuple[str, ...], needed: str) -> Reader[tuple[Expected, ...]]:
    def read(spot: Spot) -> Expected | None:
        fields = Fields.open(spot, known)
        if fields is None:
            return None
        for name in ("charge", needed):
            if not fields.has(name):
                fields.missing(name)
        values = {name: _value(fields, name) for name in known if fields.has(name)}
        return Expected(
            {name: value for name, value in values.items() if value is not None}, fields.mapping.place
        )

    return list_of(read, "a list of what is expected", empty=True)


def _value(fields: Fields, name: str) -> Value | None:
    """The value of a key of an expectation, of the type that it is compared by."""
    if name == "amount":
        return fields.optional(name, money, None)
    if name in {"date", "period"}:
        return fields.optional(name, date, None)
    if name == "part":
        return fields.optional(name, integer(0, 9999), None)
    return fields.optional(name, text, None)
