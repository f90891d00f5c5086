"""The report and the statement in a real browser: found, sorted, opened, printed, and read without script or by a machine.

Chromium is looked for on the path, or where ``CHARGEPLAN_BROWSER`` says. Without one these tests are skipped, unless
``CHARGEPLAN_REQUIRE_BROWSER=1``: then they fail.
"""

from __future__ import annotations

import csv
import importlib
import json
import os
import re
import shutil
import socket
from datetime import date

import msgspec
import pytest

from chargeplan.core.change import Movement, PeriodTotals, UnusedRow
from chargeplan.core.dates import Days
from chargeplan.core.statement import statement_of
from chargeplan.planfile.codec import read_plan
from chargeplan.render.html import plan_html
from chargeplan.render.statement import statement_html
from chargeplan.render.terms import Step
from tests.e2e.house import OAK
from tests.render.samples import change, change_set, full, skip
from tests.render.test_html import journal

REQUIRED = os.environ.get("CHARGEPLAN_REQUIRE_BROWSER") == "1"


def library(name):
    return importlib.import_module(name) if REQUIRED else pytest.importorskip(name)


sync_api = library("playwright.sync_api")
axe = library("axe_playwright_python.sync_playwright")
expect = sync_api.expect

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
EVIL = "</script><script>hacked=1</script><img src=x onerror=hacked=1> javascript:hacked=1 \x1b[2J\u202eabc"


def chromium():
    """The browser's program, or none."""
    return os.environ.get("CHARGEPLAN_BROWSER") or next(filter(None, map(shutil.which, _NAMES)), None)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    path = chromium()
    if path is None:
        assert not REQUIRED, "a browser is required, and none is here"
        pytest.skip("there is no Chromium: install it, or name one with CHARGEPLAN_BROWSER")
    with sync_api.sync_playwright() as playwright:
        # It writes into its home, which is not to be the tests'.
        environ = {**os.environ, "HOME": str(tmp_path_factory.mktemp("browser"))}
        opened = playwright.chromium.launch(executable_path=path, args=_OPTIONS, env=environ)
        yield opened
        opened.close()


class Reader:
    """A page on which every request, message and fault is noted."""

    def __init__(self, context, path) -> None:
        self.page = context.new_page()
        self.noted: list[str] = []
        self.page.on("request", lambda request: self.noted.append(f"request {request.url}"))
        self.page.on("console", lambda message: self.noted.append(f"console {message.text}"))
        self.page.on("pageerror", lambda fault: self.noted.append(f"fault {fault}"))
        self.page.on("dialog", lambda dialog: self.noted.append(f"dialog {dialog.message}"))
        self.address = path.as_uri()
        self.page.goto(self.address)

    @property
    def rows(self):
        return self.page.locator("#lines-body > tr:not(.detail)")

    def column(self, number: int) -> list[str]:
        return self.page.locator(f"#lines-body > tr:not(.detail) > :nth-child({number})").all_inner_texts()


@pytest.fixture
def read(browser, tmp_path):
    """Opens a report; with ``context`` options of Playwright's."""
    contexts = []

    def opened(text, **options):
        path = tmp_path / f"{len(contexts)}.html"
        path.write_text(text, encoding="utf-8")
        contexts.append(browser.new_context(**options))
        return Reader(contexts[-1], path)

    yield opened
    for each in contexts:
        each.close()


def report(*changes, **more):
    return plan_html(change_set(*changes), digest="sha256:abc", **more)


def some():
    """Twenty lines: amounts 100, 200, … cents, and not in the order of their units."""
    return [change("create", (number * 7) % 20, amount=100 * (number + 1)) for number in range(20)]


def many(count):
    return [change("create", number) for number in range(count)]


# --- what the page does to others ----------------------------------------------------------------------------------


def test_nothing_is_loaded_and_nothing_is_complained_of(read):
    found = read(plan_html(full(), digest="sha256:abc", arithmetic={}))
    found.page.get_by_role("button", name="details of unit 201").click()
    assert found.noted == [f"request {found.address}"]


def test_hostile_text_is_text(read):
    evil = change("create", 1, description=EVIL, notes=EVIL, charge_code=EVIL, unit_number=EVIL)
    hold = change("hold", 2, reason="lease_ended", detail=EVIL, charge_code=EVIL)
    terms = {each.reference: (Step(EVIL, "100", 100),) for each in (evil, hold)}
    found = read(report(evil, hold, arithmetic=terms))
    for number in (0, 1):
        found.page.locator("button.more").nth(number).click()
    assert found.page.evaluate("typeof hacked") == "undefined"
    assert found.page.locator("img").count() == 0
    assert found.noted == [f"request {found.address}"]
    shown = EVIL.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e")
    for place in ("#lines-body", "#lines-body .detail", ".charts", "main"):
        assert shown in found.page.locator(place).first.inner_text()


def test_the_policy_stops_what_would_slip_through(read):
    found = read(report(*some()))
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        found.page.evaluate(
            """address => {
                const script = document.createElement("script");
                script.textContent = "hacked = 1";
                document.body.append(script);
                document.body.insertAdjacentHTML("beforeend", `<img src="${address}" onerror="hacked = 2">`);
            }""",
            f"http://127.0.0.1:{elsewhere.getsockname()[1]}/x.png",
        )
        found.page.wait_for_function("document.querySelector('img').complete")
        assert found.page.evaluate("typeof hacked") == "undefined"
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


# --- finding and sorting -------------------------------------------------------------------------------------------


def test_who_asks_for_a_unit_sees_why_it_has_no_line(read):
    """Unasked, households without a line stay out of the way; asked for a unit, the report answers for it."""
    found = read(plan_html(change_set(*some(), skips=(skip(1), skip(2, "waived"))), digest="sha256:abc"))
    search = found.page.get_by_label("Search")
    assert "No line" not in found.page.locator("#lines-body").inner_text()
    search.fill("302")
    (row,) = found.page.locator("#lines-body tr").all()
    assert "No line" in row.inner_text()
    assert "An override lets them off." in row.inner_text()
    row.get_by_role("button").click()
    command = "chargeplan explain --plan oak-street --charge rent --unit 302"
    assert command in found.page.locator("#lines-body").inner_text()


def test_search_leaves_what_has_all_the_words_and_says_how_many(read):
    lines = [change("create", 1, amount=1000), change("hold", 2, reason="lease_ended"), change("create", 12)]
    found = read(report(*lines))
    search = found.page.get_by_label("Search")
    search.fill("PET 21")
    assert found.column(3) == ["212"]
    expect(found.page.get_by_role("status")).to_have_text("1 line, $35.00 found")
    search.fill("lease-2 held")
    assert found.column(3) == ["202"]
    search.fill("no such thing")
    expect(found.rows).to_have_count(0)
    expect(found.page.get_by_role("status")).to_have_text("No line found")
    search.fill("")
    expect(found.rows).to_have_count(3)


def test_a_status_can_be_chosen(read):
    found = read(plan_html(full(), digest="x"))
    found.page.get_by_label("Status").select_option("held (2)")
    assert found.column(3) == ["206", "210"]
    expect(found.page.locator("#found")).to_have_text("2 lines, $35.00")


def test_a_column_sorts_up_then_down_then_as_planned(read):
    found = read(report(*some()))
    planned = found.column(3)
    head = found.page.locator("#lines-table").get_by_role("columnheader", name="Unit")
    button = head.get_by_role("button")
    button.click()
    assert found.column(3) == [str(200 + number) for number in range(20)]
    assert head.get_attribute("aria-sort") == "ascending"
    expect(found.page.get_by_role("status")).to_have_text("Sorted by Unit, ascending")
    button.click()
    assert found.column(3) == [str(219 - number) for number in range(20)]
    assert head.get_attribute("aria-sort") == "descending"
    button.click()
    assert found.column(3) == planned
    assert head.get_attribute("aria-sort") is None


def test_units_sort_as_numbers_and_money_as_money(read):
    lines = [
        change("create", number, unit_number=unit, amount=amount)
        for number, (unit, amount) in enumerate([("10", 99900), ("9", 100000), ("2B", -500), ("2A", None)])
    ]
    found = read(report(*lines))
    found.page.get_by_role("button", name="Unit", exact=True).click()
    assert found.column(3) == ["2A", "2B", "9", "10"]
    found.page.get_by_role("button", name="Amount", exact=True).click()
    assert found.column(7) == ["no amount", "-$5.00", "$999.00", "$1,000.00"]


def test_twenty_thousand_lines_are_there_a_hundred_at_a_time(read):
    found = read(report(*many(20_000)))
    expect(found.rows).to_have_count(100)
    assert found.page.locator("*").count() < 5000
    expect(found.page.locator("#found")).to_have_text("20,000 lines, $700,000.00")
    following = found.page.get_by_role("button", name="Next")
    following.click()
    assert found.column(3)[0] == "300"
    expect(found.page.locator("#page")).to_have_text(re.compile("101.200 of 20,000"))
    expect(following).to_be_focused()
    found.page.get_by_label("Search").fill("CP0000000000019999")
    assert found.column(3) == ["20199"]
    expect(found.page.get_by_role("navigation")).to_be_hidden()


# --- by keyboard, and without a screen -----------------------------------------------------------------------------


def test_a_line_is_opened_by_keyboard_and_shows_its_arithmetic(read):
    line = change("create", 1, service=Days(date(2027, 8, 18), date(2027, 8, 31)), amount=1581)
    terms = {line.reference: (Step("rate", "3500", 3500), Step("14 of 31 days", "49000/31", 1581))}
    found = read(report(line, arithmetic=terms))
    button = found.page.get_by_role("button", name="details of unit 201, Pet Rent")
    found.page.get_by_role("columnheader", name="Text").get_by_role("button").focus()
    found.page.keyboard.press("Tab")
    expect(button).to_be_focused()
    found.page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    detail = found.page.locator(f"#{button.get_attribute('aria-controls')}")
    steps = [row.inner_text().split("\t") for row in detail.locator("tbody tr").all()]
    assert steps == [["rate", "$35.00", "$35.00"], ["14 of 31 days", "$15.8064…", "$15.81"]]
    assert "2027-08-18 to 2027-08-31 (14 days)" in detail.inner_text()
    assert "plans/oak-street.yaml:14" in detail.inner_text()
    found.page.keyboard.press("Space")
    assert button.get_attribute("aria-expanded") == "false"
    expect(detail).to_have_count(0)


def test_the_first_tab_skips_to_the_lines(read):
    found = read(report(*some()))
    found.page.keyboard.press("Tab")
    skip = found.page.get_by_role("link", name="Skip to the lines")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    found.page.keyboard.press("Enter")
    expect(found.page.locator("#lines")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 390])
def test_no_fault_is_found_by_axe(read, house, scheme, width):
    assert house.run("history", "--html", house.folder / "h.html").code == 0
    statement = (house.folder / "h.html").read_text()
    for text in (plan_html(full(), digest="sha256:abc", arithmetic={}), statement):
        found = read(text, color_scheme=scheme, viewport={"width": width, "height": 800})
        if found.page.locator("button.more").count():
            found.page.locator("button.more").first.click()
        violations = axe.Axe().run(found.page).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations] == []


def test_light_and_dark_differ_and_both_are_readable_for_the_chart(read):
    inks = {}
    for scheme in ("light", "dark"):
        found = read(report(*some()), color_scheme=scheme)
        paper = _luminance(found.page, "body", "background-color")
        inks[scheme] = paper
        for part in ("to-post", "posted", "before"):
            other = _luminance(found.page, f".key.{part}", "background-color", "::before")
            light, dark = max(paper, other), min(paper, other)
            # WCAG 2.2, 1.4.11: graphics need a contrast of 3 to 1.
            assert (light + 0.05) / (dark + 0.05) >= 3, (scheme, part)
    assert inks["light"] > 0.9
    assert inks["dark"] < 0.1


def _luminance(page, selector, name, pseudo=None):
    """The relative luminance of a color (WCAG 2.2)."""
    script = "([s, n, p]) => getComputedStyle(document.querySelector(s), p).getPropertyValue(n)"
    color = page.evaluate(script, [selector, name, pseudo])
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("width", [320, 390, 768, 1300])
def test_the_page_is_never_wider_than_the_window(read, width):
    wide = [change("create", 1, description="W" * 200, unit_number="U" * 40), *some()]
    found = read(report(*wide), viewport={"width": width, "height": 800})
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width


# What is cut off, with how: the name, the scroll's shades, or nothing that a person could see.
CUT_OFF = """() => [...document.querySelectorAll("body *")]
    .filter(each => each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 1)
    .map(each => [each, getComputedStyle(each)])
    .filter(([_, style]) => style.overflowX !== "visible" && style.display !== "inline")
    .map(([each, style]) => [
        each.getAttribute("aria-label") || each.className || each.textContent,
        style.textOverflow === "ellipsis" ? "ellipsis"
            : style.overflowX === "auto" && each.tabIndex === 0 && style.backgroundImage.split("linear-gradient").length === 5 ? "shades"
            : "nothing",
    ])"""


def a_month_of_everything():
    """Every section of the report, with long names."""
    moved = Movement(
        property_id="prop-1", charge_code="Water Reimbursement", unit_number="204", lease_id="lease-4",
        resident_id="resident-4", kind="new", reason="newly_billed", before=0, now=123456,
    )  # fmt: skip
    unused = UnusedRow(
        file="plans/bills/2027-08.csv", line=7, plan="oak-street", charge="water", key="204", amount=5420, reason="no_billed_days",
    )  # fmt: skip
    return msgspec.structs.replace(full(), movements=(moved,), unused_rows=(unused,))


def test_in_a_narrow_window_nothing_is_cut_off_without_a_hint(read):
    narrow = {"viewport": {"width": 390, "height": 800}}
    pages = [
        plan_html(a_month_of_everything(), digest="sha256:abc"),
        statement_html(statement_of(journal(), None, None), environment="production"),
    ]
    for text in pages:
        cut = read(text, **narrow).page.evaluate(CUT_OFF)
        assert cut, "at 390 pixels some table is too wide"
        assert {how for _, how in cut} <= {"ellipsis", "shades"}, cut


def test_totals_by_resident_are_those_of_their_lines(read):
    ann = {"resident_id": "ann", "unit_number": "201"}
    lines = [
        change("create", 1, **ann),
        change("correct", 2, amount=-500, **ann),
        change("hold", 3, reason="lease_ended", **ann),
    ]
    found = read(report(*lines, change("create", 4, amount=10000)))
    table = found.page.get_by_role("region", name="Money by resident, table")
    assert table.locator("tbody tr").all_inner_texts() == [
        "201\tann\t3\t$30.00\t$35.00",
        "204\tresident-4\t1\t$100.00\t",
    ]


def test_in_a_narrow_window_the_amount_is_in_view_and_the_rest_among_the_details(read):
    line = change("create", 1, amount=123456, charge_code="Water Reimbursement")
    terms = {line.reference: (Step("rate", "123456", 123456),)}
    found = read(report(line, arithmetic=terms), viewport={"width": 390, "height": 1200})
    place = found.page.locator("#lines-body td.money").bounding_box()
    assert place["x"] + place["width"] <= 390
    expect(found.page.locator("#lines-body td.date")).to_be_hidden()
    found.page.locator("button.more").click()
    detail = found.page.locator("#lines-body .detail")
    assert "Date\n2027-08-01" in detail.inner_text()
    expect(detail.get_by_role("cell", name="$1,234.56").first).to_be_in_viewport()


# --- without script, and on paper ----------------------------------------------------------------------------------


def test_without_script_totals_holds_and_the_first_lines_can_be_read(read):
    held = change("hold", 999, reason="lease_ended", detail="ended on 2027-07-31")
    found = read(report(held, *many(250)), java_script_enabled=False)
    expect(found.rows).to_have_count(100)
    text = found.page.inner_text("body")
    assert "These are the first 100 of 251 lines." in text
    assert "$8,750.00" in text  # 250 at $35.00
    assert "ended on 2027-07-31" in text
    assert found.page.get_by_label("Search").is_visible() is False
    assert found.page.get_by_role("button").count() == 0


def test_on_paper_all_found_lines_stand_and_no_tool(read):
    found = read(report(*many(250)))
    found.page.emulate_media(media="print")
    found.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(found.rows).to_have_count(250)
    for tool in ("#tools", "#pages", ".skip"):
        expect(found.page.locator(tool)).to_be_hidden()
    expect(found.page.locator("#printed")).to_be_empty()
    found.page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(found.rows).to_have_count(100)


def test_a_book_is_not_printed_and_the_paper_says_so(read):
    found = read(report(*many(2000)))
    found.page.emulate_media(media="print")
    found.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(found.rows).to_have_count(100)
    expect(found.page.locator("#printed")).to_contain_text("one page out of 2,000 lines")


def test_paper_is_white_in_a_dark_room(read):
    found = read(report(*some()), color_scheme="dark")
    found.page.emulate_media(media="print", color_scheme="dark")
    assert _luminance(found.page, "body", "background-color") == pytest.approx(1)


# --- from the command line -----------------------------------------------------------------------------------------

RENT = """\
version: 1
plan: oak-street
integration: resman-main
properties: [oak-street]
charges:
  rent:
    code: Rent
    amount: {from: lease.rent}
    schedule: {every: month, day: 1}
    prorate: actual
    after_lease_end: continue
"""


def on_the_books(house, code_id, month):
    """What the system's books have of a month under a charge code, in cents."""
    return sum(
        entry.amount_in_cents
        for entry in house.state.ledger()
        if entry.charge_code_id == code_id
        and entry.property_id == OAK
        and (entry.post_month or entry.transaction_date[:7]) == month
    )


def test_plan_writes_a_report_with_arithmetic_and_the_months_before(read, house):
    house.write(RENT)
    target = house.folder / "august.html"
    planned = house.plan("--html", target, "--out", house.planfile, "--json").json
    found = read(target.read_text())
    total = planned["totals"]["create"]
    expect(found.page.locator(".figures .first")).to_contain_text(f"{total['count']} lines")
    data = json.loads(found.page.locator("#data").text_content())
    posted = [line for line in data["lines"] if data["actions"][line[0]][0] in {"create", "correct"}]
    assert sum(line[6] for line in posted) == total["amount_in_cents"]
    # Every line that has an amount says how it was reckoned, and the last step is the amount.
    for line in posted:
        assert data["texts"][line[10][-1]] == f"${line[6] // 100:,}.{line[6] % 100:02d}"
    before = read_plan(house.planfile).review.before
    june, july = before[-2:]
    code_id = planned["changes"][0]["charge_code_id"]
    for found, month, last in ((june, 6, 30), (july, 7, 31)):
        cents = on_the_books(house, code_id, f"2027-{month:02d}")
        assert cents > 0
        days = Days(date(2027, month, 1), date(2027, month, last))
        assert found == PeriodTotals(days, {"Rent": cents})
    assert [each.period.first.month for each in before] == [5, 6, 7]


def test_a_plan_with_errors_is_reported_as_one(read, house):
    house.write(RENT.replace("[oak-street]", "[oak-street, nowhere]"))
    target = house.folder / "x.html"
    assert house.plan("--html", target).code == 1
    text = read(target.read_text()).page.inner_text("body")
    assert "This plan has errors and can't be applied." in text
    assert "nowhere" in text


def test_show_writes_the_same_report_without_the_arithmetic(read, house):
    house.saved()
    target = house.folder / "saved.html"
    assert house.run("show", house.planfile, "--html", target).code == 0
    found = read(target.read_text())
    expect(found.rows).to_have_count(12)
    assert "does not carry the arithmetic" in found.page.inner_text("main")


def test_history_writes_a_statement_that_balances_after_the_sync(read, house):
    house.config("guards: {max_total: 100.00}\n")
    house.plan("--out", house.planfile)
    applied = house.apply("--allow", "max_total=1000.00", "--reason", "new building")
    assert applied.code == 0, applied
    target = house.folder / "statement.html"
    house.run("history", "--html", target)
    open_ = read(target.read_text()).page.inner_text("body")
    assert "12 accepted, not visible yet ($300.00)" in open_
    assert "new building" in open_
    assert "max_total=1000.00" in open_
    house.month()
    assert house.run("reconcile").code == 0
    document = house.run("history", "--html", target, "--json").json
    assert document["balanced"] is True
    (control,) = document["control_totals"]
    assert control["approval"] == "plan file"
    for word in ("planned", "accepted", "visible"):
        assert control["totals"][word] == {"count": 12, "amount_in_cents": 30000}
    assert "Planned = accepted = visible." in read(target.read_text()).page.inner_text("body")
    house.run("history", "--csv", house.folder / "lines.csv")
    rows = list(csv.DictReader((house.folder / "lines.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["state"] for row in rows] == ["visible"] * 12
    assert sum(int(row["amount_in_cents"]) for row in rows) == 30000


def test_a_statement_of_other_days_has_no_plan_in_it(house):
    house.saved()
    house.apply("--digest", house.plan("--json").json["digest"])
    everything = house.run("history", "--json").json
    assert [each["approval"] for each in everything["control_totals"]] == ["digest"]
    assert house.run("history", "--through", "2001-01-31", "--json").json["control_totals"] == []
    assert house.run("history", "--through", "soon").code == 1


def test_the_statement_of_a_billing_period_has_what_was_billed_ahead(read, house):
    """September is billed on the last days of August, and is September's."""
    words = ("--auto-approve", "--as-of", "2027-08-28")
    assert house.run("apply", *words, "--period", "2027-08").code == 0
    assert house.run("apply", *words, "--period", "2027-09").code == 0
    house.month()
    house.run("reconcile")
    lines = house.folder / "lines.csv"
    target = house.folder / "statement.html"
    document = house.run("history", "--period", "2027-09", "--json", "--csv", lines, "--html", target).json
    assert (document["period"], document["since"], document["through"]) == ("2027-09", None, None)
    twelve = {"count": 12, "amount_in_cents": 30000}
    assert document["codes"] == [
        {
            "property_id": OAK,
            "charge_code": "Amenity Fee",
            "totals": {"sent": twelve, "accepted": twelve, "visible": twelve},
        }
    ]
    assert [each["window"]["from"] for each in document["control_totals"]] == ["2027-09-01"]
    rows = list(csv.DictReader(lines.read_text(encoding="utf-8").splitlines()))
    assert {row["transaction_date"] for row in rows} == {"2027-09-01"}
    assert len(rows) == 12
    text = read(target.read_text()).page.inner_text("body")
    assert "Charges posted, September 2027" in text
    assert "oak-street" in text
    screen = house.run("history", "--period", "2027-09").out
    assert re.search(r"oak-street +Amenity Fee +12 +\$300.00 +\$300.00 +\$300.00", screen)
    assert house.run("history", "--period", "2027-11").out == "Nothing was billed for November 2027.\n"
    both = house.run("history", "--period", "2027-09", "--since", "2027-09-01")
    assert both.code == 1
    assert "Give one or the other." in both.err


def test_a_report_that_can_not_be_written_is_an_error_without_a_traceback(house):
    failed = house.plan("--html", house.folder / "nowhere" / "x.html")
    assert failed.code == 1
    assert "nowhere" in failed.err
