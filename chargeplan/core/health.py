"""What stands in the way of billing: what was looked at, and how each integration is posted to."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    check: str
    ok: bool
    said: str


class IntegrationReport(msgspec.Struct, frozen=True):
    """How an integration is posted to, and what may be concluded of what comes back (interface.md, `doctor --json`).

    ``references_back`` counts the charges of ours that were seen, and how many of them with their reference;
    ``requests`` and ``tenths_of_minutes`` are what the lines due this month take.
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
    tenths_of_minutes: int


class Health(msgspec.Struct, frozen=True):
    """Everything that was looked at, and how each integration is posted to."""

    findings: list[Finding]
    reports: list[IntegrationReport]

    @property
    def is_good(self) -> bool:
        """Whether nothing stands in the way."""
        return all(finding.ok for finding in self.findings)
