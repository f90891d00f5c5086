"""A journal in PostgreSQL: its address, its schema, what every transaction is set to, and whether commits are durable.

Nothing is kept in the session: no SET without LOCAL, no session lock, no prepared statement. A pooler that lends
connections by the transaction (pgbouncer's ``pool_mode = transaction``) may stand in between.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import schema
from chargeplan.journal.failures import NOTHING_SENT

WAIT_SECONDS: Final = 30
# Shorter than others wait: a run that was frozen inside a transaction must not keep them from writing.
IDLE_SECONDS: Final = 20
_SCHEMES: Final = ("postgresql:", "postgresql+psycopg:", "postgres:")
_LONGEST_NAME: Final = 63  # bytes of a PostgreSQL identifier
# What libpq is set to where the address does not say otherwise: notice a host that vanished, within a minute.
_CONNECTING: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "fallback_application_name": "chargeplan",
}
# A commit that returns has reached the standbys' disks, where there are any; else ours.
_WITH_STANDBYS: Final = frozenset({"on", "remote_apply"})
_ALONE: Final = frozenset({"on", "remote_apply", "remote_write", "local"})


class Address(msgspec.Struct, frozen=True):
    """A ``postgresql://`` address: what libpq gets, and the schema of the journal (``?schema=``), None for the server's choice."""

    url: URL
    schema: str | None

    @property
    def shown(self) -> str:
        """The address, fit to be shown."""
        # Built from the harmless parts: a password may also hide in the query.
        host = self.url.host or self.url.query.get("host") or "localhost"
        name = f"?schema={self.schema}" if self.schema else ""
        return f"postgresql://{host}/{self.url.database or ''}{name}"


class Session(msgspec.Struct, frozen=True):
    """What the server said at opening: the schema it uses, and how commits are acknowledged."""

    schema: str
    synchronous_commit: str
    standbys: str


def is_address(target: str) -> bool:
    """Whether the target names a PostgreSQL server; else it is a file."""
    return target.startswith(_SCHEMES)


def address(target: str) -> Address:
    """The parts of a ``postgresql://`` address.

    Raises:
        ChargeplanError: ``journal_address``.
    """
    try:
        url = make_url(target).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise no_address() from None
    name = url.query.get("schema")
    if name is not None and not (isinstance(name, str) and 0 < len(name.encode()) <= _LONGEST_NAME):
        raise no_address()
    return Address(url.difference_update_query(["schema"]), name)


def no_address() -> ChargeplanError:
    """The error for an address that is none."""
    return ChargeplanError(
        f"The journal's address can't be read. {NOTHING_SENT}",
        hint="It is a path, or like postgresql://user@host:5432/database?schema=chargeplan; escape special characters.",
        code="journal_address",
    )


def engine_of(where: Address) -> Engine:
    """The engine for the address; it connects when it is first used.

    Raises:
        ChargeplanError: ``journal_address`` or ``journal_driver``.
    """
    settings = {name: value for name, value in _CONNECTING.items() if name not in where.url.query}
    try:
        return create_engine(
            where.url,
            connect_args={**settings, "prepare_threshold": None},
            # Whatever the server's default: writers follow each other by a lock, and each must see what the last one did.
            isolation_level="READ COMMITTED",
            execution_options={"schema_translate_map": {None: where.schema}} if where.schema else {},
            hide_parameters=True,
        )
    except (ArgumentError, ValueError):
        raise no_address() from None
    except ImportError:
        raise ChargeplanError(
            "A journal in PostgreSQL needs psycopg, which is not installed.",
            hint="Install it with `pip install 'chargeplan[postgres]'`.",
            code="journal_driver",
        ) from None


def session_of(connection: Connection, where: Address) -> Session:
    """What the server says of itself."""
    row = connection.execute(
        text(
            "SELECT coalesce(current_schema(), ''), current_setting('synchronous_commit'), "
            "current_setting('synchronous_standby_names')"
        )
    ).one()
    return Session(where.schema or row[0], row[1], row[2].strip())


def check_durable(session: Session, where: str) -> None:
    """Do nothing where a commit that returns survives the loss of the machine that is to survive it.

    With standbys that commits wait for, ``synchronous_commit`` has to be ``on`` or ``remote_apply``; without, anything
    but ``off``.

    Raises:
        ChargeplanError: ``journal_async``.
    """
    enough = _WITH_STANDBYS if session.standbys else _ALONE
    if session.synchronous_commit not in enough:
        beside = " although synchronous_standby_names is set" if session.standbys else ""
        raise ChargeplanError(
            f"The journal {where} would forget commits: its synchronous_commit is "
            f"`{session.synchronous_commit}`{beside}. {NOTHING_SENT}",
            hint="For the role of the journal: `ALTER ROLE … SET synchronous_commit = on`. "
            "`journal_allow_async: true` in the environment accepts that a crash of the server may bill twice.",
            code="journal_async",
        )


def begin_writing(connection: Connection, session: Session) -> None:
    """Become the only writer of this journal until the transaction ends; SQLite does it by ``BEGIN IMMEDIATE``."""
    key = int.from_bytes(hashlib.sha256(session.schema.encode()).digest()[:4], "big", signed=True)
    for statement in (
        f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'",
        f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'",
        # As it was at opening: a pooler's other clients may have left the connection another way.
        f"SET LOCAL synchronous_commit = '{session.synchronous_commit}'",
        f"SELECT pg_advisory_xact_lock({schema.APPLICATION_ID}, {key})",
    ):
        connection.exec_driver_sql(statement)


def server_time(connection: Connection) -> str:
    """The server's clock, RFC 3339 in UTC to the millisecond."""
    query = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
    return str(connection.execute(text(query)).scalar_one())


def make_schema(connection: Connection, where: Address) -> None:
    """Create the schema that the address names, where it is missing."""
    query = text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
    if where.schema and connection.execute(query, {"name": where.schema}).first() is None:
        quoted = connection.dialect.identifier_preparer.quote_identifier(where.schema)
        connection.exec_driver_sql(f"CREATE SCHEMA {quoted}")
