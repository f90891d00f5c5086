"""Money by resident: what a plan's listed lines come to for each."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chargeplan.core.change import POSTED_BY_APPLY, Change, Total
from chargeplan.render.packed import Names


class ResidentMoney(msgspec.Struct, kw_only=True):
    """A resident's lines that are to be posted, and those that wait for a person: held or missed."""

    property: str
    unit_number: str
    resident_id: str
    to_post: Total = Total()
    waiting: Total = Total()


def money_by_resident(names: Names, changes: Sequence[Change]) -> list[ResidentMoney]:
    """Each resident with something to post or waiting, in the plan's order."""
    found: dict[tuple[str, str, str], ResidentMoney] = {}
    for change in changes:
        is_to_post = change.action in POSTED_BY_APPLY
        if not is_to_post and change.action not in {"hold", "missed"}:
            continue
        known_by = (change.property_id, change.unit_number, change.resident_id)
        money = found.setdefault(
            known_by,
            ResidentMoney(
                property=names.property(change.property_id),
                unit_number=change.unit_number,
                resident_id=change.resident_id,
            ),
        )
        if is_to_post:
            money.to_post = money.to_post.plus(change.amount)
        else:
            money.waiting = money.waiting.plus(change.amount)
    return list(found.values())
