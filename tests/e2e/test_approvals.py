"""Two-person approval from end to end: planned by one, signed by another, posted once, and told to the auditors.

The plan has 12 lines of $25.00: $300.00.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from chargeplan.core.approval import Approval, write_key
from chargeplan.planfile.approvals import add_approval, beside, read_private_key, subject_of, write_new_key
from chargeplan.planfile.codec import read_plan, write_plan
from chargeplan.sandbox.faults import Fault
from tests.e2e.house import AS_OF, BATCH, Result

MONTH = ("--as-of", AS_OF, "--period", "2027-08")
HINT = "`chargeplan approve {file}`"


def nobody() -> str:
    raise AssertionError("no key here has a passphrase")


def said(result) -> str:
    """What a command said to people, unfolded."""
    return " ".join(result.err.split())


def typed(house, *words, answers) -> Result:
    """A command on a terminal of its own; each answer is typed once its question stands there."""
    program = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    with subprocess.Popen(
        [sys.executable, "-c", program, sys.executable, "-m", "chargeplan.cli", *house.words(*words)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=house.environ,
    ) as started:  # fmt: skip
        screen = b""
        for question, answer in answers:
            while question not in screen:
                more = os.read(started.stdout.fileno(), 4096)
                assert more, screen
                screen += more
            started.stdin.write(answer + b"\n")
            started.stdin.flush()
        rest, _ = started.communicate(timeout=40)
    return Result(started.returncode, (screen + rest).decode(), "")


class Office:
    """A house with approvers, each with a key of their own outside the project; kim plans."""

    def __init__(self, house, folder, monkeypatch) -> None:
        self.house, self.keys, self.patch = house, folder, monkeypatch
        self.people = {
            name: write_key(write_new_key(folder / f"{name}.key", "")) for name in ("ada", "ben", "kim")
        }
        self.acts("kim")

    def acts(self, name: str) -> None:
        """Who the pipeline says is at work."""
        self.patch.setenv("GITHUB_ACTOR", name)

    def requires(
        self, required: int, above: str = "100.00", more: str = "", names=("ada", "ben", "kim")
    ) -> None:
        people = ", ".join(f'{{name: {name}, key: "{self.people[name]}"}}' for name in names)
        self.house.config(
            f"approvals: {{required: {required}, above: {above}, approvers: [{people}]{more}}}\n"
        )

    def key(self, name: str):
        return self.keys / f"{name}.key"

    def approve(self, name: str, *words, yes: bool = True):
        return self.house.run(
            "approve", self.house.planfile, "--key", self.key(name), *(["--yes"] if yes else []), *words
        )

    def signs(self, name: str, **altered) -> None:
        """An entry signed by that person's real key, whatever it says."""
        plan = subject_of(read_plan(self.house.planfile))
        plan = replace(plan, **altered.pop("plan", {}))
        now = datetime.now(UTC)
        facts = {"approved_at": now, "expires_at": now + timedelta(hours=1), **altered}
        approval = Approval(plan, facts.pop("approver", name), reason="", **facts)
        add_approval(beside(self.house.planfile), approval, read_private_key(self.key(name), nobody))

    def refused(self) -> str:
        """Apply, which is refused with 6 and posts nothing; what it says."""
        applied = self.house.apply()
        assert applied.code == 6, applied
        document = applied.json
        assert document["outcome"] == "guarded"
        assert document["error"]["code"] == "approvals_needed"
        assert [(each["guard"], each["refused"]) for each in document["guards"]] == [("approvals", True)]
        assert self.house.ours() == []
        return document["error"]["message"]


@pytest.fixture
def office(house, tmp_path, monkeypatch):
    for name in ("GITLAB_USER_LOGIN", "CHARGEPLAN_APPROVER_KEY", "CHARGEPLAN_APPROVER_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "keys").mkdir()
    return Office(house, tmp_path / "keys", monkeypatch)


def test_planned_by_one_approved_by_another_posted_once(office, house):
    office.requires(1)
    house.saved()
    assert "none is given" in office.refused()
    approved = office.approve("ada", "--reason", "compared with July")
    assert approved.code == 0, approved
    applied = house.apply()
    assert (applied.code, applied.json["totals"]["posted"]["count"]) == (0, 12)
    again = house.apply()
    assert (again.code, again.json["outcome"]) == (0, "nothing")
    assert len(house.ours()) == 12
    assert house.duplicates() == []


def test_the_record_names_who_approved(office, house):
    office.requires(2)
    house.saved()
    for name in ("ada", "ben"):
        assert office.approve(name, "--reason", f"{name} looked").code == 0
    assert house.apply().code == 0
    (control,) = house.run("history", "--json").json["control_totals"]
    assert [(each["approver"], each["reason"]) for each in control["approvals"]] == [
        ("ada", "ada looked"),
        ("ben", "ben looked"),
    ]
    assert all(
        each["key"].startswith("SHA256:") and len(each["signature"]) == 88 for each in control["approvals"]
    )
    assert "approved by ada (ada looked), ben (ben looked)" in house.run("history").out
    target = house.folder / "statement.html"
    house.run("history", "--html", target)
    assert "<strong>ben</strong>: ben looked" in target.read_text()


def test_what_the_journal_keeps_is_what_was_signed(office, house):
    """Years later, the public keys are enough to verify it again."""
    office.requires(1)
    house.saved()
    office.approve("ada")
    entry = json.loads(beside(house.planfile).read_text())
    house.apply()
    (event,) = [each for each in house.run("history", "--json").json["events"] if each["kind"] == "consumed"]
    assert event["data"]["facts"]["approvals"] == [entry]


def test_approvals_may_come_from_elsewhere(office, house):
    """Two people approve on two machines; their files are put together for the pipeline."""
    office.requires(2)
    house.saved()
    for name in ("ada", "ben"):
        assert office.approve(name, "--out", office.keys / f"{name}.json").code == 0
    both = office.keys / "both"
    both.write_bytes((office.keys / "ada.json").read_bytes() + (office.keys / "ben.json").read_bytes())
    assert "none is given" in office.refused()
    assert house.apply("--approvals", office.keys / "ada.json").code == 6
    assert house.apply("--approvals", both).code == 0


def test_approvals_without_a_plan_file_are_a_mistake(office, house):
    office.requires(1)
    assert house.run("apply", "--auto-approve", *MONTH, "--approvals", office.key("ada"), "--json").code == 1


# --- what plan and show say ----------------------------------------------------------------------------------------


def test_plan_and_show_say_that_approvals_are_needed_and_end_well(office, house):
    office.requires(2)
    planned = house.plan(
        "--out", house.planfile, "--markdown", house.folder / "x.md", "--html", house.folder / "x.html"
    )
    assert planned.code == 0
    needed = "2 approvals are needed above $100.00, by ada, ben or kim, and not by who planned"
    for screen in (planned, house.run("show", house.planfile)):
        assert screen.code == 0
        assert needed in " ".join(screen.out.split())
    assert HINT.format(file=house.planfile) in said(planned)
    assert "**approvals needed**: $300.00, the limit is $100.00" in (house.folder / "x.md").read_text()
    assert "Approvals needed:" in (house.folder / "x.html").read_text()
    (guard,) = house.plan("--json").json["guards"]
    assert (guard["guard"], guard["refused"], guard["value"], guard["limit"]) == (
        "approvals",
        False,
        30000,
        10000,
    )
    assert house.plan("--json").json["applyable"] is True


def shown(house, *words) -> str:
    """What `show` says of the approvals, unfolded."""
    screen = house.run("show", house.planfile, *words)
    assert screen.code == 0, screen
    blocks = [each for each in screen.out.split("\n\n") if each.startswith("Approvals")]
    return " ".join(" ".join(blocks).split())


def test_show_says_who_approved_and_who_is_missing(office, house):
    office.requires(2)
    house.saved()
    way_on = f"can approve it: `chargeplan approve {house.planfile}`; then apply it."
    assert shown(house) == f"Approvals: 0 of 2 given, 2 missing; planned by kim ada or ben {way_on}"
    given = office.approve("ada", "--reason", "compared with July", "--json").json
    assert shown(house) == (
        "Approvals: 1 of 2 given, 1 missing; planned by kim "
        f"ada at {given['approved_at']}, until {given['expires_at']}: compared with July "
        f"the signature is good, by the key {given['key']} ben {way_on}"
    )
    office.approve("ben")
    assert shown(house).startswith("Approvals: 2 of 2 given; planned by kim ada at ")
    assert "can approve it" not in shown(house)


def test_show_says_what_does_not_count_and_why(office, house):
    office.requires(1)
    house.saved()
    office.signs("kim", approver="ada")
    told = shown(house)
    assert told.startswith(
        "Approvals: 0 of 1 given, 1 missing; planned by kim not counted: line 1: it is not signed"
    )
    assert "the signature is good" not in told


def test_show_tells_programs_the_same(office, house):
    office.requires(2)
    house.saved()
    office.approve("ada", "--reason", "looked")
    office.signs("kim", approver="ben")
    found = house.run("show", house.planfile, "--json").json["approvals"]
    assert (found["required"], found["missing"], found["waiting"], found["unverified"]) == (2, 1, ["ben"], "")
    assert [(each["approver"], each["reason"]) for each in found["counted"]] == [("ada", "looked")]
    assert found["not_counted"] == ["line 2: it is not signed with the key that the configuration has of ben"]


def test_show_looks_for_approvals_where_it_is_told(office, house):
    office.requires(1)
    house.saved()
    office.approve("ada", "--out", office.keys / "ada.json")
    assert shown(house).startswith("Approvals: 0 of 1 given")
    assert shown(house, "--approvals", office.keys / "ada.json").startswith("Approvals: 1 of 1 given")


def test_away_from_its_project_show_believes_no_approval(office, house, monkeypatch):
    """Whose key it is, only the configuration says."""
    office.requires(1)
    house.saved()
    office.approve("ada")
    monkeypatch.chdir(office.keys)
    away = subprocess.run(
        [sys.executable, "-m", "chargeplan.cli", "show", house.planfile, "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(away.stdout)["approvals"]
    assert (found["required"], found["missing"], found["counted"]) == (None, None, [])
    assert found["unverified"] == "There is no chargeplan.yaml here or in a folder above."


def test_a_plan_that_needs_no_approval_has_none_to_show(office, house):
    office.requires(1, above="300.00")
    house.saved()
    assert shown(house) == ""
    assert "approvals" not in house.run("show", house.planfile, "--json").json


def test_at_the_limit_nothing_is_asked(office, house):
    office.requires(1, above="300.00")
    assert "approv" not in house.plan("--out", house.planfile).out
    assert house.apply().code == 0


def test_what_needs_no_approval_is_not_signed(office, house):
    office.requires(1, above="300.00")
    house.saved()
    refused = office.approve("ada")
    assert (refused.code, "needs no approval" in said(refused)) == (1, True)
    assert not beside(house.planfile).exists()


def test_by_default_no_one_is_asked(house):
    house.saved()
    assert house.apply().code == 0


# --- apply refuses -------------------------------------------------------------------------------------------------


def test_without_a_plan_file_nobody_could_have_approved(office, house):
    office.requires(1)
    applied = house.run("apply", "--auto-approve", *MONTH, "--json")
    assert (applied.code, applied.json["outcome"]) == (6, "guarded")
    assert applied.json["error"]["hint"].startswith("`chargeplan plan --out FILE`")
    assert house.ours() == []


def test_no_option_allows_it(office, house):
    office.requires(1)
    house.saved()
    assert house.apply("--allow", "approvals", "--reason", "in a hurry").code == 1
    assert house.apply("--auto-approve", "--digest", read_plan(house.planfile).header.digest).code == 6
    assert house.ours() == []


def test_on_screen_the_refusal_says_who_may_approve_and_how(office, house):
    office.requires(2)
    house.saved()
    office.approve("ada")
    applied = house.run("apply", house.planfile)
    assert applied.code == 6
    text = said(applied)
    assert "2 approvals are needed above $100.00, 1 of them given (ada)" in text
    assert f"ben can approve it: `chargeplan approve {house.planfile}`" in text


def test_taking_the_rule_out_of_the_configuration_makes_the_plan_stale(office, house):
    """The files of a plan are those that it was made from: who applies it can't switch the rule off for it."""
    office.requires(1)
    house.saved()
    house.config()
    applied = house.apply()
    assert (applied.code, applied.json["outcome"]) == (5, "stale")
    assert "chargeplan.yaml" in applied.json["error"]["message"]


HOSTILE = [
    ("an approval of the planner", lambda o: o.signs("kim"), "kim made the plan"),
    ("one in another's name", lambda o: o.signs("kim", approver="ada"), "not signed with the key that the configuration has of ada"),
    ("one of a stranger", lambda o: o.signs("kim", approver="zed"), "names no approver `zed`"),
    ("one that is over", lambda o: o.signs("ada", expires_at=datetime.now(UTC) - timedelta(seconds=1)), "ada's ended at"),
    ("one older than the rule lets it be", lambda o: o.signs("ada", approved_at=datetime.now(UTC) - timedelta(days=4), expires_at=datetime.now(UTC) + timedelta(days=99)), "ada's ended at"),
    ("one of other totals", lambda o: o.signs("ada", plan={"amount": 1}), "ada approved it with other totals"),
    ("one of another digest", lambda o: o.signs("ada", plan={"digest": "sha256:" + "0" * 64}), "ada approved another plan"),
    ("one of another environment", lambda o: o.signs("ada", plan={"environment": "staging"}), "ada approved it for another environment"),
    ("one of another journal", lambda o: o.signs("ada", plan={"journal_id": "x"}), "ada approved it with another journal"),
    ("one as if another had planned", lambda o: o.signs("kim", plan={"planned_by": "lee"}), "kim approved it as made by somebody else"),
    ("words", lambda o: beside(o.house.planfile).write_text("approved by ada\n"), "line 1: it is no approval"),
]  # fmt: skip


@pytest.mark.parametrize(("give", "why"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_what_does_not_count_posts_nothing(office, house, give, why):
    office.requires(1)
    house.saved()
    give(office)
    assert why in office.refused()


def test_one_person_is_not_two(office, house):
    office.requires(2)
    house.saved()
    office.signs("ada")
    office.signs("ada")
    assert "1 of them given (ada)" in office.refused()


def test_the_approval_of_an_earlier_plan_is_not_that_of_the_next(office, house):
    """The same month planned again after a change: the file beside it is still the old one's."""
    office.requires(1)
    house.saved()
    office.approve("ada")
    house.write(house.plans.joinpath("oak.yaml").read_text().replace("25.00", "26.00"))
    house.saved()
    assert "ada approved another plan" in office.refused()


def test_a_plan_file_that_says_another_planned_is_not_what_was_approved(office, house):
    """The last line can be made anew by whoever edits the file; the digest, which was approved, is of who planned too."""
    office.requires(1)
    house.saved()
    office.approve("ada")
    altered = read_plan(house.planfile)
    write_plan(house.planfile, replace(altered.header, planned_by="lee"), altered.change_set)
    applied = house.run("apply", house.planfile)
    assert applied.code == 5, applied
    assert "its digest is not that of its content" in " ".join(applied.err.split())


def test_a_forged_text_reaches_no_terminal(office, house):
    office.requires(1)
    house.saved()
    office.signs("kim", approver="\x1b]0;owned\x07zed")
    applied = house.run("apply", house.planfile)
    assert applied.code == 6
    assert "\x1b" not in applied.err
    assert "\x07" not in applied.err


# --- a stopped run -------------------------------------------------------------------------------------------------


def test_a_stopped_run_goes_on_though_its_approval_is_over(office, house):
    """What was used was approved when it was used; the rest of its lines needs no second word."""
    office.requires(1)
    house.saved()
    office.approve("ada")
    house.state.add_faults(Fault(method="POST", path=BATCH, job="FAILURE", errors=["Invalid credentials"]))
    first = house.apply()
    assert first.code == 3, first
    assert 0 < first.json["totals"]["posted"]["count"] < 12
    beside(house.planfile).unlink()
    office.signs("ada", expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert house.apply().code == 0
    assert len({each.reference_number for each in house.ours()}) == 12
    assert house.duplicates() == []


# --- approve -------------------------------------------------------------------------------------------------------


def test_who_planned_can_not_approve(office, house):
    office.requires(1)
    house.saved()
    refused = office.approve("kim")
    assert refused.code == 1
    assert "kim made it" in said(refused)
    assert not beside(house.planfile).exists()


def test_nor_under_another_account(office, house):
    people = f'{{name: ada, key: "{office.people["ada"]}", accounts: [Ada-At-Work]}}'
    house.config(f"approvals: {{required: 1, approvers: [{people}]}}\n")
    office.acts("ada-at-work")
    house.saved()
    assert "ada made it" in said(office.approve("ada"))


def test_a_key_that_is_nobodys_signs_nothing_and_the_line_it_needs_is_said(office, house):
    office.requires(1, names=("ben",))
    house.saved()
    refused = office.approve("ada", "--as", "ada")
    assert refused.code == 1
    assert office.people["ada"] in said(refused)


def test_the_key_says_who_approves(office, house):
    office.requires(1)
    house.saved()
    assert "the key of ada, not of ben" in said(office.approve("ada", "--as", "ben"))


def test_approving_twice_adds_nothing(office, house):
    office.requires(2)
    house.saved()
    first = office.approve("ada", "--json").json
    again = office.approve("ada", "--json").json
    assert again == first
    assert (first["approver"], first["given"], first["missing"]) == ("ada", ["ada"], 1)
    assert len(beside(house.planfile).read_text().splitlines()) == 1


def test_an_approval_ends_no_later_than_the_plan(office, house):
    office.requires(1, more=", valid_for: 90 days")
    house.saved()
    document = office.approve("ada", "--json").json
    expires = read_plan(house.planfile).header.expires_at
    assert datetime.fromisoformat(document["expires_at"]) == datetime.fromisoformat(expires)


def test_nobody_is_asked_where_nobody_is(office, house):
    office.requires(1)
    house.saved()
    refused = office.approve("ada", yes=False)
    assert (refused.code, "Nothing was signed: it is to be confirmed" in said(refused)) == (1, True)
    assert "12 to post ($300.00)" in refused.out
    assert not beside(house.planfile).exists()


def test_on_a_terminal_the_passphrase_and_the_word_are_asked_for(office, house):
    sealed = office.keys / "sealed.key"
    office.people["ada"] = write_key(write_new_key(sealed, "correct horse"))
    office.requires(1)
    house.saved()
    words = ("approve", house.planfile, "--key", sealed)
    no = typed(
        house, *words, answers=((b"Passphrase of the key", b"correct horse"), (b"Approve this as ada?", b"y"))
    )
    assert (no.code, beside(house.planfile).exists()) == (1, False)
    yes = typed(
        house,
        *words,
        answers=((b"Passphrase of the key", b"correct horse"), (b"Approve this as ada?", b"yes")),
    )
    assert yes.code == 0, yes
    assert "correct horse" not in no.out + yes.out
    assert house.apply().code == 0


def test_a_stale_plan_is_not_approved(office, house):
    office.requires(1)
    house.saved()
    house.write(house.plans.joinpath("oak.yaml").read_text() + "# changed\n")
    refused = office.approve("ada")
    assert (refused.code, "plans/oak.yaml" in said(refused)) == (5, True)
    assert not beside(house.planfile).exists()


def test_an_altered_plan_is_not_approved(office, house):
    office.requires(1)
    house.saved()
    house.planfile.write_bytes(house.planfile.read_bytes().replace(b"2500", b"2501", 1))
    assert office.approve("ada").code == 5


def test_approving_needs_neither_token_nor_journal(office, house):
    office.requires(1)
    house.saved()
    (house.folder / ".chargeplan").rename(house.folder / "elsewhere")
    approved = house.run("approve", house.planfile, "--key", office.key("ada"), "--yes", token=None)
    assert approved.code == 0, approved
    assert not (house.folder / ".chargeplan").exists()


def test_the_key_may_come_from_the_environment(office, house, monkeypatch):
    office.requires(2)
    house.saved()
    assert "no key to sign with" in said(house.run("approve", house.planfile, "--yes"))
    monkeypatch.setenv("CHARGEPLAN_APPROVER_KEY_FILE", str(office.key("ada")))
    assert house.run("approve", house.planfile, "--yes").code == 0
    monkeypatch.setenv("CHARGEPLAN_APPROVER_KEY", office.key("ben").read_text())
    assert house.run("approve", house.planfile, "--yes").code == 0
    assert house.apply().code == 0


def test_a_private_key_in_the_project_is_neither_made_nor_used(office, house):
    office.requires(1)
    house.saved()
    inside = house.folder / "ada.key"
    made = house.run("approve", "--new-key", inside)
    assert (made.code, inside.exists()) == (1, False)
    os.link(office.key("ada"), inside)
    used = house.run("approve", house.planfile, "--key", inside, "--yes")
    assert used.code == 1
    assert "in the project's folder" in said(used)


def test_a_new_key_says_what_the_configuration_needs(office, house):
    target = office.keys / "lee.key"
    made = house.run("approve", "--new-key", target, "--as", "lee")
    assert made.code == 0
    line = made.out.strip()
    assert line == f"- {{name: \"lee\", key: '{write_key(read_private_key(target, nobody).public)}'}}"
    house.config(f"approvals:\n  required: 1\n  approvers:\n    {line}\n")
    house.saved()
    assert house.run("approve", house.planfile, "--key", target, "--yes").code == 0
    assert house.apply().code == 0


def test_approve_takes_a_plan_or_makes_a_key(house):
    assert house.run("approve").code == 1
    assert house.run("approve", house.planfile, "--new-key", "x.key").code == 1
