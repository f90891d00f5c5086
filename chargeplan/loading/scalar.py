"""What a plain, unquoted YAML value means: a date, a number, true, nothing, or simply text."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chargeplan.loading.node import ScalarKind

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
MAX_DIGITS = 30
"""Longer digit strings are account numbers, hence text; Python also refuses to convert huge ones."""


def resolve_plain(text: str) -> tuple[ScalarKind, str | int | Decimal | bool | dt.date | None]:
    """The kind and value of an unquoted scalar.

    ``on``, ``yes``, ``12:30``, ``010``, ``0x1F``, ``1e3``, ``1_000`` and ``.5`` are text: nobody writes them in a plan and
    means what YAML 1.1 makes of them. A day that the calendar does not have stays text, for the reader of the
    value to complain about.
    """
    if text in _NULL:
        return "null", None
    if text in _TRUE or text in _FALSE:
        return "bool", text in _TRUE
    if len(text) <= MAX_DIGITS:
        if _INT.fullmatch(text):
            return "int", int(text)
        if _DECIMAL.fullmatch(text):
            return "decimal", Decimal(text)
        if _DATE.fullmatch(text):
            return _date(text)
    return "text", text


def _date(text: str) -> tuple[ScalarKind, str | dt.date]:
    try:
        return "date", dt.date.fromisoformat(text)
    except ValueError:
        return "text", text
