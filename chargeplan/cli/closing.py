"""`close`: the month's account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chargeplan import wiring
from chargeplan.cli.options import Common, common, file_option, reading_options, save
from chargeplan.cli.plan_making import PlanWords, request_of
from chargeplan.flow.close import Closed
from chargeplan.flow.close import close as close_month
from chargeplan.render.close import CSV_KEYS, Page, close_document, close_html, close_rows, close_screen
from chargeplan.render.results import records_csv

_NOT_CLOSED = 3


@click.command("close")
@click.argument("period", metavar="YYYY-MM")
@click.option("--as-of", metavar="DATE", help="The day of the account; default: today.")
@reading_options
@file_option("--csv", "Write the account as CSV, safe for spreadsheets.")
@file_option("--html", "Write the page that a controller signs.")
@common()
def close(
    *,
    common: Common,
    period: str,
    as_of: str | None,
    csv: Path | None,
    html: Path | None,
    **reading: Any,
) -> int:
    """Is the month complete, and does it agree with the ledgers? Ends with 0 where both hold, else with 3."""
    project, _ = wiring.project(common)
    words = PlanWords(period=period, as_of=as_of, **reading)
    request = request_of(words, project.config, wiring.WallClock(), listing_all=True, accounting=True)
    with wiring.world(common, project.config, today=request.as_of) as world:
        closed = close_month(world, project, request)
        shown = _page(closed, world.environment.name)
    if csv is not None:
        save(csv, lambda: records_csv(list(close_rows(shown)), CSV_KEYS))
        common.say(f"Wrote {csv}.")
    if html is not None:
        save(html, lambda: close_html(shown))
        common.say(f"Wrote {html}.")
    common.answer(lambda: close_document(shown), lambda: close_screen(shown, **common.paper))
    return 0 if closed.complete and closed.agrees else _NOT_CLOSED


def _page(closed: Closed, environment: str) -> Page:
    return Page(
        month=closed.month,
        as_of=closed.as_of,
        accounts=closed.accounts,
        property_names=closed.property_names,
        complete=closed.complete,
        agrees=closed.agrees,
        why_not=closed.why_not(),
        environment=environment,
    )
