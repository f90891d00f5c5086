"""One line's way through the journal, and every outcome that a request can have (design.md, *Posting, step by step*)."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from chargeplan.core.change import Change
from chargeplan.core.key import Key

State = Literal[
    "intended",  # written before the request; without an outcome the run was killed: unknown
    "withdrawn",  # no connection was made: never sent
    "queued",  # Propexo took it and named a job
    "accepted",  # the job ended well; not seen on the ledger yet
    "visible",  # seen among the synced charges: the end
    "posted",  # a person said that it is on the ledger: an end
    "refused",  # certainly not written
    "unknown",  # may or may not have been written
    "not_posted",  # an unknown that evidence or a person settled: it was not written
    "voided",  # a person said that it was rightly taken off the ledger
]

# At most one posting of a reference may be in these states at a time; the journal's database enforces it.
LIVE: frozenset[str] = frozenset({"intended", "queued", "accepted", "visible", "posted", "unknown"})
OPEN: frozenset[str] = frozenset({"intended", "queued", "accepted", "unknown"})
FREE: frozenset[str] = frozenset({"withdrawn", "refused", "not_posted"})
SETTLED: frozenset[str] = frozenset({"visible", "posted"})


REBUILT = "rebuild"
"""The plan of postings that were taken in after a journal was lost."""


class Posting(msgspec.Struct, frozen=True, gc=False):
    """A line that was (or was about to be) sent. Money in cents, moments RFC 3339 UTC.

    ``charge`` is the plan's charge id, ``key_charge`` what its key says; ``period`` is the PERIOD of its key;
    ``period_first``/``period_last`` are the whole service period's days, ``service_*`` the days billed. ``charge_id``
    is the synced charge that settled it. ``since`` is when the present state began.
    ``account`` is the financial account beside the code, ``route`` the way that it was sent, ``record_id`` the record that the
    job named, where it named one.
    """

    reference: str
    integration_id: str
    property_id: str
    plan: str
    charge: str
    item: str | None
    key_plan: str
    key_charge: str
    unit_id: str
    unit_number: str
    resident_id: str
    lease_id: str
    period: str
    part: int
    period_first: date
    period_last: date
    service_first: date
    service_last: date
    transaction_date: date
    amount: int
    charge_code_id: str
    charge_code: str
    description: str
    notes: str
    source_file: str
    source_line: int
    action: str = "create"
    state: State = "intended"
    batch_id: str = ""
    job_id: str | None = None
    plan_id: str = ""
    error: str | None = None
    charge_id: str | None = None
    since: str = ""
    id: int = 0
    account_id: str = ""
    account: str = ""
    route: str = ""
    record_id: str | None = None


def posting_of(change: Change) -> Posting:
    """The journal's record of a change that is about to be sent."""
    return Posting(
        reference=change.reference,
        integration_id=change.integration_id,
        property_id=change.property_id,
        plan=change.plan,
        charge=change.charge,
        item=change.item,
        key_plan=change.key_plan,
        key_charge=change.key_charge,
        unit_id=change.unit_id,
        unit_number=change.unit_number,
        resident_id=change.resident_id,
        lease_id=change.lease_id,
        period=change.period_key,
        part=change.part,
        period_first=change.period.first,
        period_last=change.period.last,
        service_first=change.service.first,
        service_last=change.service.last,
        transaction_date=change.transaction_date,
        amount=change.amount or 0,
        charge_code_id=change.charge_code_id,
        charge_code=change.charge_code,
        account_id=change.account_id,
        account=change.account,
        route=change.route or "",
        description=change.description,
        notes=change.notes,
        source_file=change.place.file,
        source_line=change.place.line,
        action=change.action,
    )


def key_of(posting: Posting, part: int = 0) -> Key:
    """The key of a part of the posting's period."""
    return Key(
        posting.integration_id,
        posting.key_plan,
        posting.key_charge,
        posting.unit_id,
        posting.resident_id,
        posting.period,
        part,
    )


class Brief(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A posting that was seen on the ledger, as far as telling that its line stands needs it.

    Nearly all postings of a journal are; the whole of one is read when it is asked for. Fields as in `Posting`.
    """

    reference: str
    key_plan: str
    key_charge: str
    unit_id: str
    resident_id: str
    lease_id: str
    period: str
    part: int
    service_first: date
    service_last: date
    transaction_date: date
    amount: int
    charge_code_id: str
    charge_code: str
    charge_id: str | None
    id: int
    state: State = "visible"


class Batch(msgspec.Struct, frozen=True):
    """One request: the lines of one property, named by ``batch_id``. ``state`` is the worst of its lines'."""

    batch_id: str
    plan_id: str
    integration_id: str
    property_id: str
    state: State
    job_id: str | None
    count: int
    amount: int
    created_at: str
    errors: tuple[str, ...] = ()


# --- outcomes of the one request that posts a batch ---------------------------------------------------------------


class NotSent(msgspec.Struct, frozen=True):
    """No connection was made, so no byte left: the intent is withdrawn."""

    reason: str


class Queued(msgspec.Struct, frozen=True):
    """Taken: the job that will write it."""

    job_id: str


class Invalid(msgspec.Struct, frozen=True):
    """400: nothing was queued. ``items`` maps the index of each bad item to why; empty where the answer names none."""

    message: str
    items: dict[int, str] = msgspec.field(default_factory=dict)


class TooLarge(msgspec.Struct, frozen=True):
    """413: nothing was queued; smaller batches may be taken."""

    message: str


class Denied(msgspec.Struct, frozen=True):
    """401, 403, 404, 405, 409, 422: refused, and the run stops."""

    status: int
    message: str


class Throttled(msgspec.Struct, frozen=True):
    """429: not accepted; wait that many seconds and try again."""

    retry_after: int


class Lost(msgspec.Struct, frozen=True):
    """Anything else after the first byte: the batch may or may not have been taken. Unknown."""

    reason: str


Outcome = NotSent | Queued | Invalid | TooLarge | Denied | Throttled | Lost


class JobStatus(msgspec.Struct, frozen=True):
    """What the write status of a job says; ``missing`` where Propexo does not know the job.

    ``record_id`` is the first record that the job made, perhaps of another model: a pointer to look at, no proof.
    """

    status: Literal["PENDING", "SUCCESS", "PARTIAL_SUCCESS", "FAILURE", "missing"]
    errors: tuple[str, ...] = ()
    record_id: str | None = None


class SentItem(msgspec.Struct, frozen=True):
    """A line in a request, as the write log keeps it; ``None`` where the property system's own words were not understood."""

    reference: str
    batch_id: str = ""
    resident_id: str | None = None
    lease_id: str | None = None
    charge_code_id: str | None = None
    amount: int | None = None
    transaction_date: date | None = None
    description: str | None = None


class WriteLogEntry(msgspec.Struct, frozen=True):
    """An entry of the write log that names us: the job, how it ended, and the batch, references and lines in its parameters."""

    job_id: str
    status: Literal["SUCCESS", "FAILURE"]
    batch_ids: frozenset[str]
    references: frozenset[str]
    error: str | None = None
    items: tuple[SentItem, ...] = ()
    created_at: str = ""
