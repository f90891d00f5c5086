"""Lines and batches to write into journals."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from typing import Any

from chargeplan.core.posting import Batch, Posting
from chargeplan.journal import SqlJournal

DAY = date(2027, 8, 1)


def posting(reference: str = "CP1", **changes: Any) -> Posting:
    facts: dict[str, Any] = {
        "reference": reference, "integration_id": "i1", "property_id": "p1", "plan": "oak", "charge": "pet-rent",
        "item": None, "key_plan": "oak", "key_charge": "pet-rent", "unit_id": "u1", "unit_number": "204",
        "resident_id": "r1", "lease_id": "l1", "period": "2027-08", "part": 0, "period_first": DAY,
        "period_last": date(2027, 8, 31), "service_first": DAY, "service_last": date(2027, 8, 31),
        "transaction_date": DAY, "amount": 3500, "charge_code_id": "c1", "charge_code": "Pet Rent",
        "description": "Pet rent, Zoë", "notes": "", "source_file": "plans/oak.yaml", "source_line": 14,
    }  # fmt: skip
    return Posting(**{**facts, **changes})


def batch(batch_id: str = "b1", property_id: str = "p1") -> Batch:
    return Batch(
        batch_id=batch_id,
        plan_id="plan1",
        integration_id="i1",
        property_id=property_id,
        state="intended",
        job_id=None,
        count=0,
        amount=0,
        created_at="",
    )


def intend(journal: SqlJournal, *references: str, batch_id: str = "b1", property_id: str = "p1") -> None:
    """Write a batch under a lock, as apply does."""
    lines = [posting(reference, property_id=property_id) for reference in references]
    with journal.lock("i1", [property_id], purpose="apply", timeout=0) as tokens:
        journal.intend("plan1", batch(batch_id, property_id), lines, lock_token=tokens[property_id])


def states(journal: SqlJournal, property_id: str = "p1") -> dict[str, str]:
    return {line.reference: line.state for line in journal.postings("i1", property_id)}


def execute(journal: SqlJournal, statement: str) -> None:
    """Go behind the journal's back."""
    with closing(journal._database.engine.raw_connection()) as connection:
        cursor = connection.cursor()
        address = journal._database.address
        if address is not None and address.schema is not None:
            cursor.execute(f"SET LOCAL search_path = {address.schema}")
        cursor.execute(statement)
        cursor.close()
        connection.commit()
