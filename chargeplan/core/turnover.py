"""A unit's row, a bill or a meter, among the households that follow one another in it (plan-language.md, *A unit's row*).

Never is more billed than the row says, whatever the method of proration and however the days meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chargeplan.core.amounts import principal_path
from chargeplan.core.dates import Days
from chargeplan.core.household import standing
from chargeplan.core.money import round_half_away, share_out
from chargeplan.core.periods import billable, billed_days
from chargeplan.core.plan import Charge
from chargeplan.core.proration import Method, prorated
from chargeplan.core.site import Site
from chargeplan.core.subject import Subject
from chargeplan.core.terms import Exact, PartOfUnit, Priced, Prorated, Whole


def is_shared(charge: Charge, site: Site) -> bool:
    """Whether the amount is a unit's, to be given out once among its households."""
    path = principal_path(charge.amount)
    if path is None or charge.turnover == "each":
        return False
    if path.root == "roster":
        return charge.roster is not None and charge.roster.key == "unit"
    return path.root == "table" and site.plan.tables[path.table].key == "unit"


def part_of_unit(site: Site, charge: Charge, subject: Subject, period: Days, priced: Priced) -> Priced:
    """The household's part of what its unit's row says for the period, where others live there in it too."""
    term = priced.term
    if not isinstance(term, Whole | Prorated) or term.amount.exact is None:
        return priced
    homes = list(_homes(site, charge, subject, period, priced.days))
    if len(homes) == 1:
        return priced
    days = [each for _, each in homes]
    parts = _parts(term.amount.exact, charge.prorate.method, period, days)
    cents = next(part for (is_own, _), part in zip(homes, parts, strict=True) if is_own)
    if cents == term.cents:
        return priced
    return Priced(
        priced.days, PartOfUnit(term, priced.days.count, sum(each.count for each in days), len(homes), cents)
    )


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
            days = billable(site.plan.effective, charge, other)
            if billed := billed_days(charge, other, days, period):
                yield False, billed
