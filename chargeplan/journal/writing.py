"""What is written: each method is one transaction, which ends in one event or more, and is durable when it returns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select

from chargeplan.core.decision import Decision
from chargeplan.core.errors import ChargeplanError, StalePlanError
from chargeplan.core.posting import LIVE, Batch, Posting, State
from chargeplan.journal import locks, replay, schema
from chargeplan.journal.access import Access
from chargeplan.journal.failures import UNRECORDED
from chargeplan.journal.refusals import (
    batch_of,
    check_batch,
    check_free,
    check_new,
    check_untaken,
    lines_of,
    live_of,
)
from chargeplan.journal.transitions import check_transition

_postings: Final = schema.postings
# What reads the record has an event in memory at a time.
_LINES_OF_AN_EVENT: Final = 1_000
# States that carry why; the others clear what an earlier one said.
_WITH_ERROR: Final[frozenset[State]] = frozenset({"withdrawn", "refused", "unknown", "not_posted"})


class Writing(Access):
    """Intents, outcomes, decisions. Whatever is refused leaves the journal as it was."""

    def consume(self, plan_id: str, digest: str, facts: Mapping[str, object]) -> bool:
        """Note the use of a plan file before its first request; false where it was used before.

        Raises:
            StalePlanError: a plan of this id was used with another digest.
        """

        def use(connection: Connection) -> str | None:
            query = select(schema.plans.c.digest).where(schema.plans.c.plan_id == plan_id)
            used: str | None = connection.execute(query).scalar_one_or_none()
            if used is None:
                data = {"plan_id": plan_id, "digest": digest, "facts": dict(facts)}
                self._recorder.append(connection, "consumed", data)
            return used

        used = self._database.write(use)
        if used is None:
            return True
        if used != digest:
            raise StalePlanError(
                f"The plan {plan_id} was used before with the digest {used}; this file's is {digest}.",
                hint="Make a new one with `chargeplan plan --out FILE`.",
                code="plan_digest",
            )
        return False

    def intend(self, plan_id: str, batch: Batch, postings: Sequence[Posting], *, lock_token: int) -> None:
        """Record a batch and its lines as intended; the commit precedes the first byte of the request.

        Ids, states, batch and plan of the lines, count and amount of the batch are set here.

        Raises:
            ChargeplanError: ``already_live`` (a line already has a live posting), ``lock_lost``, ``mixed_batch``,
                ``batch_exists``, or the database refused: nothing was recorded.
        """
        check_batch(batch, postings)

        def intend(connection: Connection) -> None:
            locks.check_fence(connection, batch.integration_id, batch.property_id, lock_token)
            locks.renew(connection, [lock_token], self._lock_time(connection))
            check_new(connection, batch.batch_id)
            check_free(connection, [posting.reference for posting in postings])
            at = self._recorder.now()
            row = _batch_row(batch, plan_id, postings, at)
            lines = [
                msgspec.structs.replace(
                    posting,
                    state="intended",
                    batch_id=batch.batch_id,
                    plan_id=plan_id,
                    job_id=None,
                    error=None,
                    charge_id=None,
                    since=at,
                )
                for posting in postings
            ]
            data = {
                "plan_id": plan_id,
                "batch_id": batch.batch_id,
                "count": row["count"],
                "amount": row["amount"],
                "batch": row,
                "postings": _numbered(connection, lines),
            }
            self._recorder.append(connection, "intended", data, at=at)

        self._database.write(intend, "This batch was not sent.")

    def record(
        self,
        batch_id: str,
        state: State,
        *,
        job_id: str | None = None,
        record_id: str | None = None,
        errors: Sequence[str] = (),
        references: Sequence[str] | None = None,
        reason: str | None = None,
    ) -> None:
        """The new state of a batch's lines: of ``references``, else of all whose outcome is still open.

        Raises:
            ChargeplanError: ``unknown_batch``, ``unknown_reference``, or ``illegal_transition`` for any of the lines
                (also where none is open): nothing was changed.
        """

        def move(connection: Connection) -> None:
            batch = batch_of(connection, batch_id)
            lines = lines_of(connection, batch_id, references)
            for line in lines:
                check_transition(line["reference"], line["state"], state)
            said = [*json.loads(batch["errors"]), *errors]
            data = {
                "plan_id": batch["plan_id"],
                "batch_id": batch_id,
                "state": state,
                "ids": [line["id"] for line in lines],
                "references": [line["reference"] for line in lines],
                "count": len(lines),
                "amount": sum(line["amount"] for line in lines),
                "job_id": job_id,
                **({} if record_id is None else {"record_id": record_id}),
                "errors": list(errors),
                "batch_errors": list(dict.fromkeys(said)),
                "reason": reason,
                "error": _error(state, "; ".join(errors) or reason),
            }
            self._recorder.append(connection, "recorded", data)

        self._database.write(move, UNRECORDED)

    def settle(
        self,
        posting_id: int,
        state: State,
        *,
        charge_id: str | None = None,
        reason: str,
        actor: str | None = None,
    ) -> None:
        """The new state of one posting, by evidence or by a person; ``actor`` is who opened the journal, unless given.

        Raises:
            ChargeplanError: ``unknown_posting``, ``illegal_transition``, ``already_live`` (another posting of the
                reference is), or ``charge_taken`` (the synced charge settled another posting).
        """

        def move(connection: Connection) -> None:
            query = select(_postings).where(_postings.c.id == posting_id)
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                raise ChargeplanError(f"There is no posting {posting_id}.", code="unknown_posting")
            check_transition(row["reference"], row["state"], state)
            if state in LIVE and row["state"] not in LIVE:
                check_free(connection, [row["reference"]])
            check_untaken(connection, row["integration_id"], charge_id)
            data = {
                "plan_id": row["plan_id"],
                "batch_id": row["batch_id"],
                "id": posting_id,
                "reference": row["reference"],
                "state": state,
                "count": 1,
                "amount": row["amount"],
                "charge_id": charge_id,
                "reason": reason,
                "error": _error(state, reason),
            }
            self._recorder.append(connection, "settled", data, actor=actor)

        self._database.write(move, UNRECORDED)

    def decide(
        self,
        decision: Decision,
        *,
        integration_id: str,
        property_id: str,
        reason: str,
        actor: str | None = None,
    ) -> None:
        """Record what a person said of a line that changes no posting's state."""
        place = {"integration_id": integration_id, "property_id": property_id}
        data = {**place, **msgspec.to_builtins(decision), "reason": reason}
        self._database.write(
            lambda connection: self._recorder.append(connection, "decided", data, actor=actor)
        )

    def move_integration(
        self,
        old: str,
        new: str,
        postings: Sequence[Posting],
        *,
        properties: Mapping[str, str],
        reason: str,
    ) -> None:
        """These postings of the old integration are as given from now on: of the new one, under its ids.

        ``properties`` are the new ids of the old one's: what plans covered there they have covered here.
        """
        known = {"old": old, "new": new, "properties": dict(properties), "reason": reason}
        rows = [
            {"id": posting.id, "reference": posting.reference}
            | {name: getattr(posting, name) for name in replay.PLACE}
            for posting in postings
        ]

        def move(connection: Connection) -> None:
            for start in range(0, len(rows), _LINES_OF_AN_EVENT):
                part = rows[start : start + _LINES_OF_AN_EVENT]
                data = {**known, "count": len(part), "postings": part}
                self._recorder.append(connection, "integration_moved", data)

        self._database.write(move)

    def rebuild(self, postings: Iterable[Posting], *, reason: str = "", actor: str | None = None) -> int:
        """Insert postings found upstream, those apart that have a live posting; how many were inserted.

        A state that is live is kept (``accepted`` from the write log); any other, and the default, becomes visible.
        """
        return self._insert("rebuilt", postings, reason=reason, actor=actor)

    def adopt(self, posting: Posting, charge_id: str, *, reason: str) -> None:
        """Insert a posting that the foreign synced charge ``charge_id`` settles.

        Raises:
            ChargeplanError: ``already_live`` or ``charge_taken``.
        """

        def check(connection: Connection) -> None:
            check_free(connection, [posting.reference])
            check_untaken(connection, posting.integration_id, charge_id)

        self._database.read(check)
        found = msgspec.structs.replace(posting, charge_id=charge_id, state="visible")
        self._insert("adopted", [found], reason=reason, actor=None)

    def vouch(self, posting: Posting, *, reason: str, actor: str | None = None) -> None:
        """Insert a posting that a person says is on the ledger, where nothing of it is synced.

        Raises:
            ChargeplanError: ``already_live``.
        """
        self._database.read(lambda connection: check_free(connection, [posting.reference]))
        self._insert(
            "adopted", [msgspec.structs.replace(posting, state="posted")], reason=reason, actor=actor
        )

    def _insert(self, kind: str, postings: Iterable[Posting], *, reason: str, actor: str | None) -> int:
        at = self._recorder.now()
        found = {posting.reference: _found(posting, at) for posting in reversed(list(postings))}

        def put(connection: Connection) -> int:
            live = live_of(connection, sorted(found))
            lines = [posting for posting in reversed(found.values()) if posting.reference not in live]
            for start in range(0, len(lines), _LINES_OF_AN_EVENT):
                part = lines[start : start + _LINES_OF_AN_EVENT]
                data = {
                    "count": len(part),
                    "amount": sum(posting.amount for posting in part),
                    "reason": reason,
                    "postings": _numbered(connection, part),
                }
                self._recorder.append(connection, kind, data, actor=actor, at=at)
            return len(lines)

        return self._database.write(put)


def _batch_row(batch: Batch, plan_id: str, postings: Sequence[Posting], at: str) -> dict[str, Any]:
    return {
        "batch_id": batch.batch_id,
        "plan_id": plan_id,
        "integration_id": batch.integration_id,
        "property_id": batch.property_id,
        "job_id": None,
        "count": len(postings),
        "amount": sum(posting.amount for posting in postings),
        "created_at": batch.created_at or at,
        "errors": [],
    }


def _numbered(connection: Connection, postings: Iterable[Posting]) -> list[dict[str, Any]]:
    last = connection.execute(select(func.coalesce(func.max(_postings.c.id), 0))).scalar_one()
    return [
        {**msgspec.to_builtins(posting), "id": number}
        for number, posting in enumerate(postings, start=last + 1)
    ]


def _found(posting: Posting, at: str) -> Posting:
    state: State = posting.state if posting.state in LIVE - {"intended"} else "visible"
    return msgspec.structs.replace(posting, state=state, since=at, error=None)


def _error(state: State, said: str | None) -> str | None:
    return (said or None) if state in _WITH_ERROR else None
