"""`doctor`: whether everything is well, over real HTTP, and what it says where something is not."""

from __future__ import annotations

import sqlite3

import pytest

from tests.e2e.house import SMALL


def findings(house) -> dict[str, tuple[bool, str]]:
    """Whether each check is well, and what is said of it."""
    found = house.run("doctor", "--json").json
    assert found["healthy"] is all(each["ok"] for each in found["checks"])
    return {each["check"]: (each["ok"], each["said"]) for each in found["checks"]}


@pytest.fixture
def integration(house, tmp_path):
    """A lever that lets Propexo tell something else of the integration."""

    def tells(key: str, value: str) -> None:
        with sqlite3.connect(tmp_path / "state.db") as connection:
            changed = connection.execute(
                f"UPDATE records SET body = json_set(body, '$.{key}', ?) WHERE json_extract(body, '$.{key}') IS NOT NULL",
                (value,),
            )
            assert changed.rowcount >= 1

    return tells


def test_all_is_well(house):
    assert house.run("plan").code == 0
    found = house.run("doctor")
    assert found.code == 0
    # A long path folds: what goes on below a mark is indented.
    assert [line[:5] for line in found.out.splitlines() if line[0] != " "] == ["ok   "] * 5
    assert findings(house)["codes"] == (True, "every charge code of the plans is known")


def test_a_code_that_no_property_has(house):
    house.write(SMALL.replace("code: Amenity Fee", "code: Amenities"))
    assert house.run("plan").code == 1
    said = "plans/oak.yaml:7:11: charge `amenity`: Oak Street Apartments has no charge code named `Amenities`"
    assert findings(house)["codes"] == (False, said)
    assert house.run("doctor").code == 1


def test_codes_that_were_not_read_yet(house):
    """It asks Propexo for the integration alone: to look at codes it would have to read the property."""
    said = "nothing was read yet; `chargeplan validate --online` looks at them"
    assert findings(house)["codes"] == (True, said)


def test_plans_with_mistakes(house):
    house.write(SMALL.replace("25.00", "25"))
    said = "The plans have 1 error. `chargeplan validate` lists them."
    assert findings(house)["codes"] == (False, said)


def test_without_a_journal_nothing_is_said_of_what_needs_one(house):
    (house.folder / ".chargeplan" / "x.db").unlink()
    found = findings(house)
    assert found["journal"][0] is False
    assert "codes" not in found


@pytest.mark.parametrize("moment", ["2027-08-02T04:10:00", "some time ago"])
def test_a_time_that_is_none_is_told_as_it_is(house, integration, moment):
    integration("last_completed_sync", moment)
    assert findings(house)["integration resman-main"][1].endswith(f"last synced {moment}")


def test_propexos_words_do_not_act(house, integration):
    integration("last_completed_sync", "\x1b]0;owned\x07 now")
    for words in (("doctor",), ("plan",)):
        said = house.run(*words)
        assert "\x1b" not in said.out + said.err
        assert r"\x1b]0;owned\x07 now" in " ".join((said.out + said.err).split())


def test_a_long_finding_is_folded_beside_its_mark(house):
    found = house.run("doctor", token=None)
    assert found.code == 1
    first, *rest = found.out.partition("BAD  ")[2].partition("ok   ")[0].splitlines()
    assert first.startswith("token and host: There is no token for the environment `live`")
    assert len(rest) >= 1
    assert all(each.startswith("     ") and len(each) <= 100 for each in rest)
