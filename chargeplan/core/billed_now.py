"""What is billed now, as `derive` reads it: of one charge code, who could be billed for which period, and what their ledger has."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import msgspec

from chargeplan.core.compare_ledger import Homes
from chargeplan.core.dates import ONE_DAY, Days, day_in_month, days_in_month, month_number
from chargeplan.core.household import Household, standing
from chargeplan.core.observed import ChargeCode, Lease, day_of
from chargeplan.core.property_plan import PropertyValues
from chargeplan.core.subject import Facts, Subject

_ALWAYS_LISTED = "ACTIVE"


class LedgerLine(msgspec.Struct, frozen=True):
    """A charge of the code: the month that it counts for (its number), the household (by position) and resident it stands on."""

    month: int
    order: int
    resident_id: str
    cents: int
    day: date


class Rhythm(msgspec.Struct, frozen=True):
    """Every so many months on a day of the month (31: the last), beginning with the month of that number."""

    every: int
    day: int
    first: int

    def period(self, month: int) -> Days:
        """The service period that begins in the month."""
        begins = day_in_month(month, self.day)
        return Days(begins, day_in_month(month + self.every, self.day) - ONE_DAY)


class Cell(msgspec.Struct, frozen=True):
    """A household, or one resident of it, in one service period: the days that may be billed, and the cents on the ledger."""

    order: int
    month: int
    subject: Subject
    lease: Lease
    period: Days
    days: Days
    cents: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the whole period may be billed."""
        return self.days == self.period

    @property
    def is_after_end(self) -> bool:
        """Whether the lease had ended before the period, and none follows."""
        return self.subject.household.end_before(self.period.first) is not None


class CodeLines(msgspec.Struct, frozen=True):
    """The lines of one charge code in one property; ``nobodys`` counts those that stand on no household.

    ``is_ambiguous`` where another code of the property has the same name, so that a plan can't name it.
    """

    code: ChargeCode
    lines: tuple[LedgerLine, ...]
    nobodys: int
    is_ambiguous: bool = False

    @property
    def count(self) -> int:
        """All of them."""
        return len(self.lines) + self.nobodys

    @property
    def months(self) -> list[int]:
        """The months in which the code was billed, but for strays: months with less than a tenth of the fullest one's lines."""
        counted = Counter(line.month for line in self.lines)
        most = max(counted.values(), default=0)
        return sorted(month for month, count in counted.items() if 10 * count >= most)

    def rhythm(self) -> Rhythm | None:
        """How often and when; ``None`` where the months have no even distance or are fewer than two."""
        months = self.months
        gaps = {after - before for before, after in itertools.pairwise(months)}
        if len(gaps) != 1:
            return None
        days = Counter(line.day.day for line in self.lines)
        at_end = sum(line.day.day == days_in_month(line.day.year, line.day.month) for line in self.lines)
        day = min(days, key=lambda each: (-days[each], each))
        return Rhythm(gaps.pop(), 31 if at_end > days[day] else day, months[0])

    @property
    def residents_apart(self) -> bool:
        """Whether a quarter of the households at least have lines on several people in a month."""
        people: dict[tuple[int, int], list[str]] = defaultdict(list)
        for line in self.lines:
            people[line.order, line.month].append(line.resident_id)
        several = sum(len(set(names)) > 1 for names in people.values())
        return 4 * several > len(people)


class BilledNow:
    """The ledgers of one property over the window of ``values``."""

    def __init__(self, values: PropertyValues) -> None:
        self.values = values
        self.everyone = values.everyone
        residents = {each.id: each for each in values.observed.residents}
        self.facts = Facts(values.names, residents, values.observed.fees, {})

    def codes(self) -> Iterator[CodeLines]:
        """Every code that has a line in the window, by name."""
        homes = Homes(self.everyone)
        lines: dict[str, list[LedgerLine]] = defaultdict(list)
        nobodys: Counter[str] = Counter()
        for charge in self.values.observed.charges:
            day, code = day_of(charge), charge.charge_code_id or ""
            if day is None or day not in self.values.window or charge.amount is None:
                continue
            orders = homes.of(charge, day)
            lines[code] += [
                LedgerLine(month_number(day), order, charge.resident_id or "", charge.amount, day)
                for order in orders[:1]
            ]
            nobodys[code] += not orders
        known = {each.id: each for each in self.values.observed.charge_codes}
        names = Counter(each.shown for each in known.values())
        found = [known.get(each) or ChargeCode(each, self.values.names.id, None) for each in lines]
        for one in sorted(found, key=lambda each: (each.shown, each.id)):
            yield CodeLines(one, tuple(lines[one.id]), nobodys[one.id], is_ambiguous=names[one.shown] > 1)

    def statuses(self, code: CodeLines) -> tuple[str, ...]:
        """The lease statuses to list: those that a plan would hold, and that are billed all the same."""
        billed = {line.order for line in code.lines}
        asked: dict[str, list[bool]] = defaultdict(list)
        for order, household in enumerate(self.everyone):
            if standing(household, (_ALWAYS_LISTED,)).reason == "lease_status_unclear":
                asked[household.leases[-1].status].append(order in billed)
        more = sorted(status for status, seen in asked.items() if 2 * sum(seen) > len(seen))
        return (_ALWAYS_LISTED, *more)

    def cells(self, code: CodeLines, rhythm: Rhythm, statuses: Sequence[str], *, alone: bool) -> list[Cell]:
        """Who could be billed in each of the code's months; with ``alone`` each resident by themselves."""
        there: dict[tuple[int, int, str], list[int]] = defaultdict(list)
        for line in code.lines:
            there[line.order, line.month, line.resident_id if alone else ""].append(line.cents)
        months = range(rhythm.first, month_number(self.values.window.last) + 1, rhythm.every)
        return [
            cell
            for order, household in enumerate(self.everyone)
            if standing(household, statuses).kind == "billed"
            for subject in _subjects(household, alone=alone)
            for month in months
            if (cell := self._cell(order, subject, month, rhythm, there)) is not None
        ]

    def _cell(
        self,
        order: int,
        subject: Subject,
        month: int,
        rhythm: Rhythm,
        there: Mapping[tuple[int, int, str], Sequence[int]],
    ) -> Cell | None:
        period = rhythm.period(month)
        days = subject.occupied.common(period) if subject.occupied else None
        if days is None or month_number(days.first) != month:
            return None
        cents = there.get((order, month, subject.resident_id if subject.alone else ""), ())
        lease = subject.household.lease_on(days.first)
        return Cell(order, month, subject, lease, period, days, tuple(sorted(cents)))


def _subjects(household: Household, *, alone: bool) -> list[Subject]:
    if not alone:
        return [Subject(household, household.key_resident, alone=False)]
    return [Subject(household, each.resident_id, alone=True) for each in household.members()]
