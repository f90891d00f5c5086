"""Hostile months without end: real processes over HTTP, random faults, kills, a second run beside the first, odd operators.

    python -m tests.soak --runs 100 --seed 1

Each run is one month: what is planned must be on the books once, or named by `status` for a person to look at. It ends with 1 where
a line was billed twice or lost.
"""

from __future__ import annotations

import argparse
import functools
import random
import ssl
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path

from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e.house import AS_OF, BATCH, TODAY, House, copy_of, finish
from tests.e2e.shim import STEPS

NO_CHANGES = "No changes. Every charge is posted."
TIMEOUT = ["The system did not answer in time."]
FAULTS = {
    "drop before": {"drop": "before"},
    "drop during": {"drop": "during"},
    "drop after": {"drop": "after"},
    "drop after, log hidden": {"drop": "after", "log": "hidden"},
    "drop after, log late": {"drop": "after", "log": "late"},
    "500 with work": {"status": 500},
    "502 without work": {"status": 502, "work": False},
    "504 with work": {"status": 504},
    "empty 200": {"body": "empty"},
    "malformed 200": {"body": "malformed"},
    "400": {"status": 400, "work": False},
    "403": {"status": 403, "work": False},
    "413": {"status": 413, "work": False},
    "429": {"status": 429, "work": False, "retry_after": 1},
    "FAILURE applied": {"job": "FAILURE", "errors": TIMEOUT, "written": 99},
    "FAILURE in part": {"job": "FAILURE", "errors": TIMEOUT, "written": 2},
    "FAILURE, known": {"job": "FAILURE", "errors": ["Invalid credentials"]},
    "PARTIAL": {"job": "PARTIAL_SUCCESS", "errors": ["Some were not imported."], "written": 1},
    "PARTIAL, known words": {"job": "PARTIAL_SUCCESS", "errors": ["Unauthorized"], "written": [1, 2]},
    "PENDING": {"job": "PENDING"},
    "sync meanwhile": {"lever": "sync"},
    "approve and sync meanwhile": {"lever": "approve"},
}
READS = {
    "read dropped": {"drop": "before"},
    "read 502": {"status": 502, "work": False},
    "read malformed": {"body": "malformed"},
}


class Soak:
    """The counts of all runs."""

    def __init__(self) -> None:
        self.happened: Counter[str] = Counter()
        self.duplicates = self.lost = self.stuck = self.asked = 0

    def run(self, seeded: Path, folder: Path, draw: random.Random) -> list[str]:
        """One month; what was wrong with it."""
        with Sandbox.open(copy_of(seeded, folder / "state.db")) as state, serve(state) as served:
            house = House(folder / "project", state, served.url)
            house.config(batch_size=draw.choice((3, 4, 12)), date_tolerance=5)
            if draw.random() < 0.25:
                self.happened["references forgotten"] += 1
                state.configure(keeps_references=False)
            if draw.random() < 0.25:
                self.happened["posted under another date"] += 1
                house.posting_date = "2027-08-04"
            house.run("journal", "init")
            wanted = house.wanted()
            for _ in range(draw.randint(1, 2)):
                self._attempt(house, draw)
            state.clear_faults()
            return self._check(house, set(wanted), draw)

    def _attempt(self, house: House, draw: random.Random) -> None:
        for name in draw.sample(sorted(FAULTS), draw.randint(0, 3)):
            self.happened[name] += 1
            house.state.add_faults(Fault(method="POST", path=BATCH, skip=draw.randint(0, 2), **FAULTS[name]))
        if draw.random() < 0.3:
            name = draw.choice(sorted(READS))
            self.happened[name] += 1
            house.state.add_faults(Fault(method="GET", skip=draw.randint(0, 8), **READS[name]))
        kill = None
        if draw.random() < 0.5:
            kill = f"{draw.choice(STEPS)}:{draw.randint(1, 2)}"
            self.happened["kill " + kill.partition(":")[0]] += 1
            if kill.startswith("during-post"):
                house.state.add_faults(Fault(method="POST", path=BATCH, delay=0.6))
        words = ("apply", "--auto-approve", "--as-of", AS_OF, "--period", "2027-08", "--deadline", "3")
        running = [house.start(*words, kill=kill)]
        if draw.random() < 0.25:
            self.happened["two at once"] += 1
            running.append(house.start(*words))
        for each in running:
            result = finish(each)
            assert result.code in (-9, 0, 1, 3, 4, 5, 7), result
        if draw.random() < 0.3:
            house.month()

    def _check(self, house: House, wanted: set[str], draw: random.Random) -> list[str]:
        wrong = []
        last = house.settle(rounds=6)
        named = house.named()
        lost = house.lost(wanted)
        missing = wanted - {each.reference_number for each in house.ours()}
        self.asked += len(named)
        words = {"--not-posted": missing & named, "--posted": named - missing}
        for verdict, references in words.items():
            if references:
                house.run("resolve", *sorted(references), verdict, "--reason", "looked at the ledger")
        if named:
            last = house.settle(rounds=6)
        self.lost += len(lost)
        duplicates = house.duplicates()
        self.duplicates += len(duplicates)
        if last != NO_CHANGES or wanted != {each.reference_number for each in house.ours()}:
            self.stuck += 1
            wrong.append(f"stuck: {last}")
        wrong += [f"lost: {each}" for each in sorted(lost)] + [f"twice: {each}" for each in duplicates]
        if house.run("journal", "verify").code:
            wrong.append("the journal does not verify")
        return wrong


def soak(runs: int, seed: int, say=print) -> int:
    """So many runs; 1 where a line was billed twice or lost, or a run did not settle."""
    counts, failed, began = Soak(), 0, time.monotonic()
    # The commands of this process speak to loopback only, and need not read the authorities' certificates each time.
    ssl.create_default_context = functools.cache(ssl.create_default_context)
    with tempfile.TemporaryDirectory() as folder:
        seeded = Path(folder) / "seed.db"
        with Sandbox.open(seeded, today=TODAY, requests_per_minute=100_000, pending_polls=0):
            pass
        for number in range(runs):
            place = Path(folder) / str(number)
            place.mkdir()
            wrong = counts.run(seeded, place, random.Random(f"{seed}:{number}"))
            if wrong:
                failed += 1
                say(f"run {seed}:{number}: " + "; ".join(wrong))
    for name, count in sorted(counts.happened.items()):
        say(f"{count:5}  {name}")
    seconds = (time.monotonic() - began) / max(1, runs)
    say(
        f"runs {runs}, seed {seed}: duplicates {counts.duplicates}, lost {counts.lost}, stuck {counts.stuck}, "
        f"lines that a person had to settle {counts.asked}, {seconds:.1f} s a run"
    )
    return 1 if failed else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=date.today().toordinal())
    chosen = parser.parse_args()
    sys.exit(soak(chosen.runs, chosen.seed))


if __name__ == "__main__":
    main()
