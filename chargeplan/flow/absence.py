"""Settle what three syncs did not show, where the configuration says that absence proves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from chargeplan.core.absence import Ledger, is_proven_absent
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.posting import FREE, Posting
from chargeplan.core.settle import Settled
from chargeplan.flow.ports import Ports
from chargeplan.flow.settling import neighbourhood, noted

_REASON = "three syncs an hour or more apart did not show it, and `absence: proves`"


def settle_absent(ports: Ports) -> list[Settled]:
    """Postings of unknown outcome that were certainly not written are free to be posted anew.

    Raises:
        ChargeplanError: Propexo can't be asked about a job, or the journal not be written.
    """
    moved: list[Settled] = []
    by_property: dict[tuple[str, str], list[Posting]] = defaultdict(list)
    for each in ports.journal.open_postings():
        integration = ports.integrations.get(each.integration_id)
        if each.state == "unknown" and integration is not None and integration.absence_proves:
            by_property[each.integration_id, each.property_id].append(each)
    for (integration_id, _), lines in by_property.items():
        moved += _of_property(ports, ports.integrations[integration_id], lines)
    return moved


def _of_property(ports: Ports, integration: IntegrationConfig, lines: Sequence[Posting]) -> Iterator[Settled]:
    ledger = _ledger(ports, integration, lines)
    if ledger is None:
        return
    sent = {each.batch_id: each.created_at for each in ports.journal.batches()}
    for each in lines:
        proven = is_proven_absent(each, sent.get(each.batch_id) or each.since, ledger, integration)
        if not proven or _is_pending(ports, each):
            continue
        if noted(partial(ports.journal.settle, each.id, "not_posted", reason=_REASON, actor="reconcile")):
            yield Settled(msgspec.structs.replace(each, state="not_posted"), "unknown", _REASON)


def _is_pending(ports: Ports, posting: Posting) -> bool:
    return posting.job_id is not None and ports.remote.job_status(posting.job_id).status == "PENDING"


def _ledger(ports: Ports, integration: IntegrationConfig, lines: Sequence[Posting]) -> Ledger | None:
    """What was seen around the days of the lines; ``None`` where not all of these days were read."""
    days = neighbourhood(lines, integration)
    try:
        covered = ports.snapshot.covered(integration.id)
    except ChargeplanError as problem:
        if problem.code != "never_read":
            raise
        return None
    if covered.first > days.first or covered.last < days.last:
        return None
    property_id = lines[0].property_id
    observed = ports.snapshot.property(integration.id, property_id, days)
    others = [
        each
        for each in ports.journal.briefs(integration.id, property_id, None)
        if each.state not in FREE and each.reference not in {line.reference for line in lines}
    ]
    references = {each.reference for each in others}
    taken = {each.charge_id for each in others if each.charge_id}
    taken |= {charge.id for charge in observed.charges if charge.reference in references}
    return Ledger(observed.charges, taken, ports.snapshot.syncs(integration.id))
