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
from chargeplan.sandbox.sync import read_back
from chargeplan.sandbox.systems import FORMS, SYSTEMS

if TYPE_CHECKING:
    import sqlite3

    from chargeplan.sandbox.clock import Clock
    from chargeplan.sandbox.ledger import Ledger
    from chargeplan.sandbox.settings import Settings
    from chargeplan.sandbox.store import Store
    from chargeplan.sandbox.systems import Behaviour, Form, LogParameters, System

_NEVER = 1_000_000_000
"""Polls after which a job that is PENDING for ever would end."""


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``write-status``; it is not wrapped in ``meta`` and ``results``."""

    write_status: str
    errors: list[str]
    created_record_id: str | None = None
    """The first record that the job made, where the system gives an id back; null otherwise (``propexo-api.md`` 2.5)."""


class Jobs:
    """The write jobs of a sandbox."""

    def __init__(self, store: Store, clock: Clock, ledger: Ledger) -> None:
        self._store = store
        self._clock = clock
        self._ledger = ledger

    def start(
        self,
        form: Form,
        parameters: dict[str, Any],
        facts: list[dict[str, Any]],
        settings: Settings,
        fault: Fault | None,
    ) -> str:
        """Write the charges (``facts`` of ledger entries, in the order of the request) and make the job; its id."""
        system = SYSTEMS[form.vendor]
        behaviour = settings.behaviour(parameters["integration_id"], system)
        fault = fault or _own_failure(system, behaviour, facts) or Fault()
        gives_id = form.gives_id if behaviour.gives_ids is None else behaviour.gives_ids
        waits = behaviour.approval or parameters.get("is_approval_required", False)
        with self._store.transaction():
            number = self._store.reserve("job")
            job_id = f"cljob{number:020d}"
            written = [{**fact, "job_id": job_id, "origin": "api"} for fact in _written(facts, fault)]
            entries = self._ledger.add("unposted" if waits else "posted", written, settings)
            record_id = None
            if gives_id and entries and not waits:
                record_id = f"cllease{number:018d}" if behaviour.wrong_ids else entries[0].id
                read_back(self._store, self._clock, entries, whole_day=system.reads_day)
            self._insert(
                job_id=job_id,
                number=number,
                form=form,
                parameters=parameters,
                record_id=record_id,
                settings=settings,
                behaviour=behaviour,
                fault=fault,
            )
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
        return JobStatus(
            write_status=job["outcome"],
            errors=json.loads(job["errors"]),
            created_record_id=job["record_id"] if job["outcome"] == "SUCCESS" else None,
        )

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
                "url": SYSTEMS[FORMS[job["path"]].vendor].method,
                "data": json.loads(job["parameters"]),
            },
            "response": {
                "Status": "Success" if job["outcome"] == "SUCCESS" else "Failed",
                "errors": json.loads(job["errors"]),
            },
        }

    def _insert(
        self,
        job_id: str,
        number: int,
        form: Form,
        *,
        parameters: dict[str, Any],
        record_id: str | None,
        settings: Settings,
        behaviour: Behaviour,
        fault: Fault,
    ) -> None:
        now = self._clock.now()
        for_ever = fault.job == "PENDING"
        values = {
            "seq": number,
            "id": job_id,
            "log_id": f"cllog{number:020d}",
            "integration_id": parameters["integration_id"],
            "created_at": stamp(now),
            "parameters": json.dumps(parameters),
            "logged": json.dumps(_logged(parameters, behaviour.log_parameters)),
            "path": form.path,
            "outcome": "SUCCESS" if for_ever or fault.job is None else fault.job,
            "errors": json.dumps(fault.errors),
            "record_id": record_id,
            "polls_left": _NEVER if for_ever else settings.pending_polls,
            "due_at": stamp(now + timedelta(milliseconds=settings.pending_milliseconds)),
            "log_reads_left": fault.log_reads if fault.log == "late" else 0,
            "log_hidden": fault.log == "hidden",
        }
        self._store.change(
            f"INSERT INTO jobs ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608 - names of ours
            tuple(values.values()),
        )

    def _turn(self, which: str, *values: str) -> None:
        """One poll of these jobs: those that have been PENDING for long enough are settled before it is answered."""
        now = self._clock.stamp()
        self._store.change(
            f"UPDATE jobs SET settled_at = CASE WHEN polls_left <= 0 AND due_at <= ? THEN ? END,"  # noqa: S608
            f" polls_left = MAX(polls_left - 1, 0) WHERE settled_at IS NULL AND {which}",
            (now, now, *values),
        )


def _own_failure(system: System, behaviour: Behaviour, facts: list[dict[str, Any]]) -> Fault | None:
    """What the property system itself refuses, which Propexo does not know of before."""
    for fact in facts:
        for name, most in system.longest.items():
            if len(fact[name] or "") > most:
                return Fault(job="FAILURE", errors=[f"{name} must be at most {most} characters"])
        if (fact["post_month"] or fact["transaction_date"][:7]) in behaviour.closed_months:
            return Fault(job="FAILURE", errors=["The posting period is closed"])
    return None


_TEXTS = ("description", "notes")


def _logged(parameters: dict[str, Any], shown: LogParameters | None) -> dict[str, Any] | None:
    match shown:
        case "none":
            return None
        case "without_texts":
            bare = _bare(parameters)
            return (
                {**bare, "charges": [_bare(item) for item in bare["charges"]]} if "charges" in bare else bare
            )
        case _:
            return parameters


def _bare(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in _TEXTS}


def _written(facts: list[dict[str, Any]], fault: Fault) -> list[dict[str, Any]]:
    if fault.written is None:
        return [] if fault.job == "FAILURE" else facts
    if isinstance(fault.written, int):
        return facts[: fault.written]
    return [facts[position] for position in fault.written if position < len(facts)]


def _log_entry(job: sqlite3.Row) -> dict[str, Any]:
    """A row of the log. It knows two statuses only, so a PARTIAL_SUCCESS is a FAILURE there with its errors."""
    errors, form = json.loads(job["errors"]), FORMS[job["path"]]
    return {
        "id": job["log_id"],
        "created_at": job["settled_at"],
        "job_id": job["id"],
        "job_log_id": job["log_id"],
        "status": "SUCCESS" if job["outcome"] == "SUCCESS" else "FAILURE",
        "integration_id": job["integration_id"],
        "job_type": "WRITE_CREDIT" if form.credit else "WRITE",
        "parameters": json.loads(job["logged"]),
        "error": "; ".join(errors) or None,
        "name": f"Create resident {'credit' if form.credit else 'charges'} ({SYSTEMS[form.vendor].title})",
        "vendor": form.vendor,
    }
