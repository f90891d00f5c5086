"""Every property system is played strictly: what its page names is taken, and nothing else."""

from __future__ import annotations

from datetime import date

import httpx
import pytest

from chargeplan.sandbox.seed_facts import PLACES
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox

DAY = "2027-08-15"
NOON = f"{DAY}T17:00:00Z"
TEXTS = {"description": "Pet rent", "notes": "Pet rent", "reference_number": "CP0123456789ABCDEF"}


@pytest.fixture(scope="module")
def played():
    with (
        Sandbox.open(":memory:", today=date(2027, 8, 10), requests_per_minute=100_000) as state,
        serve(state) as served,
        httpx.Client(base_url=served.url, headers={"Authorization": "Bearer t"}) as http,
    ):
        yield state, http


def _ids(vendor):
    place = next(place for place in PLACES if place.vendor == vendor)
    return {
        "integration_id": place.integration_id,
        "property_id": place.id,
        "resident_id": f"resident-{place.prefix}101a",
        "lease_id": f"lease-{place.prefix}101",
        "unit_id": f"unit-{place.prefix}101",
        "charge_code_id": f"chargecode-{place.prefix}pet-rent",
        "financial_account_id": f"account-{place.prefix}pet-rent",
        "transaction_batch_id": "RPX-2027-A",
    }


# The keys of each page, by hand: required ones, then optional ones.
PAGES = {
    "rentmanager": ("resident_id charge_code_id notes reference_number", "", NOON),
    "propertyware_rest": ("lease_id financial_account_id", "description reference_number", DAY),
    "yardi": ("property_id resident_id unit_id charge_code_id financial_account_id", "description", NOON),
    "yardi_rest": ("property_id resident_id unit_id charge_code_id financial_account_id", "description", DAY),
    "realpage_rpx": ("resident_id property_id charge_code_id description transaction_batch_id", "reference_number", NOON),
    "entrata": ("lease_id charge_code_id description", "", DAY),
    "buildium": ("lease_id financial_account_id", "description reference_number", NOON),
    "appfolio": ("lease_id financial_account_id description", "", DAY),
    "rentvine": ("lease_id financial_account_id description", "", NOON),
    "propertyware": ("lease_id financial_account_id", "description reference_number", NOON),
}  # fmt: skip


def _body(slug, *, optional=True):
    needed, more, moment = PAGES[slug]
    known = {**_ids(slug.upper()), **TEXTS}
    names = [*needed.split(), *(more.split() if optional else ())]
    item = {name: known[name] for name in names}
    return {
        "integration_id": known["integration_id"],
        **item,
        "transaction_date": moment,
        "amount_in_cents": 3500,
    }


def _post(http, slug, body):
    return http.post(f"/v1/resident-charges/{slug}/", json=body)


@pytest.mark.parametrize("optional", [True, False])
@pytest.mark.parametrize("slug", PAGES)
def test_the_keys_of_the_page_are_taken(played, slug, optional):
    assert _post(played[1], slug, _body(slug, optional=optional)).status_code == 200


@pytest.mark.parametrize("slug", PAGES)
def test_one_key_more_or_less_or_a_wrong_form_is_refused(played, slug):
    _, http = played
    body = _body(slug)
    assert _post(http, slug, {**body, "batch_id": "b1"}).status_code == 400
    for name in [*PAGES[slug][0].split(), "amount_in_cents"]:
        assert (
            _post(http, slug, {key: value for key, value in body.items() if key != name}).status_code == 400
        )
    for wrong in ({"transaction_date": "15/08/2027"}, {"amount_in_cents": 35.5}, {"amount_in_cents": "3500"}):
        assert _post(http, slug, {**body, **wrong}).status_code == 400


@pytest.mark.parametrize("slug", [slug for slug, (_, _, moment) in PAGES.items() if moment == NOON])
def test_a_plain_day_is_refused_where_only_a_moment_is_listed(played, slug):
    assert _post(played[1], slug, {**_body(slug), "transaction_date": DAY}).status_code == 400


@pytest.mark.parametrize("slug", PAGES)
def test_an_integration_of_another_system_is_refused(played, slug):
    body = {**_body(slug), "integration_id": "resman-integration-98765"}
    assert _post(played[1], slug, body).status_code == 400


@pytest.mark.parametrize(
    ("slug", "name", "value"),
    [
        ("yardi", "unit_id", "unit-yardi-b-102"),
        ("yardi", "financial_account_id", "account-yardi-rest-b-rent"),
        ("realpage_rpx", "transaction_batch_id", "RPX-1999-Z"),
        ("buildium", "lease_id", "lease-204"),
    ],
)
def test_an_id_that_is_not_the_residents_or_not_known_is_refused(played, slug, name, value):
    assert _post(played[1], slug, {**_body(slug), name: value}).status_code == 400


def test_a_batch_over_two_locations_is_refused(played):
    _, http = played
    item = {key: value for key, value in _body("rentmanager").items() if key != "integration_id"}
    other = {
        **item,
        "resident_id": "resident-rentmanager-c-101a",
        "charge_code_id": "chargecode-rentmanager-c-pet-rent",
    }
    body = {"integration_id": "rentmanager-integration-1", "charges": [item, item]}
    path = "/v1/resident-charges/batch/rentmanager/"
    assert http.post(path, json=body).status_code == 200
    refused = http.post(path, json={**body, "charges": [item, other]})
    assert refused.status_code == 400
    issues = refused.json()["error"]["details"]["details"]["issues"]
    assert issues[0]["path"] == ["charges", 1, "resident_id"]


def _written(played, slug, **more):
    state, http = played
    answer = _post(http, slug, {**_body(slug), **more})
    assert answer.status_code == 200, answer.text
    job = answer.json()["meta"]["job_id"]
    while (status := http.get(f"/v1/admin/write-status/{job}").json())["write_status"] == "PENDING":
        pass
    entries = [each for each in state.ledger() if each.job_id == job]
    return status, entries


def _row(http, entry):
    answer = http.get(f"/v1/resident-charges/{entry.id}")
    return answer.json()["results"] if answer.status_code == 200 else None


@pytest.mark.parametrize(
    ("slug", "gives_id"),
    [
        ("rentvine", True), ("appfolio", True), ("propertyware", True), ("propertyware_rest", True),
        ("yardi", False), ("buildium", False), ("entrata", False), ("rentmanager", False),
    ],
)  # fmt: skip
def test_a_job_names_its_record_where_the_system_gives_an_id_and_it_is_seen_at_once(played, slug, gives_id):
    status, (entry,) = _written(played, slug)
    assert status["created_record_id"] == (entry.id if gives_id else None)
    assert (_row(played[1], entry) is not None) is gives_id


@pytest.mark.parametrize("slug", ["buildium", "rentvine", "propertyware_rest"])
def test_a_charge_of_an_account_has_lease_and_account_and_no_resident(played, slug):
    state, http = played
    _, (entry,) = _written(played, slug)
    state.sync()
    row = _row(http, entry)
    assert (row["lease_id"], row["financial_account_id"]) == (entry.lease_id, entry.financial_account_id)
    assert (row["resident_id"], row["charge_code_id"]) == (None, None)


def test_rent_managers_comment_comes_back_as_the_description(played):
    state, http = played
    _, (entry,) = _written(played, "rentmanager", notes="Pet rent - two dogs")
    state.sync()
    assert _row(http, entry)["description"] == "Pet rent - two dogs"


def test_entratas_own_number_is_not_on_the_row(played):
    state, http = played
    _, (entry,) = _written(
        played, "entrata", third_party_charge_id="CP0123456789ABCDEF", post_month="2027-08-01"
    )
    state.sync()
    assert _row(http, entry)["reference_number"] is None


def test_a_charge_that_waits_for_approval_is_on_no_ledger(played):
    _, (entry,) = _written(played, "entrata", is_approval_required=True)
    assert entry.state == "unposted"


def test_what_buildium_can_not_keep_fails_in_the_job(played):
    status, entries = _written(played, "buildium", description="x" * 66)
    assert (status["write_status"], entries) == ("FAILURE", [])
    assert _written(played, "buildium", description="x" * 65)[0]["write_status"] == "SUCCESS"


def test_a_closed_month_fails_in_the_job(played):
    state, _ = played
    state.configure(systems={"yardi-integration-1": {"closed_months": ["2027-07"]}})
    status, entries = _written(played, "yardi", post_month="2027-07-01")
    assert (status["write_status"], entries) == ("FAILURE", [])
    assert _written(played, "yardi", post_month="2027-08-01")[0]["write_status"] == "SUCCESS"


@pytest.mark.parametrize("slug", ["rentvine", "rentmanager", "propertyware_rest"])
def test_a_credit_is_positive_and_becomes_a_negative_charge(played, slug):
    state, http = played
    body = _body(slug)
    if slug == "propertyware_rest":
        del body["financial_account_id"]
    if slug == "rentvine":
        body["transaction_date"] = DAY
    before = len(state.ledger())
    assert http.post(f"/v1/resident-credits/{slug}/", json=body).status_code == 200
    assert [each.amount_in_cents for each in state.ledger()[before:]] == [-3500]
    assert http.post(f"/v1/resident-credits/{slug}/", json={**body, "amount_in_cents": -1}).status_code == 400


@pytest.mark.parametrize(
    ("slug", "status"), [("propertyware_rest", 400), ("yardi", 200), ("entrata", 200), ("appfolio", 200)]
)
def test_a_negative_charge(played, slug, status):
    assert _post(played[1], slug, {**_body(slug), "amount_in_cents": -100}).status_code == status


def test_a_paid_charge_is_not_refreshed_where_only_open_items_are_shown(played):
    state, http = played
    _, (entry,) = _written(played, "entrata")
    state.sync()
    seen = _row(http, entry)["last_seen"]
    state.office.pay(
        resident_id=entry.resident_id, amount_in_cents=3500, transaction_date=DAY, charge_id=entry.id
    )
    state.clock.advance(60)
    state.sync()
    assert _row(http, entry)["last_seen"] == seen


def test_yardis_residents_go_stale(played):
    state, http = played
    state.clock.advance(3 * 24 * 3600)
    state.sync()
    ages = {
        vendor: http.get("/v1/residents/", params={"integration_vendor": vendor}).json()["results"][0][
            "last_seen"
        ]
        for vendor in ("YARDI", "ENTRATA")
    }
    assert ages["YARDI"] < ages["ENTRATA"]


@pytest.mark.parametrize(("shown", "texts"), [("whole", True), ("without_texts", False), ("none", None)])
def test_the_write_log_shows_of_the_parameters_what_is_set(played, shown, texts):
    state, http = played
    state.configure(systems={"rentvine-integration-1": {"log_parameters": shown}})
    _written(played, "rentvine")
    logs = http.get("/v1/admin/logs/writes/", params={"integration_id": "rentvine-integration-1"}).json()
    parameters = logs["results"]["logs"][0]["parameters"]
    assert (None if parameters is None else "description" in parameters) is texts
