"""Lines as they will stand on a ledger: dates, texts and all that identifies them (plan-language.md, *Templates*)."""

from __future__ import annotations

from datetime import date

import msgspec

from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import ONE_DAY, Days
from chargeplan.core.diagnostic import Diagnostic, Place, error
from chargeplan.core.errors import TemplateError
from chargeplan.core.key import Key
from chargeplan.core.line import Line
from chargeplan.core.observed import ChargeCode, Lease
from chargeplan.core.periods import Period
from chargeplan.core.plan import Charge, Plan
from chargeplan.core.site import Site
from chargeplan.core.subject import Facts, Subject
from chargeplan.core.terms import Priced
from chargeplan.core.text import line_values
from chargeplan.core.variants import Variant


class Writer(msgspec.Struct):
    """Writes the lines of one period: dates, texts and all that identifies them."""

    plan: Plan
    integration: IntegrationConfig
    facts: Facts
    code: ChargeCode | None
    account: ChargeCode | None
    variant: Variant
    subject: Subject
    period: Period
    key: Key

    def line(self, part: int, priced: Priced, hold: str | None, *, whole: bool, silent: bool = False) -> Line:
        """The period's line number ``part``; a ``silent`` one has no texts yet."""
        charge, code = self.variant.charge, self.code
        natural_date = self._date(priced.days)
        lease = self.subject.household.lease_on(priced.days.first)
        key = self.key.with_part(part) if part else self.key
        if priced.cents is None:
            hold = hold or "amount_missing"
        elif priced.cents < 0 and not self.integration.posts_credits:
            hold = hold or "credit_not_allowed"
        line = Line(
            key=key,
            reference=key.reference,
            plan=self.plan.name,
            charge=charge.id,
            item=self.subject.row.item if self.subject.row else None,
            property_id=self.facts.names.id,
            unit_number=self.subject.household.unit.number,
            lease_id=lease.id,
            charge_code_id=code.id if code else "",
            charge_code=code.shown if code else charge.code.of(self.subject.row),
            account_id=self.account.id if self.account else "",
            account=self.account.shown if self.account else "",
            route=None if priced.cents is None else self.integration.route_name(priced.cents),
            period=self.period.days,
            service=priced.days,
            natural_date=natural_date,
            transaction_date=self.plan.open_day(natural_date),
            amount=priced.cents,
            description="",
            notes="",
            place=charge.place,
            override=self.variant.used,
            hold=hold,
            term=priced.term,
        )
        return line if silent else self._worded(line, lease, whole=whole)

    def _date(self, days: Days) -> date:
        if self.period.dated is not None:
            return self.period.dated
        schedule = self.variant.charge.schedule
        return days.last + ONE_DAY if schedule is not None and schedule.arrears else days.first

    def _worded(self, line: Line, lease: Lease, *, whole: bool) -> Line:
        charge, integration = self.variant.charge, self.integration
        uses = charge.description.uses | charge.notes.uses
        values = line_values(
            uses, charge, line, lease=lease, subject=self.subject, facts=self.facts, prorated=not whole
        )
        templates = {"description": charge.description, "notes": charge.notes}
        places = {what: template.place or charge.place for what, template in templates.items()}
        texts: dict[str, str] = {}
        for what, template in templates.items():
            try:
                texts[what] = template.render(values)
            except TemplateError as problem:
                told = error(f"charge `{charge.id}`: {problem.message}", problem.hint, places[what])
                return msgspec.structs.replace(line, problems=(told,))
        problems = tuple(
            _too_long(charge, what, text, most, places[what])
            for what, text, most in integration.texts(**texts)
            if len(text) > most
        )
        return msgspec.structs.replace(line, **texts, problems=problems)


def key_of(integration_id: str, charge: Charge, subject: Subject, period: str, part: int = 0) -> Key:
    """The key of a line (plan-language.md, *What a line is known by*)."""
    item = f"/{subject.row.item}" if subject.row and subject.row.item else ""
    return Key(
        integration_id,
        charge.key_plan,
        charge.key_charge + item,
        subject.household.unit.id,
        subject.resident_id,
        period,
        part,
    )


def writer_of(site: Site, variant: Variant, subject: Subject, period: Period, key: Key) -> Writer:
    """What writes the lines of one period."""
    return Writer(
        plan=site.plan,
        integration=site.setting.integration,
        facts=site.facts,
        code=site.code_of(variant.charge, subject.row),
        account=site.account_of(variant.charge, subject.row),
        variant=variant,
        subject=subject,
        period=period,
        key=key,
    )


def _too_long(charge: Charge, what: str, text: str, most: int, place: Place) -> Diagnostic:
    return error(
        f"charge `{charge.id}`: the {what} has {len(text)} characters, the integration takes {most}: {text!r}",
        "Shorten the template, or raise `max_length` if the property system keeps more.",
        place,
    )
