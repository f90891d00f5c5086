"""Hostile histories, drawn by a seed: each line is on the books at most once, and exactly once after a person's word.

python -m tests.systems.histories --seeds 100          every system
python -m tests.systems.histories --seeds 100 YARDI    one
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e.house import AS_OF, TODAY, reference_of
from tests.systems.estate import POSTABLE, Estate

POST = {"method": "POST", "path": "/v1/resident-charges/*"}
# What may happen to a request, and to its job.
FAULTS = (
    {"drop": "before"},
    {"drop": "after"},
    {"drop": "after", "log": "hidden"},
    {"status": 500},
    {"status": 503, "drop": None},
    {"job": "FAILURE", "errors": ["timeout"]},
    {"job": "FAILURE", "written": 1, "errors": ["timeout"]},
    {"job": "PENDING"},
    {"job": "SUCCESS", "written": 0},
)
BEHAVIOURS = (
    {},
    {"keeps_references": False},
    {"keeps_references": False, "keeps_descriptions": False},
    {"cuts_descriptions_at": 25},
    {"log_parameters": "without_texts"},
    {"log_parameters": "none"},
    {"wrong_ids": True},
)


def run_history(estate: Estate, seed: int) -> None:
    """One history: the same for the same seed. Nothing is billed twice, whatever happens; nothing is lost in the end."""
    draw = random.Random(f"{estate.name} {seed}")
    estate.behave(**draw.choice(BEHAVIOURS))
    wanted = estate.wanted()
    for _ in range(draw.randint(3, 7)):
        _step(estate, draw)
        assert estate.duplicates() == []
        assert estate.lost(wanted) <= set(wanted)
    _end(estate, wanted)


def _step(estate: Estate, draw: random.Random) -> None:
    match draw.choice(("apply", "apply", "month", "reconcile")):
        case "apply":
            for _ in range(draw.randint(0, 2)):
                fault = {**POST, **draw.choice(FAULTS), "skip": draw.randint(0, 3)}
                estate.state.add_faults(
                    Fault(**{key: value for key, value in fault.items() if value is not None})
                )
            assert estate.plan("--out", estate.planfile).code == 0
            assert estate.apply("--no-wait").code in (0, 1, 3, 4)
        case "month":
            estate.month()
        case _:
            assert estate.run("reconcile", "--as-of", AS_OF).code in (0, 4)


def _end(estate: Estate, wanted: dict[str, int]) -> None:
    """Nothing goes wrong any more, and a person looks at the ledgers."""
    estate.state.clear_faults()
    estate.state.jobs.finish()
    estate.settle()
    assert estate.duplicates() == []
    on_books = {reference_of(each) for each in estate.ours()}
    for word, references in (
        ("--posted", estate.named() & on_books),
        ("--not-posted", estate.named() - on_books),
    ):
        if references:
            said = estate.run("resolve", *sorted(references), word, "--reason", "looked", "--as-of", AS_OF)
            assert said.code == 0, said
    estate.settle()
    assert estate.duplicates() == []
    assert {reference_of(each) for each in estate.ours()} == set(wanted)


def play(folder: Path, name: str, seed: int) -> None:
    """A history in a sandbox of its own."""
    with (
        Sandbox.open(folder / "state.db", today=TODAY, requests_per_minute=100_000, pending_polls=0) as state,
        serve(state) as served,
    ):
        estate = Estate(folder / "project", state, served.url, name)
        assert estate.run("journal", "init").code == 0
        run_history(estate, seed)


def main() -> int:
    """Play the histories that the command line asks for; how many went wrong is the exit code, at most 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("systems", nargs="*", default=POSTABLE)
    asked = parser.parse_args()
    failed = 0
    for name in asked.systems:
        for seed in range(asked.seeds):
            with tempfile.TemporaryDirectory(prefix="chargeplan-history-") as folder:
                try:
                    play(Path(folder), name, seed)
                except AssertionError as problem:
                    failed += 1
                    print(f"{name} {seed}: {problem}"[:500])
        print(f"{name}: {asked.seeds} histories")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
