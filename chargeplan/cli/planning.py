"""`plan` and `show`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from chargeplan import wiring
from chargeplan.cli.options import Common, common, file_option, save
from chargeplan.cli.plan_making import PlanWords, plan_options, request_of
from chargeplan.core.approval import GUARD as APPROVALS
from chargeplan.core.change import ChangeSet
from chargeplan.core.terms import Difference, Term
from chargeplan.flow.explain import arithmetic
from chargeplan.flow.planning import plan_now
from chargeplan.planfile.codec import read_plan, write_plan
from chargeplan.planfile.header import Header
from chargeplan.render import jsondoc
from chargeplan.render.lines_csv import changes_csv
from chargeplan.render.markdown import plan_markdown
from chargeplan.render.screen import plan_screen
from chargeplan.render.summary import Summary
from chargeplan.wiring.saved import header_of


@click.command()
@plan_options
@file_option("--out", "Save the plan for `apply`.")
@file_option("--json-out", "Write the JSON document too.")
@file_option("--markdown", "Write Markdown for a pull request.")
@file_option("--html", "Write a report in one HTML file, with every line's arithmetic.")
@file_option("--csv", "Write one row a line, safe for spreadsheets; with --all also households without one.")
@click.option("--all", "everything", is_flag=True, help="Also unchanged lines and skips.")
@click.option("--detailed-exitcode", is_flag=True, help="End with 2 where there is something to post.")
@common()
def plan(
    *,
    common: Common,
    out: Path | None,
    json_out: Path | None,
    markdown: Path | None,
    html: Path | None,
    csv: Path | None,
    everything: bool,
    detailed_exitcode: bool,
    **words: Any,
) -> int:
    """Show what would be billed: expand the plans, look at the ledgers, show the difference.

    \b
    Examples:
      chargeplan plan                              this month
      chargeplan plan --period 2027-08 --out august.plan
      chargeplan plan --property oak-street --charge rent --all
    """
    asked = PlanWords(**words)
    project, warnings = wiring.project(common)
    # The report answers for every household, those without a line too.
    listing_all = everything or html is not None
    request = request_of(asked, project.config, wiring.WallClock(), listing_all=listing_all)
    with wiring.world(common, project.config, today=request.as_of, project=project) as world:
        planned = plan_now(world, project, request, warnings)
        header = header_of(world, project, request, planned)
        change_set = planned.change_set

        def report() -> str:
            terms = arithmetic(world, project, request, change_set)
            return _html(change_set, header, everything=everything, terms=terms)

        save(html, report)
    if out is not None and not change_set.errored:
        write_plan(out, header, change_set)

    def document() -> dict[str, Any]:
        return jsondoc.plan_document(change_set, digest=header.digest, all=everything)

    save(json_out, lambda: jsondoc.dump(document()))
    save(markdown, lambda: plan_markdown(change_set, digest=header.digest))
    save(csv, lambda: changes_csv(change_set, all=everything))
    if not common.as_json:
        _say_cost(common, change_set)
    common.answer(document, lambda: plan_screen(change_set, all=everything, **common.paper))
    if out is not None and change_set.errored:
        common.say(f"Nothing was saved to {out}: the plan has errors.")
    elif out is not None:
        common.say(f"Saved to {out}. {_way_on(out, change_set)}")
    return _exit_code(change_set, detailed=detailed_exitcode)


def _way_on(out: Path, change_set: ChangeSet) -> str:
    file = shlex.quote(str(out))
    if any(guard.guard == APPROVALS for guard in change_set.guards):
        return f"Others approve it with `chargeplan approve {file}`; then post exactly this with `chargeplan apply {file}`."
    return f"Post exactly this with `chargeplan apply {file}`."


def _html(
    change_set: ChangeSet,
    header: Header,
    *,
    everything: bool,
    terms: Mapping[str, Sequence[Term | Difference]] | None = None,
    summary: Summary | None = None,
) -> str:
    from chargeplan.render.html import plan_html  # noqa: PLC0415 - Jinja2, only where it is used
    from chargeplan.render.terms import all_steps  # noqa: PLC0415

    return plan_html(
        change_set,
        digest=header.digest,
        made_at=header.created_at,
        arithmetic=None if terms is None else {name: all_steps(each) for name, each in terms.items()},
        summary=summary,
        all=everything,
    )


def _say_cost(common: Common, change_set: ChangeSet) -> None:
    for mark in change_set.observed:
        synced = f", last synced {mark.last_completed_sync}" if mark.last_completed_sync else ""
        common.say(
            f"Read {mark.records:,} records in {mark.requests:,} requests from {mark.integration_id}{synced}."
        )


def _exit_code(change_set: ChangeSet, *, detailed: bool) -> int:
    if change_set.errored:
        return 1
    if change_set.refused:
        return 6
    return 2 if detailed and change_set.to_post() else 0


@click.command()
@click.argument("planfile", type=click.Path(path_type=Path))
@file_option("--markdown", "Write Markdown for a pull request.")
@file_option("--html", "Write a report in one HTML file.")
@file_option("--csv", "Write one row a line, safe for spreadsheets.")
@file_option("--approvals", "Where the plan file's approvals are; default: PLANFILE.approvals.")
@click.option("--all", "everything", is_flag=True, help="List every line.")
@common()
def show(
    *,
    common: Common,
    planfile: Path,
    markdown: Path | None,
    html: Path | None,
    csv: Path | None,
    approvals: Path | None,
    everything: bool,
) -> int:
    """Print a saved plan, stale and used ones too, and who has approved it where somebody has to."""
    saved = read_plan(planfile)
    from chargeplan.cli.approving import standing  # noqa: PLC0415 - only `show` needs it

    signed = standing(common, saved, planfile, approvals)
    summary = Summary(saved.review.totals, saved.review.skips)
    change_set = saved.change_set
    save(markdown, lambda: plan_markdown(change_set, digest=saved.header.digest, summary=summary))
    save(csv, lambda: changes_csv(change_set, all=everything))
    save(html, lambda: _html(change_set, saved.header, everything=everything, summary=summary))
    common.answer(
        lambda: jsondoc.plan_document(
            change_set, digest=saved.header.digest, all=everything, summary=summary, approvals=signed
        ),
        lambda: plan_screen(change_set, all=everything, summary=summary, approvals=signed, **common.paper),
    )
    return 0
