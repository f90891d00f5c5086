"""Steady lines: whole periods of households that nothing happens to, told without writing their bills.

Nearly every line of nearly every month is one: the same people, a whole period, an amount that is as it was posted, or that
is posted for the first time. What is told here is what :mod:`expand` and :mod:`compare` would tell of the same household
and charge, only shorter (a law in the tests), and whatever is not plainly so is left to them: a household that moves,
shares its unit or has no clear status, a charge with steps, shares, overrides for the household or rows of its own, a
posting that was refused, removed, corrected or of another amount.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

import msgspec

from chargeplan.core.amounts import Allocate, Fixed, FromPath, PercentOfCharges, Spread, charges_of, form_of
from chargeplan.core.dates import ALWAYS, LAST_DAY, ONE_DAY, Days, Mark
from chargeplan.core.due import Expander
from chargeplan.core.evidence import Evidence
from chargeplan.core.facts import LeftOut
from chargeplan.core.household import Household, standing
from chargeplan.core.key import Key
from chargeplan.core.line import Line
from chargeplan.core.money import is_postable, round_half_away
from chargeplan.core.observed import ChargeCode, Lease, SyncedCharge
from chargeplan.core.periods import Period, lived, periods
from chargeplan.core.plan import Charge, Plan, Schedule
from chargeplan.core.posting import FREE, SETTLED, Brief, Posting
from chargeplan.core.recurrence import grid_of
from chargeplan.core.select import override_fits, selects_every_unit
from chargeplan.core.subject import Subject
from chargeplan.core.terms import Amount, Literal, Priced, Whole
from chargeplan.core.turnover import is_shared
from chargeplan.core.variants import Variant
from chargeplan.core.whom import roster_rows, selects_person, selects_unit

_NEAR = 14
"""Days that a line of a single day may have moved, as in ``duplicates``."""

_Place = tuple[str, str]
"""Unit and resident of a key."""


class _History:
    """What was posted under one charge's keys: by unit and resident the first parts, by period.

    ``branched`` are the units, residents and periods that have more than a first part.
    """

    def __init__(self, postings: Iterable[Posting | Brief]) -> None:
        self.first: dict[_Place, dict[str, Posting | Brief]] = defaultdict(dict)
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
        self._histories = {name: _History(postings) for name, postings in evidence.by_charge.items()}
        self.people = frozenset(place for each in self._histories.values() for place in each.first)

    def of(self, charge: Charge) -> _History:
        """What was posted under the charge's keys without an item."""
        return self._histories.get((charge.key_plan, charge.key_charge)) or _History(())


class Stands(msgspec.Struct):
    """The lines of one charge that stand as they should: how many, their cents, the units and leases they are of."""

    code_id: str
    code: str
    count: int = 0
    amount: int = 0
    homes: set[tuple[str, str]] = msgspec.field(default_factory=set)


class Steady(msgspec.Struct):
    """What was told of one plan in one property, by charge id.

    ``told`` are the positions of the households that the expansion need not look at, ``places`` the units and residents of
    those of them that have postings, by the plan and charge of their keys. ``new`` are lines to create, with
    the household's position. ``skips`` are the leases of those who have no line, with the reason.
    """

    told: dict[str, set[int]] = msgspec.field(default_factory=dict)
    places: dict[tuple[str, str], set[_Place]] = msgspec.field(default_factory=dict)
    stands: dict[str, Stands] = msgspec.field(default_factory=dict)
    new: list[tuple[int, Line]] = msgspec.field(default_factory=list)
    skips: dict[str, list[tuple[str, str]]] = msgspec.field(default_factory=dict)

    def is_told(self, posting: Posting | Brief) -> bool:
        """Whether the posting is of a charge and household of which all that was posted is as it should be."""
        places = self.places.get((posting.key_plan, posting.key_charge), ())
        return (posting.unit_id, posting.resident_id) in places


class _Home(msgspec.Struct, frozen=True):
    """A household that is billed, alone in its unit under its key, and for whom nobody else's key has a line.

    ``end`` is its last lease's, ``subject`` it without a row; ``marks`` are its unit, people and leases.
    """

    order: int
    household: Household
    place: _Place
    occupied: Days
    end: date | None
    subject: Subject
    marks: tuple[str, ...]


class _Spell(msgspec.Struct, frozen=True):
    """A service period of a charge, the same for every household; ``when`` its lines are dated: -1 before, 0 in, 1 after the window.

    ``was_billed`` where an applied plan covered the day: a line that is not posted is missed.
    """

    period: Period
    first: date
    last: date
    text: str
    when: int
    near: bool
    was_billed: bool


def steady_lines(expander: Expander, recorded: Recorded) -> Steady:
    """Every household and charge of the plan that is plainly steady."""
    found = Steady()
    # A reference that only the ledger knows can be any line's.
    if recorded.evidence.unrecorded:
        return found
    homes: dict[tuple[str, ...], list[_Home]] = {}
    for charge in expander.plan.charges:
        code = expander.site.code_of(charge, None)
        if code is None or is_shared(charge, expander.site) or not _is_plain(charge, expander.plan):
            continue
        listed = charge.lease_status
        if listed not in homes:
            homes[listed] = list(_homes(expander, recorded, listed))
        _Rule(expander, recorded, charge, code, found).tell(homes[listed])
    return found


def _is_plain(charge: Charge, plan: Plan) -> bool:
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


def _homes(expander: Expander, recorded: Recorded, listed: tuple[str, ...]) -> Iterator[_Home]:
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
        yield _Home(i, household, (unit_id, resident_id), occupied, end, subject, marks)


class _Found(msgspec.Struct):
    """What one household's periods came to: lines that stand, by lease and cents, and new ones."""

    standing: list[tuple[Lease, int]] = msgspec.field(default_factory=list)
    new: list[Line] = msgspec.field(default_factory=list)


class _Rule:
    """One plain charge, household by household."""

    def __init__(
        self, expander: Expander, recorded: Recorded, charge: Charge, code: ChargeCode, found: Steady
    ) -> None:
        self.expander, self.recorded, self.charge, self.code, self.found = (
            expander,
            recorded,
            charge,
            code,
            found,
        )
        self.code_name = code.name or code.id
        self.limits = _limits(charge, expander.plan.effective)
        self.all_units = selects_every_unit(charge.who)
        self.everyone = not (charge.who.has or charge.who.except_residents)
        self.continues = charge.after_lease_end.mode == "continue"
        self.whole_days = charge.prorate.move_in_day and charge.prorate.move_out_day
        self.whole_days = self.whole_days and charge.after_lease_end.mode != "stop"
        self.spells: list[_Spell] | None = None
        self.history = recorded.of(charge)
        evidence = recorded.evidence
        self.by_reference, self.repeated = evidence.by_reference, evidence.repeated
        self.matched, self.removed = evidence.matched, evidence.removed
        self.stands = found.stands.setdefault(charge.id, Stands(code.id, self.code_name))

    def tell(self, homes: Iterable[_Home]) -> None:
        """Note what is plain of each household."""
        charge, posted = self.charge, self.history.first
        told = self.found.told.setdefault(charge.id, set())
        places = self.found.places.setdefault((charge.key_plan, charge.key_charge), set())
        for home in homes:
            if self._told(home):
                told.add(home.order)
                if home.place in posted:
                    places.add(home.place)

    def _told(self, home: _Home) -> bool:
        charge, household, expander = self.charge, home.household, self.expander
        # First of all: an override may change who is charged.
        if charge.overrides:
            members = [each.resident_id for each in household.members()]
            names = expander.setting.names
            if any(override_fits(each, names, household.unit, members) for each in charge.overrides):
                return False
        if not self._is_selected(home):
            return self._skipped(home, "not_selected")
        subject = home.subject
        if charge.roster is not None:
            rows = roster_rows(expander.site, charge, charge.roster, subject)
            if not rows:
                return self._skipped(home, "not_on_roster")
            if len(rows) > 1 or rows[0].item:
                return False
            subject = msgspec.structs.replace(subject, row=rows[0])
        days = home.occupied if self.whole_days else lived(charge, subject)
        if days is None or self.limits is None:
            return False
        return self._periods(home, subject, days, self.limits)

    def _is_selected(self, home: _Home) -> bool:
        return (self.all_units or selects_unit(self.charge.who, home.household.unit)) and (
            self.everyone
            or selects_person(self.expander.site, self.charge.who, home.household, home.place[1], alone=False)
        )

    def _skipped(self, home: _Home, reason: str) -> bool:
        self.found.skips.setdefault(self.charge.id, []).append((home.household.leases[-1].id, reason))
        return True

    def _periods(self, home: _Home, subject: Subject, days: Days, limits: Days) -> bool:
        """Whether every period of the household is plain; what they come to is then noted."""
        if self.spells is None:
            self.spells = list(self._spells(subject))
        first, last = max(days.first, limits.first), min(days.last, limits.last)
        lasts = LAST_DAY if self.continues or home.end is None else home.end
        posted = self.history.first.get(home.place, {})
        found, near = _Found(), False
        for spell in self.spells:
            posting = posted.get(spell.text)
            if last < spell.first or spell.last < first:
                plain = posting is None
            elif spell.first < first or last < spell.last or lasts < spell.last:
                plain = False
            elif spell.when == 0:
                plain = self._in_window(home, subject, spell, posting, found)
            else:
                near = near or spell.near
                plain = self._elsewhere(home, subject, spell, posting)
            if not plain or (self.history.branched and (*home.place, spell.text) in self.history.branched):
                return False
        if not found.standing and not found.new:
            return self._skipped(home, "not_in_window" if near else "no_billed_days")
        self._note(home, found)
        return True

    def _note(self, home: _Home, found: _Found) -> None:
        stands = self.stands
        for lease, cents in found.standing:
            stands.count += 1
            stands.amount += cents
            stands.homes.add((home.place[0], lease.id))
        if found.new:
            self.found.new += [(home.order, line) for line in found.new]

    def _elsewhere(
        self, home: _Home, subject: Subject, spell: _Spell, posting: Posting | Brief | None
    ) -> bool:
        """Whether a period whose line is dated before or after the window has nothing to tell."""
        if posting is not None and not (spell.when < 0 and self._is_served(posting, spell)):
            return False
        if posting is None and spell.was_billed:
            return False
        return not spell.near or (self._cents(home.household, subject, spell) or 0) > 0

    def _is_served(self, posting: Posting | Brief, spell: _Spell) -> bool:
        """Whether a period before the window was posted whole, or not at all: then no day of it can have changed."""
        charge = self._seen(posting)
        if charge is None and posting.state in FREE:
            return not spell.was_billed
        if posting.state == "voided" or (charge is not None and charge.id in self.removed):
            return False
        if posting.service_first != spell.first or posting.service_last != spell.last:
            return False
        amount = posting.amount if charge is None or charge.amount is None else charge.amount
        return amount == posting.amount != 0 and posting.reference not in self.repeated

    def _in_window(
        self, home: _Home, subject: Subject, spell: _Spell, posting: Posting | Brief | None, found: _Found
    ) -> bool:
        """Whether the period's line stands as it should or is plainly new; it is then noted."""
        cents = self._cents(home.household, subject, spell)
        if cents is None or cents <= 0:
            return False
        if posting is not None:
            found.standing.append((home.household.lease_on(spell.first), cents))
            return self._stands(posting, cents)
        line = self._line(home, subject, spell, cents)
        found.new.append(line)
        closed = self.expander.plan.closed_through
        return not any(self._others(home, line)) and (closed is None or closed < line.transaction_date)

    def _others(self, home: _Home, line: Line) -> Iterator[Posting | Brief]:
        """Lines of ours that may be this one under another key: what claims them only the long way knows."""
        first, last = line.service.first, line.service.last
        margin = _NEAR if first == last else 0
        for each in self.recorded.evidence.ours_around(home.marks, first, last, margin):
            same_charge = (each.key_plan, each.key_charge.partition("/")[0]) == (
                line.key.plan,
                line.key.charge,
            )
            if same_charge or each.charge_code_id == line.charge_code_id:
                yield each

    def _stands(self, posting: Posting | Brief, cents: int) -> bool:
        """Whether a line that was posted is as it should be: on the ledger once, and with that amount."""
        if posting.charge_code_id != self.code.id or posting.charge_code != self.code_name:
            return False
        charge = self._seen(posting)
        if charge is None:
            return posting.state in SETTLED and posting.amount == cents
        if posting.reference in self.repeated or charge.id in self.removed:
            return False
        return (posting.amount if charge.amount is None else charge.amount) == cents

    def _seen(self, posting: Posting | Brief) -> SyncedCharge | None:
        """The charge that shows the posting, the first of them where its reference is ``repeated``."""
        charge = self.by_reference.get(posting.reference)
        return self.matched.get(posting.reference) if charge is None else charge

    def _cents(self, household: Household, subject: Subject, spell: _Spell) -> int | None:
        """The amount of a whole period; ``None`` where it is missing, or may change within it."""
        amount = self.charge.amount
        if isinstance(amount, Fixed):
            return amount.cents
        lease = household.lease_on(spell.first)
        if self.charge.split_mid_period and household.lease_on(spell.last) is not lease:
            return None
        if isinstance(amount, FromPath) and amount.path.root == "lease":
            return lease.rent if amount.path.name == "rent" else lease.market_rent
        base = self.expander.reckoner.base(self.charge, subject, lease, spell.period, spell.period.days)
        return round_half_away(base.exact) if base.exact is not None and is_postable(base.exact) else None

    def _line(self, home: _Home, subject: Subject, spell: _Spell, cents: int) -> Line:
        charge = self.charge
        key = Key(
            self.expander.setting.integration.id, charge.key_plan, charge.key_charge, *home.place, spell.text
        )
        write = self.expander.writer(Variant(ALWAYS, charge, None, waived=False), subject, spell.period, key)
        whole = Whole(Amount(Literal(cents)), cents)
        return write.line(0, Priced(spell.period.days, whole), None, whole=True)

    def _spells(self, subject: Subject) -> Iterator[_Spell]:
        window, schedule = self.expander.setting.window, self.charge.schedule
        assert schedule is not None
        expander = self.expander
        found = periods(expander.setting, expander.site.facts, self.charge, subject, expander.within)
        assert not isinstance(found, LeftOut)  # its dates are nobody's own
        for period in found:
            first, last = period.days.first, period.days.last
            dated = last + ONE_DAY if schedule.arrears else first
            when = 0 if dated in window else -1 if dated < window.first else 1
            near = when == 0 or period.days.common(window) is not None
            charge = self.charge
            billed = when < 0 and self.recorded.evidence.covers(charge.key_plan, charge.key_charge, dated)
            yield _Spell(period, first, last, period.text, when, near, billed)


def _limits(charge: Charge, effective: Days) -> Days | None:
    """The days that the charge's own dates and its plan's leave; ``None`` where that is none."""
    schedule = charge.schedule
    assert schedule is not None
    first = schedule.first if isinstance(schedule.first, date) else effective.first
    through = schedule.through if isinstance(schedule.through, date) else LAST_DAY
    limits = Days(max(effective.first, first), min(effective.last, through))
    return limits if limits.count else None
