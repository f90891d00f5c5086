"""One table: what each property system's charges need, and what its answers mean (propexo-api.md, sections 3 to 5).

A system is *postable* only where its batch endpoint takes what a line of ours has. The others stand here as data, with
the reason that the command line shows.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

Credits = Literal["negative", "unsupported", "undocumented"]


class Vendor(msgspec.Struct, frozen=True):
    """How one property system takes charges.

    ``credits``: ``negative`` where a negative amount is documented to lower what is owed. ``keeps_references``: whether a
    reference number comes back on the synced charge; ``None`` where nobody says. ``needs_approval``: a person has to
    post what we send before it is on the ledger. ``harmless`` are patterns of FAILURE reasons that are known to mean that nothing
    was written. ``reason`` says why the system is not postable, empty where it is.
    """

    name: str
    batch_path: str | None = None
    credits: Credits = "undocumented"
    required: tuple[str, ...] = ()
    keeps_references: bool | None = None
    needs_approval: bool = False
    harmless: tuple[str, ...] = ()
    reason: str = ""

    @property
    def postable(self) -> bool:
        """Whether chargeplan can post to the system."""
        return not self.reason and self.batch_path is not None

    def nothing_written(self, errors: tuple[str, ...]) -> bool:
        """Whether every reason of a FAILURE is known to mean that nothing was written; without a reason nothing is known."""
        return bool(errors) and all(
            any(re.search(p, each, re.IGNORECASE) for p in self.harmless) for each in errors
        )


_NO_BATCH = "Propexo documents no batch endpoint for it, and single charges can't be posted once only"
_ACCOUNTS = "its charges name a financial account, which a plan does not have yet"

# Reasons that arise before anything is written, whatever the system is: the credentials were refused, so the system did not
# even look at the charges. The publication names authentication as a cause of WRITE_OPERATION_FAILURE beside timeouts,
# after which a charge may well be on the ledger (propexo-api.md 7.5): a timeout, an outage or a duplicate is never here.
# "Duplicate" above all: it means that the charge, or one like it, *is* there (propexo-api.md 2.2, the sample of a webhook).
_BEFORE_WRITING = (
    r"^\W*(invalid|incorrect|wrong|expired) (credentials?|api ?key|account id|integration ?partner ?id)\W*$",
    r"^\W*(authentication|authorization) (failed|denied|error)\W*$",
    r"^\W*(unauthorized|not authorized|401 unauthorized)\W*$",
)

_TABLE = (
    Vendor(
        name="RESMAN",
        batch_path="/v1/resident-charges/batch/resman/",
        credits="undocumented",  # not in the help article's list for negative charges, no credit endpoint (5.1)
        required=(
            "resident_id",
            "charge_code_id",
            "batch_id",
            "transaction_date",
            "description",
            "notes",
            "amount_in_cents",
            "reference_number",
        ),
        keeps_references=None,  # the annotations of the read model could not be reached (6)
        needs_approval=True,  # "Partner Transactions" (3.3)
        harmless=_BEFORE_WRITING,
    ),
    Vendor(
        name="RENTMANAGER",
        batch_path="/v1/resident-charges/batch/rentmanager/",
        credits="unsupported",  # by an endpoint of its own, one at a time (5.1)
        required=(
            "resident_id",
            "charge_code_id",
            "transaction_date",
            "notes",
            "amount_in_cents",
            "reference_number",
        ),
        reason="a batch is of one Rent Manager location, which a plan does not know, and credits go another way",
    ),
    Vendor(
        name="PROPERTYWARE_REST",
        batch_path="/v1/resident-charges/batch/propertyware_rest/",
        credits="unsupported",  # amounts are at least 0; credits have an endpoint of their own (4.1, 5.1)
        required=("lease_id", "financial_account_id", "amount_in_cents", "transaction_date"),
        reason=_ACCOUNTS,
    ),
    Vendor(
        name="YARDI",
        batch_path="/v1/resident-charges/batch/yardi/",
        credits="negative",  # the help article on credits, 2026-02-13 (5.1)
        required=(
            "property_id",
            "resident_id",
            "unit_id",
            "financial_account_id",
            "charge_code_id",
            "transaction_date",
            "amount_in_cents",
        ),
        keeps_references=False,  # the charge has no reference number (4.2)
        reason="its charges take no reference number and name a financial account",
    ),
    Vendor(
        name="YARDI_REST",
        required=(
            "resident_id",
            "property_id",
            "unit_id",
            "charge_code_id",
            "financial_account_id",
            "transaction_date",
        ),
        keeps_references=False,
        reason=_NO_BATCH,
    ),
    Vendor(
        name="ENTRATA",
        credits="negative",  # "positive raises, negative lowers what is owed" (4.2)
        required=("lease_id", "charge_code_id", "transaction_date", "description"),
        keeps_references=False,
        reason=_NO_BATCH,
    ),
    Vendor(
        name="REALPAGE_RPX",
        required=(
            "resident_id",
            "property_id",
            "charge_code_id",
            "transaction_date",
            "description",
            "transaction_batch_id",
        ),
        reason=_NO_BATCH,
    ),
    Vendor(name="REALPAGE", reason="Propexo documents no way to create a charge in it"),
    Vendor(
        name="BUILDIUM", required=("lease_id", "financial_account_id", "transaction_date"), reason=_NO_BATCH
    ),
    Vendor(
        name="APPFOLIO",
        credits="negative",  # the help article on credits (5.1)
        required=("lease_id", "financial_account_id", "transaction_date", "description"),
        keeps_references=False,
        reason=_NO_BATCH,
    ),
    Vendor(
        name="RENTVINE",
        credits="unsupported",  # by an endpoint of its own (5.1)
        required=("lease_id", "financial_account_id", "transaction_date", "description"),
        keeps_references=False,
        reason=_NO_BATCH,
    ),
    Vendor(name="PROPERTYWARE", required=("lease_id", "financial_account_id"), reason=_NO_BATCH),
    Vendor(name="MRI", credits="unsupported", reason="Propexo only reads from it"),
)

VENDORS: dict[str, Vendor] = {each.name: each for each in _TABLE}


def vendor(name: str) -> Vendor:
    """What is known of a system, by Propexo's name for it; one that is not in the table is not postable."""
    return VENDORS.get(name) or Vendor(name=name, reason="chargeplan does not know this property system")
