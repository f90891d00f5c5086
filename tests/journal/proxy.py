"""A TCP proxy before PostgreSQL that cuts a connection before, while or after a message passes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Literal, Self

from sqlalchemy.engine import make_url

COMMIT = b"COMMIT\x00"
_WRITES = b"pg_advisory_xact_lock"  # what a transaction that writes begins with
# before: the server never sees it; halfway: half of it; in flight: it sees it, and nobody waits for what it says;
# after: it did it, and its answer is lost.
How = Literal["before", "halfway", "in flight", "after"]
HOWS: tuple[How, ...] = ("before", "halfway", "in flight", "after")


class Proxy:
    """Listens on loopback for one server, named by its address; ``target`` is the address of what stands behind."""

    def __init__(self, target: str) -> None:
        url = make_url(target)
        host = str(url.query.get("host") or url.host)
        self._server: tuple[str, int] | str = (
            f"{host}/.s.PGSQL.{url.port or 5432}" if host.startswith("/") else (host, url.port or 5432)
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._armed: list[tuple[bytes, How, int, bool]] = []
        self._closed = False
        self.refuses = False
        self.cuts = 0
        port = self._listener.getsockname()[1]
        here = url.set(host="127.0.0.1", port=port).difference_update_query(["host"])
        settings = {"sslmode": "disable", "gssencmode": "disable"}
        self.target = here.update_query_dict(settings).render_as_string(hide_password=False)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._listener.close()
        self.drop()

    def cut(self, how: How, message: bytes = COMMIT, *, skip: int = 0, for_good: bool = False) -> None:
        """Cut the connection on which the message (a COMMIT: of what wrote) next passes, or the one after ``skip`` of them.

        With ``for_good``, no other is made from then on.
        """
        with self._lock:
            self._armed.append((message, how, skip, for_good))

    def drop(self) -> None:
        """Cut every connection, now."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _close(pair)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self.refuses:
                    raise ConnectionRefusedError
                server = _connected(self._server)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, server))
            swallow = threading.Event()
            for work in (self._upwards, self._downwards):
                threading.Thread(target=work, args=(client, server, swallow), daemon=True).start()

    def _upwards(self, client: socket.socket, server: socket.socket, swallow: threading.Event) -> None:
        writes = False
        with suppress(OSError):
            while chunk := client.recv(65536):
                writes = writes or _WRITES in chunk
                # That a read has ended is nothing that could be lost.
                how = self._due(chunk) if writes or chunk[-len(COMMIT) :] != COMMIT else None
                writes = writes and COMMIT not in chunk
                if how is None:
                    server.sendall(chunk)
                    continue
                self.cuts += 1
                if how == "halfway":
                    server.sendall(chunk[: len(chunk) // 2])
                elif how == "in flight":
                    swallow.set()
                    server.sendall(chunk)
                elif how == "after":
                    swallow.set()  # the other direction closes when the answer has come
                    server.sendall(chunk)
                    continue
                break
        _close((client, server))

    def _downwards(self, client: socket.socket, server: socket.socket, swallow: threading.Event) -> None:
        with suppress(OSError):
            while chunk := server.recv(65536):
                if swallow.is_set():
                    break
                client.sendall(chunk)
        _close((client, server))

    def _due(self, chunk: bytes) -> How | None:
        with self._lock:
            for place, (message, how, skip, for_good) in enumerate(self._armed):
                if message not in chunk:
                    continue
                if skip:
                    self._armed[place] = (message, how, skip - 1, for_good)
                    continue
                del self._armed[place]
                self.refuses = self.refuses or for_good
                return how
        return None


def _connected(where: tuple[str, int] | str) -> socket.socket:
    if isinstance(where, tuple):
        return socket.create_connection(where)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.connect(where)
    except OSError:
        server.close()
        raise
    return server


def _close(pair: tuple[socket.socket, socket.socket]) -> None:
    for each in pair:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
