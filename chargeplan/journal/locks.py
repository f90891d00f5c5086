"""Locks of properties: rows with an owner, a heartbeat and an expiry, and a fencing token that only grows.

The lock keeps two runs from asking Propexo at once; that a charge is never posted twice does not hang on it: an
intent is checked against the token in its own transaction, and the database keeps one live posting per reference.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, and_, delete, insert, select, update

from chargeplan.core.errors import ChargeplanError, LockedError
from chargeplan.journal import schema

EXPIRY_SECONDS: Final = 120.0
_table: Final = schema.locks
_SHOWN: Final = (
    "id",
    "integration_id",
    "property_id",
    "owner",
    "host",
    "pid",
    "since",
    "heartbeat",
    "expires",
)


def hostname() -> str:
    """This host, as locks and events name it."""
    return socket.gethostname()


# --- is the owner still there? ------------------------------------------------------------------------------------


def process_mark(pid: int) -> str:
    """What distinguishes a process from another with its number: boot, pid namespace and start; empty where unknown or gone."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = str(Path("/proc/self/ns/pid").readlink())
        # The name in parentheses may hold anything, so count from the last one.
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return ""
    # A zombie holds its number and nothing else.
    return "" if fields[0] in {"Z", "X"} else f"{boot}/{space}/{fields[19]}"


def owner_is_gone(row: RowMapping) -> bool:
    """Whether the owner certainly ran here and certainly ended; in doubt it lives, and the expiry decides."""
    if row["host"] != hostname():
        return False
    if row["process"]:
        # Same name, other boot or namespace: maybe another container, whose processes can't be seen from here.
        mine = process_mark(os.getpid()).rpartition("/")[0]
        theirs = str(row["process"]).rpartition("/")[0]
        return theirs == mine and process_mark(row["pid"]) != row["process"]
    return sys.platform != "win32" and not _exists(row["pid"])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


# --- rows ---------------------------------------------------------------------------------------------------------


def shown(row: RowMapping) -> dict[str, Any]:
    """A lock as `journal locks --json` lists it."""
    return {name: row[name] for name in _SHOWN}


def held(connection: Connection) -> list[RowMapping]:
    """Every lock, oldest first."""
    return list(connection.execute(select(_table).order_by(_table.c.since, _table.c.token)).mappings())


def is_broken(row: RowMapping, now: str) -> bool:
    """Whether nobody stands behind the lock any more."""
    return bool(row["expires"] <= now) or owner_is_gone(row)


def take(
    connection: Connection,
    rows: Sequence[tuple[str, str]],
    *,
    owner: str,
    purpose: str,
    now: str,
) -> dict[str, int]:
    """Insert the locks, all free by now, each with a new token: by property."""
    fence = _advance(connection, len(rows))
    pid = os.getpid()
    same = {"owner": owner, "host": hostname(), "pid": pid, "process": process_mark(pid), "purpose": purpose}
    times = {"since": now, "heartbeat": now, "expires": later(now, EXPIRY_SECONDS)}
    tokens = {property_id: fence + i for i, (_, property_id) in enumerate(rows, start=1)}
    new = [
        {"integration_id": i, "property_id": p, "id": f"L{tokens[p]}", "token": tokens[p], **same, **times}
        for i, p in rows
    ]
    connection.execute(insert(_table), new)
    return tokens


def _advance(connection: Connection, count: int) -> int:
    counter = schema.meta.c.key == "fence"
    fence = int(connection.execute(select(schema.meta.c.value).where(counter)).scalar_one())
    connection.execute(update(schema.meta).where(counter).values(value=str(fence + count)))
    return fence


def renew(connection: Connection, tokens: Sequence[int], now: str) -> int:
    """Beat; how many of the locks are still ours."""
    times = {"heartbeat": now, "expires": later(now, EXPIRY_SECONDS)}
    return connection.execute(update(_table).where(_table.c.token.in_(tokens)).values(**times)).rowcount


def drop(connection: Connection, tokens: Sequence[int]) -> None:
    """Delete the locks; those that were broken meanwhile are another's by now, with another token."""
    connection.execute(delete(_table).where(_table.c.token.in_(tokens)))


def check_fence(connection: Connection, integration_id: str, property_id: str, token: int) -> None:
    """Do nothing where the property's lock is still the one with this token.

    Raises:
        ChargeplanError: ``lock_lost``.
    """
    ours = and_(_table.c.integration_id == integration_id, _table.c.property_id == property_id)
    if connection.execute(select(_table.c.token).where(ours)).scalar_one_or_none() != token:
        raise ChargeplanError(
            f"This run lost the lock of property {property_id}; the batch was not sent.",
            hint="Another run took over, or somebody unlocked it. Run it again; see `chargeplan journal locks`.",
            code="lock_lost",
        )


def locked(row: RowMapping) -> LockedError:
    """The error that says who holds the lock and what can be done."""
    return LockedError(
        f"Property {row['property_id']} is locked by {row['owner']} on {row['host']} (pid {row['pid']}) "
        f"since {row['since']}, for {row['purpose']}. Nothing was posted.",
        hint=f"Wait for it, or look with `chargeplan journal locks`; if that run is certainly over: "
        f"`chargeplan journal unlock {row['id']}`.",
        code="locked",
    )


def later(moment: str, seconds: float) -> str:
    """That many seconds after, in the same writing."""
    return stamp(datetime.fromisoformat(moment) + timedelta(seconds=seconds))


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def beating(beat: Callable[[], None], every: float) -> Iterator[None]:
    """Call ``beat`` from a thread of its own, until the block is left."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(every):
            # A beat that fails is tried again in time; a lock that is lost all the same shows at the next intent.
            with suppress(ChargeplanError):
                beat()

    thread = threading.Thread(target=run, name="chargeplan-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
