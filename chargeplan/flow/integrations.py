"""Integrations that come and go: one that is set up anew at Propexo has other ids for the same property, people and charges."""

from __future__ import annotations

from chargeplan.core.config import Project
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.money import format_money
from chargeplan.core.posting import Posting
from chargeplan.flow.ports import Journal


def refuse_unnamed(journal: Journal, project: Project) -> None:
    """Do nothing where every open line is of an integration that configuration or plans name.

    Others can't be settled any more, and what they are for may be due again under another integration's ids.

    Raises:
        ChargeplanError: ``integration_unnamed``, with the ways on.
    """
    named = {each.id for each in project.config.integrations.values()}
    named |= {plan.integration_id for plan in project.plans}
    lines = [each for each in journal.open_postings() if each.integration_id not in named]
    if not lines:
        return
    old = lines[0].integration_id
    of_old = [each for each in lines if each.integration_id == old]
    new = next(iter(sorted(named)), "NEW")
    raise ChargeplanError(
        f"{_told(of_old)} still open of the integration {old}, which the configuration does not name. Nothing was posted.",
        hint=f"Where it was set up anew at Propexo: `chargeplan journal move-integration {old} {new}`. Else name it again under "
        f"`integrations` and run `chargeplan reconcile`, or say what became of each: `chargeplan resolve {of_old[0].reference} "
        "--posted --reason TEXT`, or `--not-posted`.",
        code="integration_unnamed",
    )


def _told(lines: list[Posting]) -> str:
    amount = format_money(sum(each.amount for each in lines))
    some = ", ".join(each.reference for each in lines[:5]) + (
        f" and {len(lines) - 5} more" if len(lines) > 5 else ""
    )
    return f"{len(lines)} line{'s' if len(lines) > 1 else ''} ({amount}: {some}) {'are' if len(lines) > 1 else 'is'}"
