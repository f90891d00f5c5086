"""What apply is to post: a plan that was saved, checked and approved; or one that is made now, shown, and asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from chargeplan.core.approval import GUARD as APPROVALS
from chargeplan.core.approval import Entry
from chargeplan.core.change import Change, GuardResult, PropertyDigest
from chargeplan.core.config import Project
from chargeplan.core.diagnostic import Diagnostic
from chargeplan.core.errors import ChargeplanError, GuardRefusedError, InputError
from chargeplan.core.guard import Allowed
from chargeplan.flow.integrations import refuse_unnamed
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.planning import Planned, plan_now
from chargeplan.flow.ports import Ports


class SavedPlan(Protocol):
    """A plan that was saved, for this project and environment, with the approvals that others gave it."""

    @property
    def plan_id(self) -> str:
        """Its id."""
        ...

    @property
    def digest(self) -> str:
        """Its digest."""
        ...

    @property
    def journal_id(self) -> str:
        """The identity of the journal that it was made with."""
        ...

    @property
    def changes(self) -> tuple[Change, ...]:
        """What it posts."""
        ...

    @property
    def properties(self) -> tuple[PropertyDigest, ...]:
        """The properties that it covers."""
        ...

    def request(self, allowed: tuple[Allowed, ...]) -> PlanRequest:
        """What finds its changes again."""
        ...

    def refuse_stale(self, journal_id: str, *, used: bool) -> None:
        """Do nothing where it belongs to this place, these files, this journal and this day.

        Raises:
            StalePlanError: it does not.
        """
        ...

    def approvals(self) -> tuple[Entry, ...]:
        """The approvals that count; none where none is asked for.

        Raises:
            GuardRefusedError: there are too few.
        """
        ...


class Reviewer(Protocol):
    """Whoever looks at a plan that was made just now."""

    def show(self, planned: Planned) -> None:
        """Show the plan."""
        ...

    def approve(self, planned: Planned) -> str:
        """Have the plan approved; its digest.

        Raises:
            ChargeplanError: it was not.
        """
        ...


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be posted: a plan's id and digest, its changes, and the request that finds them again.

    ``properties`` are those that it covers.

    ``approvals`` are those of other people, where the configuration asks for them. ``unknown`` are the lines that a plan made
    just now does not post because their outcome is not known.
    """

    plan_id: str
    digest: str
    changes: tuple[Change, ...]
    request: PlanRequest
    properties: tuple[PropertyDigest, ...] = ()
    unknown: tuple[Change, ...] = ()
    approvals: tuple[Entry, ...] = ()
    is_saved: bool = False


def saved_target(ports: Ports, project: Project, saved: SavedPlan, allowed: tuple[Allowed, ...]) -> Target:
    """A saved plan, once it is certain that it belongs here and was approved.

    Raises:
        StalePlanError: it does not belong here.
        GuardRefusedError: it was not approved.
    """
    journal = ports.journal
    refuse_unnamed(journal, project)
    used = saved.journal_id == journal.identity and journal.plan_used(saved.plan_id) is not None
    saved.refuse_stale(journal.identity, used=used)
    return Target(
        plan_id=saved.plan_id,
        digest=saved.digest,
        changes=saved.changes,
        request=saved.request(allowed),
        properties=saved.properties,
        # What was used before was approved before; nobody has to approve again that a stopped run goes on.
        approvals=() if used else saved.approvals(),
        is_saved=True,
    )


def new_target(
    ports: Ports,
    project: Project,
    request: PlanRequest,
    reviewer: Reviewer,
    warnings: Sequence[Diagnostic] = (),
) -> Target:
    """Plan now, show it, and have it approved; where there is nothing to post, nobody is asked.

    Raises:
        InputError, GuardRefusedError: it can't be posted.
        ChargeplanError: it was not approved.
    """
    refuse_unnamed(ports.journal, project)
    planned = plan_now(ports, project, request, warnings)
    change_set = planned.change_set
    reviewer.show(planned)
    refuse_errors(planned)
    refuse_guards(planned)
    _refuse_unsaved(change_set.guards)
    changes = change_set.to_post()
    return Target(
        plan_id=change_set.plan_id,
        digest=reviewer.approve(planned) if changes else "",
        changes=changes,
        request=request,
        properties=planned.properties,
        unknown=tuple(change for change in change_set.changes if change.action == "unknown"),
    )


def refuse_errors(planned: Planned) -> None:
    """Do nothing where the plan has no error, and the journal knows every charge with a reference of ours.

    Raises:
        InputError: it has one.
        ChargeplanError: ``journal_unrecorded``.
    """
    if planned.change_set.errored:
        errors = [diagnostic for diagnostic in planned.change_set.diagnostics if diagnostic.is_error]
        raise InputError(
            "The plan has errors. Nothing was posted.", errors, hint="Correct them and plan again."
        )
    if planned.unrecorded:
        # They may have been posted by a journal that was lost.
        raise ChargeplanError(
            f"{planned.unrecorded} charges with our references are on the ledgers that the journal does not know. Nothing was posted.",
            hint="If the journal was lost: `chargeplan journal rebuild`. If this is another project's journal, use the right one.",
            code="journal_unrecorded",
        )


def refuse_guards(planned: Planned) -> None:
    """Do nothing where no guard refuses the plan.

    Raises:
        GuardRefusedError: with the options that override them.
    """
    refused = [guard for guard in planned.change_set.guards if guard.refused]
    if refused:
        said = "; ".join(f"{each.guard}: {each.message}" for each in refused)
        names = " ".join(f"--allow {_override(each.guard, each.value, each.unit)}" for each in refused)
        raise GuardRefusedError(
            f"Refused by {len(refused)} guard{'s' if len(refused) > 1 else ''}: {said}. Nothing was posted.",
            hint=f'If this is meant: {names} --reason "why"',
            code="guard_refused",
            guards=refused,
        )


def _override(guard: str, value: int | None, unit: str) -> str:
    if value is None:
        return "first_period" if guard == "max_change" else guard
    return f"{guard}={value // 100}.{value % 100:02d}" if unit == "cents" else f"{guard}={value}"


def _refuse_unsaved(guards: Sequence[GuardResult]) -> None:
    """A plan that others have to approve has to be one that they can look at: a saved one."""
    wanted = [msgspec.structs.replace(guard, refused=True) for guard in guards if guard.guard == APPROVALS]
    for each in wanted:
        raise GuardRefusedError(
            f"Refused for lack of approvals: {each.message}. Nothing was posted.",
            hint="`chargeplan plan --out FILE`, `chargeplan approve FILE` by others, `chargeplan apply FILE`.",
            code="approvals_needed",
            guards=wanted,
        )
