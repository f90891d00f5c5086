"""Steady lines: whole periods of households that nothing happens to, decided without writing their bills.

Nearly every line of nearly every month is one: the same people, a whole period, an amount that is as it was posted, or that
is posted for the first time. The price is the reckoner's, where a line stands the evidence's, and what follows a row of the
decision table; a law in the tests holds the result equal to what :mod:`due` and :mod:`compare` come to. Whatever is not
plainly so is left to them: a household that moves, shares its unit or has no clear status, a charge with steps, shares,
overrides for the household or rows of its own, a posting that was refused, removed, corrected or of another amount.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

import msgspec

from chargeplan.core.dates import ALWAYS, LAST_DAY, ONE_DAY, Days
from chargeplan.core.decide import decide, kind_of
from chargeplan.core.due import Expander
from chargeplan.core.eligible import Home, Place, Recorded, homes_of, is_plain
from chargeplan.core.facts import LeftOut
from chargeplan.core.household import Household
from chargeplan.core.key import Key
from chargeplan.core.line import Line
from chargeplan.core.money import is_postable, round_half_away
from chargeplan.core.observed import ChargeCode, Lease
from chargeplan.core.periods import Period, limits_of, lived, periods
from chargeplan.core.plan import Charge
from chargeplan.core.posting import FREE, Brief, Posting
from chargeplan.core.select import override_fits, selects_every_unit
from chargeplan.core.subject import Subject
from chargeplan.core.terms import Amount, Literal, Priced, Whole
from chargeplan.core.turnover import is_shared
from chargeplan.core.variants import Variant
from chargeplan.core.whom import roster_rows, selects_person, selects_unit

_NEAR = 14
"""Days that a line of a single day may have moved, as in ``duplicates``."""


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
    places: dict[tuple[str, str], set[Place]] = msgspec.field(default_factory=dict)
    stands: dict[str, Stands] = msgspec.field(default_factory=dict)
    new: list[tuple[int, Line]] = msgspec.field(default_factory=list)
    skips: dict[str, list[tuple[str, str]]] = msgspec.field(default_factory=dict)

    def is_told(self, posting: Posting | Brief) -> bool:
        """Whether the posting is of a charge and household of which all that was posted is as it should be."""
        places = self.places.get((posting.key_plan, posting.key_charge), ())
        return (posting.unit_id, posting.resident_id) in places


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
    homes: dict[tuple[str, ...], list[Home]] = {}
    for charge in expander.plan.charges:
        code = expander.site.code_of(charge, None)
        if code is None or is_shared(charge, expander.site) or not is_plain(charge, expander.plan):
            continue
        listed = charge.lease_status
        if listed not in homes:
            homes[listed] = list(homes_of(expander, recorded, listed))
        _Rule(expander, recorded, charge, code, found).tell(homes[listed])
    return found


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
        self.all_units = selects_every_unit(charge.who)
        self.everyone = not (charge.who.has or charge.who.except_residents)
        self.continues = charge.after_lease_end.mode == "continue"
        self.whole_days = charge.prorate.move_in_day and charge.prorate.move_out_day
        self.whole_days = self.whole_days and charge.after_lease_end.mode != "stop"
        self.spells: list[_Spell] | None = None
        self.history = recorded.of(charge)
        self.stands = found.stands.setdefault(charge.id, Stands(code.id, self.code_name))

    def tell(self, homes: Iterable[Home]) -> None:
        """Note what is plain of each household."""
        charge, posted = self.charge, self.history.first
        told = self.found.told.setdefault(charge.id, set())
        places = self.found.places.setdefault((charge.key_plan, charge.key_charge), set())
        for home in homes:
            if self._told(home):
                told.add(home.order)
                if home.place in posted:
                    places.add(home.place)

    def _told(self, home: Home) -> bool:
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
        limits = limits_of(expander.plan.effective, charge.schedule, subject)
        if days is None or limits is None or not limits.count:
            return False
        return self._periods(home, subject, days, limits)

    def _is_selected(self, home: Home) -> bool:
        return (self.all_units or selects_unit(self.charge.who, home.household.unit)) and (
            self.everyone
            or selects_person(self.expander.site, self.charge.who, home.household, home.place[1], alone=False)
        )

    def _skipped(self, home: Home, reason: str) -> bool:
        self.found.skips.setdefault(self.charge.id, []).append((home.household.leases[-1].id, reason))
        return True

    def _periods(self, home: Home, subject: Subject, days: Days, limits: Days) -> bool:
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
            else:
                near = near or (spell.near and spell.when != 0)
                plain = self._is_plain(home, subject, spell, posting, found)
            if not plain or (self.history.branched and (*home.place, spell.text) in self.history.branched):
                return False
        if not found.standing and not found.new:
            return self._skipped(home, "not_in_window" if near else "no_billed_days")
        self._note(home, found)
        return True

    def _note(self, home: Home, found: _Found) -> None:
        stands = self.stands
        for lease, cents in found.standing:
            stands.count += 1
            stands.amount += cents
            stands.homes.add((home.place[0], lease.id))
        if found.new:
            self.found.new += [(home.order, line) for line in found.new]

    def _is_plain(
        self, home: Home, subject: Subject, spell: _Spell, posting: Posting | Brief | None, found: _Found
    ) -> bool:
        """Whether a row of the decision table is plain for the period: its line stands, is new, or there is nothing to say."""
        cents = self._cents(home.household, subject, spell) if spell.when == 0 or spell.near else 1
        if cents is None or cents <= 0:
            return False
        if posting is None:
            return (
                self._is_new(home, subject, spell, cents, found) if spell.when == 0 else not spell.was_billed
            )
        standing = self.recorded.evidence.standing(posting.reference, posting)
        if standing is None:
            return spell.when < 0 and posting.state in FREE and not spell.was_billed
        status, there, _ = standing
        # Before the window days and ledger count, not the price.
        due = cents if spell.when == 0 else posting.amount
        row = decide(kind_of(((0, status, there),), {0: due}), "comparable", in_window=spell.when == 0)
        if spell.when == 0:
            found.standing.append((home.household.lease_on(spell.first), cents))
            is_same = posting.charge_code_id == self.code.id and posting.charge_code == self.code_name
            return row == "stands" and status == "visible" and is_same
        served = (posting.service_first, posting.service_last)
        return spell.when < 0 and row == "gaps" and there != 0 and served == (spell.first, spell.last)

    def _is_new(self, home: Home, subject: Subject, spell: _Spell, cents: int, found: _Found) -> bool:
        """Whether the period's line is plainly to create; it is then noted."""
        line = self._line(home, subject, spell, cents)
        found.new.append(line)
        closed = self.expander.plan.closed_through
        return not any(self._others(home, line)) and (closed is None or closed < line.transaction_date)

    def _others(self, home: Home, line: Line) -> Iterator[Posting | Brief]:
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

    def _cents(self, household: Household, subject: Subject, spell: _Spell) -> int | None:
        """The amount of a whole period; ``None`` where it is missing, or may change within it."""
        lease = household.lease_on(spell.first)
        if self.charge.split_mid_period and household.lease_on(spell.last) is not lease:
            return None
        base = self.expander.reckoner.base(self.charge, subject, lease, spell.period, spell.period.days)
        return round_half_away(base.exact) if base.exact is not None and is_postable(base.exact) else None

    def _line(self, home: Home, subject: Subject, spell: _Spell, cents: int) -> Line:
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
