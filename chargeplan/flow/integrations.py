"""Integrations that come and go: one that is set up anew at Propexo has other ids for the same property, people and charges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from chargeplan.core.config import Project
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.money import format_money
from chargeplan.core.posting import Posting, key_of
from chargeplan.flow.ports import Journal, Ports, Remote


def refuse_unnamed(journal: Journal, project: Project) -> None:
    """Do nothing where every open line is of an integration that configuration or plans name.

    Others can't be settled any more, and what they are for may be due again under another integration's ids.

    Raises:
        ChargeplanError: ``integration_unnamed``, with the ways on.
    """
    named = {integration.id for integration in project.config.integrations.values()}
    named |= {plan.integration_id for plan in project.plans}
    lines = [posting for posting in journal.open_postings() if posting.integration_id not in named]
    if not lines:
        return
    old = lines[0].integration_id
    of_old = [line for line in lines if line.integration_id == old]
    new = next(iter(sorted(named)), "NEW")
    raise ChargeplanError(
        f"{_told(of_old)} still open of the integration {old}, which the configuration does not name. Nothing was posted.",
        hint=f"Where it was set up anew at Propexo: `chargeplan journal move-integration {old} {new}`. Else name it again under "
        f"`integrations` and run `chargeplan reconcile`, or say what became of each: `chargeplan resolve {of_old[0].reference} "
        "--posted --reason TEXT`, or `--not-posted`.",
        code="integration_unnamed",
    )


def _told(lines: list[Posting]) -> str:
    amount = format_money(sum(line.amount for line in lines))
    some = ", ".join(each.reference for each in lines[:5]) + (
        f" and {len(lines) - 5} more" if len(lines) > 5 else ""
    )
    return f"{len(lines)} line{'s' if len(lines) > 1 else ''} ({amount}: {some}) {'are' if len(lines) > 1 else 'is'}"


# What a line's key and place are made of; a system's own id says which record of the new integration is the old one's.
_KINDS: Final[Mapping[str, str]] = {
    "property_id": "properties",
    "unit_id": "units",
    "lease_id": "leases",
    "resident_id": "residents",
    "charge_code_id": "charge-codes",
    "charge_id": "resident-charges",
}


class MovedLines(msgspec.Struct, frozen=True):
    """How many lines went along, how many of them are held for want of a match, and how many stay where they are."""

    moved: int
    partly: int
    left: int


def move_integration(ports: Ports, project: Project, old: str, new: str, *, reason: str) -> MovedLines:
    """Lines and keys of an integration that was set up anew go with it.

    A line whose property has no match stays; one whose unit or people have none goes along as far as they are known, and
    holds what is due in its place until a person says what it is.

    Raises:
        ChargeplanError: the new one is not named, the old one has no lines, or Propexo or the journal failed.
    """
    _check_new(project, old, new)
    lines = ports.journal.of_integration(old)
    if not lines:
        raise ChargeplanError(
            f"The journal has no lines of the integration {old}. Nothing was moved.",
            hint="`chargeplan history` shows the integrations that it has lines of.",
            code="unknown_integration",
        )
    twins = {key: _twins(ports.remote, kind, old, new) for key, kind in _KINDS.items()}
    along = [line for line in lines if line.property_id in twins["property_id"]]
    moves = [_moved(each, new, twins) for each in along]
    partly = sum(
        any(getattr(each, key) not in twins[key] for key in ("unit_id", "resident_id")) for each in along
    )
    places = sorted({line.property_id for line in lines})
    with ports.journal.lock(old, places, purpose="move-integration", timeout=0):
        # Before the lines: should this end between the two, the next try says the same of them once more.
        _move_decisions(ports, old, new, twins, list(zip(along, moves, strict=True)), reason=reason)
        ports.journal.move_integration(old, new, moves, properties=twins["property_id"], reason=reason)
    return MovedLines(moved=len(moves), partly=partly, left=len(lines) - len(moves))


def _check_new(project: Project, old: str, new: str) -> None:
    named = {integration.id for integration in project.config.integrations.values()}
    if new not in named or old == new:
        raise ChargeplanError(
            f"The configuration does not name the integration {new} beside {old}. Nothing was moved.",
            hint=f"Put its id under `integrations` in place of the old one. It has: {', '.join(sorted(named)) or 'none'}.",
            code="integration_unnamed",
        )


_Twins = Mapping[str, Mapping[str, str]]
"""By key of a posting: the new record of each old one."""


def _twins(remote: Remote, kind: str, old: str, new: str) -> Mapping[str, str]:
    """The new integration's record of each of the old one's that has the same id in the property system."""
    there: dict[str, list[str]] = {}
    for known, x_id in remote.own_ids(kind, new):
        there.setdefault(x_id, []).append(known)
    return {
        known: there[x_id][0] for known, x_id in remote.own_ids(kind, old) if len(there.get(x_id, ())) == 1
    }


def _moved(posting: Posting, new: str, twins: _Twins) -> Posting:
    ids = {
        key: twins[key].get(value, value) for key in _KINDS if (value := getattr(posting, key)) is not None
    }
    # A late fee is known by its late charge, which may have no reference but its record's id.
    period = twins["charge_id"].get(posting.period, posting.period)
    return msgspec.structs.replace(posting, integration_id=new, action="moved", period=period, **ids)


def _move_decisions(
    ports: Ports,
    old: str,
    new: str,
    twins: _Twins,
    moves: Sequence[tuple[Posting, Posting]],
    *,
    reason: str,
) -> None:
    """What people said of lines, and of the periods that they are of, is said of the new keys.

    Of a line that was never posted nothing tells the key: it is asked about again.
    """
    names: dict[str, str] = {}
    for before, after in moves:
        names[key_of(before).reference] = key_of(after).reference
        names[before.reference] = key_of(after, after.part).reference
    for property_id, there in twins["property_id"].items():
        for each in ports.journal.decisions(old, property_id):
            if each.reference in names:
                subject = twins["charge_id"].get(each.subject, each.subject)
                said = msgspec.structs.replace(each, reference=names[each.reference], subject=subject)
                ports.journal.decide(said, integration_id=new, property_id=there, reason=reason)
