r"""The project's input files: found, kept inside the project, read once, and digested.

A file is read once a run, so that what is checked, what is billed and what the digest covers are the same bytes. The digest is of
the text with `\n` at the ends of its lines: a checkout that writes `\r\n` is no other plan.
"""

from __future__ import annotations

import hashlib
import os.path
from collections.abc import Iterable, Iterator
from pathlib import Path

from chargeplan.core.diagnostic import Place
from chargeplan.core.suggest import did_you_mean
from chargeplan.disk.regular import read_regular
from chargeplan.loading.node import Problems


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

    def matching(self, pattern: str) -> list[str]:
        """The names of the files that the pattern finds below the root, sorted; folders are none.

        What begins with a dot is never found. Whatever else stands there is, a pipe or a link to nowhere too: reading
        it says what is wrong with it, which is better than a file that is silently not billed.
        """
        found = (path.relative_to(self.root) for path in self.root.glob(pattern) if not path.is_dir())
        return sorted(path.as_posix() for path in found if not is_hidden(path))

    def sources(self, plan_file: str, written: str, place: Place) -> tuple[str, ...]:
        """The names of the files that a plan calls ``written``, a path or a pattern; none, and an error, where there is none."""
        name = self.beside(plan_file, written, place)
        if name is None:
            return ()
        if not set(written) & set("*?[") or (self.root / name).is_file():
            return (name,)
        names = self.matching(name)
        if not names:
            self.problems.error(
                place, f"No file fits `{written}`.", "Put a file there, or correct the pattern."
            )
        return tuple(names)

    def given(self, paths: Iterable[Path]) -> list[str]:
        """The names of files that somebody asks for by their paths, without those that are hidden, which are reported."""
        names = [self.name(path.absolute()) for path in paths]
        return [name for name in names if not self._is_hidden(name, name, Place(name, 1))]

    def beside(self, plan_file: str, written: str, place: Place) -> str | None:
        """The name of the file that a plan calls ``written``: relative to the plan, and inside the project, links followed."""
        if Path(written).is_absolute() or "\\" in written:
            self.problems.error(
                place,
                f"`{written}` is not a path relative to the plan.",
                "Write it with slashes, relative to the plan's folder.",
            )
            return None
        # Normalised as text, because resolving it would lose a link's name.
        path = Path(os.path.normpath((self.root / plan_file).parent / written))
        if self._is_outside(path, written, place):
            return None
        name = self.name(path)
        return None if self._is_hidden(name, written, place) else name

    def read(self, name: str, place: Place | None) -> bytes | None:
        """The content of the file with that name; None, and an error at ``place``, where it cannot be had."""
        if name in self._contents:
            return self._contents[name]
        path = self.root / name
        if self._is_outside(path, name, place):
            return None
        try:
            data = read_regular(path)
        except OSError as fault:
            self._report(path, name, fault, place)
            return None
        self._contents[name] = data
        self.digests[name] = hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()
        return data

    def _is_outside(self, path: Path, shown: str, place: Place | None) -> bool:
        """Whether the file, links followed, is none of the project's; reported, for its lines would end in a log."""
        if self._is_inside(path):
            return False
        self.problems.error(
            place, f"`{shown}` lies outside the project.", "Copy the file into the folder of chargeplan.yaml."
        )
        return True

    def _is_hidden(self, name: str, shown: str, place: Place) -> bool:
        if not is_hidden(Path(name)):
            return False
        self.problems.error(
            place,
            f"`{shown}` is hidden: its name, or a folder's, begins with a dot.",
            "Rename it; hidden files are no plans, rosters, tables or tests.",
        )
        return True

    def _is_inside(self, path: Path) -> bool:
        try:
            return path.resolve().is_relative_to(self.root)
        except (OSError, RuntimeError, ValueError):
            # Links in a circle, say. Opening it will say what is wrong; a null byte can't even be opened.
            return "\0" not in str(path) and path.is_relative_to(self.root)

    def _report(self, path: Path, name: str, fault: OSError, place: Place | None) -> None:
        if path.is_symlink() and not path.exists():
            self.problems.error(
                place,
                f"`{name}` is a link to nowhere.",
                "Delete the link, or put back the file that it points to.",
            )
        elif isinstance(fault, FileNotFoundError):
            self.problems.error(
                place,
                f"There is no file `{name}`.",
                did_you_mean(path.name, sorted(self._siblings(path)), otherwise="The folder has"),
            )
        else:
            self.problems.error(
                place,
                f"The file `{name}` cannot be read: {fault.strerror or fault}.",
                "Check its kind, size and permissions.",
            )

    def _siblings(self, path: Path) -> Iterator[str]:
        if path.parent.is_dir():
            for sibling in path.parent.iterdir():
                if sibling.suffix == path.suffix and not is_hidden(Path(sibling.name)):
                    yield sibling.name


def is_hidden(path: Path) -> bool:
    """Whether a part of the path begins with a dot; editors and tools keep copies of their own in such places."""
    return any(part.startswith(".") for part in path.parts)
