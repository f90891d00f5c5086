"""The body of ``manual-sync``."""

from __future__ import annotations

from typing import Any

from chargeplan.sandbox import records
from chargeplan.sandbox.answers import issue, zod

_NAMED = {model.replace("-", "_"): model for model in records.models()}
_CARRIED: dict[str, tuple[str, ...]] = {
    "resident_allocations": ("resident-charges", "resident-payments"),
    "resident_pets": ("residents",),
    "resident_vehicles": ("residents",),
}
"""Models that have no list of their own here, and those whose records carry them."""


def check_manual_sync(body: Any) -> list[str]:
    """The models to sync, as named in paths; none means all.

    Raises:
        Refusal: 400 when a key or a model is unknown.
    """
    if not isinstance(body, dict):
        raise zod([issue("invalid_type", [], "Expected object", expected="object")])
    if unknown := [key for key in body if key not in ("sync_config_id", "models_to_sync")]:
        raise zod(
            [
                issue(
                    "unrecognized_keys",
                    [],
                    f"Unrecognized key(s) in object: {', '.join(unknown)}",
                    keys=unknown,
                )
            ]
        )
    asked = body.get("models_to_sync", [])
    if not isinstance(asked, list):
        raise zod([issue("invalid_type", ["models_to_sync"], "Expected array", expected="array")])
    wrong = [
        issue("invalid_enum_value", ["models_to_sync", position], "Invalid enum value", received=name)
        for position, name in enumerate(asked)
        if name not in _NAMED and name not in _CARRIED
    ]
    if wrong:
        raise zod(wrong)
    return [model for name in asked for model in (_CARRIED[name] if name in _CARRIED else (_NAMED[name],))]
