"""What a person decides of lines: `resolve` and `adopt`. Recorded in the journal, with the reason; nothing is posted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack

import msgspec

from chargeplan.core.change import Change
from chargeplan.core.config import Project
from chargeplan.core.dates import ONE_DAY, Days, add_months
from chargeplan.core.decision import Decision
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.household import Household, households
from chargeplan.core.key import is_reference
from chargeplan.core.observed import SyncedCharge
from chargeplan.core.posting import FREE, Posting, State
from chargeplan.core.settle import Settled
from chargeplan.core.verdicts import (
    Verdict,
    acceptance,
    adoption,
    is_same,
    next_state,
    reopening,
    rest_of,
    unrelated,
    void,
    vouched,
)
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.planning import plan_now
from chargeplan.flow.ports import Ports
from chargeplan.flow.reconcile import removed


class Lines:
    """The lines that a decision may name: those of the journal, and those of the plans around the window.

    The project is loaded where a plan is needed: a mistake in a plan must not keep anybody from settling a posting.
    """

    def __init__(self, ports: Ports, project: Callable[[], Project], requests: Iterable[PlanRequest]) -> None:
        self._ports, self._project, self._requests = ports, project, iter(requests)
        self._changes: dict[str, Change] = {}
        self._looked_at: list[Days] = []

    def posting(self, reference: str) -> Posting | None:
        """The newest posting of the line."""
        postings = self._ports.journal.find(reference)
        return postings[-1] if postings else None

    def change(self, reference: str) -> Change:
        """The line as it is planned now; the plans are made one after the other, until one has it.

        Raises:
            ChargeplanError: ``unknown_reference``.
        """
        while reference not in self._changes:
            request = next(self._requests, None)
            if request is None:
                first = min(window.first for window in self._looked_at)
                last = max(window.last for window in self._looked_at)
                raise ChargeplanError(
                    f"There is no line {reference}: the journal has never sent it, and no plan has it from {first} through {last}.",
                    hint="Check the reference in `chargeplan status`. A line of another month: say which, as in `--period 2027-08`.",
                    code="unknown_reference",
                )
            self._looked_at.append(request.window)
            planned = plan_now(self._ports, self._project(), request).change_set.changes
            for change in planned:
                self._changes.setdefault(change.reference, change)
        return self._changes[reference]


def nearby(request: PlanRequest) -> Iterator[PlanRequest]:
    """The request, then the same for the month after it and for the two before: where a line may be looked for."""
    yield request
    for months in (1, -1, -2):
        first = add_months(request.window.first, months)
        yield msgspec.structs.replace(request, window=Days(first, add_months(first, 1) - ONE_DAY))


def of_batch(ports: Ports, batch_id: str) -> list[str]:
    """The lines of a batch whose outcome is open.

    Raises:
        ChargeplanError: ``unknown_batch``.
    """
    references = [
        posting.reference for posting in ports.journal.open_postings() if posting.batch_id == batch_id
    ]
    if not references:
        raise ChargeplanError(
            f"The batch {batch_id} has no open line, or there is no such batch.",
            hint="`chargeplan status` lists what is open, with its batch.",
            code="unknown_batch",
        )
    return references


class Recorded(msgspec.Struct, frozen=True):
    """What was recorded of one line: a posting that moved, or a decision beside the postings."""

    reference: str
    verdict: Verdict
    moved: Settled | None = None
    subject: str = ""


def resolve(
    ports: Ports,
    lines: Lines,
    references: Sequence[str],
    verdict: Verdict,
    reason: str,
    *,
    subject: str = "",
) -> list[Recorded]:
    """Record a person's decision on each of the lines; all are checked before the first is recorded.

    Raises:
        ChargeplanError: ``unknown_reference``, ``not_open``, ``does_not_fit``; nothing was recorded.
        LockedError: a request may be under way for one of them.
    """
    with ExitStack() as stack:
        _lock_intended(ports, lines, references, stack)
        steps = [_step(ports, lines, reference, verdict, subject) for reference in dict.fromkeys(references)]
        return [step.take(ports, verdict, reason) for step in steps]


def _lock_intended(ports: Ports, lines: Lines, references: Sequence[str], stack: ExitStack) -> None:
    """A request may be under way for what is only intended: then the lock is that run's, and this one refuses."""
    postings = [posting for reference in references if (posting := lines.posting(reference)) is not None]
    for integration_id, property_id in sorted(
        {(each.integration_id, each.property_id) for each in postings if each.state == "intended"}
    ):
        stack.enter_context(ports.journal.lock(integration_id, [property_id], purpose="resolve", timeout=0))


class _Step(msgspec.Struct, frozen=True):
    """What to record of one line: the new state of a posting, a posting that is new to the journal, or a decision."""

    reference: str
    place: tuple[str, str]
    posting: Posting | None = None
    state: State | None = None
    decision: Decision | None = None

    def take(self, ports: Ports, verdict: Verdict, reason: str) -> Recorded:
        """Record it."""
        moved = None
        if self.decision is not None:
            integration_id, property_id = self.place
            ports.journal.decide(
                self.decision, integration_id=integration_id, property_id=property_id, reason=reason
            )
        if self.posting is not None and self.state is None:
            ports.journal.vouch(self.posting, reason=reason)
            moved = Settled(self.posting, "not_posted", reason)
        elif self.posting is not None and self.state is not None:
            ports.journal.settle(self.posting.id, self.state, reason=reason)
            now = msgspec.structs.replace(self.posting, state=self.state)
            moved = Settled(now, self.posting.state, reason)
        subject = self.decision.subject if self.decision is not None else ""
        return Recorded(self.reference, verdict, moved, subject)


def _step(ports: Ports, lines: Lines, reference: str, verdict: Verdict, subject: str) -> _Step:
    posting = lines.posting(reference)
    if verdict in {"posted", "not_posted"} and posting is not None:
        return _own_word(ports, posting, verdict)
    if (
        posting is not None
        and verdict == "unrelated"
        and posting.charge_id == subject
        and posting.state not in FREE
    ):
        # It takes the adoption back; the charge is then asked about anew.
        return _own_word(ports, posting, "not_posted")
    if posting is None and verdict in {"not_posted", "voided"}:
        raise ChargeplanError(
            f"The journal has no posting {reference}.",
            hint="`chargeplan status` lists what is open; `chargeplan journal rebuild` takes in what the ledgers have of ours.",
            code="unknown_reference",
        )
    if posting is not None and verdict == "voided":
        # Told from journal and snapshot, as `status` does: no plan may have the line any more.
        gone = any(each.reference == reference for each in removed(ports).postings)
        return _Step(
            reference, (posting.integration_id, posting.property_id), posting, void(posting, gone=gone)
        )
    return _planned_step(lines.change(reference), verdict, subject)


def _own_word(ports: Ports, posting: Posting, verdict: Verdict) -> _Step:
    """What a person says of a posting."""
    place = (posting.integration_id, posting.property_id)
    if verdict == "not_posted" and posting.state == "not_posted" and _is_contradicted(ports, posting):
        return _Step(
            posting.reference, place, decision=Decision(what="confirmed", reference=posting.reference)
        )
    return _Step(posting.reference, place, posting, next_state(verdict, posting))


def _planned_step(change: Change, verdict: Verdict, subject: str) -> _Step:
    """What a person says of a line as it is planned now."""
    place = (change.integration_id, change.property_id)
    decision = None
    match verdict:
        case "accepted":
            decision = acceptance(change)
        case "reopened":
            decision = reopening(change)
        case "unrelated":
            decision = unrelated(change, subject)
        case _:
            return _Step(change.reference, place, vouched(change))
    return _Step(change.reference, place, decision=decision)


def _is_contradicted(ports: Ports, posting: Posting) -> bool:
    said = [
        each.what
        for each in ports.journal.decisions(posting.integration_id, posting.property_id)
        if each.reference == posting.reference and each.what in {"contradicted", "confirmed"}
    ]
    return said[-1:] == ["contradicted"]


class Adoption(msgspec.Struct, frozen=True):
    """A charge and the line that it is to be; ``rest`` is what the line has more, in cents."""

    line: Change
    charge: SyncedCharge
    posting: Posting
    replaced: Posting | None
    rest: int


def fitting(ports: Ports, lines: Lines, *, charge_id: str, reference: str) -> Adoption:
    """The adoption of a foreign charge as the line or correction with that reference, before it is recorded.

    Raises:
        ChargeplanError: ``unknown_reference``, ``unknown_charge``, ``charge_taken``, ``does_not_fit``.
    """
    line = lines.change(reference)
    days = ports.snapshot.covered(line.integration_id)
    observed = ports.snapshot.property(line.integration_id, line.property_id, days)
    charge = next((each for each in observed.charges if each.id == charge_id), None)
    if charge is None:
        raise ChargeplanError(
            f"No charge on the ledgers has the id {charge_id}, as far as the last sync shows.",
            hint="Give the charge's Propexo id, as the hold names it; one that was entered since is read with --full-refresh of `chargeplan plan`.",
            code="unknown_charge",
        )
    poster = _poster_of(ports, line, charge)
    posting = adoption(line, charge, people=_people_of(line, households(observed)), poster=poster)
    return Adoption(line, charge, posting, poster, rest_of(line, charge))


def _people_of(line: Change, everyone: Iterable[Household]) -> frozenset[str]:
    """The residents and leases of the line's household."""
    return frozenset(
        person
        for household in everyone
        if household.unit.id == line.unit_id
        and line.lease_id in (leases := [lease.id for lease in household.leases])
        for person in [*leases, *(each.resident_id for each in household.members())]
    )


class Matching(msgspec.Struct, frozen=True):
    """Holds whose foreign charge is the line in all that a person would look at; ``held`` counts the others."""

    adoptions: tuple[Adoption, ...]
    held: int


def matching(ports: Ports, project: Project, request: PlanRequest) -> Matching:
    """What can be adopted all at once, from one plan; nothing is recorded.

    Raises:
        ChargeplanError: the month can't be planned.
    """
    holds = [each for each in plan_now(ports, project, request).change_set.changes if each.action == "hold"]
    by_property: dict[tuple[str, str], list[Change]] = {}
    for hold in holds:
        by_property.setdefault((hold.integration_id, hold.property_id), []).append(hold)
    found = [
        adopted
        for (integration_id, property_id), lines in by_property.items()
        for adopted in _same(ports, integration_id, property_id, lines)
    ]
    return Matching(tuple(found), len(holds) - len(found))


def _same(ports: Ports, integration_id: str, property_id: str, holds: Sequence[Change]) -> Iterator[Adoption]:
    days = ports.snapshot.covered(integration_id)
    observed = ports.snapshot.property(integration_id, property_id, days)
    charges = {each.id: each for each in observed.charges}
    settled = ports.journal.settled_by(
        integration_id, [each.synced.id for each in holds if each.synced is not None]
    )
    by_unit: dict[str, list[Household]] = {}
    for household in households(observed):
        by_unit.setdefault(household.unit.id, []).append(household)
    for line in holds:
        charge = charges.get(line.synced.id) if line.synced is not None else None
        if charge is None or charge.id in settled or is_reference(charge.reference):
            continue
        people = _people_of(line, by_unit.get(line.unit_id, ()))
        if is_same(line, charge, people):
            yield Adoption(line, charge, adoption(line, charge, people=people, poster=None), None, 0)


def _poster_of(ports: Ports, line: Change, charge: SyncedCharge) -> Posting | None:
    """The live posting that the charge came of, or that it settled."""
    for posting in reversed(ports.journal.find(charge.reference or "")):
        if posting.state not in FREE and posting.state != "voided":
            return posting
    if ports.journal.settled_by(line.integration_id, [charge.id]):
        same = [
            each
            for each in ports.journal.postings(line.integration_id, line.property_id)
            if each.charge_id == charge.id
        ]
        return next((each for each in same if each.state not in FREE and each.state != "voided"), None)
    return None


def adopt(ports: Ports, adopted: Adoption, reason: str) -> None:
    """Record it. A charge of ours whose line is no longer due is that line's no more."""
    if adopted.replaced is not None:
        ports.journal.settle(
            adopted.replaced.id, "voided", reason=f"adopted as {adopted.posting.reference}: {reason}"
        )
    ports.journal.adopt(adopted.posting, adopted.charge.id, reason=reason)
