"""`derive`: plans, rosters and configuration worked out from what is billed now, and what they explain of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import click

from chargeplan import wiring
from chargeplan.cli.options import Common, common, read_months
from chargeplan.cli.plan_making import today_of
from chargeplan.core.config import Config, PropertyConfig
from chargeplan.core.dates import Days, add_months
from chargeplan.core.derivation import PlannedCode, account
from chargeplan.core.errors import ChargeplanError
from chargeplan.flow.compare_ledger import compare_now
from chargeplan.flow.derive import DerivedProperty, derive_now
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.loading.entries import with_properties
from chargeplan.render import jsondoc
from chargeplan.render.derivation import Derived, derivation_document, derivation_screen
from chargeplan.render.derived import plan_files, slug, unused
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
    "--property", "properties", multiple=True, metavar="NAME", help="Only this property; repeatable."
)
@click.option(
    "--from",
    "first",
    metavar="DATE",
    help="With --through: the months to look at; default: the last three whole ones.",
)
@click.option("--through", metavar="DATE", help="… through this month or day, inclusive.")
@click.option("--as-of", metavar="DATE", help="The day on which it is looked; default: today.")
@click.option("--full-refresh", is_flag=True, help="Read everything from Propexo again.")
@click.option("--offline", is_flag=True, help="Use the last snapshot; no request.")
@click.option("--force", is_flag=True, help="Overwrite files that stand there.")
@common()
def derive(
    *,
    common: Common,
    folder: Path,
    properties: tuple[str, ...],
    first: str | None,
    through: str | None,
    as_of: str | None,
    full_refresh: bool,
    offline: bool,
    force: bool,
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
        properties=properties,
        full_refresh=full_refresh,
        offline=offline,
    )
    with wiring.world(common, config, today=today) as world:
        found = derive_now(world, config, request)
        files, planned = _files(wiring.find_config(common), config, found, request.window)
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
        account=account(planned, not_derived, compared.totals, compared.lines),
        names={each.property.id: each.property.name for each in found},
        files=tuple(sorted(files)),
    )
    if common.as_json:
        click.echo(jsondoc.dump(derivation_document(shown)), nl=False)
        return 0
    common.show(derivation_screen(shown, color=common.colored, width=common.width))
    where = shlex.quote(str(folder / "chargeplan.yaml"))
    window = f"--from {request.window.first:%Y-%m} --through {request.window.last:%Y-%m}"
    common.say(f"Read the plans; then: chargeplan compare --config {where} {window}")
    return 0


def last_months(today: date) -> Days:
    """The last three whole months before the day."""
    month = today.replace(day=1)
    return Days(add_months(month, -_MONTHS), month - timedelta(days=1))


def _files(
    path: Path, config: Config, found: Sequence[DerivedProperty], window: Days
) -> tuple[dict[str, str], list[PlannedCode]]:
    """The texts by name, and which charge was written for which code.

    Raises:
        ChargeplanError: nothing can be derived.
    """
    aliases = {integration.id: alias for alias, integration in config.integrations.items()}
    files: dict[str, str] = {}
    planned: list[PlannedCode] = []
    added: dict[str, PropertyConfig] = {}
    for each in found:
        if not each.charges:
            continue
        known = config.property_alias(each.property.id)
        alias = known or unused(slug(each.property.name), [*config.properties, *added])
        integration = aliases[each.integration.id]
        if known is None:
            added[alias] = PropertyConfig(alias, each.property.id, integration, each.integration.place)
        written = plan_files(
            alias,
            property_name=each.property.name,
            integration=integration,
            charges=each.charges,
            left=each.left,
            window=window,
            holds_credits=not each.integration.posts_credits,
        )
        files |= written.files
        planned += [
            PlannedCode(each.property.id, code, alias, charge) for code, charge in written.charge_ids.items()
        ]
    if not files:
        raise ChargeplanError(
            f"Nothing can be derived from what was billed from {window.first} through {window.last}.",
            hint="Look at more months with --from and --through; a code needs two at least.",
            code="nothing_derived",
        )
    files["chargeplan.yaml"] = with_properties(path.read_text(encoding="utf-8-sig"), added)
    return files, planned
