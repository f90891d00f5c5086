"""`help`: the guides that come with the program, and the help of its commands."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from chargeplan.cli.options import Common, common
from chargeplan.core.errors import ChargeplanError

# Each guide: where a wheel has it inside the package, and where a checkout has it.
GUIDES = {
    "first-month": ("guides/first-month.md", "guides/first-month.md"),
    "operating": ("guides/operating.md", "guides/operating.md"),
    "month-end": ("guides/month-end.md", "guides/month-end.md"),
    "security": ("guides/security.md", "guides/security.md"),
    "plans": ("_plans/README.md", "../plans/README.md"),
    "pipelines": ("_action/README.md", "../.github/actions/chargeplan/README.md"),
}

SYSTEMS = (
    "resman", "rentmanager", "propertyware", "propertyware-rest", "yardi", "yardi-rest", "realpage-rpx", "entrata", "buildium",
    "appfolio", "rentvine",
)  # fmt: skip
"""The property systems, each with a page of its own."""
GUIDES |= {name: (f"guides/systems/{name}.md", f"guides/systems/{name}.md") for name in SYSTEMS}


@click.command("help")
@click.argument("topic", required=False)
@common()
@click.pass_context
def help_(context: click.Context, /, *, common: Common, topic: str | None) -> int:
    """Print a guide, or the help of a command.

    \b
    Guides:
      first-month  from billing by hand to the first apply, step by step
      operating    a month: what to run when, and what to do when
      month-end    closing a month: complete, in agreement, signed, shut
      security     what is stored where, and where the token goes
      plans        writing plans, task by task
      pipelines    pull requests and monthly runs, at GitHub and GitLab
    Property systems, a page each: what to set, what it can't do, what to look at first:
      resman rentmanager propertyware propertyware-rest yardi yardi-rest realpage-rpx entrata buildium appfolio rentvine
    """
    text = _text(context, topic)
    common.answer(lambda: {"kind": "help", "topic": topic, "text": text}, lambda: text + "\n")
    return 0


def _text(context: click.Context, topic: str | None) -> str:
    topic = topic or "help"
    if topic in GUIDES:
        return guide(topic).rstrip("\n")
    group = context.find_root().command
    assert isinstance(group, click.Group)
    command = group.get_command(context, topic)
    if command is None:
        raise ChargeplanError(
            f"There is no guide and no command `{topic}`.",
            hint=f"The guides: {', '.join(GUIDES)}. `chargeplan --help` lists the commands.",
            code="usage",
        )
    return command.get_help(click.Context(command, info_name=topic, parent=context.find_root()))


def guide(name: str) -> str:
    """The text of one of ``GUIDES``: a wheel carries inside the package what a checkout has beside it."""
    package = Path(str(resources.files("chargeplan")))
    shipped, beside = GUIDES[name]
    path = package / shipped
    return (path if path.is_file() else package / beside).read_text(encoding="utf-8")
