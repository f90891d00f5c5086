"""Three months of one property whose ledger other people write on too; each history is drawn by its name.

What the office and Propexo's customer do is in ``busy_office``; the journal is lost or restored from a backup, and a person
follows the commands that chargeplan prints, whichever of them, until nothing is open. What must hold, told from the property
system's own books, which no code of ours keeps:

* for no household, charge and month is more on the ledgers through us than was due, unless a person said so;
* nothing that was due is missing without being named;
* whoever follows the printed commands ends with nothing open.
"""

from __future__ import annotations

import calendar
import random
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e.busy_office import ANEW, CENTS, CODES, MAPLE, BusyOffice, Home
from tests.e2e.house import BATCH, INTEGRATION, OAK, House, copy_of

MONTHS = (date(2027, 8, 1), date(2027, 9, 1), date(2027, 10, 1))
CHARGE = """\
  {name}:
    code: {code}
    amount: {amount}
    prorate: actual
    description: "{name} {{{{ period.from }}}}"
    after_lease_end: continue
    schedule: {{every: month, day: 1}}
"""
LATE_FEE = """\
  late-fee:
    code: Late Fee
    late_fee: {for: [amenity], grace_days: 5, initial: 10.00}
    description: "late-fee {{ period.from }}"
"""
HEAD = """\
version: 1
plan: oak-street
integration: resman-main
properties: [oak-street, maple-court]
on_drift: {on_drift}
who: {{units: ["20[1-5]"]}}
charges:
"""
WRONG = (
    {"drop": "after"},
    {"drop": "before"},
    {"job": "FAILURE", "errors": ["The accounting period is closed"]},
    {"job": "FAILURE", "errors": ["The system did not answer in time."], "written": 99},
)
ROUNDS = 8
WAITING = ("unknown", "overdue", "removed_upstream", "drift", "hold", "missed")


Place = tuple[str, str, str]  # unit of the household, charge, month


@dataclass
class Found:
    """What was wrong at the end of a history, and how it went."""

    duplicates: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    asked: int = 0

    @property
    def wrong(self) -> list[str]:
        return [
            *(f"twice: {each}" for each in self.duplicates),
            *(f"lost: {each}" for each in self.lost),
            *(f"stuck: {each}" for each in self.stuck),
        ]


class SharedLedger:
    """One history."""

    def __init__(self, folder: Path, state: Sandbox, url: str, name: str) -> None:
        self.draw = random.Random(name)
        self.found = Found()
        self.state, self.house = state, House(folder / "project", state, url)
        self.office = BusyOffice(state, self.draw, self.found.trace)
        # Trash is shared by the residents, so each has a line; late fees are seen where months are closed on their twelfth.
        self.charges = [name for name in CENTS if name != "trash" or self.draw.random() < 0.4]
        self.late = self.draw.random() < 0.3
        self.day = timedelta(days=11 if self.late else 1)
        self._configure()
        self.accepted: set[Place] = set()  # where a person said that what is there is right as it is
        self.adopted: dict[str, Place] = {}  # charges that a person said are ours in another hand
        self.backup: Path | None = None
        self.adopted_then: dict[str, Place] = {}
        assert self._run("journal", "init").code == 0

    @property
    def as_of(self) -> date:
        return self.office.as_of

    def _configure(self) -> None:
        self.house.config(batch_size=self.draw.choice((3, 20)), date_tolerance=3)
        self._reconfigure("vendor: RESMAN", "vendor: RESMAN\n    credits: post")
        self._reconfigure(
            "properties:", f"properties:\n  maple-court: {{id: {MAPLE}, integration: resman-main}}"
        )
        text = HEAD.format(on_drift=self.draw.choice(("report", "adjust")))
        for name in self.charges:
            text += CHARGE.format(name=name, code=CODES[name], amount=f'"{CENTS[name] / 100:.2f}"')
            text += "    split: equal\n" if name == "trash" else ""
        self.house.write(text + (LATE_FEE if self.late else ""))
        self.state.configure(keeps_references=self.draw.random() > 0.25, pending_polls=0)

    def _reconfigure(self, old: str, new: str) -> None:
        path = self.house.folder / "chargeplan.yaml"
        path.write_text(path.read_text().replace(old, new))

    # --- what happens -----------------------------------------------------------------------------------------------

    def run(self) -> Found:
        """Three months, each closed by a person; then what is wrong."""
        self.state.sync()
        for month in MONTHS:
            self.office.as_of = month + self.day
            for _ in range(self.draw.randint(2, 5)):
                event = self.draw.choice(self._events())
                self.found.happened.append(event.__name__.replace("_", " "))
                event()
            self._close()
        self._check()
        return self.found

    def _events(self) -> list[Callable[[], None]]:
        office = self.office
        rare = [office.merge, office.renew, office.move_out, office.move_unit]
        # What carries a reference of the old integration's keys is no line of the new one's that could be rebuilt.
        rare += [] if office.set_up_anew else [self.lose_journal, self.restore, self.set_up_anew]
        often = [self.apply, self.apply, office.enter, office.edit, office.void, office.redate]
        often += [office.office_posts, *([office.pay] if self.late else [])]
        return often + self.draw.sample(rare, 2)

    def set_up_anew(self) -> None:
        """The integration is set up anew at Propexo; the configuration names it, and lines and keys go along."""
        self.office.reconnect()
        for old in (INTEGRATION, OAK, MAPLE):
            self._reconfigure(f"id: {old}", f"id: {ANEW if old == INTEGRATION else old + '-anew'}")
        self.office.sync()
        moved = self._run("journal", "move-integration", INTEGRATION, ANEW, "--reason", "set up anew")
        if moved.code and "has no lines" not in moved.err:
            self.found.stuck.append(self.found.trace[-1])

    def apply(self) -> None:
        self.state.clear_faults()
        if self.draw.random() < 0.3:
            self.state.add_faults(Fault(method="POST", path=BATCH, **self.draw.choice(WRONG)))
        self._run("apply", "--auto-approve", "--as-of", self.as_of, codes=(0, 1, 3, 4))
        self.state.clear_faults()

    def lose_journal(self) -> None:
        self._show_everything()
        self.adopted.clear()
        (self.house.folder / ".chargeplan" / "x.db").unlink()
        for beside in ("-wal", "-shm"):
            (self.house.folder / ".chargeplan" / f"x.db{beside}").unlink(missing_ok=True)
        self._run("journal", "rebuild", "--as-of", self.as_of, codes=(0,))

    def restore(self) -> None:
        """A backup of some time ago comes back, and is rebuilt; where there is none yet, one is made."""
        if self.backup is None:
            self.backup = self.house.folder / "backup.jsonl"
            self._run("journal", "export", self.backup, codes=(0,))
            self.adopted_then = dict(self.adopted)
            return
        self._show_everything()
        self.adopted = dict(self.adopted_then)
        for each in (self.house.folder / ".chargeplan").glob("x.db*"):
            each.unlink()
        self._run("journal", "import", self.backup, codes=(0,))
        self._run("journal", "rebuild", "--as-of", self.as_of, codes=(0,))

    # --- a person closes the month ------------------------------------------------------------------------------------

    def _close(self) -> None:
        """Approve, sync, reconcile, apply, and settle what waits by the commands that are printed, until nothing does."""
        last: list[str] = []
        for _ in range(ROUNDS):
            self.state.approve()
            self.office.sync()
            self._run("reconcile", "--as-of", self.as_of, codes=(0, 4))
            waiting = self._waiting()
            last = [
                f"{list_name}: {each['charge']} {each['unit_number']} {each['hint']}"
                for list_name, each in waiting
            ]
            self.found.asked += len(waiting)
            for list_name, each in waiting:
                self._settle(list_name, each)
            planned = self._run("plan", "--as-of", self.as_of, codes=(0,))
            if not waiting and planned.last.startswith("No changes"):
                return
            last = last or [planned.last]
            self._run("apply", "--auto-approve", "--as-of", self.as_of, codes=(0, 3, 4))
        self.found.stuck += [f"{self.as_of}: {each}" for each in last]

    def _waiting(self) -> list[tuple[str, dict]]:
        status = self._run("status", "--as-of", self.as_of, "--json", codes=(0,)).json
        return [(name, each) for name in WAITING for each in status[name]]

    def _settle(self, list_name: str, each: dict) -> None:
        """One of the commands that the hint has; what is or is not on the ledger is told truthfully."""
        reference = each["reference_number"]
        if list_name in ("unknown", "overdue"):
            posted = any(one.reference_number == reference for one in self.office.ours("posted"))
            word = "--posted" if posted else "--not-posted"
            self._run("resolve", reference, word, "--reason", "looked", "--as-of", self.as_of, codes=(0,))
            return
        commands = re.findall(r"`(chargeplan [^`]+)`", each["hint"])
        if not commands:
            self.found.stuck.append(
                f"no command for {list_name} {each['charge']} {each['unit_number']}: {each['hint']}"
            )
            return
        words = shlex.split(self.draw.choice(commands).replace("TEXT", '"a person said so"'))[1:]
        # A person at a terminal is asked; here somebody says yes beforehand.
        asked = ("--auto-approve",) if words[0] == "apply" else ()
        result = self._run(*words, *asked, "--as-of", self.as_of)
        place = (self._household(each), each["charge"], each["service_period"]["from"][:7])
        if (
            result.code == 0
            and words[0] == "adopt"
            and words[1] not in {each.id for each in self.office.ours()}
        ):
            self.adopted[words[1].removesuffix("-anew")] = place
        ours = {each.id for each in self.office.ours()}
        if result.code == 0 and ("--accept" in words or not ours.isdisjoint(words)):
            # Also who says of a charge of ours that it is another matter has said that both are right.
            self.accepted.add(place)

    def _household(self, change: dict) -> str:
        return self.office.roots.get(change["resident_id"], change["unit_number"])

    # --- what must hold -----------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Of every household, charge and month: not more than was due through us, and not less without a person's word."""
        sums: dict[Place, int] = defaultdict(int)
        for entry in self.state.ledger("posted", "unposted"):
            if (charge_id := entry.id.removesuffix("-anew")) in self.adopted:
                sums[self.adopted[charge_id]] += entry.amount_in_cents
            elif entry.origin == "api":
                sums[self._place_of(entry)] += entry.amount_in_cents
        for home in self.office.homes:
            for name in self.charges:
                for month in MONTHS:
                    place = (home.unit, name, str(month)[:7])
                    have, due = sums.get(place, 0), self._due(home, CENTS[name], month)
                    if have == due or place in self.accepted:
                        continue
                    list_ = self.found.duplicates if abs(have) > abs(due) else self.found.lost
                    list_.append(f"{place}: {have} for {due}")
        self._check_fees()

    def _check_fees(self) -> None:
        """No late charge has two fees: a household has at most one for each of ours that it may have been late with."""
        late: Counter[str] = Counter()
        for entry in self.office.ours():
            unit, name, _ = self._place_of(entry)
            late[unit] += name == "amenity" and entry.state != "rejected"
            late[unit] -= name == "late-fee" and entry.state in ("posted", "unposted")
        self.found.duplicates += [f"late fees of {unit}" for unit, left in late.items() if left < 0]

    def _place_of(self, entry) -> Place:
        name, month = (entry.description or "").removeprefix("Adj: ").split()
        return self.office.roots[entry.resident_id or ""], name, month[:7]

    def _due(self, home: Home, full: int, month: date) -> int:
        days = calendar.monthrange(month.year, month.month)[1]
        last = month.replace(day=days)
        lived = (
            days
            if home.ended is None
            else max(0, min((home.ended - month).days + 1, (last - month).days + 1))
        )
        cents = (abs(full) * lived * 2 + days) // (days * 2)
        return cents if full > 0 else -cents

    # --- helpers ------------------------------------------------------------------------------------------------------

    def _show_everything(self) -> None:
        """Nothing is lost that only the journal knows: what waits is approved and seen."""
        self.state.approve()
        self.office.sync()

    def _run(self, *words, codes: tuple[int, ...] | None = None):
        result = self.house.run(*words)
        said = result.err.strip().splitlines()[:2] if result.code else [result.last]
        self.found.trace.append(f"{' '.join(map(str, words))} -> {result.code} {' '.join(said)[:300]}")
        if codes is not None and result.code not in codes:
            self.found.stuck.append(self.found.trace[-1])
        return result


def history(seeded: Path, folder: Path, name: str) -> Found:
    """The history of that name."""
    with Sandbox.open(copy_of(seeded, folder / "state.db")) as state, serve(state) as served:
        return SharedLedger(folder, state, served.url, name).run()
