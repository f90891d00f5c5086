"""Payments as the property system records them: one record each, with what it pays of which charges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chargeplan.sandbox import records

if TYPE_CHECKING:
    from collections.abc import Sequence


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """Whose payment it is, and where."""

    resident_id: str | None
    integration_id: str
    property_id: str
    lease_id: str | None
    unit_id: str | None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a payment pays of one charge."""

    charge_id: str
    amount_in_cents: int


def payment(
    number: int, payer: Payer, day: str, *, amount_in_cents: int, parts: Sequence[Part], now: str
) -> dict[str, Any]:
    """A payment's record.

    Args:
        number: What its ids are made of; unique among the payments of a sandbox.
        payer: Whose it is.
        day: When it was paid.
        amount_in_cents: How much.
        parts: What it pays of which charge, in that order.
        now: The moment at which it is entered.
    """
    payment_id = f"clpayment{number:016d}"
    paid = sum(part.amount_in_cents for part in parts)
    return records.row(
        "resident-payments",
        id=payment_id, x_id=f"rm-{payment_id}", x_property_id=f"rm-{payer.property_id}", x_lease_id=f"rm-{payer.lease_id}",
        x_resident_id=f"rm-{payer.resident_id}", x_unit_id=f"rm-{payer.unit_id}", payment_method_normalized="ACH",
        payment_method_raw="ACH", amount_in_cents=amount_in_cents, amount_raw=records.dollars(amount_in_cents),
        description="Online payment", reference_number=f"PMT-{number:05d}", transaction_date=day,
        is_open=paid < amount_in_cents, post_month=day[:7], resident_id=payer.resident_id, unit_id=payer.unit_id,
        lease_id=payer.lease_id, integration_id=payer.integration_id, integration_vendor="RESMAN",
        property_id=payer.property_id,
        allocations=[_allocation(f"{number}-{place}" if place else str(number), payment_id, part, now) for place, part in enumerate(parts)],
    )  # fmt: skip


def _allocation(name: str, payment_id: str, part: Part, now: str) -> dict[str, Any]:
    return records.part(
        "allocations",
        id=f"clalloc{name:0>18}", x_id=f"rm-alloc-{name}", x_source_id=f"rm-{payment_id}",
        x_destination_id=f"rm-{part.charge_id}", amount_in_cents=part.amount_in_cents,
        amount_raw=records.dollars(part.amount_in_cents), resident_charge_id=part.charge_id, resident_payment_id=payment_id,
        created_at=now, updated_at=now, last_seen=now,
    )  # fmt: skip
