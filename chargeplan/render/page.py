"""One HTML file that needs nothing else: style, script and data are in it, and a policy keeps everything else out.

Text comes from plans, rosters and the property system and is hostile. It is shown as `render.escape` shows it, escaped by
Jinja2; and should anything slip through, the policy (CSP) runs no script and applies no style but the two whose SHA-256 it
names, loads nothing, and submits nothing anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from chargeplan import __version__
from chargeplan.core.money import format_money
from chargeplan.render.escape import terminal
from chargeplan.render.words import count_of

_FOLDER: Final = "report"
# What could end the script element that the data stands in, or open a comment in it; and what older engines took for an
# end of line. JSON can spell every character as \uXXXX.
_ENDING: Final = re.compile("[<>&\u2028\u2029\x7f-\x9f]")


def page(template: str, values: Mapping[str, Any], data: object = None) -> str:
    """The file; ``data`` is what the script reads, or ``None`` where the page has no script."""
    style, script = _asset("report.css"), _asset("report.js")
    allowed = f"default-src 'none'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'"
    if data is not None:
        allowed += f"; script-src '{_hash(script)}'"
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            policy=allowed,
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            data=None if data is None else embedded(data),
            version=__version__,
        )
    )


def embedded(data: object) -> Markup:
    """JSON that can stand inside a script element, whatever is in it."""
    text = msgspec.json.encode(data).decode()
    return Markup(_ENDING.sub(lambda match: f"\\u{ord(match[0]):04x}", text))  # noqa: S704 - nothing in it opens a tag


@cache
def _asset(name: str) -> str:
    return resources.files("chargeplan.render").joinpath(_FOLDER, name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("chargeplan.render", _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters.update(
        money=_money, number="{:,}".format, counted=_counted, commands=commands, sentence=sentence
    )
    return made


def _shown(value: object) -> object:
    """Every text of a template's expression: control and reordering characters become visible."""
    return terminal(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _money(cents: int | None) -> str:
    return "" if cents is None else format_money(cents)


def _counted(lines: int) -> str:
    return count_of(lines, "line")


def commands(text: str) -> Markup:
    """A sentence of ours whose `commands` stand between backticks."""
    parts = terminal(text).split("`")
    if len(parts) % 2 == 0:
        return Markup("{}").format(terminal(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else Markup("{}").format(part)
        for index, part in enumerate(parts)
    )


def sentence(text: str) -> str:
    """With a capital in front and a full stop behind."""
    text = text[:1].upper() + text[1:]
    return text if not text or text.endswith((".", "!", "?", "…")) else text + "."
