"""One table: how each property system takes charges, and what may be concluded of its answers.

All of it is from Propexo's pages (docs.propexo.com/api/reference and /api-reference, `…/billing-and-payments/create-resident-charge-…`);
what they do not say stands here as undocumented, with the cautious choice.
"""

from __future__ import annotations

from functools import partial

from chargeplan.core.system import Field, Route, System

# Reasons that arise before anything is written, whatever the system is: the credentials were refused, so the system did not
# even look at the charges. The publication names authentication as a cause of WRITE_OPERATION_FAILURE beside timeouts,
# after which a charge may well be on the ledger: a timeout, an outage or a duplicate is never here.
# "Duplicate" above all: it means that the charge, or one like it, *is* there (the sample of a webhook shows one).
_BEFORE_WRITING = (
    r"^\W*(invalid|incorrect|wrong|expired) (credentials?|api ?key|account id|integration ?partner ?id)\W*$",
    r"^\W*(authentication|authorization) (failed|denied|error)\W*$",
    r"^\W*(unauthorized|not authorized|401 unauthorized)\W*$",
)
_postable = partial(System, harmless=_BEFORE_WRITING)

_RESIDENT = Field("resident_id", "resident_id")
_LEASE = Field("lease_id", "lease_id")
_PROPERTY = Field("property_id", "property_id")
_UNIT = Field("unit_id", "unit_id")
_CODE = Field("charge_code_id", "code_id")
_ACCOUNT = Field("financial_account_id", "account_id")
_MOMENT = Field("transaction_date", "moment")
_DAY = Field("transaction_date", "day")
_MONTH = Field("post_month", "month", required=False)
_DESCRIPTION = Field("description", "description")
_ABOUT = Field("description", "description", required=False)
_AMOUNT = Field("amount_in_cents", "amount")
_CREDIT = Field("amount_in_cents", "credit")
_REFERENCE = Field("reference_number", "reference")
_OUR_REFERENCE = Field("reference_number", "reference", required=False)


def _batch(system: str, *fields: Field, gives_id: bool = False) -> Route:
    return Route("batch", f"/v1/resident-charges/batch/{system}/", fields, gives_id)


def _single(system: str, *fields: Field, gives_id: bool = False) -> Route:
    return Route("single", f"/v1/resident-charges/{system}/", fields, gives_id)


def _credit(system: str, *fields: Field, gives_id: bool = False) -> Route:
    return Route("credit", f"/v1/resident-credits/{system}/", fields, gives_id)


_RESMAN = (
    _RESIDENT,
    _CODE,
    Field("batch_id", "batch_id"),
    _MOMENT,
    _DESCRIPTION,
    Field("notes", "notes"),
    _AMOUNT,
    _REFERENCE,
)
_RENTMANAGER = (_RESIDENT, _CODE, _MOMENT, Field("notes", "description_and_notes"))
_PROPERTYWARE_REST = (_LEASE, _ACCOUNT, _AMOUNT, _DAY, _ABOUT, _OUR_REFERENCE)
_YARDI = (_PROPERTY, _RESIDENT, _UNIT, _ACCOUNT, _CODE, _MOMENT, _AMOUNT, _MONTH, _ABOUT)

_TABLE = (
    _postable(
        name="RESMAN",
        batch=_batch("resman", *_RESMAN),
        single=_single("resman", *_RESMAN),
        notes="sent",
        # Neither in the help article's list for negative charges, nor is there an endpoint: a person may insist.
        credits="insist",
        absence_may_prove=False,
        needs_approval=True,  # Partner Transactions
        interfaces=("RESMAN_CREATE_RESIDENT_CHARGE",),
    ),
    _postable(
        name="RENTMANAGER",
        # A batch is of one location; ours are of one property, and a location belongs to a property.
        batch=_batch("rentmanager", *_RENTMANAGER, _AMOUNT, _REFERENCE),
        single=_single("rentmanager", *_RENTMANAGER, _AMOUNT, _REFERENCE),
        credit=_credit("rentmanager", *_RENTMANAGER, _CREDIT, _REFERENCE),
        notes="appended",
        credits="endpoint",
    ),
    _postable(
        name="PROPERTYWARE_REST",
        # Its page says of the batch both that an id comes back and that none does.
        batch=_batch("propertyware_rest", *_PROPERTYWARE_REST),
        single=_single("propertyware_rest", *_PROPERTYWARE_REST, gives_id=True),
        credit=_credit("propertyware_rest", _LEASE, _CREDIT, _DAY, _ABOUT, _OUR_REFERENCE),
        who="lease",
        code="account",
        credits="endpoint",
    ),
    _postable(
        name="YARDI",
        batch=_batch("yardi", *_YARDI),
        single=_single("yardi", *_YARDI),
        needs_account=True,
        reference_in="description",
        has_reference_field=False,
        credits="negative",  # the help article on credits, 2026-02-13
    ),
    _postable(
        name="YARDI_REST",
        single=_single("yardi_rest", _RESIDENT, _PROPERTY, _UNIT, _CODE, _ACCOUNT, _DAY, _AMOUNT, _ABOUT),
        needs_account=True,
        reference_in="description",
        has_reference_field=False,
    ),
    _postable(
        name="REALPAGE_RPX",
        single=_single(
            "realpage_rpx",
            _RESIDENT,
            _PROPERTY,
            _CODE,
            _MOMENT,
            _DESCRIPTION,
            _AMOUNT,
            _OUR_REFERENCE,
            Field("transaction_batch_id", "transaction_batch_id"),
        ),
        absence_may_prove=False,
        needs_transaction_batch=True,
    ),
    _postable(
        name="ENTRATA",
        single=_single(
            "entrata",
            _LEASE,
            _CODE,
            _DAY,
            _MONTH,
            _DESCRIPTION,
            _AMOUNT,
            Field("third_party_charge_id", "reference", required=False),
            Field("is_approval_required", "approval", required=False),
        ),
        who="lease",
        reference_in="both",
        credits="negative",  # "positive raises, negative lowers what is owed"
        absence_may_prove=False,
        needs_approval=False,
        open_items=True,  # its list shows a paid charge only where the full ledger is asked for
    ),
    _postable(
        name="BUILDIUM",
        single=_single("buildium", _LEASE, _ACCOUNT, _MOMENT, _ABOUT, _AMOUNT, _OUR_REFERENCE),
        who="lease",
        code="account",
        max_description=65,  # Buildium's own limit of a memo
    ),
    _postable(
        name="APPFOLIO",
        single=_single("appfolio", _LEASE, _ACCOUNT, _DAY, _DESCRIPTION, _AMOUNT, gives_id=True),
        who="lease",
        code="account",
        reference_in="description",
        has_reference_field=False,
        credits="negative",  # the help article on credits
    ),
    _postable(
        name="RENTVINE",
        single=_single("rentvine", _LEASE, _ACCOUNT, _MOMENT, _DESCRIPTION, _AMOUNT, gives_id=True),
        credit=_credit("rentvine", _LEASE, _ACCOUNT, _CREDIT, _DAY, _DESCRIPTION, gives_id=True),
        who="lease",
        code="account",
        reference_in="description",
        has_reference_field=False,
        credits="endpoint",
    ),
    _postable(
        name="PROPERTYWARE",
        single=_single(
            "propertyware", _LEASE, _ACCOUNT, _MOMENT, _ABOUT, _AMOUNT, _OUR_REFERENCE, gives_id=True
        ),
        who="lease",
        code="account",
    ),
    System(name="MRI", reason="Propexo only reads from it"),
    System(name="REALPAGE", reason="Propexo documents no way to create a charge in it"),
)

VENDORS: dict[str, System] = {each.name: each for each in _TABLE}


def vendor(name: str) -> System:
    """What is known of a system, by Propexo's name for it; one that is not in the table is not postable."""
    return VENDORS.get(name) or System(name=name, reason="chargeplan does not know this property system")
