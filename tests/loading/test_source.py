"""YAML as people mean it: what scalars are, where nodes stand, and what is refused."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from chargeplan.loading import source
from chargeplan.loading.node import Items, Mapping, Problems, Scalar
from chargeplan.loading.scalar import resolve_plain
from tests.loading.helpers import told

READINGS = [
    ("35.00", "decimal", Decimal("35.00")),
    ("-100.00", "decimal", Decimal(-100)),
    ("0.1", "decimal", Decimal("0.1")),
    ("204", "int", 204),
    ("-7", "int", -7),
    ("0", "int", 0),
    ("010", "text", "010"),
    ("0o10", "text", "0o10"),
    ("0x1F", "text", "0x1F"),
    ("1_000", "text", "1_000"),
    ("1e3", "text", "1e3"),
    (".5", "text", ".5"),
    ("5.", "text", "5."),
    (".inf", "text", ".inf"),
    ("12:30", "text", "12:30"),
    ("on", "text", "on"),
    ("off", "text", "off"),
    ("yes", "text", "yes"),
    ("No", "text", "No"),
    ("y", "text", "y"),
    ("true", "bool", True),
    ("False", "bool", False),
    ("null", "null", None),
    ("~", "null", None),
    ("2027-08-01", "date", dt.date(2027, 8, 1)),
    ("2027-02-30", "text", "2027-02-30"),
    ("2027-8-1", "text", "2027-8-1"),
    ("2027-08-01 10:00:00", "text", "2027-08-01 10:00:00"),
    ("1,250.00", "text", "1,250.00"),
    ("$35.00", "text", "$35.00"),
    ("+50.00", "decimal", Decimal("50.00")),
    ("9" * 40, "text", "9" * 40),
    ("٣", "text", "٣"),
]


@pytest.mark.parametrize(("written", "kind", "value"), READINGS, ids=[row[0] for row in READINGS])
def test_plain_scalars_are_read_as_people_mean_them(written, kind, value):
    assert resolve_plain(written) == (kind, value)
    root, problems = read(f"key: {written}\n")
    node = root.entries[0].value
    assert (node.kind, node.value, node.raw, problems) == (kind, value, written, [])


@pytest.mark.parametrize("written", ["35.00", "true", "2027-08-01", "~", "010"])
def test_quoted_scalars_are_text(written):
    root, _ = read(f"key: '{written}'\n")
    node = root.entries[0].value
    assert (node.kind, node.value, node.quoted) == ("text", written, True)


def test_places_count_characters_from_one():
    root, _ = read("überschrift: {größe: 日本, x: [a, 'é', b]}\n")
    inner = root.entries[0].value
    assert [place(entry.key) + place(entry.value) for entry in inner.entries] == [
        (1, 15, 1, 22),
        (1, 26, 1, 29),
    ]
    assert [place(item) for item in inner.entries[1].value.items] == [(1, 30), (1, 33), (1, 38)]


def test_an_empty_value_stands_at_its_key():
    root, _ = read("a:\n  b: 1\n  c:\nd: {e: , f: }\n")
    nested = root.entries[0].value.entries[1]
    assert place(nested.value) == (3, 3)
    assert [place(entry.value) for entry in root.entries[1].value.entries] == [(4, 5), (4, 10)]


def test_aliases_repeat_what_they_name():
    root, problems = read("a: &x [1, 2]\nb: *x\n")
    assert root.entries[0].value is root.entries[1].value
    assert problems == []


def test_an_anchor_twice_is_an_error():
    assert read("a: &x 1\nb: &x 2\n")[1] == [
        "f:2:4 error: The anchor `&x` is used twice. Give each anchor a name of its own."
    ]


REFUSED = [
    (b"", "f:1:1 error: The file is empty."),
    (b"# nothing\n", "f:1:1 error: The file is empty."),
    (b"---\n", "f:1:1 error: The file is empty."),
    (b"a: \xe9\n", "f:1:4 error: The byte 0xE9 is not UTF-8."),
    ("\ufeffé: ü".encode() + b"\xff", "f:1:5 error: The byte 0xFF is not UTF-8."),
    ("a: 1\n".encode("utf-16"), "f:1:1 error: The file is UTF-16, not UTF-8."),
    (b"a: 1\nb: \x00\n", "f:2:4 error: The character U+0000 cannot stand in this file."),
    ("a: x\u2028y\n".encode(), "f:1:5 error: The character U+2028 cannot stand in this file."),
    (
        "a: 1\n\u00a0b: 2\n".encode(),
        "f:2:1 error: The indentation has the character U+00A0, which looks like a blank.",
    ),
    (b"a:\tb\n", "f:1:3 error: There is a tab in this line."),
    (b"a: 'x'\nb: \"y\tz\"\n", "f:2:6 error: There is a tab in this line."),
    (
        b"%YAML 1.1\n---\na: 1\nb: !!python/object:x {}\n",
        "f:4:4 error: The YAML tag `!!python/object:x` is not allowed.",
    ),
    (b"? [a]\n: b\n", "f:1:3 error: A key must be a word, not a list or a mapping."),
    (b"~: b\n", "f:1:1 error: There is a colon without a key before it."),
    (b"a" * (source.MAX_BYTES + 1), "f:1:1 error: The file has 8 MB; the limit is 8 MB."),
]


@pytest.mark.parametrize(("data", "expected"), REFUSED, ids=[row[1][:60] for row in REFUSED])
def test_refused(data, expected):
    problems = Problems()
    source.read_bytes(data, "f", problems)
    first = problems.diagnostics[0]
    assert f"{first.place} {first.severity}: {first.summary}" == expected
    assert first.detail


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfa: 1\r\nb: 2\r\n",
        b"a: 1\rb: 2",
        b"# a\ttab in a comment\na: 1 # \t\nb: 2\n",
        b"!!map {a: 1, b: 2}\n",
    ],
)
def test_accepted(data):
    problems = Problems()
    root = source.read_bytes(data, "f", problems)
    assert problems.diagnostics == []
    assert [(entry.key.raw, entry.value.value) for entry in root.entries] == [("a", 1), ("b", 2)]


def test_a_file_has_at_most_half_a_million_values():
    problems = Problems()
    assert source.read_bytes(b"a: [" + b"1," * 500_000 + b"1]", "f", problems) is None
    assert [each.summary for each in problems.diagnostics] == ["The file has more than 500,000 values."]


PIECES = st.sampled_from(
    [
        "a",
        "b: ",
        "- ",
        "\n",
        "  ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "'",
        '"',
        "&x ",
        "*x",
        "!t ",
        "# ",
        "é",
        "日",
        ": ",
        "? ",
        "|",
        ">",
        "%",
        "@",
        "0",
        "1.5",
        "---\n",
        "<<: ",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_both_parsers_read_alike_and_nothing_raises(text):
    """libyaml and the pure parser differ in what they accept at the edges; where both accept, they agree on everything."""
    fast, slow = compose(text, yaml.CSafeLoader), compose(text, yaml.SafeLoader)
    if fast[0] is not None and slow[0] is not None:
        assert fast == slow


FAULTS = sorted((Path(__file__).parent / "faults").glob("*.yaml"))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda path: path.stem)
def test_both_parsers_say_the_same_of_faults(fault):
    text = fault.read_text(encoding="utf-8")
    assert compose(text, yaml.CSafeLoader) == compose(text, yaml.SafeLoader)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_bytes_never_raise(data):
    problems = Problems()
    root = source.read_bytes(data, "f", problems)
    assert isinstance(root, Mapping) or problems.error_count


def compose(text, parser):
    problems = Problems()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "_PARSER", parser)
        root = source.read_bytes(text.encode(), "f", problems)
    return root, problems.diagnostics


def read(text):
    problems = Problems()
    root = source.read_bytes(text.encode(), "f", problems)
    assert isinstance(root, Mapping)
    return root, told(problems.diagnostics)


def place(node: Scalar | Items | Mapping):
    return (node.place.line, node.place.column)
