"""The schemas that editors use, and the readers: both know the same keys, and every good file pleases both."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from chargeplan.core.errors import ChargeplanError
from chargeplan.loading import amounts, build, charge, config, integrations, late_fees, schemas, timing, who
from tests.loading.helpers import load, told

HERE = Path(__file__).parent
GOOD = sorted((HERE / "good").glob("*.yaml"))
FAULTS = sorted((HERE / "faults").glob("*.yaml"))
INTEGRATION = "version: 1\nenvironments: {sandbox: {api: embedded}}\nintegrations:\n  resman-main: {id: resman-integration-98765}\nproperties:\n  oak-street: {id: p1, integration: resman-main}\n"

SEEN_ONLY_BY_THE_PROGRAM = {
    # what an editor's schema cannot see: the text as written, other keys, other files, or what YAML itself refuses
    "money-integer", "money-one-decimal", "money-three-decimals", "override-bad-amount", "rate-integer", "money-huge", "rate-seven-decimals",
}  # fmt: skip


def schema_of(name):
    return json.loads(schemas.schema_text(name))


@pytest.mark.parametrize("name", schemas.SCHEMAS)
def test_a_schema_is_a_good_2020_12_schema(name):
    schema = schema_of(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", schemas.SCHEMAS)
def test_every_key_is_described(name):
    assert [path for path, key in keys_of(schema_of(name), name) if "description" not in key] == []


def test_an_unknown_schema_is_told():
    with pytest.raises(ChargeplanError, match="There is no schema 'x'"):
        schemas.schema_text("x")


def defined(name, file="plan"):
    return set(schema_of(file)["$defs"][name]["properties"])


def test_readers_and_plan_schema_know_the_same_keys():
    assert set(schema_of("plan")["properties"]) == set(build.PLAN_KEYS)
    assert defined("charge") == defined("defaults") == set(charge.CHARGE_KEYS)
    override = schema_of("plan")["$defs"]["overrides"]["items"]["properties"]
    assert set(override) == {*charge.CHARGE_KEYS, *charge.OVERRIDE_SELECTORS} - set(charge.FIXED_KEYS)
    assert defined("schedule") == set(timing.SCHEDULE_KEYS)
    assert defined("step") == set(timing.STEP_KEYS)
    assert defined("who") == set(who.WHO_KEYS)
    assert defined("lateFee") == set(late_fees.LATE_FEE_KEYS)
    for form in ("From", "Percent", "Rate", "Tiers", "Spread", "Allocate"):
        assert defined(f"amount{form}") == set(amounts.FORMS[form.lower()])


def test_readers_and_config_schema_know_the_same_keys():
    top = schema_of("config")["properties"]
    assert set(top) == set(config.CONFIG_KEYS)
    assert set(top["environments"]["additionalProperties"]["properties"]) == set(config.ENVIRONMENT_KEYS)
    assert set(top["integrations"]["additionalProperties"]["properties"]) == set(
        integrations.INTEGRATION_KEYS
    )
    assert set(top["properties"]["additionalProperties"]["properties"]) == set(config.PROPERTY_KEYS)
    assert set(top["guards"]["properties"]) == set(config.GUARD_KEYS)
    assert set(top["posting"]["properties"]) == set(config.POSTING_KEYS)
    assert set(top["approvals"]["properties"]) == set(config.APPROVAL_KEYS)


@pytest.mark.parametrize("good", GOOD, ids=lambda path: path.stem)
def test_good_plans_please_schema_and_program(good, tmp_path):
    tables = {each.name.replace(".", "__"): each.read_bytes() for each in good.parent.glob("*.csv")}
    loaded = load(tmp_path, good.read_bytes(), INTEGRATION, **tables)
    assert told(loaded.diagnostics) == []
    assert editor_errors(good.read_text(encoding="utf-8"), "plan") == []


def test_what_the_schema_refuses_the_program_refuses(tmp_path):
    """The other way round does not hold: much is beyond a schema. But an editor never marks what is good."""
    for fault in FAULTS:
        text = fault.read_text(encoding="utf-8")
        if editor_errors(text, "plan"):
            assert load(tmp_path, text, other__csv="unit\n1\n").project is None, fault.name


def test_structural_faults_are_marked_in_the_editor():
    names = {fault.stem for fault in FAULTS if editor_errors(fault.read_text(encoding="utf-8"), "plan")}
    for prefix in (
        "key-unknown",
        "schedule-day",
        "schedule-every",
        "who-",
        "amount-unknown",
        "prorate-unknown",
        "step-no-sign",
    ):
        missed = {fault.stem for fault in FAULTS if fault.stem.startswith(prefix)} - names
        assert missed == set(), prefix
    assert not names & SEEN_ONLY_BY_THE_PROGRAM


def test_a_plan_test_pleases_its_schema():
    text = (HERE / "good" / "plan-test.txt").read_text(encoding="utf-8")
    assert editor_errors(text, "test") == []
    assert editor_errors(text.replace("as_of", "asof"), "test") != []


def editor_errors(text, name):
    """What an editor that reads YAML 1.2 would mark, or where the YAML is broken that it is."""
    try:
        values = yaml.load(text, Loader=EditorLoader)
    except (yaml.YAMLError, TypeError):
        return ["not YAML"]
    return [each.message for each in Draft202012Validator(schema_of(name)).iter_errors(values)]


class EditorLoader(yaml.SafeLoader):
    """YAML 1.2's core schema, nearly: dates, on and off are text."""


EditorLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in pairs
        if not tag.endswith(("timestamp", "merge")) and (first in "tTfF" or not tag.endswith("bool"))
    ]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def construct_key_as_text(loader, node):
    return {str(key.value): loader.construct_object(value, deep=True) for key, value in node.value}


EditorLoader.add_constructor("tag:yaml.org,2002:map", construct_key_as_text)


def keys_of(schema, path):
    """Every property of a schema with its path; a reference is looked up."""
    defs = schema.get("$defs", {})

    def walk(node, path):
        for name, key in node.get("properties", {}).items():
            target = defs.get(key.get("$ref", "").removeprefix("#/$defs/"), {})
            yield f"{path}.{name}", {**target, **key}
            yield from walk(key, f"{path}.{name}")
        for each in (
            *node.get("anyOf", ()),
            node.get("items"),
            node.get("additionalProperties"),
            *node.get("$defs", {}).values(),
        ):
            if isinstance(each, dict):
                yield from walk(each, path)

    yield from walk(schema, path)
