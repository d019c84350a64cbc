"""The public health routes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from gateway import wiring
from gateway.api.door import door
from gateway.api.message import Request, Response


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


@lru_cache(maxsize=1)
def _document() -> str:
    return Path(__file__).with_name("openapi.json").read_text(encoding="utf-8")


def _openapi(_request: Request) -> Response:
    return Response(body=_document(), headers={"cache-control": "public, max-age=3600"})


ROUTES = {
    "GET /health": _alive,
    "GET /openapi.json": _openapi,
    "GET /api/v1/health": _summary,
    "GET /api/v1/health/detailed": _detailed,
    "GET /api/v1/health/circuit-breakers": _breakers,
    "GET /api/v1/health/metrics": _metrics,
}
handler = door("health", ROUTES)
