"""The plans in ``plans/`` and every plan of their guide: they load without a word, and expand against the sandbox's seed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from datetime import date
from functools import cache
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml

from chargeplan.core.compare import compare
from chargeplan.core.dates import add_months
from chargeplan.core.due import expand
from chargeplan.core.evidence import Evidence
from chargeplan.core.observed import ObservedProperty
from chargeplan.core.planned import PlannedProperty
from chargeplan.core.select import names_of
from chargeplan.core.site import Setting
from chargeplan.flow.plan_request import default_window
from chargeplan.loading.project import load_project
from chargeplan.propexo import wire
from chargeplan.propexo.vendors import vendor
from chargeplan.sandbox.listing import record_of
from chargeplan.sandbox.state import Sandbox

ROOT = Path(__file__).parent.parent

PLANS = ROOT / "plans"
GUIDE = (PLANS / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted(each.name for each in PLANS.glob("*.yaml"))
DAYS = [date(2026, 11, 25), date(2027, 8, 2), date(2028, 2, 29)]
FIELDS = {
    "units": "units",
    "leases": "leases",
    "residents": "residents",
    "charge-codes": "charge_codes",
    "fees": "fees",
    "resident-charges": "charges",
    "resident-payments": "payments",
}
INTEGRATION = "resman-integration-98765"
CONFIG = """\
version: 1
environments:
  sandbox: {api: embedded}
integrations:
  resman-main: {id: resman-integration-98765, vendor: RESMAN}
properties:
  oak-street: {id: clwi5xiix000008l6ctdgafyh, integration: resman-main}
  maple-court: {id: clwi5xiix000108l6mapcourt, integration: resman-main}
plans: [plans/*.yaml]
timezone: America/Chicago
"""


def project(folder):
    (folder / "chargeplan.yaml").write_text(CONFIG, encoding="utf-8")
    loaded = load_project(folder / "chargeplan.yaml", vendor)
    assert loaded.diagnostics == ()
    assert loaded.project is not None
    return loaded.project


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(PLANS, folder / "plans")
    return project(folder)


@cache
def properties(today):
    """The ResMan properties of the seed around a day, as they are read from Propexo."""
    with Sandbox.open(":memory:", today=today) as sandbox:
        rows = [(row["model"], record_of(row)) for row in sandbox.store.rows("SELECT * FROM records", ())]
    found = defaultdict(list)
    for model, row in rows:
        if model in ("properties", *FIELDS):
            record = wire.record(model, row)
            if record.integration_id == INTEGRATION:
                found[model].append((record.property_id, record.value))
    return [
        ObservedProperty(
            property=each,
            **{
                field: tuple(value for place, value in found[model] if place == each.id)
                for model, field in FIELDS.items()
            },
        )
        for _, each in found["properties"]
    ]


def planned(loaded, today):
    """What the plans say of each property, from an empty journal."""
    window = default_window(today, loaded.config)
    integration = next(iter(loaded.config.integrations.values()))
    for observed in properties(today):
        names = names_of(observed.property, loaded.config.property_alias(observed.property.id))
        here = [
            plan for plan in loaded.plans if plan.properties is None or any(map(names.match, plan.properties))
        ]
        first = add_months(window.first, -2)
        expanded = [
            PlannedProperty(
                plan,
                expand(
                    Setting(
                        plan=plan,
                        integration=integration,
                        names=names,
                        observed=observed,
                        as_of=today,
                        window=window,
                        lookback=first,
                    )
                ),
            )
            for plan in here
        ]
        yield observed, compare(expanded, observed, Evidence(observed, (), integration), integration, window)


def test_there_are_the_three_kinds():
    assert EXAMPLES == ["maple-court.yaml", "oak-street.yaml", "utility-roster.yaml"]


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_examples_plan_without_a_hold_or_a_word(examples, today):
    for observed, comparison in planned(examples, today):
        assert comparison.diagnostics == (), observed.property.name
        assert {(change.action, change.reason) for change in comparison.changes} == {("create", None)}


def test_every_charge_of_the_examples_has_lines(examples):
    seen = {
        (each.plan, each.charge)
        for _, result in planned(examples, date(2027, 8, 2))
        for each in result.changes
    }
    wanted = {(plan.name, charge.id) for plan in examples.plans for charge in plan.charges}
    assert wanted - seen == {("oak-street", "late-fee")}  # nothing of this month is late on its second day


def test_late_fees_come_once_rent_is_late(examples):
    """The month before was posted by the office, and some of it is open."""
    (oak, maple) = sorted(
        properties(date(2027, 8, 2)), key=lambda each: each.property.name != "Oak Street Apartments"
    )
    assert maple.property.name == "Maple Court"
    plan = next(each for each in examples.plans if each.name == "oak-street")
    july = default_window(date(2027, 7, 31), examples.config)
    integration = next(iter(examples.config.integrations.values()))
    setting = Setting(
        plan=plan,
        integration=integration,
        names=names_of(oak.property, "oak-street"),
        observed=oak,
        as_of=date(2027, 8, 2),
        window=july,
        lookback=date(2027, 5, 1),
    )
    households = expand(setting, frozenset({"late-fee"})).households
    lines = [line for each in households for bill in each.bills for line in bill.lines]
    assert {line.amount for line in lines} >= {7500, 1000}
    assert not any(line.hold for line in lines)


def test_shared_bills_sum_to_the_bill(examples):
    for observed in properties(date(2027, 8, 2)):
        for plan in examples.plans:
            names = names_of(observed.property, examples.config.property_alias(observed.property.id))
            if not any(map(names.match, plan.properties or ())):
                continue
            integration = next(iter(examples.config.integrations.values()))
            window = default_window(date(2027, 8, 2), examples.config)
            setting = Setting(
                plan=plan,
                integration=integration,
                names=names,
                observed=observed,
                as_of=date(2027, 8, 2),
                window=window,
                lookback=window.first,
            )
            for each in expand(setting).allocations:
                assert each.bill == each.common_area + each.vacant + each.charged


def guide_plans():
    for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL):
        name = re.search(r"^plan: (\S+)$", block, re.MULTILINE)
        if name:
            yield pytest.param(name[1], block, id=name[1])


@pytest.mark.parametrize(("name", "text"), list(guide_plans()))
def test_plans_of_the_guide_are_whole(name, text, tmp_path):
    (tmp_path / "plans").mkdir()
    for file, cells in re.findall(r"```csv file=(\S+)\n(.*?)```", GUIDE, re.DOTALL):
        (tmp_path / "plans" / file).parent.mkdir(exist_ok=True)
        (tmp_path / "plans" / file).write_text(cells, encoding="utf-8")
    (tmp_path / "plans" / f"{name}.yaml").write_text(text, encoding="utf-8")
    for observed, comparison in planned(project(tmp_path), date(2027, 8, 2)):
        assert comparison.diagnostics == (), observed.property.name


def test_the_plans_own_tests_pass(examples):
    """Those in ``plans/tests`` and the one that the guide shows."""
    (shown,) = re.findall(r"```yaml\n(version: 1\ntitle: .*?)```", GUIDE, re.DOTALL)
    folder = Path(examples.config.root)
    (folder / "plans" / "tests" / "of-the-guide.yaml").write_text(shown, encoding="utf-8")
    program = "import sys; from chargeplan.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "test", "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "of-the-guide.yaml" in done.stdout


def test_the_guide_has_every_key():
    schema = msgspec.json.decode((ROOT / "schemas" / "charge-plan.schema.json").read_bytes())
    keys = [
        *schema["properties"],
        *schema["$defs"]["charge"]["properties"],
        *schema["$defs"]["schedule"]["properties"],
    ]
    keys += [*schema["$defs"]["who"]["properties"], *schema["$defs"]["lateFee"]["properties"]]
    reference = GUIDE[GUIDE.index("# Reference") :]
    assert [key for key in keys if not re.search(rf"\b{key}\b", reference)] == []


class _Dates(yaml.SafeLoader):
    """YAML whose dates stay text, as the schemas have them."""


_Dates.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def schema_of(name):
    return jsonschema.Draft202012Validator(msgspec.json.decode((ROOT / "schemas" / name).read_bytes()))


@pytest.mark.parametrize("file", EXAMPLES)
def test_examples_keep_to_the_schema(file):
    schema_of("charge-plan.schema.json").validate(yaml.load((PLANS / file).read_text("utf-8"), _Dates))


@pytest.mark.parametrize("file", sorted(each.name for each in (PLANS / "tests").glob("*.yaml")))
def test_plan_tests_keep_to_the_schema(file):
    schema_of("plan-test.schema.json").validate(
        yaml.load((PLANS / "tests" / file).read_text("utf-8"), _Dates)
    )
