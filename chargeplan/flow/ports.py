"""What the flows need of the world, as short Protocols in core types; the command line passes the real ones in.

An order of effects takes them as one value, `Ports`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from chargeplan.core.config import Environment, IntegrationConfig
from chargeplan.core.dates import Days
from chargeplan.core.decision import Decision
from chargeplan.core.diagnostic import Place
from chargeplan.core.observed import Integration, ObservedProperty, Property, ReadCost
from chargeplan.core.posting import Batch, Brief, JobStatus, Outcome, Posting, State, WriteLogEntry
from chargeplan.core.system import Route

if TYPE_CHECKING:
    from chargeplan.flow.plan_request import PlanRequest
    from chargeplan.flow.tasks import Spread


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A line on its way; the route says which of it is sent. ``moment`` lies in its day, at the property and in UTC, RFC 3339."""

    property_id: str
    resident_id: str
    lease_id: str
    unit_id: str
    code_id: str
    account_id: str
    batch_id: str
    transaction_batch_id: str
    day: date
    moment: str
    description: str
    notes: str
    amount: int
    reference: str


class Remote(Protocol):
    """Propexo's write side and its administration. Safe to share between threads."""

    @property
    def rate_limit(self) -> int:
        """Requests a minute by the contract."""
        ...

    def end_at(self, deadline: float | None, stopping: Callable[[], bool]) -> None:
        """From now on no request begins after ``deadline`` (monotonic seconds), or once ``stopping`` says so."""
        ...

    def reserve(self) -> float:
        """Keep a place under the rate limit for the next ``post``: 0 where there is one, else the seconds after which to ask again."""
        ...

    def release(self) -> None:
        """Give back a place that was kept for a request that is not sent."""
        ...

    def post(self, route: Route, integration_id: str, lines: Sequence[Outgoing]) -> Outcome:
        """One request, never repeated by the client; every way it can end is an outcome (design.md, step 3).

        It may end as ``NotSent`` where the run was asked to stop before the first byte left.
        """
        ...

    def job_status(self, job_id: str) -> JobStatus:
        """The write status of a job."""
        ...

    def write_log(
        self, integration_id: str, time_range: str, *, credits_too: bool
    ) -> Sequence[WriteLogEntry]:
        """Entries of the write log for charges; ``time_range`` is ``hour``, ``day``, ``week`` or ``month``."""
        ...

    def own_ids(self, kind: str, integration_id: str) -> Iterable[tuple[str, str]]:
        """Each record of a kind (as paths name it): its id here, and the property system's own, where it has one."""
        ...

    def integration(self, integration_id: str) -> Integration:
        """The integration's state.

        Raises:
            ChargeplanError: it does not exist, or the token is refused.
        """
        ...


class Snapshot(Protocol):
    """The local copy of what Propexo showed."""

    def refresh(
        self,
        integration_id: str,
        window: Days,
        *,
        full: bool,
        fees: bool,
        payments: bool,
        codes: Sequence[str],
        named: Collection[str],
        reads_back: bool,
    ) -> ReadCost:
        """Bring the copy up to date for charges dated within ``window``; ``fees`` and ``payments`` are read where asked.

        ``codes`` are the lists of what the system's charges are for. Where one of ``named``, ids or names of properties, codes
        and accounts, is not known, lists that seldom change are looked at anew. Unless the system ``reads_back`` what we
        post at once, nothing is new of charges and payments before another sync has ended.
        """
        ...

    def integration(self, integration_id: str) -> Integration:
        """The integration as last read.

        Raises:
            ChargeplanError: it was never read.
        """
        ...

    def properties(self, integration_id: str) -> Sequence[Property]:
        """Every property that Propexo lists for the integration, by name."""
        ...

    def properties_of(self, integration_id: str, *, resident: str | None, unit: str | None) -> frozenset[str]:
        """The ids of the properties that have a resident of that id, else a unit of that number."""
        ...

    def covered(self, integration_id: str) -> Days:
        """The transaction dates of which the copy has all charges.

        Raises:
            ChargeplanError: the integration was never read.
        """
        ...

    def property(self, integration_id: str, property_id: str, window: Days) -> ObservedProperty:
        """All that is known of one property; charges are those dated within ``window``."""
        ...

    def units_elsewhere(
        self, integration_id: str, property_id: str, unit_ids: Sequence[str]
    ) -> frozenset[str]:
        """Those of the units that belong to another property."""
        ...

    def syncs(self, integration_id: str) -> Sequence[str]:
        """When syncs of the integration ended, as far as refreshes noticed them, oldest first."""
        ...

    def charges_of(self, integration_id: str, references: Sequence[str]) -> Mapping[str, str]:
        """The synced charge (its id) of each of the references that the copy has, of any date."""
        ...

    def was_seen_at_once(self, property_id: str) -> bool:
        """Whether one sync brought all that the copy has of the property, so that nothing can have gone since."""
        ...

    def references(self, integration_id: str) -> Iterable[str]:
        """The reference numbers of ours on the integration's synced charges, of any date in the copy."""
        ...


class JournalReader(Protocol):
    """The durable record, as it is read."""

    @property
    def identity(self) -> str:
        """The random id that the journal got when it was created."""
        ...

    @property
    def where(self) -> str:
        """Its address, fit to be shown."""
        ...

    def verify(self) -> Sequence[str]:
        """Everything that is wrong with the record."""
        ...

    def postings(self, integration_id: str, property_id: str, since: date | None = None) -> Sequence[Posting]:
        """The latest posting of each reference of the property; with ``since`` those that may matter from that day on."""
        ...

    def briefs(self, integration_id: str, property_id: str, since: date | None) -> Sequence[Posting | Brief]:
        """The same, but of those seen on the ledger what `Brief` has: many times faster."""
        ...

    def postings_of_units(
        self, integration_id: str, property_id: str, unit_ids: Sequence[str], since: date | None
    ) -> Sequence[Posting]:
        """The latest postings of the units that were recorded while they belonged to another property."""
        ...

    def decisions(self, integration_id: str, property_id: str) -> Sequence[Decision]:
        """What people said of lines of the property beside the states of postings, oldest first."""
        ...

    def billed(
        self, integration_id: str, since: date
    ) -> Mapping[str, Mapping[tuple[str, str], Sequence[Days]]]:
        """The days from ``since`` on that applied plans covered: by property, then by the plan and charge of a key."""
        ...

    def not_posted(self, since: date) -> Sequence[Posting]:
        """Postings of which evidence or a person said, on that day or later, that they were not posted."""
        ...

    def of_integration(self, integration_id: str) -> Sequence[Posting]:
        """Every posting of an integration, oldest first."""
        ...

    def open_postings(self) -> Sequence[Posting]:
        """Postings whose outcome is still open (``OPEN``), oldest first."""
        ...

    def find(self, reference: str) -> Sequence[Posting]:
        """Every posting of the reference, oldest first."""
        ...

    def latest(self, references: Sequence[str]) -> Mapping[str, Posting]:
        """The live posting of each of the references, or its newest; those that were never sent are left out."""
        ...

    def batches(self, plan_id: str | None = None) -> Sequence[Batch]:
        """The batches of a plan, oldest first."""
        ...

    def plan_used(self, plan_id: str) -> Mapping[str, object] | None:
        """What was noted when the plan was first applied; ``None`` where it never was."""
        ...

    def knows_any(self, references: Iterable[str]) -> frozenset[str]:
        """Those of the references that the journal has a posting of."""
        ...

    def settled_by(self, integration_id: str, charge_ids: Sequence[str]) -> frozenset[str]:
        """Those of the synced charges that settled a posting."""
        ...

    def history_of(self, references: Iterable[str]) -> Mapping[str, Sequence[dict[str, Any]]]:
        """The events that name each of the lines, oldest first, without the other lines of their batches."""
        ...


class Journal(JournalReader, Protocol):
    """The durable record. Every method that writes has committed, durably, when it returns."""

    def move_integration(
        self,
        old: str,
        new: str,
        postings: Sequence[Posting],
        *,
        properties: Mapping[str, str],
        reason: str,
    ) -> None:
        """These postings of the old integration are as given from now on: of the new one, under its ids.

        ``properties`` are the new ids of the old one's: what plans covered there they have covered here.
        """
        ...

    def intend(self, plan_id: str, batch: Batch, postings: Sequence[Posting], *, lock_token: int) -> None:
        """Record a batch and its lines as intended; the commit precedes the first byte of the request.

        Raises:
            ChargeplanError: a line already has a live posting, the lock was lost, or the disk refused: nothing was recorded.
        """
        ...

    def record(
        self,
        batch_id: str,
        state: State,
        *,
        job_id: str | None = None,
        record_id: str | None = None,
        errors: Sequence[str] = (),
        references: Sequence[str] | None = None,
        reason: str | None = None,
    ) -> None:
        """The new state of a batch's lines (of all, or of ``references``), with the event that says why."""
        ...

    def settle(
        self,
        posting_id: int,
        state: State,
        *,
        charge_id: str | None = None,
        reason: str,
        actor: str | None = None,
    ) -> None:
        """The new state of one posting, by evidence or by a person; ``actor`` is who runs this, unless given."""
        ...

    def adopt(self, posting: Posting, charge_id: str, *, reason: str) -> None:
        """Record a posting that the foreign synced charge ``charge_id`` settles.

        Raises:
            ChargeplanError: the line has a live posting, or the charge settles another one.
        """
        ...

    def vouch(self, posting: Posting, *, reason: str) -> None:
        """Record a line that a person says is on the ledger, though nothing of it was sent or is synced."""
        ...

    def decide(
        self,
        decision: Decision,
        *,
        integration_id: str,
        property_id: str,
        reason: str,
        actor: str | None = None,
    ) -> None:
        """Record what was said of a line beside the states of postings; ``actor`` is who runs this, unless given."""
        ...

    def consume(self, plan_id: str, digest: str, facts: Mapping[str, object]) -> bool:
        """Note the use of a plan file before its first request; false where it was used before."""
        ...

    def lock(
        self, integration_id: str, property_ids: Sequence[str], *, purpose: str, timeout: float
    ) -> AbstractContextManager[Mapping[str, int]]:
        """Hold the locks of the properties (all or none); yields the fencing token of each.

        Raises:
            LockedError: another run holds one of them after ``timeout`` seconds.
        """
        ...


class Clock(Protocol):
    """Moments of real time; never used for what is billed."""

    def now(self) -> str:
        """RFC 3339 in UTC, to the millisecond."""
        ...

    def today(self, timezone: str) -> date:
        """The calendar date there."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; an interrupt ends it early."""
        ...


class Progress(Protocol):
    """Where the step under way is shown."""

    def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Show ``text``; ``done`` of ``total`` where the length is known."""
        ...

    def close(self) -> None:
        """Show nothing any more, until the next step."""
        ...


class Ports(Protocol):
    """Everything outside that an order of effects may use, opened when it is first asked for."""

    @property
    def journal(self) -> Journal:
        """The environment's journal."""
        ...

    @property
    def remote(self) -> Remote:
        """Propexo."""
        ...

    @property
    def snapshot(self) -> Snapshot:
        """The local copy of what Propexo showed."""
        ...

    @property
    def clock(self) -> Clock:
        """Real time."""
        ...

    @property
    def progress(self) -> Progress:
        """Where the step under way is shown."""
        ...

    @property
    def environment(self) -> Environment:
        """The environment that was chosen."""
        ...

    @property
    def api_host(self) -> str:
        """The host that the environment's requests go to, as plan files remember it."""
        ...

    @property
    def integrations(self) -> Mapping[str, IntegrationConfig]:
        """The configured integrations by Propexo id."""
        ...

    def spread(self, request: PlanRequest) -> Spread:
        """What has the properties of a request planned: one after the other, or by workers side by side."""
        ...

    def new_id(self, prefix: str) -> str:
        """A name that nothing had before, sorted by time."""
        ...

    def source_line(self, place: Place) -> str:
        """The line of the user's file; empty where there is none."""
        ...
