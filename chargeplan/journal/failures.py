"""Database failures in the words of a person who bills residents; never with a password or a resident in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from chargeplan.core.errors import ChargeplanError

NOTHING_SENT: Final = "Nothing was sent."
UNRECORDED: Final = (
    "What the journal says of these charges is now behind what happened; "
    "they count as open until `chargeplan reconcile` settles them."
)
MISSING_HINT: Final = (
    "For a truly new project, create one with `chargeplan journal init`. If a journal was lost, never start afresh: "
    "restore it with `chargeplan journal import FILE`, or fill a new one with `chargeplan journal rebuild`."
)
_WRITE_HINT: Final = "Make room, or make the journal and its folder writable, and run the same command again."
_DENIED_HINT: Final = (
    "Use the role that runs (or, for a new or an older journal, the one that migrates), with the rights that the journal's guide "
    "gives it; `chargeplan journal init` as the migrating role brings the tables up."
)
_DAMAGED_HINT: Final = (
    "Keep the file. Restore a backup, or `chargeplan journal import FILE` an export into a new journal, "
    "or fill a new one with `chargeplan journal rebuild`."
)

_SQLITE_CODES: Final[dict[int, str]] = {
    sqlite3.SQLITE_BUSY: "journal_busy",
    sqlite3.SQLITE_LOCKED: "journal_busy",
    sqlite3.SQLITE_READONLY: "journal_unwritable",
    sqlite3.SQLITE_PERM: "journal_unwritable",
    sqlite3.SQLITE_FULL: "journal_unwritable",
    sqlite3.SQLITE_IOERR: "journal_unwritable",
    sqlite3.SQLITE_CANTOPEN: "journal_unwritable",
    sqlite3.SQLITE_CORRUPT: "journal_damaged",
    sqlite3.SQLITE_NOTADB: "journal_foreign",
}
_POSTGRES_CODES: Final[dict[str, str]] = {
    "25006": "journal_unwritable",  # read-only transaction: a standby
    "42501": "journal_denied",  # no privilege
    "53100": "journal_unwritable",  # disk full
    "55P03": "journal_busy",  # lock_timeout
    "40P01": "journal_busy",  # deadlock
    "XX001": "journal_damaged",
    "XX002": "journal_damaged",
}
# The backend ended, or can't begin yet: class 08, and these.
_GONE: Final = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03"})
_UNDONE: Final = frozenset(
    {"40001", "40P01"}
)  # serialization failure, deadlock: rolled back, may be tried again
_SAYS: Final[dict[str, tuple[str, str]]] = {
    "journal_busy": ("is in use by another run", "Try again; `chargeplan journal locks` shows who works."),
    "journal_unwritable": ("can't be written", _WRITE_HINT),
    "journal_denied": ("does not let this role do that", _DENIED_HINT),
    "journal_damaged": ("is damaged", _DAMAGED_HINT),
    "journal_foreign": ("is not a journal of chargeplan", "Check the path of `journal:` in chargeplan.yaml."),
    "journal_unreachable": ("can't be reached", "Check the address, the network and the server."),
    "journal_conflict": ("refused to record this", "`chargeplan journal verify` checks the journal."),
    "journal_failed": ("can't be used", "`chargeplan journal verify` checks the journal."),
}


@contextmanager
def explained(where: str, consequence: str) -> Iterator[None]:
    """Turn what the database raises within into a ``ChargeplanError``; ``where`` is the journal without a password."""
    try:
        yield
    except SQLAlchemyError as error:
        # Not chained: the driver's own error may carry the connection string or a resident's charge.
        raise _failure(error, where, consequence) from None


def problem(code: str, where: str, detail: str = "", consequence: str = NOTHING_SENT) -> ChargeplanError:
    """The error for one of the journal's codes."""
    says, hint = _SAYS[code]
    tail = f" ({detail})" if detail else ""
    return ChargeplanError(f"The journal {where} {says}{tail}. {consequence}".rstrip(), hint=hint, code=code)


def missing(where: str) -> ChargeplanError:
    """The error for a journal that is not there: never a fresh start by itself."""
    return ChargeplanError(
        f"There is no journal at {where}. {NOTHING_SENT}", hint=MISSING_HINT, code="journal_missing"
    )


def is_lost(error: DBAPIError) -> bool:
    """Whether the connection to a server is gone: of a COMMIT that was under way, nothing is known by that."""
    if isinstance(error.orig, sqlite3.Error):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return (
        error.connection_invalidated
        or (state is None and isinstance(error, OperationalError))
        or (state is not None and (state.startswith("08") or state in _GONE))
    )


def is_undone(error: DBAPIError) -> bool:
    """Whether what the transaction did before its COMMIT is certainly undone, and may be done again."""
    return is_lost(error) or getattr(error.orig, "sqlstate", None) in _UNDONE


def undecided(where: str, consequence: str) -> ChargeplanError:
    """The error for a commit whose outcome could not be found out."""
    return ChargeplanError(
        f"The connection to the journal {where} was lost while it committed, and it can't be asked whether it did. "
        f"{consequence}".rstrip(),
        hint="When the server is back: `chargeplan reconcile`, then the same command again.",
        code="journal_unreachable",
    )


def moved(where: str, to: str) -> ChargeplanError:
    """The error for a journal that is elsewhere by now, or on its way there."""
    return ChargeplanError(
        f"The journal {where} was moved to {to}. {NOTHING_SENT}",
        hint="Name the new place with `journal:` or `journal_env:`. If there is none yet, the move was interrupted: "
        "`chargeplan journal import` of this one goes on.",
        code="journal_moved",
    )


def _failure(error: SQLAlchemyError, where: str, consequence: str) -> ChargeplanError:
    origin = error.orig if isinstance(error, DBAPIError) else None
    code = _code(error, origin)
    # A constraint's message quotes the row; every other message is about the file or the server.
    lines = str(origin).strip().splitlines() if origin is not None else []
    detail = lines[0] if lines and code not in {"journal_conflict", "journal_unreachable"} else ""
    return problem(code, where, detail, consequence)


def _code(error: SQLAlchemyError, origin: BaseException | None) -> str:
    if isinstance(origin, sqlite3.Error):
        primary = getattr(origin, "sqlite_errorcode", 0) & 0xFF
        fallback = "journal_conflict" if primary == sqlite3.SQLITE_CONSTRAINT else "journal_failed"
        return _SQLITE_CODES.get(primary, fallback)
    state = getattr(origin, "sqlstate", None)
    if state is not None:
        fallback = "journal_conflict" if state.startswith("23") else "journal_failed"
        return _POSTGRES_CODES.get(
            state, "journal_unreachable" if state[:2] in {"08", "28", "57"} else fallback
        )
    return "journal_unreachable" if isinstance(error, DBAPIError) else "journal_failed"
