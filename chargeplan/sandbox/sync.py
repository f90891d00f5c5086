"""A sync: what the system holds becomes what GET shows.

Rows that are there are stamped ``last_seen``; rows that changed get a new ``updated_at``; rows that are gone, or
outside the look-back, are left as they were (``propexo-api.md`` 7.3: Propexo never deletes a record it has seen).
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from chargeplan.sandbox import records
from chargeplan.sandbox.clock import stamp
from chargeplan.sandbox.systems import system_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chargeplan.sandbox.clock import Clock
    from chargeplan.sandbox.ledger import Entry
    from chargeplan.sandbox.settings import Settings
    from chargeplan.sandbox.store import Store


class Synced(msgspec.Struct, frozen=True, kw_only=True):
    """What a sync did."""

    seen: int
    """Rows that it saw."""
    new: int
    """Of those, the ones that GET shows for the first time."""
    changed: int
    """Of those, the ones that differ from what GET showed before."""
    at: str
    """When it completed."""


_SEEN = """FROM upstream u LEFT JOIN records r ON r.model = u.model AND r.id = u.id
    WHERE u.model IN (SELECT value FROM json_each(:models))
    AND (:integration IS NULL OR u.integration_id = :integration)
    AND u.property_id NOT IN (SELECT value FROM json_each(:disabled))
    AND (:since IS NULL OR u.day IS NULL OR u.day >= :since)
    AND NOT (u.integration_id IN (SELECT value FROM json_each(:open_only)) AND u.model = 'resident-charges'
        AND json_extract(u.body, '$.is_open') = 0)"""

_COUNT = f"""SELECT COUNT(*) AS seen, COALESCE(SUM(r.id IS NULL), 0) AS new,
    COALESCE(SUM(r.id IS NOT NULL AND r.body <> u.body), 0) AS changed {_SEEN}"""

_COPY = f"""INSERT INTO records (model, id, integration_id, property_id, created_at, updated_at, last_seen, body)
    SELECT u.model, u.id, u.integration_id, u.property_id, :now, :now, :now, u.body {_SEEN}
    ON CONFLICT (model, id) DO UPDATE SET last_seen = CASE WHEN model = 'residents' AND body = excluded.body
        AND integration_id IN (SELECT value FROM json_each(:stale)) AND updated_at < :two_days_ago
        THEN last_seen ELSE excluded.last_seen END, body = excluded.body,
    property_id = excluded.property_id,
    updated_at = CASE WHEN body <> excluded.body THEN excluded.updated_at ELSE updated_at END"""  # noqa: S608


def run_sync(
    store: Store,
    clock: Clock,
    settings: Settings,
    integration_id: str | None = None,
    models: Sequence[str] = (),
    *,
    paid_too: bool = False,
) -> Synced:
    """Bring everything, or one integration's rows, or some models (as named in paths) up to date, at once.

    ``paid_too``: whatever a system hides of what was paid.
    """
    now = clock.now()
    since = (
        None
        if settings.look_back_days is None
        else str((now - timedelta(days=settings.look_back_days)).date())
    )
    facts = {
        "models": json.dumps(tuple(models) or records.models()),
        "integration": integration_id,
        "disabled": json.dumps(store.value("disabled_properties") or []),
        "since": since,
        "now": clock.stamp(),
        **_manners(store, settings),
        **({"open_only": "[]"} if paid_too else {}),
        "two_days_ago": stamp(now - timedelta(days=2)),
    }
    with store.transaction():
        counted = store.row_named(_COUNT, facts)
        store.change_named(_COPY, facts)
        _finish(store, integration_id, facts["now"])
    return Synced(seen=counted["seen"], new=counted["new"], changed=counted["changed"], at=str(facts["now"]))


def _manners(store: Store, settings: Settings) -> dict[str, str]:
    """The integrations whose sync passes over paid charges, and those whose sync passes over unchanged residents."""
    rows = store.rows(
        "SELECT id, json_extract(body, '$.vendor') AS vendor FROM records WHERE model = 'integrations'"
    )
    systems = {row["id"]: system_named(row["vendor"]) for row in rows}
    open_only = [name for name, system in systems.items() if settings.behaviour(name, system).open_items_only]
    stale = [name for name, system in systems.items() if system.stale_residents]
    return {"open_only": json.dumps(open_only), "stale": json.dumps(stale)}


def read_back(store: Store, clock: Clock, entries: Sequence[Entry], *, whole_day: bool) -> None:
    """Show charges at once that a job has just made, or all charges of their days: no sync ended for it."""
    now = clock.stamp()
    for entry in entries:
        which, value = ("day", entry.transaction_date) if whole_day else ("id", entry.id)
        store.change(
            "INSERT INTO records (model, id, integration_id, property_id, created_at, updated_at, last_seen, body)"  # noqa: S608 - a name of ours
            f" SELECT model, id, integration_id, property_id, ?, ?, ?, body FROM upstream WHERE model = 'resident-charges'"
            f" AND integration_id = ? AND {which} = ? ON CONFLICT (model, id) DO UPDATE SET last_seen = excluded.last_seen,"
            " body = excluded.body, updated_at = CASE WHEN body <> excluded.body THEN excluded.updated_at ELSE updated_at END",
            (now, now, now, entry.integration_id, value),
        )


def _finish(store: Store, integration_id: str | None, now: str | None) -> None:
    store.change(
        "UPDATE records SET updated_at = ?, body = json_set(body, '$.last_completed_sync', ?)"
        " WHERE model = 'integrations' AND (? IS NULL OR id = ?)",
        (now, now, integration_id, integration_id),
    )
    store.change(
        "UPDATE records SET body = json_set(body, '$.last_run', ?)"
        " WHERE model = 'job-schedules' AND (? IS NULL OR integration_id = ?)",
        (now, integration_id, integration_id),
    )
