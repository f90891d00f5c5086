"""Small change sets built by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

from chargeplan.core.change import Change, ChangeSet, GuardResult, ObservedMark, Previous, Synced
from chargeplan.core.dates import Days
from chargeplan.core.diagnostic import Place, warning
from chargeplan.core.line import AllocationReport, OverrideUsed, Skip, UnitShare
from chargeplan.core.posting import Batch, Posting

AUGUST = Days(date(2027, 8, 1), date(2027, 8, 31))


def change(action: str = "create", number: int = 1, **more: Any) -> Change:
    facts: dict[str, Any] = {
        "action": action,
        "reason": None,
        "reference": f"CP{number:016d}",
        "plan": "oak-street",
        "charge": "pet-rent",
        "item": None,
        "part": 0,
        "integration_id": "resman-1",
        "property_id": "prop-1",
        "lease_id": f"lease-{number}",
        "resident_id": f"resident-{number}",
        "unit_id": f"unit-{number}",
        "unit_number": f"{200 + number}",
        "charge_code_id": "code-1",
        "charge_code": "Pet Rent",
        "key_plan": "oak-street",
        "key_charge": "pet-rent",
        "period_key": "2027-08-01",
        "period": AUGUST,
        "service": AUGUST,
        "transaction_date": date(2027, 8, 1),
        "amount": 3500,
        "description": "Pet Rent August 2027",
        "notes": "oak-street/pet-rent",
        "place": Place("plans/oak-street.yaml", 14, 3),
    }
    return Change(**{**facts, **more})


def change_set(*changes: Change, **more: Any) -> ChangeSet:
    facts: dict[str, Any] = {
        "plan_id": "01JPLAN",
        "environment": "production",
        "as_of": date(2027, 8, 2),
        "window": AUGUST,
        "changes": changes,
        "property_names": {"prop-1": "Oak Street", "prop-2": "Elm Court"},
    }
    return ChangeSet(**{**facts, **more})


def skip(number: int = 1, reason: str = "lease_pending") -> Skip:
    return Skip(
        plan="oak-street",
        charge="rent",
        property_id="prop-1",
        lease_id=f"lease-{number}",
        resident_id=f"resident-{number}",
        unit_number=f"{300 + number}",
        reason=reason,
    )


def full() -> ChangeSet:
    """One of everything."""
    rent = {"charge": "rent", "charge_code": "Rent", "charge_code_id": "code-2"}
    changes = (
        change(
            "create",
            1,
            service=Days(date(2027, 8, 18), date(2027, 8, 31)),
            transaction_date=date(2027, 8, 18),
            amount=1581,
        ),
        change("create", 2, item="12", override=OverrideUsed("agreed with the owner", 21)),
        change("in_flight", 3),
        change("unknown", 4),
        change("unchanged", 5),
        change("hold", 6, reason="lease_ended", detail="the lease ended on 2027-07-31"),
        change("correct", 7, reason="moved_out", amount=-1700, description="Adj: Rent August 2027", **rent),
        change("drift", 8, reason="amount", synced=Synced("chg-1", 120000, date(2027, 8, 1)), **rent),
        change("removed_upstream", 9, amount=120000, **rent),
        change("hold", 10, reason="amount_missing", amount=None, **rent),
    )
    return change_set(
        *changes,
        skips=(skip(1), skip(2), skip(3, "not_selected")),
        guards=(
            GuardResult(guard="max_charges", refused=False, unit="count", value=3, limit=5000),
            GuardResult(guard="max_total", refused=True, unit="cents", value=65_000_000, limit=60_000_000, message="Too much."),
            GuardResult(guard="max_change", refused=False, unit="percent", value=40, limit=25, subject="Oak Street", message="", allowed="max_change=50", reason="new pets"),
        ),
        diagnostics=(
            warning(
                "the key `209` of parking.csv fits nothing",
                "Take the row out, or correct it.",
                Place("plans/parking.csv", 4, 1),
                "209,A7",
            ),
        ),
        observed=(ObservedMark("resman-1", "2027-08-02T04:10:00Z", 7, 1210),),
        allocations=(
            AllocationReport(
                plan="oak-street", charge="water", property_id="prop-1", service=AUGUST, bill=100, common_area=15, vacant=40, charged=45,
                units=(UnitShare("101", "lease-1", 45), UnitShare("102", None, 40)),
            ),
        ),
        previous={
            "prop-1": {
                "Pet Rent": Previous(count=5, amount=17500, now=21000, posted=10500, households=5, unexplained=0, counts={"new": {"moved_in": 1}}),
                "Rent": Previous(count=3, amount=360000, now=480000, posted=0, households=3, unexplained=1, counts={"gone": {"moved_out": 1, "not_on_roster": 1}, "changed": {"amount": 2}}),
            }
        },
    )  # fmt: skip


def posting(number: int = 1, **more: Any) -> Posting:
    facts: dict[str, Any] = {
        "reference": f"CP{number:016d}",
        "integration_id": "resman-1",
        "property_id": "prop-1",
        "plan": "oak-street",
        "charge": "pet-rent",
        "item": None,
        "key_plan": "oak-street",
        "key_charge": "pet-rent",
        "unit_id": "unit-1",
        "unit_number": "201",
        "resident_id": "resident-1",
        "lease_id": "lease-1",
        "period": "2027-08-01",
        "part": 0,
        "period_first": AUGUST.first,
        "period_last": AUGUST.last,
        "service_first": AUGUST.first,
        "service_last": AUGUST.last,
        "transaction_date": AUGUST.first,
        "amount": 3500,
        "charge_code_id": "code-1",
        "charge_code": "Pet Rent",
        "description": "Pet Rent August 2027",
        "notes": "",
        "source_file": "plans/oak-street.yaml",
        "source_line": 14,
        "state": "queued",
        "batch_id": "batch-1",
        "job_id": "job-1",
        "since": "2027-08-02T04:10:00.000Z",
    }
    return Posting(**{**facts, **more})


def batch(state: str = "accepted", **more: Any) -> Batch:
    facts: dict[str, Any] = {
        "batch_id": "batch-1",
        "plan_id": "01JPLAN",
        "integration_id": "resman-1",
        "property_id": "prop-1",
        "state": state,
        "job_id": "job-1",
        "count": 12,
        "amount": 42000,
        "created_at": "2027-08-02T04:10:00.000Z",
    }
    return Batch(**{**facts, **more})
