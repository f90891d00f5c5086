"""Charges whose amount needs another charge's: circles, periods that never meet, and charges that have no single amount."""

from __future__ import annotations

from chargeplan.core.diagnostic import Place
from chargeplan.core.plan import Charge
from chargeplan.core.recurrence import may_meet
from chargeplan.loading.charge import Read
from chargeplan.loading.node import Problems
from chargeplan.loading.references import ChargeReference


def check_needs(reads: list[Read], problems: Problems) -> None:
    """Report percentages in a circle, percentages of a late fee, and late fees upon late fees."""
    late = {read.charge.id for read in reads if read.charge.late_fee is not None}
    needs: dict[str, dict[str, Place]] = {}
    for read in reads:
        for reference in read.references:
            if isinstance(reference, ChargeReference):
                if reference.charge in late:
                    _report_late(reference, problems)
                elif not reference.watched:
                    needs.setdefault(read.charge.id, {}).setdefault(reference.charge, reference.place)
    by_id = {read.charge.id: read.charge for read in reads}
    for name, bases in needs.items():
        for base, place in bases.items():
            if base in by_id:
                _check_meeting(by_id[name], by_id[base], place, problems)
    for circle in _circles(needs):
        shown = " → ".join(f"`{name}`" for name in (*circle, circle[0]))
        problems.error(
            needs[circle[0]][circle[1 % len(circle)]],
            f"These charges need each other's amount: {shown}.",
            "Give one of them another amount.",
        )


def _check_meeting(charge: Charge, base: Charge, place: Place, problems: Problems) -> None:
    """A percentage of what is never billed for the same time would never exist, and nobody would be told."""
    if charge.schedule is None or base.schedule is None or may_meet(charge.schedule, base.schedule):
        return
    problems.error(
        place,
        f"The periods of `{charge.id}` and `{base.id}` never meet.",
        f"Give `{charge.id}` the rhythm of `{base.id}`, or one whose periods are made of whole ones of its.",
    )


def _report_late(reference: ChargeReference, problems: Problems) -> None:
    if reference.watched:
        problems.error(
            reference.place,
            f"`{reference.charge}` is a late fee, and late fees are not charged upon late fees.",
            "Name the charge that is late.",
        )
    else:
        problems.error(
            reference.place,
            f"`{reference.charge}` is a late fee, which has no amount for a period.",
            "Name another charge, or a path.",
        )


def _circles(needs: dict[str, dict[str, Place]]) -> list[tuple[str, ...]]:
    """Each circle once, beginning with the charge that comes first in the file."""
    found: list[tuple[str, ...]] = []
    done: set[str] = set()
    for start in needs:
        path: list[str] = []
        _follow(start, needs, path, done, found)
    return found


def _follow(
    name: str,
    needs: dict[str, dict[str, Place]],
    path: list[str],
    done: set[str],
    found: list[tuple[str, ...]],
) -> None:
    if name in path:
        found.append(tuple(path[path.index(name) :]))
        return
    if name in done:
        return
    path.append(name)
    for each in needs.get(name, {}):
        _follow(each, needs, path, done, found)
    path.pop()
    done.add(name)
