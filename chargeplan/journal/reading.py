"""What the journal knows: postings, batches, uses of plans, decisions, events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, select

from chargeplan.core.coverage import Billed
from chargeplan.core.decision import Decision
from chargeplan.core.posting import OPEN, Batch, Brief, Posting, State
from chargeplan.journal import recorder, schema
from chargeplan.journal.access import Access
from chargeplan.journal.billed import billed_days, moves, rebuilt_facts
from chargeplan.journal.events import Event, canonical
from chargeplan.journal.failures import problem
from chargeplan.journal.rows import (
    chunks,
    latest_briefs,
    latest_of_units,
    latest_postings,
    latest_where,
    postings_where,
)
from chargeplan.journal.transitions import worst

_postings: Final = schema.postings
_batches: Final = schema.batches


class Reading(Access):
    """What the journal knows. Nothing is written, and nothing is locked for longer than a page is read."""

    def postings(self, integration_id: str, property_id: str, since: date | None = None) -> Sequence[Posting]:
        """The live posting of each reference in the property, or its newest; oldest first.

        With ``since`` those that may matter from that day on: dated or for periods that last until then, or still open.
        """
        with self._sensible():
            return self._database.read(
                lambda connection: latest_postings(connection, integration_id, property_id, since)
            )

    def briefs(self, integration_id: str, property_id: str, since: date | None) -> Sequence[Posting | Brief]:
        """The same, but of those seen on the ledger the brief."""
        with self._sensible():
            return self._database.read(
                lambda connection: latest_briefs(connection, integration_id, property_id, since)
            )

    def postings_of_units(
        self, integration_id: str, property_id: str, unit_ids: Sequence[str], since: date | None
    ) -> Sequence[Posting]:
        """The latest postings of the units that were recorded while they belonged to another property."""
        with self._sensible():
            return [
                posting
                for chunk in chunks(unit_ids)
                for posting in self._database.read(
                    partial(
                        latest_of_units,
                        integration_id=integration_id,
                        property_id=property_id,
                        unit_ids=chunk,
                        since=since,
                    )
                )
            ]

    def open_postings(self) -> Sequence[Posting]:
        """Postings whose outcome is still open, oldest first."""
        return self._where(_postings.c.state.in_(sorted(OPEN)))

    def not_posted(self, since: date) -> Sequence[Posting]:
        """Postings that were settled as not posted on that day or later, oldest first."""
        return self._where((_postings.c.state == "not_posted") & (_postings.c.since >= since.isoformat()))

    def find(self, reference: str) -> Sequence[Posting]:
        """Every posting of the reference, oldest first."""
        return self._where(_postings.c.reference == reference)

    def of_integration(self, integration_id: str) -> Sequence[Posting]:
        """Every posting of an integration, oldest first."""
        return self._where(_postings.c.integration_id == integration_id)

    def latest(self, references: Sequence[str]) -> Mapping[str, Posting]:
        """The live posting of each of the references, or its newest; those that were never sent are left out."""

        def read(connection: Connection) -> list[Posting]:
            return [
                each
                for chunk in chunks(references)
                for each in latest_where(connection, _postings.c.reference.in_(chunk))
            ]

        with self._sensible():
            return {each.reference: each for each in self._database.read(read)}

    def settled_by(self, integration_id: str, charge_ids: Sequence[str]) -> frozenset[str]:
        """Those of the synced charges that settled a posting."""
        column = _postings.c.charge_id

        def settled(connection: Connection) -> frozenset[str]:
            return frozenset(
                str(charge_id)
                for chunk in chunks(charge_ids)
                for charge_id in connection.execute(
                    select(column).where(
                        _postings.c.integration_id == integration_id, column.in_(chunk), _postings.c.live == 1
                    )
                ).scalars()
            )

        return self._database.read(settled)

    def knows_any(self, references: Iterable[str]) -> frozenset[str]:
        """Those of the references that the journal has a posting of, in whatever state."""
        column = _postings.c.reference
        wanted = sorted(set(references))

        def known(connection: Connection) -> frozenset[str]:
            return frozenset(
                reference
                for chunk in chunks(wanted)
                for reference in connection.execute(select(column).where(column.in_(chunk))).scalars()
            )

        return self._database.read(known)

    def decisions(self, integration_id: str, property_id: str) -> Sequence[Decision]:
        """What people said of lines of the property, oldest first."""
        table = schema.decisions
        query = (
            select(*(table.c[name] for name in Decision.__struct_fields__))
            .where(table.c.integration_id == integration_id, table.c.property_id == property_id)
            .order_by(table.c.seq)
        )
        rows = self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [msgspec.convert({str(key): value for key, value in row.items()}, Decision) for row in rows]

    def billed(self, integration_id: str, since: date) -> Billed:
        """The days from ``since`` on that applied plans covered: by property, then by the plan and charge of a key."""
        query = select(schema.plans.c.facts).order_by(schema.plans.c.at)

        def read(connection: Connection) -> Billed:
            noted = connection.execute(query).scalars().all()
            rebuilt = rebuilt_facts(connection, integration_id, since)
            return billed_days([*noted, *rebuilt], integration_id, since, moves(connection))

        return self._database.read(read)

    def batches(self, plan_id: str | None = None) -> Sequence[Batch]:
        """The batches of a plan file (of all, without one), oldest first; the state is the worst of their lines'."""
        query = select(_batches).order_by(_batches.c.created_at, _batches.c.batch_id)
        states = select(_postings.c.batch_id, _postings.c.state).distinct()
        if plan_id is not None:
            query = query.where(_batches.c.plan_id == plan_id)
            ids = select(_batches.c.batch_id).where(_batches.c.plan_id == plan_id)
            states = states.where(_postings.c.batch_id.in_(ids))
        rows, found = self._database.read(
            lambda connection: (
                connection.execute(query).mappings().all(),
                [(row[0], row[1]) for row in connection.execute(states)],
            )
        )
        by_batch: dict[str, set[State]] = {}
        for batch_id, state in found:
            by_batch.setdefault(batch_id, set()).add(state)
        return [_batch(row, worst(by_batch.get(row["batch_id"], set()))) for row in rows]

    def plan_used(self, plan_id: str) -> Mapping[str, object] | None:
        """What was noted when the plan file was used, with ``digest``, ``at`` and ``actor``; None if it was not."""
        query = select(schema.plans).where(schema.plans.c.plan_id == plan_id)
        row = self._database.read(lambda connection: connection.execute(query).mappings().one_or_none())
        if row is None:
            return None
        return {**json.loads(row["facts"]), "digest": row["digest"], "at": row["at"], "actor": row["actor"]}

    def history(self, since: str | None = None, *, kind: str | None = None) -> Iterator[dict[str, Any]]:
        """The events for people, oldest first: at, kind, actor, plan_id, batch_id, count, amount, data.

        ``since`` is a date or a moment in UTC.
        """
        first = 1 if since is None else self._database.read(partial(recorder.first_since, moment=since))
        for event in self._events(first):
            if (since is None or event.at >= since) and (kind is None or event.kind == kind):
                yield _shown(event)

    def history_of(self, references: Iterable[str]) -> Mapping[str, Sequence[dict[str, Any]]]:
        """The events that name each of the lines, oldest first, without the other lines of their batches.

        The whole record is looked through once.
        """
        found: dict[str, list[dict[str, Any]]] = {reference: [] for reference in references}
        names = {reference: canonical(reference) for reference in found}
        for event in self._events(1 if found else None):
            for reference, name in names.items():
                if name in event.data:
                    found[reference].append(_shown_of(event, reference))
        return found

    def _events(self, first: int | None) -> Iterator[Event]:
        """The events from the one with that number on, some at a time: nothing is locked while they are looked at."""
        after = None if first is None else first - 1
        while after is not None:
            events = self._database.read(partial(recorder.page, after=after))
            yield from events
            after = events[-1].seq if events else None

    def _where(self, condition: ColumnElement[bool]) -> list[Posting]:
        with self._sensible():
            return self._database.read(lambda connection: postings_where(connection, condition))

    @contextmanager
    def _sensible(self) -> Iterator[None]:
        try:
            yield
        except (TypeError, ValueError) as error:
            raise problem(
                "journal_damaged", self._database.where, f"a posting makes no sense: {error}", ""
            ) from None


def _batch(row: RowMapping, state: State) -> Batch:
    values = {str(key): value for key, value in row.items()}
    return msgspec.convert({**values, "state": state, "errors": json.loads(row["errors"])}, Batch)


def _shown(event: Event) -> dict[str, Any]:
    facts = event.facts
    counts = {name: facts.get(name) for name in ("plan_id", "batch_id", "count", "amount")}
    return {"at": event.at, "kind": event.kind, "actor": event.actor, **counts, "data": facts}


def _shown_of(event: Event, reference: str) -> dict[str, Any]:
    shown = _shown(event)
    if "postings" in shown["data"]:
        own = [each for each in shown["data"]["postings"] if each["reference"] == reference]
        shown["data"] = {**shown["data"], "postings": own}
    return shown
