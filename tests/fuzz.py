"""Broken and hostile input by the thousand: each ends in an answer or an error for people, in seconds and megabytes.

    python -m tests.fuzz plan|csv|config|planfile|answers --seconds 60 --seed 1

Each round takes an example, changes it here and there (bytes, pieces of others, numbers that are too large), and reads it as the
program does. It prints rounds, the longest of them and the memory, and ends with 1 at the first that raised anything else, took
longer than `MOST_SECONDS` or made the process larger than `MOST_BYTES`; the same seed finds it again.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from chargeplan.core.errors import ChargeplanError
from chargeplan.loading.project import load_config, load_project
from chargeplan.planfile.codec import read_plan
from chargeplan.propexo import outcomes, wire
from chargeplan.propexo.vendors import vendor
from tests.bounds import MOST_BYTES, MOST_SECONDS
from tests.loading.helpers import CONFIG, HEAD, RENT
from tests.planfile.test_seal import save

ROOT = Path(__file__).parents[1]
PIECES = [
    b"", b"\n", b"  ", b"- ", b": ", b"{", b"}", b"[", b"]", b'"', b"'", b"&a ", b"*a", b"<<: ", b"!!x ", b"%", b"#", b"|", b">-", b"\t",
    b"\x00", b"\xff", b"\xc3\xa9", "\u2028".encode(), b"0001-01-01", b"9999-12-31", b"1 day", b"9" * 400, b"-1", b"1e400", b"null", b"true",
    b"{{ plan }}", b"{{ '", b" | upper }}", b"{% if ", b"lease.rent", b"roster.x", b"+3.5%", b"99999999999999.99", b"\\", b"../", b"NaN",
]  # fmt: skip
Target = Callable[[bytes], object]


def mutated(examples: list[bytes], rng: random.Random) -> bytes:
    """An example with up to eight changes."""
    data = bytearray(rng.choice(examples))
    for _ in range(rng.randint(1, 8)):
        at = rng.randint(0, len(data))
        upto = min(len(data), at + rng.choice([0, 0, 1, 2, 8, 60]))
        other = rng.choice(examples)
        cut = rng.randint(0, len(other))
        data[at:upto] = rng.choice(
            [rng.choice(PIECES), other[cut : cut + rng.randint(1, 80)], rng.randbytes(2)]
        )
        if rng.random() < 0.05:
            data *= rng.choice([2, 3])
    return bytes(data)


def in_project(folder: Path, name: str) -> Target:
    """Load a project in which one file is what was made up."""
    (folder / "plans").mkdir()
    (folder / "chargeplan.yaml").write_text(CONFIG)
    roster = "    roster: r.csv\n    description: '{{ roster.note }}'\n"
    (folder / "plans" / "plan.yaml").write_text(HEAD + RENT + "    amount: {from: roster.rate}\n" + roster)
    (folder / "plans" / "r.csv").write_text("unit,rate,note\n1,1.00,x\n")

    def read(data: bytes) -> object:
        (folder / name).write_bytes(data)
        if name == "chargeplan.yaml":
            return load_config(folder / name, vendor)
        return load_project(folder / "chargeplan.yaml", vendor)

    return read


def as_planfile(folder: Path) -> Target:
    def read(data: bytes) -> object:
        (folder / "p.plan").write_bytes(data)
        return read_plan(folder / "p.plan")

    return read


def as_answer(data: bytes) -> None:
    """Every reader of what Propexo may send."""
    answer = outcomes.decoded(data)
    rows = answer.get("results") if isinstance(answer, dict) else None
    for kind in wire.KINDS:
        for row in rows if isinstance(rows, list) else [answer]:
            try:
                wire.record(kind, row)
            except ChargeplanError:
                continue
    for status in (200, 400, 403, 500):
        outcomes.of_answer(status, data, count=3, retry_after=1)
    outcomes.error_message(data)


def answers() -> list[bytes]:
    charge = {
        "id": "x", "property_id": "p", "amount_in_cents": -2500, "transaction_date": "2026-12-01T23:30:00-08:00", "due_date": None,
        "allocations": [{"amount_in_cents": 100, "resident_payment_id": "y"}], "reference_number": "CP7K3MZ0Q9T2V8XH4C",
    }  # fmt: skip
    lease = {
        "id": "l",
        "property_id": "p",
        "residents_meta_data": [{"resident_id": "r", "move_in_date": "2026-01-02"}],
    }
    issues = {
        "error": {"code": "x", "message": "m", "issues": [{"path": ["charges", 0, "amount"], "message": "m"}]}
    }
    taken = {"meta": {"job_id": "j1"}, "results": [charge, lease]}
    return [json.dumps(each).encode() for each in (taken, issues, {"results": [lease]}, {"job_id": "j"})]


def targets(what: str, folder: Path) -> tuple[list[bytes], Target]:
    """The examples and the reader of one kind of input."""
    plans = [path.read_bytes() for path in sorted((ROOT / "plans").glob("*.yaml"))]
    tables = [path.read_bytes() for path in sorted((ROOT / "plans").rglob("*.csv"))]
    match what:
        case "plan":
            faults = [path.read_bytes() for path in sorted((ROOT / "tests/loading/faults").glob("*.yaml"))]
            return plans + faults, in_project(folder, "plans/plan.yaml")
        case "csv":
            return [*tables, b"unit,rate,note\n1,1.00,x\n"], in_project(folder, "plans/r.csv")
        case "config":
            good = (ROOT / "tests/loading/good/chargeplan.txt").read_bytes()
            return [good, CONFIG.encode()], in_project(folder, "chargeplan.yaml")
        case "planfile":
            save(folder / "a.plan")
            save(folder / "b.plan.gz")
            return [(folder / "a.plan").read_bytes(), (folder / "b.plan.gz").read_bytes()], as_planfile(
                folder
            )
        case _:
            return answers(), as_answer


def main() -> int:
    """Run the rounds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["plan", "csv", "config", "planfile", "answers"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng, rounds, longest = random.Random(given.seed), 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        examples, read = targets(given.what, Path(folder))
        until = time.monotonic() + given.seconds
        while time.monotonic() < until:
            data, began = mutated(examples, rng), time.process_time()
            try:
                read(data)
            except ChargeplanError:
                pass
            except Exception:  # noqa: BLE001 - that is what is looked for
                traceback.print_exc()
                print(f"round {rounds} of seed {given.seed}: {data!r}")
                return 1
            rounds, longest = rounds + 1, max(longest, time.process_time() - began)
            size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            if longest > MOST_SECONDS or size > MOST_BYTES:
                print(
                    f"round {rounds} of seed {given.seed}: {longest:.1f} s, {size:,} bytes: {data[:2000]!r}"
                )
                return 1
    print(
        f"{given.what}: {rounds:,} rounds of seed {given.seed}, the longest {longest:.2f} s, {size // 1_000_000} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
