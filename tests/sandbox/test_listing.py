"""Paging, order, filters, and the parameters that are refused."""

from datetime import date, timedelta

import pytest

from chargeplan.sandbox.clock import stamp
from chargeplan.sandbox.seed_facts import INTEGRATION_ID, MAPLE_COURT_ID, OAK_STREET_ID
from tests.sandbox.conftest import TODAY


def rows(http, model, **params):
    answer = http.get(f"/v1/{model}/", params={"limit": 250, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def test_pages_are_whole_and_disjoint(http):
    seen, offset = [], 0
    while True:
        page = http.get(
            "/v1/residents", params={"limit": 60, "offset": offset, "order-by": "created_at:asc,id:asc"}
        ).json()
        assert page["meta"]["offset"] == offset
        assert page["meta"]["orderBy"] == [
            {"field": "created_at", "direction": "asc"},
            {"field": "id", "direction": "asc"},
        ]
        seen += [row["id"] for row in page["results"]]
        offset += 60
        if not page["meta"]["hasMore"]:
            break
    assert len(seen) == len(set(seen)) == page["meta"]["total"]


def test_default_page(http):
    meta = http.get("/v1/units/").json()["meta"]
    assert meta == {
        "offset": 0,
        "limit": 100,
        "hasMore": True,
        "total": 232,
        "orderBy": [{"field": "created_at", "direction": "desc"}],
    }


def test_order_by_a_field_of_the_model(http):
    found = [row["square_feet"] for row in rows(http, "units", **{"order-by": "square_feet:desc"})]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("units", "colour=red"),
        ("units", "limit=0"),
        ("units", "limit=251"),
        ("units", "limit=ten"),
        ("units", "offset=-1"),
        ("units", "order-by=number"),
        ("units", "order-by=number:up"),
        ("units", "order-by=nothing:asc"),
        ("units", "limit=5&limit=6"),
        ("units", "unit_number=204"),
        ("units", "integration_vendor=ACME"),
        ("leases", "status_normalized=Current"),
        ("leases", "before_move_in_date=soon"),
        ("residents", "phone_1=555-0100"),
        ("residents", "status_normalized=ACTIVE"),
        ("properties", "is_active=yes"),
        ("fees", "property_id=x"),
        ("resident-charges", "reference_number=x"),
        ("resident-charges", "updated_at_gte=yesterday"),
        ("admin/integrations", "updated_at_gte=2027-01-01"),
        ("admin/logs/writes", "limit=101"),
        ("admin/logs/writes", "time_range=year"),
        ("admin/logs/writes", "status=PENDING"),
    ],
)
def test_refused_parameters(http, path, query):
    answer = http.get(f"/v1/{path}/?{query}")
    assert answer.status_code == 400
    details = answer.json()["error"]["details"]["details"]
    assert details["name"] == "ZodError" or details["issues"]


@pytest.mark.parametrize(
    ("model", "params", "count"),
    [
        ("units", {"property_id": OAK_STREET_ID}, 120),
        ("units", {"property_id": MAPLE_COURT_ID}, 24),
        ("units", {"property_id": OAK_STREET_ID, "unit_number": "204"}, 1),
        ("units", {"integration_id": INTEGRATION_ID, "integration_vendor": "RESMAN"}, 144),
        ("units", {"integration_vendor": "YARDI"}, 8),
        ("units", {"location_id": "x"}, 0),
        ("properties", {"is_active": "true", "integration_id": INTEGRATION_ID}, 2),
        ("properties", {"x_id": f"rm-{OAK_STREET_ID}"}, 1),
        ("leases", {"status_normalized": "PENDING"}, 1),
        ("leases", {"status_normalized": "EVICTED"}, 1),
        ("leases", {"status_normalized": "INACTIVE"}, 2),
        ("leases", {"property_id": OAK_STREET_ID, "unit_number": "115"}, 2),
        ("leases", {"resident_id": "resident-115a"}, 2),
        ("leases", {"unit_id": "unit-204"}, 1),
        ("leases", {"only_null_move_outs": "true", "unit_id": "unit-107"}, 0),
        ("leases", {"after_move_in_date": "2027-08-14", "before_move_in_date": "2027-08-16"}, 1),
        ("residents", {"lease_id": "lease-112"}, 2),
        ("charge-codes", {"property_id": OAK_STREET_ID}, 15),
        ("fees", {"unit_id": "unit-101"}, 1),
        ("fees", {"floor_plan_id": "floorplan-oak-3br-a"}, 1),
        ("admin/integrations", {"is_archived": "false"}, 11),
        ("admin/integrations", {"integration_vendor": "YARDI"}, 1),
        ("admin/integrations", {"integration_vendor": "MRI"}, 0),
        ("financial-accounts", {"integration_vendor": "YARDI", "account_number": "4010"}, 1),
        ("charge-codes", {"integration_vendor": "BUILDIUM"}, 0),
    ],
)
def test_filters(http, model, params, count):
    assert len(rows(http, model, **params)) == count


def test_transaction_dates_are_inclusive(http):
    dated = {
        row["transaction_date"]
        for row in rows(
            http, "resident-charges", transaction_date_start="2027-07-01", transaction_date_end="2027-07-01"
        )
    }
    assert dated == {"2027-07-01"}
    mine = rows(http, "resident-charges", resident_id="resident-12345", lease_id="lease-204")
    assert {row["name"] for row in mine} == {"Rent", "Pet Rent", "Parking", "Electric"}


def test_updated_and_last_seen(http, state):
    later = state.clock.now() + timedelta(hours=1)
    state.clock.stop_at(later)
    assert rows(http, "leases", updated_at_gte=stamp(later)) == []
    state.alter("leases", "lease-204", rent_amount_in_cents=200_000)
    state.remove("leases", "lease-210")
    state.sync()
    assert [row["id"] for row in rows(http, "leases", updated_at_gte=stamp(later))] == ["lease-204"]
    assert [row["id"] for row in rows(http, "leases", last_seen_lte=stamp(later - timedelta(seconds=1)))] == [
        "lease-210"
    ]
    assert len(rows(http, "leases", updated_at_lte=later.isoformat(), last_seen_gte=stamp(later))) == 227
    integration = http.get(f"/v1/admin/integrations/{INTEGRATION_ID}/").json()["results"]
    assert integration["last_completed_sync"] == stamp(later)


def test_the_older_api_does_not_know_updated_at(http, state):
    state.configure(knows_updated_at=False)
    assert http.get("/v1/leases/", params={"updated_at_gte": "2027-01-01T00:00:00Z"}).status_code == 400


def test_notable_households(http):
    leases = {row["id"]: row for row in rows(http, "leases", property_id=OAK_STREET_ID)}
    assert leases["lease-105"]["status_normalized"] == "PENDING"
    assert leases["lease-107"]["scheduled_move_out_date"] == str(TODAY.replace(day=12))
    assert leases["lease-118"]["scheduled_move_in_date"] == str(TODAY.replace(day=15))
    assert leases["lease-115-renewal"]["start_date"] == "2027-08-01"
    roles = [person["resident_type_normalized"] for person in leases["lease-112"]["residents_meta_data"]]
    assert roles == ["PRIMARY", "GUARANTOR"]
    people = {row["id"]: row for row in rows(http, "residents", property_id=OAK_STREET_ID)}
    assert [pet["is_service_animal"] for pet in people["resident-212a"]["pets"]] == [False, True]
    assert people["resident-12345"]["address_2"] == "Unit 204"
    assert all(person["email_1"].endswith("@example.com") for person in people.values())


@pytest.mark.parametrize("day", ["2026-01-31", "2028-02-29", "2027-12-01", "2027-08-15"])
def test_a_seed_around_any_day(http, state, day):
    state.reset(date.fromisoformat(day))
    leases = {row["id"]: row for row in rows(http, "leases", property_id=OAK_STREET_ID)}
    assert all(row["start_date"] <= row["end_date"] for row in leases.values())
    for row in leases.values():
        assert (row["realized_move_in_date"] or "") <= day
        assert (row["realized_move_out_date"] or "") <= day
    assert leases["lease-107"]["status_normalized"] == ("INACTIVE" if day[-2:] >= "12" else "ACTIVE")
    # The month of the day itself is still to be billed.
    assert rows(http, "resident-charges", transaction_date_start=day[:8] + "01") == []
    state.reset(TODAY)


def test_the_seed_is_the_same_each_time(state, http):
    before = rows(http, "residents")
    state.reset()
    after = rows(http, "residents")
    assert [row["email_1"] for row in before] == [row["email_1"] for row in after]
