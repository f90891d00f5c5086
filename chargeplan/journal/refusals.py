"""What a write is refused for, seen in its own transaction: lines that are live, charges that are taken, batches that are there.

Each check raises ``ChargeplanError`` where what its docstring says is not so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, RowMapping, select

from chargeplan.core.errors import ChargeplanError
from chargeplan.core.posting import OPEN, Batch, Posting
from chargeplan.journal import schema
from chargeplan.journal.rows import chunks

_postings: Final = schema.postings
_batches: Final = schema.batches


def check_batch(batch: Batch, postings: Sequence[Posting]) -> None:
    """A batch has lines, of one property, each once."""
    place = (batch.integration_id, batch.property_id)
    if not postings or any((p.integration_id, p.property_id) != place for p in postings):
        raise ChargeplanError(
            f"The batch {batch.batch_id} is empty or has lines of another property; nothing was sent.",
            code="mixed_batch",
        )
    twice = [reference for reference, count in Counter(p.reference for p in postings).items() if count > 1]
    if twice:
        raise _already_live(twice)


def check_new(connection: Connection, batch_id: str) -> None:
    """No batch of that name was recorded before."""
    query = select(_batches.c.batch_id).where(_batches.c.batch_id == batch_id)
    if connection.execute(query).first() is not None:
        raise ChargeplanError(
            f"The batch {batch_id} was recorded before; nothing was sent.", code="batch_exists"
        )


def check_free(connection: Connection, references: Sequence[str]) -> None:
    """None of the lines has a live posting."""
    # The unique index would refuse it anyway; this says which lines.
    live = live_of(connection, references)
    if live:
        raise _already_live(sorted(live))


def live_of(connection: Connection, references: Sequence[str]) -> set[str]:
    """Those of the lines that have a live posting."""
    column = _postings.c.reference
    return {
        reference
        for chunk in chunks(references)
        for reference in connection.execute(
            select(column).where(column.in_(chunk), _postings.c.live == 1)
        ).scalars()
    }


def _already_live(references: Sequence[str]) -> ChargeplanError:
    some = ", ".join(references[:5]) + (f" and {len(references) - 5} more" if len(references) > 5 else "")
    return ChargeplanError(
        f"Already posted or under way: {some}. Nothing was recorded.",
        hint="Another run was faster; plan again. `chargeplan explain REF` shows where a line stands.",
        code="already_live",
    )


def check_untaken(connection: Connection, integration_id: str, charge_id: str | None) -> None:
    """The synced charge, where there is one, settled no other posting."""
    if charge_id is None:
        return
    query = select(_postings.c.reference).where(
        _postings.c.integration_id == integration_id,
        _postings.c.charge_id == charge_id,
        _postings.c.live == 1,
    )
    reference = connection.execute(query).scalar_one_or_none()
    if reference is not None:
        raise ChargeplanError(
            f"The charge {charge_id} already settles {reference}; one charge settles one posting.",
            code="charge_taken",
        )


def batch_of(connection: Connection, batch_id: str) -> RowMapping:
    """The row of the batch."""
    row = connection.execute(select(_batches).where(_batches.c.batch_id == batch_id)).mappings().one_or_none()
    if row is None:
        raise ChargeplanError(f"There is no batch {batch_id}.", code="unknown_batch")
    return row


def lines_of(connection: Connection, batch_id: str, references: Sequence[str] | None) -> list[RowMapping]:
    """The rows of the batch's lines: of ``references``, else of all whose outcome is still open."""
    query = select(_postings).where(_postings.c.batch_id == batch_id).order_by(_postings.c.id)
    lines = list(connection.execute(query).mappings())
    if references is None:
        # Lines that reached an end keep it. Where none is open, all go on, to be refused by name.
        return [line for line in lines if line["state"] in OPEN] or lines
    wanted = set(references)
    absent = sorted(wanted - {line["reference"] for line in lines})
    if absent:
        raise ChargeplanError(
            f"The batch {batch_id} has no line {', '.join(absent)}.", code="unknown_reference"
        )
    return [line for line in lines if line["reference"] in wanted]
