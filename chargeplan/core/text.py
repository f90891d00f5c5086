"""The values that descriptions and notes may name (plan-language.md, *Templates*)."""

from __future__ import annotations

import calendar
import functools
import re
from collections.abc import Callable, Iterable
from datetime import date

from chargeplan.core.dates import Days, days_in_month
from chargeplan.core.line import Line
from chargeplan.core.observed import Lease
from chargeplan.core.plan import Charge
from chargeplan.core.subject import Facts, Subject


@functools.lru_cache(maxsize=1024)
def period_label(days: Days) -> str:
    """``August 2027`` for a calendar month, ``2027-08-07`` for a day, else ``2027-08-15 to 2027-09-14``."""
    first, last = days.first, days.last
    same_month = (first.year, first.month) == (last.year, last.month)
    if same_month and first.day == 1 and last.day == days_in_month(last.year, last.month):
        return f"{calendar.month_name[first.month]} {first.year}"
    return f"{first} to {last}" if first != last else str(first)


_OF_LINE: dict[str, Callable[[Line], object]] = {
    "period.from": lambda line: line.period.first.isoformat(),
    "period.through": lambda line: line.period.last.isoformat(),
    "period.year": lambda line: line.period.first.year,
    "period.month": lambda line: line.period.first.month,
    "period.month_name": lambda line: calendar.month_name[line.period.first.month],
    "period.label": lambda line: period_label(line.period),
    "period.days": lambda line: line.period.count,
    "line.date": lambda line: line.transaction_date.isoformat(),
    "line.days_billed": lambda line: line.service.count,
    "amount": lambda line: line.amount if line.amount is not None else 0,
    "unit.number": lambda line: line.unit_number,
    "plan": lambda line: line.plan,
    "charge.id": lambda line: line.charge,
    "charge.code": lambda line: line.charge_code,
}


# Unicode's category Cc, and the two separators that end a line without being in it.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LINE_BREAK = re.compile("[\n\r\u2028\u2029]")


def flaw_of(text: str) -> str:
    """What a text has in it that no ledger's line may have; empty where it is a single line."""
    if _CONTROL.search(text):
        return "has a line break" if _LINE_BREAK.search(text) else "has a control character"
    return ""


def line_values(
    uses: Iterable[str],
    charge: Charge,
    line: Line,
    *,
    lease: Lease,
    subject: Subject,
    facts: Facts,
    prorated: bool,
) -> dict[str, object]:
    """The values of the dotted names that a template uses."""
    values: dict[str, object] = {}
    for name in uses:
        if name in _OF_LINE:
            values[name] = _OF_LINE[name](line)
        elif name.startswith("roster."):
            values[name] = (subject.row.cells.get(name[7:]) if subject.row else None) or ""
        else:
            values[name] = _other(name, charge, lease, subject, facts, prorated=prorated)
    return values


def _other(
    name: str, charge: Charge, lease: Lease, subject: Subject, facts: Facts, *, prorated: bool
) -> object:
    resident = facts.residents.get(subject.resident_id)
    return {
        "charge.title": charge.title,
        "line.prorated": prorated,
        "property.name": facts.names.name,
        "lease.start": _iso(lease.start),
        "lease.end": _iso(lease.end),
        "resident.first_name": (resident.first_name if resident else None) or "",
        "resident.last_name": (resident.last_name if resident else None) or "",
    }[name]


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""
