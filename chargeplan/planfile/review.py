"""What a reviewer sees of a plan beside the lines that are listed."""

from __future__ import annotations

import msgspec

from chargeplan.core.change import (
    ChangeSet,
    GuardResult,
    ObservedMark,
    PeriodTotals,
    Previous,
    Total,
    UnusedRow,
)
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.line import AllocationReport


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer sees beside the listed changes.

    ``totals`` has every action that occurs, and ``skip``; ``skips`` counts by reason.
    """

    totals: dict[str, Total]
    skips: dict[str, int]
    allocations: tuple[AllocationReport, ...]
    guards: tuple[GuardResult, ...]
    diagnostics: tuple[Diagnostic, ...]
    observed: tuple[ObservedMark, ...]
    property_names: dict[str, str]
    previous: dict[str, dict[str, Previous]]
    unused_rows: tuple[UnusedRow, ...]
    before: tuple[PeriodTotals, ...] = ()


def review_of(change_set: ChangeSet) -> Review:
    """The review of a whole change set."""
    totals = dict(change_set.totals())
    skips = change_set.skipped()
    if skips:
        totals["skip"] = Total(sum(skips.values()))
    return Review(
        totals=totals,
        skips=skips,
        allocations=change_set.allocations,
        guards=change_set.guards,
        diagnostics=change_set.diagnostics,
        observed=change_set.observed,
        property_names=change_set.property_names,
        previous=change_set.previous,
        unused_rows=change_set.unused_rows,
        before=change_set.before,
    )
