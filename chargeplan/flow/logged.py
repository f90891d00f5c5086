"""Before posting: does the write log know requests of ours that the journal does not? Then the journal is an old one.

A restored backup looks like a journal, and what was posted since shows on the ledgers only after a sync; the write log has it
minutes later (propexo-api.md, section 8). Absence proves nothing here either: this finds, it does not clear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chargeplan.core.change import Change
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.posting import LIVE, WriteLogEntry
from chargeplan.flow.ports import Journal, Remote, Vendors

_RANGE = "month"  # a backup may be old, and a log of our batches is short


def refuse_logged(
    changes: Sequence[Change],
    journal: Journal,
    remote: Remote,
    vendors: Vendors,
    vendor_of: Mapping[str, str],
) -> None:
    """Do nothing where every request in the log that had one of these lines is one that the journal knows.

    Raises:
        ChargeplanError: ``journal_unrecorded``, naming lines.
    """
    found: list[str] = []
    for integration_id in dict.fromkeys(change.integration_id for change in changes):
        planned = {change.reference for change in changes if change.integration_id == integration_id}
        vendor = vendor_of.get(integration_id, "")
        for entry in remote.write_log(integration_id, _RANGE):
            if not _wrote_nothing(entry, vendor, vendors):
                found += [
                    each for each in sorted(entry.references & planned) if not _known(each, entry, journal)
                ]
    if found:
        lines = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        raise ChargeplanError(
            f"Propexo's write log has requests for lines of this plan that the journal does not know: {lines}. "
            "Nothing was posted.",
            hint="The journal is older than they are, as a restored backup is: `chargeplan journal rebuild` takes them in. "
            "If this is another project's journal, use the right one.",
            code="journal_unrecorded",
        )


def _wrote_nothing(entry: WriteLogEntry, vendor: str, vendors: Vendors) -> bool:
    return (
        entry.status == "FAILURE"
        and entry.error is not None
        and vendors.nothing_written(vendor, [entry.error])
    )


def _known(reference: str, entry: WriteLogEntry, journal: Journal) -> bool:
    """Whether the journal has the request as under way or done, or had its job when somebody decided otherwise."""
    return any(
        posting.batch_id in entry.batch_ids and (posting.state in LIVE or posting.job_id == entry.job_id)
        for posting in journal.find(reference)
    )
