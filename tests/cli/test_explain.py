"""`chargeplan explain`: the terms lead to the amount of every line, and every answer names what it was made from."""

import json
import shutil

import pytest

from chargeplan.cli.main import run
from chargeplan.core.compare import compare
from chargeplan.core.dates import add_months
from chargeplan.core.due import Expander, expand
from chargeplan.core.evidence import Evidence
from chargeplan.core.explained import Explainer
from chargeplan.core.planned import PlannedProperty
from chargeplan.core.select import names_of
from chargeplan.core.site import Setting
from chargeplan.flow.plan_request import default_window
from chargeplan.loading.project import load_project
from chargeplan.propexo.vendors import vendor
from chargeplan.render.terms import steps_of
from tests.test_examples import CONFIG, DAYS, PLANS, properties

EVERY_FORM = """\
version: 1
plan: forms
integration: resman-main
properties: [oak-street]
owns: []
defaults:
  schedule: {every: month, day: 1}
  prorate: actual
  after_lease_end: continue
charges:
  stepped:
    code: Rent
    amount: {from: lease.rent}
    steps:
      - {from: lease.start + 3 months, change: "+3.5%", repeat: 2 months}
      - {from: 2027-08-11, change: "+50.00", round_to: 1.00}
    mid_period: split
  fixed-steps: {code: Rent, amount: 100.00, prorate: none, mid_period: split, steps: [{from: move_in + 45 days, set: 120.00}]}
  percent: {code: Rent, amount: {percent: 12.5, of: lease.rent}, prorate: thirty}
  of-charge: {code: Rent, amount: {percent: 7.25, of: stepped}}
  rate: {code: Rent, amount: {rate: 0.053217, per: unit.square_feet}, prorate: banker}
  annual: {code: Rent, amount: {from: unit.market_rent}, prorate: annual}
  spread: {code: Rent, amount: {spread: 1000.00, over: 12}, schedule: {every: month, from: move_in}}
  stub: {code: Rent, amount: 777.77, prorate: {method: actual, stub: second}}
  month-end: {code: Rent, amount: 50.00, after_lease_end: {change: "+5%", start: day_after}}
  edges: {code: Rent, amount: 50.00, prorate: {method: actual, move_in_day: false, move_out_day: false}}
  arrears: {code: Rent, amount: 50.00, schedule: {every: 2 weeks, weekday: monday, anchor: 2027-01-04, bill: arrears}}
  split: {code: Rent, amount: 100.01, split: equal, mid_period: split, steps: [{from: 2027-08-11, change: "+50.00"}]}
  each: {code: Rent, amount: {rate: 1.50, per: lease.residents}, who: {resident: all}}
  overridden:
    code: Rent
    amount: 10.00
    overrides: [{units: ["1*"], amount: 11.11, reason: ground floor}]
  once: {code: Rent, amount: 99.99, once: move_in + 2 weeks}
  shared:
    code: Rent
    once: 2027-08-01
    service: {from: 2027-07-01, through: 2027-07-31}
    amount: {allocate: 4137.89, common_area: 15, weights: {unit.square_feet: 60, lease.residents: 40}}
"""


def setting_of(project, plan, observed, today, window):
    integration = project.config.integrations["resman-main"]
    names = names_of(observed.property, project.config.property_alias(observed.property.id))
    if not any(map(names.match, plan.properties or ())):
        return None
    return Setting(
        plan=plan,
        integration=integration,
        names=names,
        observed=observed,
        as_of=today,
        window=window,
        lookback=add_months(window.first, -2),
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    shutil.copytree(PLANS, folder / "plans")
    (folder / "chargeplan.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "plans" / "zz-forms.yaml").write_text(EVERY_FORM, encoding="utf-8")
    loaded = load_project(folder / "chargeplan.yaml", vendor)
    assert [each.summary for each in loaded.diagnostics if each.is_error] == []
    assert loaded.project is not None
    return loaded.project


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_the_steps_shown_lead_to_the_amount_of_every_line(project, today):
    window = default_window(today, project.config)
    wrong, count = [], 0
    for observed in properties(today):
        for plan in project.plans:
            setting = setting_of(project, plan, observed, today, window)
            if setting is None:
                continue
            for bills in expand(setting).households:
                for line in (line for bill in bills.bills for line in bill.lines):
                    count += 1
                    if line.amount is not None and steps_of(line.term)[-1].cents != line.amount:
                        wrong.append((line.charge, line.unit_number, line.service, line.amount, line.term))
    assert wrong[:3] == []
    assert count > 1000


def test_every_change_and_every_skip_has_an_explanation(project):
    today = DAYS[1]
    window = default_window(today, project.config)
    for observed in properties(today):
        for plan in project.plans:
            setting = setting_of(project, plan, observed, today, window)
            if setting is None or plan.name == "forms":
                continue
            expander = Expander(setting)
            expansion = expander.run()
            evidence = Evidence(observed, (), setting.integration)
            explainer = Explainer(expander.site, expansion, evidence)
            found = compare(
                [PlannedProperty(plan, expansion)], observed, evidence, setting.integration, window
            )
            assert all(explainer.change(each).terms for each in found.changes)
            assert all(explainer.skip(each) for each in found.skips)


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A project of which maple-court is posted, not seen yet."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(PLANS, folder / "plans")
    (folder / "chargeplan.yaml").write_text(CONFIG, encoding="utf-8")
    config = ["--config", str(folder / "chargeplan.yaml"), "--as-of", "2027-08-02"]
    assert run(["apply", "--plan", "maple-court", "--charge", "internet", "--auto-approve", *config]) == 0
    return folder


@pytest.fixture
def explained(home, capsys):
    def go(*words):
        capsys.readouterr()
        config = ["--config", str(home / "chargeplan.yaml")]
        code = run(["explain", *words, *config, *([] if "--as-of" in words else ["--as-of", "2027-08-02"])])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return go


def document(explained, *words):
    code, out, _ = explained(*words, "--json")
    assert code == 0
    return json.loads(out)


def test_a_line_by_whose_it_is(explained):
    code, out, _ = explained("--plan", "oak-street", "--charge", "rent", "--unit", "204")
    assert code == 0
    assert "rent for unit 204, August 2027: $1,575.00" in out
    assert "oak-street/rent at plans/oak-street.yaml:" in out
    assert "lease lease-204, ACTIVE, 2027-03-01 to 2028-02-29, moved in 2027-03-01" in out
    assert "It was never sent." in out
    assert "`chargeplan apply` posts it." in out


def test_a_line_by_its_reference(explained):
    found = document(explained, "CPTHWVHX5P09VRZ0YS")
    (line,) = found["lines"]
    assert found["kind"] == "explain"
    assert (line["plan"], line["charge"], line["unit_number"]) == ("oak-street", "pet-rent", "204")
    assert line["explained"]
    assert line["terms"][0]["what"] == "$35.00 × 1 (resident.pets)"  # noqa: RUF001 - as it is shown
    assert line["terms"][-1]["amount_in_cents"] == line["amount_in_cents"] == 3500
    assert (line["postings"], line["events"], line["posted"]) == ([], [], [])


def test_a_prorated_line_shows_its_fraction(explained):
    code, out, _ = explained("--plan", "oak-street", "--charge", "rent", "--unit", "118")
    assert code == 0
    assert "17/31 (2027-08-15 through 2027-08-31, actual)" in out
    assert "…" in out


def test_what_was_posted_has_its_history(explained):
    found = document(explained, "--plan", "maple-court", "--charge", "internet", "--unit", "101")
    for line in found["lines"]:
        assert line["action"] == "in_flight"
        assert [each["state"] for each in line["postings"]] == ["accepted"]
        assert [each["kind"] for each in line["events"]] == ["intended", "recorded", "recorded"]
        assert all(each["actor"] for each in line["events"])
        assert "postings" not in line["events"][0]
    again = document(explained, found["lines"][0]["reference_number"], "--as-of", "2027-09-20")
    assert again["window"] == {"from": "2027-08-01", "through": "2027-08-31"}
    assert again["lines"][0]["reference_number"] == found["lines"][0]["reference_number"]


def test_what_only_the_journal_knows(home, explained):
    found = document(explained, "--plan", "maple-court", "--charge", "internet", "--unit", "101")
    reference = found["lines"][0]["reference_number"]
    plan = home / "plans" / "maple-court.yaml"
    before = plan.read_text(encoding="utf-8")
    try:
        plan.write_text(before.replace("    code: Internet\n", "    enabled: false\n    code: Internet\n"))
        code, out, _ = explained(reference.lower())
        recorded = document(explained, reference)["recorded"]
    finally:
        plan.write_text(before, encoding="utf-8")
    assert code == 0
    assert f"{reference} is in the journal, and no plan asks for it" in out
    assert recorded[0]["postings"][0]["reference_number"] == reference


def test_a_drift_shows_the_difference(home, explained, capsys):
    config = ["--config", str(home / "chargeplan.yaml")]
    assert run(["sandbox", "approve", *config]) == 0
    assert run(["sandbox", "sync", *config]) == 0
    plan = home / "plans" / "maple-court.yaml"
    before = plan.read_text(encoding="utf-8")
    assert "amount: {from: fee.Internet}" in before
    try:
        plan.write_text(before.replace("amount: {from: fee.Internet}", "amount: 70.00"), encoding="utf-8")
        found = document(explained, "--plan", "maple-court", "--charge", "internet", "--unit", "101")
    finally:
        plan.write_text(before, encoding="utf-8")
    for line in found["lines"]:
        assert line["action"] == "drift"
        assert line["explained"]
        assert line["terms"][-1]["what"] == "difference"
        assert line["terms"][-1]["amount_in_cents"] == line["amount_in_cents"] != 0
        assert line["posted"][0]["charge"]["id"] == line["synced"]["id"]
        assert "on_drift: adjust" in line["next"]


@pytest.mark.parametrize(
    ("plan", "charge", "unit", "reason", "fact"),
    [
        (
            "maple-court",
            "parking",
            "101",
            "not_on_roster",
            "plans/rosters/maple-permits.csv has no resident_id",
        ),
        ("oak-street", "amenity", "105", "lease_pending", ""),
        ("oak-street", "amenity", "207", "waived", "Lives on site as the maintenance supervisor"),
        ("oak-street", "late-fee", "101", "nothing_late", "open on 2027-08-02: $0.00"),
        ("oak-street", "amenity", "108", "no_billed_days", "2026-07-01 through 2027-06-30"),
        ("utility-roster", "water", "118", "not_in_window", "dated 2027-09-01"),
    ],
)
def test_why_there_is_no_line(explained, plan, charge, unit, reason, fact):
    found = document(explained, "--plan", plan, "--charge", charge, "--unit", unit)
    skip = next(each for each in found["skips"] if each["reason"] == reason)
    assert skip["sentence"]
    assert skip["source"]["file"] == f"plans/{plan}.yaml"
    assert fact in " ".join(each["value"] for each in skip["facts"])


def test_a_zero_shows_how_it_came(explained):
    code, out, _ = explained("--plan", "oak-street", "--charge", "pet-rent", "--unit", "101")
    assert code == 0
    assert "0 (resident.pets)" in out
    assert "The amount is $0.00 (zero_amount)." in out


def test_someone_else_of_the_household_finds_its_line(explained):
    found = document(explained, "--plan", "oak-street", "--charge", "rent", "--resident", "resident-101b")
    assert [each["unit_number"] for each in found["lines"]] == ["101"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Say which line"),
        (["CPTHWVHX5P09VRZ0YS", "--unit", "204"], "A reference goes without"),
        (["CP0000000000000000"], "has the reference CP0000000000000000"),
        (["--unit", "9999"], "fits what was asked for"),
        (["--unit", "204", "--charge", "rnt"], "There is no charge named `rnt`"),
        (["--unit", "204", "--period", "2027"], "is no month"),
    ],
)
def test_what_is_not_there_is_an_error_with_a_way_on(explained, words, said):
    code, out, err = explained(*words)
    assert (code, out) == (1, "")
    assert said in err
