"""The same number of records planned by the tools that people know: Terraform, octoDNS and chargeplan, on one machine in one run.

    pip install octodns; python -m tests.benchmarks.peers --records 10000 --runs 3

Each tool has N records in its own kind of file, all but 1 % of them already there. Terraform has `terraform_data` in modules of 100
(its best layout) and is left out where there is no `terraform`; octoDNS goes from YAML to YAML, and is left out where
`octodns-sync` is not installed beside this Python. What each says it would change is checked.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.measure import Figures, medians, run
from tests.benchmarks.plan import PLAN, build

_GAP = 100


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--records", type=int, default=10_000)
    words.add_argument("--runs", type=int, default=3)
    asked = words.parse_args()
    ours: Figures | None = None
    print(
        f"{asked.records:,} records, 1 % to change\n\n             wall     CPU   peak MB |  times slower  times fatter"
    )
    with tempfile.TemporaryDirectory() as aside:
        for name, make in PEERS.items():
            folder = Path(aside) / name
            folder.mkdir()
            plan = make(folder, asked.records)
            if plan is None:
                print(f"{name:10} not installed")
                continue
            found = medians([plan() for _ in range(asked.runs)])
            ours = ours or found
            print(
                f"{name:10} {found.wall:6.2f} s {found.cpu:6.2f} s {found.peak:7.0f} |"
                f" {found.wall / ours.wall:12.1f} x {found.peak / ours.peak:11.1f} x",
                flush=True,
            )


def chargeplan(folder: Path, records: int) -> Callable[[], Figures]:
    """A month of charges, ten months of which are synced."""
    project = folder / "project"
    build(project, records, months=10, gap=_GAP)

    def plan() -> Figures:
        found = run(PLAN, project)
        expect(f"Plan: {records // _GAP:,} to post" in found.out, found.out[-300:])
        return found

    return plan


def octodns(folder: Path, records: int) -> Callable[[], Figures] | None:
    """One zone of text records, from YAML to YAML."""
    sync = shutil.which("octodns-sync", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if sync is None:
        return None
    for name, gap in (("wanted", 0), ("there", _GAP)):
        (folder / name).mkdir()
        with (folder / name / "example.com.yaml").open("w") as sink:
            sink.write("---\n")
            for n in range(records):
                value = "before" if gap and n % gap == 0 else f"value {n}"
                sink.write(f"r{n:07}:\n  type: TXT\n  ttl: 300\n  value: {value}\n")
    (folder / "octodns.yaml").write_text(
        "manager: {max_workers: 2}\n"
        "providers:\n"
        "  wanted: {class: octodns.provider.yaml.YamlProvider, directory: ./wanted, enforce_order: false}\n"
        "  there: {class: octodns.provider.yaml.YamlProvider, directory: ./there, enforce_order: false}\n"
        "zones:\n"
        "  example.com.: {sources: [wanted], targets: [there]}\n"
    )

    def plan() -> Figures:
        found = run([sync, "--config-file", "octodns.yaml", "--quiet", "--force"], folder)
        expect(f"Updates={records // _GAP}" in found.err, found.err[-500:])
        return found

    return plan


def terraform(folder: Path, records: int) -> Callable[[], Figures] | None:
    """`terraform_data` in modules of a hundred."""
    if shutil.which("terraform") is None:
        return None
    module = folder / "hundred"
    module.mkdir()
    (module / "main.tf").write_text(
        'variable "values" { type = map(string) }\n'
        'resource "terraform_data" "record" {\n  for_each = var.values\n  input = each.value\n}\n'
    )

    with (folder / "main.tf").open("w") as sink:
        for start in range(0, records, 100):
            values = {f"r{n}": "after" if n % _GAP == 0 else f"v{n}" for n in range(start, start + 100)}
            sink.write(f'module "m{start}" {{\n  source = "./hundred"\n  values = {json.dumps(values)}\n}}\n')
    (folder / "terraform.tfstate").write_text(json.dumps(_terraform_state(records)))
    subprocess.run(["terraform", "init", "-input=false"], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    def plan() -> Figures:
        found = run(["terraform", "plan", "-input=false", "-no-color"], folder)
        expect(f"{records // _GAP} to change" in found.out, found.out[-300:])
        return found

    return plan


def _terraform_state(records: int) -> dict[str, object]:
    """What `terraform apply` would have left; to apply so many takes hours, as it saves the whole state again and again."""

    def instance(n: int) -> dict[str, object]:
        value = {"value": f"v{n}", "type": "string"}
        attributes = {"id": str(uuid.UUID(int=n)), "input": value, "output": value, "triggers_replace": None}
        return {
            "index_key": f"r{n}",
            "schema_version": 0,
            "attributes": attributes,
            "sensitive_attributes": [],
        }

    resources = [
        {
            "module": f"module.m{start}",
            "mode": "managed",
            "type": "terraform_data",
            "name": "record",
            "provider": 'provider["terraform.io/builtin/terraform"]',
            "instances": [instance(n) for n in range(start, start + 100)],
        }
        for start in range(0, records, 100)
    ]
    return {
        "version": 4,
        "terraform_version": "1.11.4",
        "serial": 1,
        "lineage": str(uuid.UUID(int=1)),
        "outputs": {},
        "resources": resources,
        "check_results": None,
    }


PEERS: dict[str, Callable[[Path, int], Callable[[], Figures] | None]] = {
    "chargeplan": chargeplan,
    "octodns": octodns,
    "terraform": terraform,
}


def expect(holds: bool, said: str) -> None:
    """Stop the benchmark where a tool planned something else."""
    if not holds:
        raise SystemExit(f"not the plan that was to come: {said}")


if __name__ == "__main__":
    main()
