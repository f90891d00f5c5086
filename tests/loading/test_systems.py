"""What a plan may say depends on the property system of its integration."""

from __future__ import annotations

import pytest

from tests.loading.helpers import HEAD, RENT, charge, load, told

CONFIG = """\
version: 1
environments: {{sandbox: {{api: embedded}}}}
integrations: {{main: {{id: i1, vendor: {vendor}}}}}
"""
PLAN = HEAD + RENT + "    amount: 35.00\n"


def _load(tmp_path, vendor, more="", plan=PLAN):
    return load(tmp_path, plan + more, CONFIG.format(vendor=vendor))


@pytest.mark.parametrize("vendor", ["YARDI", "YARDI_REST"])
def test_yardi_needs_an_account(tmp_path, vendor):
    (fault,) = _load(tmp_path, vendor).diagnostics
    assert told((fault,))[0].startswith("plans/plan.yaml:6:3 error: Charge `rent` needs the key `account`.")
    assert fault.detail.startswith(f"{vendor} has every charge name a financial account")
    assert charge(_load(tmp_path, vendor, "    account: 4010\n")).account.name == "4010"


@pytest.mark.parametrize("vendor", ["RESMAN", "ENTRATA", "BUILDIUM"])
def test_elsewhere_an_account_is_an_error(tmp_path, vendor):
    assert told(_load(tmp_path, vendor, "    account: 4010\n").diagnostics) == [
        f"plans/plan.yaml:10:14 error: Charges of {vendor} name no financial account beside `code`. Delete `account`."
    ]


@pytest.mark.parametrize(
    ("vendor", "written", "kept", "warned"),
    [
        ("RESMAN", None, "p/rent", False),
        ("RESMAN", "hello", "hello", False),
        # Its one text has room for what the plan says, not for what it does not say.
        ("RENTMANAGER", None, "", False),
        ("RENTMANAGER", "hello", "hello", False),
        ("BUILDIUM", None, "", False),
        ("BUILDIUM", "hello", "", True),
    ],
)
def test_notes_go_where_there_is_a_place_for_them(tmp_path, vendor, written, kept, warned):
    loaded = _load(tmp_path, vendor, "" if written is None else f"    notes: {written}\n")
    values = {"plan": "p", "charge.id": "rent"}
    assert charge(loaded).notes.render(values) == kept
    assert [each.severity for each in loaded.diagnostics] == ["warning"] * warned


def test_a_plan_may_name_an_integration_by_an_id_that_the_configuration_lacks(tmp_path):
    loaded = _load(tmp_path, "RESMAN", plan=PLAN.replace("integration: main", "integration: clx123"))
    assert loaded.project.config.integration_of("clx123").vendor == "RESMAN"
