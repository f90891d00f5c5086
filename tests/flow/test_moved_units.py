"""A unit that moves to another property, or a property that is split, has its lines with it."""

from __future__ import annotations

from tests.e2e.house import SMALL
from tests.flow.test_decisions import NO_CHANGES, changes, posted

OTHER = "clwi5xiix000108l6mapcourt"


def test_nothing_is_posted_twice_the_newcomer_goes_on_and_so_does_the_rest(house):

    house.write(SMALL.replace("[oak-street]", f"[oak-street, {OTHER}]").replace("Amenity Fee", "Rent"))
    assert posted(house) == NO_CHANGES
    moved = next(each for each in changes(house, "unchanged") if each["unit_number"] == "203")
    house.state.office.move_unit(unit_id=moved["unit_id"], property_id=OTHER)
    house.state.sync()
    now = house.plan("--json", "--all", "--full-refresh").json
    by_unit = {each["unit_id"]: each for each in now["changes"]}
    assert {each["action"] for each in now["changes"]} == {"unchanged"}
    assert by_unit[moved["unit_id"]]["property_id"] == OTHER
    assert now["diagnostics"] == []
    september = house.run("plan", "--as-of", "2027-09-02", "--period", "2027-09", "--out", house.planfile)
    assert september.code == 0, september
    assert house.apply().code == 0
    assert house.duplicates() == []
