"""What a change that nobody has reviewed may not decide: where the token and the journal's address go."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from chargeplan.core.config import Environment

# How fast it reads sends nothing anywhere. Whatever else an environment has, or will have, is fixed.
_FREE = ("place", "requests_per_minute")


def departures(asked: Environment, trusted: Mapping[str, Environment]) -> tuple[str, ...]:
    """In what the environment differs from the trusted one of its name: `api` is …, and … is trusted."""
    known = trusted.get(asked.name)
    if known is None:
        return (f"there is no environment `{asked.name}` in it",)
    return tuple(
        f"`{field}` is {_told(here)} here and {_told(there)} there"
        for field in msgspec.structs.asdict(asked)
        if field not in _FREE and (here := getattr(asked, field)) != (there := getattr(known, field))
    )


def _told(value: object) -> str:
    return "not set" if value is None else f"`{value}`"
