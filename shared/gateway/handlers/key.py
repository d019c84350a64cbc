"""The facts that a key may see about itself."""

from __future__ import annotations

from gateway.api.message import Request, Response
from gateway.wiring import gateway


def key(request: Request) -> Response:
    """`GET /v1/key`: the caller's own limits, and what is left of them. Any key may call it."""
    return Response(200, gateway().standing.of(request.caller, gateway().completions.config.get().tier))
