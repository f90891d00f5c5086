"""How long a report takes to write and to open, at 20, 2,000 and 20,000 lines, in a real browser.

    python -m tests.benchmarks.report [--arithmetic PROPERTIES]

Opened means that the table can be searched. The floor is an empty file in the same browser. With ``--arithmetic``, also what
`plan --html` costs beside `plan` on so many properties of 24 units with nine charges: it reckons every line once more.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

from chargeplan.render.html import plan_html
from chargeplan.render.terms import Step
from tests.benchmarks.apply import town
from tests.e2e.test_report import _OPTIONS, chromium
from tests.render.samples import change, change_set

ROUNDS = 5


def report(count: int) -> str:
    """A plan of so many lines, each with two steps of arithmetic."""
    changes = [
        change("create", number, unit_number=f"{number % 400}", amount=3500 + number % 977)
        for number in range(count)
    ]
    terms = {
        each.reference: (Step("rate", "3500", 3500), Step("the whole period", "", each.amount))
        for each in changes
    }
    return plan_html(change_set(*changes), digest="sha256:x", arithmetic=terms)


def seconds(deed: Callable[[], object]) -> float:
    """The median of a few rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        deed()
        found.append(time.perf_counter() - began)
    return median(found)


def opened(browser: Browser, path: Path, ready: str) -> float:
    """Until the element is there."""

    def deed() -> None:
        page = browser.new_page()
        page.goto(path.as_uri())
        page.wait_for_selector(ready, state="attached")
        page.close()

    return seconds(deed)


def used(browser: Browser, path: Path) -> tuple[float, float]:
    """Seconds to sort by amount, and to search."""
    page = browser.new_page()
    page.goto(path.as_uri())
    button = page.get_by_role("button", name="Amount", exact=True)
    search = page.get_by_label("Search")
    words = iter(f"unit {number}" for number in range(ROUNDS))
    found = seconds(button.click), seconds(lambda: search.fill(next(words)))
    page.close()
    return found


def measure_pages(folder: Path) -> None:
    """The pages."""
    empty = folder / "empty.html"
    empty.write_text("<!DOCTYPE html><html lang='en'><title>x</title><p id='there'>x</p></html>")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=_OPTIONS)
        floor = opened(browser, empty, "#there")
        print(f"an empty file opens in {floor:.2f} s, the median of {ROUNDS}")
        print("lines    written    MB    opened  floors    sorted  searched")
        for count in (20, 2_000, 20_000):
            path = folder / f"{count}.html"
            writing = seconds(lambda count=count: report(count))
            path.write_text(report(count), encoding="utf-8")
            opening = opened(browser, path, "html[data-ready]")
            sorting, searching = used(browser, path)
            print(
                f"{count:>6,}  {writing:>6.2f} s  {path.stat().st_size / 1e6:>5.2f}  {opening:>6.2f} s  {opening / floor:>6.1f}"
                f"  {sorting:>6.2f} s  {searching:>6.2f} s"
            )
        browser.close()


def measure_arithmetic(properties: int) -> None:
    """`plan` with the report and without."""
    with town(properties, 200, 4, 100_000, 0) as house:
        count = house.document()["totals"]["create"]["count"]
        bare = seconds(lambda: house.plan("--offline", "--quiet"))
        whole = seconds(lambda: house.plan("--offline", "--quiet", "--html", house.folder / "x.html"))
    print(
        f"plan of {count:,} lines: {bare:.2f} s, with --html {whole:.2f} s ({(whole - bare) / count * 1000:.2f} ms a line)"
    )


def main() -> None:
    """Everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--arithmetic", type=int, default=0, metavar="PROPERTIES")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure_pages(Path(folder))
    if words.arithmetic:
        measure_arithmetic(words.arithmetic)


if __name__ == "__main__":
    main()
