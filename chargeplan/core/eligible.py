"""Charges and households that are alike month after month: whose periods may be decided without their bills (``steady``)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

import msgspec

from chargeplan.core.amounts import Allocate, PercentOfCharges, Spread, charges_of, form_of
from chargeplan.core.dates import Days, Mark
from chargeplan.core.due import Expander
from chargeplan.core.evidence import Evidence
from chargeplan.core.household import Household, standing
from chargeplan.core.plan import Charge, Plan, Schedule
from chargeplan.core.posting import Brief, Posting
from chargeplan.core.recurrence import grid_of
from chargeplan.core.subject import Subject

Place = tuple[str, str]
"""Unit and resident of a key."""


class History:
    """What was posted under one charge's keys: by unit and resident the first parts, by period.

    ``branched`` are the units, residents and periods that have more than a first part.
    """

    def __init__(self, postings: Iterable[Posting | Brief]) -> None:
        self.first: dict[Place, dict[str, Posting | Brief]] = defaultdict(dict)
        self.branched: set[tuple[str, str, str]] = set()
        first = self.first
        for each in postings:
            periods = first[each.unit_id, each.resident_id]
            if each.part == 0:
                periods[each.period] = each
            else:
                self.branched.add((each.unit_id, each.resident_id, each.period))


class Recorded:
    """What the journal has of a property: by the plan and charge of its key, then by unit and resident, then by period."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self._histories = {name: History(postings) for name, postings in evidence.by_charge.items()}
        self.people = frozenset(place for each in self._histories.values() for place in each.first)

    def of(self, charge: Charge) -> History:
        """What was posted under the charge's keys without an item."""
        return self._histories.get((charge.key_plan, charge.key_charge)) or History(())


class Home(msgspec.Struct, frozen=True):
    """A household that is billed, alone in its unit under its key, and for whom nobody else's key has a line.

    ``end`` is its last lease's, ``subject`` it without a row; ``marks`` are its unit, people and leases.
    """

    order: int
    household: Household
    place: Place
    occupied: Days
    end: date | None
    subject: Subject
    marks: tuple[str, ...]


def is_plain(charge: Charge, plan: Plan) -> bool:
    """Whether the charge has the same periods for everybody, and amounts that only the household's own values make."""
    schedule = charge.schedule
    if schedule is None or charge.once is not None or charge.late_fee is not None or not charge.enabled:
        return False
    dates = (schedule.first, schedule.through, schedule.anchor)
    if not all(each is None or isinstance(each, date) for each in dates) or not _has_grid(schedule):
        return False
    shared = isinstance(form_of(charge.amount), (Allocate, Spread, PercentOfCharges))
    return not (
        shared
        or charge.code.column
        or charge.basis == "contract"
        or charge.steps
        or charge.split is not None
        or charge.who.resident == "all"
        or (charge.roster is not None and charge.roster.key == "lease_id")
        or charge.prorate.stub == "second"
        or _is_read_by_another(charge, plan)
    )


def _has_grid(schedule: Schedule) -> bool:
    anchor = schedule.anchor or schedule.first
    return grid_of(schedule, Mark(anchor, anchor.day) if isinstance(anchor, date) else None) is not None


def _is_read_by_another(charge: Charge, plan: Plan) -> bool:
    """Whether another charge of the plan is a percentage of this one, or a fee for its being late."""
    for other in plan.charges:
        amounts = [other.amount, *(each.changes.get("amount") for each in other.overrides)]
        if any(charge.id in charges_of(each) for each in amounts):  # type: ignore[arg-type]
            return True
        fees = [other.late_fee, *(each.changes.get("late_fee") for each in other.overrides)]
        if any(fee is not None and charge.id in fee.charges for fee in fees):  # type: ignore[attr-defined]
            return True
    return False


def homes_of(expander: Expander, recorded: Recorded, listed: tuple[str, ...]) -> Iterator[Home]:
    """The households that the statuses bill, whose postings can be nobody else's."""
    crowded = expander.site.overlaps(listed)
    for i, household in enumerate(expander.site.everyone):
        occupied = household.occupied
        if occupied is None or i in crowded or standing(household, listed).kind != "billed":
            continue
        unit_id, resident_id = household.unit.id, household.key_resident
        if len(household.leases) > 1 and household.gaps:
            continue
        keys = [each.key_resident for each in expander.site.by_unit[unit_id]]
        if keys.count(resident_id) > 1:
            continue
        members = [each.resident_id for each in household.members()]
        marks = (unit_id, *members, *[lease.id for lease in household.leases])
        if not recorded.evidence.marks.isdisjoint(marks):
            continue
        others = [each for each in members if each != resident_id]
        if any((unit_id, each) in recorded.people for each in others if each not in keys):
            continue
        subject = Subject(household, resident_id, alone=False)
        end = household.leases[-1].end
        yield Home(i, household, (unit_id, resident_id), occupied, end, subject, marks)
