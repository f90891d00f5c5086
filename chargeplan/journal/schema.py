"""The journal's tables, one description for SQLite and PostgreSQL.

``events`` is the record; ``plans``, ``batches`` and ``postings`` follow from it (``replay``). Moments are RFC 3339
text in UTC to the millisecond, so that they sort as text on both databases; amounts are cents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    event,
    inspect,
)

from chargeplan.core.posting import LIVE

VERSION: Final = 4
FORMAT: Final = "chargeplan-journal"
APPLICATION_ID: Final = 0x43504A31  # "CPJ1", in the header of the SQLite file: marks our files

metadata: Final = MetaData()

meta: Final = Table(
    "meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False)
)

# ``data`` is text, not JSON: the hash is over its very bytes.
events: Final = Table(
    "events",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Index("events_kind", "kind", "seq"),
    Index("events_at", "at", "seq"),
)

plans: Final = Table(
    "plans",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
)

batches: Final = Table(
    "batches",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("integration_id", Text, nullable=False),
    Column("property_id", Text, nullable=False),
    Column("job_id", Text),
    Column("count", Integer, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("errors", Text, nullable=False),
    Index("batches_plan", "plan_id"),
)

postings: Final = Table(
    "postings",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("reference", Text, nullable=False),
    Column("integration_id", Text, nullable=False),
    Column("property_id", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("charge", Text, nullable=False),
    Column("item", Text),
    Column("key_plan", Text, nullable=False),
    Column("key_charge", Text, nullable=False),
    Column("unit_id", Text, nullable=False),
    Column("unit_number", Text, nullable=False),
    Column("resident_id", Text, nullable=False),
    Column("lease_id", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("period_first", Text, nullable=False),
    Column("period_last", Text, nullable=False),
    Column("service_first", Text, nullable=False),
    Column("service_last", Text, nullable=False),
    Column("transaction_date", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("charge_code_id", Text, nullable=False),
    Column("charge_code", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("notes", Text, nullable=False),
    Column("source_file", Text, nullable=False),
    Column("source_line", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("batch_id", Text, nullable=False),
    Column("job_id", Text),
    Column("plan_id", Text, nullable=False),
    Column("error", Text),
    Column("charge_id", Text),
    Column("since", Text, nullable=False),
    Column("live", Integer, nullable=False),
    Column("account_id", Text, nullable=False, server_default=""),
    Column("account", Text, nullable=False, server_default=""),
    Column("route", Text, nullable=False, server_default=""),
    Column("record_id", Text),
    CheckConstraint(
        "live = CASE WHEN state IN ({}) THEN 1 ELSE 0 END".format(", ".join(f"'{s}'" for s in sorted(LIVE))),
        name="postings_live_follows_state",
    ),
    # What planning reads of a property: the last two columns spare the rows of long ago a look.
    Index("postings_recent", "integration_id", "property_id", "period_last", "transaction_date", "state"),
    # Units that moved to another property have their postings with them.
    Index("postings_unit", "integration_id", "unit_id", "property_id"),
    Index("postings_reference", "reference", "id"),
    Index("postings_batch", "batch_id"),
    Index("postings_state", "state", "id"),
)

# As text, which both databases understand: SQLAlchemy's own word for it would load both dialects at every start.
_PARTIAL: Final = (
    # At most one live posting of a reference: the promise of the whole program, kept by the database.
    "CREATE UNIQUE INDEX postings_one_live ON %(fullname)s (reference) WHERE live = 1",
    # One synced charge settles one posting.
    "CREATE UNIQUE INDEX postings_one_charge ON %(fullname)s (integration_id, charge_id) WHERE live = 1 AND charge_id IS NOT NULL",
)
for _statement in _PARTIAL:
    event.listen(postings, "after_create", DDL(_statement))  # type: ignore[no-untyped-call]

# What people said of lines beside the states of postings: the later of two on the same matter holds.
decisions: Final = Table(
    "decisions",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("integration_id", Text, nullable=False),
    Column("property_id", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("there", BigInteger, nullable=False),
    Index("decisions_property", "integration_id", "property_id", "seq"),
)

# A row is a lock that is held. Fencing tokens come from one counter in ``meta``, which outlives the rows.
locks: Final = Table(
    "locks",
    metadata,
    Column("integration_id", Text, primary_key=True),
    Column("property_id", Text, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("heartbeat", Text, nullable=False),
    Column("expires", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
)


def _new_indexes(connection: Connection) -> None:
    # `history --since` read a million events to show the last ten, and a plan every posting there ever was.
    for table, name in ((events, "events_at"), (postings, "postings_recent")):
        next(index for index in table.indexes if index.name == name).create(connection, checkfirst=True)


def _decisions(connection: Connection) -> None:
    decisions.create(connection, checkfirst=True)
    next(index for index in postings.indexes if index.name == "postings_unit").create(
        connection, checkfirst=True
    )


ADDED: Final = {"account_id": "", "account": "", "route": ""}
"""What postings of versions before 4 do not say, and their events neither."""


def _accounts(connection: Connection) -> None:
    schema = (connection.get_execution_options().get("schema_translate_map") or {}).get(None)
    quote = connection.dialect.identifier_preparer.quote
    table = f"{quote(schema)}.postings" if schema else "postings"
    there = {column["name"] for column in inspect(connection).get_columns("postings", schema=schema)}
    kinds = {**dict.fromkeys(ADDED, "TEXT NOT NULL DEFAULT ''"), "record_id": "TEXT"}
    for column in kinds.keys() - there:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column} {kinds[column]}")


# From version n to n + 1, each run once, in a transaction, after a backup. Forwards only.
MIGRATIONS: Final[dict[int, Callable[[Connection], None]]] = {
    1: _new_indexes,
    2: _decisions,
    3: _accounts,
}
