"""How long a command takes that does next to nothing, beside `python -c pass`.

    python -m tests.benchmarks.startup --runs 15

The commands take turns, so that a busy machine is busy for all of them alike. `plan` is that of the embedded property of 120 units.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.measure import Figures, medians, run

_PROGRAM = [sys.executable, "-m", "chargeplan"]
_COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "--version": [*_PROGRAM, "--version"],
    "--help": [*_PROGRAM, "--help"],
    "validate": [*_PROGRAM, "validate"],
    "plan --offline": [*_PROGRAM, "plan", "--offline"],
}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--runs", type=int, default=15)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as aside:
        project = Path(aside)
        for made in (["init", "."], ["plan"]):
            subprocess.run(
                [*_PROGRAM, *made],
                cwd=project,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        runs: dict[str, list[Figures]] = {name: [] for name in _COMMANDS}
        for _ in range(asked.runs):
            for name, command in _COMMANDS.items():
                runs[name].append(run(command, project))
    floor = medians(runs["python -c pass"])
    print("                     wall        CPU   ratio of CPU  peak MB")
    for name, each in runs.items():
        found = medians(each)
        print(
            f"{name:16} {found.wall * 1000:6.0f} ms  {found.cpu * 1000:6.0f} ms {found.cpu / floor.cpu:10.1f} x {found.peak:9.0f}"
        )


if __name__ == "__main__":
    main()
