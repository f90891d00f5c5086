"""Two believable properties around a given day, the same ones each time.

Lease dates, payments and the months of history are laid around ``today``, so that a demo is believable in any
month; ids, names, pets and amounts do not depend on it. The month of ``today`` itself has no charges yet.
"""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from chargeplan.sandbox import records, seed_facts
from chargeplan.sandbox.ledger import settle
from chargeplan.sandbox.payments import Part, Payer, payment
from chargeplan.sandbox.seed_history import Office
from chargeplan.sandbox.seed_households import Household, Person, households
from chargeplan.sandbox.sync import run_sync
from chargeplan.sandbox.systems import SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chargeplan.sandbox.clock import Clock
    from chargeplan.sandbox.ledger import Entry, Ledger
    from chargeplan.sandbox.seed_facts import FloorPlan, Place
    from chargeplan.sandbox.settings import Settings
    from chargeplan.sandbox.store import Store

_SEED = 20240615
_INTERFACES = (
    "CREATE_RESIDENT_CHARGE", "CREATE_RESIDENT_PAYMENT", "READ_RESIDENT_TRANSACTIONS", "READ_RESIDENT_CHARGE_CODES",
    "READ_RESIDENTS", "READ_LEASES", "READ_UNITS", "READ_PROPERTIES", "READ_MOVE_OUTS",
)  # fmt: skip


class Seeder:
    """Writes the seed into an empty state."""

    def __init__(self, store: Store, clock: Clock, ledger: Ledger, settings: Settings, today: date) -> None:
        self._store = store
        self._clock = clock
        self._ledger = ledger
        self._settings = settings
        self._today = today
        self._now = clock.stamp()
        self._random = random.Random(_SEED)  # noqa: S311 - the same people each time, not secrets

    def fill(self) -> None:
        """All properties, their history, and a first sync."""
        with self._store.transaction():
            self._integrations()
            for place in seed_facts.PLACES:
                self._place(place)
            # What was paid since was open when it was first seen.
            run_sync(self._store, self._clock, self._settings, paid_too=True)
            # Propexo has known these properties for long: their charges came when they were entered.
            self._store.change(
                "UPDATE records SET created_at = min(created_at, substr(json_extract(body, '$.transaction_date'), 1, 10)"
                " || 'T12:00:00.000Z') WHERE model = 'resident-charges'"
            )

    def _integrations(self) -> None:
        self._store.set_value("disabled_properties", [])
        first = {place.integration_id: place for place in reversed(seed_facts.PLACES)}
        for number, place in enumerate(reversed(first.values()), 1):
            self._admin(place, "integrations", place.integration_id, _integration_body(place))
            self._admin(place, "job-schedules", f"cljobschedule{number:013d}", _schedule_body(self._now))
        for number, place in enumerate(seed_facts.PLACES, 1):
            body = {"property_id": place.id, "enabled": True, "_without": ["updated_at", "last_seen"]}
            self._admin(place, "integration-properties", f"clintprop{number:016d}", body, place.id)

    def _admin(
        self, place: Place, model: str, row_id: str, body: dict[str, Any], property_id: str = ""
    ) -> None:
        whole = body if model == "integrations" else {"integration_id": place.integration_id, **body}
        self._store.change(
            "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, NULL, ?)",
            (model, row_id, place.integration_id, property_id, self._now, self._now, json.dumps(whole)),
        )

    def _place(self, place: Place) -> None:
        units = list(_units(place))
        homes = list(households(place, [unit["number"] for unit in units], self._today, self._random))
        taken = {home.unit for home in homes if home.lives_there}
        for unit in units:
            unit["is_vacant"] = unit["is_available"] = unit["number"] not in taken
        self._put(place, "properties", [_property_body(place, len(units))])
        self._put(place, "charge-codes", list(_code_bodies(place)))
        self._put(place, "financial-accounts", list(_account_bodies(place)))
        self._put(place, "fees", list(_fee_bodies(place)))
        self._put(place, "units", units)
        self._people(place, homes, {unit["number"]: unit for unit in units})
        self._history(place, homes, {unit["number"]: unit for unit in units})

    def _people(self, place: Place, homes: Sequence[Household], units: dict[str, dict[str, Any]]) -> None:
        self._put(place, "leases", [_lease_body(place, home, units[home.unit]) for home in homes])
        leases: dict[str, list[tuple[Household, Person]]] = {}
        for home in homes:
            for person in home.people:
                leases.setdefault(person.id, []).append((home, person))
        self._put(place, "residents", [_resident_body(place, held, self._now) for held in leases.values()])

    def _history(self, place: Place, homes: Sequence[Household], units: dict[str, dict[str, Any]]) -> None:
        """What the office billed, most of it paid."""
        codes = {
            body["name"]: body["id"]
            for body in (
                _account_bodies(place) if place.codes == "financial-accounts" else _code_bodies(place)
            )
        }
        office = list(Office(place, homes, units, codes, self._today).entered())
        entries = self._ledger.add("posted", [each.fact for each in office], self._settings)
        payments = {
            entry.id: self._payment(entry)
            for entry, each in zip(entries, office, strict=True)
            if each.is_paid and entry.amount_in_cents > 0
        }
        self._put(place, "resident-payments", list(payments.values()))
        self._settle({charge_id: payment["allocations"] for charge_id, payment in payments.items()})

    def _payment(self, entry: Entry) -> dict[str, Any]:
        """A payment of one charge in full, two days later."""
        day = str(date.fromisoformat(entry.transaction_date) + timedelta(days=2))
        part = Part(charge_id=entry.id, amount_in_cents=entry.amount_in_cents)
        payer = Payer(
            resident_id=entry.resident_id, integration_id=entry.integration_id, property_id=entry.property_id,
            lease_id=entry.lease_id, unit_id=entry.unit_id,
        )  # fmt: skip
        return payment(
            number=entry.seq,
            payer=payer,
            day=day,
            amount_in_cents=entry.amount_in_cents,
            parts=[part],
            now=self._now,
        )

    def _settle(self, allocations: dict[str, list[dict[str, Any]]]) -> None:
        """Write into the charges what was paid of them."""
        sql = "SELECT id, body FROM upstream WHERE model = 'resident-charges' AND id IN (SELECT value FROM json_each(?))"
        settled = []
        for row in self._store.rows(sql, (json.dumps(list(allocations)),)):
            body = json.loads(row["body"])
            settle(body, allocations[row["id"]])
            settled.append((json.dumps(body), row["id"]))
        self._store.change_many(
            "UPDATE upstream SET body = ? WHERE model = 'resident-charges' AND id = ?", settled
        )

    def _put(self, place: Place, model: str, bodies: Sequence[dict[str, Any]]) -> None:
        shared = {
            "integration_id": place.integration_id,
            "integration_vendor": place.vendor,
            "property_id": place.id,
        }
        self._store.change_many(
            "INSERT INTO upstream VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    model,
                    body["id"],
                    place.integration_id,
                    place.id,
                    body.get("transaction_date"),
                    json.dumps({**body, **shared}),
                )
                for body in bodies
            ],
        )


def _integration_body(place: Place) -> dict[str, Any]:
    readable = {
        "resident_charges": "RESIDENT_TRANSACTIONS",
        "residents": "RESIDENTS",
        "leases": "LEASES",
        "units": "UNITS",
    }
    return {
        "name": f"Oak & Maple Management ({SYSTEMS[place.vendor].title})",
        "vendor": place.vendor,
        "active": True,
        "system": "SANDBOX",
        "sync_frequency": None,
        "sync_cadence": None,
        "max_job_concurrency": 5,
        "max_request_frequency": 60,
        "max_request_cadence": "MINUTE",
        "base_url": None,
        "is_archived": False,
        "last_completed_sync": None,
        "last_completed_back_sync": None,
        "new_properties_are_enabled": True,
        "integration_interfaces": [
            {"interface_name": f"{place.vendor}_{name}", "enabled": True, "version": "2.0"}
            for name in _INTERFACES
        ],
        "models": {
            model: {"enabled": True, "from_interfaces": [f"{place.vendor}_READ_{name}"]}
            for model, name in readable.items()
        },
        "can_authenticate": True,
        "last_data_access_check": None,
        "configuration_meta_data": [],
        "_without": ["last_seen"],
    }


def _schedule_body(now: str) -> dict[str, Any]:
    return {
        "job_type": "SYNC",
        "status": "ACTIVE",
        "last_run": now,
        "sync_frequency": 24,
        "sync_cadence": "HOUR",
        "parameters": {},
        "_without": ["last_seen"],
    }


def _property_body(place: Place, number_of_units: int) -> dict[str, Any]:
    pets = [
        records.part(
            "pet_types", name=name, is_allowed=True, rent_amount_in_cents=3_500, rent_amount_raw="35.00"
        )
        for name in ("Dog", "Cat")
    ]
    return records.row(
        "properties",
        id=place.id, x_id=f"rm-{place.id}", x_property_id=f"rm-{place.id}", city="Austin", code=place.code, country="US",
        county="Travis", is_active=True, manager_email=f"{place.code.lower()}@example.com", manager_name="Robin Hollis",
        manager_phone_1="5125550100", manager_phone_1_type="WORK", name=place.name, number_of_units=number_of_units,
        state="TX", street_address_1=place.address, address_1=place.address, type=place.kind, type_raw=place.kind.title(),
        type_normalized=place.kind, year_built=2016, zip=place.zip, pet_types=pets,
    )  # fmt: skip


def _account_bodies(place: Place) -> Iterator[dict[str, Any]]:
    """An account for each charge code, of the same name and with the number that the code credits."""
    if place.codes == "charge-codes":
        return
    for number, name in enumerate(seed_facts.CODES, 1):
        account_id = f"account-{place.prefix}{name.lower().replace(' ', '-')}"
        yield records.row(
            "financial-accounts",
            id=account_id, x_id=f"rm-{account_id}", x_property_id=f"rm-{place.id}", name=name, status_raw="Active",
            account_number=f"{4000 + number * 10}",
        )  # fmt: skip


def _code_bodies(place: Place) -> Iterator[dict[str, Any]]:
    for number, name in enumerate(seed_facts.CODES, 1):
        if place.codes == "financial-accounts":
            return
        documented = place is seed_facts.OAK_STREET and name == "Rent"
        code_id = (
            seed_facts.DOCUMENTED_CODE_ID
            if documented
            else f"chargecode-{place.prefix or 'oak-'}{name.lower().replace(' ', '-')}"
        )
        yield records.row(
            "charge-codes",
            id=code_id, x_id=f"rm-{code_id}", x_property_id=f"rm-{place.id}", debit_gl_account="1200",
            credit_gl_account=f"{4000 + number * 10}", name=name, description=f"{name} charges",
        )  # fmt: skip


def _fee_bodies(place: Place) -> Iterator[dict[str, Any]]:
    """Fees of the property, of a floor plan, and of one unit, the nearer ones going before."""
    plan = place.plans[-1]
    fees = (
        ("trash", "Trash", 2_000, None, None),
        ("valet-trash", "Valet Trash", 3_000, None, None),
        ("internet", "Internet", 6_500, None, None),
        ("amenity-fee", "Amenity Fee", 2_500, None, None),
        ("amenity-fee-large", "Amenity Fee", 4_000, plan_id(place, plan), None),
        ("storage", "Storage", 4_500, None, None),
        ("amenity-fee-unit", "Amenity Fee", 1_000, None, unit_id(place, "101")),
    )
    codes = {body["name"]: body["id"] for body in _code_bodies(place)}
    if not codes:
        return
    for slug, name, cents, floor_plan_id, fee_unit_id in fees:
        fee_id = f"fee-{place.prefix or 'oak-'}{slug}"
        yield records.row(
            "fees",
            id=fee_id, x_id=f"rm-{fee_id}", x_property_id=f"rm-{place.id}", x_charge_code_id=f"rm-{codes[name]}",
            x_floor_plan_id=floor_plan_id and f"rm-{floor_plan_id}", x_unit_id=fee_unit_id and f"rm-{fee_unit_id}",
            amount_in_cents=cents, amount_raw=records.dollars(cents), charge_code_name=name, name=name,
            description=f"{name}, monthly", floor_plan_id=floor_plan_id, unit_id=fee_unit_id, charge_code_id=codes[name],
        )  # fmt: skip


def plan_id(place: Place, plan: FloorPlan) -> str:
    """The id of a floor plan."""
    return f"floorplan-{place.prefix or 'oak-'}{plan.code.lower()}"


def unit_id(place: Place, number: str) -> str:
    """The id of a unit: ``unit-204`` at Oak Street, ``unit-maple-204`` at Maple Court."""
    return f"unit-{place.prefix}{number}"


def _units(place: Place) -> Iterator[dict[str, Any]]:
    for floor in range(1, place.floors + 1):
        for position in range(place.per_floor):
            yield _unit_body(place, floor, position)


def _unit_body(place: Place, floor: int, position: int) -> dict[str, Any]:
    number = str(floor * 100 + position + 1)
    plan = place.plans[position % len(place.plans)]
    building_name, building_number = place.buildings[position * len(place.buildings) // place.per_floor]
    rent = plan.rent_in_cents + (floor - 1) * 1_500
    return records.row(
        "units",
        id=unit_id(place, number), x_id=f"rm-{unit_id(place, number)}", x_property_id=f"rm-{place.id}",
        x_floor_plan_id=f"rm-{plan_id(place, plan)}", bathrooms=plan.bathrooms, bathrooms_full=int(plan.bathrooms[0]),
        bathrooms_half=int(plan.bathrooms.endswith(".5")), bedrooms=plan.bedrooms, building_name=building_name,
        building_number=building_number, city="Austin", country="US", floor_plan_code=plan.code, floor_plan_name=plan.name,
        floor=str(floor), is_furnished=place.kind == "STUDENT_HOUSING", number=number, rent_amount_market_in_cents=rent,
        rent_amount_max_in_cents=rent + 10_000, rent_amount_min_in_cents=rent - 5_000,
        square_feet=plan.square_feet + position % 5 * 4, state="TX", street_address_1=place.address,
        address_1=place.address, address_2=f"Unit {number}", zip=place.zip, pets_allowed=True, dogs_allowed=True,
        cats_allowed=True, floor_plan_id=plan_id(place, plan),
    )  # fmt: skip


def _lease_body(place: Place, home: Household, unit: dict[str, Any]) -> dict[str, Any]:
    rent = unit["rent_amount_market_in_cents"] + home.rent_over_market_in_cents
    people = [
        records.part(
            "residents_meta_data",
            resident_id=person.id,
            x_resident_type=person.role.title(),
            resident_type_normalized=person.role,
            move_in_date=home.text("moved_in") or home.text("moves_in"),
            move_out_date=home.text("moved_out") or home.text("moves_out"),
            notice_date=home.text("notice"),
        )
        for person in home.people
    ]
    deposit = 50_000
    return records.row(
        "leases",
        id=home.lease_id, x_id=f"rm-{home.lease_id}", x_property_id=f"rm-{place.id}", x_resident_id=f"rm-{home.people[0].id}",
        x_unit_id=f"rm-{unit['id']}", residents_meta_data=people, application_date=str(home.start - timedelta(days=30)),
        deposit_amount=records.dollars(deposit), deposit_amount_in_cents=deposit, deposit_date=str(home.start - timedelta(days=20)),
        end_date=str(home.end), realized_move_in_date=home.text("moved_in"), realized_move_out_date=home.text("moved_out"),
        rent_amount_in_cents=rent, rent_amount_market_in_cents=unit["rent_amount_market_in_cents"], rent_due_day=1,
        scheduled_move_in_date=home.text("moves_in"), scheduled_move_out_date=home.text("moves_out"),
        signature_date=str(home.start - timedelta(days=25)), start_date=str(home.start), status=home.status_raw,
        status_normalized=home.status, status_raw=home.status_raw, term="12", type="Standard", unit_number=home.unit,
        unit_id=unit["id"],
    )  # fmt: skip


def _resident_body(place: Place, held: Sequence[tuple[Household, Person]], now: str) -> dict[str, Any]:
    home, person = held[-1]
    ages = {"created_at": now, "updated_at": now, "last_seen": now}
    leases = [
        records.part(
            "leases_meta_data",
            lease_id=of.lease_id,
            x_resident_type=as_.role.title(),
            resident_type_normalized=as_.role,
            move_in_date=of.text("moved_in") or of.text("moves_in"),
            move_out_date=of.text("moved_out") or of.text("moves_out"),
            notice_date=of.text("notice"),
        )
        for of, as_ in held
    ]
    pets = [
        {**records.part("pets", **msgspec.to_builtins(pet)), "x_id": f"rm-{pet.id}", **ages}
        for pet in person.pets
    ]
    vehicles = [
        {**records.part("vehicles", **msgspec.to_builtins(car)), "x_id": f"rm-{car.id}", **ages}
        for car in person.vehicles
    ]
    return records.row(
        "residents",
        id=person.id, x_id=f"rm-{person.id}", x_lease_id=f"rm-{home.lease_id}", leases_meta_data=leases,
        address_1=place.address, address_2=f"Unit {home.unit}", balance_in_cents=0, city="Austin", country="US",
        email_1=person.email, first_name=person.first_name, is_employee=person.is_employee, last_name=person.last_name,
        late_balance_in_cents=0, phone_1_type="MOBILE", phone_1=person.phone, state="TX", zip=place.zip, pets=pets,
        vehicles=vehicles,
    )  # fmt: skip
