"""The public health routes."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.api.http_api import http_api
from gateway.api.message import Request, Response
from gateway.api.routes import Described, Handler, Route, Schema
from gateway.handlers.alive import ROOT
from gateway.handlers.pages import ANSWERS, PAGES
from gateway.wiring import gateway


def _summary(_request: Request) -> Response:
    body = gateway().health.summary()
    return Response(503 if body["status"] == "unhealthy" else 200, body)


def _detailed(_request: Request) -> Response:
    body = gateway().health.detailed()
    return Response(503 if body["status"] == "unhealthy" else 200, body)


def _breakers(_request: Request) -> Response:
    return Response(body=gateway().health.breakers())


def _metrics(_request: Request) -> Response:
    return Response(body=gateway().health.metrics())


def _route(path: str, handler: Handler, summary: str, answers: Mapping[int, Schema], *errors: int) -> Route:
    """A public route."""
    described = Described(summary=summary, answers=answers, errors=errors)
    return Route(method_path=f"GET {path}", handler=handler, auth="public", scope=None, described=described)


_UNWELL: dict[int, Schema] = {503: f"{ANSWERS}:Unhealthy"}
ROUTES = (
    ROOT,
    *PAGES,
    _route(
        "/api/v1/health",
        _summary,
        "Shows whether the gateway and each service that it needs work.",
        {200: f"{ANSWERS}:Summary"} | _UNWELL,
    ),
    _route(
        "/api/v1/health/detailed",
        _detailed,
        "Shows the health of each service with its latency, and when each provider was last called.",
        {200: f"{ANSWERS}:Detailed"} | _UNWELL,
    ),
    _route(
        "/api/v1/health/circuit-breakers",
        _breakers,
        "Shows the state of each provider's circuit breaker.",
        {200: f"{ANSWERS}:ProviderBreakers"},
        503,
    ),
    _route(
        "/api/v1/health/metrics",
        _metrics,
        "Shows rough counts of requests, errors and tokens.",
        {200: f"{ANSWERS}:Counters"},
        503,
    ),
)
handler = http_api("health", ROUTES)
