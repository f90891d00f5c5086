"""Options that every command has, and the screen that they describe."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from chargeplan.cli.logs import configure_logging
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
    def paper(self) -> dict[str, Any]:
        """What screens are written for: whether there is colour, and how wide they may be."""
        return {"color": self.colored, "width": self.width}

    @property
    def shows_progress(self) -> bool:
        """Whether progress is drawn: only on a terminal."""
        return sys.stderr.isatty() and not self.quiet

    def show(self, text: str, *, to_stderr: bool = False) -> None:
        """The answer, to stdout, in the colour that was decided for it: click would take colour out of a pipe."""
        click.echo(text, nl=False, color=self.colored, err=to_stderr)

    def answer(self, document: Callable[[], dict[str, Any]], screen: Callable[[], str]) -> None:
        """The answer: exactly one document with ``--json``, else the screen."""
        from chargeplan.render.jsondoc import dump  # noqa: PLC0415 - only what answers needs it

        if self.as_json:
            click.echo(dump(document()), nl=False)
        else:
            self.show(screen())

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


def reading_options(function: F) -> F:
    """Add the options that say what is read of which property; the command gets them by the names of a request's."""
    decorated: Any = function
    for option in reversed(READING):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


READING = [
    click.option(
        "--property", "properties", multiple=True, metavar="NAME", help="Only this property; repeatable."
    ),
    click.option("--full-refresh", is_flag=True, help="Read everything from Propexo again."),
    click.option("--offline", is_flag=True, help="Use the last snapshot; no request."),
]


def save(path: Path | None, text: Callable[[], str]) -> None:
    """Write a report where one is asked for: whole or not at all, and for its owner's eyes, as it says who owes what.

    A device is written as it is.

    Raises:
        ChargeplanError: it can't be written; what stood there stays.
    """
    from chargeplan.disk.whole import written_whole  # noqa: PLC0415

    if path is None:
        return
    written = text()
    try:
        if path.exists() and not path.is_file():
            path.write_text(written, encoding="utf-8")
            return
        with written_whole(path) as stream:
            stream.write(written.encode("utf-8"))
    except OSError as problem:
        raise ChargeplanError(
            f"{path} can't be written: {problem.strerror or problem}.",
            hint="Name another file, or make the folder writable.",
            code="not_written",
        ) from problem


def is_interactive() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str, nothing: str) -> None:
    """Ask the person at the terminal.

    Raises:
        ChargeplanError: the answer is another than yes; ``nothing`` says what was not done.
    """
    if click.prompt(f"{question} Only 'yes' is accepted", default="", show_default=False, err=True) != "yes":
        raise ChargeplanError(f"Not approved. {nothing}", code="not_approved")
