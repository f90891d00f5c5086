"""The shadow run and the derivation beside planning of the same portfolio.

    python -m tests.benchmarks.compare --lines 1000 10000 100000 --runs 3

N lines a month against ten months of synced charges. `compare` is of the planned month, `derive` of the three months before it: three
times as many lines, with a comparison of what it wrote. The result is checked: what is missing is what `compare` finds, and `derive`
explains every line.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.measure import Figures, medians, run
from tests.benchmarks.plan import PLAN, build

_OFFLINE = ("--offline", "--as-of", "2027-08-02", "--json")
COMPARE = [sys.executable, "-m", "chargeplan", "compare", "--period", "2027-08", *_OFFLINE]
DERIVE = [sys.executable, "-m", "chargeplan", "derive", "--out", "derived", *_OFFLINE]
_GAP = 100


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--lines", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    words.add_argument("--runs", type=int, default=3)
    words.add_argument("--months", type=int, default=10, help="of synced charges, the planned month included")
    words.add_argument("--folder", type=Path, help="keep the portfolios here and use them again")
    asked = words.parse_args()
    print(
        "    lines |         plan: wall    CPU  peak MB |      compare: wall    CPU  peak MB |       derive: wall    CPU  peak MB"
    )
    with tempfile.TemporaryDirectory() as aside:
        for lines in asked.lines:
            project = (asked.folder or Path(aside)) / f"{lines}-{asked.months}-{_GAP}"
            if not (project / "portfolio.json").is_file():
                build(project, lines, asked.months, _GAP)
            shown = " | ".join(
                f"{each.wall:16.2f} s {each.cpu:6.2f} {each.peak:8.0f}"
                for each in measured(project, asked.runs)
            )
            print(f"{lines:9,} | {shown}", flush=True)


def measured(project: Path, runs: int) -> tuple[Figures, Figures, Figures]:
    """The medians of planning, comparing and deriving, which take turns."""
    plans, compares, derives = [], [], []
    for _ in range(runs):
        plans.append(run(PLAN, project))
        compares.append(run(COMPARE, project))
        shutil.rmtree(project / "derived", ignore_errors=True)
        derives.append(run(DERIVE, project))
        check(json.loads(compares[-1].out), json.loads(derives[-1].out), plans[-1].err)
    return medians(plans), medians(compares), medians(derives)


def check(compared: dict, derived: dict, said: str) -> None:
    """What is missing is found, and nothing else; every line is explained."""
    verdicts = {each["verdict"] for each in compared["lines"]}
    if verdicts != {"only_plan"}:
        raise SystemExit(f"compare has {verdicts}: {said}")
    if derived["left"] or any(each["lines"] != each["explained"] for each in derived["codes"]):
        raise SystemExit(f"derive left {derived['left'][:3]}: {said}")


if __name__ == "__main__":
    main()
