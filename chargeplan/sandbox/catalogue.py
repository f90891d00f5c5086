"""Which lists there are, and the query parameters that each knows. A parameter that is not here is answered with 400.

Source: ``propexo-openapi.json``; ``updated_at_*`` and ``last_seen_*`` from the newer pages (``propexo-api.md`` 1.4).
"""

from __future__ import annotations

from typing import Literal

import msgspec

FilterKind = Literal["text", "flag", "vendor", "status", "phone", "moment", "day", "only_null", "ignored"]


class Filter(msgspec.Struct, frozen=True):
    """How one query parameter chooses rows."""

    sql: str
    """The condition on the row, with one ``?`` for the value (none for ``only_null`` and ``ignored``)."""
    kind: FilterKind = "text"
    """What values it takes."""
    needs: str | None = None
    """Another parameter that must come with it."""


def _field(name: str, kind: FilterKind = "text", operator: str = "=", needs: str | None = None) -> Filter:
    return Filter(f"json_extract(body, '$.{name}') {operator} ?", kind, needs)


def _day(name: str, operator: str) -> Filter:
    return Filter(f"substr(json_extract(body, '$.{name}'), 1, 10) {operator} ?", "day")


def _member(parts: str, key: str) -> Filter:
    members = f"(SELECT json_extract(value, '$.{key}') FROM json_each(body, '$.{parts}'))"  # noqa: S608 - names of ours
    return Filter(f"? IN {members}")


_COMMON = {
    "integration_id": Filter("integration_id = ?"),
    "integration_vendor": _field("integration_vendor", "vendor"),
}
_IN_PROPERTY = {**_COMMON, "property_id": Filter("property_id = ?")}
_FOREIGN = {
    "x_id": _field("x_id"),
    "x_property_id": _field("x_property_id"),
    "location_id": Filter("? IS NULL"),
}
AGES = {
    "updated_at_gte": Filter("updated_at >= ?", "moment"),
    "updated_at_lte": Filter("updated_at <= ?", "moment"),
    "last_seen_gte": Filter("last_seen >= ?", "moment"),
    "last_seen_lte": Filter("last_seen <= ?", "moment"),
}
"""The filters that only the newer API knows."""
_LEDGER = {
    **_IN_PROPERTY,
    "resident_id": _field("resident_id"),
    "lease_id": _field("lease_id"),
    "transaction_date_start": _day("transaction_date", ">="),
    "transaction_date_end": _day("transaction_date", "<="),
}
_MOVED_IN = (
    "COALESCE(json_extract(body, '$.realized_move_in_date'), json_extract(body, '$.scheduled_move_in_date'))"
)
_MOVED_OUT = "COALESCE(json_extract(body, '$.realized_move_out_date'), json_extract(body, '$.scheduled_move_out_date'))"

FILTERS: dict[str, dict[str, Filter]] = {
    "properties": {**_COMMON, **_FOREIGN, "is_active": _field("is_active", "flag")},
    "units": {**_IN_PROPERTY, **_FOREIGN, "unit_number": _field("number", needs="property_id")},
    "leases": {
        **_IN_PROPERTY,
        **_FOREIGN,
        "x_unit_id": _field("x_unit_id"),
        "unit_id": _field("unit_id"),
        "resident_id": _member("residents_meta_data", "resident_id"),
        "before_move_in_date": Filter(f"{_MOVED_IN} < ?", "day"),
        "after_move_in_date": Filter(f"{_MOVED_IN} > ?", "day"),
        "before_move_out_date": Filter(f"{_MOVED_OUT} < ?", "day"),
        "after_move_out_date": Filter(f"{_MOVED_OUT} > ?", "day"),
        "only_null_move_outs": Filter(f"{_MOVED_OUT} IS NULL", "only_null"),
        "status_normalized": _field("status_normalized", "status"),
        "status_raw": _field("status_raw"),
        "unit_number": _field("unit_number", needs="property_id"),
    },
    "residents": {
        **_IN_PROPERTY,
        **_FOREIGN,
        "lease_id": _member("leases_meta_data", "lease_id"),
        "email_1": _field("email_1"),
        "phone_1": _field("phone_1", "phone"),
    },
    "charge-codes": _IN_PROPERTY,
    "financial-accounts": {**_IN_PROPERTY, "account_number": _field("account_number")},
    "resident-charges": _LEDGER,
    "resident-payments": _LEDGER,
    "fees": {name: _field(name) for name in ("floor_plan_id", "unit_id", "charge_code_id")},
    "integrations": {
        "integration_vendor": _field("vendor", "vendor"),
        "is_archived": _field("is_archived", "flag"),
    },
    "integration-properties": {},
    "job-schedules": {},
}
"""The filters of each list, by model; paging is known everywhere."""

MOVE_DATES = frozenset(
    {"before_move_in_date", "after_move_in_date", "before_move_out_date", "after_move_out_date"}
)
"""With any of these, ``resident_id`` on leases is ignored (``propexo-api.md`` 6.5)."""

VENDORS = frozenset(
    [
        "APPFOLIO",
        "BUILDIUM",
        "ENTRATA",
        "MRI",
        "PROPERTYWARE",
        "PROPERTYWARE_REST",
        "REALPAGE",
        "REALPAGE_RPX",
        "RENTMANAGER",
        "RENTVINE",
        "RESMAN",
        "YARDI",
        "YARDI_REST",
        "SAMPLE1",
        "SAMPLE2",
    ]
)
STATUSES = frozenset({"ACTIVE", "INACTIVE", "OTHER", "PENDING", "EVICTED"})
