"""The figures that the guide to plans names are those that its plans bill: each plan with a test of its own, worked out by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chargeplan.flow.plan_tests import run_test
from chargeplan.loading.plan_tests import load_tests
from chargeplan.loading.project import load_config
from chargeplan.propexo.vendors import vendor
from tests.test_examples import CONFIG, GUIDE

SECTIONS = {
    re.search(r"^plan: (\S+)$", text, re.MULTILINE)[1]: text
    for text in re.split(r"^## ", GUIDE, flags=re.MULTILINE)
    if re.search(r"^plan: \S+$", text, re.MULTILINE)
}  # type: ignore[index]


class Figures(NamedTuple):
    """``lease`` is one in unit ``unit``; ``lines`` are ``charge date amount`` of the month of ``as_of``."""

    plan: str
    lease: str
    lines: tuple[str, ...]
    as_of: str = "2027-08-02"
    unit: str = "204"


WHOLE_YEAR = "start: 2027-01-01, end: 2027-12-31"
FIGURES = [
    Figures("employee-discount", f"{WHOLE_YEAR}, rent: 1500.00, residents: [ann]",
            ("rent 2027-08-01 1500.00", "employee-discount 2027-08-01 -375.00")),
    Figures("employee-discount", f"{WHOLE_YEAR}, rent: 1500.00, residents: [ann]",
            ("rent 2027-08-01 1500.00", "employee-discount 2027-08-01 -181.45"), unit="104"),
    Figures("first-pet-free", f"{WHOLE_YEAR}, residents: [{{id: ann, pets: 3}}]", ("pet-rent 2027-08-01 70.00",)),
    Figures("water-meter", f"{WHOLE_YEAR}, residents: [ann]", ("water 2027-08-01 88.17",), unit="101"),
    Figures("water-meter", f"{WHOLE_YEAR}, residents: [ann]", ("water 2027-08-01 20.00",), unit="102"),
    Figures("lodging", "start: 2027-08-01, end: 2027-12-31, rent: 1200.00, residents: [ann]",
            ("stay 2027-08-01 1200.00", "cleaning 2027-08-01 85.00", "lodging-tax 2027-08-01 170.26")),
    Figures("lodging", "start: 2027-08-01, end: 2027-12-31, rent: 1200.00, residents: [ann]",
            ("stay 2027-09-01 1200.00", "lodging-tax 2027-09-01 159.00"), as_of="2027-09-02"),
    Figures("student-contract", "status: PENDING, start: 2027-08-20, end: 2028-07-31, rent: 1000.00, residents: [ann]",
            ("rent 2027-08-01 1000.00", "admin-fee 2027-08-06 150.00")),
    Figures("student-contract", "start: 2027-08-20, end: 2028-07-31, rent: 1000.00, residents: [ann]",
            ("rent 2028-07-01 1000.00",), as_of="2028-07-02"),
    Figures("damages", "status: INACTIVE, start: 2027-01-01, end: 2027-08-31, move_in: 2027-01-01, move_out: 2027-08-05,"
            " residents: [resident-12345]", ("damages 2027-08-20 312.40",)),
    Figures("notice", "status: INACTIVE, start: 2027-01-01, end: 2027-12-31, move_in: 2027-01-01, move_out: 2027-08-05,"
            " rent: 1500.00, residents: [ann]", ("rent 2027-08-01 725.81",)),
    Figures("notice", "start: 2027-01-01, end: 2027-12-31, move_in: 2027-01-01, scheduled_move_out: 2027-08-20,"
            " rent: 1500.00, residents: [ann]", ("rent 2027-08-01 967.74",)),
    Figures("subsidy", "start: 2026-09-01, end: 2028-08-31, residents: [ann]",
            ("tenant-rent 2027-08-01 189.68", "subsidy-rent 2027-08-01 442.58",
             "tenant-rent 2027-08-15 282.42", "subsidy-rent 2027-08-15 485.32")),
    Figures("biller", f"{WHOLE_YEAR}, residents: [ann]", ("utilities 2027-08-05 83.10",)),
]  # fmt: skip


@pytest.mark.parametrize("figures", FIGURES, ids=lambda each: f"{each.plan}-{each.unit}-{each.as_of}")
def test_figures(figures: Figures, tmp_path: Path) -> None:
    result = run_figures(figures, tmp_path)
    assert result.passed, result


@pytest.mark.parametrize("figures", FIGURES, ids=lambda each: f"{each.plan}-{each.unit}-{each.as_of}")
def test_the_guide_names_them(figures: Figures) -> None:
    text = SECTIONS[figures.plan].replace(",", "")
    for line in figures.lines:
        if not line.startswith(("stay", "cleaning", "rent 2027-08-01 1500")):
            assert line.split()[-1].lstrip("-") in text or line.split()[-1].rstrip("0") in text, line


def run_figures(figures: Figures, folder: Path) -> Any:
    (folder / "plans" / "tests").mkdir(parents=True)
    with_credits = CONFIG.replace("vendor: RESMAN}", "vendor: RESMAN, credits: post}")
    (folder / "chargeplan.yaml").write_text(with_credits, encoding="utf-8")
    section = SECTIONS[figures.plan]
    (plan,) = (
        block
        for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
        if f"plan: {figures.plan}\n" in block
    )
    (folder / "plans" / f"{figures.plan}.yaml").write_text(plan, encoding="utf-8")
    for file, cells in re.findall(r"```csv file=(\S+)\n(.*?)```", section, re.DOTALL):
        (folder / "plans" / file).parent.mkdir(exist_ok=True)
        (folder / "plans" / file).write_text(cells, encoding="utf-8")
    test = folder / "plans" / "tests" / "figures.yaml"
    test.write_text(document(figures), encoding="utf-8")
    config = load_config(folder / "chargeplan.yaml", vendor).config
    assert config is not None
    loaded = load_tests(folder / "chargeplan.yaml", config, vendor, [test])
    assert [each.summary for each in loaded.diagnostics if each.is_error] == []
    return run_test(loaded.tests[0], vendor("RESMAN"))


def document(figures: Figures) -> str:
    lines = "".join(
        f"    - {{charge: {charge}, unit: {figures.unit}, date: {day}, amount: {amount}}}\n"
        for charge, day, amount in (each.split() for each in figures.lines)
    )
    return (
        f"version: 1\ntitle: {figures.plan}\nplans: [../{figures.plan}.yaml]\nas_of: {figures.as_of}\ngiven:\n"
        f"  units: [{{number: {figures.unit}}}]\n  leases:\n    - {{unit: {figures.unit}, {figures.lease}}}\n"
        f"expect:\n  holds: []\n  lines:\n{lines}"
    )
