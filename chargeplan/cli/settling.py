"""`status`, `reconcile` and `resolve`: what became of what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click
import msgspec

from chargeplan import wiring
from chargeplan.cli.options import Common, common, file_option, save
from chargeplan.cli.plan_making import PlanWords, request_of, today_of, window_options
from chargeplan.core.change import Change, Total
from chargeplan.core.config import Config
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.settle import Settled
from chargeplan.core.verdicts import Verdict
from chargeplan.flow import decide
from chargeplan.flow.plan_request import PlanRequest, default_window
from chargeplan.flow.reconcile import open_now, removed, waiting
from chargeplan.flow.reconcile import reconcile as settle_by_evidence
from chargeplan.render import jsondoc
from chargeplan.render.lines_csv import work_list_csv
from chargeplan.render.results import reconcile_screen, status_line, status_screen

_ALWAYS_COUNTED = ("in_flight", "unknown", "overdue")


@click.command()
@click.option("--as-of", metavar="DATE", help="The day from which overdue is reckoned; default: today.")
@click.option("--all", "everything", is_flag=True, help="List every line, not only the first of each list.")
@click.option("--brief", is_flag=True, help="Only the counts.")
@file_option("--csv", "Write one row a line, safe for spreadsheets.")
@common()
def status(*, common: Common, as_of: str | None, everything: bool, brief: bool, csv: Path | None) -> int:
    """The work list: what is in flight, and all that waits for a person, with the commands that settle it.

    Of this month and `correct_back`, from the journal and the last snapshot; no request.
    """
    config = wiring.configured(common)
    today = today_of(config, as_of)
    with wiring.world(common, config, today=today) as world:
        lists = msgspec.structs.asdict(open_now(world, today))
        gone = removed(world)
        waits = _waiting(
            common, world, PlanRequest(as_of=today, window=default_window(today, config), offline=True)
        )
    for problem in gone.unread:
        common.say(f"What was removed upstream is not known. {problem}")
    lists["removed_upstream"] = gone.postings
    save(csv, lambda: work_list_csv(lists, waits))
    if common.as_json:
        document = jsondoc.status_document(**lists, waiting=waits)
        if brief:
            document = {key: document[key] for key in ("kind", "totals")}
        click.echo(jsondoc.dump(document), nl=False)
    elif brief:
        click.echo(status_line({name: len(found) for name, found in {**lists, **waits}.items()}))
    else:
        screen = status_screen(**lists, waiting=waits, **common.paper, all=everything)
        common.show(screen)
    return 0


def _waiting(common: Common, world: wiring.World, request: PlanRequest) -> dict[str, tuple[Change, ...]]:
    """What waits by the plans; where they, or what was read, say nothing, that is said and the rest is shown."""
    lists: dict[str, tuple[Change, ...]] = {"drift": (), "hold": (), "missed": ()}
    try:
        project, _ = wiring.project(common)
        found = waiting(world, project, request)
    except ChargeplanError as problem:
        if problem.code != "never_read":
            common.say(f"What is held, drifted or missed is not known. {problem.message}")
        return lists
    return {name: found[name] for name in lists}  # type: ignore[index]  # each is an action


@click.command()
@click.option("--as-of", metavar="DATE", help="The day from which overdue is reckoned; default: today.")
@common()
def reconcile(*, common: Common, as_of: str | None) -> int:
    """Settle what is open: poll jobs, ask the write log, refresh the snapshot, match. Posts nothing.

    What was removed, drifted, is held or was missed is counted as `plan` finds it; `status` lists it.
    """
    config = wiring.configured(common)
    today = today_of(config, as_of)
    with wiring.world(common, config, today=today) as world:
        world.connect()
        moved = settle_by_evidence(world)
        waits = _waiting(common, world, PlanRequest(as_of=today, window=default_window(today, config)))
        lists = {
            **msgspec.structs.asdict(open_now(world, today)),
            "removed_upstream": removed(world).postings,
        }
    totals = {name: jsondoc.total_of(found) for name, found in {**lists, **waits}.items()}
    open_still = {name: total for name, total in totals.items() if name in _ALWAYS_COUNTED or total.count}
    common.answer(
        lambda: jsondoc.reconcile_document(moved, totals),
        lambda: reconcile_screen(moved, open_still, **common.paper),
    )
    return 4 if totals["unknown"].count else 0


@click.command()
@click.argument("references", nargs=-1, metavar="REF…")
@click.option("--posted", "verdict", flag_value="posted", help="It is on the ledger.")
@click.option(
    "--not-posted", "verdict", flag_value="not_posted", help="It is certainly not, and may be posted again."
)
@click.option("--accept", "verdict", flag_value="accepted", help="The drift is right as it is.")
@click.option("--removed", "verdict", flag_value="voided", help="It was rightly taken off the ledger.")
@click.option("--reopen", "verdict", flag_value="reopened", help="Take an --accept back.")
@click.option(
    "--unrelated", "subject", metavar="CHARGE_ID", help="That charge is another matter, and holds it no more."
)
@click.option("--batch", "batch_id", metavar="BATCH_ID", help="Every open line of the batch.")
@click.option("--reason", required=True, metavar="TEXT", help="How you know; recorded with your name.")
@window_options
@common()
def resolve(
    *,
    common: Common,
    references: tuple[str, ...],
    verdict: Verdict | None,
    subject: str | None,
    batch_id: str | None,
    reason: str,
    **window: str | None,
) -> int:
    """Record what a person found of lines that wait for one: nothing is posted.

    \b
    Examples:
      chargeplan resolve CP7K3MZ0Q9T2V8XH4C --posted --reason "on Ann's ledger, 2 August"
      chargeplan resolve --batch 01JB… --not-posted --reason "support says it was dropped"
      chargeplan resolve CP7K3MZ0Q9T2V8XH4C --unrelated charge-77 --reason "a key fee"
    """
    chosen = _verdict_of(verdict, subject, references, batch_id)
    check_reason(reason)
    config = wiring.configured(common)
    request = request_around(config, window)
    with wiring.world(common, config, today=request.as_of) as world:
        lines = decide.Lines(world, lambda: wiring.project(common)[0], requests_of(request, window))
        chosen_lines = [*references, *(decide.of_batch(world, batch_id) if batch_id else ())]
        recorded = decide.resolve(world, lines, chosen_lines, chosen, reason, subject=subject or "")
    moved = [record.moved for record in recorded if record.moved is not None]
    if chosen == "not_posted":
        _warn_of_accepted(common, moved)
    if chosen == "voided" and moved:
        common.say(
            "What the plans say is due of it is created anew; an override with `waive: true` keeps it from being billed."
        )
    decided = [record for record in recorded if record.moved is None]
    if common.as_json:
        document = jsondoc.reconcile_document(moved, {})
        click.echo(
            jsondoc.dump({**document, "kind": "resolve", "decided": _decided(decided, reason)}), nl=False
        )
        return 0
    if moved:
        nothing = {"in_flight": Total(), "unknown": Total(), "overdue": Total()}
        common.show(reconcile_screen(moved, nothing, color=common.colored))
    for each in decided:
        about = f" ({each.subject})" if each.subject else ""
        click.echo(f"{each.reference}: {each.verdict.replace('_', ' ')}{about}.")
    return 0


def _decided(decided: Sequence[decide.Recorded], reason: str) -> list[dict[str, str | None]]:
    return [
        {
            "reference_number": record.reference,
            "decision": record.verdict,
            "charge_id": record.subject or None,
            "reason": reason,
        }
        for record in decided
    ]


def _verdict_of(
    verdict: Verdict | None, subject: str | None, references: Sequence[str], batch_id: str | None
) -> Verdict:
    if (verdict is None) == (subject is None):
        raise ChargeplanError(
            "Say one of --posted, --not-posted, --accept, --removed, --unrelated CHARGE_ID and --reopen.",
            hint="Look at the resident's ledger first.",
            code="usage",
        )
    if not references and batch_id is None:
        raise ChargeplanError(
            "No line is named.",
            hint="Give its REF, or --batch BATCH_ID; `chargeplan status` lists both.",
            code="usage",
        )
    return verdict or "unrelated"


def check_reason(reason: str) -> None:
    """A decision without a reason is worth nothing to whoever reads the journal.

    Raises:
        ChargeplanError: it is empty.
    """
    if not reason.strip():
        raise ChargeplanError(
            "--reason is empty.", hint="Say how you know; it is recorded with your name.", code="usage"
        )


def request_around(config: Config, window: Mapping[str, str | None]) -> PlanRequest:
    """The plan in which a line is looked for."""
    words = PlanWords(
        period=window["period"], first=window["first"], through=window["through"], as_of=window["as_of"]
    )
    return request_of(words, config, wiring.WallClock(), listing_all=True)


def requests_of(request: PlanRequest, window: Mapping[str, str | None]) -> Iterable[PlanRequest]:
    """The plans in which a line is looked for: the one that was named, else those around the month too."""
    named = window["period"] is not None or window["first"] is not None
    return [request] if named else decide.nearby(request)


def _warn_of_accepted(common: Common, settled: Sequence[Settled]) -> None:
    accepted = [settlement.posting.reference for settlement in settled if settlement.before == "accepted"]
    if accepted:
        common.say(
            f"The jobs of {', '.join(accepted)} succeeded: if such a line shows on the ledger after all, and was posted anew, "
            "the resident is billed twice. `chargeplan plan` will then report a drift."
        )
