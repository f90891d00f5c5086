"""`history` and `journal`: the record, and its care."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import click
import msgspec

from chargeplan import wiring
from chargeplan.cli.options import Common, common, file_option, save
from chargeplan.core.dates import ONE_DAY
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.money import format_money
from chargeplan.core.statement import Statement, statement_of
from chargeplan.core.window import read_date, read_window
from chargeplan.flow.integrations import move_integration
from chargeplan.flow.plan_request import PlanRequest, default_window
from chargeplan.flow.rebuilding import found_postings
from chargeplan.flow.reconcile import seen_otherwise
from chargeplan.render import jsondoc
from chargeplan.render.lines_csv import postings_csv
from chargeplan.render.results import history_screen, records_screen
from chargeplan.wiring import places

_LOCK_KEYS = ("id", "property_id", "owner", "host", "pid", "since", "heartbeat", "expires")


@click.command()
@click.option(
    "--period", metavar="YYYY-MM", help="Only the lines dated in this month, whenever they were sent."
)
@click.option("--since", metavar="DATE", help="Only events from this day on.")
@click.option("--through", metavar="DATE", help="Only events through this day, inclusive. Days are in UTC.")
@file_option(
    "--csv",
    "Write one row a line that was sent in these days or that month, as it stands now, safe for spreadsheets.",
)
@file_option("--html", "Write a statement: control totals, approvals, overrides with reasons.")
@common()
def history(
    *,
    common: Common,
    period: str | None,
    since: str | None,
    through: str | None,
    csv: Path | None,
    html: Path | None,
) -> int:
    """The journal's events: who did what, when, with which plan, and what became of it.

    \b
    Examples:
      chargeplan history --since 2027-08-01
      chargeplan history --period 2027-08 --html august.html
    """
    begins, month = read_date(since, "--since"), read_window(period, None, None)
    read_date(through, "--through")
    if month is not None and (since or through):
        raise ChargeplanError(
            "--period goes without --since and --through: it is of lines dated in the month, they are of what was done in some days.",
            hint="Give one or the other.",
            code="usage",
        )
    config = wiring.configured(common)
    with wiring.world(common, config) as world:
        # A day more than is shown: runners' clocks may differ about midnight.
        read_from = (begins - ONE_DAY).isoformat() if begins else None
        otherwise = _seen_otherwise(common, world, needed=common.as_json or html is not None)
        statement = statement_of(world.journal.history(read_from), since, through, otherwise, period=month)
        environment = world.environment.name
        if csv is not None:
            latest = world.journal.latest(statement.references)
            save(csv, lambda: postings_csv(latest[each] for each in statement.references if each in latest))
    names = {each.id: alias for alias, each in config.properties.items()}
    if html is not None:
        from chargeplan.render.statement import statement_html  # noqa: PLC0415 - Jinja2, only where it is used

        save(html, lambda: statement_html(statement, environment=environment, names=names))
        common.say(f"Wrote {html}.")
    if common.as_json:
        click.echo(jsondoc.dump(jsondoc.history_document(statement)), nl=False)
    else:
        _show(common, statement, names)
    return 0


def _show(common: Common, statement: Statement, names: Mapping[str, str]) -> None:
    """The events, and before them the totals of a billing period."""
    from chargeplan.render.statement import codes_screen, statement_records  # noqa: PLC0415

    empty = "The journal is empty."
    if statement.period is not None:
        empty = f"Nothing was billed for {statement.period.first:%B %Y}."
    elif statement.since or statement.through:
        empty = "Nothing happened in these days."
    events = list(statement_records(statement))
    shown = history_screen(events, empty=empty, **common.paper)
    if statement.period is not None and statement.codes:
        shown = f"{codes_screen(statement, names, **common.paper)}\n{shown}"
    common.show(shown)


def _seen_otherwise(common: Common, world: wiring.World, *, needed: bool) -> Mapping[str, int | None]:
    """What the ledgers show otherwise; the record itself can be read where they can't, its tie-out not."""
    try:
        return seen_otherwise(world)
    except ChargeplanError as problem:
        if needed:
            raise
        common.say(f"What stands on the ledgers now is not known. {problem.message}")
        return {}


@click.group()
def journal() -> None:
    """Care for the journal: the durable record of every posting."""


@journal.command("init")
@common()
def journal_init(*, common: Common) -> int:
    """Create the environment's journal; does nothing where it exists."""
    config = wiring.configured(common)
    with places.journal_of(config, wiring.environment(common, config), create=True) as opened:
        return _say(common, "journal_init", f"The journal is at {opened.where}.", identity=opened.identity)


@journal.command("where")
@common()
def journal_where(*, common: Common) -> int:
    """Where the environment's journal is: a file, or the server of a variable. Opens neither, and shows no address.

    A pipeline asks it before it plans: a file on a runner that is thrown away is a journal that is lost.
    """
    config = wiring.configured(common)
    place = wiring.environment(common, config)
    target = places.journal_target(config, place)
    path = None if "://" in target else str(Path(target).absolute())
    return _say(
        common,
        "journal_where",
        path or f"The journal is in the database of {place.journal_env or '`journal:`'}.",
        environment=place.name,
        database="sqlite" if path else "postgresql",
        path=path,
        embedded=place.api == "embedded",
    )


@journal.command("bind")
@click.option("--reason", required=True, metavar="TEXT", help="Why; recorded.")
@common()
def journal_bind(*, common: Common, reason: str) -> int:
    """Say that the journal is this environment's, after environment or API host were renamed.

    A journal belongs to one environment and one API host, and is refused for any other: with another Propexo's, every
    line would count as posted that was posted there.
    """
    config = wiring.configured(common)
    home = places.bind_journal(config, wiring.environment(common, config), reason)
    facts = msgspec.structs.asdict(home)
    return _say(common, "journal_bind", f"The journal belongs to {home} from now on.", **facts)


@journal.command("verify")
@common()
def journal_verify(*, common: Common) -> int:
    """Check the chain of events and that every posting follows from it."""
    config = wiring.configured(common)
    with wiring.world(common, config) as world:
        problems = world.journal.verify()
    if problems:
        raise ChargeplanError(
            f"The journal does not verify: {'; '.join(problems[:5])}",
            hint="Restore a backup, then `chargeplan journal rebuild`.",
            code="journal_damaged",
        )
    return _say(common, "journal_verify", "The journal is sound.", valid=True)


@journal.command("export")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@common()
def journal_export(*, common: Common, file: Path | None) -> int:
    """Write the journal as JSON Lines, to FILE or stdout."""
    if file is None and common.as_json:
        raise ChargeplanError(
            "An export is many JSON documents, and --json prints exactly one.",
            hint="Give a FILE with --json, or leave --json out.",
            code="usage",
        )
    config = wiring.configured(common)
    with wiring.world(common, config) as world:
        if file is None:
            world.journal.export(sys.stdout)
            return 0
        with _new_file(file) as stream:
            world.journal.export(stream)
    return _say(common, "journal_export", f"Exported to {file}.", file=str(file))


def _new_file(file: Path) -> TextIO:
    """The file, made for its owner's eyes.

    Raises:
        ChargeplanError: it is there already, as it may be another backup, or it can't be made.
    """
    try:
        stream = file.open("x", encoding="utf-8")
    except OSError as problem:
        raise ChargeplanError(
            f"{file} can't be written: {problem.strerror or problem}. Nothing was exported.",
            hint="Name another file, or make the folder writable.",
            code="not_written",
        ) from problem
    file.chmod(0o600)
    return stream


@journal.command("import")
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--from-env", "variable", metavar="NAME", help="Move the journal at the address that this variable holds."
)
@common()
def journal_import(*, common: Common, file: Path | None, variable: str | None) -> int:
    """Fill a new journal from an export, or move one here: a journal's file, or a server's with --from-env.

    What is moved is closed first: from then on it refuses every command, and says where it went. Everything is verified:
    the chain of events, the postings, their cents. After an interruption the same command goes on.

    \b
    Examples:
      chargeplan journal import backup.jsonl
      chargeplan journal import .chargeplan/production.db       into PostgreSQL, once `journal_env` names it
      chargeplan journal import --from-env OLD_JOURNAL          and back into a file
    """
    if (file is None) == (variable is None):
        raise ChargeplanError(
            "Nothing was imported: a FILE or --from-env says from where, one of them.",
            hint="As in `chargeplan journal import backup.jsonl`.",
            code="usage",
        )
    config = wiring.configured(common)
    place = wiring.environment(common, config)
    source = places.variable(variable) if variable else str(file)
    if file is None or _is_database(file):
        moved = places.move_here(config, place, source)
        text = (
            f"Moved {moved.events:,} events with {moved.postings:,} postings "
            f"({format_money(moved.amount)}) to {moved.where}."
        )
        return _say(common, "journal_import", text, **msgspec.to_builtins(moved))
    with places.journal_of(config, place, create=True) as opened, file.open(encoding="utf-8") as stream:
        count = opened.import_(stream, places.home_of(place))
        # What was posted after the export was made is not in it, and would be posted again.
        common.say("If anything was posted since the export: `chargeplan journal rebuild`, before all else.")
        return _say(common, "journal_import", f"Imported {count:,} events into {opened.where}.", events=count)


def _is_database(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(16) == b"SQLite format 3\x00"


@journal.command("rebuild")
@click.option("--as-of", metavar="DATE", help="The day around which the ledgers are read; default: today.")
@common()
def journal_rebuild(*, common: Common, as_of: str | None) -> int:
    """After a loss: fill a new journal from the charges with our references that Propexo shows, and from the write log."""
    from chargeplan.cli.plan_making import today_of  # noqa: PLC0415

    project, _ = wiring.project(common)
    today = today_of(project.config, as_of)
    with places.journal_of(project.config, wiring.environment(common, project.config), create=True):
        pass
    with wiring.world(common, project.config, today=today) as world:
        request = PlanRequest(as_of=today, window=default_window(today, project.config))
        postings = list(found_postings(world, project, request))
        count = world.journal.rebuild(postings, reason="journal rebuild")
    return _say(
        common,
        "journal_rebuild",
        f"Took in {count:,} postings that are on the ledgers or in the write log.",
        postings=count,
    )


@journal.command("move-integration")
@click.argument("old")
@click.argument("new")
@click.option("--reason", default="set up anew", show_default=True, metavar="TEXT", help="Why; recorded.")
@common()
def journal_move_integration(*, common: Common, old: str, new: str, reason: str) -> int:
    """After an integration was set up anew at Propexo: its lines and their keys go with it, from the id OLD to NEW.

    Properties, units, leases and people are matched by the property system's own ids. NEW is what `chargeplan.yaml` names.
    """
    project, _ = wiring.project(common)
    with wiring.world(common, project.config) as world:
        done = move_integration(world, project, old, new, reason=reason)
    text = f"Moved {done.moved:,} lines from {old} to {new}."
    if done.partly:
        text += f" {done.partly:,} of them have no match of unit or person there: what is due in their place is held."
    if done.left:
        text += f" {done.left:,} stay with {old}, whose properties have no match: `chargeplan resolve REF… --posted` or `--not-posted`."
    return _say(common, "journal_move_integration", text, old=old, new=new, **msgspec.structs.asdict(done))


@journal.command("locks")
@common()
def journal_locks(*, common: Common) -> int:
    """The locks that are held, and by whom."""
    config = wiring.configured(common)
    with wiring.world(common, config) as world:
        locks = world.journal.locks()
    common.answer(
        lambda: jsondoc.locks_document(locks),
        lambda: records_screen(locks, _LOCK_KEYS, empty="No lock is held.", **common.paper),
    )
    return 0


@journal.command("unlock")
@click.argument("lock_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why; recorded.")
@common()
def journal_unlock(*, common: Common, lock_id: str, reason: str) -> int:
    """Take a lock from its owner, who then stops before its next request."""
    config = wiring.configured(common)
    with wiring.world(common, config) as world:
        world.journal.unlock(lock_id, reason)
    return _say(common, "journal_unlock", f"Lock {lock_id} is free.", id=lock_id)


def _say(common: Common, kind: str, text: str, **facts: Any) -> int:
    common.answer(lambda: {"kind": kind, **facts}, lambda: text + "\n")
    return 0
