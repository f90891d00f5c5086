"""Whole histories that Hypothesis makes up: plans and edits, kills and lost answers, odd operators, two working copies.

Whatever the history was, once the month is closed as people close it (see ``close``) the books of the property system, which no
code of ours keeps, have every line of the plans once. The suite runs a few, the same each time; more with

    CHARGEPLAN_HISTORIES=500 pytest -q tests/e2e/test_histories.py
"""

from __future__ import annotations

import calendar
import os
import signal
import sqlite3
import tempfile
from collections import Counter, defaultdict
from contextlib import ExitStack, closing
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e import forked, village
from tests.e2e.house import BATCH, TODAY, House, copy_of, finish
from tests.e2e.shim import STEPS
from tests.soak import FAULTS

EXAMPLES = int(os.environ.get("CHARGEPLAN_HISTORIES", "20"))
UNITS = ("201", "202", "203", "204", "205")
# Two of one code: with the same amount, only our reference tells them apart.
CODES = {"amenity": "Amenity Fee", "storage": "Storage", "locker": "Storage"}
WHICH = st.integers(0, 30)  # of as many as there are: what is drawn does not depend on how fast things went
AMOUNTS = st.sampled_from((1000, 1001, 2500))  # cents
PLAN = """\
version: 1
plan: oak-street
integration: resman-main
properties: [oak-street]
on_drift: {on_drift}
charges:
"""
CHARGE = """\
  {name}:
    code: {code}
    amount: {amount}
    description: {name}
    who: {{units: ["20[1-5]"]}}
    schedule: {{every: month, day: 1}}
"""
NOTHING_SENT = {1, 5, 6, 7}  # exit codes that say so
EVERY_STATE = ("unposted", "posted", "rejected", "deleted")
# Not the one that makes the program wait; the soak has it.
POST_FAULTS = {name: fault for name, fault in FAULTS.items() if name != "429"}
# What goes wrong with the requests of an apply, and after how many that go well.
WRONG = st.lists(st.tuples(st.sampled_from(sorted(POST_FAULTS)), st.integers(0, 1)), max_size=2)


class Copy:
    """One operator's working copy of the project: plans and a snapshot of its own, the journal shared."""

    def __init__(self, folder: Path, state: Sandbox, url: str, journal: Path) -> None:
        self.house = House(folder, state, url)
        self.charges: dict[str, int] = {}
        self.journal = journal

    def configure(self, *, batch_size: int) -> None:
        self.house.config(batch_size=batch_size, date_tolerance=5)
        path = self.house.folder / "chargeplan.yaml"
        text = path.read_text().replace(".chargeplan/x.db", str(self.journal))
        path.write_text(text.replace("vendor: RESMAN", "vendor: RESMAN\n    credits: post"))

    def write(self, charges: dict[str, int], on_drift: str) -> None:
        self.charges = dict(charges)
        lines = (
            CHARGE.format(name=name, code=CODES[name], amount=f"{amount // 100}.{amount % 100:02d}")
            for name, amount in sorted(charges.items())
        )
        self.house.write(PLAN.format(on_drift=on_drift) + "".join(lines))


class Histories(RuleBasedStateMachine):
    """What people, processes and the other side do to one property, and what must hold whatever they did."""

    seeded: Path  # a village's state, made once

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.state = self.stack.enter_context(Sandbox.open(copy_of(self.seeded, folder / "state.db")))
        url = self.stack.enter_context(serve(self.state)).url
        self.journal = folder / "journal.db"
        self.copies = [Copy(folder / name, self.state, url, self.journal) for name in ("first", "second")]
        self.first, self.second = self.copies
        self.as_of = TODAY
        self.months = [TODAY.replace(day=1)]
        self.on_drift = "report"
        self.amounts: dict[str, set[int]] = defaultdict(set)  # every amount that a plan ever had for a charge
        self.held: set[tuple[str, str, str]] = set()  # unit, charge and month that the last plans hold
        self.vouched: set[str] = set()  # references that a person said are on the ledger

    @initialize(
        on_drift=st.sampled_from(("report", "adjust")),
        forgets=st.sampled_from((False, False, True)),
        batch_size=st.sampled_from((2, 3, 20)),
        polls=st.integers(0, 1),
    )
    def begin(self, on_drift: str, forgets: bool, batch_size: int, polls: int) -> None:
        self.on_drift = on_drift
        self.state.configure(keeps_references=not forgets, pending_polls=polls)
        for each in self.copies:
            each.configure(batch_size=batch_size)
            self._write(each, {"amenity": 2500})
        assert self._run(self.first, "journal", "init").code == 0

    # --- the operators of chargeplan ------------------------------------------------------------------------------

    @rule(who=st.integers(0, 1), name=st.sampled_from(sorted(CODES)), amount=AMOUNTS)
    def edit(self, who: int, name: str, amount: int) -> None:
        self._write(self.copies[who], self.copies[who].charges | {name: amount})

    @rule(name=st.sampled_from(sorted(CODES)))
    def take_out(self, name: str) -> None:
        left = {key: amount for key, amount in self.first.charges.items() if key != name}
        if left:
            self._write(self.first, left)

    @rule()
    def pull(self) -> None:
        """The second working copy gets the first one's plans."""
        self._write(self.second, self.first.charges)

    @rule(who=st.sampled_from((0, 0, 1)))
    def plan(self, who: int) -> None:
        copy = self.copies[who]
        result = self._run(copy, "plan", "--as-of", self.as_of, "--out", copy.house.planfile)
        assert result.code == 0, result

    @rule(who=st.sampled_from((0, 0, 1)), wrong=WRONG)
    def apply_saved(self, who: int, wrong: list[tuple[str, int]]) -> None:
        copy = self.copies[who]
        if copy.house.planfile.exists():
            self._go_wrong(wrong)
            self._apply(copy, copy.house.planfile)

    @rule(who=st.sampled_from((0, 0, 1)), wrong=WRONG)
    def apply(self, who: int, wrong: list[tuple[str, int]]) -> None:
        self._go_wrong(wrong)
        self._apply(self.copies[who], "--auto-approve", "--as-of", self.as_of)

    @rule(who=st.sampled_from((0, 0, 1)), step=st.sampled_from(STEPS), count=st.integers(1, 2))
    def apply_and_be_killed(self, who: int, step: str, count: int) -> None:
        if step == "during-post":
            self.state.add_faults(Fault(method="POST", path=BATCH, delay=0.6))
        words = ("apply", "--auto-approve", "--as-of", self.as_of, "--deadline", "2")
        house = self.copies[who].house
        started = forked.start(house.words(*words), house.environ, house.folder, f"{step}:{count}")
        assert finish(started).code in (-signal.SIGKILL, 0, 1, 3, 4)

    @rule(who=st.integers(0, 1))
    def reconcile(self, who: int) -> None:
        assert self._run(self.copies[who], "reconcile", "--as-of", self.as_of).code in (0, 4)

    @rule(who=st.integers(0, 1))
    def lose_the_snapshot(self, who: int) -> None:
        for file in (self.copies[who].house.folder / ".chargeplan").glob("snapshot-*"):
            file.unlink()

    @rule()
    def look_at_the_ledger(self) -> None:
        """A person settles what is open, truthfully; what waits for approval is left to wait."""
        self._resolve()

    @rule(days=st.integers(1, 20))
    def time_passes(self, days: int) -> None:
        self.as_of = min(self.as_of + timedelta(days=days), date(2027, 10, 20))
        if self.as_of.replace(day=1) not in self.months:
            self.months.append(self.as_of.replace(day=1))

    # --- the other side -------------------------------------------------------------------------------------------

    @rule(posting_date=st.sampled_from((None, None, 3)))
    def approve(self, posting_date: int | None) -> None:
        """All that waits; maybe under a date of the operator's own, some days into the month."""
        waiting = self._entries("unposted")
        if posting_date is None or not waiting:
            self.state.approve()
            return
        for each in waiting:
            day = date.fromisoformat(each.transaction_date) + timedelta(days=posting_date)
            self.state.approve(entry_id=each.id, posting_date=day)

    @rule()
    def sync(self) -> None:
        """Twice a day."""
        self.state.clock.advance(12 * 3_600.0)
        self.state.sync()

    @rule(which=WHICH)
    def reject(self, which: int) -> None:
        for each in self._one_of(self._entries("unposted"), which):
            self.state.reject(entry_id=each.id)

    @rule(which=WHICH)
    def delete(self, which: int) -> None:
        """Taken off the ledger; but not where a person has vouched for it, and nobody told them."""
        found = [each for each in self._entries("posted") if each.reference_number not in self.vouched]
        for each in self._one_of(found, which):
            self.state.office.void(entry_id=each.id)

    @rule(which=WHICH, days=st.integers(-4, 4))
    def redate(self, which: int, days: int) -> None:
        for each in self._one_of(self._entries("unposted", "posted"), which):
            day = date.fromisoformat(each.sent_date[:10]) + timedelta(days=days)
            self.state.office.edit(transaction_date=day, entry_id=each.id)

    @rule(which=WHICH, code=st.sampled_from(("chargecode-oak-amenity-fee", "chargecode-oak-storage")))
    def recode(self, which: int, code: str) -> None:
        for each in self._one_of(self._entries("unposted", "posted"), which):
            self.state.office.edit(charge_code_id=code, entry_id=each.id)

    # --- what must hold -------------------------------------------------------------------------------------------

    @invariant()
    def nobody_is_billed_twice(self) -> None:
        entries = self._entries("unposted", "posted")
        by_reference = Counter(each.reference_number for each in entries)
        # The place and the words, not our reference: a correction says so in its description.
        by_content = Counter(
            (each.unit_id, each.description, each.sent_date[:7])
            for each in entries
            if not each.description.startswith("Adj: ")
        )
        assert [
            key for found in (by_reference, by_content) for key, count in found.items() if count > 1
        ] == []

    @invariant()
    def nothing_on_the_books_counts_as_free(self) -> None:
        """What the journal would let be posted again is not there."""
        assert {each.reference_number for each in self._entries("unposted", "posted")} <= set(
            self._recorded()
        )

    def teardown(self) -> None:
        try:
            if self.first.charges:
                self.close()
        finally:
            self.stack.close()

    def close(self) -> None:
        """Approve, sync, reconcile, plan and apply month by month, ask a person, and again, until nothing moves."""
        self.state.clear_faults()
        self._write(self.second, self.first.charges)
        for _ in range(4):
            self.held = set()
            self.state.approve()
            self.sync()
            assert self._run(self.first, "reconcile", "--as-of", self.as_of).code in (0, 4)
            self._resolve()
            to_post = [self._close_month(month) for month in self.months]
            if not any(to_post):
                break
        self.nobody_is_billed_twice()
        self.every_line_is_somewhere()
        self.the_money_adds_up()
        verified = self._run(self.first, "journal", "verify")
        assert verified.code == 0, verified

    def _close_month(self, month: date) -> int:
        planned = self._plan_of(month, "--out", self.first.house.planfile)
        # The other copy's charge of this code, which these plans do not have, may be the same: a person has to say.
        self.held |= {
            (each["unit_number"], each["charge"], str(month)[:7])
            for each in planned["changes"]
            if each["action"] == "hold"
        }
        count = sum(planned["totals"].get(name, {"count": 0})["count"] for name in ("create", "correct"))
        if count:
            applied = self._run(self.first, "apply", self.first.house.planfile, "--json")
            assert applied.code in (0, 3, 4), applied
        return count

    def _plan_of(self, month: date, *words) -> dict:
        last = month.replace(day=calendar.monthrange(month.year, month.month)[1])
        window = ("--from", month, "--through", last)
        result = self._run(self.first, "plan", "--as-of", self.as_of, *window, "--json", "--all", *words)
        assert result.code == 0, result
        return result.json

    def every_line_is_somewhere(self) -> None:
        """Each unit has each charge of the plan in each month: on the books, or named as taken off them by somebody."""
        named = self._named()
        on_books = {
            (each.unit_id, each.description, each.sent_date[:7])
            for each in self._entries("unposted", "posted")
        }
        named_places = {
            (each["unit_number"], each["charge"], each["service_period"]["from"][:7])
            for each in named.values()
        } | self.held
        for month in self.months:
            for name in self.first.charges:
                for unit in UNITS:
                    place = (f"unit-{unit}", name, str(month)[:7])
                    assert place in on_books or (unit, name, str(month)[:7]) in named_places, (
                        place,
                        sorted(named),
                    )

    def the_money_adds_up(self) -> None:
        """To the cent: what the journal holds for posted is on the books, apart from what `status` names as removed."""
        named = self._named()
        entries = self._entries("unposted", "posted")
        recorded = {key: cents for key, cents in self._recorded().items() if key not in named}
        assert {each.reference_number: each.amount_in_cents for each in entries} == recorded
        totals: dict[tuple[str, str, str], int] = defaultdict(int)
        for each in entries:
            totals[each.unit_id, each.description.removeprefix("Adj: "), each.sent_date[:7]] += (
                each.amount_in_cents
            )
        removed = {(f"unit-{each['unit_number']}", each["charge"]) for each in named.values()}
        for (unit, name, _), cents in totals.items():
            if name not in self.first.charges or (unit, name) in removed:
                continue
            if self.on_drift == "adjust":
                assert cents == self.first.charges[name], (unit, name)
            else:
                assert cents in self.amounts[name], (unit, name)

    # --- helpers --------------------------------------------------------------------------------------------------

    def _write(self, copy: Copy, charges: dict[str, int]) -> None:
        copy.write(charges, self.on_drift)
        for name, amount in charges.items():
            self.amounts[name].add(amount)

    def _run(self, copy: Copy, *words):
        result = copy.house.run(*words)
        note(
            f"{' '.join(map(str, words))[:90]} -> {result.code} {result.last[:150]} {result.err.strip()[:300] if result.code else ''}"
        )
        return result

    def _go_wrong(self, wrong: list[tuple[str, int]]) -> None:
        self.state.clear_faults()
        for name, skip in wrong:
            self.state.add_faults(Fault(method="POST", path=BATCH, skip=skip, **POST_FAULTS[name]))

    def _apply(self, copy: Copy, *words) -> None:
        before = self._entries(*EVERY_STATE)
        result = self._run(copy, "apply", *words, "--no-wait", "--json")
        if result.code in NOTHING_SENT:
            assert self._entries(*EVERY_STATE) == before
            return
        assert result.code in {0, 3, 4}, result
        if words[0] == copy.house.planfile:
            shown = self._run(copy, "show", copy.house.planfile, "--json").json["totals"]
            planned = _cents(shown, "create", "correct")
            assert _cents(result.json["totals"], *result.json["totals"]) == planned

    def _entries(self, *states) -> list:
        return [each for each in self.state.ledger(*states) if each.origin == "api"]

    def _one_of(self, entries: list, which: int) -> list:
        return entries[which % len(entries) :][:1] if entries else []

    def _status(self) -> dict:
        result = self._run(self.first, "status", "--as-of", self.as_of, "--json")
        assert result.code == 0, result
        return result.json

    def _named(self) -> dict[str, dict]:
        found = self._status()
        return {
            each["reference_number"]: each
            for name in ("in_flight", "unknown", "overdue", "removed_upstream")
            for each in found[name]
        }

    def _recorded(self) -> dict[str, int]:
        """Reference and cents of what the journal has as sent, or as maybe sent; read without our code."""
        if not self.journal.exists():
            return {}
        with closing(sqlite3.connect(self.journal)) as connection:
            return dict(connection.execute("SELECT reference, amount FROM postings WHERE live = 1"))

    def _resolve(self) -> None:
        found = self._status()
        open_now = {
            each["reference_number"] for name in ("in_flight", "unknown", "overdue") for each in found[name]
        }
        posted = {each.reference_number for each in self._entries("posted")}
        waiting = {each.reference_number for each in self._entries("unposted")}
        words = {"--posted": open_now & posted, "--not-posted": open_now - posted - waiting}
        for verdict, references in words.items():
            if references:
                said = self._run(
                    self.first, "resolve", *sorted(references), verdict, "--reason", "looked at the ledger"
                )
                assert said.code == 0, said
        self.vouched |= words["--posted"]


def _cents(totals: dict, *names: str) -> int:
    return sum(totals[name]["amount_in_cents"] for name in names if name in totals)


@pytest.mark.slow
def test_whatever_the_history_every_line_is_billed_once(tmp_path):
    Histories.seeded = village.make(tmp_path / "seed.db")
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=14,
            deadline=None,
            derandomize="CHARGEPLAN_HISTORIES" not in os.environ,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
