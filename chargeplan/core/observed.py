"""What Propexo showed, reduced to what billing needs (propexo-api.md, section 6).

Money is whole cents, dates are calendar dates (the first ten characters of what was sent), moments are RFC 3339 text
in UTC. ``None`` is what the property system did not tell.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import msgspec

from chargeplan.core.dates import Days, month_of


class Integration(msgspec.Struct, frozen=True):
    """A connection to one property system. ``interfaces`` maps the name of each interface to whether it is enabled."""

    id: str
    name: str
    vendor: str
    active: bool
    archived: bool
    last_completed_sync: str | None
    interfaces: dict[str, bool] = msgspec.field(default_factory=dict)


class Property(msgspec.Struct, frozen=True):
    """A property; ``active`` is false only where Propexo says so."""

    id: str
    name: str
    active: bool = True
    code: str | None = None


class Unit(msgspec.Struct, frozen=True, gc=False):
    """An apartment, or a bed of one. ``is_vacant`` is ``None`` where the property system does not say."""

    id: str
    property_id: str
    number: str
    building_name: str | None = None
    building_number: str | None = None
    floor_plan_id: str | None = None
    floor_plan_name: str | None = None
    floor_plan_code: str | None = None
    bedrooms: str | None = None
    square_feet: int | None = None
    market_rent: int | None = None
    is_vacant: bool | None = None


class LeaseResident(msgspec.Struct, frozen=True, gc=False):
    """A person on a lease, with dates of their own where the system keeps them. ``kind`` is ``None`` where unknown."""

    resident_id: str
    kind: str | None
    move_in: date | None = None
    move_out: date | None = None


class Lease(msgspec.Struct, frozen=True, gc=False):
    """A lease. ``status`` is Propexo's normalized status; ``residents`` are in the lease's order."""

    id: str
    property_id: str
    unit_id: str | None
    unit_number: str | None
    status: str
    start: date | None
    end: date | None
    rent: int | None = None
    market_rent: int | None = None
    realized_move_in: date | None = None
    scheduled_move_in: date | None = None
    realized_move_out: date | None = None
    scheduled_move_out: date | None = None
    residents: tuple[LeaseResident, ...] = ()


class Resident(msgspec.Struct, frozen=True, gc=False):
    """A person. ``pets`` does not count service animals."""

    id: str
    property_id: str
    first_name: str | None = None
    last_name: str | None = None
    pets: int = 0
    vehicles: int = 0


class ChargeCode(msgspec.Struct, frozen=True):
    """A charge code of one property: the same name has another id in each. Or a financial account, which has a number.

    An account without a property is every property's. ``credits`` is the number of the account that a code credits.
    """

    id: str
    property_id: str
    name: str | None
    number: str | None = None
    credits: str | None = None

    @property
    def shown(self) -> str:
        """What people know it by."""
        return self.name or self.number or self.id


class Fee(msgspec.Struct, frozen=True):
    """A fee as the property system lists it: of a unit, else of a floor plan, else of the property."""

    id: str
    property_id: str
    name: str | None
    amount: int | None
    unit_id: str | None = None
    floor_plan_id: str | None = None


class Allocation(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A part of a payment that went to a charge."""

    amount: int | None
    payment_id: str | None


class SyncedCharge(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A charge on a resident's ledger as the last sync saw it; a credit has a negative amount.

    ``post_month`` is ``YYYY-MM``; ``created_at`` is the moment at which it came.
    """

    id: str
    resident_id: str | None
    charge_code_id: str | None
    amount: int | None
    transaction_date: date | None
    reference: str | None = None
    description: str | None = None
    lease_id: str | None = None
    unit_id: str | None = None
    due_date: date | None = None
    open_amount: int | None = None
    last_seen: str | None = None
    allocations: tuple[Allocation, ...] = ()
    post_month: str | None = None
    created_at: str | None = None


def day_of(charge: SyncedCharge) -> date | None:
    """The charge's date, brought into the month that it counts for: rent of August that was entered in July is August's."""
    day = charge.transaction_date
    if charge.post_month is None:
        return day
    month = _month(charge.post_month)
    return month.first if day is None else max(month.first, min(day, month.last))


@cache
def _month(text: str) -> Days:
    return month_of(date.fromisoformat(f"{text}-01"))


class Payment(msgspec.Struct, frozen=True):
    """A payment on a resident's ledger; only its date matters here."""

    id: str
    property_id: str
    date: date | None


class ObservedProperty(msgspec.Struct, frozen=True):
    """All that is known of one property: what planning holds in memory at a time.

    ``charge_codes`` is the list that a plan's ``code:`` names: in systems without charge codes it is that of the accounts.
    ``last_completed_sync`` and ``previous_sync`` (the one before it, where it is known) are moments of the integration.
    ``digest`` is one of all the rest, the same wherever the same was observed; empty where nobody asks for it.
    """

    property: Property
    units: tuple[Unit, ...] = ()
    leases: tuple[Lease, ...] = ()
    residents: tuple[Resident, ...] = ()
    charge_codes: tuple[ChargeCode, ...] = ()
    fees: tuple[Fee, ...] = ()
    charges: tuple[SyncedCharge, ...] = ()
    payments: tuple[Payment, ...] = ()
    last_completed_sync: str | None = None
    previous_sync: str | None = None
    digest: str = ""
    accounts: tuple[ChargeCode, ...] = ()


class ReadCost(msgspec.Struct, frozen=True):
    """What reading cost: HTTP requests made and records received."""

    requests: int
    records: int
