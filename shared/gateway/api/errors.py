"""An error as the caller gets it, in the dialect of the route that it called."""

from __future__ import annotations

import math
from typing import Any

from gateway.api.message import Dialect, Response
from gateway.error_shapes import messages_error, messages_status, openai_error
from gateway.errors import GatewayError, NotFound, Unauthorized


def error_response(error: GatewayError, dialect: Dialect = "openai", request_id: str = "") -> Response:
    """The answer for an error. `request_id` goes into the body in the `messages` dialect."""
    status = error.status
    if isinstance(error, NotFound) and error.code == "model_not_found" and dialect == "gateway":
        status = 400
    headers = dict(error.headers)
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
        headers["retry-after-ms"] = str(max(1, math.ceil(error.retry_after * 1_000)))
    if dialect == "messages":
        if isinstance(error, Unauthorized):
            headers["x-should-retry"] = "false"  # else Claude Code retries ten times with the same key
        return Response(messages_status(error), messages_error(error, request_id), headers)
    facts = openai_error(error)
    body: dict[str, Any] = {"error": facts, "message": error.message}
    if dialect == "jsonrpc":
        from gateway.mcp.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST, RpcError, failure  # only MCP speaks it

        code = INVALID_REQUEST if status < 500 else INTERNAL_ERROR
        body = failure(None, RpcError(code, error.message, facts))
    return Response(status, body, headers)
