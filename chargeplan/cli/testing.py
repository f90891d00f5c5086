"""`test`: the plans' own tests. No network and no journal: what is given is all that there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from chargeplan.cli import wiring
from chargeplan.cli.options import Common, common
from chargeplan.core.change import Change
from chargeplan.core.compare import Comparison
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.diagnostic import Place
from chargeplan.core.errors import InputError
from chargeplan.core.evidence import Evidence
from chargeplan.core.household import households
from chargeplan.core.line import Skip
from chargeplan.core.plan import Plan
from chargeplan.core.property_plan import PropertyValues, plan_property
from chargeplan.flow.plan_request import lookback
from chargeplan.loading.integrations import DEFAULT_VENDOR
from chargeplan.loading.plan_tests import Expected, PlanTest, Value, load_tests
from chargeplan.propexo.vendors import vendor
from chargeplan.render import jsondoc
from chargeplan.render.plan_tests import Difference, PlanTestResult, results_document, results_screen

_SHOWN = ("charge", "plan", "unit", "resident", "date", "amount")
_Values = Mapping[str, Value]


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@common()
def test(*, common: Common, files: tuple[Path, ...]) -> int:
    """Run the plans' own tests: given these residents and this day, the plans say these lines.

    Without FILES all of plans/tests/*.yaml beside the configured plans. Nothing is read from Propexo or from the journal.

    \b
    Examples:
      chargeplan test
      chargeplan test plans/tests/oak-street-first-month.yaml
    """
    config = wiring.configured(common)
    loaded = load_tests(wiring.find_config(common), config, vendor, files)
    if any(each.is_error for each in loaded.diagnostics):
        raise InputError(
            "The tests can't be run: there are errors in them or in their plans.",
            loaded.diagnostics,
            hint="Correct them; `chargeplan schema test` describes the files.",
        )
    results = [run_test(each) for each in loaded.tests]
    if not results:
        common.say("There is no test: write one into plans/tests/.")
    if common.as_json:
        click.echo(jsondoc.dump(results_document(results)), nl=False)
    else:
        click.echo(results_screen(results, color=common.colored, width=common.width), nl=False)
    return 0 if all(each.passed for each in results) else 1


# --- one test ----------------------------------------------------------------------------------------------------


def run_test(test: PlanTest) -> PlanTestResult:
    """Plan what is given, and compare it with what is expected."""
    found = _planned(test)
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


def _planned(test: PlanTest) -> Comparison:
    integration = _integration(test, test.plans[0])
    values = PropertyValues(
        plans=test.plans,
        integration=integration,
        names=test.names,
        observed=test.observed,
        everyone=households(test.observed),
        as_of=test.as_of,
        window=test.window,
        lookback=lookback(test.window, test.config),
        late_charges=test.late_charges,
    )
    return plan_property(values, Evidence(test.observed, (), integration), listing_all=True)[1]


def _integration(test: PlanTest, plan: Plan) -> IntegrationConfig:
    """The plan's integration; one that the configuration does not describe is an ordinary one."""
    found = test.config.integration(plan.integration_id)
    return found or IntegrationConfig(
        alias=plan.integration_id, id=plan.integration_id, place=plan.place, system=vendor(DEFAULT_VENDOR)
    )


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
