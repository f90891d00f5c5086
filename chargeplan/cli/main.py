"""The entry point: the group of commands, loaded when they are needed, and the one error boundary."""

from __future__ import annotations

import errno
import gc
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from chargeplan import __version__
from chargeplan.cli import output
from chargeplan.cli.signals import handled_by, stop_at_once
from chargeplan.core.errors import ChargeplanError, explained

# Each command with the module that has it and what it is for, so that `--help` and `--version` load none of the others.
COMMANDS = {
    "demo": ("scaffold", "See the whole way once: plan, apply, sync, plan again."),
    "init": ("scaffold", "Scaffold a project and create its journal."),
    "validate": ("files", "Check configuration, plans and tables offline."),
    "plan": ("planning", "Show what would be billed; save it with --out."),
    "show": ("planning", "Print a saved plan."),
    "approve": ("approving", "Sign a saved plan that others made."),
    "apply": ("applying", "Post a plan, at most once."),
    "status": ("settling", "What waits for a person, and what is in flight."),
    "reconcile": ("settling", "Settle what is open: jobs, write log, ledger."),
    "resolve": ("settling", "Settle a line by a person's word."),
    "adopt": ("adopting", "Accept a foreign charge as a line or correction."),
    "diff": ("diffing", "What a change of plans does to the money."),
    "compare": ("comparing", "What the plans would bill beside what is on the ledgers."),
    "derive": ("deriving", "Work out plans and rosters from what is billed now."),
    "explain": ("explaining", "Where a line comes from, or why there is none."),
    "close": ("closing", "Is the month complete, and do the ledgers agree?"),
    "history": ("records", "The journal, for people and auditors."),
    "test": ("testing", "Run the plans' own tests."),
    "doctor": ("doctor", "Check token, hosts, integration, codes, journal."),
    "journal": ("records", "Care for the journal."),
    "sandbox": ("sandbox", "A Propexo of your own to play with."),
    "schema": ("files", "Print a JSON Schema."),
    "completion": ("files", "Print shell completion."),
    "help": ("guides", "The guides: first-month, operating, month-end and more."),
}

# Packages of the extras: which extra has each, and what it is for.
_EXTRAS = {
    "starlette": ("sandbox", "The sandbox"),
    "uvicorn": ("sandbox", "The sandbox"),
    "psycopg": ("postgres", "The driver for a journal in PostgreSQL"),
    "cryptography": ("approvals", "What signs and verifies approvals"),
}

# Options of every command, and whether each takes a value: people write them before the command too.
_EVERYWHERE = {
    "--config": True,
    "--env": True,
    "--trust": True,
    "--color": True,
    "--log-level": True,
    "--log-format": True,
    "--quiet": False,
    "-q": False,
    "--json": False,
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`chargeplan --color always plan` means what `chargeplan plan --color always` does."""
        before = _common_before(args)
        rest = args[len(before) :]
        return super().parse_args(ctx, [*rest, *before] if rest and rest[0] in COMMANDS else args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names.

        Raises:
            ChargeplanError: there is none of that name.
        """
        name = args[0]
        if name in COMMANDS or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from chargeplan.core.suggest import did_you_mean  # noqa: PLC0415 - only a mistake needs it

        hint = did_you_mean(name, COMMANDS, otherwise="There are")
        raise ChargeplanError(f"There is no command `{name}`.", hint=hint, code="usage")

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands in the order of a month's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"chargeplan.cli.{COMMANDS[cmd_name][0]}")
        command = vars(module)[cmd_name if cmd_name != "help" else "help_"]
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, purpose) for name, (_, purpose) in COMMANDS.items()])


def _common_before(args: Sequence[str]) -> list[str]:
    """The options of every command that stand before the first other word, with their values."""
    found: list[str] = []
    while len(found) < len(args):
        word = args[len(found)]
        name, has_value, _ = word.partition("=")
        if name not in _EVERYWHERE or (has_value and not _EVERYWHERE[name]):
            break
        found += args[len(found) : len(found) + (2 if _EVERYWHERE[name] and not has_value else 1)]
    return found


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="chargeplan", message="%(prog)s %(version)s")
def cli() -> None:
    """Charge plans as code: residents' charges, planned, reviewed and posted at most once.

    \b
    Examples:
      chargeplan demo                          see it work, without an account
      chargeplan plan --period 2027-08         what would be billed in August
      chargeplan plan --out august.plan        save it for review
      chargeplan apply august.plan             post exactly that
      chargeplan status                        what is still open
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code (interface.md, *Exit codes*)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # A portfolio is millions of small values without cycles: looking for some after every 700 takes a quarter of a plan's time.
    gc.set_threshold(50_000, 20, 100)
    with handled_by(stop_at_once):
        code = run(words)
    sys.exit(code)


def run(words: Sequence[str]) -> int:
    """Run one command; every way it can end is an exit code, and no traceback reaches a user."""
    try:
        with output.survived():
            return _run(words)
    except output.UnwrittenError as problem:
        # Of a reader that has gone nothing has to be said: it has seen enough.
        if problem.errno != errno.EPIPE and sys.stderr is not None:
            with suppress(OSError):
                sys.stderr.write(f"Error: The answer can't be written to stdout: {problem.strerror}.\n")
                sys.stderr.flush()
        return 1


def _run(words: Sequence[str]) -> int:  # noqa: PLR0911 - one way for each ending
    as_json = "--json" in words
    try:
        result = cli.main(args=list(words), prog_name="chargeplan", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail(
            ChargeplanError(
                "Interrupted.", code="interrupted", hint="`chargeplan status` shows what was sent."
            ),
            130,
            as_json=as_json,
        )
    except click.exceptions.NoArgsIsHelpError as problem:
        # A group without a command: its help, as it is, and not as the text of an error.
        click.echo(problem.format_message(), err=True)
        return 1
    except click.UsageError as problem:
        return _fail(_misused(problem), 1, as_json=as_json)
    except ChargeplanError as error:
        return _fail(error, error.exit_code, as_json=as_json)
    except OSError as problem:
        if isinstance(problem, output.UnwrittenError):
            raise
        of = f" {problem.filename}" if problem.filename else ""
        refused = ChargeplanError(
            f"The operating system refused{of}: {problem.strerror or problem}. Nothing was sent.",
            hint="Mend that, and run the same command again.",
            code="system",
        )
        return _fail(refused, 1, as_json=as_json)
    except ModuleNotFoundError as problem:
        return _fail(_not_installed(problem), 1, as_json=as_json)
    except Exception as problem:
        logging.getLogger("chargeplan").debug("internal error", exc_info=True)
        return _fail(explained(problem), 1, as_json=as_json)


def _misused(problem: click.UsageError) -> ChargeplanError:
    """Click writes lists of choices on lines of their own; here they are folded like every other text."""
    command = problem.ctx.command_path if problem.ctx else "chargeplan"
    text, hint = " ".join(problem.format_message().split()), f"`{command} --help` shows how."
    if isinstance(problem, click.NoSuchOption) and problem.ctx and problem.ctx.parent is None:
        text = f"There is no command before `{problem.option_name}`."
        hint = "The command comes first, as in `chargeplan plan --period 2027-08`; `chargeplan --help` lists them."
    return ChargeplanError(text, hint=hint, code="usage")


def _not_installed(problem: ModuleNotFoundError) -> ChargeplanError:
    """What of an extra is missing, whichever command came upon it."""
    package = (problem.name or "").partition(".")[0]
    if package not in _EXTRAS:
        return explained(problem)
    extra, what = _EXTRAS[package]
    return ChargeplanError(
        f"{what} is not installed (the package `{package}` is missing). Nothing was sent.",
        hint=f"Install it with `pip install 'chargeplan[{extra}]'`.",
        code=f"{extra}_missing",
    )


def _fail(error: ChargeplanError, code: int, *, as_json: bool) -> int:
    from chargeplan.render import faults, jsondoc  # noqa: PLC0415 - only a failure needs them

    if as_json:
        with output.told_if_possible():
            sys.stdout.write(jsondoc.dump(jsondoc.error_document(error)))
    sys.stderr.write(faults.error_screen(error, color=sys.stderr.isatty() and "NO_COLOR" not in os.environ))
    return code
