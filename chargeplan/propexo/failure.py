"""Why a read got no answer, in words with what to do: by where on the way it failed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Final

import httpx
import msgspec

from chargeplan.propexo.connection import OversizedError

_LATER: Final = "Try again in some minutes; if it stays, look at Propexo's status page."
_CERTIFICATE: Final = (
    "If a company's proxy or firewall signs what passes here, name its root certificate with `ca_file` in chargeplan.yaml; "
    "else somebody may be reading along, and the token was not sent."
)
_NAME: Final = (
    "Check the address in `api` and this machine's name service; where only a proxy reaches the internet, name it with "
    "`proxy` in chargeplan.yaml."
)
_NETWORK: Final = (
    "Check this machine's network and the address in `api`; where only a proxy reaches the internet, name it with `proxy` "
    "in chargeplan.yaml."
)
_PROXY: Final = "Check the address in `proxy`, and that the proxy lets this host pass."
_TOO_LARGE: Final = "Look at the address in `api`: Propexo's answers are far smaller."


class Failure(msgspec.Struct, frozen=True):
    """What went wrong, and what to do; ``is_final`` where trying again at once is of no use."""

    words: str
    hint: str = _LATER
    is_final: bool = False


def failure_of(error: Exception) -> Failure:
    """The failure behind an exception of httpx's, or of unpacking."""
    said = f"{type(error).__name__}: {error}".strip(": ")
    causes = list(_causes(error))
    if isinstance(error, OversizedError):
        return Failure(str(error), _TOO_LARGE, is_final=True)
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Failure(f"its certificate is not trusted here ({said})", _CERTIFICATE, is_final=True)
    if isinstance(error, httpx.ProxyError):
        return Failure(f"the proxy refused ({said})", _PROXY)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Failure(f"its name is not known here ({said})", _NAME)
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return Failure(f"no connection was made ({said})", _NETWORK)
    return Failure(said)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
