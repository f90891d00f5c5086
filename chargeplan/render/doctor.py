"""What `doctor` found, on screen and as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from chargeplan.core.health import Finding, Health, IntegrationReport
from chargeplan.render.paper import DEFAULT_WIDTH, Paper


def doctor_document(health: Health) -> dict[str, Any]:
    """Everything that was looked at."""
    return {
        "kind": "doctor",
        "healthy": health.is_good,
        "checks": msgspec.to_builtins(health.findings),
        "integrations": [_report_entry(report) for report in health.reports],
    }


def _report_entry(report: IntegrationReport) -> dict[str, Any]:
    entry: dict[str, Any] = msgspec.to_builtins(report)
    return {**entry, "minutes": entry.pop("tenths_of_minutes") / 10}


def doctor_screen(health: Health, *, color: bool = False, width: int = DEFAULT_WIDTH) -> str:
    """What was found, and then each integration in a line."""
    paper = Paper(color, width)
    findings = [_finding_text(finding, paper) for finding in health.findings]
    return "".join([*findings, *map(_report_text, health.reports)])


def _finding_text(finding: Finding, paper: Paper) -> str:
    """One finding, folded beside its mark. Propexo's words are in it, so it is escaped."""
    mark = "ok   " if finding.ok else "BAD  "
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
        f"this month {report.requests:,} requests, {report.tenths_of_minutes / 10} minutes\n"
    )
