"""The sandbox as one object: open a state file, pull levers, look at the raw ledger."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from chargeplan.sandbox import faults as scripts
from chargeplan.sandbox.clock import Clock
from chargeplan.sandbox.jobs import Jobs
from chargeplan.sandbox.ledger import Choice, Entry, EntryState, Ledger, PartnerFile
from chargeplan.sandbox.office import Office, renamed
from chargeplan.sandbox.seed import Seeder
from chargeplan.sandbox.seed_facts import INTEGRATION_ID
from chargeplan.sandbox.settings import Settings, change_settings, load_settings
from chargeplan.sandbox.store import Store
from chargeplan.sandbox.sync import Synced, run_sync

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from chargeplan.sandbox.faults import Chaos, Fault


class Sandbox:
    """A Propexo and the property management system behind it, in one SQLite file.

    Every method is a transaction of its own; several threads and processes may use the same file.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = Clock(store)
        self.books = Ledger(store)
        self.jobs = Jobs(store, self.clock, self.books)
        self.office = Office(self)

    @classmethod
    def open(cls, path: Path | str, *, today: date | None = None, seed: bool = True, **settings: Any) -> Self:
        """Open a state file, or make it and fill it with the seed.

        Args:
            path: The SQLite file, or ``:memory:``.
            today: The day around which the seed's leases are laid; by default the wall clock's, in UTC. Without
                effect on a file that was filled before.
            seed: Whether a new file is filled.
            settings: Settings to change, by name.

        Raises:
            msgspec.ValidationError: A setting has an unknown name or a wrong type.
        """
        sandbox = cls(Store(path))
        try:
            if settings:
                sandbox.configure(**settings)
            with sandbox.store.transaction():
                if seed and sandbox.store.value("today") is None:
                    sandbox.reset(today)
        except BaseException:
            sandbox.close()
            raise
        return sandbox

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the state file."""
        self.store.close()

    @property
    def settings(self) -> Settings:
        """How it behaves now."""
        return load_settings(self.store)

    def configure(self, **changes: Any) -> Settings:
        """Change settings by name and keep the rest.

        Raises:
            msgspec.ValidationError: A name is unknown or a value has the wrong type.
        """
        return change_settings(self.store, changes)

    def reset(self, today: date | None = None) -> None:
        """Begin again with the seed; settings and clock stay. ``today`` defaults to the day of the seed before."""
        before = self.store.value("today")
        chosen = today or (date.fromisoformat(before) if before else datetime.now(UTC).date())
        with self.store.transaction():
            self.store.clear()
            scripts.clear_faults(self.store)
            self.store.set_value("today", str(chosen))
            Seeder(self.store, self.clock, self.books, self.settings, chosen).fill()

    def sync(self, integration_id: str | None = None, models: Sequence[str] = ()) -> Synced:
        """Let Propexo see what the system holds now. ``models`` as in paths (``resident-charges``); empty: all."""
        return run_sync(self.store, self.clock, self.settings, integration_id, models)

    def ledger(self, *states: EntryState) -> list[Entry]:
        """The system's own books, posted and unposted, in order of arrival: the place to look for duplicates.

        With states, only entries in those (``rejected`` and ``deleted`` ones are left out otherwise).
        """
        return self.books.entries(*states)

    def partner_files(self) -> list[PartnerFile]:
        """What waits for approval."""
        return self.books.partner_files()

    def approve(
        self, *, posting_date: date | str | None = None, charge_code_id: str | None = None, **choice: Any
    ) -> int:
        """Post unposted charges, as a person does under *Partner Transactions*; how many.

        Args:
            posting_date: Replaces every ``transaction_date``, as ResMan's posting date does.
            charge_code_id: Re-maps the code.
            choice: Which ones: ``batch_id``, ``reference_number``, ``entry_id``, ``job_id``, ``resident_id``,
                ``property_id``, ``first`` (so many). Nothing: all. Likewise in the other levers.
        """
        day = None if posting_date is None else str(posting_date)
        return self.books.approve(
            Choice(**choice), self.settings, posting_date=day, charge_code_id=charge_code_id
        )

    def reject(self, **choice: Any) -> int:
        """Throw unposted charges away; how many."""
        return self.books.reject(Choice(**choice), self.settings)

    def upstream(self, model: str, record_id: str) -> dict[str, Any]:
        """A record as the system holds it, whether synced or not.

        Raises:
            KeyError: There is none.
        """
        found = self.upstream_or_none(model, record_id)
        if found is None:
            raise KeyError(f"no {model} {record_id}")
        return found

    def upstream_or_none(self, model: str, record_id: str) -> dict[str, Any] | None:
        """The same, or None."""
        row = self.store.row("SELECT body FROM upstream WHERE model = ? AND id = ?", (model, record_id))
        return None if row is None else json.loads(row["body"])

    def all_upstream(self, model: str, **fields: str) -> list[dict[str, Any]]:
        """The model's records whose fields have these values, as the system holds them."""
        where = "".join(f" AND json_extract(body, '$.{name}') = ?" for name in fields)
        rows = self.store.rows(
            f"SELECT body FROM upstream WHERE model = ?{where} ORDER BY id",  # noqa: S608 - names of ours
            [model, *fields.values()],
        )
        return [json.loads(row["body"]) for row in rows]

    def put(self, model: str, record: dict[str, Any]) -> None:
        """Make or replace a record of the system (a lease, a resident, …); the next sync shows it."""
        self.store.change(
            "INSERT OR REPLACE INTO upstream VALUES (?, ?, ?, ?, ?, ?)",
            (
                model,
                record["id"],
                record["integration_id"],
                record["property_id"],
                record.get("transaction_date"),
                json.dumps(record),
            ),
        )

    def alter(self, model: str, record_id: str, **changes: Any) -> None:
        """Change some keys of a record of the system; the next sync shows it.

        Raises:
            KeyError: There is no such record.
        """
        with self.store.transaction():
            self.put(model, {**self.upstream(model, record_id), **changes})

    def remove(self, model: str, record_id: str) -> int:
        """Take a record out of the system; GET keeps showing it, with a stale ``last_seen``."""
        return self.store.change("DELETE FROM upstream WHERE model = ? AND id = ?", (model, record_id))

    def alter_integration(self, integration_id: str = INTEGRATION_ID, **changes: Any) -> None:
        """Change an integration's record: ``active``, ``is_archived``, ``integration_interfaces``, ….

        Raises:
            KeyError: There is none.
        """
        with self.store.transaction():
            row = self.store.row(
                "SELECT body FROM records WHERE model = 'integrations' AND id = ?", (integration_id,)
            )
            if row is None:
                raise KeyError(f"no integration {integration_id}")
            text = json.dumps({**json.loads(row["body"]), **changes})
            self.store.change(
                "UPDATE records SET body = ? WHERE model = 'integrations' AND id = ?", (text, integration_id)
            )

    def copy_integration(self, integration_id: str, new_id: str, ids: Mapping[str, str]) -> None:
        """Make an integration as another one is, with its properties and schedules, under other ids.

        Raises:
            KeyError: There is none.
        """
        kinds = "('integrations', 'integration-properties', 'job-schedules')"
        sql = f"SELECT * FROM records WHERE model IN {kinds} AND integration_id = ?"  # noqa: S608 - names of ours
        rows = self.store.rows(sql, (integration_id,))
        if not rows:
            raise KeyError(f"no integration {integration_id}")
        for row in rows:
            own = new_id if row["model"] == "integrations" else f"{row['id']}-anew"
            made = {
                **dict(row),
                "id": own,
                "integration_id": new_id,
                "property_id": ids.get(row["property_id"], ""),
            }
            made["body"] = json.dumps(renamed(json.loads(row["body"]), ids))
            marks = ", ".join("?" * len(made))
            sql = f"INSERT INTO records ({', '.join(made)}) VALUES ({marks})"  # noqa: S608 - names of ours
            self.store.change(sql, list(made.values()))

    def enable_property(self, property_id: str, *, enabled: bool) -> None:
        """Switch a property on or off for syncs (``integrations/{id}/properties``)."""
        with self.store.transaction():
            off = set(self.store.value("disabled_properties") or [])
            self.store.set_value(
                "disabled_properties", sorted(off - {property_id} if enabled else off | {property_id})
            )
            self.store.change(
                "UPDATE records SET body = json_set(body, '$.enabled', json(?)) WHERE model = 'integration-properties' AND property_id = ?",
                (json.dumps(enabled), property_id),
            )

    def add_faults(self, *faults: Fault | dict[str, Any]) -> None:
        """Append to the script of what goes wrong.

        Raises:
            msgspec.ValidationError: A fault has an unknown key or a wrong value.
        """
        scripts.add_faults(self.store, faults)

    def waiting_faults(self) -> list[Fault]:
        """The faults that have not happened yet."""
        return scripts.waiting_faults(self.store)

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        scripts.clear_faults(self.store)

    def set_chaos(self, chaos: Chaos | None) -> None:
        """Draw faults by a seed, or no more."""
        scripts.set_chaos(self.store, chaos)

    def requests(self, method: str | None = None) -> list[dict[str, Any]]:
        """Every request to ``/v1`` in order: ``at, method, path, query, status, fault`` (status null: no answer)."""
        rows = self.store.rows(
            "SELECT * FROM requests WHERE ? IS NULL OR method = ? ORDER BY seq", (method, method)
        )
        return [dict(row) for row in rows]
