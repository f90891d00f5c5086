"""Money by charge code: what is coming beside what stood in the periods before."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chargeplan.core.change import ChangeSet, PeriodTotals
from chargeplan.core.dates import ONE_DAY, Days, add_months
from chargeplan.core.money import format_money, round_ratio
from chargeplan.render.screen import money_rows


class CodeMoney(msgspec.Struct, frozen=True):
    """Cents of one charge code, or of all of them: in each period before (oldest first), to post, and posted already."""

    code: str
    before: tuple[int, ...]
    lines: int
    to_post: int
    posted: int

    @property
    def coming(self) -> int:
        """What the window comes to."""
        return self.to_post + self.posted

    @property
    def last(self) -> int:
        """What the period just before came to."""
        return self.before[-1]

    @property
    def difference(self) -> int:
        """By how much more is coming than stood in the period just before."""
        return self.coming - self.last

    @property
    def percent(self) -> str:
        """The difference in percent of the period just before; empty where that came to nothing, or to a credit."""
        if self.last <= 0:
            return ""
        tenths = round_ratio(self.difference * 1000, self.last)
        whole, rest = divmod(abs(tenths), 10)
        sign = "+" if tenths > 0 else "-" if tenths < 0 else "±"
        return f"{sign}{whole:,}.{rest} %"

    @property
    def change(self) -> str:
        """The difference in a word, a percentage or, where that says nothing, in dollars."""
        if not self.last:
            return "new" if self.coming else "nothing"
        return self.percent or ("+" if self.difference > 0 else "") + format_money(self.difference)


def periods_before(change_set: ChangeSet) -> tuple[PeriodTotals, ...]:
    """The periods before, oldest first and at least one; leading ones in which nothing stood are left out.

    A plan file of an earlier version has the last one only.
    """
    found = change_set.before or (_only_previous(change_set),)
    while len(found) > 1 and not any(found[0].totals.values()):
        found = found[1:]
    return found


def _only_previous(change_set: ChangeSet) -> PeriodTotals:
    totals: dict[str, int] = {}
    for codes in change_set.previous.values():
        for code, previous in codes.items():
            totals[code] = totals.get(code, 0) + previous.amount
    first = change_set.window.first
    return PeriodTotals(Days(add_months(first, -1), first - ONE_DAY), totals)


def money_by_code(change_set: ChangeSet, periods: Sequence[PeriodTotals]) -> tuple[CodeMoney, ...]:
    """Every code with money in it, the one with the most first; equal ones by name."""
    found: dict[str, CodeMoney] = {}
    for _, code, lines, to_post, posted, _ in money_rows(change_set):
        known = found.get(code) or CodeMoney(code, tuple(p.totals.get(code, 0) for p in periods), 0, 0, 0)
        found[code] = msgspec.structs.replace(
            known,
            lines=known.lines + lines,
            to_post=known.to_post + to_post,
            posted=known.posted + posted,
        )
    return tuple(
        sorted(found.values(), key=lambda each: (-max(map(abs, (each.coming, *each.before))), each.code))
    )


def total_of_codes(codes: Sequence[CodeMoney], periods: Sequence[PeriodTotals]) -> CodeMoney:
    """All codes in one."""
    return CodeMoney(
        "All charges",
        tuple(sum(each.before[index] for each in codes) for index in range(len(periods))),
        sum(each.lines for each in codes),
        sum(each.to_post for each in codes),
        sum(each.posted for each in codes),
    )
