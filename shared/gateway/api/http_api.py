"""The Lambda door: it turns an event of an HTTP API into a request, and the whole answer into Lambda's return value."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from msgspec.structs import replace

from gateway.api import routes as tables
from gateway.api.answer import Broken, answer, failed
from gateway.api.coding import body_of
from gateway.api.message import Request, Response, correlation_id, request_id
from gateway.api.routes import Route

if TYPE_CHECKING:
    from gateway.api.pace import Pace
    from gateway.identity.verification import Identity

Event = Mapping[str, Any]
TOTAL_SECONDS = 28.0  # an HTTP API gives up after 30; the rest is for settling and for returning the answer
_RESERVE_SECONDS = 1.5


def http_api(
    name: str,
    routes: Iterable[Route],
    identity: Callable[[], Identity] | None = None,
    pace: Callable[[], Pace] | None = None,
) -> Callable[[Event, Any], dict[str, Any]]:
    """A Lambda handler that serves these routes. If a route asks for a key, `identity` finds its caller and `pace`
    counts its requests."""
    service = tables.service(name, routes, identity, pace=pace)

    def handler(event: Event, context: Any) -> dict[str, Any]:
        started = time.monotonic()
        try:
            request = _request(event, context, started)
        except Exception as fault:  # noqa: BLE001  not an event of an HTTP API; the caller still gets a shaped answer
            response = failed(service, _unknown(event, started), fault)
        else:
            response = answer(service, request, partial(_body, event, request))
        if not isinstance(response.body, str):
            response = _whole(response)
        body = response.body
        answered: dict[str, Any] = {"statusCode": response.status, "headers": response.headers, "body": body}
        return answered if isinstance(body, str) else answered | _in_event(body)

    return handler


def _in_event(body: bytes) -> dict[str, Any]:
    """A body as Lambda returns it; a body that is not text goes in base64."""
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def _whole(response: Response) -> Response:
    """The response with the pieces of its body in one: this door can't stream."""
    try:
        return replace(response, body=b"".join(response.body))
    except Broken as broken:
        return broken.response  # nothing was sent yet, so the caller gets the error


def _request(event: Event, context: Any, started: float) -> Request:
    """The request without its body, so that the refusal of an unreadable body carries the request's own ids."""
    this = event["requestContext"]
    http, authorizer = this["http"], this.get("authorizer") or {}
    headers = event.get("headers") or {}
    names = "".join(headers)
    if names != names.lower():  # an HTTP API sends them in lower case
        headers = {name.lower(): value for name, value in headers.items()}
    parameters = event.get("pathParameters")
    left = min(TOTAL_SECONDS, context.get_remaining_time_in_millis() / 1_000 - _RESERVE_SECONDS)
    return Request(
        route=event.get("routeKey") or f"{http['method']} {http['path']}",
        path=event.get("rawPath") or http["path"],
        headers=headers,
        body=b"",
        query=event.get("queryStringParameters") or {},
        parameters={name: unquote(value) for name, value in parameters.items()} if parameters else {},
        context=authorizer.get("lambda") or {},
        source=http.get("sourceIp") or "",
        correlation_id=correlation_id(headers.get("x-correlation-id")),
        request_id=request_id(str(this.get("requestId") or context.aws_request_id)),
        started=started,
        deadline=started + left,
    )


def _unknown(event: Event, started: float) -> Request:
    """A placeholder for a request that could not be read."""
    return Request(
        str(event.get("routeKey", "")),
        str(event.get("rawPath", "")),
        headers={},
        body=b"",
        correlation_id=correlation_id(None),
        request_id=request_id(None),
        started=started,
    )


def _body(event: Event, request: Request) -> bytes:
    return body_of(
        event.get("body") or "",
        in_base64=bool(event.get("isBase64Encoded")),
        encoding=request.headers.get("content-encoding", ""),
    )
