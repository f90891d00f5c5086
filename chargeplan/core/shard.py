"""Splitting an organisation's properties over runners: each property is in exactly one shard, whoever asks, whenever."""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

_WRITTEN: Final = re.compile(r"([1-9]\d{0,3})/([1-9]\d{0,3})", re.ASCII)


class Shard(msgspec.Struct, frozen=True):
    """The ``index``-th of ``count`` shards, counted from 1; written ``2/4``."""

    index: int
    count: int

    def holds(self, property_id: str) -> bool:
        """Whether the property is in this shard: by the SHA-256 of its Propexo id alone, modulo the count."""
        number = int.from_bytes(hashlib.sha256(property_id.encode()).digest())
        return number % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def read_shard(text: str) -> Shard:
    """The shard that is written ``I/N``.

    Raises:
        ValueError: it is none.
    """
    match = _WRITTEN.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise ValueError(f"`{text}` is no shard.")
    return Shard(int(match[1]), int(match[2]))
