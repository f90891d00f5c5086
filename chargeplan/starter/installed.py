"""How chargeplan came onto this machine, so that `init` has a pipeline install the same and nothing else."""

from __future__ import annotations

import hashlib
import json
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

_EXTRAS = "chargeplan[postgres,approvals]"
_HEAD = """\
# What the pipelines install: the one line below. With the file requirements.txt of a release in its place, every package has its hash.
"""
_UNKNOWN = """\
# It is not known where this chargeplan came from, so the line is yours to write. One of:
#   chargeplan[postgres,approvals] @ file://${CHARGEPLAN_HERE}/chargeplan-0.1.0-py3-none-any.whl#sha256=…   a wheel in this folder
#   chargeplan[postgres,approvals] @ git+https://…@…   a git address, pinned to a commit
"""


class Installed(msgspec.Struct, frozen=True):
    """The text of a ``requirements.txt``, and the wheel that belongs beside it, if any."""

    requirements: str
    wheel: Path | None = None

    @property
    def is_known(self) -> bool:
        """Whether the requirements name a chargeplan."""
        return _EXTRAS in self.requirements.replace(_UNKNOWN, "")


def installed() -> Installed:
    """What pip wrote down when it installed chargeplan (PEP 610)."""
    try:
        text = distribution("chargeplan").read_text("direct_url.json")
    except PackageNotFoundError:
        text = None
    return from_direct_url(json.loads(text) if text else {})


def from_direct_url(document: dict[str, Any]) -> Installed:
    """The requirement of a ``direct_url.json``: a commit, a wheel with its hash, or a checkout with a remote.

    A name that pip would look up in an index is never written: nobody has registered ours.
    """
    url = document.get("url", "")
    if "vcs_info" in document:
        return _line(f"git+{url}@{document['vcs_info']['commit_id']}")
    if url.startswith("file:"):
        path = Path(unquote(urlsplit(url).path))
        return _wheel(path) if path.suffix == ".whl" and path.is_file() else _checkout(path)
    sha256 = document.get("archive_info", {}).get("hashes", {}).get("sha256")
    return _line(f"{url}#sha256={sha256}") if sha256 else Installed(_HEAD + _UNKNOWN)


def _wheel(path: Path) -> Installed:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    line = _line(f"file://${{CHARGEPLAN_HERE}}/{path.name}#sha256={sha256}")
    return msgspec.structs.replace(line, wheel=path)


def _checkout(folder: Path) -> Installed:
    """A checkout is named by its remote's https address and its commit; the remote of a person alone is nobody else's."""
    remote, commit = _git(folder, "remote", "get-url", "origin"), _git(folder, "rev-parse", "HEAD")
    parts = urlsplit(remote)
    if parts.scheme != "https" or parts.username or not commit:
        return Installed(_HEAD + _UNKNOWN)
    return _line(f"git+{remote}@{commit}")


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words; the folder is the one that pip wrote down
            ["git", "-C", str(folder), *words],  # noqa: S607 - the user's own git
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _line(address: str) -> Installed:
    return Installed(f"{_HEAD}{_EXTRAS} @ {address}\n")
