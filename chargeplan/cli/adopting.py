"""`adopt`: a charge that somebody else entered is taken as a line; one by one, or a whole month at once."""

from __future__ import annotations

from collections.abc import Mapping

import click
import msgspec

from chargeplan import wiring
from chargeplan.cli.options import Common, common, confirm, is_interactive
from chargeplan.cli.plan_making import window_options
from chargeplan.cli.settling import check_reason, request_around, requests_of
from chargeplan.core.change import Total
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.money import format_money
from chargeplan.flow import decide
from chargeplan.render import jsondoc
from chargeplan.render.results import matching_screen
from chargeplan.render.words import count_of


@click.command()
@click.argument("charge_id", required=False)
@click.option("--as", "reference", metavar="REF", help="The reference number of the held line.")
@click.option(
    "--matching",
    is_flag=True,
    help="Every held line whose charge has the same amount, code, people and month.",
)
@click.option(
    "--plan", "plans", multiple=True, metavar="NAME", help="With --matching: only this plan; repeatable."
)
@click.option("--auto-approve", is_flag=True, help="With --matching: do not ask.")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is the same; recorded with your name.")
@window_options
@common()
def adopt(
    *,
    common: Common,
    charge_id: str | None,
    reference: str | None,
    matching: bool,
    plans: tuple[str, ...],
    auto_approve: bool,
    reason: str,
    **window: str | None,
) -> int:
    """Accept a foreign synced charge as this line, or as the correction of this drift, so that it is not posted.

    \b
    Examples:
      chargeplan adopt charge-77 --as CP7K3MZ0Q9T2V8XH4C --reason "the office entered it"
      chargeplan adopt --matching --period 2027-07 --reason "billed by hand before chargeplan"
    """
    check_reason(reason)
    if matching and charge_id is None and reference is None:
        return _adopt_matching(common, plans, reason, window, auto_approve=auto_approve)
    if matching or charge_id is None or reference is None or plans or auto_approve:
        raise ChargeplanError(
            "What is to be adopted is not said: CHARGE_ID and --as REF, or --matching.",
            hint="--plan and --auto-approve go with --matching.",
            code="usage",
        )
    return _adopt_one(common, charge_id, reference, reason, window)


def _adopt_one(
    common: Common, charge_id: str, reference: str, reason: str, window: Mapping[str, str | None]
) -> int:
    config = wiring.configured(common)
    request = request_around(config, window)
    with wiring.world(common, config, today=request.as_of) as world:
        lines = decide.Lines(world, lambda: wiring.project(common)[0], requests_of(request, window))
        fitting = decide.fitting(world, lines, charge_id=charge_id, reference=reference)
        if fitting.rest:
            common.say(
                f"{charge_id} is {format_money(fitting.charge.amount or 0)}, the line {format_money(fitting.line.amount or 0)}: "
                f"the rest, {format_money(fitting.rest)}, will be a drift."
            )
        decide.adopt(world, fitting, reason)
    adopted = fitting.posting.reference
    document = {
        "kind": "adopt",
        "reference_number": adopted,
        "charge_id": charge_id,
        "reason": reason,
        "difference_in_cents": fitting.rest,
    }
    common.answer(lambda: document, lambda: f"Adopted charge {charge_id} as {adopted}.\n")
    return 0


def _adopt_matching(
    common: Common,
    plans: tuple[str, ...],
    reason: str,
    window: Mapping[str, str | None],
    *,
    auto_approve: bool,
) -> int:
    project, _ = wiring.project(common)
    request = msgspec.structs.replace(request_around(project.config, window), plans=plans, listing_all=False)
    with wiring.world(common, project.config, today=request.as_of, project=project) as world:
        found = decide.matching(world, project, request)
        lines = [each.line for each in found.adoptions]
        screen = matching_screen(lines, held=found.held, **common.paper)
        if not common.as_json or not auto_approve:
            common.show(screen, to_stderr=common.as_json)
        if lines:
            _ask(auto_approve=auto_approve)
        for each in found.adoptions:
            decide.adopt(world, each, reason)
    total = Total(len(lines), sum(each.amount or 0 for each in lines))
    adopted = [
        {
            "reference_number": each.posting.reference,
            "charge_id": each.charge.id,
            "amount_in_cents": each.charge.amount,
        }
        for each in found.adoptions
    ]
    document = {
        "kind": "adopt",
        "adopted": adopted,
        "totals": jsondoc.totals_entry({"adopted": total}),
        "held": found.held,
        "reason": reason,
    }
    said = f"Adopted {count_of(total.count, 'charge')} ({format_money(total.amount)}), {found.held:,} held.\n"
    common.answer(lambda: document, lambda: said)
    return 0


def _ask(*, auto_approve: bool) -> None:
    if auto_approve:
        return
    if not is_interactive():
        raise ChargeplanError(
            "Nothing was adopted: it is to be confirmed, and there is no terminal at which to ask.",
            hint="Give --auto-approve.",
            code="approval_needed",
        )
    confirm("Adopt these?", "Nothing was adopted.")
