"""What planning one property takes and what it comes to: plain values, which processes send to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from chargeplan.core.change import Change, Movement, Previous, PropertyDigest, Total, UnusedRow
from chargeplan.core.close import Account
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.guard import PropertyFacts
from chargeplan.core.line import AllocationReport, Skip
from chargeplan.core.observed import Property


class PropertyTask(msgspec.Struct, frozen=True):
    """A property to plan, with the names of the plans that cover it."""

    integration: IntegrationConfig
    property: Property
    plans: tuple[str, ...]


class PropertyPlan(msgspec.Struct, kw_only=True):
    """What planning a property came to; plain values, so that it can be sent to another process.

    ``unchanged`` (by charge code) and ``skipped`` (by reason) are counted without being listed. ``before`` is what stood on the
    ledgers in each of the periods before that were read, the last of them first, by charge code in cents; ``previous`` is the
    last, read or not, with what changes against it, and ``movements`` the households that do. ``unrecorded`` counts synced charges of these plans that the journal does not know.
    """

    changes: list[Change]
    skips: list[Skip]
    unchanged: dict[str, Total]
    skipped: dict[str, int]
    allocations: list[AllocationReport]
    diagnostics: tuple[Diagnostic, ...]
    unrecorded: int
    facts: PropertyFacts
    previous: dict[str, Previous]
    movements: list[Movement]
    unused_rows: list[UnusedRow]
    before: list[dict[str, int]]
    digest: PropertyDigest
    accounts: list[Account]


Spread = Callable[[Callable[[PropertyTask], PropertyPlan], Sequence[PropertyTask]], Iterable[PropertyPlan]]
"""A `map`: the plans of the tasks in their order, whoever makes them."""
