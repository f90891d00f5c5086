"""A real git repository with a branch main and a proposal: what an event of a code host checks out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "pat"), ("EMAIL", "pat@example.com"), ("DATE", "2027-08-02T09:00:00Z"))
}


class Repository:
    """The files of ``folder`` as they are now are committed to main, or to the proposal, when an event needs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._git("init", "--quiet", "--initial-branch=main")
        self.commit("main")

    def commit(self, branch: str) -> str:
        """The folder's files as the branch's newest commit; a new branch begins at main."""
        self._git("add", "--all")
        tree = self._git("write-tree")
        parent = self._known(branch) or self._known("main")
        if parent and self._git("rev-parse", f"{parent}^{{tree}}") == tree:
            commit = parent
        else:
            commit = self._git("commit-tree", tree, *(("-p", parent) if parent else ()), "-m", "a change")
        self._git("update-ref", f"refs/heads/{branch}", commit)
        return commit

    def merged(self, branch: str) -> str:
        """What main would be after the merge: the commit of `refs/pull/N/merge`."""
        tree = self._git("merge-tree", "--write-tree", "main", branch)
        return self._git("commit-tree", tree, "-p", "main", "-p", branch, "-m", "merge")

    def text(self, commit: str, name: str) -> str:
        """A file as the commit has it."""
        return self._git("show", f"{commit}:{name}")

    def check_out(self, commit: str, target: Path) -> None:
        """The commit's files in an empty folder, in a clone of this repository."""
        target.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", cwd=target)
        self._git("remote", "add", "origin", str(self.folder), cwd=target)
        self._git("fetch", "--quiet", "--depth=1", "origin", commit, cwd=target)
        self._git("checkout", "--quiet", "--detach", "FETCH_HEAD", cwd=target)

    def _known(self, branch: str) -> str:
        return self._git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")

    def _git(self, *words: str, cwd: Path | None = None) -> str:
        environ = {**os.environ, **_WHO, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        folder = str(cwd or self.folder)
        words = ("-c", "uploadpack.allowAnySHA1InWant=true", "-c", "protocol.file.allow=always", *words)
        done = subprocess.run(
            ["git", "-C", folder, *words], env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()
