"""`compare`: the shadow run, what the plans would bill beside what is on the ledgers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chargeplan import wiring
from chargeplan.cli.options import Common, common, file_option, reading_options, save
from chargeplan.cli.plan_making import today_of
from chargeplan.core.config import Project
from chargeplan.core.window import read_months
from chargeplan.flow.compare_ledger import Compared, compare_now
from chargeplan.flow.plan_request import PlanRequest, default_window
from chargeplan.render.comparison import (
    Comparison,
    comparison_csv,
    comparison_document,
    comparison_html,
    comparison_screen,
)


@click.command()
@click.option("--period", metavar="YYYY-MM", help="This month; default: that of --as-of.")
@click.option(
    "--from", "first", metavar="DATE", help="With --through: several months, as 2027-05 or as a date."
)
@click.option("--through", metavar="DATE", help="… through this month or day, inclusive.")
@click.option("--as-of", metavar="DATE", help="The day on which it is looked; default: today.")
@reading_options
@file_option("--csv", "Write one row a line, safe for spreadsheets.")
@file_option("--html", "Write a page in one HTML file.")
@click.option("--all", "everything", is_flag=True, help="Also lines that are equal.")
@click.option("--detailed-exitcode", is_flag=True, help="End with 2 where anything differs.")
@common()
def compare(
    *,
    common: Common,
    period: str | None,
    first: str | None,
    through: str | None,
    as_of: str | None,
    csv: Path | None,
    html: Path | None,
    everything: bool,
    detailed_exitcode: bool,
    **reading: Any,
) -> int:
    """What the plans would bill beside what is on the ledgers, whoever put it there. Reads no journal, holds nothing.

    \b
    Examples:
      chargeplan compare --period 2027-07
      chargeplan compare --from 2027-05 --through 2027-07 --html shadow.html
    """
    project, _ = wiring.project(common)
    today = today_of(project.config, as_of)
    request = PlanRequest(
        as_of=today,
        window=read_months(period, first, through) or default_window(today, project.config),
        **reading,
        listing_all=everything,
    )
    compared, shown = _compared(common, project, request)
    save(csv, lambda: comparison_csv(shown))
    save(html, lambda: comparison_html(shown))
    common.answer(
        lambda: comparison_document(shown),
        lambda: comparison_screen(shown, whole=everything, **common.paper),
    )
    if compared.errored:
        return 1
    return 2 if detailed_exitcode and compared.differs else 0


def _compared(common: Common, project: Project, request: PlanRequest) -> tuple[Compared, Comparison]:
    with wiring.world(common, project.config, today=request.as_of) as world:
        compared = compare_now(world, project, request)
        environment = world.environment.name
    shown = Comparison(
        environment=environment,
        window=compared.window,
        totals=compared.totals,
        lines=compared.lines,
        names=compared.property_names,
        diagnostics=compared.diagnostics,
    )
    return compared, shown
