"""What is sent to each property system: exactly the keys that Propexo's page of it names, in the forms that it names.

The bodies are written out from those pages, key by key, and not worked out from the table.
"""

from __future__ import annotations

from datetime import date

import pytest

from chargeplan.core.config import IntegrationConfig
from chargeplan.core.diagnostic import Place
from chargeplan.core.errors import ChargeplanError
from chargeplan.propexo import wire
from chargeplan.propexo.vendors import VENDORS, vendor
from tests.propexo.lines import REFERENCE, Line

PLACE = Place("chargeplan.yaml", 1)
NOON = "2026-12-15T18:00:00Z"
TEXT = f"Pet rent {REFERENCE}"
RESMAN_ITEM = {
    "resident_id": "r1", "charge_code_id": "c1", "batch_id": "b1", "transaction_date": NOON, "description": "Pet rent",
    "notes": "n", "amount_in_cents": 2500, "reference_number": REFERENCE,
}  # fmt: skip
YARDI_ITEM = {
    "property_id": "p1", "resident_id": "r1", "unit_id": "u1", "financial_account_id": "a1", "charge_code_id": "c1",
    "transaction_date": NOON, "amount_in_cents": 2500, "post_month": "2026-12-01", "description": TEXT,
}  # fmt: skip
PROPERTYWARE_ITEM = {
    "lease_id": "l1", "financial_account_id": "a1", "amount_in_cents": 2500, "transaction_date": "2026-12-15",
    "description": "Pet rent", "reference_number": REFERENCE,
}  # fmt: skip
RENTMANAGER_ITEM = {
    "resident_id": "r1", "charge_code_id": "c1", "transaction_date": NOON, "notes": "Pet rent - n", "amount_in_cents": 2500,
    "reference_number": REFERENCE,
}  # fmt: skip
BODIES = {
    "RESMAN": ("/v1/resident-charges/batch/resman/", {"integration_id": "i1", "charges": [RESMAN_ITEM]}),
    "RENTMANAGER": (
        "/v1/resident-charges/batch/rentmanager/",
        {"integration_id": "i1", "charges": [RENTMANAGER_ITEM]},
    ),
    "PROPERTYWARE_REST": (
        "/v1/resident-charges/propertyware_rest/",
        {"integration_id": "i1", **PROPERTYWARE_ITEM},
    ),
    "YARDI": ("/v1/resident-charges/batch/yardi/", {"integration_id": "i1", "charges": [YARDI_ITEM]}),
    "YARDI_REST": (
        "/v1/resident-charges/yardi_rest/",
        {
            "integration_id": "i1", "resident_id": "r1", "property_id": "p1", "unit_id": "u1", "charge_code_id": "c1",
            "financial_account_id": "a1", "transaction_date": "2026-12-15", "amount_in_cents": 2500, "description": TEXT,
        },
    ),
    "REALPAGE_RPX": (
        "/v1/resident-charges/realpage_rpx/",
        {
            "integration_id": "i1", "resident_id": "r1", "property_id": "p1", "charge_code_id": "c1", "transaction_date": NOON,
            "description": "Pet rent", "amount_in_cents": 2500, "reference_number": REFERENCE, "transaction_batch_id": "t1",
        },
    ),
    "ENTRATA": (
        "/v1/resident-charges/entrata/",
        {
            "integration_id": "i1", "lease_id": "l1", "charge_code_id": "c1", "transaction_date": "2026-12-15",
            "post_month": "2026-12-01", "description": TEXT, "amount_in_cents": 2500, "third_party_charge_id": REFERENCE,
            "is_approval_required": False,
        },
    ),
    "BUILDIUM": (
        "/v1/resident-charges/buildium/",
        {
            "integration_id": "i1", "lease_id": "l1", "financial_account_id": "a1", "transaction_date": NOON,
            "description": "Pet rent", "amount_in_cents": 2500, "reference_number": REFERENCE,
        },
    ),
    "APPFOLIO": (
        "/v1/resident-charges/appfolio/",
        {
            "integration_id": "i1", "lease_id": "l1", "financial_account_id": "a1", "transaction_date": "2026-12-15",
            "description": TEXT, "amount_in_cents": 2500,
        },
    ),
    "RENTVINE": (
        "/v1/resident-charges/rentvine/",
        {
            "integration_id": "i1", "lease_id": "l1", "financial_account_id": "a1", "transaction_date": NOON,
            "description": TEXT, "amount_in_cents": 2500,
        },
    ),
    "PROPERTYWARE": (
        "/v1/resident-charges/propertyware/",
        {
            "integration_id": "i1", "lease_id": "l1", "financial_account_id": "a1", "transaction_date": NOON,
            "description": "Pet rent", "amount_in_cents": 2500, "reference_number": REFERENCE,
        },
    ),
}  # fmt: skip
CREDITS = {
    "RENTMANAGER": ("/v1/resident-credits/rentmanager/", {"integration_id": "i1", **RENTMANAGER_ITEM}),
    "PROPERTYWARE_REST": (
        "/v1/resident-credits/propertyware_rest/",
        {
            "integration_id": "i1", "lease_id": "l1", "amount_in_cents": 2500, "transaction_date": "2026-12-15",
            "description": "Pet rent", "reference_number": REFERENCE,
        },
    ),
    "RENTVINE": (
        "/v1/resident-credits/rentvine/",
        {
            "integration_id": "i1", "lease_id": "l1", "financial_account_id": "a1", "amount_in_cents": 2500,
            "transaction_date": "2026-12-15", "description": TEXT,
        },
    ),
}  # fmt: skip


def _configured(name, **chosen):
    return IntegrationConfig(
        alias="main", id="i1", place=PLACE, system=vendor(name), transaction_batch_id="t1", **chosen
    )


def _sent(integration, amount=2500):
    route = integration.route(amount)
    return route.path, wire.body(route, "i1", [Line(amount=amount)])


@pytest.mark.parametrize("name", BODIES)
def test_a_charge(name):
    assert _sent(_configured(name)) == BODIES[name]


@pytest.mark.parametrize("name", CREDITS)
def test_a_credit_is_posted_as_a_positive_amount_where_credits_have_a_path_of_their_own(name):
    assert _sent(_configured(name, posts_credits=True), -2500) == CREDITS[name]


@pytest.mark.parametrize("name", ["RESMAN", "YARDI", "ENTRATA", "APPFOLIO"])
def test_a_credit_is_a_negative_charge_where_that_is_documented_or_a_person_insists(name):
    path, body = _sent(_configured(name, posts_credits=True), -2500)
    assert path == BODIES[name][0]
    (item,) = body.get("charges", [body])
    assert item["amount_in_cents"] == -2500


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("RESMAN", RESMAN_ITEM),
        ("RENTMANAGER", RENTMANAGER_ITEM),
        ("YARDI", YARDI_ITEM),
        ("PROPERTYWARE_REST", PROPERTYWARE_ITEM),
    ],
)
def test_where_both_ways_exist_the_item_is_the_same_and_the_configuration_chooses(name, item):
    system = name.lower()
    assert _sent(_configured(name, send="single")) == (
        f"/v1/resident-charges/{system}/",
        {"integration_id": "i1", **item},
    )
    assert _sent(_configured(name, send="batch")) == (
        f"/v1/resident-charges/batch/{system}/",
        {"integration_id": "i1", "charges": [item]},
    )


@pytest.mark.parametrize(
    ("name", "where", "text", "field"),
    [
        ("BUILDIUM", "field", "Pet rent", REFERENCE),
        ("BUILDIUM", "description", TEXT, None),
        ("BUILDIUM", "none", "Pet rent", None),
        ("ENTRATA", "field", "Pet rent", REFERENCE),
        ("ENTRATA", "description", TEXT, None),
        ("ENTRATA", "none", "Pet rent", None),
        ("YARDI", "none", "Pet rent", None),
        # A field that the system insists on is filled in any case.
        ("RESMAN", "none", "Pet rent", REFERENCE),
        ("RESMAN", "description", TEXT, REFERENCE),
    ],
)
def test_the_reference_travels_where_the_configuration_says(name, where, text, field):
    _, body = _sent(_configured(name, reference_in=where))
    (item,) = body.get("charges", [body])
    assert item["description"] == text
    assert item.get("reference_number", item.get("third_party_charge_id")) == field


def test_a_day_stays_the_day_although_noon_is_the_day_before_in_utc():
    route = _configured("ENTRATA").route(2500)
    body = wire.body(route, "i1", [Line(day=date(2027, 1, 1), moment="2026-12-31T22:00:00Z")])
    assert (body["transaction_date"], body["post_month"]) == ("2027-01-01", "2027-01-01")


def test_what_can_not_be_posted_to_is_refused_by_name():
    unposted = {
        name
        for name in VENDORS
        if IntegrationConfig(alias="a", id="i1", place=PLACE, system=vendor(name)).not_postable
    }
    assert unposted == {"MRI", "REALPAGE", "REALPAGE_RPX"}
    assert not _configured("REALPAGE_RPX").not_postable
    with pytest.raises(ChargeplanError, match="can't post to NEW"):
        _configured("NEW").route(2500)
