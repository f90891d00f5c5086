"""What is on a ledger, or on its way there, and claimed by no line that is due; and which line it concerns.

plan-language.md, *What already exists, and what follows*, question 2. A charge concerns a line where people, what and when all
agree; each holds one line, equal amounts first, in canonical order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property

import msgspec

from chargeplan.core.bill import Bill, HouseholdBills
from chargeplan.core.change import Change, Synced, period_reference
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import Days
from chargeplan.core.evidence import Evidence
from chargeplan.core.household import Household, households
from chargeplan.core.key import FIRST_CORRECTION_PART, Key
from chargeplan.core.money import format_money
from chargeplan.core.observed import ChargeCode, ObservedProperty, SyncedCharge
from chargeplan.core.plan import Plan
from chargeplan.core.planned import PlannedProperty
from chargeplan.core.posting import Brief, Posting
from chargeplan.core.verdicts import settling

_OF_ONE_DAY = timedelta(days=14)
"""So far a date that was corrected may lie from the one that was posted, of what is for a single day."""


class Unaccounted(msgspec.Struct, frozen=True, kw_only=True):
    """A charge or credit that nothing due claims: somebody else's, or ours under a key that nothing is due under.

    ``id`` is the charge's, or the reference of a posting that no ledger shows yet. ``people`` are the residents and leases
    that it stands on or was posted for. ``charge`` and ``serves`` are ours alone: the plan and charge of the key, the days billed.
    """

    id: str
    amount: int
    day: date | None
    code_id: str
    people: frozenset[str]
    unit_id: str
    post_month: str | None = None
    charge: tuple[str, str] | None = None
    serves: Days | None = None
    synced: SyncedCharge | None = None
    posting: Posting | Brief | None = None

    @property
    def shown(self) -> Synced | None:
        """The charge as a change names it."""
        found = self.synced
        return None if found is None else Synced(found.id, found.amount, found.transaction_date)


class Concerned(msgspec.Struct, frozen=True):
    """A change that a duplicate may concern, with its household."""

    change: Change
    bill: Bill
    household: Household


def owned_codes(plans: Iterable[Plan], codes: Iterable[ChargeCode]) -> frozenset[str]:
    """The ids of the property's codes on which one of the plans is the only poster."""
    names = {name for plan in plans for name in plan.owns}
    return frozenset(code.id for code in codes if {code.id, code.name, code.number} & names)


class Duplicates:
    """What nothing accounts for in one property, and which lines it concerns."""

    def __init__(
        self,
        planned: Sequence[PlannedProperty],
        observed: ObservedProperty,
        evidence: Evidence,
        integration: IntegrationConfig,
        early_days: int,
    ) -> None:
        self._planned, self._observed, self._evidence = planned, observed, evidence
        self._tolerance, self._early = timedelta(days=integration.date_tolerance), timedelta(days=early_days)
        self.ours_unrecorded = evidence.unrecorded and evidence.unrecorded & {
            reference
            for each in planned
            for bills in each.expansion.households
            for bill in bills.bills
            for reference in _references(bill, evidence)
        }

    @cached_property
    def everyone(self) -> tuple[Household, ...]:
        """The property's households, in the order in which bills name them."""
        return households(self._observed)

    def relocated(self) -> Mapping[str, Key]:
        """For which bill each posting counts whose charge now stands on another's record, where that one has the period."""
        found: dict[str, Key] = {}
        if not self._evidence.relocated and not self._evidence.moved:
            return found
        for each in self._planned:
            for bills in each.expansion.households:
                for bill in bills.bills:
                    place = (bill.key.plan, bill.key.charge, bill.key.period)
                    mine = {(key.unit_id, key.resident_id) for key in (bill.key, *bill.alternates)}
                    for moved in self._evidence.moved.get(place, ()):
                        if (moved.unit_id, moved.resident_id) in mine and _is_part_of(moved, bill):
                            found.setdefault(moved.reference, bill.key)
                    for posting, charge in self._evidence.relocated.get(place, ()):
                        if (
                            (posting.unit_id, posting.resident_id) not in mine
                            and _is_part_of(posting, bill)
                            and self._is_of(charge, bill, bills)
                        ):
                            found.setdefault(posting.reference, bill.key)
        return found

    def _is_of(self, charge: SyncedCharge, bill: Bill, bills: HouseholdBills) -> bool:
        household = self.everyone[bills.order]
        if _is_alone(bill):
            here = charge.resident_id == bill.key.resident_id
        else:
            here = not _people(household).isdisjoint({charge.resident_id or "", charge.lease_id or ""})
        return here and charge.unit_id in {None, household.unit.id}

    # --- what concerns a line ---------------------------------------------------------------------------------------

    def concerning(self, asked: Concerned) -> Iterator[Unaccounted]:
        """What is unaccounted for and concerns the change, whoever's amount it has."""
        people, unit_id = _people(asked.household), asked.household.unit.id
        marks = [*sorted(people), unit_id]
        seen: set[str] = set()
        for mark in marks:
            for each in self._foreign.get(mark, ()):
                if each.id not in seen and self._concerns(each, asked, people):
                    seen.add(each.id)
                    yield each
        for posting in self._evidence.ours_on(marks, _since(asked.change)):
            if _is_same_thing(posting, asked.change) and not self._is_claimed(posting):
                ours = self._of_ours(posting)
                if self._concerns(ours, asked, people) and self._evidence.stands_at(posting):
                    yield ours

    def _concerns(self, each: Unaccounted, asked: Concerned, people: frozenset[str]) -> bool:
        change = asked.change
        amount = change.amount or 0
        return (
            each.amount * amount > 0
            and (each.code_id == change.charge_code_id or each.charge is not None)
            and self._agrees_on_people(each, asked, people)
            and (_serves(each, change) if each.serves else self._is_dated_for(each, change))
            and (period_reference(change), each.id) not in self._evidence.decisions.unrelated
        )

    def _agrees_on_people(self, each: Unaccounted, asked: Concerned, people: frozenset[str]) -> bool:
        if not each.people.isdisjoint(people):
            own = asked.change.resident_id
            # Of several residents on a lease each has lines of their own: another's is no duplicate.
            return (
                not _is_alone(asked.bill)
                or own in each.people
                or each.people.isdisjoint(people - {own} - _leases(asked.household))
            )
        occupied, days = asked.household.occupied, each.serves or (each.day and Days(each.day, each.day))
        if each.unit_id != asked.household.unit.id or not occupied or not days or not occupied.common(days):
            return False
        return not any(self._lives_here(person, days) for person in each.people)

    def _lives_here(self, person: str, days: Days) -> bool:
        """Whether the charge is plainly that of other people, who lived here in the days' month."""
        month = Days(days.first.replace(day=1), days.last)
        return any(
            (lived := self.everyone[order].occupied) is not None and lived.common(month) is not None
            for order in self._homes.get(person, ())
        )

    @cached_property
    def _homes(self) -> Mapping[str, Sequence[int]]:
        found: dict[str, list[int]] = {}
        for order, household in enumerate(self.everyone):
            for person in _people(household):
                found.setdefault(person, []).append(order)
        return found

    def _is_dated_for(self, each: Unaccounted, change: Change) -> bool:
        day, period = each.day, change.period
        if each.post_month is not None and each.post_month == change.transaction_date.isoformat()[:7]:
            return True
        if day is None:
            return False
        if period.first - self._tolerance <= day <= period.last + self._tolerance:
            return True
        if abs(day - change.transaction_date) <= self._tolerance:
            return True
        return each.amount == change.amount and period.first - self._early <= day < period.first

    @cached_property
    def _foreign(self) -> Mapping[str, Sequence[Unaccounted]]:
        """Foreign charges by the residents, leases and units that they stand on."""
        found: dict[str, list[Unaccounted]] = {}
        for charge in self._evidence.strangers:
            if charge.reference in self.ours_unrecorded:
                continue
            each = Unaccounted(
                id=charge.id,
                amount=charge.amount or 0,
                day=charge.transaction_date,
                code_id=charge.charge_code_id or "",
                people=frozenset(filter(None, (charge.resident_id, charge.lease_id))),
                unit_id=charge.unit_id or "",
                post_month=charge.post_month,
                synced=charge,
            )
            for mark in {*each.people, each.unit_id} - {""}:
                found.setdefault(mark, []).append(each)
        return found

    def _of_ours(self, posting: Posting | Brief) -> Unaccounted:
        charge = self._evidence.charge_of(posting)
        shown = (charge.resident_id, charge.lease_id) if charge else ()
        return Unaccounted(
            id=charge.id if charge else posting.reference,
            amount=posting.amount if charge is None or charge.amount is None else charge.amount,
            day=posting.transaction_date,
            code_id=posting.charge_code_id,
            people=frozenset(filter(None, (posting.resident_id, posting.lease_id, *shown))),
            unit_id=posting.unit_id,
            charge=(posting.key_plan, posting.key_charge),
            serves=Days(posting.service_first, posting.service_last),
            synced=charge,
            posting=posting,
        )

    # --- what claims a posting --------------------------------------------------------------------------------------

    def _is_claimed(self, posting: Posting | Brief) -> bool:
        if posting.reference in self._evidence.counted or any(
            each.steady.is_told(posting) for each in self._planned
        ):
            return True
        place = (posting.key_plan, posting.key_charge, posting.unit_id, posting.resident_id, posting.period)
        return place in self._billed or self._is_fee_for_what_is_there(posting)

    @cached_property
    def _billed(self) -> frozenset[tuple[str, str, str, str, str]]:
        """The keys of all bills, with those under which their households may be known."""
        return frozenset(
            (key.plan, key.charge, key.unit_id, key.resident_id, key.period)
            for each in self._planned
            for bills in each.expansion.households
            for bill in bills.bills
            for key in (bill.key, *bill.alternates)
        )

    def _is_fee_for_what_is_there(self, posting: Posting | Brief) -> bool:
        """Whether it is a late fee whose late charge is still on the ledger: fees before the window have no bills."""
        if (posting.key_plan, posting.key_charge.partition("/")[0]) not in self._late_fees:
            return False
        late = posting.period.rpartition("/")[2]
        return late in self._evidence.by_reference or late in self._charge_ids

    @cached_property
    def _late_fees(self) -> frozenset[tuple[str, str]]:
        return frozenset(
            (charge.key_plan, charge.key_charge)
            for each in self._planned
            for charge in each.plan.charges
            if charge.late_fee is not None
        )

    @cached_property
    def _charge_ids(self) -> frozenset[str]:
        return frozenset(each.id for each in self._observed.charges)


# --- which line each one holds -----------------------------------------------------------------------------------


def assigned(
    wanted: Sequence[tuple[Change, Sequence[Unaccounted]]],
) -> tuple[list[Unaccounted | None], frozenset[str]]:
    """For each change (in canonical order) the one that holds it, and the ids of all that hold one.

    Equal amounts come first, of these the very resident's and what was posted for the very month; of several the one dated
    nearest.
    """
    held: list[Unaccounted | None] = [None] * len(wanted)
    taken: set[str] = set()
    for fits in (_is_very_line, _has_amount_and_month, _has_amount, _is_any):
        for number, (change, candidates) in enumerate(wanted):
            free = [each for each in candidates if each.id not in taken and fits(each, change)]
            if held[number] is None and free:
                chosen = min(free, key=lambda each: (_distance(each, change), each.id))
                held[number] = chosen
                taken.add(chosen.id)
    return held, frozenset(taken)


def _since(change: Change) -> date:
    """Nothing of ours for days before that can be the line."""
    return change.service.first - _OF_ONE_DAY


def is_of_its_month(each: Unaccounted, change: Change) -> bool:
    """Whether the charge was posted for the line's month, as far as the property system says for which."""
    return each.post_month in {None, change.transaction_date.isoformat()[:7]}


def is_of_its_person(each: Unaccounted, change: Change) -> bool:
    """Whether the charge stands on the line's resident; in some systems charges name nobody, and stand on the lease."""
    names_nobody = each.synced is not None and each.synced.resident_id is None
    return (change.lease_id if names_nobody else change.resident_id) in each.people


def _is_very_line(each: Unaccounted, change: Change) -> bool:
    return _has_amount_and_month(each, change) and change.resident_id in each.people


def _has_amount_and_month(each: Unaccounted, change: Change) -> bool:
    return each.amount == change.amount and is_of_its_month(each, change)


def _has_amount(each: Unaccounted, change: Change) -> bool:
    return each.amount == change.amount


def _is_any(_each: Unaccounted, _change: Change) -> bool:
    return True


def _distance(each: Unaccounted, change: Change) -> int:
    return abs((each.day - change.transaction_date).days) if each.day else 10_000


def _is_alone(bill: Bill) -> bool:
    return bill.charge.who.resident == "all" or bill.charge.split is not None


def _is_part_of(posting: Posting | Brief, bill: Bill) -> bool:
    """Every fee of a late charge is a bill of its own; of anything else a period is, with all its parts and corrections."""
    return bill.charge.late_fee is None or posting.part == bill.key.part


def _people(household: Household) -> frozenset[str]:
    return frozenset(each.resident_id for each in household.members()) | _leases(household)


def _leases(household: Household) -> frozenset[str]:
    return frozenset(each.id for each in household.leases)


def _is_same_thing(posting: Posting | Brief, change: Change) -> bool:
    """The same code, or the same charge of the same plan under another key."""
    mine, theirs = change.key_charge.partition("/")[0], posting.key_charge.partition("/")[0]
    return posting.charge_code_id == change.charge_code_id or (posting.key_plan, theirs) == (
        change.key_plan,
        mine,
    )


def _serves(each: Unaccounted, change: Change) -> bool:
    assert each.serves is not None
    if each.serves.common(change.service) is not None:
        return True
    margin = _OF_ONE_DAY if each.serves.count == change.service.count == 1 else timedelta(0)
    return abs(each.serves.first - change.service.first) <= margin


def _references(bill: Bill, evidence: Evidence) -> Iterator[str]:
    for line in bill.lines:
        yield line.reference
    for key in (bill.key, *bill.alternates):
        if evidence.knows(key.reference):
            yield key.reference
        number = FIRST_CORRECTION_PART
        while bill.charge.late_fee is None and evidence.knows(reference := key.with_part(number).reference):
            yield reference
            number += 1


def named(each: Unaccounted, change: Change) -> str:
    """What may be the line already, for a person: charge, amount, date, author, and what can be done."""
    text = f" “{each.synced.description}”" if each.synced is not None and each.synced.description else ""
    what = f"charge {each.id}" if each.synced is not None else f"line {each.id}, not on the ledger yet,"
    said = f"{what} of {format_money(each.amount)} dated {each.day or 'no day'}{text}"
    if each.posting is None:
        author = "somebody else entered it"
    else:
        posting = each.posting
        author = (
            f"line {posting.reference}, which was posted for {posting.key_plan}/{posting.key_charge} for {posting.service_first} to "
            f"{posting.service_last}, and nothing due now has its key: if that is this charge's old name, write `moved`"
        )
    return f"{said}: {author}. {' '.join(commands(each, change))}"


def commands(each: Unaccounted, change: Change) -> tuple[str, ...]:
    """The commands that settle the question, each with when it is the answer."""
    *adopt, unrelated = settling(change, each.id)
    another = f"If it is another matter: `{unrelated}`."
    if each.synced is None:
        return (another,)
    this = (
        f"If it is this line: `{adopt[0]}`."
        if adopt
        else "If it is the same once too often, void it at the property system."
    )
    return this, another
