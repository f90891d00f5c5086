"""Propexo's JSON as values of the core, and back (propexo-api.md, section 6).

Only ids are sure to be there; every other key may be null or absent, depending on the property system. What is there with a
wrong type is an error that names the record: a guess could become a wrong charge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Protocol

import msgspec

from chargeplan.core import observed
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.key import is_reference
from chargeplan.core.money import MAX_CENTS
from chargeplan.core.posting import SentItem
from chargeplan.core.system import Route, Source, both, with_reference
from chargeplan.propexo.vendors import VENDORS

Row = Mapping[str, Any]
# Parameters of the write log that are nested deeper are nobody's request.
_DEEPEST = 20
Value = (
    observed.Property
    | observed.Unit
    | observed.Lease
    | observed.Resident
    | observed.ChargeCode
    | observed.Fee
    | observed.SyncedCharge
    | observed.Payment
)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A row as a value, with what the local copy needs beside it.

    ``links`` are a resident's leases with what the resident's row says of each: for leases that list nobody themselves.
    ``updated_at`` is empty where the row has none, ``x_id``, the property system's own id, likewise.
    """

    id: str
    integration_id: str
    property_id: str
    updated_at: str
    value: Value
    links: tuple[tuple[str, observed.LeaseResident], ...] = ()
    x_id: str = ""


class Line(Protocol):
    """A line on its way: everything that some system wants to know of it.

    ``moment`` lies in the line's day, in the property's zone and in UTC. ``code_id`` is what ``code:`` named: a charge code, or a financial account.
    """

    @property
    def property_id(self) -> str: ...  # noqa: D102
    @property
    def resident_id(self) -> str: ...  # noqa: D102
    @property
    def lease_id(self) -> str: ...  # noqa: D102
    @property
    def unit_id(self) -> str: ...  # noqa: D102
    @property
    def code_id(self) -> str: ...  # noqa: D102
    @property
    def account_id(self) -> str: ...  # noqa: D102
    @property
    def batch_id(self) -> str: ...  # noqa: D102
    @property
    def transaction_batch_id(self) -> str: ...  # noqa: D102
    @property
    def day(self) -> date: ...  # noqa: D102
    @property
    def moment(self) -> str: ...  # noqa: D102
    @property
    def description(self) -> str: ...  # noqa: D102
    @property
    def notes(self) -> str: ...  # noqa: D102
    @property
    def amount(self) -> int: ...  # noqa: D102
    @property
    def reference(self) -> str: ...  # noqa: D102


class MalformedError(ChargeplanError):
    """A row of Propexo's that can't be understood."""

    def __init__(self, kind: str, row_id: str, key: str, problem: str) -> None:
        super().__init__(
            f"Propexo sent {kind} {row_id or '(without id)'} with {key} {problem}.",
            hint="Look at the record in Propexo; tell Propexo's support if it is wrong there.",
            code="malformed_record",
        )


class _Reader:
    """Reads typed values from one row; errors name the row."""

    def __init__(self, kind: str, row: Row, row_id: str = "") -> None:
        self.kind = kind
        self.row = row
        found = row.get("id")
        self.id = row_id or (found if isinstance(found, str) else "")

    def wrong(self, key: str, problem: str) -> MalformedError:
        return MalformedError(self.kind, self.id, key, problem)

    def text(self, key: str) -> str | None:
        found = self.row.get(key)
        if found is None or isinstance(found, str):
            return found
        if isinstance(found, (int, float)) and not isinstance(found, bool):
            return str(
                found
            )  # bedrooms and unit numbers are text by the specification, and numbers in some examples
        raise self.wrong(key, f"that is not text but {_kind_of(found)}")

    def needed(self, key: str) -> str:
        found = self.row.get(key)
        if not isinstance(found, str) or not found:
            raise self.wrong(key, "missing" if found is None else f"that is not text but {_kind_of(found)}")
        return found

    def link(self, key: str) -> str | None:
        return self.text(key) or None

    def cents(self, key: str) -> int | None:
        """An amount; one that no ledger can hold is not known, so that what is made from it is held."""
        found = self._integer(key, "not a whole number of cents")
        return None if found is None or abs(found) > MAX_CENTS else found

    def count(self, key: str) -> int | None:
        return self._integer(key, "not a whole number")

    def _integer(self, key: str, problem: str) -> int | None:
        found = self.row.get(key)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            raise self.wrong(key, f"that is not a number but {_kind_of(found)}")
        if isinstance(found, float) and not found.is_integer():
            raise self.wrong(key, f"{found}, {problem}")
        return int(found)

    def day(self, key: str) -> date | None:
        """The first ten characters: dates are calendar dates, whatever time and zone is written after them."""
        found = self.text(key)
        if not found:
            return None
        try:
            return date.fromisoformat(found[:10])
        except ValueError as error:
            raise self.wrong(key, f"{found[:40]!r}, which is no date") from error

    def flag(self, key: str) -> bool | None:
        found = self.row.get(key)
        return found if isinstance(found, bool) else None

    def parts(self, key: str) -> list[Row]:
        found = self.row.get(key)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(part, dict) for part in found):
            raise self.wrong(key, f"that is not a list of objects but {_kind_of(found)}")
        return found


def _kind_of(found: object) -> str:
    words = {
        bool: "true or false",
        dict: "an object",
        list: "a list",
        str: "text",
        int: "a number",
        float: "a number",
    }
    return words.get(type(found), "null")


def records(kind: str, rows: Sequence[object]) -> list[Record]:
    """The rows of a page as values, each as ``record`` gives it; charges, of which there are millions, the short way.

    Raises:
        MalformedError: as ``record``.
    """
    if kind != "resident-charges":
        return [record(kind, row) for row in rows]
    return [_charge_record(row) or record(kind, row) for row in rows]


def record(kind: str, row: object) -> Record:
    """A row of the list ``kind`` (as its path names it) as a value.

    Raises:
        MalformedError: it is not an object, has no id, or has a key of a wrong type.
        KeyError: there is no such kind.
    """
    read = _KINDS[kind]
    if not isinstance(row, dict):
        raise MalformedError(kind, "", "row", f"that is not an object but {_kind_of(row)}")
    reader = _Reader(kind, row)
    value = read(reader)
    links = tuple(_links(reader)) if kind == "residents" else ()
    return Record(
        id=value.id,
        integration_id=reader.text("integration_id") or "",
        property_id=_owner(reader, value),
        updated_at=reader.text("updated_at") or "",
        value=value,
        links=links,
        x_id=reader.text("x_id") or "",
    )


def _owner(reader: _Reader, value: Value) -> str:
    """The property that a row is of; accounts may be every property's."""
    match value:
        case observed.Property():
            return value.id
        case observed.ChargeCode():
            return value.property_id
        case _:
            return reader.needed("property_id")


def integration(row: object) -> observed.Integration:
    """The integration of ``/v1/admin/integrations/{id}/``.

    Raises:
        MalformedError: a needed key is missing or of a wrong type.
    """
    if not isinstance(row, dict):
        raise MalformedError("integration", "", "row", f"that is not an object but {_kind_of(row)}")
    reader = _Reader("integration", row)
    interfaces = {
        _Reader("integration", part, reader.id).needed("interface_name"): part.get("enabled") is True
        for part in reader.parts("integration_interfaces")
    }
    return observed.Integration(
        id=reader.needed("id"),
        name=reader.text("name") or "",
        vendor=reader.needed("vendor"),
        active=reader.flag("active") is True,
        archived=reader.flag("is_archived") is True,
        last_completed_sync=reader.text("last_completed_sync") or None,
        interfaces=interfaces,
    )


def body(route: Route, integration_id: str, lines: Sequence[Line]) -> dict[str, object]:
    """What a request holds: these keys and no other, as an unknown key is refused. A single is a batch of one.

    Raises:
        ValueError: several lines for a route that takes one.
    """
    items = [{field.key: _SOURCES[field.source](line, route) for field in route.fields} for line in lines]
    if route.name == "batch":
        return {"integration_id": integration_id, "charges": items}
    (item,) = items
    return {"integration_id": integration_id, **item}


def _text(text: str, line: Line, route: Route) -> str:
    return with_reference(text, line.reference) if route.in_text else text


_SOURCES: dict[Source, Callable[[Line, Route], str | int | bool]] = {
    "resident_id": lambda line, _: line.resident_id,
    "lease_id": lambda line, _: line.lease_id,
    "unit_id": lambda line, _: line.unit_id,
    "property_id": lambda line, _: line.property_id,
    "code_id": lambda line, _: line.code_id,
    "account_id": lambda line, _: line.account_id,
    "moment": lambda line, _: line.moment,
    "day": lambda line, _: line.day.isoformat(),
    "month": lambda line, _: line.day.replace(day=1).isoformat(),
    "description": lambda line, route: _text(line.description, line, route),
    "notes": lambda line, _: line.notes,
    "description_and_notes": lambda line, route: _text(both(line.description, line.notes), line, route),
    "amount": lambda line, _: line.amount,
    "credit": lambda line, _: -line.amount,
    "reference": lambda line, _: line.reference,
    "batch_id": lambda line, _: line.batch_id,
    "transaction_batch_id": lambda line, _: line.transaction_batch_id,
    "approval": lambda _line, _: False,
}


def named_in(parameters: object, key: str) -> frozenset[str]:
    """Every text under ``key`` wherever it is nested, also within JSON that is itself a text (the write log's parameters)."""
    return frozenset(_named(parameters, key, 0))


def references_in(parameters: object) -> frozenset[str]:
    """Our references, in whatever text of the parameters they stand."""
    text = parameters if isinstance(parameters, str) else msgspec.json.encode(parameters).decode()
    return frozenset(each for each in REFERENCE.findall(text) if is_reference(each))


def _named(found: object, key: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    match found:
        case dict():
            for name, part in found.items():
                if name == key and isinstance(part, str):
                    yield part
                else:
                    yield from _named(part, key, depth + 1)
        case list():
            for part in found:
                yield from _named(part, key, depth + 1)
        case str() if found[:1] in ("{", "["):
            yield from _named(_decoded(found), key, depth + 1)


def items_in(parameters: object) -> tuple[SentItem, ...]:
    """Every line of a request with a reference of ours, wherever it is nested in the write log's parameters."""
    return tuple(_items(parameters, "", 0))


def _items(found: object, batch_id: str, depth: int) -> Iterator[SentItem]:
    if depth > _DEEPEST:
        return
    match found:
        case dict():
            named = found.get("batch_id")
            batch_id = named if isinstance(named, str) else batch_id
            if (reference := _reference_of(found)) is not None:
                yield _item(found, reference, batch_id)
                return
            for part in found.values():
                yield from _items(part, batch_id, depth + 1)
        case list():
            for part in found:
                yield from _items(part, batch_id, depth + 1)
        case str() if found[:1] in ("{", "["):
            yield from _items(_decoded(found), batch_id, depth + 1)


def _reference_of(item: dict[str, Any]) -> str | None:
    """A line has its reference in a field of its own, or in a text where the system has no such field."""
    texts = [text for text in item.values() if isinstance(text, str) and text[:1] not in ("{", "[")]
    return next((match[0] for text in texts if (match := REFERENCE.search(text))), None)


def _item(item: dict[str, Any], reference: str, batch_id: str) -> SentItem:
    def text(name: str) -> str | None:
        found = item.get(name)
        return found if isinstance(found, str) else None

    amount = item.get("amount_in_cents")
    try:
        day = date.fromisoformat((text("transaction_date") or "")[:10])
    except ValueError:
        day = None
    return SentItem(
        reference=reference,
        batch_id=batch_id,
        resident_id=text("resident_id"),
        lease_id=text("lease_id"),
        charge_code_id=text("charge_code_id") or text("financial_account_id"),
        amount=amount if isinstance(amount, int) and not isinstance(amount, bool) else None,
        transaction_date=day,
        description=text("description"),
    )


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError):
        return None


REFERENCE = re.compile(r"(?<![0-9A-Za-z])CP[0-9A-HJKMNP-TV-Z]{16}(?![0-9A-Za-z])")


def _property(reader: _Reader) -> observed.Property:
    return observed.Property(
        id=reader.needed("id"),
        name=reader.text("name") or reader.text("code") or reader.id,
        active=reader.flag("is_active") is not False,
        code=reader.text("code"),
    )


def _unit(reader: _Reader) -> observed.Unit:
    return observed.Unit(
        id=reader.needed("id"),
        property_id=reader.needed("property_id"),
        number=reader.text("number") or "",
        building_name=reader.text("building_name"),
        building_number=reader.text("building_number"),
        floor_plan_id=reader.link("floor_plan_id"),
        floor_plan_name=reader.text("floor_plan_name"),
        floor_plan_code=reader.text("floor_plan_code"),
        bedrooms=reader.text("bedrooms"),
        square_feet=reader.count("square_feet"),
        market_rent=reader.cents("rent_amount_market_in_cents"),
        is_vacant=reader.flag("is_vacant"),
    )


def _lease(reader: _Reader) -> observed.Lease:
    return observed.Lease(
        id=reader.needed("id"),
        property_id=reader.needed("property_id"),
        unit_id=reader.link("unit_id"),
        unit_number=reader.text("unit_number"),
        status=reader.text("status_normalized") or "OTHER",
        start=reader.day("start_date"),
        end=reader.day("end_date"),
        rent=reader.cents("rent_amount_in_cents"),
        market_rent=reader.cents("rent_amount_market_in_cents"),
        realized_move_in=reader.day("realized_move_in_date"),
        scheduled_move_in=reader.day("scheduled_move_in_date"),
        realized_move_out=reader.day("realized_move_out_date"),
        scheduled_move_out=reader.day("scheduled_move_out_date"),
        residents=tuple(_people(reader)),
    )


def _people(reader: _Reader) -> Iterator[observed.LeaseResident]:
    for part in reader.parts("residents_meta_data"):
        inner = _Reader(reader.kind, part, reader.id)
        if resident_id := inner.link("resident_id"):
            yield _person(inner, resident_id)


def _links(reader: _Reader) -> Iterator[tuple[str, observed.LeaseResident]]:
    for part in reader.parts("leases_meta_data"):
        inner = _Reader(reader.kind, part, reader.id)
        if lease_id := inner.link("lease_id"):
            yield lease_id, _person(inner, reader.id)


def _person(reader: _Reader, resident_id: str) -> observed.LeaseResident:
    return observed.LeaseResident(
        resident_id=resident_id,
        kind=reader.link("resident_type_normalized"),
        move_in=reader.day("move_in_date"),
        move_out=reader.day("move_out_date"),
    )


def _resident(reader: _Reader) -> observed.Resident:
    return observed.Resident(
        id=reader.needed("id"),
        property_id=reader.needed("property_id"),
        first_name=reader.text("first_name"),
        last_name=reader.text("last_name"),
        # A service animal is not a pet: charging for one is unlawful.
        pets=sum(pet.get("is_service_animal") is not True for pet in reader.parts("pets")),
        vehicles=len(reader.parts("vehicles")),
    )


def _charge_code(reader: _Reader) -> observed.ChargeCode:
    return observed.ChargeCode(
        id=reader.needed("id"),
        property_id=reader.needed("property_id"),
        name=reader.text("name"),
        credits=reader.text("credit_gl_account"),
    )


def _account(reader: _Reader) -> observed.ChargeCode:
    return observed.ChargeCode(
        id=reader.needed("id"),
        property_id=reader.text("property_id") or "",
        name=reader.text("name"),
        number=reader.text("account_number"),
    )


def _fee(reader: _Reader) -> observed.Fee:
    return observed.Fee(
        id=reader.needed("id"),
        property_id=reader.needed("property_id"),
        name=reader.text("name"),
        amount=reader.cents("amount_in_cents"),
        unit_id=reader.link("unit_id"),
        floor_plan_id=reader.link("floor_plan_id"),
    )


def _charge(reader: _Reader) -> observed.SyncedCharge:
    reference, description = _told(reader.link("reference_number"), reader.text("description"))
    by_account = reader.text("integration_vendor") in _BY_ACCOUNT
    return observed.SyncedCharge(
        id=reader.needed("id"),
        resident_id=reader.link("resident_id"),
        charge_code_id=reader.link("financial_account_id" if by_account else "charge_code_id"),
        amount=reader.cents("amount_in_cents"),
        transaction_date=reader.day("transaction_date"),
        reference=reference,
        description=description,
        lease_id=reader.link("lease_id"),
        unit_id=reader.link("unit_id"),
        due_date=reader.day("due_date"),
        open_amount=reader.cents("amount_open_in_cents"),
        last_seen=reader.link("last_seen"),
        allocations=tuple(_allocations(reader)),
        post_month=_month(reader.text("post_month")),
        created_at=reader.text("created_at"),
    )


class _AllocationRow(msgspec.Struct):
    amount_in_cents: int | None = None
    resident_payment_id: str | None = None


class _ChargeRow(msgspec.Struct, kw_only=True):
    """A charge as Propexo sends nearly every one: with the types that its specification names."""

    id: str
    property_id: str
    integration_id: str | None = None
    integration_vendor: str | None = None
    updated_at: str | None = None
    x_id: str | None = None
    resident_id: str | None = None
    charge_code_id: str | None = None
    financial_account_id: str | None = None
    amount_in_cents: int | None = None
    transaction_date: str | None = None
    reference_number: str | None = None
    description: str | None = None
    lease_id: str | None = None
    unit_id: str | None = None
    due_date: str | None = None
    amount_open_in_cents: int | None = None
    last_seen: str | None = None
    allocations: list[_AllocationRow] | None = None
    post_month: str | None = None
    created_at: str | None = None


def _charge_record(row: object) -> Record | None:
    """The record of a charge with the usual types; ``None`` where something is unusual, for the careful reader to tell."""
    try:
        found = msgspec.convert(row, _ChargeRow)
        transaction_date, due_date = _day(found.transaction_date), _day(found.due_date)
    except ValueError:
        return None
    if not found.id or not found.property_id or not all(map(_is_usual, _amounts(found))):
        return None
    reference, description = _told(found.reference_number or None, found.description)
    by_account = found.integration_vendor in _BY_ACCOUNT
    value = observed.SyncedCharge(
        id=found.id,
        resident_id=found.resident_id or None,
        charge_code_id=(found.financial_account_id if by_account else found.charge_code_id) or None,
        amount=found.amount_in_cents,
        transaction_date=transaction_date,
        reference=reference,
        description=description,
        lease_id=found.lease_id or None,
        unit_id=found.unit_id or None,
        due_date=due_date,
        open_amount=found.amount_open_in_cents,
        last_seen=found.last_seen or None,
        allocations=tuple(
            observed.Allocation(each.amount_in_cents, each.resident_payment_id or None)
            for each in found.allocations or ()
        ),
        post_month=_month(found.post_month),
        created_at=found.created_at,
    )
    return Record(
        id=found.id,
        integration_id=found.integration_id or "",
        property_id=found.property_id,
        updated_at=found.updated_at or "",
        value=value,
        x_id=found.x_id or "",
    )


def _amounts(row: _ChargeRow) -> Iterator[int | None]:
    yield row.amount_in_cents
    yield row.amount_open_in_cents
    for each in row.allocations or ():
        yield each.amount_in_cents


def _is_usual(cents: int | None) -> bool:
    return cents is None or abs(cents) <= MAX_CENTS


_BY_ACCOUNT = frozenset(name for name, system in VENDORS.items() if system.code == "account")


def _told(field: str | None, description: str | None) -> tuple[str | None, str | None]:
    """Our reference, from its field or else from the end of the description, and the description without it."""
    if not description or "CP" not in description:
        return field, description
    matches = list(REFERENCE.finditer(description))
    if not matches:
        return field, description
    last = matches[-1]
    rest = f"{description[: last.start()]}{description[last.end() :]}".strip()
    return field if is_reference(field) else last[0], rest


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text[:10]) if text else None


def _month(text: str | None) -> str | None:
    return text[:7] if text else None


def _allocations(reader: _Reader) -> Iterator[observed.Allocation]:
    for part in reader.parts("allocations"):
        inner = _Reader(reader.kind, part, reader.id)
        yield observed.Allocation(inner.cents("amount_in_cents"), inner.link("resident_payment_id"))


def _payment(reader: _Reader) -> observed.Payment:
    return observed.Payment(reader.needed("id"), reader.needed("property_id"), reader.day("transaction_date"))


_KINDS: dict[str, Callable[[_Reader], Value]] = {
    "properties": _property,
    "units": _unit,
    "leases": _lease,
    "residents": _resident,
    "charge-codes": _charge_code,
    "financial-accounts": _account,
    "fees": _fee,
    "resident-charges": _charge,
    "resident-payments": _payment,
}
KINDS = tuple(_KINDS)
"""The lists that can be read, as their paths name them."""
