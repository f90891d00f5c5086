"""Several runners, one PostgreSQL: hostile months with 2, 4 and 8 real apply processes at once.

    python -m tests.fleet --runs 100 --seed 1

Each run is one month of five properties, drawn by seed and number: runners with one plan file, with plans of their own or with a shard
each; commits cut before, while and after they pass, connections dropped, the server restarted, runners killed, and Propexo's
faults as in `tests.soak`. It ends with 1 where a line was billed twice or lost, or a run did not settle.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path

from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e import forked, town, village
from tests.e2e.house import AS_OF, BATCH, copy_of, finish
from tests.e2e.shared import SharedHouse
from tests.e2e.shim import STEPS
from tests.journal.proxy import COMMIT, HOWS, Proxy
from tests.postgres import new_schema, running
from tests.soak import FAULTS, READS, Soak, _one_tls_context

RUNNERS = (2, 4, 8)
MONTH = ("--as-of", AS_OF, "--period", "2027-08")
ENDINGS = (-9, 0, 1, 3, 4, 5, 7)


class Fleet(Soak):
    """The counts of all runs on one server."""

    def __init__(self, server, runners: tuple[int, ...] = RUNNERS) -> None:
        super().__init__()
        self.server, self.runners = server, runners
        self.wanted: set[str] = set()

    def month(self, seeded: Path, folder: Path, name: str) -> None:
        """One month, drawn by its name."""
        draw = random.Random(name)
        address, drop = new_schema(self.server.get_uri())
        with (
            Sandbox.open(copy_of(seeded, folder / "state.db")) as state,
            serve(state) as served,
            Proxy(address) as proxy,
        ):
            house = SharedHouse(folder / "project", state, served.url)
            house.address = address
            town.build(house, 5, units='"10[1-3]"', batch_size=draw.choice((1, 2, 4)))
            assert house.run("journal", "init").code == 0
            self.wanted = self.wanted or set(house.wanted())
            for _ in range(draw.randint(1, 2)):
                self._together(house, proxy, draw)
            state.clear_faults()
            house.address = address
            wrong = self._check(house, self.wanted)
            self.happened["commits cut"] += proxy.cuts
        drop()
        if wrong:
            self.wrong.append(f"run {name}: " + "; ".join(wrong))

    def _together(self, house: SharedHouse, proxy: Proxy, draw: random.Random) -> None:
        count = draw.choice(self.runners)
        self.happened[f"{count} runners"] += 1
        words = self._words(house, count, draw)
        for fault in draw.sample(sorted(FAULTS), draw.randint(0, 2)):
            self.happened[fault] += 1
            house.state.add_faults(Fault(method="POST", path=BATCH, skip=draw.randint(0, 4), **FAULTS[fault]))
        if draw.random() < 0.2:
            fault = draw.choice(sorted(READS))
            self.happened[fault] += 1
            house.state.add_faults(Fault(method="GET", skip=draw.randint(0, 20), **READS[fault]))
        for _ in range(draw.randint(0, 5)):
            how = draw.choice(HOWS)
            self.happened[f"a commit to be cut: {how}"] += 1
            proxy.cut(how, COMMIT, skip=draw.randint(0, 12))
        house.address = proxy.target
        trouble = [self._later(draw, proxy.drop, "connections dropped", 0.5)]
        trouble.append(self._later(draw, self._restart, "server restarted", 0.35))
        started = []
        for each in words:
            kill = f"{draw.choice(STEPS)}:{draw.randint(1, 2)}" if draw.random() < 0.3 else None
            started.append(forked.start(house.words(*each), house.environ, house.folder, kill))
        for runner in started:
            ended = finish(runner, timeout=120)
            assert ended.code in ENDINGS, ended
            self.killed += ended.code == -9
            why = f" ({ended.json['code']})" if ended.code == 1 else ""
            self.happened[f"runner ended with {ended.code}{why}"] += 1
        for timer in trouble:
            if timer is not None:
                timer.join()

    def _words(self, house: SharedHouse, count: int, draw: random.Random) -> list[tuple[str, ...]]:
        """What each runner is told."""
        mode = draw.choice(("one plan file", "plans of their own", "shards"))
        self.happened[mode] += 1
        end = ("--deadline", "20", "--json")
        if mode == "one plan file":
            planned = house.plan("--out", house.planfile)
            assert planned.code == 0, planned
            return [("apply", str(house.planfile), *end)] * count
        fresh = ("apply", "--auto-approve", *MONTH, *end)
        if mode == "shards":
            return [(*fresh, "--shard", f"{index}/{count}") for index in range(1, count + 1)]
        return [fresh] * count

    def _later(self, draw: random.Random, work, name: str, chance: float) -> threading.Timer | None:
        if draw.random() >= chance:
            return None
        self.happened[name] += 1
        timer = threading.Timer(draw.uniform(0.1, 2.0), work)
        timer.start()
        return timer

    def _restart(self) -> None:
        self.server.stop()
        self.server.start()


def fleet(runs: int, seed: int, *, first: int = 0, runners: tuple[int, ...] = RUNNERS, say=print) -> int:
    """So many runs; 1 where a line was billed twice or lost, or a run did not settle."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, _one_tls_context(), running() as server:
        server.psql(
            "ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();"
        )  # its machine does not crash here
        counts = Fleet(server, runners)
        seeded = village.make(Path(folder) / "seed.db")
        for number in range(first, first + runs):
            place = Path(folder) / str(number)
            place.mkdir()
            counts.month(seeded, place, f"{seed}:{number}")
            shutil.rmtree(place)
    return counts.told(runs, seed, began, say)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=date.today().toordinal())
    parser.add_argument("--first", type=int, default=0, help="the number of the first run")
    parser.add_argument("--runners", type=int, help="always so many, instead of 2, 4 or 8")
    chosen = parser.parse_args()
    runners = RUNNERS if chosen.runners is None else (chosen.runners,)
    sys.exit(fleet(chosen.runs, chosen.seed, first=chosen.first, runners=runners))


if __name__ == "__main__":
    main()
