"""The short way tells what the long way tells. ``World.compare`` holds the two against each other at every call; here it is
called on ordinary and on random histories."""

from __future__ import annotations

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from chargeplan.core.amounts import FromPath, Path, Percent
from chargeplan.core.due import Expander
from chargeplan.core.eligible import Recorded
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.evidence import Evidence
from chargeplan.core.plan import AfterLeaseEnd, Plan, Proration, Selector
from chargeplan.core.steady import Steady, steady_lines
from tests.core.builders import (
    INTEGRATION,
    World,
    charge,
    d,
    lease,
    percent,
    plan,
    roster,
    schedule,
    setting,
    usd,
)
from tests.core.test_selection import override

MONTHS = (("2027-06-01", "2027-06-30"), ("2027-07-01", "2027-07-31"), ("2027-08-01", "2027-08-31"))


def steady_of(world: World, of: Plan) -> Steady:
    evidence = Evidence(world.seen, world.postings.values(), INTEGRATION)
    return steady_lines(Expander(setting(of, world.seen)), Recorded(evidence))


def test_an_ordinary_month_needs_no_bills_at_all() -> None:
    of = plan(charge(), charge("trash", usd("25.00")))
    world = World(of, lease(), lease("cy", name="lease-2", unit="102", rent="1,200.00"))
    found = steady_of(world, of)
    assert [line.amount for _, line in found.new] == [100000, 120000, 2500, 2500]
    assert found.told == {"rent": {0, 1}, "trash": {0, 1}}
    world.post()
    found = steady_of(world, of)
    assert found.new == []
    assert (found.stands["rent"].count, found.stands["rent"].amount) == (2, 220000)
    assert (found.stands["trash"].count, found.stands["trash"].amount) == (2, 5000)


def test_a_household_that_is_not_meant_has_its_reason() -> None:
    spaces = roster("unit", {"unit": "102", "fee": "55.00"})
    of = plan(
        charge("parking", FromPath(Path("roster", "fee")), roster=spaces, turnover="each"),
        charge("north", usd("10.00"), who=Selector(units=("2*",))),
    )
    world = World(of, lease(), lease("cy", name="lease-2", unit="102"))
    found = steady_of(world, of)
    assert found.skips == {
        "parking": [("lease-1", "not_on_roster")],
        "north": [("lease-1", "not_selected"), ("lease-2", "not_selected")],
    }
    assert [(order, line.amount) for order, line in found.new] == [(1, 5500)]


def test_whoever_moves_is_left_to_the_long_way() -> None:
    of = plan(charge(prorate=Proration("actual")))
    world = World(of, lease(moved_out="2027-08-10"), lease("cy", name="lease-2", unit="102"))
    assert steady_of(world, of).told == {"rent": {1}}


def test_a_charge_that_only_the_ledger_knows_stops_the_short_way() -> None:
    of = plan(charge())
    world = World(of, lease())
    world.post()
    world.postings.clear()
    assert steady_of(world, of).told == {}


def test_two_rows_of_one_household_are_two_lines() -> None:
    spaces = roster(
        "unit",
        {"unit": "101", "space": "1", "fee": "5.00"},
        {"unit": "101", "space": "2", "fee": "7.00"},
        item="space",
    )
    of = plan(charge("parking", FromPath(Path("roster", "fee")), roster=spaces))
    assert [c.amount for c in World(of, lease()).compare().changes] == [500, 700]


def test_a_second_stay_of_the_same_resident_is_not_taken_for_the_first() -> None:
    of = plan(charge(adjusts_drift=True))
    world = World(
        of, lease(moved_out="2027-05-31"), lease(name="lease-2", start="2027-07-01", moved_in="2027-07-01")
    )
    world.post(MONTHS[1])
    world.post(MONTHS[2])
    assert [c.action for c in world.compare(MONTHS[2]).changes] == ["unchanged"]


def test_a_line_under_the_key_of_another_resident_is_the_household_s() -> None:
    world = World(plan(charge()), lease("bo", "ann"))
    world.post()
    world.live(lease("ann", "bo"))
    assert [c.action for c in world.compare().changes] == ["unchanged"]


def test_a_month_that_begins_after_the_lease_is_held() -> None:
    world = World(plan(charge()), lease(end="2027-07-31"))
    assert [(c.action, c.reason) for c in world.compare().changes] == [("hold", "lease_ended")]


# --- random histories ----------------------------------------------------------------------------------------------

DATES = st.sampled_from(
    [
        None,
        "2026-03-01",
        "2027-05-20",
        "2027-06-01",
        "2027-06-15",
        "2027-07-01",
        "2027-07-31",
        "2027-08-01",
        "2027-08-12",
    ]
)


@st.composite
def leases(draw: st.DrawFn):
    found = []
    for n in range(draw(st.integers(1, 3))):
        dates = {}
        moved_in, moved_out = draw(DATES), draw(DATES)
        if moved_in:
            dates["moved_in"] = moved_in
        if moved_out and moved_out > (moved_in or "2027-01-01") and draw(st.booleans()):
            dates["moved_out"] = moved_out
        people = draw(
            st.sampled_from([(f"p{n}",), (f"p{n}", "bo"), (f"p{n}", "guy:GUARANTOR"), ("p0", f"p{n}")])
        )
        found.append(
            lease(
                *dict.fromkeys(people),
                name=f"lease-{n}",
                unit=draw(st.sampled_from(["101", "102"])),
                start=draw(st.sampled_from([None, "2026-08-01", "2027-07-01", "2027-08-01"])),
                end=draw(st.sampled_from([None, "2027-07-31", "2027-08-15", "2028-07-31"])),
                rent=draw(st.sampled_from([None, "0.00", "1,000.00", "1,150.55"])),
                status=draw(
                    st.sampled_from(["ACTIVE", "ACTIVE", "ACTIVE", "INACTIVE", "PENDING", "EVICTED"])
                ),
                **dates,
            )
        )
    return found


@st.composite
def charges(draw: st.DrawFn):
    found = []
    for name in ("rent", "fee")[: draw(st.integers(1, 2))]:
        rest = {}
        if draw(st.booleans()):
            rest["schedule"] = draw(
                st.sampled_from(
                    [
                        schedule(),
                        schedule(arrears=True),
                        schedule(day=15),
                        schedule("week", first="2027-05-03"),
                        schedule("quarter"),
                        schedule("year", first="2027-07-01"),
                        schedule(first="2027-07-01"),
                        schedule(through="2027-07-31"),
                        schedule(first="move_in"),
                        schedule(first="2027-06-01", times=2),
                    ]
                )
            )
        rest["prorate"] = draw(
            st.sampled_from(
                [
                    Proration(),
                    Proration("actual"),
                    Proration("skip"),
                    Proration("thirty", move_out_day=False),
                    Proration("actual", stub="second"),
                ]
            )
        )
        rest["after_lease_end"] = draw(
            st.sampled_from([AfterLeaseEnd(), AfterLeaseEnd("stop"), AfterLeaseEnd("continue")])
        )
        if draw(st.integers(0, 3)) == 0:
            rest["roster"] = roster("unit", {"unit": "101", "fee": "5.00"}, {"unit": "102", "fee": "7.00"})
        if draw(st.integers(0, 3)) == 0:
            rest["overrides"] = (
                override(
                    draw(st.sampled_from([{"amount": usd("9.00")}, {"who": Selector(units=("102",))}])),
                    units=("101",),
                ),
            )
        rest["adjusts_drift"] = draw(st.booleans())
        amount = draw(
            st.sampled_from(
                [
                    usd("25.00"),
                    usd("0.00"),
                    usd("-5.00"),
                    FromPath(Path("lease", "rent")),
                    Percent(percent("12.5"), Path("lease", "rent")),
                    *([FromPath(Path("roster", "fee"))] if "roster" in rest else []),
                ]
            )
        )
        found.append(charge(name, amount, **rest))
    return found


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(leases(), charges(), st.data())
def test_every_history_reads_the_same_both_ways(seen, of_charges, data) -> None:
    draw = data.draw
    rest = {"owns": ("Rent",)} if draw(st.booleans()) else {}
    if draw(st.integers(0, 3)) == 0:
        rest |= {
            "closed_through": d(draw(st.sampled_from(["2027-06-30", "2027-08-05"]))),
            "closed_period": draw(st.sampled_from(["shift", "skip", "error"])),
        }
    of = plan(*of_charges, **rest)
    try:
        world = World(of, *seen)
        for window in MONTHS[: draw(st.integers(0, 3))]:
            state = draw(st.sampled_from(["accepted", "accepted", "queued", "unknown", "refused"]))
            world.post(window, sync=draw(st.booleans()), state=state)
    except ChargeplanError:
        assume(False)
    _meddle(world, draw)
    if draw(st.booleans()):
        world.live(*draw(leases()))
    for window in MONTHS[1:]:
        world.compare(window)


def _meddle(world: World, draw) -> None:
    """What operators, syncs and lost journals do to a ledger."""
    charges = list(world.seen.charges)
    for n, each in enumerate(charges):
        match draw(st.integers(0, 12)):
            case 0:
                charges[n] = msgspec.structs.replace(each, amount=(each.amount or 0) + 100)
            case 1:
                charges[n] = msgspec.structs.replace(each, reference=None)
            case 2:
                charges[n] = msgspec.structs.replace(each, last_seen="2027-06-01T00:00:00Z")
            case 3:
                world.postings.pop(each.reference or "", None)
            case _:
                charges[n] = msgspec.structs.replace(each, last_seen="2027-08-20T00:00:00Z")
    world.seen = msgspec.structs.replace(world.seen, charges=tuple(charges))
    if draw(st.booleans()):
        world.add(
            resident_id="p0", amount=draw(st.sampled_from([2500, 100000])), transaction_date=d("2027-08-01")
        )
