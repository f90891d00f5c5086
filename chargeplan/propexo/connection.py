"""Connections on which everything ends: a request as a whole within its time, an answer within a size, whatever drips.

httpx bounds each step of a request, so that an answer of a byte a second lasts for ever; and it unpacks whatever it is
sent. Here every read of the network looks at the request's own end, and an answer is unpacked no further than is taken.
"""

from __future__ import annotations

import ssl
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpcore
import httpx
import msgspec

from chargeplan import __version__
from chargeplan.core.errors import ChargeplanError

MOST_BYTES: Final = 64_000_000
"""The most that an answer may have, unpacked (interface.md, *Bounds*)."""
_CONNECT_SECONDS: Final = 10.0
_KEPT: Final = 20
_MOST_AT_ONCE: Final = 100
_SENT_AT_ONCE: Final = 16_384
_ANY_PACKING: Final = zlib.MAX_WBITS | 32


class OversizedError(Exception):
    """An answer has more than `MOST_BYTES`, unpacked."""


class Answer(msgspec.Struct, frozen=True):
    """An answer as it came, its content unpacked."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Network(msgspec.Struct, frozen=True):
    """How the other side is reached: further root certificates (PEM) that are trusted, and a proxy; empty: none."""

    roots: str = ""
    proxy: str = ""


class Connection:
    """Sends requests by one network. Safe to share between threads; it follows no redirect and reads no variable."""

    def __init__(self, tls: ssl.SSLContext, network: Network, *, kept: bool) -> None:
        transport = _TimedTransport(tls, network, kept=_KEPT if kept else 0)
        headers = {
            "User-Agent": f"chargeplan/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        # trust_env would let variables of the environment send the token through a proxy, or take it from .netrc.
        self._client = httpx.Client(
            transport=transport, headers=headers, trust_env=False, follow_redirects=False
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(self, method: str, url: httpx.URL, *, seconds: float, **request: Any) -> Answer:
        """The answer to one request, all of which takes at most ``seconds``.

        Raises:
            httpx.HTTPError, httpx.StreamError, OversizedError, zlib.error: there was none, or none that can be taken.
        """
        timeout = httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))
        with (
            _ending(seconds),
            self._client.stream(method, url, timeout=timeout, **request) as response,
        ):
            return Answer(response.status_code, response.headers, _content(response))


def tls_context(network: Network) -> ssl.SSLContext:
    """The roots that are trusted: the usual ones, and the network's.

    Raises:
        ChargeplanError: the network's are no certificates.
    """
    context = httpx.create_ssl_context(trust_env=False)
    if network.roots:
        try:
            context.load_verify_locations(cadata=network.roots)
        except (ssl.SSLError, ValueError) as error:
            raise ChargeplanError(
                "The file that `ca_file` names holds no certificate.",
                hint="It is a PEM file: `-----BEGIN CERTIFICATE-----` and so on, of the root that signs here.",
                code="ca_file_unusable",
            ) from error
    return context


def _content(response: httpx.Response) -> bytes:
    packed = response.headers.get("content-encoding", "").strip().lower() in {"gzip", "deflate"}
    unpacking = zlib.decompressobj(_ANY_PACKING)
    content = bytearray()
    for chunk in response.iter_raw():
        content += unpacking.decompress(chunk, MOST_BYTES + 1 - len(content)) if packed else chunk
        if len(content) > MOST_BYTES:
            raise OversizedError(f"the answer has more than {MOST_BYTES // 1_000_000} MB")
    return bytes(content)


# --- the end of a request -----------------------------------------------------------------------------------------------

_request = threading.local()


@contextmanager
def _ending(seconds: float) -> Iterator[None]:
    """Whatever this thread asks of the network within the block ends after so many seconds."""
    _request.ends_at = time.monotonic() + seconds
    try:
        yield
    finally:
        del _request.ends_at


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    ends_at: float | None = getattr(_request, "ends_at", None)
    if ends_at is None:
        return timeout
    left = ends_at - time.monotonic()
    if left <= 0:
        raise late("the request did not end in its time")
    return left if timeout is None else min(timeout, left)


class _TimedTransport(httpx.HTTPTransport):
    """httpx's own transport, over a network that looks at the request's end."""

    def __init__(self, tls: ssl.SSLContext, network: Network, *, kept: int) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            proxy=httpcore.Proxy(network.proxy) if network.proxy else None,
            max_connections=_MOST_AT_ONCE,
            max_keepalive_connections=kept,
            keepalive_expiry=5.0,
            network_backend=_TimedBackend(),
        )


class _TimedBackend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _TimedStream(super().connect_tcp(host, port, left, local_address, socket_options))


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for begin in range(0, len(buffer), _SENT_AT_ONCE):
            piece = buffer[begin : begin + _SENT_AT_ONCE]
            self._inner.write(piece, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
