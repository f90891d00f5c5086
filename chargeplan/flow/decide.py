"""What a person decides of lines: `resolve` and `adopt`. Recorded in the journal, with the reason; nothing is posted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Literal

import msgspec

from chargeplan.core.change import Change
from chargeplan.core.config import Project
from chargeplan.core.dates import ONE_DAY, Days, add_months
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.observed import SyncedCharge
from chargeplan.core.posting import OPEN, Posting, posting_of
from chargeplan.core.settle import Settled
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.planning import plan_now
from chargeplan.flow.ports import Ports

Verdict = Literal["posted", "not_posted"]


def resolve(ports: Ports, references: Sequence[str], verdict: Verdict, reason: str) -> list[Settled]:
    """Settle open postings by a person's word.

    Raises:
        ChargeplanError: ``unknown_reference``, ``not_open``; nothing was recorded.
        LockedError: a request may be under way for one of them.
    """
    with ExitStack() as stack:
        named = [_open_posting(ports, reference) for reference in references]
        # A request may be under way for what is only intended: then the lock is that run's, and this one refuses.
        for integration_id, property_id in sorted(
            {(each.integration_id, each.property_id) for each in named if each.state == "intended"}
        ):
            stack.enter_context(
                ports.journal.lock(integration_id, [property_id], purpose="resolve", timeout=0)
            )
        postings = [_open_posting(ports, reference) for reference in dict.fromkeys(references)]
        for posting in postings:
            ports.journal.settle(posting.id, verdict, reason=reason)
    return [Settled(msgspec.structs.replace(each, state=verdict), each.state, reason) for each in postings]


def _open_posting(ports: Ports, reference: str) -> Posting:
    postings = ports.journal.find(reference)
    if not postings:
        raise ChargeplanError(
            f"The journal has no posting {reference}.",
            hint="`chargeplan status` lists what is open.",
            code="unknown_reference",
        )
    newest = postings[-1]
    if newest.state not in OPEN:
        raise ChargeplanError(
            f"{reference} is {newest.state}: there is nothing to resolve.",
            hint="`chargeplan status` lists what is open.",
            code="not_open",
        )
    return newest


def adopt(
    ports: Ports,
    project: Project,
    requests: Iterable[PlanRequest],
    *,
    charge_id: str,
    reference: str,
    reason: str,
) -> None:
    """Accept a foreign synced charge as the line with that reference, which the first of the plans that has it holds.

    Raises:
        ChargeplanError: ``unknown_reference``, ``other_charge``, ``unknown_charge``; nothing was recorded.
    """
    held = _held_line(ports, project, requests, reference)
    if held.synced is not None and held.synced.id != charge_id:
        raise ChargeplanError(
            f"{reference} is held for charge {held.synced.id}, not {charge_id}.",
            hint="Adopt that one.",
            code="other_charge",
        )
    charge = _synced_charge(ports, held, charge_id)
    posting = msgspec.structs.replace(posting_of(held), amount=charge.amount or 0)
    ports.journal.adopt(posting, charge_id, reason=reason)


def nearby(request: PlanRequest) -> Iterator[PlanRequest]:
    """The request, then the same for the month after it and for the two before: where a held line may be looked for."""
    yield request
    for months in (1, -1, -2):
        first = add_months(request.window.first, months)
        yield msgspec.structs.replace(request, window=Days(first, add_months(first, 1) - ONE_DAY))


def _held_line(ports: Ports, project: Project, requests: Iterable[PlanRequest], reference: str) -> Change:
    for request in requests:
        for change in plan_now(ports, project, request).change_set.changes:
            if change.reference == reference and change.action in {"hold", "create"}:
                return change
    raise ChargeplanError(
        f"{reference} is no line that the plan holds or would create.",
        hint="Give the line's month with --period.",
        code="unknown_reference",
    )


def _synced_charge(ports: Ports, line: Change, charge_id: str) -> SyncedCharge:
    days = ports.snapshot.covered(line.integration_id)
    observed = ports.snapshot.property(line.integration_id, line.property_id, days)
    charge = next((each for each in observed.charges if each.id == charge_id), None)
    if charge is None:
        raise ChargeplanError(
            f"No synced charge {charge_id} is known.",
            hint="Give the charge's Propexo id, as the hold names it.",
            code="unknown_charge",
        )
    return charge
