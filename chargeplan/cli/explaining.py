"""`explain`: where a line comes from, or why there is none."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from chargeplan import wiring
from chargeplan.cli.options import Common, common
from chargeplan.cli.plan_making import today_of
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.explained import Answers
from chargeplan.core.window import read_window
from chargeplan.flow import explain as flow
from chargeplan.flow.explain import Asked, window_of
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.render.explain import explain_document, explain_screen
from chargeplan.render.faults import diagnostics_screen


@click.command()
@click.argument("reference", metavar="[REF]", required=False)
@click.option("--plan", metavar="NAME", help="The plan.")
@click.option("--charge", metavar="NAME", help="The charge of the plan; default: all of them.")
@click.option("--resident", metavar="ID", help="Whose line.")
@click.option("--unit", metavar="NUMBER", help="… or of which unit.")
@click.option("--property", metavar="NAME", help="The property, where several have such a unit.")
@click.option("--period", metavar="YYYY-MM", help="Lines dated in this month; default: that of --as-of.")
@click.option("--as-of", metavar="DATE", help="The day on which the plan is made; default: today.")
@click.option("--offline", is_flag=True, help="Use the last snapshot; no request.")
@common()
def explain(*, common: Common, period: str | None, as_of: str | None, offline: bool, **words: Any) -> int:
    """Say where a line comes from, step by step, or why there is none.

    \b
    Examples:
      chargeplan explain CP7K3MZ0Q9T2V8XH4C
      chargeplan explain --charge pet-rent --unit 204 --period 2027-08
      chargeplan explain --plan oak-street --charge rent --resident resident-12345
    """
    asked = _asked(words)
    project, warnings = wiring.project(common)
    today = today_of(project.config, as_of)
    with wiring.world(common, project.config, today=today) as world:
        recorded = tuple(world.journal.find(asked.reference)) if asked.reference else ()
        request = PlanRequest(
            as_of=today,
            window=read_window(period, None, None) or window_of(recorded, project, today),
            plans=(asked.plan,) if asked.plan else (),
            charges=(asked.charge,) if asked.charge else (),
            properties=(asked.property,) if asked.property else (),
            offline=offline,
            listing_all=True,
        )
        answers = flow.explain(world, project, asked, request, recorded=recorded, warnings=warnings)
    if answers.errors and not common.quiet:
        common.show(diagnostics_screen(answers.errors), to_stderr=True)
    if not answers.found:
        raise _nothing(answers)
    common.answer(lambda: explain_document(answers), lambda: explain_screen(answers, **common.paper))
    return 0


def _asked(words: dict[str, Any]) -> Asked:
    asked = Asked(**words)
    named = any((asked.plan, asked.charge, asked.resident, asked.unit, asked.property))
    if asked.reference and named:
        raise ChargeplanError(
            "A reference goes without --plan, --charge, --resident, --unit and --property.",
            hint="Give one or the other.",
            code="usage",
        )
    if not asked.reference and not (asked.resident or asked.unit):
        raise ChargeplanError(
            "Say which line: by its reference, or by --resident or --unit.",
            hint="`chargeplan explain --charge rent --unit 204 --period 2027-08`",
            code="usage",
        )
    reference = asked.reference.strip().upper() if asked.reference else None
    return msgspec.structs.replace(asked, reference=reference)


def _nothing(answers: Answers) -> ChargeplanError:
    month = f"from {answers.window.first} through {answers.window.last}"
    if answers.reference:
        return ChargeplanError(
            f"No line {month} has the reference {answers.reference}, and the journal does not know it.",
            hint="Check the reference, or give the month of its date, as in `--period 2027-08`.",
            code="unknown_reference",
        )
    return ChargeplanError(
        f"No line and no household {month} fits what was asked for.",
        hint="`chargeplan plan --all` lists every line and every skip with its plan, charge, unit and resident; another month: `--period 2027-08`.",
        code="nothing_to_explain",
    )
