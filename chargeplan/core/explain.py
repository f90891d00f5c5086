"""Where a line's amount comes from, term by term, and which facts led to a line, a hold or a skip.

The terms are reckoned with the functions that bill (:mod:`chargeplan.core.timeline`, :mod:`chargeplan.core.proration`,
:mod:`chargeplan.core.money`), so that an explanation can't drift from the calculation; the last term is the line's amount.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from fractions import Fraction

import msgspec

from chargeplan.core.bill import Bill, Expansion, HouseholdBills
from chargeplan.core.change import Change
from chargeplan.core.dates import LAST_DAY, Days, add_period
from chargeplan.core.evidence import Evidence, PostedPart
from chargeplan.core.due import Setting, expand
from chargeplan.core.household import Household, households
from chargeplan.core.key import FIRST_CORRECTION_PART
from chargeplan.core.late_fees import due_on, late_days
from chargeplan.core.line import AllocationReport, Line, Skip, Term
from chargeplan.core.money import format_money, round_half_away, share_out, spread_part
from chargeplan.core.observed import Lease, SyncedCharge
from chargeplan.core.plan import (
    Allocate,
    Amount,
    Charge,
    Fixed,
    FromPath,
    Path,
    Percent,
    Plan,
    Rate,
    Row,
    Spread,
)
from chargeplan.core.plan import (
    Change as AmountChange,
)
from chargeplan.core.proration import Method, banker_days, prorated
from chargeplan.core.recurrence import grid_of
from chargeplan.core.select import fits, rows_for
from chargeplan.core.subject import Facts, Subject, date_at, measure_at, money_at, table_keys
from chargeplan.core.timeline import Segment, applied, segments

Exact = int | Fraction
_HUNDREDTH = Fraction(1, 100)
_TIMES = "\u00d7"


class Fact(msgspec.Struct, frozen=True):
    """A value that a decision was made from: what it is, and what it says."""

    what: str
    value: str


class Explained(msgspec.Struct, frozen=True):
    """A line's or a skip's way through the plan: the household, the period, the terms, what was posted.

    ``agrees`` is false where the terms do not lead to the line's amount, which would be an error of this program.
    """

    charge: Charge
    household: Household
    facts: tuple[Fact, ...] = ()
    bill: Bill | None = None
    terms: tuple[Term, ...] = ()
    agrees: bool = True
    posted: tuple[PostedPart, ...] = ()
    beside: tuple[SyncedCharge, ...] = ()


class _Portion(msgspec.Struct, frozen=True):
    """Days of one line of a household, the terms of its cents, and the cents; ``None`` where they are not known."""

    days: Days
    terms: tuple[Term, ...]
    cents: int | None


def needed(plan: Plan, charge_id: str) -> frozenset[str]:
    """The charges to expand in order to explain one: itself, and those that it is a percentage of."""
    found: set[str] = set()
    waiting = [charge_id]
    while waiting:
        charge = next((each for each in plan.charges if each.id == waiting[-1]), None)
        found.add(waiting.pop())
        if charge is not None:
            amounts = [charge.amount, *(each.changes.get("amount") for each in charge.overrides)]
            of = {each.of for each in amounts if isinstance(each, Percent) and isinstance(each.of, str)}
            waiting += sorted(of - found)
    return frozenset(found)


class Explainer:
    """Explains what one plan says of one property; the expansion has at least the charges that are ``needed``."""

    def __init__(self, setting: Setting, expansion: Expansion) -> None:
        self.setting, self.expansion = setting, expansion
        self.everyone = households(setting.observed)
        people = {each.id: each for each in setting.observed.residents}
        self._reports: dict[tuple[str, date], tuple[AllocationReport, ...]] = {}
        # By plan, charge, unit and period of the key: a report asks for every line of a property.
        self._bills: dict[tuple[str, str, str, str], list[tuple[HouseholdBills, Bill]]] = {}
        for bills in expansion.households:
            for bill in bills.bills:
                known = (bill.key.plan, bill.key.charge, bill.key.unit_id, bill.key.period)
                self._bills.setdefault(known, []).append((bills, bill))
        self.facts = Facts(setting.names, people, setting.observed.fees, setting.plan.tables)

    def change(self, change: Change, evidence: Evidence) -> Explained | None:
        """The explanation of a change; ``None`` where it is of another plan or property."""
        found = self._bill_of(change)
        if found is None:
            return None
        bills, bill = found
        household = self.everyone[bills.order]
        keys = (bill.key, *bill.alternates)
        key = next((each for each in keys if each.resident_id == change.resident_id), bill.key)
        posted = tuple(evidence.parts(bill, key))
        terms, amount = self._reckoned(bills, bill, posted, change)
        agrees = not terms or terms[-1].cents == amount
        return Explained(
            bill.charge,
            household,
            self._facts(bills, bill),
            bill,
            terms,
            agrees,
            posted,
            self._beside(bill, change.charge_code_id),
        )

    def arithmetic(self, change: Change, evidence: Evidence) -> tuple[Term, ...]:
        """The terms of a change's amount alone, without what :meth:`change` tells beside; none where they do not lead to it."""
        found = self._bill_of(change)
        if found is None:
            return ()
        bills, bill = found
        keys = (bill.key, *bill.alternates)
        key = next((each for each in keys if each.resident_id == change.resident_id), bill.key)
        terms, amount = self._reckoned(bills, bill, tuple(evidence.parts(bill, key)), change)
        return terms if terms and terms[-1].cents == amount else ()

    def _reckoned(
        self, bills: HouseholdBills, bill: Bill, posted: Sequence[PostedPart], change: Change
    ) -> tuple[tuple[Term, ...], int | None]:
        """The terms, and the amount that they have to lead to."""
        if change.part >= FIRST_CORRECTION_PART or change.action == "drift":
            return self._correction(bills, bill, posted, change), change.amount
        line = next((each for each in bill.lines if each.key.part == change.part), None)
        if line is None:
            return (), None
        return self.terms(bills, bill, line), line.amount

    def _bill_of(self, change: Change) -> tuple[HouseholdBills, Bill] | None:
        known = (change.key_plan, change.key_charge, change.unit_id, change.period_key)
        for bills, bill in self._bills.get(known, ()):
            people = {bill.key.resident_id, *(each.resident_id for each in bill.alternates)}
            numbered = bill.charge.late_fee is None or bill.key.part == change.part
            if numbered and change.resident_id in people:
                return bills, bill
        return None

    def skip(self, skip: Skip) -> Explained | None:
        """The explanation of a skip: the facts that led to it."""
        for bills in self.expansion.households:
            if bills.skip != skip:
                continue
            household = self.everyone[bills.order]
            told = [each for each in bills.bills if each.reason == skip.reason]
            now = [each for each in told if each.draft.natural_date in self.setting.window]
            bill = next(iter(now or told), None)
            charge = bill.charge if bill else self.setting.plan.charge(skip.charge)
            terms: tuple[Term, ...] = ()
            if bill is not None and skip.reason == "zero_amount":
                terms = tuple(term for each in self._portions(bills, bill) for term in each.terms)
            facts = (*self._facts(bills, bill), *self._why_skipped(charge, household, bills, skip))
            return Explained(charge, household, facts, bill, terms)
        return None

    # --- facts ---------------------------------------------------------------------------------------------------

    def _facts(self, bills: HouseholdBills, bill: Bill | None) -> tuple[Fact, ...]:
        """The days and the roster's row that a line is made from."""
        found: list[Fact] = []
        if bill is not None:
            found.append(Fact("service period", _span(bill.period)))
            if bill.billed is not None:
                found.append(
                    Fact(
                        "billed days",
                        f"{_span(bill.billed)} ({bill.billed.count} {'day' if bill.billed.count == 1 else 'days'})",
                    )
                )
            if bill.draft.override is not None:
                used = bill.draft.override
                reason = f": {used.reason}" if used.reason else ""
                found.append(Fact("override", f"{bill.charge.place.file}:{used.line}{reason}"))
            row = self._row(bill, self.everyone[bills.order])
            if row is not None and bill.charge.roster is not None:
                found.append(Fact("roster", f"{bill.charge.roster.file}:{row.line}"))
        return tuple(found)

    def _why_skipped(
        self, charge: Charge, household: Household, bills: HouseholdBills, skip: Skip
    ) -> Iterator[Fact]:
        match skip.reason:
            case "not_selected":
                yield from self._not_selected(charge, household)
            case "not_on_roster":
                if charge.roster is not None:
                    tried = ", ".join(self._roster_keys(charge, household))
                    yield Fact("roster", f"{charge.roster.file} has no {charge.roster.key} {tried}")
            case "no_billed_days" | "not_in_window":
                yield Fact("window", _span(self.setting.window))
                yield Fact("occupied days", _span(household.occupied) if household.occupied else "none")
                yield from self._limits(charge, household)
                for bill in bills.bills:
                    for line in bill.lines:
                        yield Fact("line", f"{format_money(line.amount or 0)} dated {line.natural_date}")
            case "closed_period":
                yield Fact("closed through", str(self.setting.plan.closed_through))
            case "nothing_late":
                yield from self._watched(charge, household)
            case _:
                if charge.once is not None:
                    yield Fact("once", _expression(charge.once.on))

    def _limits(self, charge: Charge, household: Household) -> Iterator[Fact]:
        subject = Subject(household, household.key_resident, alone=False)
        schedule = charge.schedule
        for what, expression in (
            ("from", schedule.first if schedule else None),
            ("through", schedule.through if schedule else None),
            ("once", charge.once.on if charge.once else None),
        ):
            if expression is not None:
                day = date_at(expression, subject)
                yield Fact(what, f"{_expression(expression)} is {day or 'not known'}")
        if self.setting.plan.effective.first.year > 1 or self.setting.plan.effective.last != LAST_DAY:
            yield Fact("the plan's effective days", _span(self.setting.plan.effective))

    def _not_selected(self, charge: Charge, household: Household) -> Iterator[Fact]:
        """The parts of the selector that do not take the household in."""
        who, unit = charge.who, household.unit
        statuses = [lease.status for lease in household.leases]
        if not set(statuses) & set(who.lease_status):
            yield Fact(
                "lease_status", f"takes {', '.join(who.lease_status)}; theirs is {', '.join(statuses)}"
            )
        for name, patterns, texts in (
            ("units", who.units, (unit.number, unit.id)),
            ("buildings", who.buildings, (unit.building_name, unit.building_number)),
            ("floor_plans", who.floor_plans, (unit.floor_plan_name, unit.floor_plan_code)),
        ):
            if patterns is not None and not fits(patterns, *texts):
                theirs = ", ".join(each for each in texts if each) or "not known"
                yield Fact(name, f"takes {', '.join(patterns)}; theirs is {theirs}")
        people = [each.resident_id for each in household.members()]
        if fits(who.except_units, unit.number, unit.id) or any(fits(who.except_residents, p) for p in people):
            yield Fact("except", "leaves them out")
        known = [self.facts.residents[each] for each in people if each in self.facts.residents]
        for thing in who.has:
            count = sum(each.pets if thing == "pets" else each.vehicles for each in known)
            yield Fact("has", f"asks for {thing}; they have {count}")

    def _watched(self, charge: Charge, household: Household) -> Iterator[Fact]:
        for late in self._late_charges(charge, household):
            yield Fact("watched charge", _late_text(late, self.setting.as_of))
        if charge.late_fee is not None:
            yield Fact("grace", f"{charge.late_fee.grace_days} days")
            yield Fact("minimum balance", format_money(charge.late_fee.minimum_balance))

    def _roster_keys(self, charge: Charge, household: Household) -> list[str]:
        roster = charge.roster
        if roster is None:
            return []
        if roster.key == "lease_id":
            return [lease.id for lease in household.leases]
        if roster.key == "unit":
            return [household.unit.number, household.unit.id]
        if charge.split is not None or charge.who.resident == "all":
            return [each.resident_id for each in household.members()]
        return [household.key_resident]

    def _beside(self, bill: Bill, code_id: str) -> tuple[SyncedCharge, ...]:
        """What is on the ledger of the household under the same code in the period."""
        people = {each.resident_id for each in self.everyone_of(bill).members()}
        return tuple(
            each
            for each in self.setting.observed.charges
            if each.resident_id in people
            and each.charge_code_id == code_id
            and each.transaction_date is not None
            and (each.transaction_date in bill.period or each.transaction_date == bill.draft.transaction_date)
        )

    def everyone_of(self, bill: Bill) -> Household:
        """The household that a bill is of."""
        order = next(each.order for each in self.expansion.households if any(b is bill for b in each.bills))
        return self.everyone[order]

    # --- arithmetic ----------------------------------------------------------------------------------------------

    def terms(self, bills: HouseholdBills, bill: Bill, line: Line) -> tuple[Term, ...]:
        """The terms of a line's amount; the last has its cents."""
        portions = self._portions(bills, bill)
        portion = next((each for each in portions if each.days == line.service), None)
        if portion is None:
            return ()
        if bill.charge.split is None:
            return portion.terms
        return (*portion.terms, *self._split(bill, self.everyone[bills.order], portion))

    def _correction(
        self, bills: HouseholdBills, bill: Bill, posted: Sequence[PostedPart], change: Change
    ) -> tuple[Term, ...]:
        """What is due in all, less what was posted."""
        found = [term for line in bill.lines for term in self.terms(bills, bill, line)]
        due = sum(line.amount or 0 for line in bill.lines)
        was = sum(each.amount for each in posted)
        found.append(Term("due for the period", str(due), due))
        found += [
            Term(f"less posted as {each.reference}", str(-each.amount), -each.amount) for each in posted
        ]
        found.append(Term("difference", str(due - was), due - was))
        if change.amount != due - was and bill.draft.natural_date < self.setting.window.first:
            what = "at the price at which it was posted: before the window only days are corrected"
            found.append(Term(what, str(change.amount or 0), change.amount))
        return tuple(found)

    def _portions(self, bills: HouseholdBills, bill: Bill) -> list[_Portion]:
        charge = bill.charge
        days = bill.billed or bill.period
        subject = self._subject(bill, self.everyone[bills.order])
        amount = charge.amount
        if charge.late_fee is not None:
            return [self._late(bill, subject)]
        if isinstance(amount, Percent) and isinstance(amount.of, str):
            return [_portion(days, self._of_charge(amount.percent, amount.of, bills, bill))]
        if isinstance(amount, Allocate):
            return [_portion(days, self._share(bill, bills, days))]
        parts = self._segments(charge, subject, bill.period, days)
        stub = self._stub(bills, bill, subject, parts)
        if stub:
            return [_portion(days, stub)]
        return self._costed(charge, subject, bill.period, days, parts)

    def _segments(self, charge: Charge, subject: Subject, period: Days, billed: Days) -> list[Segment]:
        def base(lease: Lease) -> Exact | None:
            return _last(self._base(charge, charge.amount, subject, lease, period, billed))

        return segments(charge, subject, base, period, billed)

    def _costed(
        self, charge: Charge, subject: Subject, period: Days, billed: Days, parts: list[Segment]
    ) -> list[_Portion]:
        """Each segment prorated and rounded; of an amount that did not change, the last is the whole less the others."""
        method = _method(charge, parts)
        found: list[_Portion] = []
        for part in parts:
            terms = self._amount_terms(charge, subject, period, billed, part)
            if part.amount is not None:
                terms += _prorated_terms(part.amount, method, period, part.days)
            found.append(_portion(part.days, terms))
        if len(parts) > 1 and len({part.amount for part in parts}) == 1 and parts[0].amount is not None:
            whole = _prorated_terms(parts[0].amount, charge.prorate.method, period, billed)
            others = sum(each.cents or 0 for each in found[:-1])
            rest = (whole[-1].cents or 0) - others
            terms = [*whole, Term(f"less the lines before, {format_money(others)}", str(rest), rest)]
            found[-1] = _portion(parts[-1].days, terms)
        return found

    def _amount_terms(
        self, charge: Charge, subject: Subject, period: Days, billed: Days, part: Segment
    ) -> list[Term]:
        """The base amount, then each step, as far as they lead to the segment's amount."""
        day = part.days.first if charge.split_mid_period else billed.first
        lease = subject.household.lease_on(day)
        base = self._base(charge, charge.amount, subject, lease, period, billed)
        before = _last(base)
        if before is None or part.amount is None or before == part.amount:
            return base
        steps = _step_terms(charge, subject, before, lease, day)
        if not steps or steps[-1].cents != round_half_away(part.amount):
            cents = round_half_away(part.amount)
            steps = [Term(f"changes in force on {part.days.first}", str(part.amount), cents)]
        return [*base, *steps]

    def _base(
        self,
        charge: Charge,
        amount: Amount | None,
        subject: Subject,
        lease: Lease,
        period: Days,
        billed: Days,
    ) -> list[Term]:
        """The amount of a whole period before steps and proration, exact."""
        match amount:
            case Fixed(cents=cents):
                return [_term("the plan's amount", cents)]
            case FromPath(path=path):
                return [self._money(charge, path, subject, lease, period)]
            case Percent(percent=percent, of=Path() as path):
                money = self._money(charge, path, subject, lease, period)
                whole = _last([money])
                return [
                    money,
                    _term(
                        f"{_TIMES} {_number(percent)} %",
                        None if whole is None else percent * whole * _HUNDREDTH,
                    ),
                ]
            case Rate(cents_per=rate, per=path):
                measure = measure_at(path, self.facts, subject, lease, period, billed)
                count = "not known" if measure is None else _number(measure)
                named = self._named(charge, path, subject, lease, period)
                what = f"{_rate(rate)} {_TIMES} {count} ({named})"
                return [_term(what, None if measure is None else rate * measure)]
            case Spread(cents=total, over=over):
                number = _number_of(charge, subject, period)
                what = f"part {number + 1} of {over} of {format_money(total)}"
                return [_term(what, spread_part(total, over, number))]
            case _:
                return [_term("amount", None)]

    def _money(self, charge: Charge, path: Path, subject: Subject, lease: Lease, period: Days) -> Term:
        return _term(
            self._named(charge, path, subject, lease, period),
            money_at(path, self.facts, subject, lease, period),
        )

    def _named(self, charge: Charge, path: Path, subject: Subject, lease: Lease, period: Days) -> str:
        """A path with the place that its value comes from."""
        match path.root:
            case "lease":
                return f"{path} of the lease {lease.id}"
            case "roster":
                file = charge.roster.file if charge.roster else ""
                return f"{path}, {file}:{subject.row.line}" if subject.row else f"{path}, {file}"
            case "table":
                table = self.setting.plan.tables[path.table]
                rows = rows_for(table, self.setting.names, table_keys(table, subject, lease, period))
                return f"{path}, {table.file}:{rows[0].line}" if rows else f"{path}, {table.file}: no row"
            case "unit":
                return f"{path} of {subject.household.unit.number}"
            case _:
                return str(path)

    def _stub(self, bills: HouseholdBills, bill: Bill, subject: Subject, parts: list[Segment]) -> list[Term]:
        """``stub: second``: the move-in period whole, or the rest of both; nothing where the period is an ordinary one."""
        charge, period, billed = bill.charge, bill.period, bill.billed
        if charge.prorate.stub != "second" or charge.prorate.method in {"none", "skip"} or billed is None:
            return []
        due = sum(line.amount or 0 for line in bill.lines)
        whole = parts[0].amount
        if period.first < billed.first and whole is not None and due == round_half_away(whole):
            terms = self._amount_terms(charge, subject, period, billed, parts[0])
            return [*terms, _rounded("the move-in period whole (stub: second)", whole)]
        before = next((each for each in bills.bills if _precedes(each, bill)), None)
        if before is None or before.billed is None or not before.period.first < before.billed.first:
            return []
        earlier = self._segments(charge, subject, before.period, before.billed)
        costs = [_exact(charge, before.period, earlier), _exact(charge, period, parts)]
        if costs[0] is None or costs[1] is None or earlier[0].amount is None:
            return []
        first = round_half_away(earlier[0].amount)
        both = costs[0] + costs[1]
        rest = round_half_away(both) - first
        return [
            _term(f"{_span(before.billed)} by the method", costs[0]),
            _term(f"{_span(billed)} by the method", costs[1]),
            _rounded("both periods", both),
            Term(f"less the move-in period, {format_money(first)} (stub: second)", str(rest), rest),
        ]

    def _of_charge(self, percent: Fraction, charge_id: str, bills: HouseholdBills, bill: Bill) -> list[Term]:
        """A percentage of what another charge bills for the same period."""
        others = [
            other
            for each in self.expansion.households
            if each.order == bills.order and each.skip.charge == charge_id
            for other in each.bills
            if other.period == bill.period
        ]
        if bill.charge.who.resident == "all":
            own = [each for each in others if each.key.resident_id == bill.key.resident_id]
            others = own or others
        lines = [line for each in others for line in each.lines]
        if not lines or any(line.amount is None or line.hold for line in lines):
            return [_term(f"what `{charge_id}` bills", None)]
        billed = sum(line.amount or 0 for line in lines)
        return [
            _term(f"what `{charge_id}` bills for the period", billed),
            _rounded(f"{_TIMES} {_number(percent)} %", percent * billed * _HUNDREDTH),
        ]

    def _share(self, bill: Bill, bills: HouseholdBills, days: Days) -> list[Term]:
        """The bill, what is shared, the unit's share, and the household's part of it."""
        report = self._report(bill)
        if report is None:
            return [_term("the bill", None)]
        household = self.everyone[bills.order]
        shares = [each for each in report.units if each.unit_number == household.unit.number]
        lease = household.lease_on(bill.period.last).id
        share = sum(each.share for each in shares)
        mine = sum(each.share for each in shares if each.lease_id == lease)
        shared = report.bill - report.common_area
        terms = [
            _term("the bill", report.bill),
            Term(f"less common area, {format_money(report.common_area)}", str(shared), shared),
            *self._weights(bill, household, days),
            Term(f"the share of unit {household.unit.number}, by largest remainder", str(share), share),
        ]
        if mine != share:
            factor = f", {days.count} of {bill.period.count} days"
            terms.append(Term(f"the household's part{factor}", str(mine), mine))
        return terms

    def _report(self, bill: Bill) -> AllocationReport | None:
        """How the bill of the period was shared; for a period before the window it is shared again."""
        day = bill.draft.natural_date
        if day in self.setting.window:
            reports = self.expansion.allocations
        else:
            reports = self._earlier(bill.charge.id, day)
        return next(
            (each for each in reports if each.charge == bill.charge.id and each.service == bill.period), None
        )

    def _earlier(self, charge_id: str, day: date) -> tuple[AllocationReport, ...]:
        if (charge_id, day) not in self._reports:
            then = msgspec.structs.replace(self.setting, window=Days(day, day), lookback=day)
            self._reports[charge_id, day] = expand(then, frozenset({charge_id})).allocations
        return self._reports[charge_id, day]

    def _weights(self, bill: Bill, household: Household, days: Days) -> Iterator[Term]:
        amount = bill.charge.amount
        assert isinstance(amount, Allocate)
        subject, lease = (
            Subject(household, household.key_resident, alone=False),
            household.lease_on(days.first),
        )
        factors = dict(amount.occupant_factors)
        for path, percent in amount.weights:
            measure = measure_at(path, self.facts, subject, lease, bill.period, days)
            value = "not known" if measure is None else _number(measure)
            factor = (
                factors.get(int(measure))
                if measure is not None and path.name in {"occupants", "residents"}
                else None
            )
            counts = "" if factor is None else f", which counts {_number(factor)}"
            yield Term(f"weight {_number(percent)} %: {path} is {value}{counts}", "")

    def _split(self, bill: Bill, household: Household, portion: _Portion) -> list[Term]:
        """The resident's part of the household's amount."""
        present = _present(household, portion.days)
        weights = [self._split_weight(bill.charge, each) for each in present]
        if portion.cents is None or not any(weights) or bill.key.resident_id not in present:
            return [_term("the resident's part", None)]
        at = present.index(bill.key.resident_id)
        parts = share_out(portion.cents, weights)
        part = Fraction(weights[at]) / sum(weights)
        what = f"{_TIMES} {part}, resident {at + 1} of {len(present)}, by largest remainder"
        return [Term(what, str(part * portion.cents), parts[at])]

    def _split_weight(self, charge: Charge, resident_id: str) -> Fraction:
        if charge.split is None or charge.split.by is None:
            return Fraction(1)
        rows = rows_for(charge.roster, self.setting.names, [resident_id]) if charge.roster else ()
        cell = rows[0].cells.get(charge.split.by) if rows else None
        return Fraction(cell.strip().replace(",", "").replace("$", "")) if cell else Fraction(0)

    # --- late fees -----------------------------------------------------------------------------------------------

    def _late_charges(self, charge: Charge, household: Household) -> list[SyncedCharge]:
        """The observed charges of the household that the fee may watch."""
        fee = charge.late_fee
        if fee is None:
            return []
        codes = {
            each.id for each in self.setting.observed.charge_codes if {each.id, each.name} & set(fee.codes)
        }
        people = {each.resident_id for each in household.members()}
        return [
            each
            for each in self.setting.observed.charges
            if each.resident_id in people
            and (each.charge_code_id in codes or self.setting.late_charges.get(each.id) in fee.charges)
            and (each.amount or 0) > 0
        ]

    def _late(self, bill: Bill, subject: Subject) -> _Portion:
        charge, fee = bill.charge, bill.charge.late_fee
        assert fee is not None
        day = bill.draft.natural_date
        for late in self.setting.observed.charges:
            if f"{due_on(late)}/{late.reference or late.id}" != bill.key.period:
                continue
            lease = subject.household.lease_on(due_on(late) or self.setting.as_of)

            def price(rule: Fixed | Percent, late: SyncedCharge = late, lease: Lease = lease) -> int | None:
                return self._price(rule, late, subject, lease)

            payments = {each.id: each.date for each in self.setting.observed.payments}
            for each in late_days(fee, late, self.setting.as_of, payments, price):
                if each.number == bill.key.part:
                    rule = fee.initial if each.number == 0 or fee.daily is None else fee.daily
                    terms = [
                        Term(_late_text(late, self.setting.as_of), ""),
                        Term(f"{fee.grace_days} days of grace; this is day {each.number + 1} after them", ""),
                        Term(f"rule {_rule(rule)}", str(price(rule)), price(rule)),
                        *self._cap(charge, price(rule), each.amount),
                    ]
                    return _Portion(Days(day, day), tuple(terms), each.amount)
        return _Portion(Days(day, day), (), None)

    def _price(self, rule: Fixed | Percent, late: SyncedCharge, subject: Subject, lease: Lease) -> int | None:
        if isinstance(rule, Fixed):
            return rule.cents
        ever = Days(date(1, 1, 2), LAST_DAY)
        of = late.amount if isinstance(rule.of, str) else money_at(rule.of, self.facts, subject, lease, ever)
        return None if of is None else round_half_away(rule.percent * of * _HUNDREDTH)

    def _cap(self, charge: Charge, priced: int | None, amount: int | None) -> Iterator[Term]:
        """The day's fee, where it is not simply the rule's."""
        if amount is None:
            yield _term("the fee", None)
        elif priced != amount:
            cap = charge.late_fee.cap if charge.late_fee else None
            of = f"{cap.rule} of {', '.join(map(_rule, cap.amounts))}" if cap else ""
            yield Term(f"what is left to the cap, or by an earlier rule ({of})", str(amount), amount)

    # --- who -----------------------------------------------------------------------------------------------------

    def _subject(self, bill: Bill, household: Household) -> Subject:
        alone = bill.charge.who.resident == "all"
        who = bill.key.resident_id if alone else household.key_resident
        return Subject(household, who, alone, self._row(bill, household))

    def _row(self, bill: Bill, household: Household) -> Row | None:
        """The roster's row that the bill is made from: of its item, and of the lease in force."""
        charge = bill.charge
        if charge.roster is None:
            return None
        keys = self._roster_keys(charge, household)
        if charge.roster.key == "resident_id" and charge.who.resident == "all":
            keys = [bill.key.resident_id]
        if charge.roster.key == "lease_id":
            keys = [household.lease_on((bill.billed or bill.period).first).id]
        rows = rows_for(charge.roster, self.setting.names, keys)
        return next((each for each in rows if each.item == bill.draft.item), None)


# --- small things --------------------------------------------------------------------------------------------------


def _portion(days: Days, terms: Sequence[Term]) -> _Portion:
    return _Portion(days, tuple(terms), terms[-1].cents if terms else None)


def _term(what: str, exact: Exact | None) -> Term:
    """A term that is not rounded; cents only where it has whole ones."""
    if exact is None:
        return Term(f"{what}: not known", "")
    return Term(what, str(exact), int(exact) if Fraction(exact).denominator == 1 else None)


def _rounded(what: str, exact: Exact) -> Term:
    return Term(what, str(exact), round_half_away(exact))


def _last(terms: Sequence[Term]) -> Exact | None:
    """The exact value of the last term."""
    return Fraction(terms[-1].exact) if terms and terms[-1].exact else None


def _precedes(before: Bill, bill: Bill) -> bool:
    return (
        before.period.last - bill.period.first
    ).days == -1 and before.key.resident_id == bill.key.resident_id


def _method(charge: Charge, parts: Sequence[Segment]) -> Method:
    if len(parts) > 1 and charge.prorate.method in {"none", "skip"}:
        return "actual"
    return charge.prorate.method


def _exact(charge: Charge, period: Days, parts: Sequence[Segment]) -> Exact | None:
    total: Exact = 0
    for part in parts:
        if part.amount is None:
            return None
        total += prorated(part.amount, _method(charge, parts), period, part.days)
    return total


def _prorated_terms(amount: Exact, method: Method, period: Days, days: Days) -> list[Term]:
    """The part of the period, as an exact fraction of the amount, and the one rounding."""
    exact = prorated(amount, method, period, days)
    if days == period:
        return [_rounded("the whole period", exact)]
    if method == "none":
        return [_rounded("a part of the period, not prorated", exact)]
    return [_rounded(f"{_TIMES} {_fraction(method, period, days)} ({_span(days)}, {method})", exact)]


def _fraction(method: Method, period: Days, days: Days) -> str:
    """The days and the divisor, as the method counts them."""
    counted = {
        "thirty": (days.count, "30"),
        "banker": (banker_days(days), "30"),
        "annual": (days.count, "12/365"),
    }
    number, divisor = counted.get(method, (days.count, str(period.count)))
    return f"{number}{_TIMES}{divisor}" if method == "annual" else f"{number}/{divisor}"


def _step_terms(charge: Charge, subject: Subject, amount: Exact, lease: Lease, day: date) -> list[Term]:
    """Each step in force on ``day``, in the order of their days."""
    path = charge.amount.path if isinstance(charge.amount, FromPath) else None
    of_lease = path is not None and path.root == "lease"
    found: list[tuple[date, int]] = []
    for number, step in enumerate(charge.steps):
        first = date_at(step.start, subject, lease if of_lease else None)
        repeated = 0
        while first is not None and (now := _repeated(first, step.repeat, repeated)) <= day:
            if not (of_lease and lease.start is not None and now <= lease.start):
                found.append((now, number))
            repeated += 1
            if step.repeat is None:
                break
    terms: list[Term] = []
    for now, number in sorted(found):
        change = charge.steps[number].change
        exact, amount = _unrounded(round_half_away(amount), change), applied(amount, change)
        what = f"step {number + 1} of `steps`, {_changed(change)} from {now}"
        terms.append(Term(what, str(exact), amount))
    return terms


def _unrounded(before: int, change: AmountChange) -> Exact:
    """The amount after a change, as it is before it is rounded; shown, never reckoned with."""
    if change.kind == "percent":
        return before + before * change.value * _HUNDREDTH
    return change.value if change.kind == "set" else before + change.value


def _repeated(first: date, repeat: tuple[int, str] | None, number: int) -> date:
    if repeat is None or number == 0:
        return first
    count, unit = repeat
    return add_period(first, number * count, unit)  # type: ignore[arg-type]


def _rate(cents: Fraction) -> str:
    """A rate in dollars: cents, and more decimals where there are."""
    return format_money(int(cents)) if cents.denominator == 1 else f"${_number(cents * _HUNDREDTH)}"


def _changed(change: AmountChange) -> str:
    match change.kind:
        case "percent":
            return f"{'+' if change.value >= 0 else ''}{_number(change.value)} %"
        case "flat":
            return f"{'+' if change.value >= 0 else ''}{format_money(int(change.value))}"
        case _:
            return f"set to {format_money(int(change.value))}"


def _number_of(charge: Charge, subject: Subject, period: Days) -> int:
    """The number of a period, counted from that of the schedule's ``from``."""
    schedule = charge.schedule
    if schedule is None:
        return 0
    begins = date_at(schedule.first, subject) if schedule.first is not None else None
    anchor = date_at(schedule.anchor, subject) if schedule.anchor is not None else begins
    grid = grid_of(schedule, anchor)
    base = begins or anchor
    if grid is None:
        return 0
    return grid.index_of(period.first) - (grid.index_of(base) if base else 0)


def _present(household: Household, days: Days) -> list[str]:
    """The residents who live there on one of the days, as the lease lists them; never nobody."""
    listed = [each.resident_id for each in household.lease_on(days.first).residents]
    members = sorted(
        (each.resident_id for each in household.members()),
        key=lambda each: listed.index(each) if each in listed else len(listed),
    )
    present = [each for each in members if (own := household.occupied_by(each)) and own.common(days)]
    return present or members


def _late_text(late: SyncedCharge, as_of: date) -> str:
    amount = "an unknown amount" if late.amount is None else format_money(late.amount)
    still = "not known" if late.open_amount is None else format_money(late.open_amount)
    return f"charge {late.id} of {amount}, due {due_on(late)}, open on {as_of}: {still}"


def _rule(rule: Fixed | Percent) -> str:
    if isinstance(rule, Fixed):
        return format_money(rule.cents)
    return f"{_number(rule.percent)} % of {rule.of}"


def _expression(expression: object) -> str:
    return str(getattr(expression, "text", expression))


def _span(days: Days) -> str:
    first = "ever" if days.first.year == 1 else str(days.first)
    return f"{first} through {'open' if days.last == LAST_DAY else days.last}"


def _number(value: Fraction | int) -> str:
    """A number as a person writes it; a fraction only where decimals do not end."""
    exact = Fraction(value)
    if exact.denominator == 1:
        return str(exact.numerator)
    millionths = exact * 1_000_000
    if millionths.denominator != 1:
        return str(exact)
    whole, rest = divmod(abs(millionths.numerator), 1_000_000)
    return f"{'-' if exact < 0 else ''}{whole}.{rest:06d}".rstrip("0")
