"""Lines as rows of a CSV that a spreadsheet opens and never runs: one row a line, whatever command lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

from chargeplan.core.change import Change, ChangeSet
from chargeplan.core.line import Skip
from chargeplan.core.posting import Posting
from chargeplan.render.escape import csv_text

LINE_KEYS: Final = (
    "state", "reason", "reference", "property_id", "property", "unit", "resident_id", "lease_id", "plan", "charge", "item",
    "charge_code", "service_from", "service_through", "transaction_date", "amount_in_cents", "description", "detail",
)  # fmt: skip
_Cell = str | int | date | None


def changes_csv(change_set: ChangeSet, *, all: bool) -> str:  # noqa: A002 - the option's name
    """A plan's lines; ``all`` adds those that are unchanged, and the households without one."""
    names = change_set.property_names
    rows = [change_row(each, names) for each in change_set.changes if all or each.action != "unchanged"]
    if all:
        rows += [_skip_row(each, names) for each in change_set.skips]
    return csv_text(LINE_KEYS, rows)


def work_list_csv(postings: Mapping[str, Iterable[Posting]], changes: Mapping[str, Iterable[Change]]) -> str:
    """What is open, by state: lines of the journal, then what waits for a person."""
    rows = [_posting_row(state, each) for state, listed in postings.items() for each in listed]
    rows += [change_row(each, {}) for waiting in changes.values() for each in waiting]
    return csv_text(LINE_KEYS, rows)


def postings_csv(postings: Iterable[Posting]) -> str:
    """Lines of the journal, each as it stands."""
    return csv_text(LINE_KEYS, (_posting_row(each.state, each) for each in postings))


def change_row(change: Change, names: Mapping[str, str]) -> tuple[_Cell, ...]:
    """One line of a plan."""
    return (
        change.action,
        change.reason,
        change.reference,
        change.property_id,
        names.get(change.property_id, ""),
        change.unit_number,
        change.resident_id,
        change.lease_id,
        change.plan,
        change.charge,
        change.item,
        change.charge_code,
        change.service.first,
        change.service.last,
        change.transaction_date,
        change.amount,
        change.description,
        change.detail,
    )


def _skip_row(skip: Skip, names: Mapping[str, str]) -> tuple[_Cell, ...]:
    head = ("skip", skip.reason, "", skip.property_id, names.get(skip.property_id, ""), skip.unit_number)
    line: tuple[_Cell, ...] = (None, None, None, None, skip.transaction_date, skip.amount, None, None)
    return (*head, skip.resident_id, skip.lease_id, skip.plan, skip.charge, *line)


def _posting_row(state: str, posting: Posting) -> tuple[_Cell, ...]:
    return (
        state,
        posting.error,
        posting.reference,
        posting.property_id,
        "",
        posting.unit_number,
        posting.resident_id,
        posting.lease_id,
        posting.plan,
        posting.charge,
        posting.item,
        posting.charge_code,
        posting.service_first,
        posting.service_last,
        posting.transaction_date,
        posting.amount,
        posting.description,
        "",
    )
