"""The levers over HTTP, under ``/_sandbox/``: for another process, a demo, or a person with curl.

``POST /_sandbox/LEVER`` with a JSON object of arguments; ``GET`` for those that need none and change nothing. Levers
need no token and are not counted: the sandbox listens on loopback only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chargeplan.sandbox.levers import LEVERS, VIEWS, pull

if TYPE_CHECKING:
    from starlette.requests import Request

    from chargeplan.sandbox.state import Sandbox


def make_levers(sandbox: Sandbox) -> Starlette:
    """The application under ``/_sandbox/``."""

    async def post(request: Request) -> Response:
        return _answer(sandbox, request.path_params["name"], await request.body())

    async def get(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in VIEWS:
            return _wrong(404, f"nothing to see at {request.url.path}; there is {', '.join(sorted(VIEWS))}")
        return JSONResponse({"result": pull(sandbox, name, {})})

    return Starlette(
        routes=[
            Route("/_sandbox/{name}", post, methods=["POST"]),
            Route("/_sandbox/{name}", get, methods=["GET"]),
        ]
    )


def _answer(sandbox: Sandbox, name: str, body: bytes) -> Response:
    if name not in LEVERS:
        return _wrong(404, f"no lever {name}; there is {', '.join(sorted(LEVERS))}")
    try:
        arguments = json.loads(body or b"{}")
        if not isinstance(arguments, dict):
            return _wrong(400, "the arguments are a JSON object")
        return JSONResponse({"result": pull(sandbox, name, arguments)})
    except KeyError as error:
        return _wrong(400, str(error.args[0]))
    except (TypeError, ValueError) as error:
        return _wrong(400, str(error))


def _wrong(status: int, message: str) -> Response:
    return JSONResponse({"error": {"code": "sandbox_lever", "message": message}}, status_code=status)
