"""Answers that never end, never begin, or are not Propexo's: each costs a bounded time and memory, and says what it was."""

# ruff: noqa: SIM117 - the outer block is the server, the inner one is what is tested

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import time
import tracemalloc
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chargeplan.core.errors import ChargeplanError
from chargeplan.core.posting import Lost, NotSent
from chargeplan.propexo import transport
from chargeplan.propexo.client import Propexo
from chargeplan.propexo.connection import Network
from chargeplan.propexo.pacing import retry_after
from tests.propexo.lines import RESMAN, Line
from tests.propexo.scripted import Answer, page, scripted

TOKEN = "s3cret-token-value"


def _row(number):
    return {"id": f"p{number}", "name": f"P{number}", "integration_id": "i1"}


def _listed(client):
    return [each.id for rows in client.rows("properties", {}) for each in rows]


def _refusal(url, **options) -> ChargeplanError:
    with (
        Propexo(url, TOKEN, sleep=lambda _: None, **options) as client,
        pytest.raises(ChargeplanError) as caught,
    ):
        _listed(client)
    return caught.value


# --- lists that do not end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "said", "requests"), [
    (lambda _: Answer(body={"meta": {"hasMore": True}, "results": []}), "an empty page that promises more", 1),
    (lambda _: Answer(body={"meta": {"hasMore": True}, "results": [_row(1)]}), "showed the same page again", 2),
    (lambda _: Answer(body={"results": [_row(n) for n in range(250)]}), "showed the same page again", 2),
], ids=["empty", "the same", "an offset that is not heeded"])  # fmt: skip
def test_a_list_that_shows_nothing_new_is_incomplete_at_once(answer, said, requests):
    with scripted(answer) as server:
        refusal = _refusal(server.url)
    assert (refusal.code, len(server.asked)) == ("incomplete_list", requests)
    assert said in refusal.message


def test_a_list_that_always_has_new_rows_ends_at_ten_times_its_total():
    rows = [_row(number) for number in range(10_000)]
    with scripted(lambda asked: page(rows, asked, total=300, hasMore=True)) as server:
        refusal = _refusal(server.url, requests_per_minute=100_000)
    assert refusal.code == "incomplete_list"
    assert "says that there are 300" in refusal.message
    assert len(server.asked) == 13  # 3,250 rows are the first that are more than 3,000


def test_a_list_that_always_has_new_rows_and_no_total_ends_after_ten_minutes():
    rows = [_row(number) for number in range(100_000)]
    now = [0.0]

    def answer(asked):
        now[0] += 100
        return page(rows, asked, total=None, hasMore=True)

    with scripted(answer) as server:
        refusal = _refusal(server.url, requests_per_minute=100_000, monotonic=lambda: now[0])
    assert "did not end in 10 minutes" in refusal.message
    assert len(server.asked) == 7


def test_a_write_log_that_shows_the_same_page_again_is_incomplete():
    logs = [{"job_id": f"j{number}", "status": "SUCCESS"} for number in range(100)]
    with scripted(lambda _: Answer(body={"results": {"logs": logs}})) as server:
        with (
            Propexo(server.url, TOKEN) as client,
            pytest.raises(ChargeplanError, match="same page again") as caught,
        ):
            client.write_log("i1", "day")
    assert caught.value.code == "incomplete_list"
    assert len(server.asked) == 2


# --- answers that do not end ----------------------------------------------------------------------------------------


@contextmanager
def dripping(head: bytes):
    """A server that sends ``head`` and then a byte every 50 ms, and says how many connections it got."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        ended, count = threading.Event(), []

        def drip(connection):
            with connection:
                connection.sendall(head)
                while not ended.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        def serve():
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                count.append(1)
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", count
        finally:
            ended.set()


HEADS = [b"", b"HTTP/1.1 200 OK\r\nx-a: ", b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"]


@pytest.mark.parametrize("head", HEADS, ids=["nothing", "a header", "a body"])
def test_a_read_that_drips_ends_in_its_time(head, monkeypatch):
    monkeypatch.setattr(transport, "_READ_SECONDS", 0.5)
    with dripping(head) as (url, connections):
        began = time.monotonic()
        assert _refusal(url).code == "unreachable"
    assert len(connections) == transport.ATTEMPTS
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("head", HEADS[1:], ids=["a header", "a body"])
def test_a_write_that_drips_ends_in_its_time_and_is_unknown(head):
    with dripping(head) as (url, connections), Propexo(url, TOKEN, post_timeout=0.5) as client:
        began = time.monotonic()
        assert isinstance(client.post(RESMAN, "i1", [Line()]), Lost)
    assert len(connections) == 1
    assert time.monotonic() - began < 5


def test_no_request_takes_longer_than_the_deadline_leaves():
    with dripping(HEADS[2]) as (url, _), Propexo(url, TOKEN) as client:
        began = time.monotonic()
        client.end_at(began + 0.5, lambda: False)
        assert isinstance(client.post(RESMAN, "i1", [Line()]), Lost)
    assert time.monotonic() - began < 5


# --- answers that are too large -------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [1, 2])
def test_an_answer_that_unpacks_to_a_gigabyte_is_refused_in_little_memory(layers):
    body = gzip.compress(bytes(1_000_000)) * 1_000
    headers = {"content-encoding": ", ".join(["gzip"] * layers)}
    if layers == 2:
        body = gzip.compress(body)
    with scripted(lambda _: Answer(body=body, headers=headers)) as server:
        tracemalloc.start()
        refusal = _refusal(server.url)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert refusal.code == "unreachable"
    assert peak < 200_000_000


def test_an_answer_of_more_than_64_mb_says_so_and_is_not_asked_for_again():
    body = gzip.compress(bytes(70_000_000))
    with scripted(lambda _: Answer(body=body, headers={"content-encoding": "gzip"})) as server:
        assert "the answer has more than 64 MB" in _refusal(server.url).message
        assert len(server.asked) == 1
        with Propexo(server.url, TOKEN) as client:
            assert isinstance(client.post(RESMAN, "i1", [Line()]), Lost)


def test_what_cannot_be_unpacked_cannot_be_read():
    with scripted(lambda _: Answer(body=b"no gzip", headers={"content-encoding": "gzip"})) as server:
        assert _refusal(server.url).code == "unreachable"
        with Propexo(server.url, TOKEN) as client:
            assert isinstance(client.post(RESMAN, "i1", [Line()]), Lost)


def test_an_ordinary_packed_answer_is_read():
    def answer(asked):
        plain = page([_row(1)], asked)
        return Answer(
            body=gzip.compress(json.dumps(plain.body).encode()), headers={"content-encoding": "gzip"}
        )

    with scripted(answer) as server, Propexo(server.url, TOKEN) as client:
        assert _listed(client) == ["p1"]


# --- the rate limit -------------------------------------------------------------------------------------------------


def test_a_limit_of_zero_is_no_limit():
    headers = {"x-ratelimit-limit": "0", "x-ratelimit-remaining": "0"}
    slept = []
    with scripted(lambda asked: Answer(body=page([], asked).body, headers=headers)) as server:
        with Propexo(server.url, TOKEN, sleep=slept.append) as client:
            for _ in range(5):
                _listed(client)
    assert slept == []


NOW = "Sat, 28 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(("told", "seconds"), [
    ("7", 7), ("1.5", 1.5), ("Sat, 28 Nov 2026 12:00:20 GMT", 20), ("Sat, 28 Nov 2026 11:00:00 GMT", 0), ("soon", None), ("", None),
    ("-5", None), ("1e9", None), ("٣", None),
])  # fmt: skip
def test_retry_after_is_read_in_both_its_forms(told, seconds):
    assert retry_after({"retry-after": told, "date": NOW}) == seconds


def test_a_retry_after_that_is_a_date_is_none_without_the_servers_clock():
    assert retry_after({"retry-after": NOW}) is None


# --- who answered ---------------------------------------------------------------------------------------------------


def test_a_firewalls_page_is_no_word_about_the_token():
    headers = {"content-type": "text/html"}
    with scripted(lambda _: Answer(403, b"<html>Access denied</html>", headers)) as server:
        refusal = _refusal(server.url)
    assert refusal.code == "blocked"
    assert "refused the token" not in refusal.message
    assert "a firewall or proxy on the way" in refusal.message
    assert "`proxy`" in refusal.hint


def test_a_redirect_names_its_target_without_following_it():
    to = {"location": f"https://elsewhere.example/v2?t={TOKEN}"}
    with scripted(lambda _: Answer(301, b"", to)) as server:
        refusal = _refusal(server.url)
    assert (refusal.code, len(server.asked)) == ("redirected", 1)
    assert "redirects GET /v1/properties/ to https://elsewhere.example/v2?t=***." in refusal.message
    assert "`api`" in refusal.hint


def test_an_unknown_name_advises_to_look_at_the_address():
    refusal = _refusal("https://no-such-host.invalid")
    assert "its name is not known here" in refusal.message
    assert "`api`" in refusal.hint
    assert "status page" not in refusal.hint


def test_no_connection_advises_to_look_at_the_network():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    refusal = _refusal(f"http://127.0.0.1:{port}")
    assert "no connection was made" in refusal.message
    assert "`proxy`" in refusal.hint


# --- a company's own root, and its proxy ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_root(tmp_path_factory):
    """A certificate of ``localhost`` that signs itself, as PEM, and the file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(private + pem)
    return pem.decode(), file


def _over_tls(file):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_a_certificate_of_an_own_root_is_refused_and_with_it_taken(own_root):
    pem, file = own_root
    with scripted(lambda asked: page([_row(1)], asked), tls=_over_tls(file)) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        refusal = _refusal(url)
        assert "its certificate is not trusted here" in refusal.message
        assert "`ca_file`" in refusal.hint
        assert "status page" not in refusal.hint
        with Propexo(url, TOKEN) as client:
            assert isinstance(client.post(RESMAN, "i1", [Line()]), NotSent)
        assert server.asked == []
        with Propexo(url, TOKEN, network=Network(roots=pem)) as client:
            assert _listed(client) == ["p1"]


def test_what_is_no_certificate_is_refused():
    with pytest.raises(ChargeplanError, match="holds no certificate") as caught:
        Propexo("https://api.propexo.com", TOKEN, network=Network(roots="nothing"))
    assert "`ca_file`" in caught.value.message


def test_requests_go_through_the_proxy_that_is_named():
    with scripted(lambda asked: page([_row(1)], asked)) as proxy:
        with Propexo("http://127.0.0.1:9", TOKEN, network=Network(proxy=proxy.url)) as client:
            assert _listed(client) == ["p1"]
    assert [asked.headers["host"] for asked in proxy.asked] == ["127.0.0.1:9"]


def test_a_proxy_that_refuses_the_way_is_named_and_nothing_was_sent():
    with scripted(lambda _: Answer(407, b"")) as proxy:
        network = Network(proxy=proxy.url)
        refusal = _refusal("https://localhost:9", network=network)
        assert "the proxy refused" in refusal.message
        assert "`proxy`" in refusal.hint
        with Propexo("https://localhost:9", TOKEN, network=network) as client:
            assert isinstance(client.post(RESMAN, "i1", [Line()]), NotSent)
    assert all(TOKEN not in str(asked.headers) for asked in proxy.asked)
