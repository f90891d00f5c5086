"""`doctor`: what stands in the way of billing, looked at one by one."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import msgspec

from chargeplan.cli import wiring
from chargeplan.cli.options import Common, common
from chargeplan.core.config import Config
from chargeplan.core.dates import add_months
from chargeplan.core.errors import ChargeplanError, InputError
from chargeplan.flow.plan_request import PlanRequest, default_window
from chargeplan.flow.planning import planned_of
from chargeplan.render import jsondoc
from chargeplan.render.paper import Paper

# Whether references come back is told from what was billed in so many months.
_MONTHS = 3


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    check: str
    ok: bool
    said: str


@click.command()
@common()
def doctor(*, common: Common) -> int:
    """Check token, hosts, integrations, codes, the age of the last sync, references, rate limit and journal."""
    config = wiring.configured(common)
    with wiring.world(common, config) as world:
        kept = _journal_health(world)
        # What is due can't be told without the journal, and its own finding says what is wrong with it.
        findings = [kept, *_remote_health(world, config), *([_codes(world, common)] if kept.ok else [])]
    if common.as_json:
        click.echo(
            jsondoc.dump(
                {
                    "kind": "doctor",
                    "healthy": all(each.ok for each in findings),
                    "checks": msgspec.to_builtins(findings),
                }
            ),
            nl=False,
        )
    else:
        for each in findings:
            common.show(_finding_text(each, common))
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


def _remote_health(world: wiring.World, config: Config) -> list[Finding]:
    findings: list[Finding] = []
    try:
        remote = world.remote
    except ChargeplanError as problem:
        return [Finding("token and host", ok=False, said=f"{problem.message} {problem.hint}")]
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
        findings.append(_references(world, each.id))
    findings.append(Finding("rate limit", ok=True, said=f"{remote.rate_limit} requests a minute"))
    return findings


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


def _references(world: wiring.World, integration_id: str) -> Finding:
    """Whether reference numbers survive, told from postings that were seen again."""
    try:
        properties = world.snapshot.properties(integration_id)
    except ChargeplanError:
        return Finding("references", ok=True, said="nothing was read yet")
    kept = frozenset(world.snapshot.references(integration_id))
    since = add_months(world.clock.today(world.config.timezone), -_MONTHS)
    seen = survived = 0
    for each in properties:
        for posting in world.journal.briefs(integration_id, each.id, since):
            if posting.state == "visible":
                seen += 1
                survived += posting.reference in kept
    if not seen:
        return Finding("references", ok=True, said="nothing of ours was seen on a ledger yet")
    return Finding(
        "references", ok=True, said=f"{survived:,} of {seen:,} charges came back with their reference"
    )
