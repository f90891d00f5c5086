"""Change set ↔ plan file (interface.md, *The plan file*).

UTF-8 JSON Lines: a header, one line per change in canonical order but for those that are ``unchanged``, and a footer.
The header line also carries what a reviewer sees beside the changes, so that ``show`` says what ``plan`` said.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Final, TypeAlias

import msgspec

from chargeplan.core.change import (
    Change,
    ChangeSet,
)
from chargeplan.core.errors import ChargeplanError, StalePlanError
from chargeplan.disk.regular import open_regular
from chargeplan.disk.whole import written_whole
from chargeplan.planfile.header import FORMAT_VERSION, KIND, Header
from chargeplan.planfile.review import Review, review_of
from chargeplan.planfile.seal import Sealer, digest, footer_line, same

_Stream: TypeAlias = BinaryIO | gzip.GzipFile
_GZIP_MAGIC: Final = b"\x1f\x8b"
_FOOTER_START: Final = b'{"kind":"footer",'
# Words that only a plan file has near its start: a damaged file that still has one is altered, not something else.
_TELLTALES: Final = (f'"kind":"{KIND}"'.encode(), b'"expires_at":"')
_START: Final = 600
_UNLISTED: Final = frozenset({"unchanged", "skip"})
# No honest line is longer; a hostile one ends the reading before it fills the memory.
_LONGEST_LINE: Final = 64 * 1024 * 1024
_LONGEST_FOOTER: Final = 64 * 1024
_CHUNK: Final = 1024 * 1024


class PlanFile(msgspec.Struct, frozen=True):
    """A plan file's content. Its change set lists no ``unchanged`` changes and no skips; ``review`` counts them."""

    header: Header
    change_set: ChangeSet
    review: Review


class _Mark(msgspec.Struct, frozen=True):
    """The two keys that say whether the rest can be read."""

    kind: str
    format_version: str


# --- writing -------------------------------------------------------------------------------------------------------


def write_plan(path: Path, header: Header, change_set: ChangeSet) -> None:
    """Save the plan, whole or not at all, with mode 0600; compressed where the name ends in ``.gz``.

    The same plan gives the same bytes.

    Raises:
        ChargeplanError: The disk refused; what stood there stays.
    """
    try:
        with written_whole(path) as stream:
            if path.name.endswith(".gz"):
                with gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed, io.BufferedWriter(packed) as sink:
                    _write(sink, header, change_set)
            else:
                _write(stream, header, change_set)
    except OSError as error:
        raise ChargeplanError(
            f"The plan can't be saved to {path}: {error.strerror or error}.",
            hint="Name another file with --out, or make the folder writable. The plan was not saved.",
            code="plan_not_saved",
        ) from error


def _write(stream: IO[bytes], header: Header, change_set: ChangeSet) -> None:
    review = review_of(change_set)
    sealer = Sealer(stream)
    sealer.write(_first_line(header, review))
    encoder = msgspec.json.Encoder()
    for change in change_set.changes:
        if change.action != "unchanged":
            sealer.write(encoder.encode(change))
    sealer.close(review.totals)


def _first_line(header: Header, review: Review) -> bytes:
    """The header's facts first, what identifies the file before all."""
    facts = msgspec.to_builtins(header)
    first = {key: facts.pop(key) for key in ("kind", "format_version", "tool_version")}
    return msgspec.json.encode({**first, **facts, "review": msgspec.to_builtins(review)})


# --- reading -------------------------------------------------------------------------------------------------------


def read_plan(path: Path) -> PlanFile:
    """Read a plan file and verify both its seals.

    Raises:
        StalePlanError: Code ``plan_altered``: a byte was changed, cut or added, or the digest is not that of the content.
        ChargeplanError: Code ``plan_not_found``, ``plan_unreadable``, ``not_a_plan``, or ``plan_newer`` than this version.
    """
    try:
        with _opened(path) as stream:
            return _read(stream, path)
    except FileNotFoundError as error:
        raise ChargeplanError(
            f"There is no plan file {path}.",
            hint="Save one with `chargeplan plan --out FILE`.",
            code="plan_not_found",
        ) from error
    except (
        EOFError,
        gzip.BadGzipFile,
        zlib.error,
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
    ) as error:
        raise _altered(path, str(error)) from error
    except OSError as error:
        raise ChargeplanError(
            f"The plan file {path} can't be read: {error.strerror or error}.", code="plan_unreadable"
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[_Stream]:
    """The file's lines, unpacked where it is packed, whatever its name says: people rename files."""
    with open_regular(path) as stream:
        packed = stream.read(2) == _GZIP_MAGIC
        stream.seek(0)
        if not packed:
            yield stream
            return
        with gzip.GzipFile(fileobj=stream, mode="rb") as unpacked:
            yield unpacked


def _read(stream: _Stream, path: Path) -> PlanFile:
    """Decode the plan, once its seal is known to be whole: till then a file of any size costs a moment and little memory."""
    first = stream.readline(_LONGEST_LINE)
    _expect_plan(first, path)
    stream.seek(0)
    sha256 = _sealed(stream, path)
    stream.seek(len(first))
    header = msgspec.json.decode(first, type=Header)
    review = msgspec.json.decode(first, type=_WithReview).review
    changes: list[Change] = []
    decoder = msgspec.json.Decoder(Change)
    while not (line := stream.readline(_LONGEST_LINE)).startswith(_FOOTER_START):
        changes.append(decoder.decode(line))
    if not same(line, footer_line(review.totals, sha256)):
        raise _altered(path, "its seal does not fit its content")
    return _verified(PlanFile(header, _change_set(header, review, tuple(changes)), review), path)


def _sealed(stream: _Stream, path: Path) -> str:
    """The hash of all that stands before the last line, which has to be the footer with that hash."""
    running, rest = hashlib.sha256(), b""
    while chunk := stream.read(_CHUNK):
        rest += chunk
        running.update(rest[:-_LONGEST_FOOTER])
        rest = rest[-_LONGEST_FOOTER:]
    footer = rest.rfind(b"\n", 0, -1) + 1
    running.update(rest[:footer])
    sha256 = running.hexdigest()
    if not rest[footer:].startswith(_FOOTER_START) or sha256.encode() not in rest[footer:]:
        raise _altered(path, "its seal does not fit its content")
    return sha256


class _WithReview(msgspec.Struct, frozen=True):
    review: Review


def _expect_plan(first: bytes, path: Path) -> None:
    """Refuse what is no plan file, or one of a later format, before anything else of it is believed."""
    try:
        mark = msgspec.json.decode(first, type=_Mark)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        mark = None
        damage = str(error)
    else:
        damage = "its first line is damaged"
    if mark is None or mark.kind != KIND:
        if any(word in first[:_START] for word in _TELLTALES):
            raise _altered(path, damage)
        raise ChargeplanError(
            f"{path} is not a plan file.",
            hint="Save one with `chargeplan plan --out FILE`; the output of --json can't be applied.",
            code="not_a_plan",
        )
    _expect_known_format(mark.format_version, path)


def _expect_known_format(version: str, path: Path) -> None:
    major, ours = version.partition(".")[0], FORMAT_VERSION.partition(".")[0]
    if not (major.isascii() and major.isdigit() and len(major) < 9):
        raise _altered(path, f"{version!r} is no format version")
    if int(major) != int(ours):
        raise ChargeplanError(
            f"{path} has plan file format {version}; this version of chargeplan reads {FORMAT_VERSION}.",
            hint="Apply it with the version that made it, or plan again with this one.",
            code="plan_newer" if int(major) > int(ours) else "plan_older",
        )


def _change_set(header: Header, review: Review, changes: tuple[Change, ...]) -> ChangeSet:
    return ChangeSet(
        plan_id=header.plan_id,
        environment=header.environment,
        as_of=header.as_of,
        window=header.window,
        changes=changes,
        allocations=review.allocations,
        guards=review.guards,
        diagnostics=review.diagnostics,
        observed=review.observed,
        property_names=review.property_names,
        previous=review.previous,
        unused_rows=review.unused_rows,
        before=review.before,
    )


def _verified(plan: PlanFile, path: Path) -> PlanFile:
    """The plan, if its digest and totals are those of its content.

    The hash in the footer can be made anew by anyone who edits the file; the digest is what a person approved, having
    read the totals.
    """
    listed = {action: total for action, total in plan.review.totals.items() if action not in _UNLISTED}
    if listed != plan.change_set.totals():
        raise _altered(path, "its totals are not those of its lines")
    if plan.header.digest != digest(plan.header, plan.review, plan.change_set.changes):
        raise _altered(path, "its digest is not that of its content")
    return plan


def _altered(path: Path, why: str) -> StalePlanError:
    return StalePlanError(
        f"The plan file {path} was altered or damaged after it was saved ({why}). Nothing was posted.",
        hint="Plan again: `chargeplan plan --out FILE`.",
        code="plan_altered",
    )
