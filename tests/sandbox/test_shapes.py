"""Every answer has the shape of the published specification, with every required key."""

import json
from pathlib import Path

import httpx
import jsonschema
import pytest

from chargeplan.sandbox.seed_facts import INTEGRATION_ID
from tests.sandbox.conftest import post

DEFS = json.loads((Path(__file__).parent / "schemas" / "answers.json").read_text(encoding="utf-8"))["$defs"]
MODELS = (
    "properties",
    "units",
    "leases",
    "residents",
    "charge-codes",
    "fees",
    "resident-charges",
    "resident-payments",
)


def check(name, value, *, many=False):
    wanted = {"$ref": f"#/$defs/{name}"}
    value = json.loads(json.dumps(value), object_hook=_as_published)
    schema = {"$defs": DEFS, **({"type": "array", "items": wanted} if many else wanted)}
    jsonschema.Draft202012Validator(schema).validate(value)


# The published specification masks the names of some systems by SAMPLE1 and SAMPLE2.
_MASKED = {"APPFOLIO": "SAMPLE1", "YARDI": "SAMPLE2", "YARDI_REST": "SAMPLE2"}


def _as_published(row):
    vendors = {name: row[name] for name in ("vendor", "integration_vendor") if name in row}
    return {**row, **{name: _MASKED.get(vendor, vendor) for name, vendor in vendors.items()}}


@pytest.mark.parametrize("model", [*MODELS, "admin/integrations"])
def test_list_and_record(http, model):
    # Of other systems' interfaces the published specification knows few.
    only = {"integration_vendor": "RESMAN"} if model == "admin/integrations" else {}
    page = http.get(f"/v1/{model}/", params={"limit": 250, **only}).json()
    check(model.removeprefix("admin/"), page["results"], many=True)
    check("meta", page["meta"])
    assert page["results"]
    record = http.get(f"/v1/{model}/{page['results'][-1]['id']}").json()
    if model == "admin/integrations":
        check("integration", record["results"])
    else:
        assert record["results"] == page["results"][-1]
    check("meta", record["meta"])


@pytest.mark.parametrize("name", ["properties", "job-schedules"])
def test_lists_of_an_integration(http, name):
    page = http.get(f"/v1/admin/integrations/{INTEGRATION_ID}/{name}").json()
    check("integration-properties" if name == "properties" else name, page["results"], many=True)
    assert {row["integration_id"] for row in page["results"]} == {INTEGRATION_ID}
    assert http.get(f"/v1/admin/integrations/none/{name}").status_code == 404


def test_job_and_log(http):
    job = post(http)
    for _ in range(2):
        status = http.get(f"/v1/admin/write-status/{job}").json()
        check("write-status", status)
    check("write-log", http.get("/v1/admin/logs/writes/").json())


@pytest.mark.parametrize(
    "path",
    [
        "/v1/charge-codes/none",
        "/v1/nothing",
        "/",
        "/v1/admin/write-status/none",
        "/v1/admin/job-logs/none/data",
    ],
)
def test_unknown_paths(http, path):
    answer = http.get(path)
    assert answer.status_code == 404
    check("error", answer.json())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/resident-charges/x"),
        ("DELETE", "/v1/resident-charges/x"),
        ("PATCH", "/v1/leases/x"),
        ("POST", "/v1/resident-charges/"),
        ("POST", "/v1/resident-charges/batch/entrata/"),
        ("POST", "/v1/resident-credits/"),
        ("POST", "/v1/admin/retry-write/x"),
        ("DELETE", "/v1/admin/integrations/x"),
        ("GET", "/v1/resident-charges/batch/resman"),
    ],
)
def test_not_supported(http, method, path):
    answer = http.request(method, path)
    assert answer.status_code == 405
    check("error", answer.json())


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc", "abc"])
def test_without_a_token(served, header):
    headers = {} if header is None else {"authorization": header}
    answer = httpx.get(f"{served.url}/v1/units/", headers=headers)
    assert answer.status_code == 401
    check("error", answer.json())


def test_only_the_token_that_was_set(http, state):
    state.configure(token="secret")
    assert http.get("/v1/units/").status_code == 401
    assert http.get("/v1/units/", headers={"authorization": "Bearer secret"}).status_code == 200


def test_the_presigned_address_is_elsewhere_and_takes_no_token(http):
    post(http)
    http.get("/v1/admin/logs/writes/")
    log = http.get("/v1/admin/logs/writes/").json()["results"]["logs"][0]
    answer = http.get(f"/v1/admin/job-logs/{log['job_log_id']}/data")
    assert answer.status_code == 302
    location = httpx.URL(answer.headers["location"])
    assert location.host != http.base_url.host
    assert http.get(location).status_code == 400
    assert httpx.get(location).json()["request"]["data"] == log["parameters"]
    assert httpx.get(location.copy_with(query=None)).status_code == 403
    # A client that follows redirects drops the token by itself where the host differs.
    assert http.get(f"/v1/admin/job-logs/{log['job_log_id']}/data", follow_redirects=True).status_code == 200
