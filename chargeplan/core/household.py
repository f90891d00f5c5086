"""Households: who lives where, from when to when (plan-language.md, *Households*)."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Literal

import msgspec

from chargeplan.core.dates import FIRST_DAY, LAST_DAY, ONE_DAY, Days
from chargeplan.core.observed import Lease, LeaseResident, ObservedProperty, Unit

# So long at most an earlier lease goes on until the next one begins.
_SHORT_GAP = timedelta(days=31)


class Household(msgspec.Struct, frozen=True):
    """The residents of a unit under one primary resident, through all leases in order of their start, until they move out.

    ``primary_id`` is ``None`` where no resident of the lease is the primary one.
    """

    unit: Unit
    leases: tuple[Lease, ...]
    primary_id: str | None

    @property
    def move_in(self) -> date | None:
        """The first occupied day, of the first lease."""
        first = self.leases[0]
        return first.realized_move_in or first.scheduled_move_in or first.start

    @property
    def move_out(self) -> date | None:
        """The last occupied day, of the last lease; ``None`` while it is not known."""
        return lease_move_out(self.leases[-1])

    @property
    def occupied(self) -> Days | None:
        """Move-in to move-out, both inclusive; ``None`` where there is no such day or the move-in is unknown."""
        return span(self.move_in, self.move_out)

    @property
    def key_resident(self) -> str:
        """The resident that the household's lines are known by: the primary one, else the first who may be charged."""
        if self.primary_id is not None:
            return self.primary_id
        return next((each.resident_id for each in self.leases[-1].residents if each.kind != "GUARANTOR"), "")

    def lease_on(self, day: date) -> Lease:
        """The lease in force: the last that has begun, else the first."""
        if len(self.leases) == 1:  # as nearly all have
            return self.leases[0]
        for lease in reversed(self.leases):
            if lease.start is not None and lease.start <= day:
                return lease
        return self.leases[0]

    @property
    def gaps(self) -> tuple[Days, ...]:
        """The days after a lease's end on which no lease is in force, where the next one is more than 31 days away."""
        return tuple(
            Days(before.end + ONE_DAY, after.start - ONE_DAY)
            for before, after in itertools.pairwise(self.leases)
            if before.end is not None and after.start is not None and before.end + _SHORT_GAP < after.start
        )

    def end_before(self, day: date) -> date | None:
        """The lease's end that lies before ``day``, where the lease does not go on; ``None`` where one is in force."""
        end = self.lease_on(day).end
        if end is None or day <= end:
            return None
        ended = len(self.leases) == 1 or self.lease_on(LAST_DAY).end == end
        return end if ended or any(day in gap for gap in self.gaps) else None

    def members(self) -> tuple[LeaseResident, ...]:
        """Everyone on any of the leases but guarantors, each once, in the order of the latest lease that lists them."""
        seen: dict[str, LeaseResident] = {}
        for lease in reversed(self.leases):
            for resident in lease.residents:
                if resident.kind != "GUARANTOR":
                    seen.setdefault(resident.resident_id, resident)
        return tuple(seen.values())

    def occupied_by(self, resident_id: str) -> Days | None:
        """The occupied days of one resident: their own dates first, within the leases that list them."""
        listed = [i for i, lease in enumerate(self.leases) if _entry(lease, resident_id)]
        if not listed:
            return None
        first, last = self.leases[listed[0]], self.leases[listed[-1]]
        begins = self.move_in if listed[0] == 0 else first.start
        ends = self.move_out if last is self.leases[-1] else _day_before(self.leases[listed[-1] + 1].start)
        own_first, own_last = _entry(first, resident_id), _entry(last, resident_id)
        move_in = own_first.move_in if own_first and own_first.move_in else begins
        move_out = own_last.move_out if own_last and own_last.move_out else ends
        return span(move_in, move_out)


def _entry(lease: Lease, resident_id: str) -> LeaseResident | None:
    return next((each for each in lease.residents if each.resident_id == resident_id), None)


def _day_before(day: date | None) -> date | None:
    return day - ONE_DAY if day else None


def span(first: date | None, last: date | None) -> Days | None:
    """The days between; an unknown last is open, an unknown first or an empty span is ``None``."""
    if first is None or (last is not None and last < first):
        return None
    return Days(first, last or LAST_DAY)


def lease_move_out(lease: Lease) -> date | None:
    """The realized move-out of a lease, else the scheduled one."""
    return lease.realized_move_out or lease.scheduled_move_out


# --- from leases to households -----------------------------------------------------------------------------------


def households(observed: ObservedProperty) -> tuple[Household, ...]:
    """Every household of the property that a lease tells of, by unit in natural order, then by the first lease's start."""
    units = {unit.id: unit for unit in observed.units}
    grouped: dict[tuple[str, str], list[Lease]] = defaultdict(list)
    for lease in observed.leases:
        primary = _primary(lease)
        grouped[lease.unit_id or "", primary or f"lease {lease.id}"].append(lease)
    found = [
        Household(units.get(unit_id) or _unit_of(chain[0]), chain, _primary(chain[0]))
        for (unit_id, _), leases in grouped.items()
        for chain in _chains(leases)
    ]
    return tuple(
        sorted(
            found,
            key=lambda each: (
                natural(each.unit.number),
                each.leases[0].start or FIRST_DAY,
                each.leases[0].id,
            ),
        )
    )


def _primary(lease: Lease) -> str | None:
    return next((each.resident_id for each in lease.residents if each.kind == "PRIMARY"), None)


def _unit_of(lease: Lease) -> Unit:
    return Unit(lease.unit_id or "", lease.property_id, lease.unit_number or "")


def _chains(leases: Iterable[Lease]) -> list[tuple[Lease, ...]]:
    chains: list[list[Lease]] = []
    for lease in sorted(leases, key=lambda each: (each.start or FIRST_DAY, each.id)):
        if chains and _renews(chains[-1][-1], lease):
            chains[-1].append(lease)
        else:
            chains.append([lease])
    return [tuple(part) for chain in chains for part in _without_cancelled(chain)]


def _renews(before: Lease, after: Lease) -> bool:
    """Nobody moved out of the one before the other begins, however long that is after its end."""
    if after.start is None:
        return False
    move_out = lease_move_out(before)
    return move_out is None or after.start <= move_out


def _without_cancelled(chain: list[Lease]) -> list[list[Lease]]:
    """A lease that nobody moved in under, at either end of a chain, is no part of the living household."""
    first, last = 0, len(chain)
    while first < last - 1 and _cancelled(chain[first]):
        first += 1
    while last - 1 > first and _cancelled(chain[last - 1]) and chain[last - 2].status != "INACTIVE":
        last -= 1
    return [[lease] for lease in chain[:first]] + [chain[first:last]] + [[lease] for lease in chain[last:]]


def _cancelled(lease: Lease) -> bool:
    return lease.status == "INACTIVE" and lease.realized_move_in is None and lease_move_out(lease) is None


# --- standing ----------------------------------------------------------------------------------------------------


class Standing(msgspec.Struct, frozen=True):
    """Whether a household is billed as far as its own status goes, and why not."""

    kind: Literal["billed", "skip", "hold", "not_selected"]
    reason: str = ""


def standing(household: Household, listed: Sequence[str]) -> Standing:
    """What the household's status means where a selector lists the lease statuses ``listed``.

    A pending renewal of people who already live there is their lease from its start on; it does not make them pending.
    An inactive lease counts as an active one that is over: it is billed for its occupied days.
    """
    live = [lease for lease in household.leases if lease.status != "PENDING" or "PENDING" in listed]
    if not live:
        return Standing("skip", "lease_pending")
    if all(lease.status == "INACTIVE" and lease.realized_move_in is None for lease in live):
        return Standing("skip", "never_moved_in")
    return _standing_of(household, live[-1], listed)


def _standing_of(household: Household, latest: Lease, listed: Sequence[str]) -> Standing:
    status = latest.status
    if status not in listed:
        if status not in {"ACTIVE", "INACTIVE", "PENDING"}:
            return Standing("hold", "lease_status_unclear")
        if status != "INACTIVE" or "ACTIVE" not in listed:
            return Standing("not_selected")
    if status == "INACTIVE" and household.move_out is None and latest is household.leases[-1]:
        return Standing("hold", "move_out_unknown")
    if household.primary_id is None:
        return Standing("hold", "no_primary_resident")
    return Standing("billed")


def overlaps(everyone: Sequence[Household], listed: Sequence[str]) -> dict[int, tuple[Days, ...]]:
    """For each household (by its position) the days on which another one occupies the same unit.

    One shared day, the move-out of the one and the move-in of the other, is a turnover and no overlap; a household
    that is not billed for its own status or dates makes none.
    """
    by_unit: dict[str, list[int]] = defaultdict(list)
    for i, household in enumerate(everyone):
        if all(lease.status == "PENDING" for lease in household.leases):
            continue
        if household.unit.id and standing(household, listed).kind == "billed" and household.occupied:
            by_unit[household.unit.id].append(i)
    found: dict[int, list[Days]] = defaultdict(list)
    for members in by_unit.values():
        for n, i in enumerate(members):
            for j in members[n + 1 :]:
                if common := _overlap(everyone[i], everyone[j]):
                    found[i].append(common)
                    found[j].append(common)
    return {i: tuple(days) for i, days in found.items()}


def _overlap(one: Household, other: Household) -> Days | None:
    mine, theirs = one.occupied, other.occupied
    common = mine.common(theirs) if mine and theirs else None
    if common is None:
        return None
    turnover = common.count == 1 and (
        (one.move_out == common.first == other.move_in) or (other.move_out == common.first == one.move_in)
    )
    return None if turnover else common


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key in which ``9`` comes before ``10`` and ``10A`` after ``10``."""
    parts: list[tuple[int, int, str]] = []
    number = ""
    for character in text:
        if character.isascii() and character.isdigit():
            number += character
            continue
        if number:
            parts.append((0, int(number), number))
            number = ""
        parts.append((1, 0, character))
    if number:
        parts.append((0, int(number), number))
    return tuple(parts)


def have_vanished(everyone: Iterable[Household], known: Iterable[frozenset[str]], day: date) -> bool:
    """Whether nobody lives there on the day, though somebody known (by ids of residents and leases) should.

    Whoever has a recorded move-out before it, or a move-in still to come, is away for a reason.
    """
    explained: set[str] = set()
    for household in everyone:
        if household.occupied is None:
            continue
        if day in household.occupied:
            return False
        for lease in household.leases:
            explained.update((lease.id, *(each.resident_id for each in lease.residents)))
    return any(explained.isdisjoint(marks) for marks in known)
