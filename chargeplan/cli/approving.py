"""`approve`: sign a saved plan that somebody else made; and what `apply` asks of it, and `show` tells."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

from chargeplan.cli import wiring
from chargeplan.cli.options import Common, common, file_option, is_interactive
from chargeplan.core.approval import (
    GUARD,
    Approval,
    Evidence,
    Subject,
    Verdict,
    decide,
    fingerprint,
    is_planner,
    needed,
    refusal,
    way_on,
    write_key,
)
from chargeplan.core.change import GuardResult
from chargeplan.core.config import Approvals, Approver, Project
from chargeplan.core.errors import ChargeplanError, GuardRefusedError, StalePlanError
from chargeplan.journal import default_actor
from chargeplan.planfile.approvals import (
    add_approval,
    beside,
    read_approvals,
    read_private_key,
    subject_of,
    write_new_key,
)
from chargeplan.planfile.codec import PlanFile, read_plan
from chargeplan.planfile.header import changed_inputs
from chargeplan.planfile.keys import Signer, read_private
from chargeplan.render import jsondoc
from chargeplan.render.approvals import Standing, Unverified, moment
from chargeplan.render.escape import terminal
from chargeplan.render.screen import plan_screen
from chargeplan.render.summary import Summary

KEY_VARIABLE = "CHARGEPLAN_APPROVER_KEY"
_LONGEST_REASON = 500


class ApproveWords(msgspec.Struct, frozen=True):
    """The options of `approve`."""

    name: str | None
    key: Path | None
    reason: str
    out: Path | None
    yes: bool
    new_key: Path | None


@click.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path))
@click.option("--as", "name", metavar="NAME", help="Who approves; default: whose key it is.")
@click.option(
    "--key",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"The private key, in PEM; default: ${KEY_VARIABLE}, or the file that ${KEY_VARIABLE}_FILE names.",
)
@click.option("--reason", metavar="TEXT", default="", help="Why, or what was looked at; signed and recorded.")
@file_option("--out", "Where the approval is added; default, and where `apply` looks: PLANFILE.approvals.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@file_option("--new-key", "Instead: make a pair of keys, and say what the configuration needs.")
@common()
def approve(*, common: Common, planfile: Path | None, **options: Any) -> int:
    """Sign a saved plan: the word of a person who did not make it, where the configuration asks for one (`approvals`).

    The signature is of this plan file, its environment and its journal, and holds for some days. No token is needed.

    \b
    Examples:
      chargeplan approve --new-key ~/.ssh/chargeplan.key --as pat      once
      chargeplan approve august.plan --key ~/.ssh/chargeplan.key
    """
    words = ApproveWords(**options)
    if (planfile is None) == (words.new_key is None):
        raise ChargeplanError(
            "What is to be approved?", hint="Give a PLANFILE, or --new-key FILE.", code="usage"
        )
    if planfile is None:
        return _make_key(common, words)
    if len(words.reason) > _LONGEST_REASON:
        raise ChargeplanError(f"--reason has {_LONGEST_REASON} characters at most.", code="usage")
    return _approve(common, planfile, words)


# --- a plan --------------------------------------------------------------------------------------------------------


def _approve(common: Common, path: Path, words: ApproveWords) -> int:
    saved = read_plan(path)
    if common.env is None:
        common = msgspec.structs.replace(common, env=saved.header.environment)
    project, _ = wiring.project(common)
    now = datetime.fromisoformat(wiring.WallClock().now())
    _refuse_stale(saved, wiring.environment(common, project.config).name, project, now)
    approvals, subject = project.config.approvals, subject_of(saved)
    if needed(approvals, saved.change_set.to_post()) is None:
        raise ChargeplanError(
            "The plan needs no approval. Nothing was signed.",
            hint="`approvals` in the configuration says from which amount on one is needed.",
            code="approval_not_needed",
        )
    signer = _signer(words.key, project)
    approver = _approver(approvals, signer, words.name, subject)
    target = words.out or beside(path)
    given = _own(_verdict(approvals, subject, target, now), approver)
    if given is None:
        _ask(common, saved, approver, yes=words.yes)
        ends = min(
            now + timedelta(hours=approvals.valid_for_hours), datetime.fromisoformat(saved.header.expires_at)
        )
        given = Approval(subject, approver.name, now, ends, words.reason)
        add_approval(target, given, signer)
    else:
        common.say(terminal(f"{approver.name} has approved this plan before; nothing was added."))
    verdict = _verdict(approvals, subject, target, now)
    return _say_approval(common, given, fingerprint(signer.public), target, verdict, approvals.required)


def _refuse_stale(saved: PlanFile, environment: str, project: Project, now: datetime) -> None:
    """What `apply` would refuse without asking Propexo or the journal, is not approved either.

    Raises:
        StalePlanError: it is such a plan.
    """
    header = saved.header
    for wrong, what in (
        (header.environment != environment, f"was made for the environment `{header.environment}`"),
        (
            header.origin.inputs != project.digests,
            f"was made from other files: {changed_inputs(header.origin.inputs, project.digests)}",
        ),
        (datetime.fromisoformat(header.expires_at) <= now, f"was to be applied before {header.expires_at}"),
        (saved.change_set.errored, "has errors"),
    ):
        if wrong:
            raise StalePlanError(
                f"The plan {what}. Nothing was signed.",
                hint="Approve it in the checkout that it was made from, or have it planned again.",
            )


def _approver(approvals: Approvals, signer: Signer, name: str | None, subject: Subject) -> Approver:
    """The approver whose key it is.

    Raises:
        ChargeplanError: it is nobody's, or another's than the one named, or the planner's own.
    """
    public = write_key(signer.public)
    found = next((each for each in approvals.approvers if each.key == public), None)
    if found is None:
        raise ChargeplanError(
            f"The configuration names no approver with this key ({fingerprint(signer.public)}). Nothing was signed.",
            hint=f'An entry of `approvers` is needed, in a reviewed change: {{name: {name or "…"}, key: "{public}"}}.',
            code="approver_unknown",
        )
    if name is not None and name != found.name:
        raise ChargeplanError(
            f"This is the key of {found.name}, not of {name}. Nothing was signed.",
            hint="Leave out --as, or give the right key.",
            code="approver_unknown",
        )
    if not subject.planned_by or is_planner(found, subject.planned_by):
        who = f"{found.name} made it" if subject.planned_by else "it does not say who made it"
        raise ChargeplanError(
            f"Who made a plan can't approve it, and {who}. Nothing was signed.",
            hint="Let somebody else approve it." if subject.planned_by else "Have it planned again.",
            code="approver_planned",
        )
    return found


def _own(verdict: Verdict, approver: Approver) -> Approval | None:
    """The person's approval that counts already."""
    given = (each.approval for each in verdict.counted if each.approval)
    return next((each for each in given if each.approver == approver.name), None)


def _ask(common: Common, saved: PlanFile, approver: Approver, *, yes: bool) -> None:
    """Show the plan, and ask.

    Raises:
        ChargeplanError: the answer is no, or nobody can be asked.
    """
    summary = Summary(saved.review.totals, saved.review.skips, saved.review.unchanged)
    screen = plan_screen(saved.change_set, color=common.colored, width=common.width, summary=summary)
    common.show(screen, to_stderr=common.as_json)
    header = saved.header
    planned = f"Planned by {header.planned_by} at {header.created_at}; digest {header.digest}."
    common.say(terminal(planned))
    if yes:
        return
    if not is_interactive():
        raise ChargeplanError(
            "There is nobody to ask.", hint="Use a terminal, or give --yes.", code="nobody_to_ask"
        )
    question = terminal(f"Approve this as {approver.name}? Only 'yes' is accepted")
    if click.prompt(question, default="", show_default=False, err=True) != "yes":
        raise ChargeplanError("Not approved. Nothing was signed.", code="not_approved")


def _say_approval(
    common: Common, given: Approval, key: str, target: Path, verdict: Verdict, required: int
) -> int:
    names = [each.approval.approver for each in verdict.counted if each.approval]
    if common.as_json:
        document = {
            "kind": "approval",
            "plan_id": given.plan.plan_id,
            "digest": given.plan.digest,
            "planned_by": given.plan.planned_by,
            "approver": given.approver,
            "key": key,
            "approved_at": moment(given.approved_at),
            "expires_at": moment(given.expires_at),
            "reason": given.reason,
            "file": str(target),
            "required": required,
            "given": names,
            "missing": verdict.missing,
        }
        click.echo(jsondoc.dump(document), nl=False)
        return 0
    until = moment(given.expires_at)
    click.echo(terminal(f"Approved by {given.approver} until {until}, in {target} ({key})."))
    click.echo(terminal(f"{len(names)} of {required} approvals: {', '.join(names)}."))
    return 0


# --- keys ----------------------------------------------------------------------------------------------------------


def _signer(file: Path | None, project: Project) -> Signer:
    """The private key of ``--key``, or of the environment.

    Raises:
        ChargeplanError: there is none, it can't be read, or it lies where the project's files are.
    """
    pem, named = os.environ.get(KEY_VARIABLE, ""), os.environ.get(f"{KEY_VARIABLE}_FILE", "")
    if file is None and pem:
        return read_private(pem.encode(), _passphrase)
    path = file or (Path(named) if named else None)
    if path is None:
        raise ChargeplanError(
            "There is no key to sign with.",
            hint=f"Give --key FILE, or set {KEY_VARIABLE}_FILE; `chargeplan approve --new-key FILE` makes one.",
            code="key_missing",
        )
    _refuse_inside(path, Path(project.config.root))
    return read_private_key(path, _passphrase)


def _passphrase() -> str:
    if not is_interactive():
        raise ChargeplanError(
            "The key has a passphrase, and there is nobody to ask.",
            hint="Use a terminal.",
            code="nobody_to_ask",
        )
    return str(click.prompt("Passphrase of the key", hide_input=True, err=True))


def _make_key(common: Common, words: ApproveWords) -> int:
    path = words.new_key
    assert path is not None
    root = _project_root(common)
    if root is not None:
        _refuse_inside(path, root)
    passphrase = ""
    if is_interactive():
        passphrase = click.prompt(
            "Passphrase (empty: none)",
            default="",
            show_default=False,
            hide_input=True,
            confirmation_prompt=True,
            err=True,
        )
    public = write_new_key(path, passphrase)
    name, key = words.name or default_actor(), write_key(public)
    if common.as_json:
        document = {
            "kind": "approver_key",
            "name": name,
            "key": key,
            "fingerprint": fingerprint(public),
            "file": str(path),
        }
        click.echo(jsondoc.dump(document), nl=False)
        return 0
    common.say(
        f"The private key is in {path}: keep it, and give it to nobody. In the configuration, under `approvals`, `approvers`:"
    )
    click.echo(terminal(f"- {{name: {msgspec.json.encode(name).decode()}, key: {key!r}}}"))
    return 0


def _project_root(common: Common) -> Path | None:
    try:
        return wiring.find_config(common).parent
    except ChargeplanError as problem:
        if problem.code != "config_missing" or common.config:
            raise
        return None


def _refuse_inside(path: Path, root: Path) -> None:
    """A private key among the project's files is committed one day, and then anybody's.

    Raises:
        ChargeplanError: it would be there.
    """
    if path.resolve().is_relative_to(root.resolve()):
        raise ChargeplanError(
            f"{path} is in the project's folder, where a private key must not be.",
            hint="Keep it where your other keys are, such as ~/.ssh.",
            code="key_exposed",
        )


# --- asked by apply ------------------------------------------------------------------------------------------------


def refuse_unapproved(
    approvals: Approvals, saved: PlanFile, path: Path, given: Path | None, now: str
) -> tuple[Evidence, ...]:
    """The approvals of the plan file at ``path`` that count, where it needs some; they are in ``given``, or beside it.

    Raises:
        GuardRefusedError: there are too few. No option overrides that.
        ChargeplanError: they can't be read or verified.
    """
    guard = needed(approvals, saved.change_set.to_post())
    if guard is None:
        return ()
    subject = subject_of(saved)
    verdict = _verdict(approvals, subject, given or beside(path), datetime.fromisoformat(now))
    if verdict.missing:
        said = refusal(approvals, verdict, guard.value or 0)
        raise GuardRefusedError(
            f"Refused for lack of approvals: {said}. Nothing was posted.",
            hint=way_on(verdict, subject.planned_by, str(path)),
            code="approvals_needed",
            guards=[msgspec.structs.replace(guard, refused=True, message=said)],
        )
    return verdict.counted


def refuse_unsaved(guards: Sequence[GuardResult]) -> None:
    """A plan that others have to approve has to be one that they can look at: a saved one.

    Raises:
        GuardRefusedError: it would need approvals.
    """
    wanted = [msgspec.structs.replace(each, refused=True) for each in guards if each.guard == GUARD]
    for each in wanted:
        raise GuardRefusedError(
            f"Refused for lack of approvals: {each.message}. Nothing was posted.",
            hint="`chargeplan plan --out FILE`, `chargeplan approve FILE` by others, `chargeplan apply FILE`.",
            code="approvals_needed",
            guards=wanted,
        )


def entries_of(evidence: Sequence[Evidence]) -> list[dict[str, object]]:
    """The approvals for the journal, as signed, so that whoever has the public keys can verify them again."""
    return [
        {"approval": msgspec.to_builtins(each.approval), "key": each.key, "signature": each.signature}
        for each in evidence
    ]


# --- told by show --------------------------------------------------------------------------------------------------


def standing(common: Common, saved: PlanFile, path: Path, given: Path | None) -> Standing | Unverified | None:
    """How it stands with the approvals of the plan file at ``path``; ``None`` where none is asked for and none is given.

    A plan is shown wherever it lies. Away from its project nobody's public key is known, and then that is said.
    """
    file = given or beside(path)
    asked = any(each.guard == GUARD for each in saved.change_set.guards)
    if not asked and given is None and not file.exists():
        return None
    subject = subject_of(saved)
    try:
        approvals = wiring.configured(common).approvals
        verdict = _verdict(approvals, subject, file, datetime.fromisoformat(wiring.WallClock().now()))
    except ChargeplanError as problem:
        return Unverified(problem.message)
    required = approvals.required if needed(approvals, saved.change_set.to_post()) else 0
    return Standing(str(path), subject.planned_by, required, verdict)


# --- shared --------------------------------------------------------------------------------------------------------


def _verdict(approvals: Approvals, subject: Subject, file: Path, now: datetime) -> Verdict:
    keys = {each.name: each.key for each in approvals.approvers}
    return decide(approvals, subject, read_approvals(file, keys), now)
