"""Whom a charge selects: the subjects that may have lines of their own, or why a household is left out, with the facts.

plan-language.md, *Who*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from chargeplan.core.facts import AsksFor, Fact, LeftOut, NoRow, Takes
from chargeplan.core.household import Household
from chargeplan.core.observed import Resident, Unit
from chargeplan.core.plan import Charge, Row, Selector, Table
from chargeplan.core.select import fits, rows_for
from chargeplan.core.site import Site
from chargeplan.core.subject import Subject


def subjects(
    site: Site, charge: Charge, household: Household, people: Sequence[str]
) -> list[Subject] | LeftOut:
    """Who of ``people`` has lines of their own, once for each of the roster's rows for them."""
    alone = charge.who.resident == "all"
    chosen: list[Subject] = []
    if selects_unit(charge.who, household.unit):
        chosen = [
            Subject(household, each, alone)
            for each in people
            if selects_person(site, charge.who, household, each, alone=alone)
        ]
    if not chosen:
        return LeftOut("not_selected", tuple(why_not_selected(site, charge.who, household)))
    if charge.roster is None:
        return chosen
    listed = [
        msgspec.structs.replace(subject, row=row)
        for subject in chosen
        for row in roster_rows(site, charge, charge.roster, subject)
    ]
    if listed:
        return listed
    tried = [key for subject in chosen for key in _roster_keys(charge, charge.roster, subject)]
    no_row = NoRow(charge.roster.file, charge.roster.key, tuple(dict.fromkeys(tried)))
    return LeftOut("not_on_roster", (Fact("roster", no_row),))


def why_not_selected(site: Site, who: Selector, household: Household) -> Iterator[Fact]:
    """Each part of the selector that does not take the household in."""
    statuses = tuple(lease.status for lease in household.leases)
    if not set(statuses) & set(who.lease_status):
        yield Fact("lease_status", Takes(who.lease_status, statuses))
    yield from _misfits_of_unit(who, household.unit)
    people = [each.resident_id for each in household.members()]
    if any(_excepts(who, each) for each in people):
        yield Fact("except", "leaves them out")
    yield from _lacks(who, _residents(site, people))


def selects_unit(who: Selector, unit: Unit) -> bool:
    """Whether the selector's unit, building and floor plan patterns take in the unit."""
    return next(_misfits_of_unit(who, unit), None) is None


def _misfits_of_unit(who: Selector, unit: Unit) -> Iterator[Fact]:
    for name, patterns, texts in (
        ("units", who.units, (unit.number, unit.id)),
        ("buildings", who.buildings, (unit.building_name, unit.building_number)),
        ("floor_plans", who.floor_plans, (unit.floor_plan_name, unit.floor_plan_code)),
    ):
        if patterns is not None and not fits(patterns, *texts):
            yield Fact(name, Takes(patterns, tuple(text for text in texts if text)))
    if fits(who.except_units, unit.number, unit.id):
        yield Fact("except", "leaves them out")


def selects_person(site: Site, who: Selector, household: Household, resident_id: str, *, alone: bool) -> bool:
    """Whether the charge is for the household, or for a resident of it ``alone``, as far as people go."""
    if _excepts(who, resident_id):
        return False
    if not who.has:
        return True
    ids = [resident_id] if alone else [each.resident_id for each in household.members()]
    return next(_lacks(who, _residents(site, ids)), None) is None


def _excepts(who: Selector, resident_id: str) -> bool:
    return fits(who.except_residents, resident_id)


def _lacks(who: Selector, people: Sequence[Resident]) -> Iterator[Fact]:
    """Each kind of thing that the selector asks for, pets or vehicles, and the people together do not have."""
    for thing in who.has:
        count = sum(each.pets if thing == "pets" else each.vehicles for each in people)
        if not count:
            yield Fact("has", AsksFor(thing, count))


def _residents(site: Site, ids: Sequence[str]) -> list[Resident]:
    return [site.facts.residents[each] for each in ids if each in site.facts.residents]


# --- rosters -----------------------------------------------------------------------------------------------------------


def roster_rows(site: Site, charge: Charge, roster: Table, subject: Subject) -> tuple[Row, ...]:
    """The roster's rows for the subject, in file order; a household that is split has one row for all."""
    rows = rows_for(roster, site.setting.names, _roster_keys(charge, roster, subject))
    return rows[:1] if charge.split is not None and roster.key == "resident_id" else rows


def _roster_keys(charge: Charge, roster: Table, subject: Subject) -> list[str]:
    if roster.key == "resident_id" and charge.split is None:
        return [subject.resident_id]
    return household_keys(roster, subject.household)


def household_keys(roster: Table, household: Household) -> list[str]:
    """What the roster's rows may call a household: its unit, its leases, or its people."""
    match roster.key:
        case "lease_id":
            return [lease.id for lease in household.leases]
        case "unit":
            return [household.unit.number, household.unit.id]
        case _:
            return [member.resident_id for member in household.members()]
