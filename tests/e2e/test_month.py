"""The whole way of a month, and everything that may stand in it: what is said, the exit code, and what the books show."""

from __future__ import annotations

import json

import pytest

from chargeplan import wiring
from chargeplan.journal import open_journal
from tests.e2e.house import AS_OF, INTEGRATION, OAK, SMALL, TOKEN, House

NO_CHANGES = "No changes. Every charge is posted."
WHOLE = """\
version: 1
plan: oak-street
integration: resman-main
properties: [oak-street]
charges:
  rent:
    code: Rent
    amount: {from: lease.rent}
    schedule: {every: month, day: 1}
    prorate: actual
"""


def actions(house):
    found = {}
    for each in house.document()["changes"]:
        found[each["action"]] = found.get(each["action"], 0) + 1
    return found


def test_plan_apply_plan_sync_reconcile(house):
    house.write(WHOLE)
    planned = house.plan("--out", house.planfile, "--json").json
    count, cents = planned["totals"]["create"].values()
    assert count > 100
    applied = house.apply()
    assert (applied.code, applied.json["outcome"]) == (0, "complete")
    assert applied.json["totals"]["posted"] == {"count": count, "amount_in_cents": cents}
    assert sum(each.amount_in_cents for each in house.ours()) == cents

    again = house.plan("--json", "--detailed-exitcode")
    assert again.code == 0
    assert "create" not in again.json["totals"]
    assert again.json["totals"]["in_flight"] == {"count": count, "amount_in_cents": cents}

    house.month()
    reconciled = house.run("reconcile", "--as-of", AS_OF, "--json")
    assert reconciled.code == 0
    assert house.named() == set()
    last = house.plan()
    # Holds of the seed's hard cases stay; nothing is to post, in flight or unknown.
    assert "0 to post" in last.last or last.last == NO_CHANGES
    assert house.duplicates() == []
    assert len(house.ours()) == count


def test_a_month_without_holds_ends_with_no_changes(house):
    house.saved()
    assert house.apply().code == 0
    assert actions(house) == {"in_flight": 12}
    house.month()
    assert house.run("reconcile").code == 0
    assert house.plan().last == NO_CHANGES
    assert house.plan("--detailed-exitcode").code == 0
    assert house.run("journal", "verify").code == 0


def test_applying_the_file_again_posts_nothing(house):
    house.saved()
    assert house.apply().code == 0
    for settled in (False, True):
        if settled:
            house.month()
            house.run("reconcile")
        books = house.ours()
        again = house.apply()
        assert (again.code, again.json["outcome"]) == (0, "nothing")
        assert house.ours() == books


def test_an_empty_plan_file_posts_nothing(house):
    house.saved()
    house.apply()
    house.saved()
    again = house.apply()
    assert (again.code, again.json["outcome"]) == (0, "nothing")


def test_next_months_open_lines_do_not_stop_this_months_plan(house):
    assert house.run("apply", "--auto-approve", "--as-of", AS_OF, "--period", "2027-10").code == 0
    house.run("plan", "--as-of", AS_OF, "--period", "2027-08", "--full-refresh")
    planned = house.plan("--json")
    assert planned.code == 0
    assert planned.json["totals"]["create"]["count"] == 12
    house.month()
    assert house.run("reconcile").code == 0
    assert house.named() == set()


def test_a_unit_that_is_lived_in_without_a_lease_is_a_warning_where_the_plan_covers_it(house):
    vacant = {
        each["number"]: each["id"]
        for each in house.state.all_upstream("units", property_id=OAK)
        if each["is_vacant"]
    }
    covered, other, *_ = sorted(vacant)
    house.write(SMALL.replace('"20*", "21[0-2]"', f'"20*", "{covered}"'))
    assert house.plan("--json").json["diagnostics"] == []
    for number in (covered, other):
        house.state.alter("units", vacant[number], is_vacant=False)
    house.state.sync()
    planned = house.plan("--json", "--full-refresh")
    assert planned.code == 0
    (told,) = planned.json["diagnostics"]
    assert (told["severity"], told["range"]["file"], told["range"]["line"]) == (
        "warning",
        "plans/oak.yaml",
        4,
    )
    assert told["summary"].startswith(
        f"unit {covered} of Oak Street Apartments is not vacant and has no lease in force on {AS_OF}"
    )
    assert told["summary"] in " ".join(house.plan().out.split())


# --- what makes a plan file stale ----------------------------------------------------------------------------------


def assert_stale(house: House, *words):
    before = len(house.ours())
    result = house.apply(*words)
    assert result.code == 5, result
    assert (result.json["kind"], result.json["outcome"]) == ("apply", "stale")
    error = result.json["error"]
    assert "othing was posted" in error["message"]
    assert error["hint"]
    assert len(house.ours()) == before
    assert result.err.strip()
    return error


@pytest.mark.parametrize("where", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_one_byte_changed(house, where):
    data = bytearray(house.saved().read_bytes())
    place = int(len(data) * where)
    data[place] ^= 1
    house.planfile.write_bytes(data)
    result = house.apply()
    assert result.code == 5, result
    assert house.ours() == []


def test_a_line_that_somebody_else_posted(house):
    house.saved()
    change = house.document()["changes"][3]
    house.state.office.enter(
        resident_id=change["resident_id"], charge_code_id=change["charge_code_id"], amount_in_cents=2500,
        transaction_date="2027-08-04", synced=True,
    )  # fmt: skip
    error = assert_stale(house)
    assert change["reference_number"] in error["message"]


def test_a_move_out_that_became_known(house):
    house.write(WHOLE)
    house.saved()
    house.state.alter(
        "leases", "lease-203", realized_move_out_date="2027-08-10", scheduled_move_out_date="2027-08-10"
    )
    house.state.sync()
    assert "unit 203" in assert_stale(house)["message"]


@pytest.mark.parametrize("edit", ["amount: 25.00 -> amount: 25.01", "version: 1 -> version: 1 # checked"])
def test_plan_edited_after_it_was_saved(house, edit):
    house.saved()
    before, after = edit.split(" -> ")
    house.write(SMALL.replace(before, after))
    assert "plans/oak.yaml" in assert_stale(house)["message"]


def test_wrong_and_right_digest(house):
    digest = house.plan("--out", house.planfile, "--json").json["digest"]
    assert_stale(house, "--digest", "sha256:" + "0" * 64)
    assert house.plan("--json").json["digest"] == digest
    assert house.apply("--digest", digest).code == 0


def test_expired(house, monkeypatch):
    house.saved()
    monkeypatch.setattr(wiring.WallClock, "now", lambda _: "2099-01-01T00:00:00.000Z")
    assert "before" in assert_stale(house)["message"]


def test_made_far_in_the_future(house, monkeypatch):
    """It would hold until long after its month: the moment is no part of the digest, and one of the clocks is wrong."""
    with monkeypatch.context() as wrong:
        wrong.setattr(wiring.WallClock, "now", lambda _: "2099-01-01T00:00:00.000Z")
        house.saved()
    assert "made at 2099-01-01T00:00:00.000Z" in assert_stale(house)["message"]


def test_another_journal_and_another_environment(house):
    house.saved()
    (house.folder / ".chargeplan" / "x.db").rename(house.folder / "old.db")
    assert house.run("journal", "init").code == 0
    assert "another journal" in assert_stale(house)["message"]


def test_a_truncated_and_a_missing_plan_file(house):
    data = house.saved().read_bytes()
    house.planfile.write_bytes(data[: len(data) // 2])
    assert house.apply().code == 5
    house.planfile.unlink()
    gone = house.apply()
    assert gone.code in (1, 5)
    assert "x.plan" in gone.json["message"]
    assert house.ours() == []


# --- guards and locks ----------------------------------------------------------------------------------------------


def test_a_guard_refuses_and_the_plan_is_saved(house):
    house.config("guards: {max_total: 100.00}\n")
    planned = house.plan("--out", house.planfile)
    assert planned.code == 6
    assert house.planfile.is_file()
    refused = house.apply()
    assert refused.code == 6, refused
    assert refused.json["outcome"] == "guarded"
    assert "max_total" in refused.json["error"]["message"]
    assert house.ours() == []
    bare = house.apply("--allow", "max_total=1000.00")
    assert bare.code == 1
    assert "--reason" in bare.json["message"]
    assert house.ours() == []
    allowed = house.apply("--allow", "max_total=1000.00", "--reason", "new building")
    assert allowed.code == 0, allowed
    assert len(house.ours()) == 12
    assert "new building" in house.run("history", "--json").out


def test_a_second_run_while_the_first_holds_the_lock(house):
    house.saved()
    with (
        open_journal(str(house.folder / ".chargeplan" / "x.db"), create=False) as journal,
        journal.lock(INTEGRATION, [OAK], purpose="apply", timeout=0),
    ):
        requests = len(house.state.requests("POST"))
        second = house.process("apply", house.planfile, "--json", "--lock-timeout", "0")
        assert second.code == 7, second
        assert json.loads(second.out)["outcome"] == "locked"
        assert len(house.state.requests("POST")) == requests
        locks = house.run("journal", "locks", "--json").json["locks"]
        assert [each["property_id"] for each in locks] == [OAK]
        # Looking is no posting: plan, status and reconcile work meanwhile.
        assert house.plan().code == 0
        assert house.run("reconcile").code == 0
    assert house.apply().code == 0


# --- what is wrong from the start ----------------------------------------------------------------------------------


def said(house: House, result, *words, code=1):
    """One sentence with what to do, on both channels; nothing posted."""
    assert result.code == code, result
    document = json.loads(result.out)
    assert document["kind"] == "error"
    whole = json.dumps(document) + result.err
    for word in words:
        assert word in whole, (word, result)
    assert document["message"].rstrip().endswith((".", "?", "!")), document["message"]
    assert document["hint"] or document["diagnostics"]
    assert TOKEN not in result.out + result.err
    assert house.ours() == []


def test_token_missing(house):
    house.saved()
    said(house, house.run("plan", "--json", token=None), "PROPEXO_TOKEN")
    said(house, house.run("apply", house.planfile, "--json", token=None), "PROPEXO_TOKEN")


def test_token_wrong(house):
    house.saved()
    house.state.configure(token="another")
    said(house, house.plan("--json"), "token", "401")
    said(house, house.apply(), "token", "401")


def test_wrong_host(house):
    house.config(url="http://127.0.0.1:9")
    said(house, house.plan("--json"), "127.0.0.1:9")


@pytest.mark.parametrize(
    "url", ["http://api.propexo.com", "http://10.1.2.3:80", "http://localhost.example.com"]
)
def test_plain_http_beyond_loopback(house, url):
    house.config(url=url)
    said(house, house.plan("--json"), "https")


def test_unknown_integration(house):
    file = house.folder / "chargeplan.yaml"
    file.write_text(file.read_text().replace("resman-integration-98765", "resman-nowhere"))
    said(house, house.plan("--json"), "resman-nowhere")


def test_inactive_integration(house):
    house.state.alter_integration(active=False)
    house.state.sync()
    said(house, house.plan("--json"), "not active")


def errors_of(house, result):
    assert result.code == 1, result
    document = result.json
    found = [each for each in document["diagnostics"] if each["severity"] == "error"]
    assert found
    applied = house.run("apply", "--auto-approve", "--as-of", AS_OF, "--json")
    assert applied.code == 1
    assert applied.json["kind"] == "error"
    assert house.ours() == []
    return json.dumps(found)


def test_a_charge_code_in_no_property(house):
    house.write(SMALL.replace("code: Amenity Fee", "code: Amenity Fees"))
    text = errors_of(house, house.plan("--json"))
    assert "Amenity Fees" in text
    assert "Pet Rent" in text, "it lists what the property has"
    assert "plans/oak.yaml" in text


def test_a_charge_code_in_a_property_twice(house):
    row = house.state.upstream("charge-codes", "chargecode-oak-amenity-fee")
    house.state.put("charge-codes", {**row, "id": "chargecode-oak-amenity-2"})
    house.state.sync()
    text = errors_of(house, house.plan("--json"))
    assert "2 charge codes" in text


def test_a_roster_row_for_nobody(house):
    house.write("resident_id,space\nresident-201a,A1\nresident-nobody,A2\n", "parking.csv")
    house.write(SMALL.replace("    amount: 25.00\n", "    amount: 25.00\n    roster: parking.csv\n"))
    planned = house.plan("--json")
    assert planned.code == 0
    warnings = [each for each in planned.json["diagnostics"] if each["severity"] == "warning"]
    assert len(warnings) == 1
    assert "resident-nobody" in json.dumps(warnings)
    assert (warnings[0]["range"]["file"], warnings[0]["range"]["line"]) == ("plans/parking.csv", 3)
    assert planned.json["totals"]["create"]["count"] == 1


@pytest.mark.parametrize(
    "text",
    ["charges: [\n", SMALL + "charges: {}\n", SMALL.replace("code:", "cod:"), "a: &a [*a]\n", SMALL + "---\nb: 1\n", "\tx: 1\n", "\x00", ""],
)  # fmt: skip
def test_bad_yaml(house, text):
    house.write(text)
    for words in (["plan"], ["validate"], ["apply", "--auto-approve"]):
        result = house.run(*words, "--json")
        assert result.code == 1, result
        document = result.json
        place = document["diagnostics"][0]["range"]
        assert place["file"] == "plans/oak.yaml"
        assert place["line"] >= 1
    assert house.ours() == []


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "--period", "2027-13"),
        ("plan", "--from", "2027-08-01"),
        ("plan", "--plan", "nope"),
        ("plan", "--property", "nope"),
        ("plan", "--env", "nope"),
        ("plan", "--nope"),
        ("apply",),
        ("apply", "x.plan", "--period", "2027-08"),
        ("apply", "--offline", "--auto-approve", "--period", "2027-08"),
        ("apply", "--allow", "max_total=1.00"),
        ("apply", "--allow", "nope=1", "--reason", "x", "--auto-approve"),
        ("resolve", "CP0000000000000000", "--posted", "--reason", "x"),
        ("resolve", "CP0000000000000000", "--reason", "x"),
        ("adopt", "nope", "--as", "CP0000000000000000", "--reason", "x"),
        ("show", "nope.plan"),
        ("journal", "unlock", "L1", "--reason", "x"),
        ("nope",),
    ],
)
def test_json_is_one_document_when_it_fails(house, words):
    result = house.run(*words, "--json")
    assert result.code == 1, result
    assert result.json["kind"] == "error"
    assert result.json["message"]
    assert house.ours() == []


def test_the_token_is_nowhere(house):
    """Not in what is said, not in a file of the project, not in the log at its most talkative."""
    house.saved()
    spoken = ""
    for words in (
        ("apply", house.planfile),
        ("status",),
        ("reconcile",),
        ("history", "--json"),
        ("doctor",),
        ("plan", "--as-of", AS_OF),
        ("journal", "export"),
        ("plan", "--env", "nope"),
    ):
        result = house.process(*words, "--log-level", "debug")
        spoken += result.out + result.err
    house.state.configure(token="another")
    for words in (("plan",), ("apply", house.planfile), ("doctor",)):
        result = house.process(*words, "--log-level", "debug", "--log-format", "json")
        spoken += result.out + result.err
    assert spoken
    assert TOKEN not in spoken
    files = [each for each in house.folder.rglob("*") if each.is_file()]
    assert any(each.name == "x.db" for each in files)
    for file in files:
        assert TOKEN.encode() not in file.read_bytes(), file


def test_every_request_in_the_log_has_an_id_of_its_own(house):
    result = house.process("plan", "--as-of", AS_OF, "--log-level", "info", "--log-format", "json")
    entries = [json.loads(line) for line in result.err.splitlines() if line.startswith("{")]
    ids = [each["request_id"] for each in entries if each["logger"] == "chargeplan.propexo"]
    assert len(ids) == len(set(ids)) == len(house.state.requests())
