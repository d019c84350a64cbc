"""How many tokens a request would come to, without a call: never billed, refused as the call would be."""

from __future__ import annotations

from gateway.api.message import Request, Response
from gateway.calls.completions import Way
from gateway.wiring import gateway


def count_tokens(request: Request) -> Response:
    """`POST /v1/messages/count_tokens`: an estimate, four bytes a token, which says that it is one."""
    body = request.json()
    thinking = body.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    # A message needs a cap, beyond what it may think; here none is sent.
    cap = budget + 1 if isinstance(budget, int) and not isinstance(budget, bool) and budget > 0 else 1
    plan = gateway().completions.plan(
        request.caller,
        {**body, "max_tokens": cap, "stream": False},
        correlation_id=request.correlation_id,
        seconds_left=request.seconds_left(),
        way=Way("messages", beta=request.headers.get("anthropic-beta", "")),
    )
    found = plan.first.est
    return Response(200, {"input_tokens": found.tokens - found.output, "estimated": True})
