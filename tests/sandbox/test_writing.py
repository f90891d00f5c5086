"""The batch POST, its refusals, its job, approval and sync."""

import pytest

from chargeplan.sandbox.seed_facts import INTEGRATION_ID
from tests.sandbox.conftest import BATCH, batch, item, ours, post


def issues(answer):
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == ("invalid_request", "invalid request")
    details = error["details"]["details"]
    assert details["name"] == "ZodError"
    return details["issues"]


def charges(http, **params):
    return http.get(
        "/v1/resident-charges/",
        params={
            "resident_id": "resident-12345",
            "limit": 250,
            "transaction_date_end": "2025-01-01",
            **params,
        },
    ).json()["results"]


def test_the_documentation_s_example_to_the_letter(http, state):
    answer = http.post(BATCH, json=batch())
    job = answer.json()["meta"]["job_id"]
    assert answer.json() == {"meta": {"job_id": job}, "result": batch()}
    assert http.get(f"/v1/admin/write-status/{job}").json() == {
        "write_status": "PENDING",
        "errors": [],
        "created_record_id": None,
    }
    assert http.get(f"/v1/admin/write-status/{job}").json()["write_status"] == "SUCCESS"
    state.sync()
    assert charges(http) == []
    assert state.approve() == 1
    assert charges(http) == []
    state.sync()
    [charge] = charges(http)
    assert charge["amount_in_cents"] == 125000
    assert charge["transaction_date"] == "2024-06-15"
    assert charge["reference_number"] == "INV-20240615-123"
    assert charge["name"] == "Rent"


def test_single(http, state):
    answer = http.post("/v1/resident-charges/resman", json={"integration_id": INTEGRATION_ID, **item()})
    assert answer.json()["result"]["reference_number"] == "INV-20240615-123"
    assert len(ours(state)) == 1
    wrong = http.post(
        "/v1/resident-charges/resman",
        json={"integration_id": INTEGRATION_ID, **item(resident_id="x", unit="204")},
    )
    assert issues(wrong)[0]["keys"] == ["unit"]


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"amount_in_cents": 1250.0}, "invalid_type", ["amount_in_cents"]),
        ({"amount_in_cents": "125000"}, "invalid_type", ["amount_in_cents"]),
        ({"amount_in_cents": True}, "invalid_type", ["amount_in_cents"]),
        ({"amount_in_cents": None}, "invalid_type", ["amount_in_cents"]),
        ({"amount_in_cents": 2**53}, "too_big", ["amount_in_cents"]),
        ({"notes": None}, "invalid_type", ["notes"]),
        ({"description": 5}, "invalid_type", ["description"]),
        ({"transaction_date": "2024-06-15"}, "invalid_string", ["transaction_date"]),
        ({"transaction_date": "2024-06-15T09:30:00"}, "invalid_string", ["transaction_date"]),
        ({"transaction_date": "2024-02-30T09:30:00Z"}, "invalid_string", ["transaction_date"]),
        ({"property_id": "x"}, "unrecognized_keys", []),
        ({"resident_id": "resident-none"}, "custom", ["resident_id"]),
        ({"charge_code_id": "chargecode-none"}, "custom", ["charge_code_id"]),
        ({"charge_code_id": "chargecode-maple-rent"}, "custom", ["charge_code_id"]),
        ({"resident_id": "resident-maple-101a"}, "custom", ["resident_id"]),
    ],
)
def test_a_bad_item_is_named_by_its_path(http, state, changes, code, path):
    found = issues(http.post(BATCH, json=batch(item(), item(**changes))))
    assert (found[0]["code"], found[0]["path"]) == (code, ["charges", 1, *path])
    assert ours(state) == []


@pytest.mark.parametrize("offset", ["Z", "+00:00", "-05:00"])
def test_full_date_times(http, offset):
    post(http, item(transaction_date=f"2024-06-15T12:00:00.000{offset}"))


def test_missing_keys_are_all_named(http):
    found = issues(http.post(BATCH, json={"charges": [{}]}))
    assert {(i["message"], i["received"]) for i in found} == {("Required", "undefined")}
    assert len(found) == 9


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        ({"integration_id": INTEGRATION_ID, "charges": []}, "too_small", ["charges"]),
        ({"integration_id": INTEGRATION_ID, "charges": {}}, "invalid_type", ["charges"]),
        ({"integration_id": INTEGRATION_ID, "charges": [5]}, "invalid_type", ["charges", 0]),
        ([], "invalid_type", []),
        ({**batch(), "mode": "x"}, "unrecognized_keys", []),
    ],
)
def test_bad_bodies(http, body, code, path):
    found = issues(http.post(BATCH, json=body))[0]
    assert (found["code"], found["path"]) == (code, path)


def test_what_is_not_json(http):
    headers = {"content-type": "application/json"}
    assert http.post(BATCH, content=b"{", headers=headers).status_code == 400
    assert http.post(BATCH, content=b'{"integration_id": NaN}', headers=headers).status_code == 400
    assert http.post(BATCH, content=b"{}").status_code == 415
    assert http.post(f"{BATCH}?ignore_unknown_fields=true", json=batch()).status_code == 400


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"active": False}, 403),
        ({"is_archived": True}, 403),
        ({"integration_interfaces": []}, 403),
        ({"vendor": "YARDI"}, 400),
    ],
)
def test_an_integration_that_may_not_write(http, state, changes, status):
    state.alter_integration(**changes)
    assert http.post(BATCH, json=batch()).status_code == status
    assert ours(state) == []


def test_credentials_that_the_system_does_not_take(http, state):
    state.alter_integration(can_authenticate=False)
    job = post(http)
    statuses = [http.get(f"/v1/admin/write-status/{job}").json()["write_status"] for _ in range(2)]
    assert statuses == ["PENDING", "FAILURE"]
    assert ours(state) == []


def test_an_unknown_integration(http):
    assert http.post(BATCH, json={**batch(), "integration_id": "none"}).status_code == 404


def test_limits_that_can_be_set(http, state):
    state.configure(max_charges=1, max_length={"description": 5}, accepts_credits=False)
    assert http.post(BATCH, json=batch(item(description="Rent"), item(description="Rent"))).status_code == 413
    found = issues(http.post(BATCH, json=batch(item(amount_in_cents=-1))))
    assert [i["code"] for i in found] == ["too_big", "too_small"]


def test_asked_twice_it_bills_twice(http, state):
    post(http)
    post(http)
    assert state.approve() == 2
    state.sync()
    assert len(charges(http)) == 2


def test_a_job_that_takes_its_time(http, state):
    state.configure(pending_polls=0, pending_milliseconds=5_000)
    job = post(http)
    assert http.get(f"/v1/admin/write-status/{job}").json()["write_status"] == "PENDING"
    state.clock.advance(6)
    assert http.get(f"/v1/admin/write-status/{job}").json()["write_status"] == "SUCCESS"


def test_the_log_has_the_request(http):
    job = post(http)
    assert http.get("/v1/admin/logs/writes/").json()["results"]["logs"] == []
    [entry] = http.get(
        "/v1/admin/logs/writes/", params={"time_range": "hour", "write_category": "resident_charges"}
    ).json()["results"]["logs"]
    assert entry["job_id"] == job
    assert entry["parameters"] == batch()
    assert http.get("/v1/admin/logs/writes/", params={"status": "FAILURE"}).json()["results"]["logs"] == []
    assert (
        http.get("/v1/admin/logs/writes/", params={"write_category": "leads"}).json()["results"]["logs"] == []
    )


def test_partner_files(http, state):
    post(http, item(batch_id="one"), item(batch_id="one", amount_in_cents=5))
    post(http, item(batch_id="two"))
    assert [(f.batch_id, f.count, f.amount_in_cents) for f in state.partner_files()] == [
        ("one", 2, 125005),
        ("two", 1, 125000),
    ]
    assert (
        state.approve(batch_id="one", posting_date="2024-06-20", charge_code_id="chargecode-oak-water") == 2
    )
    assert state.reject(batch_id="two") == 1
    state.sync()
    assert {(c["transaction_date"], c["post_month"], c["name"]) for c in charges(http)} == {
        ("2024-06-20", "2024-06", "Water")
    }
    assert [e.state for e in ours(state, "rejected")] == ["rejected"]


def test_operator_levers_on_what_is_posted(http, state):
    post(http, item(reference_number="a"), item(reference_number="b"))
    state.approve()
    state.sync()
    assert state.office.edit(transaction_date="2024-06-30", reference_number="a") == 1
    assert state.office.edit(charge_code_id="chargecode-oak-trash", reference_number="a") == 1
    assert state.office.edit(amount_in_cents=99, reference_number="a") == 1
    assert state.office.void(reference_number="b") == 1
    state.clock.advance(3600)
    state.sync()
    found = {c["reference_number"]: c for c in charges(http)}
    assert (found["a"]["transaction_date"], found["a"]["name"], found["a"]["amount_raw"]) == (
        "2024-06-30",
        "Trash",
        "0.99",
    )
    assert found["b"]["last_seen"] < found["a"]["last_seen"]
    assert found["b"]["updated_at"] < found["a"]["updated_at"]


def test_references_that_do_not_survive(http, state):
    state.configure(keeps_references=False, keeps_descriptions=False, approval=False)
    post(http)
    state.sync()
    [charge] = charges(http)
    assert (charge["reference_number"], charge["description"]) == (None, None)


def test_look_back(http, state):
    state.configure(look_back_days=90, approval=False)
    post(http)
    state.sync()
    assert charges(http) == []


def test_a_disabled_property_is_not_synced(http, state):
    state.configure(approval=False)
    state.enable_property("clwi5xiix000008l6ctdgafyh", enabled=False)
    post(http)
    state.sync()
    assert charges(http) == []
    listed = http.get(f"/v1/admin/integrations/{INTEGRATION_ID}/properties").json()["results"]
    assert sorted(row["enabled"] for row in listed) == [False, True]


def test_manual_sync(http, state):
    state.configure(approval=False)
    post(http)
    path = f"/v1/admin/integrations/{INTEGRATION_ID}/manual-sync"
    assert http.post(path, json={"models_to_sync": ["leases"]}).json() == {"result": {"success": True}}
    assert charges(http) == []
    assert http.post(path, json={"models_to_sync": ["resident_charges"]}).status_code == 200
    assert len(charges(http)) == 1
    assert http.post(path, json={"models_to_sync": ["moods"]}).status_code == 400
    assert http.post(path, json={"when": "now"}).status_code == 400
    assert http.post("/v1/admin/integrations/none/manual-sync").status_code == 404
    state.configure(manual_sync=False)
    post(http)
    assert http.post(path).json() == {"result": {"success": True}}
    assert len(charges(http)) == 1
