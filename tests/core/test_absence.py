"""What syncs did not show was not posted only where every one of the conditions holds."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from chargeplan.core.absence import Ledger, is_proven_absent
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.diagnostic import Place
from chargeplan.core.observed import SyncedCharge
from chargeplan.propexo.vendors import vendor
from tests.journal.builders import posting

SENT = "2027-08-01T10:00:00Z"
# The first may end right after the request; each counts an hour after the one before.
SYNCS = ("2027-08-01T10:05:00Z", "2027-08-01T22:00:00Z", "2027-08-02T10:00:00Z")
INTEGRATION = IntegrationConfig(
    "main", "i1", Place("chargeplan.yaml", 1), vendor("BUILDIUM"), absence_proves=True
)
LINE = posting("CP1", state="unknown", charge_code_id="a1")
OLD = SyncedCharge(
    id="old", resident_id=None, charge_code_id="a2", amount=100, transaction_date=date(2027, 7, 1), lease_id="l9",
    last_seen="2027-08-02T09:58:00Z",
)  # fmt: skip
LIKE = msgspec.structs.replace(
    OLD, id="like", charge_code_id="a1", amount=3500, lease_id="l1", transaction_date=date(2027, 8, 1)
)


def _proven(line=LINE, integration=INTEGRATION, charges=(OLD,), taken=(), syncs=SYNCS):
    return is_proven_absent(line, SENT, Ledger(charges, taken, syncs), integration)


def test_all_conditions_together_prove_it():
    assert _proven()


@pytest.mark.parametrize(
    "missing",
    [
        {"integration": msgspec.structs.replace(INTEGRATION, absence_proves=False)},
        {"syncs": SYNCS[:2]},
        {"syncs": ("2027-08-01T09:59:00Z", *SYNCS[1:])},
        {"syncs": (SYNCS[0], "2027-08-01T11:04:00Z", SYNCS[1])},
        {"line": msgspec.structs.replace(LINE, transaction_date=date(2027, 8, 2))},
        {"charges": ()},
        {"charges": (msgspec.structs.replace(OLD, transaction_date=date(2027, 8, 2)),)},
        {"charges": (msgspec.structs.replace(OLD, last_seen="2027-08-01T21:59:00Z"),)},
        {"charges": (OLD, LIKE)},
        {"charges": (OLD, msgspec.structs.replace(LIKE, charge_code_id=None))},
    ],
    ids=[
        "not configured", "two syncs", "one ended before the request", "two less than an hour apart", "dated after the first",
        "nothing was seen", "nothing as old was seen", "not by the last sync", "a charge like it", "a charge that may be it",
    ],
)  # fmt: skip
def test_with_one_of_them_missing_it_stays_unknown(missing):
    assert not _proven(**missing)


def test_a_charge_like_it_that_another_posting_has_is_no_obstacle():
    assert _proven(charges=(OLD, LIKE), taken={"like"})
