"""Before posting: does the write log know requests of ours that the journal does not? Then the journal is an old one.

A restored backup looks like a journal, and what was posted since shows on the ledgers only after a sync; the write log has it
minutes later (propexo-api.md, section 8). Absence proves nothing here either: this finds, it does not clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from chargeplan.core.change import Change
from chargeplan.core.decision import Decision
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.posting import LIVE, Posting, WriteLogEntry
from chargeplan.core.system import System
from chargeplan.flow.jobs import system_of
from chargeplan.flow.logs import read_log
from chargeplan.flow.ports import Journal, Ports

_RANGE = "month"  # a backup may be old, and a log of our batches is short
_LOG_REACHES = timedelta(days=31)


def note_contradictions(ports: Ports) -> None:
    """Where the log calls a request a success that a person said was not posted, record that: the lines are then held.

    A log that says FAILURE contradicts nobody, and what was said knowing the job's success stands.
    """
    since = date.fromisoformat(ports.clock.now()[:10]) - _LOG_REACHES
    denied = [each for each in ports.journal.not_posted(since) if each.batch_id]
    for integration_id in dict.fromkeys(each.integration_id for each in denied):
        entries = [each for each in read_log(ports, integration_id, _RANGE) if each.status == "SUCCESS"]
        for posting in denied:
            logged = any(
                posting.batch_id in each.batch_ids and each.job_id != posting.job_id for each in entries
            )
            if (
                posting.integration_id == integration_id
                and logged
                and not _is_answered(posting, ports.journal)
            ):
                ports.journal.decide(
                    Decision(what="contradicted", reference=posting.reference),
                    integration_id=integration_id,
                    property_id=posting.property_id,
                    reason="the write log calls its request a success",
                    actor="reconcile",
                )


def _is_answered(posting: Posting, journal: Journal) -> bool:
    """Whether the contradiction is on record already, or a person has stood by their word since."""
    decisions = journal.decisions(posting.integration_id, posting.property_id)
    return any(
        each.reference == posting.reference and each.what in {"contradicted", "confirmed"}
        for each in decisions
    )


def refuse_logged(changes: Sequence[Change], ports: Ports) -> None:
    """Do nothing where every request in the log that had one of these lines is one that the journal knows.

    Raises:
        ChargeplanError: ``journal_unrecorded``, naming lines.
    """
    unrecorded: list[str] = []
    for integration_id in dict.fromkeys(change.integration_id for change in changes):
        planned = {change.reference for change in changes if change.integration_id == integration_id}
        system = system_of(ports.integrations, integration_id)
        for entry in read_log(ports, integration_id, _RANGE):
            if not wrote_nothing(entry, system):
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


def wrote_nothing(entry: WriteLogEntry, system: System) -> bool:
    """Whether the request is known to have written nothing."""
    return entry.status == "FAILURE" and entry.error is not None and system.nothing_written((entry.error,))


def _is_recorded(reference: str, entry: WriteLogEntry, journal: Journal) -> bool:
    """Whether the journal has the request as under way or done, or somebody decided otherwise, and the log does not contradict.

    It contradicts where it says SUCCESS: such a line is held before it comes here, unless a person has stood by their word.
    """
    return any(
        posting.batch_id in entry.batch_ids
        and (
            posting.state in LIVE
            or posting.job_id == entry.job_id
            or (
                posting.state == "not_posted"
                and (entry.status == "FAILURE" or _is_answered(posting, journal))
            )
        )
        for posting in journal.find(reference)
    )
