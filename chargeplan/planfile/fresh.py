"""Whether a plan file still belongs here: to this environment, host and journal, these files, and this day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from chargeplan.core.errors import StalePlanError
from chargeplan.planfile.codec import PlanFile

# By so much at most may the clock of the machine that planned be ahead of this one's.
_SKEW: Final = timedelta(hours=12)


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """Where and when a plan file is to be used. ``inputs`` is the SHA-256 of every input file by relative path.

    ``api_host`` and ``journal_id`` are ``None`` where nobody has asked for them: a plan is approved without a token. ``used``:
    the journal has posted lines of the plan before, so that its day was met.
    """

    environment: str
    inputs: Mapping[str, str]
    now: str
    api_host: str | None = None
    journal_id: str | None = None
    used: bool = False


def refuse_stale(plan: PlanFile, here: Here, consequence: str, hint: str) -> None:
    """Do nothing where the plan file belongs here; ``consequence`` and ``hint`` end the message where it does not.

    Raises:
        StalePlanError: for the first row of the table that is so.
    """
    for is_stale, why in _table(plan, here):
        if is_stale:
            raise StalePlanError(f"The plan {why}. {consequence}", hint=hint)


def _table(plan: PlanFile, here: Here) -> Iterator[tuple[bool, str]]:
    header, origin = plan.header, plan.header.origin
    now = datetime.fromisoformat(here.now)
    yield (
        header.environment != here.environment,
        f"was made for the environment `{header.environment}`, not `{here.environment}`",
    )
    yield (
        here.api_host not in {None, origin.api_host},
        f"was made against {origin.api_host}, not {here.api_host}",
    )
    yield here.journal_id not in {None, origin.journal_id}, "was made with another journal"
    yield (
        origin.inputs != here.inputs,
        f"was made from other files: {_changed(origin.inputs, here.inputs)}",
    )
    yield (
        not here.used and datetime.fromisoformat(header.created_at) > now + _SKEW,
        f"says that it was made at {header.created_at}, and here it is {here.now}: one of the two clocks is wrong",
    )
    yield (
        not here.used and datetime.fromisoformat(header.expires_at) <= now,
        f"was made to be applied before {header.expires_at}",
    )
    yield plan.change_set.errored, "has errors"


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The first few of the files that are not what they were, by their digests."""
    changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return ", ".join(changed[:5]) + (" …" if len(changed) > 5 else "")
