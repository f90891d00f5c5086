"""Templates: what they may do, what is refused when loaded, and what can go wrong with values."""

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargeplan.core.errors import TemplateError
from chargeplan.loading.templates import NAMES, NUMBER_NAMES, TemplateFault, compile_template

VALUES = {name: 3500 if name in NUMBER_NAMES else f"<{name}>" for name in NAMES} | {
    "line.prorated": True,
    "roster.space": "A 1",
    "roster.items": "two",
    "roster.unit space": None,
    "resident.first_name": "Ada",
}
COLUMNS = ("space", "items", "unit space")

RENDERED = [
    ("Rent {{ period.month_name }} {{ period.year }}", "Rent <period.month_name> 3500"),
    ("{{ amount | money }}", "$35.00"),
    ("{{ (0 - amount) | money }}", "-$35.00"),
    ("{{ amount * 2 | int }}", "7000"),
    ("{{ roster.space }} {{ roster['unit space'] }}.{{ roster.items }}", "A 1 .two"),
    ("{% if line.prorated %}part{% else %}whole{% endif %}", "part"),
    ("{{ 'x' if period.days > 28 else 'y' }}", "x"),
    ("{{ plan | upper | replace('<', '') }}", "PLAN>"),
    ("{{ '%02d' | format(period.month) }}", "3500"),
    ("{{ plan ~ '/' ~ charge.id }}", "<plan>/<charge.id>"),
    ("{{ period.from[0:4] }}", "<per"),
    ("{# nothing #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ("{{ roster.space | default('none') }}", "A 1"),
    ("{{ plan is string }}{{ period.days is even }}", "TrueTrue"),
    ("<b>&", "<b>&"),
    ("", ""),
]


@pytest.mark.parametrize(("source", "text"), RENDERED)
def test_rendered(source, text):
    template = compile_template(source, roster=COLUMNS)
    assert template.render({name: VALUES[name] for name in template.uses}) == text


PIECES = st.one_of(
    st.text("ab <>&%-", max_size=4),
    st.sampled_from(
        [
            "{{ plan }}",
            "{{ amount }}",
            "{{ amount | money }}",
            "{{ roster['unit space'] }}",
            "{{line.prorated}}",
        ]
    ),
)


@given(st.lists(PIECES, max_size=6))
def test_a_plain_template_reads_as_jinja_reads_it(pieces):
    source = "".join(pieces)
    template = compile_template(source, roster=COLUMNS)
    values = {name: VALUES[name] for name in template.uses}
    # A condition that always holds takes the way through Jinja.
    by_jinja = compile_template("{% if true %}" + source + "{% endif %}", roster=COLUMNS)
    assert template.render(values) == by_jinja.render(values)


def test_uses_are_the_dotted_names():
    template = compile_template(
        "{{ period.label }} {{ roster['unit space'] }} {{ amount|money }} {{ period.label }}", roster=COLUMNS
    )
    assert template.uses == {"period.label", "roster.unit space", "amount"}


def test_the_resident_is_named_only_where_allowed():
    source = "{{ resident.first_name }}"
    assert compile_template(source, personal_data=True).render(VALUES) == "Ada"
    with pytest.raises(TemplateFault, match="personal data"):
        compile_template(source)


def test_equal_templates_are_compiled_once():
    assert compile_template("{{ plan }}!") is compile_template("{{ plan }}!")


# What reads attributes, makes lists, addresses or chance of a text, or grows it without bound.
NO_FILTERS = ["attr", "random", "map", "list", "tojson", "join", "pprint", "xmlattr", "sum", "batch", "mony"]

REFUSED = [
    ("{{ x }}", "There is no name `x`."),
    ("{{ period.lable }}", "There is no name `period.lable`."),
    ("{{ x is defined }}", "There is no name `x`."),
    ("{% if false %}{{ x }}{% endif %}", "There is no name `x`."),
    ("{{ period }}", "`period` is not a value by itself."),
    ("{{ plan.x }}", "There is no name `plan.x`."),
    ("{{ plan.__class__ }}", "There is no name `plan.__class__`."),
    ("{{ ''.__class__ }}", "A template cannot reach into a value."),
    ("{{ ''['__class__'] }}", "A template cannot reach into a value."),
    *((f"{{{{ plan | {name} }}}}", f"There is no filter `{name}`.") for name in NO_FILTERS),
    ("{{ plan | money }}", "`money` takes cents, such as `amount`."),
    ("{{ plan is oddly }}", "There is no test `oddly`."),
    ("{{ '%999999d' is odd }}", "The test `odd` is for numbers, such as `period.days`."),
    ("{% for x in 'a' %}{% endfor %}", "A template cannot use loops."),
    ("{% set a = 1 %}", "A template cannot use `set`."),
    ("{% macro a() %}{% endmacro %}", "A template cannot use macros."),
    ("{% include 'x' %}", "A template cannot use includes."),
    ("{% import 'x' as y %}", "A template cannot use imports."),
    ("{% extends 'x' %}", "A template cannot use inheritance."),
    ("{% filter upper %}{% endfilter %}", "A template cannot use filter blocks."),
    ("{{ range(9) }}", "A template cannot use calls."),
    ("{{ plan.upper() }}", "A template cannot use calls."),
    ("{{ 2 ** 9 }}", "A template cannot use powers."),
    ("{{ 'a' * 9 }}", "A template cannot repeat or format text with `*` or `%`."),
    ("{{ period.label * 9 }}", "A template cannot repeat or format text with `*` or `%`."),
    ("{{ ('a' ~ 1) * 9 }}", "A template cannot repeat or format text with `*` or `%`."),
    ("{{ (plan | length ~ '') * 9 }}", "A template cannot repeat or format text with `*` or `%`."),
    ("{{ '%9999d' % 1 }}", "A template cannot repeat or format text with `*` or `%`."),
    ("{{ '%9999d' | format(1) }}", "`format` takes a literal text with `%s`, `%d` or `%02d`."),
    ("{{ '%*d' | format(9999, 1) }}", "`format` takes a literal text with `%s`, `%d` or `%02d`."),
    ("{{ plan | format(1) }}", "`format` takes a literal text with `%s`, `%d` or `%02d`."),
    ("{{ [1] }}", "A template cannot use lists."),
    ("{{ {} }}", "A template cannot use mappings."),
    ("{{ roster.spce }}", "The roster has no column `spce`."),
    ("{{ plan", "The template cannot be read: unexpected end of template, expected 'end of print statement'."),
    ("{% if plan %}", "The template cannot be read: Unexpected end of template. Jinja was looking for the following tags: 'elif' or 'else' or 'endif'. The innermost block that needs to be closed is 'if'."),
    ("a\nb", "The template has a line break in it."),
    ("a\x07b", "The template has a control character in it."),
    ("x" * 4001, "The template has 4,001 characters; the limit is 4,000."),
    ("{{ " + "(" * 1500 + "1" + ")" * 1500 + " }}", "The template nests too deeply."),
]  # fmt: skip


@pytest.mark.parametrize(("source", "summary"), REFUSED, ids=[row[0][:40] for row in REFUSED])
def test_refused_when_loaded(source, summary):
    with pytest.raises(TemplateFault) as caught:
        compile_template(source, roster=COLUMNS)
    assert caught.value.summary == summary


FAILING = [
    ("{{ roster.space }}", {"roster.space": "a\nb"}, "has a line break"),
    ("{{ roster.space }}", {"roster.space": "a\x1bb"}, "has a control character"),
    ("{{ '\\n' }}", {}, "has a line break"),
    ("{{ amount / 0 }}", {"amount": 1}, "division by zero"),
    ("{{ amount | money }}", {"amount": None}, "`money` takes cents, not None"),
    ("{{ plan + 1 }}", {"plan": "p"}, "cannot be filled in"),
    ("{{ 'x' | center(amount) }}", {"amount": 10**9}, "too large for a filter"),
    ("{{ plan | indent(width=5000) }}", {"plan": "p"}, "too large for a filter"),
    ("{{ 1.5 | round(99999) }}", {}, "too large for a filter"),
    ("{{ 'aaaaaaaaaa' | replace('a', 'aaaaaaaaaa') | replace('a', 'aaaaaaaaaa') | replace('a', 'aaaaaaaaaa') }}", {}, "more than 2,000 characters"),
    ("{{ plan }}", {"plan": "x" * 2001}, "a value has more than 2,000 characters"),
    ("{{ plan | upper }}", {"plan": "x" * 2001}, "a value has more than 2,000 characters"),
    ("{{ plan ~ plan ~ plan | upper }}", {"plan": "x" * 1000}, "has 3000 characters"),
    ("{{ (plan ~ plan ~ plan) | upper }}", {"plan": "x" * 1000}, "takes a text of at most 2,000"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "values", "message"), FAILING, ids=[row[0][:40] for row in FAILING])
def test_fails_with_the_text(source, values, message):
    with pytest.raises(TemplateError, match=message):
        compile_template(source, roster=COLUMNS).render(values)


BOMBS = [
    "{{ 'ab' | center(400000000) }}",
    "{{ 'ab' | indent(400000000) }}",
    "{{ '" + "a" * 3000 + "' | replace('a', '" + "b" * 900 + "') }}",
    "{{ '" + "a" * 1900 + "' | replace('a', '" + "b" * 1900 + "') }}",
    "{{ '" + "a " * 900 + "' | wordwrap(1, wrapstring='" + "b" * 1900 + "') }}",
    "{{ " + " ~ ".join(["('" + "a" * 100 + "' | replace('a', '" + "b" * 20 + "'))"] * 20) + " }}",
    "{{ " + "plan ~ " * 570 + "plan }}",
    "{{ " + " * ".join(["999999999"] * 330) + " }}",
]


@pytest.mark.parametrize("source", BOMBS, ids=[row[:40] for row in BOMBS])
def test_a_bomb_costs_a_moment_and_little_memory(source):
    """Jinja works out constants while it compiles, so the bounds hold there too."""
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises((TemplateFault, TemplateError)):
        compile_template(source, roster=COLUMNS).render({"plan": "x" * 2000})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - began < 5
    assert peak < 50_000_000


PIECES = st.sampled_from([
    "{{ ", " }}", "{% if ", " %}", "{% endif %}", "plan", "amount", "period.days", "'a'", "9", " * ", " ** ", " ~ ", " + ", " % ", " | ", "upper", "money",
    "center(99)", "replace('a','aa')", "(", ")", "[0]", ".x", "[:2]", " is odd", " if ", " else ", "roster.space", "not ", ", ",
])  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_whatever_is_written_ends_in_text_or_a_told_fault(source):
    try:
        template = compile_template(source, roster=COLUMNS)
    except TemplateFault:
        return
    try:
        text = template.render({name: VALUES[name] for name in template.uses})
    except TemplateError:
        return
    assert len(text) <= 2000
    assert text.isprintable()
