"""The account of a month, for a controller: on screen, as JSON, as CSV and as the page that is signed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from chargeplan.core.change import Total
from chargeplan.core.close import FIGURES, Account
from chargeplan.core.dates import Days
from chargeplan.core.money import format_money
from chargeplan.render.page import page
from chargeplan.render.paper import DEFAULT_WIDTH, Column, Paper, Row, table

CSV_KEYS: Final = (
    "period", "property_id", "charge_code",
    *(f"{figure}_{unit}" for figure in FIGURES for unit in ("count", "in_cents")), "difference_in_cents",
)  # fmt: skip
_ALWAYS: Final = ("due", "posted_by_us", "on_ledgers_ours")
_WHERE_ANY: Final = ("adopted", "corrected", "by_word", "on_ledgers_foreign")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What every form of the account shows."""

    month: Days
    as_of: date
    accounts: Sequence[Account]
    property_names: Mapping[str, str]
    complete: bool
    agrees: bool
    why_not: Sequence[str]
    environment: str

    @property
    def period(self) -> str:
        """``2027-08``."""
        return f"{self.month.first:%Y-%m}"

    @property
    def verdict(self) -> str:
        """The greppable last line."""
        words = f"{'complete' if self.complete else 'not complete'}, {'agrees' if self.agrees else 'does not agree'}"
        return f"Close {self.period}: {words} with the ledgers."


def close_document(shown: Page) -> dict[str, object]:
    """``close --json``."""
    return {
        "kind": "close",
        "period": shown.period,
        "as_of": shown.as_of.isoformat(),
        "environment": shown.environment,
        "complete": shown.complete,
        "agrees": shown.agrees,
        "lines": [_entry(each) for each in shown.accounts],
        "why_not": list(shown.why_not),
    }


def _entry(account: Account) -> dict[str, object]:
    figures = {
        figure: {"count": total.count, "amount_in_cents": total.amount}
        for figure, total in account.totals.items()
    }
    return {
        "property_id": account.property_id,
        "charge_code": account.charge_code,
        **figures,
        "difference_in_cents": account.difference,
    }


def close_rows(shown: Page) -> Iterator[dict[str, object]]:
    """The rows of the CSV, one an account."""
    for each in shown.accounts:
        row: dict[str, object] = {
            "period": shown.period,
            "property_id": each.property_id,
            "charge_code": each.charge_code,
            "difference_in_cents": each.difference,
        }
        for figure, total in each.totals.items():
            row |= {f"{figure}_count": total.count, f"{figure}_in_cents": total.amount}
        yield row


def close_screen(shown: Page, *, color: bool = False, width: int = DEFAULT_WIDTH) -> str:
    """The figures by property and code, what keeps the month open, and the verdict."""
    paper = Paper(color, width)
    columns = [Column("Property", most=24), Column("Code", most=20)]
    figures = [
        figure
        for figure in FIGURES
        if figure in _ALWAYS
        or (figure in _WHERE_ANY and any(each.totals[figure].count for each in shown.accounts))
    ]
    columns += [Column(_title(figure), right=True) for figure in (*figures, "difference")]
    rows = [Row(tuple(_cells(shown, each, figures))) for each in shown.accounts]
    lines = [*table(paper, columns, rows), ""] if rows else []
    for reason in shown.why_not:
        lines += paper.prose(f"! {reason}")
    good = shown.complete and shown.agrees
    return "\n".join([*lines, paper.ink(shown.verdict, "good" if good else "bad")]) + "\n"


def _cells(shown: Page, account: Account, figures: Sequence[str]) -> Iterator[str]:
    yield shown.property_names.get(account.property_id, account.property_id)
    yield account.charge_code
    for figure in figures:
        yield format_money(account.totals[figure].amount)
    yield format_money(account.difference)


def _title(figure: str) -> str:
    return "By a person's word" if figure == "by_word" else figure.replace("_", " ").capitalize()


def close_html(shown: Page) -> str:
    """The page that is signed."""
    totals = {figure: _sum(each.totals[figure] for each in shown.accounts) for figure in FIGURES}
    values: dict[str, Any] = {
        "title": f"Close of {shown.period}, {shown.environment}",
        "shown": shown,
        "figures": [(figure, _title(figure)) for figure in FIGURES],
        "totals": totals,
        "difference": sum(each.difference for each in shown.accounts),
    }
    return page("close.html.j2", values)


def _sum(totals: Iterator[Total]) -> Total:
    found = Total()
    for total in totals:
        found = found.and_(total)
    return found
