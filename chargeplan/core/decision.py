"""What a person said of a line, as planning knows it (interface.md, *Decisions*)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

What = Literal["unrelated", "related", "accepted", "reopened", "contradicted", "confirmed"]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision on a line that changes no posting's state.

    ``reference`` names the line; of an accepted drift it is that of the period's first part. ``subject`` is the charge (or
    the reference of a posting of ours) that is another matter; ``due`` and ``there`` are the cents that were accepted.
    ``related`` takes ``unrelated`` back, ``reopened`` takes ``accepted`` back, ``confirmed`` stands against ``contradicted``: the
    write log's word against a person's that the line was not posted.
    """

    what: What
    reference: str
    subject: str = ""
    due: int = 0
    there: int = 0


class Decisions(msgspec.Struct, frozen=True):
    """What holds now: the later decision on the same matter replaces the earlier one."""

    unrelated: frozenset[tuple[str, str]] = frozenset()
    accepted: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)
    contradicted: frozenset[str] = frozenset()

    def is_accepted(self, reference: str, due: int, there: int) -> bool:
        """Whether a person accepted that the period has ``there`` cents where ``due`` cents are."""
        return self.accepted.get(reference) == (due, there)


def standing(decisions: Iterable[Decision]) -> Decisions:
    """What holds after these decisions, given oldest first."""
    unrelated: set[tuple[str, str]] = set()
    accepted: dict[str, tuple[int, int]] = {}
    contradicted: set[str] = set()
    for each in decisions:
        match each.what:
            case "unrelated":
                unrelated.add((each.reference, each.subject))
            case "related":
                unrelated.discard((each.reference, each.subject))
            case "accepted":
                accepted[each.reference] = (each.due, each.there)
            case "reopened":
                accepted.pop(each.reference, None)
            case "contradicted":
                contradicted.add(each.reference)
            case "confirmed":
                contradicted.discard(each.reference)
    return Decisions(frozenset(unrelated), accepted, frozenset(contradicted))
