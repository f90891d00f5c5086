"""The approvals of a plan file: JSON Lines beside it, one signed entry a line, so that two people's files can be put together.

What is signed is the approval in one fixed encoding after a prefix of its own, so that a signature made for something else
is none here. Nothing of an entry is believed before its signature was verified with the key in the configuration.
"""

from __future__ import annotations

import base64
import binascii
import os
import shlex
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from chargeplan.core.approval import Approval, ApprovedPlan, Entry, fingerprint, read_key
from chargeplan.core.errors import ChargeplanError
from chargeplan.disk.regular import read_regular
from chargeplan.planfile import keys
from chargeplan.planfile.codec import PlanFile
from chargeplan.planfile.keys import Signer

_DOMAIN: Final = b"chargeplan approval 1\n"
# An entry has some 900 bytes; what is longer than this was not written by people who approve.
_LARGEST: Final = 256 * 1024


class _SignedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the file. ``key`` is the signing key's fingerprint, ``signature`` base64."""

    approval: Approval
    key: str
    signature: str


def beside(planfile: Path) -> Path:
    """Where the plan file's approvals are looked for."""
    return planfile.with_name(f"{planfile.name}.approvals")


def subject_of(plan: PlanFile) -> ApprovedPlan:
    """What the plan file's approvers sign."""
    header, changes = plan.header, plan.change_set.to_post()
    return ApprovedPlan(
        plan_id=header.plan_id,
        digest=header.digest,
        environment=header.environment,
        api_host=header.origin.api_host,
        journal_id=header.origin.journal_id,
        planned_by=header.planned_by,
        count=len(changes),
        amount=sum(change.amount or 0 for change in changes),
    )


def _signed_bytes(approval: Approval) -> bytes:
    return _DOMAIN + msgspec.json.encode(approval, order="deterministic")


# --- writing -----------------------------------------------------------------------------------------------------


def add_approval(path: Path, approval: Approval, signer: Signer) -> None:
    """Sign the approval and append it, with mode 0600, in one write: two people may do so at the same time.

    Raises:
        ChargeplanError: ``approval_not_saved``.
    """
    signature = base64.b64encode(signer.sign(_signed_bytes(approval))).decode()
    entry = msgspec.json.encode(_SignedLine(approval, fingerprint(signer.public), signature))
    try:
        _append(path, entry + b"\n")
    except OSError as error:
        raise ChargeplanError(
            f"The approval can't be saved to {path}: {error.strerror or error}.",
            hint="Name another file with --out, or make the folder writable. Nothing was approved.",
            code="approval_not_saved",
        ) from error


def _append(path: Path, line: bytes) -> None:
    # Not blocking, for a pipe of that name would wait for a reader for ever.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        found = os.fstat(descriptor)
        size = found.st_size
        if not stat.S_ISREG(found.st_mode):
            raise OSError("not a regular file")
        # What a torn write left must not swallow the line.
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        if os.write(descriptor, line) != len(line):
            raise OSError("the disk is full")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- reading -----------------------------------------------------------------------------------------------------


def read_approvals(path: Path, approvers: Mapping[str, str]) -> tuple[Entry, ...]:
    """Every entry of the file, verified with the public keys of ``approvers`` by name; none where there is no file.

    Raises:
        ChargeplanError: ``approvals_unreadable``: the file can't be read or is too long; ``approvals_missing``: the package
            that verifies is not installed.
    """
    try:
        content = read_regular(path, limit=_LARGEST)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ChargeplanError(
            f"The approvals {path} can't be read: {error.strerror or error}. Nothing was posted.",
            hint="Make the file readable; or delete it, and let the plan be approved again.",
            code="approvals_unreadable",
        ) from error
    lines = content.split(b"\n")
    return tuple(_evidence(number, line, approvers) for number, line in enumerate(lines, 1) if line.strip())


def _evidence(number: int, line: bytes, approvers: Mapping[str, str]) -> Entry:
    try:
        entry = msgspec.json.decode(line, type=_SignedLine)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Entry(number, fault="unreadable")
    known = approvers.get(entry.approval.approver)
    if known is None:
        return Entry(number, entry.approval, "unknown")
    public = read_key(known)
    good = entry.key == fingerprint(public) and _verified(public, entry)
    return Entry(number, entry.approval, "" if good else "forged", fingerprint(public), entry.signature)


def _verified(public: bytes, entry: _SignedLine) -> bool:
    try:
        signature = base64.b64decode(entry.signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    return keys.is_signed(public, signature, _signed_bytes(entry.approval))


# --- the approver's own key --------------------------------------------------------------------------------------


def write_new_key(path: Path, passphrase: str) -> bytes:
    """Make a pair of keys, write the private one with mode 0600, never over another file; returns the public one.

    Raises:
        ChargeplanError: ``key_not_saved``, ``approvals_missing``.
    """
    pem, public = keys.new_key(passphrase)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(pem)
            stream.flush()
            os.fsync(descriptor)
    except FileExistsError as error:
        raise ChargeplanError(
            f"There is a file {path} already; it may be a key.",
            hint="Name another file.",
            code="key_not_saved",
        ) from error
    except OSError as error:
        raise ChargeplanError(
            f"The key can't be saved to {path}: {error.strerror or error}.", code="key_not_saved"
        ) from error
    return public


def read_private_key(path: Path, ask: Callable[[], str]) -> Signer:
    """The private key in the file, which nobody but its owner may read.

    Raises:
        ChargeplanError: ``key_unreadable``, ``key_exposed``, ``approvals_missing``.
    """
    try:
        mode = path.stat().st_mode
        pem = read_regular(path, limit=_LARGEST)
    except OSError as error:
        raise ChargeplanError(
            f"The key {path} can't be read: {error.strerror or error}.", code="key_unreadable"
        ) from error
    if os.name == "posix" and mode & 0o077:
        raise ChargeplanError(
            f"Others can read the private key {path}, or write it.",
            hint=f"`chmod 600 {shlex.quote(str(path))}`; if others may have had it, make a new one.",
            code="key_exposed",
        )
    return keys.read_private(pem, ask)
