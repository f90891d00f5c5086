"""The documents have the promised keys, in the promised order, and fit their schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from chargeplan.core.change import Total
from chargeplan.core.diagnostic import Place, error, warning
from chargeplan.core.errors import ChargeplanError, InputError, StalePlanError
from chargeplan.core.settle import Settled
from chargeplan.core.statement import statement_of
from chargeplan.render import jsondoc
from chargeplan.render.summary import Summary
from tests.render.samples import batch, change, change_set, full, posting
from tests.render.test_html import journal

ROOT = Path(__file__).resolve().parents[2]
LOCK = dict.fromkeys(
    ("id", "integration_id", "property_id", "owner", "host", "since", "heartbeat", "expires"), "x"
)
PROBLEM = error("Wrong.", "Right it.", Place("plans/a.yaml", 3, 13), "    amount: 35")
DOCUMENTS: list[jsondoc.Document] = [
    jsondoc.plan_document(full(), digest="sha256:x"),
    jsondoc.plan_document(full(), digest="sha256:x", all=True),
    jsondoc.plan_document(change_set(), digest="sha256:x"),
    jsondoc.apply_document(
        "01J", "complete", {"posted": Total(1, 5)}, [batch(), batch("refused", job_id=None)]
    ),
    jsondoc.status_document(
        in_flight=[posting()],
        unknown=[posting(error="timeout")],
        overdue=[posting()],
        removed_upstream=[posting()],
        waiting={},
    ),
    jsondoc.reconcile_document([Settled(posting(), "queued", "the job says so")], {"unknown": Total()}),
    jsondoc.history_document(statement_of(journal(), None, "2027-08-31")),
    jsondoc.locks_document([{**LOCK, "pid": 1}]),
    jsondoc.validate_document([PROBLEM]),
    jsondoc.error_document(InputError("One problem.", [PROBLEM], hint="Right it.")),
    jsondoc.error_document(StalePlanError("Stale.", references=["CP1"])),
]


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads((ROOT / "schemas" / "output.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document["kind"]))
def test_fits_the_schema(validator: Any, document: jsondoc.Document) -> None:
    text = jsondoc.dump(document)
    assert text.endswith("}\n")
    assert json.loads(text) == document
    validator.validate(document)


def test_a_wrong_document_does_not_fit(validator: Any) -> None:
    document = jsondoc.plan_document(full(), digest="sha256:x")
    del document["changes"][0]["amount_in_cents"]
    assert not validator.is_valid(document)


def test_keys_of_the_plan_and_their_order() -> None:
    document = jsondoc.plan_document(full(), digest="sha256:x")
    assert list(document) == [
        "format_version", "tool_version", "kind", "plan_id", "digest", "environment", "as_of", "window", "observed",
        "errored", "applyable", "complete", "totals", "changes", "skips", "allocations",
        "unused_rows", "previous", "movements", "guards", "diagnostics",
    ]  # fmt: skip
    assert list(document["totals"]) == [
        "create", "correct", "in_flight", "unknown", "hold", "drift", "removed_upstream", "unchanged", "skip",
    ]  # fmt: skip


def test_a_change() -> None:
    document = jsondoc.plan_document(full(), digest="sha256:x")
    entry = document["changes"][1]
    assert list(entry.items()) == list({
        "action": "create", "reason": None, "reference_number": "CP0000000000000002",
        "plan": "oak-street", "charge": "pet-rent", "part": 0, "integration_id": "resman-1",
        "property_id": "prop-1", "lease_id": "lease-2", "resident_id": "resident-2", "unit_number": "202",
        "charge_code_id": "code-1", "charge_code": "Pet Rent",
        "service_period": {"from": "2027-08-01", "through": "2027-08-31"},
        "transaction_date": "2027-08-01", "amount_in_cents": 3500,
        "description": "Pet Rent August 2027", "notes": "oak-street/pet-rent",
        "source": {"file": "plans/oak-street.yaml", "line": 14}, "synced": None,
        "unit_id": "unit-2", "item": "12", "financial_account_id": None, "account": None, "route": None,
        "override": {"reason": "agreed with the owner", "line": 21},
    }.items())  # fmt: skip
    drift = next(each for each in document["changes"] if each["action"] == "drift")
    assert drift["synced"] == {"id": "chg-1", "amount_in_cents": 120000, "transaction_date": "2027-08-01"}


def test_unchanged_and_skips_are_listed_only_when_asked() -> None:
    few, every = (jsondoc.plan_document(full(), digest="x", all=all_) for all_ in (False, True))
    assert len(few["changes"]) + 1 == len(every["changes"])
    assert (few["skips"], len(every["skips"])) == ([], 3)
    assert few["totals"] == every["totals"]
    assert few["totals"]["skip"] == {"count": 3, "amount_in_cents": 0}


def test_a_saved_plan_counts_what_it_does_not_list() -> None:
    summary = Summary({"create": Total(1, 3500), "unchanged": Total(9120, 7)}, {"waived": 2})
    document = jsondoc.plan_document(change_set(change()), digest="x", summary=summary)
    assert document["totals"]["unchanged"] == {"count": 9120, "amount_in_cents": 7}


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (change_set(change()), (False, True, True)),
        (change_set(change("unchanged")), (False, False, True)),
        (change_set(change(), diagnostics=(error("x"),)), (True, False, False)),
        (change_set(change(), diagnostics=(warning("x"),)), (False, True, True)),
        (full(), (False, False, True)),
    ],
)
def test_verdicts(plan: Any, expected: tuple[bool, bool, bool]) -> None:
    document = jsondoc.plan_document(plan, digest="x")
    assert (document["errored"], document["applyable"], document["complete"]) == expected


def test_errors_say_where() -> None:
    document = jsondoc.error_document(InputError("m", [PROBLEM, error("nowhere")], hint="h"))
    assert document["code"] == "invalid_input"
    assert document["diagnostics"][0]["range"] == {"file": "plans/a.yaml", "line": 3, "column": 13}
    assert document["diagnostics"][1]["range"] is None
    assert jsondoc.error_document(ChargeplanError("m"))["diagnostics"] == []


def test_the_text_is_readable_and_harmless() -> None:
    text = jsondoc.dump({"a": "José ±", "b": "\x9b2J\u202e\x1b"})
    assert "José ±" in text
    assert "\\u009b2J\\u202e\\u001b" in text


def test_an_overdue_line_is_in_flight() -> None:
    document = jsondoc.status_document(
        in_flight=[], unknown=[], overdue=[posting()], removed_upstream=[], waiting={}
    )
    assert document["overdue"][0]["action"] == "in_flight"
    assert "visible_within" in document["overdue"][0]["hint"]
    assert document["totals"]["overdue"] == {"count": 1, "amount_in_cents": 3500}
