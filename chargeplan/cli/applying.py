"""`apply`: post a plan, once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import msgspec

from chargeplan import wiring
from chargeplan.cli import output
from chargeplan.cli.options import Common, common, confirm, is_interactive
from chargeplan.cli.plan_making import PlanWords, plan_options, request_of
from chargeplan.cli.signals import Interrupts
from chargeplan.core.config import Project
from chargeplan.core.errors import (
    ChargeplanError,
    GuardRefusedError,
    InputError,
    LockedError,
    StalePlanError,
)
from chargeplan.core.guard import Allowed, read_allowance
from chargeplan.core.outcome import unsent
from chargeplan.core.postage import requests_of, tenths_of_minutes
from chargeplan.flow import apply as flow
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.planning import Planned
from chargeplan.flow.target import Target, new_target, saved_target
from chargeplan.planfile.codec import PlanFile, read_plan
from chargeplan.propexo.pacing import EndedError
from chargeplan.render import jsondoc
from chargeplan.render.faults import error_screen
from chargeplan.render.results import apply_screen
from chargeplan.render.screen import plan_screen
from chargeplan.render.words import count_of
from chargeplan.wiring.saved import SavedPlanFile, header_of

_LOCK_TIMEOUT = 30.0


class ApplyWords(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `apply` beside those of `plan`."""

    auto_approve: bool
    digest: str | None
    allow: tuple[str, ...]
    reason: str | None
    wait: bool
    deadline: float | None
    lock_timeout: float
    approvals: Path | None


@click.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path))
@plan_options
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--digest", metavar="SHA", help="Post only if the plan has this digest.")
@click.option(
    "--allow", multiple=True, metavar="GUARD=VALUE", help="Override a guard; needs --reason; repeatable."
)
@click.option("--reason", metavar="TEXT", help="Why a guard is overridden; recorded.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the write jobs to finish.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="After so long no request begins; what is pending stays queued.",
)
@click.option(
    "--lock-timeout",
    type=click.FloatRange(min=0),
    default=_LOCK_TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help="Wait for another run.",
)
@click.option(
    "--approvals",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Where the plan file's approvals are; default: PLANFILE.approvals.",
)
@common()
def apply(*, common: Common, planfile: Path | None, **options: Any) -> int:
    """Post a plan; without a file: plan, show, ask, post.

    Every line is posted at most once, whatever fails: what is sent is recorded before it leaves, and nothing whose
    outcome is unknown is sent again.

    \b
    Examples:
      chargeplan apply august.plan
      chargeplan apply august.plan --digest sha256:4f… --deadline 600
      chargeplan apply --auto-approve --period 2027-08
    """
    words = ApplyWords(**{name: options.pop(name) for name in ApplyWords.__struct_fields__})
    try:
        return _apply(common, planfile, words, PlanWords(**options))
    except EndedError as ended:
        # Posting and asking for jobs know what to do with it, so this came before the first batch.
        raise ChargeplanError(
            f"Nothing was posted. {ended.message}",
            hint="`chargeplan apply` of the same plan goes on.",
            code="not_sent",
        ) from ended
    except (StalePlanError, GuardRefusedError, LockedError) as refusal:
        if not common.as_json:
            raise
        click.echo(jsondoc.dump(_refused_document(refusal)), nl=False)
        click.echo(error_screen(refusal), nl=False, err=True)
        return refusal.exit_code


def _refused_document(refusal: StalePlanError | GuardRefusedError | LockedError) -> dict[str, Any]:
    """The apply document of a run that posted nothing, with the error in it."""
    outcome = {5: "stale", 6: "guarded", 7: "locked"}[refusal.exit_code]
    document = {**jsondoc.apply_document("", outcome, {}, ()), "error": jsondoc.error_document(refusal)}
    if isinstance(refusal, GuardRefusedError):
        document["guards"] = [jsondoc.guard_entry(guard) for guard in refusal.guards]
    return document


def _apply(common: Common, planfile: Path | None, words: ApplyWords, asked: PlanWords) -> int:
    if planfile is not None and asked.given:
        raise ChargeplanError(
            "Nothing was posted: a PLANFILE says itself what it covers, and options of `plan` say so too.",
            hint="Leave out the one or the others.",
            code="usage",
        )
    if planfile is None and words.approvals is not None:
        raise ChargeplanError(
            "--approvals needs a PLANFILE.", hint="Save one with `chargeplan plan --out FILE`.", code="usage"
        )
    if asked.offline:
        raise ChargeplanError(
            "Nothing was posted: what is posted is compared with the ledgers as they are now, which --offline does not read.",
            hint="Leave out --offline; `chargeplan plan --offline` looks at the last snapshot.",
            code="usage",
        )
    allowed = _allowances(words)
    deadline = None if words.deadline is None else wiring.WallClock().monotonic() + words.deadline
    saved = _read(planfile, words)
    if saved is not None and common.env is None and not os.environ.get("CHARGEPLAN_ENV"):
        common = msgspec.structs.replace(common, env=saved.header.environment)
    project, warnings = _project(common, stale=saved is not None)
    stopping = Interrupts()
    as_of = saved.header.as_of if saved else request_of(asked, project.config, wiring.WallClock()).as_of
    with (
        wiring.world(common, project.config, today=as_of, project=project) as world,
        stopping.heeded(),
    ):
        if deadline is not None:
            world.remote.end_at(deadline, stopping)
        if planfile is not None and saved is not None:
            file = SavedPlanFile(planfile, saved, project, world, words.approvals)
            target = saved_target(world, project, file, allowed)
        else:
            request = request_of(asked, project.config, world.clock, allowed)
            reviewer = _Reviewer(common, world, project, request, words)
            target = new_target(world, project, request, reviewer, warnings)
        if target.changes or saved is not None:
            _say_where(common, world, target)
        how = flow.How(
            approval=_approval(words, saved),
            wait=words.wait,
            deadline=deadline,
            lock_timeout=words.lock_timeout,
        )
        return _end(common, flow.apply(world, project, target, how, stopping))


def _read(planfile: Path | None, words: ApplyWords) -> PlanFile | None:
    saved = read_plan(planfile) if planfile is not None else None
    if saved is not None and words.digest and words.digest != saved.header.digest:
        raise StalePlanError(
            f"The plan file has the digest {saved.header.digest}, not the one given. Nothing was posted.",
            hint="The one given belongs to another plan: look at this one with `chargeplan show`, or plan again.",
            code="digest_mismatch",
        )
    return saved


def _say_where(common: Common, world: wiring.World, target: Target) -> None:
    if target.approvals:
        names = ", ".join(each.approval.approver for each in target.approvals if each.approval)
        common.say(f"Approved by {names}.")
    if world.environment.name != world.config.environment:
        common.say(f"Posting to {world.api_host}, environment `{world.environment.name}`.")


def _project(common: Common, *, stale: bool) -> tuple[Project, Any]:
    """The project; a plan file whose inputs no longer load is out of date, but the input's errors say more."""
    try:
        return wiring.project(common)
    except InputError as problem:
        if stale:
            raise InputError(
                f"{problem.message} Nothing was posted.", problem.diagnostics, hint=problem.hint
            ) from problem
        raise


def _approval(words: ApplyWords, saved: PlanFile | None) -> str:
    """How the plan was approved: what ties the run to what a person saw comes first."""
    if words.digest:
        return "digest"
    if saved is not None:
        return "plan file"
    return "auto-approve" if words.auto_approve else "prompt"


def _allowances(words: ApplyWords) -> tuple[Allowed, ...]:
    if words.allow and not (words.reason or "").strip():
        raise ChargeplanError(
            "--allow needs --reason.",
            hint='Say why, as in --reason "new building"; it is recorded.',
            code="usage",
        )
    try:
        return tuple(read_allowance(text, words.reason or "") for text in words.allow)
    except ValueError as problem:
        raise ChargeplanError(f"--allow: {problem}.", code="usage") from problem


class _Reviewer:
    """Whoever runs `apply` without a plan file: sees the plan, and is asked, unless an option says yes."""

    def __init__(
        self,
        common: Common,
        world: wiring.World,
        project: Project,
        request: PlanRequest,
        words: ApplyWords,
    ) -> None:
        self.common, self.words = common, words
        self.world, self.project, self.request = world, project, request
        if not words.auto_approve and not is_interactive():
            raise ChargeplanError(
                "Nothing was posted: the plan is to be confirmed, and there is no terminal at which to ask.",
                hint="Save it with `chargeplan plan --out FILE` and apply the file, or give --auto-approve.",
                code="approval_needed",
            )

    def show(self, planned: Planned) -> None:
        """Show the plan."""
        screen = plan_screen(planned.change_set, color=self.common.colored, width=self.common.width)
        self.common.show(screen, to_stderr=self.common.as_json)
        lines, config = planned.change_set.to_post(), self.project.config
        requests = requests_of(lines, self.world.integrations, config.posting.batch_size)
        minutes = tenths_of_minutes(requests, self.world.remote.rate_limit) / 10
        if lines:
            self.common.say(f"Posting takes {count_of(requests, 'request')}, {minutes} minutes or more.")

    def approve(self, planned: Planned) -> str:
        """Compare the digest with the one given, and ask."""
        digest = header_of(self.world, self.project, self.request, planned).digest
        if self.words.digest and self.words.digest != digest:
            raise StalePlanError(
                f"The plan has the digest {digest}, not the one given. Nothing was posted.",
                hint="Something changed since the given one was made: review the plan above.",
                code="digest_mismatch",
            )
        if not self.words.auto_approve:
            confirm("Post this?", "Nothing was posted.")
        return digest


# --- how it ended --------------------------------------------------------------------------------------------------


def _end(common: Common, applied: flow.Applied) -> int:
    """Say what was done; that it can't be said changes nothing of it, nor of the code."""
    with output.told_if_possible():
        _tell(common, applied)
    if applied.interrupted and applied.totals["unknown"].count == 0:
        return 130
    return {"complete": 0, "nothing": 0, "incomplete": 3, "unknown": 4}[applied.ending]


def _tell(common: Common, applied: flow.Applied) -> None:
    totals, batches = applied.totals, applied.batches
    if applied.unrecorded:
        common.say(f"{applied.unrecorded} `chargeplan reconcile` finds out what became of the lines.")
    elif applied.stopped:
        common.say(
            f"Stopped: {applied.stopped}. {unsent(totals):,} lines were not sent; "
            "`chargeplan apply` of the same plan goes on."
        )
    common.answer(
        lambda: jsondoc.apply_document(applied.plan_id, applied.ending, totals, batches),
        lambda: apply_screen(applied.ending, totals, batches, **common.paper),
    )
