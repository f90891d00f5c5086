"""Approvers' keys: Ed25519 (RFC 8032), a private one in PEM and in no file of the project, a public one in the configuration.

The package `cryptography` is an extra, and imported where something is signed or verified.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from chargeplan.core.errors import ChargeplanError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Signer(msgspec.Struct, frozen=True):
    """A private key that signs; ``public`` are the 32 bytes of its other half."""

    public: bytes
    sign: Callable[[bytes], bytes]


def new_key(passphrase: str) -> tuple[bytes, bytes]:
    """A new private key as PEM, encrypted where there is a passphrase, and its public key's 32 bytes.

    Raises:
        ChargeplanError: ``approvals_missing``.
    """
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - the extra `approvals`
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    except ImportError:
        raise _missing() from None
    key = Ed25519PrivateKey.generate()
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(passphrase.encode())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption_algorithm=protection
    )
    return pem, _public(key)


def read_private(pem: bytes, ask: Callable[[], str]) -> Signer:
    """The private key; ``ask`` is called for the passphrase of one that is encrypted.

    Raises:
        ChargeplanError: ``approvals_missing``; ``key_unreadable``: no Ed25519 key in PEM, or another passphrase. What was
            read is not repeated.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - the extra `approvals`
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415
    except ImportError:
        raise _missing() from None
    encrypted = b"ENCRYPTED" in pem
    try:
        key = load_pem_private_key(pem, ask().encode() if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ChargeplanError(
            "The passphrase does not open the key."
            if encrypted
            else "What was given as a key is no private key in PEM.",
            hint="Try again." if encrypted else "`chargeplan approve --new-key FILE` makes one.",
            code="key_unreadable",
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ChargeplanError(
            "The private key is not an Ed25519 key.",
            hint="`chargeplan approve --new-key FILE` makes one.",
            code="key_unreadable",
        )
    return Signer(_public(key), key.sign)


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the key's owner signed exactly this.

    Raises:
        ChargeplanError: ``approvals_missing``.
    """
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - the extra `approvals`
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    except ImportError:
        raise _missing() from None
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _missing() -> ChargeplanError:
    return ChargeplanError(
        "Approvals are signed and verified with the package `cryptography`, which is not installed.",
        hint="Install it with `pip install 'chargeplan[approvals]'`.",
        code="approvals_missing",
    )
