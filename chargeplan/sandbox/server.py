"""The sandbox as a server: in a thread for the demo and tests, or by itself for the playground."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import uvicorn

from chargeplan.sandbox.connection import Connections
from chargeplan.sandbox.gate import Gate
from chargeplan.sandbox.state import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date
    from pathlib import Path
    from typing import Any


class Served(msgspec.Struct, frozen=True):
    """A sandbox that answers."""

    url: str
    """Where, without a slash at the end: ``http://127.0.0.1:PORT``."""
    state: Sandbox


@contextmanager
def serve(state: Sandbox, host: str = "127.0.0.1", port: int = 0) -> Iterator[Served]:
    """Answer from a thread of this process until the block ends; port 0 takes a free one.

    The socket listens before the block begins, so no request is refused. The state stays open afterwards.

    Raises:
        OSError: The port is taken.
    """
    with _listening(host, port) as listener:
        server = _ThreadServer(state)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="chargeplan-sandbox", daemon=True
        )
        thread.start()
        try:
            yield Served(_url(listener), state)
        finally:
            server.stop()
            thread.join()


def run_forever(
    path: Path | str,
    port: int = 8765,
    host: str = "127.0.0.1",
    *,
    today: date | None = None,
    log_requests: bool = False,
    announce: Callable[[str], None] = lambda _: None,
    **settings: Any,
) -> None:
    """Serve a state file until the process is interrupted. ``announce`` is called with the address once it listens.

    Raises:
        OSError: The port is taken.
        KeyboardInterrupt: Ctrl-C, after the server has shut down.
    """
    with Sandbox.open(path, today=today, **settings) as state, _listening(host, port) as listener:
        announce(_url(listener))
        level = "info" if log_requests else "critical"
        uvicorn.Server(_config(state, Connections(), log_level=level, access_log=log_requests)).run(
            sockets=[listener]
        )


class _ThreadServer(uvicorn.Server):
    """Uvicorn without its tenths of a second: it stops when told, and whoever still waits for an answer gets none."""

    def __init__(self, state: Sandbox) -> None:
        self._connections = Connections()
        super().__init__(_config(state, self._connections, log_level="critical", access_log=False))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._running = threading.Event()

    def stop(self) -> None:
        """End, from another thread."""
        self._running.wait()
        assert self._loop is not None, "the main loop has set it before it said that it runs"
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def main_loop(self) -> None:
        """Run until told to stop, without looking around ten times a second."""
        self._loop = asyncio.get_running_loop()
        self._running.set()
        await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close everything at once."""
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for transport in list(self._connections.transports.values()):
            transport.abort()
        # Transports tell their protocols in the loop's next turn.
        await asyncio.sleep(0)


def _config(state: Sandbox, connections: Connections, log_level: str, *, access_log: bool) -> uvicorn.Config:
    return uvicorn.Config(
        Gate(state, connections),
        http=connections.protocol(),
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=uvicorn.config.LOGGING_CONFIG if access_log else None,
        log_level=log_level,
        access_log=access_log,
        server_header=False,
        date_header=False,
    )


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    # asyncio takes Nagle's delay off only where the protocol is named; with it, each answer costs 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
        yield listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
