"""Desired lines: the dated amounts that the plans ask for, and why others are not asked for."""

from __future__ import annotations

from datetime import date

import msgspec

from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic, Place
from chargeplan.core.key import Key
from chargeplan.core.system import RouteName
from chargeplan.core.terms import Term


class OverrideUsed(msgspec.Struct, frozen=True):
    """The override that shaped a line: its reason and its line in the plan's file."""

    reason: str
    line: int


class Line(msgspec.Struct, frozen=True, gc=False):
    """One dated amount for one household or resident.

    ``period`` is the whole service period on the schedule's grid, ``service`` the days that are billed.
    ``natural_date`` is the date before a closed period shifted it to ``transaction_date``. ``problems`` are those of its
    texts; they count only where the line is written, not where it stands on the ledger already. ``term`` is how the amount arose.
    ``account`` is the financial account that is named beside the code, ``route`` the way that the amount goes.
    """

    key: Key
    reference: str
    plan: str
    charge: str
    item: str | None
    property_id: str
    unit_number: str
    lease_id: str
    charge_code_id: str
    charge_code: str
    period: Days
    service: Days
    natural_date: date
    transaction_date: date
    amount: int | None
    description: str
    notes: str
    place: Place
    override: OverrideUsed | None = None
    hold: str | None = None
    problems: tuple[Diagnostic, ...] = ()
    term: Term | None = None
    account_id: str = ""
    account: str = ""
    route: RouteName | None = None


class Skip(msgspec.Struct, frozen=True, gc=False):
    """Why a household has no line of a charge (plan-language.md, *Nothing is silent*).

    ``transaction_date`` and ``amount`` are those of a line that a closed period leaves out, though there may be others.
    """

    plan: str
    charge: str
    property_id: str
    lease_id: str
    resident_id: str
    unit_number: str
    reason: str
    detail: str = ""
    transaction_date: date | None = None
    amount: int | None = None


class UnitShare(msgspec.Struct, frozen=True):
    """A unit's part of a shared bill, in cents; ``lease_id`` is ``None`` where the unit is vacant."""

    unit_number: str
    lease_id: str | None
    share: int


class AllocationReport(msgspec.Struct, frozen=True):
    """How a bill was shared: common area, vacant and charged parts sum to the bill, to the cent."""

    plan: str
    charge: str
    property_id: str
    service: Days
    bill: int
    common_area: int
    vacant: int
    charged: int
    units: tuple[UnitShare, ...]
