"""Properties are added to a configuration's text, and nothing else of it changes."""

from __future__ import annotations

import pytest

from chargeplan.core.config import PropertyConfig
from chargeplan.core.diagnostic import Place
from chargeplan.loading.entries import with_properties

ADDED = {"elm": PropertyConfig("elm", "elm-id", "main", Place("chargeplan.yaml", 1))}
ENTRY = "elm: {id: elm-id, integration: main}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "version: 1  # first\nproperties:\n  oak: {id: o}  # ours\nguards: {}\n",
            f"version: 1  # first\nproperties:\n  {ENTRY}\n  oak: {{id: o}}  # ours\nguards: {{}}\n",
        ),
        ("properties: {oak: {id: o}}\n", f"properties: {{oak: {{id: o}}, {ENTRY}}}\n"),
        ("properties: {}\n", f"properties: {{{ENTRY}}}\n"),
        ("version: 1\n", f"version: 1\nproperties:\n  {ENTRY}\n"),
    ],
    ids=["a block", "on one line", "none yet", "no such key"],
)
def test_an_entry_is_added(before, after):
    assert with_properties(before, ADDED) == after


@pytest.mark.parametrize(
    "before", ["plans: [a/*.yaml]\nguards: {}\n", "plans:\n  - a/*.yaml\n  - b/*.yaml\nguards: {}\n"]
)
def test_the_derived_plans_are_the_projects(before):
    assert with_properties(before, {}).split() == ["plans:", "[plans/*.yaml]", "guards:", "{}"]
