"""What `init` writes plans, and its guards refuse a slipped decimal (interface.md, *Guards*)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chargeplan.cli.main import run
from chargeplan.cli.scaffold import scaffold


@pytest.fixture
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The starter project, on its own sandbox."""
    scaffold(tmp_path, ci="none")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_ten_fold_pet_rate_is_refused_by_the_guard_of_its_code(
    starter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert [each["passed"] for each in first["guards"]] == []
    plan = starter / "plans" / "oak-street.yaml"
    plan.write_text(plan.read_text().replace("{rate: 35.00,", "{rate: 350.00,"))

    assert run(["plan", "--json"]) == 6
    document = json.loads(capsys.readouterr().out)
    assert document["totals"]["create"]["count"] == first["totals"]["create"]["count"]  # shown, then refused
    assert [(each["guard"], each["subject"]) for each in document["guards"]] == [
        ("max_change", "Oak Street Apartments, Pet Rent")
    ]

    assert run(["apply", "--auto-approve", "--json"]) == 6
    assert json.loads(capsys.readouterr().out)["outcome"] == "guarded"
    assert run(["history", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["codes"] == []
