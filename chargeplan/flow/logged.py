"""Before posting: does the write log know requests of ours that the journal does not? Then the journal is an old one.

A restored backup looks like a journal, and what was posted since shows on the ledgers only after a sync; the write log has it
minutes later (propexo-api.md, section 8). Absence proves nothing here either: this finds, it does not clear.
"""

from __future__ import annotations

from collections.abc import Sequence

from chargeplan.core.change import Change
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.posting import LIVE, WriteLogEntry
from chargeplan.core.system import System
from chargeplan.flow.jobs import system_of
from chargeplan.flow.ports import Journal, Ports

_RANGE = "month"  # a backup may be old, and a log of our batches is short


def refuse_logged(changes: Sequence[Change], ports: Ports) -> None:
    """Do nothing where every request in the log that had one of these lines is one that the journal knows.

    Raises:
        ChargeplanError: ``journal_unrecorded``, naming lines.
    """
    unrecorded: list[str] = []
    for integration_id in dict.fromkeys(change.integration_id for change in changes):
        planned = {change.reference for change in changes if change.integration_id == integration_id}
        system = system_of(ports.integrations, integration_id)
        for entry in ports.remote.write_log(integration_id, _RANGE):
            if not _wrote_nothing(entry, system):
                unrecorded += [
                    reference
                    for reference in sorted(entry.references & planned)
                    if not _is_recorded(reference, entry, ports.journal)
                ]
    if unrecorded:
        lines = ", ".join(unrecorded[:5])
        lines += f" and {len(unrecorded) - 5} more" if len(unrecorded) > 5 else ""
        raise ChargeplanError(
            f"Propexo's write log has requests for lines of this plan that the journal does not know: {lines}. "
            "Nothing was posted.",
            hint="The journal is older than they are, as a restored backup is: `chargeplan journal rebuild` takes them in. "
            "If this is another project's journal, use the right one.",
            code="journal_unrecorded",
        )


def _wrote_nothing(entry: WriteLogEntry, system: System) -> bool:
    return entry.status == "FAILURE" and entry.error is not None and system.nothing_written((entry.error,))


def _is_recorded(reference: str, entry: WriteLogEntry, journal: Journal) -> bool:
    """Whether the journal has the request as under way or done, or had its job when somebody decided otherwise."""
    return any(
        posting.batch_id in entry.batch_ids and (posting.state in LIVE or posting.job_id == entry.job_id)
        for posting in journal.find(reference)
    )
