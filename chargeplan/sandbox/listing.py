"""From query parameters to a page of rows, in Propexo's envelope."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from chargeplan.sandbox import records
from chargeplan.sandbox.answers import Refusal, issue, zod
from chargeplan.sandbox.catalogue import AGES, FILTERS, MOVE_DATES, STATUSES, VENDORS, Filter
from chargeplan.sandbox.clock import parse_moment, stamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

    from chargeplan.sandbox.settings import Settings
    from chargeplan.sandbox.store import Store

DEFAULT_LIMIT = 100
MAX_LIMIT = 250
_PAGING = ("order-by", "offset", "limit")
_COLUMNS = frozenset({"id", "created_at", "updated_at", "last_seen", "integration_id", "property_id"})
_ADMIN_MODELS = frozenset({"integrations", "integration-properties", "job-schedules"})


class Paging(msgspec.Struct, frozen=True):
    """Which page of which order."""

    order: tuple[tuple[str, str], ...]
    offset: int
    limit: int

    def meta(self, total: int) -> dict[str, Any]:
        """The envelope's ``meta``."""
        return {
            "orderBy": [{"field": field, "direction": direction} for field, direction in self.order],
            "offset": self.offset,
            "limit": self.limit,
            "hasMore": self.offset + self.limit < total,
            "total": total,
        }


def read_page(
    store: Store, settings: Settings, model: str, query: Sequence[tuple[str, str]], fixed: dict[str, str]
) -> dict[str, Any]:
    """The page that the query parameters ask for. ``fixed`` are columns that the path has set.

    Raises:
        Refusal: 400 when a parameter is unknown, given twice, or has a wrong value.
    """
    asked = _checked(model, query, settings)
    paging = _paging(model, asked)
    conditions, values = _conditions(model, asked)
    where = " AND ".join(["model = ?", *(f"{name} = ?" for name in fixed), *conditions])
    parameters = [model, *fixed.values(), *values]
    counted = store.row(f"SELECT COUNT(*) AS n FROM records WHERE {where}", parameters)  # noqa: S608 - conditions of ours
    order = ", ".join([*(f"{_order_sql(field)} {direction}" for field, direction in paging.order), "id"])
    sql = f"SELECT * FROM records WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
    rows = store.rows(sql, [*parameters, paging.limit, paging.offset])
    total = counted["n"] if counted else 0
    return {"meta": paging.meta(total), "results": [record_of(row) for row in rows]}


def read_one(
    store: Store, settings: Settings, model: str, record_id: str, query: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """One record, in the same envelope with an object for a list.

    Raises:
        Refusal: 404 when there is none, 400 when a parameter is unknown.
    """
    known = (*_PAGING, *AGES) if settings.knows_updated_at and model not in _ADMIN_MODELS else _PAGING
    _no_unknown([name for name, _ in query if name not in known])
    row = store.row("SELECT * FROM records WHERE model = ? AND id = ?", (model, record_id))
    if row is None:
        raise Refusal(404, "not_found", f"no {model} {record_id}")
    meta = Paging((("created_at", "desc"),), 0, 1).meta(1)
    return {"meta": meta, "results": record_of(row)}


def record_of(row: sqlite3.Row) -> dict[str, Any]:
    """A row of the store as a full record."""
    body: dict[str, Any] = json.loads(row["body"])
    ages = {"created_at": row["created_at"], "updated_at": row["updated_at"], "last_seen": row["last_seen"]}
    dropped = set(body.pop("_without", ()))
    return {"id": row["id"], **{key: value for key, value in ages.items() if key not in dropped}, **body}


def whole_number(name: str, text: str | None, default: int, least: int, most: int) -> int:
    """A whole-number parameter within its bounds.

    Raises:
        Refusal: 400 otherwise.
    """
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,9}", text) or not least <= int(text) <= most:
        raise _bad(name, f"must be a whole number from {least} to {most}")
    return int(text)


def check_known(query: Sequence[tuple[str, str]], known: Sequence[str]) -> dict[str, str]:
    """The parameters as a mapping.

    Raises:
        Refusal: 400 when one is unknown or given twice.
    """
    _no_unknown([name for name, _ in query if name not in known])
    asked = dict(query)
    if len(asked) != len(query):
        raise zod([issue("custom", [], "A query parameter is given more than once")])
    return asked


def _checked(model: str, query: Sequence[tuple[str, str]], settings: Settings) -> dict[str, str]:
    ages = AGES if settings.knows_updated_at and model not in _ADMIN_MODELS else {}
    asked = check_known(query, (*_PAGING, *FILTERS[model], *ages))
    for name in asked:
        needs = FILTERS[model][name].needs if name in FILTERS[model] else None
        if needs is not None and needs not in asked:
            raise _bad(name, f"needs {needs} beside it")
    return asked


def _no_unknown(unknown: list[str]) -> None:
    if unknown:
        named = ", ".join(f"'{name}'" for name in unknown)
        raise zod([issue("unrecognized_keys", [], f"Unrecognized key(s) in object: {named}", keys=unknown)])


def _paging(model: str, asked: dict[str, str]) -> Paging:
    return Paging(
        order=_order(model, asked.get("order-by", "created_at:desc")),
        offset=whole_number("offset", asked.get("offset"), 0, 0, 999_999_999),
        limit=whole_number("limit", asked.get("limit"), DEFAULT_LIMIT, 1, MAX_LIMIT),
    )


def _order(model: str, text: str) -> tuple[tuple[str, str], ...]:
    known = {"id", "created_at", "updated_at", "name"} if model in _ADMIN_MODELS else records.fields(model)
    order = []
    for part in text.split(","):
        field, _, direction = part.partition(":")
        if field not in known or direction not in ("asc", "desc"):
            raise _bad("order-by", f"'{part}' is not a field of this model and asc or desc")
        order.append((field, direction))
    return tuple(order)


def _order_sql(field: str) -> str:
    return field if field in _COLUMNS else f"json_extract(body, '$.{field}')"


def _conditions(model: str, asked: dict[str, str]) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    filters = {**FILTERS[model], **AGES}
    for name, text in asked.items():
        if name in _PAGING or _is_ignored(model, name, asked):
            continue
        chosen = filters[name]
        value = _value(name, chosen, text)
        if chosen.kind == "only_null":
            conditions += [chosen.sql] if value else []
            continue
        conditions.append(chosen.sql)
        values.append(value)
    return conditions, values


def _is_ignored(model: str, name: str, asked: dict[str, str]) -> bool:
    return model == "leases" and name == "resident_id" and not MOVE_DATES.isdisjoint(asked)


def _value(name: str, chosen: Filter, text: str) -> object:
    match chosen.kind:
        case "flag" | "only_null":
            return _one_of(name, text, frozenset({"true", "false"})) == "true"
        case "vendor":
            return _one_of(name, text, VENDORS)
        case "status":
            return _one_of(name, text, STATUSES)
        case "moment":
            return stamp(_moment(name, text))
        case "day":
            return str(_moment(name, text).date())
        case "phone" if not re.fullmatch(r"[2-9]\d{9}", text):
            raise _bad(name, "must be ten digits")
        case _:
            return text


def _moment(name: str, text: str) -> datetime:
    try:
        # A "+" that was not escaped arrives as a blank.
        return parse_moment(text.replace(" ", "+"))
    except ValueError as error:
        raise _bad(name, "must be an ISO 8601 date or date-time") from error


def _one_of(name: str, text: str, known: frozenset[str]) -> str:
    if text not in known:
        raise _bad(name, f"must be one of {', '.join(sorted(known))}")
    return text


def _bad(name: str, message: str) -> Refusal:
    return zod([issue("custom", [name], f"{name} {message}")])
