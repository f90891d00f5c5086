"""`sandbox`: a Propexo of your own, and the levers that a property's office would pull."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import msgspec

from chargeplan import wiring
from chargeplan.cli.options import Common, common
from chargeplan.core.config import Environment
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.window import read_date
from chargeplan.wiring import places


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
    from chargeplan.sandbox.server import run_forever  # noqa: PLC0415 - the extra `sandbox`

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
        folder = Path(places.STATE_DIRECTORY)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / "sandbox.db"
    return wiring.sandbox_path(config, wiring.environment(common, config))


@sandbox.command("sync")
@common()
def sync(*, common: Common) -> int:
    """Let the next sync run: what is on the ledgers becomes visible."""
    synced = _pull(common, "sync", {})
    return _say(
        common,
        f"Synced at {synced['at']}: {synced['new']} new, {synced['changed']} changed.",
        kind="sync",
        new=synced["new"],
        changed=synced["changed"],
        at=synced["at"],
    )


@sandbox.command("approve")
@click.option("--posting-date", metavar="DATE", help="The date that the office gives; default: as sent.")
@click.option("--batch", metavar="ID", help="Only this batch.")
@common()
def approve(*, common: Common, posting_date: str | None, batch: str | None) -> int:
    """Approve the waiting partner files, as the property's office would."""
    day = read_date(posting_date, "--posting-date")
    count = _pull(common, "approve", {"posting_date": day and str(day), "batch_id": batch})
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
    _pull(common, "reset", {"today": today and str(today)})
    # What was posted is not posted again, and so the next plan would look as if nothing had been reset.
    common.say(
        "Journal and snapshot still know what was posted. To begin anew, delete them too: the file that "
        f"`chargeplan journal where` names, and {places.STATE_DIRECTORY}/snapshot-{place.name}.db."
    )
    return _say(common, "The sandbox is as new.", kind="reset")


@sandbox.command("levers")
@common()
def levers(*, common: Common) -> int:
    """What the other side can be made to do: each lever with its keys."""
    found = _levers().describe()
    lines = []
    for each in found:
        keys = (key.name if key.required else f"[{key.name}]" for key in each.keys)
        lines += [f"{each.name:14} {each.does}", *textwrap.wrap(" ".join(keys), 100, **_INDENTED)]
    return _say(
        common,
        "\n".join([*lines, "", "chargeplan sandbox pull LEVER key=value…; the next sync shows what it did."]),
        kind="levers",
        levers=msgspec.to_builtins(found),
    )


@sandbox.command("pull")
@click.argument("lever")
@click.argument("keys", nargs=-1, metavar="[KEY=VALUE]...")
@common()
def pull(*, common: Common, lever: str, keys: tuple[str, ...]) -> int:
    """Pull a lever: enter, edit, void, merge, move-out, pay, fail, …; `sandbox levers` lists all.

    Values are text, numbers, dates, true and false; lists and objects are JSON.
    """
    words = dict(_key_and_value(each) for each in keys)
    with _lever_errors():
        arguments = _levers().typed(lever, words)
    result = _pull(common, lever, arguments)
    shown = result if isinstance(result, list) else [] if result is None else [result]
    text = "\n".join(["Done." if result is None else f"{lever}:", *(json.dumps(each) for each in shown)])
    return _say(common, text, kind="pull", lever=lever, result=result)


_INDENTED: dict[str, Any] = {"initial_indent": " " * 15, "subsequent_indent": " " * 15}


def _levers() -> ModuleType:
    from chargeplan.sandbox import levers  # noqa: PLC0415 - only where it is used

    return levers


def _key_and_value(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise ChargeplanError(
            f"`{word}` is not KEY=VALUE.", hint="`chargeplan sandbox levers` lists the keys.", code="usage"
        )
    return key.replace("-", "_"), value


def _pull(common: Common, name: str, arguments: Mapping[str, Any]) -> Any:
    """Pull a lever of the environment's sandbox, which is the embedded one or is served on this machine."""
    config = wiring.configured(common)
    place = wiring.environment(common, config)
    with _lever_errors():
        if place.api == "embedded":
            with wiring.open_sandbox(config, place) as state:
                return _levers().pull(state, name, arguments)
        return _pull_served(place, name, arguments)


def _pull_served(place: Environment, name: str, arguments: Mapping[str, Any]) -> Any:
    from chargeplan.sandbox.remote import pull_at  # noqa: PLC0415 - httpx takes a while to import

    # Only loopback may be spoken to without TLS, and nothing else is a sandbox: a real host is not even asked.
    if not place.api.startswith("http://"):
        raise wiring.not_a_sandbox(place)
    try:
        return pull_at(place.api, name, arguments)
    except LookupError:
        raise wiring.not_a_sandbox(place) from None
    except ConnectionError as error:
        raise ChargeplanError(
            f"No sandbox answers at {place.api}: {error}.",
            hint="Start it with `chargeplan sandbox serve --port PORT`.",
            code="sandbox_unreachable",
        ) from None


@contextmanager
def _lever_errors() -> Iterator[None]:
    """What a lever does not take, and where its keys are listed."""
    hint = "`chargeplan sandbox levers` lists each with its keys."
    try:
        yield
    except KeyError as error:
        raise ChargeplanError(str(error.args[0]), hint=hint, code="sandbox_lever") from None
    except ValueError as error:
        raise ChargeplanError(str(error), hint=hint, code="sandbox_lever") from None


def _say(common: Common, text: str, **facts: object) -> int:
    common.answer(lambda: facts, lambda: text + "\n")
    return 0
