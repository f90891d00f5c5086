"""`status`, `reconcile`, `resolve` and `adopt`: what became of what was sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import date, timedelta

import click
import msgspec

from chargeplan.cli import wiring
from chargeplan.cli.options import Common, common
from chargeplan.cli.plan_making import PlanWords, plan_now, request_of, today_of
from chargeplan.core.change import Change, Total
from chargeplan.core.config import Config, Project
from chargeplan.core.dates import Days, add_months
from chargeplan.core.errors import ChargeplanError, LockedError
from chargeplan.core.matching import removed_upstream
from chargeplan.core.posting import Posting
from chargeplan.flow.applying import posting_of
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.settling import (
    Settled,
    neighbourhood,
    settle_jobs,
    settle_killed,
    settle_seen,
    settle_unknown,
)
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
        lists = open_lists(world, config, today)
        removed = _removed(world)
    document = jsondoc.status_document(**lists, removed_upstream=removed)
    if common.as_json:
        click.echo(jsondoc.dump(document), nl=False)
    else:
        common.show(
            status_screen(
                **lists,
                removed_upstream=removed,
                color=common.colored,
                width=common.width,
                all=everything,
            ),
        )
    return 0


def open_lists(world: wiring.World, config: Config, today: date) -> dict[str, Sequence[Posting]]:
    """Open postings as in flight, unknown and overdue (accepted, and unseen for longer than ``visible_within`` days)."""
    lists: dict[str, list[Posting]] = {"in_flight": [], "unknown": [], "overdue": []}
    for each in world.journal.open_postings():
        integration = config.integration(each.integration_id)
        days = integration.visible_within if integration else 10
        since = date.fromisoformat(each.since[:10])
        if each.state in {"intended", "unknown"}:
            lists["unknown"].append(each)
        elif each.state == "accepted" and today > since + timedelta(days=days):
            lists["overdue"].append(each)
        else:
            lists["in_flight"].append(each)
    return dict(lists)


def _removed(world: wiring.World) -> list[Posting]:
    """Visible postings whose charge the last sync did not see although it saw its neighbours, by the last snapshot."""
    found: list[Posting] = []
    for integration_id in world.integrations:
        try:
            properties = world.snapshot.properties(integration_id)
        except ChargeplanError as problem:
            # Where nothing was read yet, nothing can be missing from it.
            if problem.code != "never_read":
                world.options.say(f"What was removed upstream can't be told. {problem.message}")
            continue
        for each in properties:
            found += _removed_of(world, integration_id, each.id)
    return found


def _removed_of(world: wiring.World, integration_id: str, property_id: str) -> Iterator[Posting]:
    if world.snapshot.was_seen_at_once(property_id):
        return
    window = world.snapshot.covered(integration_id)
    observed = world.snapshot.property(integration_id, property_id, window)
    gone = removed_upstream(observed)
    references = {charge.reference for charge in observed.charges if charge.id in gone and charge.reference}
    for each in world.journal.postings(integration_id, property_id) if gone else ():
        if each.state == "visible" and (each.charge_id in gone or each.reference in references):
            yield each


@click.command()
@click.option("--as-of", metavar="DATE", help="The day from which overdue is reckoned; default: today.")
@common()
def reconcile(*, common: Common, as_of: str | None) -> int:
    """Settle what is open: poll jobs, ask the write log, refresh the snapshot, match. Posts nothing."""
    config = wiring.configured(common)
    today = today_of(config, as_of)
    with wiring.world(common, config, today=today) as world:
        moved = _settle(world)
        lists = open_lists(world, config, today)
    shown = [jsondoc.Moved(each.posting, each.before, each.reason) for each in moved]
    totals = {name: jsondoc.total_of(found) for name, found in lists.items()}
    if common.as_json:
        click.echo(jsondoc.dump(jsondoc.reconcile_document(shown, totals)), nl=False)
    else:
        common.show(reconcile_screen(shown, totals, color=common.colored, width=common.width))
    return 4 if totals["unknown"].count else 0


def _settle(world: wiring.World) -> list[Settled]:
    journal, remote = world.journal, world.remote
    moved = [*settle_jobs(journal, remote, world.vendors, world.vendor_of, world.clock)]
    open_now = journal.open_postings()
    for integration_id in dict.fromkeys(each.integration_id for each in open_now):
        lines = [each for each in open_now if each.integration_id == integration_id]
        properties = sorted({each.property_id for each in lines if each.state == "intended"})
        for each in properties:
            # An intent of a run that is still at work is none of ours.
            with (
                suppress(LockedError),
                journal.lock(integration_id, [each], purpose="reconcile", timeout=0),
            ):
                moved += settle_killed(journal, frozenset({(integration_id, each)}))
        world.snapshot.refresh(integration_id, neighbourhood(lines, world.config.integration(integration_id)))
    moved += settle_unknown(journal, remote, world.vendors, world.vendor_of, world.clock)
    moved += settle_seen(journal, world.snapshot, world.integrations)
    return _once(moved)


def _once(moved: Sequence[Settled]) -> list[Settled]:
    """Each posting once, from what it was at first to what it is at last, with the evidence that came last."""
    found: dict[int, Settled] = {}
    for each in moved:
        before = found[each.posting.id].before if each.posting.id in found else each.before
        found[each.posting.id] = msgspec.structs.replace(each, before=before)
    return list(found.values())


@click.command()
@click.argument("references", nargs=-1, required=True, metavar="REF…")
@click.option("--posted", "verdict", flag_value="posted", help="It is on the ledger.")
@click.option(
    "--not-posted", "verdict", flag_value="not_posted", help="It is certainly not, and may be posted again."
)
@click.option("--reason", required=True, metavar="TEXT", help="How you know; recorded with your name.")
@common()
def resolve(*, common: Common, references: tuple[str, ...], verdict: str | None, reason: str) -> int:
    """Settle by a person's word what is unknown, in flight or overdue."""
    if verdict is None:
        raise ChargeplanError(
            "Say --posted or --not-posted.", hint="Look at the resident's ledger first.", code="usage"
        )
    _check_reason(reason)
    config = wiring.configured(common)
    with wiring.world(common, config) as world, ExitStack() as stack:
        found = [_open_posting(world, reference) for reference in references]
        # A request may be under way for what is only intended: then the lock is that run's, and this one refuses.
        for integration_id, property_id in sorted(
            {(each.integration_id, each.property_id) for each in found if each.state == "intended"}
        ):
            stack.enter_context(
                world.journal.lock(integration_id, [property_id], purpose="resolve", timeout=0)
            )
        chosen = [_open_posting(world, reference) for reference in dict.fromkeys(references)]
        if verdict == "not_posted":
            _warn_of_accepted(common, chosen)
        for each in chosen:
            world.journal.settle(each.id, verdict, reason=reason)  # type: ignore[arg-type]
        resolved = [msgspec.structs.replace(each, state=verdict) for each in chosen]
    shown = [jsondoc.Moved(each, before.state, reason) for each, before in zip(resolved, chosen, strict=True)]
    if common.as_json:
        click.echo(jsondoc.dump({**jsondoc.reconcile_document(shown, {}), "kind": "resolve"}), nl=False)
    else:
        common.show(
            reconcile_screen(
                shown, {"in_flight": Total(), "unknown": Total(), "overdue": Total()}, color=common.colored
            ),
        )
    return 0


def _warn_of_accepted(common: Common, chosen: Sequence[Posting]) -> None:
    accepted = [each.reference for each in chosen if each.state == "accepted"]
    if accepted:
        common.say(
            f"The jobs of {', '.join(accepted)} succeeded: if such a line shows on the ledger after all, and was posted anew, "
            "the resident is billed twice. `chargeplan plan` will then tell of a drift."
        )


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise ChargeplanError(
            "--reason is empty.", hint="Say how you know; it is recorded with your name.", code="usage"
        )


def _open_posting(world: wiring.World, reference: str) -> Posting:
    for each in reversed(world.journal.find(reference)):
        if each.state in {"intended", "unknown", "queued", "accepted"}:
            return each
        raise ChargeplanError(
            f"{reference} is {each.state}: there is nothing to resolve.",
            hint="`chargeplan status` lists what is open.",
            code="not_open",
        )
    raise ChargeplanError(
        f"The journal has no posting {reference}.",
        hint="`chargeplan status` lists what is open.",
        code="unknown_reference",
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
    with wiring.world(common, project.config, today=request.as_of) as world:
        held, request = _held_line(world, project, request, reference, period_given=period is not None)
        synced = held.synced
        if synced is not None and synced.id != charge_id:
            raise ChargeplanError(
                f"{reference} is held for charge {synced.id}, not {charge_id}.",
                hint="Adopt that one.",
                code="other_charge",
            )
        observed = world.snapshot.property(
            held.integration_id,
            held.property_id,
            world.snapshot.covered(held.integration_id),
        )
        charge = next((each for each in observed.charges if each.id == charge_id), None)
        if charge is None:
            raise ChargeplanError(
                f"No synced charge {charge_id} is known.",
                hint="Give the charge's Propexo id, as the hold names it.",
                code="unknown_charge",
            )
        posting = msgspec.structs.replace(posting_of(held), amount=charge.amount or 0)
        world.journal.adopt(posting, charge_id, reason=reason)
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


def _held_line(
    world: wiring.World,
    project: Project,
    request: PlanRequest,
    reference: str,
    *,
    period_given: bool,
) -> tuple[Change, PlanRequest]:
    """The held (or new) line of that reference: in the window asked for, else in the months around it.

    Raises:
        ChargeplanError: no such line is planned.
    """
    for months in (0,) if period_given else (0, 1, -1, -2):
        first = add_months(request.window.first, months)
        window = request.window if months == 0 else Days(first, add_months(first, 1) - timedelta(days=1))
        tried = msgspec.structs.replace(request, window=window)
        for change in plan_now(world, project, tried).change_set.changes:
            if change.reference == reference and change.action in {"hold", "create"}:
                return change, tried
    raise ChargeplanError(
        f"{reference} is no line that the plan holds or would create.",
        hint="Give the line's month with --period.",
        code="unknown_reference",
    )
