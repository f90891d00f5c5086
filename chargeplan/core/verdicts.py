"""Whether a person's decision fits what is recorded and seen, and what it comes to (interface.md, *Decisions*).

Every refusal says what differs and which decision would fit.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec

from chargeplan.core.change import Change, is_twice, period_reference
from chargeplan.core.dates import month_number
from chargeplan.core.decision import Decision
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.key import Key
from chargeplan.core.money import format_money
from chargeplan.core.observed import SyncedCharge, day_of
from chargeplan.core.posting import FREE, OPEN, SETTLED, Posting, State, posting_of

Verdict = Literal["posted", "not_posted", "accepted", "reopened", "voided", "unrelated"]

ADOPTED = "adopt"
"""The action of a posting that a person adopted a charge as."""


def next_state(verdict: Verdict, posting: Posting) -> State:
    """The state that a person's word brings a posting to.

    =============================  ==========  ==========================================
    the posting is                 --posted    --not-posted
    =============================  ==========  ==========================================
    open                           posted      not_posted
    posted by a person's word      refused     not_posted, which takes that word back
    adopted                        refused     not_posted, which takes the adoption back
    seen on the ledger             refused     refused
    refused, withdrawn, not        posted      refused
    posted, voided
    =============================  ==========  ==========================================

    Raises:
        ChargeplanError: ``not_open``.
    """
    taken_back = posting.state == "posted" or posting.action == ADOPTED
    if verdict == "posted" and (posting.state in OPEN | FREE or posting.state == "voided"):
        return "posted"
    if verdict == "not_posted" and (posting.state in OPEN or (taken_back and posting.state not in FREE)):
        return "not_posted"
    seen = f" as charge {posting.charge_id}" if posting.state == "visible" and posting.charge_id else ""
    raise ChargeplanError(
        f"{posting.reference} is {posting.state.replace('_', ' ')}{seen}: there is nothing to resolve.",
        hint="`chargeplan status` lists what waits for a person, with the commands.",
        code="not_open",
    )


def acceptance(change: Change) -> Decision:
    """A drift, or a held correction, as it is.

    Raises:
        ChargeplanError: ``does_not_fit``.
    """
    if change.action != "drift" and not is_held_correction(change):
        raise _misfit(change, "--accept is for a drift, or for a correction that is held")
    due = change.there + (change.amount or 0)
    return Decision(what="accepted", reference=period_reference(change), due=due, there=change.there)


def reopening(change: Change) -> Decision:
    """A drift that was accepted is a drift again."""
    return Decision(what="reopened", reference=period_reference(change))


def is_held_correction(change: Change) -> bool:
    """Whether the change is a correction that is held."""
    return change.action == "hold" and change.next_part > 0


def vouched(change: Change) -> Posting:
    """A held line that a person says is on the ledger, where nothing of it is synced.

    Raises:
        ChargeplanError: ``does_not_fit``.
    """
    if change.action != "hold" or change.amount is None:
        raise _misfit(
            change, "--posted is for what was sent, or for a held line that somebody entered by hand"
        )
    return msgspec.structs.replace(posting_of(change), state="posted")


def void(posting: Posting, *, gone: bool) -> State:
    """What was taken off the ledger was rightly voided; ``gone`` is whether the last sync missed it.

    Raises:
        ChargeplanError: ``does_not_fit``.
    """
    if posting.state not in SETTLED or not gone:
        raise ChargeplanError(
            f"{posting.reference} is {posting.state.replace('_', ' ')}: --removed is for what is removed upstream. "
            "Nothing was recorded.",
            hint="`chargeplan status` lists what waits for a person, with the commands.",
            code="does_not_fit",
        )
    return "voided"


def unrelated(change: Change, subject: str) -> Decision:
    """The charge is another matter.

    Raises:
        ChargeplanError: ``does_not_fit``.
    """
    if subject not in change.concerns:
        named = ", ".join(change.concerns) or "none"
        raise _misfit(change, f"{subject} is none of the charges that it is held for or drifts by ({named})")
    return Decision(what="unrelated", reference=period_reference(change), subject=subject)


def adoption(
    change: Change, charge: SyncedCharge, *, people: Collection[str], poster: Posting | None
) -> Posting:
    """The charge as this line, or as the correction of this drift; the posting's amount stays the line's.

    ``people`` are the residents and leases of the line's household; ``poster`` is the posting of ours that the charge came of.

    Raises:
        ChargeplanError: ``does_not_fit``, ``charge_taken``.
    """
    if change.action not in {"hold", "create", "missed", "correct", "drift"} or change.amount is None:
        raise _misfit(change, "there is nothing to adopt a charge as")
    if is_twice(change):
        raise _misfit(
            change, "one charge too many is no correction: void it there, or say --unrelated or --accept"
        )
    if poster is not None and charge.id not in change.concerns:
        raise ChargeplanError(
            f"{charge.id} settles {poster.reference}, which is due; one charge settles one line.",
            hint=f"`chargeplan explain {poster.reference}` shows that line.",
            code="charge_taken",
        )
    differs = list(_differences(change, charge, people))
    if differs:
        raise _misfit(change, f"{charge.id} {' and '.join(differs)}")
    posting = msgspec.structs.replace(posting_of(change), action=ADOPTED, charge_id=charge.id)
    if change.action != "drift":
        return posting
    key = Key(
        change.integration_id,
        change.key_plan,
        change.key_charge,
        change.unit_id,
        change.resident_id,
        change.period_key,
        change.next_part,
    )
    return msgspec.structs.replace(posting, reference=key.reference, part=key.part)


def is_same(change: Change, charge: SyncedCharge, people: Collection[str]) -> bool:
    """Whether a charge is a held line in all that a person would look at: amount, code, people and month."""
    day = day_of(charge)
    return (
        (change.action, change.reason) == ("hold", "probable_duplicate")
        and charge.id in change.concerns
        and charge.amount == change.amount
        and charge.charge_code_id == change.charge_code_id
        and not {charge.resident_id, charge.lease_id}.isdisjoint(people)
        and day is not None
        and month_number(day) == month_number(change.transaction_date)
    )


def _differences(change: Change, charge: SyncedCharge, people: Collection[str]) -> list[str]:
    differs = []
    mine = {charge.resident_id, charge.lease_id} & set(people)
    if not mine and charge.id not in change.concerns:
        differs.append(
            f"stands on {charge.resident_id or charge.lease_id}, and the line is {change.resident_id}'s"
        )
    if charge.charge_code_id != change.charge_code_id and charge.id not in change.concerns:
        differs.append(f"has the charge code {charge.charge_code_id}, and the line {change.charge_code_id}")
    if (charge.amount or 0) * (change.amount or 0) < 0:
        differs.append(
            f"is {format_money(charge.amount or 0)}, and the line {format_money(change.amount or 0)}"
        )
    return differs


def settling(change: Change, charge_id: str) -> tuple[str, ...]:
    """What may be said of a charge beside the line: that it is this line, unless it is one too many, and that it is another matter."""
    unrelated_one = f"chargeplan resolve {change.reference} --unrelated {charge_id} --reason TEXT"
    if is_twice(change):
        return (unrelated_one,)
    return f"chargeplan adopt {charge_id} --as {change.reference} --reason TEXT", unrelated_one


def commands(change: Change) -> tuple[str, ...]:
    """The commands that settle what the change asks, the likeliest first; none where no decision does."""
    resolve = f"chargeplan resolve {change.reference}"
    concerned = tuple(command for charge_id in change.concerns for command in settling(change, charge_id))
    match change.action:
        case "hold" if change.reason == "probable_duplicate" and not change.concerns:
            return (f"{resolve} --posted --reason TEXT", f"{resolve} --not-posted --reason TEXT")
        case "hold" if change.reason == "credit_not_allowed":
            return (f"{resolve} --posted --reason TEXT",)
        case "drift":
            return (*concerned, f"{resolve} --accept --reason TEXT")
        case "removed_upstream":
            return (f"{resolve} --removed --reason TEXT",)
        case "missed":
            return ("chargeplan apply --missed",)
        case _:
            return concerned


def rest_of(change: Change, charge: SyncedCharge) -> int:
    """What the line has more than the charge that is adopted, in cents: it becomes a drift."""
    return 0 if charge.amount is None else (change.amount or 0) - charge.amount


def _misfit(change: Change, why: str) -> ChargeplanError:
    reason = f" ({change.reason})" if change.reason else ""
    return ChargeplanError(
        f"{change.reference} is {change.action.replace('_', ' ')}{reason}: {why}. Nothing was recorded.",
        hint="`chargeplan status` lists what waits for a person, with the commands.",
        code="does_not_fit",
    )
