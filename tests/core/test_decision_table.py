"""The decision table of plan-language.md, *What already exists, and what follows*, as one product.

One line is due: August's, a charge or a credit. One thing is there already, and every combination of its author, sign, state, day and
amount is compared with what the contract's sentences say, which ``wanted`` repeats without a look at the program.
"""

from __future__ import annotations

from itertools import product
from typing import Literal, get_args

import msgspec
import pytest

from chargeplan.core.key import Key
from chargeplan.core.posting import Posting, posting_of
from tests.core.builders import World, charge, d, plan, usd

Author = Literal["ours", "ours under another key", "foreign"]
State = Literal[
    "intended", "withdrawn", "queued", "accepted", "visible", "posted", "refused", "unknown", "not_posted", "voided", "removed",
]  # fmt: skip
Day = Literal["2027-07-24", "2027-07-25", "2027-08-01", "2027-08-31", "2027-09-01"]
Amount = Literal["the very", "another"]

LINES = {"charge": 100000, "credit": -20000}
IN_THE_PERIOD = {"2027-08-01", "2027-08-31"}
AT_MOST_A_WEEK_EARLY = {"2027-07-25"}
ON_A_LEDGER_MAYBE = {"intended", "queued", "accepted", "visible", "posted", "unknown"}
"""What of ours is, or may be, on a ledger."""


def wanted(author: Author, *, same_sign: bool, state: State, day: Day, amount: Amount) -> list[str]:
    """What the contract says of the line."""
    very = amount == "the very" and same_sign
    match author:
        case "ours":
            # Its own name counts, whatever its date; of another sign it is of another amount.
            if state in {"withdrawn", "refused", "not_posted", "voided"}:
                return ["create"]
            if state in {"intended", "unknown"}:
                return ["unknown"]
            if state == "removed":
                return ["removed_upstream"]
            shown = [] if state in {"visible", "posted"} else ["in_flight"]
            return (shown or ["unchanged"]) if very else ["drift", *shown]
        case "ours under another key":
            # It concerns the line where the days that it serves overlap the line's: those of its own month.
            concerns = same_sign and state in ON_A_LEDGER_MAYBE and day in IN_THE_PERIOD
            return ["hold"] if concerns else ["create"]
        case "foreign":
            # It has no more than a date: in the period, or early and of the very amount.
            near = day in IN_THE_PERIOD or (day in AT_MOST_A_WEEK_EARLY and very)
            return ["hold"] if same_sign and near and state == "visible" else ["create"]


def the_world(author: Author, cents: int, *, state: State, day: Day, sign: str) -> World:
    """Ann's line is due, and one thing is there."""
    world = World(plan(charge(amount=usd(f"{LINES[sign] / 100:.2f}")), owns=("Rent",)))
    (line,) = world.compare().changes
    posting = msgspec.structs.replace(posting_of(line), amount=cents, transaction_date=d(day))
    if author == "ours under another key":
        posting = _under_another_key(posting, day)
    if author != "foreign":
        kept = "visible" if state == "removed" else state
        world.postings[posting.reference] = msgspec.structs.replace(posting, state=kept)
    if state in {"visible", "removed"}:
        reference = None if author == "foreign" else posting.reference
        seen = "2027-09-02T00:00:00Z" if state == "visible" else "2027-08-02T00:00:00Z"
        world.add(reference, amount=cents, transaction_date=d(day), last_seen=seen)
        # What the last sync saw of the neighbours tells that it missed the one.
        world.add(resident_id="zoe", last_seen="2027-09-02T00:00:00Z")
    return world


def _under_another_key(posting: Posting, day: Day) -> Posting:
    """The same charge before it was renamed without `moved`, for the month of the day."""
    first, last = {"07": ("01", "31"), "08": ("01", "31"), "09": ("01", "30")}[day[5:7]]
    month = day[:8]
    key = Key(
        posting.integration_id, "oak", "base-rent", posting.unit_id, posting.resident_id, f"{month}{first}"
    )
    return msgspec.structs.replace(
        posting,
        reference=key.reference,
        charge="base-rent",
        key_charge="base-rent",
        period=key.period,
        service_first=d(f"{month}{first}"),
        service_last=d(f"{month}{last}"),
        period_first=d(f"{month}{first}"),
        period_last=d(f"{month}{last}"),
    )


KINDS = [
    (author, state)
    for author, state in product(get_args(Author), get_args(State))
    # Of somebody else's charge no more is known than whether the last sync saw it.
    if author != "foreign" or state in {"visible", "removed"}
]


@pytest.mark.parametrize(("author", "state"), KINDS)
def test_every_author_sign_state_day_and_amount(author: Author, state: State) -> None:
    found, right = {}, {}
    for sign, same_sign, day, amount in product(LINES, (True, False), get_args(Day), get_args(Amount)):
        cents = LINES[sign] // (1 if amount == "the very" else 2) * (1 if same_sign else -1)
        world = the_world(author, cents, state=state, day=day, sign=sign)
        case = (sign, "same sign" if same_sign else "other sign", day, amount)
        found[case] = sorted(each.action for each in world.compare().changes)
        right[case] = wanted(author, same_sign=same_sign, state=state, day=day, amount=amount)
    assert found == right
