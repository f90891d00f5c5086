"""An entry of ``integrations`` in ``chargeplan.yaml``: what its property system can do limits what may be said of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

from chargeplan.core.config import IntegrationConfig
from chargeplan.loading.check import Fields, Reader, Spot, choice, integer, text

if TYPE_CHECKING:
    from chargeplan.core.system import ReferenceIn, System

Systems = Callable[[str], "System"]
"""What is known of a property system, by Propexo's name for it."""
DEFAULT_VENDOR = "RESMAN"
INTEGRATION_KEYS = (
    "id", "vendor", "credits", "date_tolerance", "visible_within", "max_length", "send", "reference_in", "absence",
    "transaction_batch_id",
)  # fmt: skip


def reader_of(systems: Systems) -> Reader[IntegrationConfig]:
    """A reader of integrations, which knows what their systems can do."""
    return partial(_integration, systems=systems)


def _integration(spot: Spot, /, *, systems: Systems) -> IntegrationConfig | None:
    fields = Fields.open(spot, INTEGRATION_KEYS)
    if fields is None:
        return None
    propexo_id = fields.required("id", text)
    system = systems(fields.optional("vendor", _vendor, DEFAULT_VENDOR))
    own = _Own(system)
    description, notes = fields.optional(
        "max_length", own.lengths, (system.max_description, system.max_notes)
    )
    config = IntegrationConfig(
        alias=spot.label.strip("`"),
        id=propexo_id or "",
        place=spot.key,
        system=system,
        posts_credits=fields.optional("credits", own.credits, False),
        date_tolerance=fields.optional("date_tolerance", integer(0, 60, "a number of days from 0 to 60"), 0),
        visible_within=fields.optional(
            "visible_within", integer(1, 365, "a number of days from 1 to 365"), 10
        ),
        max_description=description,
        max_notes=notes,
        send=fields.optional("send", own.send, None),
        reference_in=fields.optional("reference_in", own.reference_in, None),
        absence_proves=fields.optional("absence", own.absence, False),
        transaction_batch_id=fields.optional("transaction_batch_id", own.transaction_batch, ""),
    )
    return None if propexo_id is None else config


class _Own:
    """Readers of what depends on the property system."""

    def __init__(self, system: System) -> None:
        self.system = system

    def credits(self, spot: Spot) -> bool | None:
        word = choice("hold", "post")(spot)
        if word == "post" and self.system.credits == "none":
            spot.error(
                f"Propexo documents no way to post a credit to {self.system.name}.",
                "Leave `credits: hold`: credits are held, and entered by hand in the property system.",
            )
            return None
        return None if word is None else word == "post"

    def send(self, spot: Spot) -> Literal["batch", "single"] | None:
        word = choice("batch", "single")(spot)
        if word is not None and getattr(self.system, word) is None:
            other = "single charges" if word == "batch" else "batches"
            spot.error(f"Propexo takes only {other} for {self.system.name}.", "Delete `send`.")
            return None
        return cast("Literal['batch', 'single'] | None", word)

    def reference_in(self, spot: Spot) -> ReferenceIn | None:
        word = choice("field", "description", "none")(spot)
        if word == "field" and not self.system.has_reference_field:
            spot.error(
                f"Charges of {self.system.name} have no field for a reference.",
                "Write `description` or `none`.",
            )
            return None
        return cast("ReferenceIn | None", word)

    def absence(self, spot: Spot) -> bool | None:
        word = choice("proves", "never")(spot)
        if word == "proves" and not self.system.absence_may_prove:
            spot.error(
                f"In {self.system.name} a charge may be on the ledger, or on its way there, and not be shown: its absence proves nothing.",
                "Leave `absence: never`; `chargeplan resolve` takes a person's word.",
            )
            return None
        return None if word is None else word == "proves"

    def transaction_batch(self, spot: Spot) -> str | None:
        if not self.system.needs_transaction_batch and not self.system.reason:
            spot.error(f"Charges of {self.system.name} take no transaction batch.", "Delete it.")
            return None
        return text(spot)

    def lengths(self, spot: Spot) -> tuple[int, int] | None:
        fields = Fields.open(spot, ("description", "notes"))
        if fields is None:
            return None
        count = integer(1, 10_000, "a number of characters")
        return fields.optional("description", count, self.system.max_description), fields.optional(
            "notes", count, self.system.max_notes
        )


def _vendor(spot: Spot) -> str | None:
    name = text(spot)
    if name is None or re.fullmatch(r"[A-Za-z][A-Za-z0-9_ -]*", name):
        return None if name is None else name.upper().replace(" ", "_").replace("-", "_")
    spot.wrong("the property system's name, such as `RESMAN`")
    return None
