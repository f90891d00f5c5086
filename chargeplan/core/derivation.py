"""What derived plans explain: for each charge code how many of its lines, and what is left and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from chargeplan.core.compare_ledger import CodeTotals, ComparedLine
from chargeplan.core.config import IntegrationConfig
from chargeplan.core.derive import DerivedCharge, NotDerived
from chargeplan.core.observed import Property


class PlannedCode(msgspec.Struct, frozen=True):
    """The plan and charge that were written for a code of a property."""

    property_id: str
    charge_code: str
    plan: str
    charge: str


class ExplainedCode(msgspec.Struct, frozen=True):
    """How many of a code's lines on the ledgers a plan bills to the cent."""

    planned: PlannedCode
    lines: int
    explained: int


class LeftLines(msgspec.Struct, frozen=True):
    """Lines that no plan explains, or that only a plan has, for one reason: a word of `compare` or of ``NotDerived``."""

    property_id: str
    charge_code: str
    lines: int
    reason: str


class Derivation(msgspec.Struct, frozen=True):
    """The account of a derivation, by property and code."""

    codes: tuple[ExplainedCode, ...]
    left: tuple[LeftLines, ...]


def account(
    planned: Sequence[PlannedCode],
    not_derived: Iterable[tuple[str, NotDerived]],
    totals: Iterable[CodeTotals],
    lines: Iterable[ComparedLine],
) -> Derivation:
    """The account, from a comparison of the derived plans with the ledgers that they were derived from."""
    by_code: Mapping[tuple[str, str], CodeTotals] = {
        (each.property_id, each.charge_code): each for each in totals
    }
    nothing = CodeTotals("", "")
    codes: list[ExplainedCode] = []
    for each in planned:
        total = by_code.get((each.property_id, each.charge_code), nothing)
        codes.append(ExplainedCode(each, total.ledger.count, total.equal.count))
    known = {(each.property_id, each.charge_code) for each in planned}
    causes = Counter(
        (line.property_id, line.charge_code, line.cause)
        for line in lines
        if line.verdict != "equal" and (line.property_id, line.charge_code) in known
    )
    left = [LeftLines(place, code, count, cause) for (place, code, cause), count in sorted(causes.items())]
    left += [LeftLines(property_id, each.code, each.lines, each.why) for property_id, each in not_derived]
    return Derivation(tuple(codes), tuple(left))


class DerivedProperty(msgspec.Struct, frozen=True):
    """What was derived for one property: its charges, and the codes that no rule explains."""

    integration: IntegrationConfig
    property: Property
    charges: tuple[DerivedCharge, ...]
    left: tuple[NotDerived, ...]
