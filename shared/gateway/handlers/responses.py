"""Two extras of the Responses route: refusals for clients that act on the end of a stream, and the answer to clients
that ask for a WebSocket."""

from __future__ import annotations

from gateway import observability
from gateway.api.message import Request, Response
from gateway.api.routes import Handler
from gateway.calls.asked import streamed
from gateway.calls.clients import goes_by_end
from gateway.dialects.responses.ends import acts_on
from gateway.errors import GatewayError

_NO_SOCKETS = "This route has no WebSocket: send the request by POST."


def told_by_end(answered: Handler) -> Handler:
    """A handler that sends a refusal as a failed stream, if the client asked for a stream and acts on its end. Given
    only a status, such a client would repeat a request that can't be paid for, or is too long."""

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
    """The answer to a GET, which asks for a WebSocket. A 426 makes a client that can use either switch to HTTP."""
    error = {"message": _NO_SOCKETS, "type": "invalid_request_error", "param": None, "code": "websocket_not_supported"}
    return Response(426, {"error": error, "message": _NO_SOCKETS})
