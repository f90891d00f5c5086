"""What reading costs: a cold refresh, one where nothing changed, one where 1 % did, beside a bare httpx loop.

    python -m tests.benchmarks.refresh --charges 100000 --runs 3
    python -m tests.benchmarks.refresh --charges 25000 --runs 1 --delay 0.05 --rate 6000

The pace is set so high that it never waits, but for ``--rate``: then the least that the pace allows is shown beside.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measure import Figures, medians, run

_READER = str(Path(__file__).with_name("reader.py"))
_REFRESH = str(Path(__file__).with_name("refresher.py"))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--charges", type=int, default=100_000)
    words.add_argument("--runs", type=int, default=3)
    words.add_argument("--delay", type=float, default=0.0)
    words.add_argument("--rate", type=int, default=1_000_000_000)
    asked = words.parse_args()
    changed = asked.charges // 100
    with tempfile.TemporaryDirectory() as aside, pages(asked.charges, asked.delay, changed) as port:
        folder = Path(aside)
        runs: dict[str, list[Figures]] = {"bare loop": [], "cold": [], "1 % changed": []}
        for n in range(asked.runs):
            runs["bare loop"].append(
                run([sys.executable, _READER, port, "resman-bench", f"bare-{n}.db"], folder)
            )
            refresh = [sys.executable, _REFRESH, port, f"copy-{n}.db", str(asked.rate)]
            runs["cold"].append(run(refresh, folder))
            runs["1 % changed"].append(run(refresh, folder))
        floor = medians(runs["bare loop"])
        print("              wall     CPU  peak MB  requests   records   CPU ratio  wall ratio")
        for name, each in runs.items():
            found = medians(each)
            cost = json.loads(found.out)
            print(
                f"{name:12} {found.wall:5.2f} s {found.cpu:5.2f} s {found.peak:7.0f} {cost['requests']:9,} {cost['records']:9,}"
                f" {found.cpu / floor.cpu:9.2f} x {found.wall / floor.wall:9.2f} x"
            )
        check(runs)
        requests = json.loads(medians(runs["cold"]).out)["requests"]
        if asked.rate < 1_000_000:
            least = requests * 60 / (asked.rate * 0.8)
            print(f"The pace alone takes {least:.2f} s for {requests} requests.")


def check(runs: dict[str, list[Figures]]) -> None:
    """Everything was read, and of the second time what had changed."""
    bare, cold, again = (json.loads(each[-1].out) for each in runs.values())
    if cold["records"] != bare["records"] + 1 or cold["charges"] <= 0:
        raise SystemExit(f"the refresh read {cold}, the loop {bare}")
    if again["charges"] != cold["charges"] or again["records"] > cold["records"] * 0.012:
        raise SystemExit(f"the second refresh read {again}")


@contextlib.contextmanager
def pages(charges: int, delay: float, changed: int) -> Iterator[str]:
    """The server of pages, as a process of its own; its port."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.pages",
        "--charges",
        str(charges),
        "--delay",
        str(delay),
    ]
    with subprocess.Popen([*command, "--changed", str(changed)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


if __name__ == "__main__":
    main()
