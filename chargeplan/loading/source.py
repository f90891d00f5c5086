"""YAML as people mean it, read into nodes with places (plan-language.md, *Reading the file*).

PyYAML tokenises and parses; composing and resolving are ours, because YAML 1.1 reads ``on`` as true, ``12:30`` as
750, ``010`` as 8 and 35.10 as a binary float. Nothing a user can write raises: every fault is a diagnostic.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from chargeplan.core.diagnostic import Place
from chargeplan.loading.node import Entry, Items, Mapping, Node, Problems, Scalar
from chargeplan.loading.scalar import resolve_plain
from chargeplan.loading.syntax import explain_syntax_error

MAX_BYTES = 8_000_000
"""A plan is written by people; a file beyond this is a mistake, and parsing it would take minutes."""
MAX_DEPTH = 40
"""The language itself nests nine deep."""
MAX_LINES = 2_000_000
"""Lines of one file, so that a file of line breaks alone fills no memory."""
MAX_VALUES = 500_000
"""Values of one file: a portfolio's own exceptions are some ten thousand."""
MAX_ALIASED = 50_000
"""Nodes that aliases may repeat in one file: room for any honest use, no room for a billion laughs."""

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNREADABLE = re.compile(
    "[^\t\n\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_ODD_INDENT = re.compile("^ *([\u00a0\u2000-\u200b\u3000])", re.MULTILINE)
_TAB = re.compile(r"^([^\t\n]*)\t", re.MULTILINE)
_COMMENT = re.compile(r"(^|\s)#")
_BOMS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_PLAIN_TAGS = {
    "map": "tag:yaml.org,2002:map",
    "seq": "tag:yaml.org,2002:seq",
    "str": "tag:yaml.org,2002:str",
}


def read_bytes(data: bytes, name: str, problems: Problems) -> Mapping | None:
    """Read a YAML file's bytes; ``name`` is the file's in messages. None where there is nothing to go on with.

    Faults go to ``problems``. A tree may come back together with errors (two equal keys, say), so that the
    rest of the file is checked in the same run.
    """
    text = decode(data, name, problems)
    if text is None or not _legible(text, name, problems):
        return None
    return _Composer(text, name, problems, _PARSER).document()


def decode(data: bytes, name: str, problems: Problems, *, limit: int = MAX_BYTES) -> str | None:
    """UTF-8 text with newlines as line breaks and without a byte order mark; None, and an error, where it is not.

    ``limit`` is in bytes.
    """
    if len(data) > limit:
        size = f"{len(data) / 1_000_000:.0f} MB"
        problems.error(
            Place(name, 1),
            f"The file has {size}; the limit is {limit // 1_000_000} MB.",
            "Split it into several files.",
        )
        return None
    if data.count(b"\n") + data.count(b"\r") > 2 * MAX_LINES:
        problems.error(
            Place(name, 1), f"The file has more than {MAX_LINES:,} lines.", "Split it into several files."
        )
        return None
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            problems.error(Place(name, 1), f"The file is {encoding}, not UTF-8.", "Save it as UTF-8.")
            return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as fault:
        _report_bad_byte(data, fault.start, name, problems)
        return None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    problems.register(name, tuple(text.split("\n")))
    return text


def _report_bad_byte(data: bytes, at: int, name: str, problems: Problems) -> None:
    readable = (
        data.removeprefix(b"\xef\xbb\xbf")
        .decode("utf-8", "replace")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
    )
    problems.register(name, tuple(readable.split("\n")))
    before = data[:at].decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    problems.error(
        _place_at(before, len(before), name),
        f"The byte 0x{data[at]:02X} is not UTF-8.",
        "Save the file as UTF-8; it was probably saved as Windows-1252.",
    )


def _place_at(text: str, index: int, name: str) -> Place:
    start = text.rfind("\n", 0, index) + 1
    return Place(name, text.count("\n", 0, index) + 1, index - start + 1)


def _legible(text: str, name: str, problems: Problems) -> bool:
    """Refuse what YAML or an eye would stumble over before parsing: control characters, odd blanks, tabs."""
    if unreadable := _UNREADABLE.search(text):
        character = f"U+{ord(unreadable.group()):04X}"
        place = _place_at(text, unreadable.start(), name)
        problems.error(
            place,
            f"The character {character} cannot stand in this file.",
            "Delete it; it is invisible in most editors.",
        )
        return False
    if odd := _ODD_INDENT.search(text):
        place = _place_at(text, odd.start(1), name)
        problems.error(
            place,
            f"The indentation has the character U+{ord(odd.group(1)):04X}, which looks like a blank.",
            "Replace it by ordinary blanks.",
        )
        return False
    tabs = [found for found in _TAB.finditer(text) if not _COMMENT.search(found.group(1))]
    if tabs:
        more = (
            f" {len(tabs) - 1} more lines have one."
            if len(tabs) > 2
            else " Another line has one."
            if len(tabs) == 2
            else ""
        )
        problems.error(
            _place_at(text, tabs[0].end() - 1, name),
            "There is a tab in this line.",
            f"Indent and align with blanks.{more}",
        )
        return False
    return True


class _Composer:
    """Events in, nodes out; one pass, with the limits checked as it goes."""

    def __init__(self, text: str, name: str, problems: Problems, parser: Any) -> None:
        self.events: Any = parser(text)
        self.name = name
        self.problems = problems
        self.anchors: dict[str, Node | None] = {}
        self.sizes: dict[int, int] = {}
        self.aliased = self.values = 0

    def document(self) -> Mapping | None:
        """The one document's root mapping."""
        try:
            return self._document()
        except yaml.MarkedYAMLError as fault:
            explain_syntax_error(fault, self.name, self.problems)
        except yaml.YAMLError as fault:
            self.problems.error(Place(self.name, 1), f"The file is not YAML: {fault}.")
        except _GiveUpError:
            pass
        finally:
            self.events.dispose()
        return None

    def _document(self) -> Mapping | None:
        self.events.get_event()
        if self.events.check_event(yaml.StreamEndEvent):
            raise self._give_up(
                Place(self.name, 1), "The file is empty.", "Write a mapping that begins with `version: 1`."
            )
        self.events.get_event()
        root = self._node(0)
        self.events.get_event()
        if not self.events.check_event(yaml.StreamEndEvent):
            place = self._place(self.events.peek_event())
            raise self._give_up(
                place,
                "A second document begins here.",
                "One file holds one document: move the rest to a file of its own.",
            )
        match root:
            case Mapping():
                return root
            case Scalar(kind="null"):
                raise self._give_up(
                    Place(self.name, 1),
                    "The file is empty.",
                    "Write a mapping that begins with `version: 1`.",
                )
            case _:
                raise self._give_up(root.place, "The file is not a mapping.", "Begin it with `version: 1`.")

    def _give_up(self, place: Place, summary: str, detail: str) -> _GiveUpError:
        self.problems.error(place, summary, detail)
        return _GiveUpError()

    def _place(self, event: Any) -> Place:
        return Place(self.name, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, depth: int) -> Node:
        event = self.events.get_event()
        place = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, place)
        self.values += 1
        if self.values > MAX_VALUES:
            raise self._give_up(
                place, f"The file has more than {MAX_VALUES:,} values.", "Split it into several files."
            )
        if depth > MAX_DEPTH:
            raise self._give_up(
                place, f"This nests more than {MAX_DEPTH} deep.", "Nothing in the language nests that far."
            )
        if event.anchor is not None:
            self._open_anchor(event.anchor, place)
        node = self._content(event, place, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _content(self, event: Any, place: Place, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            node: Node = self._scalar(event, place)
            self.sizes[id(node)] = 1
            return node
        self._check_tag(event.tag, place)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(place, depth)
        return self._mapping(place, depth)

    def _open_anchor(self, anchor: str, place: Place) -> None:
        if anchor in self.anchors:
            self.problems.error(
                place, f"The anchor `&{anchor}` is used twice.", "Give each anchor a name of its own."
            )
        self.anchors[anchor] = None

    def _alias(self, anchor: str | None, place: Place) -> Node:
        if anchor is None or anchor not in self.anchors:
            raise self._give_up(
                place,
                f"`*{anchor}` is a YAML alias, and nothing above is named `&{anchor}`.",
                f'If it is meant as text, as in a pattern, put it in quotes: "*{anchor}".',
            )
        node = self.anchors[anchor]
        if node is None:
            raise self._give_up(
                place, f"The alias `*{anchor}` contains itself.", "Write the inner value out."
            )
        self.aliased += self.sizes[id(node)]
        if self.aliased > MAX_ALIASED:
            raise self._give_up(
                place,
                f"Aliases expand this file by more than {MAX_ALIASED:,} values.",
                "Write the values out, or use `defaults`.",
            )
        return node

    def _check_tag(self, tag: str | None, place: Place) -> None:
        if tag is not None and tag != "!" and tag not in _PLAIN_TAGS.values():
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.error(
                place, f"The YAML tag `{shown}` is not allowed.", "Write the value without a tag."
            )

    def _scalar(self, event: Any, place: Place) -> Scalar:
        self._check_tag(event.tag, place)
        if event.style not in (None, "") or event.tag is not None:
            return Scalar("text", event.value, event.value, place, quoted=True)
        kind, value = resolve_plain(event.value)
        return Scalar(kind, value, event.value, place)

    def _sequence(self, place: Place, depth: int) -> Items:
        items = []
        while not self.events.check_event(yaml.SequenceEndEvent):
            items.append(self._node(depth + 1))
        self.events.get_event()
        node = Items(tuple(items), place)
        self._measure(node, items)
        return node

    def _mapping(self, place: Place, depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        while not self.events.check_event(yaml.MappingEndEvent):
            self._entry(entries, depth)
        self.events.get_event()
        node = Mapping(tuple(entries.values()), place)
        self._measure(node, [entry.value for entry in node.entries])
        return node

    def _measure(self, node: Node, children: list[Node]) -> None:
        self.sizes[id(node)] = 1 + sum(self.sizes[id(child)] for child in children)

    def _entry(self, entries: dict[str, Entry], depth: int) -> None:
        key = self._node(depth + 1)
        if not isinstance(key, Scalar):
            raise self._compound_key(key)
        value = self._settled(self._node(depth + 1), key)
        if key.kind == "null":
            self.problems.error(
                key.place, "There is a colon without a key before it.", "Write the key, or quote the text."
            )
        elif key.raw == "<<" and not key.quoted:
            self.problems.error(
                key.place,
                "Merge keys (`<<`) are not part of the language.",
                "Use `defaults`, or write the keys out.",
            )
        elif (first := entries.get(key.raw)) is not None:
            self.problems.error(
                key.place,
                f"The key `{key.raw}` is here twice: first on line {first.key.place.line}.",
                "Delete or rename one of them.",
            )
        else:
            entries[key.raw] = Entry(key, value)

    def _settled(self, value: Node, key: Scalar) -> Node:
        """An empty value stands at its key: the parsers do not agree on where nothing is."""
        if isinstance(value, Scalar) and value.kind == "null" and not value.raw:
            value = Scalar("null", None, "", key.place)
            self.sizes[id(value)] = 1
        return value

    def _compound_key(self, key: Mapping | Items) -> _GiveUpError:
        braces = self.problems.excerpt(key.place).rfind("{{", 0, key.place.column + 1)
        if braces < 0:
            return self._give_up(
                key.place, "A key must be a word, not a list or a mapping.", "Put it in quotes if it is text."
            )
        place = Place(key.place.file, key.place.line, braces + 1)
        return self._give_up(
            place,
            "A text that begins with `{{` is read as a mapping.",
            'Put the whole text in quotes: "{{ … }}".',
        )


class _GiveUpError(Exception):
    """The fault is reported and nothing after it can be trusted; stays inside this module."""
