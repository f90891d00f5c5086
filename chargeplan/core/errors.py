"""The errors that end a command, each with its exit code (interface.md, *Exit codes*).

    ChargeplanError              1  usage, configuration, token, host, journal: nothing was sent
    ├── InputError               1  the user's files, with their diagnostics
    ├── StalePlanError           5  the plan file is stale or altered, or the digest differs
    ├── GuardRefusedError        6  a guard refused
    └── LockedError              7  another run holds a lock

Errors carry facts; the command line writes the prose. ``code`` is a stable word for scripts.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chargeplan.core.change import GuardResult
    from chargeplan.core.diagnostic import Diagnostic


class ChargeplanError(Exception):
    """A failure that a person can act on. ``hint`` is what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", code: str = "error") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


class InputError(ChargeplanError):
    """The user's files have problems: all of them, not the first."""

    def __init__(
        self, message: str, diagnostics: Sequence[Diagnostic], *, hint: str = "", code: str = "invalid_input"
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.diagnostics = tuple(diagnostics)


class StalePlanError(ChargeplanError):
    """The plan file is not what may be posted now: altered, expired, or the world moved on."""

    exit_code = 5

    def __init__(
        self, message: str, *, hint: str = "", code: str = "stale_plan", references: Sequence[str] = ()
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.references = tuple(references)


class GuardRefusedError(ChargeplanError):
    """A guard's limit was passed and not overridden, or approvals are missing; ``guards`` are those that refuse."""

    exit_code = 6

    def __init__(
        self, message: str, *, hint: str = "", code: str = "error", guards: Sequence[GuardResult] = ()
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.guards = tuple(guards)


class LockedError(ChargeplanError):
    """Another run holds the lock of a property."""

    exit_code = 7


class TemplateError(ChargeplanError):
    """A description or note that can't be rendered or can't be posted; the message shows the text."""


def explained(problem: Exception) -> ChargeplanError:
    """The error that a person is told: the problem itself, or that it is a mistake of the program's own.

    The text of such a mistake may hold anything, a resident's name too, so only its kind and place are told.
    """
    if isinstance(problem, ChargeplanError):
        return problem
    place = traceback.extract_tb(problem.__traceback__)[-1]
    where = f"{place.filename.replace(chr(92), '/').rpartition('/')[2]}:{place.lineno}"
    return ChargeplanError(
        f"chargeplan made a mistake of its own ({type(problem).__name__} at {where}).",
        hint="`chargeplan status` shows what was sent, if anything. Please report this; `--log-level debug` shows more.",
        code="internal",
    )
