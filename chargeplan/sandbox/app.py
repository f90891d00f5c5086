"""Propexo's HTTP side: routes and their answers. What may go wrong on the way is ``gate``'s business."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from chargeplan.sandbox import validate
from chargeplan.sandbox.answers import Refusal, issue, zod
from chargeplan.sandbox.clock import parse_moment, stamp
from chargeplan.sandbox.faults import Fault
from chargeplan.sandbox.listing import check_known, read_one, read_page, whole_number
from chargeplan.sandbox.manual_sync import check_manual_sync
from chargeplan.sandbox.resolve import resolve_items
from chargeplan.sandbox.systems import FORMS, Form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Final

    from starlette.requests import Request

    from chargeplan.sandbox.state import Sandbox

    Endpoint = Callable[[Request], Awaitable[Response]]

FAULT: Final = "chargeplan.fault"
"""Where the ASGI scope carries the fault that happens to a request."""
_LISTED = (
    "properties",
    "units",
    "leases",
    "residents",
    "charge-codes",
    "resident-charges",
    "resident-payments",
    "fees",
    "financial-accounts",
)
_TIME_RANGES = {"hour": 1, "day": 24, "week": 24 * 7, "month": 24 * 30}
_LOG_PARAMETERS = ("limit", "offset", "time_range", "integration_id", "status", "write_category")
_WRITE_METHODS = ["POST", "PUT", "PATCH", "DELETE"]


_LOCKED_OUT = Fault(job="FAILURE", errors=["Authentication with the property management system failed"])
"""What becomes of a write when the system does not take the integration's credentials: accepted, and nothing written."""


class Api:
    """The endpoints, over one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        """All routes; the slash at a path's end is taken off before."""
        admin = "/v1/admin/integrations"
        listed = [route for model in _LISTED for route in self._model_routes(model)]
        return [
            *(Route(path, self._post(form), methods=["POST"]) for path, form in FORMS.items()),
            *listed,
            Route(admin, self._list("integrations"), methods=["GET"]),
            Route(f"{admin}/{{id}}", self._integration, methods=["GET"]),
            Route(f"{admin}/{{id}}/properties", self._list("integration-properties"), methods=["GET"]),
            Route(f"{admin}/{{id}}/job-schedules", self._list("job-schedules"), methods=["GET"]),
            Route(f"{admin}/{{id}}/manual-sync", self._manual_sync, methods=["POST"]),
            Route("/v1/admin/write-status/{id}", self._write_status, methods=["GET"]),
            Route("/v1/admin/logs/writes", self._write_log, methods=["GET"]),
            Route("/v1/admin/job-logs/{id}/data", self._job_log_data, methods=["GET"]),
            *(Route(path, _not_supported, methods=_WRITE_METHODS) for path in _refused_paths()),
        ]

    def _model_routes(self, model: str) -> list[Route]:
        one = self._one(model)
        return [
            Route(f"/v1/{model}", self._list(model), methods=["GET"]),
            Route(f"/v1/{model}/{{id}}", one, methods=["GET"]),
        ]

    def _list(self, model: str) -> Endpoint:
        async def answer(request: Request) -> Response:
            owner = request.path_params.get("id")
            fixed = {"integration_id": owner} if owner else {}
            if owner:
                self._require_integration(owner)
            sandbox = self._sandbox
            return JSONResponse(
                read_page(sandbox.store, sandbox.settings, model, request.query_params.multi_items(), fixed)
            )

        return answer

    def _one(self, model: str) -> Endpoint:
        async def answer(request: Request) -> Response:
            return JSONResponse(self._record(model, request))

        return answer

    def _record(self, model: str, request: Request) -> dict[str, Any]:
        sandbox = self._sandbox
        return read_one(
            sandbox.store,
            sandbox.settings,
            model,
            request.path_params["id"],
            request.query_params.multi_items(),
        )

    async def _integration(self, request: Request) -> Response:
        """By id it says two more things than in the list."""
        found = self._record("integrations", request)
        found["results"] |= {"is_running_sync": False, "is_running_data_access_check": False}
        return JSONResponse(found)

    def _require_integration(self, integration_id: str) -> None:
        known = self._sandbox.store.row(
            "SELECT 1 FROM records WHERE model = 'integrations' AND id = ?", (integration_id,)
        )
        if known is None:
            raise Refusal(404, "not_found", f"no integration {integration_id}")

    def _post(self, form: Form) -> Endpoint:
        async def answer(request: Request) -> Response:
            body = await _json_body(request)
            items = validate.check_form(form, body, self._sandbox.settings)
            return JSONResponse({"meta": {"job_id": self._start(form, body, items, request)}, "result": body})

        return answer

    def _start(self, form: Form, body: dict[str, Any], items: list[dict[str, Any]], request: Request) -> str:
        sandbox = self._sandbox
        _no_query(request)
        integration_id = body["integration_id"]
        integration = validate.check_integration(sandbox.store, integration_id, form.vendor)
        today = str(sandbox.clock.now().date())
        facts = resolve_items(
            store=sandbox.store,
            form=form,
            integration_id=integration_id,
            items=items,
            prefix=lambda position: ["charges", position] if form.batch else [],
            today=today,
        )
        fault: Fault | None = request.scope.get(FAULT)
        if fault is None and not integration["can_authenticate"]:
            fault = _LOCKED_OUT
        return sandbox.jobs.start(form, body, facts, sandbox.settings, fault)

    async def _write_status(self, request: Request) -> Response:
        _no_query(request)
        status = self._sandbox.jobs.status(request.path_params["id"])
        if status is None:
            raise Refusal(404, "not_found", f"no job {request.path_params['id']}")
        return JSONResponse(msgspec.to_builtins(status))

    async def _write_log(self, request: Request) -> Response:
        """It has a paging of its own: no ``meta``, at most 100 rows."""
        asked = _log_parameters(request)
        limit = whole_number("limit", asked.get("limit"), 100, 1, 100)
        offset = whole_number("offset", asked.get("offset"), 0, 0, 999_999_999)
        logs = [entry for entry in self._sandbox.jobs.read_log() if self._is_asked_for(entry, asked)]
        return JSONResponse({"results": {"logs": logs[offset : offset + limit]}})

    def _is_asked_for(self, entry: dict[str, Any], asked: dict[str, str]) -> bool:
        age = self._sandbox.clock.now() - parse_moment(entry["created_at"])
        young = "time_range" not in asked or age.total_seconds() <= _TIME_RANGES[asked["time_range"]] * 3600
        same = all(entry[key] == asked[key] for key in ("integration_id", "status") if key in asked)
        # The log knows no category for credits: they are there only for who asks for none.
        category = None if entry["job_type"] == "WRITE_CREDIT" else "resident_charges"
        return young and same and asked.get("write_category", category) == category

    async def _job_log_data(self, request: Request) -> Response:
        """302 to another host, whose address is its own permission: the token must not go there."""
        log_id = request.path_params["id"]
        if self._sandbox.jobs.raw_data(log_id) is None:
            raise Refusal(404, "not_found", f"no job log {log_id}")
        host = "127.0.0.1" if request.url.hostname == "localhost" else "localhost"
        signed = f"X-Amz-Date={stamp(self._sandbox.clock.now())}&X-Amz-Signature={log_id[::-1]}"
        return RedirectResponse(
            f"http://{host}:{request.url.port}/_presigned/{log_id}?{signed}", status_code=302
        )

    async def _manual_sync(self, request: Request) -> Response:
        """The answer has no job id; when the sync has finished, ``last_completed_sync`` of the integration says so."""
        integration_id = request.path_params["id"]
        self._require_integration(integration_id)
        models = check_manual_sync(validate.parse_json(await request.body() or b"{}"))
        if self._sandbox.settings.manual_sync:
            self._sandbox.sync(integration_id, models)
        return JSONResponse({"result": {"success": True}})


def make_app(sandbox: Sandbox) -> Starlette:
    """The application, without faults, authentication and rate limit."""
    handlers = {Refusal: _refused, 404: _unknown_path, 405: _wrong_method, 500: _broken}
    app = Starlette(routes=Api(sandbox).routes(), exception_handlers=handlers)
    app.router.redirect_slashes = False
    return app


def _refused_paths() -> tuple[str, ...]:
    """Where writes of Propexo are that this sandbox, or ResMan, does not have."""
    return (
        "/v1/resident-charges/batch/{vendor}",
        "/v1/admin/retry-write/{id}",
        "/v1/admin/integrations/{id}/back-sync",
        "/v1/resident-credits",
        "/v1/resident-credits/{id}",
        "/v1/recurring-resident-charges",
        "/v1/recurring-resident-charges/{id}",
        *(f"/v1/{model}/{{id}}" for model in _LISTED),
        *(f"/v1/{model}" for model in _LISTED),
    )


async def _json_body(request: Request) -> Any:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refusal(415, "unsupported_media_type", "the body must be application/json")
    return validate.parse_json(await request.body())


def _no_query(request: Request) -> None:
    check_known(request.query_params.multi_items(), ())


def _log_parameters(request: Request) -> dict[str, str]:
    asked = check_known(request.query_params.multi_items(), _LOG_PARAMETERS)
    known = {"time_range": tuple(_TIME_RANGES), "status": ("SUCCESS", "FAILURE")}
    if wrong := [name for name, values in known.items() if name in asked and asked[name] not in values]:
        raise zod(
            [
                issue("invalid_enum_value", [name], "Invalid enum value", received=asked[name])
                for name in wrong
            ]
        )
    return asked


async def _not_supported(request: Request) -> Response:
    """*Not Supported* endpoints answer 405 with an explanation (``propexo-api.md`` 2.6)."""
    message = f"{request.method} {request.url.path} is not supported"
    return JSONResponse({"error": {"code": "not_supported", "message": message}}, status_code=405)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal), "the handler is registered for this alone"
    return JSONResponse(error.body, status_code=error.status)


async def _unknown_path(request: Request, _: Exception) -> Response:
    message = f"no such path: {request.url.path}"
    return JSONResponse({"error": {"code": "not_found", "message": message}}, status_code=404)


async def _wrong_method(request: Request, _: Exception) -> Response:
    message = f"{request.url.path} does not support {request.method}"
    return JSONResponse({"error": {"code": "not_supported", "message": message}}, status_code=405)


async def _broken(_: Request, error: Exception) -> Response:
    """A mistake of the sandbox itself says so; Starlette raises it again, into the server's log."""
    body = json.dumps({"error": {"code": "sandbox_error", "message": f"{type(error).__name__}: {error}"}})
    return Response(body, status_code=500, media_type="application/json")
