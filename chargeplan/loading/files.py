"""The project's input files: found, kept inside the project, read once, and digested.

A file is read once a run, so that what is checked, what is billed and what the digest covers are the same bytes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from chargeplan.core.diagnostic import Place
from chargeplan.loading.node import Problems
from chargeplan.loading.suggest import did_you_mean


class Files:
    """Reads below ``root``, the directory of ``chargeplan.yaml``; names are relative to it, with slashes."""

    def __init__(self, root: Path, problems: Problems) -> None:
        self.root = root.resolve()
        self.problems = problems
        self.digests: dict[str, str] = {}
        self._contents: dict[str, bytes] = {}

    def name(self, path: Path) -> str:
        """How messages and digests call the file: relative to the root where it lies below it."""
        absolute = Path(self.root, path)
        for candidate in (absolute, absolute.resolve()):
            if candidate.is_relative_to(self.root):
                return candidate.relative_to(self.root).as_posix()
        return absolute.as_posix()

    def read(self, name: str, place: Place | None) -> bytes | None:
        """The content of the file with that name; None, and an error at ``place``, where it cannot be had."""
        if name in self._contents:
            return self._contents[name]
        path = self.root / name
        try:
            data = path.read_bytes()
        except OSError as fault:
            self._report(path, name, fault, place)
            return None
        self._contents[name] = data
        self.digests[name] = hashlib.sha256(data).hexdigest()
        return data

    def _report(self, path: Path, name: str, fault: OSError, place: Place | None) -> None:
        if isinstance(fault, FileNotFoundError):
            siblings = (
                sorted(each.name for each in path.parent.glob("*") if each.suffix == path.suffix)
                if path.parent.is_dir()
                else []
            )
            self.problems.error(
                place,
                f"There is no file `{name}`.",
                did_you_mean(path.name, siblings, otherwise="The folder has"),
            )
            return
        self.problems.error(
            place,
            f"The file `{name}` cannot be read: {fault.strerror or fault}.",
            "Check its kind and permissions.",
        )

    def beside(self, plan_file: str, written: str, place: Place) -> str | None:
        """The name of the file that a plan calls ``written``: relative to the plan, and inside the project, links followed."""
        if Path(written).is_absolute() or "\\" in written:
            self.problems.error(
                place,
                f"`{written}` is not a path relative to the plan.",
                "Write it with slashes, relative to the plan's folder.",
            )
            return None
        path = (self.root / plan_file).parent / written
        try:
            inside = path.resolve().is_relative_to(self.root)
        except (OSError, RuntimeError, ValueError):
            inside = False
        if not inside:
            self.problems.error(
                place,
                f"`{written}` lies outside the project.",
                "Copy the file into the folder of chargeplan.yaml.",
            )
            return None
        return self.name(Path(_normal(path)))


def _normal(path: Path) -> str:
    import os.path  # noqa: PLC0415  # pathlib has no lexical normalisation, and resolve() would lose the link's name

    return os.path.normpath(path)
