"""Which days applied plans covered, from what was noted of each when it was first applied."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import msgspec
from sqlalchemy import Connection, select

from chargeplan.core.coverage import Billed
from chargeplan.core.dates import Days
from chargeplan.core.key import FIRST_CORRECTION_PART
from chargeplan.core.posting import REBUILT
from chargeplan.journal import schema


class _Facts(msgspec.Struct):
    """What a plan covered: its window; by integration and property the plans; by plan the plan and charge of the keys."""

    window: tuple[date, date] | None = None
    covered: dict[str, dict[str, list[str]]] = msgspec.field(default_factory=dict)
    keys: dict[str, list[tuple[str, str]]] = msgspec.field(default_factory=dict)


class Move(msgspec.Struct, frozen=True):
    """An integration that was set up anew: what plans covered of the old one's ``properties`` they have covered of the new one's."""

    old: str
    new: str
    properties: dict[str, str]


_decode = msgspec.json.Decoder(_Facts).decode
_decode_move = msgspec.json.Decoder(Move).decode


def moves(connection: Connection) -> list[Move]:
    """The integrations that were set up anew, in their order."""
    events = schema.events.c
    query = select(events.data).where(events.kind == "integration_moved").order_by(events.seq)
    return list(map(_decode_move, connection.execute(query).scalars()))


def rebuilt_facts(connection: Connection, integration_id: str, since: date) -> Iterator[str]:
    """What the lines of a rebuilt journal prove that plans covered, whose own notes are lost: the months of their dates."""
    events, lines = schema.events.c, schema.postings.c
    if connection.execute(select(events.seq).where(events.kind == "rebuilt").limit(1)).first() is None:
        return  # as nearly always, and then not a posting is looked at
    query = (
        select(lines.property_id, lines.key_plan, lines.key_charge, lines.transaction_date)
        .where(lines.integration_id == integration_id, lines.plan_id == REBUILT, lines.key_plan != "")
        .where(lines.transaction_date >= since.replace(day=1).isoformat(), lines.part < FIRST_CORRECTION_PART)
        .distinct()
    )
    for property_id, plan, charge, text in connection.execute(query):
        first = date.fromisoformat(text).replace(day=1)
        last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
        facts = _Facts(
            (first, last), {integration_id: {property_id: [plan]}}, {plan: [(plan, charge.partition("/")[0])]}
        )
        yield msgspec.json.encode(facts).decode()


def billed_days(facts: Iterable[str], integration_id: str, since: date, moved: Sequence[Move]) -> Billed:
    """The days from ``since`` on that were billed in each property of the integration, ``moved`` to it or not."""
    found: dict[str, dict[tuple[str, str], list[Days]]] = {}
    for text in facts:
        noted = _decode(text)
        if noted.window is None or noted.window[1] < since:
            continue
        days = Days(max(noted.window[0], since), noted.window[1])
        for move in moved:
            there = noted.covered.setdefault(move.new, {})
            for property_id, plans in noted.covered.get(move.old, {}).items():
                there.setdefault(move.properties.get(property_id, property_id), plans)
        for property_id, plans in noted.covered.get(integration_id, {}).items():
            windows = found.setdefault(property_id, {})
            for key in (key for plan in plans for key in noted.keys.get(plan, ())):
                windows.setdefault(key, []).append(days)
    return found
