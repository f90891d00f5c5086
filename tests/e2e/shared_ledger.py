"""Three months of one property whose ledger other people write on too; each history is drawn by its name.

The office enters charges and credits by hand (some equal to what is due), edits, re-dates and voids, merges people, renews leases
after long gaps and moves people out; a move-out is learned late; references are kept or lost; the journal is lost or restored from
a backup. Then a person follows the commands that chargeplan prints, whichever of them, until nothing is open. What must hold, told
from the property system's own books, which no code of ours keeps:

* for no household, charge and month is more on the ledgers through us than was due, unless a person said so;
* nothing that was due is missing without being named;
* whoever follows the printed commands ends with nothing open.
"""

from __future__ import annotations

import calendar
import random
import re
import shlex
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.server import serve
from chargeplan.sandbox.state import Sandbox
from tests.e2e.house import BATCH, House, copy_of

UNITS = ("201", "202", "203", "204", "205")
CENTS = {"amenity": 2500, "storage": 1200, "concession": -500}
CODES = {"amenity": "Amenity Fee", "storage": "Storage", "concession": "Concession"}
MONTHS = (date(2027, 8, 1), date(2027, 9, 1), date(2027, 10, 1))
CHARGE = """\
  {name}:
    code: {code}
    amount: {amount}
    prorate: actual
    description: "{name} {{{{ period.from }}}}"
    who: {{units: ["20[1-5]"]}}
    after_lease_end: continue
    schedule: {{every: month, day: 1}}
"""
HEAD = """\
version: 1
plan: oak-street
integration: resman-main
properties: [oak-street]
on_drift: {on_drift}
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
class Home:
    """A household as its office knows it."""

    unit: str
    lease_id: str
    resident_id: str
    first_resident: str
    ended: date | None = None


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
        self.on_drift = self.draw.choice(("report", "adjust"))
        self._configure()
        self.as_of = MONTHS[0] + timedelta(days=1)
        self.homes = [self._home(unit) for unit in UNITS]
        self.roots = {each.resident_id: each.unit for each in self.homes}
        self.accepted: set[Place] = set()  # where a person said that what is there is right as it is
        self.adopted: dict[str, Place] = {}  # charges that a person said are ours in another hand
        self.backup: Path | None = None
        assert self._run("journal", "init").code == 0

    def _configure(self) -> None:
        self.house.config(batch_size=self.draw.choice((3, 20)), date_tolerance=3)
        path = self.house.folder / "chargeplan.yaml"
        path.write_text(path.read_text().replace("vendor: RESMAN", "vendor: RESMAN\n    credits: post"))
        text = HEAD.format(on_drift=self.on_drift)
        for name, cents in CENTS.items():
            text += CHARGE.format(name=name, code=CODES[name], amount=f'"{cents / 100:.2f}"')
        self.house.write(text)
        self.state.configure(keeps_references=self.draw.random() > 0.25, pending_polls=0)

    def _home(self, unit: str) -> Home:
        lease = self.state.upstream("leases", f"lease-{unit}")
        resident_id = lease["residents_meta_data"][0]["resident_id"]
        # Everybody lives there from before, on a lease that goes on: what happens is what the office does.
        self.state.alter(
            "leases", lease["id"], start_date="2027-01-01", end_date="2028-12-31", realized_move_in_date="2027-01-01",
            scheduled_move_in_date="2027-01-01", realized_move_out_date=None, scheduled_move_out_date=None,
            status_normalized="ACTIVE",
        )  # fmt: skip
        return Home(unit, lease["id"], resident_id, resident_id)

    # --- what happens -----------------------------------------------------------------------------------------------

    def run(self) -> Found:
        """Three months, each closed by a person; then what is wrong."""
        self.state.sync()
        for month in MONTHS:
            self.as_of = month + timedelta(days=1)
            for _ in range(self.draw.randint(2, 5)):
                event = self.draw.choice(self._events())
                self.found.happened.append(event.__name__.replace("_", " "))
                event()
            self._close()
        self._check()
        return self.found

    def _events(self) -> list:
        rare = [self.merge, self.renew, self.move_out, self.lose_journal, self.restore]
        often = [self.apply, self.apply, self.enter, self.edit, self.void, self.redate, self.office_posts]
        return often + self.draw.sample(rare, 2)

    def apply(self) -> None:
        self.state.clear_faults()
        if self.draw.random() < 0.3:
            self.state.add_faults(Fault(method="POST", path=BATCH, **self.draw.choice(WRONG)))
        self._run("apply", "--auto-approve", "--as-of", self.as_of, codes=(0, 1, 3, 4))
        self.state.clear_faults()

    def office_posts(self) -> None:
        """What waits is approved, maybe under another date, and a sync shows it."""
        day = self.as_of.replace(day=3) if self.draw.random() < 0.3 else None
        self.state.approve(posting_date=day)
        self._sync()

    def enter(self) -> None:
        home, name = self.draw.choice(self.homes), self.draw.choice(sorted(CENTS))
        due = CENTS[name]
        cents = self.draw.choice((due, due, -due, due // 2, due + 300))
        day = self.as_of + timedelta(days=self.draw.randint(-6, 12))
        entry = self.state.office.enter(
            resident_id=home.resident_id,
            charge_code_id=CODES[name],
            amount_in_cents=cents,
            transaction_date=day,
        )
        self._told(f"the office enters {cents} {name} for {home.unit} on {day}: {entry.id}")
        self._maybe_sync()

    def edit(self) -> None:
        for entry in self._some_of_ours():
            cents = self.draw.choice((entry.amount_in_cents + 700, entry.amount_in_cents // 2))
            keep = self.draw.random() < 0.6
            self.state.office.edit(entry_id=entry.id, amount_in_cents=cents, keep_reference=keep)
            self._told(
                f"the office edits {entry.id} ({entry.description}) to {cents}, reference kept: {keep}"
            )
            self._maybe_sync()

    def void(self) -> None:
        for entry in self._some_of_ours():
            self.state.office.void(entry_id=entry.id)
            self._told(f"the office voids {entry.id} ({entry.description}, unit {entry.unit_id})")
            self._maybe_sync()

    def redate(self) -> None:
        for entry in self._some_of_ours():
            day = date.fromisoformat(entry.transaction_date) + timedelta(days=self.draw.randint(-3, 3))
            self.state.office.edit(entry_id=entry.id, transaction_date=day)
            self._told(f"the office dates {entry.id} ({entry.description}) {day}")
            self._maybe_sync()

    def merge(self) -> None:
        home = self.draw.choice(self.homes)
        new = f"{home.resident_id}-x"
        self.state.office.merge(resident_id=home.resident_id, into=new)
        self._told(f"the record of {home.resident_id} is replaced by {new}")
        self.roots[new], home.resident_id = home.unit, new
        self._maybe_sync()

    def renew(self) -> None:
        """A new lease long after the old one's end, which nobody had renewed."""
        home = self.draw.choice([each for each in self.homes if each.ended is None] or self.homes)
        if home.ended is not None:
            return
        self.state.alter("leases", home.lease_id, end_date="2027-06-15")
        home.lease_id = self.state.office.replace_lease(
            lease_id=home.lease_id, start_date=self.as_of.replace(day=10), end_date="2028-12-31",
            move_in_date=self.draw.choice(("2027-01-01", self.as_of.replace(day=10))),
        )  # fmt: skip
        self._told(f"unit {home.unit} signs again: {home.lease_id} from {self.as_of.replace(day=10)}")
        self._maybe_sync()

    def move_out(self) -> None:
        staying = [each for each in self.homes if each.ended is None]
        if len(staying) < 3:
            return
        home = self.draw.choice(staying)
        home.ended = self.as_of + timedelta(days=self.draw.randint(-20, 20))
        credit = self.draw.random() < 0.5
        self.state.office.move_out(lease_id=home.lease_id, day=home.ended, credit=credit)
        self._told(f"unit {home.unit} moves out on {home.ended}, credited by the system: {credit}")
        self._maybe_sync()

    def lose_journal(self) -> None:
        self._show_everything()
        (self.house.folder / ".chargeplan" / "x.db").unlink()
        for beside in ("-wal", "-shm"):
            (self.house.folder / ".chargeplan" / f"x.db{beside}").unlink(missing_ok=True)
        self._run("journal", "rebuild", "--as-of", self.as_of, codes=(0,))

    def restore(self) -> None:
        """A backup of some time ago comes back, and is rebuilt; where there is none yet, one is made."""
        if self.backup is None:
            self.backup = self.house.folder / "backup.jsonl"
            self._run("journal", "export", self.backup, codes=(0,))
            return
        self._show_everything()
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
            self._sync()
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
            posted = any(one.reference_number == reference for one in self._ours("posted"))
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
        if result.code == 0 and words[0] == "adopt" and words[1] not in {each.id for each in self._ours()}:
            self.adopted[words[1]] = place
        ours = {each.id for each in self._ours()}
        if result.code == 0 and ("--accept" in words or not ours.isdisjoint(words)):
            # Also who says of a charge of ours that it is another matter has said that both are right.
            self.accepted.add(place)

    def _household(self, change: dict) -> str:
        return self.roots.get(change["resident_id"], change["unit_number"])

    # --- what must hold -----------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Of every household, charge and month: not more than was due through us, and not less without a person's word."""
        sums: dict[Place, int] = defaultdict(int)
        for entry in self.state.ledger("posted", "unposted"):
            if entry.id in self.adopted:
                sums[self.adopted[entry.id]] += entry.amount_in_cents
            elif entry.origin == "api":
                name, month = (entry.description or "").removeprefix("Adj: ").split()
                sums[self.roots[entry.resident_id or ""], name, month[:7]] += entry.amount_in_cents
        for home in self.homes:
            for name, full in CENTS.items():
                for month in MONTHS:
                    place = (home.unit, name, str(month)[:7])
                    have, due = sums.get(place, 0), self._due(home, full, month)
                    if have == due or place in self.accepted:
                        continue
                    list_ = self.found.duplicates if abs(have) > abs(due) else self.found.lost
                    list_.append(f"{place}: {have} for {due}")

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

    def _ours(self, *states) -> list:
        return [each for each in self.state.ledger(*states) if each.origin == "api"]

    def _some_of_ours(self) -> list:
        entries = self._ours("posted")
        return [self.draw.choice(entries)] if entries else []

    def _show_everything(self) -> None:
        """Nothing is lost that only the journal knows: what waits is approved and seen."""
        self.state.approve()
        self._sync()

    def _sync(self) -> None:
        self.state.clock.advance(12 * 3_600.0)
        self.state.sync()

    def _maybe_sync(self) -> None:
        if self.draw.random() < 0.5:
            self._sync()

    def _told(self, text: str) -> None:
        self.found.trace.append(text)

    def _run(self, *words, codes: tuple[int, ...] | None = None):
        result = self.house.run(*words)
        said = result.err.strip().splitlines()[:2] if result.code else [result.last]
        self._told(f"{' '.join(map(str, words))} -> {result.code} {' '.join(said)[:300]}")
        if codes is not None and result.code not in codes:
            self.found.stuck.append(self.found.trace[-1])
        return result


def history(seeded: Path, folder: Path, name: str) -> Found:
    """The history of that name."""
    with Sandbox.open(copy_of(seeded, folder / "state.db")) as state, serve(state) as served:
        return SharedLedger(folder, state, served.url, name).run()
