"""What stands in the way of billing, looked at one by one: journal, token, integrations, references, codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from chargeplan.core.change import Change
from chargeplan.core.config import Config, IntegrationConfig, Project
from chargeplan.core.dates import add_months
from chargeplan.core.errors import ChargeplanError, InputError
from chargeplan.core.health import Finding, Health, IntegrationReport
from chargeplan.core.observed import Integration
from chargeplan.core.postage import requests_of, tenths_of_minutes
from chargeplan.flow.plan_request import PlanRequest, default_window
from chargeplan.flow.planning import planned_of
from chargeplan.flow.ports import Ports

ProjectOf = Callable[[], Project]
"""Reads the plans, which may have errors."""

# Whether references come back is seen from what was billed in so many months.
_MONTHS = 3
_DUE = frozenset({"create", "correct", "in_flight", "unknown", "unchanged"})


def examine(ports: Ports, config: Config, project_of: ProjectOf) -> Health:
    """Look at everything.

    What is due is not known without the journal, and its own finding says what is wrong with it.
    """
    kept = _journal_health(ports)
    due = _due(ports, config, project_of) if kept.ok else ()
    findings, reports = _remote_health(ports, config, due)
    codes = [_codes(ports, config, project_of)] if kept.ok else []
    return Health([kept, *findings, *codes], reports)


def _journal_health(ports: Ports) -> Finding:
    try:
        problems = ports.journal.verify()
    except ChargeplanError as problem:
        return Finding("journal", ok=False, said=f"{problem.message} {problem.hint}")
    return Finding("journal", not problems, "; ".join(problems[:3]) or f"sound, at {ports.journal.where}")


def _remote_health(
    ports: Ports, config: Config, due: Sequence[Change]
) -> tuple[list[Finding], list[IntegrationReport]]:
    findings: list[Finding] = []
    reports: list[IntegrationReport] = []
    try:
        remote = ports.remote
    except ChargeplanError as problem:
        return [Finding("token and host", ok=False, said=f"{problem.message} {problem.hint}")], []
    for each in config.integrations.values():
        name = f"integration {each.alias}"
        try:
            found = remote.integration(each.id)
        except ChargeplanError as problem:
            findings.append(Finding(name, ok=False, said=f"{problem.message} {problem.hint}"))
            continue
        reason = each.not_postable
        writes = found.interfaces.get(f"{found.vendor}_CREATE_RESIDENT_CHARGE", True)
        good = found.active and not found.archived and not reason and writes and found.vendor == each.vendor
        said = f"{found.vendor}, {'active' if found.active else 'not active'}, last synced {_age(found.last_completed_sync, ports.clock.now())}"
        said += "" if found.vendor == each.vendor else f"; the configuration says {each.vendor}"
        said += "" if writes else "; creating resident charges is not enabled"
        findings.append(Finding(name, good, said + (f"; {reason}" if reason else "")))
        seen, survived = _came_back(ports, config, each.id)
        findings.append(_references(seen, survived))
        lines = [change for change in due if change.integration_id == each.id]
        requests = 0 if each.not_postable else requests_of(lines, {each.id: each}, config.posting.batch_size)
        tenths = tenths_of_minutes(requests, remote.rate_limit)
        back = seen, survived
        reports.append(_report(each, found, requests=requests, tenths=tenths, back=back))
    findings.append(Finding("rate limit", ok=True, said=f"{remote.rate_limit} requests a minute"))
    return findings, reports


def _report(
    each: IntegrationConfig,
    found: Integration,
    *,
    requests: int,
    tenths: int,
    back: tuple[int, int],
) -> IntegrationReport:
    system, (seen, survived) = each.system, back
    postable = not each.not_postable
    send = each.route_name(1) if postable else None
    route = each.route(1) if postable else None
    return IntegrationReport(
        alias=each.alias,
        integration_id=each.id,
        vendor=each.vendor,
        postable=postable,
        reason=each.not_postable or None,
        send=send,
        code_list="financial accounts" if system.code == "account" else "charge codes",
        reference_in=each.carries,
        references_back={"seen": seen, "came_back": survived},
        credits="post" if each.posts_credits else "hold",
        approval=system.needs_approval,
        record_id=route is not None and route.gives_id,
        absence="proves" if each.absence_proves else "never",
        write_enabled=found.interfaces.get(f"{found.vendor}_CREATE_RESIDENT_CHARGE"),
        requests=requests,
        tenths_of_minutes=tenths,
    )


def _due(ports: Ports, config: Config, project_of: ProjectOf) -> Sequence[Change]:
    """The lines due this month, posted or not, as far as they are known without a request."""
    today = ports.clock.today(config.timezone)
    request = PlanRequest(as_of=today, window=default_window(today, config), offline=True, listing_all=True)
    try:
        project = project_of()
        changes = planned_of(ports, project, request).change_set.changes
    except ChargeplanError:
        # The finding about the codes says what is wrong.
        return ()
    return [change for change in changes if change.action in _DUE]


def _age(moment: str | None, now: str) -> str:
    if moment is None:
        return "never"
    try:
        hours = (datetime.fromisoformat(now) - datetime.fromisoformat(moment)).total_seconds() / 3600
    except (ValueError, TypeError):
        # No time, or one without its zone: what Propexo said is shown as it is.
        return moment
    return f"{hours:.0f} hours ago"


def _codes(ports: Ports, config: Config, project_of: ProjectOf) -> Finding:
    """Whether the plans' charge codes are among those that were read last; Propexo is not asked for it."""
    today = ports.clock.today(config.timezone)
    request = PlanRequest(as_of=today, window=default_window(today, config), offline=True)
    try:
        project = project_of()
        planned = planned_of(ports, project, request)
    except ChargeplanError as problem:
        if problem.code == "never_read":
            return Finding(
                "codes", ok=True, said="nothing was read yet; `chargeplan validate --online` looks at them"
            )
        hint = "`chargeplan validate` lists them." if isinstance(problem, InputError) else problem.hint
        return Finding("codes", ok=False, said=f"{problem.message} {hint}")
    wrong = [diagnostic for diagnostic in planned.change_set.diagnostics if diagnostic.is_error]
    said = "; ".join(f"{each.place}: {each.summary}" for each in wrong[:3])
    return Finding("codes", not wrong, said or "every charge code of the plans is known")


def _came_back(ports: Ports, config: Config, integration_id: str) -> tuple[int, int]:
    """How many charges of ours were seen on ledgers, and how many of them with their reference."""
    try:
        properties = ports.snapshot.properties(integration_id)
    except ChargeplanError:
        return 0, 0
    kept = frozenset(ports.snapshot.references(integration_id))
    since = add_months(ports.clock.today(config.timezone), -_MONTHS)
    seen = survived = 0
    for each in properties:
        for posting in ports.journal.briefs(integration_id, each.id, since):
            if posting.state == "visible":
                seen += 1
                survived += posting.reference in kept
    return seen, survived


def _references(seen: int, survived: int) -> Finding:
    """Whether reference numbers survive, counted from postings that were seen again."""
    if not seen:
        return Finding("references", ok=True, said="nothing of ours was seen on a ledger yet")
    return Finding(
        "references", ok=True, said=f"{survived:,} of {seen:,} charges came back with their reference"
    )
