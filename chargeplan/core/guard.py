"""Guards: limits that stop a plan before it is posted (interface.md, *Guards*).

Counted on creates and corrections, in absolute value. A guard that refuses says the number, the limit and the way to go on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

import msgspec

from chargeplan.core import approval
from chargeplan.core.change import POSTED_BY_APPLY, Change, GuardResult, Previous
from chargeplan.core.config import Approvals, Guards
from chargeplan.core.dates import Days
from chargeplan.core.line import Skip
from chargeplan.core.money import format_money, parse_money

MONEY_GUARDS = frozenset({"max_total", "max_charge", "max_per_resident"})
NUMBER_GUARDS = frozenset({"max_charges", "max_change", "max_missing", "min_coverage", "far_window"})
BARE_GUARDS = frozenset({"first_period", "everyone_vanished"})
NO_APPROVALS = Approvals()

# Reasons for which a household was not meant to yield a line at all.
_NOT_MEANT = frozenset(
    {
        "not_selected",
        "not_on_roster",
        "lease_pending",
        "never_moved_in",
        "no_billed_days",
        "not_in_window",
        "waived",
    }
)


class Allowed(msgspec.Struct, frozen=True):
    """A guard that a person overrides: up to ``value`` (cents, count or percent; ``None`` where it has none), and why."""

    guard: str
    value: int | None
    text: str
    reason: str


class PropertyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What guards need to know of a property beside its changes.

    ``previous`` is, by the names of the codes of its recurring charges, what stood on the ledgers in the period before and what
    will in this one, whoever put it there; ``before`` and ``now`` are the sums over all of the plans' codes, in cents.
    ``residents_gone`` where charges are known but nobody lives there any more. ``billed`` are the units and leases of
    lines that the plan counts without listing them, ``missed`` the leases of skips that it counts, with their reason.
    """

    name: str
    before: int
    now: int
    residents_gone: bool
    previous: dict[str, Previous] = msgspec.field(default_factory=dict)
    billed: frozenset[tuple[str, str]] = frozenset()
    missed: frozenset[tuple[str, str]] = frozenset()


def read_allowance(text: str, reason: str) -> Allowed:
    """Read ``--allow GUARD=VALUE``.

    Raises:
        ValueError: the guard is not known, or its value is missing, superfluous or can't be read.
    """
    guard, separator, value = text.partition("=")
    if guard in BARE_GUARDS:
        if separator:
            raise ValueError(f"`{guard}` has no value: write `--allow {guard}`")
        return Allowed(guard, None, text, reason)
    if guard in MONEY_GUARDS and separator:
        return Allowed(guard, parse_money(value), text, reason)
    if guard in NUMBER_GUARDS and separator and value.isdigit():
        return Allowed(guard, int(value), text, reason)
    known = ", ".join(sorted(MONEY_GUARDS | NUMBER_GUARDS | BARE_GUARDS))
    if guard in MONEY_GUARDS | NUMBER_GUARDS:
        raise ValueError(
            f"`{text}`: `{guard}` needs a value, as in `--allow {guard}={'650000.00' if guard in MONEY_GUARDS else '10'}`"
        )
    raise ValueError(f"`{guard}` is no guard; there are {known}")


def guard_plan(
    guards: Guards,
    changes: Sequence[Change],
    skips: Sequence[Skip],
    *,
    properties: Mapping[str, PropertyFacts],
    allowed: Iterable[Allowed] = (),
    approvals: Approvals = NO_APPROVALS,
    far: int = 0,
) -> tuple[GuardResult, ...]:
    """The guards that are passed or were overridden; a guard within its limit is not listed.

    ``far`` is how many days the plan's dates lie from the clock's. Approvals are listed where the plan needs some; they refuse nothing yet, for they are given to a plan that was made.
    """
    by_name = {each.guard: each for each in allowed}
    posting = [change for change in changes if change.action in POSTED_BY_APPLY]
    found = [
        *_count(guards, posting),
        *_total(guards, posting),
        *_charge(guards, posting),
        *_resident(guards, posting),
        *(_change(guards, posting, properties)),
        *_coverage(guards, changes, skips, properties),
        *_missing(guards, properties),
        *_far(guards, far),
        *_vanished(properties),
    ]
    needed = approval.needed(approvals, posting)
    return (*(_with_allowance(each, by_name) for each in found), *((needed,) if needed else ()))


def _with_allowance(result: GuardResult, allowed: Mapping[str, Allowed]) -> GuardResult:
    name = "first_period" if result.guard == "max_change" and result.value is None else result.guard
    allowance = allowed.get(name)
    if allowance is None:
        return result
    lower_is_worse = result.guard == "min_coverage"
    enough = (
        allowance.value is None
        or result.value is None
        or (result.value >= allowance.value if lower_is_worse else result.value <= allowance.value)
    )
    return msgspec.structs.replace(
        result, refused=not enough, allowed=allowance.text, reason=allowance.reason
    )


def _cents(change: Change) -> int:
    return abs(change.amount or 0)


def _count(guards: Guards, posting: Sequence[Change]) -> Iterator[GuardResult]:
    if guards.max_charges is not None and len(posting) > guards.max_charges:
        message = f"{len(posting):,} charges would be posted; the limit is {guards.max_charges:,}"
        yield GuardResult(
            guard="max_charges",
            refused=True,
            unit="count",
            value=len(posting),
            limit=guards.max_charges,
            subject="",
            message=message,
        )


def _total(guards: Guards, posting: Sequence[Change]) -> Iterator[GuardResult]:
    total = sum(_cents(change) for change in posting)
    if guards.max_total is not None and total > guards.max_total:
        message = f"{format_money(total)} would be posted; the limit is {format_money(guards.max_total)}"
        yield GuardResult(
            guard="max_total",
            refused=True,
            unit="cents",
            value=total,
            limit=guards.max_total,
            subject="",
            message=message,
        )


def _charge(guards: Guards, posting: Sequence[Change]) -> Iterator[GuardResult]:
    if guards.max_charge is None or not posting:
        return
    largest = max(posting, key=_cents)
    if _cents(largest) > guards.max_charge:
        message = (
            f"the largest charge is {format_money(_cents(largest))} ({largest.charge}, unit {largest.unit_number}); "
            f"the limit is {format_money(guards.max_charge)}"
        )
        yield GuardResult(
            guard="max_charge",
            refused=True,
            unit="cents",
            value=_cents(largest),
            limit=guards.max_charge,
            subject=largest.reference,
            message=message,
        )


def _resident(guards: Guards, posting: Sequence[Change]) -> Iterator[GuardResult]:
    if guards.max_per_resident is None or not posting:
        return
    sums: dict[str, int] = defaultdict(int)
    for change in posting:
        sums[change.resident_id] += _cents(change)
    resident, most = max(sums.items(), key=lambda pair: pair[1])
    if most > guards.max_per_resident:
        message = f"resident {resident} would be charged {format_money(most)}; the limit is {format_money(guards.max_per_resident)}"
        yield GuardResult(
            guard="max_per_resident",
            refused=True,
            unit="cents",
            value=most,
            limit=guards.max_per_resident,
            subject=resident,
            message=message,
        )


def _change(
    guards: Guards, posting: Sequence[Change], properties: Mapping[str, PropertyFacts]
) -> Iterator[GuardResult]:
    if guards.max_change is None:
        return
    concerned = {change.property_id for change in posting}
    for property_id, facts in properties.items():
        if property_id not in concerned:
            continue
        if facts.before == 0:
            message = f"{facts.name} has no period before to compare with"
            yield GuardResult(
                guard="max_change",
                refused=True,
                unit="percent",
                value=None,
                limit=guards.max_change,
                subject=facts.name,
                message=message,
            )
            continue
        yield from _changed(guards.max_change, facts.name, facts.before, facts.now)
        for code, previous in facts.previous.items():
            yield from _changed(guards.max_change, f"{facts.name}, {code},", previous.amount, previous.now)


def _changed(limit: int, subject: str, before: int, now: int) -> Iterator[GuardResult]:
    if before == 0:
        return
    # Rounded up, so that 25.1 percent does not pass a limit of 25.
    percent = -(-abs(now - before) * 100 // abs(before))
    if percent > limit:
        message = (
            f"{subject} goes from {format_money(before)} to {format_money(now)}, "
            f"{percent} percent; the limit is {limit}"
        )
        yield GuardResult(
            guard="max_change",
            refused=True,
            unit="percent",
            value=percent,
            limit=limit,
            subject=subject.rstrip(","),
            message=message,
        )


def _missing(guards: Guards, properties: Mapping[str, PropertyFacts]) -> Iterator[GuardResult]:
    limit = guards.max_missing
    if limit is None:
        return
    for facts in properties.values():
        for code, previous in facts.previous.items():
            percent = -(-previous.unexplained * 100 // previous.households) if previous.households else 0
            if percent > limit:
                subject = f"{facts.name}, {code}"
                message = (
                    f"{subject}: {previous.unexplained} of {previous.households} households that were billed in the period before "
                    f"have no line now and no reason that was to be expected, {percent} percent; the limit is {limit}"
                )
                yield GuardResult(
                    guard="max_missing",
                    refused=True,
                    unit="percent",
                    value=percent,
                    limit=limit,
                    subject=subject,
                    message=message,
                )


def _far(guards: Guards, far: int) -> Iterator[GuardResult]:
    limit = guards.far_window
    if limit is not None and far > limit:
        message = f"the plan's dates lie {far} days from today's; the limit is {limit}"
        yield GuardResult(
            guard="far_window",
            refused=True,
            unit="count",
            value=far,
            limit=limit,
            subject="",
            message=message,
        )


def days_from_clock(clock: date, as_of: date, window: Days, lead_days: int) -> int:
    """How far a plan's dates lie from the clock's: its as-of date, and the nearest day of its window, in days.

    A window that begins up to ``lead_days`` after today is as near as today's.
    """
    ahead = max(0, (window.first - clock).days - lead_days)
    behind = max(0, (clock - window.last).days)
    return max(abs((as_of - clock).days), ahead, behind)


def _coverage(
    guards: Guards, changes: Sequence[Change], skips: Sequence[Skip], properties: Mapping[str, PropertyFacts]
) -> Iterator[GuardResult]:
    if guards.min_coverage is None:
        return
    for property_id, facts in properties.items():
        billed = facts.billed | {
            (c.unit_id, c.lease_id) for c in changes if c.property_id == property_id and c.action != "hold"
        }
        units_billed = {unit for unit, _ in billed}
        held = {
            c.unit_id for c in changes if c.property_id == property_id and c.action == "hold"
        } - units_billed
        leases_billed = {lease for _, lease in billed}
        skipped = facts.missed | {(s.lease_id, s.reason) for s in skips if s.property_id == property_id}
        missed = {lease for lease, reason in skipped if reason not in _NOT_MEANT} - leases_billed
        meant = len(units_billed) + len(held) + len(missed)
        if meant == 0:
            continue
        percent = len(units_billed) * 100 // meant
        if percent < guards.min_coverage:
            message = f"{facts.name}: {len(units_billed)} of {meant} households would be charged, {percent} percent; at least {guards.min_coverage} are expected"
            yield GuardResult(
                guard="min_coverage",
                refused=True,
                unit="percent",
                value=percent,
                limit=guards.min_coverage,
                subject=facts.name,
                message=message,
            )


def _vanished(properties: Mapping[str, PropertyFacts]) -> Iterator[GuardResult]:
    for facts in properties.values():
        if facts.residents_gone:
            message = f"{facts.name} had residents and shows none now: the sync may be broken"
            yield GuardResult(
                guard="everyone_vanished",
                refused=True,
                unit="none",
                value=None,
                limit=None,
                subject=facts.name,
                message=message,
            )
