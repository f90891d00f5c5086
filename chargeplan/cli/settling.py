"""`status`, `reconcile`, `resolve` and `adopt`: what became of what was sent."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from chargeplan.cli import wiring
from chargeplan.cli.options import Common, common
from chargeplan.cli.plan_making import PlanWords, request_of, today_of
from chargeplan.core.change import Total
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.settle import Settled
from chargeplan.flow import decide
from chargeplan.flow.reconcile import open_now, removed
from chargeplan.flow.reconcile import reconcile as settle_by_evidence
from chargeplan.render import jsondoc
from chargeplan.render.results import reconcile_screen, status_screen


@click.command()
@click.option("--as-of", metavar="DATE", help="The day from which overdue is reckoned; default: today.")
@click.option("--all", "everything", is_flag=True, help="List every line, not only the first of each list.")
@common()
def status(*, common: Common, as_of: str | None, everything: bool) -> int:
    """What is in flight, unknown, overdue or removed upstream. Reads only the journal and the last snapshot."""
    config = wiring.configured(common)
    today = today_of(config, as_of)
    with wiring.world(common, config, today=today) as world:
        lists = msgspec.structs.asdict(open_now(world, today))
        gone = removed(world)
    for problem in gone.unread:
        common.say(f"What was removed upstream is not known. {problem}")
    if common.as_json:
        document = jsondoc.status_document(**lists, removed_upstream=gone.postings)
        click.echo(jsondoc.dump(document), nl=False)
    else:
        common.show(
            status_screen(
                **lists,
                removed_upstream=gone.postings,
                color=common.colored,
                width=common.width,
                all=everything,
            ),
        )
    return 0


@click.command()
@click.option("--as-of", metavar="DATE", help="The day from which overdue is reckoned; default: today.")
@common()
def reconcile(*, common: Common, as_of: str | None) -> int:
    """Settle what is open: poll jobs, ask the write log, refresh the snapshot, match. Posts nothing."""
    config = wiring.configured(common)
    today = today_of(config, as_of)
    with wiring.world(common, config, today=today) as world:
        world.connect()
        moved = settle_by_evidence(world)
        lists = msgspec.structs.asdict(open_now(world, today))
    totals = {name: jsondoc.total_of(postings) for name, postings in lists.items()}
    if common.as_json:
        click.echo(jsondoc.dump(jsondoc.reconcile_document(moved, totals)), nl=False)
    else:
        common.show(reconcile_screen(moved, totals, color=common.colored, width=common.width))
    return 4 if totals["unknown"].count else 0


@click.command()
@click.argument("references", nargs=-1, required=True, metavar="REF…")
@click.option("--posted", "verdict", flag_value="posted", help="It is on the ledger.")
@click.option(
    "--not-posted", "verdict", flag_value="not_posted", help="It is certainly not, and may be posted again."
)
@click.option("--reason", required=True, metavar="TEXT", help="How you know; recorded with your name.")
@common()
def resolve(
    *, common: Common, references: tuple[str, ...], verdict: decide.Verdict | None, reason: str
) -> int:
    """Settle by a person's word what is unknown, in flight or overdue."""
    if verdict is None:
        raise ChargeplanError(
            "Say --posted or --not-posted.", hint="Look at the resident's ledger first.", code="usage"
        )
    if not reason.strip():
        raise ChargeplanError(
            "--reason is empty.", hint="Say how you know; it is recorded with your name.", code="usage"
        )
    config = wiring.configured(common)
    with wiring.world(common, config) as world:
        settled = decide.resolve(world, references, verdict, reason)
    if verdict == "not_posted":
        _warn_of_accepted(common, settled)
    if common.as_json:
        click.echo(jsondoc.dump({**jsondoc.reconcile_document(settled, {}), "kind": "resolve"}), nl=False)
    else:
        nothing = {"in_flight": Total(), "unknown": Total(), "overdue": Total()}
        common.show(reconcile_screen(settled, nothing, color=common.colored))
    return 0


def _warn_of_accepted(common: Common, settled: Sequence[Settled]) -> None:
    accepted = [each.posting.reference for each in settled if each.before == "accepted"]
    if accepted:
        common.say(
            f"The jobs of {', '.join(accepted)} succeeded: if such a line shows on the ledger after all, and was posted anew, "
            "the resident is billed twice. `chargeplan plan` will then report a drift."
        )


@click.command()
@click.argument("charge_id")
@click.option(
    "--as", "reference", required=True, metavar="REF", help="The reference number of the held line."
)
@click.option("--reason", required=True, metavar="TEXT", help="Why it is the same; recorded with your name.")
@click.option("--as-of", metavar="DATE", help="The day of the plan that holds the line; default: today.")
@click.option("--period", metavar="YYYY-MM", help="The month of the held line.")
@common()
def adopt(
    *, common: Common, charge_id: str, reference: str, reason: str, as_of: str | None, period: str | None
) -> int:
    """Accept a foreign synced charge as this line, so that the line is not posted."""
    project, _ = wiring.project(common)
    request = request_of(PlanWords(period=period, as_of=as_of), project.config, wiring.WallClock())
    requests = decide.nearby(request) if period is None else [request]
    with wiring.world(common, project.config, today=request.as_of) as world:
        decide.adopt(world, project, requests, charge_id=charge_id, reference=reference, reason=reason)
    if common.as_json:
        click.echo(
            jsondoc.dump(
                {"kind": "adopt", "reference_number": reference, "charge_id": charge_id, "reason": reason}
            ),
            nl=False,
        )
    else:
        click.echo(f"Adopted charge {charge_id} as {reference}.")
    return 0
