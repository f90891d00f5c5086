"""Settle everything that is open: poll jobs, ask the write log, refresh the snapshot, match. Posts nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date

import msgspec

from chargeplan.core.change import Action, Change
from chargeplan.core.config import Project
from chargeplan.core.decision import standing
from chargeplan.core.errors import ChargeplanError, LockedError
from chargeplan.core.evidence import Evidence
from chargeplan.core.matching import removed_upstream
from chargeplan.core.observed import ObservedProperty
from chargeplan.core.posting import SETTLED, Posting
from chargeplan.core.settle import Settled, StillOpen, once_each, still_open
from chargeplan.flow.absence import settle_absent
from chargeplan.flow.jobs import system_of
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.planning import planned_of
from chargeplan.flow.ports import Ports
from chargeplan.flow.settling import (
    neighbourhood,
    settle_jobs,
    settle_killed,
    settle_seen,
    settle_unknown,
)

# What waits for a person beside the states of postings.
WAITING: tuple[Action, ...] = ("drift", "hold", "missed", "removed_upstream")


def reconcile(ports: Ports) -> list[Settled]:
    """Settle what evidence settles; each posting that moved, once.

    Raises:
        ChargeplanError: Propexo can't be read, or the journal not be written; what was settled before is recorded.
    """
    moved = settle_jobs(ports)
    postings = ports.journal.open_postings()
    for integration_id in dict.fromkeys(posting.integration_id for posting in postings):
        lines = [posting for posting in postings if posting.integration_id == integration_id]
        moved += _killed(ports, lines)
        days = neighbourhood(lines, ports.integrations.get(integration_id))
        ports.snapshot.refresh(
            integration_id,
            days,
            full=False,
            fees=False,
            payments=False,
            codes=(),
            named=(),
            reads_back=system_of(ports.integrations, integration_id).reads_back,
        )
    moved += settle_unknown(ports)
    moved += settle_seen(ports)
    moved += settle_absent(ports)
    return once_each(moved)


def _killed(ports: Ports, lines: Sequence[Posting]) -> list[Settled]:
    moved: list[Settled] = []
    intended = {(line.integration_id, line.property_id) for line in lines if line.state == "intended"}
    for integration_id, property_id in sorted(intended):
        lock = ports.journal.lock(integration_id, [property_id], purpose="reconcile", timeout=0)
        # An intent of a run that is still at work is none of ours.
        with suppress(LockedError), lock:
            moved += settle_killed(ports.journal, frozenset({(integration_id, property_id)}))
    return moved


def open_now(ports: Ports, today: date) -> StillOpen:
    """What is still open, by the journal alone."""
    return still_open(ports.journal.open_postings(), ports.integrations, today)


def waiting(ports: Ports, project: Project, request: PlanRequest) -> Mapping[Action, tuple[Change, ...]]:
    """What waits for a person by the plans of the request's window and of `correct_back` before it.

    Raises:
        ChargeplanError: the days were never read, or can't be.
    """
    changes = planned_of(ports, project, request).change_set.changes
    return {action: tuple(change for change in changes if change.action == action) for action in WAITING}


class Removed(msgspec.Struct, frozen=True):
    """Postings that were removed upstream; ``unread`` says of which integrations that can't be said, and why."""

    postings: tuple[Posting, ...]
    unread: tuple[str, ...]


def removed(ports: Ports) -> Removed:
    """Postings on a ledger whose charge the last sync did not see although it saw its neighbours, by the last snapshot."""
    postings: list[Posting] = []
    unread: list[str] = []
    for integration_id in ports.integrations:
        try:
            properties = ports.snapshot.properties(integration_id)
        except ChargeplanError as problem:
            # Where nothing was read yet, nothing can be missing from it.
            if problem.code != "never_read":
                unread.append(problem.message)
            continue
        for listed in properties:
            postings += _removed_of(ports, integration_id, listed.id)
    return Removed(tuple(postings), tuple(unread))


def seen_otherwise(ports: Ports) -> Mapping[str, int | None]:
    """Lines that the last snapshot shows otherwise than they were posted: the cents there, or ``None`` where they are gone.

    What a person accepted is as it should be.
    """
    otherwise: dict[str, int | None] = {}
    for integration_id, integration in ports.integrations.items():
        for observed in _last_seen(ports, integration_id):
            known = (integration_id, observed.property.id)
            evidence = Evidence(
                observed,
                ports.journal.postings(*known),
                integration,
                decisions=standing(ports.journal.decisions(*known)),
            )
            otherwise |= evidence.seen_otherwise()
    return otherwise


def _last_seen(ports: Ports, integration_id: str) -> Iterator[ObservedProperty]:
    """Every property as the last snapshot has it; none where the integration was never read."""
    try:
        covered = ports.snapshot.covered(integration_id)
    except ChargeplanError as problem:
        if problem.code != "never_read":
            raise
        return
    for listed in ports.snapshot.properties(integration_id):
        yield ports.snapshot.property(integration_id, listed.id, covered)


def _removed_of(ports: Ports, integration_id: str, property_id: str) -> Iterator[Posting]:
    """Those of one property, its units that came from another included."""
    if ports.snapshot.was_seen_at_once(property_id):
        return
    window = ports.snapshot.covered(integration_id)
    observed = ports.snapshot.property(integration_id, property_id, window)
    integration = ports.integrations.get(integration_id)
    gone = frozenset() if integration is None else removed_upstream(observed, integration)
    if not gone:
        return
    # A charge that was entered again under the same reference stands for the line.
    standing_ones = {charge.reference for charge in observed.charges if charge.id not in gone}
    references = {charge.reference for charge in observed.charges if charge.id in gone} - standing_ones
    units = sorted(unit.id for unit in observed.units)
    joined = ports.journal.postings_of_units(integration_id, property_id, units, None)
    for posting in (*ports.journal.postings(integration_id, property_id), *joined):
        if posting.state not in SETTLED or posting.reference in standing_ones:
            continue
        if posting.charge_id in gone or posting.reference in references:
            yield posting
