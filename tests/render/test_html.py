"""The report and the statement as files: what is in them, what is kept out of them, and the figures."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import date
from html.parser import HTMLParser
from typing import Any

import pytest

from chargeplan.core.change import ChangeSet, PeriodTotals, Previous, Total
from chargeplan.core.dates import Days
from chargeplan.core.statement import statement_of
from chargeplan.render.chart import Column, columns_svg
from chargeplan.render.codes import CodeMoney, money_by_code, periods_before
from chargeplan.render.html import plan_html
from chargeplan.render.page import commands, embedded
from chargeplan.render.statement import statement_html
from chargeplan.render.summary import Summary
from chargeplan.render.terms import Step
from tests.render.samples import change, change_set, full

EVIL = "</script><script>hacked=1</script><!--<img src=x onerror=hacked=1>\x1b[2J\u202e\u2028javascript:hacked=1`&"


class Page(HTMLParser):
    """The elements with their attributes, and the text of those that are asked for."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.texts[tag][-1] += data

    def of(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.elements if name == tag and attributes.items() <= found.items()]


def report(found: ChangeSet, **more: Any) -> str:
    return plan_html(found, digest="sha256:abc", **more)


def many(count: int) -> ChangeSet:
    return change_set(*(change("create", number) for number in range(count)))


# --- one file, and nothing from elsewhere --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [report(full()), statement_html(statement_of([], None, None), environment="x")]
)
def test_the_file_names_nothing_to_load(text: str) -> None:
    page = Page(text)
    for tag, attributes in page.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
        assert not {"src", "srcset", "style", "action"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
        assert str(attributes.get("href", "#")).startswith("#")
    assert "url(" not in text
    assert "@import" not in text


def test_the_policy_allows_this_style_and_this_script_alone() -> None:
    page = Page(report(full()))
    (policy,) = page.of("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy["content"]).split(";"))
    (style,), (_, script) = page.texts["style"], page.texts["script"]
    hashed = {
        name: f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for name, text in (("style-src", style), ("script-src", script))
    }
    assert rules == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'", **hashed}


def test_a_statement_has_no_script_at_all() -> None:
    text = statement_html(statement_of([], None, None), environment="x")
    assert "<script" not in text
    assert "script-src" not in text


# --- hostile text --------------------------------------------------------------------------------------------------


def with_text(text: str) -> ChangeSet:
    return change_set(
        change("create", 1, description=text, notes=text, unit_number=text, charge_code=text),
        change("hold", 2, reason="lease_ended", detail=text, charge_code=text),
        property_names={"prop-1": text},
    )


def test_hostile_text_adds_no_element_and_ends_no_script() -> None:
    hostile, harmless = (Page(report(with_text(text))) for text in (EVIL, "x"))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in harmless.elements]


def test_control_and_reordering_characters_are_shown_as_their_codes() -> None:
    text = report(with_text(EVIL))
    assert not set("\x1b\u202e\u2028") & set(text)
    assert r"\x1b[2J\u202e\u2028" in "".join(Page(text).texts["td"])


def test_embedded_data_comes_back_as_it_was() -> None:
    text = str(embedded({"text": EVIL}))
    assert json.loads(text) == {"text": EVIL}
    assert not re.search("[<>&\u2028\u2029]", text)


def test_commands_stand_between_backticks_and_are_escaped() -> None:
    assert commands("run `plan <x>` & go") == "run <code>plan &lt;x&gt;</code> &amp; go"
    assert commands("one ` is none") == "one ` is none"


# --- what a reader without script has ------------------------------------------------------------------------------


def test_the_first_hundred_lines_are_there_and_what_is_cut_is_said() -> None:
    text = report(many(250))
    lines = text.partition('<tbody id="lines-body">')[2].partition("</tbody>")[0]
    assert len(re.findall(r"<th scope=\"row\">\d+</th>", lines)) == 100
    assert "the first 100 of 250 lines" in text


def test_a_short_plan_is_whole_and_says_nothing_of_a_cut() -> None:
    assert 'without-script">' not in report(many(100))


def test_long_lists_say_how_many_are_left_out() -> None:
    holds = [change("hold", number, reason="lease_ended", property_id=f"p{number}") for number in range(1300)]
    posts = [change("create", number, property_id=f"p{number}") for number in range(250)]
    bills = full().allocations * 301
    text = report(change_set(*holds, *posts, allocations=bills))
    assert "1,200 more of them are among the lines below" in text
    assert "50 more rows are left out here" in text
    assert "1 more are in" in text


def test_the_data_has_every_line_with_its_amount_and_arithmetic() -> None:
    terms = {change(number=1).reference: (Step("rent", "7001/2"), Step("rounded", "", 3501))}
    page = Page(report(many(250), arithmetic=terms))
    data = json.loads(page.texts["script"][0])
    assert [line[6] for line in data["lines"]] == [3500] * 250
    first = data["lines"][1]
    assert data["texts"][first[2]] == "201"
    assert [data["texts"][number] for number in first[10]] == ["rent", "$35.005", "", "rounded", "", "$35.01"]
    assert data["lines"][2][10] == []


def test_a_saved_plan_says_where_the_arithmetic_is() -> None:
    assert "does not carry the arithmetic" in report(full())
    assert "does not carry the arithmetic" not in report(full(), arithmetic={})


def test_totals_holds_skips_guards_bills_and_the_digest() -> None:
    text = " ".join(re.sub(r"<[^>]+>", " ", report(full())).split())
    # 15.81 + 35.00 - 17.00 of the sample's three lines.
    assert "To post $33.81 3 lines" in text
    assert "Held $35.00 2 lines, 1 without an amount" in text
    assert "The lease ended and no lease follows" in text
    assert "the lease ended on 2027-07-31" in text
    assert "2 The lease is pending." in text
    assert "Guard max_total refuses: counted $650,000.00, the limit is $600,000.00." in text
    assert "Guard max_change overridden for Oak Street" in text
    assert "Reason: new pets." in text
    assert "oak-street/water Oak Street August 2027 2 $0.45 $0.40 $0.15 $1.00" in text
    assert "Digest sha256:abc" in text


def test_unchanged_lines_are_counted_and_listed_only_with_all() -> None:
    found = change_set(change("unchanged", 1), change("create", 2))
    assert len(json.loads(Page(report(found)).texts["script"][0])["lines"]) == 1
    assert len(json.loads(Page(report(found, all=True)).texts["script"][0])["lines"]) == 2
    assert "Posted already" in report(found)


def test_a_settled_plan_has_no_line_and_no_fault() -> None:
    text = report(change_set(change("unchanged")))
    assert "No changes. Every charge is posted." in text
    assert "There is no line to list." in text


def test_a_saved_plans_summary_counts_what_is_not_listed() -> None:
    saved = Summary({"create": Total(1, 3500), "unchanged": Total(7, 24500)}, {})
    pets = Previous(count=0, amount=0, now=28000, posted=24500, households=0, unexplained=0, counts={})
    known = change_set(change(), previous={"prop-1": {"Pet Rent": pets}})
    text = " ".join(re.sub(r"<[^>]+>", " ", report(known, summary=saved)).split())
    assert "Posted already $245.00 7 lines" in text
    assert "Pet Rent 1 $35.00 $245.00 $280.00" in text


# --- money by code -------------------------------------------------------------------------------------------------


def period(month: int, **totals: int) -> PeriodTotals:
    first = date(2027, month, 1)
    return PeriodTotals(Days(first, date.fromordinal(date(2027, month + 1, 1).toordinal() - 1)), totals)


def test_the_coming_stands_beside_the_periods_before() -> None:
    found = change_set(
        change("create", 1, charge_code="Rent", amount=120000),
        change("in_flight", 2, charge_code="Rent", amount=100000),
        change("hold", 3, charge_code="Rent", amount=999, reason="lease_ended"),
        before=(period(6, Rent=200000), period(7, Rent=215000)),
        previous={
            "prop-1": {
                "Rent": Previous(
                    count=2, amount=215000, now=220000, posted=100000, households=2, unexplained=0, counts={}
                )
            }
        },
    )
    (rent,) = money_by_code(found, periods_before(found))
    assert rent == CodeMoney("Rent", (200000, 215000), 1, 120000, 100000)
    assert rent.coming == 220000
    # 5,000 of 215,000 is 2.3 percent.
    assert (rent.difference, rent.percent, rent.change) == (5000, "+2.3 %", "+2.3 %")


@pytest.mark.parametrize(
    ("before", "coming", "said"),
    [
        (0, 500, "new"),
        (0, 0, "nothing"),
        (1000, 0, "-100.0 %"),
        (1000, 1000, "±0.0 %"),
        (-1000, -1500, "-$5.00"),  # a percentage of a credit reads the wrong way round
        (-1000, -500, "+$5.00"),
        (300, 301, "+0.3 %"),
    ],
)
def test_the_change_in_a_word(before: int, coming: int, said: str) -> None:
    assert CodeMoney("x", (before,), 1, coming, 0).change == said


def test_leading_periods_without_money_are_left_out_and_one_always_stays() -> None:
    assert periods_before(change_set(before=(period(5), period(6, Rent=1), period(7)))) == (
        period(6, Rent=1),
        period(7),
    )
    assert periods_before(change_set(before=(period(6), period(7)))) == (period(7),)


def test_a_plan_file_of_an_earlier_version_has_the_last_period_only() -> None:
    found = change_set(
        previous={
            "prop-1": {
                "Rent": Previous(count=1, amount=100, now=0, posted=0, households=1, unexplained=0, counts={})
            },
            "prop-2": {
                "Rent": Previous(count=1, amount=20, now=0, posted=0, households=1, unexplained=0, counts={}),
                "Pet Rent": Previous(
                    count=1, amount=3, now=0, posted=0, households=1, unexplained=0, counts={}
                ),
            },
        }
    )
    july = Days(date(2027, 7, 1), date(2027, 7, 31))
    assert periods_before(found) == (PeriodTotals(july, {"Rent": 120, "Pet Rent": 3}),)


# --- the chart -----------------------------------------------------------------------------------------------------


def rectangles(*columns: Column) -> list[tuple[str, int, int]]:
    """Class, upper edge and height of every part that is drawn."""
    svg = str(columns_svg("c", "Rent by period", columns))
    return [
        (kind, int(y), int(height))
        for kind, y, height in re.findall(
            r'<rect class="([^"]+)" x="\d+" y="(\d+)" width="\d+" height="(\d+)"', svg
        )
    ]


def test_columns_are_as_high_as_their_money() -> None:
    (_, _, full_height), (_, _, half) = rectangles(
        Column("Jul", "July", (("before", 10000),)), Column("Aug", "August", (("to-post", 5000),))
    )
    assert full_height == 2 * half


def test_parts_stand_on_each_other() -> None:
    (_, lower_top, _), (_, upper_top, upper) = rectangles(
        Column("Aug", "August", (("posted", 5000), ("to-post", 5000)))
    )
    assert upper_top + upper == lower_top


def test_credits_hang_below_the_line() -> None:
    (_, above, height), (_, below, _) = rectangles(
        Column("Jul", "July", (("before", 1000),)), Column("Aug", "August", (("to-post", -1000),))
    )
    assert below == above + height


def test_nothing_is_drawn_of_nothing() -> None:
    assert rectangles(Column("Jul", "July", (("before", 0),))) == []


def test_the_chart_says_its_figures_and_escapes_its_names() -> None:
    svg = str(columns_svg("c", "<b>", [Column("Jul", "July 2027", (("before", 123456),))]))
    assert "July 2027 $1,234.56." in svg
    assert "&lt;b&gt;" in svg
    assert 'role="img"' in svg


# --- the statement -------------------------------------------------------------------------------------------------


def journal(reason: str = "new building") -> list[dict[str, Any]]:
    facts = {
        "count": 2, "amount": 7000, "environment": "production", "approval": "digest",
        "window": ["2027-08-01", "2027-08-31"],
        "allowances": [{"guard": "max_total", "text": "max_total=70.00", "reason": reason}],
    }  # fmt: skip
    postings = [
        {
            "id": number, "plan_id": "p1", "reference": f"CP{number}", "amount": 3500, "state": "intended",
            "property_id": "oak-id", "charge_code": "Pet Rent", "transaction_date": "2027-08-01",
        }
        for number in (1, 2)
    ]  # fmt: skip
    rows = [
        ("consumed", "kim", None, None, {"plan_id": "p1", "digest": "sha256:d1", "facts": facts}),
        ("intended", "kim", 2, 7000, {"postings": postings}),
        ("recorded", "kim", 2, 7000, {"ids": [1, 2], "state": "accepted", "errors": [], "reason": "the job succeeded"}),
        ("settled", "reconcile", 1, 3500, {"id": 1, "reference": "CP1", "state": "visible", "reason": "seen"}),
        ("settled", "reconcile", 1, 3500, {"id": 2, "reference": "CP2", "state": "visible", "reason": "seen"}),
    ]  # fmt: skip
    return [
        {
            "at": f"2027-08-02T10:00:0{second}.000Z", "kind": kind, "actor": actor, "plan_id": "p1", "batch_id": "b1",
            "count": count, "amount": amount, "data": data,
        }
        for second, (kind, actor, count, amount, data) in enumerate(rows)
    ]  # fmt: skip


def told(events: list[dict[str, Any]]) -> str:
    text = statement_html(statement_of(events, "2027-08-01", "2027-08-31"), environment="production")
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_a_balanced_month_says_so_with_its_totals() -> None:
    text = told(journal())
    assert "Planned = accepted = visible. Every line of 1 plan stands on the ledgers." in text
    assert "2 $70.00 2 $70.00 2 $70.00 ✓ balanced" in text
    assert "the digest was given p1 sha256:d1" in text
    assert "2027-08-02 10:00 kim max_total=70.00 new building" in text


def test_what_is_open_is_named_beside_the_difference() -> None:
    text = told(journal()[:-1])
    assert "Not balanced: 1 of 1 plan has lines that do not stand on the ledgers, or not yet." in text
    assert "Difference $35.00 1 line " in text
    assert "1 accepted, not visible yet ($35.00)" in text


def test_lines_settled_in_a_row_are_told_together() -> None:
    assert "reconcile line settled: visible 2 $70.00" in told(journal())


def test_reasons_are_escaped() -> None:
    text = statement_html(statement_of(journal(EVIL), None, None), environment="x")
    assert "<img" not in text
    assert "hacked=1" in text


def approved(word: str) -> list[dict[str, Any]]:
    """The same month, approved by somebody who writes that word wherever they may."""
    events = journal()
    given = {
        "approver": word,
        "approved_at": "2027-08-02T09:00:00Z",
        "expires_at": "2027-08-05T09:00:00Z",
        "reason": word,
    }
    events[0]["data"]["facts"]["approvals"] = [{"approval": given, "key": "SHA256:k", "signature": "c2ln"}]
    return events


def test_who_approved_stands_beside_the_plan() -> None:
    assert "the digest was given 2027-08-02 09:00 pat : pat SHA256:k p1 sha256:d1" in told(approved("pat"))


def test_what_an_approver_writes_is_escaped() -> None:
    text = statement_html(statement_of(approved(EVIL), None, None), environment="x")
    assert "<img" not in text
