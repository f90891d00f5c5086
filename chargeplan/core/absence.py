"""Whether syncs that did not show a charge prove that it was never written: rarely, and only where a person said that it may be.

Absence proves nothing by itself: the cache lags, and syncs look back a limited time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import msgspec

from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import moment
from chargeplan.core.matching import is_like
from chargeplan.core.observed import SyncedCharge
from chargeplan.core.posting import Posting

_APART = timedelta(hours=1)
_SYNCS = 3
"""Only the ends of syncs are told. Of three an hour apart, two began an hour or more after the request."""


class Ledger(msgspec.Struct, frozen=True):
    """What was seen of a property: its charges, those that another posting has, and when syncs ended that were noticed."""

    charges: Sequence[SyncedCharge]
    taken: Collection[str]
    syncs: Sequence[str]


def is_proven_absent(posting: Posting, sent_at: str, ledger: Ledger, integration: IntegrationConfig) -> bool:
    """Whether a posting of unknown outcome was certainly not written.

    All of it has to hold: the configuration says that absence proves; three syncs ended after the request, each an hour or
    more after the one counted before; the charge is dated no later than the first; the last of them saw a charge that is
    as old, so that it looked back far enough; and nothing on the ledger that nobody else has could be it.
    """
    if not integration.absence_proves:
        return False
    counted = _counted(sent_at, ledger.syncs)
    if len(counted) < _SYNCS or posting.transaction_date > counted[0].date():
        return False
    *_, before, _last = counted
    looked_back = any(
        charge.transaction_date is not None
        and charge.transaction_date <= posting.transaction_date
        and (seen := moment(charge.last_seen)) is not None
        and seen > before
        for charge in ledger.charges
    )
    return looked_back and not any(_may_be(charge, posting, ledger, integration) for charge in ledger.charges)


def _counted(sent_at: str, syncs: Sequence[str]) -> list[datetime]:
    """The ends of syncs after the request, each an hour or more after the one before."""
    sent = moment(sent_at)
    counted: list[datetime] = []
    for ended in sorted(filter(None, map(moment, syncs))):
        after = sent is not None and ended > sent
        if after and (not counted or ended - counted[-1] >= _APART):
            counted.append(ended)
    return counted


def _may_be(charge: SyncedCharge, posting: Posting, ledger: Ledger, integration: IntegrationConfig) -> bool:
    if charge.id in ledger.taken or charge.amount not in (None, posting.amount):
        return False
    return charge.reference == posting.reference or is_like(charge, posting, integration)
