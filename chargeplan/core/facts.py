"""Facts that a decision was made from, as values: what each is, and what it says. Rooms that show them find the words."""

from __future__ import annotations

from datetime import date

import msgspec

from chargeplan.core.dates import Days


class BilledDays(msgspec.Struct, frozen=True):
    """The days that are billed, which are counted when they are shown."""

    days: Days


class Takes(msgspec.Struct, frozen=True):
    """What a selector takes, and what it was held against."""

    wanted: tuple[str, ...]
    theirs: tuple[str, ...]


class AsksFor(msgspec.Struct, frozen=True):
    """A kind of thing that a selector asks for, and how many of it they have."""

    thing: str
    count: int


class RowAt(msgspec.Struct, frozen=True):
    """The place in a file that shaped a line, with the reason that stands there."""

    file: str
    line: int
    reason: str = ""


class NoRow(msgspec.Struct, frozen=True):
    """A file that has no row under any of the keys."""

    file: str
    key: str
    tried: tuple[str, ...]


class Resolved(msgspec.Struct, frozen=True):
    """A date as the plan writes it, and the day that it is for the household; ``None`` where its base is not known."""

    text: str
    day: date | None


class DatedAmount(msgspec.Struct, frozen=True):
    """Cents dated outside the window."""

    cents: int
    day: date


class LateCharge(msgspec.Struct, frozen=True):
    """A charge that a late fee watches: what it was, and what is open of it on the day of the plan."""

    charge_id: str
    amount: int | None
    due: date | None
    open_amount: int | None
    as_of: date


class Money(msgspec.Struct, frozen=True):
    """An amount in cents."""

    cents: int


FactValue = (
    str | Days | BilledDays | Takes | AsksFor | RowAt | NoRow | Resolved | DatedAmount | LateCharge | Money
)


class Fact(msgspec.Struct, frozen=True):
    """A value that a decision was made from, under the name that the plan has for it."""

    what: str
    value: FactValue


class LeftOut(msgspec.Struct, frozen=True):
    """Why there is no line, with the facts that say so."""

    reason: str
    facts: tuple[Fact, ...] = ()


class Held(msgspec.Struct, frozen=True):
    """Why a line is held, though its amount is not known; ``what`` its amount would be made from."""

    reason: str
    what: str = "what it is a percentage of"
