"""`apply`: post a plan, once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from chargeplan.cli import wiring
from chargeplan.cli.approving import entries_of, refuse_unapproved, refuse_unsaved
from chargeplan.cli.options import Common, common, is_interactive
from chargeplan.cli.plan_making import PlanWords, origin_of, plan_options, request_of
from chargeplan.core.approval import Evidence
from chargeplan.core.change import Change, Total
from chargeplan.core.config import Project
from chargeplan.core.errors import (
    ChargeplanError,
    GuardRefusedError,
    InputError,
    LockedError,
    StalePlanError,
)
from chargeplan.core.guard import Allowed, read_allowance
from chargeplan.core.posting import LIVE, Batch, Posting
from chargeplan.core.shard import read_shard
from chargeplan.flow.applying import (
    Poster,
    PostingOptions,
    check_unchanged,
    in_plan_order,
    outcome_of,
    refuse_unrecorded,
    sum_up,
)
from chargeplan.flow.integrations import refuse_unnamed
from chargeplan.flow.logged import refuse_logged
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.planning import Planned, plan_now
from chargeplan.flow.settling import settle_killed, settle_unknown
from chargeplan.planfile.codec import PlanFile, read_plan
from chargeplan.planfile.header import changed_inputs
from chargeplan.planfile.seal import digest as digest_of
from chargeplan.propexo.pacing import EndedError
from chargeplan.render import jsondoc
from chargeplan.render.faults import error_screen
from chargeplan.render.results import apply_screen
from chargeplan.render.screen import plan_screen

_LOCK_TIMEOUT = 30.0


class ApplyWords(msgspec.Struct, frozen=True):
    """The options of `apply` beside those of `plan`."""

    auto_approve: bool
    digest: str | None
    allow: tuple[str, ...]
    reason: str | None
    wait: bool
    deadline: float | None
    lock_timeout: float
    approvals: Path | None


class Target(msgspec.Struct, frozen=True):
    """What is to be posted: a plan's id and digest, its changes, and the request that finds them again.

    ``approval`` is how it was approved, for the journal: ``digest``, ``prompt``, ``auto-approve`` or ``plan file``;
    ``approvals`` are those of other people, where the configuration asks for them.
    """

    plan_id: str
    digest: str
    changes: tuple[Change, ...]
    request: PlanRequest
    unknown: tuple[Change, ...] = ()
    approval: str = ""
    approvals: tuple[Evidence, ...] = ()


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
        document["guards"] = [jsondoc.guard_entry(each) for each in refusal.guards]
    return document


def _apply(common: Common, planfile: Path | None, words: ApplyWords, asked: PlanWords) -> int:
    if planfile is not None and asked.given:
        raise ChargeplanError(
            "A plan file says itself what it covers.", hint="Leave out the options of `plan`.", code="usage"
        )
    if planfile is None and words.approvals is not None:
        raise ChargeplanError("Approvals are of a plan file.", hint="Give the PLANFILE too.", code="usage")
    if asked.offline:
        raise ChargeplanError(
            "What is posted has to be compared with the ledgers as they are now.",
            hint="Leave out --offline; `chargeplan plan --offline` looks at the last snapshot.",
            code="usage",
        )
    allowed = _allowances(words)
    deadline = None if words.deadline is None else wiring.WallClock().monotonic() + words.deadline
    saved = read_plan(planfile) if planfile is not None else None
    if saved is not None and words.digest and words.digest != saved.header.digest:
        raise StalePlanError(
            f"The plan file has the digest {saved.header.digest}, not the one given. Nothing was posted.",
            hint="The one given belongs to another plan: look at this one with `chargeplan show`, or plan again.",
            code="digest_mismatch",
        )
    if saved is not None and common.env is None and not os.environ.get("CHARGEPLAN_ENV"):
        common = msgspec.structs.replace(common, env=saved.header.environment)
    project, warnings = _project(common, stale=saved is not None)
    as_of = saved.header.as_of if saved else request_of(asked, project.config, wiring.WallClock()).as_of
    with (
        wiring.world(common, project.config, today=as_of, project=project) as world,
        _interrupts() as stopping,
    ):
        if deadline is not None:
            world.remote.end_at(deadline, stopping)
        refuse_unnamed(world.journal, project)
        target = (
            _saved_target(world, project, planfile, saved, allowed, words.approvals)
            if planfile and saved
            else _fresh_target(common, world, project, asked, words, allowed, warnings)
        )
        if not target.changes and saved is None:
            return _nothing_to_post(common, world, target, words)
        target = msgspec.structs.replace(target, approval=_approval(words, saved))
        if target.approvals:
            names = ", ".join(each.approval.approver for each in target.approvals if each.approval)
            common.say(f"Approved by {names}.")
        if world.environment.name != project.config.environment:
            common.say(f"Posting to {world.api_host}, environment `{world.environment.name}`.")
        run = _Run(common, world, project, target, words, stopping, deadline)
        return run.apply()


def _project(common: Common, *, stale: bool) -> tuple[Project, Any]:
    """The project; a plan file whose inputs no longer load is out of date, but the input's errors tell more."""
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


# --- what to post ------------------------------------------------------------------------------------------------


def _saved_target(
    world: wiring.World,
    project: Project,
    path: Path,
    saved: PlanFile,
    allowed: tuple[Allowed, ...],
    given: Path | None,
) -> Target:
    """A plan file, once it is certain that it was made for this place and from these files, and approved as they ask for.

    Raises:
        StalePlanError: it was not made for it.
        GuardRefusedError: it was not approved.
    """
    header = saved.header
    used = (
        world.journal.plan_used(header.plan_id) is not None
        if header.origin.journal_id == world.journal.identity
        else False
    )
    for wrong, what in (
        (
            header.environment != world.environment.name,
            f"for the environment `{header.environment}`, not `{world.environment.name}`",
        ),
        (header.origin.api_host != world.api_host, f"against {header.origin.api_host}, not {world.api_host}"),
        (header.origin.journal_id != world.journal.identity, "with another journal"),
        (
            header.origin.inputs != project.digests,
            f"from other files: {changed_inputs(header.origin.inputs, project.digests)}",
        ),
        (not used and _expired(header.expires_at, world), f"to be applied before {header.expires_at}"),
    ):
        if wrong:
            raise StalePlanError(
                f"The plan was made {what}. Nothing was posted.",
                hint="Run `chargeplan plan` again and review what changed.",
            )
    if saved.change_set.errored:
        raise StalePlanError(
            "The plan has errors and can't be applied. Nothing was posted.",
            hint="Correct them and plan again.",
        )
    # What was used before was approved before; nobody has to approve again that a stopped run goes on.
    approvals = (
        () if used else refuse_unapproved(project.config.approvals, saved, path, given, world.clock.now())
    )
    options = header.origin.options
    request = PlanRequest(
        header.as_of,
        header.window,
        options.plans,
        options.charges,
        options.properties,
        allowed=allowed,
        shard=read_shard(options.shard) if isinstance(options.shard, str) else None,
    )
    return Target(
        header.plan_id,
        header.digest,
        saved.change_set.to_post(),
        request,
        approvals=approvals,
    )


def _expired(expires_at: str, world: wiring.World) -> bool:
    return datetime.fromisoformat(expires_at) <= datetime.fromisoformat(world.clock.now())


def _fresh_target(
    common: Common,
    world: wiring.World,
    project: Project,
    asked: PlanWords,
    words: ApplyWords,
    allowed: tuple[Allowed, ...],
    warnings: Any,
) -> Target:
    """Plan now, show it, and ask."""
    request = request_of(asked, project.config, world.clock, allowed)
    if not words.auto_approve and not is_interactive():
        raise ChargeplanError(
            "There is nobody to ask.",
            hint="Save a plan and apply the file, or give --auto-approve.",
            code="approval_needed",
        )
    planned = plan_now(world, project, request, warnings)
    change_set = planned.change_set
    common.show(plan_screen(change_set, color=common.colored, width=common.width), to_stderr=common.as_json)
    _refuse_errors(planned)
    _refuse_guards(planned)
    refuse_unsaved(change_set.guards)
    if not change_set.to_post():
        unknown = tuple(change for change in change_set.changes if change.action == "unknown")
        return Target(change_set.plan_id, "", (), request, unknown)
    found = digest_of(change_set, origin_of(world, project, request, planned))
    if words.digest and words.digest != found:
        raise StalePlanError(
            f"The plan has the digest {found}, not the one given. Nothing was posted.",
            hint="Something changed since the given one was made: review the plan above.",
            code="digest_mismatch",
        )
    if (
        not words.auto_approve
        and click.prompt("Post this? Only 'yes' is accepted", default="", show_default=False, err=True)
        != "yes"
    ):
        raise ChargeplanError("Not approved. Nothing was posted.", code="not_approved")
    return Target(change_set.plan_id, found, change_set.to_post(), request)


def _nothing_to_post(common: Common, world: wiring.World, target: Target, words: ApplyWords) -> int:
    """Nothing is to post; but while the outcome of a line is unknown, that is no good end.

    Raises:
        LockedError: the lines are unknown because another run is sending them.
    """
    if not target.unknown:
        return _end(common, target.plan_id, "nothing", {}, ())
    with _locks(world, target.unknown, words.lock_timeout):
        pass
    total = Total(len(target.unknown), sum(change.amount or 0 for change in target.unknown))
    return _end(common, target.plan_id, "unknown", {"unknown": total}, ())


@contextmanager
def _locks(
    world: wiring.World, changes: Sequence[Change], timeout: float
) -> Iterator[dict[tuple[str, str], int]]:
    """The locks of every property of the changes, all taken before the block begins; yields their fencing tokens.

    Raises:
        LockedError: another run holds one of them after ``timeout`` seconds.
    """
    places: dict[str, list[str]] = {}
    for integration_id, property_id in sorted({(each.integration_id, each.property_id) for each in changes}):
        places.setdefault(integration_id, []).append(property_id)
    with ExitStack() as stack:
        tokens: dict[tuple[str, str], int] = {}
        for integration_id, property_ids in places.items():
            lock = world.journal.lock(integration_id, property_ids, purpose="apply", timeout=timeout)
            taken = stack.enter_context(lock)
            tokens.update({(integration_id, property_id): token for property_id, token in taken.items()})
        yield tokens


def _refuse_errors(planned: Planned) -> None:
    if planned.change_set.errored:
        errors = [each for each in planned.change_set.diagnostics if each.is_error]
        raise InputError(
            "The plan has errors. Nothing was posted.", errors, hint="Correct them and plan again."
        )
    refuse_unrecorded(planned.unrecorded)


def _refuse_guards(planned: Planned) -> None:
    refused = [each for each in planned.change_set.guards if each.refused]
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


# --- posting -----------------------------------------------------------------------------------------------------


class _Run:
    def __init__(
        self,
        common: Common,
        world: wiring.World,
        project: Project,
        target: Target,
        words: ApplyWords,
        stopping: _Interrupts,
        deadline: float | None,
    ) -> None:
        self.common, self.world, self.project, self.target, self.words = common, world, project, target, words
        self.stopping = stopping
        self.options = PostingOptions(
            batch_size=project.config.posting.batch_size,
            parallel=project.config.posting.parallel,
            wait=words.wait,
            deadline=deadline,
        )
        world.remote.end_at(deadline, stopping)

    def apply(self) -> int:
        """Lock, look again, consume, post, wait, sum up."""
        used = self.world.journal.plan_used(self.target.plan_id) is not None
        # A line that is only intended is another run's, which is sending it now, or was killed: the lock tells which.
        if used and not self._left(self._done(LIVE - {"intended"})):
            return self._finish(used=True, poster=self._poster())
        poster = self._poster()
        with _locks(self.world, self.target.changes, self.words.lock_timeout) as tokens:
            held = frozenset(tokens)
            settle_killed(self.world.journal, held)
            settle_unknown(self.world)
            changes = self._still_to_post()
            if changes:
                refuse_logged(changes, self.world)
                self.stopping.sending = True
                self.world.journal.consume(self.target.plan_id, self.target.digest, self._facts())
                self._post_and_keep_count(poster, changes, tokens)
        return self._finish(used=not changes, poster=poster)

    def _left(self, done: frozenset[str]) -> list[Change]:
        """The lines that have no live posting by this plan."""
        return [change for change in self.target.changes if change.reference not in done]

    def _done(self, states: frozenset[str] = LIVE) -> frozenset[str]:
        return frozenset(
            each.reference
            for each in self._postings().values()
            if each.state in states and each.plan_id == self.target.plan_id
        )

    def _postings(self) -> Mapping[str, Posting]:
        return self.world.journal.latest([change.reference for change in self.target.changes])

    def _still_to_post(self) -> list[Change]:
        """Observe the properties again; what is left must still be what would be posted now.

        Raises:
            StalePlanError: it is not; nothing was posted.
        """
        planned = plan_now(self.world, self.project, self.target.request)
        _refuse_errors(planned)
        done = self._done()
        check_unchanged(self.target.changes, planned.change_set.to_post(), done)
        left = self._left(done)
        if left:
            _refuse_guards(planned)
        return left

    def _facts(self) -> dict[str, object]:
        changes = self.target.changes
        return {
            "environment": self.world.environment.name,
            "count": len(changes),
            "amount": sum(change.amount or 0 for change in changes),
            "window": [
                self.target.request.window.first.isoformat(),
                self.target.request.window.last.isoformat(),
            ],
            "allowances": [msgspec.to_builtins(each) for each in self.target.request.allowed],
            "approval": self.target.approval,
            **({"approvals": entries_of(self.target.approvals)} if self.target.approvals else {}),
        }

    def _poster(self) -> Poster:
        timezones = {plan.name: plan.timezone for plan in self.project.plans}
        progress = self.world.progress
        jobs_seen = 0

        def waiting(jobs: int) -> None:
            nonlocal jobs_seen
            jobs_seen = max(jobs_seen, jobs)
            progress.step("write jobs", jobs_seen - jobs, jobs_seen)

        return Poster(
            self.target.plan_id,
            self.world,
            self.options,
            timezone_of=timezones,
            stopping=self.stopping,
            progress=lambda done, lines: progress.step("posting", done, lines),
            waiting=waiting,
        )

    def _post_and_keep_count(
        self, poster: Poster, changes: Sequence[Change], tokens: Mapping[tuple[str, str], int]
    ) -> None:
        """Post; a failure after the first request ends the posting, not the account of what was sent."""
        try:
            poster.post(changes, tokens)
        except ChargeplanError as problem:
            if not poster.requests:
                raise
            poster.stopped = problem.message

    def _finish(self, *, used: bool, poster: Poster) -> int:
        """Wait for the jobs and sum up; where the journal fails after something was sent, its outcome is unknown."""
        try:
            return self._account(used=used, poster=poster)
        except ChargeplanError as problem:
            if not poster.requests or not problem.code.startswith("journal_"):
                raise
            self.world.progress.close()
            self.common.say(f"{problem.message} `chargeplan reconcile` finds out what became of the lines.")
            changes = self.target.changes
            total = Total(len(changes), sum(change.amount or 0 for change in changes))
            return _end(self.common, self.target.plan_id, "unknown", {"unknown": total}, ())

    def _account(self, *, used: bool, poster: Poster) -> int:
        poster.wait_for_jobs()
        self.world.progress.close()
        totals = sum_up(self.target.changes, self._postings())
        if poster.stopped and not self.stopping() and _is_unsent(totals):
            raise ChargeplanError(
                f"Nothing was posted: {poster.stopped}.",
                hint="`chargeplan apply` of the same plan goes on.",
                code="not_sent",
            )
        outcome = outcome_of(totals)
        if not self.words.wait and not totals["unknown"].count and totals["pending"].count:
            outcome = (
                "incomplete" if totals["refused"].count or totals.get("unsent", Total()).count else "complete"
            )
        if used and outcome == "complete":
            outcome = "nothing"
        if poster.stopped and totals.get("unsent", Total()).count:
            unsent = totals["unsent"].count
            self.common.say(
                f"Stopped: {poster.stopped}. {unsent:,} lines were not sent; `chargeplan apply` of the same plan goes on."
            )
        return _end(
            self.common,
            self.target.plan_id,
            outcome,
            totals,
            in_plan_order(self.world.journal.batches(self.target.plan_id), self.target.changes),
            interrupted=self.stopping(),
        )


def _is_unsent(totals: Mapping[str, Total]) -> bool:
    """Whether no line of the plan was ever sent."""
    return {name for name, total in totals.items() if total.count} == {"unsent"}


def _end(
    common: Common,
    plan_id: str,
    outcome: str,
    totals: Mapping[str, Total],
    batches: Sequence[Batch],
    *,
    interrupted: bool = False,
) -> int:
    if common.as_json:
        click.echo(jsondoc.dump(jsondoc.apply_document(plan_id, outcome, totals, batches)), nl=False)
    else:
        common.show(apply_screen(outcome, totals, batches, color=common.colored, width=common.width))
    if interrupted:
        return 130
    return {"complete": 0, "nothing": 0, "incomplete": 3, "unknown": 4}[outcome]


class _Interrupts:
    """Whether Ctrl-C (or SIGTERM) has asked the run to stop, and whether anything may be under way that has to be finished."""

    def __init__(self) -> None:
        self.asked = self.sending = False

    def __call__(self) -> bool:
        return self.asked

    def handle(self, number: int, frame: object) -> None:
        """The signals' handler."""
        del number, frame
        if self.asked or not self.sending:
            raise KeyboardInterrupt
        self.asked = True
        sys.stderr.write("\nFinishing the requests under way; once more stops at once.\n")


@contextmanager
def _interrupts() -> Iterator[_Interrupts]:
    """Once requests are sent, the first Ctrl-C asks the run to stop after those under way; the second stops at once."""
    found = _Interrupts()
    before = {each: signal.signal(each, found.handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield found
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
