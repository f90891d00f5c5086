"""What the HTTP side answers when it refuses: Propexo's ``errorResponse``, and Zod's issues inside it."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure of ours
    """A request that is answered with an error. ``status`` is the HTTP status, ``body`` the JSON body."""

    def __init__(self, status: int, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        error: dict[str, Any] = {"code": code, "message": message}
        if details is not None:
            error["details"] = details
        self.body = {"error": error}


def zod(issues: list[dict[str, Any]]) -> Refusal:
    """A 400 with issues, nested once more under ``details`` as in the documentation's example."""
    return Refusal(
        400, "invalid_request", "invalid request", {"details": {"issues": issues, "name": "ZodError"}}
    )


def issue(code: str, path: list[str | int], message: str, **facts: object) -> dict[str, Any]:
    """One of Zod's issues: where (``path``), what (``code``) and a sentence."""
    return {"code": code, **facts, "path": path, "message": message}
