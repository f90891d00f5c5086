"""`approve`: sign a saved plan that somebody else made; and what `show` says of its approvals."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from chargeplan import wiring
from chargeplan.cli.options import Common, common, confirm, file_option, is_interactive
from chargeplan.core.approval import GUARD, fingerprint, needed, write_key
from chargeplan.core.config import Approver, Project
from chargeplan.core.errors import ChargeplanError
from chargeplan.flow import approve as flow
from chargeplan.flow.approve import approver_of, refuse_unneeded
from chargeplan.journal import default_actor
from chargeplan.planfile.approvals import beside, read_private_key, write_new_key
from chargeplan.planfile.codec import PlanFile, read_plan
from chargeplan.planfile.fresh import Here, refuse_stale
from chargeplan.planfile.keys import Signer, read_private
from chargeplan.render.approvals import Signed, Standing, Unverified, signed_document, signed_screen
from chargeplan.render.escape import terminal
from chargeplan.render.screen import plan_screen
from chargeplan.render.summary import Summary
from chargeplan.wiring.saved import KeptApprovals, approvable

KEY_VARIABLE = "CHARGEPLAN_APPROVER_KEY"
_LONGEST_REASON = 500


class ApproveWords(msgspec.Struct, frozen=True, kw_only=True):
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
            "Nothing was signed: no plan is named.", hint="Give a PLANFILE, or --new-key FILE.", code="usage"
        )
    if planfile is None:
        return _make_key(common, words)
    if len(words.reason) > _LONGEST_REASON:
        raise ChargeplanError(
            f"Nothing was signed: --reason is longer than {_LONGEST_REASON} characters.",
            hint="Shorten it; a link to the long one will do.",
            code="usage",
        )
    return _approve(common, planfile, words)


# --- a plan --------------------------------------------------------------------------------------------------------


def _approve(common: Common, path: Path, words: ApproveWords) -> int:
    saved = read_plan(path)
    if common.env is None:
        common = msgspec.structs.replace(common, env=saved.header.environment)
    project, _ = wiring.project(common)
    approvals, clock = project.config.approvals, wiring.WallClock()
    # What `apply` would refuse without asking Propexo or the journal, is not approved either.
    here = Here(
        environment=wiring.environment(common, project.config).name, inputs=project.digests, now=clock.now()
    )
    hint = "Approve it in the checkout that it was made from, or have it planned again."
    refuse_stale(saved, here, "Nothing was signed.", hint)
    plan = approvable(path, saved)
    refuse_unneeded(plan, approvals)
    signer = _signer(words.key, project)
    approver = approver_of(signer.public, approvals, words.name, plan.subject)
    file = KeptApprovals(words.out or beside(path), signer)
    given = flow.approve(
        plan,
        approvals,
        file,
        approver,
        reason=words.reason,
        now=datetime.fromisoformat(here.now),
        ask=lambda: _ask(common, saved, approver, yes=words.yes),
    )
    if not given.is_new:
        common.say(terminal(f"{approver.name} has approved this plan before; nothing was added."))
    said = Signed(
        approval=given.approval,
        verdict=given.verdict,
        key=fingerprint(signer.public),
        file=str(file.path),
        required=approvals.required,
    )
    common.answer(lambda: signed_document(said), lambda: signed_screen(said))
    return 0


def _ask(common: Common, saved: PlanFile, approver: Approver, *, yes: bool) -> None:
    """Show the plan, and ask.

    Raises:
        ChargeplanError: the answer is no, or nobody can be asked.
    """
    summary = Summary(saved.review.totals, saved.review.skips)
    screen = plan_screen(saved.change_set, summary=summary, **common.paper)
    common.show(screen, to_stderr=common.as_json)
    header = saved.header
    planned = f"Planned by {header.planned_by} at {header.created_at}; digest {header.digest}."
    common.say(terminal(planned))
    if yes:
        return
    if not is_interactive():
        raise ChargeplanError(
            "Nothing was signed: it is to be confirmed, and there is no terminal at which to ask.",
            hint="Use a terminal, or give --yes.",
            code="nobody_to_ask",
        )
    confirm(terminal(f"Approve this as {approver.name}?"), "Nothing was signed.")


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
            "Nothing was signed: the key has a passphrase, and there is no terminal at which to ask for it.",
            hint="Use a terminal, or a key without a passphrase.",
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
    if not common.as_json:
        common.say(
            f"The private key is in {path}: keep it, and give it to nobody. In the configuration, under `approvals`, `approvers`:"
        )
    document = {"kind": "approver_key", "name": name, "key": key, "fingerprint": fingerprint(public)}
    entry = f"- {{name: {msgspec.json.encode(name).decode()}, key: {key!r}}}"
    common.answer(lambda: {**document, "file": str(path)}, lambda: f"{terminal(entry)}\n")
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


# --- shown by show -------------------------------------------------------------------------------------------------


def standing(common: Common, saved: PlanFile, path: Path, given: Path | None) -> Standing | Unverified | None:
    """How it stands with the approvals of the plan file at ``path``; ``None`` where none is asked for and none is given.

    A plan is shown wherever it lies. Away from its project nobody's public key is known, and then that is said.
    """
    file = given or beside(path)
    asked = any(guard.guard == GUARD for guard in saved.change_set.guards)
    if not asked and given is None and not file.exists():
        return None
    plan, now = approvable(path, saved), datetime.fromisoformat(wiring.WallClock().now())
    try:
        approvals = wiring.configured(common).approvals
        verdict = flow.verdict_on(plan.subject, approvals, KeptApprovals(file), now)
    except ChargeplanError as problem:
        return Unverified(problem.message)
    required = approvals.required if needed(approvals, plan.changes) else 0
    return Standing(str(path), plan.subject.planned_by, required, verdict)
