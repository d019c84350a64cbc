"""The shape of an error in each wire format: in an answer, and in a stream whose head has gone out."""

from __future__ import annotations

from typing import Any

from gateway.errors import GatewayError, UpstreamError, UpstreamUnavailable

OVERLOADED = 529  # as in Anthropic's API
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}
# The statuses of refusals that have their own status; any other refusal of a request is 400.
_STATUSES_TOLD = {_TYPES[status]: status for status in (404, 413)}
# The status for an error's type in a stream, which can no longer have a status itself.
STATUSES = {kind: status for status, kind in _TYPES.items()} | {"invalid_request_error": 400}
_OVERLOADED_UPSTREAM = (503, OVERLOADED)
_TOO_LONG = "context_length_exceeded"


def openai_error(error: GatewayError) -> dict[str, Any]:
    """The `error` object in OpenAI's shape."""
    return {"message": error.message, "type": error.type, "param": error.param, "code": error.code} | error.details


def messages_status(error: GatewayError) -> int:
    """An error's status as in Anthropic's API. A provider that is overloaded, or not called for a while, is 529: its
    clients wait and retry then. A provider's own error that is passed on keeps the status that belongs to it."""
    told = error.told_kind if isinstance(error, UpstreamError) else ""
    if told in _STATUSES_TOLD:
        return _STATUSES_TOLD[told]
    overloaded = isinstance(error, UpstreamUnavailable) or (
        isinstance(error, UpstreamError) and error.upstream_status in _OVERLOADED_UPSTREAM
    )
    return OVERLOADED if overloaded else error.status


def messages_error(error: GatewayError, request_id: str = "") -> dict[str, Any]:
    """The whole body in Anthropic's shape. Its clients recognise errors by their words, so a provider's own words come
    first, if there are any. Clients recognise a prompt that is too long by words too."""
    status = messages_status(error)
    kind = _TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    message = error.message
    if isinstance(error, UpstreamError):
        kind, message = error.told_kind or kind, error.told or message
    if error.code == _TOO_LONG and "prompt is too long" not in message.lower():
        message = f"prompt is too long: {message}"
    facts = error.details | {"type": kind, "message": message, "code": error.code, "param": error.param}
    return {"type": "error", "error": facts, "request_id": request_id or None}
