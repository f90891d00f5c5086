"""Which of our requests an entry of the write log is of, where its parameters hold no batch id.

A property system that takes no batch id still gets our references, in a field or in a text, and the log shows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

import msgspec

from chargeplan.core.dates import moment
from chargeplan.core.posting import WriteLogEntry

# Our clock and Propexo's need not agree to the minute.
_EARLIER = timedelta(minutes=5)


class Request(msgspec.Struct, frozen=True):
    """A request as the journal knows it: all references in it, when it was intended, and its job where that is known."""

    batch_id: str
    references: frozenset[str]
    sent_at: str
    job_id: str | None


def attributed(entries: Iterable[WriteLogEntry], requests: Sequence[Request]) -> Iterator[WriteLogEntry]:
    """The entries, each that can only be of one of the requests with that one's batch id.

    Such an entry names all references of the request and no other, is not much older than it, and its job is no other
    request's. Of two requests alike the earlier has the earlier entry; a request has one entry at most.
    """
    free = sorted(requests, key=lambda each: each.sent_at)
    by_job = {each.job_id: each for each in requests if each.job_id}
    for entry in sorted(entries, key=lambda each: each.created_at):
        own = None if entry.batch_ids else by_job.get(entry.job_id) or _first(free, entry)
        if own is None:
            yield entry
            continue
        free = [each for each in free if each.batch_id != own.batch_id]
        yield msgspec.structs.replace(entry, batch_ids=frozenset({own.batch_id}))


def _first(requests: Iterable[Request], entry: WriteLogEntry) -> Request | None:
    made = moment(entry.created_at)
    for request in requests:
        sent = moment(request.sent_at)
        young = made is not None and sent is not None and made >= sent - _EARLIER
        if request.job_id is None and young and request.references == entry.references:
            return request
    return None


def as_credits(entry: WriteLogEntry) -> WriteLogEntry:
    """The entry of a path that takes credits as positive amounts, with its lines as they stand on a ledger: negative."""
    items = tuple(
        msgspec.structs.replace(each, amount=None if each.amount is None else -abs(each.amount))
        for each in entry.items
    )
    return msgspec.structs.replace(entry, items=items)
