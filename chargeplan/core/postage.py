"""How many requests lines take, and how long those take: Propexo's limit is kept to four fifths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from chargeplan.core.change import Change
from chargeplan.core.config import IntegrationConfig


def requests_of(
    changes: Iterable[Change], integrations: Mapping[str, IntegrationConfig], batch_size: int
) -> int:
    """The requests that the lines go in: batches of one property, plan and route, and singles one by one."""
    lines: Counter[tuple[str, str, str, str]] = Counter()
    for change in changes:
        route = integrations[change.integration_id].route_name(change.amount or 0)
        lines[change.integration_id, change.property_id, change.plan, route] += 1
    return sum(-(-count // batch_size) if route == "batch" else count for (*_, route), count in lines.items())


def tenths_of_minutes(requests: int, per_minute: int) -> int:
    """How long that many requests take under four fifths of the limit, in tenths of a minute, rounded up."""
    return -(-requests * 50 // (4 * max(per_minute, 1)))
