"""`sandbox`: a Propexo of your own, and the levers that a property's office would pull."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from chargeplan.cli import wiring
from chargeplan.cli.options import Common, common, read_date
from chargeplan.core.errors import ChargeplanError
from chargeplan.render import jsondoc


@click.group()
def sandbox() -> None:
    """A simulated Propexo with a property behind it: nothing here reaches a real one."""


@sandbox.command("serve")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 takes a free one."
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The state file; default: the embedded sandbox's, else a new one here.",
)
@click.option("--as-of", metavar="DATE", help="The day around which a new seed is laid; default: today.")
@click.option("--token", metavar="TOKEN", help="Let in only this token; default: any.")
@common(json=False)
def serve(*, common: Common, port: int, state: Path | None, as_of: str | None, token: str | None) -> int:
    """Answer on a loopback port until interrupted."""
    try:
        from chargeplan.sandbox.server import run_forever  # noqa: PLC0415 - the extra `sandbox`
    except ImportError:
        raise wiring.sandbox_missing() from None
    path = state or _default_state(common)
    settings: dict[str, Any] = {"token": token} if token else {}
    run_forever(
        path,
        port,
        today=read_date(as_of, "--as-of"),
        announce=lambda url: click.echo(f"Sandbox at {url}, state in {path}. Ctrl-C ends it."),
        **settings,
    )
    return 0


def _default_state(common: Common) -> Path:
    try:
        config = wiring.configured(common)
    except ChargeplanError:
        folder = Path(wiring.STATE_DIRECTORY)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / "sandbox.db"
    return wiring.state_folder(config) / f"sandbox-{wiring.environment(common, config).name}.db"


@sandbox.command("sync")
@common()
def sync(*, common: Common) -> int:
    """Let the next sync run: what is on the ledgers becomes visible."""
    config = wiring.configured(common)
    with wiring.open_sandbox(config, wiring.environment(common, config)) as state:
        synced = state.sync()
    return _say(
        common,
        f"Synced at {synced.at}: {synced.new} new, {synced.changed} changed.",
        kind="sync",
        new=synced.new,
        changed=synced.changed,
        at=synced.at,
    )


@sandbox.command("approve")
@click.option("--posting-date", metavar="DATE", help="The date that the office gives; default: as sent.")
@click.option("--batch", metavar="ID", help="Only this batch.")
@common()
def approve(*, common: Common, posting_date: str | None, batch: str | None) -> int:
    """Approve the waiting partner files, as the property's office would."""
    config = wiring.configured(common)
    day = read_date(posting_date, "--posting-date")
    with wiring.open_sandbox(config, wiring.environment(common, config)) as state:
        choice = {"batch_id": batch} if batch else {}
        count = state.approve(posting_date=day, **choice)
    return _say(
        common, f"Approved {count} charges; they are visible after a sync.", kind="approve", count=count
    )


@sandbox.command("reset")
@click.option("--as-of", metavar="DATE", help="The day around which the seed is laid; default: today.")
@common()
def reset(*, common: Common, as_of: str | None) -> int:
    """Back to the seed. The journal stays: it still knows what was posted."""
    config = wiring.configured(common)
    today: date | None = read_date(as_of, "--as-of")
    place = wiring.environment(common, config)
    with wiring.open_sandbox(config, place, today) as state:
        state.reset(today)
    # What was posted is not posted again, and so the next plan would look as if nothing had been reset.
    common.say(
        "Journal and snapshot still know what was posted. To begin anew, delete them too: the file that "
        f"`chargeplan journal where` names, and {wiring.STATE_DIRECTORY}/snapshot-{place.name}.db."
    )
    return _say(common, "The sandbox is as new.", kind="reset")


def _say(common: Common, text: str, **facts: object) -> int:
    if common.as_json:
        click.echo(jsondoc.dump(facts), nl=False)
    else:
        click.echo(text)
    return 0
