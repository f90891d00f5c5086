"""``SqlJournal``: the journal in SQLite or PostgreSQL. Whatever a method wrote is durable when it returns."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from functools import partial
from typing import Any, Final, Self, TextIO

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, func, select

from chargeplan.core.decision import Decision
from chargeplan.core.errors import ChargeplanError, StalePlanError
from chargeplan.core.posting import LIVE, OPEN, Batch, Brief, Posting, State
from chargeplan.journal import locks, recorder, replay, schema, transfer
from chargeplan.journal.billed import Billed, billed_days
from chargeplan.journal.budget import SharedBudget
from chargeplan.journal.checks import problems_of
from chargeplan.journal.database import Database, open_database
from chargeplan.journal.events import Event, canonical
from chargeplan.journal.failures import UNRECORDED, problem
from chargeplan.journal.home import Home, bind, check_home, home_of, settle_home
from chargeplan.journal.recorder import Clock, Recorder, default_actor, utc_now
from chargeplan.journal.rows import latest_briefs, latest_postings, latest_where, postings_where
from chargeplan.journal.transitions import check_transition, worst

_postings: Final = schema.postings
_batches: Final = schema.batches
# What reads the record has an event in memory at a time.
_LINES_OF_AN_EVENT: Final = 1_000
# States that carry why; the others clear what an earlier one said.
_WITH_ERROR: Final[frozenset[State]] = frozenset({"withdrawn", "refused", "unknown", "not_posted"})


def open_journal(
    target: str,
    *,
    create: bool,
    actor: str | None = None,
    clock: Clock | None = None,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    allow_async: bool = False,
    home: Home | None = None,
) -> SqlJournal:
    """Open the journal at a file path or a ``postgresql://`` address; with ``create``, make it where it is missing.

    With a ``home``, another environment's journal is refused before anything of it is read.

    ``actor`` is who the events name (default: the CI job's person, else the user). A ``clock`` given here also times
    the locks, in place of the server's. ``allow_async`` takes a server that may forget commits.

    Raises:
        ChargeplanError: ``journal_missing``, ``journal_foreign``, ``journal_damaged``, ``journal_newer``,
            ``journal_unwritable``, ``journal_denied``, ``journal_unreachable``, ``journal_address``, ``journal_async``,
            ``journal_driver`` or ``journal_of_another``.
    """
    record = Recorder(actor or default_actor(), clock or utc_now)
    database = open_database(
        target, create=create, created=record.created, migrated=record.migrated, allow_async=allow_async
    )
    if home is not None:
        try:
            settle_home(database, record, home)
        except BaseException:
            database.close()
            raise
    return SqlJournal(database, record, server_clock=clock is None, sleep=sleep, monotonic=monotonic)


class SqlJournal:
    """The durable record of every posting. Made by :func:`open_journal`; close it, or use it as a context manager.

    Every method raises ``ChargeplanError`` where the database fails: ``journal_unwritable``, ``journal_busy``,
    ``journal_damaged`` or ``journal_unreachable``.
    """

    def __init__(
        self,
        database: Database,
        record: Recorder,
        *,
        server_clock: bool,
        sleep: Callable[[float], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._database = database
        self._recorder = record
        self._server_clock = server_clock
        self._sleep = sleep
        self._monotonic = monotonic

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    @property
    def identity(self) -> str:
        """The random id that this journal got when it was created; an import brings its own."""
        return self._database.read(lambda connection: _meta(connection, "identity"))

    @property
    def where(self) -> str:
        """The journal's address, without a password."""
        return self._database.where

    @property
    def is_shared(self) -> bool:
        """Whether runners on several hosts may have it in common: it is on a server."""
        return self._database.path is None

    def budget(self, name: str) -> SharedBudget:
        """The requests of one token, told from others by ``name``, that all runners with this journal count together."""
        return SharedBudget(self._database, name)

    # --- reading --------------------------------------------------------------------------------------------------

    def postings(self, integration_id: str, property_id: str, since: date | None = None) -> Sequence[Posting]:
        """Of each reference of the property the live posting, else the newest; oldest first.

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

    def open_postings(self) -> Sequence[Posting]:
        """Postings whose outcome is still open, oldest first."""
        return self._where(_postings.c.state.in_(sorted(OPEN)))

    def not_posted(self, since: date) -> Sequence[Posting]:
        """Postings that were settled as not posted on that day or later, oldest first."""
        return self._where((_postings.c.state == "not_posted") & (_postings.c.since >= since.isoformat()))

    def find(self, reference: str) -> Sequence[Posting]:
        """Every posting of the reference, oldest first."""
        return self._where(_postings.c.reference == reference)

    def latest(self, references: Sequence[str]) -> Mapping[str, Posting]:
        """Of each of the references the live posting, else the newest; those that were never sent are left out."""

        def read(connection: Connection) -> list[Posting]:
            chunks = _chunks(references)
            return [
                each
                for chunk in chunks
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
                for chunk in _chunks(charge_ids)
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
                for chunk in _chunks(wanted)
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
        rows = self._database.read(lambda connection: connection.execute(query).scalars().all())
        return billed_days(rows, integration_id, since)

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
                yield _told(event)

    def history_of(self, references: Iterable[str]) -> Mapping[str, Sequence[dict[str, Any]]]:
        """The events that name each of the lines, oldest first, without the other lines of their batches.

        The whole record is looked through once.
        """
        found: dict[str, list[dict[str, Any]]] = {reference: [] for reference in references}
        names = {reference: canonical(reference) for reference in found}
        for event in self._events(1 if found else None):
            for reference, name in names.items():
                if name in event.data:
                    found[reference].append(_told_of(event, reference))
        return found

    def _events(self, first: int | None) -> Iterator[Event]:
        """The events from the one with that number on, some at a time: nothing is locked while they are looked at."""
        after = None if first is None else first - 1
        while after is not None:
            events = self._database.read(partial(recorder.page, after=after))
            yield from events
            after = events[-1].seq if events else None

    # --- writing --------------------------------------------------------------------------------------------------

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
        _check_batch(batch, postings)

        def intend(connection: Connection) -> None:
            locks.check_fence(connection, batch.integration_id, batch.property_id, lock_token)
            locks.renew(connection, [lock_token], self._lock_time(connection))
            _check_new(connection, batch.batch_id)
            _check_free(connection, [posting.reference for posting in postings])
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

        self._database.write(intend)

    def record(
        self,
        batch_id: str,
        state: State,
        *,
        job_id: str | None = None,
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
            batch = _batch_of(connection, batch_id)
            lines = _lines_of(connection, batch_id, references)
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
                _check_free(connection, [row["reference"]])
            _check_untaken(connection, row["integration_id"], charge_id)
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

    def note(self, kind: str, data: Mapping[str, object] | None = None, *, actor: str | None = None) -> None:
        """Append an event that changes no posting, such as an approval or a sync that was seen.

        Raises:
            ValueError: the kind is one of the journal's own.
        """
        if kind in replay.OWN_KINDS:
            raise ValueError(f"{kind} is an event of the journal's own.")
        facts = dict(data or {})
        self._database.write(lambda connection: self._recorder.append(connection, kind, facts, actor=actor))

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
            _check_free(connection, [posting.reference])
            _check_untaken(connection, posting.integration_id, charge_id)

        self._database.read(check)
        found = msgspec.structs.replace(posting, charge_id=charge_id, state="visible")
        self._insert("adopted", [found], reason=reason, actor=None)

    def vouch(self, posting: Posting, *, reason: str, actor: str | None = None) -> None:
        """Insert a posting that a person says is on the ledger, where nothing of it is synced.

        Raises:
            ChargeplanError: ``already_live``.
        """
        self._database.read(lambda connection: _check_free(connection, [posting.reference]))
        self._insert(
            "adopted", [msgspec.structs.replace(posting, state="posted")], reason=reason, actor=actor
        )

    def _insert(self, kind: str, postings: Iterable[Posting], *, reason: str, actor: str | None) -> int:
        at = self._recorder.now()
        found = {posting.reference: _found(posting, at) for posting in reversed(list(postings))}

        def put(connection: Connection) -> int:
            live = _live_of(connection, sorted(found))
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

    # --- locks ----------------------------------------------------------------------------------------------------

    @contextmanager
    def lock(
        self, integration_id: str, property_ids: Sequence[str], *, purpose: str, timeout: float
    ) -> Iterator[Mapping[str, int]]:
        """Hold the locks of the properties, all or none; yields the fencing token of each.

        Raises:
            LockedError: another run holds one of them after ``timeout`` seconds.
        """
        rows = [(integration_id, property_id) for property_id in sorted(set(property_ids))]
        if not rows:
            yield {}
            return
        tokens = self._acquire(rows, purpose, timeout)
        numbers = list(tokens.values())
        try:
            with locks.beating(lambda: self._beat(numbers), locks.EXPIRY_SECONDS / 3):
                yield tokens
        finally:
            # What can't be released expires; that must not hide what the block itself ended with.
            with suppress(ChargeplanError):
                self._database.write(lambda connection: locks.drop(connection, numbers))

    def locks(self) -> list[dict[str, Any]]:
        """The locks that are held; those that nobody stands behind any more are broken first."""
        now, rows = self._database.read(
            lambda connection: (self._lock_time(connection), locks.held(connection))
        )
        if any(locks.is_broken(row, now) for row in rows):
            try:
                rows = self._database.write(
                    lambda connection: self._break(connection, locks.held(connection), now)
                )
            except ChargeplanError as refusal:
                # A role that may only read does not break them; the next run does.
                if refusal.code != "journal_denied":
                    raise
                rows = [row for row in rows if not locks.is_broken(row, now)]
        return [locks.shown(row) for row in rows]

    def unlock(self, lock_id: str, reason: str) -> None:
        """Take a lock from its owner, whose next intent is refused; the journal keeps who and why.

        Raises:
            ChargeplanError: ``unknown_lock``.
        """

        def take_away(connection: Connection) -> None:
            row = next((row for row in locks.held(connection) if row["id"] == lock_id), None)
            if row is None:
                raise ChargeplanError(
                    f"There is no lock {lock_id}.",
                    hint="`chargeplan journal locks` lists those that are held.",
                    code="unknown_lock",
                )
            locks.drop(connection, [row["token"]])
            self._recorder.append(connection, "lock_unlocked", {**locks.shown(row), "reason": reason})

        self._database.write(take_away)

    def _acquire(self, rows: Sequence[tuple[str, str]], purpose: str, timeout: float) -> dict[str, int]:
        deadline = self._monotonic() + timeout
        pause = 0.1
        while isinstance(taken := self._try_lock(rows, purpose), RowMapping):
            left = deadline - self._monotonic()
            if left <= 0:
                raise locks.locked(taken)
            self._sleep(min(pause, left))
            pause = min(pause * 1.5, 2.0)
        return taken

    def _try_lock(self, rows: Sequence[tuple[str, str]], purpose: str) -> dict[str, int] | RowMapping:
        wanted = set(rows)

        def take(connection: Connection) -> dict[str, int] | RowMapping:
            now = self._lock_time(connection)
            standing = [
                r for r in locks.held(connection) if (r["integration_id"], r["property_id"]) in wanted
            ]
            blocking = self._break(connection, standing, now)
            if blocking:
                return blocking[0]
            tokens = locks.take(connection, rows, owner=self._recorder.actor, purpose=purpose, now=now)
            data = {
                "integration_id": rows[0][0],
                "property_ids": list(tokens),
                "purpose": purpose,
                "count": len(tokens),
                "fence": max(tokens.values()),
                # Whoever finds this event after a lost connection knows that it was its own.
                "taking": secrets.token_hex(8),
            }
            self._recorder.append(connection, "locks_taken", data)
            return tokens

        return self._database.write(take)

    def _break(self, connection: Connection, rows: Iterable[RowMapping], now: str) -> list[RowMapping]:
        blocking = []
        for row in rows:
            if not locks.is_broken(row, now):
                blocking.append(row)
                continue
            cause = "expired" if row["expires"] <= now else "its process is gone"
            locks.drop(connection, [row["token"]])
            self._recorder.append(connection, "lock_broken", {**locks.shown(row), "cause": cause})
        return blocking

    def _beat(self, tokens: Sequence[int]) -> None:
        # Not patiently: the next beat comes anyway, and the end of the run waits for this one.
        self._database.write(
            lambda connection: locks.renew(connection, tokens, self._lock_time(connection)), patience=0.0
        )

    def _lock_time(self, connection: Connection) -> str:
        # Hosts that share a server share its clock too, so that nobody's wrong clock breaks a good lock.
        server = self._database.server_time(connection) if self._server_clock else None
        return server or self._recorder.now()

    # --- care -----------------------------------------------------------------------------------------------------

    def verify(self) -> list[str]:
        """Everything that is wrong: the file, the chain of events, and rows that differ from what the events say."""
        problems = []
        try:
            problems += self._database.integrity()
            problems += self._database.read(problems_of)
        except ChargeplanError as error:
            if error.code != "journal_damaged":
                raise
            problems.append(f"file: {error.message}")
        return problems

    def export(self, stream: TextIO) -> None:
        """Write the whole record as JSON Lines."""

        def write(connection: Connection) -> None:
            identity = _meta(connection, "identity")
            stream.writelines(line + "\n" for line in transfer.lines(connection, identity))

        # What is half written is not begun again.
        self._database.read(write, patience=0.0)

    def bind(self, home: Home, *, reason: str) -> None:
        """A person says whose record it is from now on."""
        bind(self._database, self._recorder, home, reason=reason)

    def import_(self, stream: TextIO, home: Home | None = None) -> int:
        """Make an export the record of this empty journal, verified; how many events it has. The identity comes along.

        Raises:
            ChargeplanError: ``import_invalid``, ``journal_newer``, ``journal_not_empty`` or, with a ``home``,
                ``journal_of_another``: nothing was imported.
        """
        identity, events = transfer.parsed(stream)
        if home is not None:
            check_home(home_of(events), home, "in this export")

        def fill(connection: Connection) -> None:
            transfer.fill(connection, identity, events)
            self._recorder.append(connection, "imported", {"count": len(events), "identity": identity})

        self._database.write(fill)
        return len(events)

    def _where(self, condition: ColumnElement[bool]) -> list[Posting]:
        with self._sensible():
            return self._database.read(lambda connection: postings_where(connection, condition))

    @contextmanager
    def _sensible(self) -> Iterator[None]:
        try:
            yield
        except (TypeError, ValueError) as error:
            raise problem("journal_damaged", self.where, f"a posting makes no sense: {error}", "") from None


# --- rows and values ----------------------------------------------------------------------------------------------


def _batch(row: RowMapping, state: State) -> Batch:
    values = {str(key): value for key, value in row.items()}
    return msgspec.convert({**values, "state": state, "errors": json.loads(row["errors"])}, Batch)


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


def _meta(connection: Connection, key: str) -> str:
    query = select(schema.meta.c.value).where(schema.meta.c.key == key)
    return str(connection.execute(query).scalar_one())


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + replay.CHUNK] for start in range(0, len(values), replay.CHUNK))


# --- events for people --------------------------------------------------------------------------------------------


def _told(event: Event) -> dict[str, Any]:
    facts = event.facts
    told = {name: facts.get(name) for name in ("plan_id", "batch_id", "count", "amount")}
    return {"at": event.at, "kind": event.kind, "actor": event.actor, **told, "data": facts}


def _told_of(event: Event, reference: str) -> dict[str, Any]:
    told = _told(event)
    if "postings" in told["data"]:
        own = [each for each in told["data"]["postings"] if each["reference"] == reference]
        told["data"] = {**told["data"], "postings": own}
    return told


# --- checks -------------------------------------------------------------------------------------------------------


def _check_batch(batch: Batch, postings: Sequence[Posting]) -> None:
    place = (batch.integration_id, batch.property_id)
    if not postings or any((p.integration_id, p.property_id) != place for p in postings):
        raise ChargeplanError(
            f"The batch {batch.batch_id} is empty or has lines of another property; nothing was sent.",
            code="mixed_batch",
        )
    twice = [reference for reference, count in Counter(p.reference for p in postings).items() if count > 1]
    if twice:
        raise _already_live(twice)


def _check_new(connection: Connection, batch_id: str) -> None:
    query = select(_batches.c.batch_id).where(_batches.c.batch_id == batch_id)
    if connection.execute(query).first() is not None:
        raise ChargeplanError(
            f"The batch {batch_id} was recorded before; nothing was sent.", code="batch_exists"
        )


def _check_free(connection: Connection, references: Sequence[str]) -> None:
    # The unique index would refuse it anyway; this says which lines.
    live = _live_of(connection, references)
    if live:
        raise _already_live(sorted(live))


def _live_of(connection: Connection, references: Sequence[str]) -> set[str]:
    column = _postings.c.reference
    return {
        reference
        for chunk in _chunks(references)
        for reference in connection.execute(
            select(column).where(column.in_(chunk), _postings.c.live == 1)
        ).scalars()
    }


def _already_live(references: Sequence[str]) -> ChargeplanError:
    some = ", ".join(references[:5]) + (f" and {len(references) - 5} more" if len(references) > 5 else "")
    return ChargeplanError(
        f"Already posted or under way: {some}. Nothing was recorded.",
        hint="Another run was faster; plan again. `chargeplan explain REF` shows where a line stands.",
        code="already_live",
    )


def _check_untaken(connection: Connection, integration_id: str, charge_id: str | None) -> None:
    if charge_id is None:
        return
    query = select(_postings.c.reference).where(
        _postings.c.integration_id == integration_id,
        _postings.c.charge_id == charge_id,
        _postings.c.live == 1,
    )
    reference = connection.execute(query).scalar_one_or_none()
    if reference is not None:
        raise ChargeplanError(
            f"The charge {charge_id} already settles {reference}; one charge settles one posting.",
            code="charge_taken",
        )


def _batch_of(connection: Connection, batch_id: str) -> RowMapping:
    row = connection.execute(select(_batches).where(_batches.c.batch_id == batch_id)).mappings().one_or_none()
    if row is None:
        raise ChargeplanError(f"There is no batch {batch_id}.", code="unknown_batch")
    return row


def _lines_of(connection: Connection, batch_id: str, references: Sequence[str] | None) -> list[RowMapping]:
    query = select(_postings).where(_postings.c.batch_id == batch_id).order_by(_postings.c.id)
    lines = list(connection.execute(query).mappings())
    if references is None:
        # Lines that reached an end keep it. Where none is open, all go on, to be refused by name.
        return [line for line in lines if line["state"] in OPEN] or lines
    wanted = set(references)
    absent = sorted(wanted - {line["reference"] for line in lines})
    if absent:
        raise ChargeplanError(
            f"The batch {batch_id} has no line {', '.join(absent)}.", code="unknown_reference"
        )
    return [line for line in lines if line["reference"] in wanted]
