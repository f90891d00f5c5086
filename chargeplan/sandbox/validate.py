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
    from chargeplan.sandbox.settings import Settings
    from chargeplan.sandbox.store import Store
    from chargeplan.sandbox.systems import Form, Key

Path = list[str | int]
Issues = list[dict[str, Any]]

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
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


def check_form(form: Form, body: Any, settings: Settings) -> list[dict[str, Any]]:
    """The items of a body that has the form of its path: a batch has them in ``charges``, a single is one.

    Raises:
        Refusal: 400 with every issue of the shape, or 413 when there are more items than allowed.
    """
    issues: Issues = []
    items: list[dict[str, Any]] = []
    if _is_object(body, [], issues):
        _text(body, "integration_id", [], issues)
        if form.batch:
            _known_keys(body, ("integration_id", "charges"), [], issues)
            items = _charges(form, body.get("charges", _MISSING), settings, issues)
        else:
            items = [{key: value for key, value in body.items() if key != "integration_id"}]
            _item(form, items[0], [], settings, issues)
    if issues:
        raise zod(issues)
    if settings.max_charges is not None and len(items) > settings.max_charges:
        raise Refusal(413, "payload_too_large", f"at most {settings.max_charges} charges in a batch")
    return items


def check_integration(store: Store, integration_id: str, vendor: str) -> dict[str, Any]:
    """The integration that a write to a path of the ``vendor`` goes to.

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
    if integration["vendor"] != vendor:
        raise Refusal(
            400, "invalid_request", f"the integration is of {integration['vendor']}, not of {vendor}"
        )
    may = {i["interface_name"]: i["enabled"] for i in integration["integration_interfaces"]}
    if not may.get(f"{vendor}_CREATE_RESIDENT_CHARGE", False):
        raise Refusal(403, "forbidden", f"the interface {vendor}_CREATE_RESIDENT_CHARGE is not enabled")
    return integration


def calendar_date(moment: str) -> str:
    """The date of a ``transaction_date`` as it was sent, cut in UTC; a plain day is one."""
    if _DAY.fullmatch(moment):
        return moment
    return str(datetime.fromisoformat(moment).astimezone(UTC).date())


def _not_json(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def _charges(form: Form, charges: Any, settings: Settings, issues: Issues) -> list[dict[str, Any]]:
    path: Path = ["charges"]
    if not isinstance(charges, list):
        issues.append(_wrong_type("array", charges, path))
        return []
    if not charges:
        facts = {"minimum": 1, "type": "array", "inclusive": True, "exact": False}
        issues.append(issue("too_small", path, "Array must contain at least 1 element(s)", **facts))
    for position, item in enumerate(charges):
        _item(form, item, [*path, position], settings, issues)
    return charges


def _item(form: Form, item: Any, path: Path, settings: Settings, issues: Issues) -> None:
    if not _is_object(item, path, issues):
        return
    _known_keys(item, tuple(key.name for key in form.keys), path, issues)
    for key in form.keys:
        if key.required or item.get(key.name) is not None:
            _value(form=form, key=key, item=item, path=path, settings=settings, issues=issues)


def _value(
    form: Form, key: Key, item: dict[str, Any], *, path: Path, settings: Settings, issues: Issues
) -> None:
    match key.kind:
        case "cents":
            _amount(form, item.get(key.name, _MISSING), [*path, key.name], settings, issues)
        case "flag":
            if not isinstance(item.get(key.name), bool):
                issues.append(_wrong_type("boolean", item.get(key.name, _MISSING), [*path, key.name]))
        case "text":
            if _text(item, key.name, path, issues):
                _length(item, key.name, path, settings, issues)
        case "moment" | "date":
            if _text(item, key.name, path, issues) and not _is_date(item[key.name], key.kind):
                issues.append(
                    issue("invalid_string", [*path, key.name], "Invalid datetime", validation="datetime")
                )


def _amount(form: Form, amount: Any, path: Path, settings: Settings, issues: Issues) -> None:
    least = form.least if settings.accepts_credits else max(form.least or 0, 0)
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
    elif least is not None and amount < least:
        facts = {"minimum": least, "type": "number", "inclusive": True, "exact": False}
        issues.append(issue("too_small", path, f"Number must be greater than or equal to {least}", **facts))


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


def _is_date(text: str, kind: str) -> bool:
    """The full form with a zone; a plain day only where the system's page lists it (``propexo-api.md`` 3.2, 4.2)."""
    if not (_DATE_TIME.fullmatch(text) or (kind == "date" and _DAY.fullmatch(text))):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
