"""Connections that the sandbox can cut: uvicorn's HTTP/1.1 protocol, with its transport within reach.

ASGI has no way to close a socket without an answer, and that is the failure that matters most here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import MutableMapping

    from starlette.types import Receive

Place = tuple[Any, Any]
"""The two ends of a connection, which name it."""


class Connections:
    """The open connections of one server."""

    def __init__(self) -> None:
        self.transports: dict[Place, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """The protocol class to give to uvicorn, which keeps this register."""
        transports = self.transports

        class CuttableProtocol(H11Protocol):
            """HTTP/1.1 whose transport can be found by the ASGI scope."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                transports[(self.client, self.server)] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop((self.client, self.server), None)
                super().connection_lost(exc)

        return CuttableProtocol

    async def cut(self, scope: MutableMapping[str, Any], receive: Receive) -> None:
        """Close the connection of a request, after what was written so far has left, and wait until it is gone.

        Uvicorn sends a 500 of its own for a request that ends without an answer, unless it knows the client is gone.
        """
        client = tuple(scope["client"]) if scope["client"] else None
        server = tuple(scope["server"]) if scope["server"] else None
        self.transports[(client, server)].close()
        # The body has been read, so the next thing to be received is the end.
        while (await receive())["type"] != "http.disconnect":
            continue
