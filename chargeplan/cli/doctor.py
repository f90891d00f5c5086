"""`doctor`: what stands in the way of billing, looked at one by one."""

from __future__ import annotations

import click
import msgspec

from chargeplan import wiring
from chargeplan.cli.options import Common, common
from chargeplan.flow.doctor import Finding, IntegrationReport, examine
from chargeplan.render import jsondoc
from chargeplan.render.paper import Paper


@click.command()
@common()
def doctor(*, common: Common) -> int:
    """Check token, hosts, integrations, codes, the age of the last sync, references, rate limit and journal."""
    config = wiring.configured(common)
    with wiring.world(common, config) as world:
        health = examine(world, config, lambda: wiring.project(common)[0])
    if common.as_json:
        document = {
            "kind": "doctor",
            "healthy": health.is_good,
            "checks": msgspec.to_builtins(health.findings),
            "integrations": msgspec.to_builtins(health.reports),
        }
        click.echo(jsondoc.dump(document), nl=False)
    else:
        for finding in health.findings:
            common.show(_finding_text(finding, common))
        for report in health.reports:
            common.show(_report_text(report))
    return 0 if health.is_good else 1


def _finding_text(finding: Finding, common: Common) -> str:
    """One finding, folded beside its mark. Propexo's words are in it, so it is escaped."""
    mark, paper = "ok   " if finding.ok else "BAD  ", Paper(common.colored, common.width)
    first, *rest = paper.prose(f"{finding.check}: {finding.said}", " " * len(mark))
    lines = (mark + first.lstrip(), *rest)
    return "".join(f"{line}\n" for line in lines)


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
