"""Settle everything that is open: poll jobs, ask the write log, refresh the snapshot, match. Posts nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date

import msgspec

from chargeplan.core.errors import ChargeplanError, LockedError
from chargeplan.core.matching import removed_upstream
from chargeplan.core.posting import Posting
from chargeplan.core.settle import Settled, StillOpen, once_each, still_open
from chargeplan.flow.ports import Ports
from chargeplan.flow.settling import (
    neighbourhood,
    settle_jobs,
    settle_killed,
    settle_seen,
    settle_unknown,
)


def reconcile(ports: Ports) -> list[Settled]:
    """Settle what evidence settles; each posting that moved, once.

    Raises:
        ChargeplanError: Propexo can't be read, or the journal not be written; what was settled before is recorded.
    """
    moved = settle_jobs(ports)
    postings = ports.journal.open_postings()
    for integration_id in dict.fromkeys(each.integration_id for each in postings):
        lines = [each for each in postings if each.integration_id == integration_id]
        moved += _killed(ports, lines)
        days = neighbourhood(lines, ports.integrations.get(integration_id))
        ports.snapshot.refresh(integration_id, days, full=False, fees=False, payments=False)
    moved += settle_unknown(ports)
    moved += settle_seen(ports)
    return once_each(moved)


def _killed(ports: Ports, lines: Sequence[Posting]) -> list[Settled]:
    moved: list[Settled] = []
    intended = {(each.integration_id, each.property_id) for each in lines if each.state == "intended"}
    for integration_id, property_id in sorted(intended):
        lock = ports.journal.lock(integration_id, [property_id], purpose="reconcile", timeout=0)
        # An intent of a run that is still at work is none of ours.
        with suppress(LockedError), lock:
            moved += settle_killed(ports.journal, frozenset({(integration_id, property_id)}))
    return moved


def open_now(ports: Ports, today: date) -> StillOpen:
    """What is still open, by the journal alone."""
    return still_open(ports.journal.open_postings(), ports.integrations, today)


class Removed(msgspec.Struct, frozen=True):
    """Postings that were removed upstream; ``unread`` says of which integrations that can't be said, and why."""

    postings: tuple[Posting, ...]
    unread: tuple[str, ...]


def removed(ports: Ports) -> Removed:
    """Visible postings whose charge the last sync did not see although it saw its neighbours, by the last snapshot."""
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


def _removed_of(ports: Ports, integration_id: str, property_id: str) -> Iterator[Posting]:
    if ports.snapshot.was_seen_at_once(property_id):
        return
    window = ports.snapshot.covered(integration_id)
    observed = ports.snapshot.property(integration_id, property_id, window)
    gone = removed_upstream(observed)
    references = {charge.reference for charge in observed.charges if charge.id in gone and charge.reference}
    for posting in ports.journal.postings(integration_id, property_id) if gone else ():
        if posting.state == "visible" and (posting.charge_id in gone or posting.reference in references):
            yield posting
