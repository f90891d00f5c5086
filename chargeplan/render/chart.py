"""Columns of money as SVG, drawn here so that the report needs no script for them.

Each chart has a scale of its own: rent is a hundred times a pet fee, and on one scale nothing but rent could be seen. The
figures stand in a table beside the charts; the chart's description says them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from markupsafe import Markup

from chargeplan.core.money import format_money, round_ratio
from chargeplan.render.escape import terminal

_WIDTH: Final = 220
_HEIGHT: Final = 78
_LABELS: Final = 16
_GAP: Final = 6
_WIDEST: Final = 34
# A column of a few cents beside one of thousands of dollars is still to be seen.
_LOWEST: Final = 1


class Column(msgspec.Struct, frozen=True):
    """One column: the label below it, what it is called in full, and its parts in cents with the class each is drawn in."""

    label: str
    name: str
    parts: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """The cents of all parts."""
        return sum(cents for _, cents in self.parts)


def columns_svg(name: str, title: str, columns: Sequence[Column]) -> Markup:
    """The chart; ``name`` is unique on the page. Credits hang below the line."""
    bottom, top = _span(columns)
    said = "; ".join(f"{each.name} {format_money(each.total)}" for each in columns)
    head = Markup(
        '<svg class="chart" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' aria-labelledby="{name}-title {name}-desc">'
        '<title id="{name}-title">{title}</title><desc id="{name}-desc">{said}.</desc>'
    ).format(width=_WIDTH, height=_HEIGHT + _LABELS, name=name, title=terminal(title), said=terminal(said))
    step = _WIDTH // len(columns)
    width = min(_WIDEST, step - _GAP)
    drawn = [
        _column(each, index * step + (step - width) // 2, width, bottom, top)
        for index, each in enumerate(columns)
    ]
    zero = _down(0, bottom, top)
    line = Markup('<line class="axis" x1="0" x2="{}" y1="{}" y2="{}"/>').format(_WIDTH, zero, zero)
    return head + Markup("").join(drawn) + line + Markup("</svg>")


def _span(columns: Sequence[Column]) -> tuple[int, int]:
    """The lowest and the highest cents that are drawn; zero is always among them."""
    lows = [sum(min(0, cents) for _, cents in each.parts) for each in columns]
    highs = [sum(max(0, cents) for _, cents in each.parts) for each in columns]
    bottom, top = min(0, *lows), max(0, *highs)
    return (bottom, top) if top > bottom else (0, 1)


def _down(cents: int, bottom: int, top: int) -> int:
    """How many pixels below the chart's upper edge the amount lies."""
    return round_ratio((top - cents) * (_HEIGHT - 2), top - bottom) + 1


def _column(column: Column, left: int, width: int, bottom: int, top: int) -> Markup:
    """The parts on each other, credits downwards from the line."""
    drawn = Markup()
    above = below = 0
    for kind, cents in column.parts:
        start = above if cents >= 0 else below
        high, low = max(start, start + cents), min(start, start + cents)
        y, end = _down(high, bottom, top), _down(low, bottom, top)
        if cents:
            drawn += Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
                kind, left, y, width, max(_LOWEST, end - y)
            )
        above, below = (start + cents, below) if cents >= 0 else (above, start + cents)
    middle = left + width // 2
    return drawn + Markup('<text x="{}" y="{}">{}</text>').format(
        middle, _HEIGHT + _LABELS - 4, terminal(column.label)
    )
