"""The copy as the flows use it: brought up to date as cheaply as possible, and read property by property."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from chargeplan.core import observed
from chargeplan.core.dates import DatesByText, Days
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.key import is_reference
from chargeplan.snapshot import bodies, staging
from chargeplan.snapshot.file import discard, open_copy
from chargeplan.snapshot.reading import CHARGES, Progress
from chargeplan.snapshot.refresh import Refresh, load_progress

# SQLite takes at least so many values in one statement.
_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})
_MOST_NAMES = 500


class Source(Protocol):
    """Where rows come from: Propexo's client."""

    @property
    def requests(self) -> int:
        """Requests made so far."""

    @property
    def records(self) -> int:
        """Records received so far."""

    def integration(self, integration_id: str) -> observed.Integration:
        """The integration's state now."""

    def server_time(self) -> datetime | None:
        """The server's clock at its last answer; ``None`` where it told none."""

    def rows(self, kind: str, params: Mapping[str, str]) -> Iterator[Sequence[staging.Record]]:
        """The pages of a list; an error with the code ``bad_request`` where a filter is not known."""


class SqliteSnapshot:
    """The copy in the file ``path``. Safe to share between threads and processes.

    ``identity`` says what it is a copy of: the host, or another name where that changes (a sandbox takes another port
    each time). ``connect`` gives the source when the first refresh needs it, and not before.

    Raises:
        ChargeplanError: the path can't be used, or holds another database.
    """

    def __init__(
        self,
        path: Path,
        connect: Callable[[], Source],
        *,
        identity: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path = path
        self._connect = connect
        self._identity = identity
        self._now = now
        self._lock = threading.RLock()
        self._connection = open_copy(path, self._identity)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def refresh(
        self,
        integration_id: str,
        window: Days,
        *,
        full: bool = False,
        fees: bool = False,
        payments: bool = False,
        codes: Sequence[str] = ("charge-codes",),
        named: Collection[str] = (),
        reads_back: bool = False,
    ) -> observed.ReadCost:
        """Bring the copy up to date for charges dated within ``window``: wholly, or not at all.

        Raises:
            ChargeplanError: something could not be read; the copy is as it was.
        """
        source = self._connect()
        requests, records = source.requests, source.records

        def read(run: Refresh, *, whole: bool) -> None:
            run.read(
                window,
                full=whole,
                fees=fees,
                payments=payments,
                codes=codes,
                named=named,
                reads_back=reads_back,
            )

        with self._lock:
            try:
                self._refresh(source, integration_id, partial(read, whole=full))
            except sqlite3.OperationalError as error:
                raise self._broken(error) from error
            except sqlite3.DatabaseError:
                self._rebuild()
                self._refresh(source, integration_id, partial(read, whole=True))
        return observed.ReadCost(source.requests - requests, source.records - records)

    def integration(self, integration_id: str) -> observed.Integration:
        """The integration as last read.

        Raises:
            ChargeplanError: it was never read.
        """
        found = self._rows("SELECT body FROM integration WHERE id = ?", (integration_id,))
        if not found:
            raise _never_read(f"The integration {integration_id} was")
        with self._readable():
            return msgspec.json.decode(found[0][0], type=observed.Integration)

    def properties(self, integration_id: str) -> Sequence[observed.Property]:
        """Every property that Propexo lists for the integration, by name.

        Raises:
            ChargeplanError: the integration was never read.
        """
        self.integration(integration_id)
        rows = self._rows(
            "SELECT body FROM record WHERE kind = 'properties' AND integration_id = ?", (integration_id,)
        )
        with self._readable():
            found = [msgspec.json.decode(body, type=observed.Property) for (body,) in rows]
        return sorted(found, key=lambda each: (each.name, each.id))

    def property(self, integration_id: str, property_id: str, window: Days) -> observed.ObservedProperty:
        """All that is known of one property; charges and payments are those dated within ``window``.

        Raises:
            ChargeplanError: the property is not among those read, or the window was not read.
        """
        with self._lock, self._readable():
            self._check_window(integration_id, window)
            syncs = self._rows(
                "SELECT last_completed_sync, previous_sync FROM integration WHERE id = ?", (integration_id,)
            )[0]
            parts = self._parts(integration_id, property_id)
            if not isinstance(parts.property, observed.Property):
                raise ChargeplanError(
                    f"Propexo lists no property {property_id} for the integration {integration_id}.",
                    hint="Check the property's `id` in chargeplan.yaml, and that it is enabled in Propexo.",
                    code="unknown_property",
                )
            rows = self._rows(_CHARGES, _span(property_id, window))
            charges = bodies.charges(rows)
            found = observed.ObservedProperty(
                property=parts.property,
                units=tuple(parts.units),
                leases=tuple(self._with_people(property_id, parts.leases)),
                residents=tuple(parts.residents),
                # Where charges have no code, a plan's `code:` names an account.
                charge_codes=tuple(parts.charge_codes or parts.accounts),
                accounts=tuple(parts.accounts),
                fees=tuple(parts.fees),
                payments=tuple(self._payments(property_id, window)),
                last_completed_sync=syncs[0],
                previous_sync=syncs[1],
            )
        return msgspec.structs.replace(found, charges=charges, digest=_digest(found, rows))

    def covered(self, integration_id: str) -> Days:
        """The transaction dates of which the copy has all charges.

        Raises:
            ChargeplanError: the integration was never read.
        """
        with self._lock, self._readable():
            covered = load_progress(self._connection, integration_id).get(CHARGES, Progress()).covered
        if covered is None:
            raise _never_read(f"The integration {integration_id} was")
        return covered

    def syncs(self, integration_id: str) -> Sequence[str]:
        """When syncs of the integration ended, as far as refreshes noticed them, oldest first."""
        query = "SELECT ended FROM sync WHERE integration_id = ? ORDER BY ended"
        return [ended for (ended,) in self._rows(query, (integration_id,))]

    def was_seen_at_once(self, property_id: str) -> bool:
        """Whether every charge of the property was last seen at the same moment, so that none was missed since."""
        query = (
            "SELECT DISTINCT last_seen FROM charge WHERE property_id = ? AND last_seen IS NOT NULL LIMIT 2"
        )
        return len(self._rows(query, (property_id,))) < 2

    def properties_of(self, integration_id: str, *, resident: str | None, unit: str | None) -> frozenset[str]:
        """The ids of the properties that have a resident of that id, else a unit of that number, listed or on a lease."""
        if resident is not None:
            query = (
                "SELECT property_id FROM record WHERE kind = 'residents' AND id = ? AND integration_id = ?"
            )
            return frozenset(row[0] for row in self._rows(query, (resident, integration_id)))
        query = (
            "SELECT DISTINCT property_id FROM record WHERE kind IN ('units', 'leases') AND integration_id = ? AND json_extract"
            "(CAST(body AS TEXT), CASE kind WHEN 'units' THEN '$.number' ELSE '$.unit_number' END) = ?"
        )
        return frozenset(row[0] for row in self._rows(query, (integration_id, unit)))

    def units_elsewhere(
        self, integration_id: str, property_id: str, unit_ids: Sequence[str]
    ) -> frozenset[str]:
        """Those of the units that belong to another property of the integration."""
        found: set[str] = set()
        for start in range(0, len(unit_ids), _MOST_NAMES):
            names = tuple(unit_ids[start : start + _MOST_NAMES])
            places = ", ".join("?" * len(names))
            rows = self._rows(
                f"SELECT id FROM record WHERE kind = 'units' AND integration_id = ? AND property_id <> ? AND id IN ({places})",  # noqa: S608 - places only
                (integration_id, property_id, *names),
            )
            found |= {row[0] for row in rows}
        return frozenset(found)

    def charges_of(self, integration_id: str, references: Sequence[str]) -> Mapping[str, str]:
        """The synced charge (its id) of each of the references that the copy has, of any date; the first by id where several are."""
        found: dict[str, str] = {}
        for start in range(0, len(references), _MOST_NAMES):
            names = tuple(references[start : start + _MOST_NAMES])
            places = ", ".join("?" * len(names))
            rows = self._rows(
                f"SELECT reference, id FROM charge WHERE integration_id = ? AND reference IN ({places}) ORDER BY id DESC",  # noqa: S608 - places only
                (integration_id, *names),
            )
            found |= dict(rows)
        return found

    def references(self, integration_id: str) -> Iterable[str]:
        """The reference numbers of ours on the integration's synced charges, of any date in the copy."""
        # A range keeps to the index; the exact form is the core's to tell.
        rows = self._rows(
            "SELECT DISTINCT reference FROM charge WHERE integration_id = ? AND reference >= 'CP' AND reference < 'CQ'",
            (integration_id,),
        )
        return [reference for (reference,) in rows if is_reference(reference)]

    def _refresh(self, source: Source, integration_id: str, read: Callable[[Refresh], None]) -> None:
        try:
            run = Refresh(self._connection, source, integration_id, self._now())
        except msgspec.MsgspecError as error:
            raise sqlite3.DatabaseError(str(error)) from error
        try:
            read(run)
            run.write()
        finally:
            staging.clear(self._connection)

    def _rebuild(self) -> None:
        self._connection.close()
        discard(self._path)
        self._connection = open_copy(self._path, self._identity)

    def _check_window(self, integration_id: str, window: Days) -> None:
        covered = self.covered(integration_id)
        if window.first < covered.first or window.last > covered.last:
            raise _never_read(f"The charges from {window.first} through {window.last} were")

    def _parts(self, integration_id: str, property_id: str) -> _Parts:
        parts = _Parts()
        rows = self._rows(
            "SELECT kind, body FROM record WHERE property_id IN (?, '') AND integration_id = ? ORDER BY id",
            (property_id, integration_id),
        )
        for kind, body in rows:
            match kind:
                case "properties":
                    parts.property = msgspec.json.decode(body, type=observed.Property)
                case "units":
                    parts.units.append(_UNIT.decode(body))
                case "leases":
                    parts.leases.append(_LEASE.decode(body))
                case "residents":
                    parts.residents.append(_RESIDENT.decode(body))
                case "charge-codes":
                    parts.charge_codes.append(_CODE.decode(body))
                case "financial-accounts":
                    parts.accounts.append(_CODE.decode(body))
                case "fees":
                    parts.fees.append(_FEE.decode(body))
        return parts

    def _with_people(self, property_id: str, leases: Sequence[observed.Lease]) -> Iterator[observed.Lease]:
        """Leases that list nobody get those residents whose own row names the lease, primary ones first."""
        rows = self._rows(
            "SELECT l.lease_id, l.body FROM record r JOIN link l ON l.resident_id = r.id"
            " WHERE r.property_id = ? AND r.kind = 'residents' ORDER BY l.resident_id",
            (property_id,),
        )
        linked: dict[str, list[observed.LeaseResident]] = {}
        for lease_id, body in rows:
            linked.setdefault(lease_id, []).append(msgspec.json.decode(body, type=observed.LeaseResident))
        for lease in leases:
            people = sorted(linked.get(lease.id, ()), key=lambda each: each.kind != "PRIMARY")
            yield lease if lease.residents else msgspec.structs.replace(lease, residents=tuple(people))

    def _payments(self, property_id: str, window: Days) -> Iterator[observed.Payment]:
        rows = self._rows(
            "SELECT id, date FROM payment WHERE property_id = ? AND date BETWEEN ? AND ? ORDER BY date, id",
            _span(property_id, window),
        )
        days = DatesByText()
        for payment_id, day in rows:
            yield observed.Payment(payment_id, property_id, days[day])

    def _rows(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._lock, self._readable():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """What lies in the file makes sense, or it is said that it does not."""
        try:
            yield
        except (sqlite3.DatabaseError, msgspec.MsgspecError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> ChargeplanError:
        if getattr(error, "sqlite_errorcode", None) in _NO_ROOM:
            return ChargeplanError(
                f"The snapshot file {self._path} can't be written: {error}. Nothing was sent.",
                hint="Make room on its disk, and run the same command again.",
                code="snapshot_unusable",
            )
        return ChargeplanError(
            f"The snapshot file {self._path} can't be used: {error}.",
            hint="Delete it and run without --offline: it is a copy, and is made anew.",
            code="snapshot_unusable",
        )


class _Parts:
    """A property's records, sorted by list."""

    def __init__(self) -> None:
        self.property: observed.Property | None = None
        self.units: list[observed.Unit] = []
        self.leases: list[observed.Lease] = []
        self.residents: list[observed.Resident] = []
        self.charge_codes: list[observed.ChargeCode] = []
        self.accounts: list[observed.ChargeCode] = []
        self.fees: list[observed.Fee] = []


_UNIT = msgspec.json.Decoder(observed.Unit)
_LEASE = msgspec.json.Decoder(observed.Lease)
_RESIDENT = msgspec.json.Decoder(observed.Resident)
_CODE = msgspec.json.Decoder(observed.ChargeCode)
_FEE = msgspec.json.Decoder(observed.Fee)

_CHARGES = """SELECT body, last_seen FROM charge
    WHERE property_id = ? AND transaction_date BETWEEN ? AND ? ORDER BY transaction_date, id"""


def _span(property_id: str, window: Days) -> tuple[str, str, str]:
    return property_id, window.first.isoformat(), window.last.isoformat()


def _digest(observed_apart: observed.ObservedProperty, charges: Sequence[tuple[bytes, str | None]]) -> str:
    """Of a property without its charges, and of the charges as they lie in the copy."""
    found = hashlib.sha256(msgspec.json.encode(observed_apart))
    found.update(b"".join([body for body, _ in charges]))
    found.update(msgspec.json.encode([last_seen for _, last_seen in charges]))
    return f"sha256:{found.hexdigest()}"


def _never_read(what: str) -> ChargeplanError:
    return ChargeplanError(f"{what} never read.", hint="Run once without --offline.", code="never_read")
