"""Write jobs: what a POST makes, what its status says, and the log of writes.

The charges of a job reach the system at once, as the guide says of writes; only the job's answer takes time. Whether
they did and what the answer says are two things, as in life: a FAILURE may have been applied.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from chargeplan.sandbox.clock import stamp
from chargeplan.sandbox.faults import Fault

if TYPE_CHECKING:
    import sqlite3

    from chargeplan.sandbox.clock import Clock
    from chargeplan.sandbox.ledger import Ledger
    from chargeplan.sandbox.settings import Settings
    from chargeplan.sandbox.store import Store

_NEVER = 1_000_000_000
"""Polls after which a job that is PENDING for ever would end."""


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``write-status``; it is not wrapped in ``meta`` and ``results``."""

    write_status: str
    errors: list[str]
    created_record_id: str | None = None
    """Always null: ResMan gives no id back (``propexo-api.md`` 2.5)."""


class Jobs:
    """The write jobs of a sandbox."""

    def __init__(self, store: Store, clock: Clock, ledger: Ledger) -> None:
        self._store = store
        self._clock = clock
        self._ledger = ledger

    def start(
        self, parameters: dict[str, Any], facts: list[dict[str, Any]], settings: Settings, fault: Fault | None
    ) -> str:
        """Write the charges (``facts`` of ledger entries, in the order of the request) and make the job; its id."""
        fault = fault or Fault()
        with self._store.transaction():
            number = self._store.reserve("job")
            job_id = f"cljob{number:020d}"
            written = [{**fact, "job_id": job_id, "origin": "api"} for fact in _written(facts, fault)]
            self._ledger.add("unposted" if settings.approval else "posted", written, settings)
            self._insert(job_id, number, parameters, settings, fault)
        return job_id

    def status(self, job_id: str) -> JobStatus | None:
        """The job's status, as one more poll; ``None`` when there is no such job."""
        with self._store.transaction():
            self._turn("id = ?", job_id)
            job = self._store.row("SELECT * FROM jobs WHERE id = ?", (job_id,))
        if job is None:
            return None
        if job["settled_at"] is None:
            return JobStatus(write_status="PENDING", errors=[])
        return JobStatus(write_status=job["outcome"], errors=json.loads(job["errors"]))

    def read_log(self) -> list[dict[str, Any]]:
        """The log of writes, newest first, as one reading of it; a reading is also a poll of every pending job."""
        with self._store.transaction():
            self._turn("settled_at IS NULL")
            self._store.change(
                "UPDATE jobs SET log_reads_left = log_reads_left - 1 WHERE settled_at IS NOT NULL"
            )
            jobs = self._store.rows(
                "SELECT * FROM jobs WHERE settled_at IS NOT NULL AND NOT log_hidden AND log_reads_left < 0 ORDER BY seq DESC"
            )
        return [_log_entry(job) for job in jobs]

    def show_logs(self) -> int:
        """Let every hidden or late log entry appear; how many."""
        return self._store.change(
            "UPDATE jobs SET log_hidden = 0, log_reads_left = 0 WHERE log_hidden OR log_reads_left > 0"
        )

    def finish(self) -> int:
        """Let every pending job end now, also those that were pending for ever; how many."""
        return self._store.change(
            "UPDATE jobs SET polls_left = 0, settled_at = ? WHERE settled_at IS NULL", (self._clock.stamp(),)
        )

    def raw_data(self, log_id: str) -> dict[str, Any] | None:
        """The raw request to the system and its answer, behind the presigned address; ``None`` when unknown."""
        job = self._store.row("SELECT * FROM jobs WHERE log_id = ?", (log_id,))
        if job is None:
            return None
        return {
            "request": {
                "method": "POST",
                "url": "/MITS/PostResidentTransactions2_0",
                "data": json.loads(job["parameters"]),
            },
            "response": {
                "Status": "Success" if job["outcome"] == "SUCCESS" else "Failed",
                "errors": json.loads(job["errors"]),
            },
        }

    def _insert(
        self, job_id: str, number: int, parameters: dict[str, Any], settings: Settings, fault: Fault
    ) -> None:
        now = self._clock.now()
        for_ever = fault.job == "PENDING"
        self._store.change(
            "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)",
            (
                number,
                job_id,
                f"cllog{number:020d}",
                parameters["integration_id"],
                stamp(now),
                json.dumps(parameters),
                "Create resident charges (ResMan)",
                "SUCCESS" if for_ever or fault.job is None else fault.job,
                json.dumps(fault.errors),
                _NEVER if for_ever else settings.pending_polls,
                stamp(now + timedelta(milliseconds=settings.pending_milliseconds)),
                fault.log_reads if fault.log == "late" else 0,
                fault.log == "hidden",
            ),
        )

    def _turn(self, which: str, *values: str) -> None:
        """One poll of these jobs: those that have been PENDING for long enough are settled before it is answered."""
        now = self._clock.stamp()
        self._store.change(
            f"UPDATE jobs SET settled_at = CASE WHEN polls_left <= 0 AND due_at <= ? THEN ? END,"  # noqa: S608
            f" polls_left = MAX(polls_left - 1, 0) WHERE settled_at IS NULL AND {which}",
            (now, now, *values),
        )


def _written(facts: list[dict[str, Any]], fault: Fault) -> list[dict[str, Any]]:
    if fault.written is None:
        return [] if fault.job == "FAILURE" else facts
    if isinstance(fault.written, int):
        return facts[: fault.written]
    return [facts[position] for position in fault.written if position < len(facts)]


def _log_entry(job: sqlite3.Row) -> dict[str, Any]:
    """A row of the log. It knows two statuses only, so a PARTIAL_SUCCESS is a FAILURE there with its errors."""
    errors = json.loads(job["errors"])
    return {
        "id": job["log_id"],
        "created_at": job["settled_at"],
        "job_id": job["id"],
        "job_log_id": job["log_id"],
        "status": "SUCCESS" if job["outcome"] == "SUCCESS" else "FAILURE",
        "integration_id": job["integration_id"],
        "job_type": "WRITE",
        "parameters": json.loads(job["parameters"]),
        "error": "; ".join(errors) or None,
        "name": job["name"],
        "vendor": "RESMAN",
    }
