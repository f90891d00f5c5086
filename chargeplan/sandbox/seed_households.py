"""Who lives where in the seed: the ordinary households, and the notable ones that make billing hard."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

import msgspec

from chargeplan.sandbox import seed_facts

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from chargeplan.sandbox.seed_facts import Place

Role = Literal["PRIMARY", "SECONDARY", "GUARANTOR"]
Moment = Literal["moved_in", "moves_in", "moved_out", "moves_out", "notice"]


class Pet(msgspec.Struct, frozen=True, kw_only=True):
    """A pet, in the record's own words."""

    id: str
    name: str
    type: str
    is_service_animal: bool
    weight_in_pounds: int


class Vehicle(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle, in the record's own words."""

    id: str
    make: str
    model: str
    color: str
    license_plate_number: str
    license_plate_state: str = "TX"


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A resident or guarantor, as one lease knows them."""

    id: str
    role: Role
    first_name: str
    last_name: str
    email: str
    phone: str
    is_employee: bool = False
    pets: tuple[Pet, ...] = ()
    vehicles: tuple[Vehicle, ...] = ()


class Household(msgspec.Struct, frozen=True, kw_only=True):
    """One lease and its people."""

    lease_id: str
    unit: str
    people: tuple[Person, ...]
    start: date
    end: date
    status: str = "ACTIVE"
    status_raw: str = "Current"
    moved_in: date | None = None
    moves_in: date | None = None
    moved_out: date | None = None
    moves_out: date | None = None
    notice: date | None = None
    rent_over_market_in_cents: int = 0

    @property
    def lives_there(self) -> bool:
        """Whether the unit is taken now."""
        return self.status in ("ACTIVE", "EVICTED")

    def text(self, moment: Moment) -> str | None:
        """One of its dates, as a record has it."""
        found: date | None = getattr(self, moment)
        return None if found is None else str(found)

    def ended(self, day: date) -> bool:
        """Whether it had ended before this day, so that a later lease or nobody was billed."""
        return (self.moved_out is not None and self.moved_out < day) or (
            self.status == "INACTIVE" and self.end < day
        )


class Notable(msgspec.Struct, frozen=True, kw_only=True):
    """What is special about a unit's people: roles beside the primary, pets, vehicles."""

    roles: tuple[Role, ...] = ()
    dogs: int = 0
    service_animals: int = 0
    vehicles: int = 0
    is_employee: bool = False


PEOPLE: dict[str, Notable] = {
    "110": Notable(vehicles=1),
    "112": Notable(roles=("GUARANTOR",)),
    "115": Notable(dogs=1, vehicles=1),
    "204": Notable(dogs=1, vehicles=1),
    "207": Notable(is_employee=True),
    "208": Notable(service_animals=1),
    "210": Notable(roles=("SECONDARY", "SECONDARY"), dogs=2, vehicles=2),
    "212": Notable(roles=("SECONDARY",), dogs=1, service_animals=1, vehicles=1),
}
"""The people of notable units of Oak Street; everybody else's are drawn."""

_DOCUMENTED_UNIT = "204"


class _Census:
    """Makes people, each with a name, an example.com address and a fictional 555-01xx number."""

    def __init__(self, place: Place, draw: random.Random) -> None:
        self._place = place
        self._random = draw
        self._number = 0

    def household(self, key: str, wanted: Notable) -> tuple[Person, ...]:
        """The primary resident and those beside them; ``key`` is the unit, or the unit and a word."""
        roles: tuple[Role, ...] = ("PRIMARY", *wanted.roles)
        return tuple(self._person(key, position, role, wanted) for position, role in enumerate(roles))

    def drawn(self) -> Notable:
        """What an ordinary household is like."""
        roles: tuple[Role, ...] = ("SECONDARY",) if self._random.random() < 0.3 else ()
        return Notable(
            roles=roles,
            dogs=self._random.choices((0, 1, 2), (65, 28, 7))[0],
            service_animals=int(self._random.random() < 0.03),
            vehicles=self._random.choices((0, 1, 2), (35, 50, 15))[0],
        )

    def _person(self, key: str, position: int, role: Role, wanted: Notable) -> Person:
        self._number += 1
        first = self._random.choice(seed_facts.FIRST_NAMES)
        last = self._random.choice(seed_facts.LAST_NAMES)
        is_primary = position == 0
        own_id = f"resident-{self._place.prefix}{key}{chr(ord('a') + position)}"
        return Person(
            id=seed_facts.DOCUMENTED_RESIDENT_ID if own_id == f"resident-{_DOCUMENTED_UNIT}a" else own_id,
            role=role,
            first_name=first,
            last_name=last,
            email=f"{first}.{last}.{self._place.code}{self._number}@example.com".lower(),
            phone=f"51255501{self._number % 100:02d}",
            is_employee=wanted.is_employee and is_primary,
            pets=self._pets(own_id, wanted) if is_primary else (),
            vehicles=self._vehicles(own_id, wanted.vehicles) if is_primary else (),
        )

    def _pets(self, owner: str, wanted: Notable) -> tuple[Pet, ...]:
        service = [False] * wanted.dogs + [True] * wanted.service_animals
        return tuple(
            Pet(
                id=f"pet-{owner}-{number}",
                name=self._random.choice(seed_facts.PET_NAMES),
                type="Dog" if serves else self._random.choice(("Dog", "Cat")),
                is_service_animal=serves,
                weight_in_pounds=self._random.randint(8, 70),
            )
            for number, serves in enumerate(service, 1)
        )

    def _vehicles(self, owner: str, count: int) -> tuple[Vehicle, ...]:
        found = []
        for number in range(1, count + 1):
            make, model, color = self._random.choice(seed_facts.VEHICLES)
            plate = f"TST{self._random.randint(1000, 9999)}"
            found.append(
                Vehicle(
                    id=f"vehicle-{owner}-{number}",
                    make=make,
                    model=model,
                    color=color,
                    license_plate_number=plate,
                )
            )
        return tuple(found)


def households(place: Place, units: Sequence[str], today: date, draw: random.Random) -> Iterator[Household]:
    """All leases of a property, unit by unit, the older before the newer."""
    census = _Census(place, draw)
    for unit in units:
        if place.kind == "STUDENT_HOUSING":
            yield _students(place, census, unit, today)
        elif unit not in seed_facts.VACANT_UNITS:
            yield from _family(place, census, unit, today, draw)


def _students(place: Place, census: _Census, unit: str, today: date) -> Household:
    """One lease a unit, one resident a bed, all from August to July."""
    beds = 2 + (int(unit) - 1) % 100 % 3
    start = date(today.year if today.month >= 8 else today.year - 1, 8, 1)
    others: list[Role] = ["SECONDARY"] * (beds - 1)
    people = census.household(unit, Notable(roles=tuple(others)))
    end = date(start.year + 1, 7, 31)
    return Household(
        lease_id=f"lease-{place.prefix}{unit}", unit=unit, people=people, start=start, end=end, moved_in=start
    )


def _family(
    place: Place, census: _Census, unit: str, today: date, draw: random.Random
) -> Iterator[Household]:
    people = census.household(unit, PEOPLE.get(unit) or census.drawn())
    start = _months(today.replace(day=1), -draw.randint(3, 9))
    usual = Household(
        lease_id=f"lease-{place.prefix}{unit}",
        unit=unit,
        people=people,
        start=start,
        end=_months(start, 12) - timedelta(days=1),
        moved_in=start,
        rent_over_market_in_cents=draw.choice((-2_500, -1_000, 0, 0, 0, 1_500)),
    )
    special = _SPECIAL.get(unit)
    if special is None:
        yield usual
        return
    next_people = census.household(f"{unit}-next-", Notable()) if unit == "127" else ()
    yield from special(usual, today, next_people)


def _months(first: date, count: int) -> date:
    """The first of a month, so many months on."""
    number = first.year * 12 + first.month - 1 + count
    return date(number // 12, number % 12 + 1, first.day)


def _arrives(day: date, today: date) -> dict[str, date | None]:
    """A move-in is realized once its day has come, and scheduled until then."""
    return {"moved_in": day, "moves_in": day} if day <= today else {"moved_in": None, "moves_in": day}


def _leaves(home: Household, day: date, today: date) -> Household:
    """A household that leaves on a day: on notice until then, a former one afterwards."""
    notice = day - timedelta(days=45)
    if day > today:
        return _with(home, status_raw="Notice", end=day, moves_out=day, notice=notice)
    return _with(
        home, status="INACTIVE", status_raw="Former", end=day, moves_out=day, moved_out=day, notice=notice
    )


def _pending(home: Household, today: date, _: tuple[Person, ...]) -> Iterator[Household]:
    begins = _months(today.replace(day=1), 1) + timedelta(days=9)
    end = begins + timedelta(days=364)
    arrival = {"moved_in": None, "moves_in": begins}
    yield _with(home, status="PENDING", status_raw="Approved", start=begins, end=end, **arrival)


def _leaves_on_the_12th(home: Household, today: date, _: tuple[Person, ...]) -> Iterator[Household]:
    yield _leaves(home, today.replace(day=12), today)


def _moved_out_long_ago(home: Household, today: date, _: tuple[Person, ...]) -> Iterator[Household]:
    month = today.replace(day=1)
    start = _months(month, -13)
    yield _leaves(_with(home, start=start, moved_in=start), _months(month, -1) - timedelta(days=1), today)


def _evicted(home: Household, _: date, __: tuple[Person, ...]) -> Iterator[Household]:
    yield _with(home, status="EVICTED", status_raw="Under Eviction")


def _renewed(home: Household, today: date, _: tuple[Person, ...]) -> Iterator[Household]:
    """Two consecutive leases of the same people: the second begins this month, at 40.00 more."""
    month = today.replace(day=1)
    start = _months(month, -12)
    last_day = month - timedelta(days=1)
    yield _with(home, status="INACTIVE", status_raw="Renewed", start=start, end=last_day, moved_in=start)
    end = _months(month, 12) - timedelta(days=1)
    more = home.rent_over_market_in_cents + 4_000
    renewal = _with(home, lease_id=f"{home.lease_id}-renewal", start=month, end=end, moved_in=start)
    yield _with(renewal, rent_over_market_in_cents=more)


def _arrives_on_the_15th(home: Household, today: date, _: tuple[Person, ...]) -> Iterator[Household]:
    begins = today.replace(day=15)
    yield _with(home, start=begins, end=begins + timedelta(days=364), **_arrives(begins, today))


def _leaves_on_the_20th(home: Household, today: date, _: tuple[Person, ...]) -> Iterator[Household]:
    yield _leaves(home, today.replace(day=20), today)


def _month_to_month(home: Household, today: date, _: tuple[Person, ...]) -> Iterator[Household]:
    month = today.replace(day=1)
    start = _months(month, -14)
    ended = _months(month, -2) - timedelta(days=1)
    yield _with(home, status_raw="Month to Month", start=start, moved_in=start, end=ended)


def _turnover(home: Household, today: date, next_people: tuple[Person, ...]) -> Iterator[Household]:
    """The old household leaves on the 10th, the new one comes on the 11th."""
    yield _leaves(home, today.replace(day=10), today)
    begins = today.replace(day=11)
    following = _with(home, lease_id=f"{home.lease_id}-next", people=next_people, start=begins)
    yield _with(following, end=begins + timedelta(days=364), **_arrives(begins, today))


def _ends_this_month(home: Household, today: date, _: tuple[Person, ...]) -> Iterator[Household]:
    """The lease ends on the 15th; nobody has renewed it, and nobody has given notice."""
    start = _months(today.replace(day=1), -12) + timedelta(days=15)
    yield _with(home, start=start, moved_in=start, end=today.replace(day=15))


_SPECIAL = {
    "105": _pending,
    "107": _leaves_on_the_12th,
    "108": _moved_out_long_ago,
    "110": _evicted,
    "115": _renewed,
    "118": _arrives_on_the_15th,
    "121": _leaves_on_the_20th,
    "124": _month_to_month,
    "127": _turnover,
    "130": _ends_this_month,
}


def _with(home: Household, **changes: object) -> Household:
    return msgspec.structs.replace(home, **changes)
