"""Renames: a moved charge keeps the names that its lines are known by (plan-language.md, *Top level* and *What a line is known by*)."""

from __future__ import annotations

import msgspec

from chargeplan.core.diagnostic import Place
from chargeplan.core.plan import Charge
from chargeplan.core.suggest import did_you_mean
from chargeplan.loading.check import SLUG, Fields, Spot, slug, text
from chargeplan.loading.node import Problems


class Move(msgspec.Struct, frozen=True):
    """``plan/charge`` is now this plan's charge ``to``; ``place`` is that of the old name."""

    plan: str
    charge: str
    to: str
    place: Place
    to_place: Place


def read_move(spot: Spot, plan: str) -> Move | None:
    """One entry of ``moved`` in the plan called ``plan``."""
    fields = Fields.open(spot, ("from", "to"), "a mapping such as `{from: old-name, to: new-name}`")
    if fields is None:
        return None
    old = fields.required("from", _old_name)
    new = fields.required("to", slug)
    if old is None or new is None:
        return None
    return Move(old[0] or plan, old[1], new, fields.value_place("from"), fields.value_place("to"))


def _old_name(spot: Spot) -> tuple[str, str] | None:
    name = text(spot)
    if name is None:
        return None
    plan, _, charge = name.rpartition("/")
    if SLUG.fullmatch(charge) and (not plan or SLUG.fullmatch(plan)):
        return plan, charge
    spot.wrong("a charge's old name, or `plan/charge`")
    return None


def take_keys(
    plan: str, charges: tuple[Charge, ...], moves: tuple[Move, ...], problems: Problems
) -> tuple[Charge, ...]:
    """The charges with the names that their lines are known by; what contradicts itself is reported.

    A charge that moved twice is known by its first name, so an old name may be another move's new one.
    """
    ids = tuple(charge.id for charge in charges)
    origin: dict[str, Move] = {}
    for move in moves:
        if _possible(move, plan, ids, moves, problems):
            if move.to in origin:
                problems.error(
                    move.place,
                    f"`{move.to}` is said to come from two charges.",
                    "A charge has one past: delete one of the moves.",
                )
            origin.setdefault(move.to, move)
    return tuple(_with_key(charge, plan, origin, problems) for charge in charges)


def _possible(
    move: Move, plan: str, ids: tuple[str, ...], moves: tuple[Move, ...], problems: Problems
) -> bool:
    if move.plan == plan and move.charge in ids:
        problems.error(
            move.place,
            f"`{move.charge}` is still a charge of this plan, so it was not moved.",
            "Rename the charge, or delete the move.",
        )
        return False
    passed_on = any(each.plan == plan and each.charge == move.to for each in moves)
    if move.to not in ids and not passed_on:
        problems.error(
            move.to_place,
            f"There is no charge `{move.to}` in this plan.",
            did_you_mean(move.to, ids, otherwise="Its charges are"),
        )
        return False
    return True


def _with_key(charge: Charge, plan: str, origin: dict[str, Move], problems: Problems) -> Charge:
    key_plan, key_charge = plan, charge.id
    seen: set[str] = set()
    while key_plan == plan and (move := origin.get(key_charge)) is not None:
        if key_charge in seen:
            problems.error(move.place, "The moves go in a circle.", "Delete one of them.")
            break
        seen.add(key_charge)
        key_plan, key_charge = move.plan, move.charge
    return msgspec.structs.replace(charge, key_plan=key_plan, key_charge=key_charge)
