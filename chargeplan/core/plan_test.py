"""A plan's own test: what is given and expected, and in what the plan that was made differs from it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from chargeplan.core.change import Change
from chargeplan.core.compare import Comparison
from chargeplan.core.config import Config
from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic, Place
from chargeplan.core.line import Skip
from chargeplan.core.observed import ObservedProperty
from chargeplan.core.plan import Plan
from chargeplan.core.select import Names

Value = str | int | dt.date


class Expected(msgspec.Struct, frozen=True):
    """One line, hold or skip that a test expects: the values that are compared, by key, and where it is written."""

    values: dict[str, Value]
    place: Place


class PlanTest(msgspec.Struct, frozen=True):
    """A test that is ready to run. Of what is expected, ``None`` is not compared."""

    title: str
    place: Place
    plans: tuple[Plan, ...]
    config: Config
    names: Names
    as_of: dt.date
    window: Days
    observed: ObservedProperty
    late_charges: dict[str, str]
    only: tuple[str, ...] = ()
    lines: tuple[Expected, ...] | None = None
    holds: tuple[Expected, ...] | None = None
    skips: tuple[Expected, ...] = ()


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What was expected and what came instead, either of them possibly nothing.

    ``kind`` is ``line``, ``hold`` or ``skip``; ``place`` is that of the expectation, else of the charge that gave the line.
    ``became`` says what there is instead of an expected line: ``hold`` or ``skip``, with ``reason``.
    """

    kind: str
    place: Place
    expected: Mapping[str, Value] | None
    got: Mapping[str, Value] | None
    became: str = ""
    reason: str = ""


class PlanTestResult(msgspec.Struct, frozen=True):
    """One test: it passed where there is no difference and no diagnostic."""

    title: str
    place: Place
    differences: tuple[Difference, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything is as expected."""
        return not self.differences and not self.diagnostics


_SHOWN = ("charge", "plan", "unit", "resident", "date", "amount")
_Values = Mapping[str, Value]


def judge(test: PlanTest, found: Comparison) -> PlanTestResult:
    """What was found beside what is expected; where the plan has errors, they are the result."""
    errors = tuple(each for each in found.diagnostics if each.is_error)
    differences: list[Difference] = []
    if not errors:
        differences = [*_lines(test, found), *_holds(test, found), *_skips(test, found)]
    return PlanTestResult(
        test.title, test.place, tuple(sorted(differences, key=lambda each: _order(test, each))), errors
    )


def _order(test: PlanTest, each: Difference) -> tuple[bool, Place]:
    """As they stand in the test's file; what is expected nowhere comes last."""
    return each.place.file != test.place.file, each.place


def _wanted(test: PlanTest, charge: str) -> bool:
    return not test.only or charge in test.only


def _lines(test: PlanTest, found: Comparison) -> list[Difference]:
    if test.lines is None:
        return []
    posted = [each for each in found.changes if each.action in {"create", "correct"}]
    got = [each for each in posted if _wanted(test, each.charge)]
    differences = _differences("line", test, test.lines, got)
    return [_with_reason(each, found) for each in differences]


def _holds(test: PlanTest, found: Comparison) -> list[Difference]:
    if test.holds is None:
        return []
    held = [each for each in found.changes if each.action == "hold" and _wanted(test, each.charge)]
    return _differences("hold", test, test.holds, held)


def _skips(test: PlanTest, found: Comparison) -> list[Difference]:
    """Every skip that is expected must be there; others need no mention."""
    facts = [_skip_facts(each) for each in found.skips]
    pairs = _paired([each.values for each in test.skips], facts)
    return [
        Difference(
            kind="skip",
            place=each.place,
            expected=each.values,
            got=_instead(each.values, facts, ("charge", "unit", "resident")),
        )
        for i, each in enumerate(test.skips)
        if i not in pairs
    ]


def _with_reason(each: Difference, found: Comparison) -> Difference:
    """An expected line that does not come, with what became of it: a hold or a skip."""
    if each.got is not None or each.expected is None:
        return each
    for became, facts in (
        ("hold", [_change_facts(change) for change in found.changes if change.action == "hold"]),
        ("skip", [_skip_facts(skip) for skip in found.skips]),
    ):
        asked = {key: each.expected[key] for key in ("charge", "unit", "resident") if key in each.expected}
        hit = next((values for values in facts if len(asked) > 1 and _fits(asked, values)), None)
        if hit is not None:
            return Difference(
                kind=each.kind,
                place=each.place,
                expected=each.expected,
                got=None,
                became=became,
                reason=str(hit.get("reason", "")),
            )
    return each


def _differences(
    kind: str, test: PlanTest, expected: Sequence[Expected], changes: Sequence[Change]
) -> list[Difference]:
    """What is left over on both sides, side by side where it is of the same household and charge."""
    facts = [_change_facts(each) for each in changes]
    pairs = _paired([each.values for each in expected], facts)
    left = [i for i in range(len(changes)) if i not in pairs.values()]
    found: list[Difference] = []
    for i, each in enumerate(expected):
        if i in pairs:
            continue
        alike = max(left, key=lambda j: _likeness(each.values, facts[j]), default=None)
        if alike is None or _likeness(each.values, facts[alike]) < 0:
            found.append(Difference(kind=kind, place=each.place, expected=each.values, got=None))
            continue
        left.remove(alike)
        found.append(
            Difference(
                kind=kind, place=each.place, expected=each.values, got=_shown(facts[alike], each.values)
            )
        )
    shown = [key for key in _SHOWN if key != "plan" or len(test.plans) > 1]
    shown += ["reason"] if kind == "hold" else []
    return found + [
        Difference(kind=kind, place=changes[j].place, expected=None, got=_shown(facts[j], shown))
        for j in left
    ]


def _likeness(expected: _Values, got: _Values) -> int:
    """How many values agree; below 0 where it is another charge or another household."""
    for key in ("charge", "plan", "unit", "resident"):
        if key in expected and expected[key] != got.get(key):
            return -1
    return sum(got.get(key) == value for key, value in expected.items())


def _shown(got: _Values, keys: Iterable[str]) -> dict[str, Value]:
    return {key: got[key] for key in keys if key in got}


def _instead(expected: _Values, facts: Sequence[_Values], keys: Iterable[str]) -> dict[str, Value] | None:
    asked = {key: expected[key] for key in keys if key in expected}
    hit = next((values for values in facts if len(asked) > 1 and _fits(asked, values)), None)
    return None if hit is None else _shown(hit, expected)


def _fits(expected: _Values, got: _Values) -> bool:
    return all(got.get(key) == value for key, value in expected.items())


def _paired(expected: Sequence[_Values], got: Sequence[_Values]) -> dict[int, int]:
    """As many expectations as possible, each with something of its own that fits it."""
    taken: dict[int, int] = {}

    def place(i: int, tried: set[int]) -> bool:
        for j, values in enumerate(got):
            if j in tried or not _fits(expected[i], values):
                continue
            tried.add(j)
            if j not in taken or place(taken[j], tried):
                taken[j] = i
                return True
        return False

    for i in range(len(expected)):
        place(i, set())
    return {i: j for j, i in taken.items()}


def _change_facts(change: Change) -> dict[str, Value]:
    facts: dict[str, Value | None] = {
        "charge": change.charge,
        "plan": change.plan,
        "unit": change.unit_number,
        "resident": change.resident_id,
        "date": change.transaction_date,
        "amount": change.amount,
        "description": change.description,
        "notes": change.notes,
        "period": change.period.first,
        "part": change.part,
        "reason": change.reason,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _skip_facts(skip: Skip) -> dict[str, Value]:
    return {
        "charge": skip.charge,
        "plan": skip.plan,
        "unit": skip.unit_number,
        "resident": skip.resident_id,
        "reason": skip.reason,
    }
