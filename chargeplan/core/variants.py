"""A charge as its overrides shape it, one variant for each stretch of time (plan-language.md, *A charge*)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import msgspec

from chargeplan.core.dates import ALWAYS, LAST_DAY, ONE_DAY, Days
from chargeplan.core.household import Household
from chargeplan.core.line import OverrideUsed
from chargeplan.core.plan import Charge, Override
from chargeplan.core.select import Names, override_fits
from chargeplan.core.subject import Subject, date_at


class Variant(msgspec.Struct, frozen=True):
    """A charge as the overrides shape it for service periods that begin within ``starts``; ``dated`` by dates of their own."""

    starts: Days
    charge: Charge
    used: OverrideUsed | None
    waived: bool
    dated: bool = False


def variants(charge: Charge, household: Household, members: Sequence[str], names: Names) -> Iterator[Variant]:
    """The charge as its overrides shape it, one variant for each stretch of time in which the same overrides hold."""
    subject = Subject(household, household.key_resident, alone=False)
    spans: list[tuple[Days, Override]] = []
    for override in charge.overrides:
        span = _override_span(override, subject)
        if span and override_fits(override, names, household.unit, members):
            spans.append((span, override))
    if not spans:
        yield Variant(ALWAYS, charge, None, waived=False)
        return
    cuts = sorted(
        {ALWAYS.first}
        | {s.first for s, _ in spans}
        | {s.last + ONE_DAY for s, _ in spans if s.last < LAST_DAY}
    )
    for first, following in zip(cuts, [*cuts[1:], LAST_DAY + ONE_DAY], strict=True):
        starts = Days(first, following - ONE_DAY)
        yield _shaped(charge, starts, [override for span, override in spans if first in span])


def _override_span(override: Override, subject: Subject) -> Days | None:
    first, last = ALWAYS.first, LAST_DAY
    if override.first is not None:
        begins = date_at(override.first, subject)
        if begins is None:
            return None
        first = begins
    if override.through is not None:
        last = date_at(override.through, subject) or LAST_DAY
    return Days(first, last) if first <= last else None


def _shaped(charge: Charge, starts: Days, active: list[Override]) -> Variant:
    if not active:
        return Variant(starts, charge, None, waived=False)
    changes: dict[str, object] = {}
    for override in active:
        changes |= override.changes
        if "once" in override.changes and "schedule" not in override.changes:
            changes["schedule"] = None
        if "schedule" in override.changes and "once" not in override.changes:
            changes["once"] = None
    used = OverrideUsed(active[-1].reason, active[-1].place.line)
    dated = any(isinstance(day, date) for each in active for day in (each.first, each.through))
    shaped = msgspec.structs.replace(charge, **changes)
    return Variant(starts, shaped, used, waived=_waived(active), dated=dated)


def _waived(active: Sequence[Override]) -> bool:
    """Later overrides win: `waive: false` takes an earlier `waive: true` back, and what says nothing leaves it."""
    said = [each.waive for each in active if each.waive is not None]
    return bool(said and said[-1])
