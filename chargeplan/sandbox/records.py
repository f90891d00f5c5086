"""Full record shapes: every key that the published specification requires, null where the system says nothing.

Source: ``propexo-openapi.json``, the ``get`` outputs. ``id``, ``created_at``, ``updated_at`` and ``last_seen`` of the
outer record are columns of the store and added on the way out (``listing``).
"""

from __future__ import annotations

import copy
from typing import Any

_KEYS: dict[str, str] = {
    "properties": """x_created_at x_id x_property_id x_building_id building_number city code country county custom_data
        is_active manager_email manager_name manager_phone_1 manager_phone_1_type manager_phone_2 manager_phone_2_type
        name notes number_of_units square_footage square_feet state street_address_1 street_address_2 address_1
        address_2 type type_raw type_normalized website year_built zip long_description short_description
        office_hours[] pet_types[] associated_owner_ids[]""",
    "units": """x_id x_property_id x_floor_plan_id x_unit_type_id bathrooms bathrooms_full bathrooms_half bedrooms
        building_name building_number city country custom_data floor_plan_code floor_plan_name floor is_available
        is_furnished is_listed is_vacant number rent_amount_market_in_cents rent_amount_max_in_cents
        rent_amount_min_in_cents square_feet state street_address_1 street_address_2 address_1 address_2 zip
        pets_allowed dogs_allowed cats_allowed pet_policy floor_plan_id unit_type_id""",
    "leases": """x_id x_property_id x_resident_id x_unit_id residents_meta_data[] application_date custom_data
        deposit_amount deposit_amount_in_cents deposit_date end_date realized_move_in_date realized_move_out_date
        rent_amount_in_cents rent_amount_market_in_cents rent_due_day rent_due_date scheduled_move_in_date
        scheduled_move_out_date signature_date start_date status status_normalized status_raw term type unit_number
        write_off_amount_in_cents write_off_amount_raw balance_amount_in_cents balance_amount_raw
        past_due_balance_in_cents past_due_balance_raw unit_id services[]""",
    "residents": """x_id x_lease_id leases_meta_data[] address_1_alternate address_1 address_2_alternate address_2
        balance_in_cents city_alternate city country_alternate country custom_data date_of_birth email_1 email_2
        first_name is_employee last_name late_balance_in_cents middle_name notes phone_1_type phone_1 phone_2_type
        phone_2 state_alternate state zip_alternate zip pets[] vehicles[]""",
    "charge-codes": "x_id x_property_id x_location_id debit_gl_account credit_gl_account name description custom_data",
    "financial-accounts": "x_id x_property_id x_location_id name status_raw account_number custom_data",
    "fees": """x_id x_property_id x_location_id x_charge_code_id x_floor_plan_id x_unit_id amount_in_cents amount_raw
        charge_code_name description name custom_data floor_plan_id unit_id charge_code_id""",
    "resident-charges": """x_id x_property_id x_gl_account_id x_location_id x_lease_id x_resident_id x_unit_id
        x_charge_code_id amount_in_cents amount_raw amount_open_in_cents amount_open_raw amount_paid_in_cents
        amount_paid_raw due_date name description reference_number transaction_date transaction_source is_open
        post_month custom_data resident_id financial_account_id unit_id lease_id charge_code_id allocations[]""",
    "resident-payments": """x_id x_property_id x_gl_account_id x_location_id x_lease_id x_resident_id x_unit_id
        x_charge_code_id payment_method_normalized payment_method_raw amount_in_cents amount_raw name description
        reference_number transaction_date is_open post_month custom_data resident_id financial_account_id unit_id
        lease_id charge_code_id allocations[]""",
}

_PART_KEYS: dict[str, str] = {
    "residents_meta_data": """resident_id x_resident_type resident_type_normalized move_in_date move_out_date
        notice_date custom_data""",
    "leases_meta_data": """lease_id x_resident_type resident_type_normalized move_in_date move_out_date notice_date
        custom_data""",
    "pets": """id created_at updated_at last_seen x_id name type breed gender_raw age_in_years weight_in_pounds
        is_fixed is_service_animal notes custom_data""",
    "vehicles": """id created_at updated_at last_seen x_id make model color year license_plate_number
        license_plate_state notes custom_data""",
    "allocations": """id x_id x_source_id x_destination_id financial_account_id amount_in_cents amount_raw
        resident_charge_id resident_payment_id created_at updated_at last_seen custom_data""",
    "pet_types": """name is_allowed description notes deposit_raw deposit_in_cents fee_raw fee_in_cents fee_min_raw
        fee_min_in_cents fee_max_raw fee_max_in_cents rent_amount_raw rent_amount_in_cents""",
}


def _blank(keys: str) -> dict[str, Any]:
    return {key.removesuffix("[]"): [] if key.endswith("[]") else None for key in keys.split()}


_ROWS = {model: _blank(keys) for model, keys in _KEYS.items()}
_PARTS = {name: _blank(keys) for name, keys in _PART_KEYS.items()}
COLUMNS = (
    "id",
    "created_at",
    "updated_at",
    "last_seen",
    "integration_id",
    "integration_vendor",
    "property_id",
)
"""The keys that every model has beside its own."""


def models() -> tuple[str, ...]:
    """The models that a sync brings, as they are named in paths."""
    return tuple(_ROWS)


def fields(model: str) -> frozenset[str]:
    """All keys of a model's records that hold a single value, those that a list can be ordered by."""
    return frozenset(key for key, value in _ROWS[model].items() if value is None) | frozenset(COLUMNS)


def row(model: str, /, **known: object) -> dict[str, Any]:
    """A record of a model: what is known, and null for the rest.

    Raises:
        KeyError: A name is not of this model.
    """
    return _filled(_ROWS[model], known)


def part(name: str, /, **known: object) -> dict[str, Any]:
    """A part of a record (a pet, an allocation, …), likewise."""
    return _filled(_PARTS[name], known)


def _filled(blank: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    allowed = blank.keys() | {"integration_id", "integration_vendor", "property_id", "id"}
    if unknown := known.keys() - allowed:
        raise KeyError(f"no such keys in this record: {', '.join(sorted(unknown))}")
    return {**copy.deepcopy(blank), **known}


def dollars(cents: int) -> str:
    """Cents as the system's own text, ``3250.00``."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
