"""Rebuild a lost journal from what is observed: every charge with a reference of ours, and the write log of the last month."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec

from chargeplan.core.config import Project
from chargeplan.core.dates import Days, add_months
from chargeplan.core.logbook import as_credits
from chargeplan.core.posting import LIVE, Posting, WriteLogEntry
from chargeplan.core.rebuild import postings_of, proofs_of
from chargeplan.flow.jobs import system_of
from chargeplan.flow.logged import wrote_nothing
from chargeplan.flow.logs import read_log
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.ports import Ports
from chargeplan.flow.property import PropertyPlanner
from chargeplan.flow.scope import Scope
from chargeplan.flow.tasks import PropertyTask

# What the plans would still look at is explained by them; what is older is taken in as it stands.
_MONTHS_EXPLAINED = 2
_MONTHS_READ = 13


def found_postings(ports: Ports, project: Project, request: PlanRequest) -> Iterator[Posting]:
    """Postings that the ledgers or the write log prove, of all properties of the plans."""
    first = add_months(request.window.first, -_MONTHS_EXPLAINED)
    days = Days(first, request.window.last + timedelta(days=31))
    wide = msgspec.structs.replace(request, window=days, listing_all=True)
    scope = Scope(project, wide, ports.snapshot, ports.progress.step)
    planner = PropertyPlanner(project, wide, ports.snapshot, ports.journal)
    for integration_id in dict.fromkeys(plan.integration_id for plan in project.plans):
        tasks = scope.tasks(integration_id)
        read = Days(add_months(days.first, -_MONTHS_READ), days.last)
        ports.snapshot.refresh(
            integration_id,
            read,
            full=False,
            fees=False,
            payments=False,
            codes=system_of(ports.integrations, integration_id).lists,
            named=(),
            reads_back=True,
        )
        entries = _entries(ports, integration_id)
        for task in tasks:
            yield from _of_property(ports, planner, task, read, entries)


def _of_property(
    ports: Ports, planner: PropertyPlanner, task: PropertyTask, read: Days, entries: Sequence[WriteLogEntry]
) -> Iterator[Posting]:
    observed = ports.snapshot.property(task.integration.id, task.property.id, read)
    people = frozenset(
        [resident.id for resident in observed.residents] + [lease.id for lease in observed.leases]
    )
    proofs = proofs_of(observed.charges, entries, people)
    known = ports.journal.latest(tuple(proofs))
    recorded = {each.reference for each in known.values() if each.state in LIVE or each.state == "voided"}
    wanted = {reference: proof for reference, proof in proofs.items() if reference not in recorded}
    if wanted:
        planned = planner.expanded(task)
        yield from postings_of(planned, observed, task.integration.id, wanted, recorded.__contains__)


def _entries(ports: Ports, integration_id: str) -> list[WriteLogEntry]:
    """The requests in the log that may have written something; what credits it has are negative, however they were sent."""
    system = system_of(ports.integrations, integration_id)
    entries = [each for each in read_log(ports, integration_id, "month") if not wrote_nothing(each, system)]
    if not ports.integrations[integration_id].has_credits_apart:
        return entries
    charges = {each.job_id for each in ports.remote.write_log(integration_id, "month", credits_too=False)}
    return [each if each.job_id in charges else as_credits(each) for each in entries]
