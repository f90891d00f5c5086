"""`doctor`: what stands in the way of billing, looked at one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import click
import msgspec

from chargeplan.cli import wiring
from chargeplan.cli.options import Common, common
from chargeplan.core.change import Change
from chargeplan.core.config import Config, IntegrationConfig
from chargeplan.core.dates import add_months
from chargeplan.core.errors import ChargeplanError, InputError
from chargeplan.core.observed import Integration
from chargeplan.core.postage import requests_of, tenths_of_minutes
from chargeplan.flow.plan_request import PlanRequest, default_window
from chargeplan.flow.planning import planned_of
from chargeplan.render import jsondoc
from chargeplan.render.paper import Paper

# Whether references come back is told from what was billed in so many months.
_MONTHS = 3
_DUE = frozenset({"create", "correct", "in_flight", "unknown", "unchanged"})


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    check: str
    ok: bool
    said: str


class IntegrationReport(msgspec.Struct, frozen=True):
    """How an integration is posted to, and what may be concluded of what comes back (interface.md, `doctor --json`).

    ``references_back`` counts the charges of ours that were seen, and how many of them with their reference;
    ``requests`` and ``minutes`` are what the lines due this month take.
    """

    alias: str
    integration_id: str
    vendor: str
    postable: bool
    reason: str | None
    send: str | None
    code_list: str
    reference_in: str
    references_back: dict[str, int]
    credits: str
    approval: bool | None
    record_id: bool
    absence: str
    write_enabled: bool | None
    requests: int
    minutes: float


@click.command()
@common()
def doctor(*, common: Common) -> int:
    """Check token, hosts, integrations, codes, the age of the last sync, references, rate limit and journal."""
    config = wiring.configured(common)
    with wiring.world(common, config) as world:
        kept = _journal_health(world)
        # What is due can't be told without the journal, and its own finding says what is wrong with it.
        findings, reports = _remote_health(world, config, _due(world, common) if kept.ok else ())
        findings = [kept, *findings, *([_codes(world, common)] if kept.ok else [])]
    if common.as_json:
        click.echo(
            jsondoc.dump(
                {
                    "kind": "doctor",
                    "healthy": all(each.ok for each in findings),
                    "checks": msgspec.to_builtins(findings),
                    "integrations": msgspec.to_builtins(reports),
                }
            ),
            nl=False,
        )
    else:
        for each in findings:
            common.show(_finding_text(each, common))
        for report in reports:
            common.show(_report_text(report))
    return 0 if all(each.ok for each in findings) else 1


def _finding_text(finding: Finding, common: Common) -> str:
    """One finding, folded beside its mark. Propexo's words are in it, so it is escaped."""
    mark, paper = "ok   " if finding.ok else "BAD  ", Paper(common.colored, common.width)
    first, *rest = paper.prose(f"{finding.check}: {finding.said}", " " * len(mark))
    lines = (mark + first.lstrip(), *rest)
    return "".join(f"{line}\n" for line in lines)


def _journal_health(world: wiring.World) -> Finding:
    try:
        problems = world.journal.verify()
    except ChargeplanError as problem:
        return Finding("journal", ok=False, said=f"{problem.message} {problem.hint}")
    return Finding("journal", not problems, "; ".join(problems[:3]) or f"sound, at {world.journal.where}")


def _remote_health(
    world: wiring.World, config: Config, due: Sequence[Change]
) -> tuple[list[Finding], list[IntegrationReport]]:
    findings: list[Finding] = []
    reports: list[IntegrationReport] = []
    try:
        remote = world.remote
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
        said = f"{found.vendor}, {'active' if found.active else 'not active'}, last synced {_age(found.last_completed_sync)}"
        said += "" if found.vendor == each.vendor else f"; the configuration says {each.vendor}"
        said += "" if writes else "; creating resident charges is not enabled"
        findings.append(Finding(name, good, said + (f"; {reason}" if reason else "")))
        seen, survived = _came_back(world, each.id)
        findings.append(_references(seen, survived))
        lines = [change for change in due if change.integration_id == each.id]
        reports.append(_report(each, found, lines, (seen, survived), world))
    findings.append(Finding("rate limit", ok=True, said=f"{remote.rate_limit} requests a minute"))
    return findings, reports


def _report(
    each: IntegrationConfig,
    found: Integration,
    lines: Sequence[Change],
    back: tuple[int, int],
    world: wiring.World,
) -> IntegrationReport:
    system, (seen, survived) = each.system, back
    postable = not each.not_postable
    send = each.route_name(1) if postable else None
    route = each.route(1) if postable else None
    requests = requests_of(lines, {each.id: each}, world.config.posting.batch_size) if postable else 0
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
        minutes=tenths_of_minutes(requests, world.remote.rate_limit) / 10,
    )


def _report_text(report: IntegrationReport) -> str:
    """What one integration is to us, in a line."""
    if not report.postable:
        return f"     {report.alias}: {report.vendor}, nothing can be posted: {report.reason}\n"
    references = {
        "field": "in a field",
        "description": "at the end of the description",
        "both": "in a field and at the end of the description",
        "none": "nowhere",
    }[report.reference_in]
    approval = {
        True: "a person there posts what is sent",
        False: "no approval",
        None: "approval undocumented",
    }
    return (
        f"     {report.alias}: {report.vendor}, {'in batches' if report.send == 'batch' else 'one by one'}, by {report.code_list}; "
        f"reference {references}; credits: {report.credits}; {approval[report.approval]}; "
        f"{'a job names its record' if report.record_id else 'no record ids'}; absence: {report.absence}; "
        f"this month {report.requests:,} requests, {report.minutes} minutes\n"
    )


def _due(world: wiring.World, common: Common) -> Sequence[Change]:
    """The lines due this month, posted or not, as far as they are known without a request."""
    today = world.clock.today(world.config.timezone)
    request = PlanRequest(
        as_of=today, window=default_window(today, world.config), offline=True, listing_all=True
    )
    try:
        project, _ = wiring.project(common)
        changes = planned_of(world, project, request).change_set.changes
    except ChargeplanError:
        # The finding about the codes says what is wrong.
        return ()
    return [change for change in changes if change.action in _DUE]


def _age(moment: str | None) -> str:
    if moment is None:
        return "never"
    try:
        hours = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds() / 3600
    except (ValueError, TypeError):
        # No time, or one without its zone: what Propexo said is told as it is.
        return moment
    return f"{hours:.0f} hours ago"


def _codes(world: wiring.World, common: Common) -> Finding:
    """Whether the plans' charge codes are among those that were read last; Propexo is not asked for it."""
    today = world.clock.today(world.config.timezone)
    request = PlanRequest(as_of=today, window=default_window(today, world.config), offline=True)
    try:
        project, _ = wiring.project(common)
        planned = planned_of(world, project, request)
    except ChargeplanError as problem:
        if problem.code == "never_read":
            return Finding(
                "codes", ok=True, said="nothing was read yet; `chargeplan validate --online` looks at them"
            )
        hint = "`chargeplan validate` tells them." if isinstance(problem, InputError) else problem.hint
        return Finding("codes", ok=False, said=f"{problem.message} {hint}")
    wrong = [each for each in planned.change_set.diagnostics if each.is_error]
    said = "; ".join(f"{each.place}: {each.summary}" for each in wrong[:3])
    return Finding("codes", not wrong, said or "every charge code of the plans is known")


def _came_back(world: wiring.World, integration_id: str) -> tuple[int, int]:
    """How many charges of ours were seen on ledgers, and how many of them with their reference."""
    try:
        properties = world.snapshot.properties(integration_id)
    except ChargeplanError:
        return 0, 0
    kept = frozenset(world.snapshot.references(integration_id))
    since = add_months(world.clock.today(world.config.timezone), -_MONTHS)
    seen = survived = 0
    for each in properties:
        for posting in world.journal.briefs(integration_id, each.id, since):
            if posting.state == "visible":
                seen += 1
                survived += posting.reference in kept
    return seen, survived


def _references(seen: int, survived: int) -> Finding:
    """Whether reference numbers survive, told from postings that were seen again."""
    if not seen:
        return Finding("references", ok=True, said="nothing of ours was seen on a ledger yet")
    return Finding(
        "references", ok=True, said=f"{survived:,} of {seen:,} charges came back with their reference"
    )
