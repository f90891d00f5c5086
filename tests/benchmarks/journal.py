"""How fast postings are written down, beside a bare INSERT-and-commit with the same durability, and read again.

    python -m tests.benchmarks.journal                         a minute
    python -m tests.benchmarks.journal --postings 1000000      the full run

Written: a batch is recorded as intended, queued and accepted, in three commits, by 1, 2, 4 and 8 runners with a property each.
Read: what `status`, `history --since` and a plan ask, once `--postings` are there, spread over 200 properties.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import psycopg

from chargeplan.core.posting import Batch, Posting
from chargeplan.journal import SqlJournal, open_journal
from chargeplan.journal.server import is_address
from tests.journal.builders import DAY, posting
from tests.postgres import new_schema, running

RUNNERS = (1, 2, 4, 8)
PROPERTIES = 200
SIZES = (1, 200)  # lines in a batch
COLUMNS = [name for name in Posting.__struct_fields__ if name != "id"]


def lines(size: int, name: str, property_id: str) -> list[Posting]:
    return [posting(f"CP-{name}-{number}", property_id=property_id) for number in range(size)]


def write(journal: SqlJournal, token: int, name: str, size: int, property_id: str) -> None:
    """One batch's way."""
    batch = Batch(
        batch_id=name,
        plan_id="plan",
        integration_id="i1",
        property_id=property_id,
        state="intended",
        job_id=None,
        count=0,
        amount=0,
        created_at="",
    )
    journal.intend("plan", batch, lines(size, name, property_id), lock_token=token)
    journal.record(name, "queued", job_id=name)
    journal.record(name, "accepted")


def run(target: str, me: str, size: int, seconds: float) -> float:
    """A runner, told to begin by a line on its stdin; how many lines a second it wrote."""
    with (
        open_journal(target, create=False, actor=me) as journal,
        journal.lock("i1", [me], purpose="apply", timeout=60) as tokens,
    ):
        print("ready", flush=True)
        sys.stdin.readline()
        began, done = time.monotonic(), 0
        while time.monotonic() < began + seconds:
            write(journal, tokens[me], f"{me}-{size}-{done}", size, me)
            done += size
        return done / (time.monotonic() - began)


def bare(target: str, size: int, seconds: float) -> float:
    """Lines a second of a loop that inserts rows of the same content and commits, three commits for as many lines."""
    rows = [[str(value) for value in msgspec.to_builtins(line).values()] for line in lines(size, "x", "p")]
    width = len(rows[0])
    names = ", ".join(f"c{number} text" for number in range(width))
    server = is_address(target)
    marks = ", ".join(["%s" if server else "?"] * width)
    insert = f"INSERT INTO bare VALUES ({marks})"
    if server:
        connection = psycopg.connect(target)
        cursor = connection.cursor()
    else:
        connection = sqlite3.connect(target + ".bare")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        cursor = connection.cursor()
    with closing(connection):
        cursor.execute(f"CREATE TABLE IF NOT EXISTS bare ({names})")
        cursor.execute("CREATE TABLE IF NOT EXISTS steps (step text)")
        connection.commit()
        began, done = time.monotonic(), 0
        while time.monotonic() < began + seconds:
            cursor.executemany(insert, rows)
            connection.commit()
            for _ in range(2):
                cursor.execute("INSERT INTO steps VALUES ('queued')")
                connection.commit()
            done += size
        return done / (time.monotonic() - began)


def together(target: str, count: int, size: int, seconds: float) -> float:
    """Lines a second of so many runners at once, each a process."""
    words = [sys.executable, "-m", "tests.benchmarks.journal", "--runner"]
    runners = [
        subprocess.Popen(
            [*words, f"p{count}-{number}", "--target", target, "--size", str(size), "--seconds", str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(count)
    ]  # fmt: skip
    for each in runners:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in runners:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    return sum(float(each.communicate()[0]) for each in runners)


def fill(journal: SqlJournal, count: int) -> None:
    """So many postings, all but the last thousand visible: most as a rebuild takes them in, the last as they are posted."""
    posted = min(count, 10_000)
    for number in range((count - posted) // 200):
        place = f"property-{number % PROPERTIES}"
        journal.rebuild(lines(200, f"old-{number}", place))
    for number in range(posted // 200):
        place = f"property-{number % PROPERTIES}"
        with journal.lock("i1", [place], purpose="apply", timeout=0) as tokens:
            write(journal, tokens[place], f"new-{number}", 200, place)
        if number < posted // 200 - 5:
            found = [line.id for line in journal.postings("i1", place) if line.state == "accepted"]
            journal._database.write(lambda connection, found=found: visible(journal, connection, found))


def visible(journal: SqlJournal, connection, found: list[int]) -> None:
    """An event for each line, as a month's reconcile leaves them, in one transaction to be done sooner."""
    for number in found:
        facts = {
            "id": number, "reference": "", "state": "visible", "count": 1, "amount": 3500,
            "charge_id": f"charge-{number}", "reason": "seen", "error": None,
        }  # fmt: skip
        journal._recorder.append(connection, "settled", facts)


def milliseconds(work: Callable[[], object]) -> float:
    """The median of seven times, after one that warms up."""
    work()
    times = []
    for _ in range(7):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def bytes_of(target: str) -> int:
    if not is_address(target):
        path = Path(target)
        return sum(
            each.stat().st_size for each in path.parent.glob(path.name + "*") if ".bare" not in each.name
        )
    with psycopg.connect(target) as connection:
        query = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
        return int(connection.execute(query).fetchone()[0])


@contextmanager
def targets() -> Iterator[dict[str, str]]:
    """A folder and a server that keeps what it commits (`fsync` on)."""
    with tempfile.TemporaryDirectory() as folder, running() as server:
        made = 0

        def fresh(kind: str) -> str:
            nonlocal made
            made += 1
            if kind == "SQLite":
                return str(Path(folder) / f"{made}.db")
            return new_schema(server.get_uri())[0]

        yield fresh


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postings", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--runner", help=argparse.SUPPRESS)
    parser.add_argument("--target", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.runner:
        print(run(chosen.target, chosen.runner, chosen.size, chosen.seconds))
        return
    with targets() as fresh:
        for kind in ("SQLite", "PostgreSQL") if chosen.seconds else ():
            written(kind, fresh(kind), chosen.seconds)
        for kind in ("SQLite", "PostgreSQL"):
            read(kind, fresh(kind), chosen.postings)


def written(kind: str, target: str, seconds: float) -> None:
    open_journal(target, create=True).close()
    for size in SIZES:
        base = bare(target, size, seconds)
        print(f"{kind}, batches of {size}: bare INSERT and commit {base:,.0f} lines/s")
        for count in RUNNERS:
            rate = together(target, count, size, seconds)
            print(
                f"{kind}, batches of {size}, {count} runners: {rate:,.0f} postings/s, {rate / base:.2f} of bare"
            )


def read(kind: str, target: str, count: int) -> None:
    with open_journal(target, create=True, actor="bench") as journal:
        fill(journal, count)
        if is_address(target):
            with psycopg.connect(target, autocommit=True) as connection:
                connection.execute("ANALYZE")  # as autovacuum does in its time
        size = bytes_of(target)
        print(f"{kind}: {count:,} postings, {size / 1e6:,.0f} MB, {size / count:,.0f} bytes each")
        last = journal.open_postings()[-1].since
        for what, work in {
            "open it": lambda: open_journal(target, create=False).close(),
            "status (a thousand are open)": journal.open_postings,
            "history --since (the last batch)": lambda: list(journal.history(last)),
            "a property before a plan": lambda: journal.briefs("i1", "property-7", DAY),
            "a property, all of it": lambda: journal.postings("i1", "property-7"),
            "one line": lambda: journal.find("CP-new-7-7"),
        }.items():
            print(f"{kind}, {count:,} postings: {what}: {milliseconds(work):.1f} ms")


if __name__ == "__main__":
    main()
