"""The HTTP API's door: an event in, a handler by route key, an answer out. Nothing escapes it but a shaped answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from gateway import observability, runs
from gateway.api.coding import body_of
from gateway.api.errors import error_response
from gateway.api.message import Request, Response, correlation_id, request_id
from gateway.errors import GatewayError, InternalError, NotFound, UpstreamError
from gateway.settings import settings

Event = Mapping[str, Any]
Route = Callable[[Request], Response]
TOTAL_SECONDS = 28.0  # an HTTP API gives up after 30; what is left is for settling and the answer's way back
_RESERVE_SECONDS = 1.5


def door(service: str, routes: Mapping[str, Route]) -> Callable[[Event, Any], dict[str, Any]]:
    """A Lambda handler that serves these routes (keys as in function.json: "GET /v1/models")."""

    def handler(event: Event, context: Any) -> dict[str, Any]:
        started = time.monotonic()
        request = None
        try:
            observability.configure(service, settings().log_level)
            request = _request(event, context, started)
            response = _dispatch(routes, request, event)
            text = response.text()
        except GatewayError as error:
            response = _refused(error, str(event.get("rawPath", "")))
            text = response.text()
        except Exception:  # noqa: BLE001  the last line: whatever it was, the caller gets a shaped 500 and the log the rest
            observability.log.exception("unexpected error")
            response = error_response(InternalError("The gateway failed; the correlation id tells which log line."), "")
            text = response.text()
        identifier = request.correlation_id if request else correlation_id(None)
        elapsed = (time.monotonic() - started) * 1_000
        _account(event, request, response, identifier, elapsed)
        runs.finish(service, identifier, response.status, elapsed)
        return {
            "statusCode": response.status,
            # The two identifiers are this exchange's own, also where an answer that was kept is given again.
            "headers": {
                "content-type": response.media_type,
                **response.headers,
                "x-correlation-id": identifier,
                "x-request-id": request.request_id if request else request_id(None),
            },
            "body": text,
        }

    return handler


def _dispatch(routes: Mapping[str, Route], request: Request, event: Event) -> Response:
    route = routes.get(request.route)
    if route is None:
        raise NotFound(f"There is no route {request.route}.")
    observability.log.append_keys(
        correlation_id=request.correlation_id,
        request_id=request.request_id,
        key_id=request.context.get("keyId") or None,
    )
    body = body_of(
        event.get("body") or "",
        in_base64=bool(event.get("isBase64Encoded")),
        encoding=request.headers.get("content-encoding", ""),
    )
    return route(replace(request, body=body))


def _refused(error: GatewayError, path: str) -> Response:
    observability.count("Refusals", reason=error.code)
    cause = type(error.__cause__).__name__ if error.__cause__ else None
    level = observability.log.warning if error.status >= 500 else observability.log.info
    facts = {"code": error.code, "status": error.status, "cause": cause, "param": error.param}
    if isinstance(error, UpstreamError):
        facts |= {"provider": error.provider, "upstream_status": error.upstream_status, "reason": error.reason}
    level("refused", extra=facts)
    return error_response(error, path)


def _account(event: Event, request: Request | None, response: Response, identifier: str, elapsed: float) -> None:
    observability.log.info(
        "request",
        extra={
            "route": event.get("routeKey"),
            "status": response.status,
            "duration_ms": round(elapsed, 1),
            "correlation_id": identifier,
            "request_id": request.request_id if request else None,
            "key_id": (request.context.get("keyId") if request else None) or None,
        },
    )


def _request(event: Event, context: Any, started: float) -> Request:
    """The request without its body, so that a body which can't be read is refused under the request's own ids."""
    http = event["requestContext"]["http"]
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    authorizer = event["requestContext"].get("authorizer") or {}
    left = min(TOTAL_SECONDS, context.get_remaining_time_in_millis() / 1_000 - _RESERVE_SECONDS)
    return Request(
        route=event.get("routeKey") or f"{http['method']} {http['path']}",
        path=event.get("rawPath") or http["path"],
        headers=headers,
        body=b"",
        query=event.get("queryStringParameters") or {},
        parameters={name: unquote(value) for name, value in (event.get("pathParameters") or {}).items()},
        context=authorizer.get("lambda") or {},
        correlation_id=correlation_id(headers.get("x-correlation-id")),
        request_id=request_id(str(event["requestContext"].get("requestId") or context.aws_request_id)),
        started=started,
        deadline=started + left,
    )
