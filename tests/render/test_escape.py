"""Nothing of others' text acts on a terminal, a spreadsheet, a pull request or a page."""

from __future__ import annotations

import csv
import html as html_library
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargeplan.render import escape

ANYTHING = st.text(alphabet=st.characters(codec=None), max_size=60)


@given(ANYTHING)
def test_nothing_invisible_reaches_a_terminal(text: str) -> None:
    shown = escape.terminal(text)
    bad = {c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    assert bad <= set("\u200c\u200d")
    assert escape.terminal(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Pet Rent", "Pet Rent"),
        ("José 日本", "José 日本"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b2J", "\\x9b2J"),
        ("a\nb\r", "a\\x0ab\\x0d"),
        ("\u202egnp", "\\u202egnp"),
        ("\u2066x", "\\u2066x"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
    ],
)
def test_terminal(text: str, shown: str) -> None:
    assert escape.terminal(text) == shown


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        (" =1+1", "' =1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\uff1d1", "'\uff1d1"),
        ("\t=1", "'\\x09=1"),
        ("\tx", "'\\x09x"),
        ("-100.00", "-100.00"),
        ("+5%", "+5%"),
        ("-$1,250.00", "-$1,250.00"),
        ("Rent", "Rent"),
    ],
)
def test_csv_cell(text: str, cell: str) -> None:
    assert escape.csv_cell(text) == cell


def test_csv_text_reads_back() -> None:
    text = escape.csv_text(["a", "b"], [["x,y", None], ['"q"', 3]])
    assert list(csv.reader(text.splitlines())) == [["a", "b"], ["x,y", ""], ['"q"', "3"]]


@given(ANYTHING)
def test_markdown_says_the_same_and_means_nothing_more(text: str) -> None:
    safe = escape.markdown(text)
    raw = re.sub(r"&#\d+;", "", safe)
    assert not set(raw) & set("\\`*_[]<>|~#@&")
    assert "://" not in raw
    assert html_library.unescape(safe).replace("\u200b", "") == escape.terminal(text)


@pytest.mark.parametrize(
    "text", ["@team", "#123", "GH-12", "www.evil.example", "https://evil.example", "a@b.example"]
)
def test_markdown_links_and_pings_nobody(text: str) -> None:
    assert text not in html_library.unescape(escape.markdown(text))


@pytest.mark.parametrize("text", ["- x", "1. x", "2) x", "+ x", "---", "==="])
def test_markdown_begins_no_block(text: str) -> None:
    assert escape.markdown(text).lstrip().startswith("&#")


@given(ANYTHING)
def test_html(text: str) -> None:
    safe = escape.html(text)
    assert not set(safe) & set("<>\"'")
    assert html_library.unescape(safe) == escape.terminal(text) or "&" in text
