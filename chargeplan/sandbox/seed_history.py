"""What the office has billed by hand: four whole months before the day of the seed, with the slips that hands make.

Each month rent, pet rent and parking, for whole months only (part months were settled by hand); at Oak Street some rents are
entered in the last days of the month before, one household has a concession, and one building's electricity is read from meters.
``SLIPS`` are the mistakes, all of the last three months, so that who begins with chargeplan has something to find.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from chargeplan.sandbox import seed_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chargeplan.sandbox.seed_facts import Place
    from chargeplan.sandbox.seed_households import Household

MONTHS = 4
EARLY = timedelta(days=3)
EARLY_UNITS = frozenset({"306", "307", "308"})
CONCESSION_UNIT = "220"
METERED_BUILDING = "1"


class Slip(msgspec.Struct, frozen=True):
    """A mistake with the rent of a unit; ``ago`` is how many months before that of the day of the seed it was made."""

    kind: Literal["forgotten", "twice", "wrong", "after_move_out"]
    unit: str
    ago: int


SLIPS = (
    Slip("forgotten", "303", 3),
    Slip("twice", "302", 2),
    Slip("wrong", "305", 1),
    Slip("after_move_out", "108", 1),
)
_SWAPPED_DIGITS = 9_000
"""Cents by which an amount is wrong when two of its digits change places: 1,215.00 and 1,125.00."""


class Entered(msgspec.Struct, frozen=True):
    """A charge that the office entered, and whether it has been paid."""

    fact: dict[str, Any]
    is_paid: bool


class Office:
    """Who bills one property by hand: its homes, its units by number and its codes by name."""

    def __init__(
        self,
        place: Place,
        homes: Sequence[Household],
        units: Mapping[str, dict[str, Any]],
        codes: Mapping[str, str],
        today: date,
    ) -> None:
        self._place, self._homes, self._units, self._codes = place, homes, units, codes
        self._this_month = today.replace(day=1)

    def entered(self) -> Iterator[Entered]:
        """Every charge, month by month."""
        for ago in range(MONTHS, 0, -1):
            month = _months_before(self._this_month, ago)
            billed = [(home, *line) for home in self._homes for line in self._lines(home, month)]
            for number, (home, code, cents) in enumerate(billed):
                fact = self._fact(home, month, code, cents)
                yield from self._with_slips(fact, home, code, ago, is_paid=number % 12 != 7)
            yield from self._after_move_out(month, ago)

    def _lines(self, home: Household, month: date) -> Iterator[tuple[str, int]]:
        """Code and cents of what the household owes for a whole month that it lived there."""
        end = _months_before(month, -1) - timedelta(days=1)
        if home.moved_in is None or home.moved_in > month or home.start > end or home.ended(end):
            return
        pets = sum(not pet.is_service_animal for person in home.people for pet in person.pets)
        cars = sum(len(person.vehicles) for person in home.people)
        # In a small property there is a space to every unit.
        spaces = min(cars, 1) if self._place.vendor == seed_facts.OAK_STREET.vendor else 1
        lines = {"Rent": self._rent(home), "Pet Rent": 3_500 * pets, "Parking": 7_500 * spaces}
        if self._place is seed_facts.OAK_STREET:
            unit = self._units[home.unit]
            lines["Concession"] = -10_000 * (home.unit == CONCESSION_UNIT)
            lines["Electric"] = _metered(home.unit, month) * (unit["building_number"] == METERED_BUILDING)
        yield from ((code, cents) for code, cents in lines.items() if cents)

    def _rent(self, home: Household) -> int:
        unit = self._units[home.unit]
        return int(unit["rent_amount_market_in_cents"]) + home.rent_over_market_in_cents

    def _fact(self, home: Household, month: date, code: str, cents: int) -> dict[str, Any]:
        place = self._place
        early = place is seed_facts.OAK_STREET and code == "Rent" and home.unit in EARLY_UNITS
        return {
            "origin": "seed", "integration_id": place.integration_id, "property_id": place.id,
            "resident_id": home.people[0].id, "lease_id": home.lease_id, "unit_id": self._units[home.unit]["id"],
            "financial_account_id" if place.codes == "financial-accounts" else "charge_code_id": self._codes[code],
            "amount_in_cents": cents, "transaction_date": str(month - EARLY if early else month),
            "post_month": f"{month:%Y-%m}", "description": f"{code} {month:%B %Y}",
            "reference_number": f"OFFICE-{month:%Y%m}-{place.code}-{home.unit}-{code.upper().replace(' ', '')}",
        }  # fmt: skip

    def _with_slips(
        self, fact: dict[str, Any], home: Household, code: str, ago: int, *, is_paid: bool
    ) -> Iterator[Entered]:
        slips = SLIPS if self._place is seed_facts.OAK_STREET and code == "Rent" else ()
        kind = next((each.kind for each in slips if (each.unit, each.ago) == (home.unit, ago)), None)
        if kind == "wrong":
            fact = {**fact, "amount_in_cents": fact["amount_in_cents"] - _SWAPPED_DIGITS}
        if kind != "forgotten":
            yield Entered(fact, is_paid)
        if kind == "twice":
            yield Entered({**fact, "reference_number": f"{fact['reference_number']}-2"}, is_paid=False)

    def _after_move_out(self, month: date, ago: int) -> Iterator[Entered]:
        for slip in SLIPS if self._place is seed_facts.OAK_STREET else ():
            if (slip.kind, slip.ago) == ("after_move_out", ago):
                home = next(each for each in self._homes if each.unit == slip.unit)
                yield Entered(self._fact(home, month, "Rent", self._rent(home)), is_paid=False)


def _metered(unit: str, month: date) -> int:
    """Cents of a month's electricity: another amount for each unit and each month."""
    return 2_400 + (int(unit) * 37 + month.month * 211) % 2_900


def _months_before(first: date, count: int) -> date:
    """The first of the month so many months before."""
    number = first.year * 12 + first.month - 1 - count
    return date(number // 12, number % 12 + 1, 1)
