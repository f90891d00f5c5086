"""What can be set in a sandbox. Every default is what the documents say, or the hostile choice where they are silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from chargeplan.sandbox.systems import Behaviour, System

if TYPE_CHECKING:
    from chargeplan.sandbox.store import Store


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How this Propexo behaves until told otherwise."""

    token: str | None = None
    """The only bearer token that is let in; ``None`` lets any non-empty one in."""
    requests_per_minute: int = 150
    """The contract's limit; a calendar minute of the sandbox's clock (*rate-limiting* guide)."""
    slow_from: float = 0.8
    """The part of the limit from which every answer is delayed."""
    slow_seconds: float = 2.0
    """How long such an answer is delayed, in seconds of the wall clock."""
    retry_after: bool = False
    """Whether a 429 says ``Retry-After``. The guide documents no such header."""
    pending_polls: int = 1
    """How many status reads of a write job answer PENDING."""
    pending_milliseconds: int = 0
    """How long a write job is PENDING at least, by the sandbox's clock."""
    approval: bool = True
    """Whether written charges wait in a partner file until a person posts them (ResMan), or post at once."""
    keeps_references: bool = True
    """Whether ``reference_number`` survives the way to the ledger and back; undocumented for ResMan."""
    keeps_descriptions: bool = True
    """Whether ``description`` survives it."""
    accepts_credits: bool = True
    """Whether a negative amount is accepted; ``False`` answers 400. Undocumented for ResMan."""
    knows_updated_at: bool = True
    """Whether lists know the ``updated_at_*`` and ``last_seen_*`` filters; the older API answers 400."""
    tells_time: bool = True
    """Whether answers have a ``Date``, by the sandbox's clock. The pages show no headers; nearly every server sends it."""
    manual_sync: bool = True
    """Whether ``manual-sync`` has finished when it answers; ``False``: it answers success, and the lever syncs."""
    look_back_days: int | None = None
    """How far back a sync sees charges and payments, by transaction date; ``None``: all."""
    max_charges: int | None = None
    """The most items in a batch; more answer 413. Undocumented; ``None``: no limit."""
    max_length: dict[str, int] = {}
    """The most characters of an item's text fields, by field; longer answer 400. Undocumented."""
    systems: dict[str, Behaviour] = {}
    """What single integrations do otherwise than their system does by itself, by integration id."""

    def behaviour(self, integration_id: str, system: System) -> Behaviour:
        """How the system of an integration behaves, all told."""
        own = self.systems.get(integration_id, Behaviour())
        itself = Behaviour(
            keeps_references=self.keeps_references,
            keeps_descriptions=self.keeps_descriptions,
            approval=system.approval and self.approval,
            nulls=system.nulls,
            open_items_only=system.open_items_only,
            log_parameters="whole",
            wrong_ids=False,
        )
        given = {
            name: value for name in Behaviour.__struct_fields__ if (value := getattr(own, name)) is not None
        }
        return msgspec.structs.replace(itself, **given)


def load_settings(store: Store) -> Settings:
    """The settings in the state file, with the defaults where it says nothing."""
    return msgspec.convert(store.value("settings") or {}, Settings)


def change_settings(store: Store, changes: dict[str, object]) -> Settings:
    """Set some and keep the rest; of `systems`, those integrations that are named.

    Raises:
        msgspec.ValidationError: A name is unknown or a value has the wrong type.
    """
    with store.transaction():
        before = store.value("settings") or {}
        if isinstance(named := changes.get("systems"), dict):
            changes = {**changes, "systems": {**before.get("systems", {}), **named}}
        merged = msgspec.convert({**before, **changes}, Settings)
        store.set_value("settings", msgspec.to_builtins(merged))
    return merged
