"""What a line is known by: its key, and the reference number made of it (plan-language.md, *What a line is known by*)."""

from __future__ import annotations

from hashlib import sha256

import msgspec

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Two characters of base 32 for every ten bits: half as many steps as one by one.
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
_TEN_BITS = 1023
FIRST_CORRECTION_PART = 100


class Key(msgspec.Struct, frozen=True, order=True, gc=False):
    """``[INTEGRATION_ID, PLAN, CHARGE, UNIT_ID, RESIDENT_ID, PERIOD, PART]``; amounts and texts are not in it."""

    integration_id: str
    plan: str
    charge: str
    unit_id: str
    resident_id: str
    period: str
    part: int = 0

    @property
    def reference(self) -> str:
        """The reference number that is posted for the line."""
        parts = (
            self.integration_id,
            self.plan,
            self.charge,
            self.unit_id,
            self.resident_id,
            self.period,
            self.part,
        )
        return reference_of(parts)

    def with_part(self, part: int) -> Key:
        """The same period's line number ``part``; corrections count from 100."""
        return msgspec.structs.replace(self, part=part)


def reference_of(parts: tuple[str | int, ...]) -> str:
    """``CP`` and the first 80 bits of the SHA-256 of the key as a JSON array, in Crockford's base 32."""
    number = int.from_bytes(sha256(msgspec.json.encode(parts)).digest()[:10])
    pairs = _PAIRS
    return (
        f"CP{pairs[number >> 70]}{pairs[number >> 60 & _TEN_BITS]}{pairs[number >> 50 & _TEN_BITS]}"
        f"{pairs[number >> 40 & _TEN_BITS]}{pairs[number >> 30 & _TEN_BITS]}{pairs[number >> 20 & _TEN_BITS]}"
        f"{pairs[number >> 10 & _TEN_BITS]}{pairs[number & _TEN_BITS]}"
    )


def is_reference(text: str | None) -> bool:
    """Whether text has the form of a reference number of ours: ``CP`` and sixteen characters of Crockford's base 32."""
    return (
        text is not None
        and len(text) == 18
        and text.startswith("CP")
        and all(c in _CROCKFORD for c in text[2:])
    )
