"""A small property and small plans, made directly of core values, so that each test reads as one sentence.

Dates are ISO text, money is written in dollars as text (``"1,000.00"``); everything has a default that bills.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import msgspec

from chargeplan.core.amounts import Fixed, FromPath, Path
from chargeplan.core.bill import Expansion
from chargeplan.core.change import Change
from chargeplan.core.compare import Comparison, compare
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import Days, RelativeDate, add_months
from chargeplan.core.decision import Decision, standing
from chargeplan.core.diagnostic import Place
from chargeplan.core.due import Expander, expand
from chargeplan.core.duplicates import owned_codes
from chargeplan.core.eligible import Recorded
from chargeplan.core.evidence import Evidence
from chargeplan.core.line import Line, Skip
from chargeplan.core.money import format_money, parse_money
from chargeplan.core.observed import (
    ChargeCode,
    Lease,
    LeaseResident,
    ObservedProperty,
    Property,
    Resident,
    SyncedCharge,
    Unit,
)
from chargeplan.core.plan import Charge, Code, Once, Plan, Row, Schedule, Table
from chargeplan.core.planned import PlannedProperty
from chargeplan.core.posting import Posting, posting_of
from chargeplan.core.select import Names
from chargeplan.core.site import Setting
from chargeplan.core.steady import steady_lines

PLACE = Place("plans/oak.yaml", 7)
TABLE = "plans/table.csv"
MONTHLY = Schedule(unit="month", count=1, day=1)
RENT = FromPath(Path("lease", "rent"))
AUGUST = ("2027-08-01", "2027-08-31")
INTEGRATION = IntegrationConfig(alias="main", id="int-1", place=PLACE, posts_credits=True)


def d(text: str) -> date:
    return date.fromisoformat(text)


def days(first: str, last: str) -> Days:
    return Days(d(first), d(last))


def cents(text: str) -> int:
    return parse_money(text)


def usd(text: str) -> Fixed:
    return Fixed(parse_money(text))


def rel(text: str) -> RelativeDate:
    """``lease.start + 12 months`` as the loader reads it."""
    base, *rest = text.split()
    if not rest:
        return RelativeDate(base, 0, "days", text)
    sign, count, unit = rest
    unit = unit if unit.endswith("s") else f"{unit}s"
    return RelativeDate(base, int(count) * (-1 if sign == "-" else 1), unit, text)  # type: ignore[arg-type]


def when(text: str | None) -> Any:
    if text is None:
        return None
    return d(text) if text[0].isdigit() else rel(text)


class Text:
    """A template: ``{name}`` stands for the value of the dotted name."""

    def __init__(self, source: str, place: Place | None = None) -> None:
        self.source = source
        self.place = place
        self.uses = frozenset(part.partition("}")[0] for part in source.split("{")[1:])

    def render(self, values: Mapping[str, object]) -> str:
        text = self.source
        for name in self.uses:
            text = text.replace("{" + name + "}", str(values[name]))
        return text


def schedule(
    every: str = "month",
    *,
    first: str | None = None,
    through: str | None = None,
    anchor: str | None = None,
    **rest: Any,
) -> Schedule:
    named = {"month": ("month", 1), "quarter": ("month", 3), "year": ("month", 12), "week": ("week", 1)}
    unit, count = named.get(every) or (every.split()[1].rstrip("s"), int(every.split(maxsplit=1)[0]))
    return Schedule(
        unit=unit,
        count=count,
        first=when(first),
        through=when(through),
        anchor=when(anchor),
        **rest,  # type: ignore[arg-type]
    )


def once(on: str, service: tuple[str, str] | None = None) -> Once:
    return Once(when(on), (when(service[0]), when(service[1])) if service else None)


def charge(name: str = "rent", amount: Any = RENT, **rest: Any) -> Charge:
    timing = {} if {"once", "late_fee"} & set(rest) else {"schedule": MONTHLY}
    values: dict[str, Any] = {
        "place": PLACE,
        "code": "Rent",
        "description": Text("{charge.title} {period.label}"),
        "notes": Text(""),
        "key_plan": "oak",
        "key_charge": name,
    }
    values |= timing | rest
    if isinstance(values["code"], str):
        values["code"] = code(values["code"])
    return Charge(id=name, amount=amount, **values)


def code(name: str) -> Code:
    return Code({name: PLACE}, name=name)


def plan(*charges: Charge, **rest: Any) -> Plan:
    values: dict[str, Any] = {
        "integration_id": "int-1",
        "properties": {"oak": PLACE},
        "timezone": "America/Chicago",
    }
    return Plan(name=rest.pop("name", "oak"), place=PLACE, charges=charges or (charge(),), **(values | rest))


def unit(number: str = "101", **rest: Any) -> Unit:
    return Unit(id=f"unit-{number}", property_id="oak-id", number=number, **rest)


def on_lease(*people: str | LeaseResident) -> tuple[LeaseResident, ...]:
    """``ann`` (the first is the primary one), ``bob:GUARANTOR``, or a record."""
    found: list[LeaseResident] = []
    for n, each in enumerate(people):
        if isinstance(each, LeaseResident):
            found.append(each)
            continue
        name, _, kind = each.partition(":")
        found.append(LeaseResident(name, kind or ("SECONDARY" if n else "PRIMARY")))
    return tuple(found)


_DATES = {
    "moved_in": "realized_move_in",
    "moves_in": "scheduled_move_in",
    "moved_out": "realized_move_out",
    "moves_out": "scheduled_move_out",
}


def lease(
    *people: str | LeaseResident,
    name: str = "lease-1",
    unit: str = "101",
    start: str | None = "2027-01-01",
    end: str | None = "2028-12-31",
    rent: str | None = "1,000.00",
    status: str = "ACTIVE",
    **dates: str,
) -> Lease:
    return Lease(
        id=name,
        property_id="oak-id",
        unit_id=f"unit-{unit}",
        unit_number=unit,
        status=status,
        start=d(start) if start else None,
        end=d(end) if end else None,
        rent=cents(rent) if rent else None,
        residents=on_lease(*(people or ("ann",))),
        **{_DATES[key]: d(value) for key, value in dates.items()},
    )


def observed(*leases: Lease, **rest: Any) -> ObservedProperty:
    leases = leases or (lease(),)
    numbers = sorted({each.unit_number or "" for each in leases})
    people = sorted({each.resident_id for one in leases for each in one.residents})
    values: dict[str, Any] = {
        "units": tuple(unit(number) for number in numbers),
        "residents": tuple(Resident(id=each, property_id="oak-id") for each in people),
        "charge_codes": tuple(
            ChargeCode(f"code-{name.lower()}", "oak-id", name) for name in ("Rent", "Pet", "Water", "Late")
        ),
    }
    return ObservedProperty(property=Property("oak-id", "Oak Street"), leases=leases, **(values | rest))


def roster(key: str, *rows: Mapping[str, str | None], item: str | None = None) -> Table:
    """Rows as a CSV with a header gives them; the cell under ``key`` is the row's key."""
    found: dict[str, tuple[Row, ...]] = {}
    for n, cells in enumerate(rows):
        row = Row(
            key=str(cells[key]),
            property=cells.get("property"),
            item=cells.get(item) if item else None,
            cells=dict(cells),
            file=TABLE,
            line=n + 2,
        )
        found[row.key] = (*found.get(row.key, ()), row)
    return Table(file=TABLE, key=key, columns=tuple(rows[0]) if rows else (key,), rows=found, item=item)  # type: ignore[arg-type]


def setting(of: Plan, seen: ObservedProperty, window: tuple[str, str] = AUGUST, **rest: Any) -> Setting:
    span = days(*window)
    values: dict[str, Any] = {
        "integration": INTEGRATION,
        "names": Names("oak-id", "oak", "Oak Street"),
        "as_of": span.last,
        "lookback": add_months(span.first, -2),
    }
    return Setting(plan=of, observed=seen, window=span, **(values | rest))


def expanded(of: Plan, *leases: Lease, window: tuple[str, str] = AUGUST, **rest: Any) -> Expansion:
    seen = rest.pop("seen", None) or observed(*leases)
    return expand(setting(of, seen, window, **rest))


def lines(of: Plan, *leases: Lease, window: tuple[str, str] = AUGUST, **rest: Any) -> list[Line]:
    """The lines that are dated in the window, held ones included."""
    expansion = expanded(of, *leases, window=window, **rest)
    return [
        line
        for household in expansion.households
        for bill in household.bills
        for line in bill.lines
        if line.natural_date in days(*window)
    ]


def read(found: Iterable[Line]) -> list[tuple[str, str]]:
    """Date and amount, or date and hold."""
    return [(str(each.transaction_date), each.hold or format_money(each.amount or 0)) for each in found]


def billed(of: Plan, *leases: Lease, window: tuple[str, str] = AUGUST, **rest: Any) -> list[tuple[str, str]]:
    return read(lines(of, *leases, window=window, **rest))


def rent_plan(name: str = "rent", amount: Any = RENT, **rest: Any) -> Plan:
    """A plan of one charge."""
    return plan(charge(name, amount, **rest))


class World:
    """A property over time: what is planned, posted and synced, one run after the other."""

    def __init__(self, of: Plan, *leases: Lease, **rest: Any) -> None:
        self.plans: list[Plan] = [of]
        self.seen = observed(*leases, **rest)
        self.postings: dict[str, Posting] = {}
        self.integration = INTEGRATION
        self.decisions: list[Decision] = []
        self.early_days = 7
        self.billed: dict[tuple[str, str], list[Days]] = {}

    def live(self, *leases: Lease) -> None:
        """What the next sync shows of the leases."""
        self.seen = msgspec.structs.replace(
            observed(*leases), charges=self.seen.charges, previous_sync=self.seen.previous_sync
        )

    def evidence(self) -> Evidence:
        return Evidence(
            self.seen,
            self.postings.values(),
            self.integration,
            owned=owned_codes(self.plans, self.seen.charge_codes),
            decisions=standing(self.decisions),
            billed=self.billed,
        )

    def compare(self, window: tuple[str, str] = AUGUST, **rest: Any) -> Comparison:
        settings = [
            setting(each, self.seen, window, integration=self.integration, **rest) for each in self.plans
        ]
        evidence = self.evidence()
        planned = [PlannedProperty(each.plan, expand(each)) for each in settings]
        found = compare(
            planned, self.seen, evidence, self.integration, days(*window), early_days=self.early_days
        )
        self._is_the_same_the_short_way(settings, evidence, found, days(*window))
        return found

    def _is_the_same_the_short_way(
        self, settings: list[Setting], evidence: Evidence, long: Comparison, window: Days
    ) -> None:
        """What `steady` tells without bills is what is told with them: a law that every test of a comparison checks."""
        planned = []
        for each in settings:
            expander = Expander(each)
            steady = steady_lines(expander, Recorded(evidence))
            planned.append(PlannedProperty(each.plan, expander.run(unless=steady.told), steady))
        short = compare(planned, self.seen, evidence, self.integration, window, early_days=self.early_days)
        stands = Counter[str]()
        skips = Counter((each.plan, each.charge, each.lease_id, each.reason) for each in short.skips)
        for plan in planned:
            for each in plan.steady.stands.values():
                stands[each.code] += each.count
                stands[f"{each.code}, cents"] += each.amount
            for charge, leases in plan.steady.skips.items():
                skips.update((plan.plan.name, charge, lease, reason) for lease, reason in leases)
        for change in short.changes:
            if change.action == "unchanged":
                stands[change.charge_code] += 1
                stands[f"{change.charge_code}, cents"] += change.amount or 0
        wanted = Counter[str]()
        for change in long.changes:
            if change.action == "unchanged":
                wanted[change.charge_code] += 1
                wanted[f"{change.charge_code}, cents"] += change.amount or 0
        assert [c for c in short.changes if c.action != "unchanged"] == [
            c for c in long.changes if c.action != "unchanged"
        ]
        assert +stands == +wanted
        assert skips == Counter((each.plan, each.charge, each.lease_id, each.reason) for each in long.skips)
        assert set(short.diagnostics) == set(long.diagnostics)
        assert short.unexplained == long.unexplained

    def changes(self, window: tuple[str, str] = AUGUST, **rest: Any) -> list[tuple[str, str, str]]:
        """Action, date, and the amount or the reason of a hold."""
        return [
            (each.action, str(each.transaction_date), format_money(each.amount or 0))
            for each in self.compare(window, **rest).changes
        ]

    def skips(self, window: tuple[str, str] = AUGUST) -> list[str]:
        return [each.reason for each in self.compare(window).skips]

    def post(
        self, window: tuple[str, str] = AUGUST, *, sync: bool = True, state: str = "accepted", **rest: Any
    ) -> None:
        """Post what is to post; with ``sync`` it shows on the ledger."""
        for change in self.compare(window, **rest).changes:
            if change.action in {"create", "correct"}:
                self.record(change, state=state)
                if sync:
                    self.show(change)

    def record(self, change: Change, *, state: str = "accepted", error: str | None = None) -> Posting:
        posting = msgspec.structs.replace(posting_of(change), state=state, error=error)
        self.postings[posting.reference] = posting
        return posting

    def show(self, change: Change, **rest: Any) -> SyncedCharge:
        return self.add(
            change.reference,
            resident_id=change.resident_id,
            charge_code_id=change.charge_code_id,
            amount=change.amount,
            transaction_date=change.transaction_date,
            description=change.description,
            **rest,
        )

    def add(self, reference: str | None = None, **rest: Any) -> SyncedCharge:
        """A charge on the ledger; without more, ann's rent of 1 August."""
        values: dict[str, Any] = {
            "resident_id": "ann",
            "charge_code_id": "code-rent",
            "amount": 100000,
            "transaction_date": d("2027-08-01"),
        }
        made = SyncedCharge(id=f"charge-{len(self.seen.charges) + 1}", reference=reference, **(values | rest))
        self.seen = msgspec.structs.replace(self.seen, charges=(*self.seen.charges, made))
        return made

    def ledger(self) -> int:
        return sum(each.amount or 0 for each in self.seen.charges)


def skips_of(of: Plan, *leases: Lease, window: tuple[str, str] = AUGUST, **rest: Any) -> list[Skip]:
    world = World(of, *leases, **rest)
    return list(world.compare(window).skips)


def reasons(of: Plan, *leases: Lease, window: tuple[str, str] = AUGUST, **rest: Any) -> list[str]:
    return [each.reason for each in skips_of(of, *leases, window=window, **rest)]


def percent(text: str) -> Fraction:
    return Fraction(text)


def each_day(first: str, count: int) -> list[date]:
    return [d(first) + timedelta(days=n) for n in range(count)]
