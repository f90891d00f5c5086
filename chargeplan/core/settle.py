"""What is still open, and what became of it: decided from postings and days alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import msgspec

from chargeplan.core.config import IntegrationConfig
from chargeplan.core.posting import Posting, State

# Where the configuration does not describe the integration.
_VISIBLE_WITHIN = 10


class Settled(msgspec.Struct, frozen=True):
    """A posting that moved: as it is now, what it was before, and the evidence."""

    posting: Posting
    before: State
    reason: str


class StillOpen(msgspec.Struct, frozen=True, kw_only=True):
    """The postings whose outcome is open, by what is to be done about them.

    Those in flight settle by themselves; the unknown and the overdue need a person where no evidence comes.
    """

    in_flight: tuple[Posting, ...]
    unknown: tuple[Posting, ...]
    overdue: tuple[Posting, ...]


def still_open(
    postings: Iterable[Posting], integrations: Mapping[str, IntegrationConfig], today: date
) -> StillOpen:
    """Sort the open postings.

    ============================================================  ===========
    intended (its run was killed) or unknown                      unknown
    accepted, and not seen for more than ``visible_within`` days  overdue
    anything else                                                 in flight
    ============================================================  ===========
    """
    in_flight, unknown, overdue = list[Posting](), list[Posting](), list[Posting]()
    for posting in postings:
        if posting.state in {"intended", "unknown"}:
            unknown.append(posting)
        elif posting.state == "accepted" and today > _visible_by(posting, integrations):
            overdue.append(posting)
        else:
            in_flight.append(posting)
    return StillOpen(in_flight=tuple(in_flight), unknown=tuple(unknown), overdue=tuple(overdue))


def _visible_by(posting: Posting, integrations: Mapping[str, IntegrationConfig]) -> date:
    integration = integrations.get(posting.integration_id)
    days = integration.visible_within if integration else _VISIBLE_WITHIN
    return date.fromisoformat(posting.since[:10]) + timedelta(days=days)


def once_each(moved: Iterable[Settled]) -> list[Settled]:
    """Each posting once, from what it was at first to what it is at last, with the evidence that came last."""
    last: dict[int, Settled] = {}
    for step in moved:
        first = last.get(step.posting.id, step).before
        last[step.posting.id] = msgspec.structs.replace(step, before=first)
    return list(last.values())
