"""A saved plan, its header and the approvals beside it, as the flows ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from chargeplan.core.approval import Approval, Entry
from chargeplan.core.change import Change, ChangeSet, PropertyDigest
from chargeplan.core.config import Approver, Config, Project
from chargeplan.core.guard import Allowed
from chargeplan.core.shard import read_shard
from chargeplan.flow.approve import Approvable, refuse_unapproved
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.planning import Planned
from chargeplan.journal import default_actor
from chargeplan.planfile.approvals import add_approval, beside, read_approvals, subject_of
from chargeplan.planfile.codec import PlanFile
from chargeplan.planfile.fresh import Here, refuse_stale
from chargeplan.planfile.header import Header, Origin, PlanOptions
from chargeplan.planfile.keys import Signer
from chargeplan.planfile.seal import sealed_header
from chargeplan.wiring.ports import World


def approvable(path: Path, plan: PlanFile) -> Approvable:
    """The plan file as its approvers see it."""
    return Approvable(
        subject=subject_of(plan),
        changes=plan.change_set.to_post(),
        expires_at=datetime.fromisoformat(plan.header.expires_at),
        file=str(path),
    )


class KeptApprovals:
    """The approvals in a file; a ``signer`` can add one."""

    def __init__(self, path: Path, signer: Signer | None = None) -> None:
        self.path, self._signer = path, signer

    def entries(self, approvers: Sequence[Approver]) -> Sequence[Entry]:
        """Every entry, verified with the approvers' public keys; none where there is no file."""
        return read_approvals(self.path, {approver.name: approver.key for approver in approvers})

    def add(self, approval: Approval) -> None:
        """Sign the approval and keep it."""
        assert self._signer is not None
        add_approval(self.path, approval, self._signer)


class SavedPlanFile:
    """The plan file at ``path``, to be posted in a world; its approvals are in ``approvals``, or beside it."""

    def __init__(
        self, path: Path, plan: PlanFile, project: Project, world: World, approvals: Path | None
    ) -> None:
        self._path, self._plan, self._project, self._world = path, plan, project, world
        self._approvals = KeptApprovals(approvals or beside(path))

    @property
    def plan_id(self) -> str:
        """Its id."""
        return self._plan.header.plan_id

    @property
    def digest(self) -> str:
        """Its digest."""
        return self._plan.header.digest

    @property
    def journal_id(self) -> str:
        """The identity of the journal that it was made with."""
        return self._plan.header.origin.journal_id

    @property
    def changes(self) -> tuple[Change, ...]:
        """What it posts."""
        return self._plan.change_set.to_post()

    @property
    def properties(self) -> tuple[PropertyDigest, ...]:
        """The properties that it covers."""
        return self._plan.header.origin.properties

    def request(self, allowed: tuple[Allowed, ...]) -> PlanRequest:
        """What finds its changes again."""
        header, options = self._plan.header, self._plan.header.origin.options
        return PlanRequest(
            as_of=header.as_of,
            window=header.window,
            plans=options.plans,
            charges=options.charges,
            properties=options.properties,
            allowed=allowed,
            shard=read_shard(options.shard) if isinstance(options.shard, str) else None,
            posting_missed=options.missed is True,
        )

    def refuse_stale(self, journal_id: str, *, used: bool) -> None:
        """Do nothing where it belongs to this place, these files, this journal and this day."""
        here = Here(
            environment=self._world.environment.name,
            inputs=self._project.digests,
            now=self._world.clock.now(),
            api_host=self._world.api_host,
            journal_id=journal_id,
            used=used,
        )
        hint = "Run `chargeplan plan` again and review what changed."
        refuse_stale(self._plan, here, "Nothing was posted.", hint)

    def approvals(self) -> tuple[Entry, ...]:
        """The approvals that count; none where none is asked for."""
        now = datetime.fromisoformat(self._world.clock.now())
        plan = approvable(self._path, self._plan)
        return refuse_unapproved(plan, self._project.config.approvals, self._approvals, now)


def header_of(world: World, project: Project, request: PlanRequest, planned: Planned) -> Header:
    """What the plan file says of itself: what it was made from, by whom, how long it is good, and its digest."""
    created = world.clock.now()
    origin = Origin(
        api_host=world.api_host,
        journal_id=world.journal.identity,
        options=PlanOptions(
            request.plans,
            request.charges,
            request.properties,
            msgspec.UNSET if request.shard is None else str(request.shard),
            True if request.posting_missed else msgspec.UNSET,
        ),
        inputs=project.digests,
        properties=planned.properties,
    )
    return sealed_header(
        planned.change_set,
        origin,
        created_at=created,
        expires_at=_expiry(created, planned.change_set, project.config),
        planned_by=default_actor(),
    )


def _expiry(created: str, change_set: ChangeSet, config: Config) -> str:
    """The end of the window, or of the day that is ``plan_ttl`` from now, whichever comes first: the same all day.

    A window that is over when the plan is made (a month billed late) expires with ``plan_ttl`` alone.
    """
    made, zone = datetime.fromisoformat(created), ZoneInfo(config.timezone)
    last = made.astimezone(zone).date() + timedelta(days=config.plan_ttl_days)
    by_age = datetime.combine(last + timedelta(days=1), time(), tzinfo=zone)
    window_end = datetime.combine(change_set.window.last + timedelta(days=1), time(), tzinfo=zone)
    ends = by_age if window_end <= made else min(by_age, window_end)
    return ends.astimezone(made.tzinfo).isoformat(timespec="seconds").replace("+00:00", "Z")
