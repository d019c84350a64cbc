"""Paid calls, through whichever door and in whichever dialect they come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from typing import Any

from gateway import observability
from gateway.api.message import Request, Response, json_body
from gateway.api.routes import Handler
from gateway.api.sse import event_stream
from gateway.calls.call import Call
from gateway.calls.ending import headers_of_end
from gateway.calls.streaming import Streaming
from gateway.errors import BadRequest, InternalError, UpstreamError
from gateway.handlers.late import Late
from gateway.handlers.ways import way_of
from gateway.models.money import usd
from gateway.settings import settings
from gateway.wiring import gateway

# A function may return 6 MiB of JSON. The body is a string in it, so each quote and each escape is escaped again,
# and other characters than ASCII may be.
MOST_ANSWER_BYTES = 6_000_000
_Shaped = Callable[[Request, Call, dict[str, Any]], Response]  # its body is text
_AS_IT_COMES = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def chat(request: Request) -> Response:
    """`POST /v1/chat/completions`: exactly OpenAI's body, with the cost added to `usage`."""
    return _complete(request, _as_openai)


def messages(request: Request) -> Response:
    """`POST /v1/messages`: exactly Anthropic's body, with the cost added to `usage`."""
    return _complete(request, _plain, "messages")


def responses(request: Request) -> Response:
    """`POST /v1/responses`: exactly OpenAI's body, with the cost added to `usage`."""
    return _complete(request, _plain, "responses")


def embeddings(request: Request) -> Response:
    """`POST /v1/embeddings`: exactly OpenAI's body, with the cost added to `usage`."""
    return _complete(request, _vectors, "embeddings")


def text(request: Request) -> Response:
    """`POST /v1/completions`: exactly OpenAI's legacy body, with the cost added to `usage`."""
    return _complete(request, _plain, "text")


def _plain(request: Request, running: Call, body: dict[str, Any]) -> Response:
    # As in `_as_openai`, its numbers are finite.
    return Response(200, json_body(body, finite=True), _headers(running, request))


def _vectors(request: Request, running: Call, body: dict[str, Any]) -> Response:
    # Not `finite`: a provider may have sent a vector as base64 of floats, and one of these can be NaN.
    return Response(200, json_body(body), _headers(running, request))


def _as_openai(request: Request, running: Call, body: dict[str, Any]) -> Response:
    headers = _headers(running, request)
    if running.plan.request.streamed:
        # This door can't stream: the answer is a valid event stream in one piece, and a header says so.
        usage = bool((request.json().get("stream_options") or {}).get("include_usage"))
        buffered = {"x-gateway-stream": "buffered", "cache-control": "no-cache"}
        return Response(200, event_stream(body, usage=usage), headers | buffered, media_type="text/event-stream")
    # Its numbers are costs, or come from the provider's JSON, in which `dialects.values.read_json` reads NaN as null.
    return Response(200, json_body(body, finite=True), headers)


def chat_with_details(request: Request) -> Response:
    """`POST /api/v1/completions`: OpenAI's body plus the gateway's own fields."""
    return _complete(request, _as_gateway)


def _as_gateway(request: Request, running: Call, body: dict[str, Any]) -> Response:
    cost = running.cost
    extra: dict[str, Any] = {
        "provider": running.route.provider,
        "latency": round((time.monotonic() - request.started) * 1_000),
        "cached": False,
        "cost": {
            "total": usd(cost.total),
            "prompt": usd(cost.prompt),
            "completion": usd(cost.completion),
            "currency": "USD",
        },
    }
    if running.request.mcp_context is not None:
        extra["mcpContext"] = {"products": running.products}
    return Response(200, json_body(body | extra), _headers(running, request))


def _complete(request: Request, shaped: _Shaped, dialect: str = "chat") -> Response:
    parts, caller, headers, asked = gateway(), request.caller, request.headers, request.json()
    running = parts.completions.start(
        caller,
        asked,
        correlation_id=request.correlation_id,
        seconds_left=request.deadline - time.monotonic(),
        user_agent=headers.get("user-agent", ""),
        way=way_of(request, dialect),
        facts=parts.marks.facts(caller.key_id, headers, asked),
    )
    if running.plan.first.streamed:  # as all its targets
        begun = Streaming(running, request.gone).begun()
        return Response(200, begun, _headers(running, request) | _AS_IT_COMES, media_type="text/event-stream")
    if not request.streams:
        return _written(request, running, shaped, running.gather(request.gone))
    return _in_one_piece(request, running, shaped)


def _in_one_piece(request: Request, running: Call, shaped: _Shaped) -> Response:
    """The answer; if it is late, with a head that says only what is certain before there is an answer."""

    def steps() -> Generator[Response | None]:
        body = yield from running.gathering(request.gone)
        yield _written(request, running, shaped, body)

    patience = settings().patience_seconds
    late = Late(running, steps(), request.started + patience, patience / 4)
    if late.whole is not None:
        return late.whole
    return Response(200, late, {"x-gateway-request-id": running.rid} | running.hold.headers() | _AS_IT_COMES)


def _written(request: Request, running: Call, shaped: _Shaped, body: dict[str, Any]) -> Response:
    """The answer. A fault is raised as an error that says what was paid."""
    # The call is paid for by now. An error carries that, so that a repeated request does not pay again.
    try:
        made = shaped(request, running, body)
        text = made.body
    except Exception as fault:
        observability.log.exception("an answer could not be written")
        raise running.paid_for(InternalError()) from fault
    widest = 2 if text.isascii() else 12  # bytes of a character in a string of JSON
    if not request.streams and len(text) * widest > MOST_ANSWER_BYTES and len(json.dumps(text)) > MOST_ANSWER_BYTES:
        message = "The answer is too large to be returned here; ask for less."
        error = UpstreamError(message, provider=running.route.provider, code="answer_too_large", reason="too_large")
        raise running.paid_for(error)
    return made


def once(answered: Handler, dialect: str = "chat") -> Handler:
    """A handler that runs and bills a request with an Idempotency-Key once, and replays the answer to a repetition.

    `dialect` is the dialect of its requests."""

    def route(request: Request) -> Response:
        sent = request.headers.get("idempotency-key")
        if sent is None:
            return answered(request)
        from gateway.handlers.repeats import answered_once  # few requests have the header

        return answered_once(answered, request, sent, dialect)

    return route


def whole(answered: Handler) -> Handler:
    """A handler that never streams: a request for a stream is refused first, and the refusal names a route that can."""

    def route(request: Request) -> Response:
        if request.json().get("stream") is True:
            message = "stream: this route answers whole; POST /v1/chat/completions streams"
            raise BadRequest(message, param="stream", code="unsupported_parameter")
        return answered(request)

    return route


def _headers(running: Call, request: Request) -> dict[str, str]:
    overhead = (time.monotonic() - request.started) * 1_000
    for attempt in running.attempts:
        overhead -= attempt.provider_ms
    if overhead < 0.0:
        overhead = 0.0
    observability.count("Overhead", overhead)
    target = running.target
    route, prepared = target.route, target.prepared
    headers = running.headers(ended=not target.streamed)
    headers["x-gateway-model"] = route.target
    headers["x-gateway-provider"] = route.provider
    headers["x-gateway-region"] = target.region
    headers["x-gateway-endpoint"] = prepared.endpoint.name
    headers["x-gateway-cache"] = "BYPASS"
    headers["x-gateway-overhead-ms"] = f"{overhead:.1f}"
    if route.ending:
        headers |= headers_of_end(route)
    headers |= running.hold.headers()
    if prepared.dropped:
        headers["x-gateway-dropped"] = ", ".join(prepared.dropped)
    if running.plan.request.mcp_context is not None:  # also for routes whose body has no field for the products
        headers["x-gateway-context-products"] = ", ".join([str(product["id"]) for product in running.products])
    return headers
