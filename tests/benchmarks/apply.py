"""How fast lines are posted, against the most that Propexo's limit allows; over real HTTP, each run a process of its own.

    python -m tests.benchmarks.apply

First at the limit of the contract, 150 requests a minute: how much of the 80 % that go unslowed is used in each full minute.
Then with a limit that does not bind and answers that take their time: what properties in parallel gain. After each run the
books are compared with the plan: lines, cents, nothing twice.
"""

from __future__ import annotations

import argparse
import functools
import ssl
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e.house import TODAY, House, finish
from tests.e2e.town import build

CODES = ("Rent", "Parking", "Water", "Trash", "Electric", "Storage", "Internet", "Valet Trash", "Amenity Fee")
CHARGE = """\
  {id}:
    code: {code}
    amount: {amount}.00
    who: {{units: ["1*", "2*"]}}
    schedule: {{every: month, day: 1}}
"""


class Run(msgspec.Struct, frozen=True):
    """What one apply did. ``seconds`` is from its first POST to its last request; ``minutes`` are requests of full ones."""

    lines: int
    posts: int
    requests: int
    seconds: float
    minutes: list[int]
    slowed: int

    @property
    def lines_a_minute(self) -> float:
        """Lines posted a minute, jobs told included."""
        return self.lines * 60 / self.seconds


@contextmanager
def town(properties: int, batch_size: int, parallel: int, limit: int, latency: float) -> Iterator[House]:
    """A house with so many properties and nine charges a household, its plan saved."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox.open(Path(folder) / "state.db", today=TODAY, requests_per_minute=100_000) as state,
        serve(state) as served,
    ):
        house = House(Path(folder) / "project", state, served.url)
        build(house, properties, batch_size=batch_size, parallel=parallel, limit=limit)
        head = (house.plans / "oak.yaml").read_text().partition("charges:\n")[0]
        charges = (
            CHARGE.format(id=code.lower().replace(" ", "-"), code=code, amount=10 + number)
            for number, code in enumerate(CODES)
        )
        house.write(f"{head}charges:\n{''.join(charges)}")
        assert house.run("journal", "init").code == 0
        house.saved("--full-refresh")
        state.configure(requests_per_minute=limit)
        state.add_faults(Fault(delay=latency, times=1_000_000))
        yield house


def measured(house: House) -> Run:
    """Apply the saved plan in a process; the books must be as planned."""
    state = house.state
    before = len(state.requests())
    result = finish(house.start("apply", house.planfile, "--json"), timeout=3600)
    assert result.code == 0, result
    requests = state.requests()[before:]
    check(house, result.json["totals"]["posted"])
    times = [datetime.fromisoformat(each["at"]) for each in requests]
    posts = [at for at, each in zip(times, requests, strict=True) if each["method"] == "POST"]
    seconds = [(at - times[0]).total_seconds() for at in times]
    # Minutes in which there was something to post from their beginning to their end.
    full = int((posts[-1] - times[0]).total_seconds() // 60)
    minutes = [sum(60 * n <= at < 60 * (n + 1) for at in seconds) for n in range(full)]
    if minutes:
        # What `plan` had asked just before is gone from the first one.
        minutes[0] += sum(each["at"][:16] == requests[0]["at"][:16] for each in state.requests()[:before])
    slow_from = state.settings.slow_from * state.settings.requests_per_minute
    by_clock = Counter(each["at"][:16] for each in state.requests())
    slowed = sum(max(0, count - int(slow_from) + 1) for count in by_clock.values()) if minutes else 0
    lasted = (times[-1] - posts[0]).total_seconds()
    return Run(
        lines=len(house.ours()),
        posts=len(posts),
        requests=len(requests),
        seconds=lasted,
        minutes=minutes,
        slowed=slowed,
    )


def check(house: House, posted: dict[str, int]) -> None:
    """Count, cents, nothing twice."""
    ours = house.ours()
    assert len(ours) == posted["count"]
    assert sum(each.amount_in_cents for each in ours) == posted["amount_in_cents"]
    assert len({each.reference_number for each in ours}) == len(ours)
    assert house.duplicates() == []


def main(words: list[str]) -> int:
    """Run both and print them; 1 where less than 95 % of the limit is used."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--limit", type=int, default=150, help="requests a minute that the first run is told")
    parser.add_argument("--properties", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=6)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds that each answer takes at least")
    given = parser.parse_args(words)
    # Reading the authorities' certificates is no part of it.
    ssl.create_default_context = functools.cache(ssl.create_default_context)

    with town(given.properties, given.batch_size, 4, given.limit, given.latency) as house:
        run = measured(house)
    unslowed = given.limit * 0.8
    ratios = [count / unslowed for count in run.minutes]
    print(
        f"limit {given.limit}/min, of which {unslowed:.0f} unslowed; {given.latency * 1000:.0f} ms latency; 4 properties at a time"
    )
    print(
        f"  {run.lines} lines in {run.posts} batches, {run.requests} requests, {run.seconds:.1f} s: {run.lines_a_minute:.0f} lines/min"
    )
    print(f"  requests in each full minute: {run.minutes}; answers slowed: {run.slowed}")
    print(f"  of the most that the limit allows: {', '.join(f'{ratio:.1%}' for ratio in ratios)}")

    runs = {}
    for parallel in (1, 4):
        with town(given.properties, given.batch_size, parallel, 6000, given.latency) as house:
            runs[parallel] = measured(house)
        each = runs[parallel]
        print(f"limit 6000/min; {given.latency * 1000:.0f} ms latency; {parallel} at a time: {each.lines} lines, {each.requests} requests, "
              f"{each.seconds:.1f} s: {each.lines_a_minute:.0f} lines/min, {each.posts * 60 / each.seconds:.0f} batches/min")  # fmt: skip
    print(f"parallel to sequential: {runs[4].lines_a_minute / runs[1].lines_a_minute:.2f}")
    return 0 if ratios and min(ratios) >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
