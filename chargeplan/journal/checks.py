"""Whether the record and the tables are what they say: everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from sqlalchemy import Connection, select

from chargeplan.journal import recorder, replay, schema
from chargeplan.journal.events import chain_problems


def problems_of(connection: Connection) -> list[str]:
    """What is wrong with the identity, the chain of events, and the rows that follow from them."""
    return [
        *_identity_problems(connection),
        *chain_problems(recorder.every(connection), recorder.head(connection)),
        *_replay_problems(connection),
    ]


def _identity_problems(connection: Connection) -> Iterator[str]:
    query = select(schema.meta.c.value).where(schema.meta.c.key == "identity")
    first = next(recorder.every(connection), None)
    if first is not None and first.kind == "created":
        with suppress(ValueError):
            if first.facts.get("identity") == connection.execute(query).scalar_one():
                return
    yield "meta: the identity is not the one that the first event gave"


def _replay_problems(connection: Connection) -> Iterator[str]:
    try:
        expected = replay.replayed(recorder.every(connection))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        yield f"events: what they say does not follow from each other ({error!r}), so rows were not compared"
        return
    yield from replay.table_problems(connection, expected)
