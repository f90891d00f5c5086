"""Terms in words: how an amount arose, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

import msgspec

from chargeplan.core.amounts import Fixed, Percent, PercentOfCharges
from chargeplan.core.facts import LateCharge
from chargeplan.core.money import format_money, round_half_away
from chargeplan.core.plan import Change, FeeRule, PercentOfOpen
from chargeplan.core.terms import (
    AdjustedBase,
    Adjustment,
    Amount,
    Applied,
    Base,
    Difference,
    Exact,
    Fee,
    Installment,
    Literal,
    Missing,
    Part,
    PartOfUnit,
    PercentOfBilled,
    PercentOfCharge,
    PercentOfRead,
    Prorated,
    Rated,
    Read,
    Reading,
    Rest,
    Share,
    Source,
    StubRest,
    Term,
    Tiered,
    Weight,
    Whole,
)
from chargeplan.render.facts import late_words, span

_TIMES: Final = "\u00d7"
_HUNDREDTH: Final = Fraction(1, 100)
_DECIMALS: Final = 4


class Step(msgspec.Struct, frozen=True):
    """One row of a line's arithmetic: what was done, the exact cents (``31/3``) and, where rounded, whole ones."""

    what: str
    exact: str = ""
    cents: int | None = None


def steps_of(term: Term | Difference) -> tuple[Step, ...]:
    """The rows of a term; the last has its cents."""
    return tuple(_steps(term))


def _steps(term: Term | Difference) -> Iterator[Step]:  # noqa: C901 - a row for each kind of term
    match term:
        case Whole():
            yield from _amount(term.amount)
            what = (
                "the move-in period whole (stub: second)"
                if term.move_in
                else "a part of the period, not prorated"
                if term.part
                else "the whole period"
            )
            yield Step(what, str(term.amount.exact), term.cents)
        case Prorated():
            yield from _amount(term.amount)
            yield Step(
                f"{_TIMES} {_counted(term)} ({span(term.days)}, {term.method})", str(term.exact), term.cents
            )
        case PartOfUnit():
            yield from _steps(term.of)
            what = f"the unit's, for {term.days} of the {term.together} days of its {term.homes} households"
            yield _whole(what, term.cents)
        case Rest():
            yield from _steps(term.whole)
            yield _whole(f"less the lines before, {format_money(term.others)}", term.cents)
        case StubRest():
            yield from _stub_rest(term)
        case PercentOfCharge():
            *before, last = _base(term.base)
            yield from before
            yield Step(last.what, last.exact, term.cents)
        case Share():
            yield from _share(term)
        case Fee():
            yield from _fee(term)
        case Part():
            yield from _part(term)
        case Missing():
            yield from _missing(term)
        case Difference():
            yield from _difference(term)


def _counted(term: Prorated) -> str:
    if term.method == "annual":
        return f"{term.days.count}{_TIMES}12/365"
    return f"{term.counted}/{term.divisor}"


def _whole(what: str, cents: int) -> Step:
    return Step(what, str(cents), cents)


def _exact(what: str, exact: Exact | None) -> Step:
    """A row that is not rounded; cents only where it has whole ones."""
    if exact is None:
        return Step(f"{what}: not known")
    return Step(what, str(exact), int(exact) if Fraction(exact).denominator == 1 else None)


# --- the amount of a whole period -------------------------------------------------------------------------------------


def _amount(amount: Amount) -> Iterator[Step]:
    """The base, then each change in force."""
    yield from _base(amount.base)
    for change in amount.changes:
        yield Step(_applied(change), str(change.exact), change.after)


def _applied(applied: Applied) -> str:
    change = _change(applied.change)
    if applied.step is None:
        return f"`after_lease_end`, {change} from {applied.day}"
    return f"step {applied.step} of `steps`, {change} from {applied.day}"


def _base(base: Base) -> Iterator[Step]:  # noqa: C901 - a row for each kind of amount
    match base:
        case Literal(exact=exact):
            yield _exact("the plan's amount", exact)
        case Read():
            yield _exact(_source(base.source), base.exact)
        case PercentOfRead():
            yield from _base(base.of)
            yield _exact(f"{_TIMES} {number(base.percent)} %", base.exact)
        case Rated():
            rate = "a rate that is not known" if base.rate is None else _rate(base.rate)
            read = "" if base.read is None else f" ({_source(base.read)})"
            yield _exact(f"{rate}{read} {_TIMES} {_reading(base.reading)}", base.exact)
        case Tiered():
            yield from _tiers(base)
        case Installment():
            total = "a total that is not known" if base.total is None else format_money(base.total)
            yield _exact(
                f"part {base.number + 1} of {base.over or 'an unknown number'} of {total}", base.exact
            )
        case PercentOfBilled():
            for one in base.of:
                yield _whole(f"what `{one.charge}` bills for the period", one.billed)
                if one.counts != one.billed:
                    yield _exact("of it for the days that both bill", one.counts)
            yield _exact(f"{_TIMES} {number(base.percent)} %", base.exact)
        case AdjustedBase():
            yield from _base(base.of)
            yield from map(_adjustment, base.steps)


def _tiers(base: Tiered) -> Iterator[Step]:
    """The measure, then each part of it at its rate."""
    yield Step(_reading(base.reading))
    for part in base.parts:
        edge = f"above {number(part.above)}" if part.through is None else f"through {number(part.through)}"
        yield _exact(f"{edge}: {_rate(part.rate)} {_TIMES} {number(part.measure)}", part.rate * part.measure)
    if base.beyond:
        yield _exact(f"{number(base.beyond)} above the last tier", None)
    else:
        yield _exact("all tiers", base.exact)


def _reading(reading: Reading) -> str:
    """A measure with its source, or a meter's two readings."""
    if reading.less is None:
        count = "not known" if reading.value is None else number(reading.value)
        return f"{count} ({_source(reading.source)})"
    count = "not known" if reading.measure is None else number(reading.measure)
    return f"{count} ({_reading(Reading(reading.source, reading.value))} less {_reading(reading.less)})"


def _adjustment(step: Adjustment) -> Step:
    by = step.by
    money = "" if by is None or by.exact is None else format_money(by.exact)
    source = f" ({_source(by.source)})" if isinstance(by, Read) else ""
    match step.kind:
        case "divided_by":
            what = f"divided by {number(step.divisor)}"
        case "plus":
            what = f"plus {money}{source}"
        case "at_least":
            what = f"at least {money}{source}"
        case _:
            what = f"at most {money}{source}"
    return _exact(what, step.exact)


def _source(source: Source) -> str:
    """A path with the place that its value comes from."""
    match source.path.root:
        case "lease":
            return f"{source.path} of the lease {source.record}"
        case "unit":
            return f"{source.path} of {source.record}"
        case "roster":
            return f"{source.path}, {source.file}" + ("" if source.line is None else f":{source.line}")
        case "table":
            return f"{source.path}, {source.file}:{' no row' if source.line is None else source.line}"
        case _:
            return str(source.path)


def _rate(cents: Fraction) -> str:
    """A rate in dollars: cents, and more decimals where there are."""
    return format_money(int(cents)) if cents.denominator == 1 else f"${number(cents * _HUNDREDTH)}"


def _change(change: Change) -> str:
    sign = "+" if change.value >= 0 else ""
    match change.kind:
        case "percent":
            return f"{sign}{number(change.value)} %"
        case "flat":
            return f"{sign}{format_money(int(change.value))}"
        case _:
            return f"set to {format_money(int(change.value))}"


# --- what a line costs ------------------------------------------------------------------------------------------------


def _stub_rest(term: StubRest) -> Iterator[Step]:
    both = term.first + term.second
    yield _exact(f"{span(term.first_days)} by the method", term.first)
    yield _exact(f"{span(term.days)} by the method", term.second)
    yield Step("both periods", str(both), round_half_away(both))
    yield _whole(f"less the move-in period, {format_money(term.billed)} (stub: second)", term.cents)


def _share(term: Share) -> Iterator[Step]:
    """The bill, what is shared, the unit's share, and the household's part of it."""
    yield _whole("the bill", term.bill)
    yield _whole(f"less common area, {format_money(term.common_area)}", term.bill - term.common_area)
    yield from map(_weight, term.weights)
    yield _whole(f"the share of unit {term.unit_number}, by largest remainder", term.share)
    by = term.by_days
    if term.cents != term.share:
        how = (
            f"{by.days} of the {by.of} days billed"
            if by.method == "none"
            else f"{by.days}/{by.of}, {by.method}"
        )
        yield _whole(f"the household's part, {how}", term.cents)


def _weight(weight: Weight) -> Step:
    counts = "" if weight.factor is None else f", which counts {number(weight.factor)}"
    return Step(f"weight {number(weight.percent)} %: {weight.path} is {number(weight.measure)}{counts}")


def _fee(term: Fee) -> Iterator[Step]:
    late = LateCharge(term.charge_id, term.charged, term.due, term.open_amount, term.as_of)
    yield Step(late_words(late))
    yield Step(f"{term.grace_days} days of grace; this is day {term.number + 1} after them")
    of = f" ({format_money(term.open_that_day)})" if isinstance(term.rule, PercentOfOpen) else ""
    yield _whole(f"rule {_rule(term.rule)}{of}", term.price)
    if term.price != term.cents:
        of = f"{term.cap.rule} of {', '.join(map(_rule, term.cap.amounts))}" if term.cap else ""
        yield _whole(f"what is left to the cap ({of})", term.cents)


def _rule(rule: FeeRule) -> str:
    match rule:
        case Fixed(cents=cents):
            return format_money(cents)
        case PercentOfOpen(percent=percent):
            return f"{number(percent)} % of what was open that day"
        case PercentOfCharges(percent=percent):
            return f"{number(percent)} % of the late charge"
        case Percent(percent=percent, of=of):
            return f"{number(percent)} % of {of}"


def _part(term: Part) -> Iterator[Step]:
    yield from _steps(term.of)
    exact = term.weight * (term.of.cents or 0)
    what = f"{_TIMES} {term.weight}, resident {term.place} of {term.count}, by largest remainder"
    yield Step(what, str(exact), term.cents)


def _missing(term: Missing) -> Iterator[Step]:
    if term.amount is not None:
        yield from _amount(term.amount)
    else:
        yield _exact(term.what, None)


def _difference(term: Difference) -> Iterator[Step]:
    """What is due in all, less what was posted."""
    for each in term.due:
        yield from _steps(each)
    due = sum(each.cents or 0 for each in term.due)
    yield _whole("due for the period", due)
    for reference, cents in term.posted:
        yield _whole(f"less posted as {reference}", -cents)
    rest = due - sum(cents for _, cents in term.posted)
    yield _whole("difference", rest)
    if term.cents != rest:
        what = "at the price at which it was posted: before the window only days are corrected"
        yield _whole(what, term.cents)


def number(value: Fraction | int) -> str:
    """A number as a person writes it; a fraction only where decimals do not end."""
    exact = Fraction(value)
    if exact.denominator == 1:
        return str(exact.numerator)
    millionths = exact * 1_000_000
    if millionths.denominator != 1:
        return str(exact)
    whole, rest = divmod(abs(millionths.numerator), 1_000_000)
    return f"{'-' if exact < 0 else ''}{whole}.{rest:06d}".rstrip("0")


def all_steps(terms: Sequence[Term | Difference]) -> tuple[Step, ...]:
    """The rows of several terms, one after another."""
    return tuple(step for term in terms for step in _steps(term))


def exact_text(step: Step) -> str:
    """Dollars with as many decimals as there are, else a few and a sign that there are more."""
    if not step.exact:
        return ""
    cents = Fraction(step.exact)
    scaled = abs(cents) * 10 ** (_DECIMALS - 2)
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    dollars, decimals = divmod(whole, 10**_DECIMALS)
    shown = f"{decimals:0{_DECIMALS}d}"
    if not rest:
        shown = shown[:2] + shown[2:].rstrip("0")
    return f"{'-' if cents < 0 else ''}${dollars:,}.{shown}{'…' if rest else ''}"
