"""What a property system is to us, as plain values: its routes, what its charges name, what may be concluded of them.

The table of all systems is `propexo.vendors`; a configured integration carries the values of its own system.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

RouteName = Literal["batch", "single", "credit"]
Source = Literal[
    "resident_id",
    "lease_id",
    "unit_id",
    "property_id",
    "code_id",
    "account_id",
    "moment",
    "day",
    "month",
    "description",
    "notes",
    "description_and_notes",
    "amount",
    "credit",
    "reference",
    "batch_id",
    "transaction_batch_id",
    "approval",
]
"""What of a line a key of a body holds; `propexo.wire` says how each is written."""

ReferenceIn = Literal["field", "description", "both", "none"]
Credits = Literal["endpoint", "negative", "insist", "none"]
BETWEEN = " - "
"""Stands between description and notes where a system has one text for both."""


class Field(msgspec.Struct, frozen=True):
    """A key of a body, what it holds, and whether the system insists on it."""

    key: str
    source: Source
    required: bool = True


class Route(msgspec.Struct, frozen=True):
    """A way to post: where, and exactly which keys an item has. A single is a batch of one.

    ``gives_id``: whether the job names the record that it made. ``in_text``: whether our reference stands at the end of the text.
    """

    name: RouteName
    path: str
    fields: tuple[Field, ...]
    gives_id: bool = False
    in_text: bool = False

    def carrying(self, where: ReferenceIn) -> Route:
        """The route with our reference where it is to be: a field that the system insists on keeps it in any case."""
        in_field = where in {"field", "both"}
        fields = tuple(
            each for each in self.fields if each.source != "reference" or each.required or in_field
        )
        return msgspec.structs.replace(self, fields=fields, in_text=where in {"description", "both"})


class System(msgspec.Struct, frozen=True, kw_only=True):
    """One property system (vendors.md, sections 2 and 3).

    ``who`` is the id that a charge is put on, ``code`` the list that a plan's ``code:`` names, ``needs_account`` whether
    a charge names a financial account beside its code. ``reference_in`` is where our reference travels by default;
    ``has_reference_field`` whether there is a field for it. ``notes``: sent in a field of their own, after the description, or not at all.

    ``credits``: an endpoint of their own, a negative charge, undocumented so that a person has to ``insist``, or none.
    ``absence_may_prove``: whether a person may say that what the syncs don't show was not posted. ``needs_approval``: a
    person posts what we send before it is on the ledger. ``open_items``: the system's list shows open items only, so that
    a charge it shows no more is no removal. ``harmless`` are patterns of FAILURE reasons that are known to mean that
    nothing was written. ``reason`` says why the system is not postable, empty where it is.
    """

    name: str
    batch: Route | None = None
    single: Route | None = None
    credit: Route | None = None
    who: Literal["resident", "lease"] = "resident"
    code: Literal["charge_code", "account"] = "charge_code"
    needs_account: bool = False
    reference_in: ReferenceIn = "field"
    has_reference_field: bool = True
    notes: Literal["sent", "appended", "none"] = "none"
    credits: Credits = "none"
    absence_may_prove: bool = True
    needs_approval: bool | None = None
    open_items: bool = False
    needs_transaction_batch: bool = False
    max_description: int = 100
    max_notes: int = 500
    interfaces: tuple[str, ...] = ()
    harmless: tuple[str, ...] = ()
    reason: str = ""

    @property
    def lists(self) -> tuple[str, ...]:
        """The lists, as their paths name them, that hold what the plans' ``code:`` and ``account:`` name."""
        codes = ("charge-codes",) if self.code == "charge_code" else ()
        return (*codes, "financial-accounts") if self.code == "account" or self.needs_account else codes

    @property
    def reads_back(self) -> bool:
        """Whether charges that we post may show before a sync ended: where a job names the record that it made."""
        routes = (self.batch, self.single, self.credit)
        return any(route is not None and route.gives_id for route in routes)

    @property
    def sends(self) -> RouteName:
        """Batch where there is one, except where only the single path gives an id (vendors.md, section 5)."""
        if self.batch is None or (self.single is not None and self.single.gives_id > self.batch.gives_id):
            return "single"
        return "batch"

    def nothing_written(self, errors: tuple[str, ...]) -> bool:
        """Whether every reason of a FAILURE is known to mean that nothing was written; without a reason nothing is known."""
        return bool(errors) and all(
            any(re.search(pattern, said, re.IGNORECASE) for pattern in self.harmless) for said in errors
        )


def with_reference(text: str, reference: str) -> str:
    """A text with our reference at its end, where the system has no field for it."""
    return f"{text} {reference}".lstrip()


def both(description: str, notes: str) -> str:
    """Description and notes as one text."""
    return BETWEEN.join(part for part in (description, notes) if part)
