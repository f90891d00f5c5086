"""What a property's plans change against the period before, household by household and by charge code.

Both sides are what stands on the ledgers, whoever put it there, with what is on its way; this period's has what is to be
posted beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Literal, TypeVar

import msgspec

from chargeplan.core.change import POSTED_BY_APPLY, Change, Movement, Previous
from chargeplan.core.dates import Days
from chargeplan.core.evidence import Evidence
from chargeplan.core.household import Household
from chargeplan.core.observed import ObservedProperty, SyncedCharge, day_of
from chargeplan.core.posting import FREE, Posting

_Kind = Literal["new", "gone", "changed"]
Codes = Mapping[str, str]
"""Charge codes: name by id."""

# Why a household has no line that nobody has to look into: it is told elsewhere, or it was meant.
EXPECTED = frozenset(
    {
        "moved_out",
        "held",
        "closed_period",
        "lease_pending",
        "never_moved_in",
        "no_billed_days",
        "not_in_window",
        "partial_period",
        "waived",
    }
)


# Postings that will stand on a ledger, and are not seen there yet.
_COMING = frozenset({"queued", "accepted"})

_Value = TypeVar("_Value")


class _Side(msgspec.Struct):
    """What stands under one code in one period: charges, cents, and cents by household (its position, or an id)."""

    count: int = 0
    amount: int = 0
    by_home: dict[object, int] = msgspec.field(default_factory=dict)

    def add(self, home: object, cents: int) -> None:
        self.count += 1
        self.amount += cents
        self.by_home[home] = self.by_home.get(home, 0) + cents


class PropertyLedger:
    """A property's ledgers by period: what stands there, and what is on its way and not seen yet."""

    def __init__(
        self, everyone: Sequence[Household], observed: ObservedProperty, evidence: Evidence, codes: Codes
    ) -> None:
        self.everyone, self.observed, self.evidence, self.codes = everyone, observed, evidence, codes
        self._by_lease = {lease.id: j for j, each in enumerate(everyone) for lease in each.leases}
        self._by_resident = {
            member.resident_id: j for j, each in enumerate(everyone) for member in each.members()
        }

    def totals(self, periods: Sequence[Days]) -> list[dict[str, int]]:
        """Cents by the code's name in each of the periods."""
        found: list[dict[str, int]] = [{} for _ in periods]
        for totals, name, row in self._rows(_by_day(periods, found)):
            totals[name] = totals.get(name, 0) + (row.amount or 0)
        return found

    def previous(
        self, before: Days, window: Days, changes: Iterable[Change], reasons: Mapping[tuple[str, str], str]
    ) -> tuple[dict[str, Previous], list[Movement]]:
        """By the code's name what was there in the period before and what that becomes, and the households that differ.

        ``reasons`` say why there is no line, by code name and lease.
        """
        then: dict[str, _Side] = {}
        now: dict[str, _Side] = {}
        for sides, name, row in self._rows(_by_day((before, window), (then, now))):
            side = sides[name] if name in sides else sides.setdefault(name, _Side())
            side.add(self._home(row.lease_id, row.resident_id), row.amount or 0)
        lines: dict[tuple[str, object], Change] = {}
        held, coming = dict(reasons), dict[str, int]()
        for change in changes:
            home = self._home(change.lease_id, change.resident_id)
            lines.setdefault((change.charge_code, home), change)
            if change.action in POSTED_BY_APPLY or change.action == "unknown":
                now.setdefault(change.charge_code, _Side()).add(home, change.amount or 0)
            if change.action in POSTED_BY_APPLY:
                coming[change.charge_code] = coming.get(change.charge_code, 0) + (change.amount or 0)
            elif change.action == "hold":
                held[change.charge_code, change.lease_id] = "held"
        found: dict[str, Previous] = {}
        movements: list[Movement] = []
        for name in sorted({*then, *now}):
            side, becomes = then.get(name, _Side()), now.get(name, _Side())
            moved = self._moved(name, (before, window), then=side, now=becomes, lines=lines, reasons=held)
            gone = [each for each in moved if each.kind == "gone"]
            counts: dict[str, dict[str, int]] = {}
            for each in moved:
                reasons_of = counts.setdefault(each.kind, {})
                reasons_of[each.reason] = reasons_of.get(each.reason, 0) + 1
            found[name] = Previous(
                count=side.count,
                amount=side.amount,
                now=becomes.amount,
                posted=becomes.amount - coming.get(name, 0),
                households=len(side.by_home),
                unexplained=sum(each.reason not in EXPECTED for each in gone),
                counts=counts,
            )
            movements += moved
        return found, movements

    def _moved(
        self,
        name: str,
        periods: tuple[Days, Days],
        *,
        then: _Side,
        now: _Side,
        lines: Mapping[tuple[str, object], Change],
        reasons: Mapping[tuple[str, str], str],
    ) -> list[Movement]:
        movements: list[Movement] = []
        for home in sorted({*then.by_home, *now.by_home}, key=lambda each: (isinstance(each, str), each)):
            was, becomes = then.by_home.get(home, 0), now.by_home.get(home, 0)
            if was == becomes:
                continue
            kind: _Kind = "new" if not was else "gone" if not becomes else "changed"
            household = self.everyone[home] if isinstance(home, int) else None
            reason = self._reason(name, household, reasons)
            why = _why(kind, household, lines.get((name, home)), periods, reason)
            movements.append(
                Movement(
                    property_id=self.observed.property.id,
                    charge_code=name,
                    unit_number=household.unit.number if household else "",
                    lease_id=household.leases[-1].id if household else "",
                    resident_id=household.key_resident if household else str(home),
                    kind=kind,
                    reason=why,
                    before=was,
                    now=becomes,
                )
            )
        return movements

    def _reason(
        self, name: str, household: Household | None, reasons: Mapping[tuple[str, str], str]
    ) -> str | None:
        leases = household.leases if household else ()
        return next((reasons[name, each.id] for each in reversed(leases) if (name, each.id) in reasons), None)

    def _rows(
        self, by_day: Mapping[date | None, _Value]
    ) -> Iterator[tuple[_Value, str, SyncedCharge | Posting]]:
        """Everything under the codes that counts for one of the days: the day's value, the code's name, and what it is."""
        codes, evidence = self.codes, self.evidence
        for charge in self.observed.charges:
            name = codes.get(charge.charge_code_id or "")
            if name is not None and (value := by_day.get(day_of(charge))) is not None:
                yield value, name, charge
        for posting in evidence.unsettled:
            value = by_day.get(posting.transaction_date)
            if value is None or posting.charge_code_id not in codes or posting.state not in _COMING:
                continue
            if posting.reference not in evidence.by_reference and posting.reference not in evidence.matched:
                yield value, posting.charge_code, posting

    def _home(self, lease_id: str | None, resident_id: str | None) -> object:
        """The household's position; where nobody here has the lease or is the resident, the resident's id."""
        home = self._by_lease.get(lease_id or "")
        return self._by_resident.get(resident_id or "", resident_id or "") if home is None else home


def _by_day(periods: Sequence[Days], values: Sequence[_Value]) -> dict[date | None, _Value]:
    return {
        period.first + timedelta(days=number): value
        for period, value in zip(periods, values, strict=True)
        for number in range(period.count)
    }


def _why(
    kind: str,
    household: Household | None,
    line: Change | None,
    periods: tuple[Days, Days],
    reason: str | None,
) -> str:
    """Why a household is new, gone or changed, as far as its dates, its line or its skip say so."""
    before, window = periods
    lived = household.occupied if household else None
    if kind == "new":
        return "moved_in" if lived and lived.first >= before.first else "newly_billed"
    if kind == "gone":
        if household is None:
            return "no_lease"
        return "moved_out" if lived and lived.last < window.last else reason or "not_billed"
    if line is not None and line.service != line.period:
        return "part_of_period"
    if lived is not None and not (lived.first <= before.first and window.last <= lived.last):
        return "part_of_period"
    return "amount"


def billed_since(day: date, observed: ObservedProperty, evidence: Evidence) -> Iterator[frozenset[str]]:
    """The ids (resident and lease) of those for whom something stands on the ledgers, or was posted, from a day on."""
    for each in (*observed.charges, *evidence.postings.values()):
        if each.transaction_date is not None and each.transaction_date >= day:
            yield frozenset(filter(None, (each.resident_id, each.lease_id)))


def codes_before(evidence: Evidence, period: Days) -> dict[str, str]:
    """The codes under which lines of ours were dated in a period: no plan may have them any more."""
    first, last = period.first, period.last
    return {
        posting.charge_code_id: posting.charge_code
        for posting in evidence.postings.values()
        if first <= posting.transaction_date <= last and posting.state not in FREE
    }
