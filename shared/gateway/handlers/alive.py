"""`HEAD /`: a client's first request, to see whether the gateway is up."""

from __future__ import annotations

from gateway.api.message import Request, Response
from gateway.api.routes import Described, Route


def _here(_request: Request) -> Response:
    return Response(200, "")


ROOT = Route(
    method_path="HEAD /",
    handler=_here,
    auth="public",
    scope=None,
    described=Described(summary="Says that the gateway can be reached. It calls no other service.", answers={200: {}}),
)
