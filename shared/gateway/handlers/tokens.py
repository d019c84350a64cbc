"""Counts the tokens of a request without calling the model: never billed, and refused when the call would be."""

from __future__ import annotations

from gateway.api.message import Request, Response
from gateway.calls.counting import count
from gateway.handlers.ways import way_of
from gateway.wiring import gateway


def count_tokens(request: Request) -> Response:
    """`POST /v1/messages/count_tokens`: the provider's own count, or an estimate at four bytes per token, which is
    marked as one."""
    body = request.json()
    thinking = body.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    # A message needs `max_tokens` above its thinking budget; here the client sends none.
    cap = budget + 1 if isinstance(budget, int) and not isinstance(budget, bool) and budget > 0 else 1
    found = count(
        gateway().completions,
        request.caller,
        {**body, "max_tokens": cap, "stream": False},
        correlation_id=request.correlation_id,
        seconds_left=request.seconds_left(),
        way=way_of(request, "messages"),
    )
    headers = {"x-gateway-model": found.target.route.target, "x-gateway-provider": found.target.route.provider}
    if found.estimated:
        return Response(200, {**found.told, "estimated": True}, {**headers, "x-gateway-estimated": "true"})
    return Response(200, dict(found.told), headers)
