"""What people and the property system do to the books, seen as Propexo shows it: over HTTP, after the next sync."""

from __future__ import annotations

import pytest

from chargeplan.sandbox.seed_facts import MAPLE_COURT_ID, OAK_STREET_ID
from tests.sandbox.conftest import item, post

LEASE, RESIDENT, UNIT, RENT = "lease-204", "resident-12345", "unit-204", "chargecode-67890"


def charges(http, **params):
    query = {"resident_id": RESIDENT, "limit": 250, "order-by": "transaction_date:asc", **params}
    return http.get("/v1/resident-charges/", params=query).json()["results"]


def one(http, model, record_id):
    return http.get(f"/v1/{model}/{record_id}").json()["results"]


def of_august(found):
    return [
        (each["name"], each["amount_in_cents"], each["transaction_date"])
        for each in found
        if each["post_month"] == "2027-08"
    ]


def test_what_is_entered_shows_after_the_next_sync(http, state):
    state.office.enter(
        resident_id=RESIDENT, charge_code_id="Rent", amount_in_cents=125_000, transaction_date="2027-08-03"
    )
    state.office.enter(
        resident_id=RESIDENT, charge_code_id=RENT, amount_in_cents=-73_500, transaction_date="2027-08-12"
    )
    assert of_august(charges(http)) == []
    state.sync()
    assert of_august(charges(http)) == [("Rent", 125_000, "2027-08-03"), ("Rent", -73_500, "2027-08-12")]


def test_next_months_rent_is_entered_with_the_month_it_counts_for(http, state):
    state.office.enter(
        resident_id=RESIDENT, charge_code_id=RENT, amount_in_cents=1, transaction_date="2027-07-30",
        post_month="2027-08", synced=True,
    )  # fmt: skip
    assert of_august(charges(http)) == [("Rent", 1, "2027-07-30")]


@pytest.mark.parametrize(("keep", "reference"), [(True, "ours"), (False, None)])
def test_an_edit_keeps_the_reference_or_is_a_new_entry(http, state, keep, reference):
    post(http, item(reference_number="ours", transaction_date="2027-08-01T12:00:00Z"))
    state.approve()
    changes = {"amount_in_cents": 99, "transaction_date": "2027-08-05", "charge_code_id": "Trash"}
    assert state.office.edit(reference_number="ours", keep_reference=keep, **changes) == 1
    state.sync()
    assert of_august(charges(http)) == [("Trash", 99, "2027-08-05")]
    assert charges(http)[-1]["reference_number"] == reference


def test_a_voided_charge_stays_readable_and_is_not_seen_again(http, state):
    entry = state.office.enter(
        resident_id=RESIDENT, charge_code_id=RENT, amount_in_cents=1, transaction_date="2027-08-03", synced=True
    )  # fmt: skip
    seen = one(http, "resident-charges", entry.id)["last_seen"]
    assert state.office.void(entry_id=entry.id) == 1
    state.clock.advance(3_600)
    state.sync()
    assert one(http, "resident-charges", entry.id)["last_seen"] == seen


def test_a_payment_pays_the_oldest_first(http, state):
    for day, cents in (("2027-08-02", 1_000), ("2027-08-01", 600)):
        state.office.enter(
            resident_id=RESIDENT, charge_code_id="Trash", amount_in_cents=cents, transaction_date=day
        )
    paid_before = sum(each["amount_open_in_cents"] for each in charges(http))
    state.office.pay(resident_id=RESIDENT, amount_in_cents=paid_before + 700, transaction_date="2027-08-04")
    state.sync()
    open_now = [each["amount_open_in_cents"] for each in charges(http) if each["post_month"] == "2027-08"]
    assert open_now == [0, 900]
    (last,) = [
        each
        for each in http.get("/v1/resident-payments/", params={"resident_id": RESIDENT}).json()["results"]
        if each["transaction_date"] == "2027-08-04"
    ]
    assert [part["amount_in_cents"] for part in last["allocations"]][-2:] == [600, 100]


@pytest.mark.parametrize("into", ["resident-205a", "resident-new"])
def test_people_are_merged_with_all_that_is_theirs(http, state, into):
    before = len(charges(http))
    there = len(charges(http, resident_id=into))
    assert state.office.merge(resident_id=RESIDENT, into=into) == before
    state.clock.advance(3_600)
    state.sync()
    assert charges(http) == []
    assert len(charges(http, resident_id=into)) == before + there
    people = [each["resident_id"] for each in one(http, "leases", LEASE)["residents_meta_data"]]
    assert people[0] == into
    assert RESIDENT not in people
    assert LEASE in [each["lease_id"] for each in one(http, "residents", into)["leases_meta_data"]]


def test_a_lease_is_replaced_without_a_move_out(http, state):
    moved_in = one(http, "leases", LEASE)["realized_move_in_date"]
    new = state.office.replace_lease(
        lease_id=LEASE, start_date="2027-09-10", end_date="2028-08-31", rent_amount_in_cents=110_000,
        move_in_date=moved_in,
    )  # fmt: skip
    state.sync()
    old, renewed = one(http, "leases", LEASE), one(http, "leases", new)
    assert (old["status_normalized"], old["realized_move_out_date"]) == ("INACTIVE", None)
    assert (renewed["status_normalized"], renewed["realized_move_in_date"]) == ("ACTIVE", moved_in)
    assert renewed["rent_amount_in_cents"] == 110_000
    assert one(http, "residents", RESIDENT)["leases_meta_data"][-1]["lease_id"] == new


def test_a_move_out_is_credited_by_the_property_system(http, state):
    """Rent 1,550.00 and trash 20.00 for August, out on the 20th: 11 of 31 days, 550.00 and 7.10 (7.0967…)."""
    for code, cents in (("Rent", 155_000), ("Trash", 2_000)):
        state.office.enter(
            resident_id=RESIDENT, charge_code_id=code, amount_in_cents=cents, transaction_date="2027-08-01"
        )
    assert state.office.move_out(lease_id=LEASE, day="2027-08-20", credit=True) == 2
    state.sync()
    assert sorted(of_august(charges(http)))[:1] + sorted(of_august(charges(http)))[2:3] == [
        ("Rent", -55_000, "2027-08-20"),
        ("Trash", -710, "2027-08-20"),
    ]
    lease = one(http, "leases", LEASE)
    assert (lease["status_normalized"], lease["realized_move_out_date"]) == ("INACTIVE", "2027-08-20")
    assert one(http, "units", UNIT)["is_vacant"]


def test_a_lease_gets_its_right_unit_and_the_charges_follow(http, state):
    count = len(charges(http))
    assert state.office.correct_unit(lease_id=LEASE, unit_id="unit-220") == count
    state.sync()
    assert {each["unit_id"] for each in charges(http)} == {"unit-220"}
    assert one(http, "leases", LEASE)["unit_number"] == "220"


def test_a_unit_moves_to_another_property_with_its_ledger(http, state):
    count = len(charges(http))
    assert state.office.move_unit(unit_id=UNIT, property_id=MAPLE_COURT_ID) == count
    state.sync()
    at = {"unit_id": UNIT, "limit": 250}
    assert http.get("/v1/leases/", params={**at, "property_id": OAK_STREET_ID}).json()["results"] == []
    (lease,) = http.get("/v1/leases/", params={**at, "property_id": MAPLE_COURT_ID}).json()["results"]
    assert lease["property_id"] == MAPLE_COURT_ID
    moved = charges(http, property_id=MAPLE_COURT_ID)
    assert len(moved) == count
    assert {each["charge_code_id"] for each in moved if each["name"] == "Rent"} == {"chargecode-maple-rent"}
