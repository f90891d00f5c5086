"""The checks of a POST, in the order of the real thing: shape first, then whether the ids mean something.

Shapes are Zod's: nothing is coerced, an unknown key is an error (``propexo-api.md`` 3.4). All issues of one stage are
reported together, each with the item's position in its ``path``.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chargeplan.sandbox.answers import Refusal, issue, zod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chargeplan.sandbox.settings import Settings
    from chargeplan.sandbox.store import Store

Path = list[str | int]
Issues = list[dict[str, Any]]

_TEXTS = ("resident_id", "charge_code_id", "batch_id", "description", "notes", "reference_number")
ITEM_KEYS = (
    "resident_id",
    "charge_code_id",
    "batch_id",
    "transaction_date",
    "description",
    "notes",
    "amount_in_cents",
    "reference_number",
)
"""The keys of an item, all required (``propexo-api.md`` 3.2)."""
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
_SAFE_INTEGER = 2**53 - 1
_MISSING = object()


def parse_json(body: bytes) -> Any:
    """A request's body.

    Raises:
        Refusal: It is not JSON, as JavaScript reads it.
    """
    try:
        return json.loads(body, parse_constant=_not_json)
    except ValueError as error:
        raise Refusal(400, "invalid_json", f"the body is not JSON: {error}") from error


def check_batch(body: Any, settings: Settings) -> None:
    """The shape of ``POST /v1/resident-charges/batch/resman/``.

    Raises:
        Refusal: 400 with every issue of the shape, or 413 when there are more items than allowed.
    """
    issues: Issues = []
    if _is_object(body, [], issues):
        _known_keys(body, ("integration_id", "charges"), [], issues)
        _text(body, "integration_id", [], issues)
        _charges(body.get("charges", _MISSING), settings, issues)
    if issues:
        raise zod(issues)
    if settings.max_charges is not None and len(body["charges"]) > settings.max_charges:
        raise Refusal(413, "payload_too_large", f"at most {settings.max_charges} charges in a batch")


def check_single(body: Any, settings: Settings) -> None:
    """The shape of ``POST /v1/resident-charges/resman/``, one item with ``integration_id`` beside its keys.

    Raises:
        Refusal: 400 with every issue of the shape.
    """
    issues: Issues = []
    if _is_object(body, [], issues):
        _text(body, "integration_id", [], issues)
        _item({key: value for key, value in body.items() if key != "integration_id"}, [], settings, issues)
    if issues:
        raise zod(issues)


def check_integration(store: Store, integration_id: str) -> dict[str, Any]:
    """The integration that a write goes to.

    Raises:
        Refusal: 404 when there is none, 403 when it is inactive, archived, of another system, or may not write.
    """
    found = store.row("SELECT body FROM records WHERE model = 'integrations' AND id = ?", (integration_id,))
    if found is None:
        raise Refusal(404, "not_found", f"no integration {integration_id}")
    integration: dict[str, Any] = json.loads(found["body"])
    if integration["is_archived"]:
        raise Refusal(403, "forbidden", "the integration is archived")
    if not integration["active"]:
        raise Refusal(403, "forbidden", "the integration is not active")
    if integration["vendor"] != "RESMAN":
        raise Refusal(400, "invalid_request", f"the integration is of {integration['vendor']}, not of RESMAN")
    may = {i["interface_name"]: i["enabled"] for i in integration["integration_interfaces"]}
    if not may.get("RESMAN_CREATE_RESIDENT_CHARGE", False):
        raise Refusal(403, "forbidden", "the interface RESMAN_CREATE_RESIDENT_CHARGE is not enabled")
    return integration


def resolve_items(
    store: Store, integration_id: str, items: list[dict[str, Any]], prefix: Callable[[int], Path]
) -> list[dict[str, Any]]:
    """The facts of the ledger entries that the items ask for, in their order.

    Raises:
        Refusal: 400 with the path of every id that is unknown, and of every one of another property than the first.
    """
    people = _known(store, "residents", integration_id, {item["resident_id"] for item in items})
    codes = _known(store, "charge-codes", integration_id, {item["charge_code_id"] for item in items})
    issues = list(_unknown_ids(items, people, codes, prefix))
    if not issues:
        issues = list(_foreign_ids(items, people, codes, prefix))
    if issues:
        raise zod(issues)
    return [_fact(store, integration_id, item, people[item["resident_id"]]) for item in items]


def calendar_date(moment: str) -> str:
    """The date of a ``transaction_date`` as it was sent, cut in UTC."""
    return str(datetime.fromisoformat(moment).astimezone(UTC).date())


def _not_json(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def _charges(charges: Any, settings: Settings, issues: Issues) -> None:
    path: Path = ["charges"]
    if not isinstance(charges, list):
        issues.append(_wrong_type("array", charges, path))
    elif not charges:
        facts = {"minimum": 1, "type": "array", "inclusive": True, "exact": False}
        issues.append(issue("too_small", path, "Array must contain at least 1 element(s)", **facts))
    else:
        for position, item in enumerate(charges):
            _item(item, [*path, position], settings, issues)


def _item(item: Any, path: Path, settings: Settings, issues: Issues) -> None:
    if not _is_object(item, path, issues):
        return
    _known_keys(item, ITEM_KEYS, path, issues)
    for key in _TEXTS:
        if _text(item, key, path, issues):
            _length(item, key, path, settings, issues)
    if _text(item, "transaction_date", path, issues) and not _is_date_time(item["transaction_date"]):
        issues.append(
            issue("invalid_string", [*path, "transaction_date"], "Invalid datetime", validation="datetime")
        )
    _amount(item.get("amount_in_cents", _MISSING), [*path, "amount_in_cents"], settings, issues)


def _amount(amount: Any, path: Path, settings: Settings, issues: Issues) -> None:
    if isinstance(amount, bool) or not isinstance(amount, int):
        expected = "integer" if isinstance(amount, float) else "number"
        issues.append(_wrong_type(expected, amount, path))
    elif abs(amount) > _SAFE_INTEGER:
        issues.append(
            issue(
                "too_big",
                path,
                "Number is not a safe integer",
                maximum=_SAFE_INTEGER,
                type="number",
                inclusive=True,
            )
        )
    elif amount < 0 and not settings.accepts_credits:
        facts = {"minimum": 0, "type": "number", "inclusive": True, "exact": False}
        issues.append(issue("too_small", path, "Number must be greater than or equal to 0", **facts))


def _is_object(value: Any, path: Path, issues: Issues) -> bool:
    if isinstance(value, dict):
        return True
    issues.append(_wrong_type("object", value, path))
    return False


def _known_keys(value: dict[str, Any], known: tuple[str, ...], path: Path, issues: Issues) -> None:
    if unknown := [key for key in value if key not in known]:
        named = ", ".join(f"'{key}'" for key in unknown)
        issues.append(
            issue("unrecognized_keys", path, f"Unrecognized key(s) in object: {named}", keys=unknown)
        )


def _text(value: dict[str, Any], key: str, path: Path, issues: Issues) -> bool:
    found = value.get(key, _MISSING)
    if isinstance(found, str):
        return True
    issues.append(_wrong_type("string", found, [*path, key]))
    return False


def _length(item: dict[str, Any], key: str, path: Path, settings: Settings, issues: Issues) -> None:
    most = settings.max_length.get(key)
    if most is not None and len(item[key]) > most:
        facts = {"maximum": most, "type": "string", "inclusive": True, "exact": False}
        issues.append(
            issue("too_big", [*path, key], f"String must contain at most {most} character(s)", **facts)
        )


def _wrong_type(expected: str, value: Any, path: Path) -> dict[str, Any]:
    received = _type_name(value)
    message = "Required" if received == "undefined" else f"Expected {expected}, received {received}"
    return issue("invalid_type", path, message, expected=expected, received=received)


def _type_name(value: Any) -> str:
    """The type of a JSON value in Zod's words; a bool is asked for before the int that Python takes it for."""
    if value is _MISSING:
        return "undefined"
    if value is None:
        return "null"
    names = ((bool, "boolean"), (int, "number"), (float, "float"), (str, "string"), (list, "array"))
    return next((name for kind, name in names if isinstance(value, kind)), "object")


def _is_date_time(text: str) -> bool:
    """Only the full form, with a zone: it is the only one that ResMan's page lists (``propexo-api.md`` 3.2)."""
    if not _DATE_TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _known(store: Store, model: str, integration_id: str, ids: set[str]) -> dict[str, dict[str, Any]]:
    """The records of these ids that a sync has brought; what Propexo has not seen it can't write to."""
    rows = store.rows(
        "SELECT id, property_id, body FROM records WHERE model = ? AND integration_id = ? AND id IN (SELECT value FROM json_each(?))",
        (model, integration_id, json.dumps(sorted(ids))),
    )
    return {row["id"]: {**json.loads(row["body"]), "property_id": row["property_id"]} for row in rows}


def _unknown_ids(
    items: list[dict[str, Any]], people: dict[str, Any], codes: dict[str, Any], prefix: Callable[[int], Path]
) -> Iterator[dict[str, Any]]:
    for position, item in enumerate(items):
        for key, known, what in (
            ("resident_id", people, "Resident"),
            ("charge_code_id", codes, "Charge code"),
        ):
            if item[key] not in known:
                yield issue("custom", [*prefix(position), key], f"{what} not found")


def _foreign_ids(
    items: list[dict[str, Any]], people: dict[str, Any], codes: dict[str, Any], prefix: Callable[[int], Path]
) -> Iterator[dict[str, Any]]:
    first = people[items[0]["resident_id"]]["property_id"]
    for position, item in enumerate(items):
        home = people[item["resident_id"]]["property_id"]
        if home != first:
            yield issue(
                "custom",
                [*prefix(position), "resident_id"],
                "All charges must belong to the same ResMan property",
            )
        if codes[item["charge_code_id"]]["property_id"] != home:
            yield issue(
                "custom",
                [*prefix(position), "charge_code_id"],
                "Charge code belongs to another property than the resident",
            )


def _fact(
    store: Store, integration_id: str, item: dict[str, Any], resident: dict[str, Any]
) -> dict[str, Any]:
    """What the ledger will know. The system files a charge under the resident's latest lease."""
    leases = [meta["lease_id"] for meta in resident["leases_meta_data"]]
    lease_id = leases[-1] if leases else None
    unit = store.row(
        "SELECT json_extract(body, '$.unit_id') AS id FROM records WHERE model = 'leases' AND id = ?",
        (lease_id,),
    )
    return {
        **{key: item[key] for key in ITEM_KEYS if key != "transaction_date"},
        "integration_id": integration_id,
        "property_id": resident["property_id"],
        "lease_id": lease_id,
        "unit_id": unit["id"] if unit else None,
        "transaction_date": calendar_date(item["transaction_date"]),
        "sent_date": item["transaction_date"],
    }
