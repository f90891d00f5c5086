"""Which state may follow which. What is not here is a bug or a lie, and the store refuses it."""

from __future__ import annotations

from typing import Final

from chargeplan.core.errors import ChargeplanError
from chargeplan.core.posting import State

_OUTCOMES: Final[frozenset[State]] = frozenset(
    {"accepted", "visible", "posted", "refused", "unknown", "not_posted"}
)
# What was thought not to be written may turn up on the ledger after all: presence proves, absence never does.
_TURNED_UP: Final[frozenset[State]] = frozenset({"visible", "posted"})

TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    "intended": _OUTCOMES | {"withdrawn", "queued"},
    "queued": _OUTCOMES,
    "unknown": (_OUTCOMES - {"unknown"}) | {"queued"},
    "accepted": frozenset({"visible", "posted", "not_posted"}),
    # A person takes back what a person said; what was adopted, or taken off a ledger, is decided by people too.
    "posted": frozenset({"visible", "not_posted", "voided"}),
    "visible": frozenset({"not_posted", "voided"}),
    "voided": _TURNED_UP,
    "withdrawn": _TURNED_UP,
    "refused": _TURNED_UP,
    # An answer that came after a person's word: the request was taken.
    "not_posted": _TURNED_UP | {"queued"},
}

# The worst first: what needs a reconciliation, then what was not written, then what is done.
_WORST_FIRST: Final[tuple[State, ...]] = (
    "unknown",
    "intended",
    "queued",
    "refused",
    "voided",
    "not_posted",
    "withdrawn",
    "accepted",
    "posted",
    "visible",
)


def check_transition(reference: str, before: State, after: State) -> None:
    """Do nothing where ``after`` may follow ``before``.

    Raises:
        ChargeplanError: ``illegal_transition``.
    """
    if after not in TRANSITIONS.get(before, frozenset()):
        raise ChargeplanError(
            f"The posting of {reference} is {before} and can't become {after}.",
            hint="See where it stands with `chargeplan explain`; nothing was changed.",
            code="illegal_transition",
        )


def worst(states: set[State]) -> State:
    """The state a batch is shown with; of no lines at all, ``withdrawn``."""
    return next((state for state in _WORST_FIRST if state in states), "withdrawn")
