"""What a plan file says of itself: what it was made from, for how long it holds, and its digest."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from chargeplan import __version__
from chargeplan.core.change import PropertyDigest
from chargeplan.core.dates import Days

KIND: Final = "planfile"
FORMAT_VERSION: Final = "1.0"


class PlanOptions(msgspec.Struct, frozen=True):
    """The filters that the plan was made with; empty: everything.

    ``shard`` is written ``I/N``; ``missed`` is true where missed lines were to be posted.
    """

    plans: tuple[str, ...] = ()
    charges: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    # Unset, not empty: a plan without shards keeps the digest that it had before there were any.
    shard: str | msgspec.UnsetType = msgspec.UNSET
    missed: bool | msgspec.UnsetType = msgspec.UNSET


class Allowance(msgspec.Struct, frozen=True):
    """A guard that was overridden, to which value (empty where it has none), and why."""

    guard: str
    value: str
    reason: str


class Origin(msgspec.Struct, frozen=True):
    """What a plan was made from. ``inputs`` is the SHA-256 of every input file by relative path.

    ``journal_id`` is the journal's own identity, not its address, which may hold a password.
    """

    api_host: str
    journal_id: str
    options: PlanOptions = PlanOptions()
    inputs: dict[str, str] = msgspec.field(default_factory=dict)
    properties: tuple[PropertyDigest, ...] = ()


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a plan file. Moments are RFC 3339 in UTC; it holds no token.

    ``planned_by`` is the person who made it, as the machine knew them.
    """

    plan_id: str
    digest: str
    created_at: str
    expires_at: str
    environment: str
    as_of: date
    window: Days
    origin: Origin
    planned_by: str
    allowances: tuple[Allowance, ...] = ()
    kind: str = KIND
    format_version: str = FORMAT_VERSION
    tool_version: str = __version__
