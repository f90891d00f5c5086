"""What goes in which request: a plan's lines by integration, property and route, and one line as it is sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from chargeplan.core.change import Change
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.system import RouteName
from chargeplan.flow.ports import Outgoing

MOST_TRIES = 3


class Part(msgspec.Struct, frozen=True):
    """Lines of one property that go in one request, and how often that may be tried."""

    lines: Sequence[Change]
    tries: int = MOST_TRIES


class Lane:
    """One property's parts in the plan's order; the next one begins when the one before has its outcome."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self.parts = deque(parts)
        self.busy = False

    def first(self, *parts: Part) -> None:
        """Put parts of what was tried before all that follows."""
        self.parts.extendleft(reversed(parts))


def lanes_of(
    changes: Sequence[Change], integrations: Mapping[str, IntegrationConfig], size: int
) -> list[Lane]:
    """The parts of each integration, property and route: lines of one plan (and time zone), in the plan's order.

    A batch has at most ``size`` of them, a single is a batch of one.
    """
    groups: dict[tuple[str, str, RouteName], dict[str, list[Change]]] = {}
    for change in changes:
        route = integrations[change.integration_id].route_name(change.amount or 0)
        plans = groups.setdefault((change.integration_id, change.property_id, route), {})
        plans.setdefault(change.plan, []).append(change)
    return [
        Lane(_parts(plans.values(), size if route == "batch" else 1))
        for (_, _, route), plans in groups.items()
    ]


def _parts(plans: Iterable[Sequence[Change]], size: int) -> Iterator[Part]:
    for lines in plans:
        for start in range(0, len(lines), size):
            yield Part(lines[start : start + size])


def outgoing_of(change: Change, batch_id: str, integration: IntegrationConfig, timezone: str) -> Outgoing:
    """The line as it goes in the batch."""
    return Outgoing(
        property_id=change.property_id,
        resident_id=change.resident_id,
        lease_id=change.lease_id,
        unit_id=change.unit_id,
        code_id=change.charge_code_id,
        account_id=change.account_id,
        batch_id=batch_id,
        transaction_batch_id=integration.transaction_batch_id,
        day=change.transaction_date,
        moment=moment_of(change.transaction_date, timezone),
        description=change.description,
        notes=change.notes,
        amount=change.amount or 0,
        reference=change.reference,
    )


def moment_of(day: date, timezone: str) -> str:
    """A moment that has the day's date in the property's time zone and in UTC, with a ``Z``.

    Noon there, or where noon has another date in UTC (half a day off or more, as in Auckland), the middle of the hours
    that are the day in both.
    """
    zone, following = ZoneInfo(timezone), day + timedelta(days=1)
    moment = datetime.combine(day, time(12), tzinfo=zone)
    if abs(moment.utcoffset() or timedelta(0)) >= timedelta(hours=12):
        here, there = (
            [datetime.combine(each, time(0), tzinfo=tz).astimezone(UTC) for each in (day, following)]
            for tz in (zone, UTC)
        )
        begins = max(here[0], there[0])
        moment = begins + (min(here[1], there[1]) - begins) / 2
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
