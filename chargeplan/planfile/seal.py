"""The two seals: the digest of a plan, which people approve, and the SHA-256 of a file's bytes, which finds any change."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final, Protocol

import msgspec

from chargeplan.core.change import Change, ChangeSet, ObservedMark, Total
from chargeplan.planfile.header import Allowance, Header, Origin
from chargeplan.planfile.review import Review, review_of

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


def sealed_header(
    change_set: ChangeSet,
    origin: Origin,
    *,
    created_at: str,
    expires_at: str,
    planned_by: str,
    allowances: tuple[Allowance, ...] = (),
) -> Header:
    """The header of the change set's plan file, with its digest."""
    header = Header(
        plan_id=change_set.plan_id,
        digest="",
        created_at=created_at,
        expires_at=expires_at,
        environment=change_set.environment,
        as_of=change_set.as_of,
        window=change_set.window,
        origin=origin,
        planned_by=planned_by,
        allowances=allowances,
    )
    return msgspec.structs.replace(header, digest=digest(header, review_of(change_set), change_set.changes))


def digest(header: Header, review: Review, changes: Iterable[Change]) -> str:
    """What people approve, as ``sha256:…``: what the plan was made from, and all that a reviewer is shown of it.

    Its id, the moment at which it was made and what reading cost are not in it: the same plan made twice has one digest.
    ``changes`` may have those that are ``unchanged``; the review counts them, and a plan file leaves them out.
    """
    encoder = msgspec.json.Encoder(order="deterministic")
    running = hashlib.sha256(_RULES)
    origin = _in_order(header.origin)
    shown = msgspec.structs.replace(review, observed=tuple(map(_without_cost, review.observed)))
    made = (header.environment, header.as_of, header.window, header.planned_by, header.expires_at)
    for part in (made, origin, header.allowances, shown):
        running.update(encoder.encode(part) + b"\n")
    for change in changes:
        if change.action != "unchanged":
            running.update(encoder.encode(change) + b"\n")
    return f"sha256:{running.hexdigest()}"


def _without_cost(mark: ObservedMark) -> ObservedMark:
    return msgspec.structs.replace(mark, requests=0, records=0)


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
