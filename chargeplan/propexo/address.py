"""Where the token may go: to one host, over TLS, or to this very machine."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from chargeplan.core.errors import ChargeplanError

if TYPE_CHECKING:
    import httpx

_USUAL_PORTS = {"https": 443, "http": 80}


def host_of(address: str) -> str:
    """The address's host, with its port where that is not the usual one; the same for every way to write the address."""
    parts = urlsplit(address)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host if parts.port in {None, _USUAL_PORTS.get(parts.scheme)} else f"{host}:{parts.port}"


def base_address(text: str) -> httpx.URL:
    """The API's address, checked.

    Raises:
        ChargeplanError: it is no address, not ``https:`` (``http:`` is for loopback only), or says more than a host.
    """
    import httpx  # noqa: PLC0415 - most commands need no more of an address than its host

    try:
        url = httpx.URL(text.rstrip("/"))
    except (httpx.InvalidURL, TypeError) as error:
        raise _refused(text, "is not an address") from error
    if url.userinfo or url.query or url.fragment:
        raise _refused(
            str(url.copy_with(userinfo=b"", query=None, fragment=None)), "says more than a host and a path"
        )
    if url.scheme not in ("https", "http") or not url.host:
        raise _refused(text, "is not an https: address")
    if url.scheme == "http" and not is_loopback(url.host):
        raise _refused(text, "would send the token unencrypted; http: is for this machine only")
    return url


def is_loopback(host: str) -> bool:
    """Whether the host is this machine: 127.0.0.0/8, ::1, or ``localhost``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def segment(value: str) -> str:
    """An id as one segment of a path: it can't become another path.

    Raises:
        ChargeplanError: it is empty or dots only.
    """
    if not value.strip("."):
        raise ChargeplanError(
            f"{value!r} is not an id of Propexo's.", hint="Check the id in chargeplan.yaml."
        )
    return quote(value, safe="")


def _refused(text: str, why: str) -> ChargeplanError:
    return ChargeplanError(
        f"The API address {text} {why}.",
        hint="Set `api` of the environment to https://api.propexo.com or https://api.sandbox.propexo.com.",
        code="bad_api",
    )
