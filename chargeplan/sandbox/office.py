"""What people and the property system itself do to the books, beside what came through Propexo.

They enter and edit by hand, merge people, renew leases, correct units and credit move-outs, and ask nobody. Nothing of
it is seen through Propexo before the next sync.
"""

from __future__ import annotations

import calendar
import copy
import json
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from chargeplan.sandbox.ledger import Choice, Entry, settle
from chargeplan.sandbox.payments import Part, Payer, payment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from chargeplan.sandbox.state import Sandbox


class Office:
    """The people of a property and their property system."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._store = sandbox.store
        self._books = sandbox.books

    # --- charges --------------------------------------------------------------------------------------------------

    def enter(
        self,
        *,
        resident_id: str,
        charge_code_id: str,
        amount_in_cents: int,
        transaction_date: date | str,
        lease_id: str | None = None,
        synced: bool = False,
        **facts: str | None,
    ) -> Entry:
        """A charge, or with a negative amount a credit, by hand; on the ledger at once.

        Args:
            resident_id: Whom.
            charge_code_id: For what: the code's id, or its name in the property.
            amount_in_cents: How much.
            transaction_date: Its calendar date.
            lease_id: On which lease; by default the resident's last.
            synced: Whether GET shows it at once, as if a sync ran at this moment.
            facts: ``description``, ``reference_number`` and ``post_month``.

        Raises:
            KeyError: There is no such resident, lease or code.
        """
        home = self._home(resident_id, lease_id)
        fact = {
            **home,
            **facts,
            "origin": "office",
            "resident_id": resident_id,
            **self._code(home["property_id"], charge_code_id),
            "amount_in_cents": amount_in_cents,
            "transaction_date": str(transaction_date),
        }
        with self._store.transaction():
            entry = self._books.add("posted", [fact], self._sandbox.settings)[0]
            if synced:
                self._sandbox.sync(models=["resident-charges"])
        return entry

    def edit(self, *, keep_reference: bool = True, charge_code_id: str | None = None, **changes: Any) -> int:
        """Change charges, on the ledger or not yet; how many.

        Args:
            keep_reference: Whether the reference number stays; an edit that is a reversal and a new entry loses it.
            charge_code_id: Another code, by id or by name.
            changes: ``amount_in_cents``, ``transaction_date``, ``description``, ``post_month``: what is given becomes so.
                And a choice, as for `Sandbox.approve`.

        Raises:
            KeyError: There is no such code.
        """
        chosen = {name: changes.pop(name) for name in Choice.__struct_fields__ if name in changes}
        if "transaction_date" in changes:
            changes["transaction_date"] = str(changes["transaction_date"])
        if not keep_reference:
            changes["reference_number"] = None
        with self._store.transaction():
            altered = []
            for entry in self._books.chosen(Choice(**chosen)):
                code = self._code(entry.property_id, charge_code_id) if charge_code_id else {}
                altered.append(msgspec.structs.replace(entry, **changes, **code))
            self._books.rewrite(altered, self._sandbox.settings)
        return len(altered)

    def void(self, **choice: Any) -> int:
        """Take posted charges off the ledger; how many."""
        return self._books.void(Choice(**choice), self._sandbox.settings)

    def pay(
        self,
        *,
        resident_id: str,
        amount_in_cents: int,
        transaction_date: date | str,
        charge_id: str | None = None,
    ) -> str:
        """A resident pays: one charge, or what is open, the oldest first; the payment's id.

        Raises:
            KeyError: There is no such resident or charge.
        """
        with self._store.transaction():
            payer = Payer(resident_id=resident_id, **self._home(resident_id, None))
            parts, left = [], amount_in_cents
            for charge in self._open_charges(resident_id, charge_id):
                paid = min(left, charge["amount_open_in_cents"])
                if paid > 0:
                    parts.append(Part(charge_id=charge["id"], amount_in_cents=paid))
                    left -= paid
            number = self._store.reserve("entry")
            day, now = str(transaction_date), self._sandbox.clock.stamp()
            body = payment(
                number=number, payer=payer, day=day, amount_in_cents=amount_in_cents, parts=parts, now=now
            )
            self._sandbox.put("resident-payments", body)
            for part in body["allocations"]:
                self._settle(part)
        return str(body["id"])

    def _settle(self, allocation: dict[str, Any]) -> None:
        charge = self._sandbox.upstream("resident-charges", allocation["resident_charge_id"])
        settle(charge, [*charge["allocations"], allocation])
        self._sandbox.put("resident-charges", charge)

    def _open_charges(self, resident_id: str, charge_id: str | None) -> list[dict[str, Any]]:
        if charge_id is not None:
            return [self._sandbox.upstream("resident-charges", charge_id)]
        found = self._sandbox.all_upstream("resident-charges", resident_id=resident_id)
        return sorted(found, key=lambda charge: (charge["transaction_date"], charge["id"]))

    # --- people ---------------------------------------------------------------------------------------------------

    def merge(self, *, resident_id: str, into: str) -> int:
        """Two records of a person become one; how many charges went along.

        Leases, charges and payments of ``resident_id`` are those of ``into`` afterwards. Where there is no such record
        yet, it is made: a person who was entered anew.

        Raises:
            KeyError: There is no such resident.
        """
        with self._store.transaction():
            gone = self._sandbox.upstream("residents", resident_id)
            kept = self._sandbox.upstream_or_none("residents", into)
            if kept is None:
                kept = {**gone, "id": into, "x_id": f"rm-{into}"}
            else:
                known = {each["lease_id"] for each in kept["leases_meta_data"]}
                more = [each for each in gone["leases_meta_data"] if each["lease_id"] not in known]
                kept["leases_meta_data"] += more
            self._sandbox.put("residents", kept)
            self._sandbox.remove("residents", resident_id)
            for part in gone["leases_meta_data"]:
                self._sandbox.put("leases", self._merged(part["lease_id"], resident_id, into))
            return self._move("resident_id", resident_id, lambda _: {"resident_id": into})

    def _merged(self, lease_id: str, resident_id: str, into: str) -> dict[str, Any]:
        lease = self._sandbox.upstream("leases", lease_id)
        people: dict[str, dict[str, Any]] = {}
        for each in lease["residents_meta_data"]:
            name = into if each["resident_id"] == resident_id else each["resident_id"]
            people.setdefault(name, {**each, "resident_id": name})
        if lease["x_resident_id"] == f"rm-{resident_id}":
            lease["x_resident_id"] = f"rm-{into}"
        return {**lease, "residents_meta_data": list(people.values())}

    def replace_lease(
        self,
        *,
        lease_id: str,
        start_date: date | str,
        end_date: date | str,
        rent_amount_in_cents: int | None = None,
        move_in_date: date | str | None = None,
    ) -> str:
        """The people of a lease sign a new one, and the old one becomes inactive without a move-out; the new one's id.

        Args:
            lease_id: The old one.
            start_date: When the new one begins; a long time after the old one's end, if need be.
            end_date: When it ends.
            rent_amount_in_cents: Its rent; by default the old one's.
            move_in_date: The move-in that it has; by default its beginning.

        Raises:
            KeyError: There is no such lease.
        """
        moved_in = str(move_in_date or start_date)
        with self._store.transaction():
            old = self._sandbox.upstream("leases", lease_id)
            new_id = f"{lease_id}-{self._store.reserve('lease') + 1}"
            rent = old["rent_amount_in_cents"] if rent_amount_in_cents is None else rent_amount_in_cents
            people = [_joined(each, moved_in) for each in old["residents_meta_data"]]
            new = {
                **copy.deepcopy(old),
                "id": new_id, "x_id": f"rm-{new_id}", "residents_meta_data": people, "status": "Current",
                "status_raw": "Current", "status_normalized": "ACTIVE", "start_date": str(start_date), "end_date": str(end_date),
                "rent_amount_in_cents": rent, "realized_move_in_date": moved_in, "scheduled_move_in_date": moved_in,
                "realized_move_out_date": None, "scheduled_move_out_date": None,
            }  # fmt: skip
            self._sandbox.put("leases", new)
            renewed = {"status": "Renewed", "status_raw": "Renewed", "status_normalized": "INACTIVE"}
            self._sandbox.alter("leases", lease_id, **renewed)
            for resident in self._people_of(old):
                (part,) = [each for each in resident["leases_meta_data"] if each["lease_id"] == lease_id][:1]
                resident["leases_meta_data"].append({**_joined(part, moved_in), "lease_id": new_id})
                self._sandbox.put("residents", resident)
        return new_id

    def move_out(self, *, lease_id: str, day: date | str, credit: bool = False) -> int:
        """A household has moved out; how many credits the property system made of it by itself.

        Args:
            lease_id: Their lease.
            day: The last day.
            credit: Whether the days after it that are billed are credited, code by code, dated that day.

        Raises:
            KeyError: There is no such lease.
        """
        last = date.fromisoformat(str(day))
        with self._store.transaction():
            lease = self._sandbox.upstream("leases", lease_id)
            for resident in self._people_of(lease):
                for each in resident["leases_meta_data"]:
                    if each["lease_id"] == lease_id:
                        each["move_out_date"] = str(last)
                self._sandbox.put("residents", resident)
            for each in lease["residents_meta_data"]:
                each["move_out_date"] = str(last)
            former = {"status": "Former", "status_raw": "Former", "status_normalized": "INACTIVE"}
            dates = {"realized_move_out_date": str(last), "scheduled_move_out_date": str(last)}
            self._sandbox.put("leases", {**lease, **former, **dates})
            self._sandbox.alter("units", lease["unit_id"], is_vacant=True, is_available=True)
            credits_ = list(self._credits(lease_id, last)) if credit else []
            self._books.add("posted", credits_, self._sandbox.settings)
        return len(credits_)

    def _credits(self, lease_id: str, last: date) -> Iterator[dict[str, Any]]:
        """Of each code that is billed for days after the last one, those days' part of each month."""
        billed: dict[tuple[str, str, str], tuple[Entry, int]] = {}
        for entry in self._books.of("lease_id", lease_id):
            month = entry.post_month or entry.transaction_date[:7]
            if entry.state == "posted" and month >= str(last)[:7]:
                key = (month, entry.charge_code_id or "", entry.resident_id or "")
                first, cents = billed.get(key, (entry, 0))
                billed[key] = first, cents + entry.amount_in_cents
        for (month, code, resident_id), (entry, cents) in billed.items():
            year, number = int(month[:4]), int(month[5:])
            days = calendar.monthrange(year, number)[1]
            after = days if month > str(last)[:7] else days - last.day
            if credit := -((cents * after * 2 + days) // (days * 2)):
                yield {
                    "origin": "office", "integration_id": entry.integration_id, "property_id": entry.property_id,
                    "resident_id": resident_id, "lease_id": lease_id, "unit_id": entry.unit_id, "charge_code_id": code,
                    "amount_in_cents": credit, "transaction_date": str(last), "post_month": month,
                    "description": f"Move-out credit {month}",
                }  # fmt: skip

    # --- units ----------------------------------------------------------------------------------------------------

    def correct_unit(self, *, lease_id: str, unit_id: str) -> int:
        """A lease was entered for the wrong unit, and now has the right one; how many charges went along.

        Raises:
            KeyError: There is no such lease or unit.
        """
        with self._store.transaction():
            lease = self._sandbox.upstream("leases", lease_id)
            unit = self._sandbox.upstream("units", unit_id)
            for name, vacant in ((lease["unit_id"], True), (unit_id, False)):
                self._sandbox.alter("units", name, is_vacant=vacant, is_available=vacant)
            place = {"unit_id": unit_id, "x_unit_id": f"rm-{unit_id}", "unit_number": unit["number"]}
            self._sandbox.put("leases", {**lease, **place})
            return self._move("lease_id", lease_id, lambda _: {"unit_id": unit_id})

    def move_unit(self, *, unit_id: str, property_id: str) -> int:
        """A unit belongs to another property, with its leases, people and ledgers; how many charges went along.

        Its charges have the codes of the same names there.

        Raises:
            KeyError: There is no such unit or property, or the property lacks a code.
        """
        with self._store.transaction():
            self._sandbox.upstream("properties", property_id)
            there = {"property_id": property_id, "x_property_id": f"rm-{property_id}"}
            self._sandbox.alter("units", unit_id, **there)
            for lease in self._sandbox.all_upstream("leases", unit_id=unit_id):
                self._sandbox.put("leases", {**lease, **there})
                for resident in self._people_of(lease):
                    self._sandbox.put("residents", {**resident, **there})
            names = {each["id"]: each["name"] for each in self._sandbox.all_upstream("charge-codes")}

            def moved(code: str | None) -> dict[str, str]:
                return {"property_id": property_id} | (self._code(property_id, names[code]) if code else {})

            return self._move("unit_id", unit_id, moved)

    # --- Propexo's customer ---------------------------------------------------------------------------------------

    def reconnect(self, *, integration_id: str, new_id: str) -> None:
        """The integration is set up anew at Propexo: the same property system under another id, and every record likewise.

        What Propexo showed under the old ids stays readable and is never seen again; the old integration is archived.

        Raises:
            KeyError: There is no such integration.
        """
        with self._store.transaction():
            rows = self._store.rows("SELECT * FROM upstream WHERE integration_id = ?", (integration_id,))
            ids = {row["id"]: f"{row['id']}-anew" for row in rows} | {integration_id: new_id}
            self._store.change("DELETE FROM upstream WHERE integration_id = ?", (integration_id,))
            for row in rows:
                self._sandbox.put(row["model"], renamed(json.loads(row["body"]) | {"id": row["id"]}, ids))
            entries = self._books.of("integration_id", integration_id)
            anew = [msgspec.convert(renamed(msgspec.to_builtins(each), ids), Entry) for each in entries]
            self._books.replace(anew)
            self._sandbox.copy_integration(integration_id, new_id, ids)
            self._sandbox.alter_integration(integration_id, active=False, is_archived=True)

    # --- helpers --------------------------------------------------------------------------------------------------

    def _home(self, resident_id: str, lease_id: str | None) -> dict[str, Any]:
        """Where a resident's charge stands: on the lease, else on their last."""
        resident = self._sandbox.upstream("residents", resident_id)
        leases = [meta["lease_id"] for meta in resident["leases_meta_data"]]
        chosen = lease_id or (leases[-1] if leases else None)
        return {
            "integration_id": resident["integration_id"],
            "property_id": resident["property_id"],
            "lease_id": chosen,
            "unit_id": self._sandbox.upstream("leases", chosen)["unit_id"] if chosen else None,
        }

    def _code(self, property_id: str, code: str) -> dict[str, str]:
        """What a charge of the property is for, by id or by name: a charge code, else a financial account."""
        for model, column in (
            ("charge-codes", "charge_code_id"),
            ("financial-accounts", "financial_account_id"),
        ):
            for each in self._sandbox.all_upstream(model, property_id=property_id):
                if code in (each["id"], each["name"]):
                    return {column: str(each["id"])}
        raise KeyError(f"no charge code {code} in {property_id}")

    def _people_of(self, lease: dict[str, Any]) -> list[dict[str, Any]]:
        names = [each["resident_id"] for each in lease["residents_meta_data"]]
        return [self._sandbox.upstream("residents", name) for name in names]

    def _move(self, column: str, value: str, change: Callable[[str | None], dict[str, str]]) -> int:
        """Change the charges, and likewise the payments, whose column has that value; how many charges."""
        moved = [
            msgspec.structs.replace(each, **change(each.charge_code_id))
            for each in self._books.of(column, value)
        ]
        self._books.rewrite(moved, self._sandbox.settings)
        for body in self._sandbox.all_upstream("resident-payments", **{column: value}):
            changes = change(body["charge_code_id"])
            foreign = {f"x_{name}": f"rm-{text}" for name, text in changes.items()}
            self._sandbox.put("resident-payments", {**body, **changes, **foreign})
        return len(moved)


def renamed(value: Any, ids: Mapping[str, str]) -> Any:
    """The value with other ids in place of those named; the property system's own (``x_…``) stay."""
    if isinstance(value, dict):
        return {key: part if key.startswith("x_") else renamed(part, ids) for key, part in value.items()}
    if isinstance(value, list):
        return [renamed(part, ids) for part in value]
    return ids.get(value, value) if isinstance(value, str) else value


def _joined(part: dict[str, Any], moved_in: str) -> dict[str, Any]:
    return {**part, "move_in_date": moved_in, "move_out_date": None, "notice_date": None}
