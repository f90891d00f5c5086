"""Events: what happened, each sealed with a hash over itself and the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

GENESIS: Final = "0" * 64
_SECRET: Final = frozenset({"token", "password", "passwd", "secret", "authorization", "api_key", "apikey"})


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the record; ``data`` is canonical JSON text."""

    seq: int
    at: str
    kind: str
    actor: str
    host: str
    data: str
    prev_hash: str
    hash: str

    @property
    def facts(self) -> dict[str, Any]:
        """The data as values."""
        facts = json.loads(self.data)
        return facts if isinstance(facts, dict) else {}


def canonical(value: object) -> str:
    """JSON with one spelling per value; dates and records become JSON's own, secrets are masked."""
    return json.dumps(
        _masked(msgspec.to_builtins(value, str_keys=True)),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )


def _masked(value: Any) -> Any:
    # Nothing that we write holds a secret; facts and notes come from elsewhere, and the record can't be unwritten.
    if isinstance(value, dict):
        return {k: "***" if k.lower() in _SECRET and v else _masked(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value


def digest(event: Event) -> str:
    """What the event's hash has to be."""
    content = [event.seq, event.at, event.kind, event.actor, event.host, event.data, event.prev_hash]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def sealed(
    before: tuple[int, str], *, at: str, kind: str, actor: str, host: str, data: Mapping[str, object]
) -> Event:
    """The event that follows ``before``, the number and hash of the last one."""
    seq, prev_hash = before
    event = Event(
        seq=seq + 1,
        at=at,
        kind=kind,
        actor=actor,
        host=host,
        data=canonical(data),
        prev_hash=prev_hash,
        hash="",
    )
    return msgspec.structs.replace(event, hash=digest(event))


def chain_problems(events: Iterable[Event], head: tuple[int, str]) -> Iterator[str]:
    """Everything that is wrong with the chain: altered, missing and reordered events, and an end cut off."""
    last = (0, GENESIS)
    for event in events:
        if event.seq != last[0] + 1:
            yield f"event {event.seq}: follows event {last[0]}; what was between is missing"
        elif event.prev_hash != last[1]:
            yield f"event {event.seq}: does not continue the event before it"
        if digest(event) != event.hash:
            yield f"event {event.seq}: its content does not fit its hash"
        last = (event.seq, event.hash)
    if last != head:
        yield f"the record ends with event {last[0]}, but {head[0]} was the last written (or its hash differs)"
