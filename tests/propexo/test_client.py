"""The client over real HTTP, against a server that each test scripts."""

# ruff: noqa: SIM117 - the outer block is the server, the inner one is what is tested

from __future__ import annotations

import json
import logging
import socket

import pytest

from chargeplan.core.errors import ChargeplanError
from chargeplan.core.posting import Denied, Invalid, JobStatus, Lost, NotSent, Queued, Throttled
from chargeplan.propexo.client import Propexo
from tests.propexo.lines import REFERENCE, RESMAN, Line
from tests.propexo.scripted import Answer, page, scripted

TOKEN = "s3cret-token-value"
ITEM = {
    "resident_id": "r1", "charge_code_id": "c1", "batch_id": "b1", "transaction_date": "2026-12-15T18:00:00Z",
    "description": "Pet rent", "notes": "n", "amount_in_cents": 2500, "reference_number": REFERENCE,
}  # fmt: skip


def _client(url, **options):
    slept = []
    client = Propexo(url, TOKEN, sleep=slept.append, **options)
    return client, slept


def _row(number, **more):
    return {"id": f"p{number}", "name": f"P{number}", "integration_id": "i1", **more}


def _ids(client, kind="properties", params=None):
    return [each.id for rows in client.rows(kind, params or {}) for each in rows]


# --- where the token may go ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://api.propexo.com", "http://127.0.0.1.evil.test", "http://10.0.0.1", "http://localhost.evil", "ftp://127.0.0.1", "",
        "api.propexo.com", "https://user:pw@api.propexo.com", "https://api.propexo.com/?x=1", "https://", "http://0.0.0.0",
    ],
)  # fmt: skip
def test_an_address_that_would_leak_the_token_is_refused(url):
    with pytest.raises(ChargeplanError) as caught:
        Propexo(url, TOKEN)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://api.propexo.com", "http://127.9.9.9:1", "http://[::1]:8", "http://localhost:8/"]
)
def test_https_and_this_machine_are_taken(url):
    client = Propexo(url, TOKEN)
    assert TOKEN not in repr(client)
    assert TOKEN not in repr(vars(client))
    client.close()


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "ü"])
def test_what_is_no_token_is_refused_without_being_shown(token):
    with pytest.raises(ChargeplanError) as caught:
        Propexo("https://api.propexo.com", token)
    assert not token or token not in str(caught.value)


def test_headers(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with scripted(lambda asked: page([], asked)) as server, Propexo(server.url, TOKEN) as client:
        assert _ids(client) == []
    (asked,) = server.asked
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["user-agent"].startswith("chargeplan/")
    assert asked.path == "/v1/properties/"
    assert asked.query == {"limit": "250", "offset": "0", "order-by": "created_at:asc,id:asc"}


def test_a_redirect_carries_no_token_and_no_charge():
    with scripted(lambda _: Answer(body={})) as stranger:
        to = {"location": f"{stranger.url}/elsewhere"}
        with scripted(lambda _: Answer(307, headers=to)) as server, Propexo(server.url, TOKEN) as client:
            assert isinstance(client.post(RESMAN, "i1", [Line()]), Lost)
            with pytest.raises(ChargeplanError):
                _ids(client)
        assert stranger.asked == []


def test_no_message_and_no_log_has_the_token(caplog):
    caplog.set_level(logging.DEBUG)
    said = {"error": {"code": "x", "message": f"bad {TOKEN}\x1b[31m"}}
    with scripted(lambda _: Answer(403, said)) as server, Propexo(server.url, TOKEN) as client:
        with pytest.raises(ChargeplanError) as caught:
            _ids(client)
        denied = client.post(RESMAN, "i1", [Line()])
    assert isinstance(denied, Denied)
    shown = repr(caught.value) + caught.value.hint + denied.message + caplog.text
    assert TOKEN not in shown
    assert "\x1b" not in caught.value.message
    assert "token_env" in caught.value.hint
    assert caught.value.__cause__ is None


# --- posting -------------------------------------------------------------------------------------------------------


def test_a_batch_is_one_request_with_exactly_the_contracts_keys():
    with (
        scripted(lambda _: Answer(body={"meta": {"job_id": "j1"}})) as server,
        Propexo(server.url, TOKEN) as client,
    ):
        assert client.post(RESMAN, "i1", [Line(), Line()]) == Queued("j1")
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/resident-charges/batch/resman/")
    assert asked.headers["content-type"] == "application/json"
    assert json.loads(asked.body) == {"integration_id": "i1", "charges": [ITEM] * 2}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(500, {}), Lost), (Answer(503, {}), Lost), (Answer(drop=True), Lost), (Answer(200, {"meta": {"job_id": "j"}}, cut=True), Lost),
        (Answer(400, {}), Invalid), (Answer(400, {}, cut=True), Lost), (Answer(429, {}), Throttled), (Answer(401, {}), Denied),
    ],
)  # fmt: skip
def test_a_post_is_never_repeated(answer, outcome):
    with scripted(lambda _: answer) as server:
        client, slept = _client(server.url)
        assert isinstance(client.post(RESMAN, "i1", [Line()]), outcome)
        client.close()
    assert len(server.asked) == 1
    assert slept == []


def test_a_connection_that_is_not_made_sends_nothing():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client, _ = _client(f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert isinstance(client.post(RESMAN, "i1", [Line()]), NotSent)
        client.close()


def test_an_answer_that_never_comes_is_lost():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client, _ = _client(f"http://127.0.0.1:{silent.getsockname()[1]}", post_timeout=0.1)
        found = client.post(RESMAN, "i1", [Line()])
        client.close()
    assert isinstance(found, Lost)
    assert "ReadTimeout" in found.reason


def test_a_post_opens_a_connection_of_its_own():
    ports = []

    def answer(asked):
        ports.append(asked.headers["host"])
        return Answer(body={"job_id": "j"})

    with scripted(answer) as server, Propexo(server.url, TOKEN) as client:
        for _ in range(2):
            assert client.post(RESMAN, "i1", [Line()]) == Queued("j")
        pool = client._transport._writes._client._transport._pool
        assert pool.connections == []


def test_an_empty_batch_is_not_sent():
    with scripted(lambda _: Answer()) as server, Propexo(server.url, TOKEN) as client:
        assert isinstance(client.post(RESMAN, "i1", []), NotSent)
    assert server.asked == []


# --- reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        Answer(500, {}),
        Answer(drop=True),
        Answer(200, {}, cut=True),
        Answer(200, b"{"),
        Answer(200, {"results": 1}),
    ],
)
def test_a_read_is_repeated_and_paused_between(bad):
    script = [bad, bad, bad]
    with scripted(lambda asked: script.pop() if script else page([_row(1)], asked)) as server:
        client, slept = _client(server.url)
        assert _ids(client) == ["p1"]
        assert (client.requests, client.records) == (4, 1)
        client.close()
    assert slept == [1.0, 2.0, 4.0]


def test_a_read_gives_up_with_a_sentence():
    with scripted(lambda _: Answer(502, b"<html>")) as server:
        client, _ = _client(server.url)
        with pytest.raises(ChargeplanError) as caught:
            _ids(client)
        client.close()
    assert len(server.asked) == 4
    assert client.host in caught.value.message
    assert "502" in caught.value.message
    assert caught.value.hint


def test_a_throttled_read_waits_as_told():
    clock = [0.0]

    def sleep(seconds):
        clock[0] += seconds

    script = [Answer(429, {}, {"retry-after": "3"}), Answer(429, {})]
    with scripted(lambda asked: script.pop(0) if script else page([], asked)) as server:
        with Propexo(server.url, TOKEN, sleep=sleep, monotonic=lambda: clock[0]) as client:
            assert _ids(client) == []
    assert clock[0] == 63.0


def test_pages_are_followed_by_the_servers_own_limit():
    rows = [_row(n) for n in range(130)]

    def answer(asked):
        asked.query["limit"] = "50"
        return page(rows, asked, hasMore=None)

    with scripted(answer) as server, Propexo(server.url, TOKEN) as client:
        assert len(_ids(client)) == 130
    assert [asked.query["offset"] for asked in server.asked] == ["0", "50", "100"]


def test_rows_that_arrive_between_pages_are_read_once():
    rows = [_row(n) for n in range(300)]

    def answer(asked):
        found = page(list(rows), asked)
        rows[0:0] = [_row(1000 + len(rows))] if len(rows) < 302 else []  # in front: everything moves down
        return found

    with scripted(answer) as server, Propexo(server.url, TOKEN) as client:
        found = _ids(client)
    assert len(found) == len(set(found)) == len(rows)
    assert {each["id"] for each in rows} == set(found)


def test_a_row_that_leaves_between_pages_hides_no_other():
    rows = [_row(n) for n in range(300)]

    def answer(asked):
        found = page(list(rows), asked)
        if len(rows) == 300:
            del rows[0]
        return found

    with scripted(answer) as server, Propexo(server.url, TOKEN) as client:
        assert {each["id"] for each in rows} <= set(_ids(client))


@pytest.mark.parametrize("count", [1, 250, 251, 500])
def test_a_quiet_list_is_read_once(count):
    rows = [_row(n) for n in range(count)]
    with scripted(lambda asked: page(rows, asked)) as server, Propexo(server.url, TOKEN) as client:
        assert len(_ids(client)) == client.records == count
    assert len(server.asked) == -(-count // 250)


def test_a_list_that_stays_incomplete_is_an_error():
    with (
        scripted(lambda asked: page([_row(1)], asked, total=2)) as server,
        Propexo(server.url, TOKEN) as client,
    ):
        with pytest.raises(ChargeplanError, match="there are 2 properties and sent 1"):
            _ids(client)
    assert len(server.asked) == 3


def test_an_unknown_filter_has_its_code():
    with scripted(lambda _: Answer(400, {"error": {"code": "x", "message": "unknown key"}})) as server:
        with Propexo(server.url, TOKEN) as client, pytest.raises(ChargeplanError) as caught:
            _ids(client, params={"updated_at_gte": "2026-01-01T00:00:00Z"})
    assert caught.value.code == "bad_request"
    assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [Answer(404, {}), Answer(200, {"results": None})])
def test_an_unknown_integration_is_named(answer):
    with scripted(lambda _: answer) as server, Propexo(server.url, TOKEN) as client:
        with pytest.raises(ChargeplanError, match="no integration i/9"):
            client.integration("i/9")
    assert server.asked[0].path == "/v1/admin/integrations/i%2F9/"


def test_an_integration_with_nulls():
    row = {"id": "i1", "vendor": "RESMAN", "name": None, "active": True, "last_completed_sync": None}
    row["integration_interfaces"] = [
        {"interface_name": "A", "enabled": True},
        {"interface_name": "B", "enabled": None},
    ]
    with scripted(lambda _: Answer(200, {"results": row})) as server, Propexo(server.url, TOKEN) as client:
        found = client.integration("i1")
    assert (found.active, found.archived, found.last_completed_sync) == (True, False, None)
    assert found.interfaces == {"A": True, "B": False}


@pytest.mark.parametrize("dots", ["", ".", ".."])
def test_an_id_is_no_path(dots):
    with Propexo("http://127.0.0.1:1", TOKEN) as client, pytest.raises(ChargeplanError):
        client.integration(dots)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(200, {"write_status": "PENDING", "errors": []}), JobStatus("PENDING")),
        (
            Answer(200, {"write_status": "FAILURE", "errors": ["a", {"b": 1}]}),
            JobStatus("FAILURE", ("a", '{"b":1}')),
        ),
        (Answer(200, {"write_status": "SUCCESS", "errors": None}), JobStatus("SUCCESS")),
        (Answer(404, {}), JobStatus("missing")),
    ],
)
def test_job_status(answer, status):
    with scripted(lambda _: answer) as server, Propexo(server.url, TOKEN) as client:
        assert client.job_status("j1") == status
    assert server.asked[0].path == "/v1/admin/write-status/j1"


def test_a_job_status_of_another_word_is_an_error():
    with (
        scripted(lambda _: Answer(200, {"write_status": "DONE"})) as server,
        Propexo(server.url, TOKEN) as client,
        pytest.raises(ChargeplanError, match="DONE"),
    ):
        client.job_status("j1")


def test_the_write_log_is_paged_and_read_wherever_it_hides_us():
    nested = {"body": {"charges": [{"batch_id": "b1", "reference_number": REFERENCE}]}, "x": None}
    texts = [nested, {"payload": json.dumps(nested)}, None, "[broken"]
    logs = [
        {
            "job_id": f"j{n}",
            "job_log_id": f"l{n}",
            "status": "FAILURE",
            "error": "e",
            "parameters": texts[n % 4],
        }
        for n in range(130)
    ]

    def answer(asked):
        offset, limit = int(asked.query["offset"]), int(asked.query["limit"])
        return Answer(200, {"results": {"logs": logs[offset : offset + limit]}})

    with scripted(answer) as server, Propexo(server.url, TOKEN) as client:
        found = client.write_log("i1", "hour")
    assert len(found) == 130
    assert found[0].batch_ids == found[1].batch_ids == {"b1"}
    assert found[1].references == {REFERENCE}
    assert found[2].references == found[3].references == frozenset()
    assert server.asked[1].query == {
        "integration_id": "i1", "write_category": "resident_charges", "time_range": "hour", "limit": "100", "offset": "100",
    }  # fmt: skip
