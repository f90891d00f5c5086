"""Every property system that the sandbox plays, strictly: what its paths take, what its ledger does, what Propexo shows of it.

Written out from Propexo's pages by itself, and not taken from the client's table: where the two differ, one of them is wrong, and a
test finds it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

KeyKind = Literal["text", "moment", "date", "cents", "flag"]
LogParameters = Literal["whole", "without_texts", "none"]


class Key(msgspec.Struct, frozen=True):
    """A key of an item. ``moment`` is a date-time with a zone; a ``date`` may be a plain one too."""

    name: str
    kind: KeyKind
    required: bool


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """What one path takes. ``least``: the least amount. ``one``: what all items of a batch have to be of."""

    vendor: str
    path: str
    keys: tuple[Key, ...]
    batch: bool = False
    credit: bool = False
    least: int | None = None
    gives_id: bool = False
    one: str = ""


class System(msgspec.Struct, frozen=True, kw_only=True):
    """What a system does to what it gets, and what of it Propexo shows.

    ``nulls`` are the links that its synced charges lack. ``reads_day``: reading a charge back brings all of its day.
    ``stale_residents``: a sync sees only residents changed within two days. ``longest``: what is longer fails in the job.
    """

    name: str
    title: str
    method: str
    codes: Literal["charge-codes", "financial-accounts", "both"] = "charge-codes"
    approval: bool = False
    nulls: tuple[str, ...] = ()
    open_items_only: bool = False
    reads_day: bool = False
    stale_residents: bool = False
    longest: dict[str, int] = {}
    locations: bool = False


_KINDS: dict[str, KeyKind] = {"amount_in_cents": "cents", "is_approval_required": "flag"}


def _keys(words: str) -> tuple[Key, ...]:
    """``name``, ``name?`` where it is optional, ``name:kind``; text where nothing is said."""
    found = []
    for word in words.split():
        name, _, kind = word.rstrip("?").partition(":")
        found.append(Key(name, msgspec.convert(kind or _KINDS.get(name, "text"), KeyKind), word[-1] != "?"))
    return tuple(found)


def _charge(
    vendor: str,
    words: str,
    *,
    batch: bool = False,
    least: int | None = None,
    gives_id: bool = False,
    one: str = "",
) -> Form:
    folder = "/v1/resident-charges/batch" if batch else "/v1/resident-charges"
    path = f"{folder}/{vendor.lower()}"
    return Form(
        vendor=vendor, path=path, keys=_keys(words), batch=batch, least=least, gives_id=gives_id, one=one
    )


def _credit(vendor: str, words: str, *, least: int, gives_id: bool = False) -> Form:
    path = f"/v1/resident-credits/{vendor.lower()}"
    return Form(vendor=vendor, path=path, keys=_keys(words), credit=True, least=least, gives_id=gives_id)


_RESMAN = (
    "resident_id charge_code_id batch_id transaction_date:moment description notes amount_in_cents"
    " reference_number"
)
_RENTMANAGER = "resident_id charge_code_id transaction_date:moment notes amount_in_cents reference_number"
_PROPERTYWARE_REST = (
    "lease_id financial_account_id transaction_date:date amount_in_cents description? reference_number?"
)
_YARDI = (
    "property_id resident_id unit_id charge_code_id financial_account_id transaction_date:moment amount_in_cents"
    " post_month:date? description?"
)

FORMS: dict[str, Form] = {
    form.path: form
    for form in (
        _charge("RESMAN", _RESMAN, batch=True, one="ResMan property"),
        _charge("RESMAN", _RESMAN),
        _charge("RENTMANAGER", _RENTMANAGER, batch=True, one="Rent Manager location"),
        _charge("RENTMANAGER", _RENTMANAGER),
        _credit("RENTMANAGER", _RENTMANAGER, least=1),
        _charge("PROPERTYWARE_REST", _PROPERTYWARE_REST, batch=True, least=0),
        _charge("PROPERTYWARE_REST", _PROPERTYWARE_REST, least=0, gives_id=True),
        _credit(
            "PROPERTYWARE_REST",
            "lease_id transaction_date:date amount_in_cents description? reference_number?",
            least=0,
        ),
        _charge("YARDI", _YARDI, batch=True),
        _charge("YARDI", _YARDI),
        _charge(
            "YARDI_REST",
            "property_id resident_id unit_id charge_code_id financial_account_id transaction_date:date"
            " amount_in_cents description?",
        ),
        _charge(
            "REALPAGE_RPX",
            "resident_id property_id charge_code_id transaction_date:moment amount_in_cents description"
            " reference_number? transaction_batch_id",
        ),
        _charge(
            "ENTRATA",
            "lease_id charge_code_id transaction_date:date post_month:date? amount_in_cents description"
            " third_party_charge_id? is_approval_required?",
        ),
        _charge(
            "BUILDIUM",
            "lease_id financial_account_id transaction_date:moment amount_in_cents description? reference_number?",
        ),
        _charge(
            "APPFOLIO",
            "lease_id financial_account_id transaction_date:date amount_in_cents description",
            gives_id=True,
        ),
        _charge(
            "RENTVINE",
            "lease_id financial_account_id transaction_date:moment amount_in_cents description",
            gives_id=True,
        ),
        _credit(
            "RENTVINE",
            "lease_id financial_account_id transaction_date:date amount_in_cents description",
            least=1,
            gives_id=True,
        ),
        _charge(
            "PROPERTYWARE",
            "lease_id financial_account_id transaction_date:moment? amount_in_cents description? reference_number?",
            gives_id=True,
        ),
    )
}
"""What can be written, by path."""

_ACCOUNTS_ONLY = ("resident_id", "charge_code_id")
SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        System(name="RESMAN", title="ResMan", method="/MITS/PostResidentTransactions2_0", approval=True),
        System(name="RENTMANAGER", title="Rent Manager", method="POST /Charges", locations=True),
        System(
            name="PROPERTYWARE_REST",
            title="Propertyware REST",
            method="POST /v1/leases/charges",
            codes="financial-accounts",
            nulls=_ACCOUNTS_ONLY,
        ),
        System(
            name="YARDI",
            title="Yardi",
            method="ImportCharge_Login",
            codes="both",
            stale_residents=True,
        ),
        System(
            name="YARDI_REST",
            title="Yardi REST",
            method="/ItfResidentTransactions/ImportCharges",
            codes="both",
            stale_residents=True,
        ),
        System(name="REALPAGE_RPX", title="RealPage Partner Exchange", method="PostSingleCharge"),
        System(
            name="ENTRATA",
            title="Entrata",
            method="artransactions/sendLeaseArTransactions",
            nulls=("resident_id",),
            open_items_only=True,
        ),
        System(
            name="BUILDIUM",
            title="Buildium",
            method="POST /leases/:id/charges",
            codes="financial-accounts",
            nulls=_ACCOUNTS_ONLY,
            longest={"description": 65, "reference_number": 30},
        ),
        System(
            name="APPFOLIO",
            title="AppFolio",
            method="POST /v0/charges",
            codes="financial-accounts",
            nulls=_ACCOUNTS_ONLY,
            reads_day=True,
        ),
        System(
            name="RENTVINE",
            title="Rentvine",
            method="POST /api/manager/accounting/leases/{id}/charges",
            codes="financial-accounts",
            nulls=_ACCOUNTS_ONLY,
        ),
        System(
            name="PROPERTYWARE",
            title="Propertyware",
            method="appendLeaseLedgerItems",
            codes="financial-accounts",
            nulls=_ACCOUNTS_ONLY,
        ),
    )
}
"""What can be written to, by Propexo's name."""


def system_named(name: str) -> System:
    """The system of that name; of one that can't be written to, nothing but the name."""
    return SYSTEMS.get(name) or System(name=name, title=name, method="")


TRANSACTION_BATCHES = ("RPX-2027-A", "RPX-2027-B")
"""The transaction batches that RealPage has given out."""


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the system of one integration behaves; what is not set is as the system does by itself."""

    keeps_references: bool | None = None
    """Whether the reference number survives the way to the ledger and back."""
    keeps_descriptions: bool | None = None
    """Whether the description does."""
    cuts_descriptions_at: int | None = None
    """After so many characters a description is cut."""
    gives_ids: bool | None = None
    """Whether a job names the record that it made, and Propexo reads it back at once."""
    wrong_ids: bool | None = None
    """Whether the id that a job names is of another model."""
    nulls: tuple[str, ...] | None = None
    """The links that synced charges lack."""
    approval: bool | None = None
    """Whether a person has to post what is written."""
    log_parameters: LogParameters | None = None
    """What of a request's parameters the write log shows."""
    open_items_only: bool | None = None
    """Whether a paid charge is not seen by a sync any more."""
    closed_months: tuple[str, ...] = ()
    """Months (``YYYY-MM``) in which nothing can be posted any more: the job fails."""
