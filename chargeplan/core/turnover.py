"""A unit's row, a bill or a meter, among those who live there in a period (plan-language.md, *A unit's row*).

It is given out among the households first, then, where each resident has a line of their own, among the household's people.
Never is more billed than the row says, whatever the method of proration and however the days meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chargeplan.core.amounts import principal_path
from chargeplan.core.dates import Days
from chargeplan.core.household import Household, standing
from chargeplan.core.money import round_half_away, share_out
from chargeplan.core.periods import billable, billed_days
from chargeplan.core.plan import Charge, Row
from chargeplan.core.proration import Method, prorated
from chargeplan.core.site import Site
from chargeplan.core.subject import Subject
from chargeplan.core.terms import Exact, PartOfUnit, Prorated, Whole


def is_shared(charge: Charge, site: Site) -> bool:
    """Whether the amount is a unit's, to be given out once among those who live there."""
    path = principal_path(charge.amount)
    if path is None or charge.turnover == "each":
        return False
    if path.root == "roster":
        return charge.roster is not None and charge.roster.key == "unit"
    return path.root == "table" and site.plan.tables[path.table].key == "unit"


def billable_together(site: Site, charge: Charge, household: Household, row: Row | None) -> Days | None:
    """The days, over all periods, for which a unit's row may be billed to a household: those of its people together."""
    if charge.who.resident == "all":
        people = [Subject(household, each.resident_id, alone=True, row=row) for each in household.members()]
    else:
        people = [Subject(household, household.key_resident, alone=False, row=row)]
    stays = [days for each in people if (days := billable(site.plan.effective, charge, each))]
    return Days(min(each.first for each in stays), max(each.last for each in stays)) if stays else None


def part_of_unit(
    site: Site, charge: Charge, subject: Subject, *, period: Days, billed: Days, whole: Whole | Prorated
) -> Whole | Prorated | PartOfUnit:
    """The household's part of what its unit's row says for the period, where others live there in it too."""
    if whole.amount.exact is None:
        return whole
    homes = list(_homes(site, charge, subject, period, billed))
    if len(homes) == 1:
        return whole
    days = [each for _, each in homes]
    parts = _parts(whole.amount.exact, charge.prorate.method, period, days)
    cents = next(part for (is_own, _), part in zip(homes, parts, strict=True) if is_own)
    if cents == whole.cents:
        return whole
    return PartOfUnit(whole, billed.count, sum(each.count for each in days), len(homes), cents)


def _parts(whole: Exact, method: Method, period: Days, days: Sequence[Days]) -> list[int]:
    """What each of the households pays: by days, or each for its own by the method, as long as that is not more than the whole."""
    cents = round_half_away(whole)
    if method in {"none", "skip"}:
        return share_out(cents, [each.count for each in days])
    exact = [prorated(whole, method, period, each) for each in days]
    rounded = [round_half_away(each) for each in exact]
    return (
        rounded
        if abs(sum(rounded)) <= abs(cents)
        else share_out(cents, [-each if each < 0 else each for each in exact])
    )


def _homes(
    site: Site, charge: Charge, subject: Subject, period: Days, own: Days
) -> Iterator[tuple[bool, Days]]:
    """The days for which each of the unit's households is billed in the period, and whether it is the subject's own."""
    for household in site.by_unit[subject.household.unit.id]:
        if household is subject.household:
            yield True, own
        elif standing(household, charge.lease_status).kind != "skip":
            other = Subject(household, household.key_resident, alone=False, row=subject.row)
            days = billable_together(site, charge, household, subject.row)
            if billed := billed_days(charge, other, days, period):
                yield False, billed
