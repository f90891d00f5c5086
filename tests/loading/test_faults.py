"""Every fault of a plan: one small file each, with the exact diagnostics in its last lines."""

from pathlib import Path

import pytest

from tests.loading.helpers import load, told

FAULTS = sorted((Path(__file__).parent / "faults").glob("*.yaml"))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda path: path.stem)
def test_fault_is_told_exactly(fault, tmp_path):
    text = fault.read_text(encoding="utf-8")
    expected = [line.removeprefix("# → ") for line in text.splitlines() if line.startswith("# → ")]
    loaded = load(tmp_path, text, other__csv="unit\n1\n")
    assert [each.removeprefix("plans/plan.yaml:") for each in told(loaded.diagnostics)] == expected
    assert (loaded.project is None) == any(" error: " in each for each in expected)
    lines = text.splitlines()
    for each in loaded.diagnostics:
        assert each.excerpt == lines[each.place.line - 1]
        assert each.place.column <= len(each.excerpt) + 1


def test_every_fault_is_one_of_a_kind():
    assert len(FAULTS) > 120
