"""The reference of every key that people write, made from the schemas, for ``schemas/README.md``.

    python -m tests.schema_reference            print it
    python -m tests.schema_reference --write    write it into the README, below its mark

What the schemas don't say can't be in it: a description is mended there.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

SCHEMAS: Final = Path(__file__).parents[1] / "schemas"
README: Final = SCHEMAS / "README.md"
MARK: Final = "<!-- From here on made by `python -m tests.schema_reference --write`. -->\n"
FILES: Final = {
    "config": ("config.schema.json", "`chargeplan.yaml`", "configuration"),
    "plan": ("charge-plan.schema.json", "A plan, `plans/*.yaml`", "plan"),
    "test": ("plan-test.schema.json", "A test of plans, `plans/tests/*.yaml`", "test"),
}
# Kinds of values that many keys share: told once, at the end of a file's part.
VALUES: Final = (
    "money",
    "date",
    "dateExpression",
    "slug",
    "percentage",
    "amountPath",
    "ratePath",
    "change",
    "feeAmount",
)
_TEXTS: Final = ({"string", "number", "boolean"}, {"string", "number"}, {"string", "boolean"})
_NUMBER: Final = re.compile(r"-?\d+\.\d{2}")

Node = dict[str, Any]


class Reference:
    """The part of one file: a table for each mapping that can be written in it, in the order in which they are met."""

    def __init__(self, schema: Node, title: str, word: str) -> None:
        self.schema, self.title, self.word = schema, title, word
        self.sections: dict[str, Node] = {}
        self.values: dict[str, Node] = {}

    def text(self) -> str:
        """The part as Markdown."""
        done: list[str] = []
        parts = [f"## {self.title}\n\n{self.table(self.schema)}"]
        while left := [name for name in self.sections if name not in done]:
            # Of two with the same keys the charge is told, and its defaults point to it.
            heading = min(left, key=lambda name: name.startswith("Defaults"))
            parts.append(self._section(heading, done))
            done.append(heading)
        if self.values:
            rows = [
                f"| {_title(node)} | {_cell(node.get('description', ''))} | {_examples(node)} |"
                for node in self.values.values()
            ]
            head = "| value | meaning | example |\n|---|---|---|\n"
            parts.append(f"### {self._values_heading}\n\n{head}" + "\n".join(rows) + "\n")
        return "\n".join(parts)

    def _section(self, heading: str, done: list[str]) -> str:
        node = self.sections[heading]
        twin = next(
            (
                each
                for each in done
                if len(node["properties"]) > 3
                and set(self.sections[each]["properties"]) == set(node["properties"])
            ),
            None,
        )
        body = f"The same keys as [{twin}](#{_anchor(twin)}).\n" if twin else self.table(node)
        return f"### {heading}\n\n{node.get('description', '')}\n\n{body}"

    @property
    def _values_heading(self) -> str:
        return f"Values in a {self.word}"

    def table(self, node: Node) -> str:
        """One row for each key."""
        required = set(node.get("required", ()))
        rows = ["| key | value | default | meaning | example |", "|---|---|---|---|---|"]
        for key, found in node["properties"].items():
            whole = self.resolved(found)
            default = (
                "**required**" if key in required else _code(whole["default"]) if "default" in whole else ""
            )
            meaning = _cell(whole.get("description", ""))
            rows.append(
                f"| `{key}` | {self.kind(found)} | {default} | {meaning} | {self.example(key, whole)} |"
            )
        return "\n".join(rows) + "\n"

    def resolved(self, node: Node) -> Node:
        """The node with what its reference says; its own words come first."""
        if "$ref" not in node:
            return node
        return {
            **self.resolved(self.schema["$defs"][_name(node)]),
            **{key: each for key, each in node.items() if key != "$ref"},
        }

    def kind(self, node: Node) -> str:
        """What can be written there, in words; mappings and shared values become links."""
        name = _name(node)
        if name in VALUES:
            found = self.schema["$defs"][name]
            self.values.setdefault(name, found)
            return f"[{_title(found)}](#{_anchor(self._values_heading)})"
        whole = self.resolved(node)
        if "const" in whole:
            return _code(whole["const"])
        if "enum" in whole:
            return ", ".join(map(_code, whole["enum"]))
        if "anyOf" in whole and "properties" not in whole:
            return " or ".join(dict.fromkeys(self.kind(each) for each in whole["anyOf"]))
        types = whole.get("type", "object" if "properties" in whole else "any")
        if isinstance(types, list):
            return "text" if set(types) in _TEXTS else " or ".join(types)
        match types:
            case "object" if "properties" in whole:
                heading = f"{whole.get('title', 'Mapping')} ({self.word})"
                self.sections.setdefault(heading, whole)
                return f"[{whole.get('title', 'mapping').lower()}](#{_anchor(heading)})"
            case "object":
                return f"names → {self.kind(whole['additionalProperties'])}"
            case "array":
                return f"list of {self.kind(whole['items'])}"
            case "integer":
                return f"whole number{_bounds(whole)}"
            case "number":
                return "number"
            case "boolean":
                return "`true`, `false`"
        return "text"

    def example(self, key: str, whole: Node) -> str:
        """The key as it is written: with the schema's example, else with what the kind of value allows."""
        examples = self._examples_of(whole)
        return f"`{_cell(_flow({key: examples[0]})[1:-1])}`" if examples else ""

    def _examples_of(self, node: Node) -> list[Any]:
        whole = self.resolved(node)
        if whole.get("examples"):
            return list(whole["examples"])
        if "const" in whole:
            return [whole["const"]]
        if "enum" in whole:
            others = [each for each in whole["enum"] if each != whole.get("default")]
            return others or list(whole["enum"])
        for each in whole.get("anyOf", ()):
            if found := self._examples_of(each):
                return found
        match whole.get("type"):
            case "boolean":
                return [not whole.get("default", False)]
            case "integer":
                return [whole.get("default") or max(whole.get("minimum", 1), 1)]
            case "array":
                return [[each] for each in self._examples_of(whole["items"])[:1]]
            case "object" if whole.get("required"):
                inner = {key: self._examples_of(whole["properties"][key]) for key in whole["required"]}
                return [{key: found[0] for key, found in inner.items()}] if all(inner.values()) else []
        return []


def _name(node: Node) -> str:
    return str(node.get("$ref", "")).removeprefix("#/$defs/")


def _title(node: Node) -> str:
    return str(node["title"]).lower()


def _bounds(node: Node) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return f", {low:,} to {high:,}"
    return "" if low is None else f", {low:,} or more"


def _anchor(heading: str) -> str:
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _code(value: Any) -> str:
    return f"`{_cell(_flow(value))}`"


def _examples(node: Node) -> str:
    return ", ".join(map(_code, node.get("examples", ())))


def _flow(value: Any) -> str:
    """YAML on one line, as a person writes it: text without quotes where that is the same text."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case bool():
            return "true" if value else "false"
        case str() if not _NUMBER.fullmatch(value) and re.search(
            r"^[-+$*&!%@`]|[:#,{}\[\]] |[,{}\[\]$]|^$", value
        ):
            return json.dumps(value, ensure_ascii=False)
    return str(value)


def reference() -> str:
    """All of it."""
    parts = [
        Reference(json.loads((SCHEMAS / file).read_text(encoding="utf-8")), title, word).text()
        for file, title, word in FILES.values()
    ]
    return "\n".join(parts)


def main() -> None:
    """Print it, or write it."""
    if sys.argv[1:] != ["--write"]:
        print(reference())
        return
    hand, _, _ = README.read_text(encoding="utf-8").partition(MARK)
    README.write_text(f"{hand}{MARK}\n{reference()}", encoding="utf-8")


if __name__ == "__main__":
    main()
