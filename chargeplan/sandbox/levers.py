"""The levers: what the other side can be made to do, each with its keys, by name.

A lever is pulled over HTTP (``lever_routes``), by a fault in the middle of a request (``faults``), and from the command
line (``chargeplan sandbox pull``); all of them come through ``pull``, so that they take the same keys.
"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import UNSET, UnsetType

from chargeplan.sandbox.clock import parse_moment
from chargeplan.sandbox.faults import Chaos, Fault
from chargeplan.sandbox.ledger import Choice
from chargeplan.sandbox.seed_facts import INTEGRATION_ID
from chargeplan.sandbox.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chargeplan.sandbox.state import Sandbox


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a lever."""

    name: str
    required: bool


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A lever as it is listed."""

    name: str
    does: str
    keys: tuple[Key, ...]


class _Lever(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all levers have in common: their keys are checked."""

    def pull(self, sandbox: Sandbox) -> Any:
        """Do it; the answer is what JSON can hold, or structs."""
        return self._pull(sandbox)

    def _pull(self, sandbox: Sandbox) -> Any:
        raise NotImplementedError

    def given(self, *but: str) -> dict[str, Any]:
        """The keys that were given, without those that a choice has and those named."""
        left_out = {*Choice.__struct_fields__, *but}
        found = msgspec.structs.asdict(self)
        return {
            name: value
            for name, value in found.items()
            if name not in left_out and value not in (None, UNSET)
        }


class _Chosen(_Lever, frozen=True, kw_only=True):
    """A lever for the charges that fit all that is set; with nothing set, for all."""

    batch_id: str | None = None
    reference_number: str | None = None
    entry_id: str | None = None
    job_id: str | None = None
    resident_id: str | None = None
    property_id: str | None = None
    first: int | None = None

    @property
    def choice(self) -> dict[str, Any]:
        """Which charges."""
        return {name: getattr(self, name) for name in Choice.__struct_fields__}


# --- Propexo and the property's own books -----------------------------------------------------------------------------


class Sync(_Lever, frozen=True, kw_only=True):
    """Let Propexo see what the property system holds."""

    integration_id: str | None = None
    models: list[str] = []

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.sync(self.integration_id, self.models)


class Approve(_Chosen, frozen=True, kw_only=True):
    """Post charges that wait for approval, under another date or code where one is given."""

    posting_date: date | None = None
    charge_code_id: str | None = None

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.approve(**self.given(), **self.choice)


class Reject(_Chosen, frozen=True, kw_only=True):
    """Throw charges away that wait for approval."""

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.reject(**self.choice)


# --- the office -------------------------------------------------------------------------------------------------------


class Enter(_Lever, frozen=True, kw_only=True):
    """Enter a charge by hand, or with a negative amount a credit; the code by id or name."""

    resident_id: str
    charge_code_id: str
    amount_in_cents: int
    transaction_date: date
    lease_id: str | None = None
    description: str | None = None
    reference_number: str | None = None
    post_month: str | None = None
    synced: bool = False

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.office.enter(**msgspec.structs.asdict(self))


class Edit(_Chosen, frozen=True, kw_only=True):
    """Change charges: what is given becomes so."""

    amount_in_cents: int | None = None
    transaction_date: date | None = None
    charge_code_id: str | None = None
    description: str | None = None
    post_month: str | None = None
    keep_reference: bool = True

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.office.edit(**self.given(), **self.choice)


class Redate(_Chosen, frozen=True, kw_only=True):
    """Give charges another date."""

    day: date

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.office.edit(transaction_date=self.day, **self.choice)


class Void(_Chosen, frozen=True, kw_only=True):
    """Take charges off the ledger."""

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.office.void(**self.choice)


class Pay(_Lever, frozen=True, kw_only=True):
    """Let a resident pay one charge, or what is open, the oldest first."""

    resident_id: str
    amount_in_cents: int
    transaction_date: date
    charge_id: str | None = None

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.office.pay(**msgspec.structs.asdict(self))


class Merge(_Lever, frozen=True, kw_only=True):
    """Merge a person's record into another, or into a new one."""

    resident_id: str
    into: str

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.office.merge(resident_id=self.resident_id, into=self.into)


class ReplaceLease(_Lever, frozen=True, kw_only=True):
    """Sign a new lease for the people of an old one, which becomes inactive."""

    lease_id: str
    start_date: date
    end_date: date
    rent_amount_in_cents: int | None = None
    move_in_date: date | None = None

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.office.replace_lease(**msgspec.structs.asdict(self))


class MoveOut(_Lever, frozen=True, kw_only=True):
    """Move a household out; with `credit=true` the property system credits the days after it by itself."""

    lease_id: str
    day: date
    credit: bool = False

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.office.move_out(**msgspec.structs.asdict(self))


class CorrectUnit(_Lever, frozen=True, kw_only=True):
    """Correct the unit that a lease was entered for."""

    lease_id: str
    unit_id: str

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.office.correct_unit(**msgspec.structs.asdict(self))


class MoveUnit(_Lever, frozen=True, kw_only=True):
    """Move a unit to another property, with its leases, people and ledgers."""

    unit_id: str
    property_id: str

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.office.move_unit(**msgspec.structs.asdict(self))


class Reconnect(_Lever, frozen=True, kw_only=True):
    """Set an integration up anew at Propexo: the same property system, with another id for every record."""

    new_id: str
    integration_id: str = INTEGRATION_ID

    def _pull(self, sandbox: Sandbox) -> Any:
        sandbox.office.reconnect(**msgspec.structs.asdict(self))


# --- records and settings ---------------------------------------------------------------------------------------------


class Put(_Lever, frozen=True, kw_only=True):
    """Make or replace a record of the property system."""

    model: str
    record: dict[str, Any]

    def _pull(self, sandbox: Sandbox) -> Any:
        sandbox.put(self.model, self.record)


class Alter(_Lever, frozen=True, kw_only=True):
    """Change keys of a record of the property system."""

    model: str
    record_id: str
    changes: dict[str, Any]

    def _pull(self, sandbox: Sandbox) -> Any:
        sandbox.alter(self.model, self.record_id, **self.changes)


class Remove(_Lever, frozen=True, kw_only=True):
    """Take a record out of the property system."""

    model: str
    record_id: str

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.remove(self.model, self.record_id)


class Integration(_Lever, frozen=True, kw_only=True):
    """Change keys of an integration's record, such as `active`."""

    changes: dict[str, Any]
    integration_id: str = INTEGRATION_ID

    def _pull(self, sandbox: Sandbox) -> Any:
        sandbox.alter_integration(self.integration_id, **self.changes)


class Property(_Lever, frozen=True, kw_only=True):
    """Switch a property on or off for syncs."""

    property_id: str
    enabled: bool

    def _pull(self, sandbox: Sandbox) -> Any:
        sandbox.enable_property(self.property_id, enabled=self.enabled)


class _Configure(_Lever, frozen=True, kw_only=True):
    """Change settings, and see them."""

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.configure(**self.given())


class Reset(_Lever, frozen=True, kw_only=True):
    """Begin anew with the seed, laid around a day."""

    today: date | None = None

    def _pull(self, sandbox: Sandbox) -> Any:
        sandbox.reset(self.today)


# --- what goes wrong --------------------------------------------------------------------------------------------------


class _Fail(_Lever, frozen=True, kw_only=True):
    """Let the next fitting request go wrong: `status=500`, `drop=after`, `job=FAILURE` and so on."""

    def _pull(self, sandbox: Sandbox) -> Any:
        sandbox.add_faults(self.given())
        return sandbox.waiting_faults()


class Faults(_Lever, frozen=True, kw_only=True):
    """Several faults at once, none any more, or those that a seed draws; and those that wait."""

    add: list[Fault] = []
    clear: bool = False
    chaos: Chaos | None = None

    def _pull(self, sandbox: Sandbox) -> Any:
        if self.clear:
            sandbox.clear_faults()
        sandbox.add_faults(*self.add)
        if self.chaos is not None:
            sandbox.set_chaos(self.chaos)
        return sandbox.waiting_faults()


class Time(_Lever, frozen=True, kw_only=True):
    """Stop the sandbox's clock, move it by seconds, or let it run."""

    stop_at: str | None = None
    advance: float = 0.0
    run: bool = False

    def _pull(self, sandbox: Sandbox) -> Any:
        if self.run:
            sandbox.clock.stop_at(None)
        if self.stop_at is not None:
            sandbox.clock.stop_at(parse_moment(self.stop_at))
        sandbox.clock.advance(self.advance)
        return sandbox.clock.stamp()


class WriteJobs(_Lever, frozen=True, kw_only=True):
    """End write jobs that are pending, and show log entries that are hidden."""

    finish: bool = False
    show_logs: bool = False

    def _pull(self, sandbox: Sandbox) -> Any:
        return {
            "finished": sandbox.jobs.finish() if self.finish else 0,
            "shown": sandbox.jobs.show_logs() if self.show_logs else 0,
        }


# --- what can be seen -------------------------------------------------------------------------------------------------


class Books(_Lever, frozen=True, kw_only=True):
    """Show the property system's own books, with what waits for approval and what is gone."""

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.ledger("unposted", "posted", "rejected", "deleted")


class Files(_Lever, frozen=True, kw_only=True):
    """Show the partner files that wait for approval."""

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.partner_files()


class Requests(_Lever, frozen=True, kw_only=True):
    """Show every request that came."""

    def _pull(self, sandbox: Sandbox) -> Any:
        return sandbox.requests()


def _with_keys_of(source: type[msgspec.Struct], lever: type[_Lever]) -> type[_Lever]:
    """A lever that takes whatever another struct has, and passes on what is given."""
    keys = [(each.name, each.type | UnsetType, UNSET) for each in msgspec.structs.fields(source)]
    made = msgspec.defstruct(lever.__name__, keys, bases=(lever,), frozen=True, kw_only=True)
    made.__doc__ = lever.__doc__
    return cast("type[_Lever]", made)


LEVERS: Mapping[str, type[_Lever]] = {
    "sync": Sync, "approve": Approve, "reject": Reject,
    "enter": Enter, "edit": Edit, "redate": Redate, "void": Void, "pay": Pay, "merge": Merge, "replace-lease": ReplaceLease,
    "move-out": MoveOut, "correct-unit": CorrectUnit, "move-unit": MoveUnit, "reconnect": Reconnect,
    "fail": _with_keys_of(Fault, _Fail), "faults": Faults, "jobs": WriteJobs, "clock": Time,
    "put": Put, "alter": Alter, "remove": Remove, "integration": Integration, "property": Property, "settings": _with_keys_of(Settings, _Configure),
    "reset": Reset, "ledger": Books, "files": Files, "requests": Requests,
}  # fmt: skip
"""Every lever by its name."""
VIEWS = frozenset({"ledger", "files", "faults", "settings", "requests", "clock"})
"""Those that only show something when they are pulled without keys."""


def pull(sandbox: Sandbox, name: str, arguments: Mapping[str, Any]) -> Any:
    """Pull a lever by its name, with arguments as JSON has them; the answer likewise.

    Raises:
        KeyError: There is no such lever, or what an argument names does not exist.
        ValueError: An argument is missing or unknown, or has a wrong value.
    """
    lever = msgspec.convert(dict(arguments), _named(name))
    return msgspec.to_builtins(lever.pull(sandbox))


def typed(name: str, words: Mapping[str, str]) -> dict[str, Any]:
    """What somebody typed for a lever's keys, as its arguments: text, numbers, `true`, dates; lists and objects as JSON.

    Raises:
        KeyError: There is no such lever.
        ValueError: An argument is missing or unknown, or has a wrong value.
    """
    read = {key: _json_or_text(word) for key, word in words.items()}
    arguments: dict[str, Any] = msgspec.to_builtins(msgspec.convert(read, _named(name), strict=False))
    return {key: value for key, value in arguments.items() if key in words}


def _json_or_text(word: str) -> Any:
    if not word.startswith(("[", "{")):
        return word
    try:
        return json.loads(word)
    except ValueError:
        return word


def _named(name: str) -> type[_Lever]:
    if name not in LEVERS:
        raise KeyError(f"there is no lever {name}; there is {', '.join(LEVERS)}")
    return LEVERS[name]


def describe() -> tuple[Described, ...]:
    """The levers in order, each with its keys."""
    return tuple(_described(name, lever) for name, lever in LEVERS.items())


def _described(name: str, lever: type[_Lever]) -> Described:
    keys = (
        Key(name=each.name, required=each.required)
        for each in sorted(msgspec.structs.fields(lever), key=lambda field: not field.required)
    )
    return Described(name=name, does=(lever.__doc__ or "").strip(), keys=tuple(keys))
