"""`derive`: plans, rosters and configuration worked out from what is billed now, and what they explain of it."""

from __future__ import annotations

import shlex
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click

from chargeplan import wiring
from chargeplan.cli.options import Common, common, reading_options
from chargeplan.cli.plan_making import today_of
from chargeplan.core.dates import Days, add_months
from chargeplan.core.derivation import account
from chargeplan.core.window import read_months
from chargeplan.flow.compare_ledger import compare_now
from chargeplan.flow.derive import derive_now
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.loading.entries import with_properties
from chargeplan.render.derivation import Derived, derivation_document, derivation_screen
from chargeplan.render.derived import derived_files
from chargeplan.starter.project import write_new

_MONTHS = 3


@click.command()
@click.option(
    "--out",
    "folder",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the project goes.",
)
@click.option(
    "--from",
    "first",
    metavar="DATE",
    help="With --through: the months to look at; default: the last three whole ones.",
)
@click.option("--through", metavar="DATE", help="… through this month or day, inclusive.")
@click.option("--as-of", metavar="DATE", help="The day on which it is looked; default: today.")
@reading_options
@click.option("--force", is_flag=True, help="Overwrite files that stand there.")
@common()
def derive(
    *,
    common: Common,
    folder: Path,
    first: str | None,
    through: str | None,
    as_of: str | None,
    force: bool,
    **reading: Any,
) -> int:
    """Work out plans, rosters and configuration from what is billed now; ends with what they explain of it.

    \b
    Examples:
      chargeplan derive --out derived
      chargeplan derive --property oak-street --from 2027-02 --through 2027-07 --out derived
    """
    config = wiring.configured(common)
    today = today_of(config, as_of)
    request = PlanRequest(
        as_of=today,
        window=read_months(None, first, through) or last_months(today),
        **reading,
    )
    with wiring.world(common, config, today=today) as world:
        found = derive_now(world, config, request)
        derived = derived_files(config, found, request.window)
        text = wiring.find_config(common).read_text(encoding="utf-8-sig")
        files = derived.files | {"chargeplan.yaml": with_properties(text, derived.added)}
        write_new(
            folder,
            dict(sorted(files.items())),
            hint="Choose another --out, or overwrite with --force.",
            force=force,
        )
        project = wiring.project_of(folder / "chargeplan.yaml", "The project that was written has")
        once_more = PlanRequest(as_of=today, window=request.window, offline=True)
        compared = compare_now(world, project, once_more)
        wiring.copy_sandbox(world.config, world.environment, folder)
    not_derived = [(each.property.id, left) for each in found for left in each.left]
    shown = Derived(
        window=request.window,
        account=account(derived.planned, not_derived, compared.totals, compared.lines),
        names={each.property.id: each.property.name for each in found},
        files=tuple(sorted(files)),
    )
    common.answer(lambda: derivation_document(shown), lambda: derivation_screen(shown, **common.paper))
    if common.as_json:
        return 0
    where = shlex.quote(str(folder / "chargeplan.yaml"))
    window = f"--from {request.window.first:%Y-%m} --through {request.window.last:%Y-%m}"
    common.say(f"Read the plans; then: chargeplan compare --config {where} {window}")
    return 0


def last_months(today: date) -> Days:
    """The last three whole months before the day."""
    month = today.replace(day=1)
    return Days(add_months(month, -_MONTHS), month - timedelta(days=1))
