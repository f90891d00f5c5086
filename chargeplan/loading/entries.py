"""A configuration's text with properties and plans added to it: comments and everything else stay as they were written."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from chargeplan.core.config import PropertyConfig

PLANS = "plans/*.yaml"


def with_properties(text: str, added: Mapping[str, PropertyConfig]) -> str:
    """The text with an entry for each of the properties, and with `plans` as ``PLANS``. It has been read without an error."""
    for alias, each in sorted(added.items()):
        text = _with_property(text, f"{alias}: {{id: {each.id}, integration: {each.integration}}}")
    plans = _value(text, "plans")
    if plans is not None:
        text = text[: plans.start_mark.index] + f"[{PLANS}]" + _rest(text, plans)
    return text


def _with_property(text: str, entry: str) -> str:
    properties = _value(text, "properties")
    if properties is None:
        return f"{text.rstrip()}\nproperties:\n  {entry}\n"
    if not isinstance(properties, yaml.MappingNode) or properties.flow_style or not properties.value:
        inside = text[properties.start_mark.index + 1 : properties.end_mark.index - 1].strip()
        whole = f"{{{inside}{', ' if inside else ''}{entry}}}"
        return text[: properties.start_mark.index] + whole + text[properties.end_mark.index :]
    begins = properties.start_mark
    return f"{text[: begins.index]}{entry}\n{' ' * begins.column}{text[begins.index :]}"


def _value(text: str, name: str) -> yaml.Node | None:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    return next((value for key, value in root.value if key.value == name), None)


def _rest(text: str, node: yaml.Node) -> str:
    """What follows a value; a block's end is where the next key begins."""
    end: int = node.end_mark.index
    block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    return ("\n" if block else "") + text[end:]
