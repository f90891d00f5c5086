"""`validate`, `schema` and `completion`: what needs no account and no journal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from chargeplan import wiring
from chargeplan.cli.options import Common, common
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.loading.project import Loaded, load_project
from chargeplan.loading.schemas import schema_text
from chargeplan.propexo.vendors import vendor
from chargeplan.render import jsondoc
from chargeplan.render.faults import validate_screen


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--online", is_flag=True, help="Also codes, properties and rosters' ids, read from Propexo.")
@common()
def validate(*, common: Common, files: tuple[Path, ...], online: bool) -> int:
    """Check configuration, plans, rosters and tables: every problem of every file in one run."""
    loaded = load_project(wiring.find_config(common), vendor, files or None)
    diagnostics = loaded.diagnostics
    if online and loaded.project is not None:
        diagnostics = (*diagnostics, *_online(common, loaded))
    valid = not any(diagnostic.is_error for diagnostic in diagnostics)
    files_named = {diagnostic.place.file for diagnostic in diagnostics if diagnostic.place}
    count = len(loaded.project.digests if loaded.project else files_named)
    common.answer(
        lambda: jsondoc.validate_document(diagnostics),
        lambda: validate_screen(diagnostics, files=count, **common.paper),
    )
    return 0 if valid else 1


def _online(common: Common, loaded: Loaded) -> tuple[Diagnostic, ...]:
    """What only Propexo knows: the problems of a plan of this month."""
    from chargeplan.cli.plan_making import PlanWords, request_of  # noqa: PLC0415 - only here
    from chargeplan.flow.planning import plan_now  # noqa: PLC0415

    assert loaded.project is not None
    request = request_of(PlanWords(), loaded.project.config, wiring.WallClock())
    with wiring.world(common, loaded.project.config, today=request.as_of) as world:
        return plan_now(world, loaded.project, request).change_set.diagnostics


@click.command()
@click.argument("name", type=click.Choice(["plan", "config", "planfile", "output", "test"]))
@common()
def schema(*, common: Common, name: str) -> int:
    """Print a JSON Schema, for editors and for readers of our documents."""
    del common
    sys.stdout.write(schema_text(name))
    return 0


_HOW = {
    "bash": 'Put `eval "$(chargeplan completion bash)"` into ~/.bashrc.',
    "zsh": 'Put `eval "$(chargeplan completion zsh)"` into ~/.zshrc.',
    "fish": "Write it to ~/.config/fish/completions/chargeplan.fish.",
}


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common(json=False)
def completion(*, common: Common, shell: str) -> int:
    """Print the completion of a shell."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only here

    from chargeplan.cli.main import cli  # noqa: PLC0415 - the group knows this module

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "chargeplan", "_CHARGEPLAN_COMPLETE").source())
    if os.isatty(1):
        common.say(_HOW[shell])
    return 0
