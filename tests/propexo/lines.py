"""A line on its way, with everything that some property system wants to know of it."""

from __future__ import annotations

from datetime import date

import msgspec

from chargeplan.propexo.vendors import vendor

REFERENCE = "CP0123456789ABCDEF"
RESMAN = vendor("RESMAN").batch
"""The route of a batch to ResMan."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    property_id: str = "p1"
    resident_id: str = "r1"
    lease_id: str = "l1"
    unit_id: str = "u1"
    code_id: str = "c1"
    account_id: str = "a1"
    batch_id: str = "b1"
    transaction_batch_id: str = "t1"
    day: date = date(2026, 12, 15)
    moment: str = "2026-12-15T18:00:00Z"
    description: str = "Pet rent"
    notes: str = "n"
    amount: int = 2500
    reference: str = REFERENCE
