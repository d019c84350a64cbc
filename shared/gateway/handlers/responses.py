"""What the route of Responses has beside its answers: refusals for clients that go by the end of a stream, and what is
said to those that would rather have a WebSocket."""

from __future__ import annotations

from gateway import observability
from gateway.api.message import Request, Response
from gateway.api.routes import Handler
from gateway.calls.asked import streamed
from gateway.calls.clients import goes_by_end
from gateway.dialects.responses.ends import acts_on
from gateway.errors import GatewayError

_NO_SOCKETS = "This route takes POST over HTTP; there is no WebSocket here."


def told_by_end(answered: Handler) -> Handler:
    """A handler whose refusals are a stream that fails, where the client goes by that and asked for a stream: by their
    status it would send what can't be paid for, or is too long, again."""

    def route(request: Request) -> Response:
        try:
            return answered(request)
        except GatewayError as error:
            asked = request.streams and goes_by_end(request.headers.get("user-agent", ""))
            if not asked or not acts_on(error) or request.json().get("stream") is not True:
                raise
            observability.count("Refusals", reason=error.code)
            observability.log.info("refused in a stream", extra={"code": error.code, "status": error.status})
            dialect = streamed("responses")
            failed = dialect.delivery(dialect.parse(request.json()), by_end=True).error(error, {})
            headers = {**error.headers, "cache-control": "no-cache"}
            return Response(200, failed.decode(), headers, media_type="text/event-stream")

    return route


def no_sockets(_request: Request) -> Response:
    """A WebSocket is asked for by GET; 426 sends a client that can do either to HTTP."""
    error = {"message": _NO_SOCKETS, "type": "invalid_request_error", "param": None, "code": "websocket_not_supported"}
    return Response(426, {"error": error, "message": _NO_SOCKETS})
