"""The public health routes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from gateway.api.http_api import http_api
from gateway.api.message import Request, Response
from gateway.api.routes import Described, Handler, Route, Schema
from gateway.handlers.alive import ROOT
from gateway.handlers.pages import PAGES
from gateway.wiring import gateway

_ANSWERS = "functions.health.answers"


def _alive(_request: Request) -> Response:
    return Response(body=gateway().health.alive())


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


@lru_cache(maxsize=1)
def _document() -> str:
    return Path(__file__).with_name("openapi.json").read_text(encoding="utf-8")


def _openapi(_request: Request) -> Response:
    return Response(body=_document(), headers={"cache-control": "public, max-age=3600"})


def _route(path: str, handler: Handler, summary: str, answers: Mapping[int, Schema], *errors: int) -> Route:
    """A public route."""
    described = Described(summary=summary, answers=answers, errors=errors)
    return Route(method_path=f"GET {path}", handler=handler, auth="public", scope=None, described=described)


_UNWELL: dict[int, Schema] = {503: f"{_ANSWERS}:Unhealthy"}
ROUTES = (
    ROOT,
    *PAGES,
    _route("/health", _alive, "Says that the gateway runs. It calls no other service.", {200: f"{_ANSWERS}:Alive"}),
    _route("/openapi.json", _openapi, "Returns this document.", {200: f"{_ANSWERS}:Document"}),
    _route(
        "/api/v1/health",
        _summary,
        "Shows whether the gateway and each service that it needs work.",
        {200: f"{_ANSWERS}:Summary"} | _UNWELL,
    ),
    _route(
        "/api/v1/health/detailed",
        _detailed,
        "Shows the health of each service with its latency, and when each provider was last called.",
        {200: f"{_ANSWERS}:Detailed"} | _UNWELL,
    ),
    _route(
        "/api/v1/health/circuit-breakers",
        _breakers,
        "Shows the state of each provider's circuit breaker.",
        {200: f"{_ANSWERS}:ProviderBreakers"},
        503,
    ),
    _route(
        "/api/v1/health/metrics",
        _metrics,
        "Shows rough counts of requests, errors and tokens.",
        {200: f"{_ANSWERS}:Counters"},
        503,
    ),
)
handler = http_api("health", ROUTES)
