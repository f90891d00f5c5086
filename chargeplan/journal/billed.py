"""Which days applied plans covered, from what was noted of each when it was first applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from chargeplan.core.dates import Days

Billed = Mapping[str, Mapping[tuple[str, str], Sequence[Days]]]
"""By property, then by the plan and charge of a key: the windows of the plans that covered them."""


class _Facts(msgspec.Struct):
    """What a plan covered: its window; by integration and property the plans; by plan the plan and charge of the keys."""

    window: tuple[date, date] | None = None
    covered: dict[str, dict[str, list[str]]] = msgspec.field(default_factory=dict)
    keys: dict[str, list[tuple[str, str]]] = msgspec.field(default_factory=dict)


_decode = msgspec.json.Decoder(_Facts).decode


def billed_days(facts: Iterable[str], integration_id: str, since: date) -> Billed:
    """The days from ``since`` on that were billed in each property of the integration."""
    found: dict[str, dict[tuple[str, str], list[Days]]] = {}
    for text in facts:
        noted = _decode(text)
        if noted.window is None or noted.window[1] < since:
            continue
        days = Days(max(noted.window[0], since), noted.window[1])
        for property_id, plans in noted.covered.get(integration_id, {}).items():
            windows = found.setdefault(property_id, {})
            for key in (key for plan in plans for key in noted.keys.get(plan, ())):
                windows.setdefault(key, []).append(days)
    return found
