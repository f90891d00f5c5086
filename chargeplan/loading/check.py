"""Reading nodes as what a key takes, with every mistake said in words and told once.

A *reader* turns a node into a value, or reports and returns None. `Fields` is a mapping's door: which keys it knows,
which it needs. The JSON Schemas say the same to editors; a test holds the two together, because an error
message composed from a schema says “is not valid under any of the given schemas”.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Protocol, TypeVar

from chargeplan.core.suggest import closest, did_you_mean
from chargeplan.loading.node import Entry, Items, Mapping, Node, Problems, Scalar, describe

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from chargeplan.core.diagnostic import Place

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
_DATE_LIKE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")


class Spot:
    """A node under its name: what a reader needs to say what is wrong.

    ``label`` is how a sentence calls it (```amount```); ``key`` is where to point when the value is missing.
    """

    __slots__ = ("key", "label", "node", "problems")

    def __init__(self, node: Node, label: str, problems: Problems, key: Place | None = None) -> None:
        self.node = node
        self.label = label
        self.problems = problems
        self.key = key or node.place

    def wrong(self, takes: str, detail: str = "") -> None:
        """Report that the value is not what the key takes: ``a number from 1 to 31 or `last```."""
        if isinstance(self.node, Scalar) and self.node.kind == "null":
            self.problems.error(
                self.key,
                _sentence(f"{self.label} has no value; it takes {takes}."),
                detail or "Write the value, or delete the key.",
            )
            return
        summary = f"{self.label} takes {takes}, not {describe(self.node)}."
        self.problems.error(self.node.place, _sentence(summary), detail)

    def error(self, summary: str, detail: str = "") -> None:
        """Report a problem of the value, in its own words."""
        self.problems.error(self.node.place, _sentence(summary), detail)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


class Reader(Protocol[T_co]):
    """Turns a node into a value, or reports and returns None."""

    def __call__(self, spot: Spot, /) -> T_co | None:
        """The value, or None after reporting."""


class Fields:
    """The keys of one mapping, each read at most once; keys nobody knows are errors at once."""

    def __init__(self, spot: Spot, mapping: Mapping, known: Iterable[str]) -> None:
        self.spot = spot
        self.mapping = mapping
        self.problems = spot.problems
        self.misspelt: set[str] = set()
        self._refuse_unknown(list(known))

    @classmethod
    def open(cls, spot: Spot, known: Iterable[str], takes: str = "a mapping") -> Fields | None:
        """The fields of ``spot``, or None, and an error, where it is no mapping."""
        if isinstance(spot.node, Mapping):
            return cls(spot, spot.node, known)
        spot.wrong(takes)
        return None

    def _refuse_unknown(self, known: list[str]) -> None:
        for entry in self.mapping.entries:
            name = entry.key.raw
            if name not in known:
                self.misspelt.update(filter(None, [closest(name, known)]))
                self.problems.error(
                    entry.key.place, f"`{name}` is not a key of {self.spot.label}.", _advise(name, known)
                )

    def has(self, name: str) -> bool:
        """Whether the key is written, with a value or without."""
        return self.mapping.get(name) is not None

    def at(self, name: str) -> Spot | None:
        """The value of a key, or None where the key is not written."""
        entry = self.mapping.get(name)
        return None if entry is None else entry_spot(entry, self.problems)

    def optional(self, name: str, reader: Reader[T], default: U) -> T | U:
        """The key's value; ``default`` where it is not written, or was written wrong and reported."""
        spot = self.at(name)
        value = None if spot is None else reader(spot)
        return default if value is None else value

    def required(self, name: str, reader: Reader[T]) -> T | None:
        """The key's value; None, and an error, where it is missing."""
        spot = self.at(name)
        if spot is not None:
            return reader(spot)
        self.missing(name)
        return None

    def missing(self, name: str, detail: str = "") -> None:
        """Report a key that has to be there, at the key of the mapping that lacks it.

        Where it seems to be there under a misspelt name, that was reported.
        """
        if name in self.misspelt:
            return
        self.problems.error(self.spot.key, _sentence(f"{self.spot.label} needs the key `{name}`."), detail)

    def value_place(self, name: str) -> Place:
        """Where the key's value stands; the mapping itself where it is not written."""
        entry = self.mapping.get(name)
        return self.spot.key if entry is None else entry.value.place

    def key_place(self, name: str) -> Place:
        """Where the key stands; the mapping itself where it is not written."""
        entry = self.mapping.get(name)
        return self.spot.key if entry is None else entry.key.place


def entry_spot(entry: Entry, problems: Problems) -> Spot:
    """The value of a mapping's entry, called by its key."""
    return Spot(entry.value, f"`{entry.key.raw}`", problems, entry.key.place)


def _advise(name: str, known: list[str]) -> str:
    if re.fullmatch(r"\d{3}(\.\d\d)?", name):
        return f'A comma separates keys inside braces; put the amount in quotes: "1,{name}".'
    return did_you_mean(name, known)


def text(spot: Spot) -> str | None:
    """Text; a bare number, date or true is the text that was written."""
    node = spot.node
    if not isinstance(node, Scalar) or node.kind == "null":
        spot.wrong("text")
        return None
    if not node.raw.strip():
        spot.error(f"{spot.label} is empty.", "Write the text, or delete the key.")
        return None
    return node.raw


def slug(spot: Spot) -> str | None:
    """A slug: small letters, digits and hyphens, forty at most."""
    value = text(spot)
    if value is None or SLUG.fullmatch(value):
        return value
    spot.wrong("a slug: small letters, digits and hyphens, 40 at most", _slug_advice(value))
    return None


def _slug_advice(value: str) -> str:
    proposal = re.sub(r"[^a-z0-9]+", "-", value.casefold()).strip("-")[:40]
    return f"Write it as `{proposal}`." if proposal else ""


def boolean(spot: Spot) -> bool | None:
    """``true`` or ``false``; ``yes`` and ``on`` are text here, so they are refused with the right word."""
    node = spot.node
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    raw = node.raw.casefold() if isinstance(node, Scalar) else ""
    meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(raw)
    spot.wrong("`true` or `false`", f"Write `{meant}`." if meant else "")
    return None


def integer(low: int, high: int, takes: str | None = None) -> Reader[int]:
    """A reader of whole numbers from ``low`` to ``high``; ``takes`` says it in other words."""
    words = takes or f"a whole number from {low} to {high}"

    def read(spot: Spot) -> int | None:
        node = spot.node
        is_int = isinstance(node, Scalar) and node.kind == "int" and isinstance(node.value, int)
        if is_int and low <= int(node.raw) <= high:  # type: ignore[union-attr]
            return int(node.raw)  # type: ignore[union-attr]
        spot.wrong(words)
        return None

    return read


def number(spot: Spot, takes: str) -> Decimal | int | None:
    """An exact number, whole or decimal, quoted or not; what it takes is said by ``takes``."""
    from decimal import Decimal  # noqa: PLC0415

    node = spot.node
    if isinstance(node, Scalar):
        if isinstance(node.value, (int, Decimal)) and not isinstance(node.value, bool):
            return node.value
        if node.quoted and re.fullmatch(r"[-+]?\d{1,20}(\.\d{1,20})?", node.raw, re.ASCII):
            return Decimal(node.raw)
    spot.wrong(takes)
    return None


def date(spot: Spot) -> dt.date | None:
    """A calendar date, ISO only."""
    node = spot.node
    if isinstance(node, Scalar):
        if isinstance(node.value, dt.date):
            return node.value
        if node.quoted and re.fullmatch(r"\d{4}-\d\d-\d\d", node.raw, re.ASCII):
            try:
                return dt.date.fromisoformat(node.raw)
            except ValueError:
                pass
    spot.wrong("a date", date_advice(node))
    return None


def date_advice(node: Node) -> str:
    """What to write instead of something that looks like a date and is none."""
    raw = node.raw if isinstance(node, Scalar) else ""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", raw, re.ASCII):
        return "The calendar has no such day."
    if _DATE_LIKE.match(raw):
        return "Write dates as year-month-day, with two digits each: 2027-01-05."
    return "Dates are written like 2027-01-05."


def choice(*options: str) -> Reader[str]:
    """A reader of one word of a few."""
    words = " or ".join(
        filter(None, [", ".join(f"`{option}`" for option in options[:-1]), f"`{options[-1]}`"])
    )

    def read(spot: Spot) -> str | None:
        node = spot.node
        if isinstance(node, Scalar) and node.raw in options:
            return node.raw
        raw = node.raw if isinstance(node, Scalar) else ""
        advice = did_you_mean(raw, options) if raw else ""
        spot.wrong(words, advice if advice.startswith("Did") else "")
        return None

    return read


def list_of(reader: Reader[T], takes: str, *, empty: bool = False) -> Reader[tuple[T, ...]]:
    """A reader of lists; each item is read by ``reader``, and the good ones come back though others were bad."""

    def read(spot: Spot) -> tuple[T, ...] | None:
        if not isinstance(spot.node, Items):
            hint = (
                f"Write it in brackets: [{spot.node.raw}]."
                if isinstance(spot.node, Scalar) and spot.node.raw
                else ""
            )
            spot.wrong(takes, hint)
            return None
        if not spot.node.items and not empty:
            spot.error(f"{spot.label} is an empty list.", f"It takes {takes}.")
            return None
        values = [reader(item_spot(item, spot)) for item in spot.node.items]
        return tuple(value for value in values if value is not None)

    return read


def item_spot(item: Node, of: Spot) -> Spot:
    """An item of a list, called an entry of it."""
    return Spot(item, f"an entry of {of.label}", of.problems)
