"""Regular files, and nothing else: a pipe would hang the program, a device never ends."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

PROJECT_FILE_BYTES: Final = 64_000_000
"""The most that a file of a project may have (interface.md, *Bounds*)."""


class UnfitFileError(OSError):
    """What the path leads to is no regular file, or has more bytes than are taken; ``strerror`` says which."""


def open_regular(path: Path) -> BinaryIO:
    """The file at ``path``, for reading.

    Raises:
        UnfitFileError: It is a folder, pipe, socket or device.
        OSError: It can't be opened.
    """
    # Not blocking: a pipe of that name would wait for a writer for ever. A regular file reads the same.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnfitFileError(0, "it is no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, *, limit: int = PROJECT_FILE_BYTES) -> bytes:
    """The content of the regular file at ``path``, of at most ``limit`` bytes, whatever size it claims to have.

    Raises:
        UnfitFileError: It is no regular file, or has more.
        OSError: It can't be read.
    """
    with open_regular(path) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        most = f"{limit // 1_000_000} MB" if limit >= 1_000_000 else f"{limit // 1_000} kB"
        raise UnfitFileError(0, f"it has more than {most}", str(path))
    return content
