"""Making a plan, for `plan` and every other command that needs one: its options, what they ask for, and the way to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, TypeVar

import click
import msgspec

from chargeplan import wiring
from chargeplan.cli.options import READING
from chargeplan.core.config import Config
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.guard import Allowed, days_from_clock
from chargeplan.core.shard import Shard, read_shard
from chargeplan.core.window import read_date, read_window
from chargeplan.flow.plan_request import PlanRequest, default_window

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
    READING[0],
    click.option(
        "--shard",
        metavar="I/N",
        help="Only the I-th of N parts of all properties, for N runners side by side: each property is in exactly one.",
    ),
    click.option(
        "--missed", is_flag=True, help="Post what was missed in months billed before, as `missed: post` does."
    ),
    *READING[1:],
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


def today_of(config: Config, as_of: str | None) -> date:
    """``--as-of``, else today in the configuration's time zone."""
    return read_date(as_of, "--as-of") or wiring.WallClock().today(config.timezone)
