"""The plans of another time or place: of a folder, or of a git revision, which is written into a temporary folder."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chargeplan.core.errors import ChargeplanError

_PATIENCE = 120


@contextmanager
def project_at(base: str, config: Path) -> Iterator[Path]:
    """The configuration of the same name as ``config``: in the folder ``base``, else as the git revision ``base`` has it.

    Nothing is checked out: the repository, its index and its files stay as they are.

    Raises:
        ChargeplanError: it is neither, or has no such file.
    """
    if Path(base).is_dir():
        yield _existing(Path(base) / config.name, base)
        return
    with tempfile.TemporaryDirectory(prefix="chargeplan-base-") as folder:
        _export(base, config.parent, Path(folder))
        yield _existing(Path(folder) / config.name, base)


def _existing(path: Path, base: str) -> Path:
    if path.is_file():
        return path.absolute()
    raise ChargeplanError(
        f"There is no {path.name} in {base}.",
        hint="Name a folder that has one, or a revision of this repository in which this folder has one.",
        code="base_missing",
    )


def _export(revision: str, root: Path, target: Path) -> None:
    """The folder ``root`` as it is in the revision."""
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit.returncode:
        raise ChargeplanError(
            f"There is no folder {revision}, and git knows no revision of that name here.",
            hint=_said(commit)
            or f"`git fetch origin {revision}` may bring it; a runner's checkout often has one commit alone.",
            code="base_missing",
        )
    archive = target / "archive.tar"
    name = commit.stdout.decode().strip()
    for done in (
        _git(root, "archive", "--format=tar", f"--output={archive}", name),
        _run(root, "tar", "-xf", str(archive), "-C", str(target)),
    ):
        if done.returncode:
            raise ChargeplanError(
                f"The plans of {revision} can't be written out.", hint=_said(done), code="base_missing"
            )
    archive.unlink()


def _git(root: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return _run(root, "git", "-C", str(root), *words)


def _run(root: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603 - our own words; the revision stands behind --end-of-options
            words, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
        )
    except FileNotFoundError:
        raise ChargeplanError(
            f"`{words[0]}` is not installed.", hint="Install it, or name a folder.", code="base_missing"
        ) from None
    except subprocess.TimeoutExpired:
        raise ChargeplanError(
            f"`{words[0]}` took more than {_PATIENCE} seconds.", hint="Name a folder.", code="base_missing"
        ) from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode(errors="replace").strip()
