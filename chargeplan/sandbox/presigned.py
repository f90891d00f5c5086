"""The second host: where a presigned address leads. It refuses a request that carries the token, as S3 does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from chargeplan.sandbox.state import Sandbox


async def answer_presigned(sandbox: Sandbox, scope: Scope, receive: Receive, send: Send) -> None:
    """The raw request and answer of a write job; 400 with a token, 403 without a signature, 404 when unknown."""
    request = Request(scope, receive)
    await _answer(sandbox, request)(scope, receive, send)


def _answer(sandbox: Sandbox, request: Request) -> Response:
    log_id = request.url.path.removeprefix("/_presigned/")
    if "authorization" in request.headers:
        return _xml(400, "InvalidArgument", "Only one auth mechanism allowed")
    if request.query_params.get("X-Amz-Signature") != log_id[::-1]:
        return _xml(403, "SignatureDoesNotMatch", "The request signature does not match")
    data = sandbox.jobs.raw_data(log_id)
    return _xml(404, "NoSuchKey", "The specified key does not exist") if data is None else JSONResponse(data)


def _xml(status: int, code: str, message: str) -> Response:
    return Response(
        f"<Error><Code>{code}</Code><Message>{message}</Message></Error>",
        status,
        media_type="application/xml",
    )
