"""Descriptions and notes: a small, safe part of Jinja2 (plan-language.md, *Templates*).

A template is checked when it is loaded, by walking its syntax tree against a list of what is allowed: a name that
is not known, a loop or a call can then never fail in the middle of an apply. What is left is bounded too, when it is
filled in and when Jinja works out constants while compiling: the filters are those of text and numbers, which measure
what goes in and what comes out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.sandbox import SandboxedEnvironment

from chargeplan.core.diagnostic import Place
from chargeplan.core.errors import TemplateError
from chargeplan.core.money import format_money
from chargeplan.core.suggest import did_you_mean
from chargeplan.core.text import flaw_of

MAX_STEP = 2_000
"""Characters of any value and intermediate text, and the largest number a filter takes as an argument."""
MAX_SOURCE = 4_000
"""Characters of a template as written."""

TEXT_NAMES = frozenset({
    "plan", "charge.id", "charge.title", "charge.code", "period.from", "period.through", "period.month_name",
    "period.label", "line.date", "line.prorated", "property.name", "unit.number", "lease.start", "lease.end",
})  # fmt: skip
NUMBER_NAMES = frozenset({"amount", "period.year", "period.month", "period.days", "line.days_billed"})
PERSONAL_NAMES = frozenset({"resident.first_name", "resident.last_name"})
NAMES = TEXT_NAMES | NUMBER_NAMES
"""The dotted names every template may use; ``roster.*`` and, with ``personal_data``, the resident's names come on top."""

_ROOTS = frozenset(name.split(".")[0] for name in NAMES | PERSONAL_NAMES) | {"roster"}
_FILTERS = (
    "abs", "capitalize", "center", "count", "d", "default", "first", "float", "format", "indent", "int", "last", "length", "lower",
    "replace", "reverse", "round", "string", "striptags", "title", "trim", "truncate", "upper", "urlencode", "wordcount", "wordwrap",
)  # fmt: skip
"""Jinja's filters that make a text or a number of one. The others are for lists, web pages and chance."""
_SIZED_FILTERS = frozenset({"center", "indent", "round", "truncate", "wordwrap"})
"""Those that grow text, or a power of ten, by a number."""
_NUMBER_TESTS = frozenset({"odd", "even", "divisibleby"})
"""They take a remainder, and the remainder of a text is Python's formatting, which can grow without bound."""
_SIMPLE_NODES = (
    nodes.Output, nodes.TemplateData, nodes.Const, nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand,
    nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.Add, nodes.Sub, nodes.Div, nodes.FloorDiv, nodes.Neg, nodes.Pos,
    nodes.Slice, nodes.Keyword, nodes.Test,
)  # fmt: skip
_WORDS = {
    "For": "loops", "Macro": "macros", "Call": "calls", "CallBlock": "calls", "Import": "imports", "FromImport": "imports",
    "Include": "includes", "Extends": "inheritance", "Block": "blocks", "Assign": "`set`", "AssignBlock": "`set`",
    "With": "`with`", "FilterBlock": "filter blocks", "Pow": "powers", "List": "lists", "Dict": "mappings", "Tuple": "tuples",
}  # fmt: skip
_FORMAT = re.compile(r"(%[-+ 0#]*\d{0,2}(\.\d{1,2})?[sdfx%]|[^%])*")


class TemplateFault(Exception):  # noqa: N818  # it is the user's fault, told as a diagnostic
    """A template that cannot be used; the message and ``detail`` are for the user."""

    def __init__(self, summary: str, detail: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail


class CompiledTemplate:
    """A template ready to render; the same values give the same text, so results may be kept by the names in ``uses``.

    ``columns_as_written`` are the roster's columns that stand in the text as their cells have them, through no filter.
    """

    __slots__ = ("_names", "_render", "columns_as_written", "place", "source", "uses")

    def __init__(
        self,
        source: str,
        names: Mapping[str, str],
        columns_as_written: frozenset[str],
        render: Callable[[dict[str, object]], str],
        place: Place | None = None,
    ) -> None:
        self.source = source
        self.uses = frozenset(names)
        self.columns_as_written = columns_as_written
        self.place = place
        self._names = names
        self._render = render

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CompiledTemplate) and (self.source, self.place) == (
            other.source,
            other.place,
        )

    def __hash__(self) -> int:
        return hash((self.source, self.place))

    def at(self, place: Place | None) -> CompiledTemplate:
        """The same template, as written at ``place``."""
        return CompiledTemplate(self.source, self._names, self.columns_as_written, self._render, place)

    def __repr__(self) -> str:
        return f"CompiledTemplate({self.source!r})"

    def render(self, values: Mapping[str, object]) -> str:
        """The text for these values, one for each dotted name of ``uses``; ``None`` reads as nothing.

        Raises:
            TemplateError: The result has a line break or a control character, or
                a filter cannot work on a value.
        """
        try:
            text = self._render({variable: _measured(values[name]) for name, variable in self._names.items()})
        except (JinjaError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError) as fault:
            raise TemplateError(
                f"The template {self.source!r} cannot be filled in: {fault}",
                hint="Change the template.",
                code="template",
            ) from fault
        if flaw := _flaw(text, MAX_STEP):
            raise TemplateError(
                f"The text {text[:MAX_STEP]!r} {flaw}.", hint="Change the template.", code="template"
            )
        return text


def compile_template(
    source: str,
    *,
    roster: Iterable[str] | None = None,
    personal_data: bool = False,
    place: Place | None = None,
) -> CompiledTemplate:
    """Check and compile a template; equal ones are compiled once.

    ``roster`` are the columns of the charge's roster, or None where it has none; ``place`` is where it is written.

    Raises:
        TemplateFault: The template has a syntax error, does what templates may not, or uses a name that is not there.
    """
    compiled = _compile_once(source, None if roster is None else tuple(roster), personal_data)
    return compiled if place is None else compiled.at(place)


@functools.lru_cache(maxsize=512)
def _compile_once(source: str, roster: tuple[str, ...] | None, personal_data: bool) -> CompiledTemplate:
    if len(source) > MAX_SOURCE:
        raise TemplateFault(f"The template has {len(source):,} characters; the limit is {MAX_SOURCE:,}.")
    try:
        return _compile(source, _Walk(roster, personal_data))
    except TemplateSyntaxError as fault:
        message = (fault.message or "").rstrip(".")
        raise TemplateFault(
            f"The template cannot be read: {message}.",
            "Names stand in `{{ }}`, conditions in `{% if … %}{% endif %}`.",
        ) from fault
    except RecursionError as fault:
        raise TemplateFault("The template nests too deeply.") from fault


def _compile(source: str, walk: _Walk) -> CompiledTemplate:
    environment = _environment()
    tree = environment.parse(source)
    walk.check(tree)
    code = environment.compile(tree)
    template = environment.template_class.from_code(environment, code, {}, None)
    columns = frozenset(walk.columns_as_written)
    return CompiledTemplate(source, walk.names, columns, _plain(tree) or template.render)


def _plain(tree: nodes.Template) -> Callable[[dict[str, object]], str] | None:
    """A template of text, names and ``money`` alone, as nearly all are, joined without Jinja's machinery; else ``None``.

    The same text comes of it (a law in the tests), in a twentieth of the time.
    """
    parts: list[tuple[str, str, bool]] = []
    for output in tree.body:
        for node in output.nodes if isinstance(output, nodes.Output) else [output]:
            match node:
                case nodes.TemplateData(data=text):
                    parts.append((text, "", False))
                case nodes.Name(name=name):
                    parts.append(("", name, False))
                case nodes.Filter(name="money", node=nodes.Name(name=name), args=[], kwargs=[]):
                    parts.append(("", name, True))
                case _:
                    return None
    return functools.partial(_joined, parts)


def _joined(parts: list[tuple[str, str, bool]], values: dict[str, object]) -> str:
    text = ""
    for literal, name, is_money in parts:
        if not name:
            text += literal
            continue
        value = values[name]
        text += _money(value) if is_money else "" if value is None else str(value)
    return text


@functools.cache
def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, finalize=_nothing_for_none
    )
    environment.globals.clear()
    environment.filters = {
        name: _bounded(environment.filters[name], sized=name in _SIZED_FILTERS) for name in _FILTERS
    } | {"money": _money}
    return environment


def _measured(value: object) -> object:
    if isinstance(value, str) and len(value) > MAX_STEP:
        raise ValueError(f"a value has more than {MAX_STEP:,} characters")
    return value


def _nothing_for_none(value: object) -> object:
    return "" if value is None else value


def _money(value: object) -> str:
    """Cents as dollars, for ``{{ amount | money }}``."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"`money` takes cents, not {value!r}")
    return format_money(value)


def _bounded(work: Callable[..., Any], *, sized: bool) -> Callable[..., Any]:
    """The filter, refusing what could make its work grow: a large number as a size, and long text in or out."""

    @functools.wraps(work)
    def bounded(*args: Any, **options: Any) -> Any:
        for number in (*args[1:], *options.values()):
            if sized and isinstance(number, (int, float)) and abs(number) > MAX_STEP:
                raise ValueError(f"{number} is too large for a filter")
        for text in (*args, *options.values()):
            if isinstance(text, str) and len(text) > MAX_STEP:
                raise ValueError(f"a filter takes a text of at most {MAX_STEP:,} characters")
        result = work(*args, **options)
        if isinstance(result, str) and len(result) > MAX_STEP:
            raise ValueError(f"a filter's result has more than {MAX_STEP:,} characters")
        return result

    return bounded


def _flaw(text: str, limit: int) -> str:
    if flaw := flaw_of(text):
        return flaw
    if len(text) > limit:
        return f"has {len(text)} characters; the limit is {limit}"
    return ""


class _Walk:
    """The walk over a template's tree: refuses what is not allowed, and turns dotted names into plain variables.

    Plain variables, because Jinja looks for an attribute before a key: a roster's column ``items`` would be a method.
    """

    def __init__(self, roster: tuple[str, ...] | None, personal_data: bool) -> None:
        self.roster = roster
        self.personal_data = personal_data
        self.names: dict[str, str] = {}
        self.columns_as_written: set[str] = set()

    def check(self, tree: nodes.Template) -> None:
        """Check the whole tree, and replace names in place."""
        self._children(tree)

    def _children(self, node: nodes.Node) -> None:
        for field, value in node.iter_fields():
            if isinstance(value, list):
                value[:] = [self._visit(child) if isinstance(child, nodes.Node) else child for child in value]
            elif isinstance(value, nodes.Node):
                setattr(node, field, self._visit(value))

    def _visit(self, node: nodes.Node) -> nodes.Node:
        if (dotted := _dotted(node)) is not None:
            return self._name(dotted)
        match node:
            case nodes.TemplateData(data=data) if _flaw(data, MAX_SOURCE):
                raise TemplateFault(
                    f"The template {_flaw(data, MAX_SOURCE)} in it.", "Write it on one line, or with `>-`."
                )
            case nodes.Output():
                names = [_dotted(child) or "" for child in node.nodes]
                self.columns_as_written |= {
                    name.removeprefix("roster.") for name in names if name.startswith("roster.")
                }
            case nodes.Filter(name=name):
                self._filter(name, node)
            case nodes.Test(name=name):
                self._test(name, node)
            case nodes.Mul() | nodes.Mod() if not _is_number(node):
                raise TemplateFault(
                    "A template cannot repeat or format text with `*` or `%`.",
                    "Only numbers can be multiplied.",
                )
            case nodes.Getitem(arg=nodes.Const(value=int()) | nodes.Slice()) | nodes.Mul() | nodes.Mod():
                pass
            case nodes.Getitem() | nodes.Getattr():
                raise TemplateFault(
                    "A template cannot reach into a value.", f"Names are: {', '.join(sorted(NAMES))}."
                )
            case _ if not isinstance(node, _SIMPLE_NODES):
                kind = _WORDS.get(type(node).__name__, "this")
                raise TemplateFault(f"A template cannot use {kind}.", "It has names, `if` and filters.")
        self._children(node)
        return node

    def _filter(self, name: str, node: nodes.Filter) -> None:
        if name not in _environment().filters:
            raise TemplateFault(
                f"There is no filter `{name}`.",
                did_you_mean(name, _environment().filters, otherwise="Filters are"),
            )
        if name == "format" and not (
            isinstance(node.node, nodes.Const) and _FORMAT.fullmatch(str(node.node.value))
        ):
            raise TemplateFault(
                "`format` takes a literal text with `%s`, `%d` or `%02d`.", "Widths have two digits at most."
            )
        if name == "money" and node.node is not None and not _is_number(node.node):
            raise TemplateFault("`money` takes cents, such as `amount`.", "Write `{{ amount | money }}`.")

    def _test(self, name: str, node: nodes.Test) -> None:
        if name not in _environment().tests:
            raise TemplateFault(f"There is no test `{name}`.", did_you_mean(name, _environment().tests))
        if name in _NUMBER_TESTS and not _is_number(node.node):
            raise TemplateFault(f"The test `{name}` is for numbers, such as `period.days`.")

    def _name(self, dotted: str) -> nodes.Node:
        if dotted.startswith("roster."):
            self._check_roster(dotted)
        elif dotted in PERSONAL_NAMES:
            if not self.personal_data:
                raise TemplateFault(
                    f"`{dotted}` is personal data, which the configuration does not allow.",
                    "Set `personal_data: true` in chargeplan.yaml, or leave the name out.",
                )
        elif dotted not in NAMES:
            self._refuse(dotted)
        variable = self.names.setdefault(dotted, f"v{len(self.names)}")
        return nodes.Name(variable, "load")

    def _check_roster(self, dotted: str) -> None:
        column = dotted.removeprefix("roster.")
        if self.roster is None:
            raise TemplateFault(
                f"`{dotted}` is used, and the charge has no roster.",
                "Add `roster: FILE.csv`, or leave the name out.",
            )
        if column not in self.roster:
            raise TemplateFault(
                f"The roster has no column `{column}`.",
                did_you_mean(column, self.roster, otherwise="Its columns are"),
            )

    def _refuse(self, dotted: str) -> None:
        known = sorted(
            NAMES
            | {f"roster.{column}" for column in self.roster or ()}
            | (PERSONAL_NAMES if self.personal_data else set())
        )
        if dotted in _ROOTS:
            has = [name for name in known if name.startswith(f"{dotted}.")]
            raise TemplateFault(
                f"`{dotted}` is not a value by itself.", f"It has: {', '.join(f'`{name}`' for name in has)}."
            )
        raise TemplateFault(
            f"There is no name `{dotted}`.", did_you_mean(dotted, known, otherwise="Names are")
        )


def _dotted(node: nodes.Node | None) -> str | None:
    """``period.label`` for the expression that reads it, ``roster['unit space']`` included; None for any other."""
    match node:
        case nodes.Name(name=name):
            return str(name)
        case nodes.Getattr(node=inner, attr=attribute) if (before := _dotted(inner)) is not None:
            return f"{before}.{attribute}"
        case nodes.Getitem(node=nodes.Name(name="roster"), arg=nodes.Const(value=str(column))):
            return f"roster.{column}"
        case _:
            return None


def _is_number(node: nodes.Node) -> bool:
    """Whether an expression is surely a number: only those may be multiplied."""
    match node:
        case nodes.Const(value=value):
            return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 10**9
        case nodes.BinExpr(left=left, right=right) if not isinstance(node, nodes.Pow):
            return not isinstance(node, (nodes.And, nodes.Or)) and _is_number(left) and _is_number(right)
        case nodes.UnaryExpr(node=inner):
            return _is_number(inner)
        case nodes.Filter(name="abs" | "int" | "round" | "length" | "count" as name, node=inner):
            return name in {"int", "length", "count"} or (inner is not None and _is_number(inner))
        case _:
            return _dotted(node) in NUMBER_NAMES
