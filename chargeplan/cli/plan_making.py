"""Making a plan, for `plan` and every other command that needs one: its options, what they ask for, and the way to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click
import msgspec

from chargeplan import wiring
from chargeplan.cli.options import read_date, read_window
from chargeplan.core.change import ChangeSet
from chargeplan.core.config import Config, Project
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.guard import Allowed, days_from_clock
from chargeplan.core.shard import Shard, read_shard
from chargeplan.flow.plan_request import PlanRequest, default_window
from chargeplan.flow.planning import Planned
from chargeplan.journal import default_actor
from chargeplan.planfile.header import Header, Origin, PlanOptions
from chargeplan.planfile.seal import sealed_header

F = TypeVar("F", bound=Callable[..., Any])


class PlanWords(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `plan` as a user gave them."""

    period: str | None = None
    first: str | None = None
    through: str | None = None
    as_of: str | None = None
    plans: tuple[str, ...] = ()
    charges: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    shard: str | None = None
    missed: bool = False
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


def window_options(function: F) -> F:
    """Add the options that name another window than the current month's; the command gets them one by one."""
    decorated: Any = function
    for option in reversed(_WINDOW_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


_WINDOW_OPTIONS = [
    click.option("--period", metavar="YYYY-MM", help="Lines dated in this month."),
    click.option("--from", "first", metavar="DATE", help="With --through: lines dated from this day on."),
    click.option("--through", metavar="DATE", help="… through this day, inclusive."),
    click.option(
        "--as-of",
        metavar="DATE",
        help="The day on which the plan is made; default: today in the plans' time zone.",
    ),
]
_PLAN_OPTIONS = [
    *_WINDOW_OPTIONS,
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
    click.option(
        "--missed", is_flag=True, help="Post what was missed in months billed before, as `missed: post` does."
    ),
    click.option("--full-refresh", is_flag=True, help="Read everything from Propexo again."),
    click.option("--offline", is_flag=True, help="Use the last snapshot; no request."),
]


def request_of(
    words: PlanWords,
    config: Config,
    clock: wiring.WallClock,
    allowed: Sequence[Allowed] = (),
    *,
    listing_all: bool = False,
    accounting: bool = False,
) -> PlanRequest:
    """What the options ask for, with the defaults of the configuration."""
    as_of = read_date(words.as_of, "--as-of") or clock.today(config.timezone)
    window = read_window(words.period, words.first, words.through) or default_window(as_of, config)
    return PlanRequest(
        as_of=as_of,
        window=window,
        plans=words.plans,
        charges=words.charges,
        properties=words.properties,
        full_refresh=words.full_refresh,
        offline=words.offline,
        allowed=tuple(allowed),
        shard=_shard(words.shard),
        listing_all=listing_all,
        posting_missed=words.missed,
        days_from_clock=days_from_clock(clock.today(config.timezone), as_of, window, config.lead_days),
        accounting=accounting,
    )


def _shard(text: str | None) -> Shard | None:
    try:
        return None if text is None else read_shard(text)
    except ValueError as problem:
        raise ChargeplanError(
            f"--shard: {problem}", hint="Write it as 1/4: the first of four.", code="usage"
        ) from None


def header_of(world: wiring.World, project: Project, request: PlanRequest, planned: Planned) -> Header:
    """What the plan file says of itself: what it was made from, by whom, how long it is good, and its digest."""
    created = world.clock.now()
    origin = Origin(
        api_host=world.api_host,
        journal_id=world.journal.identity,
        options=PlanOptions(
            request.plans,
            request.charges,
            request.properties,
            msgspec.UNSET if request.shard is None else str(request.shard),
            True if request.posting_missed else msgspec.UNSET,
        ),
        inputs=project.digests,
        properties=planned.properties,
    )
    return sealed_header(
        planned.change_set,
        origin,
        created_at=created,
        expires_at=_expiry(created, planned.change_set, project.config),
        planned_by=default_actor(),
    )


def _expiry(created: str, change_set: ChangeSet, config: Config) -> str:
    """The end of the window, or of the day that is ``plan_ttl`` from now, whichever comes first: the same all day.

    A window that is over when the plan is made (a month billed late) expires with ``plan_ttl`` alone.
    """
    made, zone = datetime.fromisoformat(created), ZoneInfo(config.timezone)
    last = made.astimezone(zone).date() + timedelta(days=config.plan_ttl_days)
    by_age = datetime.combine(last + timedelta(days=1), time(), tzinfo=zone)
    window_end = datetime.combine(change_set.window.last + timedelta(days=1), time(), tzinfo=zone)
    ends = by_age if window_end <= made else min(by_age, window_end)
    return ends.astimezone(made.tzinfo).isoformat(timespec="seconds").replace("+00:00", "Z")


def today_of(config: Config, as_of: str | None) -> date:
    """``--as-of``, else today in the configuration's time zone."""
    return read_date(as_of, "--as-of") or wiring.WallClock().today(config.timezone)
