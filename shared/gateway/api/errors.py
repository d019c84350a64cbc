"""An error as the caller gets it: OpenAI's shape, plus a top-level `message` for API Gateway's clients."""

from __future__ import annotations

import math

from gateway.api.message import Response
from gateway.errors import GatewayError, NotFound


def error_response(error: GatewayError, path: str) -> Response:
    """The answer for an error. An unknown model is 404 on /v1, as with OpenAI, and 400 on /api/v1, as the original."""
    status = error.status
    if isinstance(error, NotFound) and error.code == "model_not_found" and path.startswith("/api/"):
        status = 400
    body = {"message": error.message, "type": error.type, "param": error.param, "code": error.code} | error.details
    headers = dict(error.headers)
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
        headers["retry-after-ms"] = str(max(1, math.ceil(error.retry_after * 1_000)))
    return Response(status, {"error": body, "message": error.message}, headers)
