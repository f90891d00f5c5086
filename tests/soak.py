"""Hostile months without end: real processes over HTTP, random faults, kills, a second run beside the first, odd operators.

    python -m tests.soak --runs 100 --seed 1 --workers 3
    python -m tests.soak --runs 1000 --seed 1 --workers 2 --office

Each run is one month, drawn by seed and number: what is planned must be on the books once, or named by `status` for a person to
look at. With ``--office`` each is a history of three months on a ledger that the office writes on too (``e2e/shared_ledger.py``), and a
person follows the printed commands. It ends with 1 where a line was billed twice or lost, or nothing settles.
"""

from __future__ import annotations

import argparse
import functools
import random
import shutil
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from unittest.mock import patch

from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e import forked, village
from tests.e2e.house import AS_OF, BATCH, House, copy_of, finish
from tests.e2e.shared_ledger import history
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
        self.wrong: list[str] = []
        self.killed = self.duplicates = self.lost = self.stuck = self.asked = 0

    def add(self, other: Soak) -> None:
        """Count another's runs with one's own."""
        self.happened += other.happened
        self.wrong += other.wrong
        self.killed += other.killed
        self.duplicates += other.duplicates
        self.lost += other.lost
        self.stuck += other.stuck
        self.asked += other.asked

    def told(self, runs: int, seed: int, began: float, say) -> int:
        """Say what was counted; 1 where a line was billed twice or lost, or a run did not settle."""
        for each in self.wrong:
            say(each)
        for name, count in sorted(self.happened.items()):
            say(f"{count:5}  {name}")
        say(
            f"runs {runs}, seed {seed}: killed {self.killed} times, duplicates {self.duplicates}, lost {self.lost}, "
            f"stuck {self.stuck}, lines that a person had to settle {self.asked}, {time.monotonic() - began:.0f} s"
        )
        return 1 if self.wrong else 0

    def share(self, seeded: Path, folder: Path, name: str) -> None:
        """Three months with an office, drawn by their name; how they went is told where something is wrong."""
        found = history(seeded, folder, name)
        self.happened.update(found.happened)
        self.duplicates += len(found.duplicates)
        self.lost += len(found.lost)
        self.stuck += bool(found.stuck)
        self.asked += found.asked
        if found.wrong:
            self.wrong.append("\n  ".join([f"run {name}: {'; '.join(found.wrong)}", *found.trace]))

    def run(self, seeded: Path, folder: Path, wanted: set[str], name: str) -> None:
        """One month, drawn by its name."""
        draw = random.Random(name)
        with Sandbox.open(copy_of(seeded, folder / "state.db")) as state, serve(state) as served:
            house = House(folder / "project", state, served.url)
            house.config(batch_size=draw.choice((3, 4, 12)), date_tolerance=5)
            if draw.random() < 0.25:
                self.happened["references forgotten"] += 1
                state.configure(keeps_references=False)
            if draw.random() < 0.25:
                self.happened["posted under another date"] += 1
                house.posting_date = "2027-08-04"
            assert house.run("journal", "init").code == 0
            for _ in range(draw.randint(1, 2)):
                self._attempt(house, draw)
            state.clear_faults()
            wrong = self._check(house, wanted)
        if wrong:
            self.wrong.append(f"run {name}: " + "; ".join(wrong))

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
        running = [_start(house, kill)]
        if draw.random() < 0.25:
            self.happened["two at once"] += 1
            running.append(_start(house))
        for each in running:
            result = finish(each)
            assert result.code in (-9, 0, 1, 3, 4, 5, 7), result
            self.killed += result.code == -9
        if draw.random() < 0.3:
            house.month()

    def _check(self, house: House, wanted: set[str]) -> list[str]:
        wrong = []
        last = house.settle(rounds=6)
        named = house.named()
        on_books = {each.reference_number for each in house.ours()}
        lost = wanted - on_books - named
        self.lost += len(lost)
        self.asked += len(named)
        for verdict, references in (("--not-posted", named - on_books), ("--posted", named & on_books)):
            if references:
                said = house.run("resolve", *sorted(references), verdict, "--reason", "looked at the ledger")
                assert said.code == 0, said
        if named:
            last = house.settle(rounds=6)
        duplicates = house.duplicates()
        self.duplicates += len(duplicates)
        if last != NO_CHANGES or wanted != {each.reference_number for each in house.ours()}:
            self.stuck += 1
            wrong.append(f"stuck: {last}")
        wrong += [f"lost: {each}" for each in sorted(lost)] + [f"twice: {each}" for each in duplicates]
        if house.run("journal", "verify").code:
            wrong.append("the journal does not verify")
        return wrong


def _start(house: House, kill: str | None = None) -> forked.Forked:
    words = ("apply", "--auto-approve", "--as-of", AS_OF, "--period", "2027-08", "--deadline", "3")
    return forked.start(house.words(*words), house.environ, house.folder, kill)


def _wanted(seeded: Path, folder: Path) -> set[str]:
    """What a month without a fault would post: the same lines in every run."""
    with Sandbox.open(copy_of(seeded, folder / "wanted.db")) as state, serve(state) as served:
        house = House(folder / "wanted", state, served.url)
        assert house.run("journal", "init").code == 0
        return set(house.wanted())


def _months(names: Sequence[str], seeded: Path, wanted: set[str] | None) -> Soak:
    """The runs of these names, in this process; without what is ``wanted``, with an office."""
    counts = Soak()
    with _one_tls_context(), tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(names):
            place = Path(folder) / str(number)
            place.mkdir()
            if wanted is None:
                counts.share(seeded, place, name)
            else:
                counts.run(seeded, place, wanted, name)
            shutil.rmtree(place)
    return counts


def _one_tls_context():
    """The commands of this process speak to loopback only, and need not read the authorities' certificates each time."""
    return patch.object(ssl, "create_default_context", functools.cache(ssl.create_default_context))


def soak(runs: int, seed: int, *, first: int = 0, workers: int = 1, office: bool = False, say=print) -> int:
    """So many runs; 1 where a line was billed twice or lost, or a run did not settle."""
    began, counts = time.monotonic(), Soak()
    names = [f"{seed}:{number}" for number in range(first, first + runs)]
    with tempfile.TemporaryDirectory() as folder, _one_tls_context():
        seeded = village.make(Path(folder) / "seed.db")
        wanted = None if office else _wanted(seeded, Path(folder))
        with ProcessPoolExecutor(workers, forked.context()) as pool:
            shares = [
                pool.submit(_months, names[worker::workers], seeded, wanted) for worker in range(workers)
            ]
            for each in shares:
                counts.add(each.result())
    return counts.told(runs, seed, began, say)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=date.today().toordinal())
    parser.add_argument(
        "--first",
        type=int,
        default=0,
        help="the number of the first run: `run 7:31` again is `--seed 7 --first 31 --runs 1`",
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="processes; runs mostly wait, so more than there are cores"
    )
    parser.add_argument(
        "--office", action="store_true", help="three months each, on a ledger that the office shares"
    )
    chosen = parser.parse_args()
    sys.exit(soak(chosen.runs, chosen.seed, first=chosen.first, workers=chosen.workers, office=chosen.office))


if __name__ == "__main__":
    main()
