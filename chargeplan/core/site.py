"""One plan in one property: the values that its charges are reckoned from, indexed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import msgspec

from chargeplan.core.config import IntegrationConfig
from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Diagnostic, Place, error, warning
from chargeplan.core.household import Household, households, overlaps
from chargeplan.core.observed import ChargeCode, ObservedProperty
from chargeplan.core.plan import Charge, Plan, Row, Table
from chargeplan.core.select import Names, fits_property, rows_meant_for
from chargeplan.core.subject import Facts


class Setting(msgspec.Struct, frozen=True):
    """What a property is planned with.

    ``window`` are the transaction dates asked for; ``lookback`` is the first date for which corrections are looked for; ``late_charges`` maps a synced charge's id to the charge of this plan that posted it. ``everyone`` are the property's households where
    the caller has worked them out.
    """

    plan: Plan
    integration: IntegrationConfig
    names: Names
    observed: ObservedProperty
    as_of: date
    window: Days
    lookback: date
    late_charges: Mapping[str, str] = msgspec.field(default_factory=dict)
    everyone: tuple[Household, ...] | None = None


class Site:
    """A setting with its households by position, unit, lease and resident, and its charge codes by name.

    ``diagnostics`` collects what is wrong with codes and rows, each once.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.plan = setting.plan
        self.everyone = households(setting.observed) if setting.everyone is None else setting.everyone
        residents = {each.id: each for each in setting.observed.residents}
        self.facts = Facts(setting.names, residents, setting.observed.fees, setting.plan.tables)
        self.codes = _codes_by_name(setting.observed.charge_codes)
        self.accounts = _codes_by_name(setting.observed.accounts)
        self.diagnostics: dict[Diagnostic, None] = {}
        self.by_lease = {lease.id: j for j, each in enumerate(self.everyone) for lease in each.leases}
        self.by_resident: dict[str, list[int]] = {}
        self.by_unit: dict[str, list[Household]] = {}
        for j, household in enumerate(self.everyone):
            self.by_unit.setdefault(household.unit.id, []).append(household)
            for member in household.members():
                self.by_resident.setdefault(member.resident_id, []).append(j)
        self._overlaps: dict[tuple[str, ...], dict[int, tuple[Days, ...]]] = {}

    def overlaps(self, listed: tuple[str, ...]) -> dict[int, tuple[Days, ...]]:
        """By position, the days on which another household lives in the unit; ``listed`` are a selector's lease statuses."""
        if listed not in self._overlaps:
            self._overlaps[listed] = overlaps(self.everyone, listed)
        return self._overlaps[listed]

    def code_of(self, charge: Charge, row: Row | None) -> ChargeCode | None:
        """The charge code of that id or name in the property, where there is exactly one; ``row`` is the roster's."""
        named = self.codes.get(charge.code.of(row), ())
        return named[0] if len(named) == 1 else None

    def account_of(self, charge: Charge, row: Row | None) -> ChargeCode | None:
        """The financial account: the one named beside the code, else what the code names in systems without charge codes."""
        if self.setting.integration.system.code == "account":
            return self.code_of(charge, row)
        named = () if charge.account is None else self.accounts.get(charge.account.name, ())
        return named[0] if len(named) == 1 else None

    # --- checks ----------------------------------------------------------------------------------------------------

    def check_codes(self, charge: Charge) -> None:
        """Note every code and account of the charge and its overrides that the property has not exactly once."""
        here = [each for each in charge.overrides if fits_property(each, self.setting.names)]
        codes = dict(charge.code.places)
        accounts = {} if charge.account is None else dict(charge.account.places)
        for override in here:
            codes |= override.codes
            accounts |= override.accounts
        by_account = self.setting.integration.system.code == "account"
        wanted = [(name, place, self.codes, by_account) for name, place in codes.items()]
        wanted += [(name, place, self.accounts, True) for name, place in accounts.items()]
        for name, place, known, is_account in wanted:
            count = len(known.get(name, ()))
            if count != 1:
                problem = self._account_problem if is_account else self._code_problem
                self.diagnostics[problem(charge, name, place, count)] = None
        if not by_account and (account := self.account_of(charge, None)) is not None:
            for name, place in charge.code.places.items():
                self._check_credited(charge, name, place, account)

    def _check_credited(self, charge: Charge, name: str, place: Place, account: ChargeCode) -> None:
        """Warn of a code whose own account the property has, and which the charge posts to another one."""
        credited = {each.credits for each in self.codes.get(name, ()) if each.credits}
        own = [each for number in credited for each in self.accounts.get(number, ())]
        if len(own) == 1 and own[0].id != account.id:
            self.diagnostics[
                warning(
                    f"charge `{charge.id}`: `{name}` credits {own[0].number} {own[0].shown}, and is posted to "
                    f"{account.number} {account.shown}",
                    f'If that is not meant, write `account: "{own[0].number}"`; codes of several accounts are charges of their own.',
                    place,
                )
            ] = None

    def _code_problem(self, charge: Charge, code: str, place: Place, count: int) -> Diagnostic:
        names = self.setting.names
        listed = sorted({each.name for each in self.setting.observed.charge_codes if each.name})
        many = "no charge code" if not count else f"{count} charge codes"
        return error(
            f"charge `{charge.id}`: {names.name or names.id} has {many} named `{code}`",
            f"Write one of the property's codes, or a code's id. It has: {', '.join(listed) or 'none'}.",
            place,
        )

    def _account_problem(self, charge: Charge, name: str, place: Place, count: int) -> Diagnostic:
        names = self.setting.names
        listed = sorted(
            {f"{each.number or each.id} {each.name or ''}".strip() for each in self.setting.observed.accounts}
        )
        many = "no financial account" if not count else f"{count} financial accounts"
        credited = {each.credits for each in self.codes.get(charge.code.name, ()) if each.credits}
        like = [each for number in credited for each in self.accounts.get(number, ())]
        hint = f"`{charge.code.name}` credits {like[0].number} {like[0].shown}. " if len(like) == 1 else ""
        return error(
            f"charge `{charge.id}`: {names.name or names.id} has {many} named `{name}`",
            f"Write an account's name, number or id. {hint}It has: {', '.join(listed) or 'none'}. Accounts are read once a week, and with --full-refresh.",
            place,
        )

    def check_rows(self, table: Table, consequence: str) -> None:
        """Warn of keys that fit nothing; a row without a property may be for another one of the plan's."""
        known = self._known_keys(table)
        for row in rows_meant_for(table, self.plan, self.setting.names):
            if known is not None and row.key not in known:
                self.diagnostics[_unknown_row(table, row, consequence)] = None

    def _known_keys(self, table: Table) -> frozenset[str] | None:
        observed = self.setting.observed
        match table.key:
            case "period":
                return None
            case "unit":
                return frozenset(name for unit in observed.units for name in (unit.number, unit.id))
            case "lease_id":
                return frozenset(lease.id for lease in observed.leases)
            case "resident_id":
                listed = {each.resident_id for lease in observed.leases for each in lease.residents}
                return frozenset(each.id for each in observed.residents) | listed


def _unknown_row(table: Table, row: Row, consequence: str) -> Diagnostic:
    return warning(
        f"{table.key} `{row.key}` is not known in the property, {consequence}",
        "Correct the row or take it out.",
        row.place(),
    )


def _codes_by_name(codes: Iterable[ChargeCode]) -> dict[str, tuple[ChargeCode, ...]]:
    by_name: dict[str, tuple[ChargeCode, ...]] = {}
    for code in codes:
        for name in {code.id, code.name, code.number} - {None}:
            by_name[str(name)] = (*by_name.get(str(name), ()), code)
    return by_name
