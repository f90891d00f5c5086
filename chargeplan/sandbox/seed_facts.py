"""The facts of the seed that a person would look up: ids, names, codes, floor plans. No real person is in it."""

from __future__ import annotations

from typing import Literal

import msgspec

from chargeplan.sandbox.systems import SYSTEMS

Codes = Literal["charge-codes", "financial-accounts", "both"]

INTEGRATION_ID = "resman-integration-98765"
"""The integration of the documentation's own example."""
OAK_STREET_ID = "clwi5xiix000008l6ctdgafyh"
MAPLE_COURT_ID = "clwi5xiix000108l6mapcourt"

CODES = (
    "Rent", "Pet Rent", "Pet Fee", "Parking", "Water", "Trash", "Electric", "Late Fee", "Amenity Fee", "Storage",
    "Concession", "Valet Trash", "Internet", "Month to Month Fee", "Damage",
)  # fmt: skip
"""The charge codes that each property has, each with an id of its own there."""

DOCUMENTED_CODE_ID = "chargecode-67890"
"""Rent of Oak Street; the documentation's example charges it to ``resident-12345``."""
DOCUMENTED_RESIDENT_ID = "resident-12345"
"""The primary resident of Oak Street's unit 204."""


class FloorPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What units of one plan have in common; the rent is the market's, in cents."""

    code: str
    name: str
    bedrooms: str
    bathrooms: str
    square_feet: int
    rent_in_cents: int


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A property of the seed."""

    id: str
    prefix: str
    """What the ids of its units, leases and codes begin with."""
    name: str
    code: str
    kind: str
    address: str
    zip: str
    floors: int
    per_floor: int
    buildings: tuple[tuple[str, str], ...]
    """Name and number of each; the units of a floor are shared out among them in order."""
    plans: tuple[FloorPlan, ...]
    """The units of a floor take them in turn."""
    vendor: str = "RESMAN"
    integration_id: str = INTEGRATION_ID

    @property
    def codes(self) -> Codes:
        """The list that its charges are coded by, beside the charge codes of systems that have both."""
        return SYSTEMS[self.vendor].codes


OAK_STREET = Place(
    id=OAK_STREET_ID, prefix="", name="Oak Street Apartments", code="OAK", kind="MULTI_FAMILY",
    address="400 Oak Street", zip="78702", floors=4, per_floor=30,
    buildings=(("North", "1"), ("Garden", "2"), ("South", "3")),
    plans=(
        FloorPlan(code="S1", name="Studio", bedrooms="0", bathrooms="1", square_feet=480, rent_in_cents=98_500),
        FloorPlan(code="1BR-A", name="1BR Classic", bedrooms="1", bathrooms="1", square_feet=690, rent_in_cents=119_500),
        FloorPlan(code="1BR-B", name="1BR Corner", bedrooms="1", bathrooms="1", square_feet=745, rent_in_cents=125_000),
        FloorPlan(code="2BR-A", name="2BR Classic", bedrooms="2", bathrooms="2", square_feet=980, rent_in_cents=154_500),
        FloorPlan(code="2BR-B", name="2BR Deluxe", bedrooms="2", bathrooms="2", square_feet=1_080, rent_in_cents=168_000),
        FloorPlan(code="3BR-A", name="3BR Townhome", bedrooms="3", bathrooms="2.5", square_feet=1_340, rent_in_cents=209_500),
    ),
)  # fmt: skip

MAPLE_COURT = Place(
    id=MAPLE_COURT_ID, prefix="maple-", name="Maple Court", code="MAPLE", kind="STUDENT_HOUSING",
    address="12 Maple Court", zip="78705", floors=2, per_floor=12,
    buildings=(("Maple East", "E"), ("Maple West", "W")),
    plans=(
        FloorPlan(code="2BED", name="2 Bed / 2 Bath", bedrooms="2", bathrooms="2", square_feet=860, rent_in_cents=149_800),
        FloorPlan(code="3BED", name="3 Bed / 3 Bath", bedrooms="3", bathrooms="3", square_feet=1_120, rent_in_cents=209_700),
        FloorPlan(code="4BED", name="4 Bed / 4 Bath", bedrooms="4", bathrooms="4", square_feet=1_410, rent_in_cents=267_600),
    ),
)  # fmt: skip

_SMALL_PLANS = (
    FloorPlan(
        code="1BR", name="1BR Classic", bedrooms="1", bathrooms="1", square_feet=690, rent_in_cents=119_500
    ),
    FloorPlan(
        code="2BR", name="2BR Classic", bedrooms="2", bathrooms="2", square_feet=980, rent_in_cents=154_500
    ),
)
_ROWS = (("Birch Row", "B"), ("Cedar Row", "C"))
"""Properties of the systems other than ResMan: name and what their ids begin with."""


def _small(vendor: str, name: str, letter: str) -> Place:
    slug = vendor.lower().replace("_", "-")
    return Place(
        id=f"{slug}-property-{letter.lower()}", prefix=f"{slug}-{letter.lower()}-", name=f"{name} ({SYSTEMS[vendor].title})",
        code=f"{letter}-{slug}".upper(), kind="MULTI_FAMILY", address=f"7 {name}", zip="78704", floors=2, per_floor=4,
        buildings=((name, letter),), plans=_SMALL_PLANS, vendor=vendor, integration_id=f"{slug}-integration-1",
    )  # fmt: skip


PLACES = (
    OAK_STREET,
    MAPLE_COURT,
    *(
        _small(vendor, name, letter)
        for vendor, system in SYSTEMS.items()
        if vendor != OAK_STREET.vendor
        for name, letter in _ROWS[: 2 if system.locations else 1]
    ),
)
"""Every property of the seed: two of ResMan's, and a small one for each other system (two where it has locations)."""

FIRST_NAMES = (
    "Avery",
    "Blake",
    "Casey",
    "Dana",
    "Ellis",
    "Finley",
    "Gray",
    "Harper",
    "Indigo",
    "Jordan",
    "Kai",
    "Logan",
    "Morgan",
    "Noel",
    "Oakley",
    "Parker",
    "Quinn",
    "Reese",
    "Sage",
    "Taylor",
    "Uma",
    "Val",
    "Wren",
    "Xen",
    "Yael",
    "Zuri",
)
LAST_NAMES = (
    "Alder",
    "Birch",
    "Cedar",
    "Dogwood",
    "Elm",
    "Fir",
    "Ginkgo",
    "Hazel",
    "Ivy",
    "Juniper",
    "Katsura",
    "Larch",
    "Mesquite",
    "Nutmeg",
    "Olive",
    "Pine",
    "Quince",
    "Rowan",
    "Spruce",
    "Tupelo",
    "Umber",
    "Viburnum",
    "Willow",
    "Yew",
    "Zelkova",
)
PET_NAMES = ("Biscuit", "Pepper", "Mochi", "Clover", "Waffles", "Juno", "Ziggy", "Olive")
VEHICLES = (
    ("Honda", "Civic", "Blue"),
    ("Toyota", "RAV4", "White"),
    ("Ford", "Escape", "Gray"),
    ("Subaru", "Outback", "Green"),
)

VACANT_UNITS = ("119", "229", "319", "329", "419", "429")
"""Units of Oak Street that nobody has leased."""
