"""A lever of a sandbox that another process serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 60.0


def pull_at(url: str, name: str, arguments: Mapping[str, Any]) -> Any:
    """Pull a lever of the sandbox at that address; the answer as JSON.

    Raises:
        ConnectionError: Nobody answers there.
        LookupError: What answers is no sandbox.
        ValueError: The lever refused, with its words.
    """
    try:
        answer = httpx.post(
            f"{url.rstrip('/')}/_sandbox/{name}", json=dict(arguments), trust_env=False, timeout=_SECONDS
        )
    except httpx.TransportError as error:
        raise ConnectionError(str(error)) from error
    try:
        said = answer.json()
    except ValueError:
        said = None
    if answer.status_code == httpx.codes.OK and isinstance(said, dict) and "result" in said:
        return said["result"]
    refusal = said.get("error") if isinstance(said, dict) else None
    if isinstance(refusal, dict) and refusal.get("code") == "sandbox_lever":
        raise ValueError(refusal["message"])
    raise LookupError(url)
