"""What goes wrong, over real sockets; each test looks at the raw ledger for what was done all the same."""

import httpx
import msgspec
import pytest

from chargeplan.sandbox.faults import Chaos, Fault
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.sandbox.conftest import BATCH, batch, item, ours, post


@pytest.mark.parametrize(("drop", "done"), [("before", 0), ("during", 1), ("after", 1)])
def test_lost_connections(http, state, drop, done):
    state.add_faults(Fault(method="POST", path="*/batch/resman", drop=drop))
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        http.post(BATCH, json=batch())
    assert len(ours(state)) == done
    assert state.waiting_faults() == []
    assert [r["status"] for r in state.requests("POST")] == [200 if drop == "during" else None]
    post(http)


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("work", [True, False])
def test_server_errors(http, state, status, work):
    state.add_faults({"method": "POST", "status": status, "work": work})
    assert http.post(BATCH, json=batch()).status_code == status
    assert len(ours(state)) == work


@pytest.mark.parametrize(
    ("body", "starts"),
    [
        ("malformed", b'{"meta": {'),
        ("truncated", b'{"meta"'),
        ("empty", b""),
        ("html", b"<html>"),
        ("shapeless", b'{"ok"'),
    ],
)
def test_unreadable_answers(http, state, body, starts):
    state.add_faults(Fault(method="POST", body=body))
    answer = http.post(BATCH, json=batch())
    assert answer.status_code == 200
    assert answer.content.startswith(starts)
    assert "job_id" not in answer.text or body == "truncated" or body == "malformed"
    assert len(ours(state)) == 1


@pytest.mark.parametrize("after", [None, 7.0])
def test_429(http, state, after):
    state.add_faults(Fault(status=429, work=False, retry_after=after))
    answer = http.post(BATCH, json=batch())
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == (None if after is None else "7")
    assert ours(state) == []


def test_a_delay_longer_than_the_client_waits(http, state):
    state.add_faults(Fault(delay=30.0))
    with pytest.raises(httpx.ReadTimeout):
        http.post(BATCH, json=batch(), timeout=0.1)
    assert len(ours(state)) == 1


@pytest.mark.parametrize(
    ("fault", "ends", "written"),
    [
        (Fault(job="FAILURE", errors=["no"]), "FAILURE", []),
        (Fault(job="FAILURE", written=[0, 1], errors=["timeout"]), "FAILURE", ["a", "b"]),
        (Fault(job="PARTIAL_SUCCESS", written=[1]), "PARTIAL_SUCCESS", ["b"]),
        (Fault(job="PARTIAL_SUCCESS", written=1), "PARTIAL_SUCCESS", ["a"]),
        (Fault(job="SUCCESS", written=0), "SUCCESS", []),
        (Fault(job="PENDING"), "PENDING", ["a", "b"]),
    ],
)
def test_how_a_job_ends(http, state, fault, ends, written):
    state.add_faults(fault)
    job = post(http, item(reference_number="a"), item(reference_number="b"))
    for _ in range(5):
        status = http.get(f"/v1/admin/write-status/{job}").json()
    assert status["write_status"] == ends
    assert status["errors"] == fault.errors
    assert [e.reference_number for e in ours(state)] == written
    logged = http.get("/v1/admin/logs/writes/").json()["results"]["logs"]
    assert [e["status"] for e in logged] == (
        [] if ends == "PENDING" else ["SUCCESS" if ends == "SUCCESS" else "FAILURE"]
    )
    if ends == "PENDING":
        assert state.jobs.finish() == 1
        assert http.get(f"/v1/admin/write-status/{job}").json()["write_status"] == "SUCCESS"


@pytest.mark.parametrize(("log", "readings"), [("late", 4), ("hidden", None)])
def test_a_log_that_is_late_or_hidden(http, state, log, readings):
    state.configure(pending_polls=0)
    state.add_faults(Fault(drop="after", log=log, log_reads=3))
    with pytest.raises(httpx.RemoteProtocolError):
        http.post(BATCH, json=batch())
    shown = [len(http.get("/v1/admin/logs/writes/").json()["results"]["logs"]) for _ in range(5)]
    assert shown == ([0] * 5 if readings is None else [0, 0, 0, 1, 1])
    if readings is None:
        state.jobs.show_logs()
        assert len(http.get("/v1/admin/logs/writes/").json()["results"]["logs"]) == 1


def test_rows_inserted_between_pages(http, state):
    fact = {
        "resident_id": "resident-12345",
        "charge_code_id": "chargecode-67890",
        "amount_in_cents": 1,
        "transaction_date": "2027-07-05",
        "synced": True,
    }
    state.clock.advance(60)
    state.add_faults(Fault(method="GET", path="/v1/resident-charges", lever="enter", arguments=fact))
    query = {"limit": 100, "order-by": "created_at:desc"}
    first = http.get("/v1/resident-charges/", params=query).json()
    second = http.get("/v1/resident-charges/", params={**query, "offset": 100}).json()
    assert second["meta"]["total"] == first["meta"]["total"] + 1
    assert first["results"][-1]["id"] == second["results"][0]["id"]


def test_the_operator_acts_in_the_middle_of_a_run(http, state):
    state.add_faults(
        Fault(method="POST", lever="approve", arguments={"posting_date": "2024-07-01"}),
        Fault(path="*/write-status/*", lever="sync", lever_when="before"),
    )
    job = post(http)
    assert [e.transaction_date for e in ours(state, "posted")] == ["2024-07-01"]
    http.get(f"/v1/admin/write-status/{job}")
    assert (
        http.get("/v1/resident-charges/", params={"transaction_date_end": "2024-12-31"}).json()["meta"][
            "total"
        ]
        == 1
    )


def test_the_script_is_consumed_in_order(http, state):
    state.add_faults(
        Fault(status=500, skip=1),
        Fault(method="GET", path="/v1/units", status=502),
        Fault(status=503, times=2),
    )
    assert [http.get("/v1/units/").status_code for _ in range(5)] == [502, 500, 503, 503, 200]


def test_faults_are_checked(state):
    with pytest.raises(msgspec.ValidationError):
        state.add_faults({"explode": True})
    with pytest.raises(msgspec.ValidationError):
        state.configure(pending_polls="two")


def outcomes(http, count=40):
    found = []
    for _ in range(count):
        try:
            found.append(http.get("/v1/properties/").status_code)
        except httpx.TransportError as error:
            found.append(type(error).__name__)
    return found


def test_a_seed_draws_the_same_faults(http, state):
    state.set_chaos(Chaos(seed=7, rate=0.4))
    first = outcomes(http)
    state.set_chaos(Chaos(seed=7, rate=0.4))
    assert outcomes(http) == first
    assert len(set(first)) > 2
    state.clear_faults()
    assert set(outcomes(http, 3)) == {200}


def test_the_rate_limit(http, state):
    state.clock.stop_at(state.clock.now().replace(second=10, microsecond=0))
    state.configure(requests_per_minute=10, slow_seconds=0.0, retry_after=True)
    answers = [http.get("/v1/properties/") for _ in range(11)]
    assert [a.status_code for a in answers] == [200] * 10 + [429]
    assert [a.headers["x-ratelimit-remaining"] for a in answers[:3]] == ["9", "8", "7"]
    assert (answers[-1].headers["x-ratelimit-limit"], answers[-1].headers["retry-after"]) == ("10", "51")
    state.clock.advance(60)
    assert http.get("/v1/properties/").status_code == 200


def test_slow_from_four_fifths_of_the_limit(http, state):
    state.clock.stop_at(state.clock.now())
    state.configure(requests_per_minute=5, slow_seconds=30.0)
    for _ in range(3):
        assert http.get("/v1/properties/", timeout=5).status_code == 200
    with pytest.raises(httpx.ReadTimeout):
        http.get("/v1/properties/", timeout=0.1)


def test_levers_over_http(served, http, state):
    def lever(name, **arguments):
        answer = httpx.post(f"{served.url}/_sandbox/{name}", json=arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    post(http)
    assert httpx.get(f"{served.url}/_sandbox/files").json()["result"][0]["count"] == 1
    assert lever("approve", posting_date="2024-06-17") == 1
    assert lever("redate", day="2024-06-18", batch_id="batch-20240615-001") == 1
    assert lever("sync")["new"] == 1
    assert lever("settings", pending_polls=3)["pending_polls"] == 3
    assert lever("faults", add=[{"status": 500}])[0]["status"] == 500
    assert http.get("/v1/units/").status_code == 500
    assert lever("clock", stop_at="2027-01-01T00:00:00Z", advance=5) == "2027-01-01T00:00:05.000Z"
    assert lever("clock", run=True) > "2026"
    lever("alter", model="leases", record_id="lease-204", changes={"rent_amount_in_cents": 1})
    lever("property", property_id="clwi5xiix000008l6ctdgafyh", enabled=True)
    lever("integration", changes={"active": False})
    assert lever("jobs", finish=True)["finished"] == 1
    ledger = httpx.get(f"{served.url}/_sandbox/ledger").json()["result"]
    assert ledger[-1]["transaction_date"] == "2024-06-18"
    lever("reset", today="2027-09-09")
    assert ours(state) == []
    for name, body in (
        ("approve", {"colour": 1}),
        ("faults", {"add": [{"x": 1}]}),
        ("alter", {"model": "leases", "record_id": "x", "changes": {}}),
    ):
        assert httpx.post(f"{served.url}/_sandbox/{name}", json=body).status_code == 400
    assert httpx.post(f"{served.url}/_sandbox/explode").status_code == 404
    assert httpx.get(f"{served.url}/_sandbox/explode").status_code == 404


def test_two_openings_of_one_file(seeded, tmp_path):
    path = tmp_path / "two.db"
    path.write_bytes(seeded.read_bytes())
    with Sandbox.open(path) as one, Sandbox.open(path) as other, serve(one) as served:
        httpx.post(
            f"{served.url}{BATCH}", json=batch(), headers={"authorization": "Bearer x"}
        ).raise_for_status()
        assert other.approve() == 1
        other.sync()
        assert [e.state for e in one.ledger() if e.origin == "api"] == ["posted"]
