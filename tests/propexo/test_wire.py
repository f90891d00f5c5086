"""Propexo's JSON as values: only ids are sure to be there."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargeplan.core import observed
from chargeplan.core.errors import ChargeplanError
from chargeplan.propexo import wire
from chargeplan.propexo.vendors import vendor


@pytest.mark.parametrize("kind", wire.KINDS)
def test_a_row_of_ids_only_is_enough(kind):
    assert wire.record(kind, {"id": "x", "property_id": "p", "integration_id": "i"}).id == "x"


@pytest.mark.parametrize("kind", wire.KINDS)
@pytest.mark.parametrize(
    "row", [None, [], {}, {"id": None, "property_id": "p"}, {"id": "", "property_id": "p"}, {"id": 7}]
)
def test_a_row_without_id_is_an_error(kind, row):
    with pytest.raises(ChargeplanError, match=kind):
        wire.record(kind, row)


def _charge(**more):
    return wire.record("resident-charges", {"id": "x", "property_id": "p", **more}).value


def test_a_charge():
    found = _charge(
        amount_in_cents=-2500.0,
        transaction_date="2026-12-01T23:30:00-08:00",
        due_date="2026-12-05",
        reference_number="",
        allocations=[{"amount_in_cents": 100, "resident_payment_id": "y"}, {}],
    )
    assert (found.amount, found.transaction_date, found.due_date) == (
        -2500,
        date(2026, 12, 1),
        date(2026, 12, 5),
    )
    assert found.reference is None
    assert found.allocations == (observed.Allocation(100, "y"), observed.Allocation(None, None))
    assert isinstance(found.amount, int)


@pytest.mark.parametrize(
    "more",
    [
        {"amount_in_cents": 12.5},
        {"amount_in_cents": "12"},
        {"amount_in_cents": True},
        {"amount_in_cents": float("inf")},
        {"transaction_date": "tomorrow"},
        {"transaction_date": "2026-13-01"},
        {"allocations": {}},
        {"description": ["x"]},
    ],
)
def test_a_wrong_type_names_the_record(more):
    with pytest.raises(ChargeplanError) as caught:
        _charge(**more)
    assert "resident-charges x" in caught.value.message
    assert next(iter(more)) in caught.value.message


@pytest.mark.parametrize("amount", [10**12, -(10**12), 10**400])
def test_an_amount_that_no_ledger_can_hold_is_not_known(amount):
    found = _charge(amount_in_cents=amount, amount_open_in_cents=amount, transaction_date="2026-12-01")
    assert (found.amount, found.open_amount, found.transaction_date) == (None, None, date(2026, 12, 1))
    assert _charge(amount_in_cents=10**12 - 1).amount == 10**12 - 1


def test_a_lease_keeps_its_people_in_order():
    people = [
        {"resident_id": "r2", "resident_type_normalized": "PRIMARY", "move_in_date": "2026-01-02T00:00:00Z"},
        {"resident_id": None},
        {"resident_id": "r1", "resident_type_normalized": None},
    ]
    found = wire.record("leases", {"id": "l", "property_id": "p", "residents_meta_data": people}).value
    assert found.residents == (
        observed.LeaseResident("r2", "PRIMARY", date(2026, 1, 2)),
        observed.LeaseResident("r1", None),
    )
    assert found.status == "OTHER"


def test_service_animals_are_no_pets():
    pets = [{"is_service_animal": True}, {"is_service_animal": False}, {"is_service_animal": None}, {}]
    found = wire.record(
        "residents",
        {
            "id": "r",
            "property_id": "p",
            "pets": pets,
            "vehicles": [{}],
            "leases_meta_data": [{"lease_id": "l"}],
        },
    )
    assert (found.value.pets, found.value.vehicles) == (3, 1)
    assert found.links == (("l", observed.LeaseResident("r", None)),)


@pytest.mark.parametrize(
    ("errors", "nothing"),
    [
        ((), False),
        (("Invalid API key",), True),
        (("Invalid API key", "Timeout"), False),
        (("Duplicate transaction id",), False),
        (("Authentication failed after posting 3 of 5",), False),
    ],
)
def test_a_failure_is_a_refusal_only_where_every_reason_is_known(errors, nothing):
    assert vendor("RESMAN").nothing_written(errors) is nothing


# --- charges, the short way ----------------------------------------------------------------------------------------

_ODD = st.sampled_from(
    [None, "", "x", 7, 7.0, 7.5, True, [], {}, ["y"], "2027-08-01", "2027-08-01T05:00:00Z", "2027-13-01"]
)
_CHARGE_KEYS = (
    "id", "property_id", "integration_id", "updated_at", "resident_id", "charge_code_id", "amount_in_cents",
    "transaction_date", "reference_number", "description", "lease_id", "unit_id", "due_date", "amount_open_in_cents",
    "last_seen", "allocations",
)  # fmt: skip
_ALLOCATIONS = st.lists(
    st.fixed_dictionaries({}, optional={"amount_in_cents": _ODD, "resident_payment_id": _ODD, "more": _ODD}),
    max_size=2,
)


def _usual(key):
    if key.endswith("cents"):
        return st.sampled_from([None, 0, 1500])
    if key.endswith("date"):
        return st.sampled_from([None, "2027-08-01", "2027-08-01T05:00:00Z"])
    return _ALLOCATIONS if key == "allocations" else st.sampled_from(["a", "b"])


@settings(max_examples=500)
@given(
    st.fixed_dictionaries({key: _usual(key) for key in _CHARGE_KEYS}),
    st.dictionaries(st.sampled_from([*_CHARGE_KEYS, "custom"]), _ODD, max_size=2),
    st.sets(st.sampled_from(_CHARGE_KEYS), max_size=3),
)
def test_a_charge_reads_the_same_the_short_way(row, odd, missing):
    row = {key: value for key, value in (row | odd).items() if key not in missing}

    def read(how):
        try:
            return how()
        except wire.MalformedError as error:
            return str(error)

    assert read(lambda: wire.records("resident-charges", [row])[0]) == read(
        lambda: wire.record("resident-charges", row)
    )
