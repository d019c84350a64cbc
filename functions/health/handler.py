"""The public health routes."""

from __future__ import annotations

from gateway import wiring
from gateway.http.door import door
from gateway.http.message import Request, Response


def _alive(_request: Request) -> Response:
    return Response(body=wiring.health().alive())


def _summary(_request: Request) -> Response:
    body = wiring.health().summary()
    return Response(503 if body["status"] == "unhealthy" else 200, body)


def _detailed(_request: Request) -> Response:
    body = wiring.health().detailed()
    return Response(503 if body["status"] == "unhealthy" else 200, body)


def _breakers(_request: Request) -> Response:
    return Response(body=wiring.health().breakers())


def _metrics(_request: Request) -> Response:
    return Response(body=wiring.health().metrics())


ROUTES = {
    "GET /health": _alive,
    "GET /api/v1/health": _summary,
    "GET /api/v1/health/detailed": _detailed,
    "GET /api/v1/health/circuit-breakers": _breakers,
    "GET /api/v1/health/metrics": _metrics,
}
handler = door("health", ROUTES)
