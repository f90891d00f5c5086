"""The copy: what it reads, what it keeps, and that it can be thrown away."""

from __future__ import annotations

import sqlite3
import stat
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from chargeplan.core import observed
from chargeplan.core.dates import Days
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.observed import Integration, LeaseResident, SyncedCharge
from chargeplan.snapshot.store import SqliteSnapshot

WINDOW = Days(date(2026, 12, 1), date(2026, 12, 31))
NOW = datetime(2026, 12, 10, 12, tzinfo=UTC)
OURS = "CP0123456789ABCDEF"


@dataclass
class Row:
    id: str
    property_id: str
    value: Any
    updated_at: str = "2026-12-01T00:00:00.000Z"
    integration_id: str = "i1"
    links: tuple = ()


@dataclass
class Source:
    """A Propexo in memory; ``filters`` is whether it knows the newer filters."""

    host: str = "api.test"
    filters: bool = True
    requests: int = 0
    records: int = 0
    sync: str | None = "2026-12-09T00:00:00.000Z"
    lists: dict[str, list[Row]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    fail_on: str = ""
    time: datetime | None = None

    def integration(self, integration_id):
        self.requests += 1
        return Integration(
            id=integration_id,
            name="Main",
            vendor="RESMAN",
            active=True,
            archived=False,
            last_completed_sync=self.sync,
        )

    def server_time(self):
        return self.time

    def rows(self, kind, params):
        self.requests += 1
        self.asked.append((kind, dict(params)))
        if kind == self.fail_on:
            raise ChargeplanError("down", code="unreachable")
        if not self.filters and {"updated_at_gte", "last_seen_lte"} & params.keys():
            raise ChargeplanError("no such filter", code="bad_request")
        found = [row for row in self.lists.get(kind, []) if self._matches(row, params)]
        self.records += len(found)
        yield found[:1]
        yield found[1:]

    def _matches(self, row, params):
        day = str(getattr(row.value, "transaction_date", None) or getattr(row.value, "date", None) or "")
        seen = getattr(row.value, "last_seen", None)
        return (
            params.get("integration_id", row.integration_id) == row.integration_id
            and row.updated_at >= params.get("updated_at_gte", "")
            and (
                "transaction_date_start" not in params
                or params["transaction_date_start"] <= day <= params["transaction_date_end"]
            )
            and ("last_seen_lte" not in params or (seen is not None and seen <= params["last_seen_lte"]))
        )

    def kinds(self):
        found = [kind for kind, _ in self.asked]
        self.asked.clear()
        return found


def _charge(name, day=5, month=12, updated="2026-12-01T00:00:00.000Z", **more):
    facts = {"amount": 2500, "resident_id": "r1", "last_seen": "2026-12-09T00:00:00.000Z", **more}
    return Row(
        name,
        "p1",
        SyncedCharge(id=name, charge_code_id="c1", transaction_date=date(2026, month, day), **facts),
        updated,
    )


def _source(**more):
    lease = observed.Lease(
        id="l1",
        property_id="p1",
        unit_id="u1",
        unit_number="101",
        status="ACTIVE",
        start=date(2026, 1, 1),
        end=None,
    )
    people = [("r1", "SECONDARY"), ("r2", "PRIMARY")]
    return Source(
        lists={
            "properties": [
                Row("p1", "p1", observed.Property("p1", "Zed")),
                Row("p2", "p2", observed.Property("p2", "Alpha")),
            ],
            "units": [Row("u1", "p1", observed.Unit(id="u1", property_id="p1", number="101"))],
            "leases": [Row("l1", "p1", lease)],
            "residents": [
                Row(
                    each,
                    "p1",
                    observed.Resident(id=each, property_id="p1"),
                    links=(("l1", LeaseResident(each, kind)),),
                )
                for each, kind in people
            ],
            "charge-codes": [Row("c1", "p1", observed.ChargeCode("c1", "p1", "PET"))],
            "fees": [
                Row("f1", "p1", observed.Fee(id="f1", property_id="p1", name="Pet", amount=2500)),
                Row(
                    "f2",
                    "p9",
                    observed.Fee(id="f2", property_id="p9", name="Pet", amount=1),
                    integration_id="i2",
                ),
            ],
            "resident-charges": [
                _charge(
                    "x1",
                    reference=OURS,
                    allocations=(observed.Allocation(5, "y1"), observed.Allocation(None, None)),
                ),
                _charge("x2", 31),
                _charge("x0", 30, 11, reference="CP-not-ours"),
            ],
            "resident-payments": [Row("y1", "p1", observed.Payment("y1", "p1", date(2026, 12, 6)))],
        },
        **more,
    )


@pytest.fixture
def clock():
    return [NOW]


@pytest.fixture
def opened(tmp_path, clock):
    """Open copies in one file; all are closed at the end."""
    copies = []

    def make(source, path=tmp_path / "deep" / "copy.db", **options):
        copies.append(
            SqliteSnapshot(path, lambda: source, now=lambda: clock[0], **{"identity": source.host, **options})
        )
        return copies[-1]

    yield make
    for each in copies:
        each.close()


def _sync(source):
    """Another sync ends: only then something may be new."""
    source.sync = (datetime.fromisoformat(source.sync) + timedelta(hours=12)).isoformat(
        timespec="milliseconds"
    )


def _charges(copy, window=WINDOW):
    return {each.id: each for each in copy.property("i1", "p1", window).charges}


def test_what_was_read_comes_back(opened, tmp_path):
    source = _source()
    copy = opened(source)
    cost = copy.refresh("i1", WINDOW, fees=True, payments=True)
    assert (cost.requests, cost.records) == (9, 12)
    found = copy.property("i1", "p1", WINDOW)
    assert found.property.name == "Zed"
    assert [each.id for each in copy.properties("i1")] == ["p2", "p1"]
    assert found.charges == tuple(row.value for row in source.lists["resident-charges"][:2])
    assert found.payments == (observed.Payment("y1", "p1", date(2026, 12, 6)),)
    assert [each.id for each in found.fees] == ["f1"]
    assert [each.resident_id for each in found.leases[0].residents] == ["r2", "r1"]
    assert (found.last_completed_sync, found.previous_sync) == (source.sync, None)
    assert copy.integration("i1").vendor == "RESMAN"
    assert list(copy.references("i1")) == [OURS]
    assert stat.S_IMODE((tmp_path / "deep" / "copy.db").stat().st_mode) == 0o600
    assert next(params for kind, params in source.asked if kind == "leases") == {"integration_id": "i1"}
    assert next(params for kind, params in source.asked if kind == "fees") == {}


def test_fees_and_payments_are_read_where_asked(opened):
    source = _source()
    opened(source).refresh("i1", WINDOW)
    assert source.kinds() == [
        "properties",
        "units",
        "leases",
        "residents",
        "charge-codes",
        "resident-charges",
    ]


def test_later_only_what_changed(opened):
    source = _source()
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    source.asked.clear()
    source.lists["resident-charges"][1] = _charge("x2", 31, updated="2026-12-10T00:00:00.000Z", amount=1)
    source.lists["resident-charges"].append(_charge("x3", 7, updated="2026-12-10T00:00:00.000Z"))
    _sync(source)
    copy.refresh("i1", WINDOW)
    assert [params.get("updated_at_gte") for _, params in source.asked] == [
        *["2026-12-09T00:00:00.001Z"] * 6,
        None,  # which charges the sync did not see
    ]
    assert {name: each.amount for name, each in _charges(copy).items()} == {"x1": 2500, "x2": 1, "x3": 2500}


def test_until_another_sync_has_ended_no_charge_is_asked_for(opened):
    source = _source()
    copy = opened(source)
    copy.refresh("i1", WINDOW, payments=True)
    source.asked.clear()
    cost = copy.refresh("i1", WINDOW, payments=True)
    assert source.kinds() == ["properties", "units", "leases", "residents", "charge-codes"]
    assert cost.records == 0
    copy.refresh("i1", WINDOW, payments=True, reads_back=True)
    assert source.kinds()[-2:] == ["resident-charges", "resident-payments"]


def test_days_that_were_not_read_are_asked_for_without_a_sync(opened):
    source = _source()
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    source.asked.clear()
    copy.refresh("i1", Days(date(2026, 11, 1), date(2026, 12, 31)))
    asked = [params for kind, params in source.asked if kind == "resident-charges"]
    assert [params.get("transaction_date_end") for params in asked] == ["2026-11-30"]
    assert "updated_at_gte" not in asked[0]


@pytest.mark.parametrize("ours", [-1, 0, 1], ids=["a day behind", "exact", "a day ahead"])
@pytest.mark.parametrize("told", [None, -1, 0, 1], ids=["no Date", "a day behind", "exact", "a day ahead"])
def test_whatever_clocks_say_what_a_sync_brings_is_read(opened, clock, ours, told):
    """Rows that a sync wrote while we read come one after another, stamped before our read began."""
    clock[0] = NOW + timedelta(days=ours)
    source = _source(time=None if told is None else NOW + timedelta(days=told))
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    late = "2026-12-09T00:10:00.000Z"  # hours before our read: the sync takes as long as it takes
    source.lists["resident-charges"].append(_charge("x3", 7, updated=late))
    source.lists["leases"][0] = Row(
        "l1", "p1", msgspec.structs.replace(source.lists["leases"][0].value, status="INACTIVE"), late
    )
    _sync(source)
    copy.refresh("i1", WINDOW)
    assert "x3" in _charges(copy)
    assert copy.property("i1", "p1", WINDOW).leases[0].status == "INACTIVE"
    source.asked.clear()
    assert copy.refresh("i1", WINDOW).records == 0


@pytest.mark.parametrize("told", [None, NOW], ids=["no Date", "Date"])
def test_where_no_sync_is_told_of_the_hour_before_is_read_again(opened, told):
    source = _source(sync=None, time=told)
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    source.asked.clear()
    source.lists["resident-charges"].append(_charge("x3", 7, updated="2026-12-10T11:30:00.000Z"))
    copy.refresh("i1", WINDOW)
    since = "2026-11-30T23:00:00.000Z" if told is None else "2026-12-10T11:00:00.000Z"
    assert {params["updated_at_gte"] for _, params in source.asked} == {since}
    assert "x3" in _charges(copy)


def test_what_plans_name_and_nobody_knows_is_looked_for(opened):
    """Without the filter for changes, lists that seldom change are young for a day."""
    source = _source(filters=False)
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    source.lists["properties"].append(Row("p3", "p3", observed.Property("p3", "Elm")))
    source.lists["units"].append(Row("u3", "p3", observed.Unit(id="u3", property_id="p3", number="1")))
    copy.refresh("i1", WINDOW, named={"PET", "Zed", "p2"})
    assert [each.id for each in copy.properties("i1")] == ["p2", "p1"]
    copy.refresh("i1", WINDOW, named={"PET", "Elm"})
    assert [each.id for each in copy.properties("i1")] == ["p2", "p3", "p1"]
    assert copy.property("i1", "p3", WINDOW).units


def test_a_charge_that_moved_out_of_the_window_has_left_it(opened):
    source = _source()
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    source.lists["resident-charges"][1] = _charge("x2", 1, 1, updated="2026-12-10T00:00:00.000Z")
    _sync(source)
    copy.refresh("i1", WINDOW)
    assert set(_charges(copy)) == {"x1"}


def test_links_and_allocations_follow_their_rows(opened):
    source = _source()
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    source.lists["residents"][1] = Row(
        "r2", "p1", observed.Resident(id="r2", property_id="p1"), "2026-12-09T06:00:00.000Z"
    )
    source.lists["resident-charges"][0] = _charge("x1", updated="2026-12-09T06:00:00.000Z")
    _sync(source)
    copy.refresh("i1", WINDOW)
    found = copy.property("i1", "p1", WINDOW)
    assert [each.resident_id for each in found.leases[0].residents] == ["r1"]
    assert found.charges[0].allocations == ()


def test_a_wider_window_reads_what_is_missing(opened):
    source = _source()
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    source.asked.clear()
    wide = Days(date(2026, 11, 1), date(2027, 1, 31))
    copy.refresh("i1", wide)
    windows = [
        (p["transaction_date_start"], p["transaction_date_end"])
        for k, p in source.asked
        if "transaction_date_start" in p
    ]
    assert windows == [("2026-11-01", "2026-11-30"), ("2027-01-01", "2027-01-31")]
    assert set(_charges(copy, wide)) == {"x0", "x1", "x2"}


def test_without_the_filter_the_window_is_read_whole(opened, clock):
    source = _source(filters=False)
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    _sync(source)
    copy.refresh("i1", WINDOW)
    del source.lists["resident-charges"][0]
    source.asked.clear()
    _sync(source)
    copy.refresh("i1", WINDOW)
    assert source.kinds() == ["leases", "residents", "resident-charges"]
    assert set(_charges(copy)) == {"x2"}
    clock[0] += timedelta(days=2)
    copy.refresh("i1", WINDOW)
    assert "units" in source.kinds()


@pytest.mark.parametrize("filters", [True, False])
def test_what_the_last_sync_did_not_see_keeps_its_age(opened, filters):
    source = _source(filters=filters)
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    before, source.sync = source.sync, "2026-12-10T00:00:00.000Z"
    source.lists["resident-charges"][1] = _charge("x2", 31, last_seen=source.sync)  # seen again, unchanged
    source.asked.clear()
    copy.refresh("i1", WINDOW)
    found = copy.property("i1", "p1", WINDOW)
    assert (found.last_completed_sync, found.previous_sync) == (source.sync, before)
    assert {each.id: each.last_seen for each in found.charges} == {"x1": before, "x2": source.sync}
    source.asked.clear()
    copy.refresh("i1", WINDOW)
    assert not any("last_seen_lte" in params for _, params in source.asked)
    assert copy.property("i1", "p1", WINDOW).previous_sync == before


def test_the_same_has_the_same_digest_wherever_it_was_read(opened, tmp_path):
    """However the copy came to it: one read it whole, the other a charge that was corrected later."""
    early, late = _source(sync=None), _source(sync=None)
    early.lists["resident-charges"][0] = _charge("x1", reference=OURS, amount=1)
    here, there = opened(early), opened(late, tmp_path / "there.db")
    here.refresh("i1", WINDOW)
    there.refresh("i1", WINDOW)
    before = here.property("i1", "p1", WINDOW).digest
    early.lists["resident-charges"] = late.lists["resident-charges"]
    here.refresh("i1", WINDOW)
    after = here.property("i1", "p1", WINDOW).digest
    assert before != after == there.property("i1", "p1", WINDOW).digest
    assert after.startswith("sha256:")


def test_who_has_a_resident_or_a_unit_is_known(opened):
    copy = opened(_source())
    copy.refresh("i1", WINDOW)
    assert copy.properties_of("i1", resident="r1", unit=None) == {"p1"}
    assert copy.properties_of("i1", resident="r9", unit=None) == frozenset()
    assert copy.properties_of("i1", resident=None, unit="101") == {"p1"}
    assert copy.properties_of("i2", resident=None, unit="101") == frozenset()


def test_a_unit_that_only_a_lease_names_is_known_too(opened):
    source = _source()
    source.lists["units"].clear()
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    assert copy.properties_of("i1", resident=None, unit="101") == {"p1"}


def test_whether_a_sync_missed_a_charge_is_seen_without_reading_them(opened):
    source = _source()
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    assert copy.covered("i1") == WINDOW
    assert copy.was_seen_at_once("p1")
    source.sync = "2026-12-10T00:00:00.000Z"
    source.lists["resident-charges"][1] = _charge("x2", 31, last_seen=source.sync)
    copy.refresh("i1", WINDOW)
    assert not copy.was_seen_at_once("p1")


@pytest.mark.parametrize("what", ["lease", "charge", "last seen", "sync"])
def test_whatever_is_observed_is_in_the_digest(opened, tmp_path, what):
    before, after = _source(), _source()
    match what:
        case "lease":
            after.lists["leases"].clear()
        case "charge":
            after.lists["resident-charges"][1] = _charge("x2", 31, amount=2501)
        case "last seen":
            after.lists["resident-charges"][1] = _charge("x2", 31, last_seen="2026-12-08T00:00:00.000Z")
        case "sync":
            after.sync = "2026-12-10T00:00:00.000Z"
    digests = set()
    for name, source in (("before", before), ("after", after)):
        copy = opened(source, tmp_path / f"{name}.db")
        copy.refresh("i1", WINDOW)
        digests.add(copy.property("i1", "p1", WINDOW).digest)
    assert len(digests) == 2


@pytest.mark.parametrize("by_age", [True, False])
def test_a_full_read_forgets_what_is_gone(opened, clock, by_age):
    source = _source()
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    del source.lists["resident-charges"][0]
    source.lists["units"].clear()
    clock[0] += timedelta(days=8 if by_age else 0)
    copy.refresh("i1", WINDOW, full=not by_age)
    assert set(_charges(copy)) == {"x2"}
    assert copy.property("i1", "p1", WINDOW).units == ()


def test_a_refresh_that_fails_leaves_the_copy_as_it_was(opened):
    source = _source()
    copy = opened(source)
    copy.refresh("i1", WINDOW)
    before = copy.property("i1", "p1", WINDOW)
    source.sync = "2026-12-10T00:00:00.000Z"
    source.lists["leases"].clear()
    source.fail_on = "resident-charges"
    with pytest.raises(ChargeplanError, match="down"):
        copy.refresh("i1", WINDOW, full=True)
    assert copy.property("i1", "p1", WINDOW) == before
    source.fail_on = ""
    copy.refresh("i1", WINDOW, full=True)
    assert copy.property("i1", "p1", WINDOW).leases == ()


def test_offline_says_what_was_never_read(opened):
    copy = opened(_source())
    for ask in (
        lambda: copy.integration("i1"),
        lambda: copy.properties("i1"),
        lambda: copy.property("i1", "p1", WINDOW),
    ):
        with pytest.raises(ChargeplanError) as caught:
            ask()
        assert "--offline" in caught.value.hint
    copy.refresh("i1", WINDOW)
    with pytest.raises(ChargeplanError, match="never read"):
        copy.property("i1", "p1", Days(date(2026, 11, 30), date(2026, 12, 2)))
    with pytest.raises(ChargeplanError, match="no property p9"):
        copy.property("i1", "p9", WINDOW)


def test_a_copy_outlives_its_process_but_not_its_host(opened):
    opened(_source()).refresh("i1", WINDOW)
    assert _charges(opened(_source()))
    other = opened(_source(host="other.test"))
    with pytest.raises(ChargeplanError):
        other.integration("i1")
    opened(_source(host="a"), identity="sandbox").refresh("i1", WINDOW)
    assert _charges(opened(_source(host="b"), identity="sandbox"))


def _older(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"not a database, but long enough to be looked at" * 100),
        lambda path: path.write_bytes(path.read_bytes()[:5000] + b"\xff" * 3000),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        _older,
    ],
)
def test_a_file_that_is_no_good_is_made_anew(opened, tmp_path, spoil):
    path = tmp_path / "copy.db"
    first = opened(_source(), path)
    first.refresh("i1", WINDOW)
    first.close()
    spoil(path)
    copy = opened(_source(), path)
    copy.refresh("i1", WINDOW)
    assert set(_charges(copy)) == {"x1", "x2"}


@pytest.mark.parametrize("table", ["charge", "record", "integration", "progress"])
def test_what_makes_no_sense_in_the_file_is_told_and_read_again(opened, tmp_path, table):
    copy = opened(_source())
    copy.refresh("i1", WINDOW)
    with sqlite3.connect(tmp_path / "deep" / "copy.db") as connection:
        connection.execute(f"UPDATE {table} SET body = x'00'")

    def read():
        return copy.properties("i1"), copy.property("i1", "p1", WINDOW)

    with pytest.raises(ChargeplanError) as told:
        read()
    assert told.value.code == "snapshot_unusable"
    assert "Delete it" in told.value.hint
    copy.refresh("i1", WINDOW, full=True)
    assert set(_charges(copy)) == {"x1", "x2"}


def test_another_programs_database_is_left_alone(opened, tmp_path):
    path = tmp_path / "journal.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE posting (id)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ChargeplanError, match="not a copy"):
        opened(_source(), path)
    assert path.read_bytes() == before


def test_two_refreshes_at_once(opened):
    copies = [opened(_source()) for _ in range(3)]
    failures = []

    def work(copy):
        try:
            for _ in range(5):
                copy.refresh("i1", WINDOW)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(each,)) for each in copies]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    assert set(_charges(copies[0])) == {"x1", "x2"}


def test_the_slower_of_two_refreshes_loses_no_change(opened):
    source = _source()
    slow, quick = opened(source), opened(source)
    quick.refresh("i1", WINDOW)
    rows = source.rows

    def meanwhile(kind, params):
        found = [list(page) for page in rows(kind, params)]
        if kind == "resident-charges":
            source.rows = rows
            source.lists[kind][0] = _charge("x1", updated="2026-12-10T06:00:00.000Z", amount=9)
            quick.refresh("i1", WINDOW)
        return iter(found)

    source.rows = meanwhile
    _sync(source)
    slow.refresh("i1", WINDOW)
    slow.refresh("i1", WINDOW)
    assert _charges(slow)["x1"].amount == 9
