"""The files of a new project, and writing files where none are yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import resources
from pathlib import Path
from typing import Final

from chargeplan.core.errors import ChargeplanError
from chargeplan.core.system import System
from chargeplan.starter.installed import Installed
from chargeplan.starter.pipelines import Approval, pipelines

# A repository may have these already; they are left as they are.
KEPT: Final = (".gitignore", ".gitattributes")
_ROSTER: Final = "plans/rosters/storage.csv"


def project_files(ci: str, approval: Approval, source: Installed) -> dict[str, str]:
    """The texts of a new project by their names in it, the schemas aside.

    ``ci`` names the code host whose pipelines there are (``github``, ``gitlab``, ``both`` or ``none``), ``approval`` who lets a
    plan be posted there, ``source`` what they install.
    """
    return {
        "chargeplan.yaml": _file("chargeplan.yaml")
        + (_file("approvals.yaml") if approval == "signed" else ""),
        "plans/oak-street.yaml": _file("oak-street.yaml"),
        _ROSTER: _file("storage.csv"),
        "plans/tests/first-month.yaml": _file("first-month.yaml"),
        ".gitignore": _file("gitignore"),
        ".gitattributes": _file("gitattributes"),
        **pipelines(ci, approval, source),
    }


def write_new(
    root: Path, files: Mapping[str, str], *, hint: str, kept: Collection[str] = (), force: bool = False
) -> None:
    """Write the files into ``root``, all or none; those to be ``kept`` stay as they are, others only ``force`` overwrites.

    Raises:
        ChargeplanError: one of them is already there.
    """
    there = [name for name in files if (root / name).exists()]
    in_the_way = [name for name in there if name not in kept]
    if in_the_way and not force:
        raise ChargeplanError(
            f"{root / in_the_way[0]} is already there; nothing was written.", hint=hint, code="not_empty"
        )
    for name, text in files.items():
        if name in kept and name in there:
            continue
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


_ACCOUNTS = {"Rent": "4010", "Pet Rent": "4020", "Storage": "4100"}
"""The sandbox's financial accounts that the codes of the new project credit."""


def bill_through(root: Path, system: System) -> None:
    """Make the new project one of another property system than ResMan: its integration and property in the sandbox, its accounts."""
    if system.name == "RESMAN":
        return
    slug = system.name.lower().replace("_", "-")
    batch = "\n    transaction_batch_id: RPX-2027-A" if system.needs_transaction_batch else ""
    changes = {
        "resman-main": f"{slug}-main",
        "resman-integration-98765": f"{slug}-integration-1",
        "vendor: RESMAN": f"vendor: {system.name}{batch}",
        "clwi5xiix000008l6ctdgafyh": f"{slug}-property-b",
        "[oak-street]": "[birch-row]",
        "  oak-street: {id": "  birch-row: {id",
    }
    if system.needs_account:
        changes |= {
            f"    code: {code}\n": f'    code: {code}\n    account: "{number}"\n'
            for code, number in _ACCOUNTS.items()
        }
    # The properties of the sandbox's other systems have eight units.
    (root / _ROSTER).write_text(_file("storage-of-eight.csv"), encoding="utf-8")
    for name in ("chargeplan.yaml", "plans/oak-street.yaml"):
        text = (root / name).read_text(encoding="utf-8")
        for old, new in changes.items():
            text = text.replace(old, new)
        (root / name).write_text(text, encoding="utf-8")


def _file(name: str) -> str:
    return (resources.files("chargeplan.starter") / "files" / name).read_text(encoding="utf-8")
