"""What goes wrong, and when: a script that is consumed in order, or a seed that draws.

A fault waits for a request that it fits (method, path pattern, ``skip`` of them let by first), happens ``times`` times
and is gone. Of several that fit, the oldest happens. It may do several things at once, so that
“FAILURE though applied, and the answer was lost as well” is one fault.
"""

from __future__ import annotations

import random
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chargeplan.sandbox.store import Store


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that goes wrong. What is not set goes as usual."""

    method: str = "*"
    """The HTTP method that it waits for, in capitals, or ``*``."""
    path: str = "*"
    """A shell pattern on the path without its trailing slash, such as ``*/batch/resman``."""
    skip: int = 0
    """How many fitting requests are let by before it happens."""
    times: int = 1
    """How many times it happens."""

    drop: Literal["before", "during", "after"] | None = None
    """Close the connection: before the work, in the middle of the answer, or after the work without an answer."""
    status: int | None = None
    """Answer this status instead of the usual answer."""
    work: bool = True
    """With ``status``: whether the work was done all the same."""
    retry_after: float | None = None
    """Say ``Retry-After``, in seconds."""
    body: Literal["malformed", "truncated", "empty", "html", "shapeless"] | None = None
    """Spoil the usual answer's body and keep its status: broken JSON, half of it, nothing, a page, or another object."""
    delay: float = 0.0
    """Wait, in seconds of the wall clock, after the work and before the answer."""

    job: Literal["SUCCESS", "FAILURE", "PARTIAL_SUCCESS", "PENDING"] | None = None
    """How the write job ends that this request makes; ``PENDING``: never."""
    written: int | list[int] | None = None
    """Which of its charges reach the system: the first so many, or these positions. ``None``: all, but a FAILURE none."""
    errors: list[str] = []
    """What the job says in ``errors``."""
    log: Literal["hidden", "late"] | None = None
    """Whether the job's write log entry never appears, or only after ``log_reads`` readings of the log."""
    log_reads: int = 2
    """With ``log: late``: how many readings of the log do not show it yet."""

    lever: str | None = None
    """A lever that the operator pulls at this moment: ``sync``, ``approve``, ``redate``, ``delete``, ``insert``, …"""
    arguments: dict[str, Any] = {}
    """The lever's arguments, as over HTTP."""
    lever_when: Literal["before", "after"] = "after"
    """Whether the lever is pulled before or after the request's work."""

    def fits(self, method: str, path: str) -> bool:
        """Whether it waits for this request."""
        return self.method in ("*", method) and fnmatchcase(path.rstrip("/"), self.path.rstrip("/"))


class Chaos(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Faults drawn by a seed: the same seed and the same requests go wrong the same way."""

    seed: int
    """The seed."""
    rate: float = 0.1
    """The part of the fitting requests that goes wrong, 0 to 1."""
    method: str = "*"
    """As in a fault."""
    path: str = "/v1/*"
    """As in a fault."""


_READ_FAULTS: tuple[Fault, ...] = (
    Fault(drop="before"),
    Fault(drop="during"),
    Fault(status=500, work=False),
    Fault(status=502, work=False),
    Fault(status=504, work=False),
    Fault(status=429, work=False),
    Fault(body="malformed"),
    Fault(body="truncated"),
    Fault(body="empty"),
)
_WRITE_FAULTS: tuple[Fault, ...] = (
    *_READ_FAULTS,
    Fault(drop="after"),
    Fault(status=500),
    Fault(status=502),
    Fault(status=504),
    Fault(job="FAILURE", errors=["The system did not answer in time."], written=1_000_000),
    Fault(job="FAILURE", errors=["Validation failed"]),
    Fault(job="PARTIAL_SUCCESS", errors=["Some transactions were not imported."], written=1),
    Fault(job="PENDING"),
    Fault(drop="after", log="hidden"),
    Fault(drop="after", log="late"),
)


def add_faults(store: Store, faults: Sequence[Fault | dict[str, Any]]) -> None:
    """Append to the script.

    Raises:
        msgspec.ValidationError: A fault has an unknown key or a wrong value.
    """
    checked = [msgspec.convert(f, Fault) if isinstance(f, dict) else f for f in faults]
    store.change_many(
        "INSERT INTO faults (fault) VALUES (?)", [(msgspec.json.encode(f).decode(),) for f in checked]
    )


def waiting_faults(store: Store) -> list[Fault]:
    """The faults that have not happened yet, oldest first."""
    return [
        msgspec.json.decode(row["fault"], type=Fault)
        for row in store.rows("SELECT fault FROM faults ORDER BY seq")
    ]


def clear_faults(store: Store) -> None:
    """Forget the script and the seed."""
    with store.transaction():
        store.change("DELETE FROM faults")
        store.set_value("chaos", None)


def set_chaos(store: Store, chaos: Chaos | None) -> None:
    """Draw faults by a seed from now on, or no more."""
    store.set_value("chaos", msgspec.to_builtins(chaos))
    store.set_value("chaos_draws", 0)


def take_fault(store: Store, method: str, path: str) -> Fault | None:
    """The fault that happens to this request, if any: the oldest scripted one that fits, else one that is drawn.

    Every scripted fault that fits and still lets requests by counts this one.
    """
    with store.transaction():
        for row in store.rows("SELECT seq, fault FROM faults ORDER BY seq"):
            fault = msgspec.json.decode(row["fault"], type=Fault)
            if not fault.fits(method, path):
                continue
            if fault.skip > 0:
                _keep(store, row["seq"], msgspec.structs.replace(fault, skip=fault.skip - 1))
                continue
            _keep(store, row["seq"], msgspec.structs.replace(fault, times=fault.times - 1))
            return fault
        return _draw(store, method, path)


def _keep(store: Store, seq: int, fault: Fault) -> None:
    if fault.times <= 0:
        store.change("DELETE FROM faults WHERE seq = ?", (seq,))
    else:
        store.change("UPDATE faults SET fault = ? WHERE seq = ?", (msgspec.json.encode(fault).decode(), seq))


def _draw(store: Store, method: str, path: str) -> Fault | None:
    settings = store.value("chaos")
    if settings is None:
        return None
    chaos = msgspec.convert(settings, Chaos)
    if not Fault(method=chaos.method, path=chaos.path).fits(method, path):
        return None
    draw = random.Random(f"{chaos.seed}:{store.reserve('chaos_draws')}")  # noqa: S311 - faults, not secrets
    if draw.random() >= chaos.rate:
        return None
    return draw.choice(_WRITE_FAULTS if method == "POST" else _READ_FAULTS)
