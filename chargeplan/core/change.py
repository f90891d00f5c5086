"""Changes: what should happen, line by line, and why. A plan is a list of them in canonical order."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic, Place
from chargeplan.core.key import Key
from chargeplan.core.line import AllocationReport, Line, OverrideUsed, Skip
from chargeplan.core.observed import SyncedCharge
from chargeplan.core.system import RouteName
from chargeplan.core.terms import what_is_missing

Action = Literal[
    "create", "correct", "in_flight", "unknown", "hold", "missed", "drift", "removed_upstream", "unchanged"
]

ACTIONS: tuple[Action, ...] = (
    "create",
    "correct",
    "in_flight",
    "unknown",
    "hold",
    "missed",
    "drift",
    "removed_upstream",
    "unchanged",
)
POSTED_BY_APPLY: frozenset[str] = frozenset({"create", "correct"})
BILLED: frozenset[str] = POSTED_BY_APPLY | {"in_flight", "unknown", "unchanged"}
"""What is, or may be, on a ledger, or will be: its amount counts."""


class Synced(msgspec.Struct, frozen=True):
    """The synced charge that was found for a line."""

    id: str
    amount: int | None
    transaction_date: date | None


class Change(msgspec.Struct, frozen=True, gc=False):
    """What happens to one line. ``amount`` is in cents.

    ``key_plan``, ``key_charge`` (``parking/12``) and ``period_key`` are the PLAN, CHARGE and PERIOD of its key.
    ``detail`` says more than ``reason``: the last refusal, the name of the probable duplicate. ``stands`` is what the
    period of a correction or a drift has on the ledger already, in cents, where it belongs to the window. ``there`` is what
    counts as posted for that period, whenever it is; ``next_part`` the number that a correction of a drift would take.
    ``concerns`` are the ids of the charges that ``detail`` names, those nothing accounts for. ``account`` and ``route`` as in `Line`.
    """

    action: Action
    reason: str | None
    reference: str
    plan: str
    charge: str
    item: str | None
    part: int
    integration_id: str
    property_id: str
    lease_id: str
    resident_id: str
    unit_id: str
    unit_number: str
    charge_code_id: str
    charge_code: str
    key_plan: str
    key_charge: str
    period_key: str
    period: Days
    service: Days
    transaction_date: date
    amount: int | None
    description: str
    notes: str
    place: Place
    synced: Synced | None = None
    override: OverrideUsed | None = None
    detail: str = ""
    stands: int = 0
    there: int = 0
    next_part: int = 0
    concerns: tuple[str, ...] = ()
    account_id: str = ""
    account: str = ""
    route: RouteName | None = None

    @property
    def billed(self) -> int:
        """The cents that are, or will be, on the ledgers: its own where it is billed, and what stands there already."""
        return self.stands + ((self.amount or 0) if self.action in BILLED else 0)


class Total(msgspec.Struct, frozen=True, gc=False):
    """How many and how much; the amount is the sum in cents, credits negative."""

    count: int = 0
    amount: int = 0

    def plus(self, amount: int | None) -> Total:
        """One more line of that amount."""
        return Total(self.count + 1, self.amount + (amount or 0))

    def and_(self, other: Total) -> Total:
        """Both together."""
        return Total(self.count + other.count, self.amount + other.amount)


class ObservedMark(msgspec.Struct, frozen=True):
    """How recent and how costly what was observed is."""

    integration_id: str
    last_completed_sync: str | None
    requests: int
    records: int


class PropertyDigest(msgspec.Struct, frozen=True):
    """What one property looked like: digests of what was observed, and of what the journal had recorded, of it.

    ``plans`` are those that cover it.
    """

    integration_id: str
    property_id: str
    observed: str
    recorded: str
    plans: tuple[str, ...] = ()


class GuardResult(msgspec.Struct, frozen=True):
    """One guard's verdict: the value that was counted against its limit, both in the guard's own unit.

    ``unit`` is ``count``, ``cents`` or ``percent``; ``subject`` is the property's name, or the resident or line, that it was counted for, or empty.
    ``allowed`` is how it was overridden (``max_total=650000.00``), or ``None``.
    """

    guard: str
    refused: bool
    unit: Literal["count", "cents", "percent", "none"]
    value: int | None
    limit: int | None
    subject: str = ""
    message: str = ""
    allowed: str | None = None
    reason: str | None = None


class PeriodTotals(msgspec.Struct, frozen=True):
    """What stood on the ledgers in one period, over all properties of a plan: cents by charge code name."""

    period: Days
    totals: dict[str, int]


class Movement(msgspec.Struct, frozen=True, gc=False):
    """A household whose amount under a code is new, gone or changed since the period before; cents of both."""

    property_id: str
    charge_code: str
    unit_number: str
    lease_id: str
    resident_id: str
    kind: Literal["new", "gone", "changed"]
    reason: str
    before: int
    now: int


class Previous(msgspec.Struct, frozen=True):
    """One code of a property in the period before: how many charges for how many cents, and what it is ``now``.

    ``posted`` are the cents of ``now`` that stand on the ledgers, whoever put them there, or are on their way. ``households`` were billed then. ``counts`` has how many of them are new, gone or changed, by the reason; of those that
    are gone ``unexplained`` have none that was to be expected.
    """

    count: int
    amount: int
    now: int
    posted: int
    households: int
    unexplained: int
    counts: dict[str, dict[str, int]]

    def of(self, kind: str) -> int:
        """How many are new, gone or changed."""
        return sum(self.counts.get(kind, {}).values())


class UnusedRow(msgspec.Struct, frozen=True):
    """A roster's row that led to no line, now or before; ``amount`` is its own in cents, where it has one."""

    file: str
    line: int
    plan: str
    charge: str
    key: str
    amount: int | None
    reason: str


class Unlisted(msgspec.Struct, frozen=True):
    """What a plan counts without listing it: unchanged lines by property id and charge code, skips by reason."""

    unchanged: dict[str, dict[str, Total]] = msgspec.field(default_factory=dict)
    skips: dict[str, int] = msgspec.field(default_factory=dict)


class ChangeSet(msgspec.Struct, frozen=True):
    """What a plan run found: changes in canonical order, skips, allocations, guards and diagnostics.

    ``unlisted`` counts the unchanged lines and skips that are not among them: those of a plan that was not asked for them.

    ``previous`` is, by property id and charge code name, what was on the ledgers in the period before and what has changed since;
    ``movements`` are the households behind its counts, which a plan file does not carry.
    ``before`` has the totals over all properties for the periods before the window that were read, oldest first; the last of
    them is that of ``previous``.
    """

    plan_id: str
    environment: str
    as_of: date
    window: Days
    changes: tuple[Change, ...]
    skips: tuple[Skip, ...] = ()
    allocations: tuple[AllocationReport, ...] = ()
    guards: tuple[GuardResult, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    observed: tuple[ObservedMark, ...] = ()
    property_names: dict[str, str] = msgspec.field(default_factory=dict)
    previous: dict[str, dict[str, Previous]] = msgspec.field(default_factory=dict)
    movements: tuple[Movement, ...] = ()
    unused_rows: tuple[UnusedRow, ...] = ()
    before: tuple[PeriodTotals, ...] = ()
    unlisted: Unlisted = Unlisted()

    @property
    def errored(self) -> bool:
        """Whether a problem stops the plan."""
        return any(each.is_error for each in self.diagnostics)

    @property
    def refused(self) -> bool:
        """Whether a guard refuses the plan."""
        return any(each.refused for each in self.guards)

    def totals(self) -> dict[str, Total]:
        """Count and cents by action, for the actions that occur."""
        totals: dict[str, Total] = {}
        for change in self.changes:
            totals[change.action] = totals.get(change.action, Total()).plus(change.amount)
        for codes in self.unlisted.unchanged.values():
            for counted in codes.values():
                totals["unchanged"] = totals.get("unchanged", Total()).and_(counted)
        return totals

    def skipped(self) -> dict[str, int]:
        """How many skips, by reason."""
        found = dict(self.unlisted.skips)
        for skip in self.skips:
            found[skip.reason] = found.get(skip.reason, 0) + 1
        return found

    def to_post(self) -> tuple[Change, ...]:
        """The changes that apply posts."""
        return tuple(change for change in self.changes if change.action in POSTED_BY_APPLY)


def is_twice(change: Change) -> bool:
    """Whether the same stands on the ledger once more beside the line: nothing there could be adopted as it."""
    return change.reason == "charged_twice"


def period_reference(change: Change) -> str:
    """What the change's whole period is known by: the reference of its first part."""
    return Key(
        change.integration_id,
        change.key_plan,
        change.key_charge,
        change.unit_id,
        change.resident_id,
        change.period_key,
    ).reference


def change_of(
    action: str,
    reason: str | None,
    line: Line,
    synced: SyncedCharge | None = None,
    *,
    detail: str = "",
) -> Change:
    """The change of a line; ``synced`` is the charge that was found for it."""
    return Change(
        action=action,  # type: ignore[arg-type]
        reason=reason,
        reference=line.reference,
        plan=line.plan,
        charge=line.charge,
        item=line.item,
        part=line.key.part,
        integration_id=line.key.integration_id,
        property_id=line.property_id,
        lease_id=line.lease_id,
        resident_id=line.key.resident_id,
        unit_id=line.key.unit_id,
        unit_number=line.unit_number,
        charge_code_id=line.charge_code_id,
        charge_code=line.charge_code,
        account_id=line.account_id,
        account=line.account,
        route=line.route,
        key_plan=line.key.plan,
        key_charge=line.key.charge,
        period_key=line.key.period,
        period=line.period,
        service=line.service,
        transaction_date=line.transaction_date,
        amount=line.amount,
        description=line.description,
        notes=line.notes,
        place=line.place,
        synced=Synced(synced.id, synced.amount, synced.transaction_date) if synced else None,
        override=line.override,
        detail=detail or (what_is_missing(line.term) if action == "hold" and line.term else ""),
    )
