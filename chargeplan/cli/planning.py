"""`plan` and `show`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click
import msgspec

from chargeplan.cli import wiring
from chargeplan.cli.options import Common, common, file_option, read_date, read_window, save
from chargeplan.core.approval import GUARD as APPROVALS
from chargeplan.core.change import ChangeSet
from chargeplan.core.config import Config, Project
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.guard import Allowed
from chargeplan.core.shard import Shard, read_shard
from chargeplan.flow.plan_request import PlanRequest, default_window
from chargeplan.flow.planning import Planned, make_plan
from chargeplan.flow.settling import settle_jobs, settle_seen, settle_unknown
from chargeplan.journal import default_actor
from chargeplan.planfile.codec import read_plan, write_plan
from chargeplan.planfile.header import Header, Origin, PlanOptions, header_of
from chargeplan.planfile.seal import digest
from chargeplan.render import jsondoc
from chargeplan.render.markdown import plan_markdown
from chargeplan.render.screen import plan_screen
from chargeplan.render.summary import Summary

F = TypeVar("F", bound=Callable[..., Any])


class PlanWords(msgspec.Struct, frozen=True):
    """The options of `plan` as a user gave them."""

    period: str | None = None
    first: str | None = None
    through: str | None = None
    as_of: str | None = None
    plans: tuple[str, ...] = ()
    charges: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    shard: str | None = None
    full_refresh: bool = False
    offline: bool = False

    @property
    def given(self) -> bool:
        """Whether any was given."""
        return self != PlanWords()


def plan_options(function: F) -> F:
    """Add the options that say what to plan; the command gets them one by one."""
    decorated: Any = function
    for option in reversed(_PLAN_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


_PLAN_OPTIONS = [
    click.option("--period", metavar="YYYY-MM", help="Lines dated in this month."),
    click.option("--from", "first", metavar="DATE", help="With --through: lines dated from this day on."),
    click.option("--through", metavar="DATE", help="… through this day, inclusive."),
    click.option(
        "--as-of",
        metavar="DATE",
        help="The day on which the plan is made; default: today in the plans' time zone.",
    ),
    click.option("--plan", "plans", multiple=True, metavar="NAME", help="Only this plan; repeatable."),
    click.option("--charge", "charges", multiple=True, metavar="NAME", help="Only this charge; repeatable."),
    click.option(
        "--property", "properties", multiple=True, metavar="NAME", help="Only this property; repeatable."
    ),
    click.option(
        "--shard",
        metavar="I/N",
        help="Only the I-th of N parts of all properties, for N runners side by side: each property is in exactly one.",
    ),
    click.option("--full-refresh", is_flag=True, help="Read everything from Propexo again."),
    click.option("--offline", is_flag=True, help="Use the last snapshot; no request."),
]


@click.command()
@plan_options
@file_option("--out", "Save the plan for `apply`.")
@file_option("--json-out", "Write the JSON document too.")
@file_option("--markdown", "Write Markdown for a pull request.")
@file_option("--html", "Write a report in one HTML file, with every line's arithmetic.")
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
    request = request_of(asked, project.config, wiring.WallClock(), listing_all=everything)
    with wiring.world(common, project.config, today=request.as_of, project=project) as world:
        planned = plan_now(world, project, request, warnings)
        origin = origin_of(world, project, request, planned)
        header = _header(world, project.config, planned.change_set, origin)
        if html is not None:
            _write_report(html, world, project, request, planned.change_set, header, everything=everything)
    change_set = planned.change_set
    if out is not None and not change_set.errored:
        write_plan(out, header, change_set)
    if json_out is not None or common.as_json:
        document = jsondoc.dump(jsondoc.plan_document(change_set, digest=header.digest, all=everything))
    if json_out is not None:
        save(json_out, document)
    if markdown is not None:
        save(markdown, plan_markdown(change_set, digest=header.digest))
    if common.as_json:
        click.echo(document, nl=False)
    else:
        _say_cost(common, change_set)
        common.show(plan_screen(change_set, color=common.colored, width=common.width, all=everything))
    if out is not None and change_set.errored:
        common.say(f"Nothing was saved to {out}: the plan has errors.")
    elif out is not None:
        common.say(f"Saved to {out}. {_way_on(out, change_set)}")
    return _exit_code(change_set, detailed=detailed_exitcode)


def _way_on(out: Path, change_set: ChangeSet) -> str:
    if any(each.guard == APPROVALS for each in change_set.guards):
        return f"Others approve it with `chargeplan approve {out}`; then post exactly this with `chargeplan apply {out}`."
    return f"Post exactly this with `chargeplan apply {out}`."


def _write_report(
    path: Path,
    world: wiring.World,
    project: Project,
    request: PlanRequest,
    change_set: ChangeSet,
    header: Header,
    *,
    everything: bool,
) -> None:
    from chargeplan.cli.explaining import arithmetic  # noqa: PLC0415 - it knows this module
    from chargeplan.render.html import plan_html  # noqa: PLC0415 - Jinja2, only where it is used

    report = plan_html(
        change_set,
        digest=header.digest,
        made_at=header.created_at,
        arithmetic=arithmetic(world, project, request, change_set),
        all=everything,
    )
    save(path, report)


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
@file_option("--approvals", "Where the plan file's approvals are; default: PLANFILE.approvals.")
@click.option("--all", "everything", is_flag=True, help="List every line.")
@common()
def show(
    *,
    common: Common,
    planfile: Path,
    markdown: Path | None,
    html: Path | None,
    approvals: Path | None,
    everything: bool,
) -> int:
    """Print a saved plan, stale and used ones too, and who has approved it where somebody has to."""
    from chargeplan.cli.approving import standing  # noqa: PLC0415 - it knows this module

    saved = read_plan(planfile)
    signed = standing(common, saved, planfile, approvals)
    summary = Summary(saved.review.totals, saved.review.skips, saved.review.unchanged)
    change_set = saved.change_set
    if markdown is not None:
        save(markdown, plan_markdown(change_set, digest=saved.header.digest, summary=summary))
    if html is not None:
        from chargeplan.render.html import plan_html  # noqa: PLC0415 - Jinja2, only where it is used

        report = plan_html(
            change_set,
            digest=saved.header.digest,
            made_at=saved.header.created_at,
            summary=summary,
            all=everything,
        )
        save(html, report)
    if common.as_json:
        document = jsondoc.plan_document(
            change_set, digest=saved.header.digest, all=everything, summary=summary, approvals=signed
        )
        click.echo(jsondoc.dump(document), nl=False)
    else:
        common.show(
            plan_screen(
                change_set,
                color=common.colored,
                width=common.width,
                all=everything,
                summary=summary,
                approvals=signed,
            ),
        )
    return 0


# --- shared with apply -------------------------------------------------------------------------------------------


def request_of(
    words: PlanWords,
    config: Config,
    clock: wiring.WallClock,
    allowed: Sequence[Allowed] = (),
    *,
    listing_all: bool = False,
) -> PlanRequest:
    """What the options ask for, with the defaults of the configuration."""
    as_of = read_date(words.as_of, "--as-of") or clock.today(config.timezone)
    window = read_window(words.period, words.first, words.through) or default_window(as_of, config)
    return PlanRequest(
        as_of,
        window,
        words.plans,
        words.charges,
        words.properties,
        words.full_refresh,
        words.offline,
        tuple(allowed),
        shard=_shard(words.shard),
        listing_all=listing_all,
    )


def _shard(text: str | None) -> Shard | None:
    try:
        return None if text is None else read_shard(text)
    except ValueError as problem:
        raise ChargeplanError(
            f"--shard: {problem}", hint="Write it as 1/4: the first of four.", code="usage"
        ) from None


def plan_now(
    world: wiring.World,
    project: Project,
    request: PlanRequest,
    warnings: Sequence[Diagnostic] = (),
) -> Planned:
    """Settle what is open, then plan."""
    if not request.offline:
        settle_jobs(world.journal, world.remote, world.vendors, world.vendor_of, world.clock)
        settle_unknown(world.journal, world.remote, world.vendors, world.vendor_of, world.clock)
    planned = make_plan(
        project,
        request,
        world.snapshot,
        world.journal,
        world.vendors,
        plan_id=wiring.new_id("plan"),
        environment=world.environment.name,
        progress=world.bar.step,
        spread=world.spread(request),
    )
    settle_seen(world.journal, world.snapshot, world.integrations)
    world.bar.close()
    change_set = msgspec.structs.replace(
        planned.change_set, diagnostics=(*warnings, *planned.change_set.diagnostics)
    )
    return msgspec.structs.replace(planned, change_set=with_excerpts(change_set, Path(project.config.root)))


def with_excerpts(change_set: ChangeSet, root: Path) -> ChangeSet:
    """The change set with the source line of every diagnostic that has a place."""
    shown = tuple(_with_excerpt(each, root) for each in change_set.diagnostics)
    return msgspec.structs.replace(change_set, diagnostics=shown)


def _with_excerpt(diagnostic: Diagnostic, root: Path) -> Diagnostic:
    place = diagnostic.place
    if place is None or diagnostic.excerpt or not (root / place.file).is_file():
        return diagnostic
    lines = (root / place.file).read_text(encoding="utf-8-sig").splitlines()
    excerpt = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    return msgspec.structs.replace(diagnostic, excerpt=excerpt)


def origin_of(world: wiring.World, project: Project, request: PlanRequest, planned: Planned) -> Origin:
    """What the plan was made from."""
    return Origin(
        api_host=world.api_host,
        journal_id=world.journal.identity,
        options=PlanOptions(
            request.plans,
            request.charges,
            request.properties,
            msgspec.UNSET if request.shard is None else str(request.shard),
        ),
        inputs=project.digests,
        properties=planned.properties,
    )


def _header(world: wiring.World, config: Config, change_set: ChangeSet, origin: Origin) -> Header:
    created = world.clock.now()
    return header_of(
        change_set,
        origin,
        digest(change_set, origin),
        created_at=created,
        expires_at=_expiry(created, change_set, config),
        planned_by=default_actor(),
    )


def _expiry(created: str, change_set: ChangeSet, config: Config) -> str:
    """The end of the window or of ``plan_ttl``, whichever comes first.

    A window that is over when the plan is made (a month billed late) expires with ``plan_ttl`` alone.
    """
    made = datetime.fromisoformat(created)
    by_age = made + timedelta(days=config.plan_ttl_days)
    zone = ZoneInfo(config.timezone)
    window_end = datetime.combine(change_set.window.last + timedelta(days=1), time(), tzinfo=zone)
    ends = by_age if window_end <= made else min(by_age, window_end)
    return ends.astimezone(made.tzinfo).isoformat(timespec="seconds").replace("+00:00", "Z")


def today_of(config: Config, as_of: str | None) -> date:
    """``--as-of``, else today in the configuration's time zone."""
    return read_date(as_of, "--as-of") or wiring.WallClock().today(config.timezone)


def is_interactive() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
