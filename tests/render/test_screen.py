"""What a person sees, as golden files (``UPDATE_GOLDEN=1`` writes them anew)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from chargeplan.core.change import Total
from chargeplan.core.diagnostic import Place, error, warning
from chargeplan.core.errors import ChargeplanError, InputError, StalePlanError
from chargeplan.core.settle import Settled
from chargeplan.render.faults import diagnostics_screen, error_screen, validate_screen
from chargeplan.render.html import plan_html
from chargeplan.render.markdown import LIMIT, marker, plan_markdown
from chargeplan.render.results import (
    apply_line,
    apply_screen,
    history_screen,
    reconcile_screen,
    records_csv,
    records_screen,
    status_screen,
)
from chargeplan.render.screen import plan_screen
from chargeplan.render.summary import Summary, last_line
from chargeplan.render.words import HOLDS, SKIPS
from tests.render.samples import batch, change, change_set, full, posting, skip

GOLDEN = Path(__file__).parent / "golden"
EVIL = "\x1b[2J\u202e=1|@team#1<b>\n"
PROBLEMS = [
    error(
        "`35` could be dollars or cents",
        "Write `35.00` for dollars.",
        Place("plans/a.yaml", 3, 13),
        "    amount: 35",
    ),
    warning("the roster is empty", "", Place("plans/b.csv", 1, 1)),
    error("No property is called `oak`."),
]


def big() -> Any:
    changes = [change("drift" if i % 50 == 0 else "create", i, charge=f"c{i // 200}") for i in range(20_000)]
    holds = [change("hold", i, reason="lease_ended") for i in range(20_000, 20_500)]
    return change_set(*changes, *holds)


CASES = {
    "plan.txt": lambda: plan_screen(full()),
    "plan-all.txt": lambda: plan_screen(full(), all=True),
    "plan-narrow.txt": lambda: plan_screen(full(), width=60),
    "plan-color.txt": lambda: plan_screen(full(), color=True),
    "plan.md": lambda: plan_markdown(full(), digest="sha256:abc"),
    "errors.txt": lambda: error_screen(
        InputError("The plans have 2 errors.", PROBLEMS, hint="Correct them.")
    ),
    "validate.txt": lambda: validate_screen(PROBLEMS, files=2),
    "apply.txt": lambda: apply_screen(
        "incomplete",
        {"posted": Total(300, 45000000), "refused": Total(12, 1800000), "unknown": Total(100, 15020450)},
        [
            batch(),
            batch("refused", errors=("amount_in_cents: must not be 0",)),
            batch("unknown", job_id=None),
        ],
    ),
    "status.txt": lambda: status_screen(
        in_flight=[posting(1)],
        unknown=[posting(2, state="unknown")],
        overdue=[posting(3)],
        removed_upstream=[],
        waiting={},
    ),
    "reconcile.txt": lambda: reconcile_screen(
        [Settled(posting(1, state="visible"), "queued", "seen as chg-1")], {"unknown": Total(1, 3500)}
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    found, path = CASES[name](), GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


def test_color_changes_only_the_color() -> None:
    assert re.sub(r"\x1b\[[0-9;]*m", "", plan_screen(full(), color=True)) == plan_screen(full())


# --- the greppable line --------------------------------------------------------------------------------------------


def test_the_last_line() -> None:
    totals = {
        "create": Total(412, 61820450),
        "hold": Total(2, 1),
        "in_flight": Total(3, 1),
        "drift": Total(1, 1),
        "unchanged": Total(9120, 1),
    }
    line = "Plan: 412 to post ($618,204.50), 2 held, 3 in flight, 0 unknown, 1 drifted, 9,120 unchanged"
    assert last_line(change_set(), Summary(totals, {})) == f"{line}."
    more = {**totals, "removed_upstream": Total(2, 1)}
    assert last_line(change_set(), Summary(more, {})) == f"{line}, 2 removed upstream."


def test_no_changes_is_said_only_of_a_settled_plan() -> None:
    settled = "No changes. Every charge is posted."
    assert plan_screen(change_set(change("unchanged"))).splitlines()[-1] == settled
    for action in (
        "create",
        "correct",
        "in_flight",
        "unknown",
        "hold",
        "missed",
        "drift",
        "removed_upstream",
    ):
        assert last_line(change_set(change(action))).startswith("Plan: ")
    assert last_line(change_set(diagnostics=(error("x"),))).startswith("Plan: 0 to post ($0.00)")


def test_where_nothing_is_due_the_last_line_says_how_often_and_the_commonest_reason() -> None:
    skips = (skip(1), skip(2), skip(3, "not_selected"))
    assert last_line(change_set(skips=skips)) == (
        "No changes. Nothing is due: 3 skipped, 2 of them lease_pending (the lease is pending)."
    )
    assert last_line(change_set(skips=skips[:2])) == (
        "No changes. Nothing is due: 2 skipped lease_pending (the lease is pending)."
    )
    assert last_line(change_set()) == "No changes. Nothing is due: the plans consider no household."


def test_holds_that_share_a_cause_are_one_entry_with_their_number() -> None:
    """109 lines that wait for one row of a table do not push the totals off the screen."""
    cause = "plans/bills.csv has no row 2027-08"
    held = [
        change("hold", number, reason="amount_missing", amount=None, detail=cause) for number in range(109)
    ]
    screen = plan_screen(change_set(*held)).splitlines()
    assert sum(cause in line for line in screen) == 1
    assert any(f"{cause} (109 lines)" in line for line in screen)
    assert len(screen) < 15


@pytest.mark.parametrize(
    ("outcome", "totals", "line"),
    [
        (
            "complete",
            {"posted": Total(412, 61820450)},
            "Apply complete! 412 posted ($618,204.50), 0 refused, 0 unknown.",
        ),
        (
            "incomplete",
            {"posted": Total(300, 45000000), "refused": Total(12, 1800000), "unknown": Total(100, 15020450)},
            "Apply incomplete! 300 posted ($450,000.00), 12 refused ($18,000.00), 100 unknown ($150,204.50).",
        ),
        (
            "unknown",
            {"pending": Total(5, 500)},
            "Apply incomplete! 0 posted ($0.00), 0 refused, 0 unknown, 5 pending ($5.00).",
        ),
        ("nothing", {}, "Nothing to apply. Every line of the plan is settled."),
    ],
)
def test_the_apply_line(outcome: str, totals: dict[str, Total], line: str) -> None:
    assert apply_line(totals, outcome) == line


# --- many lines, and narrow paper ----------------------------------------------------------------------------------


def test_a_large_plan_is_cut_and_says_so() -> None:
    lines = plan_screen(big()).splitlines()
    assert len(lines) < 700
    assert any("490 more; --all shows them" in line for line in lines)
    assert any("60 more groups" in line for line in lines)
    assert lines[-1].startswith("Plan: 19,600 to post")
    assert len(plan_screen(big(), all=True).splitlines()) > 20_500


def test_a_long_status_shows_the_first_of_each_list_and_counts_all() -> None:
    def status(**more: Any) -> list[str]:
        return status_screen(
            in_flight=[posting(number) for number in range(3000)],
            unknown=[posting(number, state="unknown") for number in range(5000, 5021)],
            overdue=[],
            removed_upstream=[posting(9000)],
            waiting={},
            **more,
        ).splitlines()

    lines = status()
    assert sum(" CP" in line for line in lines) == 20 + 20 + 1
    assert [line for line in lines if "more" in line] == [
        "  … 1 more; --all shows them",
        "  … 2,980 more; --all shows them",
    ]
    assert "In flight: 3,000 lines ($105,000.00)" in lines
    assert lines[-1] == "Status: 3,000 in flight, 21 unknown, 0 overdue, 1 removed upstream."
    whole = status(all=True)
    assert sum(" CP" in line for line in whole) == 3000 + 21 + 1
    assert not any("more" in line for line in whole)


def test_on_a_terminal_of_80_columns_status_cuts_no_reference_charge_date_or_amount() -> None:
    text = status_screen(
        in_flight=[posting(1, state="accepted")],
        unknown=[],
        overdue=[],
        removed_upstream=[],
        waiting={},
        width=80,
    )
    (line,) = [each for each in text.splitlines() if "CP0000000000000001" in each]
    assert line.split()[:5] == ["CP0000000000000001", "oak-street/pet-rent", "201", "2027-08-01", "$35.00"]
    assert cell_len(line) <= 80
    assert line.split()[5].startswith("accepted")


def test_two_households_of_one_unit_are_told_apart() -> None:
    held = change_set(
        change("hold", 1, unit_number="204", reason="overlapping_households", lease_id="lease-old"),
        change("hold", 2, unit_number="204", reason="overlapping_households", lease_id="lease-new"),
        change("drift", 3, reason="not_due", lease_id=""),
    )
    screen = plan_screen(held)
    comment = plan_markdown(held, digest="sha256:x")
    report = plan_html(held, digest="sha256:x")
    for name in ("CP0000000000000001, lease lease-old", "CP0000000000000002, lease lease-new"):
        assert name in screen
        assert name in comment
        assert name in report
    assert "CP0000000000000003: it was posted, and nothing is due any more" in screen


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_lines_of_tables_end_at_the_width(width: int) -> None:
    wide = change_set(
        change(description="日本" * 90, unit_number="U" * 90), change("hold", reason="lease_ended")
    )
    final = last_line(wide)
    for line in plan_screen(wide, width=width).splitlines():
        assert line == final or cell_len(line) <= width


def test_others_text_does_not_act() -> None:
    plan = change_set(
        change(description=EVIL, unit_number=EVIL, charge_code=EVIL, detail=EVIL),
        change("hold", reason=EVIL, detail=EVIL),
        property_names={"prop-1": EVIL},
        diagnostics=(error(EVIL, EVIL, Place(EVIL, 1, 2), EVIL),),
    )
    for text in (plan_screen(plan, all=True), error_screen(ChargeplanError(EVIL, hint=EVIL))):
        assert "\x1b" not in text
        assert "\u202e" not in text
    comment = plan_markdown(plan, digest="sha256:x")
    assert not {"\x1b", "\u202e"} & set(comment)
    assert "@team" not in comment
    assert "<b>" not in comment


# --- errors --------------------------------------------------------------------------------------------------------


def test_the_caret_stands_under_its_column() -> None:
    text = diagnostics_screen([error("m", "", Place("a", 1, 5), "\t日本é: x" + "y" * 300)])
    first, excerpt, caret = text.splitlines()
    assert first == "a:1:5: m"
    at = caret.index("^")
    assert cell_len(excerpt[: excerpt.index(":")]) == at
    assert cell_len(excerpt) <= 100


def test_a_long_line_is_cut_around_the_place() -> None:
    _, excerpt, caret = diagnostics_screen(
        [error("m", "", Place("a", 1, 301), "x" * 300 + "Y" + "z" * 300)]
    ).splitlines()
    assert excerpt[caret.index("^")] == "Y"


def test_a_stale_plan_names_its_lines() -> None:
    text = error_screen(
        StalePlanError("Stale.", hint="Plan again.", references=[f"CP{i}" for i in range(30)])
    )
    assert "  CP19\n  … 10 more\n  Plan again.\n" in text


# --- markdown ------------------------------------------------------------------------------------------------------


def test_a_comment_stays_below_the_limit() -> None:
    comment = plan_markdown(big(), digest="sha256:x")
    assert len(comment) <= LIMIT
    assert comment.count("<details>") == comment.count("</details>") > 0
    assert "left out" in comment
    assert len(plan_markdown(big(), digest="sha256:x", limit=2000)) <= 2000


def test_the_marker_can_not_be_escaped() -> None:
    assert marker("a --> <b>") == "<!-- chargeplan:plan:a-b -->"


# --- words and records ---------------------------------------------------------------------------------------------


def test_every_reason_of_the_contract_has_a_sentence() -> None:
    text = (
        "lease_pending never_moved_in not_selected not_on_roster partial_period zero_amount closed_period nothing_late "
        "date_unknown waived no_billed_days not_in_window"
    )
    assert set(text.split()) <= set(SKIPS)
    text = (
        "amount_missing credit_not_allowed lease_status_unclear lease_ended move_out_unknown no_primary_resident "
        "overlapping_households balance_unknown probable_duplicate"
    )
    assert set(text.split()) <= set(HOLDS)


def test_history_cuts_neither_a_plans_name_nor_a_reason() -> None:
    def event(what: str, plan: str = "", why: str = "") -> dict[str, str]:
        return {"at": "2027-08-02 09:00:00", "what": what, "lines": "12", "amount": "$300.00", "who": "kim", "plan": plan, "why": why}  # fmt: skip

    reason = "the new building is billed for the first time, and its owner has agreed to that by letter"
    plan = "plan-20270802T090000-8d21f64434"
    events = [
        event("plan applied", plan, f"max_total=650000.00: {reason}"),
        event("batch about to be sent", plan),
        event("plan applied", "plan-20270803T090000-1111111111"),
    ]
    lines = history_screen(events, empty="None.", width=80).splitlines()
    assert lines[2] == f"    {plan}"
    assert " ".join(" ".join(lines[3:5]).split()) == f"max_total=650000.00: {reason}"
    assert lines[5].startswith("2027-08-02 09:00:00  batch about to be sent")
    assert lines[7] == "    plan-20270803T090000-1111111111"
    assert len(lines) == 8
    assert history_screen([], empty="The journal is empty.") == "The journal is empty.\n"


def test_records() -> None:
    rows = [{"id": 1, "owner": "=evil()"}]
    assert records_screen(rows, ["id", "owner"], empty="None.") == "Id  Owner\n1   =evil()\n"
    assert records_screen([], ["id"], empty="No lock is held.") == "No lock is held.\n"
    assert records_csv(rows, ["id", "owner"]) == "id,owner\r\n1,'=evil()\r\n"
