"""`diff`: what a change of plans does to the money."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from chargeplan import wiring
from chargeplan.cli.options import Common, common, file_option, reading_options, save
from chargeplan.cli.plan_making import today_of
from chargeplan.core.config import Project
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.money import format_money, parse_money
from chargeplan.flow.diff import Diff, diff_now, months_from
from chargeplan.flow.plan_request import PlanRequest, default_window
from chargeplan.loading.revision import project_at
from chargeplan.render.diff import Shown, diff_csv, diff_document, diff_html, diff_markdown, diff_screen


class DiffWords(msgspec.Struct, frozen=True):
    """The options of `diff` that say what is written, and how it ends."""

    markdown: Path | None
    csv: Path | None
    html: Path | None
    everything: bool
    detailed_exitcode: bool
    fail_above: str | None


@click.command()
@click.argument("base")
@click.option(
    "--months", type=click.IntRange(1, 24), default=3, show_default=True, help="This month and the next ones."
)
@click.option("--as-of", metavar="DATE", help="The day of which the first month is; default: today.")
@reading_options
@file_option("--markdown", "Write Markdown for a pull request.")
@file_option("--csv", "Write one row a line, safe for spreadsheets.")
@file_option("--html", "Write a page in one HTML file.")
@click.option("--all", "everything", is_flag=True, help="Every line, household by household.")
@click.option("--detailed-exitcode", is_flag=True, help="End with 2 where anything differs.")
@click.option(
    "--fail-above",
    metavar="AMOUNT",
    help="End with 6 where more than this, as in 500.00, is billed otherwise in a month; more and less are added up.",
)
@common()
def diff(
    *,
    common: Common,
    base: str,
    months: int,
    as_of: str | None,
    **words: Any,
) -> int:
    """What a change of plans does to the money: the plans of BASE, a git revision or a folder, beside those here.

    Both are planned from the same snapshot. A charge that was only renamed with `moved` is no difference. Where a date that is
    written in a plan changes something after those months, its month is shown too. Posts nothing.

    \b
    Examples:
      chargeplan diff main                          this branch beside main, this month and the next two
      chargeplan diff HEAD~1 --months 12 --html year.html
      chargeplan diff ../before --fail-above 500.00
    """
    reading = {name: words.pop(name) for name in ("properties", "full_refresh", "offline")}
    asked, project = DiffWords(**words), wiring.project(common)[0]
    limit = _limit(asked.fail_above)
    today = today_of(project.config, as_of)
    request = PlanRequest(
        as_of=today,
        window=default_window(today, project.config),
        **reading,
    )
    with project_at(base, wiring.find_config(common)) as config:
        before = wiring.project_of(config, f"The plans of {base} have")
    found, shown = _found(common, base, before, project, request=request, months=months)
    _write(common, shown, asked)
    if found.errored:
        return 1
    if limit is not None and found.most_moved > limit:
        common.say(
            f"{format_money(found.most_moved)} is billed otherwise in one month; the limit is {format_money(limit)}."
        )
        return 6
    return 2 if asked.detailed_exitcode and found.differs else 0


def _found(
    common: Common, base: str, before: Project, here: Project, *, request: PlanRequest, months: int
) -> tuple[Diff, Shown]:
    with wiring.world(common, here.config, today=request.as_of) as world:
        found = diff_now(world, before, here, request, months_from(request, months))
        environment = world.environment.name
    shown = Shown(
        environment=environment,
        base=base,
        as_of=request.as_of,
        months=found.months,
        later=found.later,
        unseen=found.unseen,
        names=found.property_names,
        diagnostics=found.diagnostics,
        base_problems=found.base_problems,
    )
    return found, shown


def _write(common: Common, shown: Shown, asked: DiffWords) -> None:
    for path, written in (
        (asked.markdown, diff_markdown),
        (asked.csv, diff_csv),
        (asked.html, diff_html),
    ):
        save(path, partial(written, shown))
    common.answer(
        lambda: diff_document(shown), lambda: diff_screen(shown, whole=asked.everything, **common.paper)
    )


def _limit(text: str | None) -> int | None:
    try:
        return None if text is None else parse_money(text)
    except ValueError as problem:
        raise ChargeplanError(f"--fail-above: {problem}", hint="Write it as 500.00.", code="usage") from None
