"""``schemas/README.md`` tells every key of the schemas, as they are now, with examples that are right."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from tests.schema_reference import FILES, MARK, README, SCHEMAS, Reference, reference

TEXT = README.read_text(encoding="utf-8")


def schema(word):
    return json.loads((SCHEMAS / FILES[word][0]).read_text(encoding="utf-8"))


def keys_with_examples(node):
    """Every key of every mapping in a schema that has examples of its own."""
    if isinstance(node, dict):
        for key, found in node.get("properties", {}).items():
            if isinstance(found, dict) and "examples" in found:
                yield key, found
        for each in node.values():
            yield from keys_with_examples(each)
    elif isinstance(node, list):
        for each in node:
            yield from keys_with_examples(each)


def test_the_reference_is_up_to_date():
    assert TEXT.partition(MARK)[2] == f"\n{reference()}", "run `python -m tests.schema_reference --write`"


def test_every_key_has_a_meaning_and_an_example():
    rows = [line for line in TEXT.partition(MARK)[2].splitlines() if line.startswith("| `")]
    assert len(rows) > 150
    empty = [row for row in rows if re.search(r"\| +\|", row.replace("|  | ", "| - | ", 1))]
    assert empty == []


@pytest.mark.parametrize("word", FILES)
def test_the_examples_are_right(word):
    whole = schema(word)
    found = list(keys_with_examples(whole))
    assert found
    for key, node in found:
        check = jsonschema.Draft202012Validator({"$defs": whole.get("$defs", {}), **node})
        for example in node["examples"]:
            assert check.is_valid(example), (key, example)


def test_every_link_leads_to_a_heading():
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in TEXT.splitlines()
        if line.startswith("#")
    }
    links = set(re.findall(r"\]\(#([^)]+)\)", TEXT))
    assert links - headings == set()


def test_a_key_that_is_new_makes_the_reference_another():
    changed = schema("config")
    changed["properties"]["new_key"] = {
        "title": "New",
        "description": "New.",
        "type": "integer",
        "default": 3,
    }
    assert (
        "| `new_key` | whole number | `3` | New. | `new_key: 3` |"
        in Reference(changed, "x", "configuration").text()
    )
