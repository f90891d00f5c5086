"""What the ids of a write mean: whose charge it is, in which property, and what the ledger will know of it.

Every id has to be one that a sync has brought, of the integration, and of the property that the resident or lease is of.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chargeplan.sandbox.answers import issue, zod
from chargeplan.sandbox.systems import TRANSACTION_BATCHES
from chargeplan.sandbox.validate import Path, calendar_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chargeplan.sandbox.store import Store
    from chargeplan.sandbox.systems import Form

_MODELS = {
    "resident_id": ("residents", "Resident"),
    "lease_id": ("leases", "Lease"),
    "property_id": ("properties", "Property"),
    "unit_id": ("units", "Unit"),
    "charge_code_id": ("charge-codes", "Charge code"),
    "financial_account_id": ("financial-accounts", "Financial account"),
}
Records = dict[str, dict[str, dict[str, Any]]]


def resolve_items(
    store: Store,
    form: Form,
    integration_id: str,
    *,
    items: list[dict[str, Any]],
    prefix: Callable[[int], Path],
    today: str,
) -> list[dict[str, Any]]:
    """The facts of the ledger entries that the items ask for, in their order.

    Raises:
        Refusal: 400 with the path of every id that is unknown, or of another property.
    """
    named = [key.name for key in form.keys if key.name in _MODELS]
    known: Records = {name: _known(store, name, integration_id, items) for name in named}
    issues = list(_unknown(items, known, prefix))
    if not issues:
        issues = list(_foreign(store, form, items, known, prefix))
    if issues:
        raise zod(issues)
    return [
        _fact(store=store, form=form, integration_id=integration_id, item=item, known=known, today=today)
        for item in items
    ]


def _known(store: Store, name: str, integration_id: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """The records of these ids that a sync has brought; what Propexo has not seen it can't write to."""
    ids = sorted({item[name] for item in items})
    rows = store.rows(
        "SELECT id, property_id, body FROM records WHERE model = ? AND integration_id = ? AND id IN (SELECT value FROM json_each(?))",
        (_MODELS[name][0], integration_id, json.dumps(ids)),
    )
    return {row["id"]: {**json.loads(row["body"]), "property_id": row["property_id"]} for row in rows}


def _unknown(
    items: list[dict[str, Any]], known: Records, prefix: Callable[[int], Path]
) -> Iterator[dict[str, Any]]:
    for position, item in enumerate(items):
        for name, records in known.items():
            if item[name] not in records:
                yield issue("custom", [*prefix(position), name], f"{_MODELS[name][1]} not found")
        batch = item.get("transaction_batch_id")
        if batch is not None and batch not in TRANSACTION_BATCHES:
            yield issue("custom", [*prefix(position), "transaction_batch_id"], "Transaction batch not found")


def _foreign(
    store: Store, form: Form, items: list[dict[str, Any]], known: Records, prefix: Callable[[int], Path]
) -> Iterator[dict[str, Any]]:
    who = "lease_id" if "lease_id" in known else "resident_id"
    first = _home(items[0], who, known)
    for position, item in enumerate(items):
        home = _home(item, who, known)
        if form.one and home != first:
            yield issue("custom", [*prefix(position), who], f"All charges must belong to the same {form.one}")
        for name, records in known.items():
            record = records[item[name]]
            elsewhere = record["property_id"] not in (home, "")
            if name == "unit_id" and item[name] not in _units(
                store, known["resident_id"][item["resident_id"]]
            ):
                yield issue("custom", [*prefix(position), name], "Unit is not the resident's")
            elif elsewhere and name != who:
                what = _MODELS[name][1]
                yield issue(
                    "custom",
                    [*prefix(position), name],
                    f"{what} belongs to another property than the {who.removesuffix('_id')}",
                )


def _home(item: dict[str, Any], who: str, known: Records) -> str:
    return str(known[who][item[who]]["property_id"])


def _units(store: Store, resident: dict[str, Any]) -> set[str | None]:
    """The units of a resident's leases."""
    return {_unit_of(store, meta["lease_id"]) for meta in resident["leases_meta_data"]}


def _fact(
    store: Store, form: Form, integration_id: str, *, item: dict[str, Any], known: Records, today: str
) -> dict[str, Any]:
    """What the ledger will know. A system that is told of no lease files a charge under the resident's latest."""
    if "lease_id" in known:
        lease = known["lease_id"][item["lease_id"]]
        people = lease["residents_meta_data"]
        lease_id, resident_id = item["lease_id"], people[0]["resident_id"] if people else None
        property_id = lease["property_id"]
    else:
        resident = known["resident_id"][item["resident_id"]]
        leases = [meta["lease_id"] for meta in resident["leases_meta_data"]]
        lease_id, resident_id = leases[-1] if leases else None, item["resident_id"]
        property_id = resident["property_id"]
    sent = item.get("transaction_date")
    return {
        "integration_id": integration_id,
        "property_id": property_id,
        "resident_id": resident_id,
        "lease_id": lease_id,
        "unit_id": _unit_of(store, lease_id),
        "charge_code_id": item.get("charge_code_id"),
        "financial_account_id": item.get("financial_account_id"),
        "batch_id": item.get("batch_id"),
        # A system with one text for both shows it as the description.
        "description": item.get("description", None if "batch_id" in item else item.get("notes")),
        "notes": item.get("notes"),
        "reference_number": item.get("reference_number"),
        "amount_in_cents": -item["amount_in_cents"] if form.credit else item["amount_in_cents"],
        "transaction_date": today if sent is None else calendar_date(sent),
        "sent_date": sent,
        "post_month": item["post_month"][:7] if item.get("post_month") else None,
    }


def _unit_of(store: Store, lease_id: str | None) -> str | None:
    row = store.row(
        "SELECT json_extract(body, '$.unit_id') AS id FROM records WHERE model = 'leases' AND id = ?",
        (lease_id,),
    )
    return row["id"] if row else None
