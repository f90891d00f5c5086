"""The residents' ledger, and the partner files that wait for a person to post them.

On ResMan a charge from outside arrives in a partner file; somebody opens it, enters a posting date (which becomes
the charge's date), may re-map its code, and posts it (``propexo-api.md`` 9, *Partner Transactions workflow*). Nothing
here looks for duplicates: what is asked for twice is billed twice.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from chargeplan.sandbox import records
from chargeplan.sandbox.systems import system_named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chargeplan.sandbox.settings import Settings
    from chargeplan.sandbox.store import Store
    from chargeplan.sandbox.systems import Behaviour

EntryState = Literal["unposted", "posted", "rejected", "deleted"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One charge in the system's own books, whether Propexo has seen it yet or not."""

    seq: int
    """The order of arrival."""
    id: str
    """The id that the charge has in GET answers once it is synced."""
    state: EntryState
    """``unposted``: in a partner file; ``posted``: on the ledger; the others are gone and kept here for tests."""
    origin: Literal["api", "office", "seed"]
    """Who made it: a POST, a person in the office, or the seed."""
    integration_id: str
    property_id: str
    batch_id: str | None = None
    job_id: str | None = None
    resident_id: str | None = None
    lease_id: str | None = None
    unit_id: str | None = None
    charge_code_id: str | None = None
    financial_account_id: str | None = None
    amount_in_cents: int
    transaction_date: str
    """The calendar date that it has now."""
    sent_date: str | None = None
    """The ``transaction_date`` as it was sent."""
    description: str | None = None
    notes: str | None = None
    reference_number: str | None = None
    post_month: str | None = None
    """The month that it counts for, ``YYYY-MM``; without one, that of its date."""


class PartnerFile(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator sees in the list of unposted files: one line for each batch id and property."""

    batch_id: str
    property_id: str
    count: int
    amount_in_cents: int


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries a lever takes: those that fit all that is set."""

    batch_id: str | None = None
    reference_number: str | None = None
    entry_id: str | None = None
    job_id: str | None = None
    resident_id: str | None = None
    property_id: str | None = None
    first: int | None = None
    """Of those, only the first so many."""

    def where(self) -> tuple[str, list[object]]:
        """The condition and its parameters."""
        named = {
            "id" if name == "entry_id" else name: getattr(self, name)
            for name in self.__struct_fields__
            if name != "first"
        }
        chosen = {name: value for name, value in named.items() if value is not None}
        return "".join(f" AND {name} = ?" for name in chosen), list(chosen.values())


_COLUMNS = Entry.__struct_fields__
_LINKS = ("resident_id", "lease_id", "unit_id", "charge_code_id", "financial_account_id")


class Ledger:
    """The books of all integrations of a sandbox."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def entries(self, *states: EntryState) -> list[Entry]:
        """All entries in order of arrival; with states, only those."""
        return self._chosen(Choice(), states or ("unposted", "posted"))

    def partner_files(self) -> list[PartnerFile]:
        """The unposted files, oldest first."""
        rows = self._store.rows(
            "SELECT batch_id, property_id, COUNT(*) AS count, SUM(amount_in_cents) AS amount_in_cents FROM entries"
            " WHERE state = 'unposted' GROUP BY batch_id, property_id ORDER BY MIN(seq)"
        )
        return [PartnerFile(**dict(row)) for row in rows]

    def add(
        self, state: Literal["unposted", "posted"], facts: Sequence[dict[str, Any]], settings: Settings
    ) -> list[Entry]:
        """Enter charges, as they are, without a look at what is there already."""
        with self._store.transaction():
            first = self._store.reserve("entry", len(facts))
            added = [_numbered(number, state, fact) for number, fact in enumerate(facts, first)]
            self._store.change_many(
                f"INSERT INTO entries ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})",  # noqa: S608
                [[getattr(entry, name) for name in _COLUMNS] for entry in added],
            )
            self._publish([entry for entry in added if entry.state == "posted"], settings)
        return added

    def approve(
        self,
        choice: Choice,
        settings: Settings,
        *,
        posting_date: str | None = None,
        charge_code_id: str | None = None,
    ) -> int:
        """Post unposted entries, under another date or code where the operator enters one; how many."""
        entered = {"transaction_date": posting_date, "charge_code_id": charge_code_id}
        changes = {name: value for name, value in entered.items() if value is not None}
        return self._alter(choice, ("unposted",), {**changes, "state": "posted"}, settings)

    def reject(self, choice: Choice, settings: Settings) -> int:
        """Throw unposted entries away; they never reach the ledger."""
        return self._alter(choice, ("unposted",), {"state": "rejected"}, settings)

    def void(self, choice: Choice, settings: Settings) -> int:
        """Take posted entries off the ledger. Propexo keeps showing what it saw, with a stale ``last_seen``."""
        return self._alter(choice, ("posted",), {"state": "deleted"}, settings)

    def chosen(self, choice: Choice) -> list[Entry]:
        """The entries that fit a choice, posted or not."""
        return self._chosen(choice, ("posted", "unposted"))

    def of(self, column: str, value: str) -> list[Entry]:
        """The entries, posted or not, whose column has that value."""
        return [each for each in self.entries() if getattr(each, column) == value]

    def rewrite(self, entries: Sequence[Entry], settings: Settings) -> None:
        """Replace entries by what they are now; what is posted is shown by the next sync."""
        with self._store.transaction():
            self.replace(entries)
            self._publish([entry for entry in entries if entry.state == "posted"], settings)
            self._store.change_many(
                "DELETE FROM upstream WHERE model = 'resident-charges' AND id = ?",
                [[entry.id] for entry in entries if entry.state in ("deleted", "rejected")],
            )

    def replace(self, entries: Sequence[Entry]) -> None:
        """Replace entries, and leave what the next sync shows of them as it is."""
        setting = ", ".join(f"{name} = ?" for name in _COLUMNS)
        self._store.change_many(
            f"UPDATE entries SET {setting} WHERE seq = ?",  # noqa: S608 - names of ours
            [[*(getattr(entry, name) for name in _COLUMNS), entry.seq] for entry in entries],
        )

    def _chosen(self, choice: Choice, states: Sequence[EntryState]) -> list[Entry]:
        where, values = choice.where()
        marks = ", ".join("?" * len(states))
        sql = f"SELECT {', '.join(_COLUMNS)} FROM entries WHERE state IN ({marks}){where} ORDER BY seq"  # noqa: S608
        found = [Entry(**dict(row)) for row in self._store.rows(sql, [*states, *values])]
        return found if choice.first is None else found[: choice.first]

    def _alter(
        self, choice: Choice, states: Sequence[EntryState], changes: Mapping[str, object], settings: Settings
    ) -> int:
        with self._store.transaction():
            altered = [msgspec.structs.replace(entry, **changes) for entry in self._chosen(choice, states)]
            self.rewrite(altered, settings)
        return len(altered)

    def _publish(self, entries: Sequence[Entry], settings: Settings) -> None:
        """Let the next sync see posted entries as they are now; what payments have settled of them stays."""
        if not entries:
            return
        names, systems = self._code_names(), self._systems(settings)
        self._store.change_many(
            "INSERT OR REPLACE INTO upstream VALUES ('resident-charges', ?, ?, ?, ?, ?)",
            [
                [
                    entry.id,
                    entry.integration_id,
                    entry.property_id,
                    entry.transaction_date,
                    self._text(entry, names, systems[entry.integration_id]),
                ]
                for entry in entries
            ],
        )

    def _code_names(self) -> dict[str, str]:
        sql = "SELECT id, json_extract(body, '$.name') AS name FROM upstream WHERE model IN ('charge-codes', 'financial-accounts')"
        return {row["id"]: row["name"] for row in self._store.rows(sql)}

    def _systems(self, settings: Settings) -> dict[str, tuple[str, Behaviour]]:
        """The system of each integration, and how it behaves."""
        sql = "SELECT id, json_extract(body, '$.vendor') AS vendor FROM records WHERE model = 'integrations'"
        return {
            row["id"]: (row["vendor"], settings.behaviour(row["id"], system_named(row["vendor"])))
            for row in self._store.rows(sql)
        }

    def _text(self, entry: Entry, names: dict[str, str], system: tuple[str, Behaviour]) -> str:
        name = names.get(entry.charge_code_id or entry.financial_account_id or "")
        body = charge_body(entry, name, *system)
        before = self._store.row(
            "SELECT body FROM upstream WHERE model = 'resident-charges' AND id = ?", (entry.id,)
        )
        if before is not None:
            settle(body, json.loads(before["body"])["allocations"])
        return json.dumps(body)


def settle(body: dict[str, Any], allocations: list[dict[str, Any]]) -> None:
    """Write into a charge's record what payments have paid of it."""
    paid = sum(int(allocation["amount_in_cents"]) for allocation in allocations)
    still_open = body["amount_in_cents"] - paid
    body.update(
        allocations=allocations,
        amount_paid_in_cents=paid,
        amount_paid_raw=records.dollars(paid),
        amount_open_in_cents=still_open,
        amount_open_raw=records.dollars(still_open),
        is_open=still_open != 0,
    )


def charge_body(entry: Entry, code_name: str | None, vendor: str, behaviour: Behaviour) -> dict[str, Any]:
    """The charge as Propexo shows it. ``notes`` and ``batch_id`` have no place there (``propexo-api.md`` 6.1)."""
    raw = records.dollars(entry.amount_in_cents)
    ours = entry.origin != "api"
    description = entry.description if ours or behaviour.keeps_descriptions else None
    if description is not None and not ours:
        description = description[: behaviour.cuts_descriptions_at]
    links = {name: None if name in (behaviour.nulls or ()) else getattr(entry, name) for name in _LINKS}
    return records.row(
        "resident-charges",
        id=entry.id,
        x_id=f"rm-{entry.id}",
        x_property_id=f"rm-{entry.property_id}",
        x_lease_id=_foreign(links["lease_id"]),
        x_resident_id=_foreign(links["resident_id"]),
        x_unit_id=_foreign(links["unit_id"]),
        x_charge_code_id=_foreign(links["charge_code_id"]),
        x_gl_account_id=_foreign(links["financial_account_id"]),
        amount_in_cents=entry.amount_in_cents,
        amount_raw=raw,
        amount_open_in_cents=entry.amount_in_cents,
        amount_open_raw=raw,
        amount_paid_in_cents=0,
        amount_paid_raw="0.00",
        due_date=entry.transaction_date,
        name=code_name,
        description=description,
        reference_number=entry.reference_number if ours or behaviour.keeps_references else None,
        transaction_date=entry.transaction_date,
        transaction_source="Charge",
        is_open=True,
        post_month=entry.post_month or entry.transaction_date[:7],
        integration_id=entry.integration_id,
        integration_vendor=vendor,
        property_id=entry.property_id,
        **links,
    )


def _numbered(number: int, state: EntryState, fact: dict[str, Any]) -> Entry:
    return Entry(seq=number, id=f"clcharge{number:017d}", state=state, **fact)


def _foreign(own: str | None) -> str | None:
    return None if own is None else f"rm-{own}"
