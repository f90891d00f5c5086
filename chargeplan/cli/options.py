"""Options that every command has, and the screen that they describe."""

from __future__ import annotations

import functools
import os
import re
import shutil
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from chargeplan.cli.logs import configure_logging
from chargeplan.core.dates import Days, add_months
from chargeplan.core.errors import ChargeplanError

F = TypeVar("F", bound=Callable[..., Any])


class Common(msgspec.Struct, frozen=True, kw_only=True):
    """What the common options say: which configuration and environment, and how to talk."""

    config: str | None
    env: str | None
    color: str
    quiet: bool
    as_json: bool
    log_level: str
    log_format: str
    trust: str | None = None

    @property
    def colored(self) -> bool:
        """Whether stdout gets colour: never in a pipe or with NO_COLOR, unless asked for."""
        if self.color == "auto":
            return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        return self.color == "always"

    @property
    def width(self) -> int:
        """Columns of the terminal; 100 in a pipe."""
        return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100

    @property
    def shows_progress(self) -> bool:
        """Whether progress is drawn: only on a terminal."""
        return sys.stderr.isatty() and not self.quiet

    def show(self, text: str, *, to_stderr: bool = False) -> None:
        """The answer, to stdout, in the colour that was decided for it: click would take colour out of a pipe."""
        click.echo(text, nl=False, color=self.colored, err=to_stderr)

    def say(self, text: str) -> None:
        """One line of talk that is not the answer, to stderr; Propexo's words may be in it, so it is escaped."""
        from chargeplan.render.escape import terminal  # noqa: PLC0415 - only what talks needs it

        if not self.quiet:
            click.echo(terminal(text), err=True)


def common(*, json: bool = True) -> Callable[[F], F]:
    """Add the common options; the command gets them as ``common``."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(**values: Any) -> Any:
            options = Common(
                config=values.pop("config_file"),
                env=values.pop("env_name"),
                color=values.pop("color"),
                quiet=values.pop("quiet"),
                as_json=values.pop("as_json", False),
                log_level=values.pop("log_level"),
                log_format=values.pop("log_format"),
                trust=values.pop("trust"),
            )
            configure_logging(options.log_level, as_json=options.log_format == "json")
            return function(common=options, **values)

        decorated: Any = wrapper
        if json:
            decorated = click.option(
                "--json", "as_json", is_flag=True, help="Print exactly one JSON document."
            )(decorated)
        for option in reversed(_COMMON):
            decorated = option(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


_COMMON = [
    click.option(
        "--config",
        "config_file",
        metavar="FILE",
        help="The configuration; default: the nearest chargeplan.yaml upwards.",
    ),
    click.option(
        "--env",
        "env_name",
        metavar="NAME",
        help="The environment; default: $CHARGEPLAN_ENV, else the configuration's.",
    ),
    click.option(
        "--trust",
        metavar="FILE",
        help="A reviewed chargeplan.yaml: an environment with another host or other variables is refused; default: $CHARGEPLAN_TRUST.",
    ),
    click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        help="Colour on stdout.",
    ),
    click.option("--quiet", "-q", is_flag=True, help="No progress and no talk on stderr."),
    click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        default="warning",
        show_default=True,
        help="Log to stderr.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How logs look.",
    ),
]


def file_option(name: str, help_: str) -> Callable[[F], F]:
    """An option that names a file to write."""
    return click.option(name, metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help=help_)


def save(path: Path, text: str) -> None:
    """Write a report: whole or not at all, and for its owner's eyes, as it says who owes what. A device is written as it is.

    Raises:
        ChargeplanError: it can't be written; what stood there stays.
    """
    from chargeplan.disk.whole import written_whole  # noqa: PLC0415

    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        with written_whole(path) as stream:
            stream.write(text.encode("utf-8"))
    except OSError as problem:
        raise ChargeplanError(
            f"{path} can't be written: {problem.strerror or problem}.",
            hint="Name another file, or make the folder writable.",
            code="not_written",
        ) from problem


# Months and years are counted from a date, so it keeps away from the ends of the calendar.
_FIRST_YEAR, _LAST_YEAR = 1900, 2999
_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)


def read_date(text: str | None, option: str) -> date | None:
    """An ISO date of an option.

    Raises:
        ChargeplanError: it is none.
    """
    if text is None:
        return None
    try:
        found = date.fromisoformat(text)
        if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
            raise ValueError(text)  # noqa: TRY301 - the same answer as for what is no date
        return found  # noqa: TRY300
    except ValueError:
        raise ChargeplanError(
            f"{option}: `{text}` is no date.", hint="Write it as 2027-08-01.", code="usage"
        ) from None


def read_window(period: str | None, first: str | None, through: str | None) -> Days | None:
    """The window of ``--period`` or of ``--from`` and ``--through``, both inclusive; ``None`` where none is given.

    Raises:
        ChargeplanError: half a window, both ways at once, or an empty one.
    """
    if period is not None:
        if first is not None or through is not None:
            raise ChargeplanError(
                "--period goes without --from and --through.", hint="Give one or the other.", code="usage"
            )
        try:
            start = date.fromisoformat(f"{period}-01")
        except ValueError:
            raise ChargeplanError(
                f"--period: `{period}` is no month.", hint="Write it as 2027-08.", code="usage"
            ) from None
        return Days(start, date.fromordinal(add_months(start, 1).toordinal() - 1))
    if first is None and through is None:
        return None
    begins, ends = read_date(first, "--from"), read_date(through, "--through")
    if begins is None or ends is None:
        raise ChargeplanError(
            "--from and --through go together.", hint="Give both, or --period.", code="usage"
        )
    if ends < begins:
        raise ChargeplanError("--through is before --from.", hint="Both are inclusive.", code="usage")
    return Days(begins, ends)


def read_months(period: str | None, first: str | None, through: str | None) -> Days | None:
    """As ``read_window``; ``--from`` and ``--through`` may be months too, which are meant whole.

    Raises:
        ChargeplanError: as ``read_window``.
    """
    if first is not None and _MONTH.fullmatch(first):
        first = f"{first}-01"
    if through is not None and _MONTH.fullmatch(through):
        whole = read_window(through, None, None)
        through = str(whole.last) if whole is not None else through
    return read_window(period, first, through)


def is_interactive() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
