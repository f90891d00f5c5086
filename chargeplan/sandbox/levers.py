"""The levers over HTTP, under ``/_sandbox/``: for another process, a demo, or a person with curl.

``POST /_sandbox/LEVER`` with a JSON object of arguments; ``GET`` where there is something to see. Levers need no token
and are not counted: the sandbox listens on loopback only.
"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chargeplan.sandbox.clock import parse_moment
from chargeplan.sandbox.faults import Chaos

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from chargeplan.sandbox.state import Sandbox


def pull(sandbox: Sandbox, name: str, arguments: dict[str, Any]) -> Any:
    """Pull a lever by its name, with arguments as JSON has them; the answer as JSON.

    Raises:
        KeyError: There is no such lever, or what an argument names does not exist.
        TypeError: An argument is missing or unknown.
        ValueError: An argument has a wrong value.
    """
    return msgspec.to_builtins(_LEVERS[name](sandbox, **arguments))


def make_levers(sandbox: Sandbox) -> Starlette:
    """The application under ``/_sandbox/``."""

    async def post(request: Request) -> Response:
        return _answer(sandbox, request.path_params["name"], await request.body())

    async def get(request: Request) -> Response:
        view = _VIEWS.get(request.path_params["name"])
        if view is None:
            return _wrong(404, f"nothing to see at {request.url.path}; there is {', '.join(sorted(_VIEWS))}")
        return JSONResponse({"result": msgspec.to_builtins(view(sandbox))})

    return Starlette(
        routes=[
            Route("/_sandbox/{name}", post, methods=["POST"]),
            Route("/_sandbox/{name}", get, methods=["GET"]),
        ]
    )


def _answer(sandbox: Sandbox, name: str, body: bytes) -> Response:
    if name not in _LEVERS:
        return _wrong(404, f"no lever {name}; there is {', '.join(sorted(_LEVERS))}")
    try:
        arguments = json.loads(body or b"{}")
        if not isinstance(arguments, dict):
            return _wrong(400, "the arguments are a JSON object")
        return JSONResponse({"result": pull(sandbox, name, arguments)})
    except (TypeError, ValueError, KeyError) as error:
        return _wrong(400, str(error))


def _wrong(status: int, message: str) -> Response:
    return JSONResponse({"error": {"code": "sandbox_lever", "message": message}}, status_code=status)


def _reset(sandbox: Sandbox, today: str | None = None) -> None:
    sandbox.reset(date.fromisoformat(today) if today else None)


def _faults(
    sandbox: Sandbox,
    add: list[dict[str, Any]] | None = None,
    *,
    clear: bool = False,
    chaos: dict[str, Any] | None = None,
) -> Any:
    if clear:
        sandbox.clear_faults()
    sandbox.add_faults(*(add or []))
    if chaos is not None:
        sandbox.set_chaos(msgspec.convert(chaos, Chaos))
    return sandbox.waiting_faults()


def _clock(sandbox: Sandbox, stop_at: str | None = None, advance: float = 0.0, *, run: bool = False) -> str:
    if run:
        sandbox.clock.stop_at(None)
    if stop_at is not None:
        sandbox.clock.stop_at(parse_moment(stop_at))
    sandbox.clock.advance(advance)
    return sandbox.clock.stamp()


def _jobs(sandbox: Sandbox, *, finish: bool = False, show_logs: bool = False) -> dict[str, int]:
    return {
        "finished": sandbox.jobs.finish() if finish else 0,
        "shown": sandbox.jobs.show_logs() if show_logs else 0,
    }


def _sync(sandbox: Sandbox, integration_id: str | None = None, models: list[str] | None = None) -> Any:
    return sandbox.sync(integration_id, models or ())


_LEVERS: dict[str, Callable[..., Any]] = {
    "sync": _sync,
    "approve": lambda sandbox, **arguments: sandbox.approve(**arguments),
    "reject": lambda sandbox, **arguments: sandbox.reject(**arguments),
    "delete": lambda sandbox, **arguments: sandbox.delete(**arguments),
    "redate": lambda sandbox, **arguments: sandbox.redate(**arguments),
    "recode": lambda sandbox, **arguments: sandbox.recode(**arguments),
    "revalue": lambda sandbox, **arguments: sandbox.revalue(**arguments),
    "insert": lambda sandbox, **arguments: sandbox.insert(**arguments),
    "put": lambda sandbox, model, record: sandbox.put(model, record),
    "alter": lambda sandbox, model, record_id, changes: sandbox.alter(model, record_id, **changes),
    "remove": lambda sandbox, model, record_id: sandbox.remove(model, record_id),
    "integration": lambda sandbox, **changes: sandbox.alter_integration(**changes),
    "property": lambda sandbox, property_id, enabled: sandbox.enable_property(property_id, enabled=enabled),
    "settings": lambda sandbox, **changes: sandbox.configure(**changes),
    "reset": _reset,
    "faults": _faults,
    "clock": _clock,
    "jobs": _jobs,
}

_VIEWS: dict[str, Callable[[Sandbox], Any]] = {
    "ledger": lambda sandbox: sandbox.ledger("unposted", "posted", "rejected", "deleted"),
    "files": lambda sandbox: sandbox.partner_files(),
    "faults": lambda sandbox: sandbox.waiting_faults(),
    "settings": lambda sandbox: sandbox.settings,
    "requests": lambda sandbox: sandbox.requests(),
    "clock": lambda sandbox: sandbox.clock.stamp(),
}
