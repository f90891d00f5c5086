"""The two seals: the digest of a plan, which people approve, and the SHA-256 of a file's bytes, which finds any change."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, Protocol

import msgspec

from chargeplan.core.change import ChangeSet, Total
from chargeplan.planfile.header import Origin

# Part of what is digested, so that a digest made under other rules never equals one made under these.
_RULES: Final = b"chargeplan digest 1\n"


class Sink(Protocol):
    """Where sealed bytes go."""

    def write(self, data: bytes, /) -> int:
        """Take the bytes."""
        ...


class Footer(msgspec.Struct, frozen=True):
    """The last line: totals by action (and ``skip``), and the SHA-256 of every byte before the line."""

    totals: dict[str, Total]
    sha256: str
    kind: str = "footer"


def digest(change_set: ChangeSet, origin: Origin) -> str:
    """What the plan was made from and what it would post, as ``sha256:…``; not its id or times.

    Only what apply posts is in it: a hold or a foreign change beside it shows in the observed digests of
    ``origin``. Overrides of guards are not in it either: they are given to ``apply`` after the plan was approved.
    """
    encoder = msgspec.json.Encoder(order="deterministic")
    running = hashlib.sha256(_RULES)
    window = change_set.window
    for part in (change_set.environment, change_set.as_of, window, _in_order(origin)):
        running.update(encoder.encode(part) + b"\n")
    for change in change_set.to_post():
        running.update(encoder.encode(change) + b"\n")
    return f"sha256:{running.hexdigest()}"


def _in_order(origin: Origin) -> Origin:
    """The same origin whatever order the properties were observed in."""
    properties = tuple(sorted(origin.properties, key=lambda each: (each.integration_id, each.property_id)))
    return msgspec.structs.replace(origin, properties=properties)


class Sealer:
    """Writes lines, and last the footer that seals them."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._running = hashlib.sha256()

    def write(self, line: bytes) -> None:
        """One line, without its end."""
        line += b"\n"
        self._running.update(line)
        self._sink.write(line)

    def close(self, totals: dict[str, Total]) -> None:
        """The footer."""
        self._sink.write(footer_line(totals, self._running.hexdigest()))


def footer_line(totals: dict[str, Total], sha256: str) -> bytes:
    """The only bytes that a footer of those totals and hash can have, so that no byte of it escapes the seal."""
    return msgspec.json.encode(Footer(totals, sha256), order="sorted") + b"\n"


def same(found: bytes, expected: bytes) -> bool:
    """Whether the bytes are equal, in a time that does not betray where they differ."""
    return hmac.compare_digest(found, expected)
