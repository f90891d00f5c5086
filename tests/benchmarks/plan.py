"""How planning grows: N lines against ten months of synced charges, beside the least that it can cost.

    python -m tests.benchmarks.plan --lines 1000 10000 100000 --runs 5

For each size twice: 1 % of the month's lines missing, and all of them (the first month). Every figure is the median of the
runs; floor and plan take turns in the same run. The result is checked: count and cents of both are the same.

Large portfolios are planned by two workers: CPU is of all processes together, the peak that of the largest one alone.
``CHARGEPLAN_WORKERS=0`` measures one process.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.measure import Figures, medians, run

_FLOOR = str(Path(__file__).with_name("floor.py"))
_OF_A_PROPERTY = 1_000
PLAN = [
    sys.executable,
    *["-m", "chargeplan", "plan", "--offline", "--as-of", "2027-08-02", "--out", "month.plan"],
]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--lines", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    words.add_argument("--runs", type=int, default=5)
    words.add_argument("--months", type=int, default=10, help="of synced charges, the planned month included")
    words.add_argument("--folder", type=Path, help="keep the portfolios here and use them again")
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as aside:
        where = asked.folder or Path(aside)
        for gap, months, title in ((100, asked.months, "1 % missing"), (1, 1, "first month, all new")):
            print(f"\n{title}, {months} months\n")
            print("    lines   synced |  plan wall    CPU  peak MB | floor CPU |  CPU ratio | growth")
            before: tuple[int, float] | None = None
            for lines in asked.lines:
                figures, floor = measured(where, lines, months, gap, asked.runs)
                growth = ""
                if before is not None:
                    growth = f"{math.log(figures.cpu / before[1]) / math.log(lines / before[0]):.2f}"
                before = (lines, figures.cpu)
                synced = lines * (months - 1) + (lines - lines // gap)
                print(
                    f"{lines:9,} {synced:8,} | {figures.wall:8.2f} s {figures.cpu:6.2f} {figures.peak:8.0f} |"
                    f" {floor.cpu:7.2f} s | {figures.cpu / floor.cpu:8.2f} x | {growth:>6}",
                    flush=True,
                )


def measured(where: Path, lines: int, months: int, gap: int, runs: int) -> tuple[Figures, Figures]:
    """The medians of planning a portfolio, and of the floor."""
    project = where / f"{lines}-{months}-{gap}"
    if not (project / "portfolio.json").is_file():
        build(project, lines, months, gap)
    plans, floors = [], []
    for _ in range(runs):
        plans.append(run(PLAN, project))
        floors.append(run([sys.executable, _FLOOR, str(project), "floor.jsonl"], project))
        check(project / "month.plan", json.loads(floors[-1].out))
    return medians(plans), medians(floors)


def build(project: Path, lines: int, months: int, gap: int) -> None:
    """Make a portfolio, by another process: a child's peak memory is never less than its parent's when it began."""
    counts = {"--properties": max(1, lines // _OF_A_PROPERTY), "--months": months, "--gap": gap}
    words = [word for name, count in counts.items() for word in (name, str(count))]
    subprocess.run([sys.executable, "-m", "tests.benchmarks.portfolio", str(project), *words], check=True)


def check(plan: Path, floor: dict[str, int]) -> None:
    """Both came to the same lines and money."""
    footer = json.loads(plan.read_bytes().rsplit(b"\n", 2)[-2])
    create = footer["totals"].get("create", {"count": 0, "amount": 0})
    unchanged = footer["totals"].get("unchanged", {"count": 0, "amount": 0})
    found = (create["count"], create["amount"], unchanged["count"])
    wanted = (floor["count"], floor["cents"], floor["standing"])
    if found != wanted:
        raise SystemExit(f"the plan has {found}, the floor {wanted}")


if __name__ == "__main__":
    main()
