"""The write log, each entry with the batch of ours that it is of, whether its parameters name the batch or our references."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from chargeplan.core.logbook import Request, attributed
from chargeplan.core.posting import WriteLogEntry
from chargeplan.flow.ports import Journal, Ports


def read_log(ports: Ports, integration_id: str, time_range: str) -> Sequence[WriteLogEntry]:
    """Entries of the write log of an integration; ``time_range`` is ``hour``, ``day``, ``week`` or ``month``.

    Raises:
        ChargeplanError: it can't be had.
    """
    integration = ports.integrations.get(integration_id)
    # The log knows no category for credits, so that it is read whole where one may be in it.
    credits_too = integration is not None and integration.has_credits_apart
    entries = ports.remote.write_log(integration_id, time_range, credits_too=credits_too)
    nameless = {reference for each in entries if not each.batch_ids for reference in each.references}
    return list(attributed(entries, list(_requests(ports.journal, nameless)))) if nameless else entries


def _requests(journal: Journal, references: Iterable[str]) -> Iterator[Request]:
    """The requests that had any of the references, as far as all of theirs are among these."""
    found: dict[str, set[str]] = defaultdict(set)
    for reference in sorted(references):
        for posting in journal.find(reference):
            found[posting.batch_id].add(reference)
    for batch in journal.batches():
        if batch.batch_id in found and len(found[batch.batch_id]) == batch.count:
            yield Request(batch.batch_id, frozenset(found[batch.batch_id]), batch.created_at, batch.job_id)
