"""What an office, its property system and Propexo's customer do on ledgers that chargeplan posts to; each drawn at random."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

from chargeplan.sandbox.seed_facts import MAPLE_COURT
from chargeplan.sandbox.state import Sandbox
from tests.e2e.house import INTEGRATION, OAK

UNITS = ("201", "202", "203", "204", "205")
CODES = {
    "amenity": "Amenity Fee",
    "storage": "Storage",
    "concession": "Concession",
    "trash": "Trash",
    "late-fee": "Late Fee",
}
CENTS = {"amenity": 2500, "storage": 1200, "concession": -500, "trash": 1800}
ANEW = "resman-anew"
MAPLE = MAPLE_COURT.id


@dataclass
class Home:
    """A household as its office knows it."""

    unit: str
    lease_id: str
    people: list[str]
    ended: date | None = None


class BusyOffice:
    """Five households, and everybody who writes on their ledgers beside chargeplan. ``told`` is what happened, in words."""

    def __init__(self, state: Sandbox, draw: random.Random, told: list[str]) -> None:
        self.state, self.draw, self.told = state, draw, told
        self.as_of = date.min
        self.homes = [self._home(unit) for unit in UNITS]
        self.roots = {person: home.unit for home in self.homes for person in home.people}
        self.set_up_anew = False
        self._open_maple_court()

    def _home(self, unit: str) -> Home:
        lease = self.state.upstream("leases", f"lease-{unit}")
        people = lease["residents_meta_data"]
        # Everybody lives there from before, on a lease that goes on: what happens is what the office does.
        self.state.alter(
            "leases", lease["id"], start_date="2027-01-01", end_date="2028-12-31", realized_move_in_date="2027-01-01",
            scheduled_move_in_date="2027-01-01", realized_move_out_date=None, scheduled_move_out_date=None,
            status_normalized="ACTIVE", residents_meta_data=[{**each, "move_in_date": "2027-01-01"} for each in people],
        )  # fmt: skip
        return Home(unit, lease["id"], [each["resident_id"] for each in people])

    def _open_maple_court(self) -> None:
        """A property without households, with the same charge codes: units may come to it."""
        for code in self.state.all_upstream("charge-codes", property_id=OAK):
            there = {"property_id": MAPLE, "x_property_id": f"rm-{MAPLE}"}
            self.state.put(
                "charge-codes",
                {**code, "id": f"maple-{code['id']}", "x_id": f"rm-maple-{code['id']}", **there},
            )

    # --- charges ----------------------------------------------------------------------------------------------------

    def office_posts(self) -> None:
        """What waits is approved, maybe under another date, and a sync shows it."""
        day = self.as_of.replace(day=3) if self.draw.random() < 0.3 else None
        self.state.approve(posting_date=day)
        self.sync()

    def enter(self) -> None:
        home, name = self.draw.choice(self.homes), self.draw.choice(sorted(CENTS))
        due = CENTS[name]
        cents = self.draw.choice((due, due, -due, due // 2, due + 300))
        day = self.as_of + timedelta(days=self.draw.randint(-6, 12))
        entry = self.state.office.enter(
            resident_id=self.draw.choice(home.people),
            charge_code_id=CODES[name],
            amount_in_cents=cents,
            transaction_date=day,
        )
        self._say(f"the office enters {cents} {name} for {home.unit} on {day}: {entry.id}")

    def edit(self) -> None:
        for entry in self._some_of_ours():
            cents = self.draw.choice((entry.amount_in_cents + 700, entry.amount_in_cents // 2))
            keep = self.draw.random() < 0.6
            self.state.office.edit(entry_id=entry.id, amount_in_cents=cents, keep_reference=keep)
            self._say(f"the office edits {entry.id} ({entry.description}) to {cents}, reference kept: {keep}")

    def void(self) -> None:
        for entry in self._some_of_ours():
            self.state.office.void(entry_id=entry.id)
            self._say(f"the office voids {entry.id} ({entry.description}, unit {entry.unit_id})")

    def redate(self) -> None:
        for entry in self._some_of_ours():
            day = date.fromisoformat(entry.transaction_date) + timedelta(days=self.draw.randint(-3, 3))
            self.state.office.edit(entry_id=entry.id, transaction_date=day)
            self._say(f"the office dates {entry.id} ({entry.description}) {day}")

    def pay(self) -> None:
        home = self.draw.choice(self.homes)
        cents, day = (
            self.draw.choice((1200, 2500, 4000)),
            self.as_of - timedelta(days=self.draw.randint(0, 9)),
        )
        self.state.office.pay(resident_id=home.people[0], amount_in_cents=cents, transaction_date=day)
        self._say(f"{home.unit} pays {cents} on {day}")

    # --- people and units -------------------------------------------------------------------------------------------

    def merge(self) -> None:
        home = self.draw.choice(self.homes)
        place = self.draw.randrange(len(home.people))
        old, new = home.people[place], f"{home.people[place]}-x"
        self.state.office.merge(resident_id=old, into=new)
        self.roots[new], home.people[place] = home.unit, new
        self._say(f"the record of {old} is replaced by {new}")

    def renew(self) -> None:
        """A new lease long after the old one's end, which nobody had renewed."""
        staying = [each for each in self.homes if each.ended is None]
        if not staying:
            return
        home = self.draw.choice(staying)
        self.state.alter("leases", home.lease_id, end_date="2027-06-15")
        home.lease_id = self.state.office.replace_lease(
            lease_id=home.lease_id, start_date=self.as_of.replace(day=10), end_date="2028-12-31",
            move_in_date=self.draw.choice(("2027-01-01", self.as_of.replace(day=10))),
        )  # fmt: skip
        self._say(f"unit {home.unit} signs again: {home.lease_id} from {self.as_of.replace(day=10)}")

    def move_out(self) -> None:
        staying = [each for each in self.homes if each.ended is None]
        if len(staying) < 3:
            return
        home = self.draw.choice(staying)
        home.ended = self.as_of + timedelta(days=self.draw.randint(-20, 20))
        credit = self.draw.random() < 0.5
        self.state.office.move_out(lease_id=home.lease_id, day=home.ended, credit=credit)
        self._say(f"unit {home.unit} moves out on {home.ended}, credited by the system: {credit}")

    def move_unit(self) -> None:
        home = self.draw.choice(self.homes)
        end = "-anew" if self.set_up_anew else ""
        self.state.office.move_unit(unit_id=f"unit-{home.unit}{end}", property_id=f"{MAPLE}{end}")
        self._say(f"unit {home.unit} is Maple Court's now")

    def reconnect(self) -> None:
        """Propexo's customer sets the integration up anew: the same records under other ids."""
        self.state.office.reconnect(integration_id=INTEGRATION, new_id=ANEW)
        self.set_up_anew = True
        for home in self.homes:
            home.lease_id, home.people = f"{home.lease_id}-anew", [f"{each}-anew" for each in home.people]
        self.roots |= {f"{person}-anew": unit for person, unit in self.roots.items()}
        self.told.append("the integration is set up anew")

    # --- the books --------------------------------------------------------------------------------------------------

    def ours(self, *states: str) -> list:
        """What the property system's books have of what chargeplan sent, whatever the office made of it."""
        return [each for each in self.state.ledger(*states) if each.origin == "api"]

    def sync(self) -> None:
        self.state.clock.advance(12 * 3_600.0)
        self.state.sync()

    def _some_of_ours(self) -> list:
        entries = self.ours("posted")
        return [self.draw.choice(entries)] if entries else []

    def _say(self, text: str) -> None:
        """What has happened, and maybe a sync that shows it."""
        self.told.append(text)
        if self.draw.random() < 0.5:
            self.sync()
