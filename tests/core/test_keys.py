"""What a line is known by (plan-language.md, *What a line is known by*)."""

from __future__ import annotations

import hashlib
import json

import pytest

from chargeplan.core.key import Key, is_reference
from chargeplan.core.plan import Proration, Split
from tests.core.builders import World, charge, lease, lines, once, plan, rent_plan, schedule, usd

KEY = Key(
    integration_id="resman-integration-98765",
    plan="oak-street",
    charge="pet-rent",
    unit_id="unit-204",
    resident_id="resident-12345",
    period="2027-08-01",
    part=0,
)


def test_the_reference_of_the_contract() -> None:
    assert KEY.reference == "CPTHWVHX5P09VRZ0YS"


def test_the_reference_is_80_bits_in_crockfords_base_32() -> None:
    key = Key(
        integration_id="i",
        plan="p",
        charge='sl/"ä"',
        unit_id="u",
        resident_id="r",
        period="2027-08-01",
        part=100,
    )
    text = json.dumps(
        ["i", "p", 'sl/"ä"', "u", "r", "2027-08-01", 100], ensure_ascii=False, separators=(",", ":")
    )
    bits = "".join(f"{byte:08b}" for byte in hashlib.sha256(text.encode()).digest()[:10])
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    assert key.reference == "CP" + "".join(alphabet[int(bits[n : n + 5], 2)] for n in range(0, 80, 5))


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("CPTHWVHX5P09VRZ0YS", True),
        ("CPTHWVHX5P09VRZ0Y", False),
        ("CPTHWVHX5P09VRZ0YU", False),
        ("cpTHWVHX5P09VRZ0YS", False),
        (None, False),
    ],
)
def test_the_form_of_our_references(text: str | None, ours: bool) -> None:
    assert is_reference(text) is ours


def test_the_period_is_that_of_the_grid_whatever_is_billed() -> None:
    of = rent_plan(prorate=Proration("actual"), schedule=schedule(day=1, first="2027-08-10"))
    keys = {
        each.reference for start in ("2027-01-01", "2027-08-17") for each in lines(of, lease(moved_in=start))
    }
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("made", "period"),
    [
        (once("2027-08-05"), "2027-08-05"),
        (once("2027-08-05", ("2027-07-01", "2027-08-31")), "2027-07-01"),
        (once("move_in + 2 weeks"), "move_in + 2 weeks"),
        (once("move_in + 2 weeks", ("2027-08-01", "2027-08-31")), "2027-08-01"),
    ],
)
def test_the_period_of_a_single_line(made: object, period: str) -> None:
    (line,) = lines(rent_plan("fee", usd("1.00"), once=made), lease(moved_in="2027-07-25"))
    assert (line.key.period, line.key.part) == (period, 0)


def test_a_charge_that_moved_keeps_its_keys() -> None:
    before = lines(rent_plan())
    after = lines(plan(charge("base-rent", key_plan="oak", key_charge="rent"), name="elm"))
    assert [each.reference for each in before] == [each.reference for each in after]


def test_the_household_keeps_its_key_where_the_primary_resident_changed() -> None:
    world = World(rent_plan(), lease("ann", "bob"))
    world.post()
    world.live(lease("ann:SECONDARY", "bob:PRIMARY"))
    assert world.changes() == [("unchanged", "2027-08-01", "$1,000.00")]
    september = ("2027-09-01", "2027-09-30")
    assert [each.resident_id for each in world.compare(september).changes] == ["bob"]


def test_a_correction_goes_under_the_key_that_was_posted() -> None:
    world = World(rent_plan(adjusts_drift=True), lease("ann", "bob"))
    world.post()
    world.live(lease("ann:SECONDARY", "bob:PRIMARY", rent="1,100.00"))
    (change,) = world.compare().changes
    assert (change.action, change.resident_id, change.part, change.amount) == ("correct", "ann", 100, 10000)


def test_a_former_primary_residents_own_household_keeps_its_lines() -> None:
    """Ann moved out and bob signed with her as his roommate: August is hers up to the 10th and his from then on."""
    of = rent_plan(prorate=Proration("actual"))
    world = World(of, lease("ann", moved_in="2027-01-01", moved_out="2027-08-10", status="INACTIVE"))
    world.post()
    world.live(
        lease("ann", moved_in="2027-01-01", moved_out="2027-08-10", status="INACTIVE"),
        lease("bob", "ann", name="lease-2", start="2027-08-11"),
    )
    assert world.changes() == [("unchanged", "2027-08-01", "$322.58"), ("create", "2027-08-11", "$677.42")]


def test_a_second_stay_does_not_reverse_the_first() -> None:
    of = rent_plan(prorate=Proration("actual"), adjusts_drift=True)
    gone = lease("ann", moved_in="2027-01-01", moved_out="2027-08-10", status="INACTIVE")
    world = World(of, gone)
    world.post()
    world.live(gone, lease("ann", name="lease-2", start="2027-11-01"))
    assert world.changes() == [("unchanged", "2027-08-01", "$322.58")]


def test_each_resident_of_a_split_has_a_key() -> None:
    assert [each.key.resident_id for each in lines(rent_plan(split=Split()), lease("ann", "bob"))] == [
        "ann",
        "bob",
    ]
