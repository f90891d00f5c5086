"""A portfolio of any size for the benchmarks: plans, a snapshot of what was billed before, and the journal that billed it.

Properties have 200 units, each with one household and five monthly charges: a thousand lines a property and month. The
month that is planned is August 2027.

    python -m tests.benchmarks.portfolio FOLDER --properties 10 --months 10 --gap 100
"""

from __future__ import annotations

import argparse
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

from chargeplan.core import observed
from chargeplan.core.dates import Days, add_months
from chargeplan.core.key import Key
from chargeplan.core.posting import Posting
from chargeplan.journal import open_journal
from chargeplan.propexo.wire import Record, Value
from chargeplan.snapshot.store import SqliteSnapshot

INTEGRATION = "resman-bench"
UNITS = 200
MONTH = date(2027, 8, 1)
SYNC = "2027-08-02T04:10:00Z"
CHARGES: tuple[tuple[str, int | None], ...] = (
    ("rent", None),
    ("trash", 2500),
    ("pest-control", 350),
    ("amenity", 4000),
    ("insurance", 1195),
)
_PAGE = 250

_CONFIG = """\
version: 1
environment: bench
environments:
  bench: {{api: "{api}", token_env: BENCH_TOKEN, journal: .chargeplan/bench.db, requests_per_minute: 10000}}
integrations:
  main: {{id: resman-bench, vendor: RESMAN}}
plans: [plans/*.yaml]
timezone: America/Chicago
"""

_PLAN = """\
version: 1
plan: monthly
integration: main
properties: all
charges:
"""

_CHARGE = """\
  {name}:
    code: {name}
    amount: {amount}
    schedule: {{every: month}}
    description: "{{{{ charge.title }}}} {{{{ period.label }}}}, unit {{{{ unit.number }}}}"
"""


def rent_of(prop: int, unit: int) -> int:
    """A unit's rent, in cents."""
    return 120_000 + (prop * 7 + unit * 131) % 90_000


class Portfolio:
    """What ``properties`` properties look like; ``months`` months up to the planned one were billed.

    Of the planned month itself the lines of every ``gap``-th household position are missing (0: none are, 1: all are).
    """

    def __init__(self, properties: int, months: int, gap: int) -> None:
        self.properties, self.months, self.gap = properties, months, gap
        self.requests = self.records = 0
        self.host = "bench"

    @property
    def lines(self) -> int:
        """How many lines the planned month has."""
        return self.properties * UNITS * len(CHARGES)

    def missing(self, unit: int) -> bool:
        """Whether the planned month's rent of the household was not billed yet."""
        return self.gap > 0 and unit % self.gap == 0

    # --- as a source of a snapshot ---------------------------------------------------------------------------------

    def integration(self, integration_id: str) -> observed.Integration:
        """The one integration."""
        self.requests += 1
        return observed.Integration(
            id=integration_id,
            name="Bench",
            vendor="RESMAN",
            active=True,
            archived=False,
            last_completed_sync=SYNC,
        )

    def server_time(self) -> None:
        """It tells none."""

    def rows(self, kind: str, params: Mapping[str, str]) -> Iterator[Sequence[Record]]:
        """The pages of a list."""
        assert params is not None
        page: list[Record] = []
        for prop, value in self._values(kind):
            page.append(
                Record(
                    id=value.id,
                    integration_id=INTEGRATION,
                    property_id=f"prop-{prop:05}",
                    updated_at=SYNC,
                    value=value,
                )
            )
            if len(page) == _PAGE:
                yield page
                page = []
        yield page

    def _values(self, kind: str) -> Iterator[tuple[int, Value]]:
        make = {
            "properties": self._property,
            "units": self._units,
            "leases": self._leases,
            "residents": self._residents,
            "charge-codes": self._codes,
            "resident-charges": self._charges,
        }[kind]
        for prop in range(self.properties):
            for value in make(prop):
                yield prop, value

    def _property(self, prop: int) -> Iterator[Value]:
        yield observed.Property(f"prop-{prop:05}", f"Property {prop:05}")

    def _units(self, prop: int) -> Iterator[Value]:
        for unit in range(UNITS):
            yield observed.Unit(
                id=f"unit-{prop:05}-{unit:03}", property_id=f"prop-{prop:05}", number=f"{unit + 101}"
            )

    def _leases(self, prop: int) -> Iterator[Value]:
        for unit in range(UNITS):
            yield observed.Lease(
                id=f"lease-{prop:05}-{unit:03}",
                property_id=f"prop-{prop:05}",
                unit_id=f"unit-{prop:05}-{unit:03}",
                unit_number=f"{unit + 101}",
                status="ACTIVE",
                start=date(2026, 1, 1),
                end=date(2028, 12, 31),
                rent=rent_of(prop, unit),
                realized_move_in=date(2026, 1, 1),
                residents=(observed.LeaseResident(f"res-{prop:05}-{unit:03}", "PRIMARY"),),
            )

    def _residents(self, prop: int) -> Iterator[Value]:
        for unit in range(UNITS):
            yield observed.Resident(
                id=f"res-{prop:05}-{unit:03}",
                property_id=f"prop-{prop:05}",
                first_name="Jo",
                last_name=f"Doe {unit}",
            )

    def _codes(self, prop: int) -> Iterator[Value]:
        for name, _ in CHARGES:
            yield observed.ChargeCode(f"code-{prop:05}-{name}", f"prop-{prop:05}", name)

    def _charges(self, prop: int) -> Iterator[Value]:
        for number, posting in enumerate(self.postings(prop)):
            yield observed.SyncedCharge(
                id=f"charge-{posting.reference}",
                resident_id=posting.resident_id,
                charge_code_id=posting.charge_code_id,
                amount=posting.amount,
                transaction_date=posting.transaction_date,
                reference=posting.reference,
                description=posting.description,
                lease_id=posting.lease_id,
                unit_id=posting.unit_id,
                # One sync sees its charges one after another.
                last_seen=f"2027-08-02T04:0{number % 10}:00Z",
            )

    # --- as a journal ----------------------------------------------------------------------------------------------

    def postings(self, prop: int) -> Iterator[Posting]:
        """What was billed of a property, month by month."""
        for back in range(self.months - 1, -1, -1):
            first = add_months(MONTH, -back)
            for name, cents in CHARGES:
                for unit in range(UNITS):
                    if back or not self.missing(unit):
                        yield _posting(
                            prop, unit, name, rent_of(prop, unit) if cents is None else cents, first
                        )

    # --- as a project ----------------------------------------------------------------------------------------------

    def build(self, folder: Path, api: str = "http://127.0.0.1:9") -> None:
        """Write the project, its snapshot and its journal into an empty folder."""
        (folder / "plans").mkdir(parents=True)
        (folder / ".chargeplan").mkdir(mode=0o700)
        (folder / "chargeplan.yaml").write_text(_CONFIG.format(api=api))
        charges = "".join(
            _CHARGE.format(name=name, amount="{from: lease.rent}" if cents is None else f"{cents / 100:.2f}")
            for name, cents in CHARGES
        )
        (folder / "plans/monthly.yaml").write_text(_PLAN + charges)
        copy = SqliteSnapshot(
            folder / ".chargeplan/snapshot-bench.db",
            lambda: self,
            identity=api.removeprefix("http://"),
            now=lambda: datetime(2027, 8, 2, 5, tzinfo=UTC),
        )
        window = Days(min(add_months(MONTH, 1 - self.months), add_months(MONTH, -6)), date(2027, 12, 31))
        copy.refresh(INTEGRATION, window, full=True, fees=False, payments=False)
        copy.close()
        self._mirror(folder / "floor.db")
        with open_journal(str(folder / ".chargeplan/bench.db"), create=True) as journal:
            for prop in range(self.properties):
                journal.rebuild(self.postings(prop))
        (folder / "portfolio.json").write_text(
            json.dumps({"lines": self.lines, "months": self.months, "gap": self.gap})
        )

    def _mirror(self, file: Path) -> None:
        """The synced charges as the floor reads them: the least columns, in the order in which they are asked for."""
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(
                "CREATE TABLE charge (property_id, transaction_date, reference, amount,"
                " PRIMARY KEY (property_id, transaction_date, reference)) WITHOUT ROWID"
            )
            for prop in range(self.properties):
                connection.executemany(
                    "INSERT INTO charge VALUES (?, ?, ?, ?)",
                    [
                        (each.property_id, each.transaction_date.isoformat(), each.reference, each.amount)
                        for each in self.postings(prop)
                    ],
                )


def _posting(prop: int, unit: int, name: str, cents: int, first: date) -> Posting:
    resident, place = f"res-{prop:05}-{unit:03}", f"unit-{prop:05}-{unit:03}"
    last = add_months(first, 1)
    last = last.replace(day=1).fromordinal(last.toordinal() - 1)
    reference = Key(
        integration_id=INTEGRATION,
        plan="monthly",
        charge=name,
        unit_id=place,
        resident_id=resident,
        period=first.isoformat(),
    ).reference
    title = name.replace("-", " ").title()
    return Posting(
        reference=reference,
        integration_id=INTEGRATION,
        property_id=f"prop-{prop:05}",
        plan="monthly",
        charge=name,
        item=None,
        key_plan="monthly",
        key_charge=name,
        unit_id=place,
        unit_number=f"{unit + 101}",
        resident_id=resident,
        lease_id=f"lease-{prop:05}-{unit:03}",
        period=first.isoformat(),
        part=0,
        period_first=first,
        period_last=last,
        service_first=first,
        service_last=last,
        transaction_date=first,
        amount=cents,
        charge_code_id=f"code-{prop:05}-{name}",
        charge_code=name,
        description=f"{title} {first:%B %Y}, unit {unit + 101}",
        notes="",
        source_file="plans/monthly.yaml",
        source_line=4,
        state="visible",
        charge_id=f"charge-{reference}",
        plan_id=f"plan-{first:%Y%m}",
    )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("folder", type=Path)
    words.add_argument("--properties", type=int, required=True)
    words.add_argument("--months", type=int, default=10, help="that were billed, the planned one included")
    words.add_argument(
        "--gap", type=int, default=100, help="of so many households one was not billed for the planned month"
    )
    asked = words.parse_args()
    Portfolio(asked.properties, asked.months, asked.gap).build(asked.folder)


if __name__ == "__main__":
    main()
