"""Plans worked out from what is billed now: of each charge code the rule that explains its lines in the fewest words.

What a rule costs is counted in words, and every line that it gets wrong costs ``MISS`` words more, because a person has to be told
of it. So ten exceptions are ten rows, and one forgotten household does not turn a rule for everybody into a list of everybody else.

| rule | words |
|---|---|
| `amount: 35.00`, one amount for all | 1, and 3 for a step |
| `{from: lease.rent}`, `lease.market_rent`, `unit.market_rent` | 2 |
| `{rate: 35.00, per: resident.pets}`, `resident.vehicles`, `lease.residents`, `unit.bedrooms`, `unit.square_feet` | 4 |
| everybody | 0 |
| `has: [pets]`, `[vehicles]` | 2 |
| `buildings: […]`, `floor_plans: […]` | 1, and 1 each |
| `except: {units: […]}` | 2, and 1 each |
| each resident (`resident: all`) | 2 |
| `split: equal` | 3 |
| a roster of who pays | 4, and 1 a row |
| a roster of amounts | 5, and 2 a row |

The proration is the method that explains most lines of parts of a period. What no rule explains is left, with a reason, and never guessed.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from fractions import Fraction
from typing import Final, Literal

import msgspec

from chargeplan.core.amounts import Fixed, FromPath, Measure, Path, Rate
from chargeplan.core.billed_now import BilledNow, Cell, CodeLines, Rhythm
from chargeplan.core.dates import day_in_month
from chargeplan.core.household import natural
from chargeplan.core.money import round_half_away, share_out
from chargeplan.core.plan import Selector
from chargeplan.core.proration import Method, prorated
from chargeplan.core.select import fits, pattern_of
from chargeplan.core.subject import Facts, measure_at, money_at

MISS: Final = 3
_READ: Final = (Path("lease", "rent"), Path("lease", "market_rent"), Path("unit", "market_rent"))
_COUNTED: Final = (
    Path("resident", "pets"), Path("resident", "vehicles"), Path("lease", "residents"), Path("unit", "bedrooms"),
    Path("unit", "square_feet"),
)  # fmt: skip
_METHODS: Final[tuple[Method, ...]] = ("none", "skip", "actual", "thirty", "banker", "annual")
ROSTER_AMOUNT: Final = FromPath(Path("roster", "amount"))

Why = Literal[
    "ambiguous_code", "fewer_than_two_months", "uneven_months", "one_off", "changes_each_month", "no_rule"
]
DerivedAmount = Fixed | FromPath | Rate


class RosterRow(msgspec.Struct, frozen=True, order=True):
    """Who pays, and what where the roster has amounts; ``item`` tells several rows of one household apart."""

    unit_number: str
    resident_id: str
    item: int
    cents: int | None


class Rule(msgspec.Struct, frozen=True):
    """What a charge of a plan would say of amount and people. ``steps`` are new amounts, each from the first day of a month's period."""

    amount: DerivedAmount
    words: int
    who: Selector = Selector()
    steps: tuple[tuple[int, int], ...] = ()
    rows: tuple[RosterRow, ...] = ()
    split: bool = False


class DerivedCharge(msgspec.Struct, frozen=True):
    """A charge as a person would have written it, with what it was seen from.

    ``keyed_by`` is the roster's key; ``parts`` counts the lines of parts of a period; ``after_end`` is ``None`` where nobody
    lived there after a lease's end.
    """

    code: str
    rule: Rule
    rhythm: Rhythm
    method: Method
    parts: int
    after_end: Literal["continue", "stop"] | None
    lines: int
    explained: int
    keyed_by: Literal["unit", "resident_id"] = "unit"

    def step_dates(self) -> Iterator[tuple[date, int]]:
        """From when which amount holds."""
        for month, cents in self.rule.steps:
            yield day_in_month(month, self.rhythm.day), cents


class NotDerived(msgspec.Struct, frozen=True):
    """A code that no rule explains."""

    code: str
    lines: int
    why: Why


def derive(now: BilledNow) -> Iterator[DerivedCharge | NotDerived]:
    """One answer for each code of the property that has lines."""
    for code in now.codes():
        name = code.code.shown
        rhythm = code.rhythm()
        if code.is_ambiguous:
            yield NotDerived(name, code.count, "ambiguous_code")
            continue
        if rhythm is None:
            why: Why = "uneven_months" if len(code.months) > 2 else "fewer_than_two_months"
            yield NotDerived(name, code.count, why)
            continue
        found = min(_attempts(now, code, rhythm), key=_Attempt.cost)
        charge = found.charge(name, code, rhythm)
        yield (
            charge
            if 2 * charge.explained >= charge.lines
            else NotDerived(name, code.count, _why_not(found.cells))
        )


def _attempts(now: BilledNow, code: CodeLines, rhythm: Rhythm) -> Iterator[_Attempt]:
    statuses = now.statuses(code)
    cells = now.cells(code, rhythm, statuses, alone=False)
    yield _best(now.facts, cells, statuses, split=False)
    if code.residents_apart:
        yield _best(now.facts, cells, statuses, split=True)
        yield _best(now.facts, now.cells(code, rhythm, statuses, alone=True), statuses, split=False)


def _why_not(cells: Sequence[Cell]) -> Why:
    amounts: dict[tuple[int, str], list[tuple[int, ...]]] = defaultdict(list)
    for cell in cells:
        if cell.cents:
            amounts[cell.order, cell.subject.resident_id].append(cell.cents)
    again = [each for each in amounts.values() if len(each) > 1]
    if 2 * len(again) < len(amounts) or not again:
        return "one_off"
    return "changes_each_month" if 2 * sum(len(set(each)) > 1 for each in again) > len(again) else "no_rule"


# --- scoring ---------------------------------------------------------------------------------------------------------


class _Attempt(msgspec.Struct, frozen=True):
    """A rule with its proration and what it comes to over all cells."""

    rule: Rule
    cells: Sequence[Cell]
    method: Method
    parts: int
    after_end: Literal["continue", "stop"] | None
    explained: int
    misses: int

    def cost(self) -> int:
        """Words, with those for what it gets wrong."""
        return self.rule.words + MISS * self.misses

    def charge(self, name: str, code: CodeLines, rhythm: Rhythm) -> DerivedCharge:
        """What it says of the code."""
        homes = {(cell.order, cell.subject.household.unit.id) for cell in self.cells}
        alone = self.rule.who.resident == "all"
        turned_over = len(homes) != len({unit for _, unit in homes})
        return DerivedCharge(
            code=name,
            rule=self.rule,
            rhythm=rhythm,
            method=self.method,
            parts=self.parts,
            after_end=self.after_end,
            lines=code.count,
            explained=self.explained,
            keyed_by="resident_id" if alone or turned_over else "unit",
        )


def _best(facts: Facts, cells: Sequence[Cell], statuses: tuple[str, ...], *, split: bool) -> _Attempt:
    # Who lives on unbilled after a lease's end is no exception to the rule: that is `after_lease_end`.
    whole = [cell for cell in cells if cell.is_whole and (cell.cents or not cell.is_after_end)]
    scored = [
        (rule.words + MISS * _Score(facts, rule).misses(whole), rule.words, rule)
        for rule in _rules(facts, whole, split=split)
    ]
    rule = min(scored, key=lambda each: each[:2])[2]
    score = _Score(facts, rule)
    late = [cell for cell in cells if cell.is_after_end and score.due(cell)]
    after_end: Literal["continue", "stop"] | None = None
    if late:
        after_end = "continue" if any(cell.cents for cell in late) else "stop"
    counted = [cell for cell in cells if after_end != "stop" or not cell.is_after_end]
    parts = [cell for cell in counted if not cell.is_whole and score.due(cell)]
    method = min(_METHODS, key=lambda each: score.misses(parts, each)) if parts else "none"
    alone = bool(cells) and cells[0].subject.alone
    who = msgspec.structs.replace(rule.who, lease_status=statuses, resident="all" if alone else "primary")
    words = rule.words + 2 * alone + 3 * split
    return _Attempt(
        rule=msgspec.structs.replace(rule, who=who, words=words),
        cells=cells,
        method=method,
        parts=len(parts),
        after_end=after_end,
        explained=sum(_agree(score.due(cell, method), cell.cents) for cell in counted),
        misses=score.misses(counted, method),
    )


class _Score:
    """What a rule bills in a cell, and how many lines it gets wrong."""

    def __init__(self, facts: Facts, rule: Rule) -> None:
        self._facts, self._rule = facts, rule
        self._selects_all = rule.who == Selector()
        self._rows: dict[str, list[int | None]] = defaultdict(list)
        for row in rule.rows:
            self._rows[row.resident_id].append(row.cents)

    def misses(self, cells: Iterable[Cell], method: Method = "none") -> int:
        """Lines too many, too few, or for another amount."""
        total = 0
        for cell in cells:
            due = self.due(cell, method)
            total += max(len(due), len(cell.cents)) - _agree(due, cell.cents)
        return total

    def due(self, cell: Cell, method: Method = "none") -> Sequence[int]:
        """The cents that the rule bills; a proration is the core's own."""
        if not (self._selects_all or self._selects(cell)) or (method == "skip" and not cell.is_whole):
            return ()
        found = [
            round_half_away(prorated(each, method, cell.period, cell.days)) for each in self._wholes(cell)
        ]
        if self._rule.split and found:
            people = [each for each in cell.lease.residents if each.kind != "GUARANTOR"]
            found = share_out(found[0], [1] * len(people)) if people else []
        return [each for each in found if each]

    def _wholes(self, cell: Cell) -> list[int]:
        if self._rule.rows:
            mine = self._rows.get(cell.subject.resident_id, ())
            return [self._stepped(cell) if cents is None else cents for cents in mine]
        read = self._amount(cell)
        return [] if read is None else [read]

    def _amount(self, cell: Cell) -> int | None:
        match self._rule.amount:
            case Fixed():
                return self._stepped(cell)
            case FromPath(path=path):
                return money_at(path, self._facts, cell.subject, cell.lease, cell.period)
            case Rate(cents_per=Fraction() as rate, per=per):
                measure = _measure(self._facts, per.path, cell)
                return None if measure is None else round_half_away(rate * measure)
            case _:  # no other is a candidate
                raise AssertionError(self._rule.amount)

    def _stepped(self, cell: Cell) -> int:
        assert isinstance(self._rule.amount, Fixed)
        steps = reversed(self._rule.steps)
        return next((cents for since, cents in steps if cell.month >= since), self._rule.amount.cents)

    def _selects(self, cell: Cell) -> bool:
        who, unit = self._rule.who, cell.subject.household.unit
        if who.buildings is not None and not fits(who.buildings, unit.building_name):
            return False
        if who.floor_plans is not None and not fits(who.floor_plans, unit.floor_plan_name):
            return False
        if fits(who.except_units, unit.number):
            return False
        return all(_measure(self._facts, Path("resident", name), cell) for name in who.has)


def _measure(facts: Facts, path: Path, cell: Cell) -> Fraction | None:
    return measure_at(path, facts, cell.subject, lease=cell.lease, period=cell.period, days=cell.days)


def _agree(due: Sequence[int], there: Sequence[int]) -> int:
    if not due or not there:
        return 0
    if len(due) == len(there) == 1:  # as nearly all are
        return int(due[0] == there[0])
    return (Counter(due) & Counter(there)).total()


# --- candidates ------------------------------------------------------------------------------------------------------


def _rules(facts: Facts, whole: Sequence[Cell], *, split: bool) -> Iterator[Rule]:
    """Every rule that is worth a look: each amount that explains half of what is billed with each selection, then rosters."""
    billed = [cell for cell in whole if cell.cents]
    lines = sum(len(cell.cents) for cell in billed)
    amounts = list(_amounts(facts, billed, split=split))
    likely = [each for each in amounts if 2 * _Score(facts, each).misses(billed) <= lines]
    selections = list(_selections(facts, whole)) if likely else []
    yield amounts[0]
    for amount in likely:
        for words, who in selections:
            yield msgspec.structs.replace(amount, words=amount.words + words, who=who)
    if not split:
        yield from _rosters(whole)


def _amounts(facts: Facts, billed: Sequence[Cell], *, split: bool) -> Iterator[Rule]:
    yield from _fixed(billed, split=split)
    for path in _READ:
        yield Rule(FromPath(path), 2, split=split)
    for path in _COUNTED:
        rates = Counter(rate for cell in billed if (rate := _rate(facts, path, cell)) is not None)
        if rates:
            rate = min(rates, key=lambda each: (-rates[each], each))
            yield Rule(Rate(rate, Measure(path)), 4, split=split)


def _fixed(billed: Sequence[Cell], *, split: bool) -> Iterator[Rule]:
    """One amount; and with a new one from the month on in which most people's changed, where that was once."""
    by_month: dict[int, Counter[int]] = defaultdict(Counter)
    for cell in billed:
        by_month[cell.month].update([sum(cell.cents)] if split else cell.cents)
    usual = [(month, _commonest(by_month[month])) for month in sorted(by_month)]
    yield Rule(Fixed(_commonest(sum(by_month.values(), Counter[int]()))), 1, split=split)
    steps = tuple(after for before, after in itertools.pairwise(usual) if after[1] != before[1])
    if len(steps) == 1 and len(usual) > 2:
        yield Rule(Fixed(usual[0][1]), 4, steps=steps, split=split)


def _commonest(seen: Counter[int]) -> int:
    return min(seen, key=lambda each: (-seen[each], each), default=0)


def _rate(facts: Facts, path: Path, cell: Cell) -> Fraction | None:
    """What the line is for each of what is counted; only what can be written with six decimals of a dollar."""
    measure = _measure(facts, path, cell)
    if not measure or len(cell.cents) != 1:
        return None
    rate = Fraction(cell.cents[0]) / measure
    return rate if 10_000 % rate.denominator == 0 else None


def _selections(facts: Facts, whole: Sequence[Cell]) -> Iterator[tuple[int, Selector]]:
    yield 0, Selector()
    for name in ("pets", "vehicles"):
        if len({bool(_measure(facts, Path("resident", name), cell)) for cell in whole}) > 1:
            yield 2, Selector(has=(name,))
    buildings = _groups((cell.subject.household.unit.building_name, bool(cell.cents)) for cell in whole)
    if buildings:
        yield 1 + len(buildings), Selector(buildings=buildings)
    plans = _groups((cell.subject.household.unit.floor_plan_name, bool(cell.cents)) for cell in whole)
    if plans:
        yield 1 + len(plans), Selector(floor_plans=plans)
    numbers: dict[str, bool] = {}
    for cell in whole:
        number = cell.subject.household.unit.number
        numbers[number] = numbers.get(number, False) or bool(cell.cents)
    never = tuple(sorted((number for number, is_billed in numbers.items() if not is_billed), key=natural))
    if never and 4 * len(never) < len(numbers):
        yield 2 + len(never), Selector(except_units=tuple(map(pattern_of, never)))


def _groups(seen: Iterable[tuple[str | None, bool]]) -> tuple[str, ...]:
    """The names under which most are billed, where they are some and not all."""
    counted: dict[str, list[bool]] = defaultdict(list)
    for name, is_billed in seen:
        if name is not None:
            counted[name].append(is_billed)
    chosen = tuple(
        sorted(pattern_of(name) for name, billed in counted.items() if 2 * sum(billed) > len(billed))
    )
    return chosen if len(chosen) < len(counted) else ()


def _rosters(whole: Sequence[Cell]) -> Iterator[Rule]:
    """Who is billed the same in at least two periods, with their amounts, and without where all have the same."""
    rows: list[RosterRow] = []
    by_subject: dict[tuple[int, str], list[Cell]] = defaultdict(list)
    for cell in whole:
        by_subject[cell.order, cell.subject.resident_id].append(cell)
    for cells in by_subject.values():
        seen = Counter(cell.cents for cell in cells if cell.cents)
        usual = min(seen, key=lambda each: (-seen[each], each), default=())
        if seen[usual] > 1:
            subject = cells[0].subject
            number = subject.household.unit.number
            rows += [RosterRow(number, subject.resident_id, n, cents) for n, cents in enumerate(usual, 1)]
    if not rows:
        return
    rows.sort(key=lambda row: (natural(row.unit_number), row.resident_id, row.item))
    yield Rule(ROSTER_AMOUNT, 5 + 2 * len(rows), rows=tuple(rows))
    (first, *others) = {row.cents for row in rows}
    if not others and first is not None:
        names = tuple(msgspec.structs.replace(row, cents=None) for row in rows)
        yield Rule(Fixed(first), 4 + len(rows), rows=names)
