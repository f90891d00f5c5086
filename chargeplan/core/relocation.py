"""Postings whose charge stands on another record than it was posted for: people were merged or entered anew, units corrected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from chargeplan.core.observed import SyncedCharge
from chargeplan.core.posting import Brief, Posting

Shown = tuple[Posting | Brief, SyncedCharge]
"""A posting with the charge that shows it."""

Relocated = Mapping[tuple[str, str, str], Sequence[Shown]]
"""Such postings with their charge, by plan, charge and period of their keys."""


def relocated(shown: Sequence[Shown], removed: Collection[str]) -> Relocated:
    """Those of the postings whose charge stands elsewhere.

    What was taken off the ledger (``removed`` has the charges' ids) before its people were merged shows their old record for
    ever: it goes where everything else of theirs has gone.
    """
    pairs = [pair for pair in shown if _is_elsewhere(*pair)]
    if pairs and removed:
        pairs += _removed_with_them(shown, pairs, removed)
    found: dict[tuple[str, str, str], list[Shown]] = {}
    for posting, charge in pairs:
        found.setdefault((posting.key_plan, posting.key_charge, posting.period), []).append((posting, charge))
    return found


def _is_elsewhere(posting: Posting | Brief, charge: SyncedCharge) -> bool:
    return (charge.unit_id != posting.unit_id and charge.unit_id is not None) or (
        charge.resident_id != posting.resident_id and charge.resident_id is not None
    )


def _removed_with_them(
    shown: Sequence[Shown], elsewhere: Sequence[Shown], removed: Collection[str]
) -> Iterator[Shown]:
    """Removed charges of people of whom nothing stands on the old record any more, as if they stood on the one new record."""
    here = [pair for pair in shown if not _is_elsewhere(*pair)]
    stay = {_who(posting) for posting, charge in here if charge.id not in removed}
    records: dict[tuple[str, str], set[tuple[str | None, str | None]]] = defaultdict(set)
    for posting, charge in elsewhere:
        records[_who(posting)].add((charge.unit_id, charge.resident_id))
    for posting, charge in here:
        who = _who(posting)
        if charge.id in removed and who not in stay and len(records[who]) == 1:
            ((unit_id, resident_id),) = records[who]
            yield (
                posting,
                msgspec.structs.replace(charge, unit_id=unit_id, resident_id=resident_id, lease_id=None),
            )


def _who(posting: Posting | Brief) -> tuple[str, str]:
    return posting.unit_id, posting.resident_id
